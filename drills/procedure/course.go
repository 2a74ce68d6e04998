package procedure

import (
	"slices"
	"strings"
)

// Phases are the three parts that every procedure has, in order.
func Phases() []string { return []string{"pre-recovery", "execution", "post-recovery"} }

// Step is a step that procedures are made of. Phase is one of [Phases].
type Step struct {
	ID       string `yaml:"id"`
	Phase    string `yaml:"phase"`
	Says     string `yaml:"says"`     // the action
	Actor    string `yaml:"actor"`    // who does it: a body or a recipient
	Evidence string `yaml:"evidence"` // what shows afterwards that it was done
	Limit    string `yaml:"limit"`    // id of the time limit it has, or nothing
	// Seen is what in a record shows that the step was done, beside acts and
	// notifications that a scenario gives the step's name: "decision of pma",
	// "decision confirm" for decisions whose names begin so, "did renew issuing-oca"
	// for acts that begin so, "key opened", "method 1 sent".
	Seen []string `yaml:"seen in"`
	// Tells keeps the step out of players' papers: to know that it is rehearsed is to
	// know how the drill goes.
	Tells bool `yaml:"tells"`
	Basis `yaml:",inline"`
}

// The words that begin an entry of [Step.Seen].
const (
	SeenDecisionOf = "decision of "
	SeenDecision   = "decision "
	SeenDid        = "did "
	SeenKeyOpened  = "key opened"
	SeenSent       = " sent" // ends it: method 1 sent
)

// A Procedure is how one compromised key, or one of several alike, is recovered
// from by one method: which steps, in which order.
type Procedure struct {
	ID     string   `yaml:"id"`
	Title  string   `yaml:"title"`
	Keys   []string `yaml:"keys"`   // compromised: supplier, networkOperator, root …
	Method string   `yaml:"method"` // as the drill language says it: method 1, contingency key …
	Right  string   `yaml:"right when"`
	// Decision is the body that must have decided before the execution, or none.
	Decision string   `yaml:"decision"`
	Opens    string   `yaml:"opens"` // key that custodians open for it: recovery, contingency; empty: none
	Modes    []int    `yaml:"modes"` // credentials replacement modes (GBCS CS02b); empty: no such command
	Cells    []string `yaml:"cells"` // what on a device is replaced
	Work     string   `yaml:"ca work"`
	Order    []Place  `yaml:"steps"`
	Basis    `yaml:",inline"`
}

// A Place is a step in a procedure with what may come after it. Without Next that
// is the place below, and nothing after the last.
type Place struct {
	Step string `yaml:"step"`
	Next []Next `yaml:"next"`
}

// Next is where a step leads, and on what condition, in words.
type Next struct {
	To string `yaml:"to"` // a step of the same procedure, or end
	If string `yaml:"if"`
}

// End is where a procedure stops early.
const End = "end"

// After returns what may follow a place: what it says, or the place below.
func (p Procedure) After(i int) []Next {
	switch {
	case len(p.Order[i].Next) > 0:
		return p.Order[i].Next
	case i+1 < len(p.Order):
		return []Next{{To: p.Order[i+1].Step}}
	}
	return nil
}

// reached marks the places that can be come to from the first.
func (p Procedure) reached() []bool {
	seen := make([]bool, len(p.Order))
	var visit func(i int)
	visit = func(i int) {
		if i < 0 || i >= len(p.Order) || seen[i] {
			return
		}
		seen[i] = true
		for _, n := range p.After(i) {
			visit(slices.IndexFunc(p.Order, func(x Place) bool { return x.Step == n.To }))
		}
	}
	visit(0)
	return seen
}

// For returns the procedures for a compromised key, in the order of the pack.
func (p *Pack) For(key string) []Procedure {
	var out []Procedure
	for _, x := range p.Procedures {
		if slices.Contains(x.Keys, key) {
			out = append(out, x)
		}
	}
	return out
}

// Procedure returns a procedure by its id.
func (p *Pack) Procedure(id string) (Procedure, bool) {
	i := slices.IndexFunc(p.Procedures, func(x Procedure) bool { return x.ID == id })
	if i < 0 {
		return Procedure{}, false
	}
	return p.Procedures[i], true
}

// Notice is a duty to tell somebody: a Party, an RDP, the DCC, the SMKI PMA or the
// Panel. Its clock starts with Step, or with the event that From learns of where
// there is none.
type Notice struct {
	ID    string `yaml:"id"`
	From  string `yaml:"from"`
	To    string `yaml:"to"`
	Says  string `yaml:"says"`
	Step  string `yaml:"step"`
	Limit string `yaml:"limit"`
	Basis `yaml:",inline"`
}

// Mechanism is a way to make sure who reported something, and whether it is
// enough by itself.
type Mechanism struct {
	ID     string `yaml:"id"`
	Says   string `yaml:"says"`
	Enough bool   `yaml:"enough"`
	Basis  `yaml:",inline"`
}

// seenWell says whether an entry of Seen can be read.
func seenWell(s string) bool {
	return s == SeenKeyOpened || strings.HasPrefix(s, SeenDecision) && len(s) > len(SeenDecision) ||
		strings.HasPrefix(s, SeenDid) && len(s) > len(SeenDid) || strings.HasSuffix(s, SeenSent) && len(s) > len(SeenSent)
}
