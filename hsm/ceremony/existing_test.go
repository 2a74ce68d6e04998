package ceremony_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/hsm/ceremony"
	"smki.example/policy"
)

// second is a ceremony on the token of the small one: its root signs again.
const second = `ceremony: 1
title: Second
environment: exercise
source: this test
verified: false
roles: {administrator: runs it, internal witness: watches}
tokens: {ca: keys}
keys:
  root-dca-1: {token: ca, use: sign, for: test, existing: true}
  issuing-dca-2: {token: ca, use: sign, for: test}
certificates:
  root-dca: {profile: root-dca, key: root-dca-1}
  issuing-dca: {profile: issuing-dca, issuer: root-dca, key: issuing-dca-2, cn: TST3}
steps:
  - {step: 1, who: administrator, says: opens, open: ca}
  - {step: 2, who: administrator, says: finds, use: root-dca-1}
  - {step: 3, who: administrator, says: makes, generate: issuing-dca-2}
  - {step: 4, who: administrator, says: issues, certify: issuing-dca, checked: the chain}
`

// afterFirst holds the small ceremony and returns the configuration of the second.
func afterFirst(t *testing.T) (ceremony.Config, *ceremony.Result) {
	t.Helper()
	c := config(t)
	first, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	c.Script, c.Out = parse(t, second), filepath.Join(t.TempDir(), "second")
	c.Existing = map[string][]byte{"root-dca": first.Certificates["root-dca"]}
	return c, first
}

func TestExistingKeySignsAgain(t *testing.T) {
	t.Parallel()
	c, first := afterFirst(t)
	r, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)

	root, err := policy.ParseCertificate(first.Certificates["root-dca"])
	require.NoError(t, err)
	issuing, err := policy.ParseCertificate(r.Certificates["issuing-dca"])
	require.NoError(t, err)
	require.NoError(t, policy.CheckPath(issuing, nil, policy.AnchorOf(root), policy.PathOptions{Now: fixedClock(), Policies: issuing.Policies}))
	require.Equal(t, first.Certificates["root-dca"], r.Existing["root-dca"])
	require.Len(t, r.Intents, 1, "the root's own certificate is the first ceremony's")
	require.Equal(t, "root-dca-1", string(r.Intents[0].KeyLabel))
	evidence, ok := r.Key("root-dca-1")
	require.True(t, ok)
	require.True(t, evidence.Existing)
	evidence, _ = r.Key("issuing-dca-2")
	require.False(t, evidence.Existing)
	transcript, err := os.ReadFile(r.Transcript)
	require.NoError(t, err)
	require.Contains(t, string(transcript), "the key was there before this ceremony")
	require.Contains(t, string(transcript), "existing/root-dca.pem")
	shell(t, r.Dir, "sha256sum", "-c", "--quiet", "SHA256SUMS")

	other, err := ceremony.Run(t.Context(), config(t))
	require.NoError(t, err)
	block, err := os.ReadFile(filepath.Join(other.Dir, "certificates", "root-dca.pem"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.Dir, "existing", "root-dca.pem"), block, 0o644))
	_, err = ceremony.Load(r.Dir)
	require.ErrorContains(t, err, "was changed")
}

func TestExistingKeyIsRefused(t *testing.T) {
	t.Parallel()
	c, first := afterFirst(t)
	other, err := ceremony.Run(t.Context(), config(t))
	require.NoError(t, err)
	for _, row := range []struct {
		name   string
		change func(*ceremony.Config)
		want   string
	}{
		{"without its certificate", func(c *ceremony.Config) { c.Existing = nil }, `give its certificate "root-dca"`},
		{"with another root's certificate", func(c *ceremony.Config) { c.Existing = map[string][]byte{"root-dca": other.Certificates["root-dca"]} }, "has another key than the one on the token"},
		{"after its certificate has ended", func(c *ceremony.Config) { c.Clock = func() time.Time { return fixedClock().AddDate(80, 0, 0) } }, "is valid from"},
		{"when it is not on the token", func(c *ceremony.Config) { c.Token = always(open(t, "EXERCISE empty")) }, `existing key "root-dca-1" is not on token`},
		{"when the script does not say that it is existing", func(c *ceremony.Config) {
			c.Script = parse(t, strings.NewReplacer("issuing-dca-1", "issuing-dca-2").Replace(small))
		}, `already has a key "root-dca-1", and a ceremony uses no key it did not make`},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := c
			c.Out = filepath.Join(t.TempDir(), "out")
			row.change(&c)
			_, err := ceremony.Run(t.Context(), c)
			require.ErrorContains(t, err, row.want)
		})
	}
	// Nothing of it has hurt: the second ceremony can still be held.
	r, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	require.NotEqual(t, first.Certificates["issuing-dca"], r.Certificates["issuing-dca"])
}

// A ceremony that stopped never advises to initialise a token whose keys are in use.
func TestStoppedBesideKeysInUse(t *testing.T) {
	t.Parallel()
	c, _ := afterFirst(t)
	c.Attend = func(_ context.Context, step ceremony.Step, _ string) (string, error) {
		if step.Number == 3 {
			return "", os.ErrClosed
		}
		return "", nil
	}
	_, err := ceremony.Run(t.Context(), c)
	require.ErrorContains(t, err, "never initialise it")
	require.NotContains(t, err.Error(), "initialise the tokens anew")
}

func TestScriptErrorsOfExistingKeys(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, old, new, want string }{
		{"made although it is there", "use: root-dca-1}", "generate: root-dca-1}", `key "root-dca-1" is existing: it is not made`},
		{"used although it is to be made", "generate: issuing-dca-2}", "use: issuing-dca-2}", `key "issuing-dca-2" is not marked as existing: true`},
		{"never used", "  - {step: 2, who: administrator, says: finds, use: root-dca-1}\n", "", "no step does use root-dca-1"},
		{"certified anew", "certify: issuing-dca,", "certify: root-dca,", `certificate "root-dca" is of an existing key and there already`},
		{"a name for what has one", "key: root-dca-1}", "key: root-dca-1, cn: TST1}", "it has no cn, issuer or contingency to be decided"},
		{"no truth", "existing: true", "existing: perhaps", "existing: want true or false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, second, row.old)
			s, err := ceremony.Parse("s.yaml", []byte(strings.Replace(second, row.old, row.new, 1)))
			if err == nil {
				err = s.Check()
			}
			require.ErrorContains(t, err, row.want)
		})
	}
}

func TestRolloverScriptIsRehearsed(t *testing.T) {
	t.Parallel()
	open(t, "EXERCISE probe")
	r, err := ceremony.Rehearse(t.Context(), ceremony.Config{Script: ceremony.RolloverScript(), Clock: fixedClock})
	require.NoError(t, err)
	require.Equal(t, []string{"issuing-oca", "issuing-dca"}, r.Certificates)
	require.Len(t, r.Keys, 4)
}
