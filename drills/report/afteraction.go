package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/roombook"
)

// The words of the ratings that observers give, as emergency planners use them.
var ratingWords = map[string]string{
	"P": "performed without challenges",
	"S": "performed with some challenges",
	"M": "performed with major challenges",
	"U": "unable to be performed",
}

// AfterAction is the after-action report of an exercise in the room: what it was,
// its objectives as observers rated them, the decisions, strengths, areas to
// improve, the plan, what stays, what was not rehearsed, what rests on text nobody
// has seen, and the timeline with the observers' notes. It holds no score unless one
// was asked for.
func (r *Report) AfterAction() *Paper {
	p := r.paper("After-action report", choose(r.Outcome.Outcome == "finished", "The drill ran to its end.", "The drill did not run to its end: "+r.Outcome.Outcome+"."))
	a := &after{Paper: p, r: r, meeting: r.Meeting}
	a.overview()
	a.summary()
	a.objectives()
	a.decisions()
	a.strengths()
	a.improve()
	p.heading("Improvement plan")
	p.planTable(r.actions(), false)
	p.heading("Risks that stay")
	if risks := r.risks(); len(risks) > 0 {
		p.riskTable(risks)
	} else {
		p.text("No risk was entered.")
	}
	a.surveyed()
	a.scored()
	a.notRehearsed()
	a.unverified()
	a.timeline()
	return p
}

// after fills the document.
type after struct {
	*Paper
	r       *Report
	meeting *Meeting
}

func (a *after) overview() {
	r := a.r
	facts := [][2]string{{"Exercise", r.name()}, {"Drill", r.Start.Scenario + ", " + r.Start.Title}}
	if m := a.meeting; m != nil && !m.Began.IsZero() {
		facts = append(facts, [2]string{"Held", span(m.Began, m.Ended)}, [2]string{"Who took part", a.participants()})
		if m.Arranged.Solo {
			facts = append(facts, [2]string{"Kind", "One person rehearsed; the other seats followed the script."})
		}
	}
	facts = append(facts,
		[2]string{"Estate", fmt.Sprintf("%s simulated devices, seed %d", Thousands(r.Start.Devices), r.Start.Seed)},
		[2]string{"Procedure", fmt.Sprintf("%s, version %d. %s.", r.Pack.Title, r.Pack.Version, Capital(r.Pack.Source))},
	)
	if r.Start.Run != r.name() {
		facts = append(facts, [2]string{"Run", r.Start.Run})
	}
	if m := a.meeting; m != nil && len(m.Runs) > 1 {
		facts = append(facts, [2]string{"Runs", a.runs()})
	}
	if h, is := r.Pack.HandlingOf(a.Label); is {
		facts = append(facts, [2]string{"Label", fmt.Sprintf("%s: %s; %s. Kept %s.%s", a.Label, h.Says, h.Rule, h.Keep, sampleNote(h.Basis))})
	}
	a.heading("The exercise")
	a.facts(facts)
}

// participants counts the people and the seats that were taken.
func (a *after) participants() string {
	roles := map[string]int{}
	for _, p := range a.meeting.People {
		roles[p.Role]++
	}
	seats := map[string]bool{}
	for _, s := range a.meeting.Seats {
		seats[s.Seat] = true
	}
	return fmt.Sprintf("%s on %s, %s, %s. The minutes have them by seat.", Plural(roles["player"], "player"), Plural(len(seats), "seat"), Plural(roles["observer"], "observer"), Plural(roles["facilitator"], "facilitator"))
}

// runs tells how the drill came to be played more than once.
func (a *after) runs() string {
	var out []string
	for _, x := range a.meeting.Runs {
		switch x.Body.Why {
		case "begun":
			out = append(out, fmt.Sprintf("run %d was begun", x.Body.Number))
		case "resumed":
			out = append(out, fmt.Sprintf("run %d played run %d again after the server had stopped, to where it was", x.Body.Number, x.Body.From))
		case "branched":
			out = append(out, fmt.Sprintf("run %d left run %d at the question %q%s, to try another answer", x.Body.Number, x.Body.From, x.Body.At, again(x.Body.Asking)))
		default:
			out = append(out, fmt.Sprintf("run %d was %s", x.Body.Number, x.Body.Why))
		}
	}
	return Capital(strings.Join(out, "; ")) + ". This report is about the last one; the journals of the others are in the pack."
}

func (a *after) summary() {
	a.heading("Summary")
	if text := a.r.remark("summary"); text != "" {
		a.said(text)
	}
	var rows [][2]string
	for i, text := range a.r.Verdict() {
		rows = append(rows, [2]string{choose(i == 0, "Did the system hold?", ""), text})
	}
	for _, l := range a.r.Lines()[1:] {
		// What was decided and what is open have headings of their own.
		if !strings.Contains(l.Label, " decided, ") && !strings.HasPrefix(l.Label, "  ") && l.Label != "For the committee" && l.Label != "Not rehearsed" {
			rows = append(rows, [2]string{l.Label, plainLine(l)})
		}
	}
	a.facts(rows)
	for _, c := range a.r.Curves {
		if c.intruder() || len(c.Points) < 2 {
			continue
		}
		end := c.Points[len(c.Points)-1].At
		a.sub(c.title())
		a.add(part{Kind: "plot", Plot: &plot{Title: c.title(), Hours: max(end.Hours(), 1), Devices: max(a.r.Figures.Devices, 1), Series: []series{{c.Of, c}}}})
	}
}

// objectives are the steps of the procedure that the drill names, each with its
// ratings and the evidence for them.
func (a *after) objectives() {
	a.heading("Objectives")
	ratings := a.ratings()
	if len(ratings) == 0 {
		a.text("Nobody rated the objectives. What the record shows of each stands beside it.")
	} else {
		a.text("Rated by observers: P performed without challenges, S with some challenges, M with major challenges, U unable to be performed.")
	}
	var rows [][]string
	named := map[string]bool{}
	add := func(id, says, fate string) {
		named[id] = true
		first := true
		for _, x := range ratings {
			if x.Body.Objective != id {
				continue
			}
			evidence := a.meeting.Name(x.Body.Person) + ": " + cmp.Or(x.Body.Evidence.String(), "no evidence given")
			for _, c := range a.meeting.bookCorrections(x.Seq) {
				evidence += " [" + correctionText(c) + "]"
			}
			if first {
				rows = append(rows, []string{says, x.Body.Rating, evidence, fate})
			} else {
				rows = append(rows, []string{"", x.Body.Rating, evidence, ""})
			}
			first = false
		}
		if first {
			rows = append(rows, []string{says, "-", "not rated", fate})
		}
	}
	for _, x := range a.r.Rehearsal() {
		add(x.Step.ID, Capital(x.Step.Says), string(x.Fate))
	}
	for _, x := range ratings {
		if !named[x.Body.Objective] {
			add(x.Body.Objective, a.objective(x.Body.Objective), "")
		}
	}
	if len(ratings) == 0 {
		for i, row := range rows {
			rows[i] = []string{row[0], row[3]}
		}
		a.table([]float64{9, 3}, []string{"objective", "what the record shows"}, rows)
		return
	}
	a.table([]float64{4.4, 0.9, 5, 2.4}, []string{"objective", "rating", "evidence", "what the record shows"}, rows)
}

// objective is a step's text, or its id where the pack has none of that name.
func (a *after) objective(id string) string {
	if s, is := a.r.Pack.Step(id); is {
		return Capital(s.Says)
	}
	return id
}

func (a *after) ratings() []Told[roombook.Rating] {
	if a.meeting == nil {
		return nil
	}
	return a.meeting.Ratings
}

// decisions is each in short; the minutes have them in full.
func (a *after) decisions() {
	a.heading("Decisions")
	if len(a.r.Decisions) == 0 {
		a.text("No decision was taken.")
		return
	}
	var rows [][]string
	for _, d := range a.r.Decisions {
		b := d.Body
		how := sentence(Capital(b.Note))
		switch {
		case b.Tally != "":
			how = sentence(b.Tally)
		case len(b.Votes) > 1:
			how += " " + voteCounts(b.Votes) + "."
		}
		for _, x := range b.Dissent {
			how += fmt.Sprintf(" Dissent: %s, for %s%s.", a.r.memberTitle(b.Body, x.Member), x.Option, because(x.Reason))
		}
		for _, x := range b.Abstained {
			how += fmt.Sprintf(" Abstained: %s%s.", a.r.memberTitle(b.Body, x.Member), because(x.Reason))
		}
		for _, x := range b.Conflicts {
			how += fmt.Sprintf(" Interest: %s, %s; %s.", a.r.memberTitle(b.Body, x.Member), x.Interest, conflictText(x))
		}
		if b.Reason != "" {
			how += " Reason: " + sentence(b.Reason)
		}
		if b.Expected != "" && a.r.final(d) {
			how += choose(b.AsExpected, " As the author expected.", fmt.Sprintf(" Differs from the author's expectation, %q.", b.Expected))
		}
		for _, c := range a.r.corrections(d.Seq) {
			how += " [" + correctionText(c) + "]"
		}
		rows = append(rows, []string{Clock(d.At), Capital(a.r.BodyName(b.Body)) + ": " + b.Asks, Capital(b.Chosen), how})
	}
	a.table([]float64{0.8, 3.4, 1.8, 6.6}, []string{"time", "question", "decided", "how"}, rows)
}

// voteCounts is how many votes each answer had.
func voteCounts(votes []journal.Vote) string {
	counts := map[string]int{}
	for _, v := range votes {
		counts[v.Option]++
	}
	return "Votes: " + countsText(counts, nil)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + strings.TrimSuffix(reason, ".") + ")"
}

// notes are those of observers with a tag, each with the time that it is about.
func (a *after) notes(tag string) []string {
	if a.meeting == nil {
		return nil
	}
	var out []string
	for _, n := range a.meeting.Notes {
		if n.Body.Private || n.Body.Tag != tag {
			continue
		}
		text := fmt.Sprintf("%s (%s, %s)", n.Body.Text.String(), a.meeting.Name(n.Body.Person), Clock(a.noted(n)))
		for _, c := range a.meeting.bookCorrections(n.Seq) {
			text += " [" + correctionText(c) + "]"
		}
		out = append(out, text)
	}
	return out
}

// noted is the scenario time that a note is about: that of the entry it is tagged
// to, or when it was written.
func (a *after) noted(n Told[roombook.Note]) time.Duration {
	if i := n.Body.Entry; i >= 1 && i <= int64(len(a.r.times)) {
		return a.r.times[i-1]
	}
	return n.At
}

func (a *after) strengths() {
	a.heading("Strengths")
	text, notes := a.r.remark("strengths"), a.notes("strength")
	if text != "" {
		a.said(text)
	}
	if len(notes) > 0 {
		a.sub("As observers noted them")
		a.list(notes...)
	}
	if text == "" && len(notes) == 0 {
		a.text("Nobody noted a strength.")
	}
}

func (a *after) improve() {
	a.heading("Areas to improve")
	if text := a.r.remark("improve"); text != "" {
		a.said(text)
	}
	if notes := a.notes("improve"); len(notes) > 0 {
		a.sub("As observers noted them")
		a.list(notes...)
	}
	if notes := a.notes("question"); len(notes) > 0 {
		a.sub("Questions that observers noted")
		a.list(notes...)
	}
	a.sub("As the record shows them")
	var items []string
	for _, f := range a.r.Findings {
		if !f.Held {
			items = append(items, fmt.Sprintf("Did not hold: %s (%s). %s.", f.Says, f.Found, Capital(a.r.DifferBefore(f.At))))
		}
	}
	for _, m := range a.r.Missed {
		items = append(items, fmt.Sprintf("Missed: %s, by %s: %s.", m.Body.What, m.Body.By, m.Body.Why))
	}
	for _, text := range a.r.Open() {
		items = append(items, "Left open: "+text)
	}
	if len(items) == 0 {
		a.text("Everything that had to hold held, and nothing was left open.")
		return
	}
	a.list(items...)
}

// A SurveyQuestion is one of the short survey that the hot wash ends with, answered
// from 1 (no) to 5 (yes).
type SurveyQuestion struct{ ID, Asks string }

// SurveyQuestions is the survey.
func SurveyQuestions() []SurveyQuestion {
	return []SurveyQuestion{
		{"knew", "I knew what was mine to decide, and by when."},
		{"told", "I was told what I needed to decide."},
		{"heard", "I said what I had to say, and it was heard."},
		{"real", "It was close enough to a real incident."},
		{"ready", "We would manage this on the day."},
	}
}

// Surveyed is one question with what people answered.
type Surveyed struct {
	SurveyQuestion
	Answers int
	Mean    float64
	Counts  [5]int // of the answers 1 to 5
}

// Survey sums up the survey: the questions in their order, then others that were
// asked.
func (r *Report) Survey() []Surveyed {
	if r.Meeting == nil {
		return nil
	}
	questions := SurveyQuestions()
	var more []string
	for _, s := range r.Meeting.Surveys {
		for id := range s.Body.Answers {
			if !slices.ContainsFunc(questions, func(q SurveyQuestion) bool { return q.ID == id }) && !slices.Contains(more, id) {
				more = append(more, id)
			}
		}
	}
	sort.Strings(more)
	for _, id := range more {
		questions = append(questions, SurveyQuestion{id, id})
	}
	var out []Surveyed
	for _, q := range questions {
		x := Surveyed{SurveyQuestion: q}
		sum := 0
		for _, s := range r.Meeting.Surveys {
			if n := s.Body.Answers[q.ID]; n >= 1 && n <= 5 {
				x.Counts[n-1]++
				x.Answers++
				sum += n
			}
		}
		if x.Answers > 0 {
			x.Mean = float64(sum) / float64(x.Answers)
			out = append(out, x)
		}
	}
	return out
}

// surveyed is the survey without names: who answered is nobody's business.
func (a *after) surveyed() {
	if a.meeting == nil || len(a.meeting.Surveys) == 0 {
		return
	}
	a.heading("Survey of the hot wash")
	a.text(fmt.Sprintf("%s answered, from 1 (no) to 5 (yes). Answers stand without names.", choose(len(a.meeting.Surveys) == 1, "1 person", Thousands(len(a.meeting.Surveys))+" people")))
	var rows [][]string
	for _, x := range a.r.Survey() {
		rows = append(rows, []string{x.Asks, fmt.Sprintf("%.1f", x.Mean), fmt.Sprint(x.Answers), distribution(x.Counts)})
	}
	a.table([]float64{6, 1.2, 1.4, 4}, []string{"question", "mean", "answers", "how many said 1, 2, 3, 4, 5"}, rows)
	for _, w := range []struct {
		head string
		of   func(roombook.Survey) roombook.Text
	}{{"What went well", func(s roombook.Survey) roombook.Text { return s.Well }}, {"What could be better", func(s roombook.Survey) roombook.Text { return s.Better }}} {
		var items []string
		for _, s := range a.meeting.Surveys {
			if t := w.of(s.Body); !t.IsZero() {
				items = append(items, t.String())
			}
		}
		if len(items) > 0 {
			sort.Strings(items) // in no order that tells who wrote which
			a.sub(w.head)
			a.list(items...)
		}
	}
}

func distribution(counts [5]int) string {
	var out []string
	for _, n := range counts {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, ", ")
}

// scored is the score, where the facilitator asked for one before the drill.
func (a *after) scored() {
	if a.meeting == nil || !a.meeting.Arranged.Score {
		return
	}
	a.heading("Score")
	a.text("Asked for when the exercise was arranged. It counts what can be counted; a committee is not judged by it.")
	var rows [][]string
	row := func(what string, n, of int) {
		if of > 0 {
			rows = append(rows, []string{what, fmt.Sprintf("%d of %d", n, of), percent(float64(n) / float64(of))})
		}
	}
	points, most := 0, 0
	for _, x := range a.ratings() {
		if i := strings.Index("UMSP", x.Body.Rating); i >= 0 && x.Body.Rating != "" {
			points, most = points+i, most+3
		}
	}
	row("points of the objectives rated: P 3, S 2, M 1, U 0", points, most)
	met, due := 0, 0
	for _, n := range a.r.Notifies {
		due++
		if n.Told != "" && (n.Due == "" || n.Met) {
			met++
		}
	}
	row("duties to tell somebody that were met", met, due)
	as, expected := 0, 0
	for _, d := range a.r.Decisions {
		if d.Body.Expected != "" && a.r.final(d) {
			expected++
			if d.Body.AsExpected {
				as++
			}
		}
	}
	row("decisions as the author expected", as, expected)
	held := 0
	for _, f := range a.r.Findings {
		if f.Held {
			held++
		}
	}
	row("things that had to hold and did", held, len(a.r.Findings))
	a.table([]float64{7, 2, 2}, []string{"what is counted", "count", "share"}, rows)
}

func (a *after) notRehearsed() {
	a.heading("What was not rehearsed")
	done := a.r.rehearsed()
	a.text(Capital(a.r.notRehearsed()) + ".")
	var planned []string
	rest := map[string][]string{}
	for _, s := range a.r.Pack.Steps {
		switch {
		case slices.Contains(done, s.ID):
		case slices.Contains(a.r.Start.Rehearses, s.ID):
			planned = append(planned, Capital(s.Says)+".")
		case a.r.Fate(s) == NotOfDrill:
			rest[s.Phase] = append(rest[s.Phase], s.ID)
		}
	}
	if len(planned) > 0 {
		a.sub("Planned and not reached in this course of events")
		a.list(planned...)
	}
	if len(rest) > 0 {
		a.sub("Not part of this drill")
		var rows [][2]string
		for _, phase := range procedure.Phases() {
			rows = append(rows, [2]string{Capital(phase), strings.Join(rest[phase], ", ")})
		}
		a.facts(rows)
		a.text("What each of these steps is stands in the procedure pack (drill procedure show); how often each was rehearsed so far, drill coverage tells.")
	}
}

func (a *after) unverified() {
	r := a.r
	a.heading("What rests on text nobody here has seen")
	if other := r.OtherPack(); other != "" {
		a.note(Capital(other) + ".")
	}
	list := r.Unverified()
	if len(list) == 0 {
		a.text("Every step that was rehearsed was held against the procedure's text.")
	} else {
		a.text("These steps were rehearsed as we took the procedure to say; nobody held them against its text.")
		var rows [][]string
		for _, l := range list {
			rows = append(rows, []string{l.Label, l.Text})
		}
		a.table([]float64{2.4, 10}, []string{"step rehearsed", "what we took it to say, and from where"}, rows)
	}
	if len(r.Figures.Sample) > 0 {
		var items []string
		for name, text := range r.Figures.Sample {
			items = append(items, name+": "+text)
		}
		sort.Strings(items)
		a.sub("Sample figures")
		a.list(items...)
	}
}

// timeline is what happened, with the observers' notes where they belong.
func (a *after) timeline() {
	a.heading("Timeline")
	notes := map[int64][]string{}
	var loose []Told[string]
	if a.meeting != nil {
		for _, n := range a.meeting.Notes {
			if n.Body.Private {
				continue
			}
			text := "Note of " + a.meeting.Name(n.Body.Person) + ": " + n.Body.Text.String()
			if n.Body.Entry > 0 {
				notes[n.Body.Entry] = append(notes[n.Body.Entry], text)
			} else {
				loose = append(loose, Told[string]{At: n.At, Body: text})
			}
		}
	}
	var rows [][]string
	flush := func(until time.Duration) {
		for len(loose) > 0 && loose[0].At <= until {
			rows, loose = append(rows, []string{Clock(loose[0].At), loose[0].Body}), loose[1:]
		}
	}
	slices.SortStableFunc(loose, func(x, y Told[string]) int { return cmp.Compare(x.At, y.At) })
	for _, e := range a.r.Timeline {
		flush(e.At - 1)
		// What went to devices, a few minutes at a time, drowns what people did.
		if e.Kind == journal.KindShard && len(notes[e.Seq]) == 0 && len(a.r.corrections(e.Seq)) == 0 {
			continue
		}
		rows = append(rows, []string{Clock(e.At), e.Text})
		for _, text := range notes[e.Seq] {
			rows = append(rows, []string{"", text})
		}
		delete(notes, e.Seq)
		for _, c := range a.r.corrections(e.Seq) {
			rows = append(rows, []string{"", correctionText(c)})
		}
	}
	flush(time.Duration(1<<63 - 1))
	// Notes on entries that the timeline does not show.
	for _, seq := range sortedKeys(notes) {
		for _, text := range notes[seq] {
			rows = append(rows, []string{"", fmt.Sprintf("(entry %d) %s", seq, text)})
		}
	}
	a.text("What was sent to devices is summed up above; the whole of it is in drill report PACK --format csv.")
	a.table([]float64{1, 11}, []string{"time", "what happened"}, rows)
}

func sortedKeys[V any](m map[int64]V) []int64 {
	var out []int64
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// RatingsCSV writes the ratings, one of one observer a row.
func (r *Report) RatingsCSV(w io.Writer) error {
	rows := [][]string{{"label", "exercise", "objective", "says", "phase", "rating", "meaning", "by", "evidence"}}
	if r.Meeting != nil {
		for _, x := range r.Meeting.Ratings {
			step, _ := r.Pack.Step(x.Body.Objective)
			rows = append(rows, []string{r.Start.Label, r.name(), x.Body.Objective, step.Says, step.Phase, x.Body.Rating, ratingWords[x.Body.Rating], r.Meeting.Name(x.Body.Person), x.Body.Evidence.String()})
		}
	}
	return writeCSV(w, rows)
}

// SurveyCSV writes the survey's sums, a question a row.
func (r *Report) SurveyCSV(w io.Writer) error {
	rows := [][]string{{"label", "exercise", "question", "asks", "answers", "mean", "said_1", "said_2", "said_3", "said_4", "said_5"}}
	for _, x := range r.Survey() {
		row := []string{r.Start.Label, r.name(), x.ID, x.Asks, fmt.Sprint(x.Answers), fmt.Sprintf("%.2f", x.Mean)}
		for _, n := range x.Counts {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, row)
	}
	return writeCSV(w, rows)
}
