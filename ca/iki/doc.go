// Package iki is the CA of the people and systems that use the SMKI services: the
// infrastructure key infrastructure (IKI).
//
// Its certificates are ordinary TLS client certificates, so that cfssl's own local
// signer makes them (github.com/cloudflare/cfssl/signer/local), over a key on the
// token. Everything that makes package ca trustworthy holds here as well: the
// request is read by a strict reader of our own before cfssl sees it, the serial
// number is ours, the exact bytes are committed as an intent with an audit record
// before the key is asked, the signature is verified, and the certificate leaves
// when it is in the ledger.
//
// cfssl leaves no room for an intent between its template and its signature. The
// room is found one floor below: [x509.CreateCertificate] hands a key that is a
// [crypto.MessageSigner] the whole to-be-signed bytes, and the key that cfssl is
// given here (witness.go) commits them before it asks the token. It signs one
// message, once, and refuses a bare digest, which nobody could account for.
//
// It refuses to decide who may have a certificate beyond form, proof of possession
// and names: that is for the registration authority above. Revocation, CRLs and
// the certificates of the portal's users are not here yet.
//
// What rests on inference: the validity ([Validity]), that a client certificate
// carries neither policy nor extended key usage, and that a common name belongs to
// the organisation that had it first. (AppM, version M8.0, Appendix G) gives the
// form of the request and says that the name is unique.
//
// Start at [Authority.Issue].
package iki
