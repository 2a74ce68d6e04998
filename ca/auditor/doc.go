// Package auditor compares the ledger with the audit log.
//
// Package audit tells whether the log is what was written. It says nothing of the
// tables beside it: a revocation that was deleted leaves the log whole. Here the
// log is played through, record by record, and every intent, certificate,
// revocation, revocation list and blocked key in the database is held against what
// the log tells of it, and the other way round.
//
// # What it finds
//
// [Audit] returns nil only if, in one state of the database:
//
//   - every intent is in the log once, with the bytes (by their SHA-256), serial
//     number or list number, authority, profile, owner and time that the row has,
//     and its state is the one the log leaves it in;
//   - every certificate is in the log once, was an intent before, has the intent's
//     bytes and a signature of its authority, and every column says what the bytes
//     say;
//   - every revocation is in the log once, with the same reason, time and name, and
//     the Repository status of every certificate is the one that follows;
//   - every published list was an intent, has a signature of its authority, a
//     number above that of the one before, and exactly the revocations and
//     written-off serials that the log tells of up to its record, with their times
//     and reasons;
//   - every party, range of identifiers, officer, credential, approval, vote, bar to
//     a vote, request, identity check and revocation request is as the log leaves it,
//     column by column, and so is every batch of the web services and every API key
//     of the Repository;
//   - every item of a batch that names a certificate has its request's key in it;
//   - the items of every batch of the web services are those that it was queued with,
//     and the outcomes of every shard that has ended are those with which it did;
//   - every published file of the Repository covers what the log says, with its digest;
//   - no restored ledger goes on without a record that says on what grounds;
//   - and there is no row that the log does not tell of, work in progress aside.
//
// Intents that are open are no fault: a crash leaves them, and their owner, or a
// reconciliation, settles them. [Difference] names the first fault.
//
// # What it cannot find
//
// It takes the log as given: package audit verifies it first, and what binds the
// log is a checkpoint that somebody keeps elsewhere. Whoever rewrites both, above
// the last checkpoint, is not found. The signatures of CAs are verified with
// certificates that the caller brings from outside the database. Not read are tables
// of work in progress (leases, shards, what is wanted), an item's status without a
// certificate, and what only the process that wrote it looks at: an intent's random
// handle, who executes an approval.
//
// It only reads, in one transaction, and shares no code with the rooms that write:
// an auditor that did would share their mistakes. It reads in pages, so that its
// memory does not grow with the ledger, but for one octet an intent, for what
// stands on revocation lists, and for the register of parties and its approvals.
//
// Start at [Audit]; replay.go plays the log, the files beside it compare one thing
// each, ledger.go looks for what the log does not tell. What the log tells of the
// offices is kept in told.go by register.go and batch.go, and compared in office.go.
package auditor
