package ceremony

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"

	"smki.example/hsm"
)

// OurReading labels what no public text settles, wherever it is shown: that the
// wrapped contingency key is the extension of RFC 5934, and how it is wrapped.
const OurReading = "our reading, no public text gives these octets"

const (
	wrapName       = "id-aes256-wrap-pad"
	symmetricOctet = 32
)

// id-aes256-wrap-pad (RFC 5649, 5).
var oidAES256WrapPad = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 48}

// newSymmetricKey returns 32 random octets. They are made in memory and not on a
// token, because they are meant to leave it: custodians keep them as shares, and
// the one contingency command carries them in clear.
func newSymmetricKey(random io.Reader) ([]byte, error) {
	key := make([]byte, symmetricOctet)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("making the symmetric key: %w", err)
	}
	return key, nil
}

// wrapContingency returns the DER of an ApexContingencyKey (RFC 5934, 9): the
// SubjectPublicKeyInfo of the contingency key, wrapped under the symmetric key.
func wrapContingency(symmetric []byte, contingency *ecdsa.PublicKey) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(contingency)
	if err != nil {
		return nil, err
	}
	wrapped, err := hsm.WrapPad(symmetric, spki)
	if err != nil {
		return nil, err
	}
	type algorithm struct{ Algorithm asn1.ObjectIdentifier }
	return asn1.Marshal(struct {
		WrapAlgorithm       algorithm
		WrappedContinPubKey []byte
	}{algorithm{oidAES256WrapPad}, wrapped})
}
