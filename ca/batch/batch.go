package batch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

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
	// Progress, if not nil, hears how many items have their result. It is called from
	// the goroutine that works.
	Progress func(done, total int)
	// Issued, if not nil, hears of each certificate once its item says so, from the
	// goroutine that works.
	Issued func(id string, der []byte) error
	// Chunk is how many items are issued together. Zero: [ca.MaxBatch], which is the
	// most.
	Chunk int
	// RetryRefused has items decided anew that were refused in an earlier run, after
	// whatever refused them was put right.
	RetryRefused bool
}

// A Batch is a list of items in the database, those of one input. It is worked by
// one goroutine; other processes may work the same items at the same time.
type Batch struct {
	cfg   Config
	store *store.Store
	lease *store.Lease
	seqs  []int64       // of the items, in the order of the input
	place map[int64]int // index into seqs
	// Resumed is how many items had a result before this run.
	Resumed int
}

// Enrol writes the items into the database, except those that are there already,
// and returns the batch. Either all of them are there when it returns, or none of
// the new ones. The caller closes it.
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
	b := &Batch{cfg: cfg, store: cfg.Issuer.Store(), place: make(map[int64]int, len(items))}
	if err := b.store.Write(ctx, func(tx store.Tx) error { return b.enrol(ctx, tx, items) }); err != nil {
		return nil, fmt.Errorf("enrolling a batch: %w", err)
	}
	var err error
	if b.lease, err = b.store.Lease(ctx); err != nil {
		return nil, fmt.Errorf("enrolling a batch: %w", err)
	}
	return b, nil
}

// Close gives up what the batch has claimed and not finished.
func (b *Batch) Close() error { return b.lease.Release() }

// Len is the number of items.
func (b *Batch) Len() int { return len(b.seqs) }

func (b *Batch) enrol(ctx context.Context, tx store.Tx, items []Item) error {
	b.seqs, b.Resumed = b.seqs[:0], 0
	clear(b.place)
	batch := ""
	for n, item := range items {
		request, digest := normal(item.Request)
		var seq int64
		var state string
		err := tx.QueryRow(ctx, `SELECT seq, state FROM batch_item WHERE id = $1 AND digest = $2`, item.ID, digest[:]).Scan(&seq, &state)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			if batch == "" {
				if batch, err = b.begin(ctx, tx); err != nil {
					return err
				}
			}
			err = tx.QueryRow(ctx, `INSERT INTO batch_item (batch, id, digest, request, state) VALUES ($1, $2, $3, $4, 'waiting') RETURNING seq`,
				batch, item.ID, digest[:], request).Scan(&seq)
		case err == nil && b.cfg.RetryRefused && State(state) != Waiting && State(state) != Success:
			_, err = tx.Exec(ctx, `UPDATE batch_item SET state = 'waiting', owner = '', error_code = '', detail = '', settled_at = NULL WHERE seq = $1`, seq)
		case err == nil && State(state) != Waiting:
			b.Resumed++
		}
		if err != nil {
			return fmt.Errorf("item %q: %w", item.ID, err)
		}
		b.place[seq] = n
		b.seqs = append(b.seqs, seq)
	}
	return nil
}

// begin writes the row of a batch. Its number is drawn at random, because it is in
// the requester of every certificate and must not be met by chance.
func (b *Batch) begin(ctx context.Context, tx store.Tx) (string, error) {
	var random [8]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	_, err := tx.Exec(ctx, `INSERT INTO batch (id, requester, created_at) VALUES ($1, $2, $3)`,
		id, b.cfg.Requester+", batch "+id, b.cfg.Issuer.Now().UnixMicro())
	return id, err
}

// normal is a request as it is kept, and its identity: the DER, so that PEM and
// base64 of one request are one item; or what was sent, if it is neither.
func normal(sent []byte) ([]byte, [32]byte) {
	der, err := policy.DecodePEMOrBase64(sent, "request")
	if err != nil {
		der = sent
	}
	return der, sha256.Sum256(der)
}
