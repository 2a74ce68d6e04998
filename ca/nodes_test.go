package ca_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
)

// Two nodes on one database, each with a store and a lease of its own, are sent the
// same requests at the same moment: every key is certified once, whoever wins, and
// the audit log has one order.
func TestTwoNodesDecideOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nodes := []*ca.Issuer{w.issuer, nil}
	second, err := store.Open(t.Context(), store.Config{URL: w.url})
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.Close() })
	cfg := w.config()
	cfg.Store = second
	nodes[1], err = ca.Open(t.Context(), cfg)
	require.NoError(t, err)

	const singles, batch = 30, 60
	var requests []ca.Request
	for k := range singles + batch {
		requests = append(requests, device(t, k))
	}
	var mu sync.Mutex
	issued := make(map[int]int)
	note := func(k int, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			issued[k]++
		case !errors.Is(err, ca.ErrConflict) && !errors.Is(err, ca.ErrRefused):
			t.Errorf("request %d: %v", k, err)
		}
	}
	var wait sync.WaitGroup
	for _, node := range nodes {
		for k := range singles {
			wait.Go(func() {
				_, err := node.Issue(t.Context(), requests[k])
				note(k, err)
			})
		}
		wait.Go(func() {
			results, err := node.IssueBatch(t.Context(), requests[singles:])
			if err != nil {
				t.Error(err)
			}
			for k, r := range results {
				note(singles+k, r.Err)
			}
		})
	}
	wait.Wait()
	for k := range requests {
		require.Equal(t, 1, issued[k], "request %d", k)
	}
	require.Equal(t, states{recorded: len(requests)}, w.accounts(t))
	require.NoError(t, nodes[1].Close(t.Context()))
}

// A batch may hold one key twice, and more requests for a device than it may have.
func TestBatchCountsItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	same := device(t, 1)
	requests := []ca.Request{same, same}
	for range 103 {
		requests = append(requests, device(t, 2))
	}
	results, err := w.issuer.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.ErrorIs(t, results[1].Err, ca.ErrConflict)
	issued := 0
	for _, r := range results[2:] {
		if r.Err == nil {
			issued++
			continue
		}
		require.ErrorIs(t, r.Err, ca.ErrRefused)
		require.ErrorContains(t, r.Err, "device-limit")
	}
	require.Equal(t, 100, issued)
	w.accounts(t)
}
