package policy

import (
	"fmt"
	"math/bits"
	"strings"
)

// KeyUsage is a set of the usages of RFC 5280, 4.2.1.3. Bit n of the value is
// bit n of the ASN.1 named-bit string: never renumber them.
//
// An end entity has exactly one of UsageDigitalSignature and UsageKeyAgreement
// (GBCS 0.8.1, p. 145); the zero value is no usage and never valid.
type KeyUsage uint16

// The usages that SMKI certificates have.
const (
	UsageDigitalSignature KeyUsage = 1 << 0
	UsageKeyAgreement     KeyUsage = 1 << 4
	UsageCertSign         KeyUsage = 1 << 5
	UsageCRLSign          KeyUsage = 1 << 6
)

// usageNames are the names of RFC 5280 by bit, those that SMKI never uses too,
// so that a certificate from elsewhere can be described.
var usageNames = [9]string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"}

// ParseKeyUsage reads names joined by "+", such as "keyCertSign+cRLSign".
func ParseKeyUsage(s string) (KeyUsage, error) {
	var u KeyUsage
next:
	for _, part := range strings.Split(s, "+") {
		for i, name := range usageNames {
			if name == part {
				u |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("reading key usage %q: want digitalSignature, keyAgreement, or keyCertSign+cRLSign", clip(s))
	}
	return u, nil
}

// String returns the names joined by "+", and "none" for the zero value.
func (u KeyUsage) String() string {
	if u == 0 {
		return "none"
	}
	var names []string
	for i := range 16 {
		if u&(1<<i) == 0 {
			continue
		}
		if i < len(usageNames) {
			names = append(names, usageNames[i])
		} else {
			names = append(names, fmt.Sprintf("bit %d", i))
		}
	}
	return strings.Join(names, "+")
}

// EndEntity reports whether u is one of the two usages that a device or an
// organisation may ask for.
func (u KeyUsage) EndEntity() bool { return u == UsageDigitalSignature || u == UsageKeyAgreement }

// DER returns u as a named-bit BIT STRING without trailing zero bits
// (X.690, 11.2.2): 03 02 07 80 for digitalSignature.
func (u KeyUsage) DER() []byte {
	if u == 0 {
		return []byte{3, 1, 0}
	}
	first := bits.Reverse8(uint8(u))
	second := bits.Reverse8(uint8(u >> 8))
	if second == 0 {
		return []byte{3, 2, byte(bits.TrailingZeros8(first)), first}
	}
	return []byte{3, 3, byte(bits.TrailingZeros8(second)), first, second}
}

// MarshalText writes the form of String.
func (u KeyUsage) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what [ParseKeyUsage] reads, and leaves u alone on error.
func (u *KeyUsage) UnmarshalText(b []byte) error {
	v, err := ParseKeyUsage(string(b))
	if err == nil {
		*u = v
	}
	return err
}
