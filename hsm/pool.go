package hsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

// A Pool lends PKCS#11 sessions, each to one caller at a time.
//
// A session must not be used by two threads, and crypto.Signer gives its callers
// no way to know that; the Pool is where the two rules meet. It opens sessions as
// they are needed, at most as many as it was made for, and a caller who finds
// none free waits as long as its context allows. A session in which an operation
// failed because the session, the login or the token is gone does not come back:
// a single dead handle left in the Pool would fail one signature in N for as long as the
// process lives.
//
// The session that keeps the token logged in is none of the Pool's; see login.
//
// All methods may be called concurrently.
type Pool struct {
	login   *login
	limit   time.Duration
	permits chan struct{} // one for each session that may exist besides those that hang
	closed  chan struct{}
	hanging atomic.Int64 // sessions whose call outlived its deadline

	mu   sync.Mutex
	shut bool              // guarded by mu; set by close
	era  uint64            // guarded by mu; raised by flush
	idle []*session        // guarded by mu; the last used at the end, to be taken first
	all  map[*session]bool // guarded by mu; idle and on loan
}

// hangingPerSession bounds how many threads a token that never answers may hold
// captive, as a multiple of the Pool's size. Beyond, operations fail at once.
const hangingPerSession = 2

func newPool(l *login, size int, limit time.Duration) *Pool {
	p := &Pool{login: l, limit: limit, permits: make(chan struct{}, size), closed: make(chan struct{}), all: map[*session]bool{}}
	for range size {
		p.permits <- struct{}{}
	}
	return p
}

// take returns a session, opened and of the present generation, for the caller
// alone. It needs a put or a drop.
func (p *Pool) take(ctx context.Context) (*session, error) {
	for {
		if n := p.hanging.Load(); n >= int64(hangingPerSession*cap(p.permits)) {
			return nil, fmt.Errorf("taking a session: %w: %d calls hang in the token", ErrUnavailable, n)
		}
		select {
		case <-p.closed:
			return nil, errClosed
		default:
		}
		select {
		case <-p.permits:
		case <-p.closed:
			return nil, errClosed
		case <-ctx.Done():
			return nil, gaveUp(ctx, "waiting for a free session")
		}
		if s := p.pop(); s != nil {
			return s, nil
		}
		s := p.fresh()
		if s == nil {
			p.permits <- struct{}{}
			return nil, errClosed
		}
		err := s.open(ctx, p.limit)
		if err == nil {
			return s, nil
		}
		if p.discard(s, err); p.tooMany(err) {
			continue // without giving the permit back: the token has fewer sessions than we asked for
		}
		p.permits <- struct{}{}
		return nil, fmt.Errorf("opening a session: %w", err)
	}
}

var errClosed = fmt.Errorf("%w: it was closed", ErrUnavailable)

// pop returns an idle session of the present generation and retires the others it meets.
func (p *Pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if s.generation == p.login.generation.Load() {
			return s
		}
		delete(p.all, s)
		s.retire()
	}
	return nil
}

// fresh returns a session that is yet to be opened, or nil if the Pool is closed.
func (p *Pool) fresh() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil
	}
	s := newSession(p.login)
	p.all[s], s.era = true, p.era
	return s
}

// put gives a session back whole.
func (p *Pool) put(s *session) {
	p.mu.Lock()
	if p.shut || s.era != p.era {
		delete(p.all, s)
		s.retire()
	} else {
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	p.permits <- struct{}{}
}

// drop gives a session back that is not to be used again, because of err.
func (p *Pool) drop(s *session, err error) {
	p.discard(s, err)
	p.permits <- struct{}{}
}

// discard lets go of a session and keeps its permit.
func (p *Pool) discard(s *session, err error) {
	p.mu.Lock()
	delete(p.all, s)
	p.mu.Unlock()
	if faultOf(err) != faultDeadline {
		s.retire()
		return
	}
	p.hanging.Add(1)
	go func() {
		<-s.gone
		p.hanging.Add(-1)
	}()
}

// flush retires the idle sessions, and those on loan when they come back, so that
// the next take opens a new one and no copy of a key lives on.
func (p *Pool) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.era++
	for _, s := range p.idle {
		delete(p.all, s)
		s.retire()
	}
	p.idle = nil
}

// tooMany reports whether err says that the token has no session left, while
// this Pool has some that the caller may wait for.
func (p *Pool) tooMany(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Is(err, pkcs11.Error(pkcs11.CKR_SESSION_COUNT)) && len(p.all) > 0
}

// close retires every session and waits for those on loan, and for the idle ones to
// be closed, no longer than the Pool's limit. Sessions that hang are not waited for.
func (p *Pool) close() error {
	close(p.closed)
	timer := time.NewTimer(p.limit)
	defer timer.Stop()
	p.mu.Lock()
	p.shut = true
	sessions := make([]*session, 0, len(p.all))
	for s := range p.all {
		sessions = append(sessions, s)
	}
	p.mu.Unlock()
	p.flush()
	for _, s := range sessions {
		select {
		case <-s.gone:
		case <-timer.C:
			return fmt.Errorf("closing the sessions: %w: some are still in use after %v", ErrUnavailable, p.limit)
		}
	}
	return nil
}
