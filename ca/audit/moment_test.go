package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// A record is found by its time among many, also where clocks stood in another
// order than the records, and only if it has the text.
func TestRecordsOfAMoment(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	log, db := f.log, f.store
	base := time.Date(2026, 11, 24, 12, 0, 0, 123_456_000, time.UTC)
	append_ := func(at time.Time, serial string) {
		require.NoError(t, db.Write(t.Context(), func(tx store.Tx) error {
			_, err := audit.Append(t.Context(), tx, audit.Event{Kind: audit.KindCertificate, At: at, By: "x", Body: map[string]string{"serial": serial}})
			return err
		}))
	}
	none, err := log.At(t.Context(), base, "A")
	require.NoError(t, err)
	require.Empty(t, none)
	for n := range 40 {
		append_(base.Add(time.Duration(n)*time.Minute), "A")
	}
	append_(base.Add(38*time.Minute+30*time.Second+time.Nanosecond), "A") // the slower clock of another node
	append_(base.Add(40*time.Minute), "B")
	for _, row := range []struct {
		at   time.Duration
		text string
		want []int64
	}{
		{0, `"A"`, []int64{0}}, {17 * time.Minute, `"A"`, []int64{17}}, {38 * time.Minute, `"A"`, []int64{38}}, {38*time.Minute + 30*time.Second, `"A"`, []int64{40}},
		{40 * time.Minute, `"B"`, []int64{41}}, {40 * time.Minute, `"A"`, nil}, {time.Second, `"A"`, nil}, {-time.Hour, `"A"`, nil}, {time.Hour, `"A"`, nil},
	} {
		found, err := log.At(t.Context(), base.Add(row.at), row.text)
		require.NoError(t, err)
		var seqs []int64
		for _, r := range found {
			seqs = append(seqs, r.Seq)
		}
		require.Equal(t, row.want, seqs, "at %s, %s", row.at, row.text)
	}
}

// Many records within the time by which clocks may differ, as of batches at full rate,
// are each found by its own moment.
func TestRecordsOfACrowdedMoment(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	base := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	moment := func(n int) time.Time { return base.Add(time.Duration(n/2) * 10 * time.Millisecond) } // two at each
	require.NoError(t, f.store.Write(t.Context(), func(tx store.Tx) error {
		for n := range 200 {
			event := audit.Event{Kind: audit.KindCertificate, At: moment(n), By: "x", Body: map[string]string{"serial": []string{"A", "B"}[n%2]}}
			if _, err := audit.Append(t.Context(), tx, event); err != nil {
				return err
			}
		}
		return nil
	}))
	for n := range 200 {
		found, err := f.log.At(t.Context(), moment(n), []string{`"A"`, `"B"`}[n%2])
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.EqualValues(t, n, found[0].Seq)
	}
}
