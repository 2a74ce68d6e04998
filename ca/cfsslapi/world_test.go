package cfsslapi_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/cfssl/auth"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/cfsslapi"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A world is a CA with its register on a real database, keys in software, and what
// was logged.
type world struct {
	hierarchy *policytest.Hierarchy
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	register  *revocation.Register

	mu  sync.Mutex
	now time.Time
	log bytes.Buffer
}

func newWorld(t testing.TB, environment string) *world {
	t.Helper()
	w := &world{hierarchy: policytest.NewHierarchyIn(t, environment, policytest.Began), faults: &store.Faults{}, now: noon}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{URL: filepath.Join(t.TempDir(), "ca.db"), Faults: w.faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.open(t)
	h := w.hierarchy
	var signed []ca.CeremonyIntent
	for name, a := range map[string]policytest.Authority{"root-oca": h.RootOCA, "issuing-oca": h.IssuingOCA, "root-dca": h.RootDCA, "issuing-dca": h.IssuingDCA} {
		signed = append(signed, ca.CeremonyIntent{TBS: a.Certificate.RawTBS, Signature: a.Certificate.Signature,
			Profile: policy.ProfileName(name), KeyLabel: "root" + name[strings.LastIndexByte(name, '-'):] + "-1"})
	}
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), signed))
	return w
}

// open opens the CA with the four authorities, and more.
func (w *world) open(t testing.TB, more ...ca.Authority) {
	t.Helper()
	h := w.hierarchy
	cfg := ca.Config{Store: w.store, Environment: h.Environment, Clock: w.clock, Authorities: more, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	if h.Environment.Registration != policy.RegistrationOpen {
		cfg.Eligibility = everybody{}
	}
	for name, a := range map[string]policytest.Authority{"root-oca": h.RootOCA, "issuing-oca": h.IssuingOCA, "root-dca": h.RootDCA, "issuing-dca": h.IssuingDCA} {
		cfg.Authorities = append(cfg.Authorities, authority(name, 1, a))
	}
	var err error
	w.issuer, err = ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	w.register, err = revocation.New(revocation.Config{Issuer: w.issuer})
	require.NoError(t, err)
}

func authority(name string, generation int, a policytest.Authority) ca.Authority {
	return ca.Authority{Name: name, Generation: generation, Certificate: a.Certificate, Signer: func(context.Context) crypto.Signer { return a.Key }}
}

type everybody struct{}

func (everybody) Eligible(context.Context, string, *policy.Request) error { return nil }

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

// Write takes a line of the log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) face(t testing.TB, change func(*cfsslapi.Config)) *cfsslapi.Face {
	t.Helper()
	cfg := cfsslapi.Config{CA: w.issuer, Revocations: w.register, Logger: slog.New(slog.NewTextHandler(w, nil))}
	if change != nil {
		change(&cfg)
	}
	f, err := cfsslapi.New(cfg)
	require.NoError(t, err)
	return f
}

// ledger is every certificate that was issued on request.
func (w *world) ledger(t testing.TB) []*ca.Certificate {
	t.Helper()
	var all []*ca.Certificate
	for c, err := range w.issuer.List(t.Context(), ca.Filter{}) {
		require.NoError(t, err)
		if c.Profile == policy.ProfileDevice || c.Profile == policy.ProfileOrganisation {
			all = append(all, c)
		}
	}
	return all
}

// issue has the CA issue a certificate past this package.
func (w *world) issue(t testing.TB, requester string, der []byte) *ca.Certificate {
	t.Helper()
	c, err := w.issuer.Issue(t.Context(), ca.Request{DER: der, Requester: requester})
	require.NoError(t, err)
	return c
}

// keyFile writes a client's key, which is made of one octet, and returns the file
// and cfssl's provider with the same key.
func keyFile(t testing.TB, octet byte) (string, auth.Provider) {
	t.Helper()
	digits := hex.EncodeToString(bytes.Repeat([]byte{octet}, 32))
	provider, err := auth.New(digits, nil)
	require.NoError(t, err)
	return writeFile(t, digits+"\n", 0o600), provider
}

func writeFile(t testing.TB, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client.key")
	require.NoError(t, os.WriteFile(file, []byte(text), mode))
	require.NoError(t, os.Chmod(file, mode))
	return file
}

func serve(t testing.TB, f *cfsslapi.Face) string {
	t.Helper()
	s := httptest.NewServer(f.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

func entity(n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3D51F30000000+uint64(n))
	return id
}

func deviceDER(t testing.TB, key *ecdsa.PrivateKey, n int) []byte {
	return policytest.DeviceRequest(t, key, entity(n), policy.UsageDigitalSignature)
}

func device(t testing.TB, n int) string { return asPEM(deviceDER(t, policytest.NewKey(t), n)) }

func organisation(t testing.TB, n int) string {
	return asPEM(policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageKeyAgreement))
}

func asPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func body(t testing.TB, fields map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(fields)
	require.NoError(t, err)
	return b
}

func envelope(t testing.TB, p auth.Provider, request []byte) []byte {
	t.Helper()
	token, err := p.Token(request)
	require.NoError(t, err)
	b, err := json.Marshal(auth.AuthenticatedRequest{Token: token, Request: request})
	require.NoError(t, err)
	return b
}

func parse(t testing.TB, text []byte) *policy.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	require.NotNil(t, block)
	require.Empty(t, rest)
	c, err := policy.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func decimal(s policy.Serial) string { return new(big.Int).SetBytes(s[:]).String() }

func keyID(k policy.KeyID) string { return hex.EncodeToString(k[:]) }

// An answer is what came back over HTTP, in cfssl's form.
type answer struct {
	Status  int
	Success bool           `json:"success"`
	Result  map[string]any `json:"result"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (a answer) message(t testing.TB) string {
	t.Helper()
	require.False(t, a.Success)
	require.Len(t, a.Errors, 1)
	require.NotContains(t, a.Errors[0].Message, "\n", "one line")
	return a.Errors[0].Message
}

func send(t testing.TB, method, url string, b []byte) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(b))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := answer{Status: resp.StatusCode}
	require.NoError(t, json.Unmarshal(text, &a), "%s", text)
	return a
}
