package ca_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Every question that can be put to the ledger is answered through an index, or goes
// through it in the order of recording, a page at a time: none sorts it or looks at
// all of it for some hundred rows. What it costs then does not grow with the ledger.
func TestEveryQueryHasAnIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role, entity, key := policy.RoleSupplier, policy.EntityID{1}, ca.KeyHash{1}
	for _, row := range []struct {
		says   string
		filter ca.Filter
		index  string // that PostgreSQL and SQLite must use; "": the order of recording
	}{
		{"all", ca.Filter{}, ""},
		{"of a device, by its identifier", ca.Filter{Entity: &entity, Profile: policy.ProfileDevice}, "certificate_entity"},
		{"of an entity", ca.Filter{Entity: &entity}, "certificate_entity"},
		{"of a key", ca.Filter{Key: &key}, "certificate_spki"},
		{"organisations'", ca.Filter{Profile: policy.ProfileOrganisation}, "certificate_few"},
		{"of a role", ca.Filter{Role: &role}, "certificate_few"},
		{"of an issuer of few", ca.Filter{Issuer: "issuing-oca"}, "certificate_few"},
		{"of a generation of it", ca.Filter{Issuer: "root-dca-1"}, "certificate_few"},
		{"revoked", ca.Filter{Status: ca.StatusRevoked}, "certificate_out_of_use"},
		{"revoked, of devices", ca.Filter{Status: ca.StatusRevoked, Profile: policy.ProfileDevice, Issuer: "issuing-dca"}, "certificate_out_of_use"},
		{"not in use", ca.Filter{Status: ca.StatusNotInUse}, "certificate_out_of_use"},
		{"expired", ca.Filter{Status: ca.StatusExpired}, "certificate_ends"},
		{"of devices, which are nearly all", ca.Filter{Profile: policy.ProfileDevice}, ""},
		{"of the issuer of nearly all", ca.Filter{Issuer: "issuing-dca-1"}, ""},
		{"in use, which are nearly all", ca.Filter{Status: ca.StatusInUse}, ""},
	} {
		query, args := row.filter.Query(time.Now())
		plan := explain(t, w.store, query, args...)
		if row.index != "" {
			require.Contains(t, plan, row.index, "%s: %s", row.says, query)
		} else if !w.store.Distributed() {
			require.Contains(t, plan, "USING INTEGER PRIMARY KEY", "%s: %s", row.says, query)
		} else {
			require.Contains(t, plan, "certificate_pkey", "%s: %s", row.says, query)
		}
		require.NotContains(t, plan, "Seq Scan", row.says)
	}
	for _, q := range []string{
		`SELECT MIN(seq) FROM (SELECT seq FROM certificate WHERE recorded_at >= $1 ORDER BY recorded_at LIMIT 10000) AS near`,
		`SELECT MAX(seq) FROM (SELECT seq FROM certificate WHERE recorded_at < $1 ORDER BY recorded_at DESC LIMIT 10000) AS near`,
	} {
		require.Contains(t, explain(t, w.store, q, int64(5)), "certificate_recorded")
	}
}

// explain returns the plan of a query, on PostgreSQL as for a table that is too long
// to be read through.
func explain(t *testing.T, s *store.Store, query string, args ...any) string {
	t.Helper()
	var lines []string
	err := s.Read(t.Context(), func(tx store.Tx) error {
		explain := `EXPLAIN QUERY PLAN `
		if s.Distributed() {
			explain = `EXPLAIN `
			for _, off := range []string{"enable_seqscan", "enable_bitmapscan"} {
				if _, err := tx.Exec(t.Context(), `SET LOCAL `+off+` = off`); err != nil {
					return err
				}
			}
		}
		rows, err := tx.Query(t.Context(), explain+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a, b, c any
			var text string
			into := []any{&a, &b, &c, &text}
			if s.Distributed() {
				into = into[3:]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			lines = append(lines, text)
		}
		return rows.Err()
	})
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// A search by time finds what was recorded then, whatever other clocks did.
func TestSearchByTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var at []time.Time
	for n := range 4 {
		c, err := w.issuer.Issue(t.Context(), device(t, n))
		require.NoError(t, err)
		at = append(at, c.RecordedAt)
		w.clock.Set(w.clock.Now().Add([]time.Duration{time.Hour, -2 * time.Hour, 72 * time.Hour, time.Hour}[n]))
	}
	count := func(f ca.Filter) (n int) {
		f.Profile = policy.ProfileDevice
		for _, err := range w.issuer.List(t.Context(), f) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 4, count(ca.Filter{Since: at[2]}), "from the earliest")
	require.Equal(t, 3, count(ca.Filter{Since: at[0]}), "an earlier time was recorded later")
	require.Equal(t, 1, count(ca.Filter{Since: at[2], Until: at[0]}))
	require.Equal(t, 1, count(ca.Filter{Since: at[3]}))
	require.Equal(t, 0, count(ca.Filter{Since: at[3].Add(time.Microsecond)}))
	require.Equal(t, 0, count(ca.Filter{Until: at[2]}))
	require.Equal(t, 0, count(ca.Filter{Since: at[3].AddDate(1, 0, 0)}))
}
