package engine

import (
	"context"
	"sync"
	"time"

	"smki.example/drills/journal"
)

// Control holds a run from outside, as a facilitator does. The zero value is
// ready. Methods may be called concurrently, at any time.
type Control struct {
	mu      sync.Mutex
	resumed chan struct{} // nil: the run goes on; else closed by Resume
	why     string
	by      string
}

// Pause holds the run before its next step. The record says when and why; a
// second Pause changes nothing.
func (c *Control) Pause(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed == nil {
		c.resumed, c.why = make(chan struct{}), why
	}
}

// Resume lets a run go on that was paused; else it does nothing.
func (c *Control) Resume(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed != nil {
		c.by = why
		close(c.resumed)
		c.resumed = nil
	}
}

// paused returns a channel that closes on Resume, or nil.
func (c *Control) paused() (<-chan struct{}, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resumed, c.why
}

func (c *Control) resumedBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by
}

// hold stops here while the run is paused, and when ctx is done.
func (r *run) hold(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		p, recorded := r.Recording.pauseAt(r.Journal.Head().N + 1)
		if !recorded {
			break
		}
		if err := r.tell(ctx, journal.KindPause, p); err != nil {
			return err
		}
	}
	resumed, why := r.Control.paused()
	if resumed == nil {
		return nil
	}
	if err := r.tell(ctx, journal.KindPause, journal.Pause{Phase: "pause", Why: why}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-resumed:
	}
	return r.tell(ctx, journal.KindPause, journal.Pause{Phase: "resume", Why: r.Control.resumedBy()})
}

// slice is how long a paced run waits before it looks whether it is paused.
const slice = time.Second

// pace waits until d of scenario time has passed on the wall.
func (r *run) pace(ctx context.Context, d time.Duration) error {
	if r.Speed == 0 {
		return nil
	}
	for left := time.Duration(float64(d) / r.Speed); left > 0; left -= slice {
		if err := r.Sleep(ctx, min(left, slice)); err != nil {
			return err
		}
		if err := r.hold(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sleep is the real wait.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
