// Package softhsm makes throw-away SoftHSM tokens: one directory, one token,
// one line.
//
//	token := softhsm.ForTest(t, "EXERCISE root")          // in a test
//	token, err := softhsm.New(dir, "EXERCISE root-2026")  // elsewhere
//
// It promises three things that a shared SoftHSM does not give. Directories are
// independent: SoftHSM reads SOFTHSM2_CONF once, when the library is initialised, and a
// library that is loaded a second time in one process goes on showing the first
// directory's tokens. Every directory therefore holds a copy of the library of
// its own, which the system's loader treats as another module, so that any
// number of tokens work side by side in one process. No PIN is ever an
// argument of a program: tokens are initialised in process through PKCS#11 with
// random PINs, which stand in files that only the owner can read. And a token
// can be broken and restored, so that the loss of a token can be tested without
// hardware.
//
// And it makes good what SoftHSM itself does not promise: that processes may share a
// directory, and die in it. SoftHSM rewrites a token's file in place at every login, and a process
// killed at that moment costs the token. Whoever calls PKCS#11 on a SoftHSM
// directory does so under a [Guard], as package hsm does, which lets processes in one at a time and
// puts a torn file back from the copy that [Held.Keep] made.
//
// The package refuses to initialise a directory that holds anything, and it
// deletes nothing that it did not make. It does not use keys: that is package
// hsm, which opens what New returns. A SoftHSM token protects nothing against
// whoever can read its directory; it is for exercises, tests and learning, and
// the production environment refuses it.
//
// Nothing here depends on the rest of the module, and [ForTest] takes an
// interface rather than package testing, so other projects' tests may use it as
// it is. Start reading at [New].
package softhsm
