package procedure

import (
	"fmt"
	"slices"
	"strings"
)

// A checker finds what the shape of the file cannot say: identifiers are unique
// and present, words are from their lists, what is named is there, and a quorum
// and a threshold can be met.
type checker struct {
	p      *Pack
	places places
	errs   Errors
	lint   Errors
	seen   map[string]bool
}

func (c *checker) wrong(path, format string, args ...any) {
	c.errs = append(c.errs, c.places.at(path, fmt.Sprintf(format, args...)))
}

func (c *checker) all() {
	p := c.p
	c.seen = map[string]bool{}
	if p.ID == "" || p.Title == "" || p.Source == "" || p.Version < 1 {
		c.wrong("$.id", "a pack needs id, title, source and a version from 1")
	}
	if len(p.Labels) == 0 {
		c.wrong("$.labels", "a pack needs labels: without one no paper can be handed out")
	}
	c.label("$.label", p.Label)
	c.label("$.guidance.label", p.Guidance.Label)
	c.bodies()
	c.limits()
	c.steps()
	c.procedures()
	c.notices()
	c.weighed()
	c.custody()
	c.papers()
	c.hints()
}

// id checks that an item has a name and that no other of its kind has it.
func (c *checker) id(path, kind, id string) {
	switch {
	case id == "" || strings.HasSuffix(id, "/"):
		c.wrong(path, "a %s has no id", kind)
	case c.seen[kind+" "+id]:
		c.wrong(path, "%s %s is there twice", kind, id)
	}
	c.seen[kind+" "+id] = true
}

func (c *checker) label(path, label string) {
	if label != "" && !slices.Contains(c.p.Labels, label) {
		c.wrong(path, "label %q is none of %s", label, strings.Join(c.p.Labels, ", "))
	}
}

// actor checks that somebody who does or hears something is a body or a
// recipient.
func (c *checker) actor(path, what, who string) {
	if who == "" || slices.Contains(c.p.Recipients, who) || slices.ContainsFunc(c.p.Bodies, func(b Body) bool { return b.ID == who }) {
		return
	}
	c.wrong(path, "%s: %q is neither a body nor a recipient of this pack", what, who)
}

func (c *checker) step(path, what, id string) {
	if _, is := c.p.Step(id); id != "" && !is {
		c.wrong(path, "%s: there is no step %q", what, id)
	}
}

func (c *checker) limit(path, what, id string) {
	if _, is := c.p.Limit(id); id != "" && !is {
		c.wrong(path, "%s: there is no limit %q", what, id)
	}
}

func (c *checker) bodies() {
	for i, b := range c.p.Bodies {
		at := fmt.Sprintf("$.bodies[%d]", i)
		c.id(at, "body", b.ID)
		for k, m := range b.Members {
			c.id(fmt.Sprintf("%s.members[%d]", at, k), "member", b.ID+"/"+m.ID)
		}
		if b.Quorum < 0 || b.Quorum > b.Votes() {
			c.wrong(at+".quorum", "body %q: a quorum of %d cannot be met by %d votes", b.ID, b.Quorum, b.Votes())
		}
		if err := b.voting(); err != nil {
			c.wrong(at, "%v", err)
		}
	}
}

func (c *checker) limits() {
	for i, l := range c.p.Limits {
		at := fmt.Sprintf("$.limits[%d]", i)
		c.id(at, "limit", l.ID)
		if l.Within <= 0 {
			c.wrong(at+".within", "limit %q: within must be longer than nothing", l.ID)
		}
	}
	for i, m := range c.p.Mechanisms {
		c.id(fmt.Sprintf("$.mechanisms[%d]", i), "mechanism", m.ID)
	}
}

func (c *checker) steps() {
	for i, s := range c.p.Steps {
		at := fmt.Sprintf("$.steps[%d]", i)
		c.id(at, "step", s.ID)
		if !slices.Contains(Phases(), s.Phase) {
			c.wrong(at+".phase", "step %q: phase %q is none of %s", s.ID, s.Phase, strings.Join(Phases(), ", "))
		}
		c.actor(at+".actor", fmt.Sprintf("step %q", s.ID), s.Actor)
		c.limit(at+".limit", fmt.Sprintf("step %q", s.ID), s.Limit)
		for _, seen := range s.Seen {
			if !seenWell(seen) {
				c.wrong(at, "step %q: %q cannot be seen in a record: write %q and a body, %q and the beginning of a decision's name, %q and the beginning of an act, %q, or a method and %q",
					s.ID, seen, strings.TrimSpace(SeenDecisionOf), strings.TrimSpace(SeenDecision), strings.TrimSpace(SeenDid), SeenKeyOpened, strings.TrimSpace(SeenSent))
			}
		}
	}
}

func (c *checker) procedures() {
	for i, x := range c.p.Procedures {
		at := fmt.Sprintf("$.procedures[%d]", i)
		c.id(at, "procedure", x.ID)
		what := fmt.Sprintf("procedure %q", x.ID)
		if len(x.Keys) == 0 || x.Method == "" || len(x.Order) == 0 {
			c.wrong(at, "%s: needs keys, a method and steps", what)
		}
		if x.Decision != None && !slices.ContainsFunc(c.p.Bodies, func(b Body) bool { return b.ID == x.Decision }) {
			c.wrong(at+".decision", "%s: decision %q is no body: name who decides, or %s", what, x.Decision, None)
		}
		if x.Opens != "" && !slices.Contains(Secrets()[:2], x.Opens) {
			c.wrong(at+".opens", "%s: opens %q, which is none of %s", what, x.Opens, strings.Join(Secrets()[:2], ", "))
		}
		if x.Opens != "" && x.Decision == None {
			c.wrong(at+".decision", "%s: opens the %s key without anybody's decision", what, x.Opens)
		}
		c.order(at, what, x)
	}
}

// order checks the steps of one procedure: they are there, each once, phases do
// not go back as they are written, and nothing leads nowhere.
func (c *checker) order(at, what string, x Procedure) {
	phase := 0
	for k, place := range x.Order {
		here := fmt.Sprintf("%s.steps[%d]", at, k)
		c.step(here, what, place.Step)
		if slices.IndexFunc(x.Order, func(o Place) bool { return o.Step == place.Step }) != k {
			c.wrong(here, "%s: step %q is there twice", what, place.Step)
		}
		if s, is := c.p.Step(place.Step); is {
			now := slices.Index(Phases(), s.Phase)
			if now < phase {
				c.wrong(here, "%s: step %q of %s stands after a step of %s", what, place.Step, s.Phase, Phases()[phase])
			}
			phase = max(phase, now)
		}
		for _, n := range place.Next {
			if n.To != End && !slices.ContainsFunc(x.Order, func(o Place) bool { return o.Step == n.To }) {
				c.wrong(here, "%s: %q leads to %q, which is no step of it: name one, or %s", what, place.Step, n.To, End)
			}
		}
	}
	for k, reached := range x.reached() {
		if !reached {
			c.wrong(fmt.Sprintf("%s.steps[%d]", at, k), "%s: nothing leads to step %q", what, x.Order[k].Step)
		}
	}
}

func (c *checker) notices() {
	for i, n := range c.p.Notices {
		at, what := fmt.Sprintf("$.notices[%d]", i), fmt.Sprintf("notice %q", n.ID)
		c.id(at, "notice", n.ID)
		if n.To == "" || n.From == "" {
			c.wrong(at, "%s: needs from and to", what)
		}
		c.actor(at+".from", what, n.From)
		c.actor(at+".to", what, n.To)
		c.step(at+".step", what, n.Step)
		c.limit(at+".limit", what, n.Limit)
	}
}

func (c *checker) weighed() {
	for i, f := range c.p.Factors {
		at := fmt.Sprintf("$.factors[%d]", i)
		c.id(at, "factor", f.ID)
		if f.Force != "shall" && f.Force != "may" {
			c.wrong(at+".force", "factor %q: force %q is neither shall nor may", f.ID, f.Force)
		}
		if f.Weight < 0 || f.Rank < 0 {
			c.wrong(at, "factor %q: weight and rank are from 0", f.ID)
		}
		for _, k := range f.Keys {
			if !slices.Contains(Secrets()[:2], k) {
				c.wrong(at+".keys", "factor %q: key %q is none of %s", f.ID, k, strings.Join(Secrets()[:2], ", "))
			}
		}
	}
	for i, s := range c.p.Guidance.Before {
		c.id(fmt.Sprintf("$.guidance.before[%d]", i), "step before a decision", s.ID)
	}
	for i, s := range c.p.Guidance.Criteria {
		c.id(fmt.Sprintf("$.guidance.criteria[%d]", i), "criterion", s.ID)
	}
}

func (c *checker) custody() {
	for i, x := range c.p.Custodians {
		at := fmt.Sprintf("$.custodians[%d]", i)
		c.id(at, "custodian", x.Seat)
		if x.Party == "" || x.Travel < 0 {
			c.wrong(at, "custodian %q: needs a party and a travel time from 0", x.Seat)
		}
	}
	c.met("$.threshold", "threshold", c.p.Threshold, c.p.Custodians)
	for i, x := range c.p.Custody {
		at, what := fmt.Sprintf("$.custody[%d]", i), fmt.Sprintf("custody of %q", x.Key)
		c.id(at, "custody", x.Key)
		if !slices.Contains(Secrets(), x.Key) {
			c.wrong(at+".key", "%s: the key is none of %s", what, strings.Join(Secrets(), ", "))
		}
		for k, seat := range x.Seats {
			switch _, is := c.p.custodian(seat); {
			case !is:
				c.wrong(at+".seats", "%s: there is no custodian %q", what, seat)
			case slices.Index(x.Seats, seat) != k:
				c.wrong(at+".seats", "%s: custodian %q is there twice", what, seat)
			}
		}
		c.met(at, what, x.Threshold, c.p.Holders(x.Key))
	}
}

// met checks that enough seats of enough Parties can be there.
func (c *checker) met(path, what string, t Threshold, seats []Custodian) {
	parties := map[string]bool{}
	for _, x := range seats {
		parties[x.Party] = true
	}
	if t.Shares < 1 || t.Shares > len(seats) || t.Parties < 1 || t.Parties > min(len(parties), t.Shares) {
		c.wrong(path, "%s: %d shares of %d Parties cannot be met by %d custodians of %d Parties", what, t.Shares, t.Parties, len(seats), len(parties))
	}
}

func (c *checker) papers() {
	for i, h := range c.p.Handling {
		at := fmt.Sprintf("$.handling[%d]", i)
		c.id(at, "handling of", h.Label)
		c.label(at+".label", h.Label)
		for _, who := range h.Readers {
			c.actor(at+".readers", "handling of "+h.Label, who)
		}
	}
	for i, l := range c.p.Layouts {
		at := fmt.Sprintf("$.layouts[%d]", i)
		c.id(at, "layout", l.ID)
		if len(l.Columns) == 0 {
			c.wrong(at, "layout %q: has no columns", l.ID)
		}
		for k, column := range l.Columns {
			c.id(fmt.Sprintf("%s.columns[%d]", at, k), "column", l.ID+"/"+column.Name)
		}
	}
	for i, d := range c.p.Detection {
		at := fmt.Sprintf("$.detection[%d]", i)
		c.id(at, "detection of", d.Role)
		if d.Usual < 0 || d.Raised < d.Usual {
			c.wrong(at, "detection of %s: raised is at least usual, and both are from 0", d.Role)
		}
	}
	c.terms("$.terms", c.p.Terms)
	c.terms("$.glossary", c.p.Glossary)
}

func (c *checker) terms(path string, terms []Term) {
	for i, t := range terms {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.id(at, "term", t.Term)
		if t.Says == "" {
			c.wrong(at, "term %q: says nothing", t.Term)
		}
	}
}
