package policy

import (
	"errors"
	"fmt"
	"time"
)

// noEnd is the notAfter of a Device Certificate: it has no well-defined expiry
// (GBCS 0.8.1, p. 145; RFC 5280, 4.1.2.5).
var noEnd = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// TBS returns the exact to-be-signed bytes of a certificate.
//
// Template fields that the profile needs must be set, and those that it does
// not use must be zero: a name that would silently be left out of a device's
// certificate is a mistake of the caller that must not become a signature. TBS
// writes what it is given in the right form; whether the values are allowed is
// for [Profile.LintTBS], which runs over the bytes.
func (p *Profile) TBS(t CertificateTemplate) ([]byte, error) {
	parts, err := p.parts(t)
	if err != nil {
		return nil, fmt.Errorf("building a certificate of profile %s: %w", p.Name, err)
	}
	return parts.encode()
}

// parts is a TBSCertificate before it is encoded.
type parts struct {
	version             int64
	serial              []byte // content octets
	algorithm           []byte
	issuer, subject     []byte // whole Names
	notBefore, notAfter time.Time
	tagBefore, tagAfter byte
	spki                []byte
	extensions          []Extension
}

func (p *Profile) parts(t CertificateTemplate) (*parts, error) {
	if err := p.checkTemplate(t); err != nil {
		return nil, err
	}
	out := &parts{version: 2, serial: t.Serial.content(), algorithm: algorithmECDSA}
	out.notBefore = t.NotBefore.UTC().Truncate(time.Second)
	if p.WholeDays {
		out.notBefore = t.NotBefore.UTC().Truncate(24 * time.Hour)
	}
	if out.notAfter = t.NotAfter.UTC().Truncate(time.Second); t.NotAfter.IsZero() {
		out.notAfter = p.end(out.notBefore)
	}
	out.tagBefore, out.tagAfter = timeTag(out.notBefore), timeTag(out.notAfter)
	if y := out.notAfter.Year(); y > 9999 || out.notBefore.Year() < 1950 {
		return nil, errors.New("NotBefore, NotAfter: want dates from 1950 to 9999")
	}
	var err error
	if out.subject, err = p.subject(t); err != nil {
		return nil, err
	}
	out.issuer = out.subject
	if t.Issuer != nil {
		out.issuer = t.Issuer.RawSubject
	}
	point, err := pointOf(t.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("PublicKey: %w", err)
	}
	if out.spki, err = encodePublicKey(point); err != nil {
		return nil, err
	}
	out.extensions, err = p.extensions(t)
	return out, err
}

// checkTemplate refuses a template that lacks what the profile needs or has
// what it would drop.
func (p *Profile) checkTemplate(t CertificateTemplate) error {
	switch {
	case t.Serial.IsZero():
		return errors.New("Serial: want a number from NewSerial")
	case t.PublicKey == nil:
		return errors.New("PublicKey: want a P-256 key")
	case t.NotBefore.IsZero():
		return errors.New("NotBefore: want a time")
	case p.Name.Root() != (t.Issuer == nil):
		return errors.New("Issuer: want none for a root and the issuing certificate for any other profile")
	case t.WrappedContingency != nil && p.Name != ProfileRootOCA:
		return errors.New("WrappedContingency: want none, only the root-oca profile carries it")
	}
	device, organisation := p.Name == ProfileDevice, p.Name == ProfileOrganisation
	switch {
	case (device || organisation) == t.EntityID.IsZero():
		return errors.New("EntityID: want one for a device or an organisation, none for an authority")
	case device != (len(t.HardwareType) > 0):
		return errors.New("HardwareType: want one for a device, none otherwise")
	case !organisation && t.Role != 0:
		return errors.New("Role: want one for an organisation only")
	case p.Name.Authority() == (t.CN == "") && !organisation:
		return errors.New("CN: want one for an authority, none for a device")
	}
	return nil
}

// end returns the notAfter that the profile gives a certificate that begins at
// begin.
func (p *Profile) end(begin time.Time) time.Time {
	if p.Years == 0 {
		return noEnd
	}
	end := begin.AddDate(p.Years, 0, 0)
	if p.WholeDays {
		end = end.Add(-time.Second)
	}
	return end
}

// timeTag returns the type that RFC 5280, 4.1.2.5 demands for t.
func timeTag(t time.Time) byte {
	if t.Year() < 2050 {
		return tagUTCTime
	}
	return tagGeneralizedTime
}

func (p *Profile) subject(t CertificateTemplate) ([]byte, error) {
	var attrs []attribute
	add := func(oid objectID, tag byte, value []byte) {
		attrs = append(attrs, attribute{rdn: len(attrs), oid: oid.content, tag: tag, value: value})
	}
	switch p.Name {
	case ProfileOrganisation:
		if t.CN != "" {
			add(oidCommonName, tagUTF8String, []byte(t.CN))
		}
		add(oidOrganizationalUnit, tagUTF8String, []byte(t.Role.OU()))
		add(oidUniqueIdentifier, tagBitString, append([]byte{0}, t.EntityID[:]...))
	case ProfileRootOCA:
		add(oidOrganizationalUnit, tagPrintableString, []byte(RoleRoot.OU()))
		add(oidCommonName, tagPrintableString, []byte(t.CN))
	case ProfileIssuingOCA:
		add(oidOrganizationalUnit, tagPrintableString, []byte(RoleIssuingAuthority.OU()))
		add(oidCommonName, tagPrintableString, []byte(t.CN))
	case ProfileRootDCA, ProfileIssuingDCA:
		add(oidCommonName, tagPrintableString, []byte(t.CN))
	}
	raw, err := encodeName(attrs)
	if err != nil {
		return nil, err
	}
	// What was written is read again: a CN that its string type cannot carry is
	// found here and not by the first device that refuses it.
	if v := checkDER(raw); v != nil {
		return nil, fmt.Errorf("CN %q: %w", clip(t.CN), v)
	}
	if _, _, v := parseName(raw); v != nil {
		return nil, fmt.Errorf("CN %q: %w", clip(t.CN), v)
	}
	return raw, nil
}

// extensions returns what the profile carries, in the order of the published
// certificates.
func (p *Profile) extensions(t CertificateTemplate) ([]Extension, error) {
	usage := t.Usage
	if usage == 0 && len(p.Usages) == 1 {
		usage = p.Usages[0]
	}
	if usage == 0 {
		return nil, errors.New("Usage: want digitalSignature or keyAgreement")
	}
	var out []Extension
	for _, want := range extensionOrder(p.Name) {
		e := Extension{ID: want.oid.id, Critical: want.critical}
		var err error
		switch extensionName(want.oid.id) {
		case "keyUsage":
			e.Value = usage.DER()
		case "basicConstraints":
			e.Value, err = encodeBasicConstraints(pathLenOf(p.Name))
		case "subjectKeyIdentifier":
			id := KeyIDOf(t.PublicKey)
			e.Value, err = encodeOctets(id[:])
		case "authorityKeyIdentifier":
			e.Value, err = encodeAuthorityKeyID(t.Issuer.SubjectKeyID)
		case "certificatePolicies":
			e.Value, err = encodePolicies(p.Policy)
		case "subjectAltName":
			e.Value, err = encodeHardwareModuleName(t.HardwareType, t.EntityID)
		case "wrappedApexContinKey":
			if t.WrappedContingency == nil {
				continue
			}
			if v := checkDER(t.WrappedContingency); v != nil {
				return nil, fmt.Errorf("WrappedContingency: %w", v)
			}
			e.Value = t.WrappedContingency
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", extensionName(e.ID), err)
		}
		out = append(out, e)
	}
	return out, nil
}
