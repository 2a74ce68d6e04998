package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/journal"
)

// A copy of a record that was really played, with a decision taken out that opened
// the Recovery key: the words of the minutes hold for it, it says what it lacks, and
// documents are made from it.
func TestRedact(t *testing.T) {
	t.Parallel()
	r, dir := played(t, "S02", "--json", "--auto")
	require.Equal(t, clikit.Done, r.code, r.err)
	var summary struct{ Head string }
	require.NoError(t, json.Unmarshal([]byte(r.out), &summary))
	entries, err := journal.ReadAll(filepath.Join(dir, journal.FileName))
	require.NoError(t, err)
	opened, told := "", ""
	for _, e := range entries {
		if e.Kind == journal.KindInject && told == "" {
			told = string(mustJSON(t, e.Seq))
		}
		var d journal.Decision
		if e.Kind == journal.KindDecision {
			require.NoError(t, e.Decode(&d))
			if d.Opens != "" {
				opened = e.Hash
				copied := filepath.Join(t.TempDir(), "copy")
				seq := string(mustJSON(t, e.Seq))
				out := drillLine(t, "redact", dir, "--out", copied, "--entry", told+","+seq, "--leave")
				require.Equal(t, clikit.Done, out.code, out.err)
				require.Contains(t, out.out, "what was decided in entry "+seq+" was taken out of this copy")
				require.True(t, strings.HasSuffix(strings.TrimSpace(out.out), copied), "the last line is the copy's path")

				checked := drillLine(t, "verify", copied, "--head", summary.Head)
				require.Equal(t, clikit.Done, checked.code, checked.out)
				require.Contains(t, checked.out, "the words given are those of the closing head; taken out of this copy, and cannot have been changed: 2 entries of the journal and 1 file")

				raw, err := os.ReadFile(filepath.Join(copied, journal.FileName))
				require.NoError(t, err)
				require.NotContains(t, string(raw), `"hash":"`+opened+`"`)
				minutes := drillLine(t, "report", copied, "--only", "minutes", "--out", "-")
				require.Equal(t, clikit.Done, minutes.code, minutes.err)
				require.Contains(t, minutes.out, "The answer is not in this copy of the record.")
				require.NotContains(t, minutes.err, "does not verify")
				replayed := drillLine(t, "replay", copied, "--out", filepath.Join(t.TempDir(), "again"))
				require.NotEqual(t, clikit.Done, replayed.code, "a copy has not all that a replay needs")
			}
		}
	}
	require.NotEmpty(t, opened, "the drill opens the Recovery key")

	for why, row := range map[string]struct {
		args []string
		code clikit.Code
		says string
	}{
		"nothing named":        {[]string{"--out", "x"}, clikit.Refused, "nothing is to be taken out"},
		"the start":            {[]string{"--out", "x", "--entry", "1"}, clikit.Refused, `entry 1 is a "start"`},
		"no number":            {[]string{"--out", "x", "--entry", "first"}, clikit.Usage, "give the number of an entry"},
		"no book":              {[]string{"--out", "x", "--text", "3"}, clikit.Refused, "no book of the exercise room"},
		"a copy in the pack":   {[]string{"--out", filepath.Join(dir, "x"), "--entry", "4"}, clikit.Usage, "lies in the pack"},
		"no place for it":      {[]string{"--entry", "4"}, clikit.Usage, "--out is required"},
		"one that is there":    {[]string{"--out", t.TempDir(), "--entry", told, "--leave"}, clikit.Refused, "is there already"},
		"what the scenario is": {[]string{"--out", "x", "--entry", told}, clikit.Refused, "entry 1 (start), which cannot be taken out"},
	} {
		out := drillLine(t, append([]string{"redact", dir}, row.args...)...)
		require.Equal(t, row.code, out.code, "%s: %s", why, out.err)
		require.Contains(t, out.err, row.says, why)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), []byte("{}"), 0o644))
	out := drillLine(t, "redact", dir, "--out", filepath.Join(t.TempDir(), "copy"), "--entry", "4", "--leave")
	require.Equal(t, clikit.Failed, out.code)
	require.Contains(t, out.err, "does not verify", "a record that is not whole is not copied")
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
