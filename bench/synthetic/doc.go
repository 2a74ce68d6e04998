// Package synthetic fills the database of a CA with rows that look like those of
// certificates it has issued, so that figures at national size can be taken without
// issuing for a day.
//
// What it writes is made up and says so: no key has signed it. Each row has the
// columns, the sizes and the neighbours of a real one, made from a certificate that
// the CA has issued before: an intent, a certificate, its place in an audit record
// of a thousand, and for some a revocation with its reason. The audit log's hashes
// are right. Serial numbers rise instead of being random, and the hash of a key is
// not that of the key in the certificate, which a thousand share, because rows in the order of their indexes
// are written ten times faster; how they are found, and what the next certificate
// costs, does not depend on it.
//
// A database that was filled is for measuring and must never be a CA's. [Fill]
// refuses one whose environment is not an exercise.
package synthetic
