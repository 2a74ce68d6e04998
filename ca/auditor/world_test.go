package auditor_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/auditor"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// A world is a CA with a register of revocations on a real database. Its keys are
// in software, and its clock goes on by an odd step whenever somebody looks at it,
// so that two times are one only where one was kept.
type world struct {
	hierarchy *policytest.Hierarchy
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	register  *revocation.Register
	ids       map[string]policytest.Authority
	more      map[string][]byte // certificates of other authorities

	mu   sync.Mutex
	now  time.Time
	fail bool // the token signs and then says that it did not
}

var errInjected = errors.New("injected fault")

func inject() error { return errInjected }

func newWorld(t testing.TB, environment string) *world {
	t.Helper()
	h := policytest.NewHierarchyIn(t, environment, policytest.Began)
	w := &world{hierarchy: h, faults: &store.Faults{}, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		ids: map[string]policytest.Authority{"root-oca": h.RootOCA, "issuing-oca": h.IssuingOCA, "root-dca": h.RootDCA, "issuing-dca": h.IssuingDCA}}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{URL: storetest.Fresh(t), Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.issuer, w.register = w.open(t)
	var signed []ca.CeremonyIntent
	for _, c := range []struct{ name, key string }{
		{"root-oca", "root-oca-1"}, {"issuing-oca", "root-oca-1"}, {"root-dca", "root-dca-1"}, {"issuing-dca", "root-dca-1"},
	} {
		cert := w.ids[c.name].Certificate
		signed = append(signed, ca.CeremonyIntent{TBS: cert.RawTBS, Signature: cert.Signature, Profile: policy.ProfileName(c.name), KeyLabel: c.key})
	}
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), signed))
	return w
}

// open opens one more CA, which stands for another process.
func (w *world) open(t testing.TB) (*ca.Issuer, *revocation.Register) {
	t.Helper()
	cfg := ca.Config{Store: w.store, Environment: w.hierarchy.Environment, Clock: w.clock, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	for name, a := range w.ids {
		cfg.Authorities = append(cfg.Authorities, ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate, Parallel: 2,
			Signer: func(context.Context) crypto.Signer { return token{w, a.Key} }})
	}
	issuer, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	register, err := revocation.New(revocation.Config{Issuer: issuer})
	require.NoError(t, err)
	return issuer, register
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(1234567 * time.Nanosecond)
	return w.now
}

func (w *world) setFail(fail bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

type token struct {
	w   *world
	key *ecdsa.PrivateKey
}

func (s token) Public() crypto.PublicKey { return s.key.Public() }

func (s token) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.fail {
		return nil, errInjected
	}
	return s.key.Sign(random, digest, opts)
}

// messages is a key that signs messages, as the IKI authority wants it.
type messages struct{ *ecdsa.PrivateKey }

func (m messages) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return crypto.SignMessage(m.PrivateKey, random, message, opts)
}

// config is what an auditor brings.
func (w *world) config() auditor.Config {
	cfg := auditor.Config{Store: w.store, Authorities: make(map[string][]byte)}
	for name, a := range w.ids {
		cfg.Authorities[name+"-1"] = a.Certificate.Raw
	}
	maps.Copy(cfg.Authorities, w.more)
	return cfg
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

func deviceRequest(t testing.TB, n int, requester string) ca.Request {
	return ca.Request{Requester: requester, DER: policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature)}
}

func supplierRequest(t testing.TB, n int) ca.Request {
	return ca.Request{Requester: "supplier", DER: policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageDigitalSignature)}
}

func (w *world) issue(t testing.TB, r ca.Request) policy.Serial {
	t.Helper()
	c, err := w.issuer.Issue(t.Context(), r)
	require.NoError(t, err)
	return c.Serial
}

func (w *world) revoke(t testing.TB, reason policy.Reason, serials ...policy.Serial) {
	t.Helper()
	var qs []revocation.Revoke
	for _, s := range serials {
		qs = append(qs, revocation.Revoke{Serial: s, Reason: reason, By: "operator"})
	}
	_, err := w.register.RevokeAll(t.Context(), qs)
	require.NoError(t, err)
}

func (w *world) publish(t testing.TB, issuer string) {
	t.Helper()
	_, err := w.register.PublishCRL(t.Context(), issuer)
	require.NoError(t, err)
}
