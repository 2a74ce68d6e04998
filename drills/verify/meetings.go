package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a member with an interest does, in the words of the record. A rule that is
// not stated takes nothing away.
const (
	interestVotes    = "declares it and votes"
	interestNoVote   = "declares it and does not vote"
	interestNotThere = "declares it and leaves the room"
)

// rehearsedAlone is the note of a decision that one person took for a committee.
const rehearsedAlone = "ONE PERSON REHEARSED: no committee voted"

// A vote of one member.
type vote struct {
	Member   string `json:"member"`
	Option   string `json:"option"`
	Reason   string `json:"reason"`
	Conflict string `json:"conflict"`
}

// A meeting is what a decision says of those who took it.
type meeting struct {
	Present   []string `json:"present"`
	Absent    []string `json:"absent"`
	Abstained []struct {
		Member string `json:"member"`
	} `json:"abstained"`
	Conflicts []struct {
		Member  string `json:"member"`
		Rule    string `json:"rule"`
		MayVote bool   `json:"may_vote"`
		Left    bool   `json:"left"`
	} `json:"conflicts"`
	Alternates []struct {
		Member string `json:"member"`
	} `json:"alternates"`
	Ballot  string `json:"ballot"`
	Tally   string `json:"tally"`
	Dissent []vote `json:"dissent"`
}

// met checks that a meeting was held by its own rules: who has no vote for an
// interest cast none, who voted or abstained was there and did one of the two, who
// was absent is told, and every vote against what was chosen stands as dissent.
func (d decision) met() error {
	voters := []string{}
	if d.asked.Voting != nil {
		voters = d.asked.Voting.Voters
	}
	barred, left, err := d.interests(voters)
	if err != nil {
		return err
	}
	voted := map[string]bool{}
	for _, v := range d.body.Votes {
		if barred[v.Member] {
			return fmt.Errorf("%q voted and had no vote, having declared an interest", v.Member)
		}
		if _, declared := barred[v.Member]; v.Conflict != "" && !declared {
			return fmt.Errorf("%q voted with the interest %q, which is not among those declared", v.Member, v.Conflict)
		}
		voted[v.Member] = true
	}
	there := map[string]bool{}
	for _, a := range d.body.Abstained {
		switch {
		case voted[a.Member]:
			return fmt.Errorf("%q voted and abstained, or abstained twice", a.Member)
		case barred[a.Member], len(voters) > 0 && !slices.Contains(voters, a.Member):
			return fmt.Errorf("%q abstained and had no vote", a.Member)
		}
		voted[a.Member] = true
	}
	for _, a := range d.body.Alternates {
		if there[a.Member] {
			return fmt.Errorf("%q had two alternates", a.Member)
		}
		there[a.Member] = true
	}
	for member := range voted {
		there[member] = true
	}
	if err := d.attended(voters, there, left); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "open", "blind"}, d.body.Ballot) {
		return fmt.Errorf("a ballot is open or blind, this one was %q", d.body.Ballot)
	}
	return d.dissented()
}

// inTime checks that an answer came before its deadline, and that silence was heard
// no earlier than that. A question that states none has none.
func (d decision) inTime() error {
	deadline := d.asked.Deadline
	if deadline == "" {
		return nil
	}
	if strings.Count(deadline, ":") == 1 {
		deadline += ":00" // hours and minutes, where the seconds are none
	}
	by, err := scenarioTime(deadline)
	late := d.entry.at.Truncate(time.Second) >= by
	switch {
	case err != nil:
		return fmt.Errorf("the deadline of %q: %v", d.body.Decision, err)
	case late && d.body.Answered != "silence":
		return fmt.Errorf("%q was answered at %s, and the time to answer was over at %s", d.body.Decision, d.entry.At, deadline)
	case !late && d.body.Answered == "silence":
		return fmt.Errorf("%q is told to have been met with silence at %s, with time to answer until %s", d.body.Decision, d.entry.At, deadline)
	}
	return nil
}

// interests returns who declared one, whether it took the vote away, and who left
// the room for it. The rule is the question's.
func (d decision) interests(voters []string) (barred map[string]bool, left map[string]bool, err error) {
	barred, left = map[string]bool{}, map[string]bool{}
	for i, c := range d.body.Conflicts {
		_, twice := barred[c.Member]
		noVote := c.Rule == interestNoVote || c.Rule == interestNotThere
		switch {
		case twice:
			return nil, nil, fmt.Errorf("%q declared an interest twice", c.Member)
		case !slices.Contains([]string{"", interestVotes, interestNoVote, interestNotThere}, c.Rule):
			return nil, nil, fmt.Errorf("a rule on interests that is not known here: %q", c.Rule)
		case c.Rule != d.body.Conflicts[0].Rule:
			return nil, nil, fmt.Errorf("two rules on interests in one decision: %q and %q", d.body.Conflicts[0].Rule, d.body.Conflicts[i].Rule)
		case d.asked.Voting != nil && noVote && d.asked.Voting.Conflict != c.Rule,
			d.asked.Voting != nil && !noVote && !slices.Contains([]string{"", interestVotes}, d.asked.Voting.Conflict):
			return nil, nil, fmt.Errorf("%q had an interest under the rule %q, the question states another, %q", c.Member, c.Rule, d.asked.Voting.Conflict)
		case noVote && c.MayVote:
			return nil, nil, fmt.Errorf("%q was let vote with an interest, under the rule %q", c.Member, c.Rule)
		case c.Left != (c.Rule == interestNotThere):
			return nil, nil, fmt.Errorf("whether %q left the room for an interest is not what the rule %q says", c.Member, c.Rule)
		case c.MayVote && len(voters) > 0 && !slices.Contains(voters, c.Member):
			return nil, nil, fmt.Errorf("%q was let vote and has no vote", c.Member)
		}
		barred[c.Member], left[c.Member] = !c.MayVote, c.Left
	}
	return barred, left, nil
}

// attended holds those who took part against those who are told to have been there.
// A record that tells neither who was present nor who was absent says nothing.
func (d decision) attended(voters []string, there, left map[string]bool) error {
	if len(d.body.Present) == 0 && len(d.body.Absent) == 0 {
		return nil
	}
	present := map[string]bool{}
	for _, member := range d.body.Present {
		if present[member] {
			return fmt.Errorf("%q was present twice", member)
		}
		if left[member] {
			return fmt.Errorf("%q left the room for an interest and is told to have been present", member)
		}
		present[member] = true
	}
	absent := map[string]bool{}
	for _, member := range d.body.Absent {
		if present[member] || left[member] || absent[member] {
			return fmt.Errorf("%q was absent, and was not", member)
		}
		absent[member] = true
	}
	for member := range there {
		if !present[member] && !left[member] {
			return fmt.Errorf("%q took part and is not told to have been present", member)
		}
	}
	for _, member := range voters {
		if !present[member] && !absent[member] && !left[member] {
			return fmt.Errorf("%q has a vote and is told neither present nor absent", member)
		}
	}
	return nil
}

// dissented checks that those are told who voted for something else than was chosen,
// all of them and in their words.
func (d decision) dissented() error {
	var against []vote
	for _, v := range d.body.Votes {
		if v.Option != d.body.Chosen {
			against = append(against, v)
		}
	}
	if len(d.body.Dissent) == 0 && d.body.Tally == "" {
		return nil // of before dissent was told apart
	}
	if !slices.Equal(against, d.body.Dissent) {
		return errors.New("those who dissented are not those who voted for another answer")
	}
	return nil
}

// alone checks the decision of one person who rehearsed for a committee: it says so,
// and no votes of others stand beside it.
func (d decision) alone() error {
	switch {
	case d.body.Note != rehearsedAlone:
		return fmt.Errorf("one person answered, and the record says %q", d.body.Note)
	case len(d.body.Votes) > 1:
		return fmt.Errorf("one person answered, and %d votes are told", len(d.body.Votes))
	case len(d.body.Votes) == 1 && d.body.Votes[0].Option != d.body.Chosen:
		return fmt.Errorf("one person answered %q and voted for %q", d.body.Chosen, d.body.Votes[0].Option)
	case d.body.Tally != "":
		return errors.New("one person answered, and votes are told to have been counted")
	}
	if rule := d.asked.Voting; rule != nil && len(rule.Voters) > 0 && len(d.body.Votes) == 1 && !slices.Contains(rule.Voters, d.body.Votes[0].Member) {
		return fmt.Errorf("%q voted and has no vote", d.body.Votes[0].Member)
	}
	return nil
}
