package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Serial is a certificate serial number: a positive integer of 127 bits, which
// DER writes in exactly 16 octets (Test PKI; RFC 5280, 4.1.2.2 allows 20).
//
// The zero value is not a serial number.
type Serial [16]byte

// NewSerial returns 127 random bits from rand, the top bit clear.
//
// A serial whose DER would be shorter than 16 octets (one in 256: nine leading
// zero bits, of which the first is always zero) is drawn again, because a reader that knows the length from the
// published certificates may take the short form for damage. NewSerial fails
// when rand fails, and when rand keeps giving such values, as no working
// source does.
func NewSerial(rand io.Reader) (Serial, error) {
	for range 16 {
		var s Serial
		if _, err := io.ReadFull(rand, s[:]); err != nil {
			return Serial{}, fmt.Errorf("drawing a serial number: %w", err)
		}
		s[0] &= 0x7f
		if s.full() {
			return s, nil
		}
	}
	return Serial{}, errors.New("drawing a serial number: the random source gave 16 values with nine leading zero bits; it is broken, do not issue with it")
}

// full reports whether the DER INTEGER of s has 16 content octets.
func (s Serial) full() bool {
	return s[0] < 0x80 && (s[0] != 0 || s[1] >= 0x80)
}

// ParseSerial reads hex digits of any case, leading zeros optional, 32 at most.
// Zero and numbers of more than 127 bits are refused.
func ParseSerial(text string) (Serial, error) {
	digits := strings.TrimLeft(text, "0")
	var s Serial
	if text == "" || len(text) > 32 {
		return s, serialError(text)
	}
	padded := strings.Repeat("0", 32-len(digits)) + digits
	if _, err := hex.Decode(s[:], []byte(padded)); err != nil || s[0] >= 0x80 || s.IsZero() {
		return Serial{}, serialError(text)
	}
	return s, nil
}

func serialError(text string) error {
	return fmt.Errorf("reading serial number %q: want 1 to 32 hex digits of a number above 0 and below 2^127", clip(text))
}

// String returns 32 upper-case hex digits.
func (s Serial) String() string { return strings.ToUpper(hex.EncodeToString(s[:])) }

// IsZero reports whether s is the zero value, which no certificate has.
func (s Serial) IsZero() bool { return s == Serial{} }

// MarshalText writes the form of String.
func (s Serial) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what [ParseSerial] reads, and leaves s alone on error.
func (s *Serial) UnmarshalText(b []byte) error {
	v, err := ParseSerial(string(b))
	if err == nil {
		*s = v
	}
	return err
}

// content returns the content octets of the DER INTEGER.
func (s Serial) content() []byte {
	i := 0
	for i < len(s)-1 && s[i] == 0 && s[i+1] < 0x80 {
		i++
	}
	return s[i:]
}
