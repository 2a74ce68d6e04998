package room

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/library"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// mostDevices is how many devices a drill may have, as a fleet holds in memory.
const mostDevices = 1_000_000

// mostText bounds a scenario that is typed in.
const mostText = 1 << 20

func (r *Room) planArrange(a Arrange) (plan, error) {
	if r.st.run > 0 {
		return plan{}, refuse("The drill was begun: what is played cannot be changed any more. Open a new exercise.")
	}
	name, text, err := r.source(a)
	if err != nil {
		return plan{}, err
	}
	parsed, err := scenario.Parse(name, text, verbs.Vocabulary(r.st.pack))
	if err != nil {
		r.draft, r.wrong = string(text), errorLines(err)
		r.bump()
		return plan{}, refuse("The scenario is not right yet: %s", r.wrong[0])
	}
	h := newHouse(r.st.pack, parsed)
	var seats []string
	for _, s := range a.Seats {
		if _, is := h.seat(s); !is {
			return plan{}, refuse("There is no seat %q in this exercise.", s)
		}
		seats = append(seats, string(s))
	}
	switch {
	case a.Devices < 0 || a.Devices > mostDevices:
		return plan{}, refuse("The number of devices must be between 1 and %d, or 0 for the scenario's own.", mostDevices)
	case a.Speed < 0 || a.Speed > 100_000:
		return plan{}, refuse("The speed must be above 0: 1 is real time, 60 an hour a minute.")
	}
	if a.Seed == 0 {
		a.Seed = 1
	}
	if a.Speed == 0 {
		a.Speed = 1
	}
	if a.Devices == 0 {
		a.Devices = parsed.Estate.Devices
	}
	w, _ := writes(roombook.Arranged{
		Scenario: name, SHA256: parsed.SHA256(), Procedure: r.st.pack.Name(), Devices: a.Devices, Seed: a.Seed, Speed: a.Speed, Solo: a.Solo, SoloDecides: a.SoloDecides,
		Blind: a.Blind, Score: a.Score, Seats: seats, ScenarioText: string(text),
	})
	w.then = func() error {
		r.draft, r.wrong = "", nil
		return nil
	}
	return w, nil
}

// source finds the text of what is to be played: as typed, of a file of this
// installation, or shipped.
func (r *Room) source(a Arrange) (name string, text []byte, err error) {
	if a.Text != "" {
		if len(a.Text) > mostText {
			return "", nil, refuse("The scenario is longer than %d characters.", mostText)
		}
		name = strings.TrimSuffix(oneLine(a.Scenario, 60), ".yaml")
		if name == "" {
			name = "scenario"
		}
		return filepath.Base(name) + ".yaml", []byte(a.Text), nil
	}
	if slices.ContainsFunc(r.own, func(d Drill) bool { return d.ID == a.Scenario }) {
		file := a.Scenario + ".yaml"
		text, err := os.ReadFile(filepath.Join(r.cfg.Home, file))
		if err != nil {
			return "", nil, refuse("The scenario %q cannot be read: %v.", a.Scenario, err)
		}
		return file, text, nil
	}
	name, text, err = library.Source(a.Scenario)
	if err != nil {
		return "", nil, refuse("%s.", report.Capital(err.Error()))
	}
	return name, text, nil
}

// errorLines are what is wrong with a scenario, a line each.
func errorLines(err error) []string {
	var list scenario.Errors
	if errors.As(err, &list) {
		out := make([]string, len(list))
		for i, e := range list {
			out[i] = e.Error()
		}
		return out
	}
	return []string{err.Error()}
}

// ownDrills are the scenarios of this installation: NAME.yaml in the home folder.
func (r *Room) ownDrills() []Drill {
	files, err := filepath.Glob(filepath.Join(r.cfg.Home, "*.yaml"))
	if err != nil {
		return nil
	}
	var out []Drill
	for _, f := range files {
		id := strings.TrimSuffix(filepath.Base(f), ".yaml")
		d := Drill{ID: id, Title: "cannot be played: check it first", Own: true}
		if text, err := os.ReadFile(f); err == nil {
			if s, err := scenario.Parse(filepath.Base(f), text, verbs.Vocabulary(r.st.pack)); err == nil {
				d.Title, d.Label, d.Minutes = s.Title, s.Label, s.Minutes
			}
		}
		out = append(out, d)
	}
	return out
}

func (r *Room) planOpen(me *person) (plan, error) {
	switch {
	case r.st.phase != Setup:
		return plan{}, refuse("The doors are open already.")
	case r.st.scenario() == nil:
		return plan{}, refuse("Choose a scenario first.")
	}
	return writes(roombook.Phase{Phase: string(Briefing), By: string(me.id)})
}

func (r *Room) planBegin(me *person) (plan, error) {
	switch {
	case r.st.scenario() == nil:
		return plan{}, refuse("Choose a scenario first.")
	case r.st.phase != Setup && r.st.phase != Briefing:
		return plan{}, refuse("The drill was begun already.")
	}
	w, _ := writes(r.fresh(string(me.id)), roombook.Phase{Phase: string(Making), By: string(me.id)})
	w.then = func() error { r.poke(); return nil }
	return w, nil
}

// fresh is the run that begins now. Where an earlier one could not go on, it is
// played again as far as its record goes: nothing that was decided is lost.
func (r *Room) fresh(by string) roombook.Run {
	b := roombook.Run{Number: r.st.run + 1, Why: begun, By: by}
	for i := len(r.st.runs) - 1; i >= 0; i-- {
		x := r.st.runs[i]
		entries, err := r.entriesOf(x.Number)
		if err == nil && len(entries) > 0 && entries[0].Kind == journal.KindStart {
			b.Why, b.From = resumed, x.Number
			return b
		}
		if x.Why == branched {
			b.Why, b.From, b.At, b.Asking = branched, x.From, x.At, x.Asking
			return b
		}
	}
	return b
}

func (r *Room) planTake(me *person, a TakeSeat) (plan, error) {
	seat, is := r.st.house.seat(a.Seat)
	holder := r.st.sitting[a.Seat].person
	switch {
	case !is || r.st.scenario() == nil:
		return plan{}, refuse("There is no seat %q in this exercise.", a.Seat)
	case !seat.Offered:
		return plan{}, refuse("The seat %s is not offered in this exercise. Ask the facilitator.", seat.Title)
	case r.st.phase == Setup && me.role != Facilitator:
		return plan{}, refuse("Seats are taken once the facilitator has opened the doors.")
	case holder == me.id:
		return plan{}, refuse("You sit there already.")
	case holder != "":
		return plan{}, refuse("%s is taken by %s.", seat.Title, r.st.name(holder))
	case a.Alternate && seat.Kind != MemberSeat:
		return plan{}, refuse("%s has no alternate.", seat.Title)
	}
	return writes(roombook.Seated{Person: string(me.id), Seat: string(a.Seat), Alternate: a.Alternate})
}

func (r *Room) planLeave(me *person, a LeaveSeat) (plan, error) {
	if _, err := r.sits(me, a.Seat); err != nil {
		return plan{}, err
	}
	w, _ := writes(roombook.Seated{Person: string(me.id), Seat: string(a.Seat), Left: true})
	w.then = r.freed
	return w, nil
}

func (r *Room) planMove(me *person, a Move) (plan, error) {
	seat, is := r.st.house.seat(a.Seat)
	holder := r.st.sitting[a.Seat].person
	if !is || r.st.scenario() == nil {
		return plan{}, refuse("There is no seat %q in this exercise.", a.Seat)
	}
	var bodies []roombook.Body
	if holder != "" && holder != a.Person {
		bodies = append(bodies, roombook.Seated{Person: string(holder), Seat: string(a.Seat), Left: true, By: string(me.id)})
	}
	if a.Person != "" {
		p := r.st.people[a.Person]
		switch {
		case p == nil:
			return plan{}, refuse("Nobody in this room is called %q.", a.Person)
		case p.role == Observer || p.role == Screen:
			return plan{}, refuse("%s observes, and can take no seat.", p.name)
		case holder == a.Person:
			return plan{}, refuse("%s sits there already.", p.name)
		}
		bodies = append(bodies, roombook.Seated{Person: string(a.Person), Seat: string(a.Seat), By: string(me.id)})
	}
	if len(bodies) == 0 {
		return plan{}, refuse("%s is free already.", seat.Title)
	}
	w, _ := writes(bodies...)
	w.then = r.freed
	return w, nil
}

// freed lets go of what waited for somebody who has left their seat.
func (r *Room) freed() error {
	if r.live != nil {
		r.live.leave(r.st)
	}
	return nil
}
