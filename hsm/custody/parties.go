package custody

import (
	"fmt"
	"slices"
	"strings"
)

// Holders says who holds the shares of a secret, and of how many different
// Parties they must be, so that no Party opens it with its own people alone.
//
// The zero value asks for nothing.
type Holders struct {
	// Party is the Party of the holder of each share, by the share's number.
	Party map[int]string
	// Distinct is how many different Parties must be among those who give shares.
	Distinct int
}

// enough refuses shares that come from too few Parties. A share whose holder is
// not known counts for no Party.
func (h Holders) enough(shares []Share) error {
	var parties []string
	for _, s := range shares {
		if p := h.Party[s.Index()]; p != "" && !slices.Contains(parties, p) {
			parties = append(parties, p)
		}
	}
	if len(parties) >= h.Distinct {
		return nil
	}
	slices.Sort(parties)
	return fmt.Errorf("%w: the shares given are held by %d Parties (%s), of %d at least they must be", ErrTooFewShares, len(parties), strings.Join(parties, ", "), h.Distinct)
}
