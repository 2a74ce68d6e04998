package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"smki.example/drills/procedure"
)

// packScreen prints a procedure pack as people read it. Whatever nobody held
// against the text has "sample" beside it.
type packScreen struct {
	screen
	p *procedure.Pack
}

func (s packScreen) heading(text string) { fmt.Fprintf(s.out, "\n%s\n", strings.ToUpper(text)) }

func (s packScreen) item(mark, text string, b procedure.Basis) {
	note := ""
	if b.Note() != "" {
		note = " [" + b.Note() + "]"
	}
	s.mark(mark, text+note)
}

func (s packScreen) all() {
	p := s.p
	s.say(0, fmt.Sprintf("%s (%s)", p.Title, p.Name()))
	s.say(0, "From: "+p.Source)
	if !p.Verified {
		s.say(0, "NOT VERIFIED: what stands here was held against no text of the Smart Energy Code.")
	}
	s.say(0, "SHA-256 "+p.SHA256)
	s.heading("which key, which procedure")
	for _, key := range keys(p) {
		var ways []string
		for _, x := range p.For(key) {
			ways = append(ways, fmt.Sprintf("%s (%s)", x.Method, x.ID))
		}
		s.mark(fmt.Sprintf("  %-24s", key), strings.Join(ways, ", "))
	}
	for _, x := range p.Procedures {
		s.procedure(x)
	}
	s.notices()
	s.bodies()
	s.guidance()
	s.custody()
	s.papers()
}

// procedure prints one procedure, phase by phase.
func (s packScreen) procedure(x procedure.Procedure) {
	s.heading(fmt.Sprintf("%s: %s", x.ID, x.Title))
	s.item("  right when  ", x.Right, x.Basis)
	decision := "nobody's decision is needed"
	if x.Decision != procedure.None {
		decision = "decided by " + s.body(x.Decision)
	}
	if x.Opens != "" {
		decision += ", opens the " + x.Opens + " key"
	}
	s.mark("  decision    ", decision)
	if len(x.Modes) > 0 {
		modes := make([]string, len(x.Modes))
		for i, m := range x.Modes {
			modes[i] = strconv.Itoa(m)
		}
		s.mark("  commands    ", "CS02b mode "+strings.Join(modes, ", "))
	}
	s.mark("  on devices  ", strings.Join(x.Cells, "; "))
	s.mark("  at the CA   ", x.Work)
	phase := ""
	for i, place := range x.Order {
		step, _ := s.p.Step(place.Step)
		if step.Phase != phase {
			phase = step.Phase
			s.say(2, strings.ToUpper(phase[:1])+phase[1:])
		}
		text := fmt.Sprintf("%s (%s)", step.Says, cmpOr(step.Actor, "nobody named"))
		if l, is := s.p.Limit(step.Limit); is {
			text += ", within " + howLong(l.Within)
		}
		if step.Evidence != "" {
			text += ". Shown by: " + step.Evidence
		}
		s.item(fmt.Sprintf("   %2d %-18s ", i+1, place.Step), text, step.Basis)
		for _, n := range place.Next {
			to := "-> " + n.To
			if n.If != "" {
				to += " if " + n.If
			}
			s.mark(strings.Repeat(" ", 25), to)
		}
	}
}

func (s packScreen) notices() {
	s.heading("who tells whom")
	for _, n := range s.p.Notices {
		text := fmt.Sprintf("%s tells %s: %s", n.From, n.To, n.Says)
		if l, is := s.p.Limit(n.Limit); is {
			text += ", within " + howLong(l.Within)
		}
		s.item("  - ", text, n.Basis)
	}
	s.heading("how it is made sure who reports")
	for _, m := range s.p.Mechanisms {
		enough := "enough by itself"
		if !m.Enough {
			enough = "NOT enough"
		}
		s.item("  - ", fmt.Sprintf("%s: %s (%s)", m.ID, m.Says, enough), m.Basis)
	}
}

func (s packScreen) bodies() {
	s.heading("who decides")
	for _, b := range s.p.Bodies {
		text := b.Name
		if b.Quorum > 0 {
			text += fmt.Sprintf(": quorum %d of %d votes, %s, casting vote: %s", b.Quorum, b.Votes(), b.Majority, b.CastingVote)
		}
		s.item("  - ", text, b.Basis)
		for _, rule := range [][2]string{{"alternates: ", b.Alternates}, {"a member with an interest ", b.Conflict}, {"urgent: ", b.Urgent}} {
			if rule[1] != "" {
				s.say(6, rule[0]+rule[1])
			}
		}
		for _, m := range b.Members {
			vote := "votes"
			if !m.Vote {
				vote = "attends"
			}
			if m.Alternate != "" {
				vote += "; alternate: " + m.Alternate
			}
			s.mark("      ", m.Name+" ("+vote+")")
		}
	}
}

func (s packScreen) guidance() {
	g := s.p.Guidance
	s.heading("recovery key guidance " + g.Version)
	s.say(2, "Label: "+s.p.Confidential())
	if g.Weighting != "" {
		s.say(2, "Weighting: "+g.Weighting)
	}
	for i, b := range g.Before {
		s.item(fmt.Sprintf("  before the vote %d  ", i+1), b.Text+" (shown by: "+b.Evidence+")", b.Basis)
	}
	for _, f := range s.p.Factors {
		text := f.Text
		if f.Weight > 0 {
			text += fmt.Sprintf(" Weight %d.", f.Weight)
		}
		if len(f.Keys) > 0 {
			text += " For: " + strings.Join(f.Keys, ", ") + "."
		}
		s.item(fmt.Sprintf("  %-5s %-12s ", f.Force, f.ID), text, f.Basis)
	}
	for _, x := range g.Criteria {
		s.item("  criterion  ", x.Text+": speaks for "+x.Favour, x.Basis)
	}
}

func (s packScreen) custody() {
	s.heading("who holds shares")
	for _, secret := range procedure.Secrets() {
		x := s.p.CustodyOf(secret)
		s.item("  - ", fmt.Sprintf("%s: any %d of %d, from at least %d Parties: %s", secret, x.Shares, len(x.Seats), x.Parties, strings.Join(x.Seats, ", ")), x.Basis)
	}
	for _, x := range s.p.Custodians {
		s.say(6, fmt.Sprintf("%s: %s, %s away", x.Seat, x.Party, howLong(x.Travel)))
	}
}

func (s packScreen) papers() {
	s.heading("anomaly detection")
	for _, d := range s.p.Detection {
		s.item("  - ", fmt.Sprintf("%s: %s, %d an hour, %d in a recovery", d.Role, d.Counts, d.Usual, d.Raised), d.Basis)
	}
	s.heading("labels")
	for _, l := range s.p.Labels {
		h, _ := s.p.HandlingOf(l)
		s.item(fmt.Sprintf("  %-8s ", l), fmt.Sprintf("%s; %s; kept %s; readers: %s", h.Says, h.Rule, h.Keep, strings.Join(h.Readers, ", ")), h.Basis)
	}
	s.heading("files")
	for _, l := range s.p.Layouts {
		names := make([]string, len(l.Columns))
		for i, c := range l.Columns {
			names[i] = c.Name
		}
		s.item("  - ", fmt.Sprintf("%s, from %s to %s, %s: %s", l.Title, l.From, strings.Join(l.To, ", "), l.When, strings.Join(names, ", ")), l.Basis)
	}
	fmt.Fprintln(s.out)
}

func (s packScreen) body(id string) string {
	i := slices.IndexFunc(s.p.Bodies, func(b procedure.Body) bool { return b.ID == id })
	if i < 0 {
		return id
	}
	return s.p.Bodies[i].Name
}

// keys are the compromised keys that a pack has procedures for, in its order.
func keys(p *procedure.Pack) []string {
	var out []string
	for _, x := range p.Procedures {
		for _, k := range x.Keys {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func keysOf(p *procedure.Pack) string { return strings.Join(keys(p), ", ") }

func cmpOr(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// howLong writes a length of time in the largest words that fit it.
func howLong(d time.Duration) string {
	unit := func(n int, word string) string {
		if n == 1 {
			return "1 " + word
		}
		return fmt.Sprintf("%d %ss", n, word)
	}
	hours, minutes := int(d.Hours()), int(d.Minutes())%60
	switch {
	case hours >= 48 && d%(24*time.Hour) == 0:
		return unit(hours/24, "day")
	case hours == 0:
		return unit(minutes, "minute")
	case minutes == 0:
		return unit(hours, "hour")
	}
	return unit(hours, "hour") + " " + unit(minutes, "minute")
}
