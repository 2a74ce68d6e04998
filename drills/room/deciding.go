package room

import (
	"context"
	"errors"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// asked is a question that people are at.
type asked struct {
	q    engine.Question
	said chan engine.Answer // one
}

// Decide implements [engine.Decider]. What people did is in the book before the
// answer is given; so a vote that was closed before the server died is counted at
// once.
func (h hand) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	on := roombook.On{Decision: q.Decision.Name, Asking: q.Asking}
	a, err := h.put(on, q)
	if err != nil {
		return engine.Answer{}, err
	}
	if a == nil {
		return engine.Script().Decide(ctx, q)
	}
	select {
	case answer := <-a.said:
		return answer, nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	silent := engine.Answer{Silent: true}
	if q := h.l.question(on); q != nil {
		silent = h.attend(q, h.st.ballot(on), silent)
	}
	delete(h.l.asked, on)
	if errors.Is(context.Cause(ctx), engine.ErrDeadline) {
		return silent, nil
	}
	return silent, context.Cause(ctx)
}

// put lays a question before its body, or returns nil where the script answers.
func (h hand) put(on roombook.On, q engine.Question) (*asked, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.st.deliberates(q.Body.ID) && q.Refused == "" {
		h.l.script[on] = true
		return nil, nil
	}
	a := &asked{q: q, said: make(chan engine.Answer, 1)}
	h.l.asked[on] = a
	if q.Refused != "" {
		if err := h.write(roombook.Ballot{On: on, Did: ballotAgain, Why: roombook.Say(q.Refused)}); err != nil {
			return nil, err
		}
	}
	b := h.st.ballot(on)
	if open := h.l.question(on); b.closed && open != nil {
		a.said <- h.answer(open, b)
	}
	h.bump()
	return a, nil
}

// question is one that is open in this run, or nil.
func (l *live) question(on roombook.On) *question {
	for _, q := range l.drill.questions {
		if q.on == on {
			return q
		}
	}
	return nil
}

// answer is what the people of a body say, by their votes. mu is held.
func (h hand) answer(q *question, b *ballot) engine.Answer {
	by := h.st.solo(q)
	if by == engine.ByScript {
		a, _ := engine.Script().Decide(context.Background(), q.asEngine)
		return a
	}
	a := engine.Answer{Answered: by, Reason: b.closeWhy, By: h.closer(q, b), Ballot: ballotOpen}
	if b.blind {
		a.Ballot = ballotBlind
	}
	for _, f := range q.Factors {
		if x, is := b.factors[f.ID]; is && x.Finding != "" {
			a.Assessed = append(a.Assessed, journal.Assessment{Factor: f.ID, Finding: x.Finding, Evidence: x.Evidence, Assessor: x.Assessor})
		}
	}
	votes, abstained := h.st.votes(q.Body, b)
	switch {
	case by == engine.ByOne:
		// One person's answer is not a vote of the committee, and stands in the record as
		// what it is.
		a.Ballot = ""
		if len(votes) > 0 {
			a.Option = votes[0].Option
			if a.Reason == "" {
				a.Reason = votes[0].Reason
			}
		}
		return a
	case q.Voting != nil:
		a.Votes, a.Abstained = votes, abstained
		a.Option = q.asEngine.Count(votes).Option
	default:
		a.Votes, a.Abstained = votes, abstained
		a.Option = most(votes)
	}
	return h.attend(q, b, a)
}

// most is the answer of a body that answers without a count of votes: the one that
// most of its members gave, at a tie the one that was given first in its order.
func most(votes []journal.Vote) string {
	n := map[string]int{}
	best := ""
	for _, v := range votes {
		n[v.Option]++
	}
	for _, v := range votes {
		if n[v.Option] > n[best] {
			best = v.Option
		}
	}
	return best
}

// attend adds to an answer who was there and what interests they declared. Who sits
// on a seat is there: a telephone that has lost its network has not left the room.
func (h hand) attend(q *question, b *ballot, a engine.Answer) engine.Answer {
	if q.Voting == nil && h.st.oneSeat(q.Body) {
		return a
	}
	a.Present = []string{}
	for _, s := range h.st.house.seats {
		if s.Body != q.Body {
			continue
		}
		sits, is := h.st.sitting[s.ID]
		if is {
			a.Present = append(a.Present, s.Member)
			if sits.alternate {
				a.Alternates = append(a.Alternates, journal.Alternate{Member: s.Member, Name: h.st.name(sits.person)})
			}
		}
		if interest, declared := b.interests[s.ID]; declared {
			a.Conflicts = append(a.Conflicts, journal.Conflict{Member: s.Member, Interest: interest})
		}
	}
	return a
}

// closer is in whose name an answer is given: the seat of whoever closed the vote.
func (h hand) closer(q *question, b *ballot) string {
	p := PersonID(b.closedBy)
	for _, id := range h.st.seatsOf(p) {
		if s, _ := h.st.house.seat(id); s.Body == q.Body {
			return s.Title
		}
	}
	if x := h.st.people[p]; x != nil && x.role == Facilitator {
		return "the facilitator"
	}
	return ""
}
