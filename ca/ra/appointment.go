package ra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Appoint enrols an officer or a system. The role decides which act it is: an SRO
// nominates an ARO, a manager of the registration authority its own people.
type Appoint struct {
	Officer    OfficerID `json:"officer"`
	Party      PartyID   `json:"party"`
	Role       Role      `json:"role"`
	Person     PersonID  `json:"person"`
	Name       string    `json:"name"`
	Screened   string    `json:"screened,omitempty"`
	Nomination string    `json:"nomination,omitempty"`
	// NominatedBy is filled in: who proposed it.
	NominatedBy OfficerID `json:"nominated_by"`
}

// Act is decided by the role.
func (d Appoint) Act() Act {
	switch d.Role {
	case SRO:
		return ActAppointSRO
	case ARO:
		return ActAppointARO
	case System:
		return ActAppointSystem
	}
	return ActAppointRAOfficer
}

// Subject is what it is about.
func (d Appoint) Subject() string { return "officer/" + string(d.Officer) }

// Words say what will be done.
func (d Appoint) Words() string {
	of := fmt.Sprintf("party %q", d.Party)
	if d.Party == "" {
		of = "the registration authority"
	}
	return fmt.Sprintf("Enrol officer %q: %q (person %q) as %s of %s, nominated by %q on form %q, screened on %s.",
		d.Officer, d.Name, d.Person, d.Role, of, d.NominatedBy, d.Nomination, orNever(d.Screened))
}

func orNever(date string) string {
	if date == "" {
		return "no date"
	}
	return date
}

func (d Appoint) proposedBy(o Officer) Deed {
	d.NominatedBy = o.ID
	return d
}

func (d Appoint) will() Officer {
	return Officer{ID: d.Officer, Party: d.Party, Role: d.Role, Person: d.Person, Name: d.Name, Screened: d.Screened, Nomination: d.Nomination, NominatedBy: d.NominatedBy, State: Active}
}

func (d Appoint) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	o := d.will()
	if err := o.check(r.table, r.Now().Format(time.DateOnly)); err != nil {
		return nil, facts{}, err
	}
	var on any = "the registration authority"
	if d.Party != "" {
		p, err := activePartyIn(ctx, tx, d.Party)
		if err != nil {
			return nil, facts{}, err
		}
		on = map[string]any{"party": p.ID, "name": p.Name, "state": p.State}
	}
	if _, err := officerIn(ctx, tx, d.Officer); !errors.Is(err, ca.ErrNotFound) {
		if err == nil {
			err = conflict("officer %q is in the register; a name is never given twice", d.Officer)
		}
		return nil, facts{}, err
	}
	if err := compatible(ctx, tx, r.table, o); err != nil {
		return nil, facts{}, err
	}
	return d, facts{party: d.Party, on: on, barred: map[PersonID]string{d.Person: "it is about this person"}}, nil
}

func (d Appoint) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	if err := insertOfficer(ctx, tx, d.will(), now); err != nil {
		return err
	}
	return r.changed(ctx, tx, now, a, d)
}

// WithdrawOfficer ends an office for good. The officer's credentials count no more;
// revoking them is for the IKI authority.
type WithdrawOfficer struct {
	Officer OfficerID `json:"officer"`
	// Party is the officer's, empty for the registration authority's own. It decides
	// which act it is, and must be right.
	Party PartyID `json:"party"`
	Why   string  `json:"why"`
}

// Act is decided by whose officer it is.
func (d WithdrawOfficer) Act() Act {
	if d.Party == "" {
		return ActWithdrawRAOfficer
	}
	return ActWithdrawOfficer
}

// Subject is what it is about.
func (d WithdrawOfficer) Subject() string { return "officer/" + string(d.Officer) }

// Words say what will be done.
func (d WithdrawOfficer) Words() string {
	return fmt.Sprintf("Withdraw officer %q for good: %q.", d.Officer, d.Why)
}

func (d WithdrawOfficer) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	if err := checkText("the reason", d.Why, maxWords, true); err != nil {
		return nil, facts{}, err
	}
	o, err := officerIn(ctx, tx, d.Officer)
	switch {
	case err != nil:
		return nil, facts{}, err
	case o.State != Active:
		return nil, facts{}, conflict("officer %q was withdrawn before: %s", o.ID, o.Cause)
	case o.Party != d.Party:
		return nil, facts{}, refuse("scope", "officer %q is not of party %q", o.ID, d.Party)
	}
	if err := r.leavesEnough(ctx, tx, o); err != nil {
		return nil, facts{}, err
	}
	return d, facts{party: o.Party, on: o, barred: map[PersonID]string{o.Person: "it is about this person"}}, nil
}

// leavesEnough refuses a withdrawal after which nobody could ever be appointed again:
// it takes one person to propose a manager and another to agree.
func (r *Registry) leavesEnough(ctx context.Context, tx store.Tx, o Officer) error {
	if o.Role != RAManager {
		return nil
	}
	var persons int
	err := tx.QueryRow(ctx, `SELECT COUNT(DISTINCT person) FROM ra_officer WHERE role = $1 AND state = 'active' AND id <> $2`, string(RAManager), string(o.ID)).Scan(&persons)
	if err == nil && persons < 2 {
		err = refuse("last-managers", "fewer than two managers of the registration authority would be left, and nobody could appoint another; appoint one first")
	}
	return err
}

func (d WithdrawOfficer) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ra_officer SET state = 'withdrawn', cause = $1, changed_at = $2 WHERE id = $3`, d.Why, micro(now), string(d.Officer))
	if err != nil {
		return fmt.Errorf("withdrawing officer %q: %w", d.Officer, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// AddCredential lets an officer be known by an IKI certificate.
type AddCredential struct {
	Officer     OfficerID `json:"officer"`
	Certificate []byte    `json:"certificate"` // DER
	// The rest is filled in from it, for people to compare.
	Serial      policy.Serial `json:"serial"`
	Fingerprint string        `json:"fingerprint"`
	Holder      string        `json:"holder"`
	NotAfter    string        `json:"not_after"`
}

// Act is its row of the table.
func (d AddCredential) Act() Act { return ActAddCredential }

// Subject is what it is about.
func (d AddCredential) Subject() string { return "officer/" + string(d.Officer) }

// Words say what will be done.
func (d AddCredential) Words() string {
	return fmt.Sprintf("Let officer %q be known by the IKI certificate with serial number %s, subject %q, SHA-256 %s, valid to %s.", d.Officer, d.Serial, d.Holder, d.Fingerprint, d.NotAfter)
}

func (d AddCredential) complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error) {
	c, err := newCredential(d.Officer, d.Certificate, r.Now())
	if err != nil {
		return nil, facts{}, err
	}
	o, err := activeOfficerIn(ctx, tx, d.Officer)
	if err != nil {
		return nil, facts{}, err
	}
	if err := unused(ctx, tx, c.Serial); err != nil {
		return nil, facts{}, err
	}
	d.Serial, d.Fingerprint, d.Holder, d.NotAfter = c.Serial, c.Fingerprint, c.Subject, c.NotAfter.Format(time.RFC3339)
	return d, facts{party: o.Party, on: o, barred: map[PersonID]string{o.Person: "it is about this person"}}, nil
}

// unused refuses a certificate by which an officer is, or was, known.
func unused(ctx context.Context, tx store.Tx, serial policy.Serial) error {
	switch has, err := credentialIn(ctx, tx, serial); {
	case err == nil:
		return refuse("credential", "a certificate with serial number %s is, or was, a credential of officer %q", serial, has.Officer)
	case !errors.Is(err, ca.ErrNotFound):
		return err
	}
	return nil
}

func (d AddCredential) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	c, err := newCredential(d.Officer, d.Certificate, now)
	if err != nil {
		return err
	}
	if err := insertCredential(ctx, tx, c, now); err != nil {
		return err
	}
	return r.changed(ctx, tx, now, a, d)
}

// WithdrawCredential lets an IKI certificate count no more, at once and for good.
type WithdrawCredential struct {
	Serial policy.Serial `json:"serial"`
	Why    string        `json:"why"`
}

// Act is its row of the table.
func (d WithdrawCredential) Act() Act { return ActWithdrawCredential }

// Subject is what it is about.
func (d WithdrawCredential) Subject() string { return "credential/" + d.Serial.String() }

// Words say what will be done.
func (d WithdrawCredential) Words() string {
	return fmt.Sprintf("Let the IKI certificate with serial number %s count no more: %q.", d.Serial, d.Why)
}

func (d WithdrawCredential) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if err := checkText("the reason", d.Why, maxWords, true); err != nil {
		return nil, facts{}, err
	}
	c, err := credentialIn(ctx, tx, d.Serial)
	if err != nil {
		return nil, facts{}, err
	}
	if c.State != Active {
		return nil, facts{}, conflict("certificate %q was withdrawn before: %s", c.Serial, c.Cause)
	}
	o, err := officerIn(ctx, tx, c.Officer)
	return d, facts{party: o.Party, on: c}, err
}

func (d WithdrawCredential) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ra_credential SET state = 'withdrawn', cause = $1, changed_at = $2 WHERE serial = $3`, d.Why, micro(now), d.Serial[:])
	if err != nil {
		return fmt.Errorf("withdrawing credential %q: %w", d.Serial, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// A Founder is one of the first officers of a registration authority.
type Founder struct {
	Officer     OfficerID
	Person      PersonID
	Name        string
	Screened    string
	Nomination  string
	Certificate []byte // IKI certificate, DER
}

// Found enrols the first managers, at least two persons, while the register has no
// officer at all: nobody can agree to the first. From then on every officer is
// appointed by others. by says who set the service up, for the audit log.
func (r *Registry) Found(ctx context.Context, by string, managers []Founder) error {
	err := r.store.Write(ctx, func(tx store.Tx) error {
		now := r.Now()
		var officers int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM ra_officer`).Scan(&officers); err != nil {
			return err
		}
		if officers > 0 {
			return conflict("the register has officers; they appoint others")
		}
		persons := make(map[PersonID]bool)
		for _, f := range managers {
			persons[f.Person] = true
			o := Officer{ID: f.Officer, Role: RAManager, Person: f.Person, Name: f.Name, Screened: f.Screened, Nomination: f.Nomination}
			if err := o.check(r.table, now.Format(time.DateOnly)); err != nil {
				return err
			}
			if err := compatible(ctx, tx, r.table, o); err != nil {
				return err
			}
			if err := insertOfficer(ctx, tx, o, now); err != nil {
				return err
			}
			c, err := newCredential(f.Officer, f.Certificate, now)
			if err != nil {
				return err
			}
			if err := unused(ctx, tx, c.Serial); err != nil {
				return err
			}
			if err := insertCredential(ctx, tx, c, now); err != nil {
				return err
			}
			err = r.record(ctx, tx, now, KindRegister, by, map[string]any{"act": "found", "subject": "officer/" + string(o.ID), "person": o.Person, "name": o.Name,
				"screened": o.Screened, "nomination": o.Nomination, "serial": c.Serial.String(), "fingerprint": c.Fingerprint,
				"holder": c.Subject, "not_after": c.NotAfter.Format(time.RFC3339)})
			if err != nil {
				return err
			}
		}
		if len(persons) < 2 {
			return refuse("founders", "a registration authority begins with two managers, who are two persons")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("founding the registration authority: %w", err)
	}
	return nil
}
