package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// State is where an item stands. The final ones are the words of the response
// report (AppM 2.3.1.9). Stored as text: never rename one.
type State string

// The states.
const (
	Waiting    State = "waiting"
	Success    State = "success"
	Error      State = "error"      // the request is wrong
	Anomaly    State = "anomaly"    // the request is right, and unexpected: its key has a certificate, or a device has too many
	Ineligible State = "ineligible" // whoever asks may not have it
)

// Config is what a batch is worked with.
type Config struct {
	Issuer *ca.Issuer
	// Requester is who sent the batch, as ledger and audit log will say it, with the
	// batch's own number behind it.
	Requester string
	// Progress, if not nil, hears how many items have their result, from one goroutine
	// at a time.
	Progress func(done, total int)
	// Issued, if not nil, hears of each certificate once its item says so. It is called
	// by several goroutines at once.
	Issued func(id string, der []byte) error
	// Chunk is how many items are issued together. Zero: [ca.MaxBatch], which is the
	// most.
	Chunk int
	// Lanes is how many chunks are in work at once, so that one's signatures are made
	// while another waits for the disk. Zero: two more than the cores.
	Lanes int
	// RetryRefused has items decided anew that were refused in an earlier run, after
	// whatever refused them was put right.
	RetryRefused bool
}

// A Batch is a list of items in the database, those of one input. Other processes
// may work the same items at the same time.
type Batch struct {
	cfg   Config
	store *store.Store
	lease *store.Lease
	// id and requester are those of its new items; empty while there is none.
	id, requester string

	items []entry       // in the order of the input
	place map[int64]int // index into items, by seq
	// Resumed is how many items had a result before this run.
	Resumed int

	first  []waiting // what Enrol saw waiting, for the first round of Work
	worked bool      // Work was called before

	mu    sync.Mutex
	done  int                     // guarded by mu: items with a result
	taken map[policy.Serial]int64 // guarded by mu: certificates found for items (by seq) that were begun before
}

// An entry is an item as Work needs it.
type entry struct {
	seq       int64
	id        string
	requester string // of the batch it first came in
	request   []byte
}

// Close gives up what the batch has claimed and not finished.
func (b *Batch) Close() error { return b.lease.Release() }

// Len is the number of items.
func (b *Batch) Len() int { return len(b.items) }

// Enrol writes the items into the database, except those that are there already,
// and returns the batch. They come in some thousand at a time: if it fails, some of
// the new ones may be there, waiting, and the same items given again take them over.
// The caller closes it.
func Enrol(ctx context.Context, cfg Config, items []Item) (*Batch, error) {
	if cfg.Issuer == nil || cfg.Requester == "" {
		return nil, errors.New("enrolling a batch: Issuer and Requester are needed")
	}
	if len(items) > MaxItems {
		return nil, fmt.Errorf("enrolling a batch of %d items: %d is the limit", len(items), MaxItems)
	}
	if cfg.Chunk <= 0 || cfg.Chunk > ca.MaxBatch {
		cfg.Chunk = ca.MaxBatch
	}
	if cfg.Lanes <= 0 {
		cfg.Lanes = runtime.GOMAXPROCS(0) + 2
	}
	b := &Batch{cfg: cfg, store: cfg.Issuer.Store(), taken: make(map[policy.Serial]int64)}
	sent := normalise(items)
	if err := b.enrol(ctx, sent); err != nil {
		return nil, fmt.Errorf("enrolling a batch: %w", err)
	}
	var err error
	if b.lease, err = b.store.Lease(ctx); err != nil {
		return nil, fmt.Errorf("enrolling a batch: %w", err)
	}
	return b, nil
}
