package scenario

import (
	"slices"
)

func (c *checker) decisions(n *node) {
	for i := range c.s.Decisions {
		d := &c.s.Decisions[i]
		c.decision(d, n.get(d.Name))
	}
}

func (c *checker) decision(d *Decision, n *node) {
	d.Asks, d.Briefing = text(n, "asks"), text(n, "briefing")
	d.Of = c.oneOf(n, "of", "body", c.bodyIDs())
	if shows := n.get("shows"); shows != nil {
		for _, p := range shows.pairs {
			d.Shows = append(d.Shows, Show{Label: p.key.text, Value: c.condition(p.value, false)})
		}
	}
	d.Within, d.Takes = c.duration(n, "within"), c.duration(n, "takes")
	if d.Within == 0 {
		c.errs.add(n.get("within").pos, "%q gives no time to answer: write at least 1 minute", d.Name)
	} else if d.Takes >= d.Within {
		c.errs.add(n.get("takes").pos, "the script deliberates for %s and the time to answer is %s: that would be silence", n.get("takes").text, n.get("within").text)
	}
	c.options(d, n.get("options"))
	c.quorum(d, n.get("quorum"))
	c.weighs(d, n)
	c.answers(d, n)
}

func (c *checker) options(d *Decision, n *node) {
	expected := 0
	for i := range d.Options {
		o := &d.Options[i]
		x := n.get(o.Name)
		o.Says, o.Basis, o.Expected = text(x, "says"), text(x, "basis"), x.get("expected") != nil
		if o.Expected {
			expected++
		}
		switch {
		case expected > 1 && o.Expected:
			c.errs.add(x.keyPos("expected"), "a second expected answer in %q: the author expects one", d.Name)
		case o.Expected && o.Basis == "":
			c.errs.add(x.keyPos("expected"), "an expected answer needs its basis: add \"basis\" with the source, so that a report can say whose expectation it is")
		case !o.Expected && o.Basis != "":
			c.errs.add(x.keyPos("basis"), "a basis belongs to the expected answer: add \"expected: true\" or take it out")
		}
		if opens := x.get("opens"); opens != nil {
			o.Opens = &Opening{}
			if opens.kind == scalarNode {
				o.Opens.Key = c.known(opens, "key", c.v.Keys)
			} else {
				o.Opens.Key = c.oneOf(opens, "key", "key", c.v.Keys)
				o.Opens.For = c.duration(opens, "for")
			}
		}
		if again := x.get("again"); again != nil {
			o.Again = &Again{In: c.duration(again, "in"), Times: c.number(again, "times")}
			if o.Opens != nil {
				c.errs.add(x.keyPos("again"), "an answer that opens a key is final: the question cannot come again")
			}
		}
		if then := x.get("then"); then != nil {
			list := []*node{then}
			if then.kind == sequenceNode {
				list = then.items
			}
			for _, t := range list {
				q := Consequence{Pos: t.pos, After: c.duration(t, "after")}
				q.Event = c.event(t)
				c.fitsChosen(&Item{})
				o.Then = append(o.Then, q)
			}
		}
	}
}

func (c *checker) quorum(d *Decision, n *node) {
	body, known := c.s.Body(d.Of)
	if n == nil || !known {
		return
	}
	votes := 0
	for _, m := range body.Members {
		if m.Vote {
			votes++
		}
	}
	if n.text == "procedure" {
		if d.Quorum = body.Quorum; d.Quorum == 0 {
			c.errs.add(n.pos, "the procedure pack has no quorum for %q: write a number of votes", d.Of)
		}
		return
	}
	d.Quorum, _ = ParseNumber(n.text)
	if votes > 0 && d.Quorum > votes {
		c.errs.add(n.pos, "a quorum of %d can never be reached: %q has %d votes", d.Quorum, d.Of, votes)
	}
}

// weighs reads the guidance that a decision weighs, and the script's findings.
func (c *checker) weighs(d *Decision, n *node) {
	d.Weighs = n.get("weighs") != nil
	var opens []string
	for _, o := range d.Options {
		if o.Opens != nil {
			opens = append(opens, o.Opens.Key)
		}
	}
	if len(opens) > 0 && !d.Weighs {
		c.errs.add(d.Pos, "%q can open a key: add \"weighs: guidance\", because the factors of the guidance must be assessed before", d.Name)
	}
	assessed := n.get("assessed")
	if !d.Weighs {
		if assessed != nil {
			c.errs.add(n.keyPos("assessed"), "there is nothing to assess: add \"weighs: guidance\"")
		}
		return
	}
	var ids []string
	for _, f := range c.v.Factors {
		applies := len(f.Keys) == 0 || len(opens) == 0
		for _, k := range opens {
			applies = applies || slices.Contains(f.Keys, k)
		}
		if applies {
			d.Factors = append(d.Factors, f)
			ids = append(ids, f.ID)
		}
	}
	var done []string
	if assessed != nil {
		for _, p := range assessed.pairs {
			c.known(p.key, "factor of the guidance", ids)
			done = append(done, p.key.text)
			d.Assessed = append(d.Assessed, Assessment{Factor: p.key.text, Finding: text(assessed, p.key.text)})
		}
	}
	var missing []string
	for _, f := range d.Factors {
		if f.Force == "shall" && !slices.Contains(done, f.ID) {
			missing = append(missing, f.ID)
		}
	}
	if len(missing) > 0 {
		c.errs.add(d.Pos, "the script of %q does not assess %s: add a finding for each under \"assessed\"", d.Name, quoted(missing))
	}
}

// answers reads what the script and silence say.
func (c *checker) answers(d *Decision, n *node) {
	comesAgain := false
	for _, o := range d.Options {
		comesAgain = comesAgain || o.Again != nil
	}
	option := func(x *node) {
		if _, ok := d.Option(x.text); !ok {
			c.errs.add(x.pos, "decision %q has no option %q: %s", d.Name, x.text, instead(x.text, d.OptionNames()))
		}
	}
	scripted := n.get("scripted")
	if scripted.kind == sequenceNode {
		for _, x := range scripted.items {
			option(x)
			d.Scripted = append(d.Scripted, x.text)
		}
		if len(d.Scripted) > 1 && !comesAgain {
			c.errs.add(scripted.pos, "%q is asked once: give one scripted answer, or let an option have \"again\"", d.Name)
		}
	} else {
		option(scripted)
		d.Scripted = []string{scripted.text}
	}
	silence := n.get("on silence")
	option(silence)
	d.Silence = silence.text
	if o, ok := d.Option(d.Silence); ok && o.Opens != nil {
		c.errs.add(silence.pos, "silence never opens a key, and %q opens %q: choose another answer for silence", o.Name, o.Opens.Key)
	}
}
