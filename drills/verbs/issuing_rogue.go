package verbs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/policy"
)

// KindFound is the kind of an entry that tells of a certificate found in the
// field; its body is a [CertificateFound].
const KindFound journal.Kind = "found"

// CertificateFound is a certificate that somebody came upon, held against the log
// of the CA that seems to have signed it.
type CertificateFound struct {
	File   string `json:"file"`
	Serial string `json:"serial"`
	Issuer string `json:"issuer"`
	Entity string `json:"entity"`
	Role   string `json:"role"`
	KeyID  string `json:"key_id"`
	Signed bool   `json:"signed_by_issuer"` // its signature verifies
	InLog  bool   `json:"in_log"`           // the CA's log has its serial
	Note   string `json:"note,omitempty"`
}

// rogue lets somebody who has a copy of an issuing key make certificates in a
// party's name. The copy is played by the key on the token, asked behind the CA's
// back: the signatures of a key and of its copy cannot be told apart.
func (w *World) rogue(ctx context.Context, at time.Duration, a engine.Action) error {
	p := w.partyOf(policy.RoleSupplier)
	if id := a.Params[paramOf]; id != "" {
		var err error
		if p, err = w.party(id); err != nil {
			return err
		}
	}
	copied, err := w.copiedAuthority(ctx, a.Object)
	if err != nil {
		return err
	}
	for range a.Number(paramCount) {
		c, _, err := w.mint(ctx, p, policy.UsageDigitalSignature, w.authority.made[a.Object], copied)
		if err != nil {
			return fmt.Errorf("making a rogue certificate: %w", err)
		}
		if err := w.found(ctx, at, a.Object, c); err != nil {
			return err
		}
	}
	return nil
}

// copiedAuthority is an authority's newest key as somebody with a copy has it.
func (w *World) copiedAuthority(ctx context.Context, name string) (*hsm.Key, error) {
	token, err := w.tokens.login(ctx, ownerCA)
	if err != nil {
		return nil, err
	}
	return token.Key(ctx, hsm.Label(name, w.authority.generation(name)))
}

// mint makes one certificate that the CA knows nothing of, with its key.
func (w *World) mint(ctx context.Context, p *party, usage policy.KeyUsage, issuer *policy.Certificate, copied *hsm.Key) (*policy.Certificate, *ecdsa.PrivateKey, error) {
	profile, err := w.env.Profile(policy.ProfileOrganisation)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := policy.NewSerial(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	tbs, err := profile.TBS(policy.CertificateTemplate{
		Serial: serial, PublicKey: &key.PublicKey, NotBefore: w.clock.Now(), Issuer: issuer,
		Role: p.role, EntityID: p.entity, Usage: usage,
	})
	if err != nil {
		return nil, nil, err
	}
	digest := sha256.Sum256(tbs)
	signature, err := copied.Signer(ctx).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, nil, err
	}
	der, err := policy.Assemble(tbs, signature)
	if err != nil {
		return nil, nil, err
	}
	c, err := policy.ParseCertificate(der)
	return c, key, err
}

// found looks a certificate up that somebody came upon, and keeps it.
func (w *World) found(ctx context.Context, at time.Duration, issuer string, c *policy.Certificate) error {
	body := CertificateFound{File: fmt.Sprintf("certs/found-%d.pem", len(w.dcc.unknown)+1)}
	if err := w.keepFound(ctx, at, issuer, c, &body); err != nil {
		return err
	}
	if !body.InLog {
		w.dcc.unknown = append(w.dcc.unknown, c)
	}
	return nil
}

// keepFound puts a certificate that the CA may know nothing of into pack and journal.
func (w *World) keepFound(ctx context.Context, at time.Duration, issuer string, c *policy.Certificate, body *CertificateFound) error {
	_, err := w.authority.issuer.BySerial(ctx, c.Serial)
	if err != nil && !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	body.InLog = err == nil
	entity, _ := c.EntityID()
	role, _ := c.Role()
	body.Serial, body.Issuer, body.Entity, body.Role, body.KeyID = c.Serial.String(), issuer, entity.String(), role.String(), c.SubjectKeyID.String()
	if by := w.authority.issuerOf(c); by != nil {
		body.Signed = policy.VerifyTBS(by.PublicKey, c.RawTBS, c.Signature) == nil
	}
	if err := w.pack.write(body.File, c.PEM()); err != nil {
		return err
	}
	_, err = w.record(KindFound, at, *body)
	return err
}

// gap makes it a fact of the drill that records are missing.
func (w *World) gap(_ context.Context, at time.Duration, a engine.Action) error {
	w.dcc.logGap = a.Duration(paramFor)
	return w.announce(at, a.Object, fmt.Sprintf("the records of %s have a gap of %.4g days before the start of the drill: what was signed then cannot be listed", a.Object, w.dcc.logGap.Hours()/24))
}
