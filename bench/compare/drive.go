package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// drive has clients ask for certificates 0 to n-1, each client one at a time, and
// measures. A request that fails is counted and is no certificate.
func drive(ctx context.Context, clients, n int, ask func(ctx context.Context, client, request int) error) (result, error) {
	took := make([]time.Duration, n)
	var next, failed atomic.Int64
	var first atomic.Pointer[error]
	var wait sync.WaitGroup
	began := time.Now()
	for client := range clients {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(n) && ctx.Err() == nil; k = next.Add(1) - 1 {
				one := time.Now()
				if err := ask(ctx, client, int(k)); err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				}
				took[k] = time.Since(one)
			}
		})
	}
	wait.Wait()
	r := result{certificates: n - int(failed.Load()), took: time.Since(began), failed: int(failed.Load())}
	slices.Sort(took)
	r.p99 = took[len(took)*99/100]
	if r.certificates == 0 {
		return r, *first.Load()
	}
	return r, ctx.Err()
}
