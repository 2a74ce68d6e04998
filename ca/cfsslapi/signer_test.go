package cfsslapi_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cloudflare/cfssl/api/signhandler"
	"github.com/cloudflare/cfssl/certdb"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/signer"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	s := w.face(t, nil).Signer(t.Context(), "meter maker")
	require.Equal(t, x509.ECDSAWithSHA256, s.SigAlgo())

	text, err := s.Sign(signer.SignRequest{Request: device(t, 1)})
	require.NoError(t, err)
	cert := parse(t, text)
	require.Equal(t, entity(1), cert.DeviceID)
	records, err := s.GetDBAccessor().GetCertificate(decimal(cert.Serial), keyID(cert.AuthorityKeyID))
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, string(text), records[0].PEM)

	p := s.Policy()
	require.Equal(t, []string{"digital signature", "key agreement"}, p.Profiles["device"].Usage)
	require.Zero(t, p.Profiles["device"].Expiry, "no end")
	require.Equal(t, p.Profiles["organisation"].Expiry.Hours(), float64(10*8760))
	p.Default.Provider = nil
	require.NotNil(t, s.Policy().Default.Provider, "what a caller changes is the caller's copy")
}

// What a caller hands the signer and the signer will not use must not be believed
// in.
func TestSignerThatWasGivenSomething(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	f := w.face(t, nil)
	for name, row := range map[string]struct {
		give func(signer.Signer)
		says string
	}{
		"policy":           {func(s signer.Signer) { s.SetPolicy(&config.Signing{}) }, "do not call SetPolicy"},
		"no policy":        {func(s signer.Signer) { s.SetPolicy(nil) }, "do not call SetPolicy"},
		"database":         {func(s signer.Signer) { s.SetDBAccessor(database{}) }, "do not call SetDBAccessor"},
		"another's ledger": {func(s signer.Signer) { s.SetDBAccessor(w.face(t, nil).Accessor(t.Context(), "x")) }, "do not call SetDBAccessor"},
		"own ledger":       {func(s signer.Signer) { s.SetDBAccessor(s.GetDBAccessor()) }, ""},
		"modifier":         {func(s signer.Signer) { s.SetReqModifier(func(*http.Request, []byte) {}) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := f.Signer(t.Context(), "meter maker")
			row.give(s)
			_, err := s.Sign(signer.SignRequest{Request: device(t, 1)})
			if row.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.says)
			}
		})
	}
}

type database struct{ certdb.Accessor }

// cfssl's handlers over the plain signer sign for nobody.
func TestStockHandlers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	s := w.face(t, nil).Signer(t.Context(), "meter maker")
	_, err := signhandler.NewHandlerFromSigner(s)
	require.Error(t, err, "cfssl mounts no sign where every profile wants a token")
	h, err := signhandler.NewAuthHandlerFromSigner(s)
	require.NoError(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	_, provider := keyFile(t, 1)
	got := send(t, http.MethodPost, server.URL, envelope(t, provider, body(t, map[string]any{"certificate_request": device(t, 1)})))
	require.Contains(t, got.message(t), "invalid token")
	_, err = s.Policy().Default.Provider.Token(nil)
	require.Error(t, err)
	require.Empty(t, w.ledger(t))
}

func TestSignerConflictAndEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	f := w.face(t, nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := f.Signer(gone, "meter maker").Sign(signer.SignRequest{Request: device(t, 1)})
	require.ErrorContains(t, err, "the CA is unavailable")

	key := policytest.NewKey(t)
	begin := ca.Intent{Kind: ca.CertificateIntent, Issuer: "issuing-dca-1", Serial: policytest.NewSerial(t), Profile: "device", ProfileVersion: 1, TBS: []byte{1}}
	begin.Key, err = ca.KeyHashOf(&key.PublicKey)
	require.NoError(t, err)
	require.NoError(t, w.store.Write(t.Context(), func(tx store.Tx) error {
		if err := w.issuer.AddIntent(t.Context(), tx, &begin); err != nil {
			return err
		}
		return w.issuer.AuditIntents(t.Context(), tx, "somebody", &begin)
	}))
	_, err = f.Signer(t.Context(), "meter maker").Sign(signer.SignRequest{Request: asPEM(deviceDER(t, key, 2))})
	require.ErrorContains(t, err, "another issuance is in progress")
	require.Empty(t, w.ledger(t))
}

// A generation that was retired is no label for signing.
func TestRolledOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	h := w.hierarchy
	key := policytest.NewKey(t)
	next := h.Issue(t, policy.ProfileIssuingDCA, &h.RootDCA, key, policy.CertificateTemplate{CN: "D2", Usage: policy.UsageCertSign | policy.UsageCRLSign, NotBefore: noon.Add(-time.Hour)})
	w.open(t, authority("issuing-dca", 2, policytest.Authority{Certificate: next, Key: key}))
	s := w.face(t, nil).Signer(t.Context(), "meter maker")
	_, err := s.Sign(signer.SignRequest{Request: device(t, 1), Label: "issuing-dca-1"})
	require.ErrorContains(t, err, "names a generation that does not issue any more")
	text, err := s.Sign(signer.SignRequest{Request: device(t, 1), Label: "issuing-dca-2"})
	require.NoError(t, err)
	require.Equal(t, next.SubjectKeyID, parse(t, text).AuthorityKeyID)
}
