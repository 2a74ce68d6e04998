// Package ra is the registration authority: who takes part, who may do what, and
// what two persons must agree on before it is done.
//
// # What it promises
//
// What needs two persons is an [Approval]. It binds the SHA-256 of the exact bytes
// that say what will be done, on which state of the register, under which version
// of profile, environment and table of rights. It expires; it cannot be voted on by
// who proposed it or is concerned by it, nor twice by one person whatever offices he
// holds; one rejection ends it. What is executed is made anew from the register and
// the configuration at that moment and compared with the hash: where anything has
// changed the approval is void. Votes and executions change the state of one row by
// compare and set inside one transaction with their audit record, so that no race
// executes with a vote missing, and none executes twice.
//
// What reaches outside the database, to a CA key or to the register of revocations,
// is announced first: the approval is executing, on disk, before anybody is asked. If
// the answer is lost, the thing is looked for by its own name (the request's key, the
// certificates' serials) before anything else happens, and it is never done again
// unless it was looked for and is not there; see [Registry.Settle].
//
// Who may do what is data: table.json, [Table]. Every act of an officer reads that
// officer again inside its transaction, so that a withdrawal takes effect with the
// next act and not with the next login.
//
// # What it refuses
//
// It signs nothing and revokes nothing: the caller gives [Hands]. It knows no HTTP
// and no TLS; whoever terminates the connection hands the client's certificate to
// [Registry.Authenticate], having checked that the IKI authority issued it. With
// open registration it demands nothing of a request for a certificate
// ([Registry.Eligible]), and everything else works as with a register.
//
// # What rests on what
//
// The RAPP (SEC Appendix D) and Section L3.16 are not public. What a public text
// says of offices and requests is marked S in table.json, our own choices I, and
// what is generally known and unverified K: data to be replaced, never a claim of
// conformance.
//
// Start at [Registry.Propose], [Registry.Vote] and [Registry.Execute] in approval.go,
// vote.go and execute.go; enrolment.go and appointment.go have what changes the
// register, revocation.go the life of a revocation request, queue.go what a console
// shows.
package ra
