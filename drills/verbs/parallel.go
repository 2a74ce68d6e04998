package verbs

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// inParallel calls do for 0 to n-1 on all cores, twice as many at once as there
// are, because a goroutine that waits for a token does not work. Whatever has an
// order is put in order afterwards, by index.
func inParallel(n int, do func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(2*runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	workers.Wait()
}
