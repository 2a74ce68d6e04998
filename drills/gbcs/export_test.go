package gbcs

// The key wraps themselves are reached by their known answers alone.
var (
	WrapPadded   = wrapPadded
	UnwrapPadded = unwrapPadded
	UnwrapKey    = unwrapKey
	RawSignature = rawSignature
)
