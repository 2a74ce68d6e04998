package ca_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
)

// Those who come while the first is being written are written together; one who loses
// patience before that has begun leaves nothing behind.
func TestSinglesThatWaitAreWrittenTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held, release := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	w.issuer.SetProbe(func(point string) error {
		if point == "before-intent" && first.CompareAndSwap(false, true) {
			close(held)
			<-release
		}
		return nil
	})
	const n = 20
	errs := make([]error, n+1)
	var wait sync.WaitGroup
	issue := func(ctx context.Context, k int) {
		request := device(t, k)
		wait.Go(func() { _, errs[k] = w.issuer.Issue(ctx, request) })
	}
	issue(t.Context(), 0)
	<-held
	for k := 1; k < n; k++ {
		issue(t.Context(), k)
	}
	impatient, leave := context.WithCancelCause(t.Context())
	issue(impatient, n)
	for w.issuer.Waiting() < n {
		runtime.Gosched()
	}
	gone := errors.New("gone home")
	leave(gone)
	for w.issuer.Waiting() > n-1 {
		runtime.Gosched()
	}
	close(release)
	wait.Wait()
	require.ErrorIs(t, errs[n], gone)
	require.NotErrorIs(t, errs[n], ca.ErrUncertain)
	for _, err := range errs[:n] {
		require.NoError(t, err)
	}
	require.Equal(t, states{recorded: n}, w.accounts(t))
	records := 0
	for r, err := range w.issuer.Log().Records(t.Context(), 0) {
		require.NoError(t, err)
		if r.Kind == audit.KindIntent {
			records++
		}
	}
	require.Equal(t, 2, records, "the first, and all the others")
}

// A leader that panics takes nobody along for ever: those who waited with it hear of
// an outage, and the next are led by somebody else.
func TestALeaderPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	w.issuer.SetProbe(func(point string) error {
		if point != "before-intent" {
			return nil
		}
		switch calls.Add(1) {
		case 1:
			close(held)
			<-release
		case 2:
			panic("a bug")
		}
		return nil
	})
	const n = 4
	var panics, failures atomic.Int32
	var wait sync.WaitGroup
	issue := func(k int) {
		request := device(t, k)
		wait.Go(func() {
			defer func() {
				if recover() != nil {
					panics.Add(1)
				}
			}()
			if _, err := w.issuer.Issue(t.Context(), request); err != nil {
				failures.Add(1)
			}
		})
	}
	issue(0)
	<-held
	for k := 1; k <= n; k++ {
		issue(k)
	}
	for w.issuer.Waiting() < n {
		runtime.Gosched()
	}
	close(release)
	wait.Wait()
	require.EqualValues(t, 1, panics.Load(), "the leader's caller has the panic")
	require.EqualValues(t, n-1, failures.Load(), "the others an error")
	_, err := w.issuer.Issue(t.Context(), device(t, 100))
	require.NoError(t, err)
	require.Equal(t, states{recorded: 2}, w.accounts(t))
}
