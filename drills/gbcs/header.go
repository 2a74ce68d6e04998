package gbcs

import (
	"encoding/binary"
	"errors"
	"fmt"

	"smki.example/policy"
)

// CRA says whether a message is a command, a response or an alert. The values
// go on the wire and into the key of the MAC.
type CRA uint8

const (
	CRACommand  CRA = 1
	CRAResponse CRA = 2
	CRAAlert    CRA = 3
)

func (c CRA) String() string {
	switch c {
	case CRACommand:
		return "command"
	case CRAResponse:
		return "response"
	case CRAAlert:
		return "alert"
	}
	return fmt.Sprintf("CRA flag %d", uint8(c))
}

// An OriginatorCounter orders the messages of one originator. A command carries
// its originator's, a response that of the command it answers, an alert that of
// the device.
type OriginatorCounter uint64

// GroupingHeader is who sent what to whom, in the order of the wire. It is
// covered by the signature and by the MAC (GBCS 8.2).
type GroupingHeader struct {
	CRA        CRA
	Counter    OriginatorCounter
	Originator policy.EntityID // business originator; in answers the device
	Recipient  policy.EntityID

	// DateTime is empty, or a COSEM date-time of 12 octets. Answers to CS02b and
	// CS02g commands have one.
	DateTime []byte

	MessageCode MessageCode

	// Supplementary is what follows the message code in other-information: nil
	// for CS02, in other use cases a remote party, its counter, and an originator
	// counter or certificate. It is kept as octets; see [GroupingHeader.SupplementaryParty].
	Supplementary []byte
}

// PlaceholderDateTime returns the date-time that every public test message with
// that field has: 2015-01-01 00:00:00, deviation not specified, status FF. It
// is not the device's clock.
func PlaceholderDateTime() []byte {
	return []byte{0x07, 0xDF, 1, 1, 0xFF, 0, 0, 0, 0, 0x80, 0x00, 0xFF}
}

// SupplementaryParty returns the supplementary remote party and its counter as
// far as the header has them.
func (h GroupingHeader) SupplementaryParty() (party policy.EntityID, hasParty bool, counter OriginatorCounter, hasCounter bool) {
	s := h.Supplementary
	if len(s) >= entityLength {
		hasParty = true
		copy(party[:], s)
	}
	if len(s) >= entityLength+counterLength {
		hasCounter = true
		counter = OriginatorCounter(binary.BigEndian.Uint64(s[entityLength:]))
	}
	return party, hasParty, counter, hasCounter
}

// SupplementaryOriginator returns what may follow the supplementary party: an
// originator counter if it has 8 octets, else the octets of a key agreement
// certificate.
func (h GroupingHeader) SupplementaryOriginator() (counter OriginatorCounter, hasCounter bool, certificate []byte) {
	s := h.Supplementary
	switch n := len(s) - entityLength - counterLength; {
	case n == counterLength:
		return OriginatorCounter(binary.BigEndian.Uint64(s[entityLength+counterLength:])), true, nil
	case n > counterLength:
		return 0, false, s[entityLength+counterLength:]
	}
	return 0, false, nil
}

// append writes the header without the DF tag.
func (h GroupingHeader) append(b []byte) ([]byte, error) {
	if h.CRA < CRACommand || h.CRA > CRAAlert {
		return nil, fmt.Errorf("writing the grouping header: %s is not 1, 2 or 3", h.CRA)
	}
	if n := len(h.DateTime); n != 0 && n != dateTimeLength {
		return nil, fmt.Errorf("writing the grouping header: a date-time of %d octets, not 0 or %d", n, dateTimeLength)
	}
	if n := len(h.Supplementary); n > maxLength-2 {
		return nil, fmt.Errorf("writing the grouping header: %d supplementary octets are too many", n)
	}
	b = append(b, 1+counterLength, byte(h.CRA))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Counter))
	b = append(b, entityLength)
	b = append(b, h.Originator[:]...)
	b = append(b, entityLength)
	b = append(b, h.Recipient[:]...)
	b = append(b, byte(len(h.DateTime)))
	b = append(b, h.DateTime...)
	b = appendAXDRLength(b, 2+len(h.Supplementary))
	b = binary.BigEndian.AppendUint16(b, uint16(h.MessageCode))
	return append(b, h.Supplementary...), nil
}

// readHeader reads what follows the DF tag and returns what follows the header.
func readHeader(b []byte) (h GroupingHeader, rest []byte, err error) {
	const fixed = 2 + counterLength + 2*(1+entityLength)
	if len(b) < fixed {
		return h, nil, errors.New("reading the grouping header: the message ends inside it")
	}
	if b[0] != 1+counterLength {
		return h, nil, fmt.Errorf("reading the grouping header: length %02X of the transaction-id, not 09", b[0])
	}
	h.CRA = CRA(b[1])
	if h.CRA < CRACommand || h.CRA > CRAAlert {
		return h, nil, fmt.Errorf("reading the grouping header: CRA flag %02X is not 01, 02 or 03", b[1])
	}
	h.Counter = OriginatorCounter(binary.BigEndian.Uint64(b[2:]))
	b = b[2+counterLength:]
	for _, party := range []struct {
		name string
		to   *policy.EntityID
	}{{"originator", &h.Originator}, {"recipient", &h.Recipient}} {
		if b[0] != entityLength {
			return h, nil, fmt.Errorf("reading the grouping header: length %02X of the %s, not 08", b[0], party.name)
		}
		copy(party.to[:], b[1:])
		b = b[1+entityLength:]
	}
	n, b, err := axdrLength(b)
	if err != nil {
		return h, nil, fmt.Errorf("reading the date-time: %w", err)
	}
	if n != 0 && n != dateTimeLength {
		return h, nil, fmt.Errorf("reading the date-time: %d octets, not 0 or %d", n, dateTimeLength)
	}
	if n > len(b) {
		return h, nil, errors.New("reading the date-time: the message ends inside it")
	}
	if n > 0 {
		h.DateTime, b = b[:n:n], b[n:]
	}
	n, b, err = axdrLength(b)
	if err != nil {
		return h, nil, fmt.Errorf("reading the other-information: %w", err)
	}
	if n < 2 {
		return h, nil, fmt.Errorf("reading the other-information: %d octets, and the message code needs 2", n)
	}
	if n > len(b) {
		return h, nil, errors.New("reading the other-information: the message ends inside it")
	}
	h.MessageCode = MessageCode(binary.BigEndian.Uint16(b))
	if n > 2 {
		h.Supplementary = b[2:n:n]
	}
	return h, b[n:], nil
}
