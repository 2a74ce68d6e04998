package store_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// databases are both databases with commits that are on disk.
func databases(b *testing.B, bench func(b *testing.B, s *store.Store)) {
	b.Run("SQLite", func(b *testing.B) { bench(b, open(b, filepath.Join(b.TempDir(), "ca.db"))) })
	b.Run("PostgreSQL", func(b *testing.B) { bench(b, open(b, storetest.NewServer(b, true).Database(b))) })
}

// One small write, waited for, by as many at once as the name says.
func BenchmarkWrite(b *testing.B) {
	for _, waiters := range []int{1, 64} {
		b.Run(fmt.Sprint(waiters, " waiting"), func(b *testing.B) {
			databases(b, func(b *testing.B, s *store.Store) {
				var n atomic.Int64
				b.SetParallelism((waiters + 1) / 2)
				b.ResetTimer() // not the start of a server
				if waiters == 1 {
					for b.Loop() {
						require.NoError(b, s.Write(b.Context(), row(b, n.Add(1))))
					}
				} else {
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							require.NoError(b, s.Write(b.Context(), row(b, n.Add(1))))
						}
					})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			})
		})
	}
}

func row(b *testing.B, n int64) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.Exec(b.Context(), `INSERT INTO audit_hash (position, hash) VALUES ($1, $2)`, n, make([]byte, 32))
		return err
	}
}

// A thousand rows of an intent's size in one transaction, one by one and at once.
func BenchmarkThousandRows(b *testing.B) {
	values := func(n int64) []any {
		serial := fmt.Appendf(nil, "%016d", n)
		return []any{serial, "certificate", "issuing-dca-1", serial, "device", 1, serial[:8], make([]byte, 32), make([]byte, 400), "owner", "recorded", "", 1}
	}
	columns := []string{"handle", "kind", "issuer", "serial", "profile", "profile_version", "entity", "spki", "tbs", "owner", "state", "cause", "created_at"}
	for _, atOnce := range []bool{false, true} {
		b.Run(fmt.Sprint("at once ", atOnce), func(b *testing.B) {
			databases(b, func(b *testing.B, s *store.Store) {
				var n int64
				for b.Loop() {
					require.NoError(b, s.Write(b.Context(), func(tx store.Tx) error {
						r := store.Rows{Table: "intent", Key: "id", Columns: columns}
						for range 1000 {
							n++
							if atOnce {
								r.Values = append(r.Values, values(n))
								continue
							}
							var id int64
							err := tx.QueryRow(b.Context(), `INSERT INTO intent (handle, kind, issuer, serial, profile, profile_version, entity, spki, tbs, owner, state, cause, created_at)
								VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id`, values(n)...).Scan(&id)
							if err != nil {
								return err
							}
						}
						_, err := tx.Insert(b.Context(), r)
						return err
					}))
				}
				b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		})
	}
}
