package gbcs

import (
	"errors"
	"fmt"
)

// Lengths of the wrapper are A-XDR: one octet below 0x80, else 81 xx, 82 xx xx
// or 83 xx xx xx, always in the shortest form.

func appendAXDRLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n <= 0xFF:
		return append(b, 0x81, byte(n))
	case n <= 0xFFFF:
		return append(b, 0x82, byte(n>>8), byte(n))
	default:
		return append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
}

// axdrLength reads a length and returns what follows it. A length that is
// longer than need be is refused: no message has one, and taking it would let
// two different octet strings mean the same message.
func axdrLength(b []byte) (n int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errors.New("the message ends where a length is due")
	}
	first := b[0]
	if first < 0x80 {
		return int(first), b[1:], nil
	}
	octets := int(first & 0x7F)
	if octets == 0 || octets > 3 {
		return 0, nil, fmt.Errorf("length octet %02X: a length begins with an octet up to 7F, or 81 to 83", first)
	}
	if len(b) <= octets {
		return 0, nil, errors.New("the message ends inside a length")
	}
	for _, o := range b[1 : 1+octets] {
		n = n<<8 | int(o)
	}
	if b[1] == 0 || n < 0x80 {
		return 0, nil, fmt.Errorf("length %d written with %d octets: not the shortest form", n, 1+octets)
	}
	return n, b[1+octets:], nil
}
