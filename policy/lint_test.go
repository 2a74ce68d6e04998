package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// Indexes in a TBSCertificate with version and extensions.
const (
	atSerial, atAlgorithm, atIssuer, atValidity, atSubject, atKey, atExtensions = 1, 2, 3, 4, 5, 6, 7
)

// lintRow changes to-be-signed bytes of a good certificate in one place; the
// lint must name the rule.
type lintRow struct {
	rule    string
	profile policy.ProfileName
	says    string
	change  func(*testing.T, *tlv)
}

func list(n *tlv) *tlv { return n.at(atExtensions, 0) }

func value(t *testing.T, n *tlv, extension byte) *tlv {
	return extensionOf(t, list(n), extension).value()
}

// The extensions by their last arc under 2.5.29.
const (
	extSKI, extKU, extSAN, extBC, extPolicies, extAKI = 14, 15, 17, 19, 32, 35
)

var lintRows = []lintRow{
	// Readers' rules, met on the way.
	{"der", policy.ProfileDevice, "an octet after the end", nil},
	{"size", policy.ProfileDevice, "far too long", nil},
	{"der", policy.ProfileDevice, "a default written", func(t *testing.T, n *tlv) {
		list(n).at(indexOf(t, list(n), extSKI)).insert(1, prim(1, 0))
	}},
	{"structure", policy.ProfileDevice, "an extension twice", func(t *testing.T, n *tlv) { list(n).insert(0, extensionOf(t, list(n), extKU)) }},
	{"structure", policy.ProfileDevice, "a field after the extensions", func(t *testing.T, n *tlv) { n.insert(8, prim(5)) }},
	{"structure", policy.ProfileDevice, "no extensions in the field", func(t *testing.T, n *tlv) { list(n).children = nil }},
	{"structure", policy.ProfileDevice, "no policy in the extension", func(t *testing.T, n *tlv) { value(t, n, extPolicies).content = []byte{0x30, 0} }},
	{"structure", policy.ProfileDevice, "one policy twice", func(t *testing.T, n *tlv) {
		v := value(t, n, extPolicies)
		policies := parseTLV(t, v.content)
		policies.insert(0, policies.at(0))
		v.content = policies.encode()
	}},
	{"structure", policy.ProfileIssuingOCA, "cA FALSE written", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 3, 1, 1, 0} }},
	{"structure", policy.ProfileIssuingOCA, "a negative pathLen", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 6, 1, 1, 0xff, 2, 1, 0xff} }},
	{"name", policy.ProfileOrganisation, "a country in the subject", func(t *testing.T, n *tlv) { n.at(atSubject).insert(0, rdn(6, text(0x13, "GB"))) }},
	{"name", policy.ProfileOrganisation, "two OUs", func(t *testing.T, n *tlv) { n.at(atSubject).insert(0, n.at(atSubject, 0)) }},
	{"name", policy.ProfileOrganisation, "an EUI-64 of seven octets", func(t *testing.T, n *tlv) {
		u := n.at(atSubject, 1, 0, 1)
		u.content = u.content[:8]
	}},
	{"public-key", policy.ProfileDevice, "a point off the curve", func(t *testing.T, n *tlv) { c := n.at(atKey, 1).content; c[len(c)-1] ^= 1 }},
	{"public-key", policy.ProfileDevice, "a compressed point", func(t *testing.T, n *tlv) {
		c := n.at(atKey, 1).content
		n.at(atKey, 1).content = append([]byte{0, 2 | c[65]&1}, c[2:34]...)
	}},
	{"public-key", policy.ProfileDevice, "the curve P-384", func(t *testing.T, n *tlv) { n.at(atKey, 0, 1).content = []byte{0x2b, 0x81, 4, 0, 0x22} }},
	{"key-usage", policy.ProfileDevice, "trailing zero bits", func(t *testing.T, n *tlv) { value(t, n, extKU).content = []byte{3, 2, 0, 0x80} }},
	{"serial-number", policy.ProfileDevice, "seventeen octets", func(t *testing.T, n *tlv) { n.at(atSerial).content = append([]byte{1}, n.at(atSerial).content...) }},
	{"serial-number", policy.ProfileDevice, "negative", func(t *testing.T, n *tlv) { n.at(atSerial).content[0] |= 0x80 }},
	{"serial-number", policy.ProfileDevice, "zero", func(t *testing.T, n *tlv) { n.at(atSerial).content = []byte{0} }},

	// Rules of form.
	{"version", policy.ProfileDevice, "version 2", func(t *testing.T, n *tlv) { n.at(0, 0).content = []byte{1} }},
	{"serial-number", policy.ProfileDevice, "fifteen octets", func(t *testing.T, n *tlv) {
		n.at(atSerial).content = n.at(atSerial).content[1:]
		n.at(atSerial).content[0] = 1
	}},
	{"signature-algorithm", policy.ProfileDevice, "a NULL parameter", func(t *testing.T, n *tlv) { n.at(atAlgorithm).insert(1, prim(5)) }},
	{"signature-algorithm", policy.ProfileDevice, "ecdsa-with-SHA384", func(t *testing.T, n *tlv) { c := n.at(atAlgorithm, 0).content; c[len(c)-1] = 3 }},
	{"issuer-name", policy.ProfileOrganisation, "no OU in the issuer", func(t *testing.T, n *tlv) { n.at(atIssuer).remove(0) }},
	{"issuer-name", policy.ProfileOrganisation, "the OU of a root in the issuer", func(t *testing.T, n *tlv) { n.at(atIssuer, 0, 0, 1).content = []byte("00") }},
	{"issuer-name", policy.ProfileDevice, "an OU in the issuer", func(t *testing.T, n *tlv) { n.at(atIssuer).insert(0, rdn(11, text(0x13, "07"))) }},
	{"subject-name", policy.ProfileDevice, "a name for a device", func(t *testing.T, n *tlv) { n.at(atSubject).insert(0, rdn(3, text(0x0c, "meter"))) }},
	{"subject-name", policy.ProfileOrganisation, "the names in another order", func(t *testing.T, n *tlv) {
		s := n.at(atSubject)
		s.children[0], s.children[1] = s.children[1], s.children[0]
	}},
	{"subject-name", policy.ProfileOrganisation, "two attributes in one RDN", func(t *testing.T, n *tlv) {
		s := n.at(atSubject)
		s.children = []*tlv{cons(0x31, s.at(0, 0), s.at(1, 0))}
	}},
	{"subject-name", policy.ProfileIssuingOCA, "the OU of a root", func(t *testing.T, n *tlv) { n.at(atSubject, 0, 0, 1).content = []byte("00") }},
	{"subject-name", policy.ProfileRootOCA, "a root with another issuer", func(t *testing.T, n *tlv) { n.at(atIssuer, 1, 0, 1).content = []byte("XB") }},
	{"name-strings", policy.ProfileOrganisation, "UTF8String in the issuer", func(t *testing.T, n *tlv) { n.at(atIssuer, 0, 0, 1).tag = 0x0c }},
	{"name-strings", policy.ProfileOrganisation, "PrintableString in the subject", func(t *testing.T, n *tlv) { n.at(atSubject, 0, 0, 1).tag = 0x13 }},
	{"name-strings", policy.ProfileIssuingOCA, "UTF8String in an authority's subject", func(t *testing.T, n *tlv) { n.at(atSubject, 1, 0, 1).tag = 0x0c }},
	{"role", policy.ProfileOrganisation, "an unknown role", func(t *testing.T, n *tlv) { n.at(atSubject, 0, 0, 1).content = []byte("83") }},
	{"role", policy.ProfileOrganisation, "a lower-case code", func(t *testing.T, n *tlv) { n.at(atSubject, 0, 0, 1).content = []byte("7f") }},
	{"role", policy.ProfileOrganisation, "an authority's role", func(t *testing.T, n *tlv) { n.at(atSubject, 0, 0, 1).content = []byte("07") }},
	{"entity-identifier", policy.ProfileOrganisation, "an EUI-64 of zero", func(t *testing.T, n *tlv) { n.at(atSubject, 1, 0, 1).content = make([]byte, 9) }},
	{"entity-identifier", policy.ProfileDevice, "an EUI-64 of zero", func(t *testing.T, n *tlv) { c := value(t, n, extSAN).content; clear(c[len(c)-8:]) }},
	{"entity-identifier", policy.ProfileIssuingOCA, "an EUI-64 for an authority", func(t *testing.T, n *tlv) { n.at(atSubject).insert(2, rdn(45, prim(3, 0, 1, 2, 3, 4, 5, 6, 7, 8))) }},
	{"validity-form", policy.ProfileDevice, "GeneralizedTime before 2050", func(t *testing.T, n *tlv) {
		b := n.at(atValidity, 0)
		b.tag, b.content = 0x18, append([]byte("20"), b.content...)
	}},
	{"validity-order", policy.ProfileOrganisation, "notAfter before notBefore", func(t *testing.T, n *tlv) { n.at(atValidity, 1).content = []byte("250101000000Z") }},
	{"device-validity", policy.ProfileDevice, "an end", func(t *testing.T, n *tlv) { n.at(atValidity, 1).content = []byte("20601231235959Z") }},
	{"unique-identifiers", policy.ProfileDevice, "issuerUniqueID", func(t *testing.T, n *tlv) { n.insert(7, prim(0x81, 0, 1)) }},
	{"unique-identifiers", policy.ProfileDevice, "subjectUniqueID", func(t *testing.T, n *tlv) { n.insert(7, prim(0x82, 0, 1)) }},
	{"extensions", policy.ProfileDevice, "no keyUsage", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extKU)) }},
	{"extensions", policy.ProfileDevice, "no policies", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extPolicies)) }},
	{"extensions", policy.ProfileDevice, "no subjectAltName", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extSAN)) }},
	{"extensions", policy.ProfileDevice, "no subjectKeyIdentifier", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extSKI)) }},
	{"extensions", policy.ProfileDevice, "no authorityKeyIdentifier", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extAKI)) }},
	{"extensions", policy.ProfileDevice, "no extensions at all", func(t *testing.T, n *tlv) { n.remove(atExtensions) }},
	{"extensions", policy.ProfileIssuingOCA, "no basicConstraints", func(t *testing.T, n *tlv) { list(n).remove(indexOf(t, list(n), extBC)) }},
	{"extensions", policy.ProfileDevice, "extKeyUsage", func(t *testing.T, n *tlv) {
		list(n).insert(5, extensionTLV(37, false, 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2))
	}},
	{"extensions", policy.ProfileDevice, "a distribution point", func(t *testing.T, n *tlv) { list(n).insert(5, extensionTLV(31, false, 0x30, 0)) }},
	{"extensions", policy.ProfileOrganisation, "basicConstraints of an end entity", func(t *testing.T, n *tlv) { list(n).insert(0, extensionTLV(extBC, true, 0x30, 0)) }},
	{"extensions", policy.ProfileOrganisation, "cA TRUE", func(t *testing.T, n *tlv) { list(n).insert(0, extensionTLV(extBC, true, 0x30, 3, 1, 1, 0xff)) }},
	{"extensions", policy.ProfileRootOCA, "an authorityKeyIdentifier in a root", func(t *testing.T, n *tlv) {
		list(n).insert(4, extensionTLV(extAKI, false, append([]byte{0x30, 10, 0x80, 8}, make([]byte, 8)...)...))
	}},
	{"extension-order", policy.ProfileDevice, "two extensions exchanged", func(t *testing.T, n *tlv) {
		l := list(n).children
		l[0], l[1] = l[1], l[0]
	}},
	{"extension-criticality", policy.ProfileDevice, "policies not critical", func(t *testing.T, n *tlv) { extensionOf(t, list(n), extPolicies).remove(1) }},
	{"extension-criticality", policy.ProfileDevice, "keyUsage not critical", func(t *testing.T, n *tlv) { extensionOf(t, list(n), extKU).remove(1) }},
	{"extension-criticality", policy.ProfileDevice, "subjectAltName not critical", func(t *testing.T, n *tlv) { extensionOf(t, list(n), extSAN).remove(1) }},
	{"extension-criticality", policy.ProfileDevice, "a critical subjectKeyIdentifier", func(t *testing.T, n *tlv) { extensionOf(t, list(n), extSKI).insert(1, prim(1, 0xff)) }},
	{"extension-criticality", policy.ProfileIssuingOCA, "basicConstraints not critical", func(t *testing.T, n *tlv) { extensionOf(t, list(n), extBC).remove(1) }},
	{"extension-criticality", policy.ProfileRootOCA, "a critical contingency key", func(t *testing.T, n *tlv) { list(n).at(4).insert(1, prim(1, 0xff)) }},
	{"key-usage", policy.ProfileDevice, "both usages", func(t *testing.T, n *tlv) {
		value(t, n, extKU).content = (policy.UsageDigitalSignature | policy.UsageKeyAgreement).DER()
	}},
	{"key-usage", policy.ProfileDevice, "nonRepudiation", func(t *testing.T, n *tlv) { value(t, n, extKU).content = policy.KeyUsage(2).DER() }},
	{"key-usage", policy.ProfileIssuingOCA, "an authority that signs messages", func(t *testing.T, n *tlv) {
		value(t, n, extKU).content = (policy.UsageCertSign | policy.UsageDigitalSignature).DER()
	}},
	{"subject-key-identifier", policy.ProfileDevice, "another identifier", func(t *testing.T, n *tlv) { value(t, n, extSKI).content[9] ^= 1 }},
	{"subject-key-identifier", policy.ProfileDevice, "20 octets", func(t *testing.T, n *tlv) { value(t, n, extSKI).content = append([]byte{4, 20}, make([]byte, 20)...) }},
	{"authority-key-identifier", policy.ProfileDevice, "issuer and serial number too", func(t *testing.T, n *tlv) {
		v := parseTLV(t, value(t, n, extAKI).content)
		v.insert(1, prim(0x82, 1))
		value(t, n, extAKI).content = v.encode()
	}},
	{"authority-key-identifier", policy.ProfileDevice, "20 octets", func(t *testing.T, n *tlv) {
		value(t, n, extAKI).content = append([]byte{0x30, 22, 0x80, 20}, make([]byte, 20)...)
	}},
	{"certificate-policies", policy.ProfileDevice, "two policies", func(t *testing.T, n *tlv) {
		v := parseTLV(t, value(t, n, extPolicies).content)
		v.insert(1, cons(0x30, prim(6, 0x2a, 3)))
		value(t, n, extPolicies).content = v.encode()
	}},
	{"certificate-policies", policy.ProfileDevice, "a qualifier", func(t *testing.T, n *tlv) {
		v := parseTLV(t, value(t, n, extPolicies).content)
		v.at(0).insert(1, cons(0x30))
		value(t, n, extPolicies).content = v.encode()
	}},
	{"subject-alt-name", policy.ProfileDevice, "a DNS name", func(t *testing.T, n *tlv) { value(t, n, extSAN).content = append([]byte{0x30, 6, 0x82, 4}, "m.gb"...) }},
	{"subject-alt-name", policy.ProfileDevice, "two names", func(t *testing.T, n *tlv) {
		v := parseTLV(t, value(t, n, extSAN).content)
		v.insert(1, text(0x82, "m.gb"))
		value(t, n, extSAN).content = v.encode()
	}},
	{"subject-alt-name", policy.ProfileDevice, "an EUI-64 of nine octets", func(t *testing.T, n *tlv) {
		v := parseTLV(t, value(t, n, extSAN).content)
		s := v.at(0, 1, 0, 1)
		s.content = append(s.content, 1)
		value(t, n, extSAN).content = v.encode()
	}},
	{"basic-constraints", policy.ProfileIssuingOCA, "no pathLen", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 3, 1, 1, 0xff} }},
	{"basic-constraints", policy.ProfileIssuingOCA, "pathLen 1", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 6, 1, 1, 0xff, 2, 1, 1} }},
	{"basic-constraints", policy.ProfileRootOCA, "pathLen in a root", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 6, 1, 1, 0xff, 2, 1, 1} }},
	{"basic-constraints", policy.ProfileIssuingOCA, "no cA", func(t *testing.T, n *tlv) { value(t, n, extBC).content = []byte{0x30, 0} }},
	{"wrapped-contingency", policy.ProfileRootOCA, "no algorithm", func(t *testing.T, n *tlv) { list(n).at(4).value().content = []byte{0x30, 3, 4, 1, 1} }},

	// Rules of the environment.
	{"profile-kind", policy.ProfileDevice, "a device that may sign certificates", func(t *testing.T, n *tlv) {
		n.at(atSubject).insert(0, rdn(3, text(0x13, "X2")))
		value(t, n, extKU).content = policy.UsageCertSign.DER()
	}},
	{"policy-identifier", policy.ProfileDevice, "the policy of another environment", func(t *testing.T, n *tlv) { c := value(t, n, extPolicies).content; c[len(c)-1]++ }},
	{"lifetime", policy.ProfileOrganisation, "eleven years", func(t *testing.T, n *tlv) { n.at(atValidity, 1).content = []byte("361231235959Z") }},
	{"lifetime", policy.ProfileOrganisation, "nine years", func(t *testing.T, n *tlv) { n.at(atValidity, 1).content = []byte("341231235959Z") }},
	{"lifetime", policy.ProfileOrganisation, "a day that is not whole", func(t *testing.T, n *tlv) {
		n.at(atValidity, 0).content = []byte("260101120000Z")
		n.at(atValidity, 1).content = []byte("360101115959Z")
	}},
	{"profile-usage", policy.ProfileIssuingOCA, "an authority without cRLSign", func(t *testing.T, n *tlv) { value(t, n, extKU).content = policy.UsageCertSign.DER() }},
	{"authority-name", policy.ProfileIssuingOCA, "a long name", func(t *testing.T, n *tlv) { n.at(atSubject, 1, 0, 1).content = []byte("Exercise") }},
	{"authority-name", policy.ProfileIssuingOCA, "the issuer's name", func(t *testing.T, n *tlv) { n.at(atSubject, 1, 0, 1).content = []byte("XA") }},
	{"common-name", policy.ProfileOrganisation, "a name outside the rule", func(t *testing.T, n *tlv) {
		n.at(atSubject).insert(0, rdn(3, text(0x0c, "<b>Supplier</b>")))
	}},
	{"issuer", policy.ProfileOrganisation, "another issuer's name", func(t *testing.T, n *tlv) { n.at(atIssuer, 1, 0, 1).content = []byte("X9") }},
	{"issuer", policy.ProfileOrganisation, "another issuer's key", func(t *testing.T, n *tlv) { value(t, n, extAKI).content[11] ^= 1 }},
	{"issuer", policy.ProfileOrganisation, "a beginning after the issuer's end", func(t *testing.T, n *tlv) {
		v := n.at(atValidity)
		v.children = []*tlv{text(0x18, "20600101000000Z"), text(0x18, "20691231235959Z")}
	}},
	{"own-key", policy.ProfileOrganisation, "the issuer's own key", nil},
}

// goodTBS returns to-be-signed bytes that pass, and their issuer.
func goodTBS(t *testing.T, h *policytest.Hierarchy, name policy.ProfileName) ([]byte, *policy.Certificate) {
	t.Helper()
	switch name {
	case policy.ProfileDevice:
		c, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)
		return c.RawTBS, h.IssuingDCA.Certificate
	case policy.ProfileOrganisation:
		c, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
		return c.RawTBS, h.IssuingOCA.Certificate
	case policy.ProfileIssuingOCA:
		return h.IssuingOCA.Certificate.RawTBS, h.RootOCA.Certificate
	}
	c := h.Issue(t, policy.ProfileRootOCA, nil, policytest.NewKey(t), policy.CertificateTemplate{CN: "XA", WrappedContingency: wrapped})
	return c.RawTBS, nil
}

func TestLintTBSFailsForEveryMutation(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	covered := map[string]bool{}
	for _, row := range lintRows {
		covered[row.rule] = true
		t.Run(row.rule+"/"+row.says, func(t *testing.T) {
			t.Parallel()
			p, err := h.Environment.Profile(row.profile)
			require.NoError(t, err)
			good, issuer := goodTBS(t, h, row.profile)
			require.NoError(t, p.LintTBS(good, issuer))
			n := parseTLV(t, good)
			var bad []byte
			switch {
			case row.change != nil:
				row.change(t, n)
				bad = n.encode()
			case row.rule == "der":
				bad = append(append([]byte{}, good...), 0)
			case row.rule == "size":
				bad = make([]byte, 1<<20)
			default: // own-key
				n.children[atKey] = parseTLV(t, issuer.RawTBS).at(atKey)
				bad = n.encode()
			}
			require.NotEqual(t, good, bad)
			err = p.LintTBS(bad, issuer)
			require.Error(t, err)
			vs := asViolations(t, err)
			require.True(t, vs.Has(row.rule), "got %v", err)
			for _, v := range vs {
				require.NotEmpty(t, v.Clause)
				require.Equal(t, row.profile, v.Profile)
			}
		})
	}
	// Rules of a signature and of practice are met below and in the published
	// certificates; every other one must have a row here.
	elsewhere := map[string]bool{"signature-value": true, "self-signature": true, "published-lifetime": true, "published-days": true}
	for _, r := range policy.Rules() {
		if r.Scope == policy.ScopeForm || r.Scope == policy.ScopeEnvironment || r.Scope == policy.ScopeReader {
			require.True(t, covered[r.Name] || elsewhere[r.Name], "rule %q has no row", r.Name)
		}
	}
}

// A profile judges bytes that were made for another one as what they are not.
func TestLintTBSOfAnotherProfile(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	for _, made := range []policy.ProfileName{policy.ProfileRootOCA, policy.ProfileIssuingOCA, policy.ProfileDevice, policy.ProfileOrganisation} {
		tbs, issuer := goodTBS(t, h, made)
		for _, name := range policy.ProfileNames() {
			p, err := h.Environment.Profile(name)
			require.NoError(t, err)
			err = p.LintTBS(tbs, issuer)
			if name == made {
				require.NoError(t, err)
				continue
			}
			require.True(t, asViolations(t, err).Has("profile-kind"), "%s under %s: %v", made, name, err)
		}
	}
}

func TestLintTBSWantsTheRightIssuer(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	tbs, _ := goodTBS(t, h, policy.ProfileOrganisation)
	p, err := h.Environment.Profile(policy.ProfileOrganisation)
	require.NoError(t, err)
	party, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	for _, issuer := range []*policy.Certificate{nil, h.RootOCA.Certificate, h.IssuingDCA.Certificate, party} {
		require.True(t, asViolations(t, p.LintTBS(tbs, issuer)).Has("issuer"))
	}
	root, _ := goodTBS(t, h, policy.ProfileRootOCA)
	p, err = h.Environment.Profile(policy.ProfileRootOCA)
	require.NoError(t, err)
	require.True(t, asViolations(t, p.LintTBS(root, h.RootOCA.Certificate)).Has("issuer"))
}

// The two rules that need a signature.
func TestSignatureRules(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)

	// As in two published device certificates: a needless zero before s.
	whole := parseTLV(t, device.Raw)
	sig := parseTLV(t, device.Signature)
	sig.at(1).content = append([]byte{0}, sig.at(1).content...)
	whole.at(2).content = append([]byte{0}, sig.encode()...)
	_, err := policy.ParseCertificate(whole.encode())
	require.True(t, asViolations(t, err).Has("signature-value"))
	c, violations, err := policy.ReadCertificate(whole.encode())
	require.NoError(t, err)
	require.Len(t, violations, 1)
	require.Equal(t, "signature-value", violations[0].Rule)
	err = policy.CheckPath(c, []*policy.Certificate{h.IssuingDCA.Certificate}, h.DeviceAnchor(), policy.PathOptions{IgnoreTime: true})
	require.ErrorIs(t, err, policy.ErrBadCertificate)

	stolen := policytest.Sign(t, policytest.NewKey(t), h.RootOCA.Certificate.RawTBS)
	_, err = policy.ParseCertificate(stolen)
	require.True(t, asViolations(t, err).Has("self-signature"), "a root that another key signed")

	own := policytest.Authority{Key: policytest.NewKey(t)}
	party := h.Issue(t, policy.ProfileOrganisation, &h.IssuingOCA, own.Key, policy.CertificateTemplate{Role: policy.RoleXMLSign, EntityID: supplierID, Usage: policy.UsageDigitalSignature})
	xml := resign(t, party, own, func(n *tlv) { list(n).remove(indexOf(t, list(n), extAKI)) })
	_, violations, err = policy.ReadCertificate(xml.Raw)
	require.NoError(t, err)
	require.Len(t, violations, 2)
	require.Equal(t, "extensions", violations[0].Rule)
	require.Equal(t, "self-signature", violations[1].Rule)
}

// Practice is named by the tolerant reader and refused by nobody.
func TestPracticeRules(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	party, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	long := resign(t, party, h.IssuingOCA, func(n *tlv) {
		n.at(atValidity).children = []*tlv{text(0x17, "260101010000Z"), text(0x18, "21260101000000Z")}
	})
	_, violations, err := policy.ReadCertificate(long.Raw)
	require.NoError(t, err)
	require.Len(t, violations, 2)
	require.Equal(t, "published-lifetime", violations[0].Rule)
	require.Equal(t, "published-days", violations[1].Rule)
	_, err = policy.ParseCertificate(long.Raw)
	require.NoError(t, err)
}

func TestRulesAreWellFormed(t *testing.T) {
	t.Parallel()
	type key struct {
		name  string
		scope policy.Scope
	}
	seen := map[key]bool{}
	for _, r := range policy.Rules() {
		k := key{r.Name, r.Scope}
		require.False(t, seen[k], "%v", k)
		seen[k] = true
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, r.Name)
		require.NotEmpty(t, r.Says, r.Name)
		require.NotEmpty(t, r.Clause, r.Name)
		require.NotEqual(t, "unknown scope", r.Scope.String())
	}
}

// BenchmarkLintTBS is what the issuance pipeline pays for a certificate twice.
func BenchmarkLintTBS(b *testing.B) {
	h := policytest.NewHierarchy(b)
	c, key := h.Device(b, supplierID, policy.UsageDigitalSignature)
	p, err := h.Environment.Profile(policy.ProfileDevice)
	require.NoError(b, err)
	b.Run("lint", func(b *testing.B) {
		for b.Loop() {
			if err := p.LintTBS(c.RawTBS, h.IssuingDCA.Certificate); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("build", func(b *testing.B) {
		t := policy.CertificateTemplate{Serial: c.Serial, Issuer: h.IssuingDCA.Certificate, PublicKey: &key.PublicKey, Usage: c.Usage, EntityID: c.DeviceID, HardwareType: c.HardwareType, NotBefore: time.Unix(1767225600, 0)}
		for b.Loop() {
			if _, err := p.TBS(t); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Apart from what a request decides, no bit of the to-be-signed bytes can change
// without a rule that is broken.
func TestNothingElseIsFree(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	for name, free := range map[policy.ProfileName]func(*policy.Certificate) [][]byte{
		policy.ProfileDevice: func(c *policy.Certificate) [][]byte {
			return [][]byte{c.Serial[:], []byte(c.NotBefore.Format("060102150405")), {0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 1, 2, 2, 1}, supplierID[:]}
		},
		policy.ProfileOrganisation: func(c *policy.Certificate) [][]byte {
			return [][]byte{c.Serial[:], []byte("02"), supplierID[:]}
		},
		policy.ProfileIssuingOCA: func(c *policy.Certificate) [][]byte { return [][]byte{c.Serial[:], []byte("X1")} },
		policy.ProfileRootOCA:    func(c *policy.Certificate) [][]byte { return [][]byte{c.Serial[:], wrapped} },
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			good, issuer := goodTBS(t, h, name)
			p, err := h.Environment.Profile(name)
			require.NoError(t, err)
			c, err := policy.ParseCertificate(policytest.Sign(t, policytest.NewKey(t), good))
			if name.Root() {
				require.True(t, asViolations(t, err).Has("self-signature"))
				c, _, err = policy.ReadCertificate(policytest.Sign(t, policytest.NewKey(t), good))
			}
			require.NoError(t, err)
			allowed := make([]bool, len(good))
			for _, part := range free(c) {
				require.Contains(t, string(good), string(part))
				for from := 0; ; {
					i := strings.Index(string(good[from:]), string(part))
					if i < 0 {
						break
					}
					for j := range part {
						allowed[from+i+j] = true
					}
					from += i + 1
				}
			}
			for i := range good {
				for bit := range 8 {
					bad := append([]byte{}, good...)
					bad[i] ^= 1 << bit
					if p.LintTBS(bad, issuer) == nil {
						require.True(t, allowed[i], "bit %d of octet %d (%02X) can change unseen", bit, i, good[i])
					}
				}
			}
		})
	}
}
