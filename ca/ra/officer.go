package ra

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

var errNoRows = sql.ErrNoRows

// An OfficerID names an officer: 1 to 63 of a-z, 0-9, dot and hyphen.
type OfficerID string

// A PersonID is one human being, by the reference under which his identity was
// verified. The two-person rule counts persons, not offices.
type PersonID string

// A Role is an office. Stored as text: never rename one.
type Role string

// The offices; table.json says what they are.
const (
	SRO         Role = "sro"
	ARO         Role = "aro"
	System      Role = "system"
	RAManager   Role = "ra-manager"
	RAPersonnel Role = "ra-personnel"
	Auditor     Role = "auditor"
	Operator    Role = "operator"
	Custodian   Role = "custodian"
)

// Roles returns every role.
func Roles() []Role {
	return []Role{SRO, ARO, System, RAManager, RAPersonnel, Auditor, Operator, Custodian}
}

// An Officer is a person, or a system, in one role. A person in two roles is two
// officers.
type Officer struct {
	ID    OfficerID `json:"id"`
	Party PartyID   `json:"party"` // empty: the registration authority
	Role  Role      `json:"role"`
	// Person is who he is. A system has a name of its own here, which no person has.
	Person PersonID `json:"person"`
	Name   string   `json:"name"`
	// Screened is the date of the security screening (MP127: BS 7858 or equivalent),
	// "2026-01-31".
	Screened string `json:"screened,omitempty"`
	// Nomination is the reference of the nomination form (AppP 1.3).
	Nomination  string    `json:"nomination,omitempty"`
	NominatedBy OfficerID `json:"nominated_by,omitempty"`
	State       Standing  `json:"state"`
	Cause       string    `json:"cause,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	ChangedAt   time.Time `json:"changed_at"`
}

// A Credential is an IKI certificate that an officer is known by.
type Credential struct {
	Serial      policy.Serial `json:"serial"`
	Fingerprint string        `json:"fingerprint"` // SHA-256 of the certificate, hex
	Officer     OfficerID     `json:"officer"`
	Subject     string        `json:"subject"`
	NotAfter    time.Time     `json:"not_after"`
	State       Standing      `json:"state"`
	Cause       string        `json:"cause,omitempty"`
	AddedAt     time.Time     `json:"added_at"`
	ChangedAt   time.Time     `json:"changed_at"`
}

const officerColumns = `id, COALESCE(party, ''), role, person, name, screened, nomination, nominated_by, state, cause, created_at, changed_at`

func scanOfficer(row interface{ Scan(...any) error }) (Officer, error) {
	var o Officer
	var created, changed int64
	err := row.Scan(&o.ID, &o.Party, &o.Role, &o.Person, &o.Name, &o.Screened, &o.Nomination, &o.NominatedBy, &o.State, &o.Cause, &created, &changed)
	o.CreatedAt, o.ChangedAt = fromMicro(created), fromMicro(changed)
	return o, err
}

func officerIn(ctx context.Context, tx store.Tx, id OfficerID) (Officer, error) {
	o, err := scanOfficer(tx.QueryRow(ctx, `SELECT `+officerColumns+` FROM ra_officer WHERE id = $1`, string(id)))
	return o, notFound(err, "officer %q", id)
}

// activeOfficerIn returns an officer who may act: neither he nor his party is
// withdrawn. Every act asks it in its own transaction.
func activeOfficerIn(ctx context.Context, tx store.Tx, id OfficerID) (Officer, error) {
	o, err := officerIn(ctx, tx, id)
	switch {
	case errors.Is(err, ca.ErrNotFound):
		return o, refuse("officer", "officer %.70q is not enrolled", string(id))
	case err != nil:
		return o, err
	case o.State != Active:
		return o, refuse("officer-withdrawn", "officer %q was withdrawn: %s", o.ID, o.Cause)
	case o.Party == "":
		return o, nil
	}
	_, err = activePartyIn(ctx, tx, o.Party)
	return o, err
}

// check says whether an officer can be as he is written, by the rules of his role.
func (o Officer) check(t *Table, today string) error {
	if err := checkID("officer", string(o.ID)); err != nil {
		return err
	}
	if err := checkID("person", string(o.Person)); err != nil {
		return err
	}
	if err := checkText("the officer's name", o.Name, maxText, true); err != nil {
		return err
	}
	rule, ok := t.Roles[o.Role]
	if !ok {
		return refuse("role", "%.40q is no role of an officer", string(o.Role))
	}
	switch {
	case rule.Side == SideParty && o.Party == "":
		return refuse("role", "the role %s belongs to a party, and none is named", o.Role)
	case rule.Side == SideRA && o.Party != "":
		return refuse("role", "the role %s belongs to the registration authority and not to party %q", o.Role, o.Party)
	case rule.Screened && o.Screened == "":
		return refuse("screening", "the role %s needs a date of screening", o.Role)
	}
	if o.Screened != "" {
		if _, err := time.Parse(time.DateOnly, o.Screened); err != nil || o.Screened > today {
			return refuse("screening", "the date of screening %.20q: want a day like 2026-01-31, not after today", o.Screened)
		}
	}
	return checkText("the reference of the nomination form", o.Nomination, maxText, rule.Nominated)
}

// compatible refuses an office to a person who holds one that the table keeps apart
// from it.
func compatible(ctx context.Context, tx store.Tx, t *Table, o Officer) error {
	offices, err := collect(ctx, tx, scanOfficer, `SELECT `+officerColumns+` FROM ra_officer WHERE person = $1 AND state = 'active' ORDER BY id`, string(o.Person))
	if err != nil {
		return err
	}
	for _, has := range offices {
		if t.Roles[has.Role].Human != t.Roles[o.Role].Human {
			return refuse("person", "%q is the name of officer %q, and nobody is both a person and a system", o.Person, has.ID)
		}
		if has.Role == o.Role && has.Party == o.Party {
			return refuse("person", "person %q holds this office already, as officer %q", o.Person, has.ID)
		}
		for _, apart := range t.Apart {
			if apart.Role == o.Role && slices.Contains(apart.With, has.Role) || apart.Role == has.Role && slices.Contains(apart.With, o.Role) {
				return refuse("incompatible", "person %q is %s as officer %q and cannot be %s: %s", o.Person, has.Role, has.ID, o.Role, apart.Why)
			}
		}
	}
	return nil
}

func insertOfficer(ctx context.Context, tx store.Tx, o Officer, now time.Time) error {
	var party any
	if o.Party != "" {
		party = string(o.Party)
	}
	_, err := tx.Exec(ctx, `INSERT INTO ra_officer (id, party, role, person, name, screened, nomination, nominated_by, state, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9, $10)`,
		string(o.ID), party, string(o.Role), string(o.Person), o.Name, o.Screened, o.Nomination, string(o.NominatedBy), micro(now), micro(now))
	if err != nil {
		return fmt.Errorf("enrolling officer %q: %w", o.ID, err)
	}
	return nil
}

const credentialColumns = `serial, fingerprint, officer, subject, not_after, state, cause, added_at, changed_at`

func scanCredential(row interface{ Scan(...any) error }) (Credential, error) {
	var c Credential
	var serial, fingerprint []byte
	var notAfter, added, changed int64
	err := row.Scan(&serial, &fingerprint, &c.Officer, &c.Subject, &notAfter, &c.State, &c.Cause, &added, &changed)
	copy(c.Serial[:], serial)
	c.Fingerprint = hex.EncodeToString(fingerprint)
	c.NotAfter, c.AddedAt, c.ChangedAt = fromMicro(notAfter), fromMicro(added), fromMicro(changed)
	return c, err
}

func credentialIn(ctx context.Context, tx store.Tx, serial policy.Serial) (Credential, error) {
	c, err := scanCredential(tx.QueryRow(ctx, `SELECT `+credentialColumns+` FROM ra_credential WHERE serial = $1`, serial[:]))
	return c, notFound(err, "credential %q", serial)
}

// newCredential reads a certificate as a credential of an officer, at a time.
func newCredential(officer OfficerID, der []byte, now time.Time) (Credential, error) {
	cert, serial, err := parseCertificate(der)
	if err != nil {
		return Credential{}, err
	}
	if !now.Before(cert.NotAfter) {
		return Credential{}, refuse("credential", "certificate %q is valid to %s and has expired", serial, cert.NotAfter.Format(time.RFC3339))
	}
	sum := sha256.Sum256(der)
	subject := cert.Subject.String()
	if err := checkText("the subject of the certificate", subject, 4*maxText, true); err != nil {
		return Credential{}, err
	}
	return Credential{Serial: serial, Fingerprint: hex.EncodeToString(sum[:]), Officer: officer, Subject: subject, NotAfter: cert.NotAfter.UTC(), State: Active}, nil
}

func insertCredential(ctx context.Context, tx store.Tx, c Credential, now time.Time) error {
	fingerprint, err := hex.DecodeString(c.Fingerprint)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO ra_credential (serial, fingerprint, officer, subject, not_after, state, added_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)`, c.Serial[:], fingerprint, string(c.Officer), c.Subject, micro(c.NotAfter), micro(now), micro(now))
	if err != nil {
		return fmt.Errorf("recording credential %q: %w", c.Serial, err)
	}
	return nil
}

// Officer returns one officer. The error wraps [ca.ErrNotFound].
func (r *Registry) Officer(ctx context.Context, id OfficerID) (Officer, error) {
	return read(ctx, r, "the register", func(tx store.Tx) (Officer, error) { return officerIn(ctx, tx, id) })
}

// Officers returns the officers of a party, or of the registration authority for "",
// withdrawn ones too, in the order of their IDs.
func (r *Registry) Officers(ctx context.Context, party PartyID) ([]Officer, error) {
	return read(ctx, r, "the register", func(tx store.Tx) ([]Officer, error) {
		return collect(ctx, tx, scanOfficer, `SELECT `+officerColumns+` FROM ra_officer WHERE COALESCE(party, '') = $1 ORDER BY id`, string(party))
	})
}

// Credentials returns an officer's IKI certificates, withdrawn ones too, oldest
// first.
func (r *Registry) Credentials(ctx context.Context, officer OfficerID) ([]Credential, error) {
	return read(ctx, r, "the register", func(tx store.Tx) ([]Credential, error) {
		return collect(ctx, tx, scanCredential, `SELECT `+credentialColumns+` FROM ra_credential WHERE officer = $1 ORDER BY added_at, serial`, string(officer))
	})
}
