// Package cfsslapi lets software that was written for cfssl use this CA.
//
// It is two of cfssl's interfaces, [Signer] (signer.Signer) and [Accessor]
// (certdb.Accessor), over our own issuance, ledger and register of revocations,
// and cfssl's own HTTP handlers over these two ([Face.Handler]). Nothing is signed
// and nothing is written here: a certificate comes from package ca, with intent,
// audit record and lints, or not at all.
//
// # What works
//
//   - POST /api/v1/cfssl/authsign: a device or organisation certificate for a
//     PKCS#10 request, as cfssl's client, its remote signer and cfssl sign -remote
//     with a key send it. Profile "device" or "organisation"; none: what the
//     request's form says. A label may name the authority. The device's identity
//     comes from the subjectAltName of its request, which it has signed; the
//     protocol has no field for it.
//   - POST /api/v1/cfssl/info: the certificate of an authority, by label or by the
//     profile that it issues. Both empty is an error where there are two.
//   - POST /api/v1/cfssl/authrevoke: cfssl's revoke, in the envelope of authsign.
//     cfssl knows no such route, and its revoke asks nobody who they are; see
//     [Authenticated] for how its client speaks it.
//   - POST /api/v1/cfssl/sign and revoke, without a key, only if the configuration
//     names who such callers are, in environments of open registration.
//
// # What does not, and says so
//
// Hosts, subject, extensions, serial number, validity, metadata and a bundle are
// decided by the profile; a request that sets one is refused, and never signed
// without it. A profile name that is not ours is an error, where cfssl would sign
// under its default. InsertCertificate is refused, because the CA alone writes the
// ledger. SMKI has no OCSP. Lists come from package revocation: cfssl's crl drops
// reasons and numbers. IKI certificates are in another ledger, that of package iki,
// and are neither issued nor seen here. Every other route of cfssl is answered with
// an error; its certinfo, bundle and scan read certificates with crypto/x509, which
// cannot read the BIT STRING in an organisation's subject. Nothing on the way
// through this package does.
//
// # Who may
//
// A client is a name and a key in a file. Its requests carry an HMAC with that key
// (cfssl's auth.Standard), and the name is the requester that the ledger, the audit
// log and the registration authority see. A client may revoke what it was issued;
// others' certificates only with [Client.RevokeAny].
//
// The HMAC covers the request and no time: whoever records one can send it again.
// A second signing is refused, because the key has a certificate, and a second
// revocation changes nothing. The answer is not authenticated, so that the handler
// belongs behind TLS. Whoever can read a client's key file can act as that client.
//
// Start at [Face.Handler]. It is cfssl 1.6.5 that is spoken here.
package cfsslapi
