package verbs

import (
	"cmp"
	"slices"
	"time"

	"smki.example/hsm"
	"smki.example/hsm/custody"
)

// A custodian is a seat among those who guard keys, with whoever sits there.
type custodian struct {
	name   string
	party  string
	travel time.Duration
	person int           // 1 for the first, one more for each that replaced
	away   bool          // cannot come
	vacant bool          // left, and nobody took the place
	since  time.Duration // when the person could first set out
}

// A heldShare is one share of a secret with the person it was given to, on paper
// of his own or in a sealed envelope. In a drill it is kept in memory, apart from
// every token.
type heldShare struct {
	by       *custodian
	person   int
	number   int            // of the share
	paper    *custody.Share // nil: in the envelope, or destroyed
	envelope []byte         // the share, encrypted under a code that its custodian has
	missing  bool           // not to be found
	corrupt  bool           // does not fit the others; nobody knows until it is tried
	seen     bool           // somebody else has it or may have it

	// What its custodian did about the opening that is going on.
	handed   *custody.Share // over; nil: not, or not yet
	withheld bool
	mistyped int
}

// there reports whether its custodian could bring the share.
func (h *heldShare) there() bool {
	return !h.missing && !h.by.away && !h.by.vacant && h.person == h.by.person
}

// kept reports whether the share is with the person who holds the seat, away or
// not.
func (h *heldShare) kept() bool { return !h.missing && !h.by.vacant && h.person == h.by.person }

// given is the share as it is handed over. One octet of a corrupt one is wrong.
func (h *heldShare) given() custody.Share {
	if h.corrupt {
		return h.handed.Damaged()
	}
	return *h.handed
}

// shares are those of one secret.
type shares struct {
	of      string // the secret, in the words of a scenario
	label   hsm.KeyLabel
	asked   int // how often custodians were asked for it, over all decisions
	held    []*heldShare
	needed  int
	parties int
}

// shareOut gives the shares of a split to the seats they were made for, in order:
// on paper, or each in an envelope whose code its custodian is told.
func (w *World) shareOut(of string, label hsm.KeyLabel, seats []*custodian, made []custody.Share) (*shares, error) {
	s := &shares{of: of, label: label, needed: made[0].Open(), parties: w.cfg.Procedure.CustodyOf(of).Parties}
	for i, share := range made {
		h := &heldShare{by: seats[i], person: seats[i].person, number: share.Index()}
		if w.cfg.Envelope == nil {
			h.paper = &share
		} else {
			code, sealed, err := sealShare(share)
			if err != nil {
				return nil, err
			}
			h.envelope = sealed
			w.cfg.Envelope(seats[i].name, string(label), code)
		}
		s.held = append(s.held, h)
	}
	return s, nil
}

// holdersOf are those of some custodians who hold any of some secrets, in the order
// in which they sit.
func (w *World) holdersOf(some []*custodian, secrets ...string) []*custodian {
	var out []*custodian
	for _, c := range some {
		if slices.ContainsFunc(secrets, func(secret string) bool { return slices.Contains(w.cfg.Procedure.CustodyOf(secret).Seats, c.name) }) {
			out = append(out, c)
		}
	}
	return out
}

// holdersAmong are those of some custodians who hold a secret, in the order in which
// the procedure pack names them.
func (w *World) holdersAmong(secret string, some []*custodian) []*custodian {
	var out []*custodian
	for _, x := range w.cfg.Procedure.Holders(secret) {
		if i := slices.IndexFunc(some, func(c *custodian) bool { return c.name == x.Seat }); i >= 0 {
			out = append(out, some[i])
		}
	}
	return out
}

// holders are the Parties of those who hold the shares, for the vault.
func (s *shares) holders() custody.Holders {
	h := custody.Holders{Party: map[int]string{}, Distinct: s.parties}
	for _, held := range s.held {
		h.Party[held.number] = held.by.party
	}
	return h
}

// A tally is the arithmetic of the threshold.
type tally struct {
	of, needed, parties, safe, lost, seen, present int
	enough, compromised                            bool
}

func (s *shares) tally() tally {
	t := tally{of: len(s.held), needed: s.needed, parties: s.parties}
	var here []*heldShare
	for _, h := range s.held {
		if h.kept() && !h.corrupt && !h.seen {
			t.safe++
		} else {
			t.lost++
		}
		if h.seen {
			t.seen++
		}
		if h.there() && !h.corrupt {
			here = append(here, h)
		}
	}
	t.present = len(here)
	t.enough = s.open(here)
	t.compromised = t.seen >= t.needed
	return t
}

// open reports whether shares are enough, and of enough Parties.
func (s *shares) open(some []*heldShare) bool {
	var parties []string
	for _, h := range some {
		if !slices.Contains(parties, h.by.party) {
			parties = append(parties, h.by.party)
		}
	}
	return len(some) >= s.needed && len(parties) >= s.parties
}

// arrival is when a custodian who was called reaches the ceremony.
func (h *heldShare) arrival(called time.Duration) time.Duration {
	return max(called, h.by.since) + h.by.travel
}

// coming are the shares that will be brought, in the order of their arrival.
func (s *shares) coming(called time.Duration) []*heldShare {
	var list []*heldShare
	for _, h := range s.held {
		if h.there() {
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(a, b *heldShare) int { return cmp.Compare(a.arrival(called), b.arrival(called)) })
	return list
}

// quorum is when enough of those who were called are there, if ever, and not
// before a time at which fewer had turned out to be too few.
func (s *shares) quorum(called, after time.Duration) (time.Duration, bool) {
	list := s.coming(called)
	for i, h := range list {
		if at := h.arrival(called); at > after && s.open(list[:i+1]) {
			return at, true
		}
	}
	return 0, false
}

// sets are the ways of choosing as many of the shares as are needed, of enough
// Parties, those who came first before the others. One that does not fit the
// others is found by leaving it out.
func (s *shares) sets(some []*heldShare) [][]*heldShare {
	var all [][]*heldShare
	var choose func(from int, chosen []*heldShare)
	choose = func(from int, chosen []*heldShare) {
		if len(chosen) == s.needed {
			if s.open(chosen) {
				all = append(all, slices.Clone(chosen))
			}
			return
		}
		for i := from; i < len(some); i++ {
			choose(i+1, append(chosen, some[i]))
		}
	}
	choose(0, nil)
	if len(all) == 0 && s.open(some) {
		// More people than shares are needed, to be of enough Parties.
		all = append(all, some)
	}
	return all
}

// bring are the shares that are handed over.
func bring(set []*heldShare) []custody.Share {
	list := make([]custody.Share, len(set))
	for i, h := range set {
		list[i] = h.given()
	}
	return list
}
