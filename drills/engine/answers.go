package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// Script answers every question as the scenario's author wrote, and says nothing
// where that answer is not offered any more. The record says that no member voted.
func Script() Decider { return script{} }

type script struct{}

func (script) Decide(_ context.Context, q Question) (Answer, error) {
	option := q.Decision.ScriptedFor(q.Asking)
	if _, offered := q.Option(option); !offered {
		return Answer{Silent: true}, nil
	}
	return scripted(q, option, ByScript), nil
}

// scripted is an answer that the author's assessments stand behind.
func scripted(q Question, option string, by Answered) Answer {
	a := Answer{Option: option, Answered: by, After: q.Decision.Takes}
	for _, x := range q.Decision.Assessed {
		a.Assessed = append(a.Assessed, journal.Assessment{Factor: x.Factor, Finding: x.Finding, Assessor: "the scenario's author"})
	}
	return a
}

// As lets members answer what body decides and others the rest. The error names
// the bodies that decide something in the scenario.
func As(s *scenario.Scenario, body string, members, others Decider) (Decider, error) {
	var bodies []string
	for _, d := range s.Decisions {
		if !slices.Contains(bodies, d.Of) {
			bodies = append(bodies, d.Of)
		}
	}
	if !slices.Contains(bodies, body) {
		return nil, fmt.Errorf("nobody called %q decides anything in %s: %s", body, s.ID, hint(body, bodies))
	}
	return as{body, members, others}, nil
}

type as struct {
	body            string
	members, others Decider
}

func (a as) Decide(ctx context.Context, q Question) (Answer, error) {
	if q.Decision.Of == a.body {
		return a.members.Decide(ctx, q)
	}
	return a.others.Decide(ctx, q)
}

// Deliberates implements [Deliberator].
func (a as) Deliberates(q Question) bool {
	if q.Decision.Of == a.body {
		return deliberates(a.members, q)
	}
	return deliberates(a.others, q)
}

// deliberates asks a Decider that another one stands in front of.
func deliberates(d Decider, q Question) bool {
	is, can := d.(Deliberator)
	return can && is.Deliberates(q)
}

// Choices are answers chosen ahead. They are for one run.
type Choices struct {
	rest  Decider
	by    map[string][]string
	taken map[string]int // how many of a decision's answers were asked for
	order []string       // decisions in the order of the command line
}

// ParseChoices reads choices from a command line, each DECISION=OPTION, or
// DECISION=OPTION,OPTION for a question that comes back: the last one holds for
// every further asking at which it is offered. What is not chosen is left to rest.
// The names are the scenario's, with spaces or as conditions say them
// (recovery_key). An error names what there is; the same decision with two
// different answers is an error, and so is an answer that can never be asked for.
func ParseChoices(s *scenario.Scenario, list []string, rest Decider) (*Choices, error) {
	var names []string
	for _, d := range s.Decisions {
		names = append(names, d.Name)
	}
	out := &Choices{rest: rest, by: map[string][]string{}, taken: map[string]int{}}
	for _, text := range list {
		name, answer, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !ok {
			return nil, fmt.Errorf("choosing %q: write DECISION=OPTION, the decisions are %s", text, quoted(names))
		}
		i := slices.IndexFunc(s.Decisions, func(d scenario.Decision) bool { return d.Name == name || d.Ident == name })
		if i < 0 {
			return nil, fmt.Errorf("choosing %q: there is no decision %q: %s", text, name, hint(name, names))
		}
		d := &s.Decisions[i]
		var options []string
		for o := range strings.SplitSeq(answer, ",") {
			o = strings.TrimSpace(o)
			if _, ok := d.Option(o); !ok {
				return nil, fmt.Errorf("choosing %q: %q has no option %q: %s", text, d.Name, o, hint(o, d.OptionNames()))
			}
			options = append(options, o)
		}
		comesAgain := slices.ContainsFunc(d.Options, func(o scenario.Option) bool { return o.Again != nil })
		if len(options) > 1 && !comesAgain {
			return nil, fmt.Errorf("choosing %q: %q is asked once, give one option", text, d.Name)
		}
		if before, ok := out.by[d.Name]; ok && !slices.Equal(before, options) {
			return nil, fmt.Errorf("choosing %q: %q is already answered with %s", text, d.Name, quoted(before))
		} else if ok {
			continue
		}
		if why := neverAsked(d, options); why != "" {
			return nil, fmt.Errorf("choosing %q: %s", text, why)
		}
		out.by[d.Name] = options
		out.order = append(out.order, d.Name)
	}
	return out, nil
}

// Decide implements [Decider].
func (c *Choices) Decide(ctx context.Context, q Question) (Answer, error) {
	options, ok := c.by[q.Decision.Name]
	if !ok {
		return c.rest.Decide(ctx, q)
	}
	n := min(q.Asking, len(options))
	if _, offered := q.Option(options[n-1]); !offered {
		return c.rest.Decide(ctx, q)
	}
	c.taken[q.Decision.Name] = max(c.taken[q.Decision.Name], n)
	return scripted(q, options[n-1], ByCommandLine), nil
}

// Deliberates implements [Deliberator]: what is not chosen ahead may be talked over.
func (c *Choices) Deliberates(q Question) bool {
	options, ok := c.by[q.Decision.Name]
	if ok {
		_, ok = q.Option(options[min(q.Asking, len(options))-1])
	}
	return !ok && deliberates(c.rest, q)
}

// Left says, after the run, which answers were never asked for, one sentence each.
func (c *Choices) Left() []string {
	var out []string
	for _, name := range c.order {
		for i := c.taken[name]; i < len(c.by[name]); i++ {
			out = append(out, fmt.Sprintf("answer %d for %q, %q, was never asked for", i+1, name, c.by[name][i]))
		}
	}
	return out
}

func hint(word string, names []string) string {
	if n, near := scenario.Nearest(word, names); near {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "there are " + quoted(names)
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
