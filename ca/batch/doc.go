// Package batch issues certificates to thousands of requests at once, and can be
// killed at any moment.
//
// # What it promises
//
// Every item of a batch ends with one result: its certificate, or why there is
// none. A batch that was killed is continued by giving it again: items that are
// finished are not issued twice, and their certificates are in the output as if
// nothing had happened. Several processes may work on one batch at the same time.
//
// # How
//
// The truth is two tables, not the process. An item is known by its id and the
// SHA-256 of its request, in whatever batch it comes: the same request under the
// same id is the same item, with one result for good. A worker claims waiting items
// in its own name, through a lease of package store: a claim ends with the process
// that made it, at once and without a clock, so that the items of a worker that was
// killed are claimed by the next.
//
// An item and its certificate are in two transactions, because issuance (package
// ca) knows nothing of batches. What binds them is the key. A worker that claims an
// item which somebody claimed before looks first for a certificate of the item's
// public key that was recorded for the item's own batch and belongs to no other
// item. There is at most one, since package ca certifies no key twice, and none can
// appear later, since the former owner is dead. So, whenever a worker dies:
//
//   - before the intent was committed, or before anything was signed: nothing is
//     there, and the item is issued;
//   - after the signature, before the certificate was recorded: the serial is
//     written off when the dead owner is reconciled, and the item is issued anew;
//   - after the certificate was recorded, before the item says so: the certificate
//     is found by its key and becomes the item's result.
//
// # What it refuses
//
// A batch with an id that stands twice, that is not an id, or with more than
// [MaxItems] items, is refused as a whole, before anything is written. A request
// that is refused is an item's result and stops nobody else. When token or database
// fail, the work stops with what is done recorded.
//
// A process works several chunks of items at once, in lanes, because each step of a
// chunk leaves something idle: the cores while the disk or the token works, the token
// while proofs of possession are checked. Lanes share the process's lease and meet
// only in the database; what a lane leaves undone is claimed anew in the next round,
// which begins when all of them have come to an end.
//
// Start at [Read], [Enrol] and [Batch.Work].
package batch
