package policy

import (
	"encoding/asn1"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// readExtensions reads the Extensions of a certificate, a list, an entry of a
// list or a request. in holds the SEQUENCE OF whole.
func readExtensions(in cryptobyte.String) ([]Extension, *Violation) {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() || list.Empty() {
		return nil, structure("extensions", "a SEQUENCE of at least one extension", "RFC 5280, 4.1.2.9")
	}
	var out []Extension
	for !list.Empty() {
		var e, oid, value, critical cryptobyte.String
		var present bool
		if !list.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
			!e.ReadOptionalASN1(&critical, &present, cbasn1.BOOLEAN) ||
			!e.ReadASN1(&value, cbasn1.OCTET_STRING) || !e.Empty() {
			return nil, structure("extensions", "extnID, critical and extnValue", "RFC 5280, 4.1")
		}
		id, _ := parseOID(oid)
		field := "extensions." + extensionName(id)
		if present && critical[0] == 0 {
			return nil, &Violation{Rule: "der", Field: field, Want: "the default FALSE left out", Got: "FALSE", Clause: "X.690, 11.5"}
		}
		for _, before := range out {
			if before.ID.Equal(id) {
				return nil, &Violation{Rule: "structure", Field: field, Want: "each extension once", Got: "it twice", Clause: "RFC 5280, 4.2"}
			}
		}
		if len(out) == maxExtensions {
			return nil, &Violation{Rule: "size", Field: "extensions", Want: fmt.Sprintf("at most %d", maxExtensions), Got: "more", Clause: "limit of this reader"}
		}
		out = append(out, Extension{ID: id, Critical: present, Value: value})
	}
	return out, nil
}

// extensionNames are the names used in errors, in environments and by rules.
var extensionNames = []struct {
	oid  objectID
	name string
}{
	{oidKeyUsage, "keyUsage"},
	{oidBasicConstraints, "basicConstraints"},
	{oidSubjectKeyIdentifier, "subjectKeyIdentifier"},
	{oidAuthorityKeyIdentifier, "authorityKeyIdentifier"},
	{oidSubjectAltName, "subjectAltName"},
	{oidCertificatePolicies, "certificatePolicies"},
	{oidWrappedContingency, "wrappedApexContinKey"},
	{oidCRLNumber, "cRLNumber"},
	{oidReasonCode, "reasonCode"},
}

func extensionName(id asn1.ObjectIdentifier) string {
	for _, row := range extensionNames {
		if row.oid.id.Equal(id) {
			return row.name
		}
	}
	return clip(id.String())
}

// takeExtension reads an extension that this package knows into its field. One
// that it does not know stays in Extensions, for the rules.
func (c *Certificate) takeExtension(e Extension) *Violation {
	known := false
	for _, row := range extensionNames {
		known = known || row.oid.id.Equal(e.ID)
	}
	if !known {
		return nil
	}
	field := "extensions." + extensionName(e.ID)
	if v := checkDER(e.Value); v != nil {
		v.Field = field + ", " + v.Field
		return v
	}
	in := cryptobyte.String(e.Value)
	switch {
	case oidKeyUsage.id.Equal(e.ID):
		var v *Violation
		c.Usage, v = readKeyUsage(e.Value)
		return v
	case oidSubjectKeyIdentifier.id.Equal(e.ID):
		var id cryptobyte.String
		if !in.ReadASN1(&id, cbasn1.OCTET_STRING) || !in.Empty() {
			return structure(field, "an OCTET STRING", "RFC 5280, 4.2.1.2")
		}
		if len(id) == len(c.SubjectKeyID) {
			copy(c.SubjectKeyID[:], id)
		}
	case oidAuthorityKeyIdentifier.id.Equal(e.ID):
		id, more, ok := readAuthorityKeyID(e.Value)
		if !ok {
			return structure(field, "a SEQUENCE with keyIdentifier", "RFC 5280, 4.2.1.1")
		}
		c.AuthorityKeyID, c.form.authorityMore = id, more
	case oidCertificatePolicies.id.Equal(e.ID):
		return c.takePolicies(in, field)
	case oidBasicConstraints.id.Equal(e.ID):
		return c.takeBasicConstraints(in, field)
	case oidSubjectAltName.id.Equal(e.ID):
		hwType, serial, ok := readHardwareModuleName(e.Value)
		if !ok {
			c.form.altNameOther = "another form of name"
			return nil
		}
		c.HardwareType, c.DeviceID = hwType, serial
	case oidWrappedContingency.id.Equal(e.ID):
		c.WrappedContingency = e.Value
	}
	return nil
}

// readKeyUsage reads a named-bit string of which DER leaves out trailing zeros
// (X.690, 11.2.2).
func readKeyUsage(value []byte) (KeyUsage, *Violation) {
	bad := func(want, got string) (KeyUsage, *Violation) {
		return 0, &Violation{Rule: "key-usage", Field: "extensions.keyUsage", Want: want, Got: got, Clause: "RFC 5280, 4.2.1.3; X.690, 11.2.2"}
	}
	in := cryptobyte.String(value)
	var content cryptobyte.String
	if !in.ReadASN1(&content, cbasn1.BIT_STRING) || !in.Empty() {
		return bad("a BIT STRING", "another type")
	}
	octets := content[1:]
	if len(octets) == 0 {
		return bad("at least one usage", "none")
	}
	last := octets[len(octets)-1]
	if len(octets) > 2 || last == 0 || bits.TrailingZeros8(last) != int(content[0]) {
		return bad("a named-bit string without trailing zero bits", fmt.Sprintf("% X", clip(string(value))))
	}
	u := KeyUsage(bits.Reverse8(octets[0]))
	if len(octets) == 2 {
		u |= KeyUsage(bits.Reverse8(octets[1])) << 8
	}
	if int(u) >= 1<<len(usageNames) {
		return bad("the nine usages of RFC 5280", u.String())
	}
	return u, nil
}

// readAuthorityKeyID reads keyIdentifier; more says that there was something
// else in the extension.
func readAuthorityKeyID(value []byte) (id KeyID, more, ok bool) {
	in := cryptobyte.String(value)
	var body, key cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.ReadOptionalASN1(&key, &present, cbasn1.Tag(0).ContextSpecific()) {
		return id, false, false
	}
	if len(key) == len(id) {
		copy(id[:], key)
	}
	return id, !body.Empty(), true
}

func (c *Certificate) takePolicies(in cryptobyte.String, field string) *Violation {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() || list.Empty() {
		return structure(field, "a SEQUENCE of at least one policy", "RFC 5280, 4.2.1.4")
	}
	for !list.Empty() {
		var info, oid cryptobyte.String
		if !list.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
			return structure(field, "policyIdentifier", "RFC 5280, 4.2.1.4")
		}
		c.form.policiesMore = c.form.policiesMore || !info.Empty()
		id, _ := parseOID(oid)
		for _, before := range c.Policies {
			if before.Equal(id) {
				return structure(field, "each policy once", "RFC 5280, 4.2.1.4")
			}
		}
		c.Policies = append(c.Policies, id)
	}
	return nil
}

func (c *Certificate) takeBasicConstraints(in cryptobyte.String, field string) *Violation {
	var body, ca cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadOptionalASN1(&ca, &present, cbasn1.BOOLEAN) ||
		present && ca[0] == 0 {
		return structure(field, "cA, left out when FALSE, and pathLenConstraint", "RFC 5280, 4.2.1.9; X.690, 11.5")
	}
	c.IsCA, c.form.basic = present, true
	if body.Empty() {
		return nil
	}
	if !body.ReadASN1Integer(&c.PathLen) || !body.Empty() || c.PathLen < 0 || !c.IsCA {
		return structure(field, "a pathLenConstraint of 0 or more, of an authority only", "RFC 5280, 4.2.1.9")
	}
	return nil
}

// readHardwareModuleName reads a subjectAltName that has exactly one otherName
// id-on-hardwareModuleName with an 8-octet hwSerialNum (RFC 4108, 5;
// GBCS 0.8.1, p. 145).
func readHardwareModuleName(value []byte) (hwType asn1.ObjectIdentifier, id EntityID, ok bool) {
	in := cryptobyte.String(value)
	var names, other, typeID, explicit, module, oid, serial cryptobyte.String
	zero := cbasn1.Tag(0).ContextSpecific().Constructed()
	if !in.ReadASN1(&names, cbasn1.SEQUENCE) || !in.Empty() ||
		!names.ReadASN1(&other, zero) || !names.Empty() ||
		!other.ReadASN1(&typeID, cbasn1.OBJECT_IDENTIFIER) || !oidHardwareModuleName.is(typeID) ||
		!other.ReadASN1(&explicit, zero) || !other.Empty() ||
		!explicit.ReadASN1(&module, cbasn1.SEQUENCE) || !explicit.Empty() ||
		!module.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || len(oid) > maxHardwareType ||
		!module.ReadASN1(&serial, cbasn1.OCTET_STRING) || !module.Empty() || len(serial) != len(id) {
		return nil, id, false
	}
	hwType, _ = parseOID(oid)
	copy(id[:], serial)
	return hwType, id, true
}

// find returns the extension of that identifier, nil if there is none.
func find(list []Extension, id objectID) *Extension {
	for i := range list {
		if list[i].ID.Equal(id.id) {
			return &list[i]
		}
	}
	return nil
}
