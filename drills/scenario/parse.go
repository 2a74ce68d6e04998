package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Parse reads and checks a scenario. Nothing in a Scenario that it returns can
// fail for want of a word later: every decision, party, option, verb, parameter,
// name and text was looked up, and every condition compiled.
//
// What is wrong comes back as Errors, everything at once and in the order of the
// file, each with its place and what would have been right. An error that is not
// Errors is a mistake in the vocabulary.
func Parse(file string, b []byte, v Vocabulary) (*Scenario, error) {
	root, err := read(file, b)
	if err != nil {
		return nil, err
	}
	c := &checker{v: v, s: &Scenario{File: file, Source: slices.Clone(b), vocabulary: v}, byIdent: map[string]*Decision{}}
	if checkShape(root, &c.errs); len(c.errs.list) > 0 {
		return nil, c.errs.err()
	}
	// Names first, so that what stands above can speak of what stands below.
	c.parties(root.get("parties"))
	idents := c.decisionNames(root.get("decisions"))
	if c.words, err = newWords(v, idents); err != nil {
		return nil, fmt.Errorf("laying out the vocabulary: %w", err)
	}
	c.head(root)
	c.estate(root.get("estate"))
	c.injects(root.get("injects"))
	c.s.Steady = c.expectations(root.get("steady"))
	c.decisions(root.get("decisions"))
	c.timeline(root.get("timeline"))
	c.s.Findings = c.expectations(root.get("findings"))
	c.whole(root)
	if err := c.errs.err(); err != nil {
		return nil, err
	}
	return c.s, nil
}

// checker turns nodes into a Scenario and collects what is wrong. The shape is
// known to be right.
type checker struct {
	v       Vocabulary
	s       *Scenario
	words   *words
	byIdent map[string]*Decision
	errs    errorList
	told    []string // everybody who can be told something
	pending []chosenArg
}

// text of a key, empty if it is absent.
func text(n *node, key string) string {
	if x := n.get(key); x != nil {
		return strings.TrimSpace(x.text)
	}
	return ""
}

// oneOf checks that the word at key is known, and returns it.
func (c *checker) oneOf(n *node, key, what string, known []string) string {
	x := n.get(key)
	if x == nil {
		return ""
	}
	return c.known(x, what, known)
}

func (c *checker) known(x *node, what string, known []string) string {
	if !slices.Contains(known, x.text) {
		c.errs.add(x.pos, "unknown %s %q: %s", what, x.text, instead(x.text, known))
	}
	return x.text
}

func (c *checker) time(n *node, key string) time.Duration {
	return unit(c, n, key, ParseTime)
}

func (c *checker) duration(n *node, key string) time.Duration {
	return unit(c, n, key, ParseDuration)
}

func unit[T any](c *checker, n *node, key string, parse func(string) (T, error)) (out T) {
	x := n.get(key)
	if x == nil {
		return out
	}
	out, err := parse(x.text)
	if err != nil {
		c.errs.add(x.pos, "%q: %v", key, err)
	}
	return out
}

func (c *checker) number(n *node, key string) int { return unit(c, n, key, ParseNumber) }

func (c *checker) head(root *node) {
	s := c.s
	s.ID, s.Title, s.About = text(root, "id"), text(root, "title"), text(root, "about")
	s.Lost = text(root, "lost")
	s.Label = c.oneOf(root, "label", "label", c.v.Labels)
	for _, x := range root.get("rehearses").items {
		s.Rehearses = append(s.Rehearses, c.known(x, "step of the procedure", c.stepIDs()))
	}
	s.Minutes = c.number(root, "minutes")
	s.Ends = c.time(root, "ends")
}

func (c *checker) stepIDs() []string {
	out := make([]string, len(c.v.Steps))
	for i, s := range c.v.Steps {
		out[i] = s.ID
	}
	return out
}

func (c *checker) bodyIDs() []string {
	out := make([]string, len(c.v.Bodies))
	for i, b := range c.v.Bodies {
		out[i] = b.ID
	}
	return out
}

func (c *checker) estate(n *node) {
	e := &c.s.Estate
	e.Devices = c.number(n, "devices")
	shares := []struct {
		key string
		to  *float64
	}{{"unreachable", &e.Unreachable}, {"late", &e.Late}, {"partly", &e.Partly}, {"prepayment", &e.Prepayment},
		{"sleepy", &e.Sleepy}, {"no wan", &e.NoWAN}, {"answers lost", &e.AnswersLost}, {"wrong network operator", &e.Wrong}, {"counters at odds", &e.AtOdds}}
	for _, s := range shares {
		*s.to = unit(c, n, s.key, ParseShare)
	}
	if sum := e.Unreachable + e.Late + e.Partly; sum > 1 {
		c.errs.add(n.pos, "unreachable, late and partly are %.4g%% of the devices together: at most 100%%", 100*sum)
	}
	e.Rate = unit(c, n, "rate", ParseRate)
	e.Regions = c.parts(n, "regions")
	e.Types = c.parts(n, "types")
	c.holders(n)
	if e.Sleepy > 0 {
		gas := 0.0
		for _, t := range e.Types {
			if t.Name == "gsme" {
				gas = t.Share
			}
		}
		if e.Sleepy > gas+1e-9 {
			c.errs.add(n.keyPos("sleepy"), "%.4g%% of the devices sleep and %.4g%% are gas meters, the only ones that do: add gsme under types", 100*e.Sleepy, 100*gas)
		}
	}
}

// parts reads shares that add up to the whole.
func (c *checker) parts(n *node, key string) []Region {
	parts, sum := c.shares(n, key)
	if parts != nil && (sum < 1-1e-9 || sum > 1+1e-9) {
		c.errs.add(n.keyPos(key), "the %s are %.6g%% of the devices together: they must add up to 100%%", key, 100*sum)
	}
	return parts
}

func (c *checker) shares(n *node, key string) (parts []Region, sum float64) {
	in := n.get(key)
	if in == nil {
		return nil, 0
	}
	for _, p := range in.pairs {
		f, err := ParseShare(p.value.text)
		if err != nil {
			c.errs.add(p.value.pos, "%q: %v", p.key.text, err)
		}
		sum += f
		parts = append(parts, Region{Name: p.key.text, Share: f})
	}
	return parts, sum
}

// holders checks what the estate says of parties, once these are known.
func (c *checker) holders(n *node) {
	e := &c.s.Estate
	e.Held, _ = c.shares(n, "held by")
	sum, named, count := map[string]float64{}, map[string]int{}, map[string]int{}
	for _, p := range c.s.Parties {
		count[p.Role]++
	}
	for _, h := range e.Held {
		p, ok := c.s.Party(h.Name)
		if !ok {
			c.errs.add(n.keyPos("held by"), "%q holds devices and is no party of this drill: write one of %s", h.Name, strings.Join(c.named(), ", "))
			continue
		}
		sum[p.Role] += h.Share
		named[p.Role]++
	}
	for role := range sum {
		switch all := named[role] == count[role]; {
		case sum[role] > 1+1e-9:
			c.errs.add(n.keyPos("held by"), "the parties with role %s hold %.6g%% of the devices together: at most 100%%", role, 100*sum[role])
		case all && sum[role] < 1-1e-9:
			c.errs.add(n.keyPos("held by"), "the parties with role %s hold %.6g%% of the devices together: they must hold all, or leave one party out, which gets the rest", role, 100*sum[role])
		}
	}
	if e.Wrong > 0 && count["networkOperator"] < 2 {
		c.errs.add(n.keyPos("wrong network operator"), "a device can hold another network operator's certificates only if there is another: add a second party with role networkOperator")
	}
}

func (c *checker) parties(n *node) {
	for _, p := range n.pairs {
		c.s.Parties = append(c.s.Parties, Party{Pos: p.key.pos, ID: p.key.text, Name: text(p.value, "name"),
			Category: c.oneOf(p.value, "category", "party category", c.v.Categories),
			Role:     c.oneOf(p.value, "role", "party role", c.v.Roles)})
	}
	for _, p := range c.s.Parties {
		if slices.Contains(c.v.Implied, p.ID) {
			c.errs.add(p.Pos, "%q is a party of every drill: give yours another name", p.ID)
		}
	}
	c.told = slices.Concat(c.v.Recipients, c.bodyIDs(), c.named())
}

// named are the parties that the scenario names.
func (c *checker) named() []string {
	out := make([]string, len(c.s.Parties))
	for i, p := range c.s.Parties {
		out[i] = p.ID
	}
	return out
}

// partyIDs are all parties: those that the scenario names, and those of every drill.
func (c *checker) partyIDs() []string { return slices.Concat(c.named(), c.v.Implied) }

func (c *checker) expectations(n *node) []Expectation {
	var out []Expectation
	for _, x := range n.items {
		e := Expectation{Pos: x.pos, Expect: c.condition(x.get("expect"), true), Says: text(x, "says")}
		if e.Says == "" {
			e.Says = text(x, "expect")
		}
		out = append(out, e)
	}
	return out
}

func (c *checker) injects(n *node) {
	if n == nil {
		return
	}
	for _, p := range n.pairs {
		i := c.inject(p.value)
		i.Pos, i.Name, i.Text = p.key.pos, p.key.text, text(p.value, "text")
		c.s.Injects = append(c.s.Injects, *i)
	}
}

// inject reads as, from and to.
func (c *checker) inject(n *node) *Inject {
	i := &Inject{Pos: n.pos, As: c.oneOf(n, "as", "way for an inject to arrive", c.v.Channels), From: text(n, "from")}
	for _, x := range n.get("to").items {
		i.To = append(i.To, c.known(x, "recipient", c.told))
	}
	return i
}

// reserved are words that CEL keeps for itself.
var reserved = []string{"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let",
	"loop", "namespace", "null", "package", "return", "true", "var", "void", "while"}

// ident is how CEL says a name with spaces or hyphens.
var ident = strings.NewReplacer(" ", "_", "-", "_")

// decisionNames finds the names of the decisions and how CEL says them.
func (c *checker) decisionNames(n *node) []string {
	var out []string
	for _, p := range n.pairs {
		id := ident.Replace(p.key.text)
		switch {
		case slices.Contains(out, id):
			c.errs.add(p.key.pos, "two decisions would both be chosen.%s: give %q another name", id, p.key.text)
			continue
		case slices.Contains(reserved, id):
			c.errs.add(p.key.pos, "%q is a word that conditions keep for themselves: give the decision another name", p.key.text)
			continue
		}
		out = append(out, id)
		c.s.Decisions = append(c.s.Decisions, Decision{Pos: p.key.pos, Name: p.key.text, Ident: id})
	}
	// Pointers are taken when the slice has its final size. Options are filled in
	// now, because conditions anywhere compare with them.
	for i := range c.s.Decisions {
		d := &c.s.Decisions[i]
		c.byIdent[d.Ident] = d
		for _, o := range n.get(d.Name).get("options").pairs {
			d.Options = append(d.Options, Option{Pos: o.key.pos, Name: o.key.text})
		}
	}
	return out
}

func (c *checker) decisionList() []string {
	out := make([]string, len(c.s.Decisions))
	for i, d := range c.s.Decisions {
		out[i] = d.Name
	}
	return out
}

var phraseParty = regexp.MustCompile(`\{party\}`)

// fits checks a text against what a parameter takes.
func (c *checker) fits(p Param, s string) error {
	var err error
	oneOf := func(what string, known []string) error {
		if slices.Contains(known, s) {
			return nil
		}
		return fmt.Errorf("unknown %s %q: %s", what, s, instead(s, known))
	}
	switch p.Kind {
	case PartyID:
		return oneOf("party", c.partyIDs())
	case Number:
		_, err = ParseNumber(s)
	case Share:
		_, err = ParseShare(s)
	case Duration:
		_, err = ParseDuration(s)
	case Time:
		_, err = ParseTime(s)
	case Choice:
		return oneOf(p.Name, p.Values)
	case Phrase:
		var known []string
		for _, v := range p.Values {
			if !phraseParty.MatchString(v) {
				known = append(known, v)
				continue
			}
			for _, id := range c.partyIDs() {
				known = append(known, phraseParty.ReplaceAllString(v, id))
			}
		}
		return oneOf(p.Name, known)
	case Flag:
		return oneOf(p.Name, []string{"true", "false"})
	case Key:
		return oneOf("key", c.v.Keys)
	case BodyID:
		return oneOf("body", c.bodyIDs())
	case Text:
		if strings.TrimSpace(s) == "" {
			return fmt.Errorf("%q is empty: write some words", p.Name)
		}
	}
	return err
}
