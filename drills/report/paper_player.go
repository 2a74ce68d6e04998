package report

import (
	"fmt"
	"slices"

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

// asked says what comes to whom: the questions that are put whatever happens, by
// body. Those that depend on answers are counted, because their words would tell
// how the drill may go.
func (w *writer) asked() {
	w.heading("What will be asked of whom")
	always := map[string]bool{}
	for _, item := range w.s.Timeline {
		if item.Decide != "" && item.If == nil && item.When == nil {
			always[item.Decide] = true
		}
	}
	var rows [][]string
	for _, body := range w.bodies() {
		more, weighs := 0, false
		var asks []string
		for _, d := range w.s.Decisions {
			switch {
			case d.Of != body:
			case always[d.Name]:
				asks = append(asks, d.Asks)
				weighs = weighs || d.Weighs
			default:
				more++
			}
		}
		for i, text := range asks {
			rows = append(rows, []string{map[bool]string{true: capital(w.bodyName(body))}[i == 0], text})
		}
		if more > 0 {
			text := "Further questions, depending on what was answered"
			if len(asks) == 0 {
				text = "Questions that depend on what was answered"
			}
			rows = append(rows, []string{map[bool]string{true: capital(w.bodyName(body))}[len(asks) == 0], text + "."})
		}
	}
	w.table([]float64{4, 8}, []string{"who", "what"}, rows)
	w.text("Each question comes with what is known at that time, the answers that are possible, and a time by which to answer. Silence is an answer too, and the paper of that hour says which. Silence never opens a key.")
	if slices.ContainsFunc(w.s.Decisions, func(d scenario.Decision) bool { return d.Weighs }) {
		w.text(fmt.Sprintf("Before a vote on a key closes, every factor of the Recovery Key Guidance that shall be taken into account is assessed and written down. "+
			"The guidance is %s and is handed out apart.", w.pack.Confidential()))
	}
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
