package ra_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/store"
	"smki.example/policy"
)

// hands are the world's, with failures on order.
type hands struct {
	w     *world
	calls *atomic.Int64
	// before is asked before the thing is done, after when it was; an error is what
	// the Registry hears.
	before, after, find func() error
}

func ask(fail func() error) error {
	if fail == nil {
		return nil
	}
	return fail()
}

func (h *hands) Issue(ctx context.Context, r ca.Request) (*ca.Certificate, error) {
	h.calls.Add(1)
	if err := ask(h.before); err != nil {
		return nil, err
	}
	c, err := h.w.ca.Issue(ctx, r)
	if err == nil {
		err = ask(h.after)
	}
	return c, err
}

func (h *hands) BySPKI(ctx context.Context, key ca.KeyHash) ([]*ca.Certificate, error) {
	if err := ask(h.find); err != nil {
		return nil, err
	}
	return h.w.ca.BySPKI(ctx, key)
}

func (h *hands) Revoke(ctx context.Context, o ra.Order) error {
	h.calls.Add(1)
	if err := ask(h.before); err != nil {
		return err
	}
	if err := (revoker{h.w.register}).Revoke(ctx, o); err != nil {
		return err
	}
	return ask(h.after)
}

func (h *hands) Revoked(ctx context.Context, serial policy.Serial) (bool, error) {
	if err := ask(h.find); err != nil {
		return false, err
	}
	return revoker{h.w.register}.Revoked(ctx, serial)
}

func always(err error) func() error { return func() error { return err } }

// Each way in which an execution can fail: what the caller hears, where the approval
// stands then, and where after Settle. In none is the thing done twice, and in all it
// is found out whether it was done.
func TestExecutionFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("the token is gone")
	death := errors.New("the process died")
	for _, tt := range []struct {
		says     string
		hands    hands
		probe    string // the process dies at this point
		faults   func(*store.Faults)
		hears    error
		stands   ra.ApprovalState
		settled  ra.ApprovalState
		happened bool
	}{
		{says: "all is well", stands: ra.Executed, settled: ra.Executed, happened: true},
		{says: "refused by who was to do it", hands: hands{before: always(&ca.Refusal{Rule: "key-blocked", Err: gone})}, hears: ca.ErrRefused, stands: ra.Failed, settled: ra.Failed},
		{says: "an outage, nothing done", hands: hands{before: always(gone)}, hears: gone, stands: ra.Approved, settled: ra.Approved},
		{says: "somebody else is at it", hands: hands{before: always(ca.ErrConflict)}, hears: ca.ErrConflict, stands: ra.Approved, settled: ra.Approved},
		{says: "uncertain, nothing done", hands: hands{before: always(ca.ErrUncertain)}, hears: ca.ErrUncertain, stands: ra.Executing, settled: ra.Approved},
		{says: "it happened but we were told it failed", hands: hands{after: always(gone)}, stands: ra.Executed, settled: ra.Executed, happened: true},
		{says: "it happened and we were told it is uncertain", hands: hands{after: always(ca.ErrUncertain)}, stands: ra.Executed, settled: ra.Executed, happened: true},
		{says: "it happened and we were told that it was refused", hands: hands{after: always(ca.ErrRefused)}, stands: ra.Executed, settled: ra.Executed, happened: true},
		{says: "it failed and nobody can look", hands: hands{before: always(gone), find: always(gone)}, hears: ca.ErrUncertain, stands: ra.Executing, settled: ra.Approved},
		{says: "it happened, we were told it failed and nobody can look", hands: hands{after: always(gone), find: always(gone)}, hears: ca.ErrUncertain, stands: ra.Executing, settled: ra.Executed, happened: true},
		{says: "death after the announcement", probe: "announced", hears: death, stands: ra.Executing, settled: ra.Approved},
		{says: "death after it was done", probe: "carried", hears: death, stands: ra.Executing, settled: ra.Executed, happened: true},
		{says: "the announcement is not written", faults: func(f *store.Faults) { f.FailBeforeCommit(0, always(gone)) }, hears: gone, stands: ra.Approved, settled: ra.Approved},
		{says: "the announcement is written and we are told it is not", faults: func(f *store.Faults) { f.FailAfterCommit(0, always(gone)) }, hears: store.ErrUncertain, stands: ra.Executing, settled: ra.Approved},
	} {
		for kind, deed := range map[string]func(t *testing.T, w *world) ra.Deed{
			"issue":  func(t *testing.T, w *world) ra.Deed { return ra.IssueCertificate{Request: w.asked(t, 1).ID} },
			"revoke": func(t *testing.T, w *world) ra.Deed { return ra.ExecuteRevocation{Request: w.authenticated(t, 1).ID} },
		} {
			t.Run(kind+"/"+tt.says, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				d := deed(t, w)
				signed := w.signed.Load()
				a := w.agreed(t, personnel1, d, personnel2)
				h := &hands{w: w, calls: new(atomic.Int64), before: tt.hands.before, after: tt.hands.after, find: tt.hands.find}
				// The execution is another process's, which may die of it.
				other := w.open(t, w.hierarchy.Environment, nil)
				other.Connect(ra.Hands{Issuer: h, Revoker: h})
				other.SetProbe(func(point string) error {
					if point == tt.probe {
						return death
					}
					return nil
				})
				if tt.faults != nil {
					tt.faults(w.faults)
				}
				_, err := other.Execute(t.Context(), personnel1, a.ID)
				if tt.hears == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tt.hears)
				}
				got, err := w.ra.Approval(t.Context(), a.ID)
				require.NoError(t, err)
				require.Equal(t, tt.stands, got.State, got.Cause)

				// While its process lives, nobody settles it for it.
				settled, err := w.ra.Settle(t.Context())
				require.NoError(t, err)
				require.Empty(t, settled)
				require.NoError(t, other.Close())
				settled, err = w.ra.Settle(t.Context())
				require.NoError(t, err)
				if tt.stands == ra.Executing {
					require.Len(t, settled, 1)
					require.Equal(t, tt.happened, settled[0].Done)
				}
				got, err = w.ra.Approval(t.Context(), a.ID)
				require.NoError(t, err)
				require.Equal(t, tt.settled, got.State, got.Cause)
				require.Equal(t, tt.happened, happened(t, w, d))
				require.LessOrEqual(t, h.calls.Load(), int64(1), "never repeated blindly")

				// What is approved again may be executed, once.
				if tt.settled == ra.Approved {
					_, err = w.ra.Execute(t.Context(), personnel2, a.ID)
					require.NoError(t, err)
				}
				if tt.settled != ra.Failed {
					require.True(t, happened(t, w, d))
					if kind == "issue" {
						require.Equal(t, signed+1, w.signed.Load())
						q, err := w.ra.Request(t.Context(), 1)
						require.NoError(t, err)
						require.Equal(t, ra.Issued, q.State)
						c, err := w.ca.BySerial(t.Context(), q.Serial)
						require.NoError(t, err)
						require.Equal(t, fmt.Sprintf("supplier-a/aro-a/%d", a.ID), c.Requester)
					} else {
						q, err := w.ra.Revocation(t.Context(), 1)
						require.NoError(t, err)
						require.Equal(t, ra.Revoked, q.State)
						v, err := w.register.Find(t.Context(), q.Serials[0])
						require.NoError(t, err)
						require.Equal(t, fmt.Sprintf("ra/approval-%d", a.ID), v.By)
					}
				}
				_, err = w.ra.Execute(t.Context(), personnel2, a.ID)
				require.ErrorIs(t, err, ca.ErrConflict)
				w.records(t)
			})
		}
	}
}

// happened looks past the Registry whether the thing was done.
func happened(t *testing.T, w *world, d ra.Deed) bool {
	t.Helper()
	switch d := d.(type) {
	case ra.IssueCertificate:
		q, err := w.ra.Request(t.Context(), d.Request)
		require.NoError(t, err)
		req, err := policy.ParseRequest(q.DER)
		require.NoError(t, err)
		key, err := ca.KeyHashOf(req.PublicKey)
		require.NoError(t, err)
		all, err := w.ca.BySPKI(t.Context(), key)
		require.NoError(t, err)
		require.LessOrEqual(t, len(all), 1)
		return len(all) == 1
	case ra.ExecuteRevocation:
		q, err := w.ra.Revocation(t.Context(), d.Request)
		require.NoError(t, err)
		revoked, err := revoker{w.register}.Revoked(t.Context(), q.Serials[0])
		require.NoError(t, err)
		return revoked
	}
	t.Fatalf("no look-up for %T", d)
	return false
}

// An outcome that cannot be written down is found again by the same process.
func TestOutcomeNotWritten(t *testing.T) {
	t.Parallel()
	for says, arm := range map[string]func(*store.Faults, func() error){
		"it failed":                  func(f *store.Faults, fail func() error) { f.FailBeforeCommit(0, fail) },
		"it happened, told it fails": func(f *store.Faults, fail func() error) { f.FailAfterCommit(0, fail) },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agreed(t, personnel1, ra.IssueCertificate{Request: w.asked(t, 1).ID}, personnel2)
			w.ra.SetProbe(func(point string) error {
				if point == "carried" {
					arm(w.faults, always(errInjected))
				}
				return nil
			})
			_, err := w.ra.Execute(t.Context(), personnel1, a.ID)
			require.ErrorIs(t, err, ca.ErrUncertain)
			_, err = w.ra.Settle(t.Context())
			require.NoError(t, err)
			got, err := w.ra.Approval(t.Context(), a.ID)
			require.NoError(t, err)
			require.Equal(t, ra.Executed, got.State)
			require.EqualValues(t, 1, w.signed.Load())
			w.records(t)
		})
	}
}

// A certificate of the same key that was issued otherwise is not taken for the one
// that was approved.
func TestForeignCertificateIsNotTaken(t *testing.T) {
	t.Parallel()
	w := empty(t, "exercise")
	require.NoError(t, w.ra.Found(t.Context(), "installer", []ra.Founder{founder(t, manager1), founder(t, manager2)}))
	enrolment := ra.EnrolParty{Party: "supplier-a", Name: "A", Category: ra.LargeSupplier, Roles: []policy.RemotePartyRole{policy.RoleSupplier}, Subscriber: ra.Subscriber{Organisation: true}, Application: "form"}
	w.done(t, manager1, enrolment, manager2)
	w.done(t, manager1, ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(entity(1)), Application: "form"}, manager2)
	w.done(t, manager1, appoint(sroA, "supplier-a", ra.SRO), manager2)
	w.done(t, sroA, appoint(aroA, "supplier-a", ra.ARO), manager1, manager2)
	w.done(t, manager1, appoint(personnel1, "", ra.RAPersonnel), manager2)
	q := w.asked(t, 1)
	_, err := w.ca.Issue(t.Context(), ca.Request{DER: q.DER, Requester: "somebody"})
	require.NoError(t, err)
	a := w.agreed(t, manager1, ra.IssueCertificate{Request: q.ID}, manager2)
	a, err = w.ra.Execute(t.Context(), manager1, a.ID)
	refused(t, err, "key-reuse")
	require.Equal(t, ra.Failed, a.State)
	require.Contains(t, a.Cause, "already has certificate")
	q, err = w.ra.Request(t.Context(), q.ID)
	require.NoError(t, err)
	require.Equal(t, ra.Asked, q.State)
}

func TestNobodyToCarryItOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agreed(t, personnel1, ra.IssueCertificate{Request: w.asked(t, 1).ID}, personnel2)
	w.ra.Connect(ra.Hands{})
	_, err := w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorContains(t, err, "no CA that issues is connected")
	a, err = w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, ra.Approved, a.State)
	for _, by := range []ra.OfficerID{"auditor-1", "operator-1", "custodian-1", sroA, aroA} {
		_, err = w.ra.Execute(t.Context(), by, a.ID)
		refused(t, err, "rights")
	}
}

// A batch is released in the transaction of who processes it, on the digest that
// was approved.
func TestSpend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deed := ra.ReleaseBatch{Batch: "batch-1", Party: "supplier-a", Interface: "batched web service", Digest: sum("upload"), Requests: 3}
	a, err := w.ra.Propose(t.Context(), aroA, deed)
	require.NoError(t, err)
	spend := func(d ra.Deed, then error) error {
		return w.store.Write(t.Context(), func(tx store.Tx) error {
			if err := w.ra.Spend(t.Context(), tx, "batch", a.ID, d); err != nil {
				return err
			}
			return then
		})
	}
	require.ErrorIs(t, spend(deed, nil), ca.ErrConflict, "nobody has agreed")
	a, err = w.ra.Vote(t.Context(), personnel1, a.ID, a.Hash, true, "")
	require.NoError(t, err)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	refused(t, err, "deed")
	require.ErrorIs(t, spend(deed, errInjected), errInjected)
	altered := deed
	altered.Digest = sum("altered")
	require.ErrorIs(t, spend(altered, nil), ca.ErrConflict)
	more := deed
	more.Requests = 4
	require.ErrorIs(t, spend(more, nil), ca.ErrConflict)
	require.NoError(t, spend(deed, nil))
	require.ErrorIs(t, spend(deed, nil), ca.ErrConflict, "once")
	all, err := w.ra.ApprovalsOf(t.Context(), deed.Subject())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, ra.Executed, all[0].State)

	other := w.agreed(t, personnel1, enrol(1), personnel2)
	a = other
	refused(t, spend(enrol(1), nil), "deed")
	w.records(t)
}
