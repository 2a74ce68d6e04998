package iki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/log"

	"smki.example/ca"
	"smki.example/policy"
)

// Names of the two certificates of this room, where package ca has profiles.
const (
	ProfileAuthority policy.ProfileName = "iki"
	ProfileClient    policy.ProfileName = "iki-client"

	profileVersion = 1
)

// Name is the name of the authority; with a generation, "iki-1", it is the key's
// label on the token.
const Name = "iki"

// How long certificates are valid. No public text says; the authority's is that of
// the Issuing OCA, and two years for a TLS client is our choice.
const (
	AuthorityValidity = 25 * 365 * 24 * time.Hour
	Validity          = 2 * 365 * 24 * time.Hour
)

// Config is what an Authority is made of.
type Config struct {
	// Issuer is the CA whose store, log and clock this authority shares.
	Issuer *ca.Issuer
	// Generation counts the keys the authority has had, from 1.
	Generation int
	// Certificate is the authority's own, in DER. [Found] makes it.
	Certificate []byte
	// Signer gives a signer whose operations end with ctx.
	Signer func(ctx context.Context) crypto.Signer
	// Rand gives serial numbers. Nil: crypto/rand.
	Rand io.Reader
}

// An Authority issues IKI certificates. All methods may be called concurrently, by
// several processes on one store.
type Authority struct {
	issuer *ca.Issuer
	id     string
	cert   *x509.Certificate
	signer func(ctx context.Context) crypto.Signer
	rand   io.Reader
}

// quiet turns cfssl's log, which says a line for every certificate, to what cannot
// be told otherwise; the level is a variable of that package.
var quiet = sync.OnceFunc(func() { log.Level = log.LevelFatal })

// Open returns the authority. It refuses a certificate that is not of the signer's
// key, or not one of a CA.
func Open(cfg Config) (*Authority, error) {
	a, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(cfg.Certificate); err != nil {
		return nil, fmt.Errorf("opening authority %q: reading its certificate: %w", a.id, err)
	}
	pub, _ := a.cert.PublicKey.(*ecdsa.PublicKey)
	if pub == nil || !pub.Equal(cfg.Signer(context.Background()).Public()) {
		return nil, fmt.Errorf("opening authority %q: the signer's key is not the key of its certificate; check the key's label and generation", a.id)
	}
	if !a.cert.IsCA || a.cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("opening authority %q: its certificate is not one of a CA", a.id)
	}
	return a, nil
}

func open(cfg Config) (*Authority, error) {
	quiet()
	switch {
	case cfg.Issuer == nil:
		return nil, errors.New("opening the IKI authority: Issuer is missing")
	case cfg.Signer == nil:
		return nil, errors.New("opening the IKI authority: Signer is missing")
	case cfg.Generation < 1:
		return nil, fmt.Errorf("opening the IKI authority: Generation is %d; it counts from 1", cfg.Generation)
	}
	a := &Authority{issuer: cfg.Issuer, id: fmt.Sprintf("%s-%d", Name, cfg.Generation), signer: cfg.Signer, rand: cfg.Rand}
	if a.rand == nil {
		a.rand = rand.Reader
	}
	return a, nil
}

// ID is the name with the generation: "iki-1".
func (a *Authority) ID() string { return a.id }

// Certificate returns the authority's own certificate, in DER.
func (a *Authority) Certificate() []byte { return a.cert.Raw }

// Found makes the authority's own, self-signed certificate, in the order of every
// issuance: intent, signature, ledger. An authority of that generation that is in
// the ledger already is returned as it is. Config.Certificate is not read.
//
// cfssl's initca is not used: it has the key sign a request first, which would be
// a signature of a CA key that is no certificate and has no serial to account for
// it by.
func Found(ctx context.Context, cfg Config, organisation string) (*Authority, error) {
	a, err := open(cfg)
	if err != nil {
		return nil, err
	}
	there, err := certificates(ctx, cfg.Issuer.Store(), query{issuer: a.id, profile: ProfileAuthority})
	if err != nil {
		return nil, fmt.Errorf("founding authority %q: %w", a.id, err)
	}
	if len(there) > 0 {
		cfg.Certificate = there[0].DER
		return Open(cfg)
	}
	pub, ok := a.signer(ctx).Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fmt.Errorf("founding authority %q: its key is not one of P-256", a.id)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("founding authority %q: %w", a.id, err)
	}
	serial, err := policy.NewSerial(a.rand)
	if err != nil {
		return nil, fmt.Errorf("founding authority %q: %w", a.id, err)
	}
	now := cfg.Issuer.Now().Truncate(time.Second)
	keyID, cn := policy.KeyIDOf(pub), "IKI CA "+a.id
	want := &expected{serial: serial, notBefore: now, notAfter: now.Add(AuthorityValidity), key: sha256.Sum256(spki),
		subject: []attribute{{oidOrganisation, organisation}, {oidCommonName, cn}},
		extensions: []extension{
			{oidKeyUsage, true, []byte{0x03, 0x02, 0x01, 0x06}},
			{oidBasicConstraints, true, []byte{0x30, 0x06, 0x01, 0x01, 0xFF, 0x02, 0x01, 0x00}},
			{oidSubjectKeyID, false, append([]byte{0x04, byte(len(keyID))}, keyID[:]...)},
		}}
	w := a.certificateWitness(ctx, ProfileAuthority, "ceremony", want)
	template := &x509.Certificate{
		SerialNumber: bigOf(serial), Subject: pkix.Name{Organization: []string{organisation}, CommonName: cn},
		NotBefore: want.notBefore, NotAfter: want.notAfter, SignatureAlgorithm: x509.ECDSAWithSHA256,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		SubjectKeyId: keyID[:],
	}
	der, err := x509.CreateCertificate(nil, template, template, pub, w)
	c := w.draft(want, "ceremony")
	c.Organisation, c.CN = organisation, cn
	if err := w.conclude(der, err, w.certificateOutcome(c, nil)); err != nil {
		return nil, fmt.Errorf("founding authority %q: %w", a.id, err)
	}
	cfg.Certificate = c.DER
	return Open(cfg)
}

// signing is cfssl's policy: one profile, and the serial is ours.
func signing() *config.Signing {
	profile := &config.SigningProfile{
		Usage: []string{"digital signature"}, Expiry: Validity, ClientProvidesSerialNumbers: true,
		CSRWhitelist: &config.CSRWhitelist{Subject: true, PublicKey: true, PublicKeyAlgorithm: true, SignatureAlgorithm: true},
	}
	return &config.Signing{Default: profile, Profiles: map[string]*config.SigningProfile{string(ProfileClient): profile}}
}
