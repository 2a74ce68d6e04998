package repository_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/repository"
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

// A world is a CA with its register on a real database, keys in software, what was
// logged, and a Repository.
type world struct {
	*repository.Repository
	hierarchy *policytest.Hierarchy
	database  string
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	register  *revocation.Register
	config    repository.Config

	mu   sync.Mutex
	time time.Time
	log  bytes.Buffer
	next uint64
}

type everybody struct{}

func (everybody) Eligible(context.Context, string, *policy.Request) error { return nil }

func newWorld(t testing.TB, environment string, change func(*repository.Config)) *world {
	t.Helper()
	w := &world{hierarchy: policytest.NewHierarchyIn(t, environment, policytest.Began), faults: &store.Faults{}, time: now, database: storetest.Fresh(t)}
	ctx := context.Background()
	var err error
	w.store, err = store.Open(ctx, store.Config{URL: w.database, Faults: w.faults})
	require.NoError(t, err)
	authority := func(name string, a policytest.Authority) ca.Authority {
		return ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate, Signer: func(context.Context) crypto.Signer { return a.Key }}
	}
	w.issuer, err = ca.Open(ctx, ca.Config{Store: w.store, Environment: w.hierarchy.Environment, Clock: w.now, Eligibility: everybody{},
		LogKey:      ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		Authorities: []ca.Authority{authority("issuing-dca", w.hierarchy.IssuingDCA), authority("issuing-oca", w.hierarchy.IssuingOCA)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.issuer.Close(ctx)); require.NoError(t, w.store.Close()) })
	w.register, err = revocation.New(revocation.Config{Issuer: w.issuer})
	require.NoError(t, err)
	w.config = repository.Config{Issuer: w.issuer, Register: w.register, Logger: slog.New(slog.NewTextHandler(w, nil)), Directory: filepath.Join(t.TempDir(), "files")}
	if change != nil {
		change(&w.config)
	}
	w.Repository, err = repository.New(w.config)
	require.NoError(t, err)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// Write takes what is logged.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// entity returns a new identifier.
func (w *world) entity() (id policy.EntityID) {
	w.next++
	binary.BigEndian.PutUint64(id[:], 0x90b3d51f40000000+w.next)
	return id
}

func (w *world) device(t testing.TB, id policy.EntityID, usage policy.KeyUsage) *ca.Certificate {
	t.Helper()
	c, err := w.issuer.Issue(context.Background(), ca.Request{DER: policytest.DeviceRequest(t, policytest.NewKey(t), id, usage), Requester: "test"})
	require.NoError(t, err)
	return c
}

func (w *world) organisation(t testing.TB, id policy.EntityID, role policy.RemotePartyRole, usage policy.KeyUsage) *ca.Certificate {
	t.Helper()
	c, err := w.issuer.Issue(context.Background(), ca.Request{DER: policytest.OrganisationRequest(t, policytest.NewKey(t), "", role, id, usage), Requester: "test"})
	require.NoError(t, err)
	return c
}

func (w *world) revoke(t testing.TB, c *ca.Certificate) {
	t.Helper()
	_, err := w.register.Revoke(context.Background(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
}

// key returns a new API key of a party.
func (w *world) key(t testing.TB, party string) string {
	t.Helper()
	secret, _, err := w.CreateKey(context.Background(), repository.NewKey{Party: party, By: "test"})
	require.NoError(t, err)
	return secret
}

// client returns a client of a server of this Repository, with a key of its own.
func (w *world) client(t testing.TB) *client {
	t.Helper()
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	return newClient(server.URL+"/", w.key(t, "supplier-a"))
}

// records are the audit records of a kind.
func (w *world) records(t testing.TB, kind audit.Kind) (bodies []string) {
	t.Helper()
	for record, err := range w.issuer.Log().Records(context.Background(), 0) {
		require.NoError(t, err)
		if record.Kind == kind {
			bodies = append(bodies, string(record.Body))
		}
	}
	return bodies
}
