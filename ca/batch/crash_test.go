package batch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/batch"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

const good = 40 // three chunks

// killed runs a helper that is to die, and tells whether it did: beyond the last
// commit there is nothing to die at.
func killed(t *testing.T, p plan, name string) bool {
	t.Helper()
	err := p.helper(t, name).Run()
	if err == nil {
		return false
	}
	state, ok := err.(interface{ Sys() any })
	require.True(t, ok, "%v", err)
	require.Equal(t, syscall.SIGKILL, state.Sys().(syscall.WaitStatus).Signal(), "%v", err)
	return true
}

// A batch is killed before and after every commit that it makes, and after some
// signatures, with one chunk in work at a time and with all of them. Then it is given
// again and must end as if nothing had happened.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	type point struct {
		name string
		at   plan
	}
	var points []point
	lanes, step := []int{1, 3}, 1
	if storetest.OnPostgres() {
		lanes, step = lanes[1:], 3 // each death is waited for there
	}
	for _, lanes := range lanes {
		for n := 1; n <= 15; n += step {
			points = append(points,
				point{fmt.Sprintf("%d lanes, before commit %d", lanes, n), plan{DieAtCommit: n, Lanes: lanes}},
				point{fmt.Sprintf("%d lanes, after commit %d", lanes, n), plan{DieAtCommit: n, AfterCommit: true, Lanes: lanes}})
		}
		for _, n := range []int{1, chunk, chunk + 3, good} {
			points = append(points, point{fmt.Sprintf("%d lanes, with signature %d made", lanes, n), plan{DieAtSignature: n, Lanes: lanes}})
		}
	}
	for _, at := range points {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, good)
			p.Lanes = at.at.Lanes
			dying := p
			dying.DieAtCommit, dying.AfterCommit, dying.DieAtSignature = at.at.DieAtCommit, at.at.AfterCommit, at.at.DieAtSignature
			if !killed(t, dying, "first") {
				least := 14 // three chunks one after the other have more commits than that
				if p.Lanes > 1 {
					least = 5 // those of three lanes may be one
				}
				require.GreaterOrEqual(t, at.at.DieAtCommit, least)
			}
			require.False(t, killed(t, p, "second"))
			p.audit(t)
			require.False(t, killed(t, p, "third"), "a finished batch given once more")
			p.audit(t)
		})
	}
}

// The output is made from the database alone: a finished batch that is given again
// fills an empty folder, and mends files that were changed.
func TestOutputIsMadeAgain(t *testing.T) {
	t.Parallel()
	p := newPlan(t, good)
	require.NoError(t, p.work(t.Context(), &tap{}, nil))
	p.audit(t)
	require.NoError(t, os.RemoveAll(filepath.Join(p.Dir, "out")))
	require.NoError(t, p.work(t.Context(), &tap{}, nil))
	p.audit(t)
	require.NoError(t, os.Truncate(filepath.Join(p.Dir, "out", "certs", "good-3.pem"), 100))
	require.NoError(t, os.Remove(filepath.Join(p.Dir, "out", "certs", "good-4.pem")))
	require.NoError(t, p.work(t.Context(), &tap{}, nil))
	p.audit(t)
}

// Two processes work one batch; one of them is killed and the other takes over what
// it had claimed.
func TestTwoProcessesAndOneDies(t *testing.T) {
	t.Parallel()
	for _, signature := range []int{0, 1, 7, chunk, good / 2} {
		t.Run(fmt.Sprintf("at its signature %d", signature), func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, 4*good)
			dying := p
			dying.DieAtSignature = signature
			first, second := dying.helper(t, "first"), p.helper(t, "second")
			require.NoError(t, first.Start())
			require.NoError(t, second.Start())
			require.NoError(t, second.Wait(), "the one that lives finishes the batch")
			_ = first.Wait() // it may have found nothing left to sign, and lived
			p.audit(t)
		})
	}
}

// Every commit can fail in two ways. Either way the batch is finished, at once or
// when it is given again.
func TestEveryCommitFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk says no")
	for n := range 15 {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("commit %d, happened %v", n, happened), func(t *testing.T) {
				t.Parallel()
				p := newPlan(t, good)
				file, err := os.OpenFile(filepath.Join(p.Dir, "parent.tap"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				require.NoError(t, err)
				defer file.Close()
				faults := &store.Faults{}
				if happened {
					faults.FailAfterCommit(n, func() error { return broken })
				} else {
					faults.FailBeforeCommit(n, func() error { return broken })
				}
				_ = p.work(context.Background(), &tap{file: file}, faults) // may stop, may go on
				require.NoError(t, p.work(context.Background(), &tap{file: file}, nil))
				p.audit(t)
			})
		}
	}
}

// The token fails in the middle: the work stops, says so, and nothing is lost.
func TestTokenFails(t *testing.T) {
	t.Parallel()
	p := newPlan(t, good)
	gone := errors.New("token gone")
	made := 0
	file, err := os.OpenFile(filepath.Join(p.Dir, "parent.tap"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer file.Close()
	failing := &tap{file: file, fail: func() error {
		if made++; made > chunk+2 {
			return gone
		}
		return nil
	}}
	require.ErrorIs(t, p.work(context.Background(), failing, nil), gone)
	require.NoError(t, p.work(context.Background(), &tap{file: file}, nil))
	p.audit(t)
}

// What somebody else had certified before is not a batch's to hand out.
func TestKeyThatWasCertifiedBefore(t *testing.T) {
	t.Parallel()
	p := newPlan(t, good)
	ctx := context.Background()
	issuer, err := p.open(ctx, &tap{}, nil)
	require.NoError(t, err)
	der := request(t, 7)
	_, err = issuer.Issue(ctx, ca.Request{DER: der, Requester: "somebody"})
	require.NoError(t, err)
	b, err := batch.Enrol(ctx, batch.Config{Issuer: issuer, Requester: "test"}, []batch.Item{{ID: "x", Request: der}})
	require.NoError(t, err)
	require.NoError(t, b.Work(ctx))
	require.NoError(t, b.Work(ctx), "a finished batch has nothing to work")
	results, err := b.Results(ctx)
	require.NoError(t, err)
	require.Equal(t, batch.Anomaly, results[0].State)
	require.Contains(t, results[0].Detail, "key-reuse")
	require.NoError(t, b.Close())

	// The same item again hears the same, without being decided again; a corrected
	// request under its id is another item.
	b, err = batch.Enrol(ctx, batch.Config{Issuer: issuer, Requester: "test"}, []batch.Item{{ID: "x", Request: der}, {ID: "y", Request: request(t, 8)}})
	require.NoError(t, err)
	require.Equal(t, 1, b.Resumed)
	require.NoError(t, b.Work(ctx))
	require.NoError(t, b.Close())
	b, err = batch.Enrol(ctx, batch.Config{Issuer: issuer, Requester: "test", RetryRefused: true}, []batch.Item{{ID: "x", Request: der}, {ID: "x2", Request: request(t, 9)}})
	require.NoError(t, err)
	require.Zero(t, b.Resumed)
	require.NoError(t, b.Work(ctx))
	results, err = b.Results(ctx)
	require.NoError(t, err)
	require.Equal(t, []batch.State{batch.Anomaly, batch.Success}, []batch.State{results[0].State, results[1].State})
	require.NoError(t, b.Close())
	require.NoError(t, issuer.Close(ctx))
	require.NoError(t, issuer.Store().Close())
}

// A batch that was stopped can be worked on by who has it, too.
func TestStoppedAndWorkedOn(t *testing.T) {
	t.Parallel()
	p := newPlan(t, good)
	issuer, err := p.open(t.Context(), &tap{}, nil)
	require.NoError(t, err)
	items, err := batch.Read(filepath.Join(p.Dir, "batch.jsonl"))
	require.NoError(t, err)
	b, err := batch.Enrol(t.Context(), batch.Config{Issuer: issuer, Requester: "test", Chunk: chunk}, items)
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, b.Work(stopped), context.Canceled)
	require.NoError(t, b.Work(t.Context()))
	results, err := b.Results(t.Context())
	require.NoError(t, err)
	for _, r := range results {
		require.NotEqual(t, batch.Waiting, r.State)
	}
	require.NoError(t, b.Close())
	require.NoError(t, issuer.Close(t.Context()))
	require.NoError(t, issuer.Store().Close())
}

// A worker whose caller has gone stops, and gives back what it had not begun.
func TestCancelled(t *testing.T) {
	t.Parallel()
	p := newPlan(t, good)
	ctx, cancel := context.WithCancel(context.Background())
	made := 0
	file, err := os.OpenFile(filepath.Join(p.Dir, "parent.tap"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer file.Close()
	stopping := &tap{file: file, fail: func() error {
		if made++; made == 5 {
			cancel()
		}
		return nil
	}}
	require.ErrorIs(t, p.work(ctx, stopping, nil), context.Canceled)
	require.NoError(t, p.work(context.Background(), &tap{file: file}, nil))
	p.audit(t)
}

// Many items are enrolled some thousand in a transaction, so that nobody waits for all
// of them; those of a batch that was stopped between two are the batch's when it is
// given again.
func TestEnrolsInParts(t *testing.T) {
	t.Parallel()
	p := newPlan(t, 0)
	const parts = 3
	items := make([]batch.Item, 2*5000+1)
	for n := range items {
		items[n] = batch.Item{ID: fmt.Sprintf("no-request-%d", n), Request: []byte("no request")}
	}
	faults := &store.Faults{}
	issuer, err := p.open(t.Context(), &tap{}, faults)
	require.NoError(t, err)
	t.Cleanup(func() { _ = errors.Join(issuer.Close(context.Background()), issuer.Store().Close()) })
	count := func() (n, batches int) {
		require.NoError(t, issuer.Store().Read(t.Context(), func(tx store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*), COUNT(DISTINCT batch) FROM batch_item`).Scan(&n, &batches)
		}))
		return n, batches
	}
	config := batch.Config{Issuer: issuer, Requester: "tester"}
	broken := errors.New("the disk says no")
	faults.FailBeforeCommit(parts-1, func() error { return broken })
	_, err = batch.Enrol(t.Context(), config, items)
	require.ErrorIs(t, err, broken)
	n, batches := count()
	require.Equal(t, []int{10000, 1}, []int{n, batches})

	b, err := batch.Enrol(t.Context(), config, items)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Equal(t, len(items), b.Len())
	n, batches = count()
	require.Equal(t, []int{10001, 2}, []int{n, batches}, "what was not there is another batch's")
}
