// Package hsm makes the keys of a PKCS#11 token (version 2.40) usable from Go: as
// crypto.Signer, for ECDH, and for AES key wrap.
//
// # What it promises
//
// It keeps working. Sessions die, tokens are pulled out and put back, networks
// pause; the next operation opens a session, logs in and finds its key again by CKA_ID.
// Every operation has a deadline, although no PKCS#11 call can be cancelled: a
// call that outlives it is left to its goroutine, and its session is never used
// again. While the token is away every operation fails with an error that wraps
// [ErrUnavailable], and none hangs.
//
// Processes may share a SoftHSM directory, and be killed at any moment: whatever has
// SoftHSM rewrite its files is done under the directory's guard (package softhsm), which also mends what
// a killed process left. Signing needs no guard, and a token's file that is being rewritten by
// somebody else is looked at again under one before it is called lost.
//
// It keeps keys in the token. [Token.Generate] sets every attribute that matters,
// reads it back, and returns the evidence; there is no way to import a private key. Only
// a [Secret] that was made readable leaves, and its evidence says that it can.
//
// It accounts for signatures. A key signs only what a caller asked it to sign, and is
// asked for it once: health checks have a key of their own, nothing is tried out with another,
// and a signature that may have been made is not made again.
//
// It spares the PIN. A PIN that the token refuses is shown to it once, and not again
// until somebody opens the token anew. No error, log or Format holds a PIN.
//
// # What it refuses
//
// A token whose label does not begin as [Config].RequireLabelPrefix says, before
// any login. A label that is taken, since PKCS#11 would allow two keys of one name. A
// library that another part of the process has initialised, since SoftHSM would show
// the wrong directory's tokens.
//
// # How it is built
//
// Four things, each in its file: a module (one loaded library, shared by its
// tokens), a login (one token's logged-in state, with a generation that rises when
// handles die), the [Pool] of sessions, and a session with the goroutine that makes its
// calls. A gate lets the calls in together and a reset alone, because C_Finalize
// frees what others are using; the guard is taken inside it, and nothing inside the
// guard. The file operation.go ties them: take a session, perform, and on a loss recover
// and try again.
//
// Start reading at [Open] and [Token.Generate]; the life of a failure is in
// operation.go and login.go. Package softhsm makes tokens to try it with.
package hsm
