package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/policy"
)

// ownCertificate refuses a certificate that is not a client certificate of this CA's own
// IKI authority, in use: an officer with any other could never come in, and the first
// managers have nobody to put it right.
func (d *desk) ownCertificate(c *cli.Context, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return refused("refused: credential: the certificate cannot be read: %v", err)
	}
	var serial policy.Serial
	if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() > 8*len(serial) {
		return refused("refused: credential: the certificate has a serial number that this CA never gives")
	}
	cert.SerialNumber.FillBytes(serial[:])
	known, err := iki.BySerial(c.Context, d.store, serial)
	switch {
	case errors.Is(err, ca.ErrNotFound), err == nil && !bytes.Equal(known.DER, der):
		return refused("refused: credential: certificate %q was not issued by this CA's IKI authority; issue one with: smki issue --home %s --type iki --interface console --csr FILE", serial, d.home.dir)
	case err != nil:
		return fmt.Errorf("looking the certificate up: %w", err)
	case known.Profile != iki.ProfileClient:
		return refused("refused: credential: certificate %q is the authority's own", serial)
	case known.Status != ca.StatusInUse:
		return refused("refused: credential: certificate %q is revoked", serial)
	}
	return nil
}
