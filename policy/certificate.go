package policy

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/pem"
	"time"
)

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
