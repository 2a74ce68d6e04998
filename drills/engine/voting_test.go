package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// ballots are the votes of a, b, c, … in turn; an empty one is absent.
func ballots(options ...string) []journal.Vote {
	out := []journal.Vote{}
	for i, o := range options {
		if o != "" {
			out = append(out, journal.Vote{Member: string(rune('a' + i)), Option: o})
		}
	}
	return out
}

func TestCount(t *testing.T) {
	t.Parallel()
	const half, all, thirds = "more than half of the votes cast", "more than half of the members with a vote", "two thirds of the votes cast"
	for _, row := range []struct {
		name     string
		majority string
		casting  string
		votes    []journal.Vote
		option   string
		words    string // in what is said
	}{
		{"three of five", half, "", ballots("yes", "yes", "yes", "no", "no"), "yes", "3 for yes, 2 for no (a: yes, b: yes, c: yes, d: no, e: no)"},
		{"a tie", half, "", ballots("yes", "yes", "no", "no"), "", "2 for yes, 2 for no (a: yes, b: yes, c: no, d: no): no answer has more than half of the votes cast, so nothing is decided"},
		{"the most votes are not a majority", half, "", ballots("yes", "yes", "no", "later"), "", "no answer has more than half"},
		{"half is not more than half", half, "", ballots("yes", "yes", "yes", "no", "no", "later"), "", "no answer has more than half"},
		{"one each", half, "", ballots("yes", "no", "later"), "", "no answer"},
		{"too few", half, "", ballots("yes", "yes"), "", "2 votes, and 3 are needed"},
		{"nobody", half, "", ballots(), "", "0 votes, and 3 are needed"},
		{"three of six seats are not most of them", all, "", ballots("yes", "yes", "yes"), "", "no answer has more than half of the members"},
		{"four of six seats", all, "", ballots("yes", "yes", "yes", "yes", "no"), "yes", ""},
		{"two thirds", thirds, "", ballots("yes", "yes", "no"), "yes", ""},
		{"three fifths are not two thirds", thirds, "", ballots("yes", "yes", "yes", "no", "no"), "", "no answer has two thirds"},
		{"a tie that the casting vote breaks", half, "d", ballots("yes", "yes", "no", "no"), "no", "decided by the casting vote of d"},
		{"a tie with the casting vote absent", half, "e", ballots("yes", "yes", "no", "no"), "", "no answer"},
		{"a casting vote for neither", half, "e", ballots("yes", "yes", "no", "no", "later"), "", "no answer"},
		{"a casting vote makes no majority where there is no tie", half, "a", ballots("yes", "yes", "no", "later"), "", "no answer"},
		{"a casting vote that still is no majority", half, "a", ballots("yes", "yes", "no", "no", "later"), "", "no answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			q := engine.Question{Options: []journal.Option{{Name: "yes"}, {Name: "no"}, {Name: "later"}},
				Voting: &journal.Voting{Needed: 3, Voters: []string{"a", "b", "c", "d", "e", "f"}, Majority: row.majority, Casting: row.casting}}
			tally := q.Count(row.votes)
			require.Equal(t, row.option, tally.Option)
			require.Equal(t, row.option == "", tally.Why != "", "either something is decided or it is said why not")
			require.Contains(t, tally.Split+tally.Why, row.words)
		})
	}
}

// However members vote, nothing is decided that had not more than half of the
// votes, and nothing is left undecided that had.
func TestCountDecidesByMajorityAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := rapid.SliceOfN(rapid.SampledFrom([]string{"", "yes", "no", "later"}), 0, 9).Draw(t, "votes")
		q := engine.Question{Options: []journal.Option{{Name: "yes"}, {Name: "no"}, {Name: "later"}}, Voting: &journal.Voting{Needed: 3, Majority: "more than half of the votes cast"}}
		cast, counts := ballots(options...), map[string]int{}
		for _, v := range cast {
			counts[v.Option]++
		}
		want := ""
		for o, n := range counts {
			if 2*n > len(cast) && len(cast) >= 3 {
				want = o
			}
		}
		if got := q.Count(cast).Option; got != want {
			t.Fatalf("%v decides %q, want %q", cast, got, want)
		}
	})
}

// A tie never opens a key. The question is put again, and when the time is up what
// silence means holds.
func TestATieOpensNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	assessed := []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}
	rounds := 0
	f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
		if q.Decision.Name != "key" {
			return engine.Script().Decide(t.Context(), q)
		}
		rounds++
		if rounds == 2 {
			require.Contains(t, q.Refused, "1 for not required, 1 for required (chair: required, large: not required): no answer has more than half of the votes cast")
			return engine.Answer{Silent: true}, nil
		}
		option := "required"
		if rounds > 2 {
			option = "" // the votes speak
		}
		return engine.Answer{Option: option, Assessed: assessed, Votes: []journal.Vote{{Member: "chair", Option: "required"}, {Member: "large", Option: "not required"}}}, nil
	})
	f.run(t.Context())
	require.Empty(t, f.world.opened)
	d := bodies[journal.Decision](f, journal.KindDecision)
	require.Equal(t, "adjourn", d[1].Chosen)
	require.Equal(t, "SILENCE: no answer that could be taken was given in time", d[1].Note)
	require.Len(t, d[1].Refusals, 1)
	require.Len(t, d[2].Refusals, 20, "a room that never agrees does not hold the drill for ever")
	require.Equal(t, "silence", d[2].Answered)
}

// A question that can open a key is put to the vote even where the scenario names
// no quorum, and the record tells the rule.
func TestAKeyIsAlwaysPutToTheVote(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(drill(t), "    quorum: procedure\n", "", 1))
	asked := 0
	f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
		if q.Decision.Name != "key" {
			return engine.Script().Decide(t.Context(), q)
		}
		if asked++; asked > 1 {
			if asked == 2 {
				require.Equal(t, "0 votes, and 2 are needed", q.Refused)
			}
			return engine.Answer{Silent: true}, nil
		}
		return engine.Answer{Option: "required", Assessed: []journal.Assessment{{Factor: "evidence", Finding: "x"}}}, nil
	})
	f.run(t.Context())
	require.Empty(t, f.world.opened)
	questions := bodies[journal.Question](f, journal.KindQuestion)
	require.Nil(t, questions[0].Voting, "a body without a vote answers as it likes")
	require.Equal(t, &journal.Voting{Needed: 2, Voters: []string{"chair", "large", "small"}, Majority: "more than half of the votes cast",
		Says: "2 of 3 members must vote; more than half of the votes cast must be for one answer; a tie decides nothing (sample)"}, questions[1].Voting)
}

// Each option has its own count. One that has brought the question back as often
// as it may is not offered any more, but for what silence means; the last asking
// says so.
func TestEachOptionHasItsOwnCount(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), "      adjourn: {again", "      contingency: {again: {in: 1 hour, times: 1}, says: no}\n      adjourn: {again", 1)
	f := newFixture(t, text)
	var err error
	f.c.Decider, err = engine.ParseChoices(f.c.Scenario, []string{"key=adjourn,contingency,adjourn,adjourn"}, engine.Script())
	require.NoError(t, err)
	f.run(t.Context())
	var offered []string
	var last []bool
	for _, q := range bodies[journal.Question](f, journal.KindQuestion)[1:] {
		s := ""
		for _, o := range q.Options[2:] {
			s += fmt.Sprintf("%s %d ", o.Name, o.Again)
		}
		offered, last = append(offered, s), append(last, q.Last)
	}
	require.Equal(t, []string{"contingency 1 adjourn 2 ", "contingency 1 adjourn 1 ", "adjourn 1 ", "adjourn 0 "}, offered)
	require.Equal(t, []bool{false, false, false, true}, last)

	_, err = engine.ParseChoices(f.c.Scenario, []string{"key=contingency,contingency"}, engine.Script())
	require.ErrorContains(t, err, `answer 2 for "key" would never be taken: "contingency" brings the question back once, and is not offered after that`)
}

// What is chosen for every further asking is not forced where it is not offered:
// the others answer then. The script whose answer is gone says nothing.
func TestAnAnswerThatIsNotOfferedAnyMore(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), "      adjourn: {again", "      contingency: {again: {in: 1 hour, times: 1}, says: no}\n      adjourn: {again", 1)
	for scripted, want := range map[string]string{"[contingency, not required]": "script", "contingency": "silence"} {
		f := newFixture(t, strings.Replace(text, "scripted: [adjourn, not required]", "scripted: "+scripted, 1))
		choices, err := engine.ParseChoices(f.c.Scenario, []string{"key=contingency"}, engine.Script())
		require.NoError(t, err)
		f.c.Decider = choices
		require.Equal(t, engine.Finished, f.run(t.Context()).Outcome.Outcome)
		d := bodies[journal.Decision](f, journal.KindDecision)
		require.Equal(t, "command line", d[1].Answered)
		require.Equal(t, want, d[2].Answered)
		require.Empty(t, choices.Left())
	}
}

func TestChoicesThatWereNeverAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.NewReplacer("minutes: 5\n", "minutes: 5\nends: 7:30\n", "in: 1 hour", "in: 100 hours").Replace(drill(t)))
	choices, err := engine.ParseChoices(f.c.Scenario, []string{"confirm=accept", "key=adjourn,required"}, engine.Script())
	require.NoError(t, err)
	f.c.Decider = choices
	f.run(t.Context())
	require.Equal(t, []string{`answer 2 for "key", "required", was never asked for`}, choices.Left(), "the drill was over before")
}

// What stands in the record of a drill that was stopped is what a member would
// say: by what, when, and before which answer.
func TestStoppedBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
		if q.Decision.Name != "key" {
			return engine.Script().Decide(t.Context(), q)
		}
		cancel(errors.New("stopped at the keyboard"))
		return engine.Answer{}, ctx.Err()
	})
	r := f.run(ctx)
	require.Equal(t, engine.Aborted, r.Outcome.Outcome)
	require.Equal(t, `stopped at the keyboard at 0:20, before the pma answered "key"`, r.Why)
	require.Equal(t, []journal.Pause{{Phase: "abort", Why: r.Why}}, bodies[journal.Pause](f, journal.KindPause))
	require.ErrorIs(t, r.Cause, context.Canceled)
}

func TestAnUnknownMajority(t *testing.T) {
	t.Parallel()
	v := vocabulary()
	v.Bodies[1].Majority = "whoever shouts loudest"
	f := newFixture(t, drill(t))
	s, err := scenario.Parse("drill.yaml", []byte(drill(t)), v)
	require.NoError(t, err)
	f.c.Scenario = s
	r := f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, `there is no rule "whoever shouts loudest"`)
}
