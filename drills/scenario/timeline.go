package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// eventWords are the words of which an entry has exactly one.
var eventWords = []string{"inject", "decide", "notify", "do"}

func (c *checker) timeline(n *node) {
	var last *Item
	for i, x := range n.items {
		item := Item{Pos: x.pos, Step: strconv.Itoa(i + 1)}
		at, when, by := x.get("at"), x.get("when"), x.get("by")
		switch {
		case at == nil && when == nil:
			c.errs.add(x.pos, "this entry of the timeline has no time: add \"at\", or \"when\" with a condition")
		case at != nil && when != nil:
			c.errs.add(x.keyPos("when"), "\"at\" and \"when\" in one entry: keep \"at\" for a time, or \"when\" and \"by\" for a condition")
		case when != nil && by == nil:
			c.errs.add(x.keyPos("when"), "\"when\" needs \"by\": the time after which it is a finding that this never came true")
		case at != nil && by != nil:
			c.errs.add(x.keyPos("by"), "\"by\" belongs to \"when\": what has a time needs no limit")
		}
		item.At, item.By = c.time(x, "at"), c.time(x, "by")
		item.When, item.If = c.condition(when, true), c.condition(x.get("if"), true)
		item.Event = c.event(x)
		c.fitsChosen(&item)
		if item.When != nil && len(item.When.Needs) > 0 {
			// An option that rules the condition out would make it "missed" at its
			// limit: a finding against the system for what the committee decided.
			c.errs.add(when.pos, "\"when\" waits for the world, not for a decision: move chosen.%s into \"if\" beside it", ident.Replace(item.When.Needs[0]))
		}
		for _, q := range []*Condition{item.When, item.If} {
			if q != nil {
				item.need(q.Needs...)
			}
		}
		if item.Do != nil {
			for _, a := range append([]Arg{{Value: item.Do.Object}}, item.Do.Params...) {
				if a.Value.Chosen != "" {
					item.need(a.Value.Chosen)
				}
			}
		}
		if at != nil {
			if last != nil && item.At < last.At {
				c.errs.add(at.pos, "%s stands after %s: the timeline is in order of time", FormatTime(item.At), FormatTime(last.At))
			}
			last = &item
		}
		c.s.Timeline = append(c.s.Timeline, item)
	}
}

func (i *Item) need(names ...string) {
	for _, n := range names {
		if !slices.Contains(i.Needs, n) {
			i.Needs = append(i.Needs, n)
		}
	}
}

// event reads the one thing that an entry does.
func (c *checker) event(n *node) Event {
	var found []string
	for _, p := range n.pairs {
		if slices.Contains(eventWords, p.key.text) {
			found = append(found, p.key.text)
		}
	}
	if len(found) != 1 {
		what := "nothing happens here"
		if len(found) > 1 {
			what = quoted(found) + " in one entry"
		}
		c.errs.add(n.pos, "%s: write one of %s", what, quoted(eventWords))
		return Event{}
	}
	kind := found[0]
	c.belongs(n, kind)
	step := c.oneOf(n, "step", "step of the procedure", c.stepIDs())
	var e Event
	switch x := n.get(kind); kind {
	case "inject":
		e.Inject = c.injectEvent(n, x)
	case "decide":
		e.Decide = c.known(x, "decision", c.decisionList())
	case "notify":
		e.Notify = &Notify{Pos: x.pos, Whom: c.known(x, "recipient", c.told), From: c.oneOf(n, "from", "sender", c.told),
			Within: c.duration(n, "within"), Takes: c.duration(n, "takes"), Step: step}
	case "do":
		if e.Do = c.action(x); e.Do != nil {
			e.Do.Step = step
		}
	}
	return e
}

// belongs refuses words that say nothing with the kind of entry they stand in: a
// planner who wrote them meant something.
func (c *checker) belongs(n *node, kind string) {
	for word, kinds := range map[string][]string{"text": {"inject"}, "from": {"notify"}, "within": {"notify"}, "takes": {"notify"}, "step": {"notify", "do"}} {
		if n.get(word) != nil && !slices.Contains(kinds, kind) {
			hint := "it belongs to " + quoted(kinds)
			if word == "within" && kind == "decide" {
				hint = "the time to answer stands with the decision"
			}
			c.errs.add(n.keyPos(word), "%q has no meaning with %q: %s", word, kind, hint)
		}
	}
}

func (c *checker) injectEvent(n, x *node) *Inject {
	if x.kind == mappingNode {
		i := c.inject(x)
		if i.Text = text(n, "text"); i.Text == "" {
			c.errs.add(x.pos, "an inject without words: add \"text\" beside \"inject\"")
		}
		return i
	}
	if t := n.get("text"); t != nil {
		c.errs.add(n.keyPos("text"), "inject %q has its text under \"injects\": take this one out", x.text)
	}
	if i, ok := c.s.Inject(x.text); ok {
		return i
	}
	names := make([]string, len(c.s.Injects))
	for k, i := range c.s.Injects {
		names[k] = i.Name
	}
	c.errs.add(x.pos, "unknown inject %q: %s", x.text, instead(x.text, names))
	return nil
}

// action reads a verb with its object and parameters.
func (c *checker) action(n *node) *Action {
	verbs := make([]string, len(c.v.Verbs))
	for i, v := range c.v.Verbs {
		verbs[i] = v.Name
	}
	first := n.pairs[0]
	i := slices.Index(verbs, first.key.text)
	if i < 0 {
		for _, p := range n.pairs[1:] {
			if slices.Contains(verbs, p.key.text) {
				c.errs.add(first.key.pos, "%q is no verb: the verb %q comes first", first.key.text, p.key.text)
				return nil
			}
		}
		c.errs.add(first.key.pos, "unknown verb %q: %s", first.key.text, instead(first.key.text, verbs))
		return nil
	}
	verb := c.v.Verbs[i]
	a := &Action{Pos: first.key.pos, Verb: verb.Name, Object: c.arg(first.value, verb.Object)}
	known := make([]string, len(verb.Params))
	for i, p := range verb.Params {
		known[i] = p.Name
	}
	for _, p := range n.pairs[1:] {
		if !slices.Contains(known, p.key.text) {
			c.errs.add(p.key.pos, "%q has no %q: %s", verb.Name, p.key.text, instead(p.key.text, known))
		}
	}
	for _, p := range verb.Params {
		x := n.get(p.Name)
		switch {
		case x != nil && x != first.value:
			a.Params = append(a.Params, Arg{Name: p.Name, Value: c.arg(x, p)})
		case p.Required:
			c.errs.add(first.key.pos, "%q needs %q: %s", verb.Name, p.Name, p.Says)
		case p.Default != "":
			a.Params = append(a.Params, Arg{Name: p.Name, Value: Value{Kind: p.Kind, Text: p.Default}})
		}
	}
	if c.v.Agree != nil {
		if err := c.v.Agree(*a, c.roleOf); err != nil {
			c.errs.add(first.key.pos, "%v", err)
		}
	}
	return a
}

// roleOf is the role of a party that the scenario names, or "".
func (c *checker) roleOf(id string) string {
	for _, p := range c.s.Parties {
		if p.ID == id {
			return p.Role
		}
	}
	return ""
}

// arg reads a parameter: a text, or the option chosen in a decision.
func (c *checker) arg(x *node, p Param) Value {
	v := Value{Kind: p.Kind, Text: strings.TrimSpace(x.text)}
	name, isChosen := strings.CutPrefix(v.Text, "chosen.")
	if !isChosen {
		if err := c.fits(p, v.Text); err != nil {
			c.errs.add(x.pos, "%v", err)
		}
		return v
	}
	d := c.byIdent[name]
	if d == nil {
		idents := make([]string, len(c.s.Decisions))
		for i, d := range c.s.Decisions {
			idents[i] = d.Ident
		}
		c.errs.add(x.pos, "there is no decision chosen.%s: %s", name, instead(name, idents))
		return v
	}
	c.pending = append(c.pending, chosenArg{pos: x.pos, param: p, decision: d})
	v.Text, v.Chosen = "", d.Name
	return v
}

// chosenArg is a parameter that a decision fills in, to be checked against the
// `if` of its entry.
type chosenArg struct {
	pos      Pos
	param    Param
	decision *Decision
}

// fitsChosen checks that whatever is chosen would do in the parameters of item.
// An option that the item's `if` excludes need not.
func (c *checker) fitsChosen(item *Item) {
	for _, a := range c.pending {
		for _, o := range a.decision.Options {
			err := c.fits(a.param, o.Name)
			if err == nil || excludes(item.If, a.decision, o.Name) {
				continue
			}
			c.errs.add(a.pos, "chosen.%s may be %q, which does not do for %q: %v; or add an \"if\" that leaves it out",
				a.decision.Ident, o.Name, a.param.Name, err)
		}
	}
	c.pending = nil
}

// excludes is whether a condition is false for one option of a decision,
// whatever else is the case. It must be about that decision alone to be known
// now.
func excludes(q *Condition, d *Decision, option string) bool {
	if q == nil || len(q.Needs) != 1 || q.Needs[0] != d.Name {
		return false
	}
	held, _, err := q.Holds(map[string]any{"chosen": Chosen{d.Ident: option}})
	return err == nil && !held
}

// whole checks what only the whole drill shows.
func (c *checker) whole(root *node) {
	asked := map[string]bool{}
	for _, i := range c.s.Timeline {
		asked[i.Decide] = true
	}
	follows := map[string][]string{}
	for _, d := range c.s.Decisions {
		for _, o := range d.Options {
			for _, t := range o.Then {
				asked[t.Decide] = true
				if t.Decide != "" {
					follows[d.Name] = append(follows[d.Name], t.Decide)
				}
			}
		}
	}
	for _, d := range c.s.Decisions {
		if !asked[d.Name] {
			c.errs.add(d.Pos, "decision %q is never asked: add \"decide: %s\" to the timeline, or take it out", d.Name, d.Name)
		}
		if path := circle(d.Name, follows, nil); path != nil {
			c.errs.add(d.Pos, "the decisions %s ask each other without end: let an option have \"again\" with its times instead", quoted(path))
		}
	}
	used := map[string]bool{}
	for _, i := range c.s.Timeline {
		if i.Inject != nil {
			used[i.Inject.Name] = true
		}
	}
	for _, d := range c.s.Decisions {
		for _, o := range d.Options {
			for _, t := range o.Then {
				if t.Inject != nil {
					used[t.Inject.Name] = true
				}
			}
		}
	}
	for _, i := range c.s.Injects {
		if !used[i.Name] {
			c.errs.add(i.Pos, "inject %q is never used: name it in the timeline or under \"then\", or take it out", i.Name)
		}
	}
	for _, i := range c.s.Timeline {
		if t := max(i.At, i.By); c.s.Ends > 0 && t >= c.s.Ends {
			c.errs.add(i.Pos, "this is at %s and the drill ends at %s", FormatTime(t), FormatTime(c.s.Ends))
		}
		if i.When == nil && i.If == nil && i.At == 0 && i.Decide == "" && len(i.Needs) > 0 {
			c.errs.add(i.Pos, "this needs an answer at 0:00, before anything was asked")
		}
	}
	if root.get("ends") != nil && c.s.Ends == 0 {
		c.errs.add(root.get("ends").pos, "a drill that ends at 0:00 never begins")
	}
}

// circle finds a way from name back to itself.
func circle(name string, follows map[string][]string, path []string) []string {
	if len(path) > 0 && path[0] == name {
		return path
	}
	if slices.Contains(path, name) {
		return nil
	}
	for _, n := range follows[name] {
		if p := circle(n, follows, append(slices.Clone(path), name)); p != nil {
			return p
		}
	}
	return nil
}

// Word is what the file calls the event: inject, decide, notify or do.
func (e Event) Word() string {
	switch {
	case e.Inject != nil:
		return "inject"
	case e.Decide != "":
		return "decide"
	case e.Notify != nil:
		return "notify"
	}
	return "do"
}

// String says in a few words what happens, for lists and records.
func (e Event) String() string {
	switch {
	case e.Inject != nil:
		return fmt.Sprintf("inject from %s", e.Inject.From)
	case e.Decide != "":
		return fmt.Sprintf("decide %s", e.Decide)
	case e.Notify != nil:
		return fmt.Sprintf("notify %s", e.Notify.Whom)
	case e.Do != nil:
		return strings.TrimSpace(fmt.Sprintf("%s %s", e.Do.Verb, e.Do.Object))
	}
	return "nothing"
}

// String is the text, or how the file names a chosen option.
func (v Value) String() string {
	if v.Chosen != "" {
		return "chosen." + ident.Replace(v.Chosen)
	}
	return v.Text
}
