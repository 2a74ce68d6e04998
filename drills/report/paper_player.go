package report

import (
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/scenario"
)

// player fills the papers of those who play. Nothing in them is an answer, an
// inject or a consequence: what the scenario keeps for later is not read here.
func (w *writer) player() {
	w.agenda()
	w.objectives(false)
	w.situation()
	w.seats()
	w.asked()
	w.keysAndMethods()
	w.rules()
	w.glossary()
}

// asked says what comes to whom: how many questions a body may have, and from
// which steps of the procedure. The questions' own words stay out: they tell what
// will have happened when they are put.
func (w *writer) asked() {
	w.heading("What will be asked of whom")
	var rows [][]string
	for _, body := range w.bodies() {
		always, may, key := 0, 0, false
		for _, d := range w.s.Decisions {
			if d.Of != body {
				continue
			}
			key = key || slices.ContainsFunc(d.Options, func(o scenario.Option) bool { return o.Opens != nil })
			if w.comes(d.Name) {
				always++
			} else {
				may++
			}
		}
		count := Plural(always, "question")
		switch {
		case always == 0:
			count = "up to " + Plural(may, "question") + ", depending on what others answer"
		case may > 0:
			count += fmt.Sprintf(", and up to %d more, depending on what is answered", may)
		}
		rows = append(rows, []string{Capital(w.bodyName(body)), count, w.about(body, key)})
	}
	w.table([]float64{3, 3, 6}, []string{"who", "how many", "about"}, rows)
	w.text("Each question comes with what is known at that time, the answers that are possible, and a time by which to answer. Silence is an answer too, and the question says which. Silence never opens a key.")
	if slices.ContainsFunc(w.s.Decisions, func(d scenario.Decision) bool { return d.Weighs }) {
		w.text(fmt.Sprintf("Before a vote on a key closes, every factor of the Recovery Key Guidance that shall be taken into account is assessed and written down. "+
			"The guidance is %s and is handed out apart.", w.pack.Confidential()))
	}
}

// comes says whether a question is put whatever happens.
func (w *writer) comes(decision string) bool {
	return slices.ContainsFunc(w.s.Timeline, func(i scenario.Item) bool { return i.Decide == decision && i.If == nil && i.When == nil })
}

// about is what a body's questions are about, in the words of the procedure.
func (w *writer) about(body string, key bool) string {
	var out []string
	if key {
		out = append(out, "whether a key that custodians hold is to be used")
	}
	for _, id := range w.s.Rehearses {
		if step, is := w.pack.Step(id); is && !step.Tells && step.Actor == body {
			out = append(out, step.Says)
		}
	}
	if len(out) == 0 {
		return "what the body does about what it is told"
	}
	return strings.Join(out, "; ")
}

func (w *writer) rules() {
	w.heading("Rules of the exercise")
	w.list(
		"Act as you would on the day, with what you know at that moment. There are no tricks, and there is no score.",
		"Everything that reaches you comes from the facilitator and says EXERCISE. Tell nobody outside the room as if it were true.",
		"Say it at once if something real happens: the words are NO DUFF, and the exercise stops.",
		"If you have an interest in what is decided, say so before the vote.",
		"Say your reasons aloud. The record keeps the answer, who gave it, and why; nothing in it is erased.",
		"Where you do not know who may decide, say that too: it is what the exercise is for.",
	)
}
