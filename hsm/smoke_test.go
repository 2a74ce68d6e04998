package hsm_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"smki.example/hsm"
	"smki.example/softhsm"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	st := softhsm.ForTest(t, "EXERCISE smoke")
	tok, err := hsm.Open(ctx, hsm.FromSoftHSM(st))
	require.NoError(t, err)
	k, err := tok.Generate(ctx, hsm.KeySpec{Label: "issuing-oca-1", Use: hsm.Sign})
	require.NoError(t, err)
	fmt.Printf("%+v\n", k.Evidence())
	d := sha256.Sum256([]byte("x"))
	sig, err := k.Signer(ctx).Sign(nil, d[:], crypto.SHA256)
	require.NoError(t, err)
	require.True(t, ecdsa.VerifyASN1(k.Public(), d[:], sig))
	_, err = tok.Generate(ctx, hsm.KeySpec{Label: "health-1", Use: hsm.Sign})
	require.NoError(t, err)
	require.NoError(t, tok.Health(ctx))
	for range 2 {
		require.NoError(t, st.Break())
		err = tok.Health(ctx)
		fmt.Println(err)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		_, err = k.SignDigest(ctx, d[:])
		fmt.Println(err)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		require.NoError(t, st.Restore())
		require.NoError(t, tok.Health(ctx))
		_, err = k.SignDigest(ctx, d[:])
		require.NoError(t, err)
	}
	require.NoError(t, tok.Close())
	require.NoError(t, tok.Close())
}
