// Package console is the pages on which the officers of the registration authority
// see what waits for them, read what will be done byte for byte, and agree, reject,
// propose and record.
//
// # What it promises
//
// A page offers an officer what the table of rights ([ra.Table]) allows his role, and
// nothing else; what it does not offer is refused as well when it is sent all the same,
// with the rule that refuses it. It decides nothing itself: every act is one call of
// the [ra.Registry], which asks the table again in the transaction of the act. A vote
// carries the SHA-256 of the bytes that the page showed, so that nobody agrees to
// anything he was not shown. A form that is sent twice is done once, and the second
// answer says so.
//
// An officer is known by his IKI certificate and nothing else ([ByCertificate]): there
// are no passwords, cookies or sessions. Every form carries a token made from the
// client's certificate and a key of the console, and must come from a page of this
// very host, so that a foreign page cannot act with an officer's certificate.
//
// Pages work without script, with a keyboard, a screen reader, on a phone and at 200 %
// zoom; they load nothing but one style sheet from the same host, and the content
// security policy lets them load nothing else. What people typed is shown escaped and
// set apart from the direction of the text around it.
//
// # What it refuses
//
// A connection without a client certificate, whatever Config.Officer would say. It
// keeps nothing on disk: what it remembers is which forms were sent, to tell a double
// submission, and that in a bounded memory of one process.
//
// Start at [New] and the table of routes in routes.go; rights.go decides what is
// offered, form.go has every form in one place.
package console
