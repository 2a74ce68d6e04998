package audit_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is given for a checkpoint that was kept outside, it is read only if the
// log's key signed exactly it.
func FuzzParseCheckpoint(f *testing.F) {
	w := fresh(f)
	w.append(f, 3)
	c, err := w.log.Checkpoint(f.Context())
	require.NoError(f, err)
	f.Add(c.Note)
	f.Add([]byte("smki-audit\n3\n\n\n— smki-audit AAAA\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := w.log.ParseCheckpoint(b)
		if err != nil {
			return
		}
		require.Equal(t, c.Size, got.Size)
		require.Equal(t, c.Hash, got.Hash)
		// Signatures of unknown keys may follow; what is signed is the same.
		require.True(t, bytes.HasPrefix(b, c.Note[:bytes.Index(c.Note, []byte("\n\n"))]))
	})
}
