package console_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/ca/ra"
	"smki.example/pagetest"
	"smki.example/policy"
)

// A browser is Chromium, as an officer looks with it.
type browser struct {
	*pagetest.Browser
	t    *testing.T
	seen map[string]bool
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	open := pagetest.Open(t, pagetest.Config{Within: 15 * time.Minute, AnyCertificate: true, Refusals: true, Data: true})
	return &browser{open, t, make(map[string]bool)}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.Do(steps...)
}

// ask runs one step that answers something.
func ask[T any](b *browser, step chromedp.Action[T]) T {
	b.t.Helper()
	return pagetest.Ask(b.Browser, step)
}

// open shows a page.
func (b *browser) open(at string) {
	b.t.Helper()
	b.run(chromedp.Navigate(at), chromedp.WaitVisible(chromedp.CSS("footer")))
}

// where is the path of the page that is shown.
func (b *browser) where() string {
	b.t.Helper()
	u, err := url.Parse(ask(b, chromedp.Location()))
	require.NoError(b.t, err)
	return u.Path
}

// press sends a form with the keyboard and waits for the page that answers.
func (b *browser) press(button string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.old = "yes"`),
		chromedp.Focus(chromedp.CSS(button)), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitReady(chromedp.CSS("html:not([data-old]) footer")))
}

// inspect runs axe on the page as it is shown, light and dark, wide and narrow, with
// everything unfolded, and looks whether a narrow page fits.
func (b *browser) inspect(name string) {
	b.t.Helper()
	b.seen[name] = true
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 640, 360} { // 640: 1280 at 200 % zoom
			b.Media("prefers-color-scheme", scheme)
			b.run(chromedp.EmulateViewport(width, 900),
				chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details:not([open])").forEach(d => { d.open = true; d.dataset.folded = "yes" })`))
			require.Empty(b.t, b.Axe(), "%s, %s, %d wide", name, scheme, width)
			require.True(b.t, b.Fits(), "%s does not fit %d wide", name, width)
			if dir := os.Getenv("SMKI_SCREENSHOTS"); dir != "" && (scheme == "light" || width != 640) {
				b.Picture(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)))
			}
		}
	}
	b.Media()
	b.run(chromedp.EmulateViewport(1280, 900),
		chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("[data-folded]").forEach(d => { d.open = false; delete d.dataset.folded })`))
	if dir := os.Getenv("SMKI_SCREENSHOTS"); dir != "" { // as an officer first sees it
		b.Picture(filepath.Join(dir, name+"-folded.png"))
	}
}

// desks serves the console over mutual TLS, and in front of it one address for each
// officer that holds the key of his certificate, as his browser would: the browser of
// the test has no certificates.
func (w *world) desks(t *testing.T, officers ...ra.OfficerID) map[ra.OfficerID]string {
	pool := x509.NewCertPool()
	pool.AddCert(w.iki)
	server := httptest.NewUnstartedServer(w.handler)
	server.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, Time: w.clock}
	server.StartTLS()
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	at := make(map[ra.OfficerID]string)
	for _, id := range officers {
		config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		if cert, ok := w.known[id]; ok {
			config.Certificates = []tls.Certificate{*cert}
		}
		transport := &http.Transport{TLSClientConfig: config}
		t.Cleanup(transport.CloseIdleConnections)
		desk := httptest.NewTLSServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
		}})
		t.Cleanup(desk.Close)
		at[id] = desk.URL
	}
	return at
}

// A real exercise in a real browser, with the keyboard: an ARO asks, the registration
// authority checks and proposes, another officer agrees, the certificate is issued, and
// then revoked. Every page is without a finding of axe, in light and dark, wide and
// narrow, and nothing is asked of another host. SMKI_SCREENSHOTS names a folder for
// pictures of all of them.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	w := newWorld(t)
	at := w.desks(t, "nobody", aroA, sroA, personnel1, personnel2, manager1, "auditor-1", "custodian-1")

	// The first stop of the keyboard is the way past the menu.
	b.open(at[aroA] + "/ra/")
	b.run(chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "skip true", ask(b, chromedp.Evaluate[string](`document.activeElement.className + " " + (document.activeElement.getBoundingClientRect().left >= 0)`)))
	b.inspect("overview-nothing")

	b.open(at[aroA] + "/ra/requests")
	b.inspect("requests-none")
	b.run(chromedp.Click(chromedp.CSS("#ask-organisation-certificate summary")), chromedp.SetValue(chromedp.CSS("textarea[name=csr]"), "no request"))
	b.press("#ask-organisation-certificate button")
	require.Equal(t, "problem", ask(b, chromedp.Evaluate[string](`document.activeElement.className`)), "what is wrong is where the keyboard is")
	require.Contains(t, ask(b, chromedp.Title()), "Not done: ")
	b.inspect("requests-mistake")
	b.run(chromedp.SetValue(chromedp.CSS("textarea[name=csr]"), csrPEM(t, 1)))
	b.press("#ask-organisation-certificate button")
	request := b.where()
	require.Equal(t, "/ra/requests/1", request)
	b.inspect("request-of-aro")

	for n, check := range w.ra.Table().Checks {
		b.open(at[personnel1] + request)
		if n == 0 {
			b.inspect("request-unchecked")
		}
		b.run(chromedp.Click(chromedp.CSS("#record-identity-check-1 summary")), chromedp.SetValue(chromedp.CSS("select[name=kind]"), check.Kind),
			chromedp.SetValue(chromedp.CSS("select[name=passed]"), "yes"), chromedp.SendKeys(chromedp.CSS("#record-identity-check-1 textarea"), "seen in file 9"))
		b.press("#record-identity-check-1 button")
	}
	b.inspect("request-checked")
	b.press("#issue-organisation-certificate-1 button")
	approval := b.where()
	require.Contains(t, approval, "/ra/approvals/")
	b.inspect("approval-of-proposer")

	b.open(at[personnel2] + "/ra/")
	b.inspect("overview-votes")
	b.open(at[personnel2] + "/ra/approvals")
	b.inspect("queue")
	b.open(at[personnel2] + approval)
	b.inspect("approval-vote")
	sum := ask(b, chromedp.Text(chromedp.CSS("form.vote code.sum")))
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(w.get(personnel2, approval+"/bytes").Body.Bytes())), strings.ReplaceAll(sum, " ", ""))
	b.run(chromedp.SendKeys(chromedp.CSS("textarea[name=comment]"), "compared with the form"))
	b.press("button[value=accept]")
	b.inspect("approval-agreed")
	b.press("form[data-act=execute] button")
	b.inspect("approval-executed")
	q, err := w.ra.Request(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, ra.Issued, q.State)
	c, err := w.ca.BySerial(t.Context(), q.Serial)
	require.NoError(t, err)
	require.Equal(t, policy.ProfileOrganisation, c.Profile)

	// The other pages, with something on each.
	b.open(at[aroA] + "/ra/revocations")
	b.run(chromedp.Click(chromedp.CSS("#ask-revocation summary")), chromedp.SendKeys(chromedp.CSS("textarea[name=serials]"), q.Serial.String()),
		chromedp.SetValue(chromedp.CSS("select[name=reason]"), "keyCompromise"), chromedp.SendKeys(chromedp.CSS("textarea[name=why]"), "a tape is missing"))
	b.press("#ask-revocation button")
	revocation := b.where()
	b.inspect("revocation-of-aro")
	require.NoError(t, w.ra.AuthenticateRevocation(t.Context(), personnel1, 1, "called back"))
	w.done(t, manager1, ra.DeferRevocation{Request: 1, Until: noon.AddDate(0, 0, 2).Format(time.RFC3339), Why: "meters first", Decision: "PMA 7"}, personnel2)
	b.open(at[manager1] + revocation)
	b.inspect("revocation-deferred")
	w.pass(72 * time.Hour)
	b.open(at[manager1] + revocation)
	b.inspect("revocation-due")
	b.open(at[manager1] + "/ra/")
	b.inspect("overview-due")
	b.open(at[manager1] + "/ra/revocations?state=deferred")
	b.inspect("revocations")
	w.batches.all = []ra.ReleaseBatch{{Batch: "78", Party: "supplier-a", Interface: "portal", Digest: strings.Repeat("cd", 32), Requests: 50000}}
	w.pending(t, aroA, ra.ReleaseBatch{Batch: "77", Party: "supplier-a", Interface: "batched web service", Digest: strings.Repeat("ab", 32), Requests: 1000})
	for name, page := range map[string]string{"batches": "/ra/batches", "requests": "/ra/requests?state=issued", "parties": "/ra/parties", "party": "/ra/parties/supplier-a",
		"officers": "/ra/officers", "officer": "/ra/officers/personnel-2", "history": "/ra/history", "rights": "/ra/rights"} {
		b.open(at[manager1] + page)
		b.inspect(name)
	}
	b.open(at[aroA] + "/ra/batches")
	b.inspect("batches-of-aro")
	b.open(at["custodian-1"] + "/ra/")
	b.inspect("overview-of-custodian")

	// More than a page holds, reached with the keyboard; what the register has overtaken;
	// and what expired with nobody having touched it.
	var first *ra.Approval
	for n := range 103 {
		a, err := w.ra.Propose(t.Context(), personnel1, ra.EnrolParty{Party: ra.PartyID(fmt.Sprintf("party-%03d", n)), Name: fmt.Sprintf("Party %03d, with a name that is as long as names of companies get", n),
			Category: ra.SmallSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Device: true}, Application: "form 1"})
		require.NoError(t, err)
		if first == nil {
			first = a
		}
	}
	b.open(at[personnel2] + "/ra/approvals")
	b.inspect("queue-long")
	b.run(chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.old = "yes"`), chromedp.Focus(chromedp.CSS("a[rel=next]")), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitReady(chromedp.CSS("html:not([data-old]) footer")))
	require.Equal(t, 4, ask(b, chromedp.Evaluate[int](`document.querySelectorAll("tbody tr").length`)), "three of ours and the batch")
	b.inspect("queue-last-page")
	w.done(t, personnel2, ra.EnrolParty{Party: "party-x", Name: "X", Category: ra.SmallSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Application: "form 1"}, personnel1)
	stale := w.pending(t, personnel1, ra.ChangeParty{Party: "party-x", Name: "Y", Category: ra.SmallSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Application: "form 2"})
	w.done(t, manager1, ra.WithdrawParty{Party: "supplier-b", Why: "it is gone"}, manager2)
	b.open(at[personnel2] + fmt.Sprintf("/ra/approvals/%d", stale.ID))
	b.inspect("approval-changes")
	w.pass(first.ExpiresAt.Sub(w.clock()))
	b.open(at[personnel2] + "/ra/approvals")
	b.inspect("queue-empty")
	b.open(at[personnel2] + fmt.Sprintf("/ra/approvals/%d", first.ID))
	b.inspect("approval-expired")
	b.open(at[personnel2] + "/ra/history")
	require.Contains(t, ask(b, chromedp.Text(chromedp.CSS("tbody"))), "expired")
	b.inspect("history-long")

	for by, page := range map[ra.OfficerID]string{"custodian-1": "/ra/approvals", sroA: "/ra/parties/supplier-b", "nobody": "/ra/", "auditor-1": "/ra/none"} {
		b.open(at[by] + page)
		b.inspect("refused-" + string(by))
	}
	b.Quiet()
	require.GreaterOrEqual(t, len(b.seen), 30)
}
