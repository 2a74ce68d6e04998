package hsm

import (
	"context"
	"fmt"
)

// attempts is how often an operation is tried whose session or token fails: once
// with the session at hand, once after a recovery, and once more for the caller
// who was unlucky twice.
const attempts = 3

// repeat says when an operation may be tried again.
type repeat uint8

const (
	// repeatAlways is for operations that change nothing and leave nothing: a look-up, a
	// derivation.
	repeatAlways repeat = iota + 1
	// repeatUntouched is for operations that make or destroy objects, and for signatures,
	// of which a second one would be another: they are tried again only if it is certain that the
	// token did nothing.
	repeatUntouched
)

// operate performs fn in a session of the token, and again in another if the
// session or the login had died. fn runs in the session's goroutine and must not
// touch what the caller can touch, except its arguments.
func operate[T any](ctx context.Context, t *Token, again repeat, fn func(*session) (T, error)) (T, error) {
	var zero T
	for try := 1; ; try++ {
		if err := t.login.poisoned(); err != nil {
			return zero, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		seen := t.login.generation.Load()
		s, err := t.pool.take(ctx)
		if err == nil {
			seen = s.generation
			var v T
			if v, err = perform(ctx, s, t.timeout, fn); err == nil {
				t.pool.put(s)
				return v, nil
			}
			if faultOf(err) == faultNone {
				t.pool.put(s)
				return zero, err
			}
			t.pool.drop(s, err)
		}
		switch f := faultOf(err); {
		case f == faultNone, f == faultDeadline:
			return zero, err
		case try == attempts, f == faultToken && again == repeatUntouched:
			return zero, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		t.pool.flush()
		if lost := t.login.recover(ctx, seen); lost != nil {
			return zero, fmt.Errorf("%w: %w (after %w)", ErrUnavailable, lost, err)
		}
	}
}
