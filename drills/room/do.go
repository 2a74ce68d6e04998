package room

import (
	"context"
	"fmt"
	"slices"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// A plan is what an act comes to: what is written into the book, and what is done
// once it is there.
type plan struct {
	bodies []roombook.Body
	then   func() error // may be nil; its error is for the person who asked
}

func writes(bodies ...roombook.Body) (plan, error) { return plan{bodies: bodies}, nil }

// Do does what a person asks, or returns a *Refusal. When it returns nil the act is
// on disk. Another error is an outage: whether the act is in the book is then
// decided by the book, and a person who tries again does no harm.
func (r *Room) Do(ctx context.Context, p PersonID, a Act) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	me := r.st.people[p]
	if me == nil {
		return ErrUnknown
	}
	if me.role == Screen {
		return refuse("This screen shows the room; nothing is done from it.")
	}
	w, err := r.plan(me, a)
	if err != nil {
		return err
	}
	if err := r.write(w.bodies...); err != nil {
		r.cfg.Log.Error("writing into the book", "act", fmt.Sprintf("%T", a), "error", err)
		return fmt.Errorf("writing what was done into the book: %w", err)
	}
	defer r.bump()
	if w.then != nil {
		return w.then()
	}
	return nil
}

// plan checks an act against the person's role and seats and the phase of the
// exercise.
func (r *Room) plan(me *person, a Act) (plan, error) {
	switch a.(type) {
	case Arrange, OpenDoors, Begin, Move, Pause, Resume, Pace, Jump, Steer, GoBack, Stop, Plan, RiskLeft, Write, Finish:
		if me.role != Facilitator {
			return plan{}, refuse("Only the facilitator can do this.")
		}
	case TakeSeat, LeaveSeat, Declare, Assess, Vote, GiveShare:
		if me.role == Observer {
			return plan{}, refuse("Observers watch and write notes; they have no seat in the exercise.")
		}
	case Rate:
		if me.role == Player {
			return plan{}, refuse("Objectives are rated by observers. Write your view into the survey at the end.")
		}
	}
	if r.st.phase == Closed {
		return plan{}, refuse("The record of this exercise is sealed: nothing is added to it any more.")
	}
	switch a := a.(type) {
	case Arrange:
		return r.planArrange(a)
	case OpenDoors:
		return r.planOpen(me)
	case Begin:
		return r.planBegin(me)
	case TakeSeat:
		return r.planTake(me, a)
	case LeaveSeat:
		return r.planLeave(me, a)
	case Move:
		return r.planMove(me, a)
	case Declare:
		return r.planDeclare(me, a)
	case Assess:
		return r.planAssess(me, a)
	case CallVote:
		return r.planCall(me, a)
	case Vote:
		return r.planVote(me, a)
	case Reveal:
		return r.planReveal(me, a)
	case CloseVote:
		return r.planClose(me, a)
	case GiveShare:
		return r.planShare(me, a)
	case TellWhom:
		return r.planTell(me, a)
	case Pause, Resume, Pace, Jump, Steer, Stop, GoBack:
		return r.planRun(me, a)
	case Jot, Rate, Answer, Correct, Plan, RiskLeft, Write:
		return r.planRecord(me, a)
	case Finish:
		return r.planFinish(me)
	}
	return plan{}, fmt.Errorf("room: internal error: nobody knows the act %T", a)
}

// sits says whether a person sits on a seat, or why that is no seat of theirs.
func (r *Room) sits(me *person, id SeatID) (Seat, error) {
	seat, is := r.st.house.seat(id)
	if !is {
		return Seat{}, refuse("There is no seat %q in this exercise.", id)
	}
	if r.st.sitting[id].person != me.id {
		return Seat{}, refuse("You do not sit as %s. Take the seat first, or ask the facilitator.", seat.Title)
	}
	return seat, nil
}

// open is a question that people are at, with its ballot, or why there is none.
func (r *Room) open(decision string, asking int) (*question, *ballot, error) {
	on := roombook.On{Decision: decision, Asking: asking}
	if err := r.inPlay(); err != nil {
		return nil, nil, err
	}
	q := r.live.question(on)
	if q == nil {
		return nil, nil, refuse("This question is not open: it was answered, or its time is over.")
	}
	if r.live.script[on] {
		return nil, nil, refuse("Nobody sat in this body when the question was put, so the script answers it.")
	}
	return q, r.st.ballot(on), nil
}

// inPlay says why nothing can be done in the drill now, or nothing.
func (r *Room) inPlay() error {
	switch {
	case r.st.phase == Making:
		return refuse("The drill is being made ready; wait until it goes on.")
	case r.st.phase == HotWash:
		return refuse("The drill is over.")
	case r.st.phase != Playing:
		return refuse("The drill has not begun.")
	case r.live == nil || !r.live.caught:
		return refuse("The drill is being made ready; wait until it goes on.")
	}
	return nil
}

// ofBody says whether a seat is of the body that is asked.
func ofBody(seat Seat, q *question) error {
	if seat.Body != q.Body {
		return refuse("This question is not put to you: it is for another body.")
	}
	return nil
}

func (r *Room) planDeclare(me *person, a Declare) (plan, error) {
	seat, err := r.sits(me, a.Seat)
	if err != nil {
		return plan{}, err
	}
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = ofBody(seat, q)
	}
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
	seat, err := r.sits(me, a.Seat)
	if err != nil {
		return plan{}, err
	}
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = ofBody(seat, q)
	}
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

// leads says whether a person may call, reveal and close a body's vote.
func (r *Room) leads(me *person, id SeatID, q *question) error {
	if id != "" {
		if _, err := r.sits(me, id); err != nil {
			return err
		}
	}
	if me.role == Facilitator || id != "" && r.st.seatMayCall(id, q.Body) {
		return nil
	}
	return refuse("The vote is called and closed by the Chair, or by the facilitator.")
}

func (r *Room) planCall(me *person, a CallVote) (plan, error) {
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = r.leads(me, a.Seat, q)
	}
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
	seat, err := r.sits(me, a.Seat)
	if err != nil {
		return plan{}, err
	}
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = ofBody(seat, q)
	}
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
	if r.drill != nil && slices.ContainsFunc(r.drill.decided, func(d decision) bool { return d.on == on }) {
		return r.planRevealAfter(me, a, on)
	}
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = r.leads(me, a.Seat, q)
	}
	switch {
	case err != nil:
		return plan{}, err
	case !b.called || b.revealed:
		return plan{}, refuse("There is no open vote to reveal.")
	}
	return writes(roombook.Ballot{On: q.on, Did: ballotRevealed, By: string(me.id)})
}

// planRevealAfter is for a blind vote that was closed without showing it to others.
func (r *Room) planRevealAfter(me *person, a Reveal, on roombook.On) (plan, error) {
	for i := range r.drill.decided {
		d := &r.drill.decided[i]
		if d.on != on {
			continue
		}
		if err := r.leads(me, a.Seat, &question{Question: journal.Question{Body: d.Body}}); err != nil {
			return plan{}, err
		}
	}
	if r.st.ballot(on).revealed {
		return plan{}, refuse("The votes are revealed already.")
	}
	return writes(roombook.Ballot{On: on, Did: ballotRevealed, By: string(me.id)})
}

func (r *Room) planClose(me *person, a CloseVote) (plan, error) {
	q, b, err := r.open(a.Decision, a.Asking)
	if err == nil {
		err = r.leads(me, a.Seat, q)
	}
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

func (r *Room) planShare(me *person, a GiveShare) (plan, error) {
	if _, err := r.sits(me, a.Seat); err != nil {
		return plan{}, err
	}
	if err := r.inPlay(); err != nil {
		return plan{}, err
	}
	of := shareOf{a.Seat, a.Key}
	k := r.live.calls[of]
	if k == nil || k.done != "" {
		return plan{}, refuse("Your share of this key is not asked for now.")
	}
	share := roombook.Share{Seat: string(a.Seat), Key: a.Key, Did: shareGiven}
	switch {
	case a.Withhold:
		share.Did = shareWithheld
		w, _ := writes(share)
		w.then = func() error { k.answered(given{}, shareWithheld); return nil }
		return w, nil
	case !r.live.opens(of, a.Code):
		share.Did = shareMistyped
		w, _ := writes(share)
		w.then = func() error {
			k.mistyped = true
			return refuse("These are not the words of your envelope. Look at them again and type them in once more.")
		}
		return w, nil
	}
	w, _ := writes(share)
	w.then = func() error { k.answered(given{r.live.envelopes[of], true}, shareGiven); return nil }
	return w, nil
}

func (r *Room) planTell(me *person, a TellWhom) (plan, error) {
	if err := r.inPlay(); err != nil {
		return plan{}, err
	}
	i := slices.IndexFunc(r.live.drill.duties, func(d duty) bool { return d.Step == a.Step && !r.live.done[d.seq] })
	if i < 0 {
		return plan{}, refuse("There is nobody to tell under this step: it is done, or not yet due.")
	}
	d := r.live.drill.duties[i]
	by := "the facilitator"
	if me.role != Facilitator || a.Seat != "" {
		seat, err := r.sits(me, a.Seat)
		if err != nil {
			return plan{}, err
		}
		if len(dutySeats(r.st, d.Notify, []SeatID{a.Seat})) == 0 {
			return plan{}, refuse("This is for %s to tell.", d.From)
		}
		by = seat.Title
	}
	w, _ := writes(roombook.Told{Seat: string(a.Seat), Step: a.Step, Whom: d.Whom})
	w.then = func() error {
		if err := r.live.control.Told(a.Step, by); err != nil {
			return refuse("%s.", capital(err.Error()))
		}
		r.live.done[d.seq] = true
		return nil
	}
	return w, nil
}
