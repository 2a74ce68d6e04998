package policy

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Request is a PKCS#10 certification request of a device or of an organisation
// (SMKI IDS, 2.2 and Appendix F).
type Request struct {
	Raw          []byte
	Subject      Name // empty for a device
	PublicKey    *ecdsa.PublicKey
	Usage        KeyUsage
	DeviceID     EntityID              // devices
	HardwareType asn1.ObjectIdentifier // devices

	info, signature []byte
}

// Kind returns ProfileDevice for a request with an empty subject and
// ProfileOrganisation for the others.
func (r *Request) Kind() ProfileName {
	if r.Subject.IsEmpty() {
		return ProfileDevice
	}
	return ProfileOrganisation
}

// EntityID returns the EUI-64 that the request is for.
func (r *Request) EntityID() EntityID {
	if r.Kind() == ProfileDevice {
		return r.DeviceID
	}
	return r.Subject.EntityID
}

// Role returns the role that an organisation asks for; false for a device.
func (r *Request) Role() (RemotePartyRole, bool) { return r.Subject.Role() }

// ParseRequest reads a request for a Device or an Organisation Certificate.
//
// It accepts what SMKI IDS, Appendix F lists and nothing else: a request that
// asks for more (to be an authority, for another name, for a policy) is refused
// rather than cut down, so that a subscriber never holds a certificate that
// means something else than what it asked for. How the names are written (their
// string type and order, the case of the role's digits) is the profile's and not
// the request's. The criticality of requested extensions is not judged (SMKI IDS,
// 2.4.1.2).
//
// The error is a *[Violation]. Proof of possession is [Request.CheckSignature];
// what an environment allows is [Environment.CheckRequest].
func ParseRequest(der []byte) (*Request, error) {
	r, v := readRequest(der)
	if v != nil {
		return nil, v
	}
	return r, nil
}

func refuse(rule, field, want, got, clause string) *Violation {
	return &Violation{Rule: rule, Field: field, Want: want, Got: got, Clause: clause}
}

const appendixF = "SMKI IDS, Appendix F"

func readRequest(der []byte) (*Request, *Violation) {
	info, algorithm, signature, v := readSigned(der, "request", maxRequest, "RFC 2986, 4.2")
	if v != nil {
		return nil, v
	}
	// The info first: that the key is of another curve says more than that its
	// signature is too long for P-256.
	r := &Request{Raw: der, info: info, signature: signature}
	if v := r.readInfo(info); v != nil {
		return nil, v
	}
	if !isECDSAWithSHA256(algorithm) {
		return nil, refuse("signature-algorithm", "signatureAlgorithm", "ecdsa-with-SHA256 without parameters", describeAlgorithm(algorithm), "SMKI IDS, Appendix F; RFC 5758, 3.2")
	}
	if !strictSignature(signature) {
		return nil, refuse("signature-value", "signature", "a strict DER SEQUENCE of r and s", "another value", "RFC 5480, appendix A")
	}
	return r, nil
}

func (r *Request) readInfo(in cryptobyte.String) *Violation {
	var info, subject, spki, attributes cryptobyte.String
	var version int64
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Integer(&version) {
		return structure("version", "an INTEGER", "RFC 2986, 4.1")
	}
	if version != 0 {
		return refuse("version", "version", "0", fmt.Sprint(version), appendixF)
	}
	if !info.ReadASN1Element(&subject, cbasn1.SEQUENCE) || !info.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return structure("certificationRequestInfo", "subject and subjectPKInfo", "RFC 2986, 4.1")
	}
	var v *Violation
	var attrs []attribute
	if r.Subject, attrs, v = parseName(subject); v != nil {
		v.Field = "subject." + v.Field
		return v
	}
	if v := r.checkSubject(attrs); v != nil {
		return v
	}
	if r.PublicKey, v = parsePublicKey(spki); v != nil {
		v.Clause = appendixF + "; RFC 5480, 2"
		return v
	}
	var present bool
	if !info.ReadOptionalASN1(&attributes, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return structure("attributes", "a SET of attributes and nothing after it", "RFC 2986, 4.1")
	}
	if !present || attributes.Empty() {
		return refuse("attributes", "attributes", "one extensionRequest with keyUsage", "none", appendixF)
	}
	return r.readAttributes(attributes)
}

// checkSubject requires an organisation to name its role and EUI-64, and
// nothing that is not in a name of SMKI.
func (r *Request) checkSubject(attrs []attribute) *Violation {
	if len(attrs) == 0 {
		return nil
	}
	if attrs[len(attrs)-1].rdn != len(attrs)-1 {
		return refuse("name", "subject", "one attribute to an RDN", "more", "Test PKI; RFC 5280, 4.1.2.4")
	}
	role, known := r.Subject.Role()
	if !known || role.Authority() {
		return refuse("role", "subject.organizationalUnitName", "the code of a remote party role in two hex digits, not that of an authority", fmt.Sprintf("%q", clip(r.Subject.OU)), appendixF)
	}
	if !r.Subject.HasEntityID || r.Subject.EntityID.IsZero() {
		return refuse("entity-identifier", "subject.uniqueIdentifier", "the EUI-64 of the organisation, not zero", "none", appendixF)
	}
	return nil
}

func (r *Request) readAttributes(in cryptobyte.String) *Violation {
	var attribute, oid, values cryptobyte.String
	if !in.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
		!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
		return structure("attributes", "a type and a SET of values", "RFC 2986, 4.1")
	}
	if !oidExtensionRequest.is(oid) || !in.Empty() {
		return refuse("attributes", "attributes", "one extensionRequest and no other attribute", "another attribute", appendixF)
	}
	var one cryptobyte.String
	if !values.ReadASN1Element(&one, cbasn1.SEQUENCE) || !values.Empty() {
		return refuse("attributes", "attributes.extensionRequest", "one value", "another number", "RFC 2985, 5.4.2")
	}
	extensions, v := readExtensions(one)
	if v != nil {
		return v
	}
	usage, alt := false, false
	for _, e := range extensions {
		field := "extensionRequest." + extensionName(e.ID)
		switch {
		case oidKeyUsage.id.Equal(e.ID):
			usage = true
		case oidSubjectAltName.id.Equal(e.ID) && r.Kind() == ProfileDevice:
			alt = true
		default:
			return refuse("requested-extensions", field, "only keyUsage, and subjectAltName of a device", "this extension", appendixF)
		}
		if v := checkDER(e.Value); v != nil {
			v.Field = field + ", " + v.Field
			return v
		}
		if v := r.takeExtension(e, field); v != nil {
			return v
		}
	}
	switch {
	case !usage:
		return refuse("requested-extensions", "extensionRequest.keyUsage", "keyUsage", "none", appendixF)
	case !alt && r.Kind() == ProfileDevice:
		return refuse("requested-extensions", "extensionRequest.subjectAltName", "subjectAltName, as the subject is empty", "none", appendixF)
	}
	return nil
}

func (r *Request) takeExtension(e Extension, field string) *Violation {
	if oidKeyUsage.id.Equal(e.ID) {
		var v *Violation
		if r.Usage, v = readKeyUsage(e.Value); v != nil {
			v.Field = field
			return v
		}
		if !r.Usage.EndEntity() {
			return refuse("key-usage", field, "exactly one of digitalSignature and keyAgreement", r.Usage.String(), appendixF)
		}
		return nil
	}
	var ok bool
	if r.HardwareType, r.DeviceID, ok = readHardwareModuleName(e.Value); !ok {
		return refuse("subject-alt-name", field, "one otherName hardwareModuleName with an hwType and an 8-octet hwSerialNum", "another name", "SMKI IDS, Appendix F; RFC 4108, 5")
	}
	if r.DeviceID.IsZero() {
		return refuse("entity-identifier", field+".hwSerialNum", "the EUI-64 of the device, not zero", "zero", appendixF)
	}
	return nil
}

// CheckSignature verifies the proof of possession: that the holder of the
// private key made the request (SMKI IDS, 2.3.1.2). The error is a *[Violation].
// It is the dearest step of an intake and needs nothing but the request.
func (r *Request) CheckSignature() error {
	if err := VerifyTBS(r.PublicKey, r.info, r.signature); err != nil {
		return refuse("proof-of-possession", "signature", "a signature by the key in the request", "one that does not verify", "SMKI IDS, 2.3.1.2; RFC 2986, 4.2")
	}
	return nil
}
