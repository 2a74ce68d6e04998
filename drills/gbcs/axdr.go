package gbcs

import "errors"

// Lengths of the wrapper are A-XDR: one octet below 0x80, else 81 xx or
// 82 xx xx, always in the shortest form.

func appendAXDRLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n <= 0xFF:
		return append(b, 0x81, byte(n))
	default:
		return append(b, 0x82, byte(n>>8), byte(n))
	}
}

// axdrLength reads a length and returns what follows it. A length that is
// longer than need be is refused: no message has one, and taking it would let
// two different octet strings mean the same message.
func axdrLength(b []byte) (n int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errors.New("the message ends where a length is due")
	}
	switch first := b[0]; {
	case first < 0x80:
		return int(first), b[1:], nil
	case first == 0x81 && len(b) >= 2:
		if b[1] < 0x80 {
			return 0, nil, errors.New("length 81 with a value below 128: not the shortest form")
		}
		return int(b[1]), b[2:], nil
	case first == 0x82 && len(b) >= 3:
		if b[1] == 0 {
			return 0, nil, errors.New("length 82 with a value below 256: not the shortest form")
		}
		return int(b[1])<<8 | int(b[2]), b[3:], nil
	case first == 0x81 || first == 0x82:
		return 0, nil, errors.New("the message ends inside a length")
	}
	return 0, nil, errors.New("a length must begin with an octet up to 82")
}
