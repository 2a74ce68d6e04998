package hsm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

func TestECDHAgreesWithCryptoECDH(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE agreement"))
	key := generate(t, token, "supplier-ka-1", hsm.Derive)
	ours, err := key.Public().ECDH()
	require.NoError(t, err)
	plain, leadingZero := 0, false
	// About one secret in 256 begins with a zero octet, which must not be dropped;
	// the peer's key is chosen here until that has been seen.
	for i := 0; !leadingZero || plain < 20; i++ {
		require.Less(t, i, 20_000)
		peer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		private, err := peer.ECDH()
		require.NoError(t, err)
		want, err := private.ECDH(ours)
		require.NoError(t, err)
		if want[0] != 0 && plain == 20 {
			continue
		}
		got, err := key.ECDH(t.Context(), &peer.PublicKey)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if want[0] == 0 {
			leadingZero = true
		} else {
			plain++
		}
	}
}

func TestECDHRefusesOtherCurves(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE curves"))
	key := generate(t, token, "supplier-ka-1", hsm.Derive)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, peer := range []*ecdsa.PublicKey{nil, {}, &other.PublicKey, {Curve: elliptic.P256()}, {Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}} {
		_, err := key.ECDH(t.Context(), peer)
		require.Error(t, err)
		require.NotErrorIs(t, err, hsm.ErrUnavailable)
	}
}

func TestECDHLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE tidy"), func(c *hsm.Config) { c.Sessions = 1 })
	key := generate(t, token, "supplier-ka-1", hsm.Derive)
	for range 50 {
		_, err := key.ECDH(t.Context(), key.Public())
		require.NoError(t, err)
	}
	n, err := token.SessionObjects(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}
