// Package ca issues certificates, and can account for every one of them.
//
// # What it promises
//
// No signature of a CA key is ever unaccounted for. Before a key is asked for
// anything, the serial number and the exact bytes to be signed are committed as
// an [Intent], together with the audit record that says so; where either cannot
// be written, nothing is signed. A signature is verified before it leaves, and a
// certificate leaves only when it is in the ledger. So, whatever dies and when:
//
//   - a certificate in the ledger has an intent;
//   - a signature that did not reach the ledger has an intent too, whose serial
//     is written off, and revoked where the side has a CRL, by the process that
//     failed or by [Issuer.Reconcile] after its death;
//   - nothing is signed twice. A serial that was written off is never used again;
//     the request may be sent anew and gets another.
//
// An intent belongs to a process, through a lease of package store. A living
// process settles its own; only a dead one's are settled by others.
//
// # What it refuses
//
// It has no keys: it is given a crypto.Signer for each [Authority], and does not
// know what is behind it. It decides nothing about the form of certificates:
// package policy builds, lints and reads them. It signs certificates that were
// requested with proof of possession, and the CRLs of package revocation; the
// root and issuing certificates come from a ceremony and are taken over by
// [Issuer.ImportCeremony], with the ceremony's own intents.
//
// # Where to start
//
// [Issuer.Issue] is the life of one certificate, step by step; [Issuer.IssueBatch]
// is the same for a thousand. Then intent.go (what is promised to the disk),
// reconcile.go (what happens after a crash), request.go (what is refused and by
// which rule), lookup.go (reading the ledger). docs/issuance.md tells it in
// prose.
//
// The ledger is the table "certificate"; it is what the Repository shows. Whoever
// can write the database can change it. Package audit makes a change of the log
// visible to who has kept a checkpoint, and package auditor a change of intents,
// certificates, revocations and lists, by comparing them with the log.
//
// Clauses are cited of SEC Appendix M, version M8.0 (AppM), and RFC 5280.
package ca
