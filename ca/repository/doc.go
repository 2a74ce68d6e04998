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
// A certificate never changes, so that it may be cached for a year; its status is
// in the header Smki-Status, of the moment of the answer. A list may be cached until
// a new one is likely, and never longer than it is valid.
//
// It holds no key and writes nothing. It answers whoever asks: everything here is
// public by its nature (SMKI Repository, SEC Appendix O), and access control to
// other parts of the Repository is not here yet, nor are its search services and
// IKI certificates.
//
// Start at [Handler].
package repository
