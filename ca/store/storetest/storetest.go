// Package storetest is what a database must do to carry a CA: one suite that
// every dialect of package store runs, so that the rooms above need not know
// which one they stand on.
//
// It tests the promises of [store.Store] from outside, through two stores on one
// database where another process would be, and with [store.Faults] where a disk
// would fail. Start at [Run].
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
)

// Run runs the suite. fresh gives the address of a new, empty database each time
// it is called, which lives as long as the test.
func Run(t *testing.T, fresh func(t testing.TB) string) {
	for name, test := range map[string]func(*testing.T, string){
		"a write that returned is there for everyone":       testDurable,
		"a write that failed leaves nothing":                testFailed,
		"writes that wait share a transaction, not a fate":  testShared,
		"a panic is the caller's":                           testPanic,
		"a commit that failed concerns everyone":            testFailBefore,
		"a commit in doubt is told apart":                   testFailAfter,
		"a caller who leaves in time never wrote":           testWithdrawn,
		"a caller who leaves too late has written":          testImpatient,
		"a read sees one state":                             testSnapshot,
		"a read cannot write":                               testReadOnly,
		"two stores on one database lose no update":         testTwoWriters,
		"a lease is alive until it is released, everywhere": testLease,
		"a closed store says so":                            testClosed,
		"opening again finds the tables as they were":       testReopen,
		"many rows go in at once, or none":                  testInsert,
		"a statement that failed quietly costs its write":   testSwallowed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// open opens the database and makes the suite's own table in it.
func open(t *testing.T, url string, faults *store.Faults) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url, Faults: faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS storetest (n INTEGER PRIMARY KEY, note TEXT NOT NULL)`)
		return err
	}))
	return s
}

func insert(ctx context.Context, n int) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO storetest (n, note) VALUES ($1, $2)`, n, fmt.Sprint("row ", n))
		return err
	}
}

func count(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM storetest`).Scan(&n)
	}))
	return n
}

func testDurable(t *testing.T, url string) {
	one, two := open(t, url, nil), open(t, url, nil)
	require.NoError(t, one.Write(t.Context(), insert(t.Context(), 1)))
	require.Equal(t, 1, count(t, one))
	require.Equal(t, 1, count(t, two))
}

func testReopen(t *testing.T, url string) {
	s := open(t, url, nil)
	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 1)))
	require.NoError(t, s.Close())
	require.Equal(t, 1, count(t, open(t, url, nil)))
}

func testFailed(t *testing.T, url string) {
	s := open(t, url, nil)
	reason := errors.New("changed my mind")
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if err := insert(t.Context(), 1)(tx); err != nil {
			return err
		}
		return reason
	})
	require.ErrorIs(t, err, reason)
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.Zero(t, count(t, s))

	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 1)))
	err = s.Write(t.Context(), func(tx store.Tx) error {
		if err := insert(t.Context(), 2)(tx); err != nil {
			return err
		}
		return insert(t.Context(), 1)(tx) // breaks the primary key
	})
	require.Error(t, err)
	require.Equal(t, 1, count(t, s), "the row before the one that broke the key is gone with it")
}

func testShared(t *testing.T, url string) {
	const writers = 200
	var faults store.Faults
	s := open(t, url, &faults)
	var commits atomic.Int32
	for n := range writers + 1 {
		faults.FailBeforeCommit(n, func() error { commits.Add(1); return nil })
	}

	// One write holds the committer until all others are on their way to it.
	var coming, done sync.WaitGroup
	coming.Add(writers)
	errs := make([]error, writers)
	done.Go(func() {
		_ = s.Write(t.Context(), func(store.Tx) error { coming.Wait(); return nil })
	})
	odd := errors.New("odd rows are not wanted")
	for n := range writers {
		done.Go(func() {
			coming.Done()
			errs[n] = s.Write(t.Context(), func(tx store.Tx) error {
				if err := insert(t.Context(), n)(tx); err != nil {
					return err
				}
				if n%2 == 1 {
					return odd
				}
				return nil
			})
		})
	}
	done.Wait()
	for n, err := range errs {
		if n%2 == 1 {
			require.ErrorIs(t, err, odd)
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, writers/2, count(t, s))
	require.Less(t, int(commits.Load()), writers/2, "transactions were shared")
}

func testPanic(t *testing.T, url string) {
	s := open(t, url, nil)
	require.PanicsWithValue(t, "a bug", func() {
		_ = s.Write(t.Context(), func(tx store.Tx) error {
			_ = insert(t.Context(), 1)(tx)
			panic("a bug")
		})
	})
	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 2)), "the committer goes on")
	require.Equal(t, 1, count(t, s))
}

func testFailBefore(t *testing.T, url string) {
	var faults store.Faults
	s := open(t, url, &faults)
	full := errors.New("no space left")
	faults.FailBeforeCommit(0, func() error { return full })
	err := s.Write(t.Context(), insert(t.Context(), 1))
	require.ErrorIs(t, err, full)
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.Zero(t, count(t, s))
	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 1)), "the next one goes through")
}

func testFailAfter(t *testing.T, url string) {
	var faults store.Faults
	s := open(t, url, &faults)
	gone := errors.New("connection reset")
	faults.FailAfterCommit(0, func() error { return gone })
	err := s.Write(t.Context(), insert(t.Context(), 1))
	require.ErrorIs(t, err, store.ErrUncertain)
	require.ErrorIs(t, err, gone)
	require.Equal(t, 1, count(t, s), "it happened")
}

func testWithdrawn(t *testing.T, url string) {
	s := open(t, url, nil)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	// The committer is held, so that the write cannot have begun when ctx ends.
	hold, held := make(chan struct{}), make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		_ = s.Write(t.Context(), func(store.Tx) error { close(held); <-hold; return nil })
	})
	<-held
	err := s.Write(ctx, func(store.Tx) error { return errors.New("it ran") })
	require.ErrorIs(t, err, context.Canceled)
	close(hold)
	other.Wait()
}

func testImpatient(t *testing.T, url string) {
	s := open(t, url, nil)
	ctx, leave := context.WithCancel(t.Context())
	err := s.Write(ctx, func(tx store.Tx) error {
		leave()
		return insert(ctx, 1)(tx) // a statement of a write is not interrupted either
	})
	require.NoError(t, err, "from its beginning on, a write has an outcome")
	require.Equal(t, 1, count(t, s))
}

func testSnapshot(t *testing.T, url string) {
	s := open(t, url, nil)
	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 1)))
	require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
		var before, after int
		if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM storetest`).Scan(&before); err != nil {
			return err
		}
		if err := s.Write(t.Context(), insert(t.Context(), 2)); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM storetest`).Scan(&after); err != nil {
			return err
		}
		require.Equal(t, before, after)
		return nil
	}))
	require.Equal(t, 2, count(t, s))
}

func testReadOnly(t *testing.T, url string) {
	s := open(t, url, nil)
	require.Error(t, s.Read(t.Context(), insert(t.Context(), 1)))
	require.Zero(t, count(t, s))
}

func testTwoWriters(t *testing.T, url string) {
	const each = 50
	stores := []*store.Store{open(t, url, nil), open(t, url, nil)}
	require.NoError(t, stores[0].Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO storetest (n, note) VALUES (0, '0')`)
		return err
	}))
	add := func(tx store.Tx) error {
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT note FROM storetest WHERE n = 0`).Scan(&n); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `UPDATE storetest SET note = $1 WHERE n = 0`, fmt.Sprint(n+1))
		return err
	}
	errs := make(chan error, 2*each)
	var done sync.WaitGroup
	for _, s := range stores {
		for range each {
			done.Go(func() { errs <- s.Write(t.Context(), add) })
		}
	}
	done.Wait()
	for range 2 * each {
		require.NoError(t, <-errs)
	}
	require.NoError(t, stores[1].Read(t.Context(), func(tx store.Tx) error {
		var n int
		err := tx.QueryRow(t.Context(), `SELECT note FROM storetest WHERE n = 0`).Scan(&n)
		require.Equal(t, 2*each, n)
		return err
	}))
}

func testLease(t *testing.T, url string) {
	one, two := open(t, url, nil), open(t, url, nil)
	lease, err := one.Lease(t.Context())
	require.NoError(t, err)
	another, err := one.Lease(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, lease.ID(), another.ID())
	for _, s := range []*store.Store{one, two} {
		for range 2 { // asking does not change the answer
			alive, err := s.Alive(t.Context(), lease.ID())
			require.NoError(t, err)
			require.True(t, alive)
		}
	}
	require.NoError(t, lease.Release())
	for _, s := range []*store.Store{one, two} {
		alive, err := s.Alive(t.Context(), lease.ID())
		require.NoError(t, err)
		require.False(t, alive)
	}
	for _, never := range []store.OwnerID{"", "00112233445566778899aabbccddeeff", "../storetest", "ceremony"} {
		alive, err := two.Alive(t.Context(), never)
		require.NoError(t, err)
		require.False(t, alive, "an owner that never was: %q", never)
	}
	alive, err := two.Alive(t.Context(), another.ID())
	require.NoError(t, err)
	require.True(t, alive, "one lease's end is not another's")
	require.NoError(t, another.Release())
}

func testClosed(t *testing.T, url string) {
	s := open(t, url, nil)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Write(t.Context(), insert(t.Context(), 1)), store.ErrClosed)
	require.Error(t, s.Read(t.Context(), func(store.Tx) error { return nil }))
}

func testInsert(t *testing.T, url string) {
	s := open(t, url, nil)
	many := func(first, n int) store.Rows {
		r := store.Rows{Table: "storetest", Columns: []string{"n", "note"}}
		for k := first; k < first+n; k++ {
			r.Values = append(r.Values, []any{k, fmt.Sprint("row ", k)})
		}
		return r
	}
	add := func(r store.Rows) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			numbers, err := tx.Insert(t.Context(), r)
			require.Empty(t, numbers)
			return err
		})
	}
	require.NoError(t, add(many(0, 1217)))
	require.Equal(t, 1217, count(t, s))
	require.NoError(t, add(store.Rows{Table: "storetest", Columns: []string{"n", "note"}}), "no rows are no rows")
	require.Error(t, add(many(1200, 100)), "row 1200 is there")
	require.Equal(t, 1217, count(t, s))
	require.NoError(t, add(many(1217, 3)), "the next one goes through")

	// Rows of a table that numbers them, before and after rows that it numbers itself.
	one := func(tx store.Tx) (seq int64, err error) {
		err = tx.QueryRow(t.Context(), `INSERT INTO revocation (serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at)
			VALUES ($1, 'x', 1, 0, 'x', $2, 0) RETURNING seq`, []byte{0}, true).Scan(&seq)
		return seq, err
	}
	require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
		first, err := one(tx)
		if err != nil {
			return err
		}
		r := store.Rows{Table: "revocation", Key: "seq", Columns: []string{"serial", "issuer", "reason", "revoked_at", "revoked_by", "on_crl", "recorded_at"}}
		for k := range 120 {
			r.Values = append(r.Values, []any{[]byte{1, byte(k)}, "x", int64(1), int64(0), "x", true, int64(0)})
		}
		numbers, err := tx.Insert(t.Context(), r)
		if err != nil {
			return err
		}
		require.Len(t, numbers, 120)
		last := first
		for k, number := range numbers {
			require.Greater(t, number, last, "in their order")
			last = number
			var serial []byte
			if err := tx.QueryRow(t.Context(), `SELECT serial FROM revocation WHERE seq = $1`, number).Scan(&serial); err != nil {
				return err
			}
			require.Equal(t, []byte{1, byte(k)}, serial)
		}
		var next int64
		err = tx.QueryRow(t.Context(), `INSERT INTO revocation (serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at)
			VALUES ($1, 'x', 1, 0, 'x', $2, 0) RETURNING seq`, []byte{2}, false).Scan(&next)
		require.Greater(t, next, last)
		return err
	}))
	require.Error(t, s.Read(t.Context(), func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), many(5000, 1))
		return err
	}))
}

// A function that keeps a statement's error to itself breaks its contract. Its
// neighbours must not pay for it.
func testSwallowed(t *testing.T, url string) {
	s := open(t, url, nil)
	require.NoError(t, s.Write(t.Context(), insert(t.Context(), 0)))
	var held, done sync.WaitGroup
	held.Add(1)
	done.Go(func() {
		_ = s.Write(t.Context(), func(store.Tx) error { held.Wait(); return nil })
	})
	errs := make([]error, 4)
	var coming sync.WaitGroup
	for n := range errs {
		coming.Add(1)
		done.Go(func() {
			coming.Done()
			errs[n] = s.Write(t.Context(), func(tx store.Tx) error {
				if n == 2 {
					_ = insert(t.Context(), 0)(tx) // is there
					return nil
				}
				return insert(t.Context(), 10+n)(tx)
			})
		})
	}
	coming.Wait()
	held.Done()
	done.Wait()
	for n, err := range errs {
		if n != 2 {
			require.NoError(t, err)
		}
	}
	require.Equal(t, 4, count(t, s))
}
