package ca_test

import (
	"crypto/rand"
	"encoding/asn1"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store/storetest"
	"smki.example/policy/policytest"
)

// fault is one way in which one write of an issuance fails.
type fault struct {
	name string
	arm  func(*testing.T, *world)

	returns error                  // what the caller is told; nil: a certificate; errPlain: an outage
	settled bool                   // the error says that the serial is written off already
	after   map[ca.IntentState]int // what the ledger says then
	then    map[ca.IntentState]int // and after Reconcile, if that differs
	signed  int                    // signatures that were made
}

// errPlain stands for any error that says nothing was signed.
var errPlain = errInjected

const (
	open       = ca.StateOpen
	recorded   = ca.StateRecorded
	writtenOff = ca.StateWrittenOff
	unused     = ca.StateUnused
)

type states = map[ca.IntentState]int

func inject() error { return errInjected }

func probe(point string) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.issuer.SetProbe(func(p string) error {
			if p == point {
				return errInjected
			}
			return nil
		})
	}
}

func signer(fail func(sign func() ([]byte, error)) ([]byte, error)) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.tap.setFail(fail) }
}

// forbidAudit makes the database refuse the audit record of one kind.
func forbidAudit(kind string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		storetest.Forbid(t, w.store, "audit_record", `NEW.kind = '`+kind+`'`)
	}
}

// Every write of an issuance fails in two ways: it did not happen, or it happened
// and we are told that it did not. The commits are: 0 intent, 1 record, 2 settling
// after a failure (or 1, where the intent failed).
var faultTable = []fault{
	{"intent: the process is told to stop before it", probe("before-intent"),
		errPlain, false, states{}, nil, 0},
	{"intent: not committed", func(_ *testing.T, w *world) { w.faults.FailBeforeCommit(0, inject) },
		errPlain, false, states{}, nil, 0},
	{"intent: committed, told it was not", func(_ *testing.T, w *world) { w.faults.FailAfterCommit(0, inject) },
		errPlain, false, states{unused: 1}, nil, 0},
	{"intent: committed, told it was not, and then the database is gone", func(_ *testing.T, w *world) {
		w.faults.FailAfterCommit(0, inject)
		w.faults.FailBeforeCommit(1, inject)
	}, errPlain, false, states{open: 1}, states{writtenOff: 1}, 0},
	{"intent: its audit record cannot be written", forbidAudit("intent"),
		errPlain, false, states{}, nil, 0},
	{"intent: the process is told to stop after it", probe("intent-committed"),
		errPlain, false, states{unused: 1}, nil, 0},

	{"sign: the token did nothing and says so", signer(func(func() ([]byte, error)) ([]byte, error) { return nil, errInjected }),
		ca.ErrUncertain, true, states{writtenOff: 1}, nil, 0},
	{"sign: the token signed and says it did not", signer(func(sign func() ([]byte, error)) ([]byte, error) {
		_, _ = sign()
		return nil, errInjected
	}), ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"sign: the process is told to stop after it", probe("signed"),
		ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"sign: the token gives a damaged signature", signer(func(sign func() ([]byte, error)) ([]byte, error) {
		sig, err := sign()
		sig[len(sig)-1] ^= 1
		return sig, err
	}), ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"sign: the token gives something else altogether", signer(func(sign func() ([]byte, error)) ([]byte, error) {
		return asn1.Marshal("signed, the token")
	}), ca.ErrUncertain, true, states{writtenOff: 1}, nil, 0},
	{"sign: another key signs", func(t *testing.T, w *world) {
		other := policytest.NewKey(t)
		w.tap.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
			_, _ = sign()
			return other.Sign(rand.Reader, make([]byte, 32), nil)
		})
	}, ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},

	{"record: the process is told to stop before it", probe("before-record"),
		ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"record: not committed", func(_ *testing.T, w *world) { w.faults.FailBeforeCommit(1, inject) },
		ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"record: committed, told it was not: the second look finds it", func(_ *testing.T, w *world) { w.faults.FailAfterCommit(1, inject) },
		nil, false, states{recorded: 1}, nil, 1},
	{"record: its audit record cannot be written", forbidAudit("certificate"),
		ca.ErrUncertain, true, states{writtenOff: 1}, nil, 1},
	{"record: not committed, and then the database is gone", func(_ *testing.T, w *world) {
		w.faults.FailBeforeCommit(1, inject)
		w.faults.FailBeforeCommit(2, inject)
	}, ca.ErrUncertain, false, states{open: 1}, states{writtenOff: 1}, 1},
	{"record: committed, told it was not, and then the database is gone", func(_ *testing.T, w *world) {
		w.faults.FailAfterCommit(1, inject)
		w.faults.FailBeforeCommit(2, inject)
	}, ca.ErrUncertain, false, states{recorded: 1}, nil, 1},

	{"settle: written off, told it was not", func(_ *testing.T, w *world) {
		w.faults.FailBeforeCommit(1, inject)
		w.faults.FailAfterCommit(2, inject)
	}, ca.ErrUncertain, false, states{writtenOff: 1}, nil, 1},
}

func TestEveryWriteFailsInTwoWays(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"one", "in a batch"} {
		for _, f := range faultTable {
			t.Run(f.name+", "+how, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				request := supplier(t, 1)
				f.arm(t, w)
				c, err := issue(t, w.issuer, request, how)

				switch f.returns {
				case nil:
					require.NoError(t, err)
					stored, err := w.issuer.BySerial(t.Context(), c.Serial)
					require.NoError(t, err)
					require.Equal(t, stored, c)
				case errPlain:
					require.ErrorContains(t, err, "injected fault")
					require.False(t, isAny(err, ca.ErrUncertain, ca.ErrRefused), "an outage, and nothing was signed: %v", err)
				default:
					require.ErrorIs(t, err, ca.ErrUncertain)
					var u *ca.UncertainError
					require.ErrorAs(t, err, &u)
					require.Equal(t, f.settled, u.Settled, "%v", err)
				}
				require.Equal(t, f.after, w.accounts(t))
				require.Len(t, w.tap.signatures(), f.signed)

				// The weather clears: what was lost sight of is settled, and the same
				// request gets a certificate unless it has one.
				w.issuer.SetProbe(nil)
				w.tap.setFail(nil)
				storetest.Allow(t, w.store, "audit_record")
				_, err = w.issuer.Reconcile(t.Context())
				require.NoError(t, err)
				if f.then == nil {
					f.then = f.after
				}
				require.Equal(t, f.then, w.accounts(t))
				_, err = issue(t, w.issuer, request, how)
				if f.then[recorded] > 0 {
					require.ErrorIs(t, err, ca.ErrRefused)
					require.ErrorContains(t, err, "key-reuse")
				} else {
					require.NoError(t, err)
				}
				w.accounts(t)
			})
		}
	}
}

// issue issues to one request, by itself or as a batch of one.
func issue(t *testing.T, i *ca.Issuer, r ca.Request, how string) (*ca.Certificate, error) {
	if how == "one" {
		return i.Issue(t.Context(), r)
	}
	results, err := i.IssueBatch(t.Context(), []ca.Request{r})
	if err != nil {
		return nil, err
	}
	return results[0].Certificate, results[0].Err
}

// Issuances that share a transaction do not share a fate. Those of one requester
// fail at their audit record and are rolled back alone, numbers and all; what they
// settle afterwards must be their own.
func TestNeighboursOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	storetest.Forbid(t, w.store, "audit_record", storetest.Text(w.store, "NEW.line")+` LIKE '%"by":"unlucky"%'`)
	const n = 64
	errs := make([]error, n)
	var wait sync.WaitGroup
	for k := range n {
		request := device(t, k)
		if k%2 == 1 {
			request.Requester = "unlucky"
		}
		wait.Go(func() { _, errs[k] = w.issuer.Issue(t.Context(), request) })
	}
	reconciled := make(chan error)
	go func() {
		for range 20 {
			if _, err := w.issuer.Reconcile(t.Context()); err != nil {
				reconciled <- err
				return
			}
		}
		close(reconciled)
	}()
	wait.Wait()
	require.NoError(t, <-reconciled)
	for k, err := range errs {
		if k%2 == 1 {
			require.ErrorContains(t, err, "injected fault")
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, states{recorded: n / 2}, w.accounts(t))
}
