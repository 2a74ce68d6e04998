package report

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/scenario"
)

// facilitator fills the papers of whoever runs the drill: everything, with the
// answers that the author expects and what each option leads to, and the injects
// on sheets of their own.
func (w *writer) facilitator() {
	if text := w.hidden(); text != "" {
		w.heading("For the facilitator alone")
		for _, paragraph := range strings.Split(text, "\n\n") {
			w.text(strings.Join(strings.Fields(paragraph), " "))
		}
	}
	w.agenda()
	w.prepare()
	w.objectives(true)
	w.situation()
	w.seats()
	w.runSheet()
	w.options()
	w.succeeds()
	w.cards()
}

func (w *writer) prepare() {
	w.heading("Before the players come")
	w.list(
		fmt.Sprintf("Check the drill and play it once by yourself: drill check %[1]s; drill run %[1]s --auto --out DIR.", w.s.ID),
		fmt.Sprintf("Send players their papers days ahead: drill papers %s --for player --out FILE. They hold no answer.", w.s.ID),
		"Cut the inject cards, in order. Hand each to whoever it is for and to nobody else; what players tell each other is part of the exercise.",
		"Play it for the room: drill run on a terminal asks each question; --as pma leaves the other bodies to the script.",
		"Read the first words of the record aloud, and the last ones into the minutes.",
		"If something real happens, somebody says NO DUFF: stop the drill and say so to all.",
	)
}

// runSheet is the timeline as it is written, each entry with what it waits for.
func (w *writer) runSheet() {
	w.heading("Run sheet")
	w.text("In the order of the file. What has a condition comes only if it is true at that time; a time after “by” is when its absence becomes a finding.")
	var rows [][]string
	n := 0
	for _, item := range w.s.Timeline {
		at := Clock(item.At)
		if item.When != nil {
			at = "when it is true, by " + Clock(item.By)
		}
		var only []string
		if item.When != nil {
			only = append(only, "when "+item.When.Source)
		}
		if item.If != nil {
			only = append(only, "if "+item.If.Source)
		}
		what, whom, expected := w.event(item.Event)
		if item.Inject != nil {
			n++
			what = fmt.Sprintf("Card %d: %s", n, what)
		}
		if len(only) > 0 {
			what += " (only " + strings.Join(only, ", and ") + ")"
		}
		rows = append(rows, []string{at, what, whom, expected})
	}
	w.table([]float64{1.6, 5, 2.4, 3}, []string{"time", "what happens", "who", "what the author expects"}, rows)
}

// event says what happens, who hears of it or does it, and what is expected.
func (w *writer) event(e scenario.Event) (what, whom, expected string) {
	switch {
	case e.Inject != nil:
		return fmt.Sprintf("%s from %s: %s", e.Inject.As, e.Inject.From, shorten(e.Inject.Text, 90)), strings.Join(e.Inject.To, ", "), ""
	case e.Decide != "":
		d, _ := w.s.Decision(e.Decide)
		return fmt.Sprintf("Question %q: %s", d.Name, d.Asks), w.bodyName(d.Of), answer(d)
	case e.Notify != nil:
		text := "Somebody tells " + e.Notify.Whom
		if e.Notify.Within > 0 {
			text += ", within " + spell(e.Notify.Within)
		}
		return text, e.Notify.From, "it is done in time"
	case e.Do != nil:
		return w.does(e.Do), "the system", ""
	}
	return "", "", ""
}

// answer is what the author expects of a question.
func answer(d *scenario.Decision) string {
	for _, o := range d.Options {
		if o.Expected {
			return fmt.Sprintf("%s (%s)", o.Name, o.Basis)
		}
	}
	return "no answer is expected: the author leaves it open"
}

// does is an action as a sentence of the drill language.
func (w *writer) does(a *scenario.Action) string {
	text := a.Verb + " " + a.Object.String()
	for _, arg := range a.Params {
		text += fmt.Sprintf(", %s %s", arg.Name, arg.Value)
	}
	return text
}

// options is every question with what each answer leads to.
func (w *writer) options() {
	w.heading("Questions, answers and what they lead to")
	for i := range w.s.Decisions {
		d := &w.s.Decisions[i]
		w.sub(fmt.Sprintf("%s: %s", d.Name, d.Asks))
		text := fmt.Sprintf("Of %s, within %s. On silence: %s. The script answers: %s.", w.bodyName(d.Of), spell(d.Within), d.Silence, strings.Join(d.Scripted, ", then "))
		if d.Quorum > 0 {
			text += fmt.Sprintf(" Quorum %d.", d.Quorum)
		}
		if d.Weighs {
			text += " Every factor of the guidance that shall be weighed is assessed before the vote closes."
		}
		w.text(text)
		if d.Briefing != "" {
			w.text("Briefing: " + d.Briefing)
		}
		var rows [][]string
		for _, o := range d.Options {
			expected := ""
			if o.Expected {
				expected = "expected: " + o.Basis
			}
			rows = append(rows, []string{o.Name, o.Says, expected, w.leadsTo(o)})
		}
		w.table([]float64{2, 4, 2.5, 3.5}, []string{"answer", "what it says", "the author", "what it leads to"}, rows)
	}
}

// leadsTo is what follows from an option by itself.
func (w *writer) leadsTo(o scenario.Option) string {
	var out []string
	if o.Opens != nil {
		out = append(out, "opens the "+Capital(o.Opens.Key)+" key")
	}
	if o.Again != nil {
		out = append(out, fmt.Sprintf("the question comes back in %s, at most %d times", spell(o.Again.In), o.Again.Times))
	}
	for _, t := range o.Then {
		what, whom, _ := w.event(t.Event)
		text := during(t.After) + ": " + what
		if t.Inject != nil && whom != "" {
			text += " (to " + whom + ")"
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "what the run sheet has for it"
	}
	return strings.Join(out, "; ")
}

// succeeds is what must be true at the end.
func (w *writer) succeeds() {
	w.heading("What must hold at the end")
	var items []string
	for _, f := range w.s.Findings {
		items = append(items, Capital(f.Says)+".")
	}
	items = append(items, "And what every drill ends with: no certificate without an intent, no serial twice, lists that rise, no device with a withdrawn anchor unless it is listed, every signature of a key that custodians hold with its decision.")
	w.list(items...)
}

// cards are the injects, each on a sheet of its own: those of the timeline in its
// order, then those that answers cause.
func (w *writer) cards() {
	n := 0
	add := func(at string, i *scenario.Inject, only string) {
		n++
		w.add(part{Kind: "card", Card: &card{w.s.Label, fmt.Sprint(n), at, i.As, i.From, strings.Join(i.To, ", "), i.Text, only}})
	}
	done := map[string]bool{}
	for _, item := range w.s.Timeline {
		if item.Inject == nil {
			continue
		}
		at, only := Clock(item.At), ""
		if item.When != nil {
			at, only = "by "+Clock(item.By), "when "+item.When.Source
		}
		if item.If != nil {
			only = strings.TrimPrefix(only+", and if "+item.If.Source, ", and ")
		}
		done[item.Inject.Name] = item.Inject.Name != ""
		add(at, item.Inject, only)
	}
	for _, d := range w.s.Decisions {
		for _, o := range d.Options {
			for _, t := range o.Then {
				if t.Inject != nil {
					done[t.Inject.Name] = true
					add(during(t.After), t.Inject, fmt.Sprintf("if %q was answered %q", d.Name, o.Name))
				}
			}
		}
	}
	for i := range w.s.Injects {
		if x := &w.s.Injects[i]; !done[x.Name] {
			add("when you see fit", x, "nothing in the drill causes it")
		}
	}
}

func shorten(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	cut := string(runes[:most])
	if i := strings.LastIndex(cut, " "); i > most/2 {
		cut = cut[:i]
	}
	return cut + " …"
}

// spell writes a length of time in words.
func spell(d time.Duration) string {
	if d%time.Hour == 0 && d >= time.Hour {
		return Plural(int(d.Hours()), "hour")
	}
	if d < time.Hour {
		return Plural(int(d.Minutes()), "minute")
	}
	return Clock(d) + " hours"
}
