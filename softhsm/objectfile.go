package softhsm

import (
	"bytes"
	"encoding/binary"
)

// The attributes of a token that SoftHSM 2 keeps in the token's file, token.object,
// in the order in which they stand there.
const (
	attrLabel   = 0x80005349
	attrSerial  = 0x8000534A
	attrFlags   = 0x8000534B
	attrSOPIN   = 0x8000534C
	attrUserPIN = 0x8000534D
)

// The kinds of value in a SoftHSM object file.
const (
	kindBool = iota + 1
	kindULong
	kindBytes
	kindMap
	kindMechanisms
)

// A tokenFile is what token.object holds besides its generation number. The two PINs
// are the token's key encrypted under each: whoever has the file and a PIN has the keys.
type tokenFile map[uint64][]byte

// A condition says whether a token.object can be used.
type condition uint8

const (
	// torn: SoftHSM was stopped while it rewrote the file.
	torn condition = iota + 1
	// unfinished: as it was made, and not yet given a user PIN.
	unfinished
	// whole: with everything that a login needs.
	whole
)

// readTokenFile reads the content of a token.object: a generation number, then
// attributes of a type, a kind and a value each, numbers being 8 octets, the high one first.
func readTokenFile(b []byte) (tokenFile, condition) {
	r := reader{rest: b}
	r.number() // the generation: SoftHSM counts its writes
	f := tokenFile{}
	for len(r.rest) > 0 && !r.short {
		attribute := r.number()
		switch r.number() {
		case kindBool:
			f[attribute] = r.take(1)
		case kindULong:
			f[attribute] = r.take(8)
		case kindBytes, kindMap:
			f[attribute] = r.take(r.number())
		case kindMechanisms:
			n := r.number()
			if n > uint64(len(r.rest))/8 {
				return nil, torn
			}
			f[attribute] = r.take(8 * n)
		default:
			return nil, torn
		}
	}
	if r.short {
		return nil, torn
	}
	for _, needed := range []uint64{attrLabel, attrSerial, attrFlags, attrSOPIN} {
		if len(f[needed]) == 0 {
			return nil, torn
		}
	}
	if len(f[attrUserPIN]) == 0 {
		return f, unfinished
	}
	return f, whole
}

// same reports whether two files are of the same token with the same PINs. The flags
// may differ: every login sets them.
func (f tokenFile) same(g tokenFile) bool {
	for _, attribute := range []uint64{attrLabel, attrSerial, attrSOPIN, attrUserPIN} {
		if !bytes.Equal(f[attribute], g[attribute]) {
			return false
		}
	}
	return true
}

// A reader takes fields from the front of an object file and remembers when there
// was not enough.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.short = nil, true
		return nil
	}
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

func (r *reader) number() uint64 {
	v := r.take(8)
	if v == nil {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}
