package smkiws_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
	"smki.example/pagetest"
)

// A browser is Chromium, as a subscriber's officer looks at the portal with it.
type browser struct {
	*pagetest.Browser
	t *testing.T
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	return &browser{pagetest.Open(t, pagetest.Config{Within: 3 * time.Minute, Refusals: true}), t}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.Do(steps...)
}

func ask[T any](b *browser, step chromedp.Action[T]) T {
	b.t.Helper()
	return pagetest.Ask(b.Browser, step)
}

func (b *browser) open(at string) {
	b.t.Helper()
	b.run(chromedp.Navigate(at), chromedp.WaitVisible(chromedp.CSS("footer")))
}

// press sends a form with the keyboard and returns the path of the page that answers.
func (b *browser) press(button string) string {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.old = "yes"`),
		chromedp.Focus(chromedp.CSS(button)), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(chromedp.CSS("html:not([data-old]) footer")))
	u, err := url.Parse(ask(b, chromedp.Location()))
	require.NoError(b.t, err)
	return u.Path
}

// inspect runs axe on the page as it is shown, light and dark, wide and narrow, and looks
// whether a narrow page fits.
func (b *browser) inspect(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 360} {
			b.Media("prefers-color-scheme", scheme)
			b.run(chromedp.EmulateViewport(width, 900))
			require.Empty(b.t, b.Axe(), "%s, %s, %d wide", name, scheme, width)
			require.True(b.t, b.Fits(), "%s does not fit %d wide", name, width)
			if dir := os.Getenv("SMKI_SCREENSHOTS"); dir != "" {
				b.Picture(filepath.Join(dir, fmt.Sprintf("portal-%s-%s-%d.png", name, scheme, width)))
			}
		}
	}
	b.run(chromedp.EmulateViewport(1280, 900))
}

// The portal in a real browser, with the keyboard: a request is pasted, an archive is
// uploaded, results are found. Every page is without a finding of axe, in light and dark,
// wide and narrow, and asks nothing of another host. SMKI_SCREENSHOTS names a folder for
// pictures.
func TestPortalInBrowser(t *testing.T) {
	t.Parallel()
	if storetest.OnPostgres() {
		t.Skip("the pages are the same on either database")
	}
	b := newBrowser(t)
	w := newWorld(t, func(c *smkiws.Config) {
		c.DevicesSay = "Registration is open here: certificates may be asked for any device, whoever is responsible for it."
	})
	// Mutual TLS is in front: who it lets in is a header here.
	as := func(party string) string {
		handler := w.service.Handler()
		front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/favicon.ico" {
				rw.WriteHeader(http.StatusNoContent)
				return
			}
			r.Header.Set("Party", party)
			handler.ServeHTTP(rw, r)
		}))
		t.Cleanup(front.Close)
		return front.URL
	}
	at := as("supplier")
	b.open(at + "/portal/")
	b.run(chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "skip true", ask(b, chromedp.Evaluate[string](`document.activeElement.className + " " + (document.activeElement.getBoundingClientRect().left >= 0)`)))
	b.inspect("empty")
	b.run(chromedp.SetValue(chromedp.CSS("#csr"), "no request"))
	require.Equal(t, "/portal/request", b.press("#paste button"))
	require.Equal(t, "problem", ask(b, chromedp.Evaluate[string](`document.activeElement.className`)), "what is wrong is where the keyboard is")
	require.Equal(t, "no request", ask(b, chromedp.Evaluate[string](`document.getElementById("csr").value`)))
	b.inspect("mistake")
	b.run(chromedp.SetValue(chromedp.CSS("#csr"), text(device(t, 1))))
	require.Equal(t, "/portal/batches/1", b.press("#paste button"))
	b.inspect("waiting")
	archive := filepath.Join(t.TempDir(), "meters.zip")
	require.NoError(t, os.WriteFile(archive, zipped(t, file{"a.csr", text(device(t, 2))}, file{"b.csr", "no base64!"}, file{"c.csr", text(device(t, 3))}), 0o600))
	b.open(at + "/portal/")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#archive"), []string{archive}))
	require.Equal(t, "/portal/batches/2", b.press("#upload button"))
	workAll(t, w.service)
	b.open(at + "/portal/batches/2")
	b.inspect("completed")
	w.submit(t, "supplier", batchDocument("b", text(device(t, 4))))
	b.open(at + "/portal/")
	require.EqualValues(t, 3, ask(b, chromedp.Evaluate[int](`document.querySelectorAll("tbody tr").length`)))
	b.inspect("list")
	b.open(at + "/portal/batches/99")
	b.inspect("none")
	b.open(as("") + "/portal/")
	b.inspect("closed")
	b.Quiet()
}
