package smkiws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
)

// missing skips a test for want of something; SMKI_NO_SKIP=1 turns the skip into a
// failure.
func missing(t *testing.T, says string) {
	t.Helper()
	if os.Getenv("SMKI_NO_SKIP") == "1" {
		t.Fatal(says)
	}
	t.Skip(says)
}

// A browser is Chromium with axe, and what it said that a page of ours must not make it
// say.
type browser struct {
	t   *testing.T
	ctx context.Context
	axe string

	mu   sync.Mutex
	said []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{os.Getenv("SMKI_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		missing(t, "no Chromium: install it (apt-get install chromium) or name it in SMKI_CHROMIUM")
	}
	if os.Getenv("AXE_JS") == "" {
		missing(t, "no axe-core: run packaging/setup browser, and name axe.min.js in AXE_JS")
	}
	source, err := os.ReadFile(os.Getenv("AXE_JS"))
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, axe: string(source)}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	return b
}

func (b *browser) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		refused := e.Entry.Source == cdplog.EntrySourceNetwork && strings.Contains(e.Entry.Text, "the server responded with a status of 4")
		if (e.Entry.Level == cdplog.EntryLevelError || e.Entry.Source == cdplog.EntrySourceSecurity) && !refused {
			said = fmt.Sprintf("console: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Hostname() != "127.0.0.1" {
			said = "request to " + e.Request.URL
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = append(b.said, said)
	}
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

func ask[T any](b *browser, step chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, step)
	require.NoError(b.t, err)
	return v
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
			_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			require.NoError(b.t, err)
			b.run(chromedp.EmulateViewport(width, 900), chromedp.Evaluate[chromedp.Void](b.axe+`;0`))
			fits := ask(b, chromedp.Evaluate[bool](`document.documentElement.scrollWidth <= window.innerWidth`))
			raw := ask(b, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
			var found []struct {
				ID, Help string
				Nodes    []struct{ HTML, FailureSummary string }
			}
			require.NoError(b.t, json.Unmarshal([]byte(raw), &found))
			require.Empty(b.t, found, "%s, %s, %d wide", name, scheme, width)
			require.True(b.t, fits, "%s does not fit %d wide", name, width)
			if dir := os.Getenv("SMKI_SCREENSHOTS"); dir != "" {
				shot := ask(b, chromedp.FullScreenshot(100))
				require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("portal-%s-%s-%d.png", name, scheme, width)), shot, 0o600))
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
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.said)
}
