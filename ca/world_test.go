package ca_test

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
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A world is a CA on a real database, whose keys are in software behind taps.
type world struct {
	hierarchy *policytest.Hierarchy
	home      string // a folder
	url       string // of the database
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	clock     *clock
	tap       *tap
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// clock is a CA's time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// A tap sits between the CA and its keys. It keeps the digest of every signature
// that was made, whether or not the CA got to see it, and can fail in every way a
// token can.
type tap struct {
	mu   sync.Mutex
	made [][32]byte
	// fail, if not nil, decides for each signature; it may call sign none, one or
	// more times.
	fail func(sign func() ([]byte, error)) ([]byte, error)
	// told, if not nil, hears of each signature before the CA does.
	told func(digest []byte) error
}

type tapped struct {
	tap *tap
	key *ecdsa.PrivateKey
}

func (s tapped) Public() crypto.PublicKey { return s.key.Public() }

func (s tapped) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sign := func() ([]byte, error) {
		sig, err := s.key.Sign(random, digest, opts)
		s.tap.mu.Lock()
		defer s.tap.mu.Unlock()
		s.tap.made = append(s.tap.made, [32]byte(digest))
		if s.tap.told != nil {
			err = errors.Join(err, s.tap.told(digest))
		}
		return sig, err
	}
	s.tap.mu.Lock()
	fail := s.tap.fail
	s.tap.mu.Unlock()
	if fail != nil {
		return fail(sign)
	}
	return sign()
}

func (t *tap) setFail(fail func(sign func() ([]byte, error)) ([]byte, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail = fail
}

func (t *tap) signatures() [][32]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([][32]byte(nil), t.made...)
}

func authority(name string, a policytest.Authority, t *tap) ca.Authority {
	return ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate,
		Signer: func(context.Context) crypto.Signer { return tapped{t, a.Key} }}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world { return newWorldIn(t, "exercise") }

func newWorldIn(t testing.TB, environment string) *world {
	t.Helper()
	w := &world{
		hierarchy: policytest.NewHierarchyIn(t, environment, policytest.Began),
		home:      t.TempDir(),
		url:       storetest.Fresh(t),
		faults:    &store.Faults{},
		clock:     &clock{now: noon},
		tap:       &tap{},
	}
	var err error
	w.store, err = store.Open(context.Background(), store.Config{URL: w.url, Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.issuer = w.open(t)
	return w
}

// open opens one more CA on the world's store; it stands for another process.
func (w *world) open(t testing.TB) *ca.Issuer {
	t.Helper()
	i, err := ca.Open(context.Background(), w.config())
	require.NoError(t, err)
	return i
}

func (w *world) config() ca.Config {
	return ca.Config{
		Store: w.store, Environment: w.hierarchy.Environment, Clock: w.clock.Now, LogKey: logKey,
		Authorities: []ca.Authority{
			authority("issuing-oca", w.hierarchy.IssuingOCA, w.tap),
			authority("issuing-dca", w.hierarchy.IssuingDCA, w.tap),
			authority("root-oca", w.hierarchy.RootOCA, w.tap),
		},
	}
}

var logKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

// device is a request for a new key of device n.
func device(t testing.TB, n int) ca.Request {
	return ca.Request{DER: policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature), Requester: "manufacturer"}
}

// supplier is a request for a new key of supplier n.
func supplier(t testing.TB, n int) ca.Request {
	return ca.Request{DER: policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageKeyAgreement), Requester: "supplier"}
}

// accounts is what must hold in any world at any time when nobody is at work:
// every signature that was made has an intent; what is signed and not in the
// ledger is written off; what is in the ledger was signed and is what its intent
// says; no serial twice; the audit log is whole.
func (w *world) accounts(t testing.TB) (states map[ca.IntentState]int) {
	t.Helper()
	ctx := context.Background()
	states = make(map[ca.IntentState]int)
	intents := make(map[[32]byte]*ca.Intent)
	serials := make(map[policy.Serial]*ca.Intent)
	for in, err := range w.issuer.Intents(ctx) {
		require.NoError(t, err)
		states[in.State]++
		intents[sha256.Sum256(in.TBS)] = in
		if in.Kind == ca.CertificateIntent {
			require.NotContains(t, serials, in.Serial, "no serial twice")
			serials[in.Serial] = in
		}
	}
	certificates := 0
	for c, err := range w.issuer.List(ctx, ca.Filter{}) {
		require.NoError(t, err)
		certificates++
		cert, err := c.Parse()
		require.NoError(t, err)
		in := intents[sha256.Sum256(cert.RawTBS)]
		require.NotNil(t, in, "a certificate has an intent for its exact bytes")
		require.Equal(t, ca.StateRecorded, in.State)
		require.Equal(t, in.ID, c.Intent)
		require.Equal(t, in.Issuer, c.Issuer)
		require.Equal(t, in.Serial, c.Serial)
		require.Equal(t, in.Key, c.Key)
	}
	for _, in := range intents {
		if in.Kind == ca.CertificateIntent && in.State == ca.StateRecorded {
			certificates--
		}
	}
	require.Zero(t, certificates, "as many certificates as recorded intents")
	for _, digest := range w.tap.signatures() {
		in := intents[digest]
		require.NotNil(t, in, "a signature of a CA key is accounted for by an intent")
		require.NotEqual(t, ca.StateUnused, in.State, "what was signed is not called unused")
	}
	_, err := w.issuer.Log().Verify(ctx)
	require.NoError(t, err)
	return states
}

var errInjected = errors.New("injected fault")
