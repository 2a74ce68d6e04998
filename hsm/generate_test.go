package hsm_test

import (
	"encoding/json"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

func TestGenerateGivesEvidence(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE evidence"))
	for _, spec := range []hsm.KeySpec{
		{Label: "sign-1", Use: hsm.Sign},
		{Label: "agree-1", Use: hsm.Derive},
		{Label: "fast-1", Use: hsm.Sign, Modifiable: true},
	} {
		key, err := token.Generate(t.Context(), spec)
		require.NoError(t, err)
		a := key.Evidence()
		require.NoError(t, a.Check())
		require.Equal(t, spec.Use, key.Use())
		require.Len(t, a.ID, 32)
		require.Equal(t, hsm.Attributes{
			Label: spec.Label, ID: a.ID, Token: true, Private: true, Sensitive: true, Modifiable: spec.Modifiable,
			Sign: spec.Use == hsm.Sign, Derive: spec.Use == hsm.Derive,
			Local: true, AlwaysSensitive: true, NeverExtractable: true, Mechanism: "CKM_EC_KEY_PAIR_GEN",
		}, a)
		b, err := json.Marshal(a)
		require.NoError(t, err)
		require.Contains(t, string(b), `"never_extractable":true`)

		again, err := token.Key(t.Context(), spec.Label)
		require.NoError(t, err)
		require.True(t, key.Public().Equal(again.Public()))
		require.Equal(t, a, again.Evidence())
	}
}

func TestAttributesCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := hsm.Attributes{Token: true, Private: true, Sensitive: true, Sign: true, Local: true, AlwaysSensitive: true, NeverExtractable: true}
	require.NoError(t, good.Check())
	for name, spoil := range map[string]func(*hsm.Attributes){
		"CKA_TOKEN":             func(a *hsm.Attributes) { a.Token = false },
		"CKA_PRIVATE":           func(a *hsm.Attributes) { a.Private = false },
		"CKA_SENSITIVE":         func(a *hsm.Attributes) { a.Sensitive = false },
		"CKA_EXTRACTABLE":       func(a *hsm.Attributes) { a.Extractable = true },
		"CKA_DECRYPT":           func(a *hsm.Attributes) { a.Decrypt = true },
		"CKA_UNWRAP":            func(a *hsm.Attributes) { a.Unwrap = true },
		"CKA_LOCAL":             func(a *hsm.Attributes) { a.Local = false },
		"CKA_ALWAYS_SENSITIVE":  func(a *hsm.Attributes) { a.AlwaysSensitive = false },
		"CKA_NEVER_EXTRACTABLE": func(a *hsm.Attributes) { a.NeverExtractable = false },
		"CKA_DERIVE":            func(a *hsm.Attributes) { a.Derive = true },
		"CKA_SIGN":              func(a *hsm.Attributes) { a.Sign = false },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, bad.Check(), name)
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE names"))
	first := generate(t, token, "root-oca-1", hsm.Sign)
	_, err := token.Generate(t.Context(), hsm.KeySpec{Label: "root-oca-1", Use: hsm.Derive})
	require.ErrorIs(t, err, hsm.ErrConflict)
	_, err = token.GenerateSecret(t.Context(), hsm.SecretSpec{Label: "root-oca-1"})
	require.ErrorIs(t, err, hsm.ErrConflict)
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "root-oca-2"})
	require.ErrorContains(t, err, "use is")
	for _, label := range []hsm.KeyLabel{"", "root", "Root-1", "root-0", "root-01", "-1", "root--1", "a b-1", "root-1x"} {
		_, err := token.Generate(t.Context(), hsm.KeySpec{Label: label, Use: hsm.Sign})
		require.ErrorContains(t, err, "issuing-oca-1", "label %q", label)
	}
	keys, err := token.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, first.Evidence(), keys[0].Attributes)
}

func TestLabel(t *testing.T) {
	t.Parallel()
	l := hsm.Label("issuing-oca", 12)
	require.Equal(t, hsm.KeyLabel("issuing-oca-12"), l)
	require.NoError(t, l.Check())
	require.Equal(t, "issuing-oca", l.Name())
	require.Equal(t, 12, l.Generation())
	require.Zero(t, hsm.KeyLabel("issuing-oca").Generation())
	require.Empty(t, hsm.KeyLabel("issuing-oca").Name())
}

// TestWritesThatFail has each call that changes the token fail in two ways: it was not
// done, and it was done but we were told that it was not.
func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE writes"), f)
	gone := pkcs11.Error(pkcs11.CKR_DEVICE_ERROR)

	f.failAt("C_GenerateKeyPair", failure{err: gone})
	_, err := token.Generate(t.Context(), hsm.KeySpec{Label: "a-1", Use: hsm.Sign})
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	_, err = token.Key(t.Context(), "a-1")
	require.ErrorIs(t, err, hsm.ErrNotFound)
	generate(t, token, "a-1", hsm.Sign)

	f.failAt("C_GenerateKeyPair", failure{err: gone, after: true})
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "b-1", Use: hsm.Sign})
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	key, err := token.Key(t.Context(), "b-1")
	require.NoError(t, err, "it was made, once, and is found by looking it up")
	signAndVerify(t, key)
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "b-1", Use: hsm.Sign})
	require.ErrorIs(t, err, hsm.ErrConflict)

	f.failAt("C_GenerateKeyPair", failure{err: pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID)})
	generate(t, token, "c-1", hsm.Sign) // a dead session did nothing, so it is tried again

	f.failAt("C_DestroyObject", failure{err: gone})
	require.ErrorIs(t, token.Destroy(t.Context(), "a-1"), hsm.ErrUnavailable)
	require.NoError(t, token.Destroy(t.Context(), "a-1"))
	f.failAt("C_DestroyObject", failure{}, failure{err: gone, after: true})
	require.ErrorIs(t, token.Destroy(t.Context(), "b-1"), hsm.ErrUnavailable)
	require.ErrorIs(t, token.Destroy(t.Context(), "b-1"), hsm.ErrNotFound, "it was done")
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE destroy"))
	key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "spent-1", Use: hsm.Sign, Modifiable: true})
	require.NoError(t, err)
	crowd(t, key, 8, 4, nil) // so that several sessions hold a copy
	require.Positive(t, token.Copies(key))
	require.NoError(t, token.Destroy(t.Context(), "spent-1"))
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrNotFound, "no copy signs on")
	_, err = token.Key(t.Context(), "spent-1")
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.ErrorIs(t, token.Destroy(t.Context(), "spent-1"), hsm.ErrNotFound)
	generate(t, token, "spent-1", hsm.Sign)
}

func TestHealthNeedsItsOwnKey(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE health"))
	generate(t, token, "root-oca-1", hsm.Sign)
	err := token.Health(t.Context())
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.ErrorContains(t, err, `generate "health-1"`)
	generate(t, token, "health-1", hsm.Sign)
	generate(t, token, "health-2", hsm.Sign)
	require.NoError(t, token.Health(t.Context()))
	require.NoError(t, token.Destroy(t.Context(), "health-1"))
	require.NoError(t, token.Health(t.Context()), "the latest generation is used")
}

func TestCodesHaveNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "CKR_ACTION_PROHIBITED", hsm.CodeName(0x1B))
	require.Equal(t, "CKR_PIN_INCORRECT", hsm.CodeName(pkcs11.CKR_PIN_INCORRECT))
	require.Equal(t, "CKR_VENDOR_DEFINED", hsm.CodeName(pkcs11.CKR_VENDOR_DEFINED))
	require.Equal(t, "CKR 0x7777", hsm.CodeName(0x7777))
	err := hsm.Called("C_Sign", pkcs11.Error(0x1B))
	require.EqualError(t, err, "C_Sign: CKR_ACTION_PROHIBITED")
	var code pkcs11.Error
	require.ErrorAs(t, err, &code)
	require.NoError(t, hsm.Called("C_Sign", nil))
}
