package room

import (
	"context"
	"fmt"

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
