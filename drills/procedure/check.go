package procedure

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

var phases = []string{"pre-recovery", "execution", "post-recovery"}

// check is what the shape of the file cannot say: identifiers are unique and
// present, words are from their lists, and a quorum and a threshold can be met.
func (p *Pack) check() error {
	if p.ID == "" || p.Title == "" || p.Source == "" || p.Version < 1 {
		return errors.New("a pack needs id, title, source and a version from 1")
	}
	var ids []string
	for _, s := range p.Steps {
		if !slices.Contains(phases, s.Phase) {
			return fmt.Errorf("step %q: phase %q is none of %s", s.ID, s.Phase, strings.Join(phases, ", "))
		}
		ids = append(ids, "step "+s.ID)
	}
	for _, b := range p.Bodies {
		votes := 0
		for _, m := range b.Members {
			ids = append(ids, "member "+b.ID+"/"+m.ID)
			if m.Vote {
				votes++
			}
		}
		if b.Quorum < 0 || b.Quorum > votes {
			return fmt.Errorf("body %q: a quorum of %d cannot be met by %d votes", b.ID, b.Quorum, votes)
		}
		if err := b.voting(); err != nil {
			return err
		}
		ids = append(ids, "body "+b.ID)
	}
	for _, f := range p.Factors {
		if f.Force != "shall" && f.Force != "may" {
			return fmt.Errorf("factor %q: force %q is neither shall nor may", f.ID, f.Force)
		}
		ids = append(ids, "factor "+f.ID)
	}
	parties := map[string]bool{}
	for _, c := range p.Custodians {
		if c.Party == "" || c.Travel < 0 {
			return fmt.Errorf("custodian %q: needs a party and a travel time from 0", c.Seat)
		}
		parties[c.Party] = true
		ids = append(ids, "custodian "+c.Seat)
	}
	if p.Threshold.Shares < 1 || p.Threshold.Shares > len(p.Custodians) || p.Threshold.Parties < 1 || p.Threshold.Parties > min(len(parties), p.Threshold.Shares) {
		return fmt.Errorf("threshold: %d shares of %d Parties cannot be met by %d custodians of %d Parties",
			p.Threshold.Shares, p.Threshold.Parties, len(p.Custodians), len(parties))
	}
	for _, l := range p.Limits {
		if l.Within <= 0 {
			return fmt.Errorf("limit %q: within must be longer than nothing", l.ID)
		}
		ids = append(ids, "limit "+l.ID)
	}
	for _, t := range p.Terms {
		if t.Says == "" {
			return fmt.Errorf("term %q: says nothing", t.Term)
		}
		ids = append(ids, "term "+t.Term)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if strings.HasSuffix(id, " ") || strings.HasSuffix(id, "/") {
			return fmt.Errorf("a %shas no id", id)
		}
		if seen[id] {
			return fmt.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	return nil
}

// voting checks that a body with a quorum says what decides, because an answer
// with the most votes is not yet one that the body gave.
func (b Body) voting() error {
	switch {
	case b.Quorum == 0 && b.Majority == "" && b.Casting() == "":
		return nil
	case !slices.Contains(Majorities(), b.Majority):
		return fmt.Errorf("body %q: majority %q is none of %s", b.ID, b.Majority, strings.Join(Majorities(), ", "))
	case b.CastingVote == "":
		return fmt.Errorf("body %q: needs a casting vote: a member's id, or %s", b.ID, None)
	case b.CastingVote != None && !slices.ContainsFunc(b.Members, func(m Member) bool { return m.ID == b.CastingVote && m.Vote }):
		return fmt.Errorf("body %q: the casting vote is of %q, who has no vote", b.ID, b.CastingVote)
	}
	return nil
}

// plain turns the parser's error, a page with an excerpt, into line, column and
// what is wrong.
func plain(err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		at := syntax.GetToken().Position
		return fmt.Errorf("%d:%d: %s", at.Line, at.Column, syntax.GetMessage())
	}
	return err
}
