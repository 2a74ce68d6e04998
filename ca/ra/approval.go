package ra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// An ApprovalState is where an approval stands. Stored as text: never rename one.
//
//	pending -> approved -> executing -> executed | failed
//	pending, approved -> rejected | expired | retracted
//	approved -> void (what would be done is not what was approved)
//	executing -> approved (it was looked for and was not done)
//
// A deed that is done in the database alone goes from approved to executed.
type ApprovalState string

// The states. From the fourth on they are final.
const (
	Pending   ApprovalState = "pending"   // votes are missing
	Approved  ApprovalState = "approved"  // may be executed
	Executing ApprovalState = "executing" // announced; it may have happened
	Executed  ApprovalState = "executed"
	Failed    ApprovalState = "failed"    // refused by who was to carry it out
	Rejected  ApprovalState = "rejected"  // one vote is enough
	Expired   ApprovalState = "expired"   // before it was executed
	Retracted ApprovalState = "retracted" // by who proposed it
	Void      ApprovalState = "void"      // the register or the configuration has changed
)

// open are the states in which an approval can still be executed.
func (s ApprovalState) open() bool { return s == Pending || s == Approved || s == Executing }

// An Approval is a deed with those who agreed to it.
type Approval struct {
	ID      int64
	Act     Act
	Subject string
	Party   PartyID // whose business it is; empty: the registration authority's
	// Bytes are exactly what is agreed to, as an approver must be shown them; Hash is
	// their SHA-256. Deed is what they say.
	Bytes []byte
	Hash  [sha256.Size]byte
	Deed  Deed

	Profile        policy.ProfileName // under which something will be issued, or empty
	ProfileVersion int
	PolicyVersion  int // of the environment
	TableVersion   int

	Needed     int // votes that must agree
	Votes      []Vote
	Barred     map[PersonID]string // who may not vote, and why
	ProposedBy OfficerID
	Proposer   PersonID

	State     ApprovalState
	Cause     string // why it ended, or why it is in doubt
	Result    string // of the execution: a serial number, or words
	CreatedAt time.Time
	ExpiresAt time.Time
	SettledAt time.Time // zero while open

	owner    store.OwnerID // who executes it
	revision int64
}

// StateAt is the state at a time: what nobody has touched since it expired is
// expired.
func (a *Approval) StateAt(now time.Time) ApprovalState {
	if (a.State == Pending || a.State == Approved) && !now.Before(a.ExpiresAt) {
		return Expired
	}
	return a.State
}

// Missing is how many votes are missing.
func (a *Approval) Missing() int {
	missing := a.Needed
	for _, v := range a.Votes {
		if v.Accept {
			missing--
		}
	}
	return max(missing, 0)
}

// name is how errors and records call it.
func (a *Approval) name() string { return fmt.Sprintf("approval %d (%s, %s)", a.ID, a.Act, a.Subject) }

// Propose writes down a deed as exact bytes, for others to agree to. Where the table
// lets the officer act alone, the approval is approved at once.
//
// A refusal, by the table or by the register, wraps [ca.ErrRefused]; an error wrapping
// [ca.ErrConflict] says that another decision on the same subject is open. After any
// other error nothing was proposed, unless it wraps [store.ErrUncertain].
func (r *Registry) Propose(ctx context.Context, by OfficerID, d Deed) (*Approval, error) {
	var a *Approval
	err := r.store.Write(ctx, func(tx store.Tx) (err error) {
		a, err = r.proposeIn(ctx, tx, by, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("proposing %q on %q: %w", d.Act(), d.Subject(), err)
	}
	return a, nil
}

func (r *Registry) proposeIn(ctx context.Context, tx store.Tx, by OfficerID, d Deed) (*Approval, error) {
	o, err := activeOfficerIn(ctx, tx, by)
	if err != nil {
		return nil, err
	}
	needed, ok := r.table.Needed(o.Role, d.Act())
	if !ok {
		return nil, refuse("rights", "%s %q may not %s", o.Role, o.ID, r.table.Acts[d.Act()].Says)
	}
	if p, ok := d.(interface{ proposedBy(Officer) Deed }); ok {
		d = p.proposedBy(o)
	}
	b, err := r.bind(ctx, tx, d)
	if err != nil {
		return nil, err
	}
	if err := r.scope(o, b.facts.party); err != nil {
		return nil, err
	}
	now := r.Now()
	if err := r.expireIn(ctx, tx, b.Subject, now); err != nil {
		return nil, err
	}
	var open int64
	err = tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) FROM ra_approval WHERE subject = $1 AND state IN ('pending', 'approved', 'executing')`, b.Subject).Scan(&open)
	if err != nil {
		return nil, err
	}
	if open != 0 {
		return nil, conflict("approval %d on the same subject is open; settle it first", open)
	}
	a := &Approval{
		Act: b.Act, Subject: b.Subject, Party: b.Party, Bytes: b.bytes, Hash: b.hash, Deed: b.deed,
		Profile: b.Profile, ProfileVersion: b.ProfileVersion, PolicyVersion: b.PolicyVersion, TableVersion: b.TableVersion,
		Needed: needed, Barred: b.facts.barred, ProposedBy: o.ID, Proposer: o.Person, State: Pending,
		CreatedAt: now, ExpiresAt: now.Add(r.table.valid(b.Act)), revision: 1,
	}
	if needed == 0 {
		a.State = Approved
	}
	if a.Barred == nil {
		a.Barred = make(map[PersonID]string)
	}
	a.Barred[o.Person] = "proposed it"
	if err := insertApproval(ctx, tx, a, b.facts.handle); err != nil {
		return nil, err
	}
	return a, r.record(ctx, tx, now, KindProposal, string(o.ID), map[string]any{
		"approval": a.ID, "act": a.Act, "subject": a.Subject, "sha256": hashText(a.Hash), "needed": a.Needed, "state": a.State,
		"expires": a.ExpiresAt, "bytes": string(a.Bytes), "barred": a.Barred,
	})
}

// Retract ends an approval that its proposer no longer wants, before it is executed.
func (r *Registry) Retract(ctx context.Context, by OfficerID, id int64, why string) (*Approval, error) {
	var a *Approval
	err := r.decide(ctx, id, func(tx store.Tx, found *Approval, now time.Time) error {
		a = found
		o, err := activeOfficerIn(ctx, tx, by)
		if err != nil {
			return err
		}
		if o.Person != a.Proposer {
			return refuse("own", "only who proposed it retracts it; reject it instead")
		}
		if a.State != Pending && a.State != Approved {
			return conflict("%s is %s", a.name(), a.State)
		}
		if err := checkText("the reason", why, maxWords, true); err != nil {
			return err
		}
		if err := r.shift(ctx, tx, now, a, Retracted, why, ""); err != nil {
			return err
		}
		return r.recordExecution(ctx, tx, now, string(o.ID), a)
	})
	if err != nil {
		return nil, fmt.Errorf("retracting approval %d: %w", id, err)
	}
	return a, nil
}

// verdict is an error that does not undo what the transaction wrote: the answer is
// no, and that it is no was written down.
type verdict struct{ error }

func (v verdict) Unwrap() error { return v.error }

// decide runs fn in a transaction on one approval, which nobody else changes
// meanwhile. One that has expired is settled as such, and fn is not asked.
func (r *Registry) decide(ctx context.Context, id int64, fn func(store.Tx, *Approval, time.Time) error) error {
	var told error
	err := r.store.Write(ctx, func(tx store.Tx) error {
		told = nil
		err := r.decideIn(ctx, tx, id, fn)
		var v verdict
		if errors.As(err, &v) {
			told = v.error
			return nil
		}
		return err
	})
	return errors.Join(err, told)
}

func (r *Registry) decideIn(ctx context.Context, tx store.Tx, id int64, fn func(store.Tx, *Approval, time.Time) error) error {
	a, err := r.hold(ctx, tx, id)
	if err != nil {
		return err
	}
	now := r.Now()
	if a.StateAt(now) == Expired && a.State != Expired {
		if err := r.expire(ctx, tx, now, a); err != nil {
			return err
		}
		return verdict{conflict("%s expired at %s; propose it again", a.name(), a.ExpiresAt.Format(time.RFC3339))}
	}
	return fn(tx, a, now)
}

// hold reads an approval after taking its row's lock, which a database that runs
// transactions side by side needs, so that votes are counted one after the other.
func (r *Registry) hold(ctx context.Context, tx store.Tx, id int64) (*Approval, error) {
	_, err := tx.Exec(ctx, `UPDATE ra_approval SET revision = revision + 1 WHERE id = $1 AND state IN ('pending', 'approved', 'executing')`, id)
	if err != nil {
		return nil, err
	}
	return approvalIn(ctx, tx, id)
}

// shift changes the state of an approval by compare and set: whoever was overtaken
// hears [ca.ErrConflict] and has changed nothing.
func (r *Registry) shift(ctx context.Context, tx store.Tx, now time.Time, a *Approval, to ApprovalState, cause, result string) error {
	var settled any
	if !to.open() {
		settled = micro(now)
	}
	owner := ""
	if to == Executing {
		owner = string(r.lease.ID())
	}
	n, err := tx.Exec(ctx, `UPDATE ra_approval SET state = $1, cause = $2, result = $3, owner = $4, settled_at = $5, revision = revision + 1
		WHERE id = $6 AND state = $7 AND revision = $8`, string(to), cause, result, owner, settled, a.ID, string(a.State), a.revision)
	if err != nil {
		return fmt.Errorf("changing %s from %s to %s: %w", a.name(), a.State, to, err)
	}
	if n != 1 {
		return conflict("%s is %s no more", a.name(), a.State)
	}
	a.State, a.Cause, a.Result, a.owner = to, cause, result, store.OwnerID(owner)
	a.revision++
	if settled != nil {
		a.SettledAt = now
	}
	return nil
}

func (r *Registry) expire(ctx context.Context, tx store.Tx, now time.Time, a *Approval) error {
	if err := r.shift(ctx, tx, now, a, Expired, "it was not executed in time", ""); err != nil {
		return err
	}
	return r.recordExecution(ctx, tx, now, "ra", a)
}

// expireIn settles what has expired on a subject, so that something new may be
// proposed on it.
func (r *Registry) expireIn(ctx context.Context, tx store.Tx, subject string, now time.Time) error {
	old, err := approvalsIn(ctx, tx, `subject = $1 AND state IN ('pending', 'approved')`, "id", subject)
	if err != nil {
		return err
	}
	for _, a := range old {
		if a.StateAt(now) == Expired {
			if err := r.expire(ctx, tx, now, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Registry) recordExecution(ctx context.Context, tx store.Tx, now time.Time, by string, a *Approval) error {
	return r.record(ctx, tx, now, KindExecution, by, map[string]any{
		"approval": a.ID, "act": a.Act, "subject": a.Subject, "sha256": hashText(a.Hash), "state": a.State, "cause": a.Cause, "result": a.Result,
	})
}

const approvalColumns = `id, act, subject, party, bytes, hash, profile, profile_version, policy_version, table_version, needed,
	state, cause, result, owner, proposed_by, proposer, revision, created_at, expires_at, COALESCE(settled_at, 0)`

func scanApproval(row interface{ Scan(...any) error }) (*Approval, error) {
	var a Approval
	var hash []byte
	var created, expires, settled int64
	err := row.Scan(&a.ID, &a.Act, &a.Subject, &a.Party, &a.Bytes, &hash, &a.Profile, &a.ProfileVersion, &a.PolicyVersion, &a.TableVersion, &a.Needed,
		&a.State, &a.Cause, &a.Result, &a.owner, &a.ProposedBy, &a.Proposer, &a.revision, &created, &expires, &settled)
	if err != nil {
		return nil, err
	}
	copy(a.Hash[:], hash)
	a.CreatedAt, a.ExpiresAt = fromMicro(created), fromMicro(expires)
	if settled != 0 {
		a.SettledAt = fromMicro(settled)
	}
	// What is shown and executed is what the bytes say; the columns only find it.
	if sha256.Sum256(a.Bytes) != a.Hash {
		return nil, fmt.Errorf("reading approval %d: its bytes do not have its hash: the database was changed; compare with the audit log", a.ID)
	}
	a.Deed, err = readDeed(a.Bytes)
	return &a, err
}

func approvalIn(ctx context.Context, tx store.Tx, id int64) (*Approval, error) {
	a, err := scanApproval(tx.QueryRow(ctx, `SELECT `+approvalColumns+` FROM ra_approval WHERE id = $1`, id))
	if err != nil {
		return nil, notFound(err, "approval %d", id)
	}
	return a, a.loadVotes(ctx, tx)
}

// approvalsIn reads approvals in an order.
func approvalsIn(ctx context.Context, tx store.Tx, where, order string, args ...any) ([]*Approval, error) {
	all, err := collect(ctx, tx, scanApproval, `SELECT `+approvalColumns+` FROM ra_approval WHERE `+where+` ORDER BY `+order, args...)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if err := a.loadVotes(ctx, tx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func insertApproval(ctx context.Context, tx store.Tx, a *Approval, handle []byte) error {
	err := tx.QueryRow(ctx, `INSERT INTO ra_approval (act, subject, party, bytes, hash, handle, profile, profile_version, policy_version, table_version,
			needed, state, proposed_by, proposer, revision, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id`,
		string(a.Act), a.Subject, string(a.Party), a.Bytes, a.Hash[:], handle, string(a.Profile), a.ProfileVersion, a.PolicyVersion, a.TableVersion,
		a.Needed, string(a.State), string(a.ProposedBy), string(a.Proposer), a.revision, micro(a.CreatedAt), micro(a.ExpiresAt)).Scan(&a.ID)
	if err != nil {
		return fmt.Errorf("recording the proposal: %w", err)
	}
	persons := make([]PersonID, 0, len(a.Barred))
	for person := range a.Barred {
		persons = append(persons, person)
	}
	slices.Sort(persons)
	for _, person := range persons {
		if _, err := tx.Exec(ctx, `INSERT INTO ra_barred (approval, person, why) VALUES ($1, $2, $3)`, a.ID, string(person), a.Barred[person]); err != nil {
			return fmt.Errorf("recording the proposal: %w", err)
		}
	}
	return nil
}

// isNo tells whether err is an answer and no outage.
func isNo(err error) bool {
	return errors.Is(err, ca.ErrRefused) || errors.Is(err, ca.ErrConflict) || errors.Is(err, ca.ErrNotFound)
}
