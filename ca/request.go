package ca

import (
	"context"
	"errors"
	"fmt"

	"smki.example/policy"
)

// A Request asks for one certificate.
type Request struct {
	// DER is a PKCS#10 request. policy.DecodePEMOrBase64 takes the text forms.
	DER []byte
	// Requester is who asks, as the ledger and the audit log will say it.
	Requester string
	// Type is the profile asked for: device or organisation. Empty: what the
	// request's form says it is.
	Type policy.ProfileName
}

// Eligibility decides who may have what (Section L3.16 of the SEC). A refusal
// says why in one line; any error that wraps [ErrOutage] says that the decision
// could not be made.
type Eligibility interface {
	Eligible(ctx context.Context, requester string, req *policy.Request) error
}

// ErrOutage is wrapped by an Eligibility that could not decide.
var ErrOutage = errors.New("the decision could not be made")

// A draft is one certificate on its way, from request to ledger. The fields are
// filled from top to bottom as the steps of [Issuer.Issue] are done.
type draft struct {
	requester string
	request   *policy.Request
	profile   *policy.Profile
	authority *Authority
	intent    Intent

	certificate *Certificate // signed and read back, not yet recorded
	err         error        // why this one went no further
}

// examine does all that can be decided without the database and without writing:
// form, proof of possession, eligibility, authority. It is the dear part of an
// issuance and needs no lock, so that a batch does it on all cores.
func (i *Issuer) examine(ctx context.Context, r Request) (*draft, error) {
	d := &draft{requester: r.Requester}
	var err error

	// Size, form, strict DER, and every rule about the request's content.
	if d.request, err = policy.ParseRequest(r.DER); err != nil {
		return nil, refusedBy("request-form", err)
	}
	kind := d.request.Kind()
	if r.Type != "" && r.Type != kind {
		return nil, refuse("request-type", "a certificate of type %q is asked for, and the request has the form of type %q (our rule: who says what is wanted is taken at the word); ask for that type, or for none", r.Type, kind)
	}

	// Proof of possession (AppM 2.3.1.2, 2.4.1.2, 2.5.1.2).
	if err := d.request.CheckSignature(); err != nil {
		return nil, refusedBy("proof-of-possession", err)
	}

	if err := i.eligible(ctx, r.Requester, d.request); err != nil {
		return nil, err
	}
	if d.profile, err = i.env.Profile(kind); err != nil {
		return nil, fmt.Errorf("choosing profile: %w", err)
	}
	if d.authority, err = i.authorities.issuerFor(kind); err != nil {
		return nil, err
	}
	return d, d.authority.ValidAt(i.Now())
}

// eligible asks the environment, whose rules need no register of parties (roles
// that only a ceremony gives, names), then the register if there is one. EUI-64
// ranges are advisory where registration is open, so that none is checked here.
func (i *Issuer) eligible(ctx context.Context, requester string, req *policy.Request) error {
	if err := i.env.CheckRequest(req); err != nil {
		return refusedBy("environment", err)
	}
	if i.eligibility == nil {
		return nil
	}
	err := i.eligibility.Eligible(ctx, requester, req)
	if err != nil && !errors.Is(err, ErrOutage) {
		return refusedBy("eligible-subscriber", err)
	}
	return err
}

// refusedBy makes a refusal of what package policy, or the register, found.
func refusedBy(rule string, err error) error {
	var v *policy.Violation
	if errors.As(err, &v) && v.Rule != "" {
		rule = v.Rule
	}
	return &Refusal{Rule: rule, Err: err}
}

// draw decides the rest: serial number, exact bytes, and whether every lint
// passes on them (RFC 5280; the profile's own rules). A lint that fails here is
// the request's doing if the profile allows what it asked for in form but not in
// value, so that it is a refusal with the rule's name.
func (i *Issuer) draw(d *draft) error {
	serial, err := i.newSerial()
	if err != nil {
		return err
	}
	req := d.request
	t := policy.CertificateTemplate{
		Serial: serial, Issuer: d.authority.Certificate, PublicKey: req.PublicKey, Usage: req.Usage, NotBefore: i.Now(),
	}
	if d.profile.Name == policy.ProfileDevice {
		t.EntityID, t.HardwareType = req.DeviceID, req.HardwareType
	} else {
		t.CN, t.EntityID = req.Subject.CN, req.Subject.EntityID
		t.Role, _ = req.Subject.Role()
	}
	tbs, err := d.profile.TBS(t)
	if err != nil {
		return refusedBy("profile", err)
	}
	if err := d.profile.LintTBS(tbs, d.authority.Certificate); err != nil {
		return refusedBy("lint", err)
	}
	key, err := KeyHashOf(req.PublicKey)
	if err != nil {
		return err
	}
	entity := t.EntityID
	d.intent = Intent{
		Kind: CertificateIntent, Issuer: d.authority.ID(), Serial: serial, Profile: string(d.profile.Name),
		ProfileVersion: d.profile.Version, Entity: &entity, Key: key, TBS: tbs,
	}
	return nil
}
