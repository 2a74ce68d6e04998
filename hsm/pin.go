package hsm

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
)

// A PIN is a token's user PIN that came together in memory, as custodians'
// shares do. It prints as a placeholder however it is printed.
type PIN []byte

const hiddenPIN = "[PIN]"

// Format writes a placeholder, whatever the verb.
func (PIN) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenPIN) }

// String returns a placeholder.
func (PIN) String() string { return hiddenPIN }

// MarshalText returns a placeholder, for JSON and for log handlers.
func (PIN) MarshalText() ([]byte, error) { return []byte(hiddenPIN), nil }

// maxPIN is far above what any token accepts; a larger file is not a PIN file.
const maxPIN = 1024

// pinSource is where a token's PIN comes from each time it is needed: a file that is
// read anew, so that nothing stays in memory, or octets that forget wipes.
type pinSource struct {
	file string
	pin  PIN
}

// read returns the PIN. A file's last line end is not part of it. Whoever can
// read the file can use every key on the token.
func (s pinSource) read() (PIN, error) {
	if s.file == "" {
		if len(s.pin) == 0 {
			return nil, errors.New("no PIN: name the file that holds it")
		}
		return bytes.Clone(s.pin), nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, fmt.Errorf("reading the PIN: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPIN+1))
	if err != nil {
		return nil, fmt.Errorf("reading the PIN: %w", err)
	}
	pin := bytes.TrimRight(b, "\r\n")
	if len(pin) == 0 || len(b) > maxPIN {
		return nil, fmt.Errorf("reading the PIN: %q is empty or too long to be a PIN file", s.file)
	}
	return pin, nil
}

// digestOf lets two openings of one token be compared without keeping the PIN.
func digestOf(pin PIN) [sha256.Size]byte { return sha256.Sum256(pin) }

func samePIN(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
