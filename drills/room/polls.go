package room

import (
	"slices"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// ballot is what people did about one asking of a question.
type ballot struct {
	called, blind, revealed bool
	closed                  bool
	closedBy                string // a person
	closeWhy                string
	refused                 string // why the last count decided nothing
	casts                   map[SeatID]cast
	interests               map[SeatID]string
	factors                 map[string]FactorState
}

type cast struct {
	option, reason string
}

// ballot is that of an asking; a new one is as the facilitator arranged ballots to
// begin.
func (s *state) ballot(on roombook.On) *ballot {
	b := s.ballots[on]
	if b == nil {
		b = &ballot{blind: s.arranged.Blind, casts: map[SeatID]cast{}, interests: map[SeatID]string{}, factors: map[string]FactorState{}}
		s.ballots[on] = b
	}
	return b
}

func (s *state) takeBallot(body roombook.Body) {
	switch b := body.(type) {
	case roombook.Interest:
		x := s.ballot(b.On)
		if b.Withdrawn {
			delete(x.interests, SeatID(b.Seat))
			return
		}
		x.interests[SeatID(b.Seat)] = b.Interest.String()
	case roombook.Assessed:
		s.ballot(b.On).factors[b.Factor] = FactorState{ID: b.Factor, Finding: b.Finding.String(), Evidence: b.Evidence.String(), Assessor: s.title(SeatID(b.Seat))}
	case roombook.Cast:
		s.ballot(b.On).casts[SeatID(b.Seat)] = cast{b.Option, b.Reason.String()}
	case roombook.Ballot:
		x := s.ballot(b.On)
		switch b.Did {
		case ballotOpen, ballotBlind:
			// A vote that is called anew keeps what was cast: members may change it.
			x.called, x.blind, x.closed, x.revealed = true, b.Did == ballotBlind, false, false
		case ballotRevealed:
			x.revealed = true
		case ballotClosed:
			x.called, x.closed, x.closedBy, x.closeWhy = true, true, b.By, b.Why.String()
		case ballotAgain:
			x.closed, x.refused = false, b.Why.String()
		}
	}
}

// leave forgets what people did in a run after the question at which it was left:
// that question and all that comes after it is voted on anew. What was done before
// keeps its votes.
func (s *state) leave(b roombook.Run) {
	at := time.Duration(0)
	if s.asked != nil {
		at = s.asked(b.From, roombook.On{Decision: b.At, Asking: b.Asking})
	}
	polled := s.polled
	s.polled, s.ballots, s.before = nil, map[roombook.On]*ballot{}, map[SeatID]PersonID{}
	for _, e := range polled {
		if sat, is := e.Body.(roombook.Seated); is {
			s.polled = append(s.polled, e)
			s.succeed(sat)
			continue
		}
		on := roombook.About(e.Body)
		if e.At > at || on.Decision == b.At && on.Asking >= b.Asking {
			continue
		}
		s.polled = append(s.polled, e)
		s.takeBallot(e.Body)
	}
	s.tells = slices.DeleteFunc(s.tells, func(t tell) bool { return t.at > at })
	for of, did := range s.shares {
		if did.at > at {
			delete(s.shares, of)
		}
	}
}

// succeed is somebody sitting down where somebody else sat. Votes and interests are a
// person's: in a vote that is open the newcomer has none yet, and does not see the
// other's.
func (s *state) succeed(b roombook.Seated) {
	seat, p := SeatID(b.Seat), PersonID(b.Person)
	if before := s.before[seat]; before != "" && before != p {
		for _, x := range s.ballots {
			if !x.closed {
				delete(x.casts, seat)
				delete(x.interests, seat)
			}
		}
	}
	s.before[seat] = p
}

// What a Ballot entry of the book says that was done.
const (
	ballotOpen     = "open"
	ballotBlind    = "blind"
	ballotRevealed = "revealed"
	ballotClosed   = "closed"
	ballotAgain    = "again"
)

// barred says whether an interest that was declared has taken a seat's vote away.
func (s *state) barred(body string, b *ballot, seat SeatID) bool {
	if _, declared := b.interests[seat]; !declared {
		return false
	}
	rule, _ := s.house.body(body)
	return rule.Conflict == declaresOnly || rule.Conflict == declaresAndLeaves
}

// What a member with an interest does, in the words of the procedure pack.
const (
	declaresOnly      = "declares it and does not vote"
	declaresAndLeaves = "declares it and leaves the room"
)

// votes are those cast that count, in the order of the body, and those who
// abstained.
func (s *state) votes(body string, b *ballot) (votes []journal.Vote, abstained []journal.Abstention) {
	for _, x := range s.house.voters(body) {
		c, is := b.casts[x.ID]
		switch {
		case !is || s.barred(body, b, x.ID):
		case c.option == "":
			abstained = append(abstained, journal.Abstention{Member: x.Member, Reason: c.reason})
		default:
			votes = append(votes, journal.Vote{Member: x.Member, Option: c.option, Reason: c.reason, Conflict: b.interests[x.ID]})
		}
	}
	return votes, abstained
}
