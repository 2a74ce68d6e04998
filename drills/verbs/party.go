package verbs

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/scenario"
	"smki.example/hsm"
	"smki.example/policy"
)

// A purpose is what one of a party's certificates is for. Key agreement for
// messages and for prepayment top-ups have the same key usage and stand in
// different cells.
type purpose string

const (
	purposeSigning    purpose = "signing"
	purposeAgreement  purpose = "agreement"
	purposePrepayment purpose = "prepayment"
)

func (p purpose) usage() policy.KeyUsage {
	if p == purposeSigning {
		return policy.UsageDigitalSignature
	}
	return policy.UsageKeyAgreement
}

// A credential is a key and the certificate for it: signer for a signing key,
// agreement for the others.
type credential struct {
	purpose     purpose
	certificate *policy.Certificate
	file        string // in the pack
	signer      func(ctx context.Context) crypto.Signer
	agreement   *ecdh.PrivateKey
}

func (c *credential) anchor() fleet.Anchor { return fleet.AnchorOf(c.certificate) }
func (c *credential) keyID() policy.KeyID  { return c.certificate.SubjectKeyID }

// A party is an organisation whose keys stand on devices.
type party struct {
	id     string // as the scenario calls it
	name   string
	entity policy.EntityID
	role   policy.RemotePartyRole
	owner  string // of its token; empty: keys in software, used for nothing but their request
	needs  []purpose

	// generations are its sets of credentials, oldest first; the last is the one in
	// force. A set is complete or was never added.
	generations []map[purpose]*credential

	// counter is the last originator counter used: one for the organisation, not
	// one for each device (GBCS v4.4, third-party summary).
	counter gbcs.OriginatorCounter
	frozen  bool // the broker adds no MAC for it
}

// current is the newest set of credentials.
func (p *party) current() map[purpose]*credential { return p.generations[len(p.generations)-1] }

// next takes the next originator counter. A counter is never used twice, because
// the key of a MAC depends on little else.
func (p *party) next() gbcs.OriginatorCounter {
	p.counter++
	return p.counter
}

// firstCounter is where parties' counters stand when a drill begins; sample data.
const firstCounter = 1000

// The entity identifiers of the parties, from the range for documentation
// (RFC 9542). The ceremony's script has the Recovery key's.
var entities = map[policy.RemotePartyRole]string{
	policy.RoleAccessControlBroker: "00-00-5E-EF-10-00-00-02",
	policy.RoleTransitionalCoS:     "00-00-5E-EF-10-00-00-04",
	policy.RoleSupplier:            "00-00-5E-EF-10-00-00-10",
	policy.RoleNetworkOperator:     "00-00-5E-EF-10-00-00-20",
}

// standing are the parties every estate needs, so that all nine cells of a device
// are populated, whether or not the scenario names them.
var standing = []scenario.Party{
	{ID: "supplier", Name: "Exercise Supplier A", Role: "supplier"},
	{ID: "network operator", Name: "Exercise Networks B", Role: "networkOperator"},
	{ID: "access control broker", Name: "Exercise Access Control Broker", Role: "accessControlBroker"},
	{ID: "transitional cos", Name: "Exercise Change of Supplier", Role: "transitionalCoS"},
}

// makeParties gives every party its first credentials, issued by the CA.
func (w *World) makeParties(ctx context.Context) error {
	for _, s := range standing {
		p := &party{id: s.ID, name: s.Name, counter: firstCounter}
		for _, named := range w.cfg.Scenario.Parties {
			if named.Role == s.Role {
				p.id, p.name = named.ID, named.Name
			}
		}
		var err error
		if p.role, err = policy.ParseRole(s.Role); err != nil {
			return err
		}
		if p.entity, err = policy.ParseEntityID(entities[p.role]); err != nil {
			return err
		}
		switch p.role {
		case policy.RoleSupplier:
			p.owner, p.needs = p.id, []purpose{purposeSigning, purposeAgreement, purposePrepayment}
		case policy.RoleAccessControlBroker:
			p.owner, p.needs = ownerBroker, []purpose{purposeSigning, purposeAgreement}
		case policy.RoleTransitionalCoS:
			p.needs = []purpose{purposeSigning}
		default:
			p.needs = []purpose{purposeSigning, purposeAgreement}
		}
		w.parties = append(w.parties, p)
		if err := w.certify(ctx, p, "first certificates of "+p.name); err != nil {
			return err
		}
	}
	w.broker = &broker{party: w.partyOf(policy.RoleAccessControlBroker), secrets: map[int][]byte{}}
	return nil
}

// party finds a party by the scenario's name for it.
func (w *World) party(id string) (*party, error) {
	for _, p := range w.parties {
		if p.id == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no party %q whose keys stand on devices", id)
}

// replaceable is party for the verbs that work on a supplier's cells. The drills
// shipped lose a supplier's keys; those of other roles stand on devices and are
// never replaced.
func (w *World) replaceable(id string) (*party, error) {
	p, err := w.party(id)
	if err == nil && p.role != policy.RoleSupplier {
		return nil, refuse("%s is a %s: this world replaces, takes and reads the keys of a supplier only", p.name, p.role)
	}
	return p, err
}

func (w *World) partyOf(role policy.RemotePartyRole) *party {
	for _, p := range w.parties {
		if p.role == role {
			return p
		}
	}
	return nil
}

// certify makes a party's next set of keys, has the CA certify them, and puts the
// set in force. On failure the party keeps the set it has.
func (w *World) certify(ctx context.Context, p *party, note string) error {
	generation := len(p.generations) + 1
	set := map[purpose]*credential{}
	for _, use := range p.needs {
		c, request, err := w.makeKey(ctx, p, use, generation)
		if err != nil {
			return err
		}
		if c.certificate, err = w.authority.issue(ctx, request, p.name); err != nil {
			return fmt.Errorf("certifying the %s key of %s: %w", use, p.name, err)
		}
		set[use] = c
	}
	for _, use := range p.needs {
		if err := w.recordCertificate(p, set[use], generation, p.name, note); err != nil {
			return err
		}
	}
	p.generations = append(p.generations, set)
	return nil
}

// makeKey makes one key and a request for it, which the key itself signs. A
// signing key is made on its owner's token. A key agreement key is made in
// software: a token key of ours is for signing or for agreeing and never for both,
// and a request must be signed by the key it is for.
func (w *World) makeKey(ctx context.Context, p *party, use purpose, generation int) (*credential, []byte, error) {
	c := &credential{purpose: use}
	if p.owner == "" || use != purposeSigning {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, fmt.Errorf("making a key for %s: %w", p.name, err)
		}
		if use == purposeSigning {
			c.signer = func(context.Context) crypto.Signer { return key }
		} else if c.agreement, err = key.ECDH(); err != nil {
			return nil, nil, fmt.Errorf("making a key for %s: %w", p.name, err)
		}
		request, err := organisationRequest(p.role, p.entity, use.usage(), key)
		return c, request, err
	}
	token, err := w.tokens.login(ctx, p.owner)
	if err != nil {
		return nil, nil, err
	}
	key, err := token.Generate(ctx, hsm.KeySpec{Label: hsm.Label(string(use), generation), Use: hsm.Sign, Modifiable: true})
	if err != nil {
		return nil, nil, fmt.Errorf("making a key for %s: %w", p.name, err)
	}
	c.signer = key.Signer
	request, err := organisationRequest(p.role, p.entity, use.usage(), key.Signer(ctx))
	return c, request, err
}
