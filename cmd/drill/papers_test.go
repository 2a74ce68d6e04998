package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/play"
)

func TestPapers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, reader := range []string{"player", "facilitator", "observer"} {
		for _, ending := range []string{"html", "pdf"} {
			out := filepath.Join(dir, reader+"."+ending)
			r := drillLine(t, "papers", "S01", "--for", reader, "--out", out, "--large")
			require.Equal(t, clikit.Done, r.code, r.err)
			require.Equal(t, out+"\n", r.out)
			text, err := os.ReadFile(out)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(text), map[string]string{"html": "<!doctype html>", "pdf": "%PDF-"}[ending]))
		}
	}
	r := drillLine(t, "papers", "S01", "--for", "observer", "--out", filepath.Join(dir, "o.html"), "--json")
	require.Contains(t, r.out, `"label": "RED"`, "papers with answers carry the highest label")
	for _, row := range []struct {
		why, want string
		args      []string
	}{
		{"nobody else has papers", "player, facilitator or observer", []string{"papers", "S01", "--for", "guest", "--out", filepath.Join(dir, "x.pdf")}},
		{"the ending says the form", ".html or .pdf", []string{"papers", "S01", "--for", "player", "--out", filepath.Join(dir, "x.doc")}},
		{"the drill must be known", "no drill", []string{"papers", "S99", "--for", "player", "--out", filepath.Join(dir, "x.pdf")}},
	} {
		r := drillLine(t, row.args...)
		require.Equal(t, clikit.Usage, r.code, row.why)
		require.Contains(t, r.err, row.want, row.why)
	}
}

// A committee writes the sample to a file, makes it its own, has it checked, and
// plays by it: no code is touched, and the record names the pack by its hash.
func TestOwnProcedure(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ours.yaml")
	require.Equal(t, clikit.Done, drillLine(t, "procedure", "write", "--out", file).code)
	require.Equal(t, clikit.Usage, drillLine(t, "procedure", "write", "--out", file).code, "nothing is overwritten")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	own := strings.Replace(string(text), "id: sample\nversion: 2\n", "id: ours\nversion: 1\n", 1)
	own = strings.Replace(own, "name: SMKI PMA\n    quorum: 3", "name: Our committee\n    quorum: 4", 1)
	require.NoError(t, os.WriteFile(file, []byte(own), 0o600))

	lint := drillLine(t, "procedure", "lint", file, "--json")
	require.Equal(t, clikit.Done, lint.code, lint.err)
	var said struct {
		Name, SHA256 string
		OK           bool
		Errors       []place
		Hints        []place
	}
	require.NoError(t, json.Unmarshal([]byte(lint.out), &said))
	require.Equal(t, "ours/1", said.Name)
	require.Empty(t, said.Errors)
	require.Empty(t, said.Hints)

	fewer := filepath.Join(t.TempDir(), "fewer.yaml")
	require.NoError(t, os.WriteFile(fewer, []byte(strings.ReplaceAll(own, "unreached", "left-over")), 0o600))
	require.Equal(t, clikit.Done, drillLine(t, "check", "S01", "--procedure", file).code)
	missing := drillLine(t, "check", "S01", "--procedure", fewer)
	require.Equal(t, clikit.Failed, missing.code)
	require.Contains(t, missing.err, `unknown step of the procedure "unreached"`)

	r, pack := played(t, "S01", "--procedure", file)
	require.Equal(t, clikit.Done, r.code, r.err)
	sum, err := os.ReadFile(filepath.Join(pack, play.SummaryFile))
	require.NoError(t, err)
	require.Contains(t, string(sum), `"procedure": "ours/1"`)
	require.Contains(t, string(sum), said.SHA256)
	journal, err := os.ReadFile(filepath.Join(pack, "journal.jsonl"))
	require.NoError(t, err)
	require.Contains(t, string(journal), `"needed":4`, "the vote follows the committee's own quorum")

	page := drillLine(t, "report", pack, "--out", "-")
	require.Contains(t, page.out, "Our committee", "a report is read with the procedure that the record was made with")
	other := drillLine(t, "report", pack, "--out", "-", "--format", "text", "--procedure", writeOther(t, string(text)))
	require.Contains(t, other.err, "was made with the procedure pack ours/1")

	guidance := drillLine(t, "report", pack, "--only", "guidance", "--format", "csv", "--out", "-")
	require.Contains(t, guidance.out, "RED,")
	require.Contains(t, guidance.out, "The SMKI PMA shall take into account: How good is the evidence")
	require.Equal(t, clikit.Usage, drillLine(t, "report", pack, "--only", "weather", "--out", "-").code)

	matrix := drillLine(t, "coverage", pack)
	require.Equal(t, clikit.Done, matrix.code, matrix.err)
	require.Contains(t, matrix.out, "procedure ours/1")
	require.Contains(t, matrix.out, "observed by the script only")
	out := filepath.Join(t.TempDir(), "coverage.csv")
	require.Equal(t, clikit.Done, drillLine(t, "coverage", pack, pack, "--out", out).code)
	require.FileExists(t, out)
	require.Equal(t, clikit.Usage, drillLine(t, "coverage").code)

	both := filepath.Join(t.TempDir(), "both.html")
	require.Equal(t, clikit.Done, drillLine(t, "compare", pack, pack, "--out", both).code)
	require.FileExists(t, both)
	side := drillLine(t, "compare", pack, pack)
	require.Contains(t, side.out, "Decisions that differ: none")
	require.Contains(t, side.out, "Devices that hold the new keys of supplier, over scenario time")
}

func writeOther(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sample.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestProcedureLint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bent.yaml")
	sample := drillLine(t, "procedure", "write", "--out", "-").out
	bent := strings.NewReplacer("quorum: 3", "quorum: 9", "{step: panel-told}\n      - {step: method-1,", "{step: panel-tlod}\n      - {step: method-1,").Replace(sample)
	require.NoError(t, os.WriteFile(file, []byte(bent), 0o600))
	r := drillLine(t, "procedure", "lint", file)
	require.Equal(t, clikit.Failed, r.code)
	require.Contains(t, r.err, "a quorum of 9 cannot be met by 5 votes")
	require.Contains(t, r.err, `there is no step "panel-tlod"`, "everything is said at once")
	require.Regexp(t, `(?m)^.*bent\.yaml:\d+:\d+: body "pma"`, r.err)
	require.Equal(t, clikit.Usage, drillLine(t, "procedure", "lint", file+"x").code)
	run := drillLine(t, "run", "S01", "--procedure", file, "--out", filepath.Join(t.TempDir(), "p"))
	require.Equal(t, clikit.Usage, run.code, "a pack that cannot be used is refused before anything is made")
	require.Contains(t, run.err, "drill procedure lint")
}

func TestProcedureShow(t *testing.T) {
	t.Parallel()
	r := drillLine(t, "procedure", "show")
	require.Equal(t, clikit.Done, r.code, r.err)
	for _, text := range []string{"NOT VERIFIED", "WHICH KEY, WHICH PROCEDURE", "networkOperator", "Execution", "Post-recovery", "-> stand-down if", "any 3 of 5, from at least 2 Parties", "Exercise Gas Networks E, 5 hours away"} {
		require.Contains(t, r.out, text)
	}
	for line := range strings.Lines(r.out) {
		require.LessOrEqual(t, len([]rune(line)), widest+1, line)
	}
	root := drillLine(t, "procedure", "show", "--key", "root")
	require.Contains(t, root.out, "opens the contingency key")
	require.NotContains(t, root.out, "WHO TELLS WHOM")
	require.Contains(t, drillLine(t, "procedure", "show", "--key", "rook").err, "there are supplier, networkOperator")
	require.Contains(t, drillLine(t, "procedure", "show", "--json").out, `"sha256"`)
}
