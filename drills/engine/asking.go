package engine

import (
	"fmt"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// asked is what became of a decision.
type asked struct {
	times   int            // it was asked
	again   map[string]int // how often each option brought it back
	settled bool           // it is answered and will not come back
	waiting []*line
}

// offered are the options that can be chosen now. One that brings the question
// back is withdrawn when it has done so as often as it may, because choosing it
// once more would be an end that nobody meant; what silence means stays, and is
// final then. last says that no answer brings the question back any more.
func (a *asked) offered(d *scenario.Decision) (options []journal.Option, last bool) {
	comesAgain, left := false, 0
	for _, o := range d.Options {
		out := journal.Option{Name: o.Name, Says: o.Says}
		if o.Opens != nil {
			out.Opens = o.Opens.Key
		}
		if o.Again != nil {
			comesAgain = true
			out.Again = o.Again.Times - a.again[o.Name]
			if out.Again == 0 && o.Name != d.Silence {
				continue
			}
			left += out.Again
		}
		options = append(options, out)
	}
	return options, comesAgain && left == 0
}

// neverAsked says which of the answers chosen ahead for a question that comes back
// can never be asked for, or nothing. n counts answers from 1.
func neverAsked(d *scenario.Decision, answers []string) string {
	again := map[string]int{}
	for i, name := range answers {
		o, _ := d.Option(name)
		final := o.Again == nil
		if !final && again[name] == o.Again.Times {
			if name != d.Silence {
				return fmt.Sprintf("answer %d for %q would never be taken: %q brings the question back %s, and is not offered after that", i+1, d.Name, name, times(o.Again.Times))
			}
			final = true
		}
		if final && i+1 < len(answers) {
			return fmt.Sprintf("answer %d for %q would never be asked for: answer %d, %q, is final", i+2, d.Name, i+1, name)
		}
		again[name]++
	}
	return ""
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// stopped says why a run was broken off, in words for the record: by what, when,
// and which question was open.
func (r *run) stopped(why string) string {
	s := fmt.Sprintf("%s at %s", why, scenario.FormatTime(r.now))
	for i, q := range r.unanswered() {
		s += fmt.Sprintf("%s %s answered %q", []string{", before", " and before"}[min(i, 1)], bodyName(q.Body), q.Decision.Name)
	}
	return s
}

// unanswered are the questions that are open, in the order in which they were put.
func (r *run) unanswered() []Question {
	var out []Question
	for _, d := range r.talks {
		if !d.said {
			out = append(out, d.q)
		}
	}
	if r.pending != nil {
		out = append(out, *r.pending)
	}
	return out
}

// bodyName is a body in the middle of a sentence.
func bodyName(b scenario.Body) string {
	if b.Name == "" {
		return "the " + b.ID
	}
	return "the " + strings.TrimPrefix(b.Name, "the ")
}
