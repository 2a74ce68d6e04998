package custody

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
)

// Bounds of a split. One custodian alone is not custody; sixteen is more than
// any committee has called together; a PIN or a symmetric key fits in 64 octets.
const (
	leastOpen  = 2
	mostShares = 16
	mostSecret = 64
)

// A secret is cut into blocks of 31 octets, each of which is below the order of
// the group whatever its value, and every block is shared on its own.
const (
	blockSize = 31
	valueSize = 32
)

var field = group.Ristretto255

// ErrTooFewShares says that more custodians are needed.
var ErrTooFewShares = errors.New("too few shares")

// ErrUnfit says that shares of one split give no secret: one of them is not what
// was given out. Others, without it, may.
var ErrUnfit = errors.New("the shares do not fit together")

// A Share is one custodian's part of a secret. It is itself a secret: k of them
// are the PIN.
//
// The zero Share is invalid; shares come from [Split] and [ParseShare].
type Share struct {
	set    [4]byte // the same in all shares of one split
	open   byte    // k
	of     byte    // n
	index  byte    // 1 to n
	values []byte  // one 32-octet value for each block of the secret
}

// Index is the share's number, 1 to n.
func (s Share) Index() int { return int(s.index) }

// Open is k, the number of shares that open the secret, and Of is n, the number
// that were made.
func (s Share) Open() int { return int(s.open) }

// Of is the number of shares that were made.
func (s Share) Of() int { return int(s.of) }

// Set names the split the share belongs to, in eight hex digits. It is not
// secret, and tells shares of an older split from those that replaced them.
func (s Share) Set() string { return fmt.Sprintf("%x", s.set[:]) }

// Damaged returns the share as it would be after a mistake of one letter that no
// checksum caught. It is for rehearsing what custodians do then.
func (s Share) Damaged() Share {
	s.values = slices.Clone(s.values)
	s.values[0] ^= 1
	return s
}

// Split cuts secret into n shares of which any k give it back and fewer say
// nothing but its length, rounded up. The name of the split is drawn from
// random, crypto/rand.Reader when nil; what makes the shares secret comes from
// crypto/rand in any case, so that no caller can weaken it.
//
// secret is 1 to 64 octets, k at least 2 and n at most 16. The caller still
// owns secret and should clear it.
func Split(secret []byte, k, n int, random io.Reader) ([]Share, error) {
	switch {
	case len(secret) == 0 || len(secret) > mostSecret:
		return nil, fmt.Errorf("splitting a secret of %d octets: it must have 1 to %d", len(secret), mostSecret)
	case k < leastOpen:
		return nil, fmt.Errorf("splitting %d of %d: at least %d custodians must be needed", k, n, leastOpen)
	case n < k:
		return nil, fmt.Errorf("splitting %d of %d: more shares would be needed than there are", k, n)
	case n > mostShares:
		return nil, fmt.Errorf("splitting %d of %d: at most %d shares", k, n, mostShares)
	}
	if random == nil {
		random = rand.Reader
	}
	shares := make([]Share, n)
	var set [4]byte
	if _, err := io.ReadFull(random, set[:]); err != nil {
		return nil, fmt.Errorf("splitting: reading random octets: %w", err)
	}
	for i := range shares {
		shares[i] = Share{set: set, open: byte(k), of: byte(n), index: byte(i + 1)}
	}
	framed := frame(secret, set)
	defer clear(framed)
	for block := range slices.Chunk(framed, blockSize) {
		scalar := field.NewScalar()
		if err := scalar.UnmarshalBinary(littleEndian(block)); err != nil {
			return nil, fmt.Errorf("custody: internal error: a block is no scalar: %w", err)
		}
		for i, part := range secretsharing.New(random, uint(k-1), scalar).Share(uint(n)) {
			value, err := part.Value.MarshalBinary()
			if err != nil {
				return nil, fmt.Errorf("custody: internal error: a share has no octets: %w", err)
			}
			shares[i].values = append(shares[i].values, value...)
		}
	}
	return shares, nil
}

// Combine gives the secret back from k or more shares of one split.
//
// Too few is [ErrTooFewShares], with how many there are and how many are
// needed. A share that is given twice, or that belongs to another split, is
// named by its number. If more than k are given all of them must agree. The
// caller owns the result and should clear it.
func Combine(shares []Share) ([]byte, error) {
	if err := belongTogether(shares); err != nil {
		return nil, err
	}
	k := int(shares[0].open)
	if len(shares) < k {
		return nil, fmt.Errorf("%w: %d of %d shares are here, %d are needed", ErrTooFewShares, len(shares), shares[0].of, k)
	}
	secret, err := combine(shares[:k])
	if err != nil {
		return nil, err
	}
	for _, extra := range shares[k:] {
		again, err := combine(append(slices.Clone(shares[:k-1]), extra))
		same := err == nil && bytes.Equal(secret, again)
		clear(again)
		if !same {
			clear(secret)
			return nil, fmt.Errorf("combining shares: %w: share %d does not agree with the others", ErrUnfit, extra.index)
		}
	}
	return secret, nil
}

func belongTogether(shares []Share) error {
	if len(shares) == 0 {
		return fmt.Errorf("%w: no share is here", ErrTooFewShares)
	}
	first := shares[0]
	seen := map[byte]bool{}
	for i, s := range shares {
		switch {
		case s.index == 0 || len(s.values) == 0:
			return fmt.Errorf("combining shares: share %d given is empty", i+1)
		case s.set != first.set || s.open != first.open || s.of != first.of || len(s.values) != len(first.values):
			return fmt.Errorf("combining shares: share %d of set %s and share %d of set %s are of different splits",
				s.index, s.Set(), first.index, first.Set())
		case seen[s.index]:
			return fmt.Errorf("combining shares: share %d is given twice", s.index)
		}
		seen[s.index] = true
	}
	return nil
}

func combine(shares []Share) ([]byte, error) {
	framed := make([]byte, 0, len(shares[0].values))
	defer func() { clear(framed) }()
	for at := 0; at < len(shares[0].values); at += valueSize {
		parts := make([]secretsharing.Share, len(shares))
		for i, s := range shares {
			value := field.NewScalar()
			if err := value.UnmarshalBinary(s.values[at : at+valueSize]); err != nil {
				return nil, fmt.Errorf("combining shares: %w: share %d is none: %v", ErrUnfit, s.index, err)
			}
			parts[i] = secretsharing.Share{ID: field.NewScalar().SetUint64(uint64(s.index)), Value: value}
		}
		scalar, err := secretsharing.Recover(uint(len(shares)-1), parts)
		if err != nil {
			return nil, fmt.Errorf("combining shares: %v", err)
		}
		octets, err := scalar.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("combining shares: %v", err)
		}
		framed = append(framed, octets[:blockSize]...)
		clear(octets)
	}
	return unframe(framed, shares[0].set)
}

// littleEndian makes a block the octets of a scalar, whose encoding is little
// endian: the octet that is added is the most significant one.
func littleEndian(block []byte) []byte { return append(slices.Clone(block), 0) }

// frame puts length and digest before the secret, so that a share that was
// altered with a good checksum yields an error and not another secret, and
// fills the last block.
func frame(secret []byte, set [4]byte) []byte {
	digest := secretDigest(secret, set)
	framed := append([]byte{byte(len(secret))}, digest[:]...)
	framed = append(framed, secret...)
	if rest := len(framed) % blockSize; rest != 0 {
		framed = append(framed, make([]byte, blockSize-rest)...)
	}
	return framed
}

func unframe(framed []byte, set [4]byte) ([]byte, error) {
	length := int(framed[0])
	head := 1 + digestSize
	if length == 0 || head+length > len(framed) {
		return nil, errNotTogether
	}
	secret := slices.Clone(framed[head : head+length])
	digest := secretDigest(secret, set)
	if !bytes.Equal(digest[:], framed[1:head]) || !allZero(framed[head+length:]) {
		clear(secret)
		return nil, errNotTogether
	}
	return secret, nil
}

var errNotTogether = fmt.Errorf("combining shares: %w: at least one of them was altered", ErrUnfit)

const digestSize = 8

func secretDigest(secret []byte, set [4]byte) (d [digestSize]byte) {
	h := sha256.New()
	h.Write([]byte("smki custody secret"))
	h.Write(set[:])
	h.Write(secret)
	copy(d[:], h.Sum(nil))
	return d
}

func allZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}
