package smkiws

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// A State is where a batch stands (AppM, App. D). Stored as text and sent as it is:
// never rename one. FORMAT_ERROR and WORKFLOW_ERROR are no states of a batch but
// answers about one.
type State string

// The states.
const (
	Pending    State = "PENDING"    // uploaded, accepted, awaiting approval
	Rejected   State = "REJECTED"   // refused by the RA
	Parsing    State = "PARSING"    // approved, being parsed
	Queued     State = "QUEUED"     // parsed, waiting
	Processing State = "PROCESSING" // being processed
	Paused     State = "PAUSED"     // the processing window is closed
	Tampered   State = "TAMPERED"   // the contents changed between upload and issuing
	Completed  State = "COMPLETED"  // every request has its outcome
)

// transitions are all there are. The states are AppM's (App. D), the arrows ours (I).
var transitions = map[State][]State{
	Pending:    {Rejected, Parsing},
	Parsing:    {Tampered, Queued},
	Queued:     {Tampered, Processing},
	Processing: {Tampered, Paused, Completed},
	Paused:     {Tampered, Processing},
	Rejected:   {},
	Tampered:   {},
	Completed:  {},
}

// Final tells whether nothing follows the state.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// A Channel is the way in which a batch came. Stored as text: never rename one.
type Channel string

// The channels.
const (
	ServiceChannel Channel = "service" // the Batched Device CSR web service
	PortalChannel  Channel = "portal"  // an archive uploaded to the portal
)

// KindBatch is the kind of this package's audit records.
const KindBatch audit.Kind = "csr-batch"

// A Batch is what is known of a batch, without its items.
type Batch struct {
	ID        int64 // BatchId
	Channel   Channel
	Party     string
	Requester string
	// Name is the client's ID, or the archive's name without .zip.
	Name  string
	State State
	// Digest is the SHA-256 of the octets as they were uploaded: what an approval is
	// bound to.
	Digest      [32]byte
	Octets      int64
	Items       int
	Excess      bool // above what its Party gave notice of: queued behind all others
	SubmittedAt time.Time
	DecidedAt   time.Time // zero: not yet
	DecidedBy   string
	Reason      string
	FinishedAt  time.Time // zero: not yet

	upload string
	purged bool
	queued sql.NullInt64 // the audit record that says with what
	shards []string      // while it is parsed: the digest of each one's items
}

// ErrNotFound is wrapped by errors that say there is no such batch, or that it is
// another Party's, or that its results are gone. A Party cannot tell these apart.
var ErrNotFound = errors.New("no such batch")

// ErrConflict is wrapped by errors that say a batch is not in the state that an act
// needs: read it again.
var ErrConflict = errors.New("the batch is in another state")

const batchColumns = `id, channel, party, requester, name, state, upload, digest, octets, items, excess, submitted_at, decided_at, decided_by, reason, finished_at, purged_at, queued_record`

func scanBatch(row interface{ Scan(...any) error }) (Batch, error) {
	var b Batch
	var digest []byte
	var excess, submitted int64
	var decided, finished, purged sql.NullInt64
	err := row.Scan(&b.ID, &b.Channel, &b.Party, &b.Requester, &b.Name, &b.State, &b.upload, &digest, &b.Octets, &b.Items, &excess, &submitted,
		&decided, &b.DecidedBy, &b.Reason, &finished, &purged, &b.queued)
	if errors.Is(err, sql.ErrNoRows) {
		return b, ErrNotFound
	}
	copy(b.Digest[:], digest)
	b.Excess, b.purged = excess != 0, purged.Valid
	b.SubmittedAt, b.DecidedAt, b.FinishedAt = moment(sql.NullInt64{Int64: submitted, Valid: true}), moment(decided), moment(finished)
	return b, err
}

func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

// Batch returns one batch, whosever it is, for the RA. The error wraps ErrNotFound.
func (s *Service) Batch(ctx context.Context, id int64) (Batch, error) {
	var b Batch
	err := s.store.Read(ctx, func(tx store.Tx) (err error) {
		b, err = scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE id = $1`, id))
		return err
	})
	if err != nil {
		return b, fmt.Errorf("reading batch %d: %w", id, err)
	}
	return b, nil
}

// owned returns a batch of c's Party whose results are not gone. The error wraps
// ErrNotFound.
func (s *Service) owned(ctx context.Context, c Client, id int64) (Batch, error) {
	b, err := s.Batch(ctx, id)
	if err != nil {
		return b, err
	}
	if b.Party != c.Party || b.purged || !b.FinishedAt.IsZero() && !s.now().Before(b.FinishedAt.Add(s.limits.Retention)) {
		return Batch{}, fmt.Errorf("reading batch %d: %w", id, ErrNotFound)
	}
	return b, nil
}

// Pending returns the batches that await the RA's decision, oldest first.
func (s *Service) Pending(ctx context.Context) ([]Batch, error) {
	var out []Batch
	err := s.store.Read(ctx, func(tx store.Tx) (err error) {
		out, err = batchesIn(ctx, tx, `state = 'PENDING' ORDER BY id`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing batches: %w", err)
	}
	return out, nil
}

// batchesIn returns the batches that a condition, constant text, chooses.
func batchesIn(ctx context.Context, tx store.Tx, where string, args ...any) ([]Batch, error) {
	rows, err := tx.Query(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Batch
	for rows.Next() {
		b, err := scanBatch(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// A Decision is the RA's about a batch.
type Decision struct {
	Batch int64
	// Digest is that of the batch that was looked at. A decision about other octets
	// is refused.
	Digest [32]byte
	By     string
	Reason string // needed to reject
}

// Approve lets a batch be parsed and issued. The error wraps [ErrNotFound],
// [ErrConflict] if it was decided already, or says that the digest is another.
func (s *Service) Approve(ctx context.Context, d Decision) error {
	return s.decide(ctx, d, Parsing)
}

// Reject ends a batch. Errors are those of Approve.
func (s *Service) Reject(ctx context.Context, d Decision) error {
	return s.decide(ctx, d, Rejected)
}

func (s *Service) decide(ctx context.Context, d Decision, to State) error {
	in := s.ApproveIn
	if to == Rejected {
		in = s.RejectIn
	}
	return s.store.Write(ctx, func(tx store.Tx) error { return in(ctx, tx, d) })
}

// ApproveIn is [Service.Approve] inside a transaction of the RA's, with which it
// stands or falls.
func (s *Service) ApproveIn(ctx context.Context, tx store.Tx, d Decision) error {
	return s.decideIn(ctx, tx, d, Parsing)
}

// RejectIn is [Service.Reject] inside a transaction of the RA's.
func (s *Service) RejectIn(ctx context.Context, tx store.Tx, d Decision) error {
	if d.Reason == "" {
		return fmt.Errorf("rejecting batch %d: a reason is needed", d.Batch)
	}
	return s.decideIn(ctx, tx, d, Rejected)
}

func (s *Service) decideIn(ctx context.Context, tx store.Tx, d Decision, to State) error {
	verb := map[State]string{Parsing: "approving", Rejected: "rejecting"}[to]
	if d.By == "" {
		return fmt.Errorf("%s batch %d: a name is needed", verb, d.Batch)
	}
	b, err := scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE id = $1`, d.Batch))
	if err != nil {
		return fmt.Errorf("%s batch %d: %w", verb, d.Batch, err)
	}
	if b.Digest != d.Digest {
		return fmt.Errorf("%s batch %d: the decision is about octets with SHA-256 %x, and the batch has %x", verb, d.Batch, d.Digest, b.Digest)
	}
	if err := s.moveIn(ctx, tx, &b, to, d.By, d.Reason); err != nil {
		return fmt.Errorf("%s batch %d: %w", verb, d.Batch, err)
	}
	return nil
}

// moveIn moves a batch to another state in tx, with its audit record. The error wraps
// ErrConflict if it is not, or not any more, in a state from which that is possible.
func (s *Service) moveIn(ctx context.Context, tx store.Tx, b *Batch, to State, by, why string) error {
	if !slices.Contains(transitions[b.State], to) {
		return fmt.Errorf("%w: from %s there is no way to %s", ErrConflict, b.State, to)
	}
	now := s.now()
	var n int64
	var err error
	switch {
	case to == Rejected:
		n, err = tx.Exec(ctx, `UPDATE smkiws_batch SET state = $1, owner = '', decided_at = $2, decided_by = $3, reason = $4, finished_at = $5 WHERE id = $6 AND state = $7`,
			string(to), now.UnixMicro(), by, why, now.UnixMicro(), b.ID, string(b.State))
	case b.State == Pending:
		n, err = tx.Exec(ctx, `UPDATE smkiws_batch SET state = $1, owner = '', decided_at = $2, decided_by = $3, reason = $4 WHERE id = $5 AND state = $6`,
			string(to), now.UnixMicro(), by, why, b.ID, string(b.State))
	case to.Final():
		n, err = tx.Exec(ctx, `UPDATE smkiws_batch SET state = $1, owner = '', finished_at = $2 WHERE id = $3 AND state = $4`,
			string(to), now.UnixMicro(), b.ID, string(b.State))
	default:
		n, err = tx.Exec(ctx, `UPDATE smkiws_batch SET state = $1, owner = '' WHERE id = $2 AND state = $3`, string(to), b.ID, string(b.State))
	}
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: it is not %s any more", ErrConflict, b.State)
	}
	body := map[string]any{"batch": b.ID, "party": b.Party, "from": b.State, "to": to, "sha256": hex.EncodeToString(b.Digest[:])}
	if to == Queued {
		body["requester"], body["shards"] = b.Requester, b.shards
	}
	if why != "" {
		body["reason"] = why
	}
	b.State = to
	if to == Parsing {
		if err := s.wakeIn(ctx, tx, task{batch: b.ID}); err != nil {
			return err
		}
	}
	record, err := audit.Append(ctx, tx, audit.Event{Kind: KindBatch, At: now, By: by, Body: body})
	if err != nil || to != Queued {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE smkiws_batch SET queued_record = $1 WHERE id = $2`, record.Seq, b.ID)
	return err
}
