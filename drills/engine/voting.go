package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// moreThanHalf is the majority of a body whose pack names none.
const moreThanHalf = "more than half of the votes cast"

// A majority says whether n votes of cast, in a body with so many seats, are one.
type majority func(n, cast, seats int) bool

// majorities are the rules that votes are counted by, under the words of the
// procedure pack (procedure.Majorities).
var majorities = map[string]majority{
	moreThanHalf: func(n, cast, _ int) bool { return 2*n > cast },
	"more than half of the members with a vote": func(n, _, seats int) bool { return 2*n > seats },
	"two thirds of the votes cast":              func(n, cast, _ int) bool { return 3*n >= 2*cast && n > 0 },
}

// votingOf is the rule by which votes decide a question, or nil where its body
// answers without a count of votes. A question that can open a key is always put
// to the vote, whatever the scenario leaves out.
func votingOf(d *scenario.Decision, b *scenario.Body) (*journal.Voting, error) {
	opens := slices.ContainsFunc(d.Options, func(o scenario.Option) bool { return o.Opens != nil })
	if d.Quorum == 0 && !opens {
		return nil, nil
	}
	v := &journal.Voting{Needed: d.Quorum, Voters: []string{}, Majority: cmp.Or(b.Majority, moreThanHalf), Casting: b.Casting}
	if majorities[v.Majority] == nil {
		return nil, fmt.Errorf("counting the votes of %s: there is no rule %q", b.ID, v.Majority)
	}
	if b.Conflict != declaresAndVotes {
		v.Conflict = b.Conflict
	}
	for _, m := range b.Members {
		if m.Vote {
			v.Voters = append(v.Voters, m.ID)
		}
	}
	if v.Needed == 0 {
		v.Needed = max(b.Quorum, len(v.Voters)/2+1)
	}
	v.Says = votingWords(v, b)
	return v, nil
}

// votingWords is the rule as the members read it.
func votingWords(v *journal.Voting, b *scenario.Body) string {
	who := fmt.Sprintf("%s must be cast", votes(v.Needed))
	if n := len(v.Voters); n > 0 {
		who = fmt.Sprintf("%d of %d members must vote", v.Needed, n)
	}
	tie := "a tie decides nothing"
	if v.Casting != "" {
		tie = fmt.Sprintf("at a tie the vote of %s counts once more", v.Casting)
	}
	s := fmt.Sprintf("%s; %s must be for one answer; %s", who, v.Majority, tie)
	if v.Conflict != "" {
		s += "; a member with an interest " + v.Conflict
	}
	if !b.Verified {
		s += " (sample)"
	}
	return s
}

// A Tally is what votes came to.
type Tally struct {
	Option  string // that was decided; empty if none was
	Split   string // such as 3 for required, 2 for not required (chair: required, …)
	Why     string // nothing was decided, in words for those who voted
	Casting string // member whose casting vote decided; empty: it was not needed
}

// Count counts votes by the rule of the question, which must have one. The votes
// must be of different members and for options that are offered.
func (q Question) Count(cast []journal.Vote) Tally {
	counts, casting := map[string]int{}, ""
	var each []string
	for _, v := range cast {
		counts[v.Option]++
		each = append(each, v.Member+": "+v.Option)
		if v.Member == q.Voting.Casting {
			casting = v.Option
		}
	}
	var options, parts []string
	for _, o := range q.Options {
		if counts[o.Name] > 0 {
			options = append(options, o.Name)
		}
	}
	slices.SortStableFunc(options, func(a, b string) int { return counts[b] - counts[a] })
	for _, o := range options {
		parts = append(parts, fmt.Sprintf("%d for %s", counts[o], o))
	}
	t := Tally{Split: fmt.Sprintf("%s (%s)", strings.Join(parts, ", "), strings.Join(each, ", "))}
	if len(cast) < q.Voting.Needed {
		t.Why = fmt.Sprintf("%s, and %d are needed", votes(len(cast)), q.Voting.Needed)
		return t
	}
	wins := majorities[q.Voting.Majority]
	first, n, seats := options[0], counts[options[0]], len(q.Voting.Voters)
	if seats == 0 {
		seats = len(cast)
	}
	tied := len(options) > 1 && counts[options[1]] == n
	switch {
	case wins(n, len(cast), seats):
		t.Option = first
	case tied && casting != "" && counts[casting] == n && wins(n+1, len(cast)+1, seats):
		t.Option, t.Casting = casting, q.Voting.Casting
		t.Split += fmt.Sprintf(", decided by the casting vote of %s", q.Voting.Casting)
	default:
		t.Why = fmt.Sprintf("%s: no answer has %s, so nothing is decided", t.Split, q.Voting.Majority)
	}
	return t
}

func votes(n int) string {
	if n == 1 {
		return "1 vote"
	}
	return fmt.Sprintf("%d votes", n)
}

// refuseVotes says why votes decide nothing, or not what the answer says.
func refuseVotes(q Question, a Answer) string {
	if why := refuseVoters(q, a); why != "" {
		return why
	}
	m, why := meets(q, a)
	if why != "" || q.Voting == nil {
		return why
	}
	t := q.Count(a.Votes)
	switch {
	case t.Why != "":
		for _, c := range m.conflicts {
			if !c.MayVote && q.hasVote(c.Member) {
				t.Why += fmt.Sprintf("; %q has an interest and no vote", c.Member)
			}
		}
		return t.Why
	case a.Option != t.Option:
		return fmt.Sprintf("the answer says %q and the votes say %q: %s", a.Option, t.Option, t.Split)
	}
	return ""
}

// refuseVoters says why votes are none: each is of another member who has one, and
// for an option.
func refuseVoters(q Question, a Answer) string {
	var voted []string
	for _, v := range a.Votes {
		if slices.Contains(voted, v.Member) {
			return fmt.Sprintf("%q has two votes", v.Member)
		}
		voted = append(voted, v.Member)
		if _, ok := q.Option(v.Option); !ok {
			return fmt.Sprintf("%q votes for %q, which is no option", v.Member, v.Option)
		}
		if !q.hasVote(v.Member) {
			return fmt.Sprintf("%q has no vote in %s", v.Member, q.Body.ID)
		}
	}
	return ""
}

// refuseOne says why the answer of one person who rehearses alone cannot be taken.
// A committee of one has no votes to count: the person's own may stand there.
func refuseOne(q Question, a Answer) string {
	if why := refuseVoters(q, a); why != "" {
		return why
	}
	switch {
	case len(a.Votes) > 1:
		return fmt.Sprintf("one person rehearses, and there are %d votes", len(a.Votes))
	case len(a.Votes) == 1 && a.Votes[0].Option != a.Option:
		return fmt.Sprintf("the answer says %q and the vote says %q", a.Option, a.Votes[0].Option)
	}
	_, why := meets(q, a)
	return why
}
