package fleet

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// seedOf widens the seed of a drill to 32 octets.
func seedOf(seed int64) [32]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(seed))
	return sha256.Sum256(append([]byte("exercise fleet seed "), b[:]...))
}

// draws returns a source of numbers for one purpose. Each purpose has its own,
// so that a drill with more late devices still has the same regions.
func draws(seed [32]byte, purpose string) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(append(seed[:], purpose...))))
}

// pick returns which of n devices are in a share of them. The number is exact,
// because a scenario that says 2 % of 2,000 is read as 40.
func pick(r *rand.Rand, n int, share float64) []bool {
	chosen := make([]bool, n)
	for _, i := range r.Perm(n)[:quota(n, share)] {
		chosen[i] = true
	}
	return chosen
}

// quota returns share of n, rounded to the nearest whole number within 0 to n.
func quota(n int, share float64) int {
	return min(max(int(math.Round(float64(n)*share)), 0), n)
}
