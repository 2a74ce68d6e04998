package hsm_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/hsm"
	"smki.example/softhsm"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestKeyWrapKnownAnswers are the examples of RFC 3394, 4, and RFC 5649, 6.
func TestKeyWrapKnownAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, key, plain, wrapped string
		wrap, unwrap              func(key, data []byte) ([]byte, error)
	}{
		{"RFC 3394, 4.1", "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
			"1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", hsm.Wrap, hsm.Unwrap},
		{"RFC 3394, 4.3", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff",
			"64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7", hsm.Wrap, hsm.Unwrap},
		{"RFC 3394, 4.6", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
			"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", hsm.Wrap, hsm.Unwrap},
		{"RFC 5649, 6, 20 octets", "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "c37b7e6492584340bed12207808941155068f738",
			"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a", hsm.WrapPad, hsm.UnwrapPad},
		{"RFC 5649, 6, 7 octets", "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369",
			"afbeb0f07dfbf5419200f2ccb50bb24f", hsm.WrapPad, hsm.UnwrapPad},
	} {
		got, err := row.wrap(unhex(t, row.key), unhex(t, row.plain))
		require.NoError(t, err, row.name)
		require.Equal(t, row.wrapped, hex.EncodeToString(got), row.name)
		back, err := row.unwrap(unhex(t, row.key), got)
		require.NoError(t, err, row.name)
		require.Equal(t, row.plain, hex.EncodeToString(back), row.name)
	}
}

func TestKeyWrapReversesAndNoticesChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		plain := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "plain")
		wrapped, err := hsm.WrapPad(key, plain)
		require.NoError(t, err)
		back, err := hsm.UnwrapPad(key, wrapped)
		require.NoError(t, err)
		require.Equal(t, plain, back)

		changed := bytes.Clone(wrapped)
		changed[rapid.IntRange(0, len(changed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_, err = hsm.UnwrapPad(key, changed)
		require.ErrorIs(t, err, hsm.ErrUnwrap)
		_, err = hsm.UnwrapPad(key, wrapped[:len(wrapped)-1])
		require.ErrorIs(t, err, hsm.ErrUnwrap)
	})
}

func TestKeyWrapRefuses(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for _, n := range []int{0, 8, 17, 1<<16 + 8} {
		_, err := hsm.Wrap(key, make([]byte, n))
		require.Error(t, err, n)
	}
	for _, n := range []int{0, 1<<16 + 1} {
		_, err := hsm.WrapPad(key, make([]byte, n))
		require.Error(t, err, n)
	}
	for _, n := range []int{0, 8, 15, 23} {
		_, err := hsm.UnwrapPad(key, make([]byte, n))
		require.ErrorIs(t, err, hsm.ErrUnwrap, n)
		_, err = hsm.Unwrap(key, make([]byte, n))
		require.ErrorIs(t, err, hsm.ErrUnwrap, n)
	}
	_, err := hsm.WrapPad(key[:5], []byte{1})
	require.Error(t, err, "no AES key has five octets")
}

func FuzzUnwrapPad(f *testing.F) {
	key := make([]byte, 32)
	whole, err := hsm.WrapPad(key, []byte("a key"))
	require.NoError(f, err)
	f.Add(whole)
	f.Add(make([]byte, 16))
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		plain, err := hsm.UnwrapPad(key, wrapped)
		if err != nil {
			return
		}
		again, err := hsm.WrapPad(key, plain)
		require.NoError(t, err)
		require.Equal(t, wrapped, again)
	})
}

// TestContingencyKeyWrap is what the ceremony does: a public key is wrapped under a
// secret that the token made, and whoever is given the secret unwraps it.
func TestContingencyKeyWrap(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE contingency"))
	key := generate(t, token, "contingency-1", hsm.Sign)
	secret, err := token.GenerateSecret(t.Context(), hsm.SecretSpec{Label: "contingency-symmetric-1", Readable: true})
	require.NoError(t, err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.Len(t, spki, 91)
	wrapped, err := secret.WrapPad(t.Context(), spki)
	require.NoError(t, err)
	require.Len(t, wrapped, 104)

	value, err := secret.Value(t.Context())
	require.NoError(t, err)
	back, err := hsm.UnwrapPad(value, wrapped)
	require.NoError(t, err)
	require.Equal(t, spki, back)
	back, err = secret.UnwrapPad(t.Context(), wrapped)
	require.NoError(t, err)
	require.Equal(t, spki, back)
}

func TestSecretsWrapInTheTokenAsInMemory(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE secrets"))
	secret, err := token.GenerateSecret(t.Context(), hsm.SecretSpec{Label: "readable-1", Readable: true})
	require.NoError(t, err)
	value, err := secret.Value(t.Context())
	require.NoError(t, err)
	for n := 1; n <= 40; n++ {
		data := bytes.Repeat([]byte{byte(n)}, n)
		got, err := secret.WrapPad(t.Context(), data)
		require.NoError(t, err)
		want, err := hsm.WrapPad(value, data)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if n < 16 || n%8 != 0 {
			continue
		}
		got, err = secret.Wrap(t.Context(), data)
		require.NoError(t, err)
		want, err = hsm.Wrap(value, data)
		require.NoError(t, err)
		require.Equal(t, want, got)
		byToken, err := token.WrapByMechanism(t.Context(), secret, data)
		require.NoError(t, err)
		require.Equal(t, want, byToken, "as CKM_AES_KEY_WRAP")
		back, err := secret.Unwrap(t.Context(), got)
		require.NoError(t, err)
		require.Equal(t, data, back)
	}

	hidden, err := token.GenerateSecret(t.Context(), hsm.SecretSpec{Label: "hidden-1"})
	require.NoError(t, err)
	a := hidden.Evidence()
	require.True(t, a.Sensitive && a.AlwaysSensitive && a.NeverExtractable && a.Local && !a.Extractable)
	_, err = hidden.Value(t.Context())
	require.ErrorIs(t, err, hsm.ErrRefused)
	wrapped, err := hidden.WrapPad(t.Context(), []byte("data"))
	require.NoError(t, err)
	_, err = secret.UnwrapPad(t.Context(), wrapped)
	require.ErrorIs(t, err, hsm.ErrUnwrap)
	require.NoError(t, token.LoseSessions(t.Context()))
	back, err := hidden.UnwrapPad(t.Context(), wrapped)
	require.NoError(t, err)
	require.Equal(t, "data", string(back))

	found, err := token.Secret(t.Context(), "hidden-1")
	require.NoError(t, err)
	require.Equal(t, a, found.Evidence())
	_, err = token.Secret(t.Context(), "absent-1")
	require.ErrorIs(t, err, hsm.ErrNotFound)
	_, err = token.Key(t.Context(), "hidden-1")
	require.ErrorIs(t, err, hsm.ErrNotFound, "a secret is no private key")
}
