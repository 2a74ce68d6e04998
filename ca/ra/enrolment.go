package ra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// EnrolParty enrols a party. Of Party, the identity, name, category, roles and
// subscriber status are decided; the rest is the register's.
type EnrolParty struct {
	Party       PartyID                  `json:"party"`
	Name        string                   `json:"name"`
	Category    Category                 `json:"category"`
	Roles       []policy.RemotePartyRole `json:"roles"`
	Subscriber  Subscriber               `json:"subscriber"`
	Application string                   `json:"application"` // reference of the papers
}

// Act is its row of the table.
func (d EnrolParty) Act() Act { return ActEnrolParty }

// Subject is what it is about.
func (d EnrolParty) Subject() string { return "party/" + string(d.Party) }

// Words say what will be done.
func (d EnrolParty) Words() string {
	return fmt.Sprintf("Enrol %s\nPapers: %q", d.will().words(), d.Application)
}

func (d EnrolParty) will() Party {
	return Party{ID: d.Party, Name: d.Name, Category: d.Category, Roles: d.Roles, Subscriber: d.Subscriber, State: Active}
}

func (d EnrolParty) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if d.Roles == nil {
		d.Roles = []policy.RemotePartyRole{}
	}
	if err := cmp.Or(d.will().check(), checkText("the reference of the papers", d.Application, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	if _, err := partyIn(ctx, tx, d.Party); !errors.Is(err, ca.ErrNotFound) {
		if err == nil {
			err = conflict("party %q is in the register; a name is never given twice", d.Party)
		}
		return nil, facts{}, err
	}
	return d, facts{party: d.Party, on: "no such party"}, nil
}

func (d EnrolParty) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO ra_party (id, name, category, roles, device_sub, org_sub, state, revision, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'active', 1, $7, $8)`,
		string(d.Party), d.Name, string(d.Category), rolesText(d.Roles), d.Subscriber.Device, d.Subscriber.Organisation, micro(now), micro(now))
	if err != nil {
		return fmt.Errorf("enrolling party %q: %w", d.Party, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// changed records a change of the register, by the approval that allowed it.
func (r *Registry) changed(ctx context.Context, tx store.Tx, now time.Time, a *Approval, d Deed) error {
	return r.record(ctx, tx, now, KindRegister, fmt.Sprintf("ra/approval-%d", a.ID), map[string]any{"act": d.Act(), "subject": d.Subject(), "change": d})
}

// ChangeParty changes a party's entry to what stands here.
type ChangeParty struct {
	Party       PartyID                  `json:"party"`
	Name        string                   `json:"name"`
	Category    Category                 `json:"category"`
	Roles       []policy.RemotePartyRole `json:"roles"`
	Subscriber  Subscriber               `json:"subscriber"`
	Application string                   `json:"application"`
}

// Act is its row of the table.
func (d ChangeParty) Act() Act { return ActChangeParty }

// Subject is what it is about.
func (d ChangeParty) Subject() string { return "party/" + string(d.Party) }

// Words say what will be done.
func (d ChangeParty) Words() string {
	return fmt.Sprintf("Change the entry of %q to: %s\nPapers: %q", d.Party, EnrolParty(d).will().words(), d.Application)
}

func (d ChangeParty) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if d.Roles == nil {
		d.Roles = []policy.RemotePartyRole{}
	}
	if err := cmp.Or(EnrolParty(d).will().check(), checkText("the reference of the papers", d.Application, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	p, err := activePartyIn(ctx, tx, d.Party)
	return d, facts{party: d.Party, on: p}, err
}

func (d ChangeParty) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ra_party SET name = $1, category = $2, roles = $3, device_sub = $4, org_sub = $5, revision = revision + 1, changed_at = $6 WHERE id = $7`,
		d.Name, string(d.Category), rolesText(d.Roles), d.Subscriber.Device, d.Subscriber.Organisation, micro(now), string(d.Party))
	if err != nil {
		return fmt.Errorf("changing party %q: %w", d.Party, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// WithdrawParty ends a party's part for good. Its officers may do nothing from then
// on, its requests are refused, its identifiers stay its own until they are released.
type WithdrawParty struct {
	Party PartyID `json:"party"`
	Why   string  `json:"why"`
}

// Act is its row of the table.
func (d WithdrawParty) Act() Act { return ActWithdrawParty }

// Subject is what it is about.
func (d WithdrawParty) Subject() string { return "party/" + string(d.Party) }

// Words say what will be done.
func (d WithdrawParty) Words() string {
	return fmt.Sprintf("Withdraw party %q for good, with all its officers: %q. Its certificates are not revoked by this.", d.Party, d.Why)
}

func (d WithdrawParty) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if err := checkText("the reason", d.Why, maxWords, true); err != nil {
		return nil, facts{}, err
	}
	p, err := activePartyIn(ctx, tx, d.Party)
	return d, facts{party: d.Party, on: p}, err
}

func (d WithdrawParty) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ra_party SET state = 'withdrawn', cause = $1, revision = revision + 1, changed_at = $2 WHERE id = $3`, d.Why, micro(now), string(d.Party))
	if err != nil {
		return fmt.Errorf("withdrawing party %q: %w", d.Party, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// AssignIdentifiers records that a party owns a range of EUI-64 identifiers. No two
// parties own one.
type AssignIdentifiers struct {
	Party       PartyID `json:"party"`
	Range       Range   `json:"range"`
	Application string  `json:"application"`
}

// Act is its row of the table.
func (d AssignIdentifiers) Act() Act { return ActAssignIdentifiers }

// Subject is what it is about.
func (d AssignIdentifiers) Subject() string { return "identifiers/" + d.Range.First.Hex() }

// Words say what will be done.
func (d AssignIdentifiers) Words() string {
	return fmt.Sprintf("Record that EUI-64 %s belongs to party %q. Papers: %q.", d.Range, d.Party, d.Application)
}

func (d AssignIdentifiers) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if err := cmp.Or(d.Range.check(), checkText("the reference of the papers", d.Application, maxText, true)); err != nil {
		return nil, facts{}, err
	}
	p, err := activePartyIn(ctx, tx, d.Party)
	if err != nil {
		return nil, facts{}, err
	}
	switch i, err := overlapIn(ctx, tx, d.Range); {
	case err == nil:
		return nil, facts{}, refuse("identifiers", "EUI-64 %s belongs to party %q", i.Range, i.Party)
	case !errors.Is(err, ca.ErrNotFound):
		return nil, facts{}, err
	}
	return d, facts{party: d.Party, on: map[string]any{"party": p.ID, "name": p.Name, "state": p.State}}, nil
}

func (d AssignIdentifiers) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO ra_identifier (first, last, party, assigned_at) VALUES ($1, $2, $3, $4)`, d.Range.First[:], d.Range.Last[:], string(d.Party), micro(now))
	if err != nil {
		return fmt.Errorf("assigning EUI-64 %s: %w", d.Range, err)
	}
	return r.changed(ctx, tx, now, a, d)
}

// ReleaseIdentifiers records that a party owns a range no more. The whole range, as
// it was assigned, is released.
type ReleaseIdentifiers struct {
	Party PartyID `json:"party"`
	Range Range   `json:"range"`
	Why   string  `json:"why"`
}

// Act is its row of the table.
func (d ReleaseIdentifiers) Act() Act { return ActReleaseIdentifiers }

// Subject is what it is about.
func (d ReleaseIdentifiers) Subject() string { return "identifiers/" + d.Range.First.Hex() }

// Words say what will be done.
func (d ReleaseIdentifiers) Words() string {
	return fmt.Sprintf("Record that EUI-64 %s belongs to party %q no more: %q.", d.Range, d.Party, d.Why)
}

func (d ReleaseIdentifiers) complete(ctx context.Context, tx store.Tx, _ *Registry) (Deed, facts, error) {
	if err := cmp.Or(d.Range.check(), checkText("the reason", d.Why, maxWords, true)); err != nil {
		return nil, facts{}, err
	}
	i, err := overlapIn(ctx, tx, d.Range)
	if err != nil {
		return nil, facts{}, err
	}
	if i.Range != d.Range || i.Party != d.Party {
		return nil, facts{}, refuse("identifiers", "party %q owns %s; a range is released as it was assigned", i.Party, i.Range)
	}
	return d, facts{party: d.Party, on: i}, nil
}

func (d ReleaseIdentifiers) apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ra_identifier SET released_at = $1 WHERE first = $2 AND last = $3 AND released_at IS NULL`, micro(now), d.Range.First[:], d.Range.Last[:])
	if err != nil {
		return fmt.Errorf("releasing EUI-64 %s: %w", d.Range, err)
	}
	return r.changed(ctx, tx, now, a, d)
}
