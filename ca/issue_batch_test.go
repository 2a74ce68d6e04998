package ca_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/policy"
)

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func TestIssueBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var requests []ca.Request
	for n := range 60 {
		switch n % 6 {
		case 0, 1, 2:
			requests = append(requests, device(t, n))
		case 3, 4:
			requests = append(requests, supplier(t, n))
		case 5:
			bad := device(t, n)
			bad.DER = bad.DER[:len(bad.DER)-1]
			requests = append(requests, bad)
		}
	}
	requests = append(requests, requests[0]) // the same key again in the same batch
	results, err := w.issuer.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	require.Len(t, results, len(requests))
	for n, r := range results {
		if n%6 == 5 {
			require.ErrorIs(t, r.Err, ca.ErrRefused)
			continue
		}
		if n == 60 {
			require.ErrorIs(t, r.Err, ca.ErrConflict, "its twin is being issued")
			continue
		}
		require.NoError(t, r.Err)
		require.Equal(t, entity(n), *r.Certificate.Entity, "results stand in the order of the requests")
		stored, err := w.issuer.BySerial(t.Context(), r.Certificate.Serial)
		require.NoError(t, err)
		require.Equal(t, r.Certificate, stored)
	}
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 50}, w.accounts(t))

	var log []string
	for r, err := range w.issuer.Log().Records(t.Context(), 0) {
		require.NoError(t, err)
		log = append(log, string(r.Kind)+" by "+r.By)
	}
	require.Equal(t, []string{"intent by manufacturer", "intent by supplier", "certificate by manufacturer", "certificate by supplier"}, log)
}

func TestIssueBatchBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.issuer.IssueBatch(t.Context(), make([]ca.Request, ca.MaxBatch+1))
	require.ErrorContains(t, err, "at most 1000")
	results, err := w.issuer.IssueBatch(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, results)
}

// The token fails in the middle of a batch: what was recorded stays, one serial is
// in doubt, the rest was never asked for and may be sent again at once.
func TestIssueBatchTokenFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	for n := range cfg.Authorities {
		cfg.Authorities[n].Parallel = 1
	}
	i, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	var requests []ca.Request
	for n := range 20 {
		requests = append(requests, device(t, n))
	}
	calls := 0
	w.tap.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		if calls++; calls == 8 {
			_, _ = sign()
			return nil, errInjected
		}
		return sign()
	})
	results, err := i.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	for n, r := range results {
		switch {
		case n < 7:
			require.NoError(t, r.Err)
		case n == 7:
			require.ErrorIs(t, r.Err, ca.ErrUncertain)
			require.ErrorIs(t, r.Err, errInjected)
		default:
			require.Error(t, r.Err)
			require.False(t, isAny(r.Err, ca.ErrUncertain, ca.ErrRefused), "an outage: nothing was signed")
		}
	}
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 7, ca.StateWrittenOff: 1, ca.StateUnused: 12}, w.accounts(t))

	w.tap.setFail(nil)
	results, err = i.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	for n, r := range results {
		if n < 7 {
			require.ErrorIs(t, r.Err, ca.ErrRefused, "has its certificate")
			continue
		}
		require.NoError(t, r.Err)
	}
	require.Equal(t, 20, w.accounts(t)[ca.StateRecorded])
}

// A caller who leaves before the signatures stops them; what was signed is
// recorded all the same.
func TestIssueBatchCallerLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	for n := range cfg.Authorities {
		cfg.Authorities[n].Parallel = 1
	}
	i, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	calls := 0
	w.tap.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		if calls++; calls == 3 {
			leave()
		}
		return sign()
	})
	var requests []ca.Request
	for n := range 5 {
		requests = append(requests, device(t, n))
	}
	results, err := i.IssueBatch(ctx, requests)
	require.NoError(t, err)
	for n, r := range results {
		if n < 3 {
			require.NoError(t, r.Err)
		} else {
			require.ErrorIs(t, r.Err, context.Canceled)
		}
	}
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 3, ca.StateUnused: 2}, w.accounts(t))
}

func TestIssueBatchEnvironments(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"drill", "dcc-test"} {
		w := newWorldIn(t, name)
		if w.hierarchy.Environment.Registration != policy.RegistrationOpen {
			continue
		}
		results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{device(t, 1), supplier(t, 2)})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.NoError(t, results[1].Err)
	}
}
