package hsm_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// signAndVerify signs random octets and verifies the signature.
func signAndVerify(t testing.TB, key *hsm.Key) {
	t.Helper()
	var digest [sha256.Size]byte
	rand.Read(digest[:])
	der, err := key.SignDigest(t.Context(), digest[:])
	require.NoError(t, err)
	require.True(t, ecdsa.VerifyASN1(key.Public(), digest[:], der))
}

func TestSignerIsACryptoSigner(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE signer"))
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	signer := key.Signer(t.Context())
	require.Equal(t, key.Public(), signer.Public())
	message := []byte("to be signed")
	digest := sha256.Sum256(message)

	der, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	require.True(t, ecdsa.VerifyASN1(key.Public(), digest[:], der))

	der, err = crypto.SignMessage(signer, rand.Reader, message, crypto.SHA256)
	require.NoError(t, err)
	require.True(t, ecdsa.VerifyASN1(key.Public(), digest[:], der))
	require.Implements(t, (*crypto.MessageSigner)(nil), signer)

	_, err = signer.Sign(rand.Reader, digest[:], crypto.SHA384)
	require.ErrorContains(t, err, "must be SHA-256")
	_, err = signer.Sign(rand.Reader, digest[:20], crypto.SHA256)
	require.ErrorContains(t, err, "20 octets")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = key.Signer(cancelled).Sign(rand.Reader, digest[:], crypto.SHA256)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAKeyForAgreementDoesNotSign(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE uses"))
	agree := generate(t, token, "supplier-ka-1", hsm.Derive)
	_, err := agree.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorContains(t, err, "CKR_KEY_FUNCTION_NOT_PERMITTED")
	sign := generate(t, token, "supplier-ds-1", hsm.Sign)
	_, err = sign.ECDH(t.Context(), agree.Public())
	require.ErrorContains(t, err, "CKR_KEY_FUNCTION_NOT_PERMITTED")
	signAndVerify(t, sign) // and the refusals have cost no session
}

func TestManyGoroutinesShareAFewSessions(t *testing.T) {
	t.Parallel()
	for _, modifiable := range []bool{false, true} {
		t.Run(fmt.Sprintf("modifiable %t", modifiable), func(t *testing.T) {
			t.Parallel()
			token := open(t, softhsm.ForTest(t, "EXERCISE crowd"))
			key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "crowd-1", Use: hsm.Sign, Modifiable: modifiable})
			require.NoError(t, err)
			crowd(t, key, 64, 20, nil)
			if modifiable {
				require.Positive(t, token.Copies(key), "SoftHSM copies a key that is modifiable")
			} else {
				require.Zero(t, token.Copies(key))
			}
		})
	}
}

// crowd has n goroutines sign and verify, each times over, and calls during, if there is one, meanwhile.
func crowd(t *testing.T, key *hsm.Key, n, times int, during func()) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() {
			for j := range times {
				digest := sha256.Sum256(fmt.Append(nil, i, j))
				der, err := key.SignDigest(t.Context(), digest[:])
				if err == nil && !ecdsa.VerifyASN1(key.Public(), digest[:], der) {
					err = fmt.Errorf("signature %d of goroutine %d is wrong", j, i)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	if during != nil {
		during()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestSignatureDERIsStrict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rs := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "r||s")
		for _, half := range [][]byte{rs[:32], rs[32:]} {
			clear(half[:rapid.IntRange(0, 31).Draw(t, "leading zeros")])
			if half[31] == 0 {
				half[31] = 1
			}
		}
		der, err := hsm.SignatureDER(rs)
		require.NoError(t, err)
		want, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(rs[:32]), new(big.Int).SetBytes(rs[32:])})
		require.NoError(t, err)
		require.Equal(t, want, der)
	})
	_, err := hsm.SignatureDER(make([]byte, 63))
	require.ErrorContains(t, err, "63 octets")
}
