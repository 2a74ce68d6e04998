package policy_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// openssl runs the program, which is written by others and knows nothing of
// this project: what it reads and verifies others will.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		const how = "openssl is not installed: apt-get install openssl"
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "openssl %v: %s", args, out)
	return string(out)
}

func TestOpenSSLReadsEveryProfile(t *testing.T) {
	t.Parallel()
	openssl(t, "version")
	h := policytest.NewHierarchy(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, b, 0o600))
		return file
	}
	root := h.Issue(t, policy.ProfileRootOCA, nil, policytest.NewKey(t), policy.CertificateTemplate{CN: "XB", WrappedContingency: wrapped})
	party := h.Issue(t, policy.ProfileOrganisation, &h.IssuingOCA, policytest.NewKey(t), policy.CertificateTemplate{CN: "EXAMPLE", Role: policy.RoleSupplier, EntityID: supplierID, Usage: policy.UsageKeyAgreement})
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)

	require.Contains(t, openssl(t, "x509", "-noout", "-text", "-in", write("root.pem", root.PEM())), "OU = 00, CN = XB")
	require.Contains(t, openssl(t, "asn1parse", "-in", write("party.pem", party.PEM())), "x500UniqueIdentifier")
	text := openssl(t, "x509", "-noout", "-text", "-in", write("device.pem", device.PEM()))
	require.Contains(t, text, "Not After : Dec 31 23:59:59 9999 GMT")
	require.Contains(t, text, "X509v3 Certificate Policies: critical")

	at := fmt.Sprint(policytest.Began.AddDate(1, 0, 0).Unix())
	for _, row := range []struct {
		root, issuing *policy.Certificate
		leaf          string
	}{
		{h.RootOCA.Certificate, h.IssuingOCA.Certificate, "party.pem"},
		{h.RootDCA.Certificate, h.IssuingDCA.Certificate, "device.pem"},
	} {
		require.Contains(t, openssl(t, "verify", "-x509_strict", "-attime", at, "-CAfile", write("ca.pem", row.root.PEM()), "-untrusted", write("issuing.pem", row.issuing.PEM()), filepath.Join(dir, row.leaf)), ": OK")
	}

	list := h.CRL(t, h.IssuingOCA, 12, policytest.Began.Add(time.Hour), policy.CRLEntry{Serial: party.Serial, At: policytest.Began, Reason: policy.ReasonKeyCompromise})
	text = openssl(t, "crl", "-noout", "-text", "-in", write("list.pem", list.PEM()), "-CAfile", write("issuing.pem", h.IssuingOCA.Certificate.PEM()))
	require.Contains(t, text, "verify OK")
	require.Contains(t, text, party.Serial.String())
	require.Contains(t, text, "Key Compromise")

	csr := policytest.OrganisationRequest(t, policytest.NewKey(t), "EXAMPLE", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	text = openssl(t, "req", "-noout", "-text", "-verify", "-in", write("request.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})))
	require.Contains(t, text, "verify OK")
}
