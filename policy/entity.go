package policy

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// EntityID is the EUI-64 that names an organisation or a device: the
// uniqueIdentifier of an Organisation Certificate, the hwSerialNum of a Device
// Certificate, the originator and recipient of a GBCS message (GBCS 0.8.1,
// p. 145; SMKI IDS, Appendix F).
//
// The zero value is not an identifier of any party: devices report it as the
// "identifier" of the root.
type EntityID [8]byte

// ParseEntityID reads the two text forms in use: eight hex pairs joined by
// hyphens, as in the XML schemas, or sixteen hex digits. Case does not matter.
func ParseEntityID(s string) (EntityID, error) {
	digits := s
	if len(s) == 23 {
		for i := 2; i < len(s); i += 3 {
			if s[i] != '-' {
				return EntityID{}, entityError(s)
			}
		}
		digits = strings.ReplaceAll(s, "-", "")
	}
	var id EntityID
	if len(digits) != 16 {
		return EntityID{}, entityError(s)
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return EntityID{}, entityError(s)
	}
	return id, nil
}

func entityError(s string) error {
	return fmt.Errorf("reading entity identifier %q: want eight hex pairs such as 90-B3-D5-1F-30-01-00-00, or the same 16 digits without hyphens", clip(s))
}

// String returns the form of the XML schemas, 90-B3-D5-1F-30-01-00-00.
func (id EntityID) String() string {
	var b strings.Builder
	for i, o := range id {
		if i > 0 {
			b.WriteByte('-')
		}
		fmt.Fprintf(&b, "%02X", o)
	}
	return b.String()
}

// Hex returns sixteen lower-case digits, 90b3d51f30010000.
func (id EntityID) Hex() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is eight zero octets, which name nobody.
func (id EntityID) IsZero() bool { return id == EntityID{} }

// MarshalText writes the form of String.
func (id EntityID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [ParseEntityID] reads, and leaves id alone on error.
func (id *EntityID) UnmarshalText(b []byte) error {
	v, err := ParseEntityID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
