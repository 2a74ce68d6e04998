package smkiws_test

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// browse asks for a page as a browser does that follows no redirection, and requires what
// holds for every page.
func (w *world) browse(t testing.TB, method, path, party, contentType string, body []byte, change ...func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, w.url+path, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if party != "" {
		r.Header.Set("Party", party)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, c := range change {
		c(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(answer.Body)
	require.NoError(t, err)
	h := answer.Header
	require.Equal(t, "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", h.Get("Content-Security-Policy"), path)
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.Empty(t, h.Get("Set-Cookie"))
	require.NotRegexp(t, `(?i)<script|<style| style=| on[a-z]+=|https?://`, b.String())
	return answer.StatusCode, h, b.String()
}

const formType = "application/x-www-form-urlencoded"

func pasteForm(csr string) []byte { return []byte(url.Values{"csr": {csr}}.Encode()) }

func uploadForm(t testing.TB, name string, archive []byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	file, err := form.CreateFormFile("archive", name)
	require.NoError(t, err)
	_, err = file.Write(archive)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return form.FormDataContentType(), b.Bytes()
}

func firstFile(t testing.TB, archive []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	require.Equal(t, name, z.File[0].Name)
	f, err := z.File[0].Open()
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

// A person pastes one request, uploads an archive, sees where both stand, and finds the
// results where the page says.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.DevicesSay = "certificates may be asked for <any> device" })
	status, _, page := w.browse(t, "GET", "/portal/", "supplier", "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "None whose results are still kept")
	require.Contains(t, page, "for &lt;any&gt; device")
	require.Contains(t, page, "Up to 50000 files")

	der := device(t, 1)
	for _, form := range []string{ // AppM, App. F
		text(der), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
		strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "NEW CERTIFICATE REQUEST", Bytes: der})), "\n", "\r\n"),
	} {
		status, h, _ := w.browse(t, "POST", "/portal/request", "supplier", formType, pasteForm(form))
		require.Equal(t, http.StatusSeeOther, status)
		require.Regexp(t, `^/portal/batches/[123]$`, h.Get("Location"))
	}
	_, _, page = w.browse(t, "GET", "/portal/batches/1", "supplier", "", nil)
	require.Contains(t, page, "PARSING")
	require.Contains(t, page, "Look again")
	media, body := uploadForm(t, `C:\meters.zip`, zipped(t, file{"a.csr", text(device(t, 2))}, file{"b.csr", "no base64!"}))
	status, h, _ := w.browse(t, "POST", "/portal/upload", "supplier", media, body)
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/portal/batches/4", h.Get("Location"))
	workAll(t, w.service)

	_, _, page = w.browse(t, "GET", "/portal/batches/1", "supplier", "", nil)
	require.Contains(t, page, "Every request has its outcome")
	link := regexp.MustCompile(`href="(/portal/1.0/batches/1/certificates\.zip)"`).FindStringSubmatch(page)
	require.NotNil(t, link)
	status, _, archive := w.call(t, "GET", link[1], "supplier", "", nil)
	require.Equal(t, http.StatusOK, status)
	block, _ := pem.Decode(firstFile(t, archive, "request.crt"))
	require.NotNil(t, block)
	certificate, err := policy.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, entity(1), certificate.DeviceID)
	require.Contains(t, page, certificate.Serial.String())
	_, _, page = w.browse(t, "GET", "/portal/batches/2", "supplier", "", nil)
	require.Contains(t, page, "ISSUANCE_ANOMALY", "the same key a second time")
	_, _, page = w.browse(t, "GET", "/portal/batches/4", "supplier", "", nil)
	require.Contains(t, page, "CR:CC5")

	_, _, page = w.browse(t, "GET", "/portal/", "supplier", "", nil)
	require.Equal(t, 4, strings.Count(page, `<th scope="row">`))
	require.Less(t, strings.Index(page, "Batch 4"), strings.Index(page, "Batch 1"), "newest first")
	require.Contains(t, page, "meters")
	// Others see nothing of it, nor the Party itself when the results are gone.
	status, _, _ = w.browse(t, "GET", "/portal/batches/1", "network", "", nil)
	require.Equal(t, http.StatusNotFound, status)
	_, _, page = w.browse(t, "GET", "/portal/", "network", "", nil)
	require.NotContains(t, page, "Batch 1")
	w.pass(31 * 24 * time.Hour)
	status, _, _ = w.browse(t, "GET", "/portal/batches/1", "supplier", "", nil)
	require.Equal(t, http.StatusNotFound, status)
	_, _, page = w.browse(t, "GET", "/portal/", "supplier", "", nil)
	require.NotContains(t, page, "Batch 1")
}

// What cannot be taken is told on the page, what was pasted is still there, and nothing
// is kept.
func TestPagesRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.BatchItems, c.Limits.PortalSingles, c.Limits.Enforce = 2, 1, true })
	der := device(t, 1)
	forged := bytes.Clone(der)
	forged[len(forged)-1] ^= 1
	organisation := policytest.OrganisationRequest(t, policytest.NewKey(t), "Supplier A", policy.RoleSupplier, entity(9), policy.UsageDigitalSignature)
	upload := func(name string, archive []byte) (string, []byte) { return uploadForm(t, name, archive) }
	tooManyType, tooMany := upload("m.zip", zipped(t, file{"a.csr", "x"}, file{"b.csr", "x"}, file{"c.csr", "x"}))
	pathType, path := upload("m.zip", zipped(t, file{"../a.csr", "x"}))
	otherType, nothing := upload("", nil)
	for name, row := range map[string]struct {
		to, media, says string
		body            []byte
	}{
		"nothing pasted":            {"request", formType, "got nothing", pasteForm("")},
		"no request":                {"request", formType, "It was not taken", pasteForm("<b>hello</b>")},
		"another's signature":       {"request", formType, "proof", pasteForm(text(forged))},
		"an organisation's request": {"request", formType, "registration authority", pasteForm(text(organisation))},
		"far too long":              {"request", formType, "too long", pasteForm(strings.Repeat("A", 100<<10))},
		"DER in a form":             {"request", formType, "It was not taken", pasteForm(string(der))},
		"too many files":            {"upload", tooManyType, "more than 2 requests", tooMany},
		"a path":                    {"upload", pathType, "It was not taken", path},
		"no file":                   {"upload", otherType, "no file in the form", nothing},
		"no form":                   {"upload", "application/zip", "cannot be read", zipped(t, file{"a.csr", "x"})},
	} {
		status, _, page := w.browse(t, "POST", "/portal/"+row.to, "supplier", row.media, row.body)
		require.Equal(t, http.StatusUnprocessableEntity, status, name)
		require.Contains(t, page, row.says, name)
		require.Contains(t, page, `role="alert"`, name)
		require.Contains(t, page, "<title>Not done: ", name)
		require.NotContains(t, page, "<b>hello", name)
	}
	require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_batch`))

	// A day's number of single requests, where limits are enforced.
	status, _, _ := w.browse(t, "POST", "/portal/request", "supplier", formType, pasteForm(text(der)))
	require.Equal(t, http.StatusSeeOther, status)
	status, _, page := w.browse(t, "POST", "/portal/request", "supplier", formType, pasteForm(text(device(t, 2))))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, page, "AppN 3.1.1")
	w.pass(25 * time.Hour)
	status, _, _ = w.browse(t, "POST", "/portal/request", "supplier", formType, pasteForm(text(device(t, 2))))
	require.Equal(t, http.StatusSeeOther, status)

	// Who may not, and from where not.
	for party, want := range map[string]int{"": http.StatusForbidden, "register down": http.StatusServiceUnavailable} {
		for _, at := range []string{"", "batches/1", "nowhere"} {
			status, _, page := w.browse(t, "GET", "/portal/"+at, party, "", nil)
			require.Equal(t, want, status, at)
			require.Contains(t, page, "The portal is closed to you")
		}
		status, _, _ := w.browse(t, "POST", "/portal/request", party, formType, pasteForm(text(device(t, 3))))
		require.Equal(t, want, status)
	}
	status, _, _ = w.browse(t, "GET", "/portal/nowhere", "supplier", "", nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _, page = w.browse(t, "POST", "/portal/request", "supplier", formType, pasteForm(text(device(t, 4))), func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, page, "another site")
	require.Equal(t, 2, w.count(t, `SELECT COUNT(*) FROM smkiws_batch`))
}

// A long list is turned over page by page, and misses none.
func TestPagesTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 120
	for k := range n {
		_, err := w.service.SubmitArchive(t.Context(), smkiws.Client{Party: "supplier", Requester: "supplier aro"}, fmt.Sprintf("m%d.zip", k), bytes.NewReader(zipped(t, file{"a.csr", "x"})))
		require.NoError(t, err)
	}
	seen, at, turns := map[string]bool{}, "/portal/", 0
	for ; at != ""; turns++ {
		_, _, page := w.browse(t, "GET", at, "supplier", "", nil)
		for _, m := range regexp.MustCompile(`href="/portal/batches/(\d+)"`).FindAllStringSubmatch(page, -1) {
			require.False(t, seen[m[1]])
			seen[m[1]] = true
		}
		at = ""
		if m := regexp.MustCompile(`href="(/portal/\?before=\d+)"`).FindStringSubmatch(page); m != nil {
			at = m[1]
		}
	}
	require.Len(t, seen, n)
	require.Equal(t, 3, turns)
}

// Every state a batch can be in says on its page what it means.
func TestPagesOfStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.service.SubmitArchive(t.Context(), smkiws.Client{Party: "supplier", Requester: "supplier aro"}, "m.zip", bytes.NewReader(zipped(t, file{"a.csr", "x"})))
	require.NoError(t, err)
	for state := range smkiws.Transitions() {
		storetest.Tamper(t, w.store, `UPDATE smkiws_batch SET state = '`+string(state)+`'`)
		_, _, page := w.browse(t, "GET", "/portal/batches/1", "supplier", "", nil)
		require.Contains(t, page, `<dd class="state">`+string(state))
		require.NotContains(t, page, `role="status"></p>`, "%s", state)
	}
}
