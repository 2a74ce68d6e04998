// Package repository is what the outside may read of a CA: the SMKI Repository.
//
// # What it promises
//
// What is in the ledger is found, by everybody who may ask, as it was issued, octet
// for octet, and with the status that it has at the moment of the answer. Nothing
// here writes to the ledger or has a key that issues.
//
// [Handler] is the part that asks nobody who he is, because certificates and lists
// are public by their nature:
//
//	GET  /certificates/SERIAL           a certificate, DER or PEM by Accept, or by .cer or .pem
//	GET  /crls/NAME.crl                 the newest list of an authority, DER
//	GET  /crls/NAME.pem                 the same, PEM
//	GET  /authorities/NAME.pem          an authority's own certificate
//
// [Repository.Handler] has these and adds what the industry's systems speak:
//
//	POST /services/certificatesearch    by EUI-64; XML; API key
//	POST /services/retrievecertificate  by serial number; XML; API key
//	GET  /files/index.json, /files/NAME daily files; API key
//	GET  /assets/crypto/org-certs.zip   the organisations' certificates in use
//
// The status of a certificate is in the header Smki-Status. Where an authority
// publishes no list, it is the only place that tells, which is why an answer with a
// certificate is cached for minutes although its octets never change; its tag stays
// the same for ever, so that asking again costs a header. A list is never cached
// longer than it is valid.
//
// # API keys
//
// A key identifies a user (SEC Appendix P). Of a key only its hash is kept, it
// belongs to one party, and it can be revoked, which takes effect with the next
// request. Without a key nothing that needs one is answered. See [Repository.CreateKey].
//
// # Files
//
// A full file has the whole ledger, a delta what was recorded since the delta before
// it: certificates, and changes of status. Deltas have neither gap nor overlap,
// whatever dies while one is made. See [Repository.Publish].
//
// # What it refuses
//
// XML with a document type, entities, attributes, namespaces or more than a few
// hundred octets. Private keys: none is ever written, and those in a key store that
// is read are neither kept nor logged. It does not lodge documents (PMA and Code
// Administrator content, Appendix P 1.3), has no portal and no SFTP: an SFTP server
// may show the folder of files. IKI certificates are not in it.
//
// # How sure it is
//
// The production Repository's schema is not public. What is here is what a public
// client of a test system understands (marked T in transitions.json and in comments),
// and our own choice where it says nothing (I).
//
// Start at [New], then search.go.
package repository
