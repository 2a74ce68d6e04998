package ca

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// IntentKind says what the bytes of an intent are.
type IntentKind string

// The two things a CA key signs. Stored as text: never rename one.
const (
	CertificateIntent IntentKind = "certificate"
	CRLIntent         IntentKind = "crl"
)

// IntentState is the fate of an intent. Every intent starts open and changes
// once. Stored as text: never rename one.
type IntentState string

// The states.
const (
	// StateOpen: its owner, if alive, is at work on it.
	StateOpen IntentState = "open"
	// StateRecorded: what was signed is in the ledger, or is a published CRL.
	StateRecorded IntentState = "recorded"
	// StateWrittenOff: a signature may exist that nobody was given. The serial
	// stands on the CRL of a side that has one; the number of a CRL is burned.
	StateWrittenOff IntentState = "written-off"
	// StateUnused: the key was never asked, which the process that gave up knew for
	// certain. Nothing to revoke.
	StateUnused IntentState = "unused"
)

// An Intent is what a CA key was ever to sign, written down before it was asked.
type Intent struct {
	ID             int64
	handle         handle
	Kind           IntentKind
	Issuer         string        // authority and generation: "issuing-oca-1"
	Serial         policy.Serial // certificates
	Number         int64         // CRLs
	Profile        string        // certificates: profile name; CRLs: "crl"
	ProfileVersion int
	Entity         *policy.EntityID
	Key            KeyHash // certificates: the subject's key
	TBS            []byte  // the exact bytes
	// Stored is what stands in the database for TBS, where that was stored in pieces
	// ([store.StoreJoined]). Nil: TBS itself.
	Stored []byte
	// Assemble joins a signature to TBS, which stands in the caller's memory for it, in
	// the place of [policy.Assemble]. Nil but for long lists.
	Assemble  func(signature []byte) ([]byte, error)
	digest    *[sha256.Size]byte // of TBS, once it was asked for
	Owner     store.OwnerID
	State     IntentState
	Cause     string // why it was not recorded
	CreatedAt time.Time
	SettledAt time.Time // zero while open
}

// A handle tells an intent from every other, also from one that is not there. The
// ID cannot: an intent whose transaction was rolled back gave its ID, and the
// number of its CRL, back to the next one, so that who settles by ID may settle a
// neighbour's.
type handle [16]byte

// intentItem is an intent, or what became of it, as the audit log has it. Package
// auditor compares it with the ledger; a field that is not here is one that could be
// changed there unseen.
type intentItem struct {
	ID        int64       `json:"id"`
	Issuer    string      `json:"issuer"`
	Serial    string      `json:"serial,omitempty"`
	Number    int64       `json:"number,omitempty"`
	Profile   string      `json:"profile"`
	TBS       string      `json:"tbs_sha256,omitempty"`
	DER       string      `json:"sha256,omitempty"`    // of the recorded certificate
	State     IntentState `json:"state,omitempty"`     // of one that was given up
	SettledAt time.Time   `json:"settled_at,omitzero"` // of one that was given up: a list shows it
	Cause     string      `json:"cause,omitempty"`
}

func (in *Intent) item() intentItem {
	it := intentItem{ID: in.ID, Issuer: in.Issuer, Number: in.Number, Profile: fmt.Sprintf("%s/%d", in.Profile, in.ProfileVersion)}
	if in.Kind == CertificateIntent {
		it.Serial = in.Serial.String()
	}
	if in.TBS != nil {
		digest := in.Digest()
		it.TBS = hex.EncodeToString(digest[:])
	}
	return it
}

// Digest is the SHA-256 of TBS, which is not changed any more. It is computed once.
// Not for several goroutines at once.
func (in *Intent) Digest() [sha256.Size]byte {
	if in.digest == nil {
		digest := sha256.Sum256(in.TBS)
		in.digest = &digest
	}
	return *in.digest
}

// certified is a recorded certificate's item.
func (in *Intent) certified(der []byte) intentItem {
	it := in.item()
	it.TBS, it.DER = "", digestOf(der)
	return it
}

// givenUp is the item of an intent that was settled as written off or unused.
func (in *Intent) givenUp(to IntentState, cause string) intentItem {
	it := in.item()
	it.TBS, it.State, it.SettledAt, it.Cause = "", to, in.SettledAt, cause
	return it
}

func digestOf(b []byte) string {
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}

// AddIntent writes an intent in tx, as one of this Issuer's open ones, and sets
// its ID, owner, state and time. It is the ground of every signature, here and
// in package revocation: the caller appends the audit record in the same
// transaction ([Issuer.AuditIntents]), asks the key only after the transaction was
// committed, and calls [Issuer.Release] when the intent is settled or lost sight
// of.
func (i *Issuer) AddIntent(ctx context.Context, tx store.Tx, in *Intent) error {
	return i.AddIntents(ctx, tx, []*Intent{in})
}

// AddIntents is [Issuer.AddIntent] for many.
func (i *Issuer) AddIntents(ctx context.Context, tx store.Tx, ins []*Intent) error {
	now := i.Now()
	// Known as in flight before anybody can see the rows, so that a Reconcile of
	// this Issuer does not take them for forgotten.
	i.mu.Lock()
	for _, in := range ins {
		in.Owner, in.State, in.CreatedAt = i.lease.ID(), StateOpen, now
		rand.Read(in.handle[:])
		i.inFlight[in.handle] = true
	}
	i.mu.Unlock()
	if err := insertIntents(ctx, tx, ins); err != nil {
		i.Release(ins...)
		return err
	}
	return nil
}

// Release says that no goroutine of this Issuer works on the intents any more. If
// one of them is still open, the next Reconcile writes it off.
func (i *Issuer) Release(ins ...*Intent) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, in := range ins {
		delete(i.inFlight, in.handle)
	}
}

func (i *Issuer) worksOn(in *Intent) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.inFlight[in.handle]
}

// AuditIntents appends the audit record of intents that were added in tx, by one
// call, whose time it carries.
func (i *Issuer) AuditIntents(ctx context.Context, tx store.Tx, by string, ins ...*Intent) error {
	if len(ins) == 0 {
		return nil
	}
	items := make([]intentItem, len(ins))
	for n, in := range ins {
		items[n] = in.item()
	}
	_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindIntent, At: ins[0].CreatedAt, By: by, Body: struct {
		Owner   store.OwnerID `json:"owner"`
		Intents []intentItem  `json:"intents"`
	}{i.lease.ID(), items}})
	return err
}

// insertIntents writes the rows and sets their IDs.
func insertIntents(ctx context.Context, tx store.Tx, ins []*Intent) error {
	if len(ins) == 1 {
		return insertIntent(ctx, tx, ins[0])
	}
	r := store.Rows{Table: "intent", Key: "id", Columns: []string{"handle", "kind", "issuer", "serial", "number", "profile", "profile_version",
		"entity", "spki", "tbs", "owner", "state", "cause", "created_at", "settled_at"}}
	for _, in := range ins {
		r.Values = append(r.Values, in.row())
	}
	ids, err := tx.Insert(ctx, r)
	if err != nil {
		return fmt.Errorf("writing intents: %w", err)
	}
	for n, in := range ins {
		in.ID = ids[n]
	}
	return nil
}

func insertIntent(ctx context.Context, tx store.Tx, in *Intent) error {
	err := tx.QueryRow(ctx, `INSERT INTO intent
		(handle, kind, issuer, serial, number, profile, profile_version, entity, spki, tbs, owner, state, cause, created_at, settled_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id`, in.row()...).Scan(&in.ID)
	if err != nil {
		return fmt.Errorf("writing intent: %w", err)
	}
	return nil
}

// row is the intent's columns, without its ID.
func (in *Intent) row() []any {
	var serial, number, entity, key, settled any
	if in.Kind == CertificateIntent {
		serial, key = in.Serial[:], in.Key[:]
	} else {
		number = in.Number
	}
	if in.Entity != nil {
		entity = in.Entity[:]
	}
	if !in.SettledAt.IsZero() {
		settled = in.SettledAt.UnixMicro()
	}
	tbs := in.TBS
	if in.Stored != nil {
		tbs = in.Stored
	}
	return []any{
		in.handle[:], string(in.Kind), in.Issuer, serial, number, in.Profile, int64(in.ProfileVersion), entity, key, tbs,
		string(in.Owner), string(in.State), in.Cause, in.CreatedAt.UnixMicro(), settled,
	}
}

// SettleIntent gives an open intent its final state in tx and sets its SettledAt,
// which is the time that the record of the act carries. It reports false, and
// changes nothing, if the intent is not open any more or never reached the disk.
func (i *Issuer) SettleIntent(ctx context.Context, tx store.Tx, in *Intent, to IntentState, cause string) (bool, error) {
	now := i.Now()
	n, err := tx.Exec(ctx, `UPDATE intent SET state = $1, cause = $2, settled_at = $3 WHERE id = $4 AND handle = $5 AND state = 'open'`,
		string(to), cause, now.UnixMicro(), in.ID, in.handle[:])
	if err != nil {
		return false, fmt.Errorf("settling intent %d: %w", in.ID, err)
	}
	if n == 1 {
		in.SettledAt = now
	}
	return n == 1, nil
}

// SettleIntents is [Issuer.SettleIntent] for many, with one report for each and one
// time for all.
func (i *Issuer) SettleIntents(ctx context.Context, tx store.Tx, ins []*Intent, to IntentState, cause string) ([]bool, error) {
	open := make([]bool, len(ins))
	if len(ins) == 1 {
		var err error
		open[0], err = i.SettleIntent(ctx, tx, ins[0], to, cause)
		return open, err
	}
	// Which are open, by their handles, and then those by their IDs: nobody else
	// writes between the two.
	ids := make([]any, len(ins))
	for n, in := range ins {
		ids[n] = in.ID
	}
	handles := make(map[int64]handle, len(ins))
	err := lookUp(ctx, tx, `SELECT id, handle FROM intent WHERE state = 'open' AND id IN (?)`, ids, func(row func(...any) error) error {
		var id int64
		var b []byte
		if err := row(&id, &b); err != nil {
			return err
		}
		var h handle
		copy(h[:], b)
		handles[id] = h
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settling intents: %w", err)
	}
	ids = ids[:0]
	now := i.Now()
	for n, in := range ins {
		if h, there := handles[in.ID]; there && h == in.handle {
			open[n], in.SettledAt = true, now
			ids = append(ids, in.ID)
		}
	}
	const statement = `UPDATE intent SET state = $1, cause = $2, settled_at = $3 WHERE state = 'open' AND id IN (?)`
	for _, p := range parts(tx, statement, []any{string(to), cause, now.UnixMicro()}, ids) {
		if _, err := tx.Exec(ctx, p.text, p.args...); err != nil {
			return nil, fmt.Errorf("settling intents: %w", err)
		}
	}
	return open, nil
}

const intentColumns = `id, handle, kind, issuer, serial, number, profile, profile_version, entity, spki, tbs, owner, state, cause, created_at, settled_at`

func scanIntent(rows interface{ Scan(...any) error }) (*Intent, error) {
	var in Intent
	var kind, owner, state string
	var serial, entity, key, handle []byte
	var number, settled sql.NullInt64
	var created int64
	err := rows.Scan(&in.ID, &handle, &kind, &in.Issuer, &serial, &number, &in.Profile, &in.ProfileVersion, &entity, &key,
		&in.TBS, &owner, &state, &in.Cause, &created, &settled)
	if err != nil {
		return nil, fmt.Errorf("reading intent: %w", err)
	}
	in.Kind, in.Owner, in.State, in.Number = IntentKind(kind), store.OwnerID(owner), IntentState(state), number.Int64
	in.CreatedAt = time.UnixMicro(created).UTC()
	if settled.Valid {
		in.SettledAt = time.UnixMicro(settled.Int64).UTC()
	}
	copy(in.handle[:], handle)
	copy(in.Serial[:], serial)
	copy(in.Key[:], key)
	in.Entity = entityFrom(entity)
	return &in, nil
}

// Intents returns every intent there ever was, ceremonies' included, in the order
// in which they were written and in constant memory. What is added while it runs
// may or may not be seen.
func (i *Issuer) Intents(ctx context.Context) iter.Seq2[*Intent, error] {
	return func(yield func(*Intent, error) bool) {
		var after int64
		for {
			var page []*Intent
			err := i.store.Read(ctx, func(tx store.Tx) error {
				rows, err := tx.Query(ctx, `SELECT `+intentColumns+` FROM intent WHERE id > $1 ORDER BY id LIMIT $2`, after, pageSize)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					in, err := scanIntent(rows)
					if err != nil {
						return err
					}
					page = append(page, in)
				}
				return rows.Err()
			})
			if err != nil {
				yield(nil, fmt.Errorf("listing intents: %w", err))
				return
			}
			for n, in := range page {
				if err := i.join(ctx, in); err != nil {
					yield(nil, fmt.Errorf("listing intents: %w", err))
					return
				}
				if !yield(in, nil) {
					return
				}
				after, page[n] = in.ID, nil
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// join fetches the bytes of an intent that was stored in pieces: one at a time,
// because a page of long lists would not fit into memory.
func (i *Issuer) join(ctx context.Context, in *Intent) error {
	if !store.IsJoined(in.TBS) {
		return nil
	}
	in.Stored = in.TBS
	return i.store.Read(ctx, func(tx store.Tx) (err error) {
		in.TBS, err = store.Joined(ctx, tx, in.Stored)
		return err
	})
}

// IntentOf returns the intent of a serial number. The error wraps [ErrNotFound].
func (i *Issuer) IntentOf(ctx context.Context, serial policy.Serial) (*Intent, error) {
	var in *Intent
	err := i.store.Read(ctx, func(tx store.Tx) (err error) {
		in, err = IntentIn(ctx, tx, serial)
		return err
	})
	return in, err
}

// WrittenOff returns, in tx, the written-off certificate intents of an authority,
// in the order in which they were begun: the serials that its CRL must list
// although there is no certificate.
func WrittenOff(ctx context.Context, tx store.Tx, issuer string) ([]*Intent, error) {
	rows, err := tx.Query(ctx, `SELECT `+intentColumns+` FROM intent
		WHERE issuer = $1 AND state = 'written-off' AND kind = 'certificate' ORDER BY id`, issuer)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ins []*Intent
	for rows.Next() {
		in, err := scanIntent(rows)
		if err != nil {
			return nil, err
		}
		ins = append(ins, in)
	}
	return ins, rows.Err()
}

// IntentIn is [Issuer.IntentOf] inside a transaction.
func IntentIn(ctx context.Context, tx store.Tx, serial policy.Serial) (*Intent, error) {
	in, err := scanIntent(tx.QueryRow(ctx, `SELECT `+intentColumns+` FROM intent WHERE serial = $1`, serial[:]))
	return in, notFound(err, "intent of serial %q", serial)
}

// GiveUpIntent settles an open intent in tx as written off or unused, with its
// audit record. An intent that is not open any more is left as it is.
func (i *Issuer) GiveUpIntent(ctx context.Context, tx store.Tx, in *Intent, to IntentState, cause string) error {
	open, err := i.SettleIntent(ctx, tx, in, to, cause)
	if err != nil || !open {
		return err
	}
	return auditWriteOff(ctx, tx, in.SettledAt, "ca", []intentItem{in.givenUp(to, cause)})
}
