package ca_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
)

// BenchmarkGrowth issues to batches of a thousand from an empty ledger, and again in
// one with several hundred thousand certificates of other devices, keys in software,
// in one run. The cost of a certificate, in processor time of this process and on the
// clock, should be the same: "times" is the quotient of the two.
//
//	SMKI_BENCH_ROWS=1000000 go test ./ca -run - -bench Growth -benchtime 1x
func BenchmarkGrowth(b *testing.B) {
	rows := 300_000
	if testing.Short() {
		rows = 20_000
	}
	if text := os.Getenv("SMKI_BENCH_ROWS"); text != "" {
		var err error
		rows, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	const rounds = 6
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		b.Run(where, func(b *testing.B) {
			w := newWorld(b)
			if where == "PostgreSQL" {
				var err error
				w.store, err = store.Open(b.Context(), store.Config{URL: storetest.NewServer(b, true).Database(b)})
				require.NoError(b, err)
				b.Cleanup(func() { _ = w.store.Close() })
			}
			i := w.open(b)
			requests := make([][]ca.Request, 2*rounds)
			for k := range requests {
				for n := range ca.MaxBatch {
					requests[k] = append(requests[k], device(b, k*ca.MaxBatch+n))
				}
			}
			work := func(batches [][]ca.Request) (wall, used time.Duration) {
				began, before := time.Now(), processorTime(b)
				for _, batch := range batches {
					results, err := i.IssueBatch(b.Context(), batch)
					require.NoError(b, err)
					for _, r := range results {
						require.NoError(b, r.Err)
					}
				}
				return time.Since(began), processorTime(b) - before
			}
			emptyWall, empty := work(requests[:rounds])
			fill(b, w.store, rows)
			fullWall, full := work(requests[rounds:])
			each := func(d time.Duration) float64 { return float64(d.Microseconds()) / (rounds * ca.MaxBatch) }
			b.ReportMetric(float64(rows), "rows")
			b.ReportMetric(each(empty), "empty-cpu-µs/cert")
			b.ReportMetric(each(full), "full-cpu-µs/cert")
			b.ReportMetric(each(full)/each(empty), "times-cpu")
			b.ReportMetric(each(fullWall)/each(emptyWall), "times-wall")
		})
	}
}

// processorTime is the processor time of this process so far.
func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// fill adds rows as issuances leave them, with serials and keys that fall anywhere in
// their indexes. Nothing is signed; no test looks at them.
func fill(b *testing.B, s *store.Store, rows int) {
	random := func(n int) []byte {
		octets := make([]byte, n)
		rand.Read(octets)
		return octets
	}
	now := time.Now()
	for done := 0; done < rows; done += 5 * ca.MaxBatch {
		n := min(5*ca.MaxBatch, rows-done)
		err := s.Write(b.Context(), func(tx store.Tx) error {
			intents := store.Rows{Table: "intent", Key: "id", Columns: []string{"handle", "kind", "issuer", "serial", "profile", "profile_version",
				"entity", "spki", "tbs", "owner", "state", "created_at", "settled_at"}}
			certificates := store.Rows{Table: "certificate", Columns: []string{"serial", "intent", "issuer", "profile", "entity", "key_usage",
				"spki", "not_before", "not_after", "status", "requester", "recorded_at", "der"}}
			for k := range n {
				serial, key := random(16), random(32)
				other := entity(1<<24 + done + k)
				intents.Values = append(intents.Values, []any{random(16), "certificate", "issuing-dca-1", serial, "device", int64(1),
					other[:], key, random(380), "gone", "recorded", now.UnixMicro(), now.UnixMicro()})
				certificates.Values = append(certificates.Values, []any{serial, int64(0), "issuing-dca-1", "device", other[:], int64(policy.UsageDigitalSignature),
					key, now.UnixMicro(), now.AddDate(10, 0, 0).UnixMicro(), "I", "filling", now.UnixMicro(), random(460)})
			}
			ids, err := tx.Insert(b.Context(), intents)
			if err != nil {
				return err
			}
			for k, id := range ids {
				certificates.Values[k][1] = id
			}
			if _, err := tx.Insert(b.Context(), certificates); err != nil {
				return err
			}
			for range 2 * 5 {
				if _, err := audit.Append(b.Context(), tx, audit.Event{Kind: "filling", At: now, By: "filling", Body: fmt.Sprintf("%x", random(ca.MaxBatch))}); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(b, err)
	}
}
