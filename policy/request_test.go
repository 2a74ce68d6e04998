package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// Indexes in a CertificationRequestInfo.
const (
	csrVersion, csrSubject, csrKey, csrAttributes = 0, 1, 2, 3
)

// csrExtensions returns the SEQUENCE OF Extension in the extensionRequest.
func csrExtensions(info *tlv) *tlv { return info.at(csrAttributes, 0, 1, 0) }

func attributeTLV(values *tlv, oid ...byte) *tlv { return cons(0x30, prim(6, oid...), values) }

// csrRow changes the info of a good request, which is then signed, so that the
// change is all that is wrong.
type csrRow struct {
	rule, says string
	change     func(t *testing.T, info *tlv)
}

// Rows for requests of a device.
var deviceRows = []csrRow{
	{"version", "version 1", func(t *testing.T, n *tlv) { n.at(csrVersion).content = []byte{1} }},
	{"version", "version 2", func(t *testing.T, n *tlv) { n.at(csrVersion).content = []byte{2} }},
	{"version", "a negative version", func(t *testing.T, n *tlv) { n.at(csrVersion).content = []byte{0xff} }},
	{"structure", "a huge version", func(t *testing.T, n *tlv) { n.at(csrVersion).content = append([]byte{1}, make([]byte, 20)...) }},
	{"structure", "no version", func(t *testing.T, n *tlv) { n.remove(csrVersion) }},
	{"structure", "no subject", func(t *testing.T, n *tlv) { n.remove(csrSubject) }},
	{"structure", "no key", func(t *testing.T, n *tlv) { n.remove(csrKey) }},
	{"structure", "two keys", func(t *testing.T, n *tlv) { n.insert(csrKey, n.at(csrKey)) }},
	{"structure", "a field after the attributes", func(t *testing.T, n *tlv) { n.insert(4, prim(5)) }},
	{"attributes", "no attributes", func(t *testing.T, n *tlv) { n.remove(csrAttributes) }},
	{"attributes", "empty attributes", func(t *testing.T, n *tlv) { n.at(csrAttributes).children = nil }},
	{"attributes", "a challengePassword alone", func(t *testing.T, n *tlv) {
		n.at(csrAttributes).children = []*tlv{attributeTLV(cons(0x31, text(0x13, "secret")), 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7)}
	}},
	{"attributes", "a challengePassword too", func(t *testing.T, n *tlv) {
		n.at(csrAttributes).insert(0, attributeTLV(cons(0x31, text(0x13, "secret")), 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7))
	}},
	{"attributes", "an unstructuredName too", func(t *testing.T, n *tlv) {
		n.at(csrAttributes).insert(0, attributeTLV(cons(0x31, text(0x13, "x")), 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2))
	}},
	{"attributes", "the extensionRequest of Microsoft", func(t *testing.T, n *tlv) {
		n.at(csrAttributes, 0, 0).content = []byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 0x0e}
	}},
	{"attributes", "two extensionRequests", func(t *testing.T, n *tlv) { n.at(csrAttributes).insert(0, n.at(csrAttributes, 0)) }},
	{"attributes", "two values", func(t *testing.T, n *tlv) { n.at(csrAttributes, 0, 1).insert(0, n.at(csrAttributes, 0, 1, 0)) }},
	{"attributes", "no value", func(t *testing.T, n *tlv) { n.at(csrAttributes, 0, 1).children = nil }},
	{"structure", "no extension", func(t *testing.T, n *tlv) { csrExtensions(n).children = nil }},
	{"structure", "an extension twice", func(t *testing.T, n *tlv) { csrExtensions(n).insert(0, csrExtensions(n).at(0)) }},
	{"requested-extensions", "no keyUsage", func(t *testing.T, n *tlv) { csrExtensions(n).remove(0) }},
	{"requested-extensions", "no subjectAltName", func(t *testing.T, n *tlv) { csrExtensions(n).remove(1) }},
	{"requested-extensions", "cA TRUE", func(t *testing.T, n *tlv) { csrExtensions(n).insert(0, extensionTLV(19, true, 0x30, 3, 1, 1, 0xff)) }},
	{"requested-extensions", "cA FALSE", func(t *testing.T, n *tlv) { csrExtensions(n).insert(0, extensionTLV(19, true, 0x30, 0)) }},
	{"requested-extensions", "a policy", func(t *testing.T, n *tlv) {
		csrExtensions(n).insert(0, extensionTLV(32, true, 0x30, 6, 0x30, 4, 6, 2, 0x2a, 3))
	}},
	{"requested-extensions", "extKeyUsage", func(t *testing.T, n *tlv) { csrExtensions(n).insert(0, extensionTLV(37, false, 0x30, 0)) }},
	{"requested-extensions", "a key identifier", func(t *testing.T, n *tlv) { csrExtensions(n).insert(0, extensionTLV(14, false, 4, 0)) }},
	{"requested-extensions", "an unknown extension", func(t *testing.T, n *tlv) {
		csrExtensions(n).insert(0, cons(0x30, prim(6, 0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 1), prim(4, 5, 0)))
	}},
	{"requested-extensions", "the contingency key", func(t *testing.T, n *tlv) {
		csrExtensions(n).insert(0, cons(0x30, prim(6, 0x2b, 6, 1, 5, 5, 7, 1, 20), prim(4, wrapped...)))
	}},
	{"key-usage", "both usages", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{3, 2, 3, 0x88} }},
	{"key-usage", "keyCertSign", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = policy.UsageCertSign.DER() }},
	{"key-usage", "cRLSign with digitalSignature", func(t *testing.T, n *tlv) {
		csrExtensions(n).at(0).value().content = (policy.UsageCRLSign | policy.UsageDigitalSignature).DER()
	}},
	{"key-usage", "nonRepudiation", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = policy.KeyUsage(2).DER() }},
	{"key-usage", "no usage", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{3, 1, 0} }},
	{"key-usage", "trailing zero bits", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{3, 2, 0, 0x80} }},
	{"key-usage", "a tenth bit", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{3, 3, 6, 0x80, 0x40} }},
	{"key-usage", "an INTEGER", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{2, 1, 1} }},
	{"der", "an empty keyUsage", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = nil }},
	{"der", "an octet after keyUsage", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).value().content = []byte{3, 2, 7, 0x80, 0} }},
	{"der", "critical FALSE written", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).at(1).content = []byte{0} }},
	{"der", "critical as 01", func(t *testing.T, n *tlv) { csrExtensions(n).at(0).at(1).content = []byte{1} }},
	{"subject-alt-name", "a DNS name", func(t *testing.T, n *tlv) { csrExtensions(n).at(1).value().content = []byte{0x30, 3, 0x82, 1, 'a'} }},
	{"subject-alt-name", "two names", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.insert(1, v.at(0)) }) }},
	{"subject-alt-name", "a DNS name too", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.insert(1, prim(0x82, 'a')) }) }},
	{"subject-alt-name", "no names", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.children = nil }) }},
	{"subject-alt-name", "another type of name", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { c := v.at(0, 0).content; c[len(c)-1]++ }) }},
	{"subject-alt-name", "seven octets of hwSerialNum", func(t *testing.T, n *tlv) {
		altName(t, n, func(v *tlv) { s := v.at(0, 1, 0, 1); s.content = s.content[1:] })
	}},
	{"subject-alt-name", "nine octets of hwSerialNum", func(t *testing.T, n *tlv) {
		altName(t, n, func(v *tlv) { s := v.at(0, 1, 0, 1); s.content = append(s.content, 0) })
	}},
	{"subject-alt-name", "hwSerialNum as a string", func(t *testing.T, n *tlv) {
		altName(t, n, func(v *tlv) { v.at(0, 1, 0).children[1] = text(0x0c, "12345678") })
	}},
	{"subject-alt-name", "no hwType", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.at(0, 1, 0).remove(0) }) }},
	{"subject-alt-name", "a long hwType", func(t *testing.T, n *tlv) {
		altName(t, n, func(v *tlv) { v.at(0, 1, 0, 0).content = append([]byte{0x2a}, make([]byte, 70)...) })
	}},
	{"subject-alt-name", "a third member", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.at(0, 1, 0).insert(2, prim(5)) }) }},
	{"entity-identifier", "an EUI-64 of zero", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { clear(v.at(0, 1, 0, 1).content) }) }},
	{"der", "BER inside subjectAltName", func(t *testing.T, n *tlv) { altName(t, n, func(v *tlv) { v.length = []byte{0x81, 38} }) }},
	{"public-key", "a point off the curve", func(t *testing.T, n *tlv) { c := n.at(csrKey, 1).content; c[len(c)-1] ^= 1 }},
	{"public-key", "a compressed point", func(t *testing.T, n *tlv) {
		c := n.at(csrKey, 1).content
		n.at(csrKey, 1).content = append([]byte{0, 2 | c[65]&1}, c[2:34]...)
	}},
	{"public-key", "a hybrid point", func(t *testing.T, n *tlv) { c := n.at(csrKey, 1).content; c[1] = 6 | c[65]&1 }},
	{"public-key", "the point at infinity", func(t *testing.T, n *tlv) { n.at(csrKey, 1).content = []byte{0, 0} }},
	{"public-key", "all zero", func(t *testing.T, n *tlv) { clear(n.at(csrKey, 1).content[2:]) }},
	{"public-key", "an empty key", func(t *testing.T, n *tlv) { n.at(csrKey, 1).content = []byte{0} }},
	{"public-key", "coordinates above the field", func(t *testing.T, n *tlv) {
		for i := range n.at(csrKey, 1).content[2:] {
			n.at(csrKey, 1).content[2+i] = 0xff
		}
	}},
	{"public-key", "the curve P-384", func(t *testing.T, n *tlv) { n.at(csrKey, 0, 1).content = []byte{0x2b, 0x81, 4, 0, 0x22} }},
	{"public-key", "the curve secp256k1", func(t *testing.T, n *tlv) { n.at(csrKey, 0, 1).content = []byte{0x2b, 0x81, 4, 0, 0x0a} }},
	{"public-key", "explicit parameters", func(t *testing.T, n *tlv) { n.at(csrKey, 0).children[1] = cons(0x30, prim(2, 1)) }},
	{"public-key", "no curve", func(t *testing.T, n *tlv) { n.at(csrKey, 0).remove(1) }},
	{"public-key", "a curve and more", func(t *testing.T, n *tlv) { n.at(csrKey, 0).insert(2, prim(5)) }},
	{"public-key", "id-ecDH", func(t *testing.T, n *tlv) { n.at(csrKey, 0, 0).content = []byte{0x2b, 0x81, 4, 1, 12} }},
	{"public-key", "rsaEncryption", func(t *testing.T, n *tlv) {
		n.at(csrKey, 0, 0).content = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}
	}},
	{"public-key", "a key in an OCTET STRING", func(t *testing.T, n *tlv) { n.at(csrKey, 1).tag = 4 }},
	{"der", "unused bits in the key", func(t *testing.T, n *tlv) { n.at(csrKey, 1).content[0] = 8 }},
	{"der", "NULL with content", func(t *testing.T, n *tlv) { n.at(csrKey, 0).insert(2, prim(5, 0)) }},
	{"der", "a high tag", func(t *testing.T, n *tlv) { n.insert(4, prim(0x1f, 1)) }},
	{"der", "attributes under an application tag", func(t *testing.T, n *tlv) { n.at(csrAttributes).tag = 0x60 }},
	{"structure", "attributes under another tag", func(t *testing.T, n *tlv) { n.at(csrAttributes).tag = 0xa1 }},
}

// Rows for requests of an organisation.
var organisationRows = []csrRow{
	{"requested-extensions", "a subjectAltName", func(t *testing.T, n *tlv) { csrExtensions(n).insert(1, extensionTLV(17, false, 0x30, 3, 0x82, 1, 'a')) }},
	{"requested-extensions", "cA TRUE", func(t *testing.T, n *tlv) { csrExtensions(n).insert(1, extensionTLV(19, true, 0x30, 3, 1, 1, 0xff)) }},
	{"name", "a country", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(0, rdn(6, text(0x13, "GB"))) }},
	{"name", "an organisation name", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(0, rdn(10, text(0x0c, "Example"))) }},
	{"name", "a serialNumber", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(0, rdn(5, text(0x13, "1"))) }},
	{"name", "two CNs", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(0, n.at(csrSubject, 0)) }},
	{"name", "two OUs", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(1, rdn(11, text(0x0c, "03"))) }},
	{"name", "two EUI-64s", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(1, n.at(csrSubject, 2)) }},
	{"name", "two attributes in one RDN", func(t *testing.T, n *tlv) {
		s := n.at(csrSubject)
		s.children = []*tlv{cons(0x31, s.at(1, 0), s.at(0, 0)), s.at(2)}
	}},
	{"name", "an empty RDN", func(t *testing.T, n *tlv) { n.at(csrSubject).insert(0, cons(0x31)) }},
	{"name", "an empty CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = nil }},
	{"name", "a long CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = []byte(strings.Repeat("A", 65)) }},
	{"name", "a CN in IA5String", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).tag = 0x16 }},
	{"name", "a CN in an OCTET STRING", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).tag = 4 }},
	{"der", "a CN in T61String", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).tag = 0x14 }},
	{"der", "a CN in BMPString", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).tag = 0x1e }},
	{"der", "NUL in the CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = []byte("GOOD\x00EVIL") }},
	{"der", "a line end in the CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = []byte("GOOD\nEVIL") }},
	{"der", "an escape in the CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = []byte("\x1b[2J") }},
	{"der", "bad UTF-8 in the CN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0, 0, 1).content = []byte{0xc0, 0x80} }},
	{"der", "an asterisk in PrintableString", func(t *testing.T, n *tlv) {
		n.at(csrSubject, 0, 0, 1).tag, n.at(csrSubject, 0, 0, 1).content = 0x13, []byte("*")
	}},
	{"role", "an unknown role", func(t *testing.T, n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("83") }},
	{"role", "a role in one digit", func(t *testing.T, n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("2") }},
	{"role", "a role by name", func(t *testing.T, n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("supplier") }},
	{"role", "the root", func(t *testing.T, n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("00") }},
	{"role", "an issuing authority", func(t *testing.T, n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("07") }},
	{"role", "no OU", func(t *testing.T, n *tlv) { n.at(csrSubject).remove(1) }},
	{"entity-identifier", "no EUI-64", func(t *testing.T, n *tlv) { n.at(csrSubject).remove(2) }},
	{"entity-identifier", "an EUI-64 of zero", func(t *testing.T, n *tlv) { clear(n.at(csrSubject, 2, 0, 1).content) }},
	{"name", "an EUI-64 of seven octets", func(t *testing.T, n *tlv) { u := n.at(csrSubject, 2, 0, 1); u.content = u.content[:8] }},
	{"name", "an EUI-64 of nine octets", func(t *testing.T, n *tlv) { u := n.at(csrSubject, 2, 0, 1); u.content = append(u.content, 0) }},
	{"name", "an EUI-64 of 60 bits", func(t *testing.T, n *tlv) { u := n.at(csrSubject, 2, 0, 1); u.content[0], u.content[8] = 4, 0xf0 }},
	{"name", "an EUI-64 in an OCTET STRING", func(t *testing.T, n *tlv) { u := n.at(csrSubject, 2, 0, 1); u.tag, u.content = 4, u.content[1:] }},
	{"name", "an EUI-64 in text", func(t *testing.T, n *tlv) { n.at(csrSubject, 2, 0).children[1] = text(0x0c, "90-B3-D5-1F-30-01-00-00") }},
	{"name", "an attribute without a value", func(t *testing.T, n *tlv) { n.at(csrSubject, 2, 0).remove(1) }},
	{"name", "an attribute with two values", func(t *testing.T, n *tlv) { n.at(csrSubject, 2, 0).insert(2, prim(5)) }},
	{"name", "a SEQUENCE for an RDN", func(t *testing.T, n *tlv) { n.at(csrSubject, 0).tag = 0x30 }},
}

func altName(t *testing.T, info *tlv, change func(*tlv)) {
	e := csrExtensions(info).at(1).value()
	v := parseTLV(t, e.content)
	change(v)
	e.content = v.encode()
}

func signInfo(t testing.TB, key *ecdsa.PrivateKey, info []byte) []byte {
	digest := sha256.Sum256(info)
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(t, err)
	return cons(0x30, nil, cons(0x30, prim(6, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)), prim(3, append([]byte{0}, sig...)...)).with(0, info)
}

// with encodes n with the child at i replaced by octets that may be no DER.
func (n *tlv) with(i int, raw []byte) []byte {
	var content []byte
	for j, child := range n.children {
		if j == i {
			content = append(content, raw...)
			continue
		}
		content = append(content, child.encode()...)
	}
	return prim(n.tag, content...).encode()
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	device := parseTLV(t, policytest.DeviceRequest(t, key, supplierID, policy.UsageDigitalSignature)).at(0).encode()
	party := parseTLV(t, policytest.OrganisationRequest(t, key, "EXAMPLE", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)).at(0).encode()
	covered := map[string]bool{"encoding": true, "common-name": true, "proof-of-possession": true, "signature-algorithm": true, "signature-value": true}
	run := func(kind string, good []byte, rows []csrRow) {
		for _, row := range rows {
			covered[row.rule] = true
			t.Run(kind+"/"+row.rule+"/"+row.says, func(t *testing.T) {
				t.Parallel()
				n := parseTLV(t, good)
				row.change(t, n)
				bad := n.encode()
				require.NotEqual(t, good, bad)
				refused(t, signInfo(t, key, bad), row.rule)
			})
		}
	}
	run("device", device, deviceRows)
	run("organisation", party, organisationRows)
	for _, r := range policy.Rules() {
		require.True(t, r.Scope != policy.ScopeRequest || covered[r.Name], "rule %q has no row", r.Name)
	}
}

// refused requires one violation in one line, with rule and clause.
func refused(t *testing.T, der []byte, rule string) {
	t.Helper()
	_, err := policy.ParseRequest(der)
	require.Error(t, err)
	var v *policy.Violation
	require.True(t, errors.As(err, &v))
	require.Equal(t, error(v), err, "the error is the violation itself")
	if rule != "" {
		require.Equal(t, rule, v.Rule, "%v", v)
	}
	require.NotEmpty(t, v.Clause)
	require.NotContains(t, err.Error(), "\n")
	require.Less(t, len(err.Error()), 400)
}

// What a request may look like beside the form that the builder writes.
func TestParseRequestAccepts(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	device := policytest.DeviceRequest(t, key, supplierID, policy.UsageKeyAgreement)
	party := policytest.OrganisationRequest(t, key, "EXAMPLE", policy.RoleOther, supplierID, policy.UsageDigitalSignature)
	for _, row := range []struct {
		says   string
		good   []byte
		change func(n *tlv)
	}{
		{"as built", device, func(*tlv) {}},
		{"extensions that are not critical", device, func(n *tlv) { csrExtensions(n).at(0).remove(1); csrExtensions(n).at(1).remove(1) }},
		{"extensions in another order", device, func(n *tlv) { l := csrExtensions(n).children; l[0], l[1] = l[1], l[0] }},
		{"another hwType", device, func(n *tlv) {
			altName(t, n, func(v *tlv) {
				v.at(0, 1, 0, 0).content = []byte{0x2a, 0x86, 0x3a, 0, 1, 0x84, 0x8f, 0xb9, 0x0f, 1, 2, 2, 1}
			})
		}},
		{"an organisation as built", party, func(*tlv) {}},
		{"no CN", party, func(n *tlv) { n.at(csrSubject).remove(0) }},
		{"names in another order", party, func(n *tlv) { l := n.at(csrSubject).children; l[0], l[2] = l[2], l[0] }},
		{"PrintableString", party, func(n *tlv) { n.at(csrSubject, 0, 0, 1).tag, n.at(csrSubject, 1, 0, 1).tag = 0x13, 0x13 }},
		{"a lower-case role", party, func(n *tlv) { n.at(csrSubject, 1, 0, 1).content = []byte("7f") }},
	} {
		n := parseTLV(t, row.good).at(0)
		row.change(n)
		r, err := policy.ParseRequest(signInfo(t, key, n.encode()))
		require.NoError(t, err, row.says)
		require.NoError(t, r.CheckSignature(), row.says)
		require.Equal(t, supplierID, r.EntityID(), row.says)
		require.True(t, key.PublicKey.Equal(r.PublicKey))
	}
}

// The standard library's requests are read too, as far as they are SMKI's.
func TestParseRequestFromStandardLibrary(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	make := func(key any, template *x509.CertificateRequest) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
		require.NoError(t, err)
		return der
	}
	usage := pkix.Extension{Id: []int{2, 5, 29, 15}, Critical: true, Value: policy.UsageDigitalSignature.DER()}
	subject := parseTLV(t, policytest.OrganisationRequest(t, key, "", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)).at(0, 1).encode()
	r, err := policy.ParseRequest(make(key, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: []pkix.Extension{usage}}))
	require.NoError(t, err)
	require.NoError(t, r.CheckSignature())

	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	refused(t, make(p384, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: []pkix.Extension{usage}, SignatureAlgorithm: x509.ECDSAWithSHA256}), "public-key")
	refused(t, make(key, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: []pkix.Extension{usage}, SignatureAlgorithm: x509.ECDSAWithSHA384}), "signature-algorithm")
	refused(t, make(key, &x509.CertificateRequest{RawSubject: subject}), "attributes")
	refused(t, make(key, &x509.CertificateRequest{RawSubject: subject, DNSNames: []string{"a"}, ExtraExtensions: []pkix.Extension{usage}}), "requested-extensions")
	refused(t, make(key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, ExtraExtensions: []pkix.Extension{usage}}), "role")
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	refused(t, make(small, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: []pkix.Extension{usage}}), "public-key")
}

func TestProofOfPossession(t *testing.T) {
	t.Parallel()
	key, other := policytest.NewKey(t), policytest.NewKey(t)
	good := parseTLV(t, policytest.DeviceRequest(t, key, supplierID, policy.UsageKeyAgreement))
	for says, der := range map[string][]byte{
		"signed by another key":      signInfo(t, other, good.at(0).encode()),
		"a signature of other bytes": cons(0x30, good.at(0), good.at(1), parseTLV(t, policytest.DeviceRequest(t, key, policy.EntityID{1}, policy.UsageKeyAgreement)).at(2)).encode(),
		"r and s of one":             cons(0x30, good.at(0), good.at(1), prim(3, 0, 0x30, 6, 2, 1, 1, 2, 1, 1)).encode(),
	} {
		r, err := policy.ParseRequest(der)
		require.NoError(t, err, says)
		err = r.CheckSignature()
		var v *policy.Violation
		require.True(t, errors.As(err, &v), says)
		require.Equal(t, "proof-of-possession", v.Rule)
	}
	for says, sig := range map[string][]byte{
		"nothing":           {0},
		"not DER":           {0, 1, 2, 3},
		"unused bits":       {1, 0x30, 6, 2, 1, 1, 2, 1, 2},
		"a padded r":        {0, 0x30, 7, 2, 2, 0, 1, 2, 1, 1},
		"r of zero":         {0, 0x30, 6, 2, 1, 0, 2, 1, 1},
		"a negative s":      {0, 0x30, 6, 2, 1, 1, 2, 1, 0x81},
		"three integers":    {0, 0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1},
		"an octet after it": {0, 0x30, 6, 2, 1, 1, 2, 1, 1, 0},
		"raw r and s":       make([]byte, 65),
	} {
		t.Run(says, func(t *testing.T) {
			refused(t, cons(0x30, good.at(0), good.at(1), prim(3, sig...)).encode(), "signature-value")
		})
	}
	null := cons(0x30, good.at(1, 0), prim(5))
	refused(t, cons(0x30, good.at(0), null, good.at(2)).encode(), "signature-algorithm")
}

func TestCheckRequest(t *testing.T) {
	t.Parallel()
	env, err := policy.LoadEnvironment("exercise")
	require.NoError(t, err)
	key := policytest.NewKey(t)
	ask := func(cn string, role policy.RemotePartyRole) error {
		r, err := policy.ParseRequest(policytest.OrganisationRequest(t, key, cn, role, supplierID, policy.UsageDigitalSignature))
		require.NoError(t, err)
		return env.CheckRequest(r)
	}
	require.NoError(t, ask("", policy.RoleSupplier))
	for _, cn := range []string{"GITTESTSUPPLIER", "Example Energy (Trading) Ltd.", "A", strings.Repeat("x", 64)} {
		require.NoError(t, ask(cn, policy.RoleSupplier), cn)
	}
	for _, cn := range []string{" leading", "trailing ", "<script>", "a\"b", "naïve", "*", "a;b", "-a"} {
		err := ask(cn, policy.RoleSupplier)
		require.ErrorContains(t, err, "rule common-name", cn)
	}
	require.ErrorContains(t, ask("", policy.RoleRecovery), "recovery (01), which is made in a ceremony only")
	device, err := policy.ParseRequest(policytest.DeviceRequest(t, key, supplierID, policy.UsageDigitalSignature))
	require.NoError(t, err)
	require.NoError(t, env.CheckRequest(device))
}

// hostile returns every damage of a request that programs can think of:
// truncations at each octet, octets added, bits turned over, lengths and tags
// rewritten, elements removed, doubled, moved and nested.
func hostile(t *testing.T, good []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for i := range good {
		out[fmt.Sprintf("cut at %d", i)] = good[:i]
		flipped := append([]byte{}, good...)
		flipped[i] ^= 1 << (i % 8)
		out[fmt.Sprintf("bit of octet %d", i)] = flipped
	}
	for _, tail := range [][]byte{{0}, {0x30, 0}, {0x0a}, good} {
		out[fmt.Sprintf("%d octets after it", len(tail))] = append(append([]byte{}, good...), tail...)
	}
	count := 0
	parseTLV(t, good).walk(func(*tlv) { count++ })
	for i := range count {
		for name, change := range map[string]func(*tlv){
			"indefinite length":  func(n *tlv) { n.length = []byte{0x80} },
			"length 2^32-1":      func(n *tlv) { n.length = []byte{0x84, 0xff, 0xff, 0xff, 0xff} },
			"length of 9 octets": func(n *tlv) { n.length = []byte{0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9} },
			"long length":        func(n *tlv) { n.length = []byte{0x83, 0, 0, byte(len(n.encode()) - 2)} },
			"length 0":           func(n *tlv) { n.length = []byte{0} },
			"high tag":           func(n *tlv) { n.tag = 0x1f | n.tag&0xe0 },
			"tag 0":              func(n *tlv) { n.tag = 0 },
			"other class":        func(n *tlv) { n.tag ^= 0x40 },
			"constructed bit":    func(n *tlv) { n.tag ^= 0x20 },
			"no content":         func(n *tlv) { n.content, n.children = nil, nil },
			"zero before":        func(n *tlv) { n.content = append([]byte{0}, n.content...) },
			"octet after":        func(n *tlv) { n.content = append(n.content[:len(n.content):len(n.content)], 0xff) },
			"first child twice": func(n *tlv) {
				if len(n.children) > 0 {
					n.insert(0, n.at(0))
				}
			},
			"last child gone": func(n *tlv) {
				if len(n.children) > 0 {
					n.remove(len(n.children) - 1)
				}
			},
			"nested in a SEQUENCE": func(n *tlv) {
				inner := *n
				*n = tlv{tag: 0x30, children: []*tlv{&inner}}
			},
		} {
			tree := parseTLV(t, good)
			at := 0
			tree.walk(func(n *tlv) {
				if at == i {
					change(n)
				}
				at++
			})
			out[fmt.Sprintf("element %d, %s", i, name)] = tree.encode()
		}
	}
	return out
}

// Thousands of damaged requests: none panics, none is taken for another
// request, and every refusal is one line with a rule and a clause.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	key := policytest.NewKey(t)
	total := 0
	for name, good := range map[string][]byte{
		"device":       policytest.DeviceRequest(t, key, supplierID, policy.UsageDigitalSignature),
		"organisation": policytest.OrganisationRequest(t, key, "EXAMPLE", policy.RoleSupplier, supplierID, policy.UsageKeyAgreement),
	} {
		for says, bad := range hostile(t, good) {
			if string(bad) == string(good) {
				continue
			}
			total++
			r, err := policy.ParseRequest(bad)
			if err == nil {
				// Some damage leaves a well-formed request of somebody else; it
				// was not signed, so that it stops at the proof of possession.
				require.Error(t, r.CheckSignature(), "%s: %s", name, says)
				continue
			}
			refused(t, bad, "")
		}
	}
	require.Greater(t, total, 1300)
	t.Logf("%d damaged requests", total)
}

// Octets without any plan.
func TestParsersNeverPanic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "octets")
		_, err := policy.ParseRequest(b)
		require.Error(rt, err)
		_, err = policy.ParseCertificate(b)
		require.Error(rt, err)
		_, err = policy.ParseCRL(b)
		require.Error(rt, err)
		_, _ = policy.DecodePEMOrBase64(b, "request")
	})
}
