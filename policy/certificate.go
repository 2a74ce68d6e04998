package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var p256 = elliptic.P256()

// An Extension is one extension as a certificate or a list carries it.
type Extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool
	Value    []byte // content of the OCTET STRING
}

// Certificate is a certificate as it was read; nothing in it was taken on
// trust, and nothing was checked against an issuer (that is [CheckPath]).
//
// A Certificate is not changed after it was read. Its byte slices share memory
// with the input.
type Certificate struct {
	Raw        []byte // whole certificate; nil if only to-be-signed bytes were read
	RawTBS     []byte
	RawIssuer  []byte
	RawSubject []byte

	Serial              Serial
	Issuer, Subject     Name
	NotBefore, NotAfter time.Time // UTC
	PublicKey           *ecdsa.PublicKey
	Usage               KeyUsage
	SubjectKeyID        KeyID // zero if absent or not of 8 octets
	AuthorityKeyID      KeyID // zero if absent or not of 8 octets
	Policies            []asn1.ObjectIdentifier
	IsCA                bool
	PathLen             int // -1 if there is no limit
	DeviceID            EntityID
	HardwareType        asn1.ObjectIdentifier
	WrappedContingency  []byte      // value of the extension of RFC 5934, 9
	Extensions          []Extension // all of them, in their order
	Signature           []byte      // value of the signature, a DER SEQUENCE of r and s

	form form
}

// form is what the rules look at and nobody else needs: how things were written.
type form struct {
	version       int64
	serialOctets  int
	tbsAlgorithm  []byte // whole AlgorithmIdentifier
	algorithm     []byte // the same after the TBS; nil if only TBS was read
	issuer        []attribute
	subject       []attribute
	notBeforeTag  byte
	notAfterTag   byte
	uniqueIDs     bool   // issuerUniqueID or subjectUniqueID present
	authorityMore bool   // authorityKeyIdentifier has more than keyIdentifier
	policiesMore  bool   // a policy has qualifiers
	basic         bool   // basicConstraints present
	altNameOther  string // what subjectAltName has instead of one hardwareModuleName
}

// ParseCertificate reads a certificate and requires strict DER and the form of
// its profile: every rule of [Rules] whose scope is ScopeForm. Values that an
// environment sets (validity, policy, names) are not judged. The error is a
// [Violations] or a *[Violation].
func ParseCertificate(der []byte) (*Certificate, error) {
	c, v := readCertificate(der)
	if v != nil {
		return nil, v
	}
	if vs := examine(c, nil, nil, ScopeForm); len(vs) > 0 {
		return nil, vs
	}
	return c, nil
}

// ReadCertificate reads a certificate that may depart from the form of SMKI as
// published test certificates do, and names every departure; it also names
// values that no conforming test certificate has (validity over 10 years, days
// that are not whole). It returns an error, a *[Violation], only for what
// cannot be read as a certificate with a P-256 key at all: broken DER is never
// tolerated, because two readers could take it for two different things.
//
// Whoever acts on a certificate with violations decides so knowingly; the CA
// and the meters use [ParseCertificate].
func ReadCertificate(der []byte) (*Certificate, []Violation, error) {
	c, v := readCertificate(der)
	if v != nil {
		return nil, nil, v
	}
	var out []Violation
	for _, v := range examine(c, nil, nil, ScopeForm, ScopePractice) {
		out = append(out, *v)
	}
	return c, out, nil
}

// readCertificate reads the structure; rules are for the caller.
func readCertificate(der []byte) (*Certificate, *Violation) {
	if len(der) > maxCertificate {
		return nil, &Violation{Rule: "size", Field: "certificate", Want: fmt.Sprintf("at most %d octets", maxCertificate), Got: fmt.Sprintf("%d", len(der)), Clause: "limit of this reader"}
	}
	if v := checkDER(der); v != nil {
		return nil, v
	}
	in, tbs := cryptobyte.String(der), cryptobyte.String(nil)
	var body, algorithm, signature cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !body.ReadASN1(&signature, cbasn1.BIT_STRING) || !body.Empty() {
		return nil, structure("certificate", "tbsCertificate, signatureAlgorithm and signatureValue", "RFC 5280, 4.1")
	}
	if signature[0] != 0 {
		return nil, structure("signatureValue", "whole octets", "RFC 5480, appendix A")
	}
	c, v := readTBS(tbs)
	if v != nil {
		return nil, v
	}
	c.Raw, c.form.algorithm, c.Signature = der, algorithm, signature[1:]
	return c, nil
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

// parsePublicKey reads a SubjectPublicKeyInfo of a P-256 key: named curve,
// uncompressed point on the curve (RFC 5480, 2; GBCS 0.8.1, p. 141).
func parsePublicKey(spki []byte) (*ecdsa.PublicKey, *Violation) {
	bad := func(field, want, got string) (*ecdsa.PublicKey, *Violation) {
		return nil, &Violation{Rule: "public-key", Field: "subjectPublicKeyInfo." + field, Want: want, Got: got, Clause: "GBCS 0.8.1, p. 141; RFC 5480, 2"}
	}
	in := cryptobyte.String(spki)
	var body, algorithm, oid, bits cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!body.ReadASN1(&bits, cbasn1.BIT_STRING) || !body.Empty() {
		return bad("algorithm", "an algorithm and a BIT STRING", "another structure")
	}
	if !algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !oidECPublicKey.is(oid) {
		return bad("algorithm", "id-ecPublicKey", "another algorithm")
	}
	if !algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !algorithm.Empty() || !oidPrime256v1.is(oid) {
		return bad("algorithm.parameters", "the named curve prime256v1", "another curve or explicit parameters")
	}
	if len(bits) != 66 || bits[0] != 0 || bits[1] != 4 {
		return bad("subjectPublicKey", "an uncompressed point of 65 octets", fmt.Sprintf("%d octets in another form", len(bits)-1))
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(p256, bits[1:])
	if err != nil {
		return bad("subjectPublicKey", "a point on P-256", "a point off the curve")
	}
	return pub, nil
}

// EntityID returns the EUI-64 of the subject: the uniqueIdentifier of an
// organisation, the hwSerialNum of a device; false if there is none.
func (c *Certificate) EntityID() (EntityID, bool) {
	if c.Subject.HasEntityID {
		return c.Subject.EntityID, true
	}
	return c.DeviceID, !c.DeviceID.IsZero()
}

// Role returns the role in the subject's OU; false for a device, for an
// authority without OU and for a code that is not known.
func (c *Certificate) Role() (RemotePartyRole, bool) { return c.Subject.Role() }

// SelfIssued reports whether issuer and subject are one name. Whether the
// certificate was signed with its own key is another question.
func (c *Certificate) SelfIssued() bool { return sameRaw(c.RawIssuer, c.RawSubject) }

// Kind returns the profile that the certificate has the shape of. Every
// certificate has one, since a shape is chosen by the subject and by whether
// there is authority to sign; the rules then say what departs from it.
func (c *Certificate) Kind() ProfileName {
	switch {
	case c.Subject.IsEmpty():
		return ProfileDevice
	case !c.IsCA && c.Usage&UsageCertSign == 0:
		return ProfileOrganisation
	case c.Subject.OU == RoleRoot.OU():
		return ProfileRootOCA
	case c.Subject.OU != "":
		return ProfileIssuingOCA
	case c.SelfIssued():
		return ProfileRootDCA
	}
	return ProfileIssuingDCA
}

// PEM returns the certificate as one PEM block.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
