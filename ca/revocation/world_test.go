package revocation_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A world is a CA with a register of revocations, on a real database, whose keys
// are in software behind taps.
type world struct {
	hierarchy *policytest.Hierarchy
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	register  *revocation.Register

	mu   sync.Mutex
	now  time.Time
	made [][32]byte // digest of every signature that was made
	fail func(sign func() ([]byte, error)) ([]byte, error)
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var errInjected = errors.New("injected fault")

func inject() error { return errInjected }

func newWorld(t testing.TB, environment string) *world {
	t.Helper()
	w := &world{hierarchy: policytest.NewHierarchyIn(t, environment, policytest.Began), faults: &store.Faults{}, now: noon}
	var err error
	w.store, err = store.Open(context.Background(), store.Config{URL: storetest.Fresh(t), Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.issuer, w.register = w.open(t)
	h := w.hierarchy
	var signed []ca.CeremonyIntent
	for _, c := range []struct {
		cert    *policy.Certificate
		profile policy.ProfileName
		label   string
	}{
		{h.RootOCA.Certificate, policy.ProfileRootOCA, "root-oca-1"}, {h.IssuingOCA.Certificate, policy.ProfileIssuingOCA, "root-oca-1"},
		{h.RootDCA.Certificate, policy.ProfileRootDCA, "root-dca-1"}, {h.IssuingDCA.Certificate, policy.ProfileIssuingDCA, "root-dca-1"},
	} {
		signed = append(signed, ca.CeremonyIntent{TBS: c.cert.RawTBS, Signature: c.cert.Signature, Profile: c.profile, KeyLabel: c.label})
	}
	require.NoError(t, w.issuer.ImportCeremony(context.Background(), signed))
	return w
}

// open opens one more CA and register; they stand for another process.
func (w *world) open(t testing.TB) (*ca.Issuer, *revocation.Register) {
	t.Helper()
	h := w.hierarchy
	cfg := ca.Config{Store: w.store, Environment: h.Environment, Clock: w.clock, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	for name, a := range map[string]policytest.Authority{"root-oca": h.RootOCA, "issuing-oca": h.IssuingOCA, "root-dca": h.RootDCA, "issuing-dca": h.IssuingDCA} {
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate,
			Signer: func(context.Context) crypto.Signer { return tapped{w, a.Key} }})
	}
	issuer, err := ca.Open(context.Background(), cfg)
	require.NoError(t, err)
	register, err := revocation.New(revocation.Config{Issuer: issuer})
	require.NoError(t, err)
	return issuer, register
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) set(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

func (w *world) setFail(fail func(sign func() ([]byte, error)) ([]byte, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

type tapped struct {
	w   *world
	key *ecdsa.PrivateKey
}

func (s tapped) Public() crypto.PublicKey { return s.key.Public() }

func (s tapped) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sign := func() ([]byte, error) {
		s.w.mu.Lock()
		s.w.made = append(s.w.made, [32]byte(digest))
		s.w.mu.Unlock()
		return s.key.Sign(random, digest, opts)
	}
	s.w.mu.Lock()
	fail := s.w.fail
	s.w.mu.Unlock()
	if fail != nil {
		return fail(sign)
	}
	return sign()
}

func (w *world) signatures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.made)
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

// supplier issues a certificate to supplier n.
func (w *world) supplier(t testing.TB, n int) *ca.Certificate {
	t.Helper()
	c, err := w.issuer.Issue(context.Background(), ca.Request{Requester: "supplier",
		DER: policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageDigitalSignature)})
	require.NoError(t, err)
	return c
}

// device issues a certificate to device n.
func (w *world) device(t testing.TB, n int) *ca.Certificate {
	t.Helper()
	c, err := w.issuer.Issue(context.Background(), ca.Request{Requester: "manufacturer",
		DER: policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature)})
	require.NoError(t, err)
	return c
}

func (w *world) revoke(t testing.TB, serial policy.Serial, reason policy.Reason) revocation.Revocation {
	t.Helper()
	v, err := w.register.Revoke(context.Background(), revocation.Revoke{Serial: serial, Reason: reason, By: "operator"})
	require.NoError(t, err)
	return v
}

// accounts is what must hold whenever nobody is at work: the numbers of the
// published lists rise and each is verified, later lists hold all that earlier ones
// held, the newest holds every revocation recorded before it was published,
// every signature has an intent, and the audit log is whole.
func (w *world) accounts(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	intents := make(map[[32]byte]*ca.Intent)
	for in, err := range w.issuer.Intents(ctx) {
		require.NoError(t, err)
		intents[sha256.Sum256(in.TBS)] = in
	}
	for _, digest := range w.made {
		require.Contains(t, intents, digest, "a signature is accounted for by an intent")
		require.NotEqual(t, ca.StateUnused, intents[digest].State)
	}
	var last *policy.CRL
	var lastIssuer string
	var lastPublished time.Time
	published := 0
	for rec, err := range w.register.CRLs(ctx) {
		require.NoError(t, err)
		crl, err := policy.ParseCRL(rec.DER)
		require.NoError(t, err)
		a, err := w.issuer.Authority(rec.Issuer)
		require.NoError(t, err)
		require.NoError(t, crl.CheckSignature(a.Certificate))
		require.Equal(t, rec.Number, crl.Number)
		require.Len(t, crl.Entries, rec.Entries)
		in := intents[sha256.Sum256(crl.RawTBS)]
		require.NotNil(t, in)
		require.Equal(t, ca.StateRecorded, in.State)
		if rec.Issuer == lastIssuer {
			require.Greater(t, crl.Number, last.Number, "numbers rise")
			require.False(t, rec.PublishedAt.Before(lastPublished), "in the order of publication")
			for _, e := range last.Entries {
				again, ok := crl.Find(e.Serial)
				require.True(t, ok, "what stood on a list stands on the next")
				require.Equal(t, e, again)
			}
		}
		last, lastIssuer, lastPublished = crl, rec.Issuer, rec.PublishedAt
		for v, err := range w.register.List(ctx, rec.Issuer) {
			require.NoError(t, err)
			if v.OnCRL && v.RecordedAt.Before(rec.PublishedAt) {
				e, ok := crl.Find(v.Serial)
				require.True(t, ok, "a list lacks no revocation that was recorded before it")
				require.Equal(t, v.Reason, e.Reason)
				require.Equal(t, v.At, e.At)
			}
		}
		published++
	}
	for _, in := range intents {
		if in.Kind == ca.CRLIntent && in.State == ca.StateRecorded {
			published--
		}
	}
	require.Zero(t, published, "as many published lists as recorded intents")
	_, err := w.issuer.Log().Verify(ctx)
	require.NoError(t, err)
}
