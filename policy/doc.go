// Package policy says what an SMKI certificate, request and revocation list
// must be, and is the only place that builds, reads and judges their bytes.
//
// The ceremony that makes the root keys, the CA that issues, the simulated
// meters and the auditor that checks a record all call this package, so that
// there is one reading of the rules. It promises that what it builds passes its
// own lints, that what it accepts is strict DER in the shape of SMKI, and that
// every refusal is a [Violation] that names the rule and its clause. It refuses
// to sign, to store, to fetch and to ask the time: it has no keys, no files but
// its embedded environments, and no network in its import graph.
//
// # Where to find what
//
//   - Environments and profiles: [LoadEnvironment] and [ParseEnvironment] read
//     environments/*.json. Everything that no public text settles (validity
//     periods, CRL periods, policy identifiers, the rule for names) is a value
//     there, with the mark and the source that [Environment.Facts] lists.
//   - Builder: [Profile.TBS] for certificates, [TBSCRL] for revocation lists,
//     [Assemble] to join to-be-signed bytes and a signature.
//   - Reader: [ParseCertificate], [ParseCRL] and [ParseRequest] are strict;
//     [ReadCertificate] reads the deviations found in published test
//     certificates and names each. [DecodePEMOrBase64] takes the text forms.
//   - Lints: [Profile.LintTBS] and [LintTBSCRL] run every rule over bytes that
//     are about to be signed, whoever built them; [Rules] lists the rules. The
//     same rules are zlint lints in policy/zlint.
//   - Path check: [CheckPath] does what a device does with a certificate that
//     is offered for a trust anchor cell.
//
// Words of the field are types here: [EntityID], [RemotePartyRole], [KeyUsage],
// [Serial], [KeyID], [Reason]; docs/glossary.md lists them.
//
// # Sources
//
// Clauses are cited as in (SMKI IDS, Appendix F): SEC Appendix M, SMKI
// Interface Design Specification M8.0; (GBCS 0.8.1, p. 141): the draft of
// 28 November 2014, the last with a public text on certificates; (RFC 5280,
// 4.1.2.5); (X.690, 10.1). "Test PKI" is what all published test certificates
// do, which shows practice and not law. The certificate policies themselves
// (SEC Appendices A and B) were not at hand: what rests on them is configured
// and marked, never claimed.
//
// All functions may be called concurrently. Values they return are not changed
// by this package afterwards; callers must not change the byte slices in them,
// which share memory with the input.
package policy
