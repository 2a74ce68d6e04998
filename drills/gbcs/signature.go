package gbcs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrUnsigned means that there is no signature to verify.
var ErrUnsigned = errors.New("the message has no signature")

// ErrSignature means that the signature is not of this key over these octets.
var ErrSignature = errors.New("the signature is wrong")

// Sign signs what a signature covers (see [Message.ToBeSigned]) with ECDSA
// P-256 over SHA-256 and returns r and s, 32 octets each. The signer must have a
// P-256 key and return DER, as crypto.Signer says; it decides about contexts,
// counts and refusals, and its error is wrapped.
func Sign(signer crypto.Signer, unsigned []byte) (sig64 []byte, err error) {
	pub, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fmt.Errorf("signing a message: the key is %T, not ECDSA on P-256", signer.Public())
	}
	digest := sha256.Sum256(unsigned)
	der, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing a message: %w", err)
	}
	sig, err := rawSignature(der)
	if err != nil {
		return nil, fmt.Errorf("signing a message: reading the signer's answer: %w", err)
	}
	return sig, nil
}

// SignWith signs the message as it now is. On failure the message is unchanged.
// A MAC that it had is dropped, because it covered the old signature.
func (m *Message) SignWith(signer crypto.Signer) error {
	unsigned, err := m.ToBeSigned()
	if err != nil {
		return err
	}
	sig, err := Sign(signer, unsigned)
	if err != nil {
		return err
	}
	m.Signed, m.Signature, m.made = unsigned, sig, unsigned
	m.Precommand, m.TrailingZero = false, false
	m.MAC, m.MACOctets, m.aad = false, nil, nil
	return nil
}

// VerifySignature checks the signature over the received octets, or over what
// SignWith signed. It returns [ErrUnsigned] or [ErrSignature].
func (m *Message) VerifySignature(pub *ecdsa.PublicKey) error {
	if len(m.Signature) != signatureLength || m.Signed == nil {
		return ErrUnsigned
	}
	if pub == nil || pub.Curve != elliptic.P256() {
		return fmt.Errorf("verifying a message: the key is not on P-256: %w", ErrSignature)
	}
	digest := sha256.Sum256(m.Signed)
	var der [maxSignatureDER]byte
	if !ecdsa.VerifyASN1(pub, digest[:], derSignature(der[:0], m.Signature)) {
		return ErrSignature
	}
	return nil
}

// maxSignatureDER is a SEQUENCE of two INTEGERs of 33 octets.
const maxSignatureDER = 2 + 2*(2+33)

// derSignature appends r and s as strict DER, which is what the standard
// library verifies.
func derSignature(b, sig64 []byte) []byte {
	b = append(b, tagSequence, 0)
	start := len(b)
	for _, v := range [][]byte{sig64[:32], sig64[32:]} {
		for len(v) > 1 && v[0] == 0 {
			v = v[1:]
		}
		if v[0]&0x80 != 0 {
			b = append(b, tagInteger, byte(len(v)+1), 0)
		} else {
			b = append(b, tagInteger, byte(len(v)))
		}
		b = append(b, v...)
	}
	b[start-1] = byte(len(b) - start)
	return b
}

// rawSignature turns a signer's DER into r and s. Leading zeros that DER forbids
// are taken, because tokens write them.
func rawSignature(der []byte) ([]byte, error) {
	r := derReader{rest: der, seen: &lengthsSeen{}}
	fields, err := r.sequence(tagSequence)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	sig := make([]byte, signatureLength)
	for _, to := range [][]byte{sig[:32], sig[32:]} {
		v, err := fields.content(tagInteger)
		if err != nil {
			return nil, err
		}
		for len(v) > 0 && v[0] == 0 {
			v = v[1:]
		}
		if len(v) == 0 || len(v) > len(to) {
			return nil, fmt.Errorf("an integer of %d octets, not 1 to %d", len(v), len(to))
		}
		copy(to[len(to)-len(v):], v)
	}
	return sig, fields.end()
}
