package policy

import (
	"fmt"
	"slices"
	"time"
)

// certificateRules are the rules of ScopeForm, ScopePractice and
// ScopeEnvironment. That an extension is missing or not wanted is said by the
// rule "extensions" alone, so that one fault is one finding. The names are in stores, reports and lints elsewhere: never
// rename one.
var certificateRules = []Rule{
	{Name: "version", Scope: ScopeForm, Says: "version 3", Clause: "RFC 5280, 4.1.2.1", certificate: func(x *examination) {
		x.require(x.c.form.version == 2, "version", "v3 (2)", fmt.Sprint(x.c.form.version))
	}},
	{Name: "serial-number", Scope: ScopeForm, Says: "a positive serial number that DER writes in exactly 16 octets", Clause: "Test PKI; RFC 5280, 4.1.2.2", certificate: func(x *examination) {
		x.require(x.c.form.serialOctets == len(Serial{}), "serialNumber", "16 octets", fmt.Sprint(x.c.form.serialOctets))
	}},
	{Name: "signature-algorithm", Scope: ScopeForm, Says: "ecdsa-with-SHA256 without parameters, in both places", Clause: "GBCS 0.8.1, p. 141; RFC 5758, 3.2", certificate: func(x *examination) {
		x.require(isECDSAWithSHA256(x.c.form.tbsAlgorithm), "signature", "ecdsa-with-SHA256 without parameters", describeAlgorithm(x.c.form.tbsAlgorithm))
		if x.c.form.algorithm != nil {
			x.require(isECDSAWithSHA256(x.c.form.algorithm), "signatureAlgorithm", "ecdsa-with-SHA256 without parameters", describeAlgorithm(x.c.form.algorithm))
		}
	}},
	{Name: "issuer-name", Scope: ScopeForm, Says: "the issuer has the name of an authority of its side: OU and CN for organisations, CN for devices", Clause: "Test PKI; GBCS 0.8.1, p. 141", certificate: checkIssuerName},
	{Name: "subject-name", Scope: ScopeForm, Says: "the subject is empty for a device, [CN,] OU and uniqueIdentifier for an organisation, as the issuer's for an authority", Clause: "SMKI IDS, Appendix F; GBCS 0.8.1, p. 145; Test PKI", certificate: checkSubjectName},
	{Name: "name-strings", Scope: ScopeForm, Says: "PrintableString in names of authorities, UTF8String in those of organisations", Clause: "Test PKI", certificate: func(x *examination) {
		x.require(stringsAre(x.c.form.issuer, tagPrintableString), "issuer", "PrintableString", "UTF8String")
		if x.kind == ProfileOrganisation {
			x.require(stringsAre(x.c.form.subject, tagUTF8String), "subject", "UTF8String", "PrintableString")
		} else {
			x.require(stringsAre(x.c.form.subject, tagPrintableString), "subject", "PrintableString", "UTF8String")
		}
	}},
	{Name: "role", Scope: ScopeForm, Says: "the OU of an organisation is the code of a known role, two upper-case hex digits, not that of an authority", Clause: "SMKI IDS, Appendix F", certificate: func(x *examination) {
		if x.kind == ProfileOrganisation {
			r, known := x.c.Role()
			x.require(known && !r.Authority() && x.c.Subject.OU == r.OU(), "subject.organizationalUnitName", "the code of a role", fmt.Sprintf("%q", clip(x.c.Subject.OU)))
		}
	}},
	{Name: "entity-identifier", Scope: ScopeForm, Says: "an organisation and a device have an EUI-64 that is not zero, an authority has none", Clause: "SMKI IDS, Appendix F; GBCS 0.8.1, p. 145", certificate: func(x *examination) {
		switch x.kind {
		case ProfileDevice:
			x.require(!x.c.DeviceID.IsZero(), "subjectAltName.hwSerialNum", "an EUI-64", "none or zero")
		case ProfileOrganisation:
			x.require(x.c.Subject.HasEntityID && !x.c.Subject.EntityID.IsZero(), "subject.uniqueIdentifier", "an EUI-64", "none or zero")
		default:
			x.require(!x.c.Subject.HasEntityID, "subject.uniqueIdentifier", "none in an authority", x.c.Subject.EntityID.String())
		}
	}},
	{Name: "validity-form", Scope: ScopeForm, Says: "UTCTime to 2049 and GeneralizedTime from 2050", Clause: "RFC 5280, 4.1.2.5", certificate: func(x *examination) {
		x.require(x.c.form.notBeforeTag == timeTag(x.c.NotBefore), "validity.notBefore", "UTCTime to 2049, GeneralizedTime from 2050", "the other type")
		x.require(x.c.form.notAfterTag == timeTag(x.c.NotAfter), "validity.notAfter", "UTCTime to 2049, GeneralizedTime from 2050", "the other type")
	}},
	{Name: "validity-order", Scope: ScopeForm, Says: "notBefore before notAfter", Clause: "RFC 5280, 4.1.2.5", certificate: func(x *examination) {
		x.require(x.c.NotBefore.Before(x.c.NotAfter), "validity", "notBefore before notAfter", "the reverse")
	}},
	{Name: "device-validity", Scope: ScopeForm, Says: "a device's certificate has no end: 99991231235959Z", Clause: "GBCS 0.8.1, p. 145", certificate: func(x *examination) {
		if x.kind == ProfileDevice {
			x.require(x.c.NotAfter.Equal(noEnd), "validity.notAfter", "99991231235959Z", x.c.NotAfter.Format(time.RFC3339))
		}
	}},
	{Name: "unique-identifiers", Scope: ScopeForm, Says: "no issuerUniqueID and no subjectUniqueID", Clause: "RFC 5280, 4.1.2.8; Test PKI", certificate: func(x *examination) {
		x.require(!x.c.form.uniqueIDs, "tbsCertificate", "no issuerUniqueID or subjectUniqueID", "one")
	}},
	{Name: "extensions", Scope: ScopeForm, Says: "exactly the extensions of the profile", Clause: "GBCS 0.8.1, p. 141 and 145; Test PKI", certificate: checkExtensionSet},
	{Name: "extension-order", Scope: ScopeForm, Says: "extensions in the order of the published certificates", Clause: "Test PKI", certificate: checkExtensionOrder},
	{Name: "extension-criticality", Scope: ScopeForm, Says: "keyUsage, certificatePolicies, subjectAltName and basicConstraints critical, the others not", Clause: "GBCS 0.8.1, p. 141 and 145; RFC 5280, 4.2.1; RFC 5934, 9", certificate: func(x *examination) {
		for _, place := range extensionOrder(x.kind) {
			if e := find(x.c.Extensions, place.oid); e != nil {
				x.require(e.Critical == place.critical, "extensions."+extensionName(e.ID), criticality(place.critical), criticality(e.Critical))
			}
		}
	}},
	{Name: "key-usage", Scope: ScopeForm, Says: "exactly one of digitalSignature and keyAgreement for an end entity; keyCertSign, and cRLSign where lists are signed, for an authority", Clause: "GBCS 0.8.1, p. 141 and 145; SMKI IDS, Appendix F; Test PKI", certificate: func(x *examination) {
		if find(x.c.Extensions, oidKeyUsage) == nil {
			return
		}
		if x.kind.Authority() {
			x.require(x.c.Usage|UsageCRLSign == UsageCertSign|UsageCRLSign, "extensions.keyUsage", "keyCertSign, with or without cRLSign", x.c.Usage.String())
		} else {
			x.require(x.c.Usage.EndEntity(), "extensions.keyUsage", "one of digitalSignature and keyAgreement", x.c.Usage.String())
		}
	}},
	{Name: "subject-key-identifier", Scope: ScopeForm, Says: "the 8 octets of method (2)", Clause: "GBCS 0.8.1, p. 141; RFC 5280, 4.2.1.2", certificate: func(x *examination) {
		if find(x.c.Extensions, oidSubjectKeyIdentifier) == nil {
			return
		}
		want := KeyIDOf(x.c.PublicKey)
		x.require(x.c.SubjectKeyID == want, "extensions.subjectKeyIdentifier", want.String(), keyIDText(x.c.SubjectKeyID))
	}},
	{Name: "authority-key-identifier", Scope: ScopeForm, Says: "8 octets in [0] keyIdentifier and nothing else; absent only in a root", Clause: "GBCS 0.8.1, p. 141; RFC 5280, 4.2.1.1", certificate: func(x *examination) {
		if !x.kind.Root() && find(x.c.Extensions, oidAuthorityKeyIdentifier) != nil {
			x.require(!x.c.AuthorityKeyID.IsZero() && !x.c.form.authorityMore, "extensions.authorityKeyIdentifier", "keyIdentifier of 8 octets alone", keyIDText(x.c.AuthorityKeyID))
		}
	}},
	{Name: "certificate-policies", Scope: ScopeForm, Says: "exactly one policyIdentifier without qualifiers", Clause: "GBCS 0.8.1, p. 141 and 145", certificate: func(x *examination) {
		if find(x.c.Extensions, oidCertificatePolicies) == nil {
			return
		}
		x.require(len(x.c.Policies) == 1 && !x.c.form.policiesMore, "extensions.certificatePolicies", "one policyIdentifier", fmt.Sprintf("%d", len(x.c.Policies)))
	}},
	{Name: "subject-alt-name", Scope: ScopeForm, Says: "one hardwareModuleName with hwType and an 8-octet hwSerialNum", Clause: "GBCS 0.8.1, p. 145; RFC 4108, 5", certificate: func(x *examination) {
		x.require(x.c.form.altNameOther == "", "extensions.subjectAltName", "one hardwareModuleName", x.c.form.altNameOther)
	}},
	{Name: "basic-constraints", Scope: ScopeForm, Says: "an authority has cA TRUE, an issuing one with pathLen 0, a root without pathLen", Clause: "RFC 5280, 4.2.1.9; Test PKI", certificate: func(x *examination) {
		if x.kind.Authority() && x.c.form.basic {
			x.require(x.c.IsCA && x.c.PathLen == pathLenOf(x.kind), "extensions.basicConstraints", fmt.Sprintf("cA TRUE, pathLen %d (-1: none)", pathLenOf(x.kind)), fmt.Sprintf("cA %v, pathLen %d", x.c.IsCA, x.c.PathLen))
		}
	}},
	{Name: "wrapped-contingency", Scope: ScopeForm, Says: "wrappedApexContinKey is an ApexContingencyKey: a wrap algorithm and the wrapped key", Clause: "RFC 5934, 9; that SMKI means this extension is our inference", certificate: func(x *examination) {
		if x.c.WrappedContingency != nil {
			x.require(isApexContingencyKey(x.c.WrappedContingency), "extensions.wrappedApexContinKey", "an AlgorithmIdentifier and an OCTET STRING", "another structure")
		}
	}},
	{Name: "signature-value", Scope: ScopeForm, Says: "the signature is strict DER of r and s in their range", Clause: "RFC 5480, appendix A; X.690, 8.3.2", certificate: func(x *examination) {
		if x.c.Raw != nil {
			x.require(strictSignature(x.c.Signature), "signatureValue", "strict DER of r and s", "needless octets or a value out of range")
		}
	}},
	{Name: "self-signature", Scope: ScopeForm, Says: "a root, and nothing else, is signed with its own key", Clause: "GBCS 0.8.1, p. 141", certificate: checkSelfSignature},

	{Name: "published-lifetime", Scope: ScopePractice, Says: "an organisation's certificate is valid for 10 years", Clause: "Test PKI; that the period is fixed: GBCS 0.8.1, p. 148", certificate: func(x *examination) {
		if x.kind == ProfileOrganisation {
			// The test PKI was renewed with periods that are one day longer.
			last := x.c.NotBefore.AddDate(10, 0, 1)
			x.require(x.c.NotAfter.Before(last), "validity", "10 years", fmt.Sprintf("%d years", x.c.NotAfter.Year()-x.c.NotBefore.Year()))
		}
	}},
	{Name: "published-days", Scope: ScopePractice, Says: "certificates of organisations and authorities begin at 00:00:00 and end at 23:59:59", Clause: "Test PKI", certificate: func(x *examination) {
		if x.kind != ProfileDevice {
			x.require(wholeDays(x.c), "validity", "from 00:00:00 to 23:59:59", x.c.NotBefore.Format(time.TimeOnly)+" to "+x.c.NotAfter.Format(time.TimeOnly))
		}
	}},

	{Name: "profile-kind", Scope: ScopeEnvironment, Says: "the certificate has the shape of the profile it is issued under", Clause: "GBCS 0.8.1, p. 141 and 145", certificate: func(x *examination) {
		x.require(x.c.Kind() == x.profile.Name, "tbsCertificate", string(x.profile.Name), string(x.c.Kind()))
	}},
	{Name: "policy-identifier", Scope: ScopeEnvironment, Says: "the policy of the environment", Clause: "GBCS 0.8.1, p. 145; environment, policies", certificate: func(x *examination) {
		ok := len(x.c.Policies) == 1 && x.c.Policies[0].Equal(x.profile.Policy)
		x.require(ok, "extensions.certificatePolicies", x.profile.Policy.String(), clip(fmt.Sprint(x.c.Policies)))
	}},
	{Name: "lifetime", Scope: ScopeEnvironment, Says: "validity is the period of the profile", Clause: "GBCS 0.8.1, p. 145 and 148; environment, profiles", certificate: func(x *examination) {
		want := x.profile.end(x.c.NotBefore)
		x.require(x.c.NotAfter.Equal(want), "validity.notAfter", want.Format(time.RFC3339), x.c.NotAfter.Format(time.RFC3339))
		if x.profile.WholeDays {
			x.require(wholeDays(x.c), "validity", "from 00:00:00 to 23:59:59", x.c.NotBefore.Format(time.TimeOnly)+" to "+x.c.NotAfter.Format(time.TimeOnly))
		}
	}},
	{Name: "profile-usage", Scope: ScopeEnvironment, Says: "a key usage of the profile", Clause: "environment, profiles; SMKI IDS, Appendix F", certificate: func(x *examination) {
		x.require(slices.Contains(x.profile.Usages, x.c.Usage), "extensions.keyUsage", fmt.Sprint(x.profile.Usages), x.c.Usage.String())
	}},
	{Name: "authority-name", Scope: ScopeEnvironment, Says: "the CN of an authority is short, and another one than its issuer's", Clause: "environment, names (unverified); Test PKI", certificate: func(x *examination) {
		if x.kind.Authority() {
			x.require(len(x.c.Subject.CN) <= x.profile.MaxName, "subject.commonName", fmt.Sprintf("1 to %d octets", x.profile.MaxName), fmt.Sprintf("%q", clip(x.c.Subject.CN)))
			x.require(x.kind.Root() || x.c.Subject.CN != x.c.Issuer.CN, "subject.commonName", "a name of its own", "that of the issuer")
		}
	}},
	{Name: "common-name", Scope: ScopeEnvironment, Says: "the CN of an organisation meets the rule of the environment", Clause: "environment, names (our inference); SMKI IDS, Appendix F", certificate: func(x *examination) {
		if x.kind == ProfileOrganisation && x.c.Subject.CN != "" {
			x.require(x.profile.names.allows(x.c.Subject.CN), "subject.commonName", x.profile.names.text, fmt.Sprintf("%q", clip(x.c.Subject.CN)))
		}
	}},
	{Name: "issuer", Scope: ScopeEnvironment, Says: "name and key identifier are those of an issuer of the right kind that may sign certificates and has not expired", Clause: "RFC 5280, 4.1.2.4 and 4.2.1.1; GBCS 0.8.1, p. 141", certificate: checkIssuer},
	{Name: "own-key", Scope: ScopeEnvironment, Says: "the subject's key is not the issuer's", Clause: "GBCS 0.8.1, p. 141: only a root is signed with its own key", certificate: func(x *examination) {
		if x.issuer != nil {
			x.require(!equalKeys(x.c.PublicKey, x.issuer.PublicKey), "subjectPublicKeyInfo", "a key of the subject's own", "the issuer's key")
		}
	}},
}
