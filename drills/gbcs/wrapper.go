package gbcs

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	tagSigned   = 0xDF // General-Signing
	tagCiphered = 0xDD // General-Ciphering

	// securityControl is "authenticated only, suite 1".
	securityControl = 0x11
)

var (
	// cipheredHead is the tag of General-Ciphering with its six empty fields.
	cipheredHead = []byte{tagCiphered, 0, 0, 0, 0, 0, 0}
	// securityHead is security control and an invocation counter of 0. The
	// counter is on the wire and not under the MAC.
	securityHead = []byte{securityControl, 0, 0, 0, 0}
	// macHead is what stands before the inner message under the MAC: security
	// control and five zeros, which are the empty fields and not the counter.
	macHead = []byte{securityControl, 0, 0, 0, 0, 0}
)

// Decode reads one message. The octets may be reused by the caller afterwards.
//
// It fails if the wrapper is not exactly as GBCS messages have it: fixed fields,
// shortest lengths, signature of 0 or 64 octets, nothing left over. A payload
// that cannot be read does not make it fail (see [Opaque]); what is unusual but
// readable is for [Message.Check] to report. No input makes it panic, and no
// error carries octets of a payload.
func Decode(b []byte) (*Message, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("decoding a message: %d octets, more than a message can have (%d)", len(b), MaxMessage)
	}
	if len(b) == 0 {
		return nil, errors.New("decoding a message: it is empty")
	}
	m := &Message{}
	b = bytes.Clone(b)
	var err error
	switch b[0] {
	case tagSigned:
		err = m.readInner(b)
	case tagCiphered:
		err = m.readCiphered(b)
	default:
		err = fmt.Errorf("first octet %02X is neither DF nor DD", b[0])
	}
	if err != nil {
		return nil, fmt.Errorf("decoding a message: %w", err)
	}
	m.decodePayload()
	return m, nil
}

func (m *Message) readCiphered(b []byte) error {
	if !bytes.HasPrefix(b, cipheredHead) {
		return errors.New("the MAC header must be DD with six empty fields")
	}
	n, service, err := axdrLength(b[len(cipheredHead):])
	if err != nil {
		return fmt.Errorf("reading the MAC header: %w", err)
	}
	if n != len(service) {
		return fmt.Errorf("reading the MAC header: length %d, but %d octets follow", n, len(service))
	}
	if n < len(securityHead)+macLength {
		return fmt.Errorf("reading the MAC header: %d octets are too few for a MAC", n)
	}
	if !bytes.HasPrefix(service, securityHead) {
		return fmt.Errorf("reading the MAC header: security control and invocation counter must be % X", securityHead)
	}
	end := n - macLength
	m.MAC = true
	m.MACOctets = service[end:]
	if err := m.readInner(service[len(securityHead):end]); err != nil {
		return err
	}
	// The copy is ours and the octets before the inner message are read: writing
	// macHead over them puts what the MAC covers in one piece.
	start := len(b) - n + len(securityHead) - len(macHead)
	copy(b[start:], macHead)
	m.aad = b[start : len(b)-macLength : len(b)-macLength]
	return nil
}

func (m *Message) readInner(b []byte) error {
	if len(b) == 0 || b[0] != tagSigned {
		return errors.New("the message inside the MAC header does not begin with DF")
	}
	signed := b[1:]
	h, rest, err := readHeader(signed)
	if err != nil {
		return err
	}
	m.Header = h
	n, rest, err := axdrLength(rest)
	if err != nil {
		return fmt.Errorf("reading the content: %w", err)
	}
	if n > len(rest) {
		return fmt.Errorf("reading the content: length %d, but %d octets follow", n, len(rest))
	}
	m.RawPayload, rest = rest[:n:n], rest[n:]
	end := len(signed) - len(rest)
	m.Signed = signed[:end:end]

	switch {
	case len(rest) == 0 && h.CRA == CRACommand && !m.MAC:
		m.Precommand = true
		return nil
	case len(rest) == 0:
		return errors.New("the message ends where the length of the signature is due")
	case rest[0] == 0 && len(rest) == 1:
		// A command with neither signature nor MAC is no command yet.
		m.Precommand = h.CRA == CRACommand && !m.MAC
		m.TrailingZero = m.Precommand
		return nil
	case rest[0] == 0:
		return fmt.Errorf("%d octets after a signature of length 0", len(rest)-1)
	case rest[0] != signatureLength:
		return fmt.Errorf("length of the signature %02X, neither 00 nor 40", rest[0])
	case len(rest) != 1+signatureLength:
		return fmt.Errorf("length of the signature is 64, but %d octets follow", len(rest)-1)
	}
	m.Signature = rest[1:]
	return nil
}

// Encode writes the message. For an unchanged message from Decode the octets
// are those that were decoded; after SignWith or AddMAC they are those that signature
// and MAC cover. It fails, and writes nothing, if a value has no
// form on the wire, if the whole is too long, or if a MAC is due and not there.
func (m *Message) Encode() ([]byte, error) {
	inner, err := m.inner(nil)
	if err != nil {
		return nil, err
	}
	if len(inner) > maxLength {
		return nil, fmt.Errorf("writing a message: %d octets, more than a message can have (%d)", len(inner), maxLength)
	}
	if !m.MAC {
		return inner, nil
	}
	if len(m.MACOctets) != macLength {
		return nil, fmt.Errorf("writing the MAC header: a MAC of %d octets, not %d; AddMAC makes it", len(m.MACOctets), macLength)
	}
	n := len(securityHead) + len(inner) + macLength
	if n > maxLength {
		return nil, fmt.Errorf("writing the MAC header: %d octets, more than it can say (%d)", n, maxLength)
	}
	b := make([]byte, 0, len(cipheredHead)+4+n)
	b = append(b, cipheredHead...)
	b = appendAXDRLength(b, n)
	b = append(b, securityHead...)
	b = append(b, inner...)
	return append(b, m.MACOctets...), nil
}

// inner appends the message from its DF tag to the end of its signature.
func (m *Message) inner(b []byte) ([]byte, error) {
	if m.made != nil && m.MAC && b == nil {
		return m.aad[len(macHead):], nil // what the MAC covers
	}
	if m.made != nil {
		if b == nil {
			b = make([]byte, 0, len(m.made)+2+signatureLength)
		}
		b = append(b, tagSigned)
		return m.end(append(b, m.made...))
	}
	payload, err := m.payload()
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = make([]byte, 0, 64+len(payload)+len(m.Header.Supplementary)+signatureLength)
	}
	b = append(b, tagSigned)
	if b, err = m.Header.append(b); err != nil {
		return nil, err
	}
	b = appendAXDRLength(b, len(payload))
	return m.end(append(b, payload...))
}

// end appends what follows the payload: the signature with its length, if any.
func (m *Message) end(b []byte) ([]byte, error) {
	switch {
	case m.Signature != nil && len(m.Signature) != signatureLength:
		return nil, fmt.Errorf("writing the signature: %d octets, not %d", len(m.Signature), signatureLength)
	case m.Signature != nil:
		b = append(b, signatureLength)
		b = append(b, m.Signature...)
	case !m.Precommand || m.TrailingZero:
		b = append(b, 0)
	}
	return b, nil
}

// ToBeSigned returns what a signature over the message as it now is covers.
func (m *Message) ToBeSigned() ([]byte, error) {
	bare := *m
	bare.Signature, bare.Precommand, bare.TrailingZero, bare.made = nil, true, false, nil
	b, err := bare.inner(nil)
	if err != nil {
		return nil, err
	}
	return b[1:], nil
}
