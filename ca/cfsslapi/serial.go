package cfsslapi

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"smki.example/ca"
	"smki.example/policy"
)

// serialDigits is the length of 2^128 in decimal.
const serialDigits = 39

// formatSerial writes a serial number as cfssl does.
func formatSerial(s policy.Serial) string { return new(big.Int).SetBytes(s[:]).String() }

// parseSerial reads what formatSerial writes and nothing else. Hex is not taken,
// because a serial number in hex may have decimal digits only and would then be
// another's.
func parseSerial(s string) (policy.Serial, error) {
	var serial policy.Serial
	bad := fmt.Errorf("serial number %q is not one in decimal, as cfssl writes it", s)
	if s == "" || len(s) > serialDigits || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return serial, bad
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.BitLen() > 8*len(serial) {
		return serial, bad
	}
	n.FillBytes(serial[:])
	return serial, nil
}

// authorityKeyID reads a certificate's authority key identifier, in lower-case hex.
// A root's may be empty.
func authorityKeyID(c *ca.Certificate) (string, error) {
	cert, err := c.Parse()
	if err != nil {
		return "", err
	}
	if cert.AuthorityKeyID == (policy.KeyID{}) {
		return "", nil
	}
	return hex.EncodeToString(cert.AuthorityKeyID[:]), nil
}
