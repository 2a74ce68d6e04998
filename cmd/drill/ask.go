package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// asker puts questions to the people at the terminal: briefing, figures, options
// and the clock; then, where the guidance asks for it, a finding on each factor;
// then each member's vote, and the reasons for the minutes. It counts no votes by
// itself: the engine does, by the rule of the procedure pack.
type asker struct {
	screen screen
	keys   *keyboard

	asked    int64 // entry of the question that what follows is for
	assessed []journal.Assessment
	declared []journal.Conflict  // interests
	standIn  []journal.Alternate // alternates who are there
}

// nothing is what people type to let the time run out.
const nothing = "say nothing"

// Decide implements [engine.Decider].
func (a *asker) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	if q.Refused == "" {
		a.put(q)
	} else {
		a.screen.say(2, fmt.Sprintf("NOT DECIDED. %s. The question is put again; %q lets the time run out, and then %q holds.",
			upper(q.Refused), nothing, q.Decision.Silence))
	}
	answer := engine.Answer{Answered: engine.ByMembers, After: q.Decision.Takes}
	silent, err := a.assess(ctx, q)
	if err != nil || silent {
		return engine.Answer{Silent: silent}, err
	}
	answer.Assessed = a.assessed
	if q.Voting != nil {
		silent, err = a.vote(ctx, q, &answer)
	} else {
		silent, err = a.option(ctx, q, &answer)
	}
	if err != nil || silent {
		return engine.Answer{Silent: silent}, err
	}
	if answer.Option != "" {
		if answer.Reason, err = a.keys.ask(ctx, "  Reasons for the minutes (Enter for none): "); err != nil {
			return engine.Answer{}, err
		}
	}
	return answer, nil
}

// put prints the question.
func (a *asker) put(q engine.Question) {
	d, s := q.Decision, a.screen
	fmt.Fprintln(s.out)
	s.mark(fmt.Sprintf("%6s  ", clock(q.Asked)), fmt.Sprintf("%s DECIDES: %s", strings.ToUpper(q.Body.Name), d.Asks))
	s.say(margin, asking(q))
	s.say(margin, fmt.Sprintf("Answer by %s (%d minutes); silence means: %s", clock(q.Deadline), int((q.Deadline-q.Asked).Minutes()), d.Silence))
	if q.Voting != nil {
		s.say(margin, "To decide: "+q.Voting.Says)
	}
	if d.Briefing != "" {
		s.say(margin, d.Briefing)
	}
	for _, x := range q.Shown {
		s.say(margin, fmt.Sprintf("%s: %s", x.Label, x.Value))
	}
	for i, o := range q.Options {
		s.mark(fmt.Sprintf("%6d  ", i+1), o.Name+about(q, o))
		s.say(margin+2, o.Says)
	}
	s.mark(strings.Repeat(" ", margin)+"record ", q.Words)
}

// asking says which asking this is, and whether it is the last.
func asking(q engine.Question) string {
	comesAgain := slices.ContainsFunc(q.Options, func(o journal.Option) bool { return o.Again > 0 })
	switch {
	case q.Last:
		return fmt.Sprintf("Asking %d, the last: your answer will be final.", q.Asking)
	case q.Asking > 1 || comesAgain:
		return fmt.Sprintf("Asking %d.", q.Asking)
	}
	return "Asked once: your answer will be final."
}

// about says what an option does beside what follows from it.
func about(q engine.Question, o journal.Option) string {
	written, _ := q.Decision.Option(o.Name)
	switch {
	case o.Opens != "":
		return " [opens the " + o.Opens + " key]"
	case o.Again == 1:
		return " [the question comes back, for the last time by this answer]"
	case o.Again > 1:
		return fmt.Sprintf(" [the question comes back; %d times more by this answer]", o.Again)
	case written != nil && written.Again != nil:
		return " [FINAL this time: the question does not come back]"
	}
	return ""
}

// option asks for one answer until there is one.
func (a *asker) option(ctx context.Context, q engine.Question, answer *engine.Answer) (silent bool, err error) {
	prompt := a.screen.marked("  ", fmt.Sprintf("Your answer (number or name; %q lets the time run out):", nothing)) + " "
	for answer.Option == "" {
		text, err := a.keys.ask(ctx, prompt)
		if err != nil {
			return false, err
		}
		if strings.EqualFold(text, nothing) {
			return true, nil
		}
		if answer.Option = choose(q, text); answer.Option == "" && text != "" {
			a.noOption(text)
		}
	}
	return false, nil
}

func (a *asker) noOption(text string) {
	a.screen.say(2, fmt.Sprintf("%q is no option: give its number or name.", text))
}

// choose finds an option by number or name.
func choose(q engine.Question, text string) string {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(q.Options) {
		return q.Options[n-1].Name
	}
	for _, o := range q.Options {
		if strings.EqualFold(o.Name, text) {
			return o.Name
		}
	}
	return ""
}

// upper begins a sentence.
func upper(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// clock writes scenario time as people read it: 0:40.
func clock(d time.Duration) string { return scenario.FormatTime(d.Truncate(time.Second)) }
