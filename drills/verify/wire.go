package verify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/big"

	"smki.example/policy"
)

// A message is as much of a GBCS message as an auditor needs: who sent it to
// whom, what was signed, and what the MAC covers. It is read here a second
// time, and more narrowly than a device would, so that a slip of the writer is
// not repeated by the checker.
type message struct {
	cra                   byte
	counter               uint64
	originator, recipient policy.EntityID
	code                  uint16
	signed                []byte // after the DF tag, to the end of the payload
	signature             []byte // 64 octets, or none
	inner, mac            []byte // only where a MAC header surrounds it
}

const (
	tagSigned  = 0xDF
	tagMAC     = 0xDD
	craCommand = 1

	codeRecovery    = 0x0108 // CS02b, anyExceptAbnormalRootByRecovery
	codeContingency = 0x0109 // CS02b, anyByContingency
)

var errWire = errors.New("not a GBCS message: it ends early or its lengths do not add up")

// octets is a cursor that remembers whether it ran off the end.
type octets struct {
	rest   []byte
	failed bool
}

func (o *octets) take(n int) []byte {
	if o.failed || n < 0 || n > len(o.rest) {
		o.failed = true
		return []byte{0}
	}
	head := o.rest[:n]
	o.rest = o.rest[n:]
	return head
}

func (o *octets) byte() byte { return o.take(1)[0] }

// length reads an A-XDR length: one octet below 0x80, else 81 or 82 and as
// many octets.
func (o *octets) length() int {
	first := o.byte()
	switch {
	case first < 0x80:
		return int(first)
	case first == 0x81:
		return int(o.byte())
	case first == 0x82:
		return int(o.byte())<<8 | int(o.byte())
	default:
		o.failed = true
		return 0
	}
}

func readMessage(raw []byte) (*message, error) {
	m := &message{}
	in := &octets{rest: raw}
	if len(raw) > 0 && raw[0] == tagMAC {
		in.take(7)
		if n := in.length(); n != len(in.rest) || n < 5+12 {
			return nil, errWire
		}
		in.take(5)
		m.inner, m.mac = in.rest[:len(in.rest)-12], in.rest[len(in.rest)-12:]
		in = &octets{rest: m.inner}
	}
	if in.byte() != tagSigned {
		return nil, errWire
	}
	body := in.rest
	transaction := in.take(in.length())
	originator := in.take(in.length())
	recipient := in.take(in.length())
	in.take(in.length()) // date-time
	other := in.take(in.length())
	in.take(in.length()) // payload
	if in.failed || len(transaction) != 9 || len(originator) != 8 || len(recipient) != 8 || len(other) < 2 {
		return nil, errWire
	}
	m.signed = body[:len(body)-len(in.rest)]
	m.signature = in.take(in.length())
	if in.failed || len(in.rest) != 0 || (len(m.signature) != 64 && len(m.signature) != 0) {
		return nil, errWire
	}
	m.cra, m.counter = transaction[0], binary.BigEndian.Uint64(transaction[1:])
	copy(m.originator[:], originator)
	copy(m.recipient[:], recipient)
	m.code = binary.BigEndian.Uint16(other)
	return m, nil
}

// signedBy says whether the 64 octets are a signature of key over what the
// message says (ECDSA P-256, SHA-256, r then s).
func (m *message) signedBy(key *ecdsa.PublicKey) bool {
	if len(m.signature) != 64 {
		return false
	}
	digest := sha256.Sum256(m.signed)
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(m.signature[:32]), new(big.Int).SetBytes(m.signature[32:]))
}

// macHolds recomputes the MAC from a shared secret (NIST SP 800-56A, one round;
// AES-128-GCM cut to 12 octets over the header and the inner message).
func (m *message) macHolds(z []byte) bool {
	info := []byte{0x60, 0x85, 0x74, 0x06, 0x08, 0x03, 0x00}
	info = append(info, m.originator[:]...)
	info = append(info, 0x09, m.cra)
	info = binary.BigEndian.AppendUint64(info, m.counter)
	info = append(info, m.recipient[:]...)
	derived := sha256.Sum256(append(append([]byte{0, 0, 0, 1}, z...), info...))
	block, err := aes.NewCipher(derived[:16])
	if err != nil {
		return false
	}
	gcm, err := cipher.NewGCMWithTagSize(block, 12)
	if err != nil {
		return false
	}
	nonce := append(append([]byte{}, m.originator[:]...), 0, 0, 0, 0)
	covered := append([]byte{0x11, 0, 0, 0, 0, 0}, m.inner...)
	return subtle.ConstantTimeCompare(gcm.Seal(nil, nonce, nil, covered), m.mac) == 1
}
