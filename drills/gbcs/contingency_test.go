package gbcs_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/gbcs"
	"smki.example/policy/policytest"
)

// The known answers of RFC 3394, 4.1, and RFC 5649, 6.
func TestKeyWrapKnownAnswers(t *testing.T) {
	t.Parallel()
	plain, err := gbcs.UnwrapKey(octets(t, "000102030405060708090A0B0C0D0E0F"), octets(t, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"))
	require.NoError(t, err)
	require.Equal(t, octets(t, "00112233445566778899AABBCCDDEEFF"), plain)

	key := octets(t, "5840DF6E29B02AF1AB493B705BF16EA1AE8338F4DCC176A8")
	for plain, wrapped := range map[string]string{
		"C37B7E6492584340BED12207808941155068F738": "138BDEAA9B8FA7FC61F97742E72248EE5AE6AE5360D1AE6A5F54F373FA543B6A",
		"466F7250617369": "AFBEB0F07DFBF5419200F2CCB50BB24F",
	} {
		got, err := gbcs.WrapPadded(key, octets(t, plain))
		require.NoError(t, err)
		require.Equal(t, octets(t, wrapped), got)
		back, err := gbcs.UnwrapPadded(key, octets(t, wrapped))
		require.NoError(t, err)
		require.Equal(t, octets(t, plain), back)
	}
}

func TestWrapPaddedIsUndone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		plain := rapid.SliceOfN(rapid.Byte(), 1, 120).Draw(t, "plain")
		wrapped, err := gbcs.WrapPadded(key, plain)
		require.NoError(t, err)
		require.Zero(t, len(wrapped)%8)
		back, err := gbcs.UnwrapPadded(key, wrapped)
		require.NoError(t, err)
		require.Equal(t, plain, back)

		bit := rapid.IntRange(0, 8*len(wrapped)-1).Draw(t, "bit")
		wrapped[bit/8] ^= 1 << (bit % 8)
		_, err = gbcs.UnwrapPadded(key, wrapped)
		require.Error(t, err)
	})
}

// A device gets the contingency public key back with the right symmetric key
// and with no other, and never from octets that were changed.
func TestContingency(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	symmetric := bytes.Repeat([]byte{0x5A}, 32)
	apex, err := gbcs.WrapContingency(&key.PublicKey, symmetric)
	require.NoError(t, err)
	pub, err := gbcs.UnwrapContingency(apex, symmetric)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(pub))

	_, err = gbcs.UnwrapContingency(apex, bytes.Repeat([]byte{0x5B}, 32))
	require.ErrorContains(t, err, "symmetric key is not the one")
	_, err = gbcs.UnwrapContingency(apex, symmetric[:16])
	require.ErrorContains(t, err, "16 octets")
	_, err = gbcs.UnwrapContingency(apex[:40], symmetric)
	require.ErrorContains(t, err, "ApexContingencyKey")
	for i := range apex {
		changed := bytes.Clone(apex)
		changed[i] ^= 1
		_, err := gbcs.UnwrapContingency(changed, symmetric)
		require.Error(t, err, "octet %d", i)
	}
	_, err = gbcs.WrapContingency(&key.PublicKey, symmetric[:31])
	require.Error(t, err)
}

// Other wraps are read by their OID; what was wrapped must be a P-256 key.
func TestContingencyOtherWraps(t *testing.T) {
	t.Parallel()
	type apexKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Wrapped   []byte
	}
	key := policytest.NewKey(t)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	symmetric := bytes.Repeat([]byte{7}, 16)
	aes128pad := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 8}
	pack := func(id asn1.ObjectIdentifier, plain []byte) []byte {
		wrapped, err := gbcs.WrapPadded(symmetric, plain)
		require.NoError(t, err)
		der, err := asn1.Marshal(apexKey{pkix.AlgorithmIdentifier{Algorithm: id}, wrapped})
		require.NoError(t, err)
		return der
	}
	pub, err := gbcs.UnwrapContingency(pack(aes128pad, spki), symmetric)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(pub))

	_, err = gbcs.UnwrapContingency(pack(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 9}, spki), symmetric)
	require.ErrorContains(t, err, "2.16.840.1.101.3.4.1.9")
	_, err = gbcs.UnwrapContingency(pack(aes128pad, []byte("no key at all")), symmetric)
	require.ErrorContains(t, err, "not a public key")
	require.Equal(t, elliptic.P256(), pub.Curve)
}
