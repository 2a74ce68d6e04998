package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// asker puts questions to the people at the terminal: briefing, figures, options
// and the clock; then, where the guidance asks for it, a finding on each factor,
// and each member's vote.
type asker struct {
	in   io.Reader
	out  io.Writer
	once sync.Once
	line chan string
}

// read returns the next line, or false if there is none. It gives up when ctx ends;
// the line then belongs to whoever reads next.
func (a *asker) read(ctx context.Context) (string, bool) {
	a.once.Do(func() {
		a.line = make(chan string)
		go func() {
			defer close(a.line)
			lines := bufio.NewScanner(a.in)
			for lines.Scan() {
				a.line <- lines.Text()
			}
		}()
	})
	select {
	case text, ok := <-a.line:
		return strings.TrimSpace(text), ok
	case <-ctx.Done():
		return "", false
	}
}

// errNobody is why a question went unanswered: the terminal was closed.
var errNobody = errors.New("nobody is at the terminal any more; give --auto to let the script answer")

// Decide implements [engine.Decider].
func (a *asker) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	if q.Refused == "" {
		a.put(q)
	} else {
		fmt.Fprintf(a.out, "  That answer cannot be taken: %s.\n", q.Refused)
	}
	answer := engine.Answer{Answered: engine.ByMembers, After: q.Decision.Takes}
	if len(q.Decision.Factors) > 0 {
		silent, err := a.assess(ctx, q, &answer)
		if err != nil || silent {
			return engine.Answer{Silent: silent}, err
		}
	}
	if q.Decision.Quorum > 0 {
		return a.vote(ctx, q, answer)
	}
	for {
		option, silent, err := a.option(ctx, q.Decision, "Your answer (number or name; \"say nothing\" lets the time run out): ")
		switch {
		case err != nil:
			return engine.Answer{}, err
		case silent:
			return engine.Answer{Silent: true}, nil
		case option != "":
			answer.Option = option
			return answer, nil
		}
	}
}

// put prints the question.
func (a *asker) put(q engine.Question) {
	d := q.Decision
	fmt.Fprintf(a.out, "\n%6s  %s DECIDES: %s\n", clock(q.Asked), strings.ToUpper(q.Body.Name), d.Asks)
	if q.Asking > 1 {
		fmt.Fprintf(a.out, "        asked again, time %d\n", q.Asking)
	}
	fmt.Fprintf(a.out, "        answer by %s (%d minutes); silence means: %s\n", clock(q.Deadline), int((q.Deadline - q.Asked).Minutes()), d.Silence)
	if d.Briefing != "" {
		fmt.Fprintln(a.out, indent(wrap(d.Briefing, 100)))
	}
	for _, s := range q.Shown {
		fmt.Fprintf(a.out, "        %s: %s\n", s.Label, s.Value)
	}
	for i, o := range d.Options {
		opens := ""
		if o.Opens != nil {
			opens = " [opens the " + o.Opens.Key + " key]"
		}
		fmt.Fprintf(a.out, "     %d  %s%s\n%s\n", i+1, o.Name, opens, indent(wrap(o.Says, 100)))
	}
	fmt.Fprintf(a.out, "        %s\n", recordWords(a.out, q.Words, 15))
}

// assess asks for a finding on each factor. Enter takes the author's, which the
// record then says.
func (a *asker) assess(ctx context.Context, q engine.Question, answer *engine.Answer) (silent bool, err error) {
	author := map[string]string{}
	for _, x := range q.Decision.Assessed {
		author[x.Factor] = x.Finding
	}
	fmt.Fprintln(a.out, "  Factors of the guidance (sample, not the SEC's text). Enter takes the scenario author's finding; \"all\" takes it for the rest.")
	all := false
	for _, f := range q.Decision.Factors {
		finding := author[f.ID]
		if f.Force != "shall" && finding == "" {
			continue
		}
		text := ""
		if !all {
			fmt.Fprintf(a.out, "  %s (%s): %s\n    author: %s\n  > ", f.ID, f.Force, f.Text, finding)
			var ok bool
			if text, ok = a.read(ctx); !ok {
				return false, a.gone(ctx)
			}
		}
		switch {
		case strings.EqualFold(text, "say nothing"):
			return true, nil
		case strings.EqualFold(text, "all"):
			all, text = true, ""
		}
		assessor := "members"
		if text == "" {
			text, assessor = finding, "the scenario's author, taken over by members"
		}
		answer.Assessed = append(answer.Assessed, journal.Assessment{Factor: f.ID, Finding: text, Assessor: assessor})
	}
	return false, nil
}

// vote asks each member with a vote.
func (a *asker) vote(ctx context.Context, q engine.Question, answer engine.Answer) (engine.Answer, error) {
	fmt.Fprintf(a.out, "  Votes; %d are needed. Enter: absent. \"all 2\": everybody votes for option 2. \"say nothing\" lets the time run out.\n", q.Decision.Quorum)
	counts := map[string]int{}
	add := func(member, option string) {
		answer.Votes = append(answer.Votes, journal.Vote{Member: member, Option: option})
		if counts[option]++; counts[option] > counts[answer.Option] {
			answer.Option = option
		}
	}
	for i := 0; i < len(q.Body.Members); {
		m := q.Body.Members[i]
		if !m.Vote {
			i++
			continue
		}
		fmt.Fprintf(a.out, "  %s: ", m.Name)
		text, ok := a.read(ctx)
		if !ok {
			return engine.Answer{}, a.gone(ctx)
		}
		rest, everybody := strings.CutPrefix(strings.ToLower(text), "all ")
		switch option := choose(q.Decision, text); {
		case text == "":
			i++
		case strings.EqualFold(text, "say nothing"):
			return engine.Answer{Silent: true}, nil
		case everybody && choose(q.Decision, rest) != "":
			for ; i < len(q.Body.Members); i++ {
				if q.Body.Members[i].Vote {
					add(q.Body.Members[i].ID, choose(q.Decision, rest))
				}
			}
		case option != "":
			add(m.ID, option)
			i++
		default:
			fmt.Fprintf(a.out, "  %q is no option: give its number or name.\n", text)
		}
	}
	return answer, nil
}

// option asks once for an option; none means that what was typed is no option.
func (a *asker) option(ctx context.Context, d *scenario.Decision, prompt string) (option string, silent bool, err error) {
	fmt.Fprint(a.out, "  "+prompt)
	text, ok := a.read(ctx)
	if !ok {
		return "", false, a.gone(ctx)
	}
	if strings.EqualFold(text, "say nothing") {
		return "", true, nil
	}
	if option = choose(d, text); option == "" && text != "" {
		fmt.Fprintf(a.out, "  %q is no option: give its number or name.\n", text)
	}
	return option, false, nil
}

func (a *asker) gone(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errNobody
}

// choose finds an option by number or name.
func choose(d *scenario.Decision, text string) string {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(d.Options) {
		return d.Options[n-1].Name
	}
	for _, o := range d.Options {
		if strings.EqualFold(o.Name, text) {
			return o.Name
		}
	}
	return ""
}

func indent(text string) string { return "        " + strings.ReplaceAll(text, "\n", "\n        ") }

// clock writes scenario time as people read it: 0:40.
func clock(d time.Duration) string { return scenario.FormatTime(d.Truncate(time.Second)) }
