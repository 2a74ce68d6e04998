package ca_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct {
		request ca.Request
		issuer  string
		by      *ecdsa.PublicKey
		profile policy.ProfileName
	}{
		"a device is certified by the Issuing DCA":        {device(t, 1), "issuing-dca-1", &w.hierarchy.IssuingDCA.Key.PublicKey, policy.ProfileDevice},
		"an organisation is certified by the Issuing OCA": {supplier(t, 2), "issuing-oca-1", &w.hierarchy.IssuingOCA.Key.PublicKey, policy.ProfileOrganisation},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := w.issuer.Issue(t.Context(), row.request)
			require.NoError(t, err)
			require.Equal(t, row.issuer, c.Issuer)
			require.Equal(t, row.profile, c.Profile)
			require.Equal(t, ca.StatusInUse, c.Status)
			require.Equal(t, row.request.Requester, c.Requester)

			cert, err := c.Parse()
			require.NoError(t, err)
			require.NoError(t, policy.VerifyTBS(row.by, cert.RawTBS, cert.Signature))
			req, err := policy.ParseRequest(row.request.DER)
			require.NoError(t, err)
			require.True(t, req.PublicKey.Equal(cert.PublicKey))
			require.Equal(t, req.Usage, cert.Usage)
			require.Equal(t, req.EntityID(), *c.Entity)

			stored, err := w.issuer.BySerial(t.Context(), c.Serial)
			require.NoError(t, err)
			require.Equal(t, c, stored, "what is returned is what is in the ledger")
			in, err := w.issuer.IntentOf(t.Context(), c.Serial)
			require.NoError(t, err)
			require.Equal(t, cert.RawTBS, in.TBS)
		})
	}
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 2}, w.accounts(t))

	var kinds []audit.Kind
	for r, err := range w.issuer.Log().Records(t.Context(), 0) {
		require.NoError(t, err)
		kinds = append(kinds, r.Kind)
	}
	require.Equal(t, []audit.Kind{audit.KindIntent, audit.KindCertificate, audit.KindIntent, audit.KindCertificate}, kinds)
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	used := policytest.NewKey(t)
	first, err := w.issuer.Issue(t.Context(), ca.Request{DER: policytest.DeviceRequest(t, used, entity(1), policy.UsageDigitalSignature)})
	require.NoError(t, err)
	blocked := policytest.NewKey(t)
	hash, err := ca.KeyHashOf(&blocked.PublicKey)
	require.NoError(t, err)
	require.NoError(t, w.issuer.BlockKey(t.Context(), ca.KeyBlock{Key: hash, Reason: "found in a paste on the net", By: "security desk"}))
	forged := policytest.DeviceRequest(t, policytest.NewKey(t), entity(1), policy.UsageDigitalSignature)
	forged[len(forged)-1] ^= 1
	organisation := func(role policy.RemotePartyRole) []byte {
		return policytest.OrganisationRequest(t, policytest.NewKey(t), "", role, entity(9), policy.UsageDigitalSignature)
	}
	before := len(w.tap.signatures())

	for name, row := range map[string]struct {
		request ca.Request
		says    string
	}{
		"nothing at all":                  {ca.Request{}, "size"},
		"bytes that are no request":       {ca.Request{DER: []byte("certificate, please")}, "refused"},
		"a request too long to be one":    {ca.Request{DER: make([]byte, 1<<20)}, "size"},
		"a request with octets after it":  {ca.Request{DER: append(device(t, 3).DER, 0)}, "refused"},
		"no proof of possession":          {ca.Request{DER: forged}, "proof-of-possession"},
		"another type than its form says": {ca.Request{DER: device(t, 3).DER, Type: policy.ProfileOrganisation}, "request-type"},
		"a type that is never requested":  {ca.Request{DER: device(t, 3).DER, Type: policy.ProfileRootOCA}, "request-type"},
		"the Recovery role":               {ca.Request{DER: organisation(policy.RoleRecovery)}, "ceremony"},
		"a key that has a certificate": {ca.Request{DER: policytest.DeviceRequest(t, used, entity(1), policy.UsageDigitalSignature)},
			fmt.Sprintf("already has certificate %q", first.Serial)},
		"a key that has a certificate of another": {ca.Request{DER: policytest.OrganisationRequest(t, used, "", policy.RoleSupplier, entity(2), policy.UsageDigitalSignature)}, "key-reuse"},
		"a key on the block list":                 {ca.Request{DER: policytest.DeviceRequest(t, blocked, entity(1), policy.UsageDigitalSignature)}, "found in a paste"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.issuer.Issue(t.Context(), row.request)
			require.ErrorIs(t, err, ca.ErrRefused)
			require.ErrorContains(t, err, row.says)
			require.NotContains(t, err.Error(), "\n", "one line")
			require.Regexp(t, `[(;:,] ?(AppM|SMKI IDS|RFC \d|X\.690|limit of|environment exercise|our rule)`, err.Error(), "a refusal has its clause, or says that it is ours")
			var refusal *ca.Refusal
			require.ErrorAs(t, err, &refusal)
			require.NotEmpty(t, refusal.Rule)

			results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{row.request})
			require.NoError(t, err)
			require.ErrorIs(t, results[0].Err, ca.ErrRefused, "a batch refuses what Issue refuses")
			require.ErrorContains(t, results[0].Err, row.says)
		})
	}
	require.Len(t, w.tap.signatures(), before, "nothing was signed")
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 1}, w.accounts(t))
}

func TestDeviceLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	requests := make([]ca.Request, 103)
	for n := range requests {
		requests[n] = device(t, 7)
	}
	results, err := w.issuer.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	for n, r := range results {
		if n < 100 {
			require.NoError(t, r.Err)
		} else {
			require.ErrorIs(t, r.Err, ca.ErrRefused)
			require.ErrorContains(t, r.Err, "device-limit")
		}
	}
	_, err = w.issuer.Issue(t.Context(), device(t, 7))
	require.ErrorContains(t, err, "device-limit")
	_, err = w.issuer.Issue(t.Context(), device(t, 8))
	require.NoError(t, err, "another device has a limit of its own")
}

func TestAuthorityOutsideItsValidity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, now := range []time.Time{policytest.Began.Add(-time.Second), policytest.Began.AddDate(26, 0, 0)} {
		w.clock.Set(now)
		_, err := w.issuer.Issue(t.Context(), device(t, 1))
		require.ErrorIs(t, err, ca.ErrRefused)
		require.ErrorContains(t, err, "authority-validity")
	}
	require.Empty(t, w.tap.signatures())
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	production, err := policy.LoadEnvironment("production")
	require.NoError(t, err)
	for name, row := range map[string]struct {
		change func(*ca.Config)
		says   string
	}{
		"no store":                               {func(c *ca.Config) { c.Store = nil }, "Store is missing"},
		"no environment":                         {func(c *ca.Config) { c.Environment = nil }, "Environment is missing"},
		"no log key":                             {func(c *ca.Config) { c.LogKey = nil }, "Key is missing"},
		"a register is needed and there is none": {func(c *ca.Config) { c.Environment = production }, "Eligibility is missing"},
		"a signer with another key than the certificate's": {func(c *ca.Config) { c.Authorities[0].Signer = c.Authorities[1].Signer }, "not the key of its certificate"},
		"a generation of nothing":                          {func(c *ca.Config) { c.Authorities[0].Generation = 0 }, "counts from 1"},
		"an authority that is a device":                    {func(c *ca.Config) { c.Authorities[0].Name = "device" }, "not the profile of an authority"},
		"an authority twice":                               {func(c *ca.Config) { c.Authorities = append(c.Authorities, c.Authorities[0]) }, "given twice"},
		"no certificate":                                   {func(c *ca.Config) { c.Authorities[0].Certificate = nil }, "Certificate is missing"},
		"no signer":                                        {func(c *ca.Config) { c.Authorities[0].Signer = nil }, "Signer is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := w.config()
			row.change(&cfg)
			_, err := ca.Open(t.Context(), cfg)
			require.ErrorContains(t, err, row.says)
			require.True(t, strings.HasPrefix(err.Error(), "opening "), err.Error())
		})
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	next := policytest.NewHierarchyIn(t, "exercise", policytest.Began)
	second := authority("issuing-oca", next.IssuingOCA, w.tap)
	second.Generation = 2
	third := authority("issuing-oca", policytest.NewHierarchy(t).IssuingOCA, w.tap)
	third.Generation, third.Retired = 3, true
	cfg.Authorities = append(cfg.Authorities, second, third)
	i, err := ca.Open(t.Context(), cfg)
	require.NoError(t, err)
	c, err := i.Issue(t.Context(), supplier(t, 1))
	require.NoError(t, err)
	require.Equal(t, "issuing-oca-2", c.Issuer, "the highest generation that is not retired issues")
	a, err := i.Authority("issuing-oca-1")
	require.NoError(t, err)
	require.Equal(t, 1, a.Generation)
	_, err = i.Authority("issuing-oca-4")
	require.ErrorIs(t, err, ca.ErrNotFound)
}

// Many who ask for the same key at once: one gets it, the others hear why not,
// and the key is asked once.
func TestSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.open(t)
	request := device(t, 1)
	errs := make([]error, 16)
	var wait sync.WaitGroup
	for n := range errs {
		wait.Go(func() {
			i := w.issuer
			if n%2 == 1 {
				i = other
			}
			_, errs[n] = i.Issue(t.Context(), request)
		})
	}
	wait.Wait()
	issued := 0
	for _, err := range errs {
		if err == nil {
			issued++
			continue
		}
		if !isAny(err, ca.ErrRefused, ca.ErrConflict) {
			require.NoError(t, err)
		}
	}
	require.Equal(t, 1, issued)
	require.Len(t, w.tap.signatures(), 1)
	require.Equal(t, map[ca.IntentState]int{ca.StateRecorded: 1}, w.accounts(t))
}

// A caller who has gone before the token is asked leaves nothing in doubt.
func TestCallerLeavesBeforeTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	w.issuer.SetProbe(func(point string) error {
		if point == "intent-committed" {
			leave()
		}
		return nil
	})
	_, err := w.issuer.Issue(ctx, supplier(t, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ca.ErrUncertain)
	require.Equal(t, states{unused: 1}, w.accounts(t))
}
