package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/verify"
)

// takeOut takes every entry of which the kind, or the kind and part of its text, is
// named out of a record, as nobody may who keeps to the rules, and puts the rest in
// order.
func takeOut(t *testing.T, dir string, out func(e journal.Entry) bool) {
	t.Helper()
	path := filepath.Join(dir, journal.FileName)
	list, err := journal.ReadAll(path)
	require.NoError(t, err)
	var lines [][]byte
	gone := []int64{}
	for _, e := range list {
		line := e.Line
		if out(e) {
			line, gone = journal.Redact(e.Seq, e.Line), append(gone, e.Seq)
		}
		lines = append(lines, line)
	}
	require.NoError(t, os.WriteFile(path, append(bytes.Join(lines, []byte("\n")), '\n'), 0o644))
	said, err := json.Marshal(verify.Redacted{Entries: gone, Files: []string{}, Texts: []int64{}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "redacted.json"), append(said, '\n'), 0o644))
	resum(t, dir)
}

// What a copy lacks is said, and the checks of keys hold for what is left: who takes
// out the proof of a use is caught by the use.
func TestRecordsWithEntriesTakenOut(t *testing.T) {
	t.Parallel()
	kinds := func(kinds ...journal.Kind) func(journal.Entry) bool {
		return func(e journal.Entry) bool { return slices.Contains(kinds, e.Kind) }
	}
	for _, row := range []struct {
		why, want string
		out       func(journal.Entry) bool
	}{
		{"the start", "NOT INTACT", kinds(journal.KindStart)},
		{"the seal", "NOT INTACT: seal", kinds(journal.KindSeal)},
		{"the outcome", "no outcome", kinds(journal.KindOutcome)},
		{"a question", "answered and never asked", kinds(journal.KindQuestion)},
		{"the opening of a key", "no custodians held it open", func(e journal.Entry) bool {
			return e.Kind == journal.KindCustody && bytes.Contains(e.Body, []byte(`"opened":true`))
		}},
		{"the closing of a key", "never closed", func(e journal.Entry) bool {
			return e.Kind == journal.KindCustody && bytes.Contains(e.Body, []byte(`"closed":true`))
		}},
		{"a use", "the record accounts for 0", kinds(journal.KindKeyUse)},
		{"opening, use and closing", "no decision accounts for", kinds(journal.KindKeyUse, journal.KindCustody)},
		{"opening, use, closing and the decision", "no decision accounts for", kinds(journal.KindKeyUse, journal.KindCustody, journal.KindDecision)},
		{"a finding", "a finding was taken out", kinds(journal.KindClosing)},
	} {
		w := pack{}.write(t)
		takeOut(t, w.dir, row.out)
		r := check(t, w.dir, verify.Options{})
		require.False(t, r.Intact, row.why)
		require.Contains(t, r.Verdict(), row.want, row.why)
	}
}

// A decision may be taken out, with the reasons that people gave. What stood on it
// then says that the whole record is needed to see it.
func TestDecisionTakenOut(t *testing.T) {
	t.Parallel()
	w := pack{}.write(t)
	takeOut(t, w.dir, func(e journal.Entry) bool { return e.Kind == journal.KindDecision })
	r := check(t, w.dir, verify.Options{Head: w.closing})
	require.True(t, r.Intact, r.Verdict())
	require.True(t, r.Bound)
	require.Equal(t, []int64{3}, r.Redacted.Entries)
	require.Contains(t, r.Verdict(), "taken out of this copy, and cannot have been changed: 1 entry of the journal")
	i := slices.IndexFunc(r.Checks, func(c verify.Check) bool { return c.Name == "recovery keys" })
	require.Contains(t, r.Checks[i].Detail, "what was decided in entry 3 was taken out of this copy, and the whole record is needed to see it")
}

// The bit of an opening that names another decision is caught with the decision, and
// the bits that do not need it are caught without.
func TestBentRecordsWithTheDecisionTakenOut(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]pack{
		"2 shares of the 3 needed":          {shares: 2},
		"not signed by the record key":      {strangersNote: true},
		"outside the time of authorisation": {late: true},
		"is not the one that is told":       {signedCount: 1},
		"no decision accounts for":          {untold: true, noCustody: true},
		"the authorisation allows 0":        {count: -1},
		"the record accounts for 1":         {uses: 1},
	} {
		w := p.write(t)
		takeOut(t, w.dir, func(e journal.Entry) bool { return e.Kind == journal.KindDecision })
		r := check(t, w.dir, verify.Options{})
		require.False(t, r.Intact, want)
		require.Contains(t, r.Verdict(), want)
	}
}

// resum writes the sums anew, as whoever changes a pack can.
func resum(t *testing.T, dir string) {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "SHA256SUMS" {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	var sums bytes.Buffer
	for _, name := range slices.Sorted(slices.Values(names)) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		fmt.Fprintf(&sums, "%s  %s\n", hexSum(raw), name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums.Bytes(), 0o644))
}
