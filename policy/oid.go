package policy

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"
)

// An objectID is an OBJECT IDENTIFIER with its content octets at hand, so that
// readers compare octets and builders copy them.
type objectID struct {
	id      asn1.ObjectIdentifier
	content []byte
}

func newObjectID(s string) objectID {
	id, err := ParseOID(s)
	if err != nil {
		panic("policy: internal error: " + err.Error())
	}
	return objectID{id, encodeOID(id)}
}

func (o objectID) is(content []byte) bool { return bytes.Equal(o.content, content) }

// The identifiers that are part of the format. Policy identifiers are not among
// them: they are values of an environment.
var (
	oidCommonName         = newObjectID("2.5.4.3")
	oidOrganizationalUnit = newObjectID("2.5.4.11")
	oidUniqueIdentifier   = newObjectID("2.5.4.45")

	oidECPublicKey     = newObjectID("1.2.840.10045.2.1")
	oidPrime256v1      = newObjectID("1.2.840.10045.3.1.7")
	oidECDSAWithSHA256 = newObjectID("1.2.840.10045.4.3.2")

	oidSubjectKeyIdentifier   = newObjectID("2.5.29.14")
	oidKeyUsage               = newObjectID("2.5.29.15")
	oidSubjectAltName         = newObjectID("2.5.29.17")
	oidBasicConstraints       = newObjectID("2.5.29.19")
	oidCRLNumber              = newObjectID("2.5.29.20")
	oidReasonCode             = newObjectID("2.5.29.21")
	oidCertificatePolicies    = newObjectID("2.5.29.32")
	oidAnyPolicy              = newObjectID("2.5.29.32.0")
	oidAuthorityKeyIdentifier = newObjectID("2.5.29.35")

	oidHardwareModuleName = newObjectID("1.3.6.1.5.5.7.8.4")
	oidWrappedContingency = newObjectID("1.3.6.1.5.5.7.1.20")

	oidExtensionRequest = newObjectID("1.2.840.113549.1.9.14")
)

// ParseOID reads the dotted form. Unlike encoding/asn1 it refuses identifiers
// that DER cannot carry (a first arc above 2, a second above 39 under 0 and 1).
func ParseOID(s string) (asn1.ObjectIdentifier, error) {
	parts := strings.Split(s, ".")
	id := make(asn1.ObjectIdentifier, len(parts))
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(part) > 1 && part[0] == '0' {
			return nil, fmt.Errorf("reading object identifier %q: want numbers joined by dots such as 1.3.6.1.4.1.32473.1", clip(s))
		}
		id[i] = int(n)
	}
	if !validOID(id) {
		return nil, fmt.Errorf("reading object identifier %q: want two arcs or more, the first 0, 1 or 2, the second below 40 under 0 and 1", clip(s))
	}
	return id, nil
}

func validOID(id asn1.ObjectIdentifier) bool {
	if len(id) < 2 || id[0] < 0 || id[0] > 2 || id[0] < 2 && id[1] >= 40 || id[1] > maxArc-80 {
		return false
	}
	for _, arc := range id {
		if arc < 0 || arc > maxArc {
			return false
		}
	}
	return true
}

// encodeOID returns the content octets of a valid identifier.
func encodeOID(id asn1.ObjectIdentifier) []byte {
	out := appendArc(nil, id[0]*40+id[1])
	for _, arc := range id[2:] {
		out = appendArc(out, arc)
	}
	return out
}

func appendArc(b []byte, arc int) []byte {
	size := 1
	for n := arc >> 7; n > 0; n >>= 7 {
		size++
	}
	for i := size - 1; i >= 0; i-- {
		o := byte(arc>>(7*i)) & 0x7f
		if i > 0 {
			o |= 0x80
		}
		b = append(b, o)
	}
	return b
}

// checkOID counts the arcs in content octets; ok is false for a padded or cut-off
// arc and for one above maxArc.
func checkOID(content []byte) (arcs int, ok bool) {
	if len(content) == 0 || content[len(content)-1]&0x80 != 0 {
		return 0, false
	}
	arc, fresh := 0, true
	for _, o := range content {
		if fresh && o == 0x80 {
			return 0, false
		}
		if arc = arc<<7 | int(o&0x7f); arc > maxArc {
			return 0, false
		}
		if fresh = o&0x80 == 0; fresh {
			arcs, arc = arcs+1, 0
		}
	}
	return arcs + 1, true // the first number holds two
}

// parseOID reads content octets that checkOID passes.
func parseOID(content []byte) (id asn1.ObjectIdentifier, ok bool) {
	arcs, ok := checkOID(content)
	if !ok {
		return nil, false
	}
	arc := 0
	for _, o := range content {
		arc = arc<<7 | int(o&0x7f)
		if o&0x80 != 0 {
			continue
		}
		if id == nil {
			id = make(asn1.ObjectIdentifier, 0, arcs)
			first := min(arc/40, 2)
			id = append(id, first, arc-40*first)
		} else {
			id = append(id, arc)
		}
		arc = 0
	}
	return id, true
}
