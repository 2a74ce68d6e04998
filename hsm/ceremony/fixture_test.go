package ceremony_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/softhsm"
)

// small is the least script that has an issuer: enough to die at every point of
// it in a test.
const small = `ceremony: 1
title: Small
environment: exercise
source: this test
verified: false
roles: {administrator: runs it, internal witness: watches}
tokens: {ca: keys}
keys:
  root-dca-1: {token: ca, use: sign, for: test}
  issuing-dca-1: {token: ca, use: sign, for: test}
certificates:
  root-dca: {profile: root-dca, key: root-dca-1, cn: TST1}
  issuing-dca: {profile: issuing-dca, issuer: root-dca, key: issuing-dca-1, cn: TST2}
steps:
  - {step: 1, who: administrator, says: opens, open: ca}
  - {step: 2, who: administrator, says: makes, generate: root-dca-1}
  - {step: 3, who: administrator, says: issues, certify: root-dca}
  - {step: 4, who: administrator, says: makes, generate: issuing-dca-1}
  - {step: 5, who: administrator, says: issues, certify: issuing-dca, checked: the chain}
  - {step: 6, who: internal witness, says: reads the fingerprint}
`

func parse(t *testing.T, text string) *ceremony.Script {
	t.Helper()
	s, err := ceremony.Parse("script.yaml", []byte(text))
	require.NoError(t, err)
	require.NoError(t, s.Check())
	return s
}

// open returns a SoftHSM token, open until the test ends.
func open(t *testing.T, label string) *hsm.Token {
	t.Helper()
	token, err := hsm.Open(t.Context(), hsm.FromSoftHSM(softhsm.ForTest(t, label)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, token.Close()) })
	return token
}

// always maps every name to one token.
func always(token *hsm.Token) func(context.Context, string) (*hsm.Token, error) {
	return func(context.Context, string) (*hsm.Token, error) { return token, nil }
}

func fixedClock() time.Time { return time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC) }

// config is a run of the small script on a token of its own.
func config(t *testing.T) ceremony.Config {
	t.Helper()
	return ceremony.Config{
		Script: parse(t, small), Out: filepath.Join(t.TempDir(), "out"), Clock: fixedClock,
		Token: always(open(t, "EXERCISE ca")),
	}
}
