package ceremony_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm/ceremony"
)

func TestScriptErrorsSayWhereAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	whole := ceremony.DefaultScript().Raw
	for _, row := range []struct {
		name, old, new string
		want           string
	}{
		{"unknown key", "title:", "titel:", `default.yaml:4:1: script: unknown key "titel"; known are ceremony, title,`},
		{"missing key", "verified: false\n", "", `script: "verified" is missing`},
		{"wrong type", "verified: false", "verified: perhaps", `default.yaml:7:11: verified: want true or false, got "perhaps"`},
		{"number for text", "cn: EXR1", "cn: 1", `default.yaml:40:54: certificate root-oca: cn: want text, got the number 1; put it in quotes`},
		{"text for number", "  open: 2", "  open: two", `contingency: open: want a whole number, got "two"`},
		{"list for names", "iki-1: {token: ca, use: sign, for: certificates of people and systems that use the web services}", "iki-1: [ca]", "default.yaml:27:10: key iki-1: want token, use, for, existing, modifiable, got a list"},
		{"another version", "ceremony: 1", "ceremony: 2", "version 2 of the script language is unknown; want 1"},
		{"key twice", "  recovery-1: {", "  recovery-1: {token: ca, use: sign, for: x}\n  recovery-1: {", "already defined"},
		{"two verbs", "generate: iki-1", "generate: iki-1\n    certify: root-oca", "a step does one thing, and this one would generate and certify"},
		{"an anchor", "title: Exercise", "title: &a Exercise", "which a script may not use"},
		{"no YAML", "roles:", "roles: [", "this is not YAML"},

		{"unknown environment", "environment: exercise", "environment: exercize", `environment "exercize"`},
		{"no witness", "  internal witness: sees", "  witness: sees", `role "internal witness" is missing`},
		{"role as a path", "  custodian 3: keeps", "  ../custodian: keeps", `a role is named in small letters`},
		{"key on no token", "recovery-1: {token: recovery", "recovery-1: {token: recovry", `key "recovery-1": token "recovry" is not in the script; known are ca, recovery, contingency`},
		{"label without generation", "health-1: {", "health: {", `key label "health"`},
		{"use of a key", "iki-1: {token: ca, use: sign", "iki-1: {token: ca, use: wrap", `use "wrap": want sign or derive`},
		{"modifiable without a reason", "modifiable: SoftHSM signs twice as fast with copies in sessions and copies nothing else", "modifiable: true", "key issuing-dca-1: modifiable: want text, got true"},
		{"a modifiable key that agrees", "recovery-1: {token: recovery, use: sign", "recovery-1: {token: recovery, modifiable: speed, use: derive", `key "recovery-1": modifiable: it is for keys that sign often`},
		{"unknown profile", "{profile: issuing-dca,", "{profile: issuing-dcb,", `profile "issuing-dcb" is not issued in a ceremony`},
		{"a device", "{profile: issuing-dca,", "{profile: device,", `profile "device" is not issued in a ceremony`},
		{"unknown issuer", "issuing-dca, issuer: root-dca", "issuing-dca, issuer: root-dcb", `issuer "root-dcb" is not in the script`},
		{"issuer of the other side", "issuing-dca, issuer: root-dca", "issuing-dca, issuer: root-oca", "profile issuing-dca is signed by root-dca"},
		{"a circle", "issuing-oca, issuer: root-oca", "issuing-oca, issuer: recovery", "go round in a circle"},
		{"a root with an issuer", "root-dca: {profile: root-dca,", "root-dca: {profile: root-dca, issuer: root-oca,", "a root signs itself"},
		{"key in two certificates", "key: issuing-dca-1, cn", "key: root-dca-1, cn", `key "root-dca-1" is already in certificate "root-dca"`},
		{"another role", "role: recovery", "role: supplier", "only the recovery role"},
		{"bad EUI-64", "entity: 00-00-5E-EF-10-00-00-01", "entity: 00-00-5E", "want an EUI-64"},
		{"usage against the key", "usage: digitalSignature", "usage: keyAgreement", `usage keyAgreement does not go with key "recovery-1"`},
		{"too many needed", "  open: 2", "  open: 4", "4 of 3 custodians"},
		{"a custodian who is nobody", "[custodian 1, custodian 2,", "[custodian 1, custodian 9,", `custodian "custodian 9" is not in the script`},
		{"another wrap", "wrap: id-aes256-wrap-pad", "wrap: id-aes128-wrap", "want id-aes256-wrap-pad"},
		{"nobody carries it", ", contingency: contingency-1}", "}", `no root-oca certificate carries key "contingency-1"`},
		{"numbering", "- step: 7", "- step: 8", "step 8: the steps are numbered in order; this one is 7"},
		{"who is nobody", "  - step: 1\n    who: administrator", "  - step: 1\n    who: chairman", `who "chairman" is not in the script`},
		{"certificate before its issuer", "certify: issuing-oca", "certify: recovery", "certify recovery must come after a step that does generate recovery-1"},
		{"twice", "generate: iki-1", "generate: root-oca-1", "generate root-oca-1 was already done in step 7"},
		{"never", "    generate: iki-1\n", "", "no step does generate iki-1"},
		{"key before its token", "open: recovery", "open: ca", "generate recovery-1 must come after a step that does open recovery"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(whole), row.old)
			changed := strings.Replace(string(whole), row.old, row.new, 1)
			s, err := ceremony.Parse("default.yaml", []byte(changed))
			if err == nil {
				err = s.Check()
			}
			require.ErrorContains(t, err, row.want)
			var scriptErr *ceremony.ScriptError
			require.ErrorAs(t, err, &scriptErr)
			require.Regexp(t, `^default\.yaml:\d+:\d+: `, err.Error())
		})
	}
}

func TestCheckFindsEverythingAtOnceInOrder(t *testing.T) {
	t.Parallel()
	s, err := ceremony.Parse("s.yaml", []byte(strings.NewReplacer("token: ca, use: sign", "token: cb, use: sing", "who: internal witness", "who: nobody").Replace(small)))
	require.NoError(t, err)
	lines := strings.Split(s.Check().Error(), "\n")
	require.Len(t, lines, 7)
	require.Contains(t, lines[0], "root-dca-1")
	require.Contains(t, lines[6], "nobody")
}

func TestEmptyAndDoubleDocuments(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing", "a: 1\n---\nb: 2\n", "[]", "x"} {
		_, err := ceremony.Parse("s.yaml", []byte(text))
		var scriptErr *ceremony.ScriptError
		require.ErrorAs(t, err, &scriptErr, "%q", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("ceremony: [1"))
	f.Add([]byte("? {a: b}\n: c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ceremony.Parse("f.yaml", b)
		if err != nil {
			require.Nil(t, s)
			return
		}
		_ = s.Check()
		require.Equal(t, b, s.Raw)
	})
}
