package smkiws_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca/smkiws"
)

const (
	batchHead = `<SubmitCSRBatch ID="b"><Version>1.0</Version>`
	batchTail = `</SubmitCSRBatch>`
	oneCSR    = `<DeviceCSR ID="d1">AAAA</DeviceCSR>`
)

func readAll(document string, limits smkiws.Limits) (id string, items []smkiws.Item, err error) {
	id, err = smkiws.ReadBatch(strings.NewReader(document), limits, func(it smkiws.Item) error {
		items = append(items, it)
		return nil
	})
	return id, items, err
}

// What a client may write, beyond the plainest document.
func TestReadBatchAccepts(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"plain":                      batchHead + oneCSR + batchTail,
		"declaration":                `<?xml version="1.0" encoding="utf-8"?>` + "\r\n" + batchHead + oneCSR + batchTail + "\n",
		"UTF-8 in capitals":          `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + batchHead + oneCSR + batchTail,
		"byte order mark":            "\xEF\xBB\xBF" + batchHead + oneCSR + batchTail,
		"comments and white space":   "<!-- a -->\n" + `<SubmitCSRBatch ID="b">` + "\n <!-- b -->\n <Version>1.0</Version>\n" + oneCSR + "\n" + batchTail + "<!-- c -->",
		"a schema's place":           `<SubmitCSRBatch xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="x.xsd" ID="b"><Version>1.0</Version>` + oneCSR + batchTail,
		"CDATA":                      batchHead + `<DeviceCSR ID="d1"><![CDATA[AAAA]]></DeviceCSR>` + batchTail,
		"a character by its number":  batchHead + `<DeviceCSR ID="d1">&#65;A&#x41;A</DeviceCSR>` + batchTail,
		"white space round an xs:ID": batchHead + `<DeviceCSR ID=" d1 ">AAAA</DeviceCSR>` + batchTail,
		"quotes of the other kind":   `<SubmitCSRBatch ID='b'><Version>1.0</Version><DeviceCSR ID='d1'>AAAA</DeviceCSR>` + batchTail,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, items, err := readAll(document, smkiws.Limits{})
			require.NoError(t, err)
			require.Equal(t, "b", id)
			require.Equal(t, []smkiws.Item{{Name: "d1", DER: []byte{0, 0, 0}}}, items)
			ok, words := lints(t, []byte(document))
			require.True(t, ok, words)
		})
	}
}

// hostile are documents that must be refused, with a part of the reason.
var hostile = map[string]struct{ document, want string }{
	"empty":                {"", "ends inside"},
	"blank":                {" \n", "ends inside"},
	"no XML":               {"hello", "got text"},
	"cut short":            {batchHead + oneCSR, "unexpected EOF"},
	"another root":         {`<DeviceCertificateSigningRequest ID="b"/>`, "want element SubmitCSRBatch"},
	"the answer's root":    {`<SubmitCSRBatchStatus ID="b"/>`, "want element SubmitCSRBatch"},
	"a second root":        {batchHead + oneCSR + batchTail + "<x/>", "after the root"},
	"text after the root":  {batchHead + oneCSR + batchTail + "x", "after the root"},
	"text before the root": {"x" + batchHead + oneCSR + batchTail, "got text"},
	"a document type":      {"<!DOCTYPE SubmitCSRBatch>" + batchHead + oneCSR + batchTail, "document type declaration"},
	"a document type with ENTITY": {`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + batchHead + `<DeviceCSR ID="d1">&b;</DeviceCSR>` + batchTail,
		"document type declaration"},
	"an external entity":     {`<!DOCTYPE x SYSTEM "file:///etc/passwd">` + batchHead + oneCSR + batchTail, "document type declaration"},
	"an undeclared entity":   {batchHead + `<DeviceCSR ID="d1">&x;</DeviceCSR>` + batchTail, "invalid character entity &x;"},
	"an HTML entity":         {batchHead + `<DeviceCSR ID="d1">&nbsp;</DeviceCSR>` + batchTail, "invalid character entity"},
	"an entity in an ID":     {`<SubmitCSRBatch ID="&x;">`, "invalid character entity"},
	"a processing step":      {`<?xml-stylesheet href="x"?>` + batchHead + oneCSR + batchTail, "no processing instruction"},
	"a step inside":          {batchHead + "<?php x ?>" + oneCSR + batchTail, "no processing instruction"},
	"a step in text":         {batchHead + `<DeviceCSR ID="d1">AA<?x y?>AA</DeviceCSR>` + batchTail, "no processing instruction"},
	"a late declaration":     {" " + `<?xml version="1.0"?>` + batchHead + oneCSR + batchTail, "no processing instruction"},
	"XML 1.1":                {`<?xml version="1.1"?>` + batchHead + oneCSR + batchTail, "unsupported version"},
	"UTF-16 declared":        {`<?xml version="1.0" encoding="utf-16"?>` + batchHead + oneCSR + batchTail, "encoding"},
	"Latin 1 declared":       {`<?xml version="1.0" encoding="iso-8859-1"?>` + batchHead + oneCSR + batchTail, "encoding"},
	"no UTF-8":               {`<SubmitCSRBatch ID="` + "\xff" + `">`, "invalid UTF-8"},
	"a control character":    {`<SubmitCSRBatch ID="` + "\x01" + `">`, "illegal character"},
	"a NUL by its number":    {`<SubmitCSRBatch ID="&#0;">`, "illegal character"},
	"a namespace":            {`<SubmitCSRBatch xmlns="urn:x" ID="b"><Version>1.0</Version>` + oneCSR + batchTail, "in a namespace"},
	"a prefix":               {`<s:SubmitCSRBatch xmlns:s="urn:x" ID="b"/>`, "in a namespace"},
	"an undeclared prefix":   {`<s:SubmitCSRBatch ID="b"/>`, "in a namespace"},
	"a SOAP envelope":        {`<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"/>`, "in a namespace"},
	"no ID":                  {`<SubmitCSRBatch><Version>1.0</Version>` + oneCSR + batchTail, "needs the attribute ID"},
	"an empty ID":            {`<SubmitCSRBatch ID=""><Version>1.0</Version>` + oneCSR + batchTail, "1 to 256"},
	"a long ID":              {`<SubmitCSRBatch ID="` + strings.Repeat("x", 257) + `"><Version>1.0</Version>` + oneCSR + batchTail, "1 to 256"},
	"an ID twice":            {`<SubmitCSRBatch ID="b" ID="c"><Version>1.0</Version>` + oneCSR + batchTail, "stands twice"},
	"another attribute":      {`<SubmitCSRBatch ID="b" x="y"><Version>1.0</Version>` + oneCSR + batchTail, "has no attribute"},
	"an ID in a namespace":   {`<SubmitCSRBatch xmlns:x="urn:x" ID="b" x:ID="c"><Version>1.0</Version>` + oneCSR + batchTail, "has no attribute"},
	"xml:lang":               {`<SubmitCSRBatch ID="b" xml:lang="en"><Version>1.0</Version>` + oneCSR + batchTail, "has no attribute"},
	"id in small letters":    {`<SubmitCSRBatch id="b"><Version>1.0</Version>` + oneCSR + batchTail, "has no attribute"},
	"xsi:nil":                {batchHead + `<DeviceCSR xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true" ID="d1"/>` + batchTail, "has no attribute"},
	"no Version":             {`<SubmitCSRBatch ID="b">` + oneCSR + batchTail, "want element Version"},
	"Version twice":          {batchHead + "<Version>1.0</Version>" + oneCSR + batchTail, "want element DeviceCSR"},
	"Version 1.1":            {`<SubmitCSRBatch ID="b"><Version>1.1</Version>` + oneCSR + batchTail, "this service speaks 1.0"},
	"Version with a blank":   {`<SubmitCSRBatch ID="b"><Version> 1.0</Version>` + oneCSR + batchTail, "this service speaks 1.0"},
	"Version empty":          {`<SubmitCSRBatch ID="b"><Version/>` + oneCSR + batchTail, "this service speaks 1.0"},
	"Version with attribute": {`<SubmitCSRBatch ID="b"><Version ID="v">1.0</Version>` + oneCSR + batchTail, "has no attribute"},
	"Version with element":   {`<SubmitCSRBatch ID="b"><Version><x/></Version>` + oneCSR + batchTail, "where text is expected"},
	"Version after":          {`<SubmitCSRBatch ID="b">` + oneCSR + "<Version>1.0</Version>" + batchTail, "want element Version"},
	"no request":             {batchHead + batchTail, "at least one"},
	"another element":        {batchHead + "<CSR ID='d1'>AAAA</CSR>" + batchTail, "want element DeviceCSR"},
	"another letter case":    {batchHead + "<devicecsr ID='d1'>AAAA</devicecsr>" + batchTail, "want element DeviceCSR"},
	"text between":           {batchHead + oneCSR + "x" + batchTail, "text stands where"},
	"element in a request":   {batchHead + `<DeviceCSR ID="d1"><x/></DeviceCSR>` + batchTail, "where text is expected"},
	"nested requests":        {batchHead + `<DeviceCSR ID="d1"><DeviceCSR ID="d2">AAAA</DeviceCSR></DeviceCSR>` + batchTail, "where text is expected"},
	"request without ID":     {batchHead + `<DeviceCSR>AAAA</DeviceCSR>` + batchTail, "needs the attribute ID"},
	"request's ID empty":     {batchHead + `<DeviceCSR ID="">AAAA</DeviceCSR>` + batchTail, "1 to 100"},
	"request's ID blank":     {batchHead + `<DeviceCSR ID="  ">AAAA</DeviceCSR>` + batchTail, "1 to 100"},
	"request's ID a number":  {batchHead + `<DeviceCSR ID="1">AAAA</DeviceCSR>` + batchTail, "no xs:ID"},
	"request's ID with -":    {batchHead + `<DeviceCSR ID="-a">AAAA</DeviceCSR>` + batchTail, "no xs:ID"},
	"request's ID with :":    {batchHead + `<DeviceCSR ID="a:b">AAAA</DeviceCSR>` + batchTail, "no xs:ID"},
	"request's ID a path":    {batchHead + `<DeviceCSR ID="a/b">AAAA</DeviceCSR>` + batchTail, "no xs:ID"},
	"request's ID, a blank":  {batchHead + `<DeviceCSR ID="a b">AAAA</DeviceCSR>` + batchTail, "no xs:ID"},
	"request's ID long":      {batchHead + `<DeviceCSR ID="` + strings.Repeat("a", 101) + `">AAAA</DeviceCSR>` + batchTail, "1 to 100"},
	"request's ID twice":     {batchHead + oneCSR + oneCSR + batchTail, "stands twice"},
	"and with white space":   {batchHead + oneCSR + `<DeviceCSR ID=" d1">AAAA</DeviceCSR>` + batchTail, "stands twice"},
	"request's attribute":    {batchHead + `<DeviceCSR ID="d1" type="x">AAAA</DeviceCSR>` + batchTail, "has no attribute"},
	"tags crossed":           {batchHead + `<DeviceCSR ID="d1">AAAA</Version>` + batchTail, "closed by"},
	"an unquoted attribute":  {`<SubmitCSRBatch ID=b>`, "unquoted"},
	"< in an attribute":      {`<SubmitCSRBatch ID="<">`, "unescaped <"},
	"]]> in text":            {batchHead + `<DeviceCSR ID="d1">]]></DeviceCSR>` + batchTail, "]]>"},
	"-- in a comment":        {"<!-- -- -->" + batchHead + oneCSR + batchTail, "--"},
	"a long comment":         {"<!--" + strings.Repeat("x", smkiws.MaxToken) + "-->" + batchHead + oneCSR + batchTail, "longer than"},
	"a long tag":             {`<SubmitCSRBatch ` + strings.Repeat(`a="b" `, smkiws.MaxToken/6) + ">", "longer than"},
	"a long text":            {batchHead + `<DeviceCSR ID="d1">` + strings.Repeat("A", smkiws.MaxToken) + "</DeviceCSR>" + batchTail, "longer than"},
	"very deep":              {strings.Repeat("<SubmitCSRBatch ID='b'>", 100000), "want element Version"},
	"a zip archive":          {"PK\x03\x04", "illegal character"},
}

// Each hostile document is refused at the octet where it is seen, with a reason. What
// we refuse and the schema would let through is on a list.
func TestReadBatchRefuses(t *testing.T) {
	t.Parallel()
	stricter := map[string]bool{"a step inside": true, "a step in text": true, "a processing step": true, "a document type": true, "an external entity": true,
		"XML 1.1": true, "Latin 1 declared": true}
	for name, row := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := readAll(row.document, smkiws.Limits{})
			var format *smkiws.FormatError
			require.ErrorAs(t, err, &format)
			require.ErrorContains(t, err, row.want)
			if len(row.document) < 1000 && !stricter[name] {
				ok, words := lints(t, []byte(row.document))
				require.False(t, ok, words)
			}
		})
	}
}

// A document that is as long as it may be is read; one octet more is refused.
func TestReadBatchLength(t *testing.T) {
	t.Parallel()
	document := batchHead + oneCSR + batchTail
	_, _, err := readAll(document, smkiws.Limits{BatchOctets: int64(len(document))})
	require.NoError(t, err)
	_, _, err = readAll(document, smkiws.Limits{BatchOctets: int64(len(document)) - 1})
	require.ErrorContains(t, err, "too long")
}

// A request that is no base64 spoils itself and not its batch.
func TestReadBatchItems(t *testing.T) {
	t.Parallel()
	for csr, want := range map[string]string{
		"":                                    "no request",
		"AAAA\n":                              "white space",
		" AAAA":                               "white space",
		"AA AA":                               "white space",
		"-----BEGIN CERTIFICATE REQUEST---":   "white space",
		"-AAAA":                               "PEM lines",
		"AAA":                                 "not base64",
		"AAA=":                                "",
		"AAB=":                                "not base64",
		"AA==AAAA":                            "not base64",
		"AA_-":                                "not base64",
		strings.Repeat("A", smkiws.MaxText+4): "longer than",
	} {
		_, items, err := readAll(batchHead+`<DeviceCSR ID="d1">`+csr+`</DeviceCSR><DeviceCSR ID="d2">AAAA</DeviceCSR>`+batchTail, smkiws.Limits{})
		require.NoError(t, err, csr)
		require.Len(t, items, 2)
		require.NoError(t, items[1].Err)
		if want == "" {
			require.NoError(t, items[0].Err, csr)
			continue
		}
		require.ErrorContains(t, items[0].Err, want, csr)
		require.Empty(t, items[0].DER)
	}
}

// A connection that breaks is no fault of the document.
func TestReadBatchBroken(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for n := range len(batchHead) {
		_, err := smkiws.ReadBatch(io.MultiReader(strings.NewReader(batchHead[:n]), iotest.ErrReader(broken)), smkiws.Limits{}, func(smkiws.Item) error { return nil })
		require.ErrorIs(t, err, broken, n)
		var format *smkiws.FormatError
		require.False(t, errors.As(err, &format), n)
	}
	_, err := smkiws.ReadBatch(strings.NewReader(batchHead+oneCSR+batchTail), smkiws.Limits{}, func(smkiws.Item) error { return broken })
	require.ErrorIs(t, err, broken)
}

// generated is a batch document of n requests that is never whole in memory.
func generated(n, csr int) io.Reader {
	body := strings.Repeat("A", csr)
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, batchHead)
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(w, `<DeviceCSR ID="d%d">%s</DeviceCSR>`, i, body)
		}
		if err == nil {
			_, err = io.WriteString(w, batchTail)
		}
		w.CloseWithError(err)
	}()
	return r
}

// A full batch is read in a few megabytes, most of which are the 50,000 names; one more
// request is too many, and a document without end is left at the limit.
//
// Not parallel: it measures the memory of the process.
func TestReadBatchFull(t *testing.T) {
	count := 0
	var most uint64
	item := func(smkiws.Item) error {
		if count++; count%10000 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	id, err := smkiws.ReadBatch(generated(50000, 372), smkiws.Limits{}, item)
	require.NoError(t, err)
	require.Equal(t, "b", id)
	require.Equal(t, 50000, count)
	require.Less(t, most, before.HeapAlloc+16<<20)

	count = 0
	id, err = smkiws.ReadBatch(generated(1<<30, 4), smkiws.Limits{}, item)
	require.ErrorIs(t, err, smkiws.ErrTooMany)
	require.Equal(t, "b", id)
	require.Equal(t, 50000, count)
}

// Whatever IDs and texts a batch has, what is read is what was written.
func TestReadBatchProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_.-]{0,99}`), 1, 20, rapid.ID[string]).Draw(t, "names")
		var b strings.Builder
		b.WriteString(batchHead)
		var want []smkiws.Item
		for _, name := range names {
			der := rapid.SliceOfN(rapid.Byte(), 1, 400).Draw(t, "der")
			fmt.Fprintf(&b, "<DeviceCSR ID=%q>%s</DeviceCSR>", name, text(der))
			want = append(want, smkiws.Item{Name: name, DER: der})
		}
		b.WriteString(batchTail)
		_, items, err := readAll(b.String(), smkiws.Limits{})
		require.NoError(t, err)
		require.Equal(t, want, items)
	})
}

// What our reader takes, the checker of the schema takes, but for the text of requests,
// which the channel judges item by item.
func FuzzReadBatch(f *testing.F) {
	f.Add([]byte(batchHead + oneCSR + batchTail))
	for _, row := range hostile {
		if len(row.document) < 2000 {
			f.Add([]byte(row.document))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		count := 0
		readable := true
		_, err := smkiws.ReadBatch(strings.NewReader(string(b)), smkiws.Limits{BatchItems: 10}, func(it smkiws.Item) error {
			count++
			readable = readable && it.Err == nil
			if it.Err == nil && len(it.DER) == 0 {
				t.Fatal("an item without request and without error")
			}
			return nil
		})
		if count > 10 {
			t.Fatal("more items than the limit")
		}
		plain := !strings.Contains(string(b), "xmlns") && !strings.Contains(string(b), "xsi")
		if err == nil && readable && plain {
			if err := validates([]byte(strings.ReplaceAll(string(b), "\xEF\xBB\xBF", ""))); err != nil && !strings.Contains(err.Error(), "xs:ID") {
				t.Fatalf("%v\n%q", err, b)
			}
		}
	})
}

func FuzzReadAdHoc(f *testing.F) {
	f.Add(adHocDocument("x", "AAAA"))
	f.Add([]byte(`<DeviceCertificateSigningRequest ID="a"><CertificateSigningRequest>AAAA</CertificateSigningRequest><Version>1.0</Version></DeviceCertificateSigningRequest>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY x "y">]><DeviceCertificateSigningRequest ID="&x;"/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, der, bad, err := smkiws.ReadAdHoc(strings.NewReader(string(b)), 1<<16)
		if err != nil {
			return
		}
		if id == "" || (len(der) == 0) == (bad == "") {
			t.Fatalf("ID %q, request %x, failure %q", id, der, bad)
		}
	})
}

// The ad hoc document has its own root and bounds; the rest of its reader is the
// batch's.
func TestReadAdHoc(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ document, want string }{
		"a batch":             {batchHead + oneCSR + batchTail, "want element DeviceCertificateSigningRequest"},
		"ID of 33":            {string(adHocDocument(strings.Repeat("x", 33), "AAAA")), "1 to 32"},
		"two requests":        {strings.Replace(string(adHocDocument("x", "AAAA")), "</DeviceC", "<CertificateSigningRequest>AAAA</CertificateSigningRequest></DeviceC", 1), "not expected here"},
		"no request":          {`<DeviceCertificateSigningRequest ID="x"><Version>1.0</Version></DeviceCertificateSigningRequest>`, "want element CertificateSigningRequest"},
		"a request's ID":      {strings.Replace(string(adHocDocument("x", "AAAA")), "<CertificateSigningRequest", `<CertificateSigningRequest ID="y"`, 1), "has no attribute"},
		"something behind":    {string(adHocDocument("x", "AAAA")) + "<x/>", "after the root"},
		"unfinished":          {strings.TrimSuffix(string(adHocDocument("x", "AAAA")), "</DeviceCertificateSigningRequest>"), "unexpected EOF"},
		"declared document":   {`<!DOCTYPE x>` + string(adHocDocument("x", "AAAA")), "document type"},
		"longer than allowed": {string(adHocDocument("x", strings.Repeat("A", 2000))), "too long"},
	} {
		_, _, _, err := smkiws.ReadAdHoc(strings.NewReader(row.document), 1500)
		require.ErrorContains(t, err, row.want, name)
		var format *smkiws.FormatError
		require.ErrorAs(t, err, &format, name)
	}
}
