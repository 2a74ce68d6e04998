package smkiws_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/auditor"
	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
)

// audited holds the database against the log, as audit verify does.
func (w *world) audited(t testing.TB) error {
	t.Helper()
	_, err := auditor.Audit(t.Context(), auditor.Config{Store: w.store, Authorities: map[string][]byte{"issuing-dca-1": w.hierarchy.IssuingDCA.Certificate.Raw}})
	return err
}

// queued is a batch of n devices that waits to be issued.
func (w *world) queued(t testing.TB, n int) int64 {
	t.Helper()
	id := w.submit(t, "supplier", batchDocument("b", requests(t, n)...)).BatchId
	did, err := w.service.Work(t.Context())
	require.NoError(t, err)
	require.True(t, did)
	require.Equal(t, smkiws.Queued, w.state(t, id))
	return id
}

// Whatever is changed of a batch while it waits, nothing of it is issued, and the
// audit says so.
func TestTamperedWhileQueued(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, statement string
		args            func(t *testing.T) []any
		want            string // of the audit
	}{
		{"a request", `UPDATE smkiws_item SET csr = $1 WHERE item = 2`, func(t *testing.T) []any { return []any{device(t, 2)} }, "items 1 to 3 of batch 1: their names or requests are not"},
		{"a name", `UPDATE smkiws_item SET name = 'd7' WHERE item = 2`, nil, "items 1 to 3 of batch 1: their names or requests are not"},
		{"two names", `UPDATE smkiws_item SET name = CASE name WHEN 'd1' THEN 'd2' WHEN 'd2' THEN 'd1' ELSE name END`, nil, "items 1 to 3 of batch 1"},
		{"an item is gone", `DELETE FROM smkiws_item WHERE item = 3`, nil, "items 1 to 3 of batch 1"},
		{"an item more", `INSERT INTO smkiws_item (batch, item, name, csr) VALUES (1, 4, 'd4', $1)`, func(t *testing.T) []any { return []any{device(t, 4)} }, "items 1 to 3 of batch 1"},
		{"the requester", `UPDATE smkiws_batch SET requester = 'network system'`, nil, "batch 1: its requester is network system"},
		{"the Party", `UPDATE smkiws_batch SET party = 'network'`, nil, "batch 1: its party is network"},
		{"no record", `UPDATE smkiws_batch SET queued_record = NULL`, nil, ""},
		{"another record", `UPDATE smkiws_batch SET queued_record = queued_record - 1`, nil, ""},
		{"a record that is not there", `UPDATE smkiws_batch SET queued_record = 9999`, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.queued(t, 3)
			require.NoError(t, w.audited(t))
			var args []any
			if row.args != nil {
				args = row.args(t)
			}
			storetest.Tamper(t, w.store, row.statement, args...)
			workAll(t, w.service)
			require.Equal(t, smkiws.Tampered, w.state(t, id))
			require.Zero(t, w.signed)
			require.Zero(t, w.count(t, `SELECT COUNT(*) FROM certificate`))
			if row.want == "" {
				require.NoError(t, w.audited(t), "the log says that the batch was given up, and nothing else was changed")
			} else {
				require.ErrorContains(t, w.audited(t), row.want)
			}
		})
	}
}

// A shard that is changed while others are issued stops the batch; what was issued by
// then has its outcome, and the worker that is at it is not in the way.
func TestTamperedWhileProcessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.queued(t, 1002)
	first := w.open(t, w.config())
	first.SetProbe(func(point string) error {
		if point == "claimed" {
			storetest.Tamper(t, w.store, `UPDATE smkiws_item SET csr = $1 WHERE item = 1001`, device(t, 1001))
			workAll(t, w.service)
			require.Equal(t, smkiws.Tampered, w.state(t, id))
		}
		return nil
	})
	workAll(t, first)
	require.Equal(t, smkiws.Tampered, w.state(t, id))
	require.Equal(t, 1000, w.signed)
	require.Equal(t, 1000, w.count(t, `SELECT COUNT(*) FROM smkiws_outcome`))
	require.ErrorContains(t, w.audited(t), "items 1001 to 1002 of batch 1: their names or requests are not what the batch was queued with")
	again, err := first.Attend(t.Context(), "1/2")
	require.NoError(t, err)
	require.Zero(t, again, "nobody waits for it")
}

// An edit of a batch that is finished shows, whatever it is of.
func TestFinishedIsAudited(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, statement, want string }{
		{"status of a refusal", `UPDATE smkiws_outcome SET status = 'INELIGIBLE' WHERE item = 3`, "items 1 to 3 of batch 1: their outcomes are not"},
		{"code of a refusal", `UPDATE smkiws_outcome SET code = 'CR:CC9' WHERE item = 3`, "items 1 to 3 of batch 1: their outcomes are not"},
		{"detail of a refusal", `UPDATE smkiws_outcome SET detail = 'nothing' WHERE item = 3`, "items 1 to 3 of batch 1: their outcomes are not"},
		{"a refusal is gone", `DELETE FROM smkiws_outcome WHERE item = 3`, "items 1 to 3 of batch 1: their outcomes are not"},
		{"all outcomes are gone", `DELETE FROM smkiws_outcome`, "items 1 to 3 of batch 1: their outcomes are not"},
		{"an outcome more", `INSERT INTO smkiws_outcome (batch, item, status, code, detail) VALUES (1, 1001, 'CSR_ERROR', '', '')`, "it has outcomes 1001 to 2000 in the database"},
		{"a name", `UPDATE smkiws_item SET name = 'd7' WHERE item = 3`, "their names or requests are not"},
		{"all items are gone", `DELETE FROM smkiws_item`, "their names or requests are not"},
		{"the upload", `UPDATE smkiws_batch SET upload = 'another'`, "batch 1: its upload is another"},
		{"the excess", `UPDATE smkiws_batch SET excess = 1`, "batch 1: its excess is 1"},
		{"a purge", `UPDATE smkiws_batch SET purged_at = 1`, "batch 1: its purged at is 1970"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			csrs := append(requests(t, 2), "AAAA")
			id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
			workAll(t, w.service)
			require.Equal(t, smkiws.Completed, w.state(t, id))
			require.NoError(t, w.audited(t))
			storetest.Tamper(t, w.store, row.statement)
			require.ErrorContains(t, w.audited(t), row.want)
		})
	}
}

// Batches that were refused, finished and purged in their time agree with the log.
func TestHonestIsAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit(t, "supplier", batchDocument("b", append(requests(t, 1001), "AAAA", "no base64")...)).BatchId
	for range 3 {
		did, err := w.service.Work(t.Context())
		require.NoError(t, err)
		require.True(t, did)
		require.NoError(t, w.audited(t))
	}
	require.Equal(t, smkiws.Completed, w.state(t, id))
	w.pass(31 * 24 * time.Hour)
	require.NoError(t, w.service.Purge(t.Context()))
	require.NoError(t, w.audited(t))
	storetest.Tamper(t, w.store, fmt.Sprintf(`INSERT INTO smkiws_item (batch, item, name) VALUES (%d, 1, 'd1')`, id))
	require.ErrorContains(t, w.audited(t), "the log has removed them")
}
