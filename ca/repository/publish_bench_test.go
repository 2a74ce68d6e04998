package repository_test

import (
	"context"
	"crypto/rand"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/repository"
	"smki.example/ca/store"
	"smki.example/policy"
)

// BenchmarkPublish makes a full file of a hundred thousand certificates, and says
// what one costs and how much memory was ever in use: that does not grow with their
// number.
func BenchmarkPublish(b *testing.B) {
	w := newWorld(b, "exercise", nil)
	ctx := context.Background()
	c := w.device(b, w.entity(), policy.UsageDigitalSignature)
	const many, page = 100_000, 1000
	for range many / page {
		require.NoError(b, w.store.Write(ctx, func(tx store.Tx) error {
			rows := store.Rows{Table: "certificate", Columns: []string{"serial", "intent", "issuer", "profile", "entity", "key_usage", "spki", "not_before", "not_after", "status", "requester", "recorded_at", "der"}}
			for range page {
				serial, err := policy.NewSerial(rand.Reader)
				if err != nil {
					return err
				}
				id := w.entity()
				rows.Values = append(rows.Values, []any{serial[:], c.Intent, c.Issuer, string(c.Profile), id[:], int64(c.Usage), c.Key[:],
					c.NotBefore.UnixMicro(), c.NotAfter.UnixMicro(), "I", "test", c.RecordedAt.UnixMicro(), c.DER})
			}
			_, err := tx.Insert(ctx, rows)
			return err
		}))
	}
	runtime.GC()
	var before, at runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	var certificates int64
	began := time.Now()
	for b.Loop() {
		f, err := w.Publish(ctx, repository.Publication{Kind: repository.FullFile, By: "officer-1", Progress: func(done, _ int64) {
			if done%(10*page) == 0 {
				runtime.ReadMemStats(&at)
				peak = max(peak, at.HeapInuse)
			}
		}})
		require.NoError(b, err)
		certificates += f.Certificates
	}
	b.ReportMetric(float64(certificates)/time.Since(began).Seconds(), "certs/s")
	b.ReportMetric(float64(peak-min(peak, before.HeapInuse))/(1<<20), "MiB-above")
}
