// Package revocation takes certificates out of use, and publishes the lists that
// say so.
//
// # What it promises
//
// A revocation that returned is in the ledger with its audit record, and on every
// CRL of its issuer from the next one on, for good: no list is ever published that
// lacks a revocation recorded before it, and the first revocation of a serial is
// never changed by a second ([Register.Revoke] returns the first). Should the ledger
// have lost or changed a revocation that the last published list shows, no list is
// made of it: [Register.PublishCRL] names the serial.
//
// CRL numbers only rise. A number is given out by writing down the exact bytes of
// the list that will carry it, as an intent with its audit record, before the key
// is asked: the same order as for certificates, because a list is a signature of
// a CA key like any other. A crash, or a revocation that overtakes the list while
// it is signed, burns the number; a gap is no fault (RFC 5280, 5.2.3).
//
// Serials that package ca wrote off, because a signature may exist that nobody
// holds, stand on the lists as revoked, with [ca.WriteOffReason].
//
// # Long lists
//
// The list of a national revocation has a million entries and differs from the one
// before in a hundred. From some thousand entries on, a list begins from the last
// one: its entries are kept in DER in portions, of which only those are made, and
// stored, anew in which something is new (shelf.go). The intent and the published
// list name the portions that they consist of; what is signed, audited, exported and
// served are the same bytes as if the list had been built from nothing. A process
// that has just started compares the whole ledger with the last list before it makes
// the next; later it compares their counts each time, and the whole again every few
// hours. In between, a list tells what the one before told, whatever was done to the
// ledger.
//
// # Which lists there are
//
// The environment says which authorities publish a list and how often: the Issuing
// OCA its Organisation CRL, the Root OCA its ARL, and the Issuing DCA a device CRL
// in some environments. Where an authority has none, revoking one of its
// certificates changes the Repository status only, and [Revocation.Says] says so.
// Each generation of an authority has lists and numbers of its own, because each
// has a key of its own.
//
// # What it refuses
//
// Suspension: there is no certificateHold and no removeFromCRL. Revoking a root,
// which no list could express. Revoking in the future.
//
// Who may ask for a revocation, and who must agree, is decided above (package ra);
// here it is done. Start at [Register.Revoke] and [Register.PublishCRL]; schedule.go says
// when a list is due.
package revocation
