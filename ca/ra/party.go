package ra

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// A PartyID names a party in the register, in requests and in the ledger: 1 to 63 of
// a-z, 0-9, dot and hyphen. Empty: the registration authority itself.
type PartyID string

// A Category is a Party Category of the SEC, or what else takes part. Stored as text:
// never rename one.
type Category string

// The categories (facts of the SEC's newsletters; electricity network unverified).
const (
	LargeSupplier             Category = "large-supplier"
	SmallSupplier             Category = "small-supplier"
	ElectricityNetwork        Category = "electricity-network"
	GasNetwork                Category = "gas-network"
	OtherParty                Category = "other"
	RegistrationDataProvider  Category = "registration-data-provider" // no Party, but may be a subscriber (AppN 1)
	DataCommunicationsCompany Category = "dcc"
)

// Categories returns them all.
func Categories() []Category {
	return []Category{LargeSupplier, SmallSupplier, ElectricityNetwork, GasNetwork, OtherParty, RegistrationDataProvider, DataCommunicationsCompany}
}

// Standing says whether something in the register counts.
type Standing string

// The standings; withdrawal is final. Stored as text: never rename one.
const (
	Active    Standing = "active"
	Withdrawn Standing = "withdrawn"
)

// A Subscriber is what an organisation is enrolled for (Authorised Subscriber).
type Subscriber struct {
	Device       bool `json:"device"`
	Organisation bool `json:"organisation"`
}

// A Party is an organisation in the register.
type Party struct {
	ID         PartyID                  `json:"id"`
	Name       string                   `json:"name"`
	Category   Category                 `json:"category"`
	Roles      []policy.RemotePartyRole `json:"roles"`
	Subscriber Subscriber               `json:"subscriber"`
	State      Standing                 `json:"state"`
	Cause      string                   `json:"cause,omitempty"` // of the withdrawal
	Revision   int64                    `json:"revision"`
	CreatedAt  time.Time                `json:"created_at"`
	ChangedAt  time.Time                `json:"changed_at"`
}

// check says whether a party can be as it is written.
func (p Party) check() error {
	if err := checkID("party", string(p.ID)); err != nil {
		return err
	}
	if err := checkText("the party's name", p.Name, maxText, true); err != nil {
		return err
	}
	if !slices.Contains(Categories(), p.Category) {
		return refuse("category", "%.40q is no category of parties", string(p.Category))
	}
	for n, role := range p.Roles {
		if !role.Known() || role == policy.RoleRoot || role == policy.RoleIssuingAuthority {
			return refuse("role", "%s is no Remote Party Role of a party", role)
		}
		if n > 0 && p.Roles[n-1] >= role {
			return refuse("role", "Remote Party Roles stand once each, in the order of their numbers")
		}
	}
	return nil
}

// words describes a party to an approver.
func (p Party) words() string {
	roles := make([]string, 0, len(p.Roles))
	for _, role := range p.Roles {
		roles = append(roles, role.String())
	}
	subscribes := "for no certificates"
	switch s := p.Subscriber; {
	case s.Device && s.Organisation:
		subscribes = "for Device and Organisation Certificates"
	case s.Device:
		subscribes = "for Device Certificates"
	case s.Organisation:
		subscribes = "for Organisation Certificates"
	}
	held := "none"
	if len(roles) > 0 {
		held = strings.Join(roles, ", ")
	}
	return fmt.Sprintf("party %q, named %q.\nCategory: %s\nRemote Party Roles: %s\nAuthorised Subscriber %s", p.ID, p.Name, p.Category, held, subscribes)
}

// A Range is EUI-64 identifiers from First to Last, both included.
type Range struct {
	First policy.EntityID `json:"first"`
	Last  policy.EntityID `json:"last"`
}

// One is the range of a single identifier.
func One(id policy.EntityID) Range { return Range{id, id} }

func (g Range) String() string {
	if g.First == g.Last {
		return g.First.String()
	}
	return g.First.String() + " to " + g.Last.String()
}

// Contains tells whether id lies in the range.
func (g Range) Contains(id policy.EntityID) bool {
	return bytes.Compare(g.First[:], id[:]) <= 0 && bytes.Compare(id[:], g.Last[:]) <= 0
}

func (g Range) check() error {
	if g.First.IsZero() || bytes.Compare(g.First[:], g.Last[:]) > 0 {
		return refuse("range", "EUI-64 %s: want first not zero and not after last", g)
	}
	return nil
}

// Identifiers is a range that a party owns, or owned.
type Identifiers struct {
	ID         int64     `json:"id"`
	Party      PartyID   `json:"party"`
	Range      Range     `json:"range"`
	AssignedAt time.Time `json:"assigned_at"`
	ReleasedAt time.Time `json:"released_at,omitzero"` // zero while owned
}

const partyColumns = `id, name, category, roles, device_sub, org_sub, state, cause, revision, created_at, changed_at`

func scanParty(row interface{ Scan(...any) error }) (Party, error) {
	var p Party
	var roles string
	var created, changed int64
	if err := row.Scan(&p.ID, &p.Name, &p.Category, &roles, &p.Subscriber.Device, &p.Subscriber.Organisation, &p.State, &p.Cause, &p.Revision, &created, &changed); err != nil {
		return Party{}, err
	}
	p.CreatedAt, p.ChangedAt = fromMicro(created), fromMicro(changed)
	p.Roles = []policy.RemotePartyRole{}
	for _, ou := range strings.Split(roles, ",") {
		if ou == "" {
			continue
		}
		role, err := policy.ParseRole(ou)
		if err != nil {
			return Party{}, fmt.Errorf("reading party %q: %w", p.ID, err)
		}
		p.Roles = append(p.Roles, role)
	}
	return p, nil
}

func partyIn(ctx context.Context, tx store.Tx, id PartyID) (Party, error) {
	p, err := scanParty(tx.QueryRow(ctx, `SELECT `+partyColumns+` FROM ra_party WHERE id = $1`, string(id)))
	return p, notFound(err, "party %q", id)
}

// activePartyIn returns a party that is not withdrawn.
func activePartyIn(ctx context.Context, tx store.Tx, id PartyID) (Party, error) {
	p, err := partyIn(ctx, tx, id)
	if err == nil && p.State != Active {
		return p, refuse("party-withdrawn", "party %q was withdrawn: %s", p.ID, p.Cause)
	}
	return p, err
}

func rolesText(roles []policy.RemotePartyRole) string {
	ous := make([]string, 0, len(roles))
	for _, role := range roles {
		ous = append(ous, role.OU())
	}
	return strings.Join(ous, ",")
}

const identifierColumns = `id, party, first, last, assigned_at, COALESCE(released_at, 0)`

func scanIdentifiers(row interface{ Scan(...any) error }) (Identifiers, error) {
	var i Identifiers
	var first, last []byte
	var assigned, released int64
	err := row.Scan(&i.ID, &i.Party, &first, &last, &assigned, &released)
	copy(i.Range.First[:], first)
	copy(i.Range.Last[:], last)
	i.AssignedAt = fromMicro(assigned)
	if released != 0 {
		i.ReleasedAt = fromMicro(released)
	}
	return i, err
}

// ownerIn returns who owns an identifier; the error wraps [ca.ErrNotFound] if nobody
// does.
func ownerIn(ctx context.Context, tx store.Tx, id policy.EntityID) (Identifiers, error) {
	i, err := scanIdentifiers(tx.QueryRow(ctx, `SELECT `+identifierColumns+` FROM ra_identifier
		WHERE first <= $1 AND released_at IS NULL ORDER BY first DESC LIMIT 1`, id[:]))
	if err == nil && !i.Range.Contains(id) {
		err = errNoRows
	}
	return i, notFound(err, "owner of EUI-64 %s", id)
}

// overlapIn returns a range that is owned and shares an identifier with g.
func overlapIn(ctx context.Context, tx store.Tx, g Range) (Identifiers, error) {
	i, err := scanIdentifiers(tx.QueryRow(ctx, `SELECT `+identifierColumns+` FROM ra_identifier
		WHERE first <= $1 AND last >= $2 AND released_at IS NULL ORDER BY first LIMIT 1`, g.Last[:], g.First[:]))
	return i, notFound(err, "owner of EUI-64 %s", g)
}

// Party returns one party. The error wraps [ca.ErrNotFound].
func (r *Registry) Party(ctx context.Context, id PartyID) (Party, error) {
	return read(ctx, r, "the register", func(tx store.Tx) (Party, error) { return partyIn(ctx, tx, id) })
}

// Parties returns all parties, withdrawn ones too, in the order of their IDs.
func (r *Registry) Parties(ctx context.Context) ([]Party, error) {
	return read(ctx, r, "the register", func(tx store.Tx) ([]Party, error) {
		return collect(ctx, tx, scanParty, `SELECT `+partyColumns+` FROM ra_party ORDER BY id`)
	})
}

// Owner returns the party that owns an identifier now. The error wraps
// [ca.ErrNotFound] if none does.
func (r *Registry) Owner(ctx context.Context, id policy.EntityID) (Identifiers, error) {
	return read(ctx, r, "the register", func(tx store.Tx) (Identifiers, error) { return ownerIn(ctx, tx, id) })
}

// Identifiers returns the ranges of a party, released ones too, oldest first.
func (r *Registry) Identifiers(ctx context.Context, party PartyID) ([]Identifiers, error) {
	return read(ctx, r, "the register", func(tx store.Tx) ([]Identifiers, error) {
		return collect(ctx, tx, scanIdentifiers, `SELECT `+identifierColumns+` FROM ra_identifier WHERE party = $1 ORDER BY id`, string(party))
	})
}
