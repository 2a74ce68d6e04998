// Package repository is what the public may read of a CA, over HTTP: certificates
// and lists.
//
// It promises answers from the ledger as it is, by GET and HEAD alone:
//
//	/certificates/SERIAL        a certificate, DER or PEM by Accept, or by .cer or .pem
//	/crls/NAME.crl              the newest list of an authority, DER
//	/crls/NAME.pem              the same, PEM
//	/authorities/NAME.pem       an authority's own certificate
//
// The status of a certificate is in the header Smki-Status (I in use, N not in use,
// R revoked, E expired). Where an authority publishes no list, it is the only place
// that tells. Answers may be cached for some minutes, a list never longer than it is
// valid.
//
// It holds no key and writes nothing. It answers whoever asks: everything here is
// public by its nature (SMKI Repository, SEC Appendix O), and access control to
// other parts of the Repository is not here yet, nor are its search services and
// IKI certificates.
//
// Start at [Handler].
package repository
