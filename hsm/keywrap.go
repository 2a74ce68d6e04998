package hsm

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnwrap says that wrapped data was not made with this key, or was changed.
var ErrUnwrap = errors.New("the wrapped data does not belong to this key, or was changed")

const (
	semiblock = 8       // the unit of RFC 3394
	rounds    = 6       // RFC 3394, 2.2.1
	maxWrap   = 1 << 16 // octets; what is wrapped here has a hundred
)

// The initial values of RFC 3394, 2.2.3.1, and RFC 5649, 3.
const (
	initialValue = 0xa6a6a6a6a6a6a6a6
	padConstant  = 0xa65959a6
)

// A blockFunc encrypts or decrypts one AES block of 16 octets in place. It is a
// token's or a key in memory's.
type blockFunc func(block []byte) error

// WrapPad encrypts plaintext, from 1 octet, under an AES key of 16, 24 or 32
// octets held in memory (RFC 5649; id-aes256-wrap-pad for 32).
func WrapPad(key, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return wrapPad(func(b []byte) error { block.Encrypt(b, b); return nil }, plaintext)
}

// UnwrapPad reverses [WrapPad]. Its error wraps ErrUnwrap if the key or the data is not right.
func UnwrapPad(key, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return unwrapPad(func(b []byte) error { block.Decrypt(b, b); return nil }, wrapped)
}

// Wrap encrypts plaintext, whole blocks of 8 octets and at least 16, under an AES
// key held in memory (RFC 3394).
func Wrap(key, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return wrap(func(b []byte) error { block.Encrypt(b, b); return nil }, plaintext)
}

// Unwrap reverses [Wrap]. Its error wraps ErrUnwrap if the key or the data is not right.
func Unwrap(key, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return unwrap(func(b []byte) error { block.Decrypt(b, b); return nil }, wrapped)
}

// wrap is RFC 3394, 2.2.1.
func wrap(encrypt blockFunc, plaintext []byte) ([]byte, error) {
	if len(plaintext) < 2*semiblock || len(plaintext)%semiblock != 0 || len(plaintext) > maxWrap {
		return nil, fmt.Errorf("wrapping %d octets: AES key wrap without padding takes whole blocks of %d, from %d", len(plaintext), semiblock, 2*semiblock)
	}
	return forward(encrypt, initialValue, plaintext)
}

// unwrap is RFC 3394, 2.2.2.
func unwrap(decrypt blockFunc, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 3*semiblock || len(wrapped)%semiblock != 0 || len(wrapped) > maxWrap+semiblock {
		return nil, fmt.Errorf("unwrapping %d octets: %w", len(wrapped), ErrUnwrap)
	}
	a, plaintext, err := backward(decrypt, wrapped)
	if err != nil {
		return nil, err
	}
	if a != initialValue {
		return nil, ErrUnwrap
	}
	return plaintext, nil
}

// wrapPad is RFC 5649, 4.1.
func wrapPad(encrypt blockFunc, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > maxWrap {
		return nil, fmt.Errorf("wrapping %d octets: want 1 to %d", len(plaintext), maxWrap)
	}
	alternative := uint64(padConstant)<<32 | uint64(len(plaintext))
	padded := make([]byte, (len(plaintext)+semiblock-1)/semiblock*semiblock)
	copy(padded, plaintext)
	if len(padded) > semiblock {
		return forward(encrypt, alternative, padded)
	}
	block := append(binary.BigEndian.AppendUint64(nil, alternative), padded...)
	return block, encrypt(block)
}

// unwrapPad is RFC 5649, 4.2. All three of its checks end in the same error.
func unwrapPad(decrypt blockFunc, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 || len(wrapped) > maxWrap+semiblock {
		return nil, fmt.Errorf("unwrapping %d octets: %w", len(wrapped), ErrUnwrap)
	}
	var a uint64
	var padded []byte
	if len(wrapped) == 2*semiblock {
		block := append([]byte(nil), wrapped...)
		if err := decrypt(block); err != nil {
			return nil, err
		}
		a, padded = binary.BigEndian.Uint64(block), block[semiblock:]
	} else {
		var err error
		if a, padded, err = backward(decrypt, wrapped); err != nil {
			return nil, err
		}
	}
	length := int(a & 0xffffffff)
	if a>>32 != padConstant || length > len(padded) || length <= len(padded)-semiblock {
		return nil, ErrUnwrap
	}
	if subtle.ConstantTimeCompare(padded[length:], make([]byte, len(padded)-length)) != 1 {
		return nil, ErrUnwrap
	}
	return padded[:length], nil
}

// forward is the wrapping process W of RFC 3394, 2.2.1, by index.
func forward(encrypt blockFunc, a uint64, plaintext []byte) ([]byte, error) {
	out := make([]byte, semiblock+len(plaintext))
	copy(out[semiblock:], plaintext)
	n := len(plaintext) / semiblock
	var block [2 * semiblock]byte
	for j := range rounds {
		for i := 1; i <= n; i++ {
			r := out[i*semiblock : (i+1)*semiblock]
			binary.BigEndian.PutUint64(block[:], a)
			copy(block[semiblock:], r)
			if err := encrypt(block[:]); err != nil {
				return nil, err
			}
			a = binary.BigEndian.Uint64(block[:]) ^ uint64(n*j+i)
			copy(r, block[semiblock:])
		}
	}
	binary.BigEndian.PutUint64(out, a)
	return out, nil
}

// backward is the unwrapping process of RFC 3394, 2.2.2, by index. The caller checks a.
func backward(decrypt blockFunc, wrapped []byte) (a uint64, plaintext []byte, err error) {
	a = binary.BigEndian.Uint64(wrapped)
	plaintext = append([]byte(nil), wrapped[semiblock:]...)
	n := len(plaintext) / semiblock
	var block [2 * semiblock]byte
	for j := rounds - 1; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			r := plaintext[(i-1)*semiblock : i*semiblock]
			binary.BigEndian.PutUint64(block[:], a^uint64(n*j+i))
			copy(block[semiblock:], r)
			if err := decrypt(block[:]); err != nil {
				return 0, nil, err
			}
			a = binary.BigEndian.Uint64(block[:])
			copy(r, block[semiblock:])
		}
	}
	return a, plaintext, nil
}
