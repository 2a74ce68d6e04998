package policy_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
)

func TestEnvironmentsLoad(t *testing.T) {
	t.Parallel()
	for _, name := range policy.EnvironmentNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := policy.LoadEnvironment(name)
			require.NoError(t, err)
			require.Equal(t, name, e.Name)
			require.Positive(t, e.Version)
			for _, p := range policy.ProfileNames() {
				profile, err := e.Profile(p)
				require.NoError(t, err)
				require.Equal(t, p, profile.Name)
				require.Equal(t, name, profile.Environment)
				require.NotEmpty(t, profile.Policy)
				require.NotEmpty(t, profile.Usages)
			}
			for _, f := range e.Facts() {
				require.NotEmpty(t, f.Source, f.Field)
				require.NotEmpty(t, f.Value, f.Field)
			}
			_, err = e.Profile("web-server")
			require.ErrorContains(t, err, "want one of")
		})
	}
	_, err := policy.LoadEnvironment("live")
	require.ErrorContains(t, err, "exercise, drill, dcc-test, production")
}

// What the design says of each environment.
func TestEnvironmentsDiffer(t *testing.T) {
	t.Parallel()
	load := func(name string) *policy.Environment {
		e, err := policy.LoadEnvironment(name)
		require.NoError(t, err)
		return e
	}
	exercise, drill, test, production := load("exercise"), load("drill"), load("dcc-test"), load("production")

	require.True(t, exercise.Exercise)
	require.Equal(t, policy.RegistrationOpen, exercise.Registration)
	require.True(t, exercise.DeviceCRL)
	for _, name := range policy.ProfileNames() {
		p, err := exercise.Profile(name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(p.Policy.String(), "1.3.6.1.4.1.32473."), "%s: policies of an exercise are under the documentation arc", name)
	}

	require.False(t, drill.DeviceCRL)
	require.True(t, drill.Exercise)
	for _, f := range exercise.Facts() {
		if f.Field != "deviceCRL" {
			require.Contains(t, drill.Facts(), f, "drill is exercise but for the device CRL")
		}
	}

	for name, want := range map[policy.ProfileName]string{policy.ProfileOrganisation: "1.2.826.0.1.8641679.1.2.1.4", policy.ProfileDevice: "1.2.826.0.1.1800000.1.2.1.4"} {
		p, err := test.Profile(name)
		require.NoError(t, err)
		require.Equal(t, want, p.Policy.String())
	}

	require.False(t, production.Exercise)
	require.Equal(t, policy.RegistrationRegister, production.Registration)
	require.False(t, production.DeviceCRL)

	crl, ok := exercise.CRL(policy.ProfileIssuingOCA)
	require.True(t, ok)
	require.Equal(t, policy.CRLPeriod{Issuer: policy.ProfileIssuingOCA, Every: 12 * time.Hour, AfterRevocation: time.Hour, Valid: 48 * time.Hour}, crl)
	_, ok = exercise.CRL(policy.ProfileIssuingDCA)
	require.True(t, ok)
	_, ok = drill.CRL(policy.ProfileIssuingDCA)
	require.False(t, ok)
	_, ok = exercise.CRL(policy.ProfileRootDCA)
	require.False(t, ok)
}

// Each row changes one line of a good file; the error must name file, line and
// field and say what was wanted.
func TestEnvironmentErrors(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("environments/exercise.json")
	require.NoError(t, err)
	good := string(b)
	lineOf := func(s string) int { return 1 + strings.Count(good[:strings.Index(good, s)], "\n") }

	for _, row := range []struct{ name, old, new, want string }{
		{"an unknown field", `"version": 1,`, `"verison": 1, "version": 1,`, ":%d: verison: unknown field; this object has name, version"},
		{"an unknown field in an object", "\"device\": {\n", "\"device\": { \"ekus\": 1,\n", ":%d: profiles.device.ekus: unknown field; this object has version, years"},
		{"a field that stands twice", `"version": 1,`, `"version": 1, "version": 2,`, ":%d: version: want each field once"},
		{"another type", `"version": 1,`, `"version": "1",`, ":%d: version: want a whole number from 1"},
		{"a fraction", `"version": 1,`, `"version": 1.5,`, ":%d: version: want a whole number"},
		{"a missing field", `"version": 1,`, ``, ":1: file: want a field \"version\", it is missing"},
		{"a truth that is none", `"exercise": {"value": true`, `"exercise": {"value": "yes"`, ":%d: exercise.value: want true or false, got \"yes\""},
		{"a fact without a source", `, "source": "soft tokens and drills are what this environment is for"`, ``, ":%d: exercise: want a field \"source\", it is missing"},
		{"an unknown mark", `"mark": "I", "source": "soft tokens`, `"mark": "Z", "source": "soft tokens`, ":%d: exercise.mark: want one of S, T, I, K, K?"},
		{"an unknown registration", `"value": "open"`, `"value": "closed"`, ":%d: registration.value: want one of open, register, got \"closed\""},
		{"a bad identifier", `"1.3.6.1.4.1.32473.1.2.1.1"`, `"1.3.6.x"`, ":%d: policies.organisation.value: reading object identifier"},
		{"an unknown role", `["00", "01", "07"]`, `["00", "83"]`, ":%d: ceremonyRoles.value[1]: reading remote party role \"83\""},
		{"a bad period", `"value": "12h"`, `"value": "12 hours"`, ":%d: crls.issuing-oca.every.value: want a time in whole seconds"},
		{"a period above the validity", `"value": "12h"`, `"value": "72h"`, ": crls.issuing-oca: want every and afterRevocation below valid"},
		{"an unknown usage", `["keyCertSign"]`, `["signing"]`, ":%d: profiles.root-dca.usages.value[0]: reading key usage"},
		{"an end entity's usage for an authority", `["keyCertSign"]`, `["digitalSignature"]`, ":%d: profiles.root-dca.usages.value[0]: want keyCertSign"},
		{"an expiry for devices", `"value": 0`, `"value": 5`, ":%d: profiles.device.years.value: want 0"},
		{"a pattern that is none", `"[A-Za-z0-9](`, `"[A-Za-z0-9`, ":%d: names.organisationPattern.value: want a regular expression"},
		{"open registration of real certificates", `"exercise": {"value": true`, `"exercise": {"value": false`, ": registration: want \"register\" where exercise is false"},
		{"a device CRL that nobody may sign", `"usages": {"value": ["keyCertSign+cRLSign"], "mark": "I", "source": "keyCertSign by`, `"usages": {"value": ["keyCertSign"], "mark": "I", "source": "keyCertSign by`, ": deviceCRL: want cRLSign in profiles.issuing-dca.usages"},
		{"a missing profile", "\"organisation\": {\n", "\"organization\": {\n", ": profiles: want a field \"organisation\""},
		{"an unknown base", `"version": 1,`, `"version": 1, "as": "live",`, ":%d: as: want the name of an embedded environment"},
		{"a list where an object belongs", `"policies": {`, `"policies": [], "policie": {`, ":%d: policies: want an object, got a list"},
		{"no JSON", `"version": 1,`, `"version": 1`, ": want JSON: "},
		{"an end too early", `"version": 1,`, "\x00", ": want JSON: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(good, row.old, row.new, 1)
			require.NotEqual(t, good, bad, "the row changes nothing")
			_, err := policy.ParseEnvironment("my.json", []byte(bad))
			require.Error(t, err)
			want := strings.Replace(row.want, "%d", strconv.Itoa(lineOf(row.old)), 1)
			require.ErrorContains(t, err, "my.json:")
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	for name, text := range map[string]string{"nothing": "", "half": good[:len(good)/2], "two objects": good + good, "a number": "1"} {
		_, err := policy.ParseEnvironment("my.json", []byte(text))
		require.ErrorContains(t, err, "my.json:", name)
	}
}

func TestEnvironmentOnTopOfAnother(t *testing.T) {
	t.Parallel()
	e, err := policy.ParseEnvironment("mine.json", []byte(`{"name": "mine", "version": 3, "as": "dcc-test", "says": "A variant.",
		"path": {"roleMustFitCell": {"value": true, "mark": "I", "source": "a stricter device"}}}`))
	require.NoError(t, err)
	require.Equal(t, "mine", e.Name)
	require.Equal(t, 3, e.Version)
	require.True(t, e.Path.RoleMustFitCell)
	require.False(t, e.DeviceCRL)
	p, err := e.Profile(policy.ProfileDevice)
	require.NoError(t, err)
	require.Equal(t, "mine", p.Environment)
	_, err = policy.ParseEnvironment("mine.json", []byte(`{"name": "mine", "version": 3, "as": "drill", "says": "A variant."}`))
	require.ErrorContains(t, err, `mine.json:1: as: want an environment that stands on its own, "drill" does not`)
}
