package policy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// algorithmECDSA is the only AlgorithmIdentifier of a signature: no parameters
// (RFC 5758, 3.2; GBCS 0.8.1, p. 141).
var algorithmECDSA = append([]byte{tagSequence, byte(len(oidECDSAWithSHA256.content) + 2), tagOID, byte(len(oidECDSAWithSHA256.content))}, oidECDSAWithSHA256.content...)

func isECDSAWithSHA256(algorithm []byte) bool { return bytes.Equal(algorithm, algorithmECDSA) }

// strictSignature reports whether sig is the DER of r and s, both in the range
// that a signature on P-256 can have.
func strictSignature(sig []byte) bool {
	if len(sig) > 72 || checkDER(sig) != nil {
		return false
	}
	r, s, ok := readSignature(sig)
	return ok && inRange(r) && inRange(s)
}

func readSignature(sig []byte) (r, s *big.Int, ok bool) {
	in := cryptobyte.String(sig)
	var body cryptobyte.String
	r, s = new(big.Int), new(big.Int)
	ok = in.ReadASN1(&body, cbasn1.SEQUENCE) && in.Empty() &&
		body.ReadASN1Integer(r) && body.ReadASN1Integer(s) && body.Empty()
	return r, s, ok
}

func inRange(n *big.Int) bool { return n.Sign() > 0 && n.Cmp(p256.Params().N) < 0 }

// normalSignature returns the strict DER of a signature whose integers may have
// needless leading zeros, as tokens that pad r and s are known to make; two
// published device certificates carry that mistake for ever.
func normalSignature(sig []byte) ([]byte, error) {
	in := cryptobyte.String(sig)
	var body, r, s cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&r, cbasn1.INTEGER) ||
		!body.ReadASN1(&s, cbasn1.INTEGER) || !body.Empty() {
		return nil, errors.New("reading a signature: want a DER SEQUENCE of r and s")
	}
	var b cryptobyte.Builder
	var bad error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, content := range []cryptobyte.String{r, s} {
			n := new(big.Int).SetBytes(content)
			if len(content) == 0 || content[0] >= 0x80 || !inRange(n) {
				bad = errors.New("reading a signature: want r and s above 0 and below the order of P-256")
				return
			}
			b.AddASN1BigInt(n)
		}
	})
	if bad != nil {
		return nil, bad
	}
	return b.Bytes()
}

// Assemble joins to-be-signed bytes of a certificate or a list and the
// signature over them. The signature, a DER SEQUENCE of r and s, is written in
// strict DER even if it came with needless leading zeros. Assemble does not
// verify it: that is [VerifyTBS], before the result leaves.
func Assemble(tbs, sigDER []byte) ([]byte, error) {
	if v := checkDER(tbs); v != nil {
		return nil, fmt.Errorf("assembling: to-be-signed bytes: %w", v)
	}
	if tbs[0] != tagSequence {
		return nil, errors.New("assembling: want to-be-signed bytes that are a SEQUENCE")
	}
	sig, err := normalSignature(sigDER)
	if err != nil {
		return nil, fmt.Errorf("assembling: %w", err)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+96))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithmECDSA)
		b.AddASN1BitString(sig)
	})
	return b.Bytes()
}

// VerifyTBS verifies an ECDSA signature with SHA-256 over tbs. The signature
// must be strict DER: a verifier in the field refuses another (GBCS 0.8.1,
// p. 141; RFC 5480, appendix A).
func VerifyTBS(pub *ecdsa.PublicKey, tbs, sigDER []byte) error {
	if _, err := pointOf(pub); err != nil {
		return fmt.Errorf("verifying a signature: %w", err)
	}
	if !strictSignature(sigDER) {
		return errors.New("verifying a signature: want strict DER of r and s")
	}
	digest := sha256.Sum256(tbs)
	if !ecdsa.VerifyASN1(pub, digest[:], sigDER) {
		return errors.New("verifying a signature: it was not made by this key over these bytes")
	}
	return nil
}
