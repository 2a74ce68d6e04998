// Package pagetest looks at pages of ours in a real browser, Chromium, as tests of
// several rooms do: whether axe finds anything, whether a page fits its window, what
// the browser complained about and what it asked of other hosts.
//
// It says nothing of what is on a page; that is the room's test. Start at Open.
package pagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Config says what a browser is for. The zero value complains about everything.
type Config struct {
	// Within is how long the whole test may take.
	Within time.Duration
	// AnyCertificate takes the certificates of test servers.
	AnyCertificate bool
	// Refusals are expected: that a server answers with a status of 4xx, which is an
	// error on the browser's console by itself, is no complaint.
	Refusals bool
	// Data is expected: the browser's own pictures, as in a date field, have data:
	// addresses.
	Data bool
	// Scripts says that the pages have scripts, whose own complaints count.
	Scripts bool
}

// A Browser is Chromium with axe, and what it did that a page of ours must not make
// it do. It is for one test.
type Browser struct {
	t      testing.TB
	ctx    context.Context
	axe    string
	config Config

	mu   sync.Mutex // guards said
	said []string   // errors on its console, and requests to other hosts
}

// Open starts Chromium, which ends with the test. Without Chromium or axe it skips the
// test and says how to get them; SMKI_NO_SKIP=1 turns the skip into a failure.
func Open(t testing.TB, c Config) *Browser {
	t.Helper()
	missing := t.Skip
	if os.Getenv("SMKI_NO_SKIP") == "1" {
		missing = t.Fatal
	}
	program := ""
	for _, name := range []string{os.Getenv("SMKI_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		missing("no Chromium: install it (apt-get install chromium) or name it in SMKI_CHROMIUM")
	}
	if os.Getenv("AXE_JS") == "" {
		missing("no axe-core: run packaging/setup browser, and name axe.min.js in AXE_JS")
	}
	source, err := os.ReadFile(os.Getenv("AXE_JS"))
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900))
	if c.AnyCertificate {
		options = append(options, chromedp.IgnoreCertErrors)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, c.Within)
	t.Cleanup(cancel)
	b := &Browser{t: t, ctx: ctx, axe: string(source), config: c}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	return b
}

// Context is the browser's, for steps that chromedp has and this package has not.
func (b *Browser) Context() context.Context { return b.ctx }

func (b *Browser) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		refused := b.config.Refusals && e.Entry.Source == cdplog.EntrySourceNetwork && strings.Contains(e.Entry.Text, "the server responded with a status of 4")
		if (e.Entry.Level == cdplog.EntryLevelError || e.Entry.Source == cdplog.EntrySourceSecurity) && !refused {
			said = fmt.Sprintf("console: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if b.config.Scripts && (e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning) {
			said = "console: a script complained"
		}
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || !(b.config.Data && u.Scheme == "data") && u.Hostname() != "127.0.0.1" {
			said = "request to " + e.Request.URL
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = append(b.said, said)
	}
}

// Quiet requires that the browser had nothing to complain about so far.
func (b *Browser) Quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.said)
}

// Do carries out steps.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

// Ask carries out a step that answers something.
func Ask[T any](b *Browser, step chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, step)
	require.NoError(b.t, err)
	return v
}

// Media emulates what a person's system prefers: names and values of media features
// in turn. None of them puts the browser's own back.
func (b *Browser) Media(pairs ...string) {
	b.t.Helper()
	var features []*emulation.MediaFeature
	for i := 0; i < len(pairs); i += 2 {
		features = append(features, &emulation.MediaFeature{Name: pairs[i], Value: pairs[i+1]})
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	require.NoError(b.t, err)
}

// A Violation is a rule of axe that a page breaks, and where.
type Violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// Axe runs axe on the page as it is shown, less the rules named.
func (b *Browser) Axe(without ...string) []Violation {
	b.t.Helper()
	rules := map[string]map[string]bool{}
	for _, rule := range without {
		rules[rule] = map[string]bool{"enabled": false}
	}
	text, err := json.Marshal(rules)
	require.NoError(b.t, err)
	b.Do(chromedp.Evaluate[chromedp.Void](b.axe + `;0`))
	raw := Ask(b, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"], rules: `+string(text)+`}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	var found []Violation
	require.NoError(b.t, json.Unmarshal([]byte(raw), &found))
	return found
}

// Fits says whether the page is no wider than its window.
func (b *Browser) Fits() bool {
	b.t.Helper()
	return Ask(b, chromedp.Evaluate[bool](`document.documentElement.scrollWidth <= window.innerWidth`))
}

// Picture writes a picture of the whole page.
func (b *Browser) Picture(file string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(file, Ask(b, chromedp.FullScreenshot(100)), 0o600))
}
