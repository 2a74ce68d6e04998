package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// Two generations of the IKI authority side by side: the clients of both are let in,
// the lists of both go on, and a client of the old one is revoked as one of the new.
func TestRolloverIKI(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	old := newHolder(t, home, "Exercise Supplier A", "old-1", policy.RoleSupplier, iki.AdHoc)
	code, out, errs := smki(t, "rollover", "--home", home, "--iki")
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, "iki-1, ca/iki.pem: its clients are let in; its lists go on\n")
	require.Contains(t, out, "iki-2, ca/iki-2.pem: issues\n")
	fresh := newHolder(t, home, "Exercise Supplier A", "new-1", policy.RoleSupplier, iki.AdHoc)
	require.Contains(t, fresh.certificate.Leaf.Issuer.CommonName, "iki-2")

	// An older one is asked for by name.
	csr := filepath.Join(t.TempDir(), "a.csr")
	der, err := makeRequest("iki", nextEntity())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(csr, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
	code, out, errs = smki(t, "issue", "--home", home, "--type", "iki", "--issuer", "iki-1", "--csr", csr, "--json")
	require.Equal(t, clikit.Done, code, errs)
	var issued struct{ Issuer string }
	require.NoError(t, json.Unmarshal([]byte(out), &issued))
	require.Equal(t, "iki-1", issued.Issuer)
	code, _, errs = smki(t, "issue", "--home", home, "--type", "iki", "--issuer", "iki-9", "--csr", csr)
	require.Equal(t, clikit.Usage, code, errs)

	s := serveHome(t, home)
	for _, h := range []*holder{old, fresh} {
		status, _ := call(t, s.client(t, h), "GET", s.secure+smkiws.AdHocSchemaPath, "")
		require.Equal(t, http.StatusOK, status)
	}
	code, _, errs = smki(t, "revoke", "--home", home, "--serial", old.serial.String(), "--reason", "superseded")
	require.Equal(t, clikit.Done, code, errs)
	_, err = s.client(t, old).Get(s.secure + smkiws.AdHocSchemaPath)
	require.Error(t, err, "no new connection for the one that was revoked")
	status, _ := call(t, s.client(t, fresh), "GET", s.secure+smkiws.AdHocSchemaPath, "")
	require.Equal(t, http.StatusOK, status)
	for name, entries := range map[string]int{"iki-1": 1, "iki-2": 0, "iki": 0} {
		require.Eventually(t, func() bool {
			status, body := fetch(t, s.public+"/crls/"+name+".crl")
			list, err := x509.ParseRevocationList(body)
			return status == http.StatusOK && err == nil && len(list.RevokedCertificateEntries) == entries
		}, waitLong, waitStep, name)
	}
	require.Equal(t, clikit.Done, s.stop())
	for _, name := range []string{"iki-1", "iki-2"} {
		code, _, errs = smki(t, "crl", "--home", home, "--issuer", name)
		require.Equal(t, clikit.Done, code, errs)
	}
	code, _, errs = smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
	code, findings := examine(t, home)
	require.Equal(t, clikit.Done, code, "%+v", findings)
	export := t.TempDir()
	code, _, errs = smki(t, "export", "--home", home, "--out", filepath.Join(export, "out"))
	require.Equal(t, clikit.Done, code, errs)
	require.FileExists(t, filepath.Join(export, "out", "ca", "iki-2.pem"))
}
