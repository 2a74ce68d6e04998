package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
)

var p256 = elliptic.P256()

// Whatever is wrong with a request, it is refused with exit 3, one line that names a
// rule, and nothing on the output; and nothing is signed.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	_, before, _ := smki(t, "export", "--home", home, "--out", filepath.Join(t.TempDir(), "before"))
	dir := t.TempDir()
	for name, content := range malformed(t) {
		file := filepath.Join(dir, "request")
		require.NoError(t, os.WriteFile(file, content, 0o600))
		for _, kind := range []string{"auto", "iki"} {
			code, out, errs := smki(t, "issue", "--home", home, "--csr", file, "--type", kind)
			require.Equal(t, clikit.Refused, code, "%s as %s: %s", name, kind, errs)
			require.Empty(t, out, name)
			require.Regexp(t, `^smki: refused: [a-z0-9-]+: [[:print:]…]+ \[rule [a-z0-9-]+; [[:print:]]+\]\n$`, errs, name)
		}
	}
	_, after, _ := smki(t, "export", "--home", home, "--out", filepath.Join(t.TempDir(), "after"))
	require.Equal(t, figures(before), figures(after), "nothing was issued")
}

func figures(text string) string { figures, _, _ := strings.Cut(text, " in "); return figures }

// malformed makes requests that nobody may get a certificate for.
func malformed(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, kind := range []string{"device", "organisation"} {
		der, err := makeRequest(kind, nextEntity())
		require.NoError(t, err)
		for n := 0; n < len(der); n += 9 {
			all[fmt.Sprintf("%s, cut off at %d", kind, n)] = der[:n]
			changed := bytes.Clone(der)
			changed[n] ^= 0x20
			all[fmt.Sprintf("%s, octet %d changed", kind, n)] = changed
		}
		all[kind+", an octet behind it"] = append(bytes.Clone(der), 0)
		all[kind+", itself behind it"] = append(bytes.Clone(der), der...)
		all[kind+", indefinite length"] = append(append([]byte{0x30, 0x80}, der[4:]...), 0, 0)
		all[kind+", a length in too many octets"] = append([]byte{0x30, 0x83, 0x00, der[2], der[3]}, der[4:]...)
		all[kind+", base64 cut off"] = []byte(base64.StdEncoding.EncodeToString(der))[:101]
		all[kind+", base64 with spaces"] = []byte(strings.ReplaceAll(base64.StdEncoding.EncodeToString(der), "A", " A"))
		all[kind+", twice as PEM"] = bytes.Repeat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 2)
		all[kind+", as a certificate"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		all[kind+", with text before it"] = append([]byte("here you are\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})...)
	}
	all["nothing"] = nil
	all["zeros"] = make([]byte, 300)
	all["much"] = bytes.Repeat([]byte("A"), 1<<20)
	all["an empty SEQUENCE"] = []byte{0x30, 0x00}

	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	good, err := ecdsa.GenerateKey(p256, rand.Reader)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	usage := func(bits byte, unused byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, unused, bits}}
	}
	id := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 45}, Value: asn1.BitString{Bytes: []byte{0x90, 0xB3, 0xD5, 0x1F, 0x30, 0x01, 0, 2}, BitLength: 64}}
	subject := func(change func(*pkix.Name)) pkix.Name {
		name := pkix.Name{OrganizationalUnit: []string{"02"}, ExtraNames: []pkix.AttributeTypeAndValue{id}}
		if change != nil {
			change(&name)
		}
		return name
	}
	for _, row := range []struct {
		name       string
		key        crypto.Signer
		subject    pkix.Name
		extensions []pkix.Extension
		change     func(*x509.CertificateRequest)
	}{
		{"P-384", p384, subject(nil), []pkix.Extension{usage(0x80, 7)}, nil},
		{"P-224", p224, subject(nil), []pkix.Extension{usage(0x80, 7)}, nil},
		{"RSA of 1024 bit", small, subject(nil), []pkix.Extension{usage(0x80, 7)}, nil},
		{"Ed25519", edwards, subject(nil), []pkix.Extension{usage(0x80, 7)}, nil},
		{"SHA-384", good, subject(nil), []pkix.Extension{usage(0x80, 7)}, func(r *x509.CertificateRequest) { r.SignatureAlgorithm = x509.ECDSAWithSHA384 }},
		{"no extensions", good, subject(nil), nil, nil},
		{"keyCertSign", good, subject(nil), []pkix.Extension{usage(0x04, 2)}, nil},
		{"both usages", good, subject(nil), []pkix.Extension{usage(0x88, 3)}, nil},
		{"usage twice", good, subject(nil), []pkix.Extension{usage(0x80, 7), usage(0x80, 7)}, nil},
		{"a CA", good, subject(nil), []pkix.Extension{usage(0x80, 7), {Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xFF}}}, nil},
		{"a DNS name", good, subject(nil), []pkix.Extension{usage(0x80, 7)}, func(r *x509.CertificateRequest) { r.DNSNames = []string{"example.org"} }},
		{"a country", good, subject(func(n *pkix.Name) { n.Country = []string{"GB"} }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"no identifier", good, pkix.Name{OrganizationalUnit: []string{"02"}}, []pkix.Extension{usage(0x80, 7)}, nil},
		{"no role", good, subject(func(n *pkix.Name) { n.OrganizationalUnit = nil }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"the root's role", good, subject(func(n *pkix.Name) { n.OrganizationalUnit = []string{"00"} }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"the recovery role", good, subject(func(n *pkix.Name) { n.OrganizationalUnit = []string{"01"} }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"the issuing role", good, subject(func(n *pkix.Name) { n.OrganizationalUnit = []string{"07"} }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"a NUL in the name", good, subject(func(n *pkix.Name) { n.CommonName = "a\x00b" }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"a line end in the name", good, subject(func(n *pkix.Name) { n.CommonName = "a\nrefused: b" }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"a long name", good, subject(func(n *pkix.Name) { n.CommonName = strings.Repeat("a", 65) }), []pkix.Extension{usage(0x80, 7)}, nil},
		{"an empty subject and no device", good, pkix.Name{}, []pkix.Extension{usage(0x80, 7)}, nil},
	} {
		template := &x509.CertificateRequest{Subject: row.subject, ExtraExtensions: row.extensions}
		if row.change != nil {
			row.change(template)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, template, row.key)
		require.NoError(t, err, row.name)
		all[row.name] = der
	}
	return all
}
