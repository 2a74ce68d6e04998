package room

import (
	"slices"

	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

// planRun is what the facilitator does to the run.
func (r *Room) planRun(me *person, a Act) (plan, error) {
	switch a := a.(type) {
	case Stop:
		return r.planStop(me, a)
	case GoBack:
		return r.planBack(me, a)
	}
	if err := r.inPlay(); err != nil {
		return plan{}, err
	}
	control := r.live.control
	paused := control.Clock().Paused
	by := string(me.id)
	told := func(err error) error {
		if err != nil {
			return refuse("%s.", report.Capital(err.Error()))
		}
		return nil
	}
	steered := func(did string, why string, then func() error) (plan, error) {
		w, _ := writes(roombook.Steered{Did: did, By: by, Why: roombook.Say(why)})
		w.then = then
		return w, nil
	}
	switch a := a.(type) {
	case Pause:
		if paused {
			return plan{}, refuse("The exercise is paused already.")
		}
		why := oneLine(a.Why, 200)
		return steered("paused", why, func() error { control.Pause(orElse(why, "paused by the facilitator")); return nil })
	case Resume:
		if !paused {
			return plan{}, refuse("The exercise is not paused.")
		}
		why := oneLine(a.Why, 200)
		return steered("resumed", why, func() error { control.Resume(orElse(why, "resumed by the facilitator")); return nil })
	case Pace:
		if a.Speed <= 0 || a.Speed > 100_000 {
			return plan{}, refuse("The speed must be above 0: 1 is real time, 60 an hour a minute.")
		}
		w, _ := writes(roombook.Steered{Did: "speed", Speed: a.Speed, By: by})
		w.then = func() error { return told(control.SetSpeed(a.Speed)) }
		return w, nil
	case Jump:
		if paused {
			return plan{}, refuse("The exercise is paused: let it go on first.")
		}
		return steered("next", "", func() error { return told(control.Next()) })
	case Steer:
		return r.planSteer(by, a)
	}
	return plan{}, refuse("This cannot be done now.")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (r *Room) planSteer(by string, a Steer) (plan, error) {
	control := r.live.control
	why := oneLine(a.Why, 200)
	act := map[Steering]func(step, by, why string) error{Hold: control.Hold, Release: control.Release, Skip: control.Skip, Early: control.Early}[a.Did]
	did := map[Steering]string{Hold: "held", Release: "released", Skip: "skipped", Early: "early"}[a.Did]
	if act == nil {
		return plan{}, refuse("Nothing can be done with %q: hold, release, skip or early.", a.Did)
	}
	for _, d := range control.Ahead() {
		may := slices.ContainsFunc(d.May, func(m engineSteering) bool { return string(m) == string(a.Did) })
		if d.Step != a.Step || !may {
			continue
		}
		w, _ := writes(roombook.Steered{Did: did, Step: a.Step, By: by, Why: roombook.Say(why)})
		w.then = func() error {
			if err := act(a.Step, "the facilitator", why); err != nil {
				return refuse("%s.", report.Capital(err.Error()))
			}
			return nil
		}
		return w, nil
	}
	return plan{}, refuse("Step %s cannot be steered that way now.", a.Step)
}

func (r *Room) planStop(me *person, a Stop) (plan, error) {
	if r.st.phase != Playing && r.st.phase != Making {
		return plan{}, refuse("There is no drill to stop.")
	}
	if r.live == nil {
		return plan{}, refuse("The drill is being made ready; wait until it goes on.")
	}
	why := oneLine(a.Why, 200)
	w, _ := writes(roombook.Steered{Did: "stopped", By: string(me.id), Why: roombook.Say(why)})
	w.then = func() error {
		text := "stopped by the facilitator"
		if why != "" {
			text += " (" + why + ")"
		}
		r.live.cancel(&stopped{text})
		return nil
	}
	return w, nil
}

// planBack leaves the course of events at a question, which is then put anew.
func (r *Room) planBack(me *person, a GoBack) (plan, error) {
	if r.st.phase != Playing && r.st.phase != HotWash || r.live == nil || !r.live.caught {
		return plan{}, refuse("There is no drill to go back in, or it is being made ready.")
	}
	on := roombook.On{Decision: a.Decision, Asking: max(a.Asking, 1)}
	asked := slices.ContainsFunc(r.live.drill.decided, func(d decision) bool { return d.on == on }) || r.live.question(on) != nil
	if !asked {
		return plan{}, refuse("The question %q was not put in this run.", a.Decision)
	}
	w, _ := writes(
		roombook.Run{Number: r.st.run + 1, Why: branched, From: r.live.number, At: on.Decision, Asking: on.Asking, By: string(me.id)},
		roombook.Phase{Phase: string(Making), By: string(me.id)},
	)
	w.then = func() error {
		r.live.cancel(errLeft)
		close(r.live.left)
		r.figures = nil
		r.poke()
		return nil
	}
	return w, nil
}
