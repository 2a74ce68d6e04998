package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// leaseRows are the leases of the processes on one PostgreSQL: rows that each
// process renews, under the database's clock, so that no clock of a node matters.
//
// A process whose row is older than its term is dead: whoever asks removes the row,
// for good. It may be alive and have been stopped, or cut off; then it finds, under
// the write lock and before it writes anything, that its row is gone, and writes
// nothing any more. A server that was down itself gives everybody one more term.
//
// Whoever can change the table can make a living process look dead, and the worst
// that follows is that it stops and its unfinished serials are written off.
type leaseRows struct {
	side *sql.DB // beside the writer, which may be waiting
	term time.Duration
	log  *slog.Logger

	mu    sync.Mutex
	mine  map[OwnerID]chan struct{} // leases that are held; closed to end the renewal
	beats sync.WaitGroup
}

// A process renews its lease so often in a term that several renewals may fail.
const beatsPerTerm = 6

// leaseDead is the condition on a row whose owner is dead.
const leaseDead = `GREATEST(renewed_at, pg_postmaster_start_time()) + make_interval(secs => term) < clock_timestamp()`

func (l *leaseRows) held() (owners []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.mine {
		owners = append(owners, string(id))
	}
	return owners
}

func (l *leaseRows) lease(ctx context.Context) (*Lease, error) {
	id := newOwnerID()
	_, err := l.side.ExecContext(ctx, `INSERT INTO lease (owner, term, taken_at, renewed_at) VALUES ($1, $2, clock_timestamp(), clock_timestamp())`,
		string(id), l.term.Seconds())
	if err != nil {
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	// Rows of owners that died with nothing to settle, for whom nobody would ever ask.
	if _, err := l.side.ExecContext(ctx, `DELETE FROM lease WHERE `+leaseDead); err != nil {
		l.log.Warn("dead leases are left over", "error", err)
	}
	stop, lost := make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	l.mine[id] = stop
	l.mu.Unlock()
	l.beats.Go(func() { l.renew(id, stop, lost) })
	release := func() error {
		l.drop(id)
		if _, err := l.side.ExecContext(context.Background(), `DELETE FROM lease WHERE owner = $1`, string(id)); err != nil {
			return fmt.Errorf("releasing lease %q: %w", id, err)
		}
		return nil
	}
	return &Lease{id: id, release: release, lost: lost}, nil
}

// drop ends the renewal of one lease of ours.
func (l *leaseRows) drop(id OwnerID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stop, held := l.mine[id]; held {
		close(stop)
		delete(l.mine, id)
	}
}

// stop ends all renewals and waits for them. The rows stay until their term is
// over, as those of a process that ends without a word.
func (l *leaseRows) stop() {
	for _, id := range l.held() {
		l.drop(OwnerID(id))
	}
	l.beats.Wait()
}

func (l *leaseRows) renew(id OwnerID, stop, lost chan struct{}) {
	tick := time.NewTicker(l.term / beatsPerTerm)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), l.term)
		// Not worth a sync: a renewal that a crash of the server loses is made up for by
		// its start.
		res, err := l.side.ExecContext(ctx, `UPDATE lease SET renewed_at = clock_timestamp() WHERE owner = $1`, string(id))
		cancel()
		if err != nil {
			l.log.Warn("lease was not renewed", "owner", string(id), "error", err)
			continue
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			select {
			case <-stop: // released at this moment
			default:
				l.log.Error("others have taken this process for dead; it writes nothing any more", "owner", string(id))
				close(lost)
			}
			return
		}
	}
}

func (l *leaseRows) alive(ctx context.Context, id OwnerID) (bool, error) {
	res, err := l.side.ExecContext(ctx, `DELETE FROM lease WHERE owner = $1 AND `+leaseDead, string(id))
	if err != nil {
		return false, fmt.Errorf("asking after lease %q: %w", id, err)
	}
	if n, err := res.RowsAffected(); err == nil && n > 0 {
		l.log.Info("owner of a lease has died", "owner", string(id))
		return false, nil
	}
	var alive bool
	if err := l.side.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM lease WHERE owner = $1)`, string(id)).Scan(&alive); err != nil {
		return false, fmt.Errorf("asking after lease %q: %w", id, err)
	}
	return alive, nil
}
