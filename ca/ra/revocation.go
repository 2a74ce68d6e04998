package ra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A RevocationState is where a revocation request stands. Stored as text: never
// rename one.
type RevocationState string

// The states; the last two are final.
const (
	Requested     RevocationState = "requested"
	Authenticated RevocationState = "authenticated" // it comes from who it says it comes from
	Deferred      RevocationState = "deferred"      // the SMKI PMA delays it until a date (MP134A)
	Revoked       RevocationState = "executed"
	NotRevoked    RevocationState = "withdrawn"
)

// A Transition is one step in the life of a revocation request, by one act.
type Transition struct {
	From RevocationState
	Act  Act
	To   RevocationState
}

// Transitions is every step there is; what is not here is refused. The table is our
// inference from MP134A. A deferred request may be executed once its date has passed.
var Transitions = []Transition{
	{Requested, ActAuthenticateRevocation, Authenticated},
	{Requested, ActExecuteEmergency, Revoked},
	{Requested, ActWithdrawRevocation, NotRevoked},
	{Authenticated, ActDeferRevocation, Deferred},
	{Authenticated, ActExecuteRevocation, Revoked},
	{Authenticated, ActWithdrawRevocation, NotRevoked},
	{Deferred, ActDeferRevocation, Deferred},
	{Deferred, ActResumeRevocation, Authenticated},
	{Deferred, ActExecuteRevocation, Revoked},
	{Deferred, ActWithdrawRevocation, NotRevoked},
}

// MaxSerials bounds a revocation request: what an approver can still be shown.
const MaxSerials = 1000

// A RevocationRequest asks for certificates to be revoked together.
type RevocationRequest struct {
	ID int64
	// Party is whose certificates they are; empty if they are several parties', or if
	// no party in the register owns them.
	Party    PartyID
	Serials  []policy.Serial // in order, each once
	Reason   policy.Reason
	Why      string
	AskedBy  OfficerID
	Asker    PersonID
	State    RevocationState
	Evidence string    // how it was authenticated
	Until    time.Time // the PMA's date; zero unless deferred
	Cause    string    // of the deferral or withdrawal
	// CreatedAt is when it was asked.
	CreatedAt time.Time
	ChangedAt time.Time

	revision int64
}

// Subject is how approvals on it are found.
func (q *RevocationRequest) Subject() string { return fmt.Sprintf("revocation/%d", q.ID) }

// next returns the transition of an act at a time, or refuses it.
func (q *RevocationRequest) next(act Act, now time.Time) (RevocationState, error) {
	for _, t := range Transitions {
		if t.From != q.State || t.Act != act {
			continue
		}
		if q.State == Deferred && act == ActExecuteRevocation && now.Before(q.Until) {
			return "", refuse("deferred", "revocation request %d is deferred by the SMKI PMA until %s: %s", q.ID, q.Until.Format(time.RFC3339), q.Cause)
		}
		return t.To, nil
	}
	return "", conflict("revocation request %d is %s, which %q does not follow", q.ID, q.State, act)
}

// AskRevocation takes a request to revoke certificates. A party's officer may ask for
// his party's certificates only, the registration authority for any. Asking revokes
// nothing.
func (r *Registry) AskRevocation(ctx context.Context, by OfficerID, serials []policy.Serial, reason policy.Reason, why string) (*RevocationRequest, error) {
	serials = slices.Clone(serials)
	slices.SortFunc(serials, func(a, b policy.Serial) int { return slices.Compare(a[:], b[:]) })
	serials = slices.Compact(serials)
	q := &RevocationRequest{Serials: serials, Reason: reason, Why: why, AskedBy: by, State: Requested, revision: 1}
	err := r.store.Write(ctx, func(tx store.Tx) error {
		switch {
		case len(serials) == 0 || len(serials) > MaxSerials:
			return refuse("serials", "a request is for 1 to %d certificates, and this one for %d", MaxSerials, len(serials))
		case !reason.Known():
			return refuse("reason", "%s is not a reason that SMKI allows", reason)
		}
		if err := checkText("the explanation", why, maxWords, true); err != nil {
			return err
		}
		var err error
		if q.Party, err = holder(ctx, tx, serials); err != nil {
			return err
		}
		o, err := r.mayIn(ctx, tx, by, ActAskRevocation, q.Party)
		if err != nil {
			return err
		}
		now := r.Now()
		q.Asker, q.CreatedAt, q.ChangedAt = o.Person, now, now
		err = tx.QueryRow(ctx, `INSERT INTO ra_revocation (party, serials, reason, why, asked_by, asker, state, revision, created_at, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, 'requested', 1, $7, $8) RETURNING id`,
			string(q.Party), joinSerials(serials), int64(reason), why, string(by), string(o.Person), micro(now), micro(now)).Scan(&q.ID)
		if err != nil {
			return err
		}
		return r.record(ctx, tx, now, KindRequest, string(by), map[string]any{"act": ActAskRevocation, "revocation": q.ID, "party": q.Party, "serials": serials, "reason": reason, "why": why})
	})
	if err != nil {
		return nil, fmt.Errorf("asking for a revocation: %w", err)
	}
	return q, nil
}

// holder returns the party that all the certificates belong to, or "". A serial
// that is not in the ledger is refused.
func holder(ctx context.Context, tx store.Tx, serials []policy.Serial) (PartyID, error) {
	var party PartyID
	for n, serial := range serials {
		c, err := ca.CertificateIn(ctx, tx, serial)
		if errors.Is(err, ca.ErrNotFound) {
			return "", refuse("serials", "no certificate has serial number %s", serial)
		}
		if err != nil {
			return "", err
		}
		var owner PartyID
		if c.Entity != nil && c.Profile == policy.ProfileOrganisation {
			i, err := ownerIn(ctx, tx, *c.Entity)
			if err != nil && !errors.Is(err, ca.ErrNotFound) {
				return "", err
			}
			owner = i.Party
		} else if p, _, _ := strings.Cut(c.Requester, "/"); c.Entity != nil {
			// A device is not its supplier's by its number; who asked for its certificate
			// may ask for its end.
			if known, err := partyIn(ctx, tx, PartyID(p)); err == nil {
				owner = known.ID
			} else if !errors.Is(err, ca.ErrNotFound) {
				return "", err
			}
		}
		if n == 0 {
			party = owner
		} else if party != owner {
			party = ""
		}
	}
	return party, nil
}

// AuthenticateRevocation records that a revocation request comes from who it says it
// comes from, and how that was found out. Somebody else than who asked does it.
func (r *Registry) AuthenticateRevocation(ctx context.Context, by OfficerID, request int64, evidence string) error {
	err := r.store.Write(ctx, func(tx store.Tx) error {
		q, err := revocationIn(ctx, tx, request)
		if err != nil {
			return err
		}
		o, err := r.mayIn(ctx, tx, by, ActAuthenticateRevocation, q.Party)
		if err != nil {
			return err
		}
		if o.Person == q.Asker {
			return refuse("own", "person %q asked for it", o.Person)
		}
		if err := checkText("the evidence", evidence, maxWords, true); err != nil {
			return err
		}
		if err := notExecuting(ctx, tx, q.Subject()); err != nil {
			return err
		}
		now := r.Now()
		to, err := q.next(ActAuthenticateRevocation, now)
		if err != nil {
			return err
		}
		q.Evidence = evidence
		return r.move(ctx, tx, string(by), q, ActAuthenticateRevocation, to, now)
	})
	if err != nil {
		return fmt.Errorf("authenticating revocation request %d: %w", request, err)
	}
	return nil
}

// move changes the state of a request by compare and set, with its audit record.
func (r *Registry) move(ctx context.Context, tx store.Tx, by string, q *RevocationRequest, act Act, to RevocationState, now time.Time) error {
	var until any
	if to == Deferred {
		until = micro(q.Until)
	}
	n, err := tx.Exec(ctx, `UPDATE ra_revocation SET state = $1, evidence = $2, deferred_until = $3, cause = $4, revision = revision + 1, changed_at = $5
		WHERE id = $6 AND state = $7 AND revision = $8`, string(to), q.Evidence, until, q.Cause, micro(now), q.ID, string(q.State), q.revision)
	if err == nil && n != 1 {
		err = conflict("revocation request %d is %s no more", q.ID, q.State)
	}
	if err != nil {
		return err
	}
	body := map[string]any{"act": act, "revocation": q.ID, "from": q.State, "to": to, "evidence": q.Evidence, "cause": q.Cause}
	if to == Deferred {
		body["until"] = q.Until
	}
	return r.record(ctx, tx, now, KindRequest, by, body)
}

func joinSerials(serials []policy.Serial) string {
	words := make([]string, 0, len(serials))
	for _, serial := range serials {
		words = append(words, serial.String())
	}
	return strings.Join(words, ",")
}

const revocationColumns = `id, party, serials, reason, why, asked_by, asker, state, evidence, COALESCE(deferred_until, 0), cause, revision, created_at, changed_at`

func scanRevocation(row interface{ Scan(...any) error }) (*RevocationRequest, error) {
	var q RevocationRequest
	var serials string
	var reason, until, created, changed int64
	err := row.Scan(&q.ID, &q.Party, &serials, &reason, &q.Why, &q.AskedBy, &q.Asker, &q.State, &q.Evidence, &until, &q.Cause, &q.revision, &created, &changed)
	if err != nil {
		return nil, err
	}
	q.Reason, q.CreatedAt, q.ChangedAt = policy.Reason(reason), fromMicro(created), fromMicro(changed)
	if until != 0 {
		q.Until = fromMicro(until)
	}
	for _, s := range strings.Split(serials, ",") {
		serial, err := policy.ParseSerial(s)
		if err != nil {
			return nil, fmt.Errorf("reading revocation request %d: %w", q.ID, err)
		}
		q.Serials = append(q.Serials, serial)
	}
	return &q, nil
}

func revocationIn(ctx context.Context, tx store.Tx, id int64) (*RevocationRequest, error) {
	q, err := scanRevocation(tx.QueryRow(ctx, `SELECT `+revocationColumns+` FROM ra_revocation WHERE id = $1`, id))
	return q, notFound(err, "revocation request %d", id)
}
