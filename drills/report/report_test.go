package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
)

var update = flag.Bool("update", false, "rewrite the expected texts")

// figures are what the world of a drill counts, as JSON has them.
const figures = `{"party":"Exercise Supplier A","compromised":"Exercise Supplier A signing key","devices":2000,"premises":1050,"prepayment":310,
"reachable":1960,"ends":{"recovered":1960,"unreachable":40},"misuse":"none","methods":["method 1"],
"recovery":{"devices":1960,"began":"1:00:00","half":"2:26:10","most":"3:52:00","last":"4:10:00"},"rate":"700 an hour (sample)",
"campaigns":[{"name":"supplier by method 1","method":"method 1","began":"1:00:00","ended":"4:10:00","sent":2080,"outcomes":{"done":1960,"lost":120},"reasons":{}}],
"certificates_issued":3,"revoked":3,"compromised_revoked":3,"compromised_certificates":3,"revoked_at":"4:15:00","crl_number":7,"top_ups_refused":0,"site_visits_up_to":40,"traffic_held_for":"0:00:00",
"sample":{"rate":"700 commands an hour for 2000 devices"},"refused_steps":[]}`

// record is a drill's journal in a folder: one decision, a duty met, a finding.
func record(t *testing.T, chosen, finding string) *report.Report {
	t.Helper()
	dir := t.TempDir()
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "S01-" + strings.ReplaceAll(chosen, " ", "-"),
		Clock: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }})
	require.NoError(t, err)
	add := func(at time.Duration, kind journal.Kind, body any) {
		_, _, err := j.Append(kind, at, body)
		require.NoError(t, err)
	}
	var counted map[string]any
	require.NoError(t, json.Unmarshal([]byte(figures), &counted))
	options := []journal.Option{{Name: "not required", Says: "the supplier still controls its key"}, {Name: "required", Says: "custodians travel", Opens: "recovery"}}
	add(0, journal.KindStart, journal.Start{Run: j.RunID(), Scenario: "S01", Title: "Supplier signing key copied from a backup", Label: "AMBER",
		Rehearses: []string{"notification", "method-1"}, Devices: 2000, Seed: 1, Answers: "script", SHA256: "abc"})
	add(10*time.Minute, journal.KindInject, journal.Inject{As: "mail", From: "supplier <security>", Text: "A tape left the building."})
	add(20*time.Minute, journal.KindNotify, journal.Notify{Step: "4", Whom: "pma chair", Due: "1:00", Phase: "due", Procedure: "notification"})
	add(22*time.Minute, journal.KindNotify, journal.Notify{Step: "4", Whom: "pma chair", Due: "1:00", Told: "0:22", Met: true, Phase: "told", Procedure: "notification"})
	add(40*time.Minute, journal.KindDecision, journal.Decision{Decision: "recovery key", Body: "pma", Asks: "Does the PMA require the Recovery key?",
		Options: options, Chosen: chosen, Answered: "script", Note: "SCRIPTED ANSWER: no member voted", Factors: []journal.Factor{{ID: "evidence", Force: "shall"}},
		Assessed: []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}, Expected: "not required", Basis: "our reasoning", AsExpected: chosen == "not required"})
	add(5*time.Hour, journal.KindFinding, journal.Finding{Says: "every device that could be reached trusts the new keys", Held: finding == "held", Found: "1960 of 1960"})
	add(5*time.Hour, journal.KindOutcome, journal.Outcome{Outcome: "finished", Finding: finding, Skipped: 1, Figures: counted})
	require.NoError(t, j.Close())

	pack, err := procedure.Sample()
	require.NoError(t, err)
	r, err := report.Load(dir, pack)
	require.NoError(t, err)
	return r
}

// golden compares with a file that -update rewrites; the difference is reviewed.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, record(t, "not required", "held").Text(&b, 110, report.Line{Label: "For the minutes", Text: "record AUTUMN-…"}))
	golden(t, "held.want", b.String())
	for line := range strings.Lines(b.String()) {
		require.LessOrEqual(t, len([]rune(line)), 111, "a terminal shows every line whole: %q", line)
	}
}

func TestNotHeld(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, record(t, "required", "not held").Text(&b, 110))
	golden(t, "not-held.want", b.String())
	require.NotContains(t, strings.ToLower(b.String()), "wrong", "an answer may differ; who is right is for people")
}

func TestHTML(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, record(t, "not required", "held").HTML(&b))
	text := b.String()
	require.Contains(t, text, "mail from supplier &lt;security&gt;", "what people typed is text and never markup")
	require.Contains(t, text, "SCRIPTED ANSWER: no member voted")
	require.Contains(t, text, "default-src")
	require.NotContains(t, text, "http://")
	require.NotContains(t, text, "https://")
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "ZgotmplZ", "the template engine refused a value")
}

func TestCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, record(t, "not required", "held").CSV(&b))
	require.Contains(t, b.String(), "AMBER,5,0:40,decision,SMKI PMA decides recovery key: not required (SCRIPTED ANSWER: no member voted)\n")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	c := report.Compare(record(t, "not required", "held"), record(t, "required", "not held"))
	var differ []string
	for _, r := range c.Rows {
		if r.Differ {
			differ = append(differ, r.What)
		}
	}
	require.Equal(t, []string{"decided: recovery key", "did the system hold"}, differ)
	require.Empty(t, c.Note)
	var b bytes.Buffer
	require.NoError(t, c.Text(&b))
	golden(t, "compare.want", b.String())
}

func TestBrokenOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pack, err := procedure.Sample()
	require.NoError(t, err)
	_, err = report.Load(dir, pack)
	require.ErrorContains(t, err, "reading the record")

	key, err := journal.LoadKey(filepath.Join(dir, "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "x", Clock: time.Now})
	require.NoError(t, err)
	_, _, err = j.Append(journal.KindStart, 0, journal.Start{Scenario: "S01", Title: "T", Label: "AMBER"})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	r, err := report.Load(dir, pack)
	require.NoError(t, err)
	require.Equal(t, "broken off", r.Outcome.Outcome)
	require.Contains(t, r.Lines()[0].Text, "NO FINDING")
}

func TestPDF(t *testing.T) {
	t.Parallel()
	r := record(t, "not required", "held")
	var first, second bytes.Buffer
	require.NoError(t, r.PDF(&first))
	require.NoError(t, r.PDF(&second))
	require.True(t, bytes.HasPrefix(first.Bytes(), []byte("%PDF-")))
	require.Equal(t, first.Bytes(), second.Bytes(), "one record, one document")
}
