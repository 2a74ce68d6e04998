package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

const (
	declaresOnly = "declares it and does not vote"
	declaresOut  = "declares it and leaves the room"
)

// committee is the vocabulary of a body with a rule on interests and alternates.
func committee(rule, casting string) scenario.Vocabulary {
	v := vocabulary()
	v.Bodies[1].Conflict, v.Bodies[1].Casting, v.Bodies[1].Alternates = rule, casting, "a member may name anybody"
	v.Bodies[1].Members = []scenario.Member{
		{ID: "chair", Name: "Chair", Vote: true, Alternate: "whom the Chair names"}, {ID: "large", Name: "large supplier", Vote: true},
		{ID: "small", Name: "small supplier", Vote: true}, {ID: "network", Name: "network", Vote: true}, {ID: "authority", Name: "Authority"},
	}
	return v
}

// decides plays the drill with one answer after another to its key question, and
// returns the decision and why answers were put again.
func decides(t *testing.T, v scenario.Vocabulary, answers ...engine.Answer) (*fixture, journal.Decision, []string) {
	t.Helper()
	f := newFixtureIn(t, t.TempDir(), drill(t), v)
	n, refused := 0, []string{}
	f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
		if q.Decision.Name != "key" || q.Asking > 1 {
			return engine.Script().Decide(t.Context(), q)
		}
		if q.Refused != "" {
			refused = append(refused, q.Refused)
		}
		if n == len(answers) {
			return engine.Answer{Silent: true}, nil
		}
		a := answers[n]
		a.Assessed = []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}
		n++
		return a, nil
	})
	r := f.run(t.Context())
	require.Equal(t, engine.Finished, r.Outcome.Outcome, r.Why)

	// Whatever the meeting was, playing it again gives its record.
	again := newFixtureIn(t, t.TempDir(), drill(t), v)
	recording, err := engine.ReadRecording(f.entries())
	require.NoError(t, err)
	again.c.Recording, again.c.Decider = recording, recording.Decider(engine.Script())
	again.run(t.Context())
	differ, err := engine.Differ(f.entries(), again.entries(), 0)
	require.NoError(t, err)
	require.Empty(t, differ)
	return f, bodies[journal.Decision](f, journal.KindDecision)[1], refused
}

func vote(member, option string) journal.Vote { return journal.Vote{Member: member, Option: option} }

// What a member with an interest does is the body's rule, and the engine sees to it.
func TestInterests(t *testing.T) {
	t.Parallel()
	three := []journal.Vote{vote("chair", "required"), vote("large", "required"), vote("small", "not required")}
	declared := []journal.Conflict{{Member: "large", Interest: "our own keys"}}
	for _, row := range []struct {
		rule    string
		refused string
		says    string // in the rule that the question states
		want    journal.Conflict
		present []string
		tally   string
	}{
		{"", "", "", journal.Conflict{Member: "large", Interest: "our own keys", MayVote: true}, []string{"chair", "large", "small"},
			`4 members have a vote. Absent: network. 3 votes were cast, 2 needed. "required" has 2, and more than half of the votes cast is 2; nobody has a casting vote.`},
		{"declares it and votes", "", "", journal.Conflict{Member: "large", Interest: "our own keys", Rule: "declares it and votes", MayVote: true}, []string{"chair", "large", "small"}, "nobody has a casting vote."},
		{declaresOnly, `"large" has declared an interest and has no vote in this: by the rule of the pma, a member with an interest declares it and does not vote`, declaresOnly,
			journal.Conflict{Member: "large", Interest: "our own keys", Rule: declaresOnly}, []string{"chair", "large", "small"},
			`4 members have a vote. Absent: network. Without a vote for an interest: large supplier. 2 votes were cast, 2 needed. "required" has 2, and more than half of the votes cast is 2; nobody has a casting vote.`},
		{declaresOut, `by the rule of the pma, a member with an interest declares it and leaves the room`, declaresOut,
			journal.Conflict{Member: "large", Interest: "our own keys", Rule: declaresOut, Left: true}, []string{"chair", "small"}, "Absent: network. Without a vote for an interest: large supplier."},
	} {
		t.Run(row.rule, func(t *testing.T) {
			t.Parallel()
			without := []journal.Vote{vote("chair", "required"), vote("small", "required")}
			f, d, refused := decides(t, committee(row.rule, ""),
				engine.Answer{Option: "required", Votes: three, Conflicts: declared, Present: []string{"small", "large", "chair"}},
				engine.Answer{Option: "required", Votes: without, Conflicts: declared, Present: []string{"small", "large", "chair"}})
			require.Equal(t, []journal.Conflict{row.want}, d.Conflicts)
			require.Equal(t, row.present, d.Present)
			require.Equal(t, []string{"network"}, d.Absent)
			require.Contains(t, d.Tally, row.tally)
			rule := bodies[journal.Question](f, journal.KindQuestion)[1].Voting
			require.Equal(t, row.says, map[bool]string{true: "", false: rule.Conflict}[row.says == ""])
			if row.refused == "" {
				require.Empty(t, refused)
				require.Equal(t, "our own keys", d.Votes[1].Conflict, "the interest stands beside the vote")
				require.Equal(t, []journal.Vote{vote("small", "not required")}, d.Dissent)
				return
			}
			require.Contains(t, rule.Says, "a member with an interest "+row.rule)
			require.Len(t, refused, 1)
			require.Contains(t, refused[0], row.refused)
			require.Len(t, d.Votes, 2)
			require.Len(t, f.world.opened, 1)
		})
	}
}

func TestMinutesOfAVote(t *testing.T) {
	t.Parallel()
	f, d, refused := decides(t, committee(declaresOnly, "chair"), engine.Answer{
		Option:     "required",
		Votes:      []journal.Vote{vote("small", "not required"), {Member: "chair", Option: "required", Reason: "a race"}},
		Abstained:  []journal.Abstention{{Member: "network", Reason: "new to me"}},
		Conflicts:  []journal.Conflict{{Member: "large", Interest: "our own keys"}, {Member: "authority", Interest: "a cousin"}, {Member: "large", Interest: "a share"}},
		Alternates: []journal.Alternate{{Member: "chair", Name: "p4"}, {Member: "network", Name: "p9"}},
		Present:    []string{"authority", "large"}, Ballot: "blind", By: "chair", Reason: "it spreads",
	})
	require.Empty(t, refused)
	require.Equal(t, []string{"chair", "large", "small", "network", "authority"}, d.Present, "who voted or abstained was there")
	require.Empty(t, d.Absent)
	require.Equal(t, []journal.Abstention{{Member: "network", Reason: "new to me"}}, d.Abstained)
	require.Equal(t, []journal.Conflict{{Member: "large", Interest: "our own keys; a share", Rule: declaresOnly}, {Member: "authority", Interest: "a cousin", Rule: declaresOnly}}, d.Conflicts)
	require.Equal(t, []journal.Alternate{{Member: "chair", Name: "p4", Says: "whom the Chair names"}, {Member: "network", Name: "p9", Says: "a member may name anybody"}}, d.Alternates)
	require.Equal(t, "blind", d.Ballot)
	require.Equal(t, []journal.Vote{vote("small", "not required")}, d.Dissent)
	require.Equal(t, `4 members have a vote. Nobody with a vote was absent. Without a vote for an interest: large supplier. Abstained: network. `+
		`2 votes were cast, 2 needed. "required" has 1, as has another answer; the casting vote of Chair makes it 2 of 3, and more than half of the votes cast is 2.`, d.Tally)
	require.Equal(t, "1 for not required, 1 for required (small: not required, chair: required), decided by the casting vote of chair", d.Note)
	require.Len(t, f.world.opened, 1)

	_, d, _ = decides(t, committee("", "chair"), engine.Answer{Option: "required", Votes: []journal.Vote{vote("chair", "required"), vote("small", "required")}})
	require.Contains(t, d.Tally, `"required" has 2, and more than half of the votes cast is 2; the casting vote of Chair was not needed.`)
	require.Nil(t, d.Present, "nobody said who was there")
	require.Nil(t, d.Absent)
}

// What minutes cannot say.
func TestMinutesThatCannotBe(t *testing.T) {
	t.Parallel()
	two := []journal.Vote{vote("chair", "required"), vote("small", "required")}
	for name, row := range map[string]struct {
		answer engine.Answer
		want   string
	}{
		"a vote and an abstention":       {engine.Answer{Votes: two, Abstained: []journal.Abstention{{Member: "chair"}}}, `"chair" has voted and abstained`},
		"an abstention twice":            {engine.Answer{Votes: two, Abstained: []journal.Abstention{{Member: "large"}, {Member: "large"}}}, `"large" has abstained twice`},
		"an abstention of a guest":       {engine.Answer{Votes: two, Abstained: []journal.Abstention{{Member: "authority"}}}, `"authority" has no vote in pma to abstain with`},
		"an abstention with an interest": {engine.Answer{Votes: two, Abstained: []journal.Abstention{{Member: "large"}}, Conflicts: []journal.Conflict{{Member: "large"}}}, `"large" has declared an interest and has no vote in this to abstain with`},
		"a stranger in the room":         {engine.Answer{Votes: two, Present: []string{"press"}}, `"press" is no member of pma`},
		"a stranger stood in for":        {engine.Answer{Votes: two, Alternates: []journal.Alternate{{Member: "press"}}}, `"press" is no member of pma whom anybody could stand in for`},
		"two alternates for one":         {engine.Answer{Votes: two, Alternates: []journal.Alternate{{Member: "large"}, {Member: "large"}}}, `two alternates stand in for "large"`},
		"a secret ballot":                {engine.Answer{Votes: two, Ballot: "secret"}, `a ballot is open or blind, not "secret"`},
		"too few without those who may not": {engine.Answer{Votes: two[:1], Conflicts: []journal.Conflict{{Member: "large"}}},
			`1 vote, and 2 are needed; "large" has an interest and no vote`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.answer.Option = "required"
			f, d, refused := decides(t, committee(declaresOnly, ""), row.answer)
			require.Equal(t, []string{row.want}, refused)
			require.Equal(t, "silence", d.Answered)
			require.Empty(t, f.world.opened)
		})
	}
}

// One person who rehearses alone decides, and the record takes it for no committee's.
func TestOnePersonRehearses(t *testing.T) {
	t.Parallel()
	f, d, refused := decides(t, committee("", ""),
		engine.Answer{Option: "", Answered: engine.ByOne},
		engine.Answer{Option: "required", Answered: engine.ByOne, Votes: []journal.Vote{vote("chair", "required"), vote("small", "required")}},
		engine.Answer{Option: "required", Answered: engine.ByOne, Votes: []journal.Vote{vote("chair", "adjourn")}},
		engine.Answer{Option: "required", Answered: engine.ByOne, Votes: []journal.Vote{vote("authority", "required")}},
		engine.Answer{Option: "required", Answered: engine.ByOne, By: "p2", Present: []string{"chair"}})
	require.Equal(t, []string{
		`there is no option "": not required, required, adjourn`, "one person rehearses, and there are 2 votes",
		`the answer says "required" and the vote says "adjourn"`, `"authority" has no vote in pma`,
	}, refused)
	require.Equal(t, "one person", d.Answered)
	require.Equal(t, "ONE PERSON REHEARSED: no committee voted", d.Note)
	require.Empty(t, d.Tally)
	require.Empty(t, d.Votes)
	require.Equal(t, []string{"chair"}, d.Present)
	require.Len(t, f.world.opened, 1)
	require.Equal(t, "one person", f.world.opened[0].Answered)
}

func TestAnUnknownRuleOnInterests(t *testing.T) {
	t.Parallel()
	f := newFixtureIn(t, t.TempDir(), drill(t), committee("shrugs", ""))
	r := f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, `there is no rule on interests "shrugs"`)
}

func TestWhatAnInterestTakesAway(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string][2]bool{"": {}, "declares it and votes": {}, declaresOnly: {true, false}, declaresOut: {true, true}} {
		noVote, leaves := engine.Question{Body: scenario.Body{Conflict: rule}}.Interest()
		require.Equal(t, want, [2]bool{noVote, leaves}, rule)
	}
}
