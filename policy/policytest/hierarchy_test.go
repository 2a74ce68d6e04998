package policytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestHierarchyPathsHold(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	supplier, err := policy.ParseEntityID("90-B3-D5-1F-30-01-00-00")
	require.NoError(t, err)
	o := policy.PathOptions{Now: policytest.Began.AddDate(1, 0, 0)}

	party, _ := h.Organisation(t, policy.RoleSupplier, supplier, policy.UsageKeyAgreement)
	require.NoError(t, policy.CheckPath(party, []*policy.Certificate{h.IssuingOCA.Certificate}, h.Anchor(), o))

	device, _ := h.Device(t, supplier, policy.UsageDigitalSignature)
	require.NoError(t, policy.CheckPath(device, []*policy.Certificate{h.IssuingDCA.Certificate}, h.DeviceAnchor(), o))
	require.ErrorIs(t, policy.CheckPath(device, []*policy.Certificate{h.IssuingDCA.Certificate}, h.Anchor(), o), policy.ErrNoTrustAnchor)
}

func TestRequestsAreWellFormed(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	id := policy.EntityID{1, 2, 3, 4, 5, 6, 7, 8}
	r, err := policy.ParseRequest(policytest.DeviceRequest(t, key, id, policy.UsageKeyAgreement))
	require.NoError(t, err)
	require.Equal(t, policy.ProfileDevice, r.Kind())
	require.Equal(t, id, r.EntityID())
	r, err = policy.ParseRequest(policytest.OrganisationRequest(t, key, "EXAMPLE", policy.RoleSupplier, id, policy.UsageDigitalSignature))
	require.NoError(t, err)
	require.Equal(t, policy.ProfileOrganisation, r.Kind())
	require.Equal(t, id, r.EntityID())
}
