package procedure

import (
	"fmt"
	"slices"
	"strings"
)

// Body is somebody who decides. Quorum is the number of votes that must be cast,
// 0 for a body without one. Majority is what one answer must have of them, one of
// [Majorities]; a body with a quorum has it. CastingVote is the member whose vote
// counts once more when the votes are tied, or none.
type Body struct {
	ID          string   `yaml:"id"`
	Name        string   `yaml:"name"`
	Quorum      int      `yaml:"quorum"`
	Majority    string   `yaml:"majority"`
	CastingVote string   `yaml:"casting vote"`
	Alternates  string   `yaml:"alternates"` // who may stand in for a member, in words
	Conflict    string   `yaml:"conflict"`   // what a member with an interest does, one of [Conflicts]
	Urgent      string   `yaml:"urgent"`     // how it meets when there is no time, in words
	Members     []Member `yaml:"members"`
	Basis       `yaml:",inline"`
}

// Member is a seat; persons are named by those who run an exercise, not here.
// Alternate is the seat or the person by office who stands in.
type Member struct {
	ID        string `yaml:"id"`
	Name      string `yaml:"name"`
	Vote      bool   `yaml:"vote"`
	Alternate string `yaml:"alternate"`
}

// None is the casting vote of a body in which nobody has one, and the decision of
// a procedure that needs none.
const None = "none"

// Casting is the member with the casting vote, or nothing.
func (b Body) Casting() string {
	if b.CastingVote == None {
		return ""
	}
	return b.CastingVote
}

// Votes counts the seats with a vote.
func (b Body) Votes() int {
	n := 0
	for _, m := range b.Members {
		if m.Vote {
			n++
		}
	}
	return n
}

// Majorities are the rules a pack may name. Whoever counts votes (drills/engine)
// and whoever counts them again (drills/verify) know each of them by these words,
// which stand in records and must not change.
func Majorities() []string {
	return []string{"more than half of the votes cast", "more than half of the members with a vote", "two thirds of the votes cast"}
}

// Conflicts are what a pack may have a member with an interest do.
func Conflicts() []string {
	return []string{"declares it and votes", "declares it and does not vote", "declares it and leaves the room"}
}

// voting checks that a body with a quorum says what decides, because an answer
// with the most votes is not yet one that the body gave.
func (b Body) voting() error {
	switch {
	case b.Conflict != "" && !slices.Contains(Conflicts(), b.Conflict):
		return fmt.Errorf("body %q: conflict %q is none of %s", b.ID, b.Conflict, strings.Join(Conflicts(), ", "))
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
