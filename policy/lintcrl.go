package policy

import (
	"fmt"
	"slices"
	"time"
)

// LintTBSCRL runs every rule for lists over to-be-signed bytes, whoever built
// them, and compares them with the issuer. The error is a [Violations].
func LintTBSCRL(tbs []byte, issuer *Certificate) error {
	if issuer == nil {
		return Violations{refuse("crl-issuer", "issuer", "the certificate of the authority", "none", "RFC 5280, 5.1.2.3")}
	}
	if v := checkObject(tbs, "tbsCertList", maxCRL); v != nil {
		return Violations{v}
	}
	c, v := readTBSCRL(tbs)
	if v != nil {
		return Violations{v}
	}
	return examineCRL(c, issuer).err()
}

// examineCRL runs the rules for lists; those that need the issuer are left out
// without one.
func examineCRL(c *CRL, issuer *Certificate) Violations {
	x := &listExamination{c: c, issuer: issuer}
	for i := range listRules {
		x.rule = &listRules[i]
		x.rule.list(x)
	}
	return x.found
}

// listExamination is one run of the rules over one list.
type listExamination struct {
	c      *CRL
	issuer *Certificate // nil if not known
	rule   *Rule
	found  Violations
}

func (x *listExamination) require(ok bool, field, want, got string) {
	if !ok {
		x.found = append(x.found, &Violation{Rule: x.rule.Name, Field: field, Want: want, Got: got, Clause: x.rule.Clause})
	}
}

// entries requires that the reader found no entry that breaks the current rule.
func (x *listExamination) entries(want string) {
	x.require(x.c.form.entryRule != x.rule.Name, "revokedCertificates", want, x.c.form.entryFault)
}

// listRules are the rules of ScopeList; never rename one.
var listRules = []Rule{
	{Name: "crl-version", Scope: ScopeList, Says: "version 2", Clause: "RFC 5280, 5.1.2.1", list: func(x *listExamination) {
		x.require(x.c.form.version == 1, "version", "v2 (1)", fmt.Sprint(x.c.form.version))
	}},
	{Name: "crl-signature-algorithm", Scope: ScopeList, Says: "ecdsa-with-SHA256 without parameters, in both places", Clause: "RFC 5758, 3.2; RFC 5280, 5.1.1.2", list: func(x *listExamination) {
		x.require(isECDSAWithSHA256(x.c.form.tbsAlgorithm), "signature", "ecdsa-with-SHA256 without parameters", describeAlgorithm(x.c.form.tbsAlgorithm))
		if x.c.form.algorithm != nil {
			x.require(isECDSAWithSHA256(x.c.form.algorithm), "signatureAlgorithm", "ecdsa-with-SHA256 without parameters", describeAlgorithm(x.c.form.algorithm))
		}
	}},
	{Name: "crl-signature-value", Scope: ScopeList, Says: "the signature is strict DER of r and s in their range", Clause: "RFC 5480, appendix A", list: func(x *listExamination) {
		if x.c.Raw != nil {
			x.require(strictSignature(x.c.Signature), "signatureValue", "strict DER of r and s", "another value")
		}
	}},
	{Name: "crl-issuer", Scope: ScopeList, Says: "the issuer is an authority that may sign lists, and has not expired", Clause: "RFC 5280, 5.1.2.3 and 4.2.1.3", list: func(x *listExamination) {
		x.require(x.c.Issuer.CN != "" && !x.c.Issuer.HasEntityID, "issuer", "the name of an authority", x.c.Issuer.String())
		if x.issuer == nil {
			return
		}
		x.require(sameRaw(x.c.RawIssuer, x.issuer.RawSubject), "issuer", x.issuer.Subject.String(), x.c.Issuer.String())
		x.require(x.issuer.Usage&UsageCRLSign != 0, "issuer", "an authority with cRLSign", x.issuer.Usage.String())
		x.require(!x.c.ThisUpdate.After(x.issuer.NotAfter), "thisUpdate", "a time at which the issuer's certificate is still valid", x.c.ThisUpdate.Format(time.RFC3339))
	}},
	{Name: "crl-time-form", Scope: ScopeList, Says: "UTCTime to 2049 and GeneralizedTime from 2050", Clause: "RFC 5280, 5.1.2.4 to 5.1.2.6", list: func(x *listExamination) {
		x.require(x.c.form.thisTag == timeTag(x.c.ThisUpdate), "thisUpdate", "UTCTime to 2049, GeneralizedTime from 2050", "the other type")
		x.require(x.c.form.nextTag == 0 || x.c.form.nextTag == timeTag(x.c.NextUpdate), "nextUpdate", "UTCTime to 2049, GeneralizedTime from 2050", "the other type")
		x.entries("UTCTime to 2049, GeneralizedTime from 2050")
	}},
	{Name: "crl-next-update", Scope: ScopeList, Says: "nextUpdate is there and after thisUpdate", Clause: "RFC 5280, 5.1.2.5", list: func(x *listExamination) {
		x.require(x.c.form.nextTag != 0 && x.c.NextUpdate.After(x.c.ThisUpdate), "nextUpdate", "a time after thisUpdate", "none or an earlier one")
	}},
	{Name: "crl-extensions", Scope: ScopeList, Says: "authorityKeyIdentifier and cRLNumber, in this order, not critical, and nothing else", Clause: "RFC 5280, 5.2.1 and 5.2.3", list: func(x *listExamination) {
		var got []string
		for _, e := range x.c.Extensions {
			got = append(got, extensionName(e.ID)+map[bool]string{true: " (critical)"}[e.Critical])
		}
		want := []string{"authorityKeyIdentifier", "cRLNumber"}
		x.require(slices.Equal(got, want), "crlExtensions", fmt.Sprint(want), clip(fmt.Sprint(got)))
	}},
	{Name: "crl-authority-key-identifier", Scope: ScopeList, Says: "8 octets in [0] keyIdentifier and nothing else, those of the issuer", Clause: "RFC 5280, 5.2.1; GBCS 0.8.1, p. 141", list: func(x *listExamination) {
		x.require(!x.c.AuthorityKeyID.IsZero() && !x.c.form.authorityMore, "crlExtensions.authorityKeyIdentifier", "keyIdentifier of 8 octets alone", keyIDText(x.c.AuthorityKeyID))
		if x.issuer != nil {
			x.require(x.c.AuthorityKeyID == x.issuer.SubjectKeyID, "crlExtensions.authorityKeyIdentifier", x.issuer.SubjectKeyID.String(), keyIDText(x.c.AuthorityKeyID))
		}
	}},
	{Name: "crl-number", Scope: ScopeList, Says: "a cRLNumber of 1 or more", Clause: "RFC 5280, 5.2.3", list: func(x *listExamination) {
		x.require(x.c.form.numberSeen && x.c.Number >= 1, "crlExtensions.cRLNumber", "1 or more", fmt.Sprint(x.c.Number))
	}},
	{Name: "crl-entry-order", Scope: ScopeList, Says: "entries ascend by serial number, each once", Clause: "RFC 5280, 5.1.2.6; the order is our choice, so that a list has one form", list: func(x *listExamination) {
		x.entries("ascending serial numbers")
	}},
	{Name: "crl-entry-extensions", Scope: ScopeList, Says: "an entry has a non-critical reasonCode, or no extension if the reason is unspecified", Clause: "RFC 5280, 5.3", list: func(x *listExamination) {
		x.entries("one non-critical reasonCode")
	}},
	{Name: "crl-reason", Scope: ScopeList, Says: "a reason that SMKI allows: no certificateHold, no removeFromCRL, unspecified left out", Clause: "RFC 5280, 5.3.1", list: func(x *listExamination) {
		x.entries("a reason that SMKI allows")
	}},
	{Name: "crl-entry-date", Scope: ScopeList, Says: "no revocation date after thisUpdate", Clause: "RFC 5280, 5.1.2.4 and 5.3.2", list: func(x *listExamination) {
		for _, e := range x.c.Entries {
			if e.At.After(x.c.ThisUpdate) {
				x.require(false, "revokedCertificates.revocationDate", "no later than thisUpdate", e.At.Format(time.RFC3339)+" for "+e.Serial.String())
				return
			}
		}
	}},
}
