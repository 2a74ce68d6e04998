package revocation

import (
	"bytes"
	"fmt"
	"slices"

	"smki.example/ca/store"
	"smki.example/policy"
)

// A shelf holds the entries of one authority's list as they stand in it: in DER,
// ascending by serial number, in portions of some hundred. A list is made by
// writing the portions one behind the other; the next list shares all portions with
// it in which nothing was revoked since. So what a list of a million costs, in time
// and in the database, is what is new on it.
//
// A shelf is not changed once it is made.
type shelf struct {
	portions []*portion
	entries  int
	octets   int
}

// A portion is a part of a shelf.
type portion struct {
	first policy.Serial
	n     int
	piece *store.Piece
}

// maxPortion bounds a portion, in entries of some 49 octets. With smaller ones a list
// names more of them; with larger ones each revocation writes more.
const maxPortion = 512

// longList is from how many entries on a list is stored in portions. Below, nothing
// is saved.
const longList = 4 * maxPortion

// shelfOf reads the shelf of a list that was stored in pieces: what is not the
// list's own are the entries.
func shelfOf(pieces []*store.Piece) (*shelf, error) {
	s := new(shelf)
	for _, p := range pieces {
		if p.Own {
			continue
		}
		one, err := portionOf(p)
		if err != nil {
			return nil, err
		}
		s.append(one)
	}
	return s, nil
}

func portionOf(p *store.Piece) (*portion, error) {
	one := &portion{piece: p}
	err := policy.ReadCRLEntries(p.Value, func(_ []byte, e policy.CRLEntry) error {
		if one.n++; one.n == 1 {
			one.first = e.Serial
		}
		return nil
	})
	if err == nil && one.n == 0 {
		err = fmt.Errorf("a portion of the list is empty")
	}
	return one, err
}

func (s *shelf) append(p *portion) {
	s.portions = append(s.portions, p)
	s.entries += p.n
	s.octets += len(p.piece.Value)
}

// each hands every entry to f, in order.
func (s *shelf) each(f func(policy.CRLEntry) error) error {
	for _, p := range s.portions {
		err := policy.ReadCRLEntries(p.piece.Value, func(_ []byte, e policy.CRLEntry) error { return f(e) })
		if err != nil {
			return err
		}
	}
	return nil
}

// has tells whether a serial has an entry.
func (s *shelf) has(serial policy.Serial) bool {
	at, exact := slices.BinarySearchFunc(s.portions, serial, func(p *portion, x policy.Serial) int { return bytes.Compare(p.first[:], x[:]) })
	if exact {
		return true
	}
	if at == 0 {
		return false
	}
	found := false
	// A portion that does not read was refused when the shelf was made.
	_ = policy.ReadCRLEntries(s.portions[at-1].piece.Value, func(_ []byte, e policy.CRLEntry) error {
		found = found || e.Serial == serial
		return nil
	})
	return found
}

// with returns a shelf that has these entries too. None may be there already: a
// list that says two things of a serial says neither.
func (s *shelf) with(entries []policy.CRLEntry) (*shelf, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b policy.CRLEntry) int { return bytes.Compare(a.Serial[:], b.Serial[:]) })
	for n := 1; n < len(entries); n++ {
		if entries[n].Serial == entries[n-1].Serial {
			return nil, twice(entries[n].Serial)
		}
	}
	out := &shelf{portions: make([]*portion, 0, len(s.portions)+len(entries)/maxPortion+2)}
	if len(s.portions) == 0 {
		return out, out.fill(nil, entries)
	}
	for n, p := range s.portions {
		mine := entries
		if n+1 < len(s.portions) {
			next := s.portions[n+1].first
			upTo, _ := slices.BinarySearchFunc(entries, next, func(e policy.CRLEntry, x policy.Serial) int { return bytes.Compare(e.Serial[:], x[:]) })
			mine = entries[:upTo]
		}
		entries = entries[len(mine):]
		if len(mine) == 0 {
			out.append(p)
			continue
		}
		if err := out.fill(p, mine); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func twice(serial policy.Serial) error {
	return fmt.Errorf("serial %s is to stand on the list twice: want each once", serial)
}

// fill appends the entries of a portion, if any, and new ones, sorted, in as many
// portions as they need.
func (s *shelf) fill(old *portion, fresh []policy.CRLEntry) error {
	total := len(fresh)
	if old != nil {
		total += old.n
	}
	if total == 0 {
		return nil
	}
	parts := (total + maxPortion - 1) / maxPortion
	if parts > 1 {
		parts = (total + maxPortion/2 - 1) / (maxPortion / 2) // room for what comes
	}
	each := (total + parts - 1) / parts
	p := &portion{piece: new(store.Piece)}
	done := func() {
		if p.n > 0 {
			s.append(p)
			p = &portion{piece: new(store.Piece)}
		}
	}
	begin := func(serial policy.Serial) {
		if p.n == each {
			done()
		}
		if p.n == 0 {
			p.first = serial
			p.piece.Value = make([]byte, 0, 52*min(each, total))
		}
		p.n++
	}
	add := func(e policy.CRLEntry) (err error) {
		begin(e.Serial)
		p.piece.Value, err = policy.AppendCRLEntry(p.piece.Value, e)
		return err
	}
	if old != nil {
		err := policy.ReadCRLEntries(old.piece.Value, func(der []byte, e policy.CRLEntry) error {
			for len(fresh) > 0 && bytes.Compare(fresh[0].Serial[:], e.Serial[:]) < 0 {
				if err := add(fresh[0]); err != nil {
					return err
				}
				fresh = fresh[1:]
			}
			if len(fresh) > 0 && fresh[0].Serial == e.Serial {
				return twice(e.Serial)
			}
			begin(e.Serial)
			p.piece.Value = append(p.piece.Value, der...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, e := range fresh {
		if err := add(e); err != nil {
			return err
		}
	}
	done()
	return nil
}

// appendTo appends all entries to out.
func (s *shelf) appendTo(out []byte) []byte {
	for _, p := range s.portions {
		out = append(out, p.piece.Value...)
	}
	return out
}

// pieces are the portions between what stands around them in a list.
func (s *shelf) pieces(before, behind []byte) []*store.Piece {
	out := make([]*store.Piece, 0, len(s.portions)+2)
	out = append(out, &store.Piece{Own: true, Value: before})
	for _, p := range s.portions {
		out = append(out, p.piece)
	}
	return append(out, &store.Piece{Own: true, Value: behind})
}

// within returns the same shelf whose portions are parts of b, in which all entries
// stand from an offset on: a list that is kept is kept once.
func (s *shelf) within(b []byte, offset int) *shelf {
	out := &shelf{portions: make([]*portion, 0, len(s.portions)), entries: s.entries, octets: s.octets}
	for _, p := range s.portions {
		end := offset + len(p.piece.Value)
		out.portions = append(out.portions, &portion{first: p.first, n: p.n, piece: &store.Piece{ID: p.piece.ID, Value: b[offset:end:end]}})
		offset = end
	}
	return out
}
