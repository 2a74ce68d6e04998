package gbcs

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
)

// The contingency public key stands in the root certificate, wrapped (RFC 5934,
// 9, ApexContingencyKey); a command in mode 9 brings the symmetric key that
// unwraps it and is signed with its private half. No public text says which wrap
// GBCS uses over which plaintext, and no public message has such a command. What
// follows is our reading: a DER SubjectPublicKeyInfo under AES key wrap.

type apexContingencyKey struct {
	WrapAlgorithm       pkix.AlgorithmIdentifier
	WrappedContinPubKey []byte
}

// wraps lists the wrap algorithms that are read. The last is the one that is
// written.
var wraps = []struct {
	oid    asn1.ObjectIdentifier
	key    int
	padded bool
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 5}, 16, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 8}, 16, true},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 45}, 32, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 48}, 32, true},
}

var errUnwrap = errors.New("the symmetric key is not the one that wrapped it, or it was changed")

// UnwrapContingency returns the contingency public key from the value of a root
// certificate's WrappedApexContingencyKey extension and the symmetric key of a
// command. It fails if the key does not fit, and never returns a key whose
// integrity was not checked. Our reading.
func UnwrapContingency(apex, symmetricKey []byte) (*ecdsa.PublicKey, error) {
	var a apexContingencyKey
	if rest, err := asn1.Unmarshal(apex, &a); err != nil || len(rest) > 0 {
		return nil, errors.New("unwrapping the contingency key: the root certificate's extension is not an ApexContingencyKey")
	}
	for _, w := range wraps {
		if !w.oid.Equal(a.WrapAlgorithm.Algorithm) {
			continue
		}
		if len(symmetricKey) != w.key {
			return nil, fmt.Errorf("unwrapping the contingency key: a symmetric key of %d octets, and the wrap needs %d", len(symmetricKey), w.key)
		}
		unwrap := unwrapKey
		if w.padded {
			unwrap = unwrapPadded
		}
		plain, err := unwrap(symmetricKey, a.WrappedContinPubKey)
		if err != nil {
			return nil, fmt.Errorf("unwrapping the contingency key: %w", err)
		}
		pub, err := contingencyPublicKey(plain)
		if err != nil {
			return nil, fmt.Errorf("unwrapping the contingency key: %w", err)
		}
		return pub, nil
	}
	return nil, fmt.Errorf("unwrapping the contingency key: wrap algorithm %s is none of AES-128 and AES-256 key wrap", a.WrapAlgorithm.Algorithm)
}

// WrapContingency returns the value of the extension for a public key, with a
// symmetric key of 32 octets. Our reading.
func WrapContingency(pub *ecdsa.PublicKey, symmetricKey []byte) ([]byte, error) {
	w := wraps[len(wraps)-1]
	if len(symmetricKey) != w.key {
		return nil, fmt.Errorf("wrapping the contingency key: a symmetric key of %d octets, not %d", len(symmetricKey), w.key)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("wrapping the contingency key: %w", err)
	}
	wrapped, err := wrapPadded(symmetricKey, spki)
	if err != nil {
		return nil, fmt.Errorf("wrapping the contingency key: %w", err)
	}
	return asn1.Marshal(apexContingencyKey{pkix.AlgorithmIdentifier{Algorithm: w.oid}, wrapped})
}

func contingencyPublicKey(plain []byte) (*ecdsa.PublicKey, error) {
	// A wrap without padding takes whole blocks only, so that zeros may follow.
	var spki asn1.RawValue
	rest, err := asn1.Unmarshal(plain, &spki)
	if err != nil || len(rest) >= 8 || len(bytes.Trim(rest, "\x00")) > 0 {
		return nil, errors.New("what was wrapped is not a public key")
	}
	key, err := x509.ParsePKIXPublicKey(spki.FullBytes)
	if err != nil {
		return nil, errors.New("what was wrapped is not a public key")
	}
	pub, ok := key.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("what was wrapped is not a P-256 public key")
	}
	return pub, nil
}

// unwrapBlocks is the inverse of the index form of RFC 3394, 2.2.1.
func unwrapBlocks(key, wrapped []byte) (iv [8]byte, plain []byte, err error) {
	if len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return iv, nil, fmt.Errorf("%d wrapped octets are no whole number of blocks", len(wrapped))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return iv, nil, err
	}
	r := bytes.Clone(wrapped[8:])
	n := uint64(len(r) / 8)
	var b [16]byte
	copy(b[:8], wrapped)
	for j := uint64(6); j > 0; j-- {
		for i := n; i > 0; i-- {
			a := binary.BigEndian.Uint64(b[:8]) ^ ((j-1)*n + i)
			binary.BigEndian.PutUint64(b[:8], a)
			copy(b[8:], r[(i-1)*8:])
			block.Decrypt(b[:], b[:])
			copy(r[(i-1)*8:], b[8:])
		}
	}
	return [8]byte(b[:8]), r, nil
}

func unwrapKey(key, wrapped []byte) ([]byte, error) {
	iv, plain, err := unwrapBlocks(key, wrapped)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(iv[:], bytes.Repeat([]byte{0xA6}, 8)) != 1 {
		return nil, errUnwrap
	}
	return plain, nil
}

// paddedIV begins the initial value of RFC 5649; the length follows it.
var paddedIV = []byte{0xA6, 0x59, 0x59, 0xA6}

func unwrapPadded(key, wrapped []byte) ([]byte, error) {
	var iv [8]byte
	var plain []byte
	if len(wrapped) == 16 {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		var b [16]byte
		block.Decrypt(b[:], wrapped)
		iv, plain = [8]byte(b[:8]), b[8:]
	} else {
		var err error
		if iv, plain, err = unwrapBlocks(key, wrapped); err != nil {
			return nil, err
		}
	}
	n := uint64(binary.BigEndian.Uint32(iv[4:]))
	if subtle.ConstantTimeCompare(iv[:4], paddedIV) != 1 || n > uint64(len(plain)) || n+8 <= uint64(len(plain)) ||
		len(bytes.Trim(plain[n:], "\x00")) > 0 {
		return nil, errUnwrap
	}
	return plain[:n], nil
}

func wrapPadded(key, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	n := (len(plain) + 7) / 8
	b := make([]byte, 8+8*n)
	copy(b, paddedIV)
	binary.BigEndian.PutUint32(b[4:], uint32(len(plain)))
	copy(b[8:], plain)
	if n == 1 {
		block.Encrypt(b, b)
		return b, nil
	}
	var x [16]byte
	copy(x[:8], b)
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(x[8:], b[8*i:])
			block.Encrypt(x[:], x[:])
			a := binary.BigEndian.Uint64(x[:8]) ^ uint64(n*j+i)
			binary.BigEndian.PutUint64(x[:8], a)
			copy(b[8*i:], x[8:])
		}
	}
	copy(b, x[:8])
	return b, nil
}
