package hsm

import (
	"context"
	"fmt"
	"sync"
)

// A gate lets any number of calls into a module, or one owner who is alone in it.
//
// C_Finalize and C_CloseAllSessions free what other threads are working with;
// in SoftHSM that ends the process. So every call enters first, and whoever
// wants to reset the module waits until all have left. Unlike a sync.RWMutex, the
// wait for exclusiveness can be given up, because a call that hangs never leaves.
type gate struct {
	mu     sync.Mutex
	active int           // calls inside
	closed bool          // an owner is inside or waits to be
	opened chan struct{} // closed when the owner leaves
	empty  chan struct{} // closed when active falls to zero while an owner waits
}

// enter waits for an owner to leave and goes in.
func (g *gate) enter() {
	g.mu.Lock()
	for g.closed {
		opened := g.opened
		g.mu.Unlock()
		<-opened
		g.mu.Lock()
	}
	g.active++
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	if g.closed && g.active == 0 {
		close(g.empty)
	}
}

// acquire waits to be alone, at most until ctx ends. On an error the gate is as
// open as before.
func (g *gate) acquire(ctx context.Context) error {
	g.mu.Lock()
	for g.closed {
		opened := g.opened
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return fmt.Errorf("waiting for another reset of the module: %w", context.Cause(ctx))
		}
		g.mu.Lock()
	}
	g.closed, g.opened, g.empty = true, make(chan struct{}), make(chan struct{})
	if g.active == 0 {
		g.mu.Unlock()
		return nil
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		g.release()
		return fmt.Errorf("waiting for %w to end", errHanging)
	}
}

// release ends exclusiveness.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	close(g.opened)
}
