package smkiws_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// The Ad Hoc service replaces certificates: a device that has one gets another, in the
// same answer.
func TestAdHoc(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issued(t, 1)
	key := policytest.NewKey(t)
	a := w.adHoc(t, policytest.DeviceRequest(t, key, entity(1), policy.UsageKeyAgreement))
	require.Equal(t, "SUCCESS", a.Status, a.Error)
	require.Equal(t, "ref-1", *a.ID)
	require.Equal(t, "1.0", a.Version)
	require.Equal(t, "1.2.3 <test>", a.Build)
	require.Positive(t, a.TransactionId)
	c := decode(t, a.Certificate)
	require.Equal(t, entity(1), c.DeviceID)
	require.Equal(t, policy.UsageKeyAgreement, c.Usage)
	require.True(t, key.PublicKey.Equal(c.PublicKey))

	again := w.adHoc(t, device(t, 1))
	require.Greater(t, again.TransactionId, a.TransactionId)

	found, err := w.issuer.BySerial(t.Context(), c.Serial)
	require.NoError(t, err)
	require.Equal(t, "supplier system", found.Requester)
}

// Each status of the service, from a request that really meets it.
func TestAdHocStatuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		arrange      func(*testing.T, *world) []byte // returns the document
		status, code string
		id           bool
	}{
		"the device never had a certificate": {func(t *testing.T, w *world) []byte {
			return adHocDocument("x", text(device(t, 2)))
		}, "UNKNOWN_DEVICE", "UD:UD1", true},
		"its key has a certificate": {func(t *testing.T, w *world) []byte {
			der := device(t, 1)
			require.Equal(t, "SUCCESS", w.adHoc(t, der).Status)
			return adHocDocument("x", text(der))
		}, "ISSUANCE_ANOMALY", "CA:DD2", true},
		"it is the hundred-and-first": {func(t *testing.T, w *world) []byte {
			for range 99 {
				w.issued(t, 1)
			}
			return adHocDocument("x", text(device(t, 1)))
		}, "ISSUANCE_ANOMALY", "CA:DD1", true},
		"its signature does not verify": {func(t *testing.T, w *world) []byte {
			der := device(t, 1)
			der[len(der)-1] ^= 1
			return adHocDocument("x", text(der))
		}, "CSR_ERROR", "CR:CC2", true},
		"an organisation's request": {func(t *testing.T, w *world) []byte {
			return adHocDocument("x", text(policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(9), policy.UsageDigitalSignature)))
		}, "CSR_ERROR", "CR:CC7", true},
		"white space in the base64": {func(t *testing.T, w *world) []byte {
			return adHocDocument("x", text(device(t, 1))[:64]+"\n"+text(device(t, 1))[64:])
		}, "CSR_ERROR", "CR:CC5", true},
		"PEM lines": {func(t *testing.T, w *world) []byte {
			return adHocDocument("x", "-----BEGIN CERTIFICATE REQUEST-----AAAA-----END CERTIFICATE REQUEST-----")
		}, "CSR_ERROR", "CR:CC5", true},
		"an empty request": {func(t *testing.T, w *world) []byte { return adHocDocument("x", "") }, "CSR_ERROR", "CR:CC5", true},
		"the token fails": {func(t *testing.T, w *world) []byte {
			w.failing(inject)
			return adHocDocument("x", text(device(t, 1)))
		}, "CA_ERROR", "CA:EE2", true},
		"the database fails": {func(t *testing.T, w *world) []byte {
			w.faults.FailBeforeCommit(0, inject)
			return adHocDocument("x", text(device(t, 1)))
		}, "WORKFLOW_ERROR", "WF:BB2", true},
		"not recorded": {func(t *testing.T, w *world) []byte {
			w.faults.FailBeforeCommit(1, inject)
			return adHocDocument("x", text(device(t, 1)))
		}, "WORKFLOW_ERROR", "WF:BB3", true},
		"no XML": {func(t *testing.T, w *world) []byte { return []byte("no XML") }, "FORMAT_ERROR", "FM:AA1", false},
		"wrong version": {func(t *testing.T, w *world) []byte {
			return []byte(strings.Replace(string(adHocDocument("x", "AAAA")), "1.0</V", "2.0</V", 1))
		}, "FORMAT_ERROR", "FM:AA1", false},
		"the body is longer than allowed": {func(t *testing.T, w *world) []byte {
			return append(adHocDocument("x", "AAAA"), strings.Repeat("<!-- -->\n", 8000)...)
		}, "FORMAT_ERROR", "FM:AA1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.issued(t, 1)
			document := row.arrange(t, w)
			var a adHocAnswer
			w.exchange(t, "POST", smkiws.DefaultAdHocPath, "supplier", document, &a)
			require.Equal(t, row.status, a.Status, a.Error)
			require.Equal(t, row.code, a.Error.ErrorCode)
			require.NotEmpty(t, a.Error.ErrorText)
			require.Empty(t, a.Certificate)
			require.Positive(t, a.TransactionId)
			if row.id {
				require.Equal(t, "x", *a.ID)
			} else {
				require.Nil(t, a.ID, "the ID of a malformed request is not sent back")
			}
		})
	}
}

// The ID comes back exactly as it was sent.
func TestAdHocID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for sent, want := range map[string]string{"clientId1": "clientId1", "a &lt;&amp;&quot;&#39; b": `a <&"' b`, "  x ": "  x ", strings.Repeat("é", 32): strings.Repeat("é", 32)} {
		var a adHocAnswer
		w.exchange(t, "POST", smkiws.DefaultAdHocPath, "supplier", adHocDocument(sent, "AAAA"), &a)
		require.Equal(t, want, *a.ID)
	}
}

// What is wrong outside the document is told by HTTP.
func TestAdHocHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document := adHocDocument("x", "AAAA")
	for name, row := range map[string]struct {
		method, path, party, media string
		status                     int
	}{
		"no certificate":             {"POST", smkiws.DefaultAdHocPath, "", xmlType, http.StatusForbidden},
		"another role":               {"POST", smkiws.DefaultAdHocPath, "network", xmlType, http.StatusForbidden},
		"register down":              {"POST", smkiws.DefaultAdHocPath, "register down", xmlType, http.StatusServiceUnavailable},
		"another method":             {"GET", smkiws.DefaultAdHocPath, "supplier", "", http.StatusMethodNotAllowed},
		"another path":               {"POST", "/2.0/AdHocDeviceCSR", "supplier", xmlType, http.StatusNotFound},
		"another type":               {"POST", smkiws.DefaultAdHocPath, "supplier", "application/json", http.StatusUnsupportedMediaType},
		"another charset":            {"POST", smkiws.DefaultAdHocPath, "supplier", "application/xml;charset=utf-16", http.StatusUnsupportedMediaType},
		"text/xml":                   {"POST", smkiws.DefaultAdHocPath, "supplier", "text/xml; charset=utf-8", http.StatusOK},
		"batches for the same party": {"POST", smkiws.SubmitPath, "network", xmlType, http.StatusOK},
	} {
		status, _, body := w.call(t, row.method, row.path, row.party, row.media, document)
		require.Equal(t, row.status, status, "%s: %s", name, body)
	}
}

// Both schemas are served under a path and a name that carry their version.
func TestSchemasServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	adHoc, batch := smkiws.Schemas()
	for path, want := range map[string][]byte{smkiws.AdHocSchemaPath: adHoc, smkiws.BatchSchemaPath: batch} {
		require.Contains(t, path, "/1.0/")
		require.Contains(t, path, "-1.0.xsd")
		status, headers, body := w.call(t, "GET", path, "", "", nil)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, xmlType, headers.Get("Content-Type"))
		require.Equal(t, want, body)
		_, err := newChecker(body)
		require.NoError(t, err)
	}
}

// The rate of a Party is a duty: exceeding it is answered all the same, unless it is
// enforced.
func TestAdHocRate(t *testing.T) {
	t.Parallel()
	for _, enforce := range []bool{false, true} {
		w := newWorld(t, func(c *smkiws.Config) { c.Limits.Enforce = enforce })
		statuses := func() (all []int) {
			for range 2 {
				status, headers, _ := w.call(t, "POST", smkiws.DefaultAdHocPath, "supplier", xmlType, adHocDocument("x", "AAAA"))
				all = append(all, status)
				if status == http.StatusTooManyRequests {
					require.Equal(t, "1", headers.Get("Retry-After"))
				}
			}
			return all
		}
		want := []int{http.StatusOK, http.StatusOK}
		if enforce {
			want[1] = http.StatusTooManyRequests
		}
		require.Equal(t, want, statuses())
		w.pass(800 * time.Millisecond)
		require.Equal(t, want, statuses())
	}
}

// A client that stops sending is cut off, and one whose certificate takes longer than a
// document may is not.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.AdHocTime = 100 * time.Millisecond })
	w.issued(t, 1)
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	go func() { _, _ = io.WriteString(writer, "<DeviceCertificateSigningRequest ") }()
	r, err := http.NewRequest("POST", w.url+smkiws.DefaultAdHocPath, reader)
	require.NoError(t, err)
	r.Header.Set("Party", "supplier")
	response, err := http.DefaultClient.Do(r)
	if err == nil { // the server's answer may be overtaken by the end of the connection
		require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
		require.NoError(t, response.Body.Close())
	}

	w.failing(func() error {
		timer := time.NewTimer(300 * time.Millisecond)
		<-timer.C
		return nil
	})
	require.Equal(t, "SUCCESS", w.adHoc(t, device(t, 1)).Status)
}
