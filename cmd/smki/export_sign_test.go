package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
)

// What leaves the CA for a stranger can be signed, and the stranger checks it with
// sha256sum and openssl alone; a file that was changed afterwards does not pass.
func TestSignedExports(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: apt-get install openssl")
	}
	home, dir := newHome(t), t.TempDir()
	run := func(dir, program string, args ...string) error {
		c := exec.Command(program, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		t.Logf("%s %v: %s", program, args, out)
		return err
	}
	key, public := filepath.Join(dir, "export.pem"), filepath.Join(dir, "export.pub.pem")
	require.NoError(t, run(dir, openssl, "genpkey", "-algorithm", "ed25519", "-out", key))
	require.NoError(t, run(dir, openssl, "pkey", "-in", key, "-pubout", "-out", public))
	verify := func(signature, signed string) error {
		return run(dir, openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-sigfile", signature, "-in", signed)
	}

	out := filepath.Join(dir, "out")
	code, said, errs := smki(t, "export", "--home", home, "--out", out, "--sign-key", key, "--by", "alice")
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, said, "signed in SHA256SUMS.sig, record ")
	require.NoError(t, run(out, "sha256sum", "-c", "--strict", "SHA256SUMS"))
	require.NoError(t, verify(filepath.Join(out, "SHA256SUMS.sig"), filepath.Join(out, "SHA256SUMS")))
	require.NoError(t, os.WriteFile(filepath.Join(out, "certs.hex"), []byte("00\n"), 0o600))
	require.Error(t, run(out, "sha256sum", "-c", "--strict", "SHA256SUMS"))

	code, _, errs = smki(t, "export", "--home", home, "--out", out)
	require.Equal(t, clikit.Done, code, errs)
	require.NoFileExists(t, filepath.Join(out, "SHA256SUMS.sig"), "a signature of other files does not stay")
	require.NoError(t, run(out, "sha256sum", "-c", "--strict", "SHA256SUMS"))

	serial := printedSerial(t, filepath.Join(home, "ca", "issuing-oca.pem"))
	report := filepath.Join(dir, "report.txt")
	code, said, errs = smki(t, "scope", "--home", home, "--key", serial, "--since", "2020-01-01", "--out", report, "--sign-key", key)
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, said, "signed in")
	require.NoError(t, run(dir, "sha256sum", "-c", "--strict", "report.txt.sha256"))
	require.NoError(t, verify(report+".sha256.sig", report+".sha256"))

	for _, command := range [][]string{{"search"}, {"scope", "--key", serial, "--since", "2020-01-01"}, {"export"}} {
		code, _, errs = smki(t, append(command, "--home", home, "--out", filepath.Join(dir, "refused"), "--sign-key", filepath.Join(home, logKeyFile))...)
		require.Equal(t, clikit.Refused, code, command)
		require.Contains(t, errs, "is the key of the audit log")
		require.NoFileExists(t, filepath.Join(dir, "refused"))
	}
}

func printedSerial(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("openssl", "x509", "-noout", "-serial", "-in", file).Output()
	require.NoError(t, err)
	return string(out[len("serial=") : len(out)-1])
}
