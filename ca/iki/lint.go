package iki

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/ca"
	"smki.example/policy"
)

// The octets that have one right form each.
var (
	ecdsaWithSHA256 = []byte{0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02}
	versionThree    = []byte{0xA0, 0x03, 0x02, 0x01, 0x02}

	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLNumber        = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode       = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// expected is what a certificate must say, from what was asked for and not from
// what was made of it.
type expected struct {
	serial              policy.Serial
	issuer              []byte // the authority's name, in DER; nil: the subject's
	notBefore, notAfter time.Time
	subject             []attribute // in this order
	key                 ca.KeyHash
	extensions          []extension // these and no others, in any order
}

type attribute struct {
	id   asn1.ObjectIdentifier
	text string
}

type extension struct {
	id       asn1.ObjectIdentifier
	critical bool
	value    []byte
}

// clientExtensions are those that cfssl gives a certificate of [ProfileClient].
func clientExtensions(r *Request, authorityKeyID []byte) []extension {
	id := sha1.Sum(r.keyBits)
	return []extension{
		{oidKeyUsage, true, digitalSignature},
		{oidBasicConstraints, true, []byte{0x30, 0x00}},
		{oidSubjectKeyID, false, append([]byte{0x04, byte(len(id))}, id[:]...)},
		authorityKeyExtension(authorityKeyID),
	}
}

func authorityKeyExtension(id []byte) extension {
	value := append([]byte{0x30, byte(len(id) + 2), 0x80, byte(len(id))}, id...)
	return extension{oidAuthorityKeyID, false, value}
}

// lint compares to-be-signed bytes with what was asked for, field by field, and
// names the first that differs. It is the last look before the bytes are committed
// and the token is asked; x509 and cfssl, which made them, have no part in it.
func (e *expected) lint(tbs []byte) error {
	differs := func(field string) error {
		return fmt.Errorf("linting certificate %q: %s is not what was asked for", e.serial, field)
	}
	in := cryptobyte.String(tbs)
	var inner, version, serial, algorithm, issuer, validity, subject, spki, extensions cryptobyte.String
	if !in.ReadASN1(&inner, cbasn1.SEQUENCE) || !in.Empty() ||
		!inner.ReadASN1Element(&version, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!inner.ReadASN1Element(&serial, cbasn1.INTEGER) ||
		!inner.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!inner.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!inner.ReadASN1Element(&validity, cbasn1.SEQUENCE) ||
		!inner.ReadASN1Element(&subject, cbasn1.SEQUENCE) ||
		!inner.ReadASN1Element(&spki, cbasn1.SEQUENCE) ||
		!inner.ReadASN1(&extensions, cbasn1.Tag(3).ContextSpecific().Constructed()) || !inner.Empty() {
		return differs("the structure")
	}
	var number cryptobyte.Builder
	number.AddASN1BigInt(bigOf(e.serial))
	issued := e.issuer
	if issued == nil {
		issued = subject
	}
	switch {
	case !bytes.Equal(version, versionThree):
		return differs("version")
	case !bytes.Equal(serial, number.BytesOrPanic()):
		return differs("serialNumber")
	case !bytes.Equal(algorithm, ecdsaWithSHA256):
		return differs("signature")
	case !bytes.Equal(issuer, issued):
		return differs("issuer")
	case !sameValidity(validity, e.notBefore, e.notAfter):
		return differs("validity")
	case !sameSubject(subject, e.subject):
		return differs("subject")
	case sha256.Sum256(spki) != e.key:
		return differs("subjectPublicKeyInfo")
	}
	if why := sameExtensions(extensions, e.extensions); why != "" {
		return differs(why)
	}
	return nil
}

func sameValidity(element cryptobyte.String, notBefore, notAfter time.Time) bool {
	var validity cryptobyte.String
	if !element.ReadASN1(&validity, cbasn1.SEQUENCE) {
		return false
	}
	return readMoment(&validity, notBefore) && readMoment(&validity, notAfter) && validity.Empty()
}

// readMoment reads a time, in the form that its year calls for (RFC 5280,
// 4.1.2.5), and compares it.
func readMoment(in *cryptobyte.String, want time.Time) bool {
	var got time.Time
	ok := false
	if want.UTC().Year() < 2050 {
		ok = in.ReadASN1UTCTime(&got)
	} else {
		ok = in.ReadASN1GeneralizedTime(&got)
	}
	return ok && got.Equal(want)
}

func sameSubject(element cryptobyte.String, want []attribute) bool {
	var subject cryptobyte.String
	if !element.ReadASN1(&subject, cbasn1.SEQUENCE) {
		return false
	}
	for _, a := range want {
		var rdn, pair, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !subject.ReadASN1(&rdn, cbasn1.SET) || !rdn.ReadASN1(&pair, cbasn1.SEQUENCE) || !rdn.Empty() ||
			!pair.ReadASN1ObjectIdentifier(&id) || !id.Equal(a.id) || !pair.ReadAnyASN1(&value, &tag) || !pair.Empty() {
			return false
		}
		if text, err := readText(value, tag, 64); err != nil || text != a.text {
			return false
		}
	}
	return subject.Empty()
}

// sameExtensions says which extension is missing, more or different; "": none is.
func sameExtensions(element cryptobyte.String, want []extension) string {
	var list cryptobyte.String
	if !element.ReadASN1(&list, cbasn1.SEQUENCE) || !element.Empty() {
		return "the list of extensions"
	}
	seen := make([]bool, len(want))
	for !list.Empty() {
		var one, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&id) {
			return "the list of extensions"
		}
		critical := false
		if one.PeekASN1Tag(cbasn1.BOOLEAN) && (!one.ReadASN1Boolean(&critical) || !critical) {
			return "extension " + id.String()
		}
		if !one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.Empty() {
			return "extension " + id.String()
		}
		found := false
		for n, w := range want {
			if !seen[n] && w.id.Equal(id) && w.critical == critical && bytes.Equal(w.value, value) {
				seen[n], found = true, true
				break
			}
		}
		if !found {
			return "extension " + id.String()
		}
	}
	for n, there := range seen {
		if !there {
			return "missing extension " + want[n].id.String()
		}
	}
	return ""
}

// lintList compares the to-be-signed bytes of a list with what it must say.
func lintList(tbs, issuer, authorityKeyID []byte, l *list) error {
	differs := func(field string) error {
		return fmt.Errorf("linting list %d of %q: %s is not what it must be", l.record.Number, l.record.Issuer, field)
	}
	in := cryptobyte.String(tbs)
	var inner, algorithm, name, entries, extensions cryptobyte.String
	var version int
	if !in.ReadASN1(&inner, cbasn1.SEQUENCE) || !in.Empty() || !inner.ReadASN1Integer(&version) ||
		!inner.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !inner.ReadASN1Element(&name, cbasn1.SEQUENCE) {
		return differs("the structure")
	}
	switch {
	case version != 1:
		return differs("version")
	case !bytes.Equal(algorithm, ecdsaWithSHA256):
		return differs("signature")
	case !bytes.Equal(name, issuer):
		return differs("issuer")
	case !readMoment(&inner, l.record.ThisUpdate):
		return differs("thisUpdate")
	case !readMoment(&inner, l.record.NextUpdate):
		return differs("nextUpdate")
	}
	// No entries, no field (RFC 5280, 5.1.2.6).
	if inner.PeekASN1Tag(cbasn1.SEQUENCE) != (len(l.entries) > 0) {
		return differs("revokedCertificates")
	}
	if len(l.entries) > 0 && (!inner.ReadASN1(&entries, cbasn1.SEQUENCE) || !sameEntries(entries, l.entries)) {
		return differs("revokedCertificates")
	}
	if !inner.ReadASN1(&extensions, cbasn1.Tag(0).ContextSpecific().Constructed()) || !inner.Empty() {
		return differs("the structure")
	}
	var number cryptobyte.Builder
	number.AddASN1Int64(l.record.Number)
	if why := sameExtensions(extensions, []extension{authorityKeyExtension(authorityKeyID), {oidCRLNumber, false, number.BytesOrPanic()}}); why != "" {
		return differs(why)
	}
	return nil
}

// sameEntries compares entry by entry: each has a serial, a time and, unless it is
// unspecified, a reason (RFC 5280, 5.3.1).
func sameEntries(list cryptobyte.String, want []policy.CRLEntry) bool {
	for _, w := range want {
		var one, serial, extensions cryptobyte.String
		var number cryptobyte.Builder
		number.AddASN1BigInt(bigOf(w.Serial))
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1Element(&serial, cbasn1.INTEGER) ||
			!bytes.Equal(serial, number.BytesOrPanic()) || !readMoment(&one, w.At) {
			return false
		}
		if w.Reason == policy.ReasonUnspecified {
			if !one.Empty() {
				return false
			}
			continue
		}
		if !one.ReadASN1Element(&extensions, cbasn1.SEQUENCE) || !one.Empty() ||
			sameExtensions(extensions, []extension{{oidReasonCode, false, []byte{0x0A, 0x01, byte(w.Reason)}}}) != "" {
			return false
		}
	}
	return list.Empty()
}
