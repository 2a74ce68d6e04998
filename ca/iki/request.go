package iki

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/ca"
	"smki.example/policy"
)

// maxRequest bounds a request before it is read: an RSA request of 2048 bit has
// about 700 octets and longer names.
const maxRequest = 4 << 10

// clause is where the form of the request stands.
const clause = "SMKI IDS (AppM), Appendix G"

// A Request is an IKI request that was read and whose proof of possession holds.
type Request struct {
	Raw          []byte
	Organisation string // trading name
	Role         policy.RemotePartyRole
	CN           string // unique name of the system, or of the officer
	Key          *rsa.PublicKey
	KeyHash      ca.KeyHash // SHA-256 of the SubjectPublicKeyInfo

	keyBits []byte // subjectPublicKey, of which the key identifier is made
}

var (
	oidCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrganisation       = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOrganisationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidExtensionRequest   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}

	// AlgorithmIdentifiers, parameters NULL, and the one key usage, as octets: there
	// is one right form each.
	rsaEncryption    = []byte{0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00}
	sha256WithRSA    = []byte{0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00}
	digitalSignature = []byte{0x03, 0x02, 0x07, 0x80}
)

// ParseRequest reads a PKCS#10 request for an IKI certificate: RSA of 2048 bit,
// subject O, OU (a role code) and CN, one extension, keyUsage, critical and
// digitalSignature alone, signed with SHA-256 and RSA. Everything else is refused,
// by an error that wraps [ca.ErrRefused] and a *[policy.Violation].
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > maxRequest {
		return nil, refuse("size", "request", fmt.Sprintf("at most %d octets", maxRequest), fmt.Sprint(len(der)))
	}
	r := &Request{Raw: der}
	input := cryptobyte.String(der)
	var whole, tbs, signatureAlgorithm cryptobyte.String
	if !input.ReadASN1(&whole, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, refuse("der", "request", "one DER SEQUENCE with nothing after it", "something else")
	}
	if !whole.ReadASN1Element(&tbs, cbasn1.SEQUENCE) || !whole.ReadASN1Element(&signatureAlgorithm, cbasn1.SEQUENCE) {
		return nil, refuse("der", "request", "CertificationRequestInfo and signatureAlgorithm in DER", "something else")
	}
	if !bytes.Equal(signatureAlgorithm, sha256WithRSA) {
		return nil, refuse("signature-algorithm", "signatureAlgorithm", "sha256WithRSAEncryption with NULL parameters", "another algorithm or form")
	}
	var signature []byte
	if !whole.ReadASN1BitStringAsBytes(&signature) || !whole.Empty() {
		return nil, refuse("der", "signature", "a BIT STRING of whole octets, and nothing after it", "something else")
	}
	if err := r.readInfo(tbs); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	if err := rsa.VerifyPKCS1v15(r.Key, crypto.SHA256, digest[:], signature); err != nil {
		return nil, refuse("proof-of-possession", "signature", "a signature by the private half of the public key", "one that does not verify")
	}
	return r, nil
}

// readInfo reads the CertificationRequestInfo.
func (r *Request) readInfo(element cryptobyte.String) error {
	var info, subject, spki, attributes cryptobyte.String
	var version int
	if !element.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Integer(&version) {
		return refuse("der", "version", "an INTEGER in DER", "something else")
	}
	if version != 0 {
		return refuse("version", "version", "0", fmt.Sprint(version))
	}
	if !info.ReadASN1(&subject, cbasn1.SEQUENCE) || !info.ReadASN1Element(&spki, cbasn1.SEQUENCE) ||
		!info.ReadASN1(&attributes, cbasn1.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return refuse("der", "certificationRequestInfo", "subject, subjectPKInfo and attributes in DER, and nothing after them", "something else")
	}
	if err := r.readSubject(subject); err != nil {
		return err
	}
	if err := r.readKey(spki); err != nil {
		return err
	}
	return readAttributes(attributes)
}

// readSubject reads O, OU and CN, each once and alone in its RDN, in any order.
func (r *Request) readSubject(subject cryptobyte.String) error {
	found := map[string]string{}
	for !subject.Empty() {
		var rdn, attribute, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !subject.ReadASN1(&rdn, cbasn1.SET) || !rdn.ReadASN1(&attribute, cbasn1.SEQUENCE) || !rdn.Empty() ||
			!attribute.ReadASN1ObjectIdentifier(&id) || !attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return refuse("subject", "subject", "RDNs of one attribute each, in DER", "something else")
		}
		name, limit := "", 64 // ub-organization-name, ub-common-name (RFC 5280, appendix A.1)
		switch {
		case id.Equal(oidOrganisation):
			name = "organizationName"
		case id.Equal(oidOrganisationalUnit):
			name, limit = "organizationalUnitName", 2
		case id.Equal(oidCommonName):
			name = "commonName"
		default:
			return refuse("subject", "subject", "organizationName, organizationalUnitName and commonName only", "attribute "+id.String())
		}
		text, err := readText(value, tag, limit)
		if err != nil {
			return refuse("subject", "subject."+name, fmt.Sprintf("1 to %d printable characters, as PrintableString or UTF8String", limit), err.Error())
		}
		if _, twice := found[name]; twice {
			return refuse("subject", "subject."+name, "once", "twice")
		}
		found[name] = text
	}
	for _, name := range []string{"organizationName", "organizationalUnitName", "commonName"} {
		if _, there := found[name]; !there {
			return refuse("subject", "subject."+name, "present", "absent")
		}
	}
	ou := found["organizationalUnitName"]
	role, err := policy.ParseRole(ou)
	if err != nil || len(ou) != 2 || !slices.Contains(policy.Roles(), role) {
		return refuse("role", "subject.organizationalUnitName", "a Remote Party Role code of two hex characters", fmt.Sprintf("%q", ou))
	}
	r.Organisation, r.Role, r.CN = found["organizationName"], role, found["commonName"]
	return nil
}

func readText(value cryptobyte.String, tag cbasn1.Tag, limit int) (string, error) {
	if tag != cbasn1.UTF8String && tag != cbasn1.PrintableString {
		return "", fmt.Errorf("string type %d", tag)
	}
	if !utf8.Valid(value) {
		return "", errors.New("octets that are not UTF-8")
	}
	text := string(value)
	if n := utf8.RuneCountInString(text); n < 1 || n > limit {
		return "", fmt.Errorf("%d characters", n)
	}
	for _, c := range text {
		if !unicode.IsPrint(c) || tag == cbasn1.PrintableString && !printableString(c) {
			return "", fmt.Errorf("character %U", c)
		}
	}
	if text[0] == ' ' || text[len(text)-1] == ' ' {
		return "", errors.New("a space at one end")
	}
	return text, nil
}

func printableString(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.ContainsRune([]byte(" '()+,-./:=?"), c)
}

// readKey reads an RSA key of 2048 bit with the exponent 65537.
func (r *Request) readKey(spki cryptobyte.String) error {
	r.KeyHash = sha256.Sum256(spki)
	var inner, algorithm cryptobyte.String
	var key []byte
	if !spki.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!bytes.Equal(algorithm, rsaEncryption) || !inner.ReadASN1BitStringAsBytes(&key) || !inner.Empty() {
		return refuse("public-key", "subjectPKInfo", "rsaEncryption with NULL parameters and a key", "another algorithm or form")
	}
	pair := cryptobyte.String(key)
	var numbers cryptobyte.String
	modulus, exponent := new(big.Int), new(big.Int)
	if !pair.ReadASN1(&numbers, cbasn1.SEQUENCE) || !pair.Empty() || !numbers.ReadASN1Integer(modulus) || !numbers.ReadASN1Integer(exponent) || !numbers.Empty() {
		return refuse("public-key", "subjectPKInfo.subjectPublicKey", "an RSAPublicKey in DER", "something else")
	}
	if modulus.Sign() <= 0 || modulus.BitLen() != 2048 || modulus.Bit(0) == 0 {
		return refuse("public-key", "subjectPKInfo.subjectPublicKey.modulus", "an odd number of 2048 bit", fmt.Sprintf("%d bit", modulus.BitLen()))
	}
	if exponent.Cmp(big.NewInt(65537)) != 0 {
		return refuse("public-key", "subjectPKInfo.subjectPublicKey.publicExponent", "65537", fmt.Sprintf("a number of %d bit", exponent.BitLen()))
	}
	r.Key, r.keyBits = &rsa.PublicKey{N: modulus, E: 65537}, key
	return nil
}

// readAttributes wants one extensionRequest that asks for the key usage.
func readAttributes(attributes cryptobyte.String) error {
	want := "one extensionRequest attribute with one extension, keyUsage"
	var attribute, values, extensions, extension cryptobyte.String
	var id asn1.ObjectIdentifier
	if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attributes.Empty() ||
		!attribute.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidExtensionRequest) ||
		!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() ||
		!values.ReadASN1(&extensions, cbasn1.SEQUENCE) || !values.Empty() ||
		!extensions.ReadASN1(&extension, cbasn1.SEQUENCE) {
		return refuse("extensions", "attributes", want, "something else")
	}
	var critical bool
	var value cryptobyte.String
	if !extension.ReadASN1ObjectIdentifier(&id) {
		return refuse("extensions", "attributes", want, "something that is no extension")
	}
	if !id.Equal(oidKeyUsage) || !extensions.Empty() {
		return refuse("extensions", "attributes", want, "other extensions")
	}
	if !extension.ReadASN1Boolean(&critical) || !critical {
		return refuse("key-usage", "keyUsage", "critical", "not critical")
	}
	if !extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() || !bytes.Equal(value, digitalSignature) {
		return refuse("key-usage", "keyUsage", "digitalSignature alone, in DER", fmt.Sprintf("%X", []byte(value)))
	}
	return nil
}

// refuse makes a refusal of the same shape as those of package policy.
func refuse(rule, field, want, got string) error {
	return &ca.Refusal{Rule: "iki-" + rule, Err: &policy.Violation{Rule: "iki-" + rule, Profile: ProfileClient, Field: field, Want: want, Got: got, Clause: clause}}
}
