package report_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/pagetest"
)

// Every page that this room writes is clean under axe and fits a telephone: what a
// committee reads must be readable by each of its members.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	b := pagetest.Open(t, pagetest.Config{Within: 5 * time.Minute})
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

	dir := t.TempDir()
	for name, write := range pages {
		file := filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(name)+".html")
		f, err := os.Create(file)
		require.NoError(t, err)
		require.NoError(t, write(f))
		require.NoError(t, f.Close())
		b.Do(chromedp.Navigate("file://"+file), chromedp.WaitReady(chromedp.CSS("footer")))
		for _, width := range []int64{1280, 360} {
			b.Do(chromedp.EmulateViewport(width, 900))
			require.Empty(t, b.Axe(), "%s at %d pixels", name, width)
			if !strings.Contains(name, "large print: true") {
				require.True(t, b.Fits(), "%s is wider than %d pixels", name, width)
			}
		}
	}
}
