package ca_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), w.ceremony(t)))
	var requests []ca.Request
	for n := range 1000 {
		requests = append(requests, device(t, 100+n%900))
	}
	results, err := w.issuer.IssueBatch(t.Context(), requests)
	require.NoError(t, err)
	w.clock.Set(noon.Add(time.Hour))
	org, err := w.issuer.Issue(t.Context(), supplier(t, 7))
	require.NoError(t, err)

	some := results[50].Certificate
	supplierRole, sevenID, dsUsage := policy.RoleSupplier, entity(7), policy.UsageDigitalSignature
	for name, row := range map[string]struct {
		filter ca.Filter
		want   int
	}{
		"all":                               {ca.Filter{}, 1006},
		"by issuer and generation":          {ca.Filter{Issuer: "issuing-dca-1"}, 1000},
		"by issuer, all generations":        {ca.Filter{Issuer: "issuing-oca"}, 2},
		"by issuer that is not there":       {ca.Filter{Issuer: "issuing-oca-2"}, 0},
		"by profile":                        {ca.Filter{Profile: policy.ProfileIssuingOCA}, 1},
		"by entity":                         {ca.Filter{Entity: &sevenID}, 1},
		"by role":                           {ca.Filter{Role: &supplierRole}, 1},
		"by usage":                          {ca.Filter{Usage: dsUsage}, 1001},
		"by key":                            {ca.Filter{Key: &some.Key}, 1},
		"in use":                            {ca.Filter{Status: ca.StatusInUse}, 1006},
		"revoked":                           {ca.Filter{Status: ca.StatusRevoked}, 0},
		"since an hour ago":                 {ca.Filter{Since: noon.Add(time.Minute)}, 1},
		"until an hour ago":                 {ca.Filter{Until: noon.Add(time.Minute)}, 1005},
		"after the last":                    {ca.Filter{After: org.Seq}, 0},
		"several conditions, all must hold": {ca.Filter{Profile: policy.ProfileDevice, Key: &org.Key}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, last := 0, int64(0)
			for c, err := range w.issuer.List(t.Context(), row.filter) {
				require.NoError(t, err)
				require.Greater(t, c.Seq, last, "in the order of recording")
				last = c.Seq
				got++
			}
			require.Equal(t, row.want, got)
		})
	}

	found, err := w.issuer.BySPKI(t.Context(), some.Key)
	require.NoError(t, err)
	require.Equal(t, []*ca.Certificate{some}, found)
	_, err = w.issuer.BySerial(t.Context(), policytest.NewSerial(t))
	require.ErrorIs(t, err, ca.ErrNotFound)
	_, err = w.issuer.IntentOf(t.Context(), policytest.NewSerial(t))
	require.ErrorIs(t, err, ca.ErrNotFound)

	// A reader may stop, and may use the CA while it reads.
	seen := 0
	for c, err := range w.issuer.List(t.Context(), ca.Filter{}) {
		require.NoError(t, err)
		_, err = w.issuer.BySerial(t.Context(), c.Serial)
		require.NoError(t, err)
		if seen++; seen == 600 {
			break
		}
	}

	w.clock.Set(noon.AddDate(11, 0, 0))
	expired := 0
	for c, err := range w.issuer.List(t.Context(), ca.Filter{Status: ca.StatusExpired}) {
		require.NoError(t, err)
		require.Equal(t, policy.ProfileOrganisation, c.Profile)
		require.Equal(t, ca.StatusExpired, c.StatusAt(w.clock.Now()))
		expired++
	}
	require.Equal(t, 2, expired, "organisations after ten years; devices never")
}

func TestKeyHash(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	hash, err := ca.KeyHashOf(&key.PublicKey)
	require.NoError(t, err)
	again, err := ca.ParseKeyHash(hash.String())
	require.NoError(t, err)
	require.Equal(t, hash, again)
	for _, bad := range []string{"", "00", hash.String() + "00", "zz" + hash.String()[2:]} {
		_, err := ca.ParseKeyHash(bad)
		require.ErrorContains(t, err, "64 hex digits")
	}
	require.NotEqual(t, ca.KeyHash(sha256.Sum256(nil)), hash)
}
