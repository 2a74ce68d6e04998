package smkiws_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
	"smki.example/ca/store"
)

// bells are what somebody was woken for and has not ended: what a queue of jobs keeps.
type bells map[string]bool

func (b bells) wake(_ context.Context, _ store.Tx, name string) error {
	b[name] = true
	return nil
}

// attend answers one bell and returns for how long it is to be left alone.
func (b bells) attend(t testing.TB, s *smkiws.Service, name string) time.Duration {
	t.Helper()
	again, err := s.Attend(t.Context(), name)
	require.NoError(t, err)
	if again == 0 {
		delete(b, name)
	}
	return again
}

func (b bells) names() []string { return slices.Sorted(maps.Keys(b)) }

// A batch is brought to its end by what wakes for it alone: once for its parse, once for
// each shard, each in the transaction that makes the work.
func TestAttend(t *testing.T) {
	t.Parallel()
	b := bells{}
	w := newWorld(t, func(c *smkiws.Config) { c.Wake = b.wake })
	csrs := requests(t, 2001)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	require.Equal(t, []string{fmt.Sprint(id)}, b.names())
	require.Zero(t, b.attend(t, w.service, fmt.Sprint(id)))
	shards := []string{fmt.Sprintf("%d/1", id), fmt.Sprintf("%d/2", id), fmt.Sprintf("%d/3", id)}
	require.Equal(t, shards, b.names())
	require.Equal(t, smkiws.Queued, w.state(t, id))
	// Whoever is woken works as long as there is something; the others find it done.
	for b.attend(t, w.service, shards[2]) > 0 { // on a slow machine it has more turns than one
	}
	require.Equal(t, smkiws.Completed, w.state(t, id))
	for _, name := range shards[:2] {
		require.Zero(t, b.attend(t, w.service, name))
	}
	require.Zero(t, b.attend(t, w.service, shards[0]), "once too often does no harm")
	require.Empty(t, b)
	w.wholeBatch(t, id, csrs)

	for _, name := range []string{"", "x", "1/", "1/0", "/1", "-1", "01", "1/2/3", "1/-2"} {
		_, err := w.service.Attend(t.Context(), name)
		require.Error(t, err, "%q is nobody's name", name)
	}
	require.Zero(t, b.attend(t, w.service, "99"), "a batch that never was")
	require.Zero(t, b.attend(t, w.service, "99/9"))
}

// Who is woken for what another process has in hand comes back, because that process may
// die; when it does, he does its work.
func TestAttendWaitsForOthers(t *testing.T) {
	t.Parallel()
	b := bells{}
	wake := func(c *smkiws.Config) { c.Wake = b.wake }
	w := newWorld(t, wake)
	csrs := requests(t, 3)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	dead := w.open(t, w.config(wake))
	for _, step := range []struct{ point, name string }{{"items-written", fmt.Sprint(id)}, {"issued", fmt.Sprintf("%d/1", id)}} {
		dead.SetProbe(func(p string) error {
			if p == step.point {
				return errInjected
			}
			return nil
		})
		_, err := dead.Attend(t.Context(), step.name)
		require.ErrorIs(t, err, errInjected)
		require.Positive(t, b.attend(t, w.service, step.name), "it is in living hands")
		require.Contains(t, b, step.name)
		require.NoError(t, dead.Close())
		require.Zero(t, b.attend(t, w.service, step.name))
		dead = w.open(t, w.config(wake))
	}
	require.Empty(t, b)
	w.wholeBatch(t, id, csrs)
}

// With the window closed, and while the token is away, a shard is left alone for a while
// and not forgotten.
func TestAttendLater(t *testing.T) {
	t.Parallel()
	b := bells{}
	w := newWorld(t, func(c *smkiws.Config) { c.Wake, c.Window = b.wake, smkiws.NightWindow })
	csrs := requests(t, 2)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	require.Zero(t, b.attend(t, w.service, fmt.Sprint(id)), "parsing needs no window")
	shard := fmt.Sprintf("%d/1", id)
	require.Equal(t, time.Minute, b.attend(t, w.service, shard), "it is noon")
	w.pass(8*time.Hour - 10*time.Second)
	require.Equal(t, 10*time.Second, b.attend(t, w.service, shard), "it is nearly time")
	w.pass(10 * time.Second)
	w.failing(inject)
	require.Equal(t, 5*time.Second, b.attend(t, w.service, shard), "the first pause between attempts")
	require.Equal(t, smkiws.Processing, w.state(t, id))
	w.pass(12*time.Hour + 5*time.Second)
	require.Equal(t, time.Minute, b.attend(t, w.service, shard))
	require.Equal(t, smkiws.Paused, w.state(t, id))
	w.failing(nil)
	w.pass(12 * time.Hour)
	require.Zero(t, b.attend(t, w.service, shard))
	require.Empty(t, b)
	w.wholeBatch(t, id, csrs)
}

// Batches that came while nobody was to be woken are found by a sweep, and a bell that
// rings in a transaction that fails has not rung.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	csrs := requests(t, 3)
	id := w.submit(t, "supplier", batchDocument("b", csrs...)).BatchId
	b := bells{}
	s := w.open(t, w.config(func(c *smkiws.Config) { c.Wake = b.wake }))
	require.Zero(t, b.attend(t, s, smkiws.Sweep))
	require.Equal(t, []string{fmt.Sprint(id)}, b.names())
	_, err := w.service.Work(t.Context()) // it parses, and wakes nobody
	require.NoError(t, err)
	require.Zero(t, b.attend(t, s, fmt.Sprint(id)))
	require.Zero(t, b.attend(t, s, smkiws.Sweep))
	require.Equal(t, []string{fmt.Sprintf("%d/1", id)}, b.names())
	require.Zero(t, b.attend(t, s, b.names()[0]))
	w.wholeBatch(t, id, csrs)

	broken := w.open(t, w.config(func(c *smkiws.Config) {
		c.Wake = func(context.Context, store.Tx, string) error { return errInjected }
	}))
	w.url = w.serve(t, broken)
	require.Equal(t, "WORKFLOW_ERROR", w.submit(t, "supplier", batchDocument("c", text(device(t, 9)))).BatchStatus)
	require.Equal(t, 1, w.count(t, `SELECT COUNT(*) FROM smkiws_batch`), "without a bell there is no batch")
}
