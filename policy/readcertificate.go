package policy

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// readCertificate reads the structure; rules are for the caller.
func readCertificate(der []byte) (*Certificate, *Violation) {
	tbs, algorithm, signature, v := readSigned(der, "certificate", maxCertificate, "RFC 5280, 4.1")
	if v != nil {
		return nil, v
	}
	c, v := readTBS(tbs)
	if v != nil {
		return nil, v
	}
	c.Raw, c.form.algorithm, c.Signature = der, algorithm, signature
	return c, nil
}

// readSigned takes apart the three parts that certificates, lists and requests
// have in common: what is signed, the algorithm and the signature, which must be
// whole octets. It is where size and strict DER are required.
func readSigned(der []byte, what string, most int, clause string) (tbs, algorithm, signature []byte, v *Violation) {
	if v := checkObject(der, what, most); v != nil {
		return nil, nil, nil, v
	}
	in, signed := cryptobyte.String(der), cryptobyte.String(nil)
	var body, id, bits cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&signed, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&id, cbasn1.SEQUENCE) || !body.ReadASN1(&bits, cbasn1.BIT_STRING) || !body.Empty() {
		return nil, nil, nil, structure(what, "what is signed, signatureAlgorithm and signature", clause)
	}
	if bits[0] != 0 {
		return nil, nil, nil, refuse("signature-value", "signature", "whole octets", fmt.Sprintf("%d unused bits", bits[0]), "RFC 5480, appendix A")
	}
	return signed, id, bits[1:], nil
}

// checkObject requires that der is not too long and is one object in strict DER.
func checkObject(der []byte, what string, most int) *Violation {
	if len(der) == 0 || len(der) > most {
		return refuse("size", what, fmt.Sprintf("1 to %d octets", most), fmt.Sprintf("%d", len(der)), "limit of this reader")
	}
	return checkDER(der)
}

func structure(field, want, clause string) *Violation {
	return &Violation{Rule: "structure", Field: field, Want: want, Got: "another structure", Clause: clause}
}

// readTBS reads a TBSCertificate whose DER was checked as part of a larger
// object, or will have been by the caller.
func readTBS(der []byte) (*Certificate, *Violation) {
	c := &Certificate{RawTBS: der, PathLen: -1}
	in, tbs := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&tbs, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, structure("tbsCertificate", "a SEQUENCE", "RFC 5280, 4.1")
	}
	var version cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&version, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil, structure("version", "an INTEGER", "RFC 5280, 4.1.2.1")
	}
	if present && (!version.ReadASN1Integer(&c.form.version) || !version.Empty() || c.form.version == 0) {
		return nil, structure("version", "an INTEGER other than the default, which DER omits", "RFC 5280, 4.1.2.1; X.690, 11.5")
	}
	var serial cryptobyte.String
	if !tbs.ReadASN1(&serial, cbasn1.INTEGER) {
		return nil, structure("serialNumber", "an INTEGER", "RFC 5280, 4.1.2.2")
	}
	var v *Violation
	if c.Serial, v = readSerial(serial); v != nil {
		return nil, v
	}
	c.form.serialOctets = len(serial)
	var algorithm, issuer, validity, subject, spki cryptobyte.String
	if !tbs.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!tbs.ReadASN1(&validity, cbasn1.SEQUENCE) || !tbs.ReadASN1Element(&subject, cbasn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return nil, structure("tbsCertificate", "signature, issuer, validity, subject and subjectPublicKeyInfo", "RFC 5280, 4.1")
	}
	c.form.tbsAlgorithm = algorithm
	if c.Issuer, c.form.issuer, v = parseName(issuer); v != nil {
		v.Field = "issuer." + v.Field
		return nil, v
	}
	if c.Subject, c.form.subject, v = parseName(subject); v != nil {
		v.Field = "subject." + v.Field
		return nil, v
	}
	c.RawIssuer, c.RawSubject = issuer, subject
	var ok, ok2 bool
	c.NotBefore, c.form.notBeforeTag, ok = readTime(&validity)
	c.NotAfter, c.form.notAfterTag, ok2 = readTime(&validity)
	if !ok || !ok2 || !validity.Empty() {
		return nil, structure("validity", "two times", "RFC 5280, 4.1.2.5")
	}
	if c.PublicKey, v = parsePublicKey(spki); v != nil {
		return nil, v
	}
	for _, n := range []uint8{1, 2} {
		var id cryptobyte.String
		if !tbs.ReadOptionalASN1(&id, &present, cbasn1.Tag(n).ContextSpecific()) {
			return nil, structure("tbsCertificate", "a BIT STRING", "RFC 5280, 4.1.2.8")
		}
		c.form.uniqueIDs = c.form.uniqueIDs || present
	}
	var extensions cryptobyte.String
	if !tbs.ReadOptionalASN1(&extensions, &present, cbasn1.Tag(3).ContextSpecific().Constructed()) || !tbs.Empty() {
		return nil, structure("tbsCertificate", "nothing but extensions after the public key", "RFC 5280, 4.1")
	}
	if present {
		if c.Extensions, v = readExtensions(extensions); v != nil {
			return nil, v
		}
	}
	for _, e := range c.Extensions {
		if v := c.takeExtension(e); v != nil {
			return nil, v
		}
	}
	return c, nil
}

// readSerial reads the content octets of a serialNumber.
func readSerial(content []byte) (Serial, *Violation) {
	var s Serial
	if len(content) > len(s) || content[0] >= 0x80 {
		return s, &Violation{Rule: "serial-number", Field: "serialNumber", Want: "a positive INTEGER of at most 16 octets", Got: fmt.Sprintf("%d octets, first %02X", len(content), content[0]), Clause: "RFC 5280, 4.1.2.2; Test PKI"}
	}
	copy(s[len(s)-len(content):], content)
	if s.IsZero() {
		return s, &Violation{Rule: "serial-number", Field: "serialNumber", Want: "a positive INTEGER", Got: "0", Clause: "RFC 5280, 4.1.2.2"}
	}
	return s, nil
}

// readTime reads one Time of either type.
func readTime(s *cryptobyte.String) (time.Time, byte, bool) {
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&content, &tag) {
		return time.Time{}, 0, false
	}
	var t time.Time
	ok := false
	switch byte(tag) {
	case tagUTCTime:
		t, ok = parseUTCTime(content)
	case tagGeneralizedTime:
		t, ok = parseGeneralizedTime(content)
	}
	return t, byte(tag), ok
}
