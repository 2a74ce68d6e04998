package repository_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/policy"
)

func word(usage policy.KeyUsage) string {
	if usage == policy.UsageKeyAgreement {
		return "KA"
	}
	return "DS"
}

// Whatever was issued is found by its subject and retrieved octet for octet, and
// nothing else is.
func TestWhatWasIssuedIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	c := w.client(t)
	rapid.Check(t, func(rt *rapid.T) {
		w.pass(time.Minute) // or it would be too many requests
		id := w.entity()
		field := "CertificateSubjectAltName"
		organisation := rapid.Bool().Draw(rt, "organisation")
		role := rapid.SampledFrom([]policy.RemotePartyRole{policy.RoleSupplier, policy.RoleNetworkOperator, policy.RoleOther, policy.RoleXMLSign}).Draw(rt, "role")
		if organisation {
			field = "CertificateSubjectName"
		}
		issued := map[string]*ca.Certificate{}
		usage := map[string]string{}
		for range rapid.IntRange(1, 3).Draw(rt, "certificates") {
			u := policy.UsageDigitalSignature
			if role != policy.RoleXMLSign && rapid.Bool().Draw(rt, "agreement") {
				u = policy.UsageKeyAgreement
			}
			cert := w.device
			if organisation {
				cert = func(t testing.TB, id policy.EntityID, u policy.KeyUsage) *ca.Certificate {
					return w.organisation(t, id, role, u)
				}
			}
			made := cert(t, id, u)
			issued[made.Serial.String()], usage[made.Serial.String()] = made, word(u)
		}
		text := id.String()
		if rapid.Bool().Draw(rt, "lower case") {
			text = strings.ToLower(text)
		}
		got := map[string][]byte{}
		for _, u := range []string{"DS", "KA"} {
			wanted := ""
			if organisation {
				wanted = fmt.Sprint(int(role))
			}
			found, err := c.find(context.Background(), field, text, "I", u, wanted)
			require.NoError(t, err)
			for serial, der := range found {
				require.Equal(t, u, usage[serial])
				got[serial] = der
			}
		}
		require.Len(t, got, len(issued))
		for serial, cert := range issued {
			require.Equal(t, cert.DER, got[serial])
			// A look-up by number sends lower-case hex without leading zeros.
			der, _, err := c.certificate(strings.TrimLeft(strings.ToLower(serial), "0"))
			require.NoError(t, err)
			require.Equal(t, cert.DER, der)
		}
		other := map[string]string{"CertificateSubjectName": "CertificateSubjectAltName", "CertificateSubjectAltName": "CertificateSubjectName"}[field]
		nobody, err := c.results(other, text)
		require.NoError(t, err)
		require.Empty(t, nobody, "a device is no organisation")
	})
}

// The documents have exactly the elements that the client's vendor shows.
func TestDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	c := w.client(t)
	device := w.device(t, w.entity(), policy.UsageDigitalSignature)
	supplier := w.organisation(t, w.entity(), policy.RoleXMLSign, policy.UsageDigitalSignature)
	w.revoke(t, supplier)

	answer, err := c.ask("certificatesearch", "CertificateSearchRequest", "CertificateSubjectAltName", device.Entity.String())
	require.NoError(t, err)
	require.Equal(t, "CertificateSearchResponse", answer.XMLName.Local)
	require.Equal(t, []string{"ResponseCode", "ResponseMessage", "AuditReference", "Result"}, answer.names())
	require.Equal(t, "200", answer.text("ResponseCode"))
	require.Equal(t, "Success", answer.text("ResponseMessage"))
	require.Regexp(t, `^[0-9]+-[0-9a-f]{16}$`, answer.text("AuditReference"))
	result, _ := answer.child("Result")
	require.Equal(t, []string{"CertificateSerial", "CertificateSubjectAltName", "CertificateStatus", "CertificateUsage", "ManufacturingFlag"}, result.names())
	require.Equal(t, device.Serial.String(), result.text("CertificateSerial"))
	require.Equal(t, device.Entity.String(), result.text("CertificateSubjectAltName"))
	require.Equal(t, "I", result.text("CertificateStatus"))
	require.Equal(t, "false", result.text("ManufacturingFlag"))

	results, err := c.results("CertificateSubjectName", supplier.Entity.String())
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, []string{"CertificateSerial", "CertificateSubjectName", "CertificateStatus", "CertificateRole", "CertificateUsage", "ManufacturingFlag"}, results[0].names())
	require.Equal(t, "135", results[0].text("CertificateRole"), "a role is decimal")
	require.Equal(t, "R", results[0].text("CertificateStatus"))

	der, got, err := c.certificate(supplier.Serial.String())
	require.NoError(t, err)
	require.Equal(t, supplier.DER, der)
	require.Equal(t, []string{"CertificateSubjectName", "CertificateSerial", "CertificateStatus", "CertificateBody", "CertificateRole", "CertificateUsage", "ManufacturingFlag"}, got.names())
	_, got, err = c.certificate(device.Serial.String())
	require.NoError(t, err)
	require.Equal(t, []string{"CertificateSubjectAltName", "CertificateSerial", "CertificateStatus", "CertificateBody", "CertificateUsage", "ManufacturingFlag"}, got.names())
}

// The root and issuing certificates of a ceremony are in the ledger, and no word of
// these documents fits them.
func TestAuthoritiesAreDownloadedOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	root := w.hierarchy.RootOCA.Certificate
	require.NoError(t, w.issuer.ImportCeremony(context.Background(), []ca.CeremonyIntent{
		{TBS: root.RawTBS, Signature: root.Signature, Profile: policy.ProfileRootOCA, KeyLabel: "root-oca-1"}}))
	c := w.client(t)
	der, _, err := c.certificate(root.Serial.String())
	require.NoError(t, err)
	require.Nil(t, der)
	answer, body := get(t, c.base+"authorities/root-oca.cer")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, root.Raw, body)
}

func post(t *testing.T, url, kind, body string) (*http.Response, string) {
	t.Helper()
	answer, err := http.Post(url, kind, strings.NewReader(body))
	require.NoError(t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(b)
}

func TestAnswersWithoutACertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	c := w.client(t)
	search, retrieve := c.base+"services/certificatesearch?apikey=", c.base+"services/retrievecertificate?apikey="
	asking := func(field, value string) string {
		return "<CertificateSearchRequest><" + field + ">" + value + "</" + field + "></CertificateSearchRequest>"
	}
	good := asking("CertificateSubjectName", "90-B3-D5-1F-30-01-00-00")
	for _, row := range []struct {
		says, url, kind, body string
		status                int
	}{
		{"nobody has this subject", search + c.key, "application/xml", good, 402},
		{"parameters of the type do not matter", search + c.key, "application/xml; charset=UTF-8", good, 402},
		{"nothing has this serial number", retrieve + c.key, "application/xml", "<CertificateDataRequest><CertificateSerial>ff</CertificateSerial></CertificateDataRequest>", 402},
		{"no key", search, "application/xml", good, 403},
		{"somebody else's guess", search + strings.Repeat("0", 64), "application/xml", good, 403},
		{"a key and more", search + c.key + "0", "application/xml", good, 403},
		{"a key that is too long to be looked up", search + strings.Repeat("0", 5000), "application/xml", good, 403},
		{"no key is no key, whatever is asked", search, "text/plain", "<", 403},
		{"another type", search + c.key, "text/xml", good, 415},
		{"no identifier", search + c.key, "application/xml", asking("CertificateSubjectName", "GITTESTSUPPLIER"), 401},
		{"an empty one", search + c.key, "application/xml", asking("CertificateSubjectAltName", ""), 401},
		{"both", search + c.key, "application/xml", "<CertificateSearchRequest><CertificateSubjectName>90-B3-D5-1F-30-01-00-00</CertificateSubjectName><CertificateSubjectAltName>90-B3-D5-1F-30-01-00-00</CertificateSubjectAltName></CertificateSearchRequest>", 401},
		{"another service's document", retrieve + c.key, "application/xml", good, 401},
		{"a serial number that is none", retrieve + c.key, "application/xml", "<CertificateDataRequest><CertificateSerial>1 OR 1=1</CertificateSerial></CertificateDataRequest>", 401},
		{"nothing", search + c.key, "application/xml", "", 401},
		{"too long", search + c.key, "application/xml", strings.Repeat(" ", repository.MaxQuestion) + good, 401},
		{"a document type", search + c.key, "application/xml", `<!DOCTYPE x [<!ENTITY e "90-B3-D5-1F-30-01-00-00">]>` + asking("CertificateSubjectName", "&e;"), 401},
	} {
		answer, body := post(t, row.url, row.kind, row.body)
		require.Equal(t, row.status, answer.StatusCode, row.says)
		require.Equal(t, "application/xml", answer.Header.Get("Content-Type"), "%s: the client looks at the type", row.says)
		var e element
		require.NoError(t, xml.Unmarshal([]byte(body), &e), row.says)
		require.Contains(t, []string{"CertificateSearchResponse", "CertificateDataResponse"}, e.XMLName.Local)
		require.Equal(t, fmt.Sprint(row.status), e.text("ResponseCode"), row.says)
		require.Empty(t, e.text("Result"))
		require.NotContains(t, body, c.key)
	}
	answer, _ := get(t, search+c.key)
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	require.NotContains(t, w.logged(), c.key)
}

// A ledger that does not answer is a failure to the client, within its patience.
func TestALedgerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", func(c *repository.Config) { c.Timeout = time.Nanosecond })
	secret := w.key(t, "supplier-a")
	recorder := httptest.NewRecorder()
	w.Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "/services/certificatesearch?apikey="+secret, strings.NewReader("")))
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
	require.NotEmpty(t, recorder.Header().Get("Retry-After"))
	require.Contains(t, w.logged(), "answering from the ledger")
	require.NotContains(t, w.logged(), secret)
}

func TestReadQuestion(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		document string
		refused  string // part of the error; empty: read
	}{
		{`<?xml version="1.0" encoding="utf-8"?><R><A>x</A></R>`, ""},
		{"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<R>\r\n\t<B> x </B>\r\n</R>\r\n", ""},
		{`<R><!-- a --><A><!-- b -->x</A></R><!-- c -->`, ""},
		{`<R><A><![CDATA[x]]></A></R>`, ""},
		{`<R><A>&#120;</A></R>`, ""},
		{`<R><A>x</A><A>x</A></R>`, "exactly one"},
		{`<R><A>x</A><B>x</B></R>`, "exactly one"},
		{`<R><C>x</C></R>`, "exactly one"},
		{`<R/>`, "got none"},
		{`<R><A>x<A>x</A></A></R>`, "want text in A"},
		{`<R xmlns="urn:x"><A>x</A></R>`, "attribute"},
		{`<p:R><A>x</A></p:R>`, "prefix"},
		{`<R><A id="1">x</A></R>`, "attribute"},
		{`<R>x<A>x</A></R>`, "text where"},
		{`x<R><A>x</A></R>`, "text where"},
		{`<R><A>x</A></R>x`, "text where"},
		{`<R><A>x</A></R><R><A>x</A></R>`, "want one element"},
		{`<R><A>x</A>`, "ends before"},
		{`<R><A>x</B></R>`, "does not belong"},
		{`<R><A>x</p:A></R>`, "does not belong"},
		{`</R>`, "does not belong"},
		{`<?pi x?><R><A>x</A></R>`, "processing instruction"},
		{`<R><?xml version="1.0"?><A>x</A></R>`, "processing instruction"},
		{`<!DOCTYPE R><R><A>x</A></R>`, "document type"},
		{`<!DOCTYPE R [<!ENTITY a SYSTEM "file:///etc/passwd">]><R><A>&a;</A></R>`, "document type"},
		{`<R><A>&a;</A></R>`, "no XML"},
		{`<?xml version="1.0" encoding="utf-16"?><R><A>x</A></R>`, "no XML"},
		{"<R><A>\x00</A></R>", "no XML"},
		{"<R><A>\xFF</A></R>", "no XML"},
		{``, "ends before"},
		{strings.Repeat("<R>", 100), "exactly one"},
	} {
		field, value, err := repository.ReadQuestion([]byte(row.document), "R", "A", "B")
		if row.refused == "" {
			require.NoError(t, err, row.document)
			require.Contains(t, []string{"A", "B"}, field)
			require.Equal(t, "x", value)
			continue
		}
		require.ErrorContains(t, err, row.refused, row.document)
	}
}

// What is read can be written down plainly and is then read as the same; and nothing
// is read out of a document with a declaration in it.
func FuzzReadQuestion(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0" encoding="utf-8"?><R><A>90-B3-D5-1F-30-01-00-00</A></R>`,
		"\xEF\xBB\xBF<R>\r\n<B> 7f </B></R>", `<R><A><![CDATA[x]]>&amp;&#x9;</A></R>`, `<!DOCTYPE R [<!ENTITY a "b">]><R><A>&a;</A></R>`,
		`<R xmlns="x"><A/></R>`, `<R><A><A></A></A></R>`, `<R><A>x</A></R><R/>`, `<p:R/>`, `<R><A`, `<R><!--`, `<?xml version="1.0" encoding="latin1"?><R/>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		field, value, err := repository.ReadQuestion(b, "R", "A", "B")
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(b), repository.MaxQuestion)
		require.Contains(t, []string{"A", "B"}, field)
		var escaped strings.Builder
		require.NoError(t, xml.EscapeText(&escaped, []byte(value)))
		again := "<R><" + field + ">" + escaped.String() + "</" + field + "></R>"
		if len(again) > repository.MaxQuestion {
			return
		}
		field2, value2, err := repository.ReadQuestion([]byte(again), "R", "A", "B")
		require.NoError(t, err)
		require.Equal(t, field, field2)
		require.Equal(t, value, value2)
	})
}
