package policytest

import (
	"crypto/ecdsa"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
)

// DeviceRequest returns the PKCS#10 request that a device makes, signed by key.
func DeviceRequest(t testing.TB, key *ecdsa.PrivateKey, entity policy.EntityID, usage policy.KeyUsage) []byte {
	t.Helper()
	return request(t, key, policy.RequestTemplate{PublicKey: &key.PublicKey, Usage: usage, EntityID: entity, HardwareType: HardwareType})
}

// OrganisationRequest returns the PKCS#10 request of an organisation, signed by
// key; cn may be empty.
func OrganisationRequest(t testing.TB, key *ecdsa.PrivateKey, cn string, role policy.RemotePartyRole, entity policy.EntityID, usage policy.KeyUsage) []byte {
	t.Helper()
	return request(t, key, policy.RequestTemplate{PublicKey: &key.PublicKey, Usage: usage, CN: cn, Role: role, EntityID: entity})
}

func request(t testing.TB, key *ecdsa.PrivateKey, template policy.RequestTemplate) []byte {
	t.Helper()
	tbs, err := policy.TBSRequest(template)
	require.NoError(t, err)
	der := Sign(t, key, tbs)
	r, err := policy.ParseRequest(der)
	require.NoError(t, err)
	require.NoError(t, r.CheckSignature())
	return der
}
