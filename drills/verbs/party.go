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
	owner       *party // nil: an intruder's
	generation  int    // index into the owner's generations
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

	restored  bool   // the keys that it has were put back into cells that it had lost
	successor *party // whose certificates went into its cells: a new supplier's
	traffic   traffic
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

// entities are the entity identifiers of the first party of each role, from the
// range for documentation (RFC 9542); others of the role count up from it. The
// ceremony's script has the Recovery key's.
var entities = map[policy.RemotePartyRole]string{
	policy.RoleAccessControlBroker: "00-00-5E-EF-10-00-00-02",
	policy.RoleTransitionalCoS:     "00-00-5E-EF-10-00-00-04",
	policy.RoleWANProvider:         "00-00-5E-EF-10-00-00-06",
	policy.RoleSupplier:            "00-00-5E-EF-10-00-00-10",
	policy.RoleNetworkOperator:     "00-00-5E-EF-10-00-00-20",
}

// A seat is a part in the drill that somebody has to play, so that every cell of a
// device is populated, whether or not the scenario names a party for it.
type seat struct {
	role  policy.RemotePartyRole
	id    string // of the party that plays it if the scenario names none
	name  string
	owner string // of its token; empty: the party's id
	needs []purpose
}

var seats = []seat{
	{policy.RoleSupplier, "supplier", "Exercise Supplier A", "", []purpose{purposeSigning, purposeAgreement, purposePrepayment}},
	{policy.RoleNetworkOperator, "network operator", "Exercise Networks B", "", []purpose{purposeSigning, purposeAgreement}},
	{policy.RoleAccessControlBroker, partyBroker, "Exercise Access Control Broker", ownerBroker, []purpose{purposeSigning, purposeAgreement}},
	{policy.RoleTransitionalCoS, partyTransCoS, "Exercise Change of Supplier", ownerTransCoS, []purpose{purposeSigning}},
	{policy.RoleWANProvider, partyWAN, "Exercise WAN Provider", ownerWAN, []purpose{purposeSigning}},
}

// makeParties gives every party its first credentials, issued by the CA. The
// Recovery key's certificate comes from the ceremony.
func (w *World) makeParties(ctx context.Context) error {
	for _, s := range seats {
		first, err := policy.ParseEntityID(entities[s.role])
		if err != nil {
			return err
		}
		for i, named := range players(w.cfg.Scenario.Parties, s) {
			p := &party{id: named.ID, name: named.Name, entity: first, role: s.role, owner: s.owner, needs: s.needs, counter: firstCounter}
			p.entity[len(p.entity)-1] += byte(i)
			if p.owner == "" {
				p.owner = p.id
			}
			p.traffic.limit = noLimit
			w.parties = append(w.parties, p)
			if err := w.certify(ctx, p, "first certificates of "+p.name); err != nil {
				return err
			}
		}
	}
	certificate := w.authority.made[recoveryName]
	entity, _ := certificate.EntityID()
	recovery := &party{id: partyRecovery, name: "DCC with the Recovery key", entity: entity, role: policy.RoleRecovery, traffic: traffic{limit: noLimit}}
	recovery.generations = []map[purpose]*credential{{
		purposeSigning: {purpose: purposeSigning, owner: recovery, certificate: certificate, file: "certs/" + recoveryName + ".pem"},
	}}
	w.parties = append(w.parties, recovery)
	w.broker = &broker{party: w.partyOf(policy.RoleAccessControlBroker), secrets: map[secretOf][]byte{}}
	return nil
}

// players are the parties of the scenario that have a seat's role, or the one that
// stands in for them.
func players(named []scenario.Party, s seat) []scenario.Party {
	var out []scenario.Party
	for _, p := range named {
		if p.Role == s.role.String() {
			out = append(out, p)
		}
	}
	if out == nil {
		out = []scenario.Party{{ID: s.id, Name: s.name}}
	}
	return out
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

// partiesOf are the parties of a role, in the order of the scenario.
func (w *World) partiesOf(role policy.RemotePartyRole) []*party {
	var out []*party
	for _, p := range w.parties {
		if p.role == role {
			out = append(out, p)
		}
	}
	return out
}

// partyOf is the first party of a role.
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
		c.owner, c.generation = p, generation-1
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
