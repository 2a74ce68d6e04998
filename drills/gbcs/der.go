package gbcs

import (
	"errors"
	"fmt"
)

// LengthForm says how the lengths inside a payload are written. Its zero value
// is what this package writes by itself; form is no part of a message's
// meaning, so a zero value that is valid can do no harm.
type LengthForm uint8

const (
	// LengthsMinimal is DER.
	LengthsMinimal LengthForm = iota
	// LengthsTwoOctet writes every length of 128 or more as 82 hi lo, as the
	// answers of the public test messages do. A strict DER reader refuses it
	// below 256.
	LengthsTwoOctet
	// LengthsAsReceived is for payloads that are in neither form, because the
	// forms are mixed, a length is longer still, or a default value is written
	// out. Encode writes the received octets; Payload is only for reading.
	LengthsAsReceived
)

func (f LengthForm) String() string {
	switch f {
	case LengthsMinimal:
		return "DER"
	case LengthsTwoOctet:
		return "two-octet lengths"
	case LengthsAsReceived:
		return "as received"
	}
	return fmt.Sprintf("length form %d", uint8(f))
}

const (
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagNull            = 0x05
	tagEnumerated      = 0x0A
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
)

var errEnds = errors.New("the octets end too early")

// lengthsSeen is what a reader noticed about form while it read one payload.
type lengthsSeen struct {
	minimal  bool // a length of 128 to 255 as 81 xx
	twoOctet bool // a length of 128 to 255 as 82 00 xx
	oddity   string
}

func (s *lengthsSeen) odd(what string) {
	if s.oddity == "" {
		s.oddity = what
	}
}

func (s *lengthsSeen) form() LengthForm {
	switch {
	case s.oddity != "" || s.minimal && s.twoOctet:
		return LengthsAsReceived
	case s.twoOctet:
		return LengthsTwoOctet
	}
	return LengthsMinimal
}

// A derReader takes elements from the front of its octets. It is ours because
// encoding/asn1 and cryptobyte refuse the two-octet lengths of answers. It is
// tolerant about lengths and about written-out defaults, which it notes, and
// strict about everything else, so that a payload in one of the two known forms
// is written back the same.
type derReader struct {
	rest []byte
	seen *lengthsSeen
}

func (r *derReader) empty() bool { return len(r.rest) == 0 }

// at reports whether the next element has the tag.
func (r *derReader) at(tag byte) bool { return len(r.rest) > 0 && r.rest[0] == tag }

// content takes the next element, which must have the tag, and returns what is
// in it. The octets are a view.
func (r *derReader) content(tag byte) ([]byte, error) {
	head, n, err := r.header(tag, r.seen)
	if err != nil {
		return nil, err
	}
	content := r.rest[head : head+n : head+n]
	r.rest = r.rest[head+n:]
	return content, nil
}

// whole takes the next element with its tag and length, as certificates and
// requests are kept. Its own length is strict DER: the tolerance is for payloads,
// not for certificates.
func (r *derReader) whole(tag byte) ([]byte, error) {
	var seen lengthsSeen
	head, n, err := r.header(tag, &seen)
	if err != nil {
		return nil, err
	}
	if seen.oddity != "" || seen.twoOctet {
		return nil, errors.New("a certificate or request must have a DER length")
	}
	whole := r.rest[: head+n : head+n]
	r.rest = r.rest[head+n:]
	return whole, nil
}

func (r *derReader) header(tag byte, seen *lengthsSeen) (head, n int, err error) {
	b := r.rest
	if len(b) < 2 {
		if len(b) == 1 && b[0] != tag {
			return 0, 0, fmt.Errorf("tag %02X where %02X is due", b[0], tag)
		}
		return 0, 0, errEnds
	}
	if b[0] != tag {
		return 0, 0, fmt.Errorf("tag %02X where %02X is due", b[0], tag)
	}
	switch first := b[1]; {
	case first < 0x80:
		head, n = 2, int(first)
	case first == 0x81:
		if len(b) < 3 {
			return 0, 0, errEnds
		}
		head, n = 3, int(b[2])
		if n < 0x80 {
			seen.odd("a length below 128 has two octets")
		} else {
			seen.minimal = true
		}
	case first == 0x82:
		if len(b) < 4 {
			return 0, 0, errEnds
		}
		head, n = 4, int(b[2])<<8|int(b[3])
		if n < 0x80 {
			seen.odd("a length below 128 has three octets")
		} else if n <= 0xFF {
			seen.twoOctet = true
		}
	default:
		return 0, 0, fmt.Errorf("length octet %02X: no payload is so long", first)
	}
	if n > len(b)-head {
		return 0, 0, fmt.Errorf("length %d, but %d octets are left", n, len(b)-head)
	}
	return head, n, nil
}

func (r *derReader) sequence(tag byte) (derReader, error) {
	content, err := r.content(tag)
	return derReader{rest: content, seen: r.seen}, err
}

// end fails if something is left over.
func (r *derReader) end() error {
	if len(r.rest) > 0 {
		return fmt.Errorf("%d octets too many", len(r.rest))
	}
	return nil
}

// unsigned takes an INTEGER or ENUMERATED that is not negative, in its shortest
// form.
func (r *derReader) unsigned(tag byte) (uint64, error) {
	b, err := r.content(tag)
	if err != nil {
		return 0, err
	}
	switch {
	case len(b) == 0:
		return 0, errors.New("an integer without octets")
	case b[0]&0x80 != 0:
		return 0, errors.New("a negative integer")
	case len(b) > 1 && b[0] == 0 && b[1]&0x80 == 0:
		return 0, errors.New("an integer with a needless leading zero")
	case len(b) > 9 || len(b) == 9 && b[0] != 0:
		return 0, errors.New("an integer of more than 64 bits")
	}
	var v uint64
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	return v, nil
}

// small takes an unsigned of one octet, as roles, modes and codes are.
func (r *derReader) small(tag byte) (uint8, error) {
	v, err := r.unsigned(tag)
	if err == nil && v > 0xFF {
		err = fmt.Errorf("value %d, greater than 255", v)
	}
	return uint8(v), err
}

// octets takes an OCTET STRING of eight octets, the length of an identifier and
// of a key identifier alike.
func (r *derReader) octets(to *[8]byte) error {
	b, err := r.content(tagOctetString)
	if err != nil {
		return err
	}
	if len(b) != len(to) {
		return fmt.Errorf("an identifier of %d octets, not 8", len(b))
	}
	copy(to[:], b)
	return nil
}

// A derWriter appends elements. It keeps its first error, so that a payload is
// written as it is laid out and the error is looked at once.
type derWriter struct {
	b    []byte
	form LengthForm
	err  error
}

func (w *derWriter) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// open begins an element and returns the mark that close needs.
func (w *derWriter) open(tag byte) int {
	w.b = append(w.b, tag, 0)
	return len(w.b)
}

// close ends the element that was opened at mark. One length octet was left
// free; a longer length moves the content up.
func (w *derWriter) close(mark int) {
	n := len(w.b) - mark
	if n < 0x80 {
		w.b[mark-1] = byte(n)
		return
	}
	if n > maxPart {
		w.fail("a part of %d octets, more than %d", n, maxPart)
		return
	}
	if n <= 0xFF && w.form != LengthsTwoOctet {
		w.b = append(w.b, 0)
		copy(w.b[mark+1:], w.b[mark:])
		w.b[mark-1], w.b[mark] = 0x81, byte(n)
		return
	}
	w.b = append(w.b, 0, 0)
	copy(w.b[mark+2:], w.b[mark:])
	w.b[mark-1], w.b[mark], w.b[mark+1] = 0x82, byte(n>>8), byte(n)
}

func (w *derWriter) unsigned(tag byte, v uint64) {
	n := 1
	for n < 9 && v>>(8*n-1) != 0 {
		n++
	}
	w.b = append(w.b, tag, byte(n))
	for i := n - 1; i >= 0; i-- {
		if i == 8 {
			w.b = append(w.b, 0)
			continue
		}
		w.b = append(w.b, byte(v>>(8*i)))
	}
}

func (w *derWriter) octets(b []byte) {
	mark := w.open(tagOctetString)
	w.b = append(w.b, b...)
	w.close(mark)
}

// whole appends an element that is DER already.
func (w *derWriter) whole(what string, der []byte) {
	r := derReader{rest: der, seen: &lengthsSeen{}}
	if _, err := r.whole(tagSequence); err != nil {
		w.fail("writing %s: %w", what, err)
	} else if err := r.end(); err != nil {
		w.fail("writing %s: %w", what, err)
	}
	w.b = append(w.b, der...)
}
