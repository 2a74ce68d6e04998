package ceremony_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/hsm"
	"smki.example/hsm/ceremony"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

func TestDefaultScriptEndToEnd(t *testing.T) {
	t.Parallel()
	tokens := map[string]*hsm.Token{"ca": open(t, "EXERCISE ca"), "recovery": open(t, "EXERCISE recovery"), "contingency": open(t, "EXERCISE contingency")}
	out := filepath.Join(t.TempDir(), "out")
	r, err := ceremony.Run(t.Context(), ceremony.Config{
		Script: ceremony.DefaultScript(), Out: out, Clock: fixedClock, Rehearsed: ceremony.DefaultScript().Hash(),
		Token: func(_ context.Context, name string) (*hsm.Token, error) { return tokens[name], nil },
	})
	require.NoError(t, err)

	t.Run("keys are where the script says, with their evidence", func(t *testing.T) {
		require.Len(t, r.Keys, 8)
		for _, e := range r.Keys {
			require.NoError(t, e.Attributes.Check())
			require.Equal(t, e.Label == "issuing-dca-1", e.Attributes.Modifiable, "one key is modifiable, and the script gives the reason")
			require.Equal(t, e.Attributes.Modifiable, e.Modifiable != "")
			require.Equal(t, tokens[e.Token].Info().Serial, e.TokenSerial)
			key, err := tokens[e.Token].Key(t.Context(), e.Label)
			require.NoError(t, err)
			require.Equal(t, policy.KeyIDOf(key.Public()), e.KeyID)
			require.FileExists(t, filepath.Join(out, "public-keys", string(e.Label)+".pem"))
		}
	})

	certificates := map[string]*policy.Certificate{}
	for name, der := range r.Certificates {
		certificates[name], err = policy.ParseCertificate(der)
		require.NoError(t, err)
	}
	t.Run("paths hold", func(t *testing.T) {
		env, err := policy.LoadEnvironment("exercise")
		require.NoError(t, err)
		for _, path := range [][]string{{"recovery", "issuing-oca", "root-oca"}, {"issuing-oca", "root-oca"}, {"issuing-dca", "root-dca"}} {
			leaf, root := certificates[path[0]], certificates[path[len(path)-1]]
			var between []*policy.Certificate
			for _, name := range path[1 : len(path)-1] {
				between = append(between, certificates[name])
			}
			anchor := policy.TrustAnchor{PublicKey: root.PublicKey, KeyID: root.SubjectKeyID, Subject: root.RawSubject}
			require.NoError(t, policy.CheckPath(leaf, between, anchor, policy.PathOptions{Now: fixedClock(), Policies: leaf.Policies}), path[0])
			profile, err := env.Profile(leaf.Kind())
			require.NoError(t, err)
			require.Equal(t, []string{profile.Policy.String()}, []string{leaf.Policies[0].String()})
		}
		role, _ := certificates["recovery"].Role()
		require.Equal(t, policy.RoleRecovery, role)
	})

	t.Run("every certificate is an intent and its signature", func(t *testing.T) {
		require.Len(t, r.Intents, 5)
		hexLines, err := os.ReadFile(filepath.Join(out, "intents.hex"))
		require.NoError(t, err)
		require.Len(t, strings.Fields(string(hexLines)), 5)
		for _, i := range r.Intents {
			require.Equal(t, certificates[i.Certificate].RawTBS, i.TBS)
			require.Equal(t, certificates[i.Certificate].Serial, i.Serial)
			key, err := tokens["ca"].Key(t.Context(), i.KeyLabel)
			require.NoError(t, err)
			require.NoError(t, policy.VerifyTBS(key.Public(), i.TBS, i.Signature))
		}
	})

	t.Run("two custodians unwrap the contingency key as a device would", func(t *testing.T) {
		var texts []string
		for _, who := range []string{"custodian 3", "custodian 1"} {
			text, err := os.ReadFile(ceremony.ShareFile(out, who))
			require.NoError(t, err)
			texts = append(texts, string(text))
			info, err := os.Stat(ceremony.ShareFile(out, who))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		}
		shares, err := custody.ParseShares(texts)
		require.NoError(t, err)
		_, err = custody.Combine(shares[:1])
		require.ErrorIs(t, err, custody.ErrTooFewShares)
		symmetric, err := custody.Combine(shares)
		require.NoError(t, err)
		require.Len(t, symmetric, 32)
		public, err := gbcs.UnwrapContingency(certificates["root-oca"].WrappedContingency, symmetric)
		require.NoError(t, err)
		key, err := tokens["contingency"].Key(t.Context(), "contingency-1")
		require.NoError(t, err)
		require.True(t, key.Public().Equal(public))
		for _, name := range []string{"transcript.txt", "evidence.json", "intents.jsonl"} {
			content, err := os.ReadFile(filepath.Join(out, name))
			require.NoError(t, err)
			require.NotContains(t, string(content), strings.Fields(shares[0].Text())[0])
		}
	})

	t.Run("the transcript says it all", func(t *testing.T) {
		text, err := os.ReadFile(r.Transcript)
		require.NoError(t, err)
		for _, want := range []string{"script " + ceremony.DefaultScript().Hash(), "kind run of the script that was rehearsed", ceremony.OurReading, "split 2 of 3", "not verified: sample", "step 19", "not confirmed: nobody was asked", "certificates/recovery.pem", "evidence.json",
			"made modifiable: SoftHSM signs twice as fast", "(read back: modifiable true, always sensitive true, never extractable true)"} {
			require.Contains(t, string(text), want)
		}
		require.NoFileExists(t, filepath.Join(out, "transcript.unsigned"))
	})

	t.Run("outsiders agree", func(t *testing.T) {
		shell(t, out, "sha256sum", "-c", "--quiet", "SHA256SUMS")
		for _, side := range []string{"oca", "dca"} {
			shell(t, out, "openssl", "verify", "-CAfile", "certificates/root-"+side+".pem", "certificates/issuing-"+side+".pem")
		}
		shell(t, out, "openssl", "verify", "-CAfile", "certificates/root-oca.pem", "-untrusted", "certificates/issuing-oca.pem", "certificates/recovery.pem")
		shell(t, out, "openssl", "pkey", "-pubin", "-in", "public-keys/root-oca-1.pem", "-noout")
	})

	t.Run("it is not run a second time in the same place, nor on the same tokens", func(t *testing.T) {
		c := ceremony.Config{Script: ceremony.DefaultScript(), Out: out, Token: always(tokens["ca"])}
		_, err := ceremony.Run(t.Context(), c)
		require.ErrorIs(t, err, ceremony.ErrRefused)
		require.ErrorContains(t, err, "finished ceremony")
		c.Out = filepath.Join(t.TempDir(), "other")
		_, err = ceremony.Run(t.Context(), c)
		require.ErrorIs(t, err, ceremony.ErrRefused)
		require.ErrorContains(t, err, "already has a key")
	})
}

func shell(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatalf("%s is not installed (apt-get install openssl coreutils)", name)
		}
		t.Skipf("%s is not installed (apt-get install openssl coreutils)", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %q: %s", name, args, out)
}

func TestRehearsalLeavesNothingAndNamesTheScript(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r, err := ceremony.Rehearse(t.Context(), ceremony.Config{Script: parse(t, small)})
	if err != nil && strings.Contains(err.Error(), "SoftHSM is not installed") {
		open(t, "EXERCISE") // skips, or fails where a skip must not pass
	}
	require.NoError(t, err)
	require.Equal(t, parse(t, small).Hash(), r.Hash)
	require.Equal(t, []string{"root-dca", "issuing-dca"}, r.Certificates)
	entries, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(t *testing.T, c *ceremony.Config)
		want   string
	}{
		{"another script than the rehearsed one", func(_ *testing.T, c *ceremony.Config) { c.Rehearsed = ceremony.DefaultScript().Hash() }, "rehearse this script"},
		{"a directory with something else in it", func(t *testing.T, c *ceremony.Config) {
			require.NoError(t, os.MkdirAll(c.Out, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(c.Out, "notes.txt"), nil, 0o644))
		}, `holds "notes.txt"`},
		{"a production environment", func(t *testing.T, c *ceremony.Config) {
			var err error
			c.Environment, err = policy.LoadEnvironment("production")
			require.NoError(t, err)
		}, `this is "production"`},
		{"a production script on software", func(t *testing.T, c *ceremony.Config) {
			c.Script = parse(t, strings.Replace(small, "environment: exercise", "environment: production", 1))
		}, "made of software"},
		{"a key that was there before", func(t *testing.T, c *ceremony.Config) {
			token, err := c.Token(t.Context(), "ca")
			require.NoError(t, err)
			_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "issuing-dca-1", Use: hsm.Sign})
			require.NoError(t, err)
		}, `already has a key "issuing-dca-1"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := config(t)
			row.change(t, &c)
			_, err := ceremony.Run(t.Context(), c)
			require.ErrorIs(t, err, ceremony.ErrRefused)
			require.ErrorContains(t, err, row.want)
		})
	}
}

// The trade is an exercise's: a rehearsal says so before anybody is in the room.
func TestAProductionKeyIsNotModifiable(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "for: test}", "for: test, modifiable: speed}", 1)
	_, err := ceremony.Rehearse(t.Context(), ceremony.Config{Script: parse(t, text)})
	require.NoError(t, err)
	_, err = ceremony.Rehearse(t.Context(), ceremony.Config{Script: parse(t, strings.Replace(text, "environment: exercise", "environment: production", 1))})
	require.ErrorIs(t, err, ceremony.ErrRefused)
	require.ErrorContains(t, err, `key "root-dca-1" would be modifiable`)
}

func TestTokenThatIsGoneIsAnOutage(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Token = func(context.Context, string) (*hsm.Token, error) { return nil, hsm.ErrUnavailable }
	_, err := ceremony.Run(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NotErrorIs(t, err, ceremony.ErrRefused)
}

func TestPeopleInTheRoom(t *testing.T) {
	t.Parallel()
	c := config(t)
	var heard []string
	c.Attend = func(_ context.Context, st ceremony.Step, done string) (string, error) {
		heard = append(heard, done)
		if st.Number == 2 {
			return "the lamp failed\nstep 3  forged line\n  done never", nil
		}
		return "", nil
	}
	r, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, heard, 6)
	require.Contains(t, heard[4], "to check: the chain")
	text, err := os.ReadFile(r.Transcript)
	require.NoError(t, err)
	require.Contains(t, string(text), "  remark: the lamp failed step 3  forged line   done never\n", "a remark cannot pass for the ceremony's own lines")
	require.Equal(t, 6, strings.Count(string(text), "confirmed in the room"))

	c = config(t)
	c.Attend = func(_ context.Context, st ceremony.Step, _ string) (string, error) {
		return "", errors.New("the witness objects")
	}
	_, err = ceremony.Run(t.Context(), c)
	require.ErrorContains(t, err, "the witness objects")
	_, err = ceremony.Load(c.Out)
	require.ErrorIs(t, err, ceremony.ErrUnfinished)
}

func TestARehearsalKeptInTheDirectoryBindsTheRun(t *testing.T) {
	t.Parallel()
	c := config(t)
	r, err := ceremony.Rehearse(t.Context(), ceremony.Config{Script: c.Script, Out: c.Out})
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(c.Out, "rehearsal.json"))

	other := c
	other.Script = parse(t, strings.Replace(small, "title: Small", "title: Other", 1))
	_, err = ceremony.Run(t.Context(), other)
	require.ErrorIs(t, err, ceremony.ErrRefused)
	require.ErrorContains(t, err, r.Hash)

	result, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	text, err := os.ReadFile(result.Transcript)
	require.NoError(t, err)
	require.Contains(t, string(text), "kind run of the script that was rehearsed")
	require.Contains(t, string(text), "  rehearsal.json\n")
}

func TestAnotherExerciseEnvironmentDecidesPoliciesAndVersions(t *testing.T) {
	t.Parallel()
	c := config(t)
	var err error
	c.Environment, err = policy.LoadEnvironment("drill")
	require.NoError(t, err)
	r, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "drill", r.Environment)
	profile, err := c.Environment.Profile(policy.ProfileIssuingDCA)
	require.NoError(t, err)
	require.Equal(t, profile.Version, r.Intents[1].ProfileVersion)
	require.False(t, r.Rehearsal)
}
