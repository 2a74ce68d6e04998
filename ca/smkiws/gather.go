package smkiws

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"smki.example/ca"
)

const (
	// flights is how many gathered batches are on their way at once: while one waits for
	// the disk the token signs for another, and a third is being examined.
	flights = 3

	// flightTime bounds one of them. A token that has not answered by then will hardly.
	flightTime = 30 * time.Second
)

// A gatherer issues single requests together. Who comes while nothing is on its way goes
// at once; who comes while everything is busy waits for the next to leave, with all who
// wait by then. They share two transactions and two records of the audit log, which is
// most of what a certificate costs beside its signature.
//
// What one request hears is its own: a neighbour's refusal does not touch it. What it
// shares is a failure of the token, after which nothing more is begun for this flight,
// and one of the database.
type gatherer struct {
	issue func(ctx context.Context, requests []ca.Request) ([]ca.Result, error)

	mu      sync.Mutex
	flying  int
	waiting []*passenger
}

type passenger struct {
	ctx     context.Context
	request ca.Request
	lead    chan struct{} // gets one when this passenger is to lead the next flight
	landed  chan struct{}
	result  ca.Result
	whole   bool // the error is of the whole call: nothing was signed
}

// one issues one request. An error with whole set is of the whole call, as IssueBatch
// returns it. Who leaves before his request has left with a flight is not served; later
// he is, whether he waits or not.
func (g *gatherer) one(ctx context.Context, request ca.Request) (result ca.Result, whole bool) {
	p := &passenger{ctx: ctx, request: request, lead: make(chan struct{}, 1), landed: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	if g.flying < flights {
		g.flying++
		p.lead <- struct{}{}
	}
	g.mu.Unlock()
	for {
		select {
		case <-p.landed:
			// He may have been told to lead after another had taken him along.
			select {
			case <-p.lead:
				g.fly()
			default:
			}
			return p.result, p.whole
		case <-p.lead:
			g.fly()
		}
	}
}

// fly takes along who waits, and hands over to the next.
func (g *gatherer) fly() {
	g.mu.Lock()
	aboard := g.waiting[:min(len(g.waiting), shardSize)]
	g.waiting = slices.Clone(g.waiting[len(aboard):])
	g.mu.Unlock()
	g.serve(aboard)
	g.mu.Lock()
	if len(g.waiting) > 0 {
		select {
		case g.waiting[0].lead <- struct{}{}:
		default: // he is told already, and takes all along
			g.flying--
		}
	} else {
		g.flying--
	}
	g.mu.Unlock()
	for _, p := range aboard {
		close(p.landed)
	}
}

func (g *gatherer) serve(aboard []*passenger) {
	var there []*passenger
	var requests []ca.Request
	for _, p := range aboard {
		if err := p.ctx.Err(); err != nil {
			p.result.Err, p.whole = fmt.Errorf("waiting to be issued: %w", context.Cause(p.ctx)), true
			continue
		}
		there, requests = append(there, p), append(requests, p.request)
	}
	if len(there) == 0 {
		return
	}
	// It ends with nobody's patience: the others wait for it too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(there[0].ctx), flightTime)
	defer cancel()
	results, err := g.issue(ctx, requests)
	for n, p := range there {
		if p.result.Err, p.whole = err, err != nil; err == nil {
			p.result = results[n]
		}
	}
}
