package policy

// Every bound of this package. Each exists so that hostile input costs little
// and is refused by a rule that can be read, not by exhaustion.
const (
	// maxRequest: a device's request has 279 octets and an organisation's is
	// about as long; 4 KiB leaves room for any allowed name and hwType.
	maxRequest = 4 << 10

	// maxRequestText: base64 of maxRequest, line ends, two PEM lines.
	maxRequestText = 8 << 10

	// maxCertificate: published certificates have 384 to 433 octets; the root's
	// wrapped contingency key adds about 150.
	maxCertificate = 8 << 10

	// maxCRL: a million entries have about 40 octets each.
	maxCRL = 64 << 20

	// maxDepth: a request, the deepest object, nests ten levels.
	maxDepth = 16

	// maxExtensions: the longest SMKI profile has six; a certificate that is
	// only read may have some more.
	maxExtensions = 16

	// maxHardwareType: content octets of an hwType. No published one has more
	// than 13.
	maxHardwareType = 64

	// maxArc: OID arcs are held as int; 31 bits are portable and more than any
	// registered arc in use.
	maxArc = 1<<31 - 1

	// maxCommonName: ub-common-name (RFC 5280, appendix A.1).
	maxCommonName = 64
)
