package gbcs

const (
	// maxLength is the greatest length that the wrapper can say here: three octets
	// after 83. The credential messages need two; readings of other use cases,
	// which are passed through unread, may need the third.
	maxLength = 0xFFFFFF

	// MaxMessage bounds what Decode looks at: the tag and empty fields of the MAC
	// header, four length octets, and the most these can announce.
	MaxMessage = 7 + 4 + maxLength

	// maxPart is the greatest length inside a payload that is read here: two
	// octets after 82, enough for a hundred certificates.
	maxPart = 0xFFFF

	// MaxCounter is the greatest value of a sequence number in a payload
	// (INTEGER 0 to 2^63-1). Greater ones are read, because a header counter has
	// eight whole octets, and are a finding.
	MaxCounter = 1<<63 - 1

	// maxPathCertificates is how many path certificates a service request may
	// carry; every public message has one.
	maxPathCertificates = 3

	// maxRolesAsked is how many roles a service request may ask credentials of.
	maxRolesAsked = 7

	signatureLength = 64
	macLength       = 12
	dateTimeLength  = 12
	entityLength    = 8
	counterLength   = 8
)
