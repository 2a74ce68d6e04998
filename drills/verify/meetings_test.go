package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/verify"
)

const (
	noVote    = "declares it and does not vote"
	notThere  = "declares it and leaves the room"
	declaring = "declares it and votes"
)

// met is a meeting in full: five have a vote, one of them for nothing, one abstains,
// one is stood in for.
func met(rule string) func(*journal.Question, *journal.Decision) {
	return func(q *journal.Question, d *journal.Decision) {
		large := journal.Conflict{Member: "large", Interest: "my employer's keys", Rule: rule, Left: rule == notThere}
		if rule != declaring {
			q.Voting.Conflict = rule
		} else {
			large.MayVote = true
		}
		d.Present, d.Absent = []string{"chair", "network", "small", "large"}, []string{"large-2"}
		if rule == notThere {
			d.Present = d.Present[:3]
		}
		d.Conflicts = []journal.Conflict{large}
		d.Votes = []journal.Vote{{Member: "chair", Option: yes}, {Member: "network", Option: yes, Reason: "no other way"}, {Member: "small", Option: no, Reason: "too soon"}}
		d.Dissent = []journal.Vote{d.Votes[2]}
		if rule == declaring {
			d.Votes = append(d.Votes, journal.Vote{Member: "large", Option: yes, Conflict: "my employer's keys"})
		}
		d.Alternates = []journal.Alternate{{Member: "small", Name: "p7"}}
		d.Ballot, d.Tally = "blind", "as counted"
	}
}

func TestMeetingsThatAreInOrder(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*journal.Question, *journal.Decision){
		"an interest takes nothing away":  met(declaring),
		"an interest takes the vote away": met(noVote),
		"who has an interest goes out":    met(notThere),
		"two abstain": func(q *journal.Question, d *journal.Decision) {
			q.Voting.Needed = 2
			d.Votes, d.Abstained = d.Votes[:2], []journal.Abstention{{Member: "small"}, {Member: "large", Reason: "new to me"}}
			d.Present, d.Absent, d.Tally = members[:4], members[4:], "as counted"
		},
		"a pack without a rule on interests": func(q *journal.Question, d *journal.Decision) {
			d.Conflicts = []journal.Conflict{{Member: "small", Interest: "a share", MayVote: true}}
			d.Votes[2].Conflict = "a share"
		},
		"one person for all": func(_ *journal.Question, d *journal.Decision) {
			d.Answered, d.Note, d.Votes, d.Present = "one person", "ONE PERSON REHEARSED: no committee voted", nil, nil
		},
		"one person, with the vote of the own seat": func(_ *journal.Question, d *journal.Decision) {
			d.Answered, d.Note, d.Votes = "one person", "ONE PERSON REHEARSED: no committee voted", d.Votes[:1]
		},
		"answered a second before the time is over": func(q *journal.Question, _ *journal.Decision) { q.Deadline = "0:01:01" },
		"a script, with nobody there":               func(_ *journal.Question, d *journal.Decision) { d.Answered, d.Votes = "script", nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, pack{bend: bend}.write(t).dir, verify.Options{})
			require.True(t, r.Intact, r.Verdict())
		})
	}
}

func TestMeetingsThatAreNot(t *testing.T) {
	t.Parallel()
	on := func(rule string, bend func(*journal.Question, *journal.Decision)) func(*journal.Question, *journal.Decision) {
		return func(q *journal.Question, d *journal.Decision) {
			met(rule)(q, d)
			bend(q, d)
		}
	}
	alone := func(bend func(*journal.Decision)) func(*journal.Question, *journal.Decision) {
		return func(_ *journal.Question, d *journal.Decision) {
			d.Answered, d.Note, d.Votes = "one person", "ONE PERSON REHEARSED: no committee voted", nil
			bend(d)
		}
	}
	type decision = journal.Decision
	for name, row := range map[string]struct {
		bend func(*journal.Question, *journal.Decision)
		want string
	}{
		"a vote of who has no vote for an interest": {on(noVote, func(_ *journal.Question, d *decision) {
			d.Votes = append(d.Votes, journal.Vote{Member: "large", Option: yes})
		}), `"large" voted and had no vote, having declared an interest`},
		"a vote of who left the room": {on(notThere, func(_ *journal.Question, d *decision) {
			d.Votes = append(d.Votes, journal.Vote{Member: "large", Option: yes})
		}), `"large" voted and had no vote`},
		"the record lets vote whom the rule does not": {on(noVote, func(_ *journal.Question, d *decision) {
			d.Conflicts[0].MayVote = true
			d.Votes = append(d.Votes, journal.Vote{Member: "large", Option: yes})
		}), `"large" was let vote with an interest, under the rule "declares it and does not vote"`},
		"the decision has another rule than the question": {on(noVote, func(_ *journal.Question, d *decision) {
			d.Conflicts[0].Rule, d.Conflicts[0].MayVote = declaring, true
			d.Votes = append(d.Votes, journal.Vote{Member: "large", Option: yes})
		}), "the question states another"},
		"a stricter rule than the question's": {on(declaring, func(_ *journal.Question, d *decision) {
			d.Conflicts[0].Rule, d.Conflicts[0].MayVote = noVote, false
			d.Votes = d.Votes[:3]
		}), "the question states another"},
		"a rule nobody knows":                          {on(declaring, func(_ *journal.Question, d *decision) { d.Conflicts[0].Rule = "shrugs" }), `a rule on interests that is not known here: "shrugs"`},
		"an interest twice":                            {on(noVote, func(_ *journal.Question, d *decision) { d.Conflicts = append(d.Conflicts, d.Conflicts[0]) }), "declared an interest twice"},
		"a vote with an interest that nobody declared": {on(declaring, func(_ *journal.Question, d *decision) { d.Votes[0].Conflict = "a cousin" }), "not among those declared"},
		"in the room for all that":                     {on(notThere, func(_ *journal.Question, d *decision) { d.Present = append(d.Present, "large") }), "left the room for an interest and is told to have been present"},
		"left, says the record, and did not have to":   {on(noVote, func(_ *journal.Question, d *decision) { d.Conflicts[0].Left = true }), `is not what the rule "declares it and does not vote" says`},
		"voted and abstained":                          {on(noVote, func(_ *journal.Question, d *decision) { d.Abstained = []journal.Abstention{{Member: "chair"}} }), `"chair" voted and abstained`},
		"abstained with no vote":                       {on(noVote, func(_ *journal.Question, d *decision) { d.Abstained = []journal.Abstention{{Member: "large"}} }), `"large" abstained and had no vote`},
		"voted and was not there":                      {on(noVote, func(_ *journal.Question, d *decision) { d.Present = d.Present[1:] }), `"chair" took part and is not told to have been present`},
		"absent and present":                           {on(noVote, func(_ *journal.Question, d *decision) { d.Absent = append(d.Absent, "chair") }), `"chair" was absent, and was not`},
		"neither":                                      {on(noVote, func(_ *journal.Question, d *decision) { d.Absent = []string{"somebody"} }), `"large-2" has a vote and is told neither present nor absent`},
		"stood in for twice":                           {on(noVote, func(_ *journal.Question, d *decision) { d.Alternates = append(d.Alternates, d.Alternates[0]) }), "had two alternates"},
		"a secret ballot":                              {on(noVote, func(_ *journal.Question, d *decision) { d.Ballot = "secret" }), "open or blind"},
		"a dissent left out":                           {on(noVote, func(_ *journal.Question, d *decision) { d.Dissent = nil }), "those who dissented"},
		"a dissent in other words": {on(noVote, func(_ *journal.Question, d *decision) {
			d.Dissent = []journal.Vote{{Member: "small", Option: no, Reason: "never"}}
		}), "those who dissented"},
		"abstentions counted as votes": {func(q *journal.Question, d *decision) {
			d.Votes, d.Abstained = d.Votes[:2], []journal.Abstention{{Member: "small"}}
		}, "2 members voted, 3 votes are needed"},
		"one person as a committee": {alone(func(d *decision) { d.Note = "3 for required" }), `one person answered, and the record says "3 for required"`},
		"one person with many votes": {alone(func(d *decision) {
			d.Votes = []journal.Vote{{Member: "chair", Option: yes}, {Member: "small", Option: yes}}
		}), "2 votes are told"},
		"one person against oneself":        {alone(func(d *decision) { d.Votes = []journal.Vote{{Member: "chair", Option: no}} }), `answered "required" and voted for "not required"`},
		"one person who counted":            {alone(func(d *decision) { d.Tally = "as counted" }), "told to have been counted"},
		"one person on a seat without vote": {alone(func(d *decision) { d.Votes = []journal.Vote{{Member: "authority", Option: yes}} }), `"authority" voted and has no vote`},
		"a script with votes":               {func(_ *journal.Question, d *decision) { d.Answered = "script" }, "script answered, and 3 votes are told"},
		"an answer when the time was over":  {func(q *journal.Question, _ *decision) { q.Deadline = "0:01" }, `"recovery key" was answered at 0:01:00, and the time to answer was over at 0:01:00`},
		"silence before the time was over": {func(q *journal.Question, d *decision) {
			q.Deadline, d.Answered, d.Votes = "0:01:01", "silence", nil
		}, "met with silence at 0:01:00, with time to answer until 0:01:01"},
		"a deadline that is no time":         {func(q *journal.Question, _ *decision) { q.Deadline = "soon" }, `"soon" is no scenario time`},
		"somebody nobody knows":              {func(_ *journal.Question, d *decision) { d.Answered = "the neighbours" }, "which is nobody known here"},
		"a vote of two for one who may not,": {on(noVote, func(_ *journal.Question, d *decision) { d.Votes = d.Votes[:2]; d.Dissent = nil }), "2 members voted, 3 votes are needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, pack{bend: row.bend}.write(t).dir, verify.Options{})
			require.False(t, r.Intact)
			require.Contains(t, r.Verdict(), "NOT INTACT: decisions")
			require.Contains(t, r.Verdict(), row.want)
		})
	}
}
