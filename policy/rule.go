package policy

import "slices"

// Scope says to what a rule applies and what it needs to know.
type Scope uint8

// The scopes. The zero value is none.
const (
	// ScopeReader rules hold for whatever is read at all; without them there is
	// no certificate, list or request to speak of.
	ScopeReader Scope = iota + 1
	// ScopeRequest rules hold for requests.
	ScopeRequest
	// ScopeForm rules hold for every SMKI certificate of a kind, whoever issued
	// it.
	ScopeForm
	// ScopePractice rules are what published conforming certificates do;
	// ReadCertificate names departures and nothing refuses them.
	ScopePractice
	// ScopeEnvironment rules compare a certificate about to be issued with its
	// profile and its issuer.
	ScopeEnvironment
	// ScopeList rules hold for revocation lists.
	ScopeList
)

// String returns one word for tables.
func (s Scope) String() string {
	names := [...]string{"none", "reader", "request", "form", "practice", "environment", "list"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown scope"
}

// A Rule is one thing that this package checks. Its name is in every
// [Violation] and, with the prefix e_smki_, that of the zlint lint.
type Rule struct {
	Name   string
	Scope  Scope
	Says   string // what is required, in one sentence
	Clause string

	certificate func(*examination)
	list        func(*listExamination)
}

// Rules returns every rule in the order in which they are checked.
func Rules() []Rule {
	return slices.Concat(readerRules, requestRules, certificateRules, listRules)
}

// readerRules are checked by the readers as they go.
var readerRules = []Rule{
	{Name: "size", Scope: ScopeReader, Says: "the object and its parts are no longer than any that SMKI has", Clause: "limit of this reader"},
	{Name: "der", Scope: ScopeReader, Says: "one DER object and nothing after it: shortest lengths and integers, TRUE as FF, no default written, SETs sorted, strings and times valid", Clause: "X.690, 10 and 11"},
	{Name: "structure", Scope: ScopeReader, Says: "the fields of the ASN.1 type in their order, each extension once", Clause: "RFC 5280, 4.1 and 5.1; RFC 2986, 4"},
	{Name: "name", Scope: ScopeReader, Says: "names consist of commonName, organizationalUnitName and uniqueIdentifier, each once", Clause: "SMKI IDS, Appendix F"},
	{Name: "public-key", Scope: ScopeReader, Says: "a P-256 key as an uncompressed point on the curve", Clause: "GBCS 0.8.1, p. 141; RFC 5480, 2"},
}

// requestRules are checked by ParseRequest, CheckSignature, CheckRequest and
// DecodePEMOrBase64.
var requestRules = []Rule{
	{Name: "encoding", Scope: ScopeRequest, Says: "DER, or its base64 with or without PEM lines, in one line or in lines of 64 or 76", Clause: "SMKI IDS, Appendix F; RFC 7468"},
	{Name: "version", Scope: ScopeRequest, Says: "version 0", Clause: appendixF},
	{Name: "signature-algorithm", Scope: ScopeRequest, Says: "ecdsa-with-SHA256 without parameters", Clause: appendixF},
	{Name: "signature-value", Scope: ScopeRequest, Says: "the signature is strict DER", Clause: "RFC 5480, appendix A"},
	{Name: "role", Scope: ScopeRequest, Says: "an organisation names a role that is issued on request", Clause: appendixF},
	{Name: "entity-identifier", Scope: ScopeRequest, Says: "an EUI-64 that is not zero", Clause: appendixF},
	{Name: "common-name", Scope: ScopeRequest, Says: "the CN of an organisation meets the rule of the environment", Clause: appendixF},
	{Name: "attributes", Scope: ScopeRequest, Says: "one extensionRequest and no other attribute", Clause: appendixF},
	{Name: "requested-extensions", Scope: ScopeRequest, Says: "keyUsage, and subjectAltName of a device, and nothing else", Clause: appendixF},
	{Name: "key-usage", Scope: ScopeRequest, Says: "exactly one of digitalSignature and keyAgreement", Clause: appendixF},
	{Name: "subject-alt-name", Scope: ScopeRequest, Says: "one hardwareModuleName with hwType and an 8-octet hwSerialNum", Clause: appendixF},
	{Name: "proof-of-possession", Scope: ScopeRequest, Says: "the key in the request signed it", Clause: "SMKI IDS, 2.3.1.2"},
}
