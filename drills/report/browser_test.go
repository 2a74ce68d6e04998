package report_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/report"
)

// needs skips a test for want of something; SMKI_NO_SKIP=1 turns the skip into a
// failure.
func needs(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("SMKI_NO_SKIP") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Every page that this room writes is clean under axe and fits a telephone: what a
// committee reads must be readable by each of its members.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	path := ""
	for _, name := range []string{os.Getenv("SMKI_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		needs(t, "no Chromium: install it (apt-get install chromium) or name it in SMKI_CHROMIUM")
	}
	if os.Getenv("AXE_JS") == "" {
		needs(t, "no axe-core: run \"npm pack axe-core@4.14.1 && tar xzf axe-core-4.14.1.tgz package/axe.min.js\" and name the file in AXE_JS")
	}
	axe, err := os.ReadFile(os.Getenv("AXE_JS"))
	require.NoError(t, err)

	pages := map[string]func(io.Writer) error{}
	held, not := record(t, "not required", "held"), record(t, "required", "not held")
	pages["report, held"], pages["report, not held"] = held.HTML, not.HTML
	pages["guidance"] = held.Guidance().Paper().HTML
	met := loaded(t, evening(t, nil))
	pages["minutes"], pages["after-action report"], pages["plan"], pages["risks"] = met.Minutes().HTML, met.AfterAction().HTML, met.Plan().HTML, met.Risks().HTML
	pages["compare"] = report.Compare(held, not).Paper().HTML
	shard := journal.Entry{Seq: 2, At: time.Hour, Kind: journal.KindShard, Body: asJSON(t, map[string]any{"campaign": "1 supplier by method 1", "progress": map[string]int{"holding": 7}})}
	curved, err := report.New(append(entries(t, journal.Start{Run: "one", Scenario: "S01", Label: "AMBER", Devices: 10}), shard), nil)
	require.NoError(t, err)
	pages["compare, with curves"] = report.Compare(curved, curved).Paper().HTML
	pages["coverage"] = report.Cover([]*report.Report{held, not}, nil).Paper().HTML
	for _, id := range []string{"S01", "S02"} {
		s, pack := shipped(t, id)
		for _, reader := range report.Readers() {
			for _, large := range []bool{false, true} {
				p, err := report.NewPaper(s, pack, reader, large)
				require.NoError(t, err)
				pages[fmt.Sprintf("papers of %s for %s, large print: %t", id, reader, large)] = p.HTML
			}
		}
	}

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	dir := t.TempDir()
	for name, write := range pages {
		file := filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(name)+".html")
		f, err := os.Create(file)
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("file://"+file), chromedp.WaitReady(chromedp.CSS("footer"))))
		for _, width := range []int64{1280, 360} {
			require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Evaluate[chromedp.Void](string(axe)+`;0`)))
			raw, err := chromedp.Run(ctx, chromedp.Evaluate[string](
				`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
			require.NoError(t, err)
			var violations []struct {
				ID, Help string
				Nodes    []struct{ HTML string }
			}
			require.NoError(t, json.Unmarshal([]byte(raw), &violations))
			require.Empty(t, violations, "%s at %d pixels", name, width)
			if !strings.Contains(name, "large print: true") {
				fits, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth <= window.innerWidth`))
				require.NoError(t, err)
				require.True(t, fits, "%s is wider than %d pixels", name, width)
			}
		}
	}
}
