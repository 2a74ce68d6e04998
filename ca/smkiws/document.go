package smkiws

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A FormatError says where a document or an archive is not what it has to be.
type FormatError struct {
	Line, Column int    // of a document; zero for an archive
	Entry        string // of an archive; empty for a document
	Reason       string
}

// Error is one line that a person can act on.
func (e *FormatError) Error() string {
	switch {
	case e.Entry != "":
		return fmt.Sprintf("entry %.100q: %s", e.Entry, e.Reason)
	case e.Line > 0:
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
	}
	return e.Reason
}

// Bounds of a document that no schema expresses.
const (
	// maxToken bounds one tag, comment or piece of text, which the decoder holds in
	// memory at once.
	maxToken = 64 << 10
	// maxText bounds the text of one element that is kept. The base64 of the longest
	// request that package policy reads has 5,464 characters.
	maxText = 8 << 10
)

// A document is an XML document of AppM on its way through a reader: pulled element
// by element, in constant memory, and refused at the first octet that should not be
// there. What encoding/xml does not check is checked here: the root, unknown
// attributes and attributes that stand twice, namespaces, declarations, processing
// instructions, what stands around the root, the length of a token.
type document struct {
	decoder *xml.Decoder
	in      *meter
	err     error
}

// openDocument reads the prolog and the start of the root, which must have the given
// name. max bounds the whole document.
func openDocument(r io.Reader, max int64, root string) (*document, xml.StartElement, error) {
	buffer := 32 << 10
	if max < 1<<20 {
		buffer = 2 << 10 // a single request has a thousand octets
	}
	d := &document{in: &meter{r: bufio.NewReaderSize(r, buffer), left: max}}
	if b, err := d.in.r.Peek(3); err == nil && string(b) == "\xEF\xBB\xBF" {
		d.in.r.Discard(3) // a byte order mark is allowed in UTF-8 (XML 1.0, 4.3.3)
		d.in.left -= 3
	}
	d.decoder = xml.NewDecoder(d.in)
	for first := true; ; first = false {
		begin := d.decoder.InputOffset()
		token, err := d.token()
		if err != nil {
			return nil, xml.StartElement{}, err
		}
		switch t := token.(type) {
		case xml.ProcInst:
			if t.Target != "xml" || !first || begin != 0 {
				return nil, xml.StartElement{}, d.fail("no processing instruction is expected")
			}
		case xml.CharData:
			if !blank(t) {
				return nil, xml.StartElement{}, d.fail("want element %s, got text", root)
			}
		case xml.StartElement:
			if t.Name.Local != root {
				return nil, xml.StartElement{}, d.fail("want element %s, got %.40q", root, t.Name.Local)
			}
			return d, t, nil
		}
	}
}

// token returns the next token that is no comment.
func (d *document) token() (xml.Token, error) {
	for {
		if d.err != nil {
			return nil, d.err
		}
		d.in.token = 0
		token, err := d.decoder.Token()
		var syntax *xml.SyntaxError
		switch {
		case err == io.EOF:
			return nil, io.EOF
		case errors.As(err, &syntax):
			return nil, d.fail("%s", syntax.Msg)
		case d.in.tooLong != "":
			return nil, d.fail("%s", d.in.tooLong)
		case d.in.err != nil:
			d.err = d.in.err // the connection, not the document
			return nil, d.err
		case err != nil:
			return nil, d.fail("%v", err)
		}
		switch t := token.(type) {
		case xml.Comment:
			continue
		case xml.Directive:
			return nil, d.fail("a document type declaration is not accepted")
		case xml.StartElement:
			if err := d.checkNames(t); err != nil {
				return nil, err
			}
		}
		return token, nil
	}
}

const instance = "http://www.w3.org/2001/XMLSchema-instance"

// checkNames refuses namespaces and attributes that stand twice. What a schema-aware
// client may put on any element is let through and has no effect: prefixes that it
// declares, and hints where a schema could be found, which are never followed.
func (d *document) checkNames(t xml.StartElement) error {
	if t.Name.Space != "" {
		return d.fail("element %.40q is in a namespace; these documents have none", t.Name.Local)
	}
	for i, a := range t.Attr {
		for _, other := range t.Attr[:i] {
			if a.Name == other.Name {
				return d.fail("attribute %.40q stands twice", a.Name.Local)
			}
		}
	}
	return nil
}

func harmless(a xml.Attr) bool {
	switch {
	case a.Name.Space == "xmlns", a.Name.Space == "" && a.Name.Local == "xmlns" && a.Value == "":
		return true
	case a.Name.Space == instance:
		return a.Name.Local == "noNamespaceSchemaLocation" || a.Name.Local == "schemaLocation"
	}
	return false
}

// attribute returns the one attribute that t must have, and refuses all others.
// With an empty name it must have none.
func (d *document) attribute(t xml.StartElement, name string) (string, error) {
	value, found := "", name == ""
	for _, a := range t.Attr {
		switch {
		case harmless(a):
		case name != "" && a.Name.Space == "" && a.Name.Local == name:
			value, found = a.Value, true
		default:
			return "", d.fail("element %s has no attribute %.40q", t.Name.Local, a.Name.Local)
		}
	}
	if !found {
		return "", d.fail("element %s needs the attribute %s", t.Name.Local, name)
	}
	return value, nil
}

// child returns the start of the next child of the element that is open, or false
// at its end.
func (d *document) child() (xml.StartElement, bool, error) {
	for {
		token, err := d.token()
		if err != nil {
			return xml.StartElement{}, false, noEOF(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t, true, nil
		case xml.EndElement:
			return xml.StartElement{}, false, nil
		case xml.CharData:
			if !blank(t) {
				return xml.StartElement{}, false, d.fail("text stands where an element is expected")
			}
		default:
			return xml.StartElement{}, false, d.fail("no processing instruction is expected")
		}
	}
}

// expect returns the start of the next child, which must have the given name.
func (d *document) expect(name string) (xml.StartElement, error) {
	t, there, err := d.child()
	switch {
	case err != nil:
		return t, err
	case !there:
		return t, d.fail("want element %s", name)
	case t.Name.Local != name:
		return t, d.fail("want element %s, got %.40q", name, t.Name.Local)
	}
	return t, nil
}

// text returns the text of the element that is open, up to its end, in which no
// element may stand. What is longer than maxText is cut one octet above it.
func (d *document) text() (string, error) {
	var b []byte
	for {
		token, err := d.token()
		if err != nil {
			return "", noEOF(err)
		}
		switch t := token.(type) {
		case xml.CharData:
			if room := maxText + 1 - len(b); room > 0 {
				b = append(b, t[:min(len(t), room)]...)
			}
		case xml.EndElement:
			return string(b), nil
		case xml.StartElement:
			return "", d.fail("element %.40q stands where text is expected", t.Name.Local)
		default:
			return "", d.fail("no processing instruction is expected")
		}
	}
}

// version reads the element Version, which is always 1.0.
func (d *document) version() error {
	t, err := d.expect("Version")
	if err != nil {
		return err
	}
	if _, err := d.attribute(t, ""); err != nil {
		return err
	}
	v, err := d.text()
	if err != nil {
		return err
	}
	if v != "1.0" {
		return d.fail("Version is %.20q; this service speaks 1.0", v)
	}
	return nil
}

// end reads to the end of the document, after the root's. Nothing but comments and
// white space may stand there.
func (d *document) end() error {
	for {
		token, err := d.token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t, is := token.(xml.CharData); !is || !blank(t) {
			return d.fail("something stands after the root element")
		}
	}
}

func (d *document) fail(format string, args ...any) error {
	if d.err == nil {
		line, column := d.decoder.InputPos()
		d.err = &FormatError{Line: line, Column: column, Reason: fmt.Sprintf(format, args...)}
	}
	return d.err
}

// noEOF turns the end of the document inside an element into an error; the decoder
// itself reports it as a syntax error, so that this is a second lock.
func noEOF(err error) error {
	if err == io.EOF {
		return &FormatError{Reason: "the document ends inside an element"}
	}
	return err
}

func blank(b []byte) bool { return len(strings.Trim(string(b), " \t\r\n")) == 0 }

// A meter counts what the decoder reads: of a document, and of a token. The decoder
// takes it octet by octet, because it is an io.ByteReader.
type meter struct {
	r       *bufio.Reader
	left    int64
	token   int
	tooLong string
	err     error
}

func (m *meter) ReadByte() (byte, error) {
	if m.left <= 0 {
		// The end of the document may stand exactly here.
		if _, err := m.r.Peek(1); err == io.EOF {
			return 0, io.EOF
		}
		m.tooLong = "the document is too long"
		return 0, errors.New(m.tooLong)
	}
	if m.token >= maxToken {
		m.tooLong = fmt.Sprintf("a tag, a comment or a text is longer than %d octets", maxToken)
		return 0, errors.New(m.tooLong)
	}
	b, err := m.r.ReadByte()
	if err != nil {
		if err != io.EOF {
			m.err = err
		}
		return 0, err
	}
	m.left--
	m.token++
	return b, nil
}

// Read is there for the type only: a decoder uses ReadByte where there is one.
func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := m.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// stringID checks the facets of an ID that is a plain string: 1 to max characters.
func (d *document) stringID(id string, max int) error {
	if n := utf8.RuneCountInString(id); n < 1 || n > max {
		return d.fail("ID has %d characters; want 1 to %d", n, max)
	}
	return nil
}

// ncName is the form of an xs:ID: NameStartChar and NameChar of XML 1.0, 2.3, without
// the colon (XML Names 1.0, 3).
var ncName = regexp.MustCompile(`^[A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}\x{200D}\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}]` +
	`[-.0-9A-Z_a-z\x{B7}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{37D}\x{37F}-\x{1FFF}\x{200C}\x{200D}\x{203F}\x{2040}\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}]*$`)

// xsID checks an xs:ID of 1 to 100 characters and returns it as a schema sees it,
// without the white space around it (XML Schema, whiteSpace collapse).
func (d *document) xsID(id string) (string, error) {
	id = strings.Trim(id, " \t\r\n")
	if n := utf8.RuneCountInString(id); n < 1 || n > 100 {
		return "", d.fail("ID of DeviceCSR has %d characters; want 1 to 100", n)
	}
	if !ncName.MatchString(id) {
		return "", d.fail("ID %.40q of DeviceCSR is no xs:ID: it begins with a letter or an underscore and has letters, digits and . - _", id)
	}
	return id, nil
}
