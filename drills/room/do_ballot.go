package room

import (
	"slices"

	"smki.example/drills/roombook"
)

// asked is an open question that is put to the body of a person's seat, or why there
// is none.
func (r *Room) asked(me *person, id SeatID, decision string, asking int) (Seat, *question, *ballot, error) {
	seat, err := r.sits(me, id)
	if err != nil {
		return Seat{}, nil, nil, err
	}
	q, b, err := r.open(decision, asking)
	if err == nil && seat.Body != q.Body {
		err = refuse("This question is not put to you: it is for another body.")
	}
	return seat, q, b, err
}

func (r *Room) planDeclare(me *person, a Declare) (plan, error) {
	_, q, b, err := r.asked(me, a.Seat, a.Decision, a.Asking)
	if err != nil {
		return plan{}, err
	}
	interest := oneLine(a.Interest, 300)
	_, declared := b.interests[a.Seat]
	switch {
	case b.closed:
		return plan{}, refuse("The vote is closed and is being counted.")
	case a.Withdrawn && !declared:
		return plan{}, refuse("You have declared no interest in this.")
	case !a.Withdrawn && interest == "":
		return plan{}, refuse("Say in a few words what your interest is.")
	}
	return writes(roombook.Interest{Seat: string(a.Seat), On: q.on, Interest: roombook.Say(interest), Withdrawn: a.Withdrawn})
}

func (r *Room) planAssess(me *person, a Assess) (plan, error) {
	_, q, b, err := r.asked(me, a.Seat, a.Decision, a.Asking)
	if err != nil {
		return plan{}, err
	}
	known := false
	for _, f := range q.Factors {
		known = known || f.ID == a.Factor
	}
	switch {
	case !known:
		return plan{}, refuse("%q is no factor of this question.", a.Factor)
	case b.closed:
		return plan{}, refuse("The vote is closed and is being counted.")
	case r.leftRoom(q, b, a.Seat):
		return plan{}, refuse("You declared an interest and have left the room for this question.")
	}
	return writes(roombook.Assessed{Seat: string(a.Seat), On: q.on, Factor: a.Factor, Finding: roombook.Say(oneLine(a.Finding, 500)), Evidence: roombook.Say(oneLine(a.Evidence, 500))})
}

// leftRoom says whether the rule on interests has sent a seat out.
func (r *Room) leftRoom(q *question, b *ballot, seat SeatID) bool {
	_, declared := b.interests[seat]
	rule, _ := r.st.house.body(q.Body)
	return declared && rule.Conflict == declaresAndLeaves
}

// led is an open question whose vote a person may call, reveal and close, or why
// there is none.
func (r *Room) led(me *person, id SeatID, decision string, asking int) (*question, *ballot, error) {
	q, b, err := r.open(decision, asking)
	if err == nil {
		err = r.leads(me, id, q.Body)
	}
	return q, b, err
}

// leads says whether a person may call, reveal and close a body's vote.
func (r *Room) leads(me *person, id SeatID, body string) error {
	if id != "" {
		if _, err := r.sits(me, id); err != nil {
			return err
		}
	}
	if me.role == Facilitator || id != "" && r.st.seatMayCall(id, body) {
		return nil
	}
	return refuse("The vote is called and closed by the Chair, or by the facilitator.")
}

func (r *Room) planCall(me *person, a CallVote) (plan, error) {
	q, b, err := r.led(me, a.Seat, a.Decision, a.Asking)
	switch {
	case err != nil:
		return plan{}, err
	case b.closed:
		return plan{}, refuse("The vote is closed and is being counted.")
	case b.called && !b.revealed && b.blind == a.Blind:
		return plan{}, refuse("The vote is open already.")
	case len(b.casts) > 0 && b.called && b.blind && !a.Blind:
		// Who voted blind was promised that it stays so until it is revealed.
		return plan{}, refuse("Votes were cast blind. Reveal them instead of opening the vote.")
	}
	did := ballotOpen
	if a.Blind {
		did = ballotBlind
	}
	return writes(roombook.Ballot{On: q.on, Did: did, By: string(me.id)})
}

func (r *Room) planVote(me *person, a Vote) (plan, error) {
	seat, q, b, err := r.asked(me, a.Seat, a.Decision, a.Asking)
	if err != nil {
		return plan{}, err
	}
	offered := a.Option == "" || slices.ContainsFunc(q.Options, func(o option) bool { return o.Name == a.Option })
	rule, _ := r.st.house.body(q.Body)
	switch {
	case !seat.Vote:
		return plan{}, refuse("%s attends without a vote.", seat.Title)
	case r.st.barred(q.Body, b, a.Seat):
		return plan{}, refuse("You declared an interest in this. By the rule of this body, a member with an interest %s.", rule.Conflict)
	case !offered:
		return plan{}, refuse("%q is no answer that can be given now.", a.Option)
	case b.closed:
		return plan{}, refuse("The vote is closed and is being counted.")
	case !b.called && !r.st.oneSeat(q.Body) && !r.st.arranged.Solo:
		return plan{}, refuse("The vote is not open yet: the Chair or the facilitator calls it.")
	case b.revealed && b.blind:
		return plan{}, refuse("The votes are revealed. To vote again, the vote must be called again.")
	}
	return writes(roombook.Cast{Seat: string(a.Seat), On: q.on, Option: a.Option, Reason: roombook.Say(oneLine(a.Reason, 300))})
}

func (r *Room) planReveal(me *person, a Reveal) (plan, error) {
	on := roombook.On{Decision: a.Decision, Asking: a.Asking}
	if r.drill != nil {
		if i := slices.IndexFunc(r.drill.decided, func(d decision) bool { return d.on == on }); i >= 0 {
			return r.planRevealAfter(me, a, on, r.drill.decided[i].Body)
		}
	}
	q, b, err := r.led(me, a.Seat, a.Decision, a.Asking)
	switch {
	case err != nil:
		return plan{}, err
	case !b.called || b.revealed:
		return plan{}, refuse("There is no open vote to reveal.")
	}
	return writes(roombook.Ballot{On: q.on, Did: ballotRevealed, By: string(me.id)})
}

// planRevealAfter is for a blind vote that was closed without showing it to others.
func (r *Room) planRevealAfter(me *person, a Reveal, on roombook.On, body string) (plan, error) {
	if err := r.leads(me, a.Seat, body); err != nil {
		return plan{}, err
	}
	if r.st.ballot(on).revealed {
		return plan{}, refuse("The votes are revealed already.")
	}
	return writes(roombook.Ballot{On: on, Did: ballotRevealed, By: string(me.id)})
}

func (r *Room) planClose(me *person, a CloseVote) (plan, error) {
	q, b, err := r.led(me, a.Seat, a.Decision, a.Asking)
	if err != nil {
		return plan{}, err
	}
	if b.closed {
		return plan{}, refuse("The vote is closed and is being counted.")
	}
	if !b.called && !r.st.oneSeat(q.Body) && !r.st.arranged.Solo {
		return plan{}, refuse("The vote is not open yet.")
	}
	if why := r.st.whyNot(q, b); why != "" {
		return plan{}, refuse("The vote cannot be closed. %s", why)
	}
	w, _ := writes(roombook.Ballot{On: q.on, Did: ballotClosed, By: string(me.id), Why: roombook.Say(paragraphs(a.Reason, 1000))})
	w.then = func() error {
		asked := r.live.asked[q.on]
		if asked == nil {
			return nil // it is being put, and will be answered with what is in the book
		}
		select {
		case asked.said <- hand{r, r.live}.answer(q, r.st.ballot(q.on)):
		default: // it was answered before
		}
		return nil
	}
	return w, nil
}
