package gbcs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"smki.example/policy"
)

// ErrNoMAC means that there is no MAC to verify.
var ErrNoMAC = errors.New("the message has no MAC")

// ErrMAC means that the MAC was not made with this shared secret over these
// octets.
var ErrMAC = errors.New("the MAC is wrong")

// sharedSecretLength is the x-coordinate of a point on P-256.
const sharedSecretLength = 32

// algorithmID is AES-GCM-128, 2.16.756.6.8.3.0, as the content of a DER OBJECT
// IDENTIFIER without its tag and length.
var algorithmID = [7]byte{0x60, 0x85, 0x74, 0x06, 0x08, 0x03, 0x00}

// SharedKey derives the key of a MAC from a static ECDH secret and the header
// (NIST SP 800-56A, concatenation KDF with SHA-256).
//
// For a command z is that of the access control broker's and the device's key
// agreement keys, whoever the business originator is; for an answer it is that
// of the device's and the recipient's. The originator that goes into the key is
// always the one in the header.
func SharedKey(z []byte, h GroupingHeader) [16]byte {
	var in [4 + sharedSecretLength + 33]byte
	b := append(in[:0], 0, 0, 0, 1)
	b = append(b, z...)
	b = append(b, algorithmID[:]...)
	b = append(b, h.Originator[:]...)
	b = append(b, 1+counterLength, byte(h.CRA))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Counter))
	b = append(b, h.Recipient[:]...)
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

// MAC returns the 12 octets that protect an inner message, from its DF tag to
// the end of its signature.
func MAC(key [16]byte, originator policy.EntityID, inner []byte) ([]byte, error) {
	aad := make([]byte, 0, len(macHead)+len(inner))
	aad = append(aad, macHead...)
	return macOver(key, originator, append(aad, inner...))
}

// macOver takes the whole of what is covered: macHead and the inner message.
func macOver(key [16]byte, originator policy.EntityID, aad []byte) ([]byte, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making a MAC: %w", err)
	}
	gcm, err := cipher.NewGCMWithTagSize(block, macLength)
	if err != nil {
		return nil, fmt.Errorf("making a MAC: %w", err)
	}
	// The IV is the same for every message of an originator. What makes that safe
	// is that the key changes with the counter, and nothing is encrypted.
	var iv [12]byte
	copy(iv[:], originator[:])
	return gcm.Seal(nil, iv[:], nil, aad), nil
}

// AddMAC puts the MAC header around the message as it now is, with the shared
// secret of the two key agreement keys. It comes after SignWith. On failure the
// message is unchanged.
func (m *Message) AddMAC(z []byte) error {
	if len(z) != sharedSecretLength {
		return fmt.Errorf("adding a MAC: a shared secret of %d octets, not %d", len(z), sharedSecretLength)
	}
	made := m.made
	if made == nil {
		var err error
		if made, err = m.ToBeSigned(); err != nil {
			return err
		}
	}
	bare := *m
	bare.Precommand, bare.TrailingZero, bare.made = false, false, made
	aad, err := bare.inner(append(make([]byte, 0, len(macHead)+len(made)+2+signatureLength), macHead...))
	if err != nil {
		return err
	}
	mac, err := macOver(SharedKey(z, m.Header), m.Header.Originator, aad)
	if err != nil {
		return err
	}
	m.MAC, m.MACOctets, m.aad, m.made = true, mac, aad, made
	m.Precommand, m.TrailingZero = false, false
	return nil
}

// VerifyMAC checks the MAC over the received octets, or over what AddMAC
// covered, with the shared secret of the two key agreement keys (see
// [SharedKey]). It returns [ErrNoMAC] or [ErrMAC].
func (m *Message) VerifyMAC(z []byte) error {
	if !m.MAC || len(m.MACOctets) != macLength || m.aad == nil {
		return ErrNoMAC
	}
	if len(z) != sharedSecretLength {
		return fmt.Errorf("verifying a MAC: a shared secret of %d octets, not %d: %w", len(z), sharedSecretLength, ErrMAC)
	}
	mac, err := macOver(SharedKey(z, m.Header), m.Header.Originator, m.aad)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(mac, m.MACOctets) != 1 {
		return ErrMAC
	}
	return nil
}
