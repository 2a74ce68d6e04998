package hsm

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"
)

// A session is a PKCS#11 session and the goroutine that makes its calls.
//
// A session belongs to whoever took it from the Pool, who has one operation at a
// time performed. An operation that outlives its deadline is left to the
// goroutine, and the session with it: when the call returns at last, the
// session is closed, and never used again.
type session struct {
	login *login
	jobs  chan func()
	gone  chan struct{} // closed when the goroutine has ended
	era   uint64        // the Pool's, when the session was made; guarded by its mu

	// The fields below belong to the goroutine.
	handle     pkcs11.SessionHandle
	opened     bool
	generation uint64             // the login's, when the session was opened
	objects    map[string]*object // private and secret keys by CKA_ID, found in this session
	held       bool               // this goroutine has the guard of the module
}

// An object is a key as one session sees it.
type object struct {
	handle pkcs11.ObjectHandle
	copied bool // a session object, made by C_CopyObject
	proven bool // a signature of the copy was verified
}

func newSession(l *login) *session {
	s := &session{login: l, jobs: make(chan func(), 1), gone: make(chan struct{}), objects: map[string]*object{}}
	go s.work()
	return s
}

func (s *session) work() {
	defer close(s.gone)
	for job := range s.jobs {
		job()
	}
	if !s.opened {
		return
	}
	s.login.module.gate.enter()
	defer s.login.module.gate.leave()
	if s.generation == s.login.generation.Load() {
		s.driver().CloseSession(s.handle) // an error says that it is closed
	}
}

// retire lets the goroutine close the session once it is done. It does not wait.
func (s *session) retire() { close(s.jobs) }

// driver returns the module's calls, for the goroutine.
func (s *session) driver() driver { return s.login.module.d }

// open opens the session on the token.
func (s *session) open(ctx context.Context, limit time.Duration) error {
	_, err := hand(ctx, s, limit, func() (struct{}, error) {
		if s.login.over() {
			return struct{}{}, errClosed
		}
		s.generation = s.login.generation.Load()
		handle, err := s.driver().OpenSession(s.login.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		s.handle, s.opened = handle, err == nil
		return struct{}{}, called("C_OpenSession", err)
	})
	return err
}

// perform runs one operation in the session. On an error that wraps errOverdue
// the session has retired itself.
func perform[T any](ctx context.Context, s *session, limit time.Duration, fn func(*session) (T, error)) (T, error) {
	return hand(ctx, s, limit, func() (T, error) {
		if s.generation != s.login.generation.Load() {
			var zero T
			return zero, errStale
		}
		return fn(s)
	})
}

// hand gives fn to the session's goroutine, inside the gate, and waits for the
// result. fn returns its result rather than set a variable, since on a timeout the
// caller is gone when fn ends.
func hand[T any](ctx context.Context, s *session, limit time.Duration, fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	if ctx.Err() != nil {
		return zero, gaveUp(ctx, "asking the token")
	}
	done := make(chan result, 1)
	s.jobs <- func() {
		s.login.module.gate.enter()
		defer s.login.module.gate.leave()
		v, err := fn()
		done <- result{v, err}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var cause error
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		cause = fmt.Errorf("no answer within %v", limit)
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	s.retire()
	return zero, fmt.Errorf("%w: %w: %w", errOverdue, ErrUnavailable, cause)
}
