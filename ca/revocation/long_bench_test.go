package revocation_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/policy"
)

// revokeMadeUp adds revocations of serials that have no certificate, from a number
// on, all at once: what a list costs does not depend on who asked for the rest.
func (w *world) revokeMadeUp(t testing.TB, issuer string, from, to int) {
	t.Helper()
	for from < to {
		part := min(from+10_000, to)
		err := w.store.Write(t.Context(), func(tx store.Tx) error {
			r := store.Rows{Table: "revocation", Columns: []string{"serial", "issuer", "reason", "revoked_at", "revoked_by", "on_crl", "recorded_at"}}
			for n := from; n < part; n++ {
				s := madeUp(n)
				now := w.clock()
				r.Values = append(r.Values, []any{s[:], issuer, int64([]policy.Reason{1, 3, 4, 5}[n%4]), now.Add(-time.Hour).UnixMicro(), "made up", true, now.UnixMicro()})
			}
			_, err := tx.Insert(t.Context(), r)
			return err
		})
		require.NoError(t, err)
		from = part
	}
}

func madeUp(n int) (s policy.Serial) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	binary.BigEndian.PutUint64(s[:8], r.Uint64()>>1|1<<61)
	binary.BigEndian.PutUint64(s[8:], r.Uint64())
	return s
}

// BenchmarkLongList publishes a list of a hundred thousand entries (SMKI_SOAK=1: a
// million), with a hundred that are new each time: built, linted, signed, verified
// and on disk. "nothing" begins as a process does that has just started, "first" as a
// database does that has no list yet.
func BenchmarkLongList(b *testing.B) {
	entries := 100_000
	if os.Getenv("SMKI_SOAK") != "" {
		entries = 1_000_000
	}
	w := newWorld(b, "exercise")
	const issuer = "issuing-dca-1"
	w.revokeMadeUp(b, issuer, 0, entries)
	next := entries
	publish := func(b *testing.B, r *revocation.Register) {
		rec, err := r.PublishCRL(b.Context(), issuer)
		require.NoError(b, err)
		require.Equal(b, next, rec.Entries)
	}
	anew := func(b *testing.B) *revocation.Register {
		r, err := revocation.New(revocation.Config{Issuer: w.issuer})
		require.NoError(b, err)
		return r
	}
	b.Run("first", func(b *testing.B) {
		// Once, whatever b.N: after it there is a list.
		began := time.Now()
		publish(b, anew(b))
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/list")
	})
	b.Run("nothing", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w.revokeMadeUp(b, issuer, next, next+100)
			next += 100
			r := anew(b)
			b.StartTimer()
			publish(b, r)
		}
	})
	b.Run("again", func(b *testing.B) {
		r := anew(b)
		publish(b, r)
		for b.Loop() {
			b.StopTimer()
			w.revokeMadeUp(b, issuer, next, next+100)
			next += 100
			b.StartTimer()
			publish(b, r)
		}
	})
}
