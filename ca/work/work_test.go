package work_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/ca/work"
)

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// A node is a process that works, as far as one process can show.
type node struct {
	store *store.Store
	lease *store.Lease
	queue *work.Queue
	stop  func()
	log   *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newNode(t *testing.T, url string, cfg work.Config) *node {
	t.Helper()
	n := &node{log: &lines{}}
	var err error
	n.store, err = store.Open(t.Context(), store.Config{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.store.Close() })
	n.lease, err = n.store.Lease(t.Context())
	require.NoError(t, err)
	cfg.Store, cfg.Lease = n.store, n.lease
	cfg.Logger = slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	n.queue, err = work.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		if n.stop != nil {
			n.stop()
		}
		_ = n.queue.Close()
	})
	return n
}

// run runs the node's queue until stop is called.
func (n *node) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.queue.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
	})
}

func (n *node) wake(t *testing.T, kind work.Kind, name string) {
	t.Helper()
	require.NoError(t, n.store.Write(t.Context(), func(tx store.Tx) error { return n.queue.Wake(t.Context(), tx, kind, name) }))
}

// quiet waits until nothing is asked for any more.
func (n *node) quiet(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		waiting, err := n.queue.Waiting(t.Context())
		return err == nil && waiting == 0
	}, 60*time.Second, 20*time.Millisecond, "%s", n.log)
}

// Work that was asked for in an act is done if, and only if, the act happened.
func TestWakeIsPartOfTheAct(t *testing.T) {
	t.Parallel()
	called := make(chan string, 10)
	n := newNode(t, storetest.Fresh(t), work.Config{Handlers: map[work.Kind]work.Handler{
		"crl": func(_ context.Context, name string) error { called <- name; return nil },
	}})
	regret := errors.New("the act failed")
	require.ErrorIs(t, n.store.Write(t.Context(), func(tx store.Tx) error {
		if err := n.queue.Wake(t.Context(), tx, "crl", "never"); err != nil {
			return err
		}
		return regret
	}), regret)
	n.wake(t, "crl", "issuing-oca-1")
	n.run(t)
	require.Equal(t, "issuing-oca-1", <-called)
	n.quiet(t)
	require.Empty(t, called)
	require.NotContains(t, n.log.String(), "locked")
}

// What is asked for many times before a worker comes is done once; what is asked
// for while the worker is at it is done again, before anything else.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	n := newNode(t, storetest.Fresh(t), work.Config{Handlers: map[work.Kind]work.Handler{
		"crl": func(context.Context, string) error {
			calls.Add(1)
			begun <- struct{}{}
			<-goOn
			return nil
		},
	}})
	for range 20 {
		n.wake(t, "crl", "issuing-oca-1")
	}
	n.run(t)
	<-begun
	n.wake(t, "crl", "issuing-oca-1")
	goOn <- struct{}{}
	<-begun
	goOn <- struct{}{}
	n.quiet(t)
	require.EqualValues(t, 2, calls.Load())
	n.wake(t, "crl", "issuing-oca-1")
	<-begun
	goOn <- struct{}{}
	n.quiet(t)
	require.EqualValues(t, 3, calls.Load(), "a job that is over stands in nobody's way")
}

func TestFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	n := newNode(t, storetest.Fresh(t), work.Config{Handlers: map[work.Kind]work.Handler{
		"crl": func(context.Context, string) error {
			switch calls.Add(1) {
			case 1:
				return errors.New("the token is away")
			case 2:
				panic("a bug")
			}
			return nil
		},
	}})
	n.wake(t, "crl", "issuing-oca-1")
	n.run(t)
	n.quiet(t)
	require.EqualValues(t, 3, calls.Load())
	require.Contains(t, n.log.String(), "the token is away")
}

// Two nodes share the work, and never work on one thing at a time.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	url := storetest.Fresh(t)
	const things = 60
	var mu sync.Mutex
	at := make(map[string]bool)
	by := make(map[int]int)
	handler := func(who int) map[work.Kind]work.Handler {
		return map[work.Kind]work.Handler{"batch": func(_ context.Context, name string) error {
			mu.Lock()
			defer mu.Unlock()
			if at[name] {
				t.Errorf("%s is worked on twice at a time", name)
			}
			at[name] = true
			by[who]++
			mu.Unlock()
			for range 1000 {
				_ = fmt.Sprint(who) // takes its time
			}
			mu.Lock()
			at[name] = false
			return nil
		}}
	}
	one, two := newNode(t, url, work.Config{Handlers: handler(1)}), newNode(t, url, work.Config{Handlers: handler(2)})
	for k := range things {
		one.wake(t, "batch", fmt.Sprint("batch-", k))
	}
	one.run(t)
	two.run(t)
	one.quiet(t)
	one.stop()
	two.stop()
	require.GreaterOrEqual(t, by[1]+by[2], things)
	require.NotContains(t, one.log.String()+two.log.String(), "locked")
}

// A node that dies at its work leaves it to the others, at once when its death is
// known; and it cannot end what is not its own any more.
func TestNodeDies(t *testing.T) {
	t.Parallel()
	url := storetest.Fresh(t)
	begun, hang := make(chan struct{}), make(chan struct{})
	doomed := newNode(t, url, work.Config{Handlers: map[work.Kind]work.Handler{
		"crl": func(context.Context, string) error { close(begun); <-hang; return nil },
	}})
	done := make(chan string, 10)
	heir := newNode(t, url, work.Config{Handlers: map[work.Kind]work.Handler{
		"crl": func(_ context.Context, name string) error { done <- name; return nil },
	}})
	doomed.wake(t, "crl", "issuing-oca-1")
	doomed.run(t)
	<-begun
	heir.run(t)
	require.NoError(t, doomed.lease.Release()) // the kernel, or the term, says so when a process dies
	require.Equal(t, "issuing-oca-1", <-done)
	heir.quiet(t)
	close(hang)
}

// Each node that runs a round asks for it when it starts and in its time, and needs no
// other node for that; one works at a time.
func TestRounds(t *testing.T) {
	t.Parallel()
	url := storetest.Fresh(t)
	var calls atomic.Int32
	called := make(chan struct{}, 100)
	cfg := work.Config{
		Handlers: map[work.Kind]work.Handler{"crl": func(context.Context, string) error { calls.Add(1); called <- struct{}{}; return nil }},
		Rounds:   []work.Round{{Kind: "crl", Name: "all", Every: time.Hour}},
	}
	one, two := newNode(t, url, cfg), newNode(t, url, cfg)
	one.run(t)
	two.run(t)
	<-called
	one.stop()
	two.stop()
	require.LessOrEqual(t, calls.Load(), int32(2), "an hour has not passed")
	cfg.Rounds[0].Every = 50 * time.Millisecond
	n := newNode(t, url, cfg)
	n.run(t)
	for range 3 {
		<-called
	}
}

// A handler that is not ready is called again when it says, and that is no failure.
func TestLater(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	n := newNode(t, storetest.Fresh(t), work.Config{Handlers: map[work.Kind]work.Handler{
		"batch": func(context.Context, string) error {
			if calls.Add(1) < 4 {
				return work.Later(time.Duration(calls.Load()) * 10 * time.Millisecond)
			}
			return nil
		},
	}})
	n.wake(t, "batch", "17/3")
	n.run(t)
	n.quiet(t)
	require.EqualValues(t, 4, calls.Load())
	require.Empty(t, n.log.String())
}

// A kind with workers of its own holds up no other, and a node without a handler for it
// is given none of its work.
func TestOwnWorkers(t *testing.T) {
	t.Parallel()
	url := storetest.Fresh(t)
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	listed := make(chan struct{}, 10)
	list := func(context.Context, string) error { listed <- struct{}{}; return nil }
	own := map[work.Kind]int{"batch": 1}
	n := newNode(t, url, work.Config{Own: own, Workers: 1, Handlers: map[work.Kind]work.Handler{
		"batch": func(context.Context, string) error { begun <- struct{}{}; <-goOn; return nil },
		"crl":   list,
	}})
	idle := newNode(t, url, work.Config{Own: own, Handlers: map[work.Kind]work.Handler{"crl": list}})
	idle.wake(t, "batch", "1")
	n.wake(t, "batch", "2")
	n.wake(t, "batch", "3")
	idle.run(t)
	n.run(t)
	<-begun
	n.wake(t, "crl", "issuing-oca-1")
	<-listed
	require.Empty(t, begun, "one at a time")
	close(goOn)
	<-begun
	<-begun
	n.quiet(t)
	require.Empty(t, n.log.String()+idle.log.String())
	_, err := work.New(t.Context(), work.Config{Store: n.store, Own: map[work.Kind]int{"no queue": 1}})
	require.ErrorContains(t, err, "no queue")
}

// A database that is away for longer than River is patient makes a living node lose
// sight of what it did; it is done once more.
func TestLostSight(t *testing.T) {
	t.Parallel()
	if storetest.OnPostgres() {
		t.Skip("runs once, with a server of its own")
	}
	server := storetest.NewServer(t, false)
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	n := newNode(t, server.Database(t), work.Config{Handlers: map[work.Kind]work.Handler{
		"batch": func(context.Context, string) error { begun <- struct{}{}; <-goOn; return nil },
	}})
	n.wake(t, "batch", "1")
	n.run(t)
	<-begun
	require.NoError(t, server.Kill())
	goOn <- struct{}{}
	require.Eventually(t, func() bool { return strings.Contains(n.log.String(), "giving up") }, time.Minute, 20*time.Millisecond, "%s", n.log)
	require.NoError(t, server.Start())
	<-begun
	goOn <- struct{}{}
	n.quiet(t)
}

// The queue has a connection beside the committer. With both at full work, on
// SQLite too, nobody is told that the database is locked, and all is done.
func TestFullWork(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	n := newNode(t, storetest.Fresh(t), work.Config{Workers: 8, Handlers: map[work.Kind]work.Handler{
		"batch": func(context.Context, string) error { calls.Add(1); return nil },
	}})
	n.run(t)
	const lanes, each = 32, 40
	var wait sync.WaitGroup
	errs := make(chan error, lanes*each)
	for lane := range lanes {
		wait.Go(func() {
			for k := range each {
				errs <- n.store.Write(t.Context(), func(tx store.Tx) error {
					if _, err := tx.Exec(t.Context(), `INSERT INTO audit_hash (position, hash) VALUES ($1, $2)`, lane*each+k, make([]byte, 32)); err != nil {
						return err
					}
					if k%8 != 0 {
						return nil
					}
					return n.queue.Wake(t.Context(), tx, "batch", fmt.Sprintf("batch-%d-%d", lane, k))
				})
			}
		})
	}
	wait.Wait()
	for range lanes * each {
		require.NoError(t, <-errs)
	}
	n.quiet(t)
	require.GreaterOrEqual(t, calls.Load(), int32(lanes*each/8))
	require.NotContains(t, n.log.String(), "locked")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{URL: storetest.Fresh(t)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, err = work.New(t.Context(), work.Config{})
	require.ErrorContains(t, err, "Store is missing")
	nothing := map[work.Kind]work.Handler{"crl": func(context.Context, string) error { return nil }}
	_, err = work.New(t.Context(), work.Config{Store: s, Handlers: nothing})
	require.ErrorContains(t, err, "Lease is missing")
	q, err := work.New(t.Context(), work.Config{Store: s})
	require.NoError(t, err, "a process that only asks needs no lease")
	t.Cleanup(func() { _ = q.Close() })
	require.ErrorContains(t, q.Run(t.Context()), "Lease is missing")
	require.ErrorContains(t, s.Write(t.Context(), func(tx store.Tx) error { return q.Wake(t.Context(), tx, "crl", "a'b") }), "only")
	require.ErrorContains(t, s.Read(t.Context(), func(tx store.Tx) error { return q.Wake(t.Context(), tx, "crl", "x") }), "asking for work")
}
