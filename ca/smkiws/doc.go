// Package smkiws is the SMKI's face to other systems: the Ad Hoc Device CSR web
// service, the Batched Device CSR web service, and the batch files of the portal
// (SEC Appendix M, version M8.0, cited as AppM; Appendix N, version 4.0, as AppN).
//
// # What it promises
//
// Both services speak XML over HTTP as AppM Appendices A to E describe it: no SOAP,
// no namespace, HTTP status 200 also for errors, the outcome in the body. The
// schemas in schema/ are our own text of those tables; they are served beside the
// services, and every answer is valid under them.
//
// A batch that was accepted ends with one outcome for each request in it, and no
// request is issued twice, whatever dies and when. Its octets are stored with their
// SHA-256 before the answer leaves and compared when the batch is parsed, so that
// what was approved is what is issued. Results are a Party's own and stay for 30
// days.
//
// # What it refuses
//
// Documents are read as a stream, in constant memory: a document type declaration,
// an undeclared entity, another root, an unknown element or attribute, a name that
// is no xs:ID or stands twice, and anything too long or too slow is refused at the
// octet where it is seen. Zip archives are read by rules of their own (archive.go):
// a bomb, a path, an encrypted or overlapping entry is refused before anything is
// unpacked. It decides nothing about certificates: package ca does, and the table
// checks.json says which status its refusals have here.
//
// # How
//
// A batch is rows of the database, cut into shards of a thousand requests. A shard is
// claimed through a lease of package store, so that several processes share the
// work and a dead one's shards are taken over at once. An item and its certificate
// are in two transactions. What binds them is the key, which package ca certifies
// once: a worker that takes over a shard looks for certificates of the items' keys
// that were issued since the first claim, and adopts them.
//
// The tables of package batch are not used: there an item is known by its name and
// request for good, in whatever batch it comes; here a name belongs to one
// document, and the same request in a second batch is an anomaly that has to be
// reported.
//
// # Where to start
//
// [New] and [Service.Handler]; then document.go (reading XML), batches.go (the life
// of a batch), work.go (parsing and issuing), checks.json (what a failed check is
// called). What AppM leaves open and was decided here is marked I in the comments.
package smkiws
