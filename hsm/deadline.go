package hsm

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// await runs fn in a goroutine of its own and waits for it until limit has
// passed or ctx ends. No PKCS#11 call can be cancelled, so on a timeout fn is
// left behind: its result goes to late when it comes, if it comes. The error
// then wraps ErrUnavailable.
func await[T any](ctx context.Context, limit time.Duration, what string, fn func() (T, error), late func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := fn()
		done <- result{v, err}
	}()
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
	go func() {
		if r := <-done; r.err == nil && late != nil {
			late(r.value)
		}
	}()
	var zero T
	return zero, fmt.Errorf("%s: %w: %w: %w", what, errOverdue, ErrUnavailable, cause)
}

// gaveUp returns the error of a caller whose ctx ended while it waited for
// something other than the token's answer. Nothing was asked of the token.
// A deadline that ran out is an outage; a cancelled context is the caller's wish.
func gaveUp(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, cause)
	}
	return fmt.Errorf("%s: %w", what, cause)
}
