package ra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		return r.record(ctx, tx, KindRequest, string(by), map[string]any{"act": ActAskCertificate, "request": q.ID, "party": party, "sha256": hashText(hash),
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
		if err := q.touch(ctx, tx, Asked, "", nil, r.Now()); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO ra_check (request, kind, passed, evidence, checked_by, person, checked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			q.ID, kind, passed, evidence, string(by), string(o.Person), micro(r.Now()))
		if err != nil {
			return err
		}
		return r.record(ctx, tx, KindRequest, string(by), map[string]any{"act": ActRecordCheck, "request": q.ID, "check": kind, "passed": passed, "evidence": evidence})
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
		if err := q.touch(ctx, tx, Closed, why, nil, r.Now()); err != nil {
			return err
		}
		return r.record(ctx, tx, KindRequest, string(o.ID), map[string]any{"act": ActCloseRequest, "request": q.ID, "why": why})
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

// IssueCertificate issues the certificate of a request whose identity checks have
// passed. Request is decided; the rest is filled in from the request.
type IssueCertificate struct {
	Request int64                  `json:"request"`
	Party   PartyID                `json:"party"`
	Asker   OfficerID              `json:"asker"`
	DER     []byte                 `json:"der"` // PKCS#10, exactly what the CA is given
	SHA256  string                 `json:"sha256"`
	CN      string                 `json:"cn"`
	Role    policy.RemotePartyRole `json:"role"`
	Entity  policy.EntityID        `json:"entity"`
	Usage   policy.KeyUsage        `json:"usage"`
	Key     string                 `json:"key"` // SHA-256 of the public key info
	Checks  []Check                `json:"checks"`
}

func (d IssueCertificate) Act() Act        { return ActIssueCertificate }
func (d IssueCertificate) Subject() string { return fmt.Sprintf("request/%d", d.Request) }

func (d IssueCertificate) Words() string {
	checks := make([]string, 0, len(d.Checks))
	for _, c := range d.Checks {
		checks = append(checks, fmt.Sprintf("%s by %s (%q)", c.Kind, c.By, c.Evidence))
	}
	return fmt.Sprintf("Issue an Organisation Certificate to party %q: common name %q, Remote Party Role %s, EUI-64 %s, key usage %s, public key SHA-256 %s, on request %d asked by %q. Identity checks: %s.",
		d.Party, d.CN, d.Role, d.Entity, d.Usage, d.Key, d.Request, d.Asker, strings.Join(checks, "; "))
}

func (d IssueCertificate) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	q, err := requestIn(ctx, tx, d.Request)
	if err != nil {
		return nil, facts{}, err
	}
	if q.State != Asked {
		return nil, facts{}, conflict("request %d is %s", q.ID, q.State)
	}
	checks, missing := q.newest(r.table)
	if len(missing) > 0 {
		return nil, facts{}, refuse("identity-checks", "request %d lacks the checks %s", q.ID, strings.Join(missing, ", "))
	}
	req, err := policy.ParseRequest(q.DER)
	if err != nil {
		return nil, facts{}, &ca.Refusal{Rule: "request-form", Err: err}
	}
	if err := r.entitled(ctx, tx, q.Party, req); err != nil {
		return nil, facts{}, err
	}
	key, err := ca.KeyHashOf(req.PublicKey)
	if err != nil {
		return nil, facts{}, err
	}
	hash := sha256.Sum256(q.DER)
	d = IssueCertificate{Request: q.ID, Party: q.Party, Asker: q.AskedBy, DER: q.DER, SHA256: hex.EncodeToString(hash[:]),
		CN: req.Subject.CN, Entity: req.EntityID(), Usage: req.Usage, Key: key.String(), Checks: checks}
	d.Role, _ = req.Role()
	return d, facts{party: q.Party, profile: policy.ProfileOrganisation, handle: hash[:],
		on: map[string]any{"request": q.ID, "state": q.State}, barred: map[PersonID]string{q.Asker: "asked for it"}}, nil
}

// requester is how the ledger names who asked, and on which approval.
func requester(d IssueCertificate, a *Approval) string {
	return fmt.Sprintf("%s/%s/%d", d.Party, d.Asker, a.ID)
}

func (d IssueCertificate) carry(ctx context.Context, h Hands, a *Approval) (string, error) {
	c, err := h.Issuer.Issue(ctx, ca.Request{DER: d.DER, Requester: requester(d, a), Type: policy.ProfileOrganisation})
	if err != nil {
		return "", err
	}
	return c.Serial.String(), nil
}

// find looks for the certificate by its key, and takes none but the one that was
// issued on this approval: a key has one certificate, and it may be another's.
func (d IssueCertificate) find(ctx context.Context, h Hands, a *Approval) (string, bool, error) {
	key, err := ca.ParseKeyHash(d.Key)
	if err != nil {
		return "", false, err
	}
	all, err := h.Issuer.BySPKI(ctx, key)
	if err != nil {
		return "", false, err
	}
	for _, c := range all {
		if c.Requester == requester(d, a) {
			return c.Serial.String(), true, nil
		}
	}
	return "", false, nil
}

func (d IssueCertificate) settle(ctx context.Context, tx store.Tx, _ *Registry, _ *Approval, result string, now time.Time) error {
	serial, err := policy.ParseSerial(result)
	if err != nil {
		return err
	}
	q, err := requestIn(ctx, tx, d.Request)
	if err != nil {
		return err
	}
	return q.touch(ctx, tx, Issued, "", serial[:], now)
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

// ReleaseBatch lets a batch of device requests be processed. It is carried out by
// package batch, through [Registry.Spend]; the digest is of the upload, so that a
// batch that was altered since is not the one that was approved.
type ReleaseBatch struct {
	Batch     string  `json:"batch"`
	Party     PartyID `json:"party"`
	Interface string  `json:"interface"` // where it came in: "portal", "batched web service"
	Digest    string  `json:"digest"`    // SHA-256 of the upload, hex
	Requests  int     `json:"requests"`  // how many it says it holds
}

func (d ReleaseBatch) Act() Act        { return ActReleaseBatch }
func (d ReleaseBatch) Subject() string { return "batch/" + d.Batch }

func (d ReleaseBatch) Words() string {
	return fmt.Sprintf("Let batch %q of party %q be processed: %d requests for Device Certificates, received through %s, SHA-256 of the upload %s.", d.Batch, d.Party, d.Requests, d.Interface, d.Digest)
}

func (d ReleaseBatch) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	sum, err := hex.DecodeString(d.Digest)
	if err != nil || len(sum) != sha256.Size || strings.ToLower(d.Digest) != d.Digest {
		return nil, facts{}, refuse("digest", "the digest of a batch is 64 lower-case hex digits")
	}
	if d.Requests < 1 {
		return nil, facts{}, refuse("batch", "a batch of %d requests", d.Requests)
	}
	if err := cmp.Or(checkText("the batch's name", d.Batch, maxText, true), checkText("the interface", d.Interface, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	p, err := activePartyIn(ctx, tx, d.Party)
	if err == nil && !p.Subscriber.Device {
		err = refuse("subscriber", "party %q is no Authorised Subscriber for Device Certificates", d.Party)
	}
	return d, facts{party: d.Party, profile: policy.ProfileDevice, on: map[string]any{"party": p.ID, "state": p.State, "subscriber": p.Subscriber}}, err
}
