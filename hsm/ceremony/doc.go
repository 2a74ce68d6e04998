// Package ceremony makes the keys and the first certificates of a public key
// infrastructure from one reviewed script.
//
// A [Script] is one YAML file that people can read aloud: roles, steps in
// order, the keys, the certificates, and what is checked when. It is checked
// ([Script.Check]), rehearsed on a throw-away token ([Rehearse]) and run
// ([Run]). Rehearsal and run print the SHA-256 of the script, and a run that is
// given the rehearsed hash refuses any other script, so that what was rehearsed
// is what is done.
//
// The package promises that no signature of a CA key made here is unaccounted
// for: the exact bytes to be signed are on disk before the token is asked for
// the signature, and a ceremony that stopped in between says so for ever after,
// in its directory, and cannot be continued. Certificates come from the same
// builder and the same lints as those of the CA. It refuses to mix two
// ceremonies in one directory, to use a key that was on a token before it began
// unless the reviewed script names it as existing, and to run in the production environment on a token made of software.
//
// What it writes (see [Run]) can be checked without this package: certificates
// and public keys are PEM, the transcript is a signed note, and SHA256SUMS
// covers all of it. [Load] reads a finished ceremony back, verified, for the CA
// that imports it.
//
// Who may change what: the script is reviewed and its hash read aloud; the
// output directory belongs to the administrator, and whoever can write to it
// before the transcript is signed can make the ceremony fail but not make the
// token sign something that is not in the record; afterwards any change shows
// against the fingerprint of the transcript key, which belongs in the minutes.
//
// The wrapped contingency key (the extension of RFC 5934;
// GBCS names it, its octets are public nowhere) is our reading of the texts and
// is labelled so wherever it appears.
//
// Start at [Parse] and [Run].
package ceremony
