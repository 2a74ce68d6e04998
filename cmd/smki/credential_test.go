package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/softhsm"
)

// The PIN of a token outside the home can be a credential of a systemd unit: it is
// looked for where the unit has it, and nowhere else.
func TestPINIsACredential(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE elsewhere")
	credentials, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
	pin, err := os.ReadFile(token.PINFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(credentials, "pin"), pin, 0o400))
	run := func(dir string, args ...string) (clikit.Code, string) {
		command := exec.Command(os.Args[0], args...)
		command.Env = append(os.Environ(), asCommand+"=1", "SOFTHSM2_CONF="+token.Config())
		if dir != "" {
			command.Env = append(command.Env, "CREDENTIALS_DIRECTORY="+dir)
		}
		out, _ := command.CombinedOutput()
		return clikit.Code(command.ProcessState.ExitCode()), string(out)
	}
	with := func(credential string) []string {
		return []string{"init", "--home", home, "--module", token.Library, "--token", token.Label, "--pin-file", credential}
	}
	for _, bad := range []string{"credential:", "credential:../pin", "credential:a/b"} {
		code, said := run(credentials, with(bad)...)
		require.Equal(t, clikit.Usage, code, said)
		require.Contains(t, said, "comes the name of a credential")
	}
	code, said := run(credentials, with("credential:pin")...)
	require.Equal(t, clikit.Done, code, said)
	code, said = run(credentials, "doctor", "--home", home)
	require.Contains(t, said, "token")
	require.NotContains(t, said, "smki-run", code)
	code, said = run("", "crl", "--home", home, "--issuer", "issuing-oca")
	require.Equal(t, clikit.Unavailable, code, said)
	require.Contains(t, said, "smki-run")
	code, said = run(credentials, "crl", "--home", home, "--issuer", "issuing-oca")
	require.Equal(t, clikit.Done, code, said)
	text, err := os.ReadFile(filepath.Join(home, homeFile))
	require.NoError(t, err)
	require.Contains(t, string(text), `"credential:pin"`)
}
