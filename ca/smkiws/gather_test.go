package smkiws_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/smkiws"
)

// flown is a CA that notes how many requests came together.
type flown struct {
	smkiws.Issuer
	mu      sync.Mutex
	sizes   []int
	arrived chan struct{}
	goOn    chan struct{} // nil: at once
}

func (f *flown) IssueBatch(ctx context.Context, requests []ca.Request) ([]ca.Result, error) {
	f.mu.Lock()
	f.sizes = append(f.sizes, len(requests))
	f.mu.Unlock()
	if f.goOn != nil {
		f.arrived <- struct{}{}
		<-f.goOn
	}
	return f.Issuer.IssueBatch(ctx, requests)
}

// Single requests that wait are issued together; each has its own answer, and none is
// left behind.
func TestSinglesTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &flown{Issuer: w.issuer, arrived: make(chan struct{}, 100), goOn: make(chan struct{})}
	s := w.open(t, w.config(func(c *smkiws.Config) { c.Issuer = f }))
	w.url = w.serve(t, s)
	const n = 40
	for k := range n {
		w.issued(t, k)
	}
	answers := make([]adHocAnswer, n)
	var wait sync.WaitGroup
	ask := func(k int, der []byte) { wait.Go(func() { answers[k] = w.adHoc(t, der) }) }
	reused := device(t, 1)
	for k := range smkiws.Flights {
		ask(k, device(t, k))
		<-f.arrived // everything is busy after the last of these
	}
	for k := smkiws.Flights; k < n; k++ {
		der := device(t, k)
		if k >= n-2 {
			der = reused // twice the same
		}
		ask(k, der)
	}
	require.Eventually(t, func() bool { return s.Gathered() == n-smkiws.Flights }, time.Minute, time.Millisecond)
	close(f.goOn)
	wait.Wait()
	statuses := map[string]int{}
	serials := map[string]bool{}
	for k, a := range answers {
		statuses[a.Status]++
		if a.Status == "SUCCESS" {
			c := decode(t, a.Certificate)
			serials[c.Serial.String()] = true
			if k < n-2 {
				require.Equal(t, entity(k), c.DeviceID, "each has his own")
			}
		}
	}
	require.Equal(t, n-1, statuses["SUCCESS"], "%v", statuses)
	require.Len(t, serials, n-1)
	total := 0
	for _, size := range f.sizes {
		total += size
	}
	require.Equal(t, n, total)
	require.Less(t, len(f.sizes), n, "they went together")
}

// A caller who has gone before his request left is not served, and holds up nobody.
func TestSingleLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := smkiws.NewGatherer(w.issuer.IssueBatch)
	gone, leave := context.WithCancel(t.Context())
	leave()
	result, whole := g.One(gone, ca.Request{DER: device(t, 1), Requester: "a"})
	require.ErrorIs(t, result.Err, context.Canceled)
	require.True(t, whole, "nothing was signed")
	result, whole = g.One(t.Context(), ca.Request{DER: device(t, 2), Requester: "a"})
	require.NoError(t, result.Err)
	require.False(t, whole)
	require.NotNil(t, result.Certificate)
	require.Equal(t, 1, w.signed)
}

// However many come and go at once, everybody is answered and the next one flies.
func TestSinglesCrowd(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	most, now := 0, 0
	g := smkiws.NewGatherer(func(_ context.Context, requests []ca.Request) ([]ca.Result, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		results := make([]ca.Result, len(requests))
		for n, r := range requests {
			results[n].Err = fmt.Errorf("answer to %s", r.Requester)
		}
		mu.Lock()
		now--
		mu.Unlock()
		return results, nil
	})
	var wait sync.WaitGroup
	for who := range 100 {
		wait.Go(func() {
			for k := range 200 {
				name := fmt.Sprintf("%d-%d", who, k)
				result, whole := g.One(t.Context(), ca.Request{Requester: name})
				if whole || result.Err.Error() != "answer to "+name {
					t.Errorf("%s got %v", name, result.Err)
				}
			}
		})
	}
	wait.Wait()
	require.LessOrEqual(t, most, smkiws.Flights)
	require.Zero(t, g.Flying(), "nobody has kept his turn")
}
