package smkiws_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func approvedByRA(c *smkiws.Config) { c.AutoApprove = false }

func (w *world) state(t testing.TB, id int64) smkiws.State {
	t.Helper()
	b, err := w.service.Batch(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, string(b.State), w.result(t, b.Party, id).BatchStatus)
	return b.State
}

// The life of a batch, seen by its Party at each step, with the outcome of each request
// in the order and under the ID it was sent with.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, approvedByRA)
	reused := device(t, 3)
	_, err := w.issuer.Issue(t.Context(), ca.Request{DER: reused, Requester: "somebody"})
	require.NoError(t, err)
	w.register.set(func(_ string, r *policy.Request) error {
		if r.DeviceID == entity(4) {
			return errors.New("not in this state of the meter")
		}
		return nil
	})
	first := device(t, 1)
	damaged := device(t, 2)
	damaged[len(damaged)-1] ^= 1
	document := batchDocument("my batch", text(first), text(damaged), text(reused), text(device(t, 4)), "AAAA BBBB", text(device(t, 1)))

	a := w.submit(t, "supplier", document)
	require.Equal(t, "PENDING", a.BatchStatus)
	require.Equal(t, "my batch", *a.ID)
	require.Equal(t, int64(1), a.BatchId)
	workAll(t, w.service)
	require.Equal(t, smkiws.Pending, w.state(t, a.BatchId), "nothing happens without the RA")

	pending, err := w.service.Pending(t.Context())
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, 6, pending[0].Items)
	require.NoError(t, w.service.Approve(t.Context(), smkiws.Decision{Batch: a.BatchId, Digest: pending[0].Digest, By: "ra"}))
	require.Equal(t, smkiws.Parsing, w.state(t, a.BatchId))

	did, err := w.service.Work(t.Context())
	require.NoError(t, err)
	require.True(t, did)
	require.Equal(t, smkiws.Queued, w.state(t, a.BatchId))

	workAll(t, w.service)
	r := w.result(t, "supplier", a.BatchId)
	require.Equal(t, "COMPLETED", r.BatchStatus)
	require.Equal(t, "my batch", *r.ID)
	require.Equal(t, a.BatchId, r.BatchId)
	var got []string
	for _, c := range r.DeviceCertificate {
		got = append(got, strings.TrimSpace(c.ID+" "+c.Status+" "+c.Error.ErrorCode))
	}
	require.Equal(t, []string{"d1 SUCCESS", "d2 CSR_ERROR CR:CC2", "d3 ISSUANCE_ANOMALY CA:DD2", "d4 INELIGIBLE IN:L316", "d5 CSR_ERROR CR:CC5", "d6 SUCCESS"}, got)
	request, err := policy.ParseRequest(first)
	require.NoError(t, err)
	c := decode(t, r.DeviceCertificate[0].Certificate)
	require.True(t, request.PublicKey.Equal(c.PublicKey))
	found, err := w.issuer.BySerial(t.Context(), c.Serial)
	require.NoError(t, err)
	require.Equal(t, "supplier system", found.Requester)

	// Every step stands in the audit log, with the digest of what was uploaded.
	var steps []string
	for record, err := range w.issuer.Log().Records(t.Context(), 0) {
		require.NoError(t, err)
		if record.Kind == smkiws.KindBatch {
			require.Contains(t, string(record.Body), fmt.Sprintf("%x", pending[0].Digest))
			steps = append(steps, record.By)
		}
	}
	require.Equal(t, []string{"supplier system", "ra", "ca", "ca", "ca"}, steps)
	_, err = w.issuer.Log().Verify(t.Context())
	require.NoError(t, err)
}

// xmllint agrees that answers are valid: one of each kind.
func TestAnswersLinted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issued(t, 1)
	collect := func(method, path string, body []byte) {
		_, _, answer := w.call(t, method, path, "supplier", xmlType, body)
		ok, words := lints(t, answer)
		require.True(t, ok, "%s\n%s", words, answer)
	}
	collect("POST", smkiws.DefaultAdHocPath, adHocDocument("x&lt;", text(device(t, 1))))
	collect("POST", smkiws.DefaultAdHocPath, adHocDocument("x", "A"))
	collect("POST", smkiws.DefaultAdHocPath, []byte("\x00"))
	collect("POST", smkiws.SubmitPath, batchDocument("x&quot;&#10;", text(device(t, 1)), "&lt;&gt;"))
	collect("POST", smkiws.SubmitPath, []byte("<a>\x01"))
	collect("GET", smkiws.ResultPath+"?BatchId=1", nil)
	collect("GET", smkiws.ResultPath+"?BatchId=2", nil)
	workAll(t, w.service)
	collect("GET", smkiws.ResultPath+"?BatchId=1", nil)
}

// A submission that is refused as a whole, and what of it is told.
func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.BatchItems = 3; c.Limits.BatchOctets = 4000 })
	for name, row := range map[string]struct {
		document []byte
		code, id string
	}{
		"no XML":                 {[]byte("x"), "FM:AA1", ""},
		"no request":             {batchDocument("b"), "FM:AA1", ""},
		"ID twice":               {[]byte(batchHead + oneCSR + oneCSR + batchTail), "FM:AA1", ""},
		"another version":        {[]byte(strings.Replace(batchHead+oneCSR+batchTail, "1.0", "1", 1)), "FM:AA1", ""},
		"one more than allowed":  {batchDocument("b", "AAAA", "AAAA", "AAAA", "AAAA"), "FM:AA2", "b"},
		"longer than allowed":    {append(batchDocument("b", "AAAA"), strings.Repeat(" ", 4000)...), "FM:AA1", ""},
		"the other service's":    {adHocDocument("b", "AAAA"), "FM:AA1", ""},
		"an entity to be opened": {[]byte(`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>` + batchHead + oneCSR + batchTail), "FM:AA1", ""},
	} {
		a := w.submit(t, "supplier", row.document)
		require.Equal(t, "FORMAT_ERROR", a.BatchStatus, name)
		require.Equal(t, row.code, a.Error.ErrorCode, name)
		require.Zero(t, a.BatchId)
		if row.id == "" {
			require.Nil(t, a.ID, name)
		} else {
			require.Equal(t, row.id, *a.ID, name)
		}
	}
	require.Equal(t, "PENDING", w.submit(t, "supplier", batchDocument("b", "AAAA", "AAAA", "AAAA")).BatchStatus)
	require.Equal(t, 1, w.count(t, `SELECT COUNT(*) FROM smkiws_batch`))
	require.Equal(t, 1, w.count(t, `SELECT COUNT(*) FROM smkiws_upload`), "nothing is left of what was refused")
}

func (w *world) count(t testing.TB, query string) (n int) {
	t.Helper()
	require.NoError(t, w.store.Read(t.Context(), func(tx store.Tx) error { return tx.QueryRow(t.Context(), query).Scan(&n) }))
	return n
}

func (w *world) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, w.store.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), statement, args...)
		return err
	}))
}

// A Party hears of its own batches only. Another's, one that never was, and one of the
// portal sound the same.
func TestOwnBatchesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit(t, "supplier", batchDocument("secret", text(device(t, 1)))).BatchId
	workAll(t, w.service)
	archive := zipped(t, file{"a.csr", text(device(t, 2))})
	b, err := w.service.SubmitArchive(t.Context(), smkiws.Client{Party: "supplier", Requester: "aro"}, "x.zip", strings.NewReader(string(archive)))
	require.NoError(t, err)
	for name, r := range map[string]resultAnswer{
		"another's":    w.result(t, "rival", id),
		"never was":    w.result(t, "rival", 99999),
		"the portal's": w.result(t, "supplier", b.ID),
	} {
		require.Equal(t, "FORMAT_ERROR", r.BatchStatus, name)
		require.Equal(t, "FM:AA3", r.Error.ErrorCode, name)
		require.Nil(t, r.ID, name)
		require.Zero(t, r.BatchId, name)
		require.NotContains(t, r.Error.ErrorText, "secret")
	}
	require.Equal(t, "COMPLETED", w.result(t, "supplier", id).BatchStatus)
}

// A query that is none.
func TestResultQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, query := range []string{"", "?", "?BatchId", "?BatchId=", "?BatchId=x", "?BatchId=-1", "?BatchId=1.0", "?BatchId=1&BatchId=2", "?batchid=1", "?BatchId=1&x=y",
		"?BatchId=99999999999999999999", "?BatchId=1%00", "?BatchId=%zz", "?BatchId=+1", "?BatchId=1;x"} {
		var r resultAnswer
		w.exchange(t, "GET", smkiws.ResultPath+query, "supplier", nil, &r)
		require.Equal(t, "FORMAT_ERROR", r.BatchStatus, query)
		require.Equal(t, "FM:AA4", r.Error.ErrorCode, query)
		require.Nil(t, r.ID)
	}
	var r resultAnswer
	w.exchange(t, "GET", smkiws.ResultPath+"?BatchId=0", "supplier", nil, &r)
	require.Equal(t, "FM:AA3", r.Error.ErrorCode)
	status, _, _ := w.call(t, "GET", smkiws.ResultPath+"?BatchId=1", "", "", nil)
	require.Equal(t, http.StatusForbidden, status)
	status, _, _ = w.call(t, "POST", smkiws.ResultPath+"?BatchId=1", "supplier", xmlType, nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

// The RA's decision is about exactly the octets it looked at, is made once, and has a
// name on it.
func TestDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, approvedByRA)
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	b, err := w.service.Batch(t.Context(), id)
	require.NoError(t, err)
	good := smkiws.Decision{Batch: id, Digest: b.Digest, By: "ra"}
	other, nameless, unknown := good, good, good
	other.Digest[0] ^= 1
	nameless.By = ""
	unknown.Batch = 99
	require.ErrorContains(t, w.service.Approve(t.Context(), other), "the decision is about octets with SHA-256")
	require.ErrorContains(t, w.service.Approve(t.Context(), nameless), "a name is needed")
	require.ErrorIs(t, w.service.Approve(t.Context(), unknown), smkiws.ErrNotFound)
	require.ErrorContains(t, w.service.Reject(t.Context(), good), "a reason is needed")
	require.Equal(t, smkiws.Pending, w.state(t, id))

	good.Reason = "the meters are another Party's"
	require.NoError(t, w.service.Reject(t.Context(), good))
	require.Equal(t, smkiws.Rejected, w.state(t, id))
	require.ErrorIs(t, w.service.Approve(t.Context(), good), smkiws.ErrConflict)
	require.ErrorIs(t, w.service.Reject(t.Context(), good), smkiws.ErrConflict)
	workAll(t, w.service)
	require.Equal(t, smkiws.Rejected, w.state(t, id))
	require.Zero(t, w.signed)
	b, err = w.service.Batch(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "ra", b.DecidedBy)
	require.Equal(t, good.Reason, b.Reason)

	// A decision whose transaction fails for the RA's own reasons has not happened.
	id = w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	b, err = w.service.Batch(t.Context(), id)
	require.NoError(t, err)
	require.ErrorIs(t, w.store.Write(t.Context(), func(tx store.Tx) error {
		require.NoError(t, w.service.ApproveIn(t.Context(), tx, smkiws.Decision{Batch: id, Digest: b.Digest, By: "ra"}))
		return errInjected
	}), errInjected)
	require.Equal(t, smkiws.Pending, w.state(t, id))
}

// Whatever a change of the stored octets is, the batch is TAMPERED and nothing of it is
// issued; the octets stay as evidence.
func TestTampered(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *world, []byte){
		"one bit": func(t *testing.T, w *world, b []byte) {
			b[len(b)/2] ^= 1
			w.exec(t, `UPDATE smkiws_upload SET octets = $1`, b)
		},
		"a space at the end": func(t *testing.T, w *world, b []byte) {
			w.exec(t, `UPDATE smkiws_upload SET octets = $1`, append(b, ' '))
		},
		"another valid batch": func(t *testing.T, w *world, b []byte) {
			w.exec(t, `UPDATE smkiws_upload SET octets = $1`, batchDocument("b", text(device(t, 7))))
		},
		"no XML any more": func(t *testing.T, w *world, b []byte) { w.exec(t, `UPDATE smkiws_upload SET octets = $1`, []byte("x")) },
		"cut short": func(t *testing.T, w *world, b []byte) {
			w.exec(t, `UPDATE smkiws_upload SET octets = $1`, b[:len(b)-1])
		},
		"gone": func(t *testing.T, w *world, b []byte) { w.exec(t, `DELETE FROM smkiws_upload`) },
		"a piece more": func(t *testing.T, w *world, b []byte) {
			w.exec(t, `INSERT INTO smkiws_upload (upload, piece, octets, at) SELECT upload, 2, $1, 0 FROM smkiws_upload`, []byte("<!-- -->"))
		},
		"too many requests now": func(t *testing.T, w *world, b []byte) {
			w.exec(t, `UPDATE smkiws_upload SET octets = $1`, batchDocument("b", "AAAA", "AAAA", "AAAA", "AAAA"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *smkiws.Config) { c.Limits.BatchItems = 3 })
			document := batchDocument("b", text(device(t, 1)), text(device(t, 2)))
			id := w.submit(t, "supplier", document).BatchId
			change(t, w, append([]byte(nil), document...))
			workAll(t, w.service)
			require.Equal(t, smkiws.Tampered, w.state(t, id))
			require.Zero(t, w.signed)
			require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_item`))
			require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_outcome`))
		})
	}
}

// There is no way between states but those of the table, and none out of a final one.
func TestTransitions(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[smkiws.State][]smkiws.State{
		"PENDING": {"REJECTED", "PARSING"}, "PARSING": {"TAMPERED", "QUEUED"}, "QUEUED": {"TAMPERED", "PROCESSING"}, "PROCESSING": {"TAMPERED", "PAUSED", "COMPLETED"},
		"PAUSED": {"TAMPERED", "PROCESSING"}, "REJECTED": {}, "TAMPERED": {}, "COMPLETED": {},
	}, smkiws.Transitions())
	for state := range smkiws.Transitions() {
		require.Equal(t, state == smkiws.Rejected || state == smkiws.Tampered || state == smkiws.Completed, state.Final(), state)
	}
}

// A batch is processed while its window is open, waits while it is closed, and goes on
// where it was.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Window = smkiws.NightWindow })
	var csrs []string
	for n := range 1001 {
		csrs = append(csrs, text(device(t, n)))
	}
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	workAll(t, w.service)
	require.Equal(t, smkiws.Queued, w.state(t, id), "parsed, and waiting for the night")

	w.pass(8 * time.Hour) // 20:00
	did, err := w.service.Work(t.Context())
	require.NoError(t, err)
	require.True(t, did)
	require.Equal(t, smkiws.Processing, w.state(t, id))
	require.Equal(t, 1000, w.count(t, `SELECT COUNT(*) FROM smkiws_outcome`))

	w.pass(12 * time.Hour) // 08:00
	workAll(t, w.service)
	require.Equal(t, smkiws.Paused, w.state(t, id))
	require.Equal(t, 1000, w.count(t, `SELECT COUNT(*) FROM smkiws_outcome`))

	w.pass(12 * time.Hour)
	workAll(t, w.service)
	require.Equal(t, smkiws.Completed, w.state(t, id))
	require.Equal(t, 1001, w.signed)
}

// Results are there for 30 days to the second, and then the batch is as if it had never
// been; its BatchId is never another's, and its certificates stay.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	workAll(t, w.service)
	require.Zero(t, w.count(t, `SELECT COUNT(*) FROM smkiws_upload`), "the upload has served")
	w.pass(30*24*time.Hour - time.Second)
	require.NoError(t, w.service.Purge(t.Context()))
	require.Len(t, w.result(t, "supplier", id).DeviceCertificate, 1)
	w.pass(time.Second)
	require.Equal(t, "FM:AA3", w.result(t, "supplier", id).Error.ErrorCode, "gone at its time, before anybody has cleared up")
	require.NoError(t, w.service.Purge(t.Context()))
	require.Equal(t, "FM:AA3", w.result(t, "supplier", id).Error.ErrorCode)
	for _, table := range []string{"smkiws_item", "smkiws_outcome", "smkiws_shard", "smkiws_upload"} {
		require.Zero(t, w.count(t, `SELECT COUNT(*) FROM `+table), table)
	}
	require.Equal(t, id+1, w.submit(t, "supplier", batchDocument("b", text(device(t, 2)))).BatchId)
	certificates, err := w.issuer.ByEntity(t.Context(), entity(1))
	require.NoError(t, err)
	require.Len(t, certificates, 1)
}

// A database that is down is told as WORKFLOW_ERROR where it can be told.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId

	w.faults.FailBeforeCommit(0, inject)
	a := w.submit(t, "supplier", batchDocument("again", text(device(t, 1))))
	require.Equal(t, "WORKFLOW_ERROR", a.BatchStatus)
	require.Equal(t, "WF:BB2", a.Error.ErrorCode)
	require.NotContains(t, a.Error.ErrorText, "injected", "the client hears a code and no insides")
	require.Equal(t, "again", *a.ID)
	require.Equal(t, 1, w.count(t, `SELECT COUNT(DISTINCT upload) FROM smkiws_upload`))

	// Failed at the second commit, which is the batch's row: nothing is left of it.
	w.faults.FailBeforeCommit(1, inject)
	require.Equal(t, "WORKFLOW_ERROR", w.submit(t, "supplier", batchDocument("again", text(device(t, 1)))).BatchStatus)
	require.Equal(t, 1, w.count(t, `SELECT COUNT(DISTINCT upload) FROM smkiws_upload`))

	// It was written, and we were told that this is uncertain: we look, and say so.
	w.faults.FailAfterCommit(1, inject)
	require.Equal(t, id+1, w.submit(t, "supplier", batchDocument("again", text(device(t, 1)))).BatchId)

	require.NoError(t, w.store.Close())
	r := w.result(t, "supplier", id)
	require.Equal(t, "WORKFLOW_ERROR", r.BatchStatus)
	require.Equal(t, "WF:BB1", r.Error.ErrorCode)
}

// A Service that cannot work as it is told says which field is wrong.
func TestNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	production, err := policy.LoadEnvironment("production")
	require.NoError(t, err)
	for name, row := range map[string]struct {
		change func(*smkiws.Config)
		want   string
	}{
		"no store":           {func(c *smkiws.Config) { c.Store = nil }, "Store not set"},
		"no build, no names": {func(c *smkiws.Config) { c.Build, c.Identify = "", nil }, "Identify, Build not set"},
		"no RA where one is": {func(c *smkiws.Config) { c.Environment = production }, `AutoApprove: environment "production"`},
		"a path that is one": {func(c *smkiws.Config) { c.AdHocPath = "/{x}" }, "AdHocPath"},
		"less than nothing":  {func(c *smkiws.Config) { c.Limits.BatchItems = -1 }, "Limits.BatchItems"},
		"a window of no day": {func(c *smkiws.Config) { c.Window = smkiws.Window{Opens: 25 * time.Hour} }, "Window"},
	} {
		_, err := smkiws.New(t.Context(), w.config(row.change))
		require.ErrorContains(t, err, row.want, name)
	}
}

// Two requests for one key in one batch: the first gets the certificate.
func TestOneKeyTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := policytest.NewKey(t)
	one := text(policytest.DeviceRequest(t, key, entity(1), policy.UsageDigitalSignature))
	two := text(policytest.DeviceRequest(t, key, entity(1), policy.UsageDigitalSignature))
	id := w.submit(t, "supplier", batchDocument("b", one, two, one)).BatchId
	workAll(t, w.service)
	r := w.result(t, "supplier", id)
	require.Len(t, r.DeviceCertificate, 3)
	statuses := map[string]int{}
	for _, c := range r.DeviceCertificate {
		statuses[c.Status]++
	}
	require.Equal(t, map[string]int{"SUCCESS": 1, "ISSUANCE_ANOMALY": 2}, statuses)
	require.Equal(t, 1, w.signed)
}
