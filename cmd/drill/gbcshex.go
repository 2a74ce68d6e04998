package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"

	"smki.example/drills/gbcs"
)

// maxHexFile bounds what is read of a file: a message of the greatest length
// with as much white space as hex.
const maxHexFile = 4 * gbcs.MaxMessage

// readHexFile returns the octets of a file of hex digits; "-" is the standard
// input. Digits may be of either case, with white space anywhere and 0x in
// front.
func readHexFile(file string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("reading a message: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxHexFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading a message from %q: %w", file, err)
	}
	if len(text) > maxHexFile {
		return nil, fmt.Errorf("reading a message from %q: more than %d characters, longer than any message", file, maxHexFile)
	}
	octets, err := parseHex(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading a message from %q: %w", file, err)
	}
	return octets, nil
}

func parseHex(text string) ([]byte, error) {
	digits := make([]byte, 0, len(text))
	prefix := false
	for i, c := range text {
		switch {
		case unicode.IsSpace(c) || c == '\uFEFF' && i == 0:
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			digits = append(digits, byte(c))
		case (c == 'x' || c == 'X') && !prefix && len(digits) == 1 && digits[0] == '0':
			prefix, digits = true, digits[:0]
		default:
			return nil, fmt.Errorf("character %q at offset %d is not a hex digit", c, i)
		}
	}
	if len(digits) == 0 {
		return nil, errors.New("no hex digits in it")
	}
	if len(digits)%2 != 0 {
		return nil, fmt.Errorf("%d hex digits, an odd number", len(digits))
	}
	octets := make([]byte, len(digits)/2)
	_, err := hex.Decode(octets, digits)
	return octets, err
}
