package store_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
)

// A value in pieces comes back as it was, its pieces are stored once, and what
// stands in its place is read strictly.
func TestPieces(t *testing.T) {
	t.Parallel()
	for dialect, fresh := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, store.Config{URL: fresh(t)})
			long := &store.Piece{Value: bytes.Repeat([]byte{0, 1, 0xff}, 3000)}
			pieces := func(own string, more ...*store.Piece) []*store.Piece {
				return append([]*store.Piece{{Own: true, Value: []byte(own)}, long}, more...)
			}
			var first, second []byte
			require.NoError(t, s.Write(t.Context(), func(tx store.Tx) (err error) {
				if first, err = store.StoreJoined(t.Context(), tx, pieces("a")); err != nil {
					return err
				}
				second, err = store.StoreJoined(t.Context(), tx, pieces("b", &store.Piece{Value: []byte("new")}, long, &store.Piece{Own: true}))
				return err
			}))
			require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
				var n int
				require.NoError(t, tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM piece`).Scan(&n))
				require.Equal(t, 2, n, "what both have is stored once")
				for _, row := range []struct{ short, want []byte }{
					{first, append([]byte("a"), long.Value...)},
					{second, bytes.Join([][]byte{[]byte("b"), long.Value, []byte("new"), long.Value}, nil)},
					{[]byte{0x30, 0x00}, []byte{0x30, 0x00}},
					{nil, nil},
				} {
					got, err := store.Joined(t.Context(), tx, row.short)
					require.NoError(t, err)
					require.Equal(t, row.want, got)
				}
				for cut := len("\x00pieces1") + 1; cut < len(first); cut++ {
					got, err := store.Joined(t.Context(), tx, first[:cut])
					require.True(t, err != nil || len(got) < 3000, "what is cut off is not the value")
				}
				_, err := store.Joined(t.Context(), tx, append(bytes.Clone(first), 1, 77))
				require.ErrorContains(t, err, "piece 77 is not there")
				_, err = store.Joined(t.Context(), tx, append(bytes.Clone(first), 9, 1))
				require.ErrorContains(t, err, "cut off or changed")
				return nil
			}))
			for _, statement := range []string{`UPDATE piece SET value = 'x'`, `DELETE FROM piece`} {
				require.ErrorContains(t, s.Write(t.Context(), func(tx store.Tx) error {
					_, err := tx.Exec(t.Context(), statement)
					return err
				}), "a piece of a list is never", statement)
			}
		})
	}
}
