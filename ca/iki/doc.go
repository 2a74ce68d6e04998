// Package iki is the CA of the people and systems that use the SMKI services, the
// infrastructure key infrastructure (IKI), and the door that its certificates open.
//
// # Issuing
//
// Its certificates are ordinary TLS client certificates, so that cfssl's own local
// signer makes them (github.com/cloudflare/cfssl/signer/local), over a key on the
// token. Everything that makes package ca trustworthy holds here as well: the
// request is read by a strict reader of our own before cfssl sees it, the serial
// number is ours, what cfssl wants signed is compared with the request field by
// field (lint.go), the exact bytes are committed as an intent with an audit record
// before the key is asked, the signature is verified, and the certificate leaves
// when it is in the ledger.
//
// cfssl leaves no room for an intent between its template and its signature. The
// room is found one floor below: [x509.CreateCertificate] hands a key that is a
// [crypto.MessageSigner] the whole to-be-signed bytes, and the key that cfssl is
// given here (witness.go) lints and commits them before it asks the token. It signs
// one message, once, and refuses a bare digest, which nobody could account for.
//
// Systems and officers send the same form of request (AppM, version M8.0, Appendix
// G): RSA of 2048 bit, subject O (trading name), OU (Remote Party Role) and CN, the
// unique name of the system or of the officer. Each certificate is for one
// [Interface], which is decided at issue and stands in the ledger. A name belongs to
// the organisation that had it first, and has one certificate in use at an
// interface unless the order says which one it renews.
//
// # How cfssl's certificates differ from SMKI's others
//
// The subject is encoded anew: O, OU, CN in that order, whatever order the request
// has, as PrintableString where the characters allow it and UTF8String otherwise.
// There is a critical basicConstraints, empty, which end-entity certificates of
// package policy do not have. The subject key identifier has 20 octets, the SHA-1 of
// the key (RFC 5280, 4.2.1.2, method 1), where SMKI has 8. There is no certificate
// policy, no extended key usage and no distribution point. All of this is checked:
// the extensions are keyUsage, basicConstraints, subjectKeyIdentifier and
// authorityKeyIdentifier, octet for octet, and no others.
//
// # Revoking
//
// [Revoke] needs no key and is idempotent; [Authority.PublishCRL] makes a list by
// the same witness, so that a list's number is given out with its intent and only
// rises. Serials that were written off stand on it. [Authority.Due] says when.
//
// # The gate
//
// A [Gate] makes an HTTP server one that speaks mutual TLS: who comes in holds a
// certificate that the ledger, not a list, says is in use now; [ClientOf] says who
// he is; and who is revoked is cut off within [CutOff], on open connections too.
//
// # What it refuses and what it leaves
//
// It refuses to decide who may have a certificate beyond form, proof of possession
// and names: that is for the registration authority above, as is who may ask for a
// revocation. It cannot see that a portal user's key is in a token that does not
// give it out (AppN 2.3.1): the RA sees to that.
//
// # What rests on inference
//
// The validity ([Validity]); that a client certificate carries neither policy nor
// extended key usage; who owns a name, and that a renewal may keep it; that the lists'
// periods are those of the Organisation CRL (Appendix Q is not at hand); that the
// gate asks the ledger rather than the list; that the RA's console is an interface.
//
// Start at [Authority.IssueFor], [Revoke] and [NewGate].
package iki
