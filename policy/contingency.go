package policy

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// isApexContingencyKey reports whether der is SEQUENCE { wrapAlgorithm
// AlgorithmIdentifier, wrappedContinPubKey OCTET STRING } (RFC 5934, 9; its
// ASN.1 module makes neither member optional). Which wrap it is, and whether it
// opens, is for whoever holds the symmetric key.
func isApexContingencyKey(der []byte) bool {
	in := cryptobyte.String(der)
	var body, algorithm, oid, wrapped cryptobyte.String
	return checkDER(der) == nil && in.ReadASN1(&body, cbasn1.SEQUENCE) && in.Empty() &&
		body.ReadASN1(&algorithm, cbasn1.SEQUENCE) && algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) &&
		body.ReadASN1(&wrapped, cbasn1.OCTET_STRING) && body.Empty() && len(wrapped) > 0
}
