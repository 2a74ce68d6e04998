package policytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
)

// HardwareType is the hwType of devices made here, under the arc for
// documentation.
var HardwareType = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1, 2, 2, 1}

// Began is the first day of every authority made here. A fixed day keeps tests
// independent of the day on which they run.
var Began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// An Authority is a certificate and its key.
type Authority struct {
	Certificate *policy.Certificate
	Key         *ecdsa.PrivateKey
}

// Hierarchy is the four authorities of an environment.
type Hierarchy struct {
	Environment *policy.Environment
	RootOCA     Authority // CN XA
	IssuingOCA  Authority // CN X1
	RootDCA     Authority // CN DA
	IssuingDCA  Authority // CN D1

	// NotBefore is given to the certificates that Organisation and Device make.
	// A test may change it.
	NotBefore time.Time
}

// NewHierarchy makes the four authorities of the exercise environment.
func NewHierarchy(t testing.TB) *Hierarchy { return NewHierarchyIn(t, "exercise", Began) }

// NewHierarchyIn makes the four authorities of an embedded environment, valid
// from the day of notBefore.
func NewHierarchyIn(t testing.TB, environment string, notBefore time.Time) *Hierarchy {
	t.Helper()
	env, err := policy.LoadEnvironment(environment)
	require.NoError(t, err)
	h := &Hierarchy{Environment: env, NotBefore: notBefore}
	h.RootOCA = h.authority(t, policy.ProfileRootOCA, "XA", nil)
	h.IssuingOCA = h.authority(t, policy.ProfileIssuingOCA, "X1", &h.RootOCA)
	h.RootDCA = h.authority(t, policy.ProfileRootDCA, "DA", nil)
	h.IssuingDCA = h.authority(t, policy.ProfileIssuingDCA, "D1", &h.RootDCA)
	return h
}

func (h *Hierarchy) authority(t testing.TB, profile policy.ProfileName, cn string, issuer *Authority) Authority {
	t.Helper()
	key := NewKey(t)
	c := h.Issue(t, profile, issuer, key, policy.CertificateTemplate{CN: cn})
	return Authority{Certificate: c, Key: key}
}

// Organisation makes an Organisation Certificate and its key.
func (h *Hierarchy) Organisation(t testing.TB, role policy.RemotePartyRole, entity policy.EntityID, usage policy.KeyUsage) (*policy.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := NewKey(t)
	return h.Issue(t, policy.ProfileOrganisation, &h.IssuingOCA, key, policy.CertificateTemplate{Role: role, EntityID: entity, Usage: usage}), key
}

// Device makes a Device Certificate and its key.
func (h *Hierarchy) Device(t testing.TB, entity policy.EntityID, usage policy.KeyUsage) (*policy.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := NewKey(t)
	return h.Issue(t, policy.ProfileDevice, &h.IssuingDCA, key, policy.CertificateTemplate{EntityID: entity, HardwareType: HardwareType, Usage: usage}), key
}

// Issue makes one certificate for key under a profile; issuer nil signs it with
// key itself. It fills in what the template leaves open of serial, key, issuer
// and notBefore, lints the to-be-signed bytes and verifies the result, so that
// no test builds on a certificate that the CA would not have made.
func (h *Hierarchy) Issue(t testing.TB, profile policy.ProfileName, issuer *Authority, key *ecdsa.PrivateKey, template policy.CertificateTemplate) *policy.Certificate {
	t.Helper()
	p, err := h.Environment.Profile(profile)
	require.NoError(t, err)
	if template.Serial.IsZero() {
		template.Serial = NewSerial(t)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = h.NotBefore
	}
	template.PublicKey = &key.PublicKey
	signer := key
	if issuer != nil {
		template.Issuer, signer = issuer.Certificate, issuer.Key
	}
	tbs, err := p.TBS(template)
	require.NoError(t, err)
	require.NoError(t, p.LintTBS(tbs, template.Issuer))
	c, err := policy.ParseCertificate(Sign(t, signer, tbs))
	require.NoError(t, err)
	require.NoError(t, policy.VerifyTBS(&signer.PublicKey, c.RawTBS, c.Signature))
	return c
}

// CRL makes the list of an authority with the given entries, valid for two days
// from thisUpdate.
func (h *Hierarchy) CRL(t testing.TB, issuer Authority, number int64, thisUpdate time.Time, entries ...policy.CRLEntry) *policy.CRL {
	t.Helper()
	tbs, err := policy.TBSCRL(policy.CRLTemplate{Issuer: issuer.Certificate, Number: number, ThisUpdate: thisUpdate, NextUpdate: thisUpdate.Add(48 * time.Hour), Entries: entries})
	require.NoError(t, err)
	require.NoError(t, policy.LintTBSCRL(tbs, issuer.Certificate))
	c, err := policy.ParseCRL(Sign(t, issuer.Key, tbs))
	require.NoError(t, err)
	require.NoError(t, c.CheckSignature(issuer.Certificate))
	return c
}

// Anchor returns the trust anchor for organisations, the Root OCA.
func (h *Hierarchy) Anchor() policy.TrustAnchor { return policy.AnchorOf(h.RootOCA.Certificate) }

// DeviceAnchor returns the trust anchor for devices, the Root DCA.
func (h *Hierarchy) DeviceAnchor() policy.TrustAnchor { return policy.AnchorOf(h.RootDCA.Certificate) }

// Sign signs to-be-signed bytes and returns the certificate or list.
func Sign(t testing.TB, key *ecdsa.PrivateKey, tbs []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(tbs)
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(t, err)
	der, err := policy.Assemble(tbs, sig)
	require.NoError(t, err)
	return der
}

// NewKey returns a new P-256 key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// NewSerial returns a new serial number.
func NewSerial(t testing.TB) policy.Serial {
	t.Helper()
	s, err := policy.NewSerial(rand.Reader)
	require.NoError(t, err)
	return s
}
