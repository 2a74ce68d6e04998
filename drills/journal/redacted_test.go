package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
)

// A copy of which entries were taken out is read as far as it goes, and only as a
// copy: as the journal itself it is broken.
func TestReadCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := journal.LoadKey(filepath.Join(dir, "record.key"))
	require.NoError(t, err)
	path := filepath.Join(dir, journal.FileName)
	j, err := journal.Create(path, journal.Config{Key: key, RunID: "r", Clock: func() time.Time { return time.Unix(0, 0) }})
	require.NoError(t, err)
	for _, text := range []string{"one", "two", "three", "four"} {
		_, _, err := j.Append(journal.KindInject, 0, journal.Inject{Text: text})
		require.NoError(t, err)
	}
	require.NoError(t, j.Close())
	whole, err := journal.ReadAll(path)
	require.NoError(t, err)

	lines := [][]byte{whole[0].Line, journal.Redact(2, whole[1].Line), journal.Redact(3, whole[2].Line), whole[3].Line}
	write := func(lines ...[]byte) {
		require.NoError(t, os.WriteFile(path, append(bytes.Join(lines, []byte("\n")), '\n'), 0o600))
	}
	read := func() (out []journal.Entry, err error) {
		for e, err := range journal.ReadCopy(path) {
			if err != nil {
				return out, err
			}
			out = append(out, e)
		}
		return out, nil
	}
	write(lines...)
	got, err := read()
	require.NoError(t, err)
	require.Len(t, got, 4)
	require.Equal(t, journal.KindRedacted, got[1].Kind)
	for i := range whole {
		require.Equal(t, whole[i].Leaf(), got[i].Leaf(), "the tree of the copy is the tree of the journal")
	}
	_, err = journal.ReadAll(path)
	require.ErrorIs(t, err, journal.ErrBroken)

	for name, changed := range map[string][][]byte{
		"a number left out":             {lines[0], lines[2], lines[3]},
		"an entry put in another place": {lines[0], journal.Redact(3, whole[1].Line), journal.Redact(2, whole[2].Line), lines[3]},
		"a member more":                 {lines[0], bytes.Replace(lines[1], []byte("}"), []byte(`,"why":""}`), 1), lines[2], lines[3]},
		"a space more":                  {lines[0], bytes.Replace(lines[1], []byte(","), []byte(", "), 1), lines[2], lines[3]},
		"large letters":                 {lines[0], bytes.ToUpper(lines[1]), lines[2], lines[3]},
	} {
		write(changed...)
		_, err := read()
		require.ErrorIs(t, err, journal.ErrBroken, name)
	}
}
