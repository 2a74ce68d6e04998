package smkiws_test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
)

// A node is an element of a document, as the checker of schemas sees it.
type node struct {
	name     string
	attrs    map[string]string
	children []*node
	text     string
}

func parseTree(document []byte) (*node, error) {
	d := xml.NewDecoder(strings.NewReader(string(document)))
	root := &node{}
	stack := []*node{root}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, attrs: map[string]string{}}
			for _, a := range t.Attr {
				n.attrs[a.Name.Local] = a.Value
			}
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(root.children) != 1 {
		return nil, fmt.Errorf("%d roots", len(root.children))
	}
	return root.children[0], nil
}

// A checker checks a document against a schema of ours: the part of XML Schema that
// they use, read from the schema itself. It is a second opinion beside xmllint, and
// runs everywhere.
type checker struct {
	elements, types map[string]*node
	ids             map[string]bool
}

func newChecker(schema []byte) (*checker, error) {
	root, err := parseTree(schema)
	if err != nil {
		return nil, err
	}
	c := &checker{elements: map[string]*node{}, types: map[string]*node{}, ids: map[string]bool{}}
	for _, n := range root.children {
		switch n.name {
		case "element":
			c.elements[n.attrs["name"]] = n
		case "simpleType":
			c.types[n.attrs["name"]] = n
		case "annotation":
		default:
			return nil, fmt.Errorf("schema has %q at its top", n.name)
		}
	}
	return c, nil
}

func (c *checker) check(document []byte) error {
	root, err := parseTree(document)
	if err != nil {
		return err
	}
	declaration := c.elements[root.name]
	if declaration == nil {
		return fmt.Errorf("root %q is not in the schema", root.name)
	}
	return c.element(declaration, root)
}

func (n *node) child(name string) *node {
	for _, k := range n.children {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (c *checker) element(d, n *node) error {
	if ref := d.attrs["ref"]; ref != "" {
		d = c.elements[ref]
	}
	complexType := d.child("complexType")
	if complexType == nil {
		if len(n.children) > 0 || len(n.attrs) > 0 {
			return fmt.Errorf("%s: want text alone", n.name)
		}
		return c.simple(d.attrs["type"], d.child("simpleType"), n.text, n.name)
	}
	attributes := complexType
	if simple := complexType.child("simpleContent"); simple != nil {
		attributes = simple.child("extension")
		if err := c.simple(attributes.attrs["base"], nil, n.text, n.name); err != nil {
			return err
		}
	} else {
		if strings.TrimSpace(n.text) != "" {
			return fmt.Errorf("%s: text between elements", n.name)
		}
		rest, err := c.particle(complexType.child("sequence"), n.children)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		if len(rest) > 0 {
			return fmt.Errorf("%s: %s is not expected", n.name, rest[0].name)
		}
	}
	known := map[string]bool{}
	for _, a := range attributes.children {
		if a.name != "attribute" {
			continue
		}
		name := a.attrs["name"]
		known[name] = true
		value, there := n.attrs[name]
		if !there {
			if a.attrs["use"] == "required" {
				return fmt.Errorf("%s: attribute %s is missing", n.name, name)
			}
			continue
		}
		if err := c.simple(a.attrs["type"], a.child("simpleType"), value, n.name+"/@"+name); err != nil {
			return err
		}
	}
	for name := range n.attrs {
		if !known[name] {
			return fmt.Errorf("%s: attribute %s is not in the schema", n.name, name)
		}
	}
	return nil
}

// particle takes from the front of nodes what a sequence, choice or element allows. The
// schemas are deterministic, so that the first node decides.
func (c *checker) particle(p *node, nodes []*node) ([]*node, error) {
	least, most := 1, 1
	switch p.attrs["minOccurs"] {
	case "", "1":
	case "0":
		least = 0
	default:
		return nil, fmt.Errorf("checker: minOccurs %q", p.attrs["minOccurs"])
	}
	switch p.attrs["maxOccurs"] {
	case "", "1":
	case "unbounded":
		most = 1 << 30
	default:
		return nil, fmt.Errorf("checker: maxOccurs %q", p.attrs["maxOccurs"])
	}
	for count := 0; count < most; count++ {
		if len(nodes) == 0 || !c.begins(p, nodes[0]) {
			if count < least {
				return nil, fmt.Errorf("%s %s is missing", p.name, p.attrs["name"]+p.attrs["ref"])
			}
			break
		}
		var err error
		switch p.name {
		case "element":
			err, nodes = c.element(p, nodes[0]), nodes[1:]
		case "sequence":
			for _, k := range p.children {
				if nodes, err = c.particle(k, nodes); err != nil {
					break
				}
			}
		case "choice":
			for _, k := range p.children {
				if c.begins(k, nodes[0]) {
					nodes, err = c.particle(k, nodes)
					break
				}
			}
		default:
			err = fmt.Errorf("checker: particle %q", p.name)
		}
		if err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func (c *checker) begins(p, n *node) bool {
	switch p.name {
	case "element":
		return p.attrs["name"]+p.attrs["ref"] == n.name
	case "sequence":
		return c.begins(p.children[0], n)
	}
	return slices.ContainsFunc(p.children, func(k *node) bool { return c.begins(k, n) })
}

var (
	ncName          = regexp.MustCompile(`^[\pL_][-.\pL\pN_]*$`)
	positiveInteger = regexp.MustCompile(`^\+?0*[1-9][0-9]*$`)
)

func (c *checker) simple(typeName string, inline *node, value, where string) error {
	if inline != nil {
		return c.restricted(inline, value, where)
	}
	if named := c.types[typeName]; named != nil {
		return c.restricted(named, value, where)
	}
	bad := func() error { return fmt.Errorf("%s: %.40q is no %s", where, value, typeName) }
	switch typeName {
	case "xs:string":
	case "xs:positiveInteger":
		if !positiveInteger.MatchString(value) {
			return bad()
		}
	case "xs:base64Binary":
		if _, err := base64.StdEncoding.Strict().DecodeString(value); err != nil {
			return bad()
		}
	case "xs:ID":
		if !ncName.MatchString(value) || c.ids[value] {
			return bad()
		}
		c.ids[value] = true
	default:
		return fmt.Errorf("checker: type %q", typeName)
	}
	return nil
}

func (c *checker) restricted(t *node, value, where string) error {
	r := t.child("restriction")
	if err := c.simple(r.attrs["base"], nil, value, where); err != nil {
		return err
	}
	enumerated, allowed := false, false
	for _, facet := range r.children {
		v := facet.attrs["value"]
		ok := true
		switch facet.name {
		case "enumeration":
			enumerated, allowed = true, allowed || v == value
		case "minLength":
			ok = utf8.RuneCountInString(value) >= atoi(v)
		case "maxLength":
			ok = utf8.RuneCountInString(value) <= atoi(v)
		case "pattern":
			ok = regexp.MustCompile(`^(` + v + `)$`).MatchString(value)
		default:
			return fmt.Errorf("checker: facet %q", facet.name)
		}
		if !ok {
			return fmt.Errorf("%s: %.40q breaks %s %s", where, value, facet.name, v)
		}
	}
	if enumerated && !allowed {
		return fmt.Errorf("%s: %.40q is not in the enumeration", where, value)
	}
	return nil
}

func atoi(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

// valid requires that a document is valid under the schema that has its root, in the
// opinion of the checker.
func valid(t testing.TB, document []byte) {
	t.Helper()
	require.NoError(t, validates(document), "%.2000s", document)
}

func schemaOf(document []byte) []byte {
	adHoc, batch := smkiws.Schemas()
	if strings.Contains(string(document[:min(len(document), 4000)]), "<DeviceCertificateSigning") {
		return adHoc
	}
	return batch
}

func validates(document []byte) error {
	c, err := newChecker(schemaOf(document))
	if err != nil {
		return err
	}
	return c.check(document)
}

// xmllint returns the path of the program, which is the judge that is not ours.
func xmllint(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("xmllint")
	if err != nil {
		const how = "xmllint is not here: apt-get install libxml2-utils"
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	return program
}

// lints asks xmllint whether documents are valid, and gives its words where one is
// not.
func lints(t testing.TB, document []byte) (bool, string) {
	t.Helper()
	program := xmllint(t)
	folder := t.TempDir()
	schema, file := filepath.Join(folder, "schema.xsd"), filepath.Join(folder, "document.xml")
	require.NoError(t, os.WriteFile(schema, schemaOf(document), 0o600))
	require.NoError(t, os.WriteFile(file, document, 0o600))
	out, err := exec.Command(program, "--nonet", "--noout", "--schema", schema, file).CombinedOutput()
	return err == nil, string(out)
}

// The checker and xmllint must agree, on what is valid and on what is not.
func TestChecker(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		document string
		valid    bool
	}{
		"answer":                   {`<CSRBatchResult ID="a"><Version>1.0</Version><Build>1</Build><BatchStatus>COMPLETED</BatchStatus><BatchId>7</BatchId><DeviceCertificate ID="_x"><Status>SUCCESS</Status><Certificate>AAAA</Certificate></DeviceCertificate></CSRBatchResult>`, true},
		"nothing chosen":           {`<CSRBatchResult><Version>1.0</Version><Build>1</Build><BatchStatus>PENDING</BatchStatus></CSRBatchResult>`, true},
		"ID that starts wrong":     {`<CSRBatchResult ID="a"><Version>1.0</Version><Build>1</Build><BatchStatus>COMPLETED</BatchStatus><BatchId>7</BatchId><DeviceCertificate ID="1x"><Status>SUCCESS</Status><Certificate>AAAA</Certificate></DeviceCertificate></CSRBatchResult>`, false},
		"ID twice":                 {`<SubmitCSRBatch ID="a"><Version>1.0</Version><DeviceCSR ID="x">AAAA</DeviceCSR><DeviceCSR ID="x">AAAA</DeviceCSR></SubmitCSRBatch>`, false},
		"ID like the batch's":      {`<SubmitCSRBatch ID="x"><Version>1.0</Version><DeviceCSR ID="x">AAAA</DeviceCSR></SubmitCSRBatch>`, true},
		"no request":               {`<SubmitCSRBatch ID="x"><Version>1.0</Version></SubmitCSRBatch>`, false},
		"status of another":        {`<SubmitCSRBatchStatus><Version>1.0</Version><Build>1</Build><BatchStatus>QUEUED</BatchStatus><BatchId>1</BatchId></SubmitCSRBatchStatus>`, false},
		"BatchId zero":             {`<SubmitCSRBatchStatus><Version>1.0</Version><Build>1</Build><BatchStatus>PENDING</BatchStatus><BatchId>0</BatchId></SubmitCSRBatchStatus>`, false},
		"order":                    {`<SubmitCSRBatchStatus><Build>1</Build><Version>1.0</Version><BatchStatus>PENDING</BatchStatus><BatchId>1</BatchId></SubmitCSRBatchStatus>`, false},
		"code too long":            {`<SubmitCSRBatchStatus><Version>1.0</Version><Build>1</Build><BatchStatus>FORMAT_ERROR</BatchStatus><Error><ErrorCode>FM:12345678</ErrorCode><ErrorText>x</ErrorText></Error></SubmitCSRBatchStatus>`, false},
		"both of a choice":         {`<SubmitCSRBatchStatus><Version>1.0</Version><Build>1</Build><BatchStatus>PENDING</BatchStatus><BatchId>1</BatchId><Error><ErrorCode>FM:1</ErrorCode><ErrorText>x</ErrorText></Error></SubmitCSRBatchStatus>`, false},
		"request":                  {`<DeviceCertificateSigningRequest ID="a"><Version>1.0</Version><CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, true},
		"ID of 33":                 {`<DeviceCertificateSigningRequest ID="` + strings.Repeat("é", 33) + `"><Version>1.0</Version><CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, false},
		"ID of 32":                 {`<DeviceCertificateSigningRequest ID="` + strings.Repeat("é", 32) + `"><Version>1.0</Version><CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, true},
		"Version 1.1":              {`<DeviceCertificateSigningRequest ID="a"><Version>1.1</Version><CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, false},
		"certificate and error":    {`<DeviceCertificateSigningResponse><Version>1.0</Version><Build>b</Build><TransactionId>1</TransactionId><Status>SUCCESS</Status></DeviceCertificateSigningResponse>`, false},
		"unknown attribute":        {`<DeviceCertificateSigningRequest ID="a" x="1"><Version>1.0</Version><CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, false},
		"no base64":                {`<DeviceCertificateSigningRequest ID="a"><Version>1.0</Version><CertificateSigningRequest>-AA</CertificateSigningRequest></DeviceCertificateSigningRequest>`, false},
		"status of a batch's item": {`<DeviceCertificateSigningResponse><Version>1.0</Version><Build>b</Build><TransactionId>1</TransactionId><Status>INELIGIBLE</Status><Error><ErrorCode>IN:1</ErrorCode><ErrorText>x</ErrorText></Error></DeviceCertificateSigningResponse>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := validates([]byte(row.document))
			require.Equal(t, row.valid, err == nil, "%v", err)
			ok, words := lints(t, []byte(row.document))
			require.Equal(t, row.valid, ok, words)
		})
	}
}
