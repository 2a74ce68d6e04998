package ca_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// A thousand device requests from examination to ledger, keys in software, every
// signature verified, commits on disk.
func BenchmarkBatchByStore(b *testing.B) {
	requests := make([]ca.Request, ca.MaxBatch)
	for k := range requests {
		requests[k] = device(b, k)
	}
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		b.Run(where, func(b *testing.B) {
			url := func() string { return b.TempDir() + "/ca.db" }
			if where == "PostgreSQL" {
				server := storetest.NewServer(b, true)
				url = func() string { return server.Database(b) }
			}
			w := newWorld(b)
			for n := 0; b.Loop(); n++ {
				b.StopTimer() // the same requests need another ledger
				var err error
				require.NoError(b, w.store.Close())
				w.store, err = store.Open(b.Context(), store.Config{URL: url()})
				require.NoError(b, err)
				i := w.open(b)
				b.StartTimer()
				results, err := i.IssueBatch(b.Context(), requests)
				require.NoError(b, err)
				for _, r := range results {
					require.NoError(b, r.Err)
				}
			}
			b.ReportMetric(float64(len(requests)*b.N)/b.Elapsed().Seconds(), "certificates/s")
		})
	}
}
