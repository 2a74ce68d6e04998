package report

import (
	"fmt"
	"slices"

	"smki.example/drills/procedure"
)

// observer fills the papers of those who watch and rate: what to look for, step by
// step and question by question, and a sheet for the rating.
func (w *writer) observer() {
	w.heading("How to observe")
	w.list(
		"Write down what was said and done, by whom, and when; facts first, what you think of it apart.",
		"Nobody is rated: the step is. P: performed without challenges. S: performed with some challenges. M: performed with major challenges. U: unable to be performed.",
		"A decision that differs from what the author expected is an observation and no mistake. Write down the reasons that were given.",
		"Say nothing to players during the drill. Report at once to the facilitator what cannot wait.",
	)
	w.agenda()
	w.objectives(true)
	w.situation()
	w.lookFor()
	w.decisions()
	w.succeeds()
	w.rating()
	w.questions()
}

// lookFor is each step with what shows that it was done, and its time limit.
func (w *writer) lookFor() {
	w.heading("What to look for, step by step")
	var rows [][]string
	for _, step := range w.steps() {
		limit := ""
		if l, is := w.pack.Limit(step.Limit); is {
			limit = fmt.Sprintf("within %s%s", spell(l.Within), sampleNote(l.Basis))
		}
		rows = append(rows, []string{step.ID, Capital(step.Says), step.Actor, step.Evidence, limit})
	}
	w.table([]float64{2, 4, 1.6, 3, 1.6}, []string{"step", "what is done", "by", "what shows it", "limit"}, rows)
}

// steps are those of the pack that the drill rehearses, in the order of phases.
func (w *writer) steps() []procedure.Step {
	var out []procedure.Step
	for _, s := range w.pack.Steps {
		if slices.Contains(w.s.Rehearses, s.ID) {
			out = append(out, s)
		}
	}
	return out
}

func (w *writer) decisions() {
	w.heading("What to look for, question by question")
	var rows [][]string
	for i := range w.s.Decisions {
		d := &w.s.Decisions[i]
		look := "who spoke for it, who against, on what evidence; was it said what is not known"
		if d.Weighs {
			look = "was every factor that shall be weighed assessed before the vote; was the quorum there; did anybody declare an interest; " + look
		}
		rows = append(rows, []string{d.Asks, w.bodyName(d.Of), answer(d), look})
	}
	w.table([]float64{3.4, 1.8, 3.4, 3.4}, []string{"question", "of", "the author expects", "look for"}, rows)
}

// rating is the sheet to fill in: a line for each step and each question.
func (w *writer) rating() {
	w.add(part{Kind: "page"})
	w.heading("Rating sheet")
	w.text("Observer: ______________________   Place: ______________________   Date: ______________")
	var rows [][]string
	for _, step := range w.steps() {
		rows = append(rows, []string{"step: " + step.ID, "", "", "", "", "", ""})
	}
	for _, d := range w.s.Decisions {
		rows = append(rows, []string{"question: " + d.Name, "", "", "", "", "", ""})
	}
	for _, body := range w.bodies() {
		rows = append(rows, []string{"work together: " + w.bodyName(body), "", "", "", "", "", ""})
	}
	w.table([]float64{3.6, 1.2, 0.6, 0.6, 0.6, 0.6, 4.8}, []string{"what", "time", "P", "S", "M", "U", "what was seen, and why"}, rows)
	w.text("P performed without challenges, S with some, M with major ones, U unable to be performed (ratings in general use; general knowledge, not a rule of the Smart Energy Code).")
}

func (w *writer) questions() {
	w.heading("For the hot wash")
	w.list(
		"What was expected, and what happened?",
		"What followed from it, for devices and for customers?",
		"Where a step was missed: what was the root of it: the plan, the people, the means, or that nobody had rehearsed it?",
		"Which factor of the guidance was of no use, unclear, or missing?",
		"What changes, who owns it, and until when?",
	)
}
