package iki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A world is an IKI authority on a real database, with its key in software behind a
// tap that remembers what was signed.
type world struct {
	store     *store.Store
	faults    *store.Faults
	issuer    *ca.Issuer
	authority *iki.Authority
	config    iki.Config
	tap       *tap // nil if the key is on a token
	url       string

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

// A tap is a key on a token: it remembers every message that it signed, and can fail.
type tap struct {
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	signed [][]byte
	before func() // called before a signature
	fail   func(signature []byte) ([]byte, error)
}

func (s *tap) Public() crypto.PublicKey { return s.key.Public() }

func (s *tap) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("asked for a digest")
}

func (s *tap) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	s.signed = append(s.signed, bytes.Clone(message))
	signature, err := crypto.SignMessage(s.key, random, message, opts)
	if s.fail != nil {
		return s.fail(signature)
	}
	return signature, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	tap := &tap{key: policytest.NewKey(t)}
	w := newWorldOf(t, func(context.Context) crypto.Signer { return tap })
	w.tap = tap
	return w
}

func newWorldOf(t *testing.T, signer func(context.Context) crypto.Signer) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{faults: &store.Faults{}, now: time.Now().UTC(), url: storetest.Fresh(t)}
	env, err := policy.LoadEnvironment("exercise")
	require.NoError(t, err)
	w.store, err = store.Open(ctx, store.Config{URL: w.url, Faults: w.faults})
	require.NoError(t, err)
	w.issuer, err = ca.Open(ctx, ca.Config{Store: w.store, Environment: env, LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Clock: w.clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.issuer.Close(ctx)); require.NoError(t, w.store.Close()) })
	w.config = iki.Config{Issuer: w.issuer, Generation: 1, Signer: signer}
	w.authority, err = iki.Found(ctx, w.config, "EXERCISE SMKI")
	require.NoError(t, err)
	return w
}

// accounted is what must hold whatever happened: every signature has its intent,
// every certificate is one of them, and nothing is open.
func (w *world) accounted(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	_, err := w.issuer.Reconcile(ctx)
	require.NoError(t, err)
	intents := map[[32]byte]ca.IntentState{}
	for in, err := range w.issuer.Intents(ctx) {
		require.NoError(t, err)
		intents[sha256.Sum256(in.TBS)] = in.State
		require.NotEqual(t, ca.StateOpen, in.State)
	}
	w.tap.mu.Lock()
	defer w.tap.mu.Unlock()
	for _, message := range w.tap.signed {
		require.Contains(t, intents, sha256.Sum256(message))
	}
	for c, err := range iki.List(ctx, w.store) {
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(c.DER)
		require.NoError(t, err)
		require.Equal(t, ca.StateRecorded, intents[sha256.Sum256(cert.RawTBSCertificate)])
	}
	last := int64(0)
	for c, err := range iki.CRLs(ctx, w.store) {
		require.NoError(t, err)
		require.Greater(t, c.Number, last, "numbers rise")
		last = c.Number
		list, err := x509.ParseRevocationList(c.DER)
		require.NoError(t, err)
		require.Equal(t, ca.StateRecorded, intents[sha256.Sum256(list.RawTBSRevocationList)])
	}
	_, err = w.issuer.Log().Verify(ctx)
	require.NoError(t, err)
}

var key2048 = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

var usage = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}}

// request makes a good request, changed by the caller.
func request(t *testing.T, key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{
		Subject:            pkix.Name{Organization: []string{"Exercise Supplier A"}, OrganizationalUnit: []string{"02"}, CommonName: "adhoc-1"},
		SignatureAlgorithm: x509.SHA256WithRSA, ExtraExtensions: []pkix.Extension{usage},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return der
}

func TestIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	c, err := w.authority.Issue(ctx, request(t, key2048(), nil), "test")
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(c.DER)
	require.NoError(t, err)
	require.Equal(t, "CN=adhoc-1,OU=02,O=Exercise Supplier A", cert.Subject.String())
	require.Equal(t, x509.KeyUsageDigitalSignature, cert.KeyUsage)
	require.Equal(t, c.Serial.String(), policy.Serial(cert.SerialNumber.FillBytes(make([]byte, 16))).String())
	require.True(t, key2048().PublicKey.Equal(cert.PublicKey))
	require.False(t, cert.IsCA)
	roots := x509.NewCertPool()
	own, err := x509.ParseCertificate(w.authority.Certificate())
	require.NoError(t, err)
	roots.AddCert(own)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err)

	_, err = w.authority.Issue(ctx, request(t, key2048(), nil), "test")
	require.ErrorIs(t, err, ca.ErrRefused)
	require.ErrorContains(t, err, "key-reuse")
	other := newRSA(2048)
	_, err = w.authority.Issue(ctx, request(t, other, func(r *x509.CertificateRequest) { r.Subject.Organization = []string{"Somebody else"} }), "test")
	require.ErrorContains(t, err, "iki-common-name")
	_, err = w.authority.Issue(ctx, request(t, other, nil), "test")
	require.NoError(t, err, "the same organisation may have its name again, for the other interface")
	w.accounted(t)

	again, err := iki.Found(ctx, w.config, "EXERCISE SMKI")
	require.NoError(t, err)
	require.Equal(t, w.authority.Certificate(), again.Certificate(), "an authority is founded once")
}

func TestIntentComesBeforeTheSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	looked := false
	w.tap.before = func() {
		looked = true
		open := 0
		for in, err := range w.issuer.Intents(context.Background()) {
			require.NoError(t, err)
			if in.State == ca.StateOpen {
				open++
			}
		}
		require.Equal(t, 1, open, "the intent is on disk before the token is asked")
	}
	_, err := w.authority.Issue(context.Background(), request(t, key2048(), nil), "test")
	require.NoError(t, err)
	require.True(t, looked)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := len(w.tap.signed)
	small, elliptic := newRSA(1024), policytest.NewKey(t)
	for _, row := range []struct {
		name, rule string
		key        crypto.Signer
		change     func(*x509.CertificateRequest)
	}{
		{"RSA of 1024 bit", "iki-public-key", small, nil},
		{"an elliptic key", "iki-signature-algorithm", elliptic, func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.ECDSAWithSHA256 }},
		{"SHA-512", "iki-signature-algorithm", nil, func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.SHA512WithRSA }},
		{"PSS", "iki-signature-algorithm", nil, func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.SHA256WithRSAPSS }},
		{"no organisation", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.Organization = nil }},
		{"no common name", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.CommonName = "" }},
		{"no role", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.OrganizationalUnit = nil }},
		{"a country as well", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.Country = []string{"GB"} }},
		{"two organisations", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.Organization = []string{"A", "B"} }},
		{"a role by its name", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.OrganizationalUnit = []string{"supplier"} }},
		{"a role that does not exist", "iki-role", nil, func(r *x509.CertificateRequest) { r.Subject.OrganizationalUnit = []string{"FE"} }},
		{"a role of ceremonies", "iki-role", nil, func(r *x509.CertificateRequest) { r.Subject.OrganizationalUnit = []string{"01"} }},
		{"a NUL in the name", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.CommonName = "a\x00b" }},
		{"a name of 65 characters", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.CommonName = string(bytes.Repeat([]byte("a"), 65)) }},
		{"a space at the end", "iki-subject", nil, func(r *x509.CertificateRequest) { r.Subject.CommonName = "a " }},
		{"no extension", "iki-extensions", nil, func(r *x509.CertificateRequest) { r.ExtraExtensions = nil }},
		{"key usage not critical", "iki-key-usage", nil, func(r *x509.CertificateRequest) { r.ExtraExtensions[0].Critical = false }},
		{"keyCertSign", "iki-key-usage", nil, func(r *x509.CertificateRequest) { r.ExtraExtensions[0].Value = []byte{0x03, 0x02, 0x02, 0x04} }},
		{"a server's name", "iki-extensions", nil, func(r *x509.CertificateRequest) { r.DNSNames = []string{"example.org"} }},
		{"a CA", "iki-extensions", nil, func(r *x509.CertificateRequest) {
			r.ExtraExtensions = append(r.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xFF}})
		}},
	} {
		key := row.key
		if key == nil {
			key = key2048()
		}
		der := request(t, key, func(r *x509.CertificateRequest) {
			r.ExtraExtensions = []pkix.Extension{usage}
			if row.change != nil {
				row.change(r)
			}
		})
		_, err := w.authority.Issue(context.Background(), der, "test")
		require.ErrorIs(t, err, ca.ErrRefused, row.name)
		require.ErrorContains(t, err, "refused: "+row.rule+":", row.name)
		require.NotContains(t, err.Error(), "\n")
	}

	whole := request(t, key2048(), nil)
	for n := range whole {
		_, err := w.authority.Issue(context.Background(), whole[:n], "test")
		require.ErrorIs(t, err, ca.ErrRefused, "cut off at %d", n)
		changed := bytes.Clone(whole)
		changed[n] ^= 0x01
		_, err = w.authority.Issue(context.Background(), changed, "test")
		require.ErrorIs(t, err, ca.ErrRefused, "octet %d changed", n)
	}
	_, err := w.authority.Issue(context.Background(), append(bytes.Clone(whole), 0), "test")
	require.ErrorIs(t, err, ca.ErrRefused)
	require.Len(t, w.tap.signed, signed, "nothing was signed")
}

// Every write fails in two ways, and the token in three. Nothing is unaccounted
// for, and the request may be sent again.
func TestFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, row := range []struct {
		name      string
		arrange   func(*world)
		uncertain bool
		certified bool // the certificate is there all the same
	}{
		{"the intent is not written", func(w *world) { w.faults.FailBeforeCommit(0, func() error { return broken }) }, false, false},
		{"the intent is written and we are told that it is not", func(w *world) { w.faults.FailAfterCommit(0, func() error { return broken }) }, false, false},
		{"the certificate is not recorded", func(w *world) { w.faults.FailBeforeCommit(1, func() error { return broken }) }, true, false},
		{"the certificate is recorded and we are told that it is not", func(w *world) { w.faults.FailAfterCommit(1, func() error { return broken }) }, false, true},
		{"the token signs and its answer is lost", func(w *world) { w.tap.fail = func([]byte) ([]byte, error) { return nil, broken } }, true, false},
		{"the token answers with another signature", func(w *world) { w.tap.fail = func(s []byte) ([]byte, error) { s[len(s)-1] ^= 1; return s, nil } }, true, false},
		{"the token answers with nonsense", func(w *world) { w.tap.fail = func([]byte) ([]byte, error) { return []byte("nonsense"), nil } }, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			row.arrange(w)
			der := request(t, key2048(), nil)
			_, err := w.authority.Issue(context.Background(), der, "test")
			if row.certified {
				require.NoError(t, err)
				w.accounted(t)
				return
			}
			require.Error(t, err)
			require.Equal(t, row.uncertain, errors.Is(err, ca.ErrUncertain), "%v", err)
			w.tap.fail = nil
			w.accounted(t)
			_, err = w.authority.Issue(context.Background(), der, "test")
			require.NoError(t, err, "the request may be sent again")
			w.accounted(t)
		})
	}
}

// Two who ask for one key at once: one gets it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	der := request(t, key2048(), nil)
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for n := range errs {
		wait.Go(func() { _, errs[n] = w.authority.Issue(context.Background(), der, "test") })
	}
	wait.Wait()
	got := 0
	for _, err := range errs {
		if err == nil {
			got++
			continue
		}
		require.True(t, errors.Is(err, ca.ErrRefused) || errors.Is(err, ca.ErrConflict), "%v", err)
	}
	require.Equal(t, 1, got)
	w.accounted(t)
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := iki.ParseRequest(b)
		if err != nil {
			require.ErrorIs(t, err, ca.ErrRefused)
			return
		}
		require.Equal(t, 2048, r.Key.N.BitLen())
	})
}
