package iki

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"smki.example/policy"
)

// selfMadeValidity is how long the certificate of [MakeServer] is valid: longer than
// any exercise, shorter than 398 days, after which browsers complain.
const selfMadeValidity = 397 * 24 * time.Hour

// LoadServer reads the server's certificate, with its chain, and its key from two PEM
// files; they may be one. The key must be RSA of at least 2048 bit. Who can read the
// key's file can pass for the server.
func LoadServer(certificate, key string) (tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certificate, key)
	if err == nil {
		err = checkServer(c)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("loading server certificate %q with key %q: %w", certificate, key, err)
	}
	return c, nil
}

// MakeServer returns the server's certificate that is kept in a file with its key,
// and makes one, self-signed, for the names and addresses, if the file is not there
// or has expired. It is for exercises: clients know it by its [Fingerprint] alone.
// Several processes may call it at once and get the same.
func MakeServer(file string, hosts []string, now time.Time) (tls.Certificate, error) {
	for {
		c, err := LoadServer(file, file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return tls.Certificate{}, err
		default:
			leaf, err := x509.ParseCertificate(c.Certificate[0])
			if err != nil || now.Before(leaf.NotAfter) {
				return c, err
			}
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return tls.Certificate{}, fmt.Errorf("replacing the expired server certificate: %w", err)
			}
		}
		if err := writeServer(file, hosts, now); err != nil && !errors.Is(err, fs.ErrExist) {
			return tls.Certificate{}, fmt.Errorf("making server certificate %q: %w", file, err)
		}
	}
}

func writeServer(file string, hosts []string, now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	serial, err := policy.NewSerial(rand.Reader)
	if err != nil {
		return err
	}
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: bigOf(serial), Subject: pkix.Name{Organization: []string{"EXERCISE"}, CommonName: "EXERCISE SMKI server"},
		NotBefore: now, NotAfter: now.Add(selfMadeValidity), SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
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
	var content bytes.Buffer
	_ = pem.Encode(&content, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&content, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return writeNew(file, content.Bytes())
}

// writeNew writes a file of ours alone, whole or not at all, and never over one that
// is there.
func writeNew(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}

// Fingerprint is the SHA-256 of a server's certificate, in hex, by which people know
// it.
func Fingerprint(c tls.Certificate) string {
	if len(c.Certificate) == 0 {
		return ""
	}
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}
