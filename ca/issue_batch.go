package ca

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// MaxBatch is how many requests one IssueBatch takes. A thousand make the fsyncs
// free; more would only lengthen the time in which a crash leaves work undone.
const MaxBatch = 1000

// A Result is the fate of one request of a batch: a certificate in the ledger, or
// an error of the kinds that [Issuer.Issue] returns.
type Result struct {
	Certificate *Certificate
	Err         error
}

// IssueBatch issues to up to [MaxBatch] requests, in the steps of [Issuer.Issue],
// each step for all of them: proofs of possession on every core, one transaction
// for all intents, signatures on as many goroutines as the authority says, each
// verified, one transaction for all certificates. The results stand in the order
// of the requests, and one request's failure is nobody else's.
//
// When a signature fails at the token, no further one is begun: the rest of the
// batch gets an outage, its serials are unused, and it may be sent again at once.
// An error of IssueBatch itself means that nothing was signed.
func (i *Issuer) IssueBatch(ctx context.Context, requests []Request) ([]Result, error) {
	if len(requests) > MaxBatch {
		return nil, fmt.Errorf("issuing a batch of %d requests: at most %d at a time", len(requests), MaxBatch)
	}

	// 1 and 2. Examined and drawn up; needs neither lock nor token.
	drafts := make([]*draft, len(requests))
	results := make([]Result, len(requests))
	each(len(requests), runtime.GOMAXPROCS(0), func(n int) {
		d, err := i.examine(ctx, requests[n])
		if err == nil {
			err = i.draw(d)
		}
		if err != nil {
			results[n].Err = i.heard(requests[n], err)
			return
		}
		drafts[n] = d
	})
	var work []*draft
	for _, d := range drafts {
		if d != nil {
			work = append(work, d)
		}
	}
	if len(work) == 0 {
		return results, nil
	}

	// 3. All intents, one audit record a requester, one transaction.
	if err := i.commitIntents(ctx, work); err != nil {
		return nil, fmt.Errorf("issuing a batch: %w", err)
	}
	var admitted []*draft
	for _, d := range work {
		if d.err == nil {
			admitted = append(admitted, d)
		}
	}
	defer func() {
		for _, d := range admitted {
			i.Release(&d.intent)
		}
	}()

	// 4. Signed and verified, authority by authority side by side.
	i.signAll(ctx, admitted)

	// 5. All certificates, and what failed, one transaction.
	if len(admitted) > 0 {
		i.record(ctx, admitted)
	}
	for n, d := range drafts {
		switch {
		case d == nil:
		case d.err != nil:
			results[n].Err = i.heard(requests[n], d.err)
		default:
			results[n].Certificate = d.certificate
		}
	}
	return results, nil
}

// errNotBegun is what the rest of a batch gets after the token has failed.
var errNotBegun = errors.New("not begun, because the token failed for another request of the batch")

// signAll signs the drafts. Each authority has its own goroutines, as many as it
// asks for.
func (i *Issuer) signAll(ctx context.Context, drafts []*draft) {
	shares := make(map[*Authority][]*draft)
	for _, d := range drafts {
		shares[d.authority] = append(shares[d.authority], d)
	}
	var wait sync.WaitGroup
	for authority, share := range shares {
		wait.Go(func() {
			var stop atomic.Bool
			each(len(share), authority.parallel(), func(n int) {
				d := share[n]
				if stop.Load() {
					d.err = errNotBegun
					return
				}
				d.err = i.sign(ctx, d)
				if errors.Is(d.err, ErrUncertain) {
					stop.Store(true)
				}
			})
		})
	}
	wait.Wait()
}

// each calls f for 0 to n-1 from some goroutines and returns when all calls have.
func each(n, goroutines int, f func(int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, goroutines) {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				f(int(k))
			}
		})
	}
	wait.Wait()
}
