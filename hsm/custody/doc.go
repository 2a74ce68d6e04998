// Package custody keeps the PIN of a token with people instead of with a
// machine, and lets a recorded decision be the only thing that opens it.
//
// The PIN is split into shares of which any k of n open the token ([Split],
// [Seal]); fewer say nothing about it. Shares alone open nothing here: a
// [Vault] also wants an [Authorisation], signed by the key under which
// decisions are recorded, that names one key, what it is used for, how often
// and until when. Out comes a [Session] whose signer refuses everything that
// was not authorised, counts each use on disk before the token is asked, and is
// closed after the use. An authorisation is good once: replaying it is refused,
// also by another process and after a crash.
//
// The package promises that every signature it lets through stands in a ledger
// with the authorisation that allowed it. It does not promise that the PIN
// leaves no trace in this process's memory: it zeroes what it holds itself, and
// the Go runtime, the sharing arithmetic and the PKCS#11 module may have copied
// it. Whoever can read the memory of this process during a session has the PIN;
// whoever knows k shares has it for good, so shares are made anew when one is
// lost (recovery.md, 6).
//
// A secret that is in no token, because one day it must leave, is kept in the
// same way and given out once ([SecretVault]). [Holders] says of how many Parties
// the custodians who come must be.
//
// Start at [Vault.Open].
package custody
