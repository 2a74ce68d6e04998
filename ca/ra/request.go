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

// A RequestState is where a request for an Organisation Certificate stands. Stored
// as text: never rename one.
type RequestState string

// The states; the last two are final.
const (
	Asked  RequestState = "asked"
	Issued RequestState = "issued"
	Closed RequestState = "closed" // withdrawn or refused
)

// A Request asks for an Organisation Certificate.
type Request struct {
	ID        int64
	Party     PartyID
	DER       []byte // PKCS#10
	AskedBy   OfficerID
	Asker     PersonID
	State     RequestState
	Cause     string
	Serial    policy.Serial // once issued
	Checks    []Check       // as they were made
	CreatedAt time.Time
	ChangedAt time.Time

	revision int64
}

// A Check is one identity check that was made of a request.
type Check struct {
	Kind     string    `json:"kind"`
	Passed   bool      `json:"passed"`
	Evidence string    `json:"evidence"`
	By       OfficerID `json:"by"`
	Person   PersonID  `json:"person"`
	At       time.Time `json:"at"`
}

// newest returns the newest check of each kind that the table asks for, in its order,
// and the kinds that are missing or have not passed.
func (q *Request) newest(t *Table) (checks []Check, missing []string) {
	for _, rule := range t.Checks {
		n := len(q.Checks) - 1
		for n >= 0 && q.Checks[n].Kind != rule.Kind {
			n--
		}
		if n < 0 || !q.Checks[n].Passed {
			missing = append(missing, rule.Kind)
			continue
		}
		checks = append(checks, q.Checks[n])
	}
	return checks, missing
}

// Missing returns the kinds of identity checks that have not passed yet.
func (r *Registry) Missing(q *Request) []string {
	_, missing := q.newest(r.table)
	return missing
}

// AskCertificate takes a request for an Organisation Certificate from an officer of
// the party. What can be checked at receipt is checked here (AppM 2.3.1.2, 2.3.1.3):
// form, proof of possession, and that the EUI-64 and the role are the party's. What
// the CA checks besides is heard when it is issued.
func (r *Registry) AskCertificate(ctx context.Context, by OfficerID, party PartyID, der []byte) (*Request, error) {
	req, err := policy.ParseRequest(der)
	if err == nil {
		err = req.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("asking for an organisation certificate: %w", &ca.Refusal{Rule: "request-form", Err: err})
	}
	q := &Request{Party: party, DER: der, AskedBy: by, State: Asked, revision: 1}
	err = r.store.Write(ctx, func(tx store.Tx) error {
		o, err := r.mayIn(ctx, tx, by, ActAskCertificate, party)
		if err != nil {
			return err
		}
		if err := r.entitled(ctx, tx, party, req); err != nil {
			return err
		}
		hash := sha256.Sum256(der)
		var open int64
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) FROM ra_request WHERE hash = $1 AND state = 'asked'`, hash[:]).Scan(&open); err != nil {
			return err
		}
		if open != 0 {
			return conflict("the same request was made before, as request %d", open)
		}
		now := r.Now()
		q.Asker, q.CreatedAt, q.ChangedAt = o.Person, now, now
		err = tx.QueryRow(ctx, `INSERT INTO ra_request (party, der, hash, asked_by, asker, state, revision, created_at, changed_at)
			VALUES ($1, $2, $3, $4, $5, 'asked', 1, $6, $7) RETURNING id`, string(party), der, hash[:], string(by), string(o.Person), micro(now), micro(now)).Scan(&q.ID)
		if err != nil {
			return err
		}
		return r.record(ctx, tx, now, KindRequest, string(by), map[string]any{"act": ActAskCertificate, "request": q.ID, "party": party, "sha256": hashText(hash),
			"entity": req.EntityID(), "usage": req.Usage})
	})
	if err != nil {
		return nil, fmt.Errorf("asking for an organisation certificate: %w", err)
	}
	return q, nil
}

// entitled refuses a request whose EUI-64 or role is not the party's.
func (r *Registry) entitled(ctx context.Context, tx store.Tx, party PartyID, req *policy.Request) error {
	p, err := activePartyIn(ctx, tx, party)
	if errors.Is(err, ca.ErrNotFound) {
		return refuse("party", "%q is no party in the register", party)
	}
	if err != nil {
		return err
	}
	role, ok := req.Role()
	switch {
	case req.Kind() != policy.ProfileOrganisation:
		return refuse("request-type", "the request has the form of type %q; an Organisation Certificate is asked for here", req.Kind())
	case !p.Subscriber.Organisation:
		return refuse("subscriber", "party %q is no Authorised Subscriber for Organisation Certificates", party)
	case !ok || !slices.Contains(p.Roles, role):
		return refuse("role", "party %q does not hold the Remote Party Role %s of the request", party, role)
	}
	i, err := ownerIn(ctx, tx, req.EntityID())
	if errors.Is(err, ca.ErrNotFound) || err == nil && i.Party != party {
		return refuse("identifiers", "EUI-64 %s does not belong to party %q (AppM 2.3.1.3)", req.EntityID(), party)
	}
	return err
}

// RecordCheck records that an identity check of a request was made, whether it
// passed, and where the evidence is. A later check of the same kind counts instead.
func (r *Registry) RecordCheck(ctx context.Context, by OfficerID, request int64, kind string, passed bool, evidence string) error {
	err := r.store.Write(ctx, func(tx store.Tx) error {
		q, err := requestIn(ctx, tx, request)
		if err != nil {
			return err
		}
		o, err := r.mayIn(ctx, tx, by, ActRecordCheck, q.Party)
		if err != nil {
			return err
		}
		known := slices.ContainsFunc(r.table.Checks, func(c CheckRule) bool { return c.Kind == kind })
		switch {
		case !known:
			return refuse("check", "%.40q is no identity check that the table asks for", kind)
		case o.Person == q.Asker:
			return refuse("own", "person %q made the request", o.Person)
		}
		if err := checkText("the evidence", evidence, maxWords, true); err != nil {
			return err
		}
		now := r.Now()
		if err := q.touch(ctx, tx, Asked, "", nil, now); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO ra_check (request, kind, passed, evidence, checked_by, person, checked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			q.ID, kind, passed, evidence, string(by), string(o.Person), micro(now))
		if err != nil {
			return err
		}
		return r.record(ctx, tx, now, KindRequest, string(by), map[string]any{"act": ActRecordCheck, "request": q.ID, "check": kind, "passed": passed, "evidence": evidence})
	})
	if err != nil {
		return fmt.Errorf("recording an identity check of request %d: %w", request, err)
	}
	return nil
}

// CloseRequest ends a request without a certificate: withdrawn by the party, or
// refused by the registration authority. An approval on it is void from then on; one
// that is being executed wraps [ca.ErrConflict].
func (r *Registry) CloseRequest(ctx context.Context, by OfficerID, request int64, why string) error {
	err := r.store.Write(ctx, func(tx store.Tx) error {
		q, err := requestIn(ctx, tx, request)
		if err != nil {
			return err
		}
		o, err := r.mayIn(ctx, tx, by, ActCloseRequest, q.Party)
		if err != nil {
			return err
		}
		if err := checkText("the reason", why, maxWords, true); err != nil {
			return err
		}
		if err := notExecuting(ctx, tx, q.subject()); err != nil {
			return err
		}
		now := r.Now()
		if err := q.touch(ctx, tx, Closed, why, nil, now); err != nil {
			return err
		}
		return r.record(ctx, tx, now, KindRequest, string(o.ID), map[string]any{"act": ActCloseRequest, "request": q.ID, "why": why})
	})
	if err != nil {
		return fmt.Errorf("closing request %d: %w", request, err)
	}
	return nil
}

// notExecuting refuses a change under the hands of an execution.
func notExecuting(ctx context.Context, tx store.Tx, subject string) error {
	var id int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) FROM ra_approval WHERE subject = $1 AND state = 'executing'`, subject).Scan(&id); err != nil {
		return err
	}
	if id != 0 {
		return conflict("approval %d on it is being executed", id)
	}
	return nil
}

func (q *Request) subject() string { return fmt.Sprintf("request/%d", q.ID) }

// touch changes an asked request by compare and set.
func (q *Request) touch(ctx context.Context, tx store.Tx, to RequestState, cause string, serial []byte, now time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE ra_request SET state = $1, cause = $2, serial = $3, revision = revision + 1, changed_at = $4 WHERE id = $5 AND state = 'asked' AND revision = $6`,
		string(to), cause, serial, micro(now), q.ID, q.revision)
	if err == nil && n != 1 {
		err = conflict("request %d is %s", q.ID, q.State)
	}
	return err
}

const requestColumns = `id, party, der, asked_by, asker, state, cause, serial, revision, created_at, changed_at`

func scanRequest(row interface{ Scan(...any) error }) (*Request, error) {
	var q Request
	var serial []byte
	var created, changed int64
	err := row.Scan(&q.ID, &q.Party, &q.DER, &q.AskedBy, &q.Asker, &q.State, &q.Cause, &serial, &q.revision, &created, &changed)
	copy(q.Serial[:], serial)
	q.CreatedAt, q.ChangedAt = fromMicro(created), fromMicro(changed)
	return &q, err
}

func requestIn(ctx context.Context, tx store.Tx, id int64) (*Request, error) {
	q, err := scanRequest(tx.QueryRow(ctx, `SELECT `+requestColumns+` FROM ra_request WHERE id = $1`, id))
	if err != nil {
		return nil, notFound(err, "request %d", id)
	}
	return q, q.loadChecks(ctx, tx)
}

func (q *Request) loadChecks(ctx context.Context, tx store.Tx) (err error) {
	q.Checks, err = collect(ctx, tx, func(row interface{ Scan(...any) error }) (Check, error) {
		var c Check
		var at int64
		err := row.Scan(&c.Kind, &c.Passed, &c.Evidence, &c.By, &c.Person, &at)
		c.At = fromMicro(at)
		return c, err
	}, `SELECT kind, passed, evidence, checked_by, person, checked_at FROM ra_check WHERE request = $1 ORDER BY id`, q.ID)
	return err
}
