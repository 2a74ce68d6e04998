package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
)

const opensslCA = `[ca]
default_ca = here
[here]
dir = ./demo
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir/newcerts
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 365
policy = any
unique_subject = no
[any]
commonName = optional
organizationName = optional
[req]
distinguished_name = dn
[dn]
`

// The folder of a CA that openssl ca has kept, with revocations of every form that it
// writes, names with commas, tabs and letters beyond ASCII, and lines that nobody
// should have written: each is told for what it is, and nothing is changed.
func TestImportFromOpenSSL(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: apt-get install openssl")
	}
	home, dir := newHome(t), t.TempDir()
	openssl := func(args ...string) {
		c := exec.Command("openssl", args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "openssl %v: %s", args, out)
	}
	demo := filepath.Join(dir, "demo")
	require.NoError(t, os.MkdirAll(filepath.Join(demo, "newcerts"), 0o700))
	for name, text := range map[string]string{"ca.cnf": opensslCA, "demo/index.txt": "", "demo/serial": "1000000000000000000000000000000A\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	openssl("req", "-config", "ca.cnf", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=demo")
	revoke := [][]string{{"-crl_reason", "keyCompromise"}, {"-crl_compromise", "20261101000000Z"}, {"-crl_hold", "holdInstructionReject"}, {}, nil}
	for n, how := range revoke {
		openssl("req", "-config", "ca.cnf", "-new", "-utf8", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "k.pem", "-out", "r.pem", "-subj", fmt.Sprintf("/O=A, B\\/C\ttab/CN=dev %d é", n))
		openssl("ca", "-config", "ca.cnf", "-batch", "-in", "r.pem", "-out", "c.pem")
		if how != nil {
			openssl(append([]string{"ca", "-config", "ca.cnf", "-revoke", "c.pem"}, how...)...)
		}
	}
	const clean = "5 certificates and 5 lines of an index: 0 as in the ledger; 5 foreign\n"
	code, out, errs := smki(t, "import", "--home", home, "--from", demo)
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, clean)
	require.Contains(t, out, "dry run: nothing was changed")

	serial := printedSerial(t, filepath.Join(home, "ca", "issuing-oca.pem"))
	code, _, errs = smki(t, "revoke", "--home", home, "--serial", serial, "--reason", "keyCompromise")
	require.Equal(t, clikit.Done, code, errs)
	code, out, errs = smki(t, "show", "--home", home, "--serial", serial, "--json")
	require.Equal(t, clikit.Done, code, errs)
	var shown struct{ Revocation struct{ At time.Time } }
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	ours := "R\t331231235959Z\t" + shown.Revocation.At.UTC().Format("060102150405Z") + ",keyTime,20261031000000Z\t" + serial + "\tunknown\t/CN=ours\n"
	odd := "V\t331231235959Z\t\t10\tunknown\t/CN=short\r\n\n" + "X\tjunk\n" + "V\t331231235959Z\t\tZZ\tunknown\t/CN=x\n" + "R\t331231235959Z\t\tAB\tunknown\t/CN=no date\n" +
		"V\t331231235959Z\t\t" + strings.Repeat("F", 40) + "\tunknown\t/CN=too long\n"
	index, err := os.ReadFile(filepath.Join(demo, "index.txt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(demo, "index.txt"), append(index, ours+odd...), 0o600))
	code, out, errs = smki(t, "import", "--home", home, "--from", demo)
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, "5 certificates and 11 lines of an index: 1 as in the ledger; 2 unknown, 5 foreign, 3 unreadable\n")
}
