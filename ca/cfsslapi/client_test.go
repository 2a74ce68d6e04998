package cfsslapi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/cfsslapi"
)

// A key with which anybody's token would be right, or that cfssl would look for
// somewhere else, is none; and no error shows a digit of one.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	secret := strings.Repeat("c0ffee", 8)
	for name, row := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"empty":          {"", 0o600, "holds a key of 0 octets"},
		"white":          {" \n", 0o600, "holds a key of 0 octets"},
		"short":          {secret[:30], 0o600, "holds a key of 15 octets, and 16 is the least"},
		"no hex":         {secret + "xy", 0o600, "does not hold hex digits alone"},
		"odd":            {secret + "c", 0o600, "does not hold hex digits alone"},
		"environment":    {"env:PATH", 0o600, "does not hold hex digits alone"},
		"another file":   {"file:" + secret, 0o600, "does not hold hex digits alone"},
		"two":            {secret + "\n" + secret, 0o600, "does not hold hex digits alone"},
		"long":           {strings.Repeat("a", 5000), 0o600, "too long"},
		"world-readable": {secret, 0o644, "is open to everybody (mode 0644); chmod it to 0600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, row.text, row.mode)
			_, err := cfsslapi.New(cfsslapi.Config{CA: w.issuer, Revocations: w.register, Clients: []cfsslapi.Client{{Name: "meter maker", KeyFile: file}}})
			require.ErrorContains(t, err, row.says)
			require.ErrorContains(t, err, `client "meter maker": key file "`+file)
			require.NotContains(t, err.Error(), "c0ffee")
		})
	}
}

func TestClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	first, _ := keyFile(t, 1)
	second, _ := keyFile(t, 2)
	for name, row := range map[string]struct {
		clients []cfsslapi.Client
		says    string
	}{
		"no name":       {[]cfsslapi.Client{{KeyFile: first}}, "needs a name of its own"},
		"one name":      {[]cfsslapi.Client{{Name: "a", KeyFile: first}, {Name: "a", KeyFile: second}}, "needs a name of its own"},
		"one key":       {[]cfsslapi.Client{{Name: "a", KeyFile: first}, {Name: "b", KeyFile: second, PreviousKeyFile: first}}, `given already, for client "a"`},
		"no file":       {[]cfsslapi.Client{{Name: "a", KeyFile: filepath.Join(t.TempDir(), "none")}}, `client "a": opening its key`},
		"no previous":   {[]cfsslapi.Client{{Name: "a", KeyFile: first, PreviousKeyFile: filepath.Join(t.TempDir(), "none")}}, "opening its key"},
		"a name, alone": {[]cfsslapi.Client{{Name: "a"}}, "opening its key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cfsslapi.New(cfsslapi.Config{CA: w.issuer, Revocations: w.register, Clients: row.clients})
			require.ErrorContains(t, err, row.says)
		})
	}
	_, err := cfsslapi.New(cfsslapi.Config{Revocations: w.register})
	require.ErrorContains(t, err, "CA is missing")
	_, err = cfsslapi.New(cfsslapi.Config{CA: w.issuer})
	require.ErrorContains(t, err, "Revocations is missing")
	_, err = cfsslapi.New(cfsslapi.Config{CA: w.issuer, Revocations: w.register, Timeout: -1})
	require.ErrorContains(t, err, "Timeout")
}
