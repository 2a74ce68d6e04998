package ca

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A gathering is where single issuances meet: those who come while a transaction is
// being written share the next one. One of them leads it for all, with one look-up,
// one insertion and one audit record a requester, as a batch does; who comes to an
// empty gathering does not wait.
type gathering struct {
	// write writes one transaction and leaves each draft's fate in its err.
	write func(ctx context.Context, drafts []*draft)

	mu      sync.Mutex
	busy    bool     // guarded by mu: somebody leads, or was asked to
	waiting []*guest // guarded by mu
}

// A guest waits to be told that it was seen to, or that it is to lead.
type guest struct {
	draft *draft
	done  chan struct{}
	lead  chan struct{}
}

// errLeaderGone is what guests hear whose leader panicked.
var errLeaderGone = errors.New("internal error in another request of the same transaction")

// join returns when the draft's transaction is written. An error means that ctx ended
// before it was begun, and that the draft is in none.
func (g *gathering) join(ctx context.Context, d *draft) error {
	me := &guest{d, make(chan struct{}), make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, me)
	first := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !first {
		select {
		case <-me.done:
			return nil
		case <-me.lead:
		case <-ctx.Done():
			if g.leave(me) {
				return fmt.Errorf("waiting to write: %w", context.Cause(ctx))
			}
			select {
			case <-me.done:
				return nil
			case <-me.lead: // who was asked to lead does, for the others' sake
			}
		}
	}
	g.leadOn(ctx)
	return nil
}

// leave takes a guest out who is in no transaction and was not asked to lead.
func (g *gathering) leave(me *guest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-me.lead:
		return false
	default:
	}
	before := len(g.waiting)
	g.waiting = slices.DeleteFunc(g.waiting, func(other *guest) bool { return other == me })
	return len(g.waiting) < before
}

// leadOn writes the transaction of all who wait, the leader among them, and asks the
// first of those who came meanwhile to lead the next.
func (g *gathering) leadOn(ctx context.Context) {
	g.mu.Lock()
	n := min(len(g.waiting), MaxBatch)
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()

	drafts := make([]*draft, n)
	for k, member := range group {
		drafts[k] = member.draft
	}
	whole := false
	defer func() {
		for k, member := range group {
			if !whole && drafts[k].err == nil {
				drafts[k].err = errLeaderGone
			}
			close(member.done)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.busy = len(g.waiting) > 0; g.busy {
			close(g.waiting[0].lead)
		}
	}()
	// A leader who loses patience must not take the others along.
	g.write(context.WithoutCancel(ctx), drafts)
	whole = true
}

// commitTogether is commitIntents for single issuances, which share a transaction and
// no fate: where it fails because of what one of them wrote, each gets one of its own.
func (i *Issuer) commitTogether(ctx context.Context, drafts []*draft) {
	commit := func(ctx context.Context, drafts []*draft) error {
		err := i.commitIntents(ctx, drafts)
		for _, d := range drafts {
			if err != nil && d.err == nil {
				d.err = err
			}
		}
		return err
	}
	if err := commit(ctx, drafts); err == nil || !apart(drafts, err) {
		return
	}
	each(len(drafts), len(drafts), func(n int) {
		drafts[n].err = nil
		_ = commit(ctx, drafts[n:n+1]) // it is in the draft's err
	})
}

// recordTogether is record for single issuances, likewise.
func (i *Issuer) recordTogether(ctx context.Context, drafts []*draft) {
	err := i.tryRecord(ctx, drafts)
	switch {
	case err == nil:
	case apart(drafts, err):
		each(len(drafts), len(drafts), func(n int) { i.record(ctx, drafts[n:n+1]) })
	default:
		i.notRecorded(ctx, drafts, err)
	}
}

// apart tells whether it is worth a second try, one by one, and certain that the
// first has left nothing behind.
func apart(drafts []*draft, err error) bool {
	var undone undoneError
	return len(drafts) > 1 && errors.As(err, &undone)
}
