// Package words writes the head of a record as words that people can read
// aloud, write into minutes and compare.
//
// A head is a hash. Its first sixteen octets become sixteen words, one for each
// octet, from a list of 256 English words that are easy to say and hard to mix
// up on a bad line. Sixteen octets are enough: whoever wants another record
// with the same words must find a second preimage of 128 bits.
//
// [Of] writes, [Parse] reads back what a person typed, in any case and with
// spaces or hyphens between the words. The package knows nothing of journals
// and imports the standard library alone, because the independent checker of a
// record uses it too.
package words

import (
	"errors"
	"fmt"
	"strings"
)

// Count is the number of words that stand for a head, one an octet.
const Count = 16

// table is the list by place, and places the reverse.
var (
	table  = strings.Fields(list)
	places = func() map[string]byte {
		m := make(map[string]byte, len(table))
		for i, w := range table {
			m[w] = byte(i)
		}
		return m
	}()
)

// Of returns the words for the first sixteen octets of head, in capitals and
// joined by hyphens. It panics if head is shorter, because a head always comes
// from a hash function and never from a person.
func Of(head []byte) string {
	if len(head) < Count {
		panic(fmt.Sprintf("words: internal error: a head has %d octets, not %d", len(head), Count))
	}
	out := make([]string, Count)
	for i := range out {
		out[i] = table[head[i]]
	}
	return strings.Join(out, "-")
}

// ErrUnreadable is what every error of Parse wraps: the text is not the words
// of a head, which is a slip of the reader and says nothing about the record.
var ErrUnreadable = errors.New("these are not the words of a record")

// Parse returns the sixteen octets for which the words in s stand. Capitals and
// small letters, spaces, hyphens and line ends are all the same to it. An
// unknown word is named together with the nearest word of the list, and a wrong
// number of words is told; no octets come back with an error.
func Parse(s string) ([]byte, error) {
	fields := strings.FieldsFunc(s, func(r rune) bool {
		return r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == ','
	})
	out := make([]byte, 0, Count)
	for i, f := range fields {
		b, ok := places[strings.ToUpper(f)]
		if !ok {
			return nil, fmt.Errorf("reading word %d: %q is not on the list, the nearest is %q: %w", i+1, f, nearest(strings.ToUpper(f)), ErrUnreadable)
		}
		out = append(out, b)
	}
	if len(out) != Count {
		return nil, fmt.Errorf("reading %d words: a record has %d: %w", len(out), Count, ErrUnreadable)
	}
	return out, nil
}

// Match reports whether s is the words of head. The error is Parse's.
func Match(s string, head []byte) (bool, error) {
	b, err := Parse(s)
	if err != nil {
		return false, err
	}
	return len(head) >= Count && string(b) == string(head[:Count]), nil
}

// nearest returns the word of the list with the fewest changed letters. A long
// word is cut first, so that a pasted page costs no time.
func nearest(w string) string {
	if len(w) > 32 {
		w = w[:32]
	}
	best, fewest := "", 1<<30
	for _, t := range table {
		if d := distance(w, t); d < fewest {
			best, fewest = t, d
		}
	}
	return best
}

// distance is the number of letters to add, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
