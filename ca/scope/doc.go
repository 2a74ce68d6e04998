// Package scope says what is at risk if a key was compromised at some time.
//
// It begins with the certificates that carry the key. If one of them is an
// authority's, everything that authority has issued is in question, through the
// authorities below it too; what was recorded at or after that time is told apart
// from what is older, because the older was certainly ours. For each certificate it
// says whose it is, how it stands, and in which trust anchor cells of a device it
// may stand, by its role and usage, with what a key in that cell can authorise.
//
// It promises to read in order and in constant memory, whatever the size of the
// ledger, and to change nothing.
//
// What it cannot know it says in the report: certificates that a thief has made are
// in no ledger; which devices hold a certificate in a cell is known to the parties
// and not to the CA. The table of cells (cells.json) is data, with its source and
// whether anybody has verified it.
//
// Start at [Look].
package scope
