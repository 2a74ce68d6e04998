package procedure

import (
	"fmt"
	"slices"
)

// Lint is what a pack may say and hardly means: it can be used, and somebody
// should look. None of it is an error.
func (p *Pack) Lint() Errors { return slices.Clone(p.lint) }

func (c *checker) hint(path, format string, args ...any) {
	c.lint = append(c.lint, c.places.at(path, fmt.Sprintf(format, args...)))
}

// hints collects what Lint returns.
func (c *checker) hints() {
	p := c.p
	used := map[string]bool{}
	for i, x := range p.Procedures {
		for _, place := range x.Order {
			used[place.Step] = true
		}
		if x.Opens != "" && !slices.ContainsFunc(x.Order, func(o Place) bool {
			s, _ := p.Step(o.Step)
			return slices.Contains(s.Seen, SeenKeyOpened)
		}) {
			c.hint(fmt.Sprintf("$.procedures[%d]", i), "procedure %q: opens the %s key and has no step in which custodians come together", x.ID, x.Opens)
		}
	}
	for i, s := range p.Steps {
		at := fmt.Sprintf("$.steps[%d]", i)
		switch {
		case len(p.Procedures) > 0 && !used[s.ID]:
			c.hint(at, "step %q: no procedure has it", s.ID)
		case s.Actor == "":
			c.hint(at, "step %q: nobody does it; add an actor", s.ID)
		case s.Evidence == "":
			c.hint(at, "step %q: nothing shows that it was done; add evidence", s.ID)
		}
		c.based(at, "step "+s.ID, s.Basis)
	}
	for i, f := range p.Factors {
		at := fmt.Sprintf("$.factors[%d]", i)
		if f.Force == "shall" && len(f.Keys) == 0 {
			c.hint(at, "factor %q: shall be weighed, and does not say for which keys; without keys it holds for every key", f.ID)
		}
		c.based(at, "factor "+f.ID, f.Basis)
	}
	for _, secret := range Secrets()[:2] {
		if !slices.ContainsFunc(p.Factors, func(f Factor) bool {
			return f.Force == "shall" && (len(f.Keys) == 0 || slices.Contains(f.Keys, secret))
		}) {
			c.hint("$.factors", "no factor shall be weighed before the %s key is used", secret)
		}
	}
	for i, b := range p.Bodies {
		at := fmt.Sprintf("$.bodies[%d]", i)
		if b.Quorum > 0 && b.Conflict == "" {
			c.hint(at, "body %q: votes, and does not say what a member with an interest does; add conflict", b.ID)
		}
		if b.Quorum > 0 && b.Quorum == b.Votes() {
			c.hint(at, "body %q: one member who cannot come stops every decision", b.ID)
		}
		c.based(at, "body "+b.ID, b.Basis)
	}
	for _, l := range p.Labels {
		if _, is := p.HandlingOf(l); !is && len(p.Handling) > 0 {
			c.hint("$.handling", "label %q: nothing says how it is handled", l)
		}
	}
	for _, secret := range Secrets() {
		if x := p.CustodyOf(secret); x.Shares > 0 && x.Shares == len(x.Seats) {
			c.hint("$.custody", "custody of %q: one custodian who cannot come keeps it closed", secret)
		}
	}
}

// based asks for the source of what claims to have been held against a text, and
// of everything else.
func (c *checker) based(path, what string, b Basis) {
	if b.Source == "" {
		c.hint(path, "%s: has no source", what)
	}
}
