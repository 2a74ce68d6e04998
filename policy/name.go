package policy

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Name is a distinguished name as SMKI uses it. A device's subject is empty; a
// certification authority has a CN and, on the organisation side, an OU; an
// organisation has an OU (its role), a uniqueIdentifier and sometimes a CN.
//
// Raw is the DER as it was read or will be written, and what names are compared
// by: two names are the same only if their octets are (devices have no other
// comparison).
type Name struct {
	CN, OU      string
	EntityID    EntityID
	HasEntityID bool
	Raw         []byte
}

// IsEmpty reports whether the name has no attribute, as a device's subject.
func (n Name) IsEmpty() bool { return n.CN == "" && n.OU == "" && !n.HasEntityID }

// Role returns the role that the OU stands for, and false if there is no OU or
// it is not the code of a known role.
func (n Name) Role() (RemotePartyRole, bool) {
	if len(n.OU) != 2 {
		return 0, false
	}
	r, err := ParseRole(n.OU)
	return r, err == nil
}

// String returns the attributes in the order in which certificates have them.
func (n Name) String() string {
	var parts []string
	if n.HasEntityID {
		if n.CN != "" {
			parts = append(parts, "CN="+n.CN)
		}
		parts = append(parts, "OU="+n.OU, "uniqueIdentifier="+n.EntityID.String())
	} else {
		if n.OU != "" {
			parts = append(parts, "OU="+n.OU)
		}
		if n.CN != "" {
			parts = append(parts, "CN="+n.CN)
		}
	}
	if len(parts) == 0 {
		return "(empty)"
	}
	return strings.Join(parts, ", ")
}

// An attribute is one AttributeTypeAndValue of a name, with its type kept, so
// that lints can say which string type was used.
type attribute struct {
	rdn   int // index of the RDN it stands in
	oid   []byte
	tag   byte
	value []byte
}

// parseName reads a Name whose DER was checked. It refuses what no SMKI name
// has, because the Name could not express it: an attribute of another type or
// one that stands twice. Order, string types and what must be there are left to
// the rules.
func parseName(raw []byte) (Name, []attribute, *Violation) {
	n := Name{Raw: raw}
	var attrs []attribute
	bad := func(want, got string) (Name, []attribute, *Violation) {
		return Name{}, nil, &Violation{Rule: "name", Field: "name", Want: want, Got: got, Clause: "SMKI IDS, Appendix F"}
	}
	in := cryptobyte.String(raw)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) || !in.Empty() {
		return bad("a SEQUENCE of RDNs", "another type")
	}
	seen := map[string]bool{}
	for i := 0; !rdns.Empty(); i++ {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, cbasn1.SET) || rdn.Empty() {
			return bad("a SET with an attribute in each RDN", "something else")
		}
		for !rdn.Empty() {
			var atv, oid, value cryptobyte.String
			var tag cbasn1.Tag
			if !rdn.ReadASN1(&atv, cbasn1.SEQUENCE) || !atv.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
				!atv.ReadAnyASN1(&value, &tag) || !atv.Empty() {
				return bad("an attribute of a type and one value", "something else")
			}
			a := attribute{rdn: i, oid: oid, tag: byte(tag), value: value}
			if seen[string(a.oid)] {
				return bad("each attribute once", fmt.Sprintf("%s again", a.name()))
			}
			seen[string(a.oid)] = true
			if v := n.take(a); v != nil {
				return Name{}, nil, v
			}
			attrs = append(attrs, a)
		}
	}
	return n, attrs, nil
}

// take puts one attribute into its field.
func (n *Name) take(a attribute) *Violation {
	v := &Violation{Rule: "name", Field: a.name(), Clause: "SMKI IDS, Appendix F"}
	switch {
	case oidUniqueIdentifier.is(a.oid):
		if a.tag != tagBitString || len(a.value) != 9 || a.value[0] != 0 {
			v.Want, v.Got = "a BIT STRING of 64 bits", fmt.Sprintf("tag %02X, %d octets", a.tag, len(a.value))
			return v
		}
		n.HasEntityID = true
		copy(n.EntityID[:], a.value[1:])
		return nil
	case oidCommonName.is(a.oid), oidOrganizationalUnit.is(a.oid):
		if a.tag != tagUTF8String && a.tag != tagPrintableString {
			v.Want, v.Got = "UTF8String or PrintableString", fmt.Sprintf("tag %02X", a.tag)
			return v
		}
		if len(a.value) == 0 || len(a.value) > maxCommonName {
			v.Want, v.Got = fmt.Sprintf("1 to %d octets", maxCommonName), fmt.Sprintf("%d", len(a.value))
			return v
		}
		if oidCommonName.is(a.oid) {
			n.CN = string(a.value)
		} else {
			n.OU = string(a.value)
		}
		return nil
	}
	v.Want, v.Got = "only commonName, organizationalUnitName and uniqueIdentifier in a name", a.name()
	return v
}

func (a attribute) name() string {
	switch {
	case oidCommonName.is(a.oid):
		return "commonName"
	case oidOrganizationalUnit.is(a.oid):
		return "organizationalUnitName"
	case oidUniqueIdentifier.is(a.oid):
		return "uniqueIdentifier"
	}
	id, _ := parseOID(a.oid)
	return fmt.Sprintf("attribute %s", clip(asn1.ObjectIdentifier(id).String()))
}

// sameRaw compares names as devices do.
func sameRaw(a, b []byte) bool { return bytes.Equal(a, b) }
