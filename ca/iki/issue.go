package iki

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cferr "github.com/cloudflare/cfssl/errors"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// An Order asks for a client certificate.
type Order struct {
	// DER is a PKCS#10 request: see [ParseRequest].
	DER []byte
	// Requester is who sent it, for the ledger and the audit record.
	Requester string
	// Interface is the one door that the certificate opens.
	Interface Interface
	// Renews is the serial number of the certificate that the new one follows: of the
	// same organisation, name and interface, and not revoked. Zero: none. The old one
	// stays in use until it expires or is revoked.
	Renews policy.Serial
}

// Issue is [Authority.IssueFor] of a certificate that opens no interface.
func (a *Authority) Issue(ctx context.Context, der []byte, requester string) (*Certificate, error) {
	return a.IssueFor(ctx, Order{DER: der, Requester: requester})
}

// IssueFor makes an IKI client certificate from a PKCS#10 request and returns it
// once it is in the ledger.
//
// Errors are those of [ca.Issuer.Issue]: one that wraps [ca.ErrRefused] is one line
// that names the rule and nothing was signed; one that wraps [ca.ErrUncertain]
// means that the key may have signed, and the serial is written off.
func (a *Authority) IssueFor(ctx context.Context, o Order) (*Certificate, error) {
	// 1. Strict parse and proof of possession, and what the environment gives in a
	// ceremony only.
	if !o.Interface.known() {
		return nil, fmt.Errorf("issuing to %q: %q is no interface", o.Requester, string(o.Interface))
	}
	r, err := ParseRequest(o.DER)
	if err != nil {
		return nil, err
	}
	if env := a.issuer.Environment(); slices.Contains(env.CeremonyRoles, r.Role) {
		return nil, refuse("role", "subject.organizationalUnitName", "a role that is issued on request", fmt.Sprintf("%s (%s), which is made in a ceremony only", r.Role, r.Role.OU()))
	}
	now := a.issuer.Now().Truncate(time.Second)
	if notAfter := now.Add(Validity); now.Before(a.cert.NotBefore) || notAfter.After(a.cert.NotAfter) {
		return nil, &ca.Refusal{Rule: "authority-validity", Err: fmt.Errorf("authority %q is valid to %s, which a new certificate would outlive; give it a new generation",
			a.id, a.cert.NotAfter.Format(time.RFC3339))}
	}

	// 2. The key signs through a witness, which compares the bytes with the request
	// and commits the intent.
	serial, err := policy.NewSerial(a.rand)
	if err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", o.Requester, err)
	}
	want := &expected{serial: serial, issuer: a.cert.RawSubject, notBefore: now, notAfter: now.Add(Validity), key: r.KeyHash,
		subject:    []attribute{{oidOrganisation, r.Organisation}, {oidOrganisationalUnit, r.Role.OU()}, {oidCommonName, r.CN}},
		extensions: clientExtensions(r, a.cert.SubjectKeyId)}
	w := a.certificateWitness(ctx, ProfileClient, o.Requester, want)
	w.admit = func(tx store.Tx) error { return a.admit(ctx, tx, r, o) }

	// 3. cfssl makes the template from the request and signs it.
	cfssl, err := local.NewSigner(w, a.cert, x509.ECDSAWithSHA256, signing())
	if err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", o.Requester, err)
	}
	signed, err := cfssl.Sign(signer.SignRequest{
		Request: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: o.DER})), Profile: string(ProfileClient),
		Serial: bigOf(serial), NotBefore: want.notBefore, NotAfter: want.notAfter,
	})
	if err != nil && w.intent.ID == 0 && w.err == nil {
		return nil, refusedByCFSSL(err)
	}
	var out []byte
	if block, _ := pem.Decode(signed); block != nil {
		out = block.Bytes
	}

	// 4. Recorded, or written off. Another process may have given the name away
	// meanwhile, which only now can be told.
	c := w.draft(want, o.Requester)
	c.Organisation, c.Role, c.CN, c.Interface = r.Organisation, &r.Role, r.CN, o.Interface
	err = w.conclude(out, err, w.certificateOutcome(c, func(tx store.Tx) error { return a.nameFree(ctx, tx, r, o) }))
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, ca.ErrRefused):
		return nil, err
	}
	return nil, fmt.Errorf("issuing to %q: %w", o.Requester, err)
}

// refusedByCFSSL is what cfssl said no to before it asked for a signature: the same
// request would hear the same again. What is not an error of cfssl's own is an
// outage.
func refusedByCFSSL(err error) error {
	var no *cferr.Error
	if !errors.As(err, &no) {
		return err
	}
	return &ca.Refusal{Rule: "iki-signer", Err: fmt.Errorf("cfssl, code %d: %s", no.ErrorCode, strings.Join(strings.Fields(no.Message), " "))}
}

// admit decides in tx what depends on other certificates: the key is not blocked,
// has no certificate and is in nobody's hands; the name is free.
func (a *Authority) admit(ctx context.Context, tx store.Tx, r *Request, o Order) error {
	key := r.KeyHash[:]
	var blocked, certified, pending int
	err := tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM blocked_key WHERE spki = $1),
		(SELECT COUNT(*) FROM iki_certificate WHERE spki = $2),
		(SELECT COUNT(*) FROM intent WHERE spki = $3 AND state = 'open')`, key, key, key).Scan(&blocked, &certified, &pending)
	if err != nil {
		return fmt.Errorf("looking up the key: %w", err)
	}
	switch {
	case blocked > 0:
		return &ca.Refusal{Rule: "key-blocked", Err: fmt.Errorf("the public key %s is on the block list", r.KeyHash)}
	case certified > 0:
		return &ca.Refusal{Rule: "key-reuse", Err: errors.New("the public key already has a certificate; make a new key pair")}
	case pending > 0:
		return fmt.Errorf("a certificate for the same key is being issued: %w; look it up, then try again", ca.ErrConflict)
	}
	return a.nameFree(ctx, tx, r, o)
}

// nameFree refuses in tx a name that is another organisation's, and one that has a
// certificate in use at the same interface already, unless it is the one that is
// renewed (AppM, Appendix G: unique among the requests for the same interface).
func (a *Authority) nameFree(ctx context.Context, tx store.Tx, r *Request, o Order) error {
	now := a.issuer.Now().UnixMicro()
	var taken, holding, renewable int
	err := tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM iki_certificate WHERE cn = $1 AND organisation <> $2 AND profile = $3),
		(SELECT COUNT(*) FROM iki_certificate WHERE cn = $4 AND interface = $5 AND status = 'I' AND not_after > $6 AND serial <> $7),
		(SELECT COUNT(*) FROM iki_certificate WHERE serial = $8 AND cn = $9 AND organisation = $10 AND interface = $11 AND status = 'I')`,
		r.CN, r.Organisation, string(ProfileClient), r.CN, string(o.Interface), now, o.Renews[:],
		o.Renews[:], r.CN, r.Organisation, string(o.Interface)).Scan(&taken, &holding, &renewable)
	if err != nil {
		return fmt.Errorf("looking up the name: %w", err)
	}
	switch {
	case taken > 0:
		return refuse("common-name", "subject.commonName", "a name that no other organisation's system has", fmt.Sprintf("%q, which is taken", r.CN))
	case o.Renews != policy.Serial{} && renewable == 0:
		return refuse("renewal", "renews", "a certificate in use, of the same organisation, name and interface", o.Renews.String())
	case o.Interface != NoInterface && holding > 0:
		return refuse("common-name", "subject.commonName", fmt.Sprintf("a name that has no certificate in use at interface %q, or the serial number of the one that is renewed", o.Interface), fmt.Sprintf("%q", r.CN))
	}
	return nil
}

// certificateWitness is a witness of one certificate.
func (a *Authority) certificateWitness(ctx context.Context, profile policy.ProfileName, by string, want *expected) *witness {
	return &witness{ctx: ctx, authority: a, by: by, lint: want.lint,
		intent: ca.Intent{Kind: ca.CertificateIntent, Issuer: a.id, Serial: want.serial, Profile: string(profile), ProfileVersion: profileVersion, Key: want.key}}
}

// draft is the row of the certificate that is asked for, without what is known once
// it is signed.
func (w *witness) draft(want *expected, requester string) *Certificate {
	return &Certificate{Serial: want.serial, Issuer: w.authority.id, Profile: policy.ProfileName(w.intent.Profile), Key: want.key,
		NotBefore: want.notBefore, NotAfter: want.notAfter, Status: ca.StatusInUse, Requester: requester}
}

// certificateOutcome completes and records c. check, if there is one, decides in the
// transaction that records it.
func (w *witness) certificateOutcome(c *Certificate, check func(store.Tx) error) outcome {
	i := w.authority.issuer
	return outcome{
		read: func(der []byte) error {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			parent := w.authority.cert
			if parent == nil {
				parent = cert
			}
			c.DER, c.Intent = der, w.intent.ID
			return parent.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
		},
		record: func(tx store.Tx) error {
			ctx := context.WithoutCancel(w.ctx)
			if check != nil {
				if err := check(tx); err != nil {
					// Not %w: the key has signed, so that this is no refusal.
					return fmt.Errorf("decided meanwhile: %v", err)
				}
			}
			c.RecordedAt = w.intent.SettledAt.Truncate(time.Microsecond)
			if err := insert(ctx, tx, c); err != nil {
				return err
			}
			digest := sha256.Sum256(c.DER)
			item := map[string]any{"id": w.intent.ID, "issuer": c.Issuer, "serial": c.Serial.String(), "profile": fmt.Sprintf("%s/%d", c.Profile, profileVersion),
				"sha256": hex.EncodeToString(digest[:])}
			if c.Interface != NoInterface {
				item["interface"] = c.Interface
			}
			_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindCertificate, At: c.RecordedAt, By: w.by,
				Body: map[string]any{"certificates": []map[string]any{item}}})
			return err
		},
		recorded: func(ctx context.Context) bool {
			_, err := BySerial(ctx, i.Store(), c.Serial)
			return err == nil
		},
	}
}
