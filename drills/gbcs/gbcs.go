// Package gbcs reads and writes the GBCS messages that replace and report the
// security credentials of a smart metering device: CS02a to CS02g, as
// commands, pre-commands, responses and alerts.
//
// It promises that octets are not lost. What [Decode] accepts, [Message.Encode]
// writes back octet for octet: a command in DER, an answer in DER or with the
// two-octet lengths that answers of the public test messages have, and anything
// in neither form from the octets that were received. A payload that is not
// understood is kept as [Opaque], with its header still readable, and is a
// finding of [Message.Check], not an error. The wrapper itself is read
// strictly, because signature and MAC stand on it.
//
// Signatures and MACs are checked over the octets as received, never over
// octets written anew. Certificates inside messages stay octets here: whoever
// wants to know what they say asks [Inspect].
//
// The package refuses to choose counters. The key of a MAC depends only on
// originator, CRA flag, counter and recipient, so that two commands with the
// same four values have the same key and the same IV: never to use a counter
// twice is the duty of the caller, and nothing here can notice a breach.
//
// Start with [Message], then [UpdateSecurityCredentials] (the command that
// changes trust anchors) and [UpdateOutcome] (what a device says it did). What
// no public message shows (modes 0 and 1, the contingency command of mode 9,
// mode 4 on a communications hub) is marked "our reading" where it is decided.
//
// Clause numbers such as (GBCS 13.3.5) are of GBCS v0.8.1; the layouts are those
// of the test messages for GBCS 4.x where the two differ.
package gbcs
