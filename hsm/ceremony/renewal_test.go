package ceremony_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

const rootAlone = `ceremony: 1
title: A root
environment: exercise
source: this test
verified: false
roles: {administrator: runs it, internal witness: watches, custodian 1: one, custodian 2: two}
tokens: {ca: keys}
keys:
  root-oca-1: {token: ca, use: sign, for: test}
  contingency-1: {token: ca, use: sign, for: test}
contingency: {key: contingency-1, wrap: id-aes256-wrap-pad, custodians: [custodian 1, custodian 2], open: 2, basis: test}
certificates:
  root-oca: {profile: root-oca, key: root-oca-1, cn: TST1, contingency: contingency-1}
steps:
  - {step: 1, who: administrator, says: opens, open: ca}
  - {step: 2, who: administrator, says: makes, generate: contingency-1}
  - {step: 3, who: administrator, says: wraps, wrap: contingency-1}
  - {step: 4, who: administrator, says: makes, generate: root-oca-1}
  - {step: 5, who: administrator, says: issues, certify: root-oca}
`

// renewed is a new certificate for the same root key, with the same contingency
// pair wrapped under a new symmetric key.
const renewed = `ceremony: 1
title: The root again
environment: exercise
source: this test
verified: false
roles: {administrator: runs it, internal witness: watches, custodian 1: one, custodian 2: two}
tokens: {ca: keys}
keys:
  root-oca-1: {token: ca, use: sign, for: test, existing: true}
contingency: {key: contingency-1, given: true, wrap: id-aes256-wrap-pad, custodians: [custodian 1, custodian 2], open: 2, basis: test}
certificates:
  root-oca: {profile: root-oca, key: root-oca-1}
  root-oca-renewed: {profile: root-oca, key: root-oca-1, renews: root-oca, cn: TST1, contingency: contingency-1}
steps:
  - {step: 1, who: administrator, says: opens, open: ca}
  - {step: 2, who: administrator, says: finds, use: root-oca-1}
  - {step: 3, who: administrator, says: wraps anew, wrap: contingency-1}
  - {step: 4, who: administrator, says: issues, certify: root-oca-renewed}
`

func TestRootIsRenewedWithTheContingencyKeyWrappedAnew(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Script = parse(t, rootAlone)
	var first, second []custody.Share
	c.Custodian = func(_ string, s custody.Share) error { first = append(first, s); return nil }
	made, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	old, err := policy.ParseCertificate(made.Certificates["root-oca"])
	require.NoError(t, err)
	key, err := custody.Combine(first)
	require.NoError(t, err)
	pair, err := gbcs.UnwrapContingency(old.WrappedContingency, key)
	require.NoError(t, err)

	c.Script, c.Out = parse(t, renewed), filepath.Join(t.TempDir(), "again")
	c.Custodian = func(_ string, s custody.Share) error { second = append(second, s); return nil }
	c.Existing = map[string][]byte{"root-oca": old.Raw}
	_, err = ceremony.Run(t.Context(), c)
	require.ErrorContains(t, err, `wraps the public half of key "contingency-1", which is on no token here; give it`)
	c.Contingency = pair
	again, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	fresh, err := policy.ParseCertificate(again.Certificates["root-oca-renewed"])
	require.NoError(t, err)
	require.True(t, fresh.PublicKey.Equal(old.PublicKey))
	require.Equal(t, old.RawSubject, fresh.RawSubject)
	require.NotEqual(t, old.Serial, fresh.Serial)
	require.NoError(t, policy.VerifyTBS(old.PublicKey, fresh.RawTBS, fresh.Signature))

	newKey, err := custody.Combine(second)
	require.NoError(t, err)
	unwrapped, err := gbcs.UnwrapContingency(fresh.WrappedContingency, newKey)
	require.NoError(t, err)
	require.True(t, unwrapped.Equal(pair), "the pair stayed")
	_, err = gbcs.UnwrapContingency(fresh.WrappedContingency, key)
	require.Error(t, err, "the old symmetric key opens nothing any more")

	_, err = ceremony.Rehearse(t.Context(), ceremony.Config{Script: c.Script})
	require.NoError(t, err)
}

func TestRenewalIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, from, to, want string }{
		{"of a certificate made in the same ceremony", ", for: test, existing: true}", ", for: test}", "which this ceremony makes itself"},
		{"of one that is not there", "renews: root-oca,", "renews: nobody,", `renews "nobody" is not in the script`},
		{"with a pair that is both given and made", "contingency: {key: contingency-1, given", "contingency: {key: root-oca-1, given", "take it out of keys"},
		{"without the pair", "given: true, ", "", `contingency: key "contingency-1" is not in the script`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := ceremony.Parse("test.yaml", []byte(strings.Replace(renewed, row.from, row.to, 1)))
			require.NoError(t, err)
			require.ErrorContains(t, s.Check(), row.want)
		})
	}
	c := config(t)
	c.Script = parse(t, rootAlone)
	c.Custodian = func(string, custody.Share) error { return nil }
	made, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	old, err := policy.ParseCertificate(made.Certificates["root-oca"])
	require.NoError(t, err)
	c.Script, c.Out = parse(t, strings.Replace(renewed, "cn: TST1", "cn: TST9", 1)), filepath.Join(t.TempDir(), "again")
	c.Existing, c.Contingency = map[string][]byte{"root-oca": old.Raw}, old.PublicKey
	_, err = ceremony.Run(t.Context(), c)
	require.ErrorIs(t, err, ceremony.ErrRefused, "another name")
}
