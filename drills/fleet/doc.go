// Package fleet simulates a fleet of smart metering devices in full cryptography:
// electricity and gas meters, gas proxies, communications hubs, prepayment
// interfaces and load control switches.
//
// A drill is only worth a committee's afternoon if its meters can say no. Each
// [Device] therefore holds what a real one holds: the trust anchor cells of its
// type with the keys of the parties it obeys, a counter for every role, a digital
// signing and a key agreement key pair of its own. It takes the octets of a
// GBCS message, checks them in one fixed order, changes each cell on its own
// merit and answers with octets that it signed. Nothing in it knows who the
// attacker is.
//
// A fleet is large, so a device is one flat row of some 330 octets. What many
// devices have in common is held once: the content of cells, certificates that
// were read, paths that were followed. Private keys are derived from the seed
// when they are needed. [Config.Estate] makes a fleet a shard of a larger estate,
// whose devices are the same in whatever shard they are held.
//
// The package promises three things. A refusal has a reason: [Check] names
// which check refused, what it wanted and what it got. An outcome depends on
// the seed and the commands and on nothing else: [Fleet.Deliver] uses all
// cores and returns its results in the order of scenario time and device
// index. A rule that no public text states is a [Setting] with a mark, so that
// a report can list what it rests on.
//
// It refuses to do two things. It does not play the Access Control Broker or
// any other sender: keys that authorise live in a token, elsewhere. And it
// makes up no message: where no public text shows the octets of an alert, the
// Check carries the alert's code and there are no octets.
//
// Private keys here are exercise keys, derived from the seed. Whoever knows the
// seed can answer for every meter of the drill, and for nothing outside it.
//
// Start reading at [Device.Receive], which is the list of checks, then apply.go
// for what happens to the cells, types.go for which cells a type has, place.go for
// how an estate is drawn. GBCS means version 4.x as its public test
// messages show it; pages of the public text are those of version 0.8.1.
package fleet
