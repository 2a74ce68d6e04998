// Package backup copies a CA while it works, and keeps a copy that was put back
// from going on with a memory that is too short.
//
// # The copy
//
// [Write] makes one file: the database as it was at one moment, and whatever other
// files its caller names, behind a manifest with their SHA-256, encrypted with age
// for recipients whose identities are kept elsewhere. The CA goes on meanwhile.
// [Extract] puts the files into a folder, and refuses a file that is not, octet for
// octet, what its manifest says.
//
// What is in it is the caller's choice. No PIN and no token belongs in it, the keys
// of an exercise excepted; the key of the audit log does, because without it the
// log cannot go on. So whoever has the file and an identity can write another
// history of this CA, as whoever has its home can, and can sign nothing with a CA
// key.
//
// # The hold
//
// A CA that is put back from last night has forgotten what it did today: it would
// give out CRL numbers twice, publish lists without today's revocations, and know
// nothing of today's certificates. So [Place] puts a hold on the restored database,
// which is in the database and goes where it goes, and [Check] refuses while it is
// there. It is released by [Compare] and [Release] against what others have: the
// lists as they are published, and checkpoints of the audit log that were kept
// outside. A list speaks for its own authority, a checkpoint for the whole log;
// either is as new as whoever gives it had it, which is all that can be known.
//
// What is lost stays lost: [AcceptLoss] lets the CA go on behind, once somebody has
// said why and somebody else stood by, with the numbers and the revoked serials of
// the newer lists taken over, so that no number is given out twice and nothing that
// was revoked comes back. Certificates of which no list tells remain unaccounted
// for, and the audit record says so.
//
// Start at [Write]; hold.go has the other half.
package backup
