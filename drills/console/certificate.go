package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certificateLife is how long a room's certificate is good for: browsers refuse
// longer ones.
const certificateLife = 397 * 24 * time.Hour

// Certificate reads the server's certificate with its key from a file, or makes one
// that it signs itself, good for the hosts. One that has run out, or that is not for
// all of the hosts, is made anew: its fingerprint is then another.
//
// The file is the user's alone. Whoever can read it can pretend to be this server to
// people who compare fingerprints.
func Certificate(file string, hosts []string, now time.Time) (certificate tls.Certificate, fingerprint string, err error) {
	certificate, err = tls.LoadX509KeyPair(file, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return certificate, "", fmt.Errorf("reading the room's certificate %q: %w; remove the file and it is made anew", file, err)
	case serves(certificate.Leaf, hosts, now):
		return certificate, Fingerprint(certificate.Leaf.Raw), nil
	}
	if err := makeCertificate(file, hosts, now); err != nil {
		return certificate, "", fmt.Errorf("making the room's certificate %q: %w", file, err)
	}
	if certificate, err = tls.LoadX509KeyPair(file, file); err != nil {
		return certificate, "", fmt.Errorf("reading the room's certificate %q: %w", file, err)
	}
	return certificate, Fingerprint(certificate.Leaf.Raw), nil
}

func serves(c *x509.Certificate, hosts []string, now time.Time) bool {
	if now.Before(c.NotBefore) || now.Add(24*time.Hour).After(c.NotAfter) {
		return false
	}
	for _, host := range hosts {
		if c.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

func makeCertificate(file string, hosts []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"EXERCISE"}, CommonName: "EXERCISE room"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife - time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	// Beside it first: a reader never finds half of a file.
	f, err := os.CreateTemp(filepath.Dir(file), ".certificate-*") // readable by the user alone
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Fingerprint is the SHA-256 of a certificate as browsers show it: pairs of digits
// with colons between them.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for n, b := range sum {
		pairs[n] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
