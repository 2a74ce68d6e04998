package room

import (
	"slices"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

// planRecord is what people say for the record.
func (r *Room) planRecord(me *person, a Act) (plan, error) {
	if r.st.phase == Setup {
		if _, is := a.(Plan); !is {
			return plan{}, refuse("There is nothing to write about before the doors are open.")
		}
	}
	by := string(me.id)
	switch a := a.(type) {
	case Jot:
		return r.planJot(me, a)
	case Rate:
		s := r.st.scenario()
		switch {
		case s == nil || !slices.Contains(s.Rehearses, a.Objective):
			return plan{}, refuse("%q is no objective of this drill.", a.Objective)
		case !slices.Contains([]Rating{Performed, SomeChallenges, MajorChallenges, Unable}, a.Rating):
			return plan{}, refuse("Rate with P, S, M or U.")
		}
		return writes(roombook.Rating{Person: by, Objective: a.Objective, Rating: string(a.Rating), Evidence: roombook.Say(paragraphs(a.Evidence, 2000))})
	case Answer:
		return r.planAnswer(me, a)
	case Correct:
		return r.planCorrect(me, a)
	case Plan:
		return r.planAction(me, a)
	case RiskLeft:
		return r.planRisk(me, a)
	case Write:
		if !slices.Contains(parts, a.Part) {
			return plan{}, refuse("There is no part %q of the report.", a.Part)
		}
		return writes(roombook.Remark{Part: a.Part, Text: roombook.Say(paragraphs(a.Text, 20000)), By: by})
	}
	return plan{}, refuse("This cannot be done now.")
}

// parts of the report that the facilitator writes.
var parts = []string{"summary", "strengths", "improve", "minutes"}

func (r *Room) planJot(me *person, a Jot) (plan, error) {
	text := paragraphs(a.Text, 4000)
	entry := a.Entry
	last := int64(0)
	if r.drill != nil {
		last = r.drill.entries
	}
	if entry == 0 {
		entry = last
	}
	switch {
	case me.role == Player:
		return plan{}, refuse("Notes are written by observers and the facilitator. Say it in the room, or write it into the survey at the end.")
	case text == "":
		return plan{}, refuse("The note is empty.")
	case !slices.Contains([]Tag{"", Strength, Improve, Question}, a.Tag):
		return plan{}, refuse("A note is about a strength, something to improve, or a question.")
	case entry < 0 || entry > last:
		return plan{}, refuse("The record has no entry %d.", a.Entry)
	case a.Private && me.role != Facilitator:
		return plan{}, refuse("Only the facilitator writes private notes.")
	}
	return writes(roombook.Note{Person: string(me.id), Private: a.Private, Entry: entry, Tag: string(a.Tag), Text: roombook.Say(text)})
}

func (r *Room) planAnswer(me *person, a Answer) (plan, error) {
	if r.st.phase != HotWash {
		return plan{}, refuse("The survey comes after the drill.")
	}
	answers := map[string]int{}
	for id, n := range a.Answers {
		switch {
		case !slices.ContainsFunc(survey, func(q SurveyQuestion) bool { return q.ID == id }):
			return plan{}, refuse("The survey has no question %q.", id)
		case n == 0:
			continue
		case n < 1 || n > 5:
			return plan{}, refuse("Answer with a number from 1 (no) to 5 (yes).")
		}
		answers[id] = n
	}
	return writes(roombook.Survey{Person: string(me.id), Answers: answers, Well: roombook.Say(paragraphs(a.Well, 2000)), Better: roombook.Say(paragraphs(a.Better, 2000))})
}

func (r *Room) planCorrect(me *person, a Correct) (plan, error) {
	text := paragraphs(a.Text, 2000)
	switch {
	case text == "":
		return plan{}, refuse("Say what is to be corrected.")
	case (a.Entry > 0) == (a.Book > 0):
		return plan{}, refuse("Name the entry that the correction is about.")
	case a.Entry > 0 && (r.drill == nil || a.Entry > r.drill.entries), a.Book > r.st.last:
		return plan{}, refuse("There is no such entry yet.")
	}
	if a.Seat != "" {
		if _, err := r.sits(me, a.Seat); err != nil {
			return plan{}, err
		}
	}
	return writes(roombook.Correction{Person: string(me.id), Seat: string(a.Seat), Entry: a.Entry, Book: a.Book, Text: roombook.Say(text)})
}

func (r *Room) planAction(me *person, a Plan) (plan, error) {
	what, owner := oneLine(a.What, 500), oneLine(a.Owner, 100)
	b := roombook.Action{Exercise: a.Exercise, Number: a.Number, What: roombook.Say(what), Owner: roombook.Say(owner), From: roombook.Say(oneLine(a.From, 300)), State: "open", Dropped: a.Drop, By: string(me.id)}
	if a.Done {
		b.State = "done"
	}
	if !a.Due.IsZero() {
		b.Due = a.Due.Format(time.DateOnly)
	}
	switch {
	case a.Exercise != "":
		for _, e := range r.earlier {
			if e.Drill == a.Exercise && e.Number == a.Number {
				if what == "" {
					b.What, b.Owner, b.From, b.Due = roombook.Say(e.What), roombook.Say(e.Owner), roombook.Say(e.From), ""
					if !e.Due.IsZero() {
						b.Due = e.Due.Format(time.DateOnly)
					}
				}
				w, _ := writes(b)
				w.then = func() error {
					if b.Dropped || b.State == "done" {
						r.earlier = slices.DeleteFunc(slices.Clone(r.earlier), func(x report.Action) bool { return x.Drill == a.Exercise && x.Number == a.Number })
					}
					return nil
				}
				return w, nil
			}
		}
		return plan{}, refuse("The plan of %q has no open action %d.", a.Exercise, a.Number)
	case a.Number == 0:
		for b.Number = 1; r.st.actions[b.Number].Number != 0; b.Number++ {
		}
	case r.st.actions[a.Number].Number == 0:
		return plan{}, refuse("The plan has no action %d.", a.Number)
	}
	if what == "" && !a.Drop {
		return plan{}, refuse("Say what is to be done.")
	}
	return writes(b)
}

func (r *Room) planRisk(me *person, a RiskLeft) (plan, error) {
	what := oneLine(a.What, 500)
	b := roombook.Risk{Number: a.Number, What: roombook.Say(what), Owner: roombook.Say(oneLine(a.Owner, 100)), Likelihood: a.Likelihood, Devices: a.Devices, Dropped: a.Drop, By: string(me.id)}
	switch {
	case a.Number == 0:
		for b.Number = 1; r.st.risks[b.Number].Number != 0; b.Number++ {
		}
	case r.st.risks[a.Number].Number == 0:
		return plan{}, refuse("The list has no risk %d.", a.Number)
	}
	switch {
	case a.Drop:
	case what == "":
		return plan{}, refuse("Say what the risk is.")
	case !slices.Contains([]string{"low", "medium", "high"}, a.Likelihood):
		return plan{}, refuse("How likely is it: low, medium or high?")
	case a.Devices < 0:
		return plan{}, refuse("The number of devices cannot be below 0.")
	}
	return writes(b)
}
