package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// p256 is the only curve of SMKI (GBCS 0.8.1, p. 141).
var p256 = elliptic.P256()

// parsePublicKey reads a SubjectPublicKeyInfo of a P-256 key: named curve,
// uncompressed point on the curve (RFC 5480, 2; GBCS 0.8.1, p. 141).
func parsePublicKey(spki []byte) (*ecdsa.PublicKey, *Violation) {
	bad := func(field, want, got string) (*ecdsa.PublicKey, *Violation) {
		return nil, &Violation{Rule: "public-key", Field: "subjectPublicKeyInfo." + field, Want: want, Got: got, Clause: "GBCS 0.8.1, p. 141; RFC 5480, 2"}
	}
	in := cryptobyte.String(spki)
	var body, algorithm, oid, bits cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!body.ReadASN1(&bits, cbasn1.BIT_STRING) || !body.Empty() {
		return bad("algorithm", "an algorithm and a BIT STRING", "another structure")
	}
	if !algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !oidECPublicKey.is(oid) {
		return bad("algorithm", "id-ecPublicKey", "another algorithm")
	}
	if !algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !algorithm.Empty() || !oidPrime256v1.is(oid) {
		return bad("algorithm.parameters", "the named curve prime256v1", "another curve or explicit parameters")
	}
	if len(bits) != 66 || bits[0] != 0 || bits[1] != 4 {
		return bad("subjectPublicKey", "an uncompressed point of 65 octets", fmt.Sprintf("%d octets in another form", len(bits)-1))
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(p256, bits[1:])
	if err != nil {
		return bad("subjectPublicKey", "a point on P-256", "a point off the curve")
	}
	return pub, nil
}

// pointOf returns the uncompressed point of a P-256 key (RFC 5480, 2.2).
func pointOf(pub *ecdsa.PublicKey) ([]byte, error) {
	if pub == nil || pub.Curve != p256 {
		return nil, errors.New("want a P-256 public key")
	}
	return pub.Bytes()
}

func encodePublicKey(point []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addPrimitive(b, tagOID, oidECPublicKey.content)
			addPrimitive(b, tagOID, oidPrime256v1.content)
		})
		b.AddASN1BitString(point)
	})
	return b.Bytes()
}

// equalKeys reports whether two keys are one; false if either is nil.
func equalKeys(a, b *ecdsa.PublicKey) bool {
	return a != nil && b != nil && a.Equal(b)
}
