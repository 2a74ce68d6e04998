package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

var update = flag.Bool("update", false, "rewrite testdata/drill.want")

// TestJournal holds the whole journal of the scripted drill against the one that
// was reviewed, keys, hashes and wall times masked, twice over: what one run
// writes another with the same seed and answers writes too.
func TestJournal(t *testing.T) {
	t.Parallel()
	for range 2 {
		f := newFixture(t, drill(t))
		r := f.run(t.Context())
		require.Equal(t, engine.Finished, r.Outcome.Outcome)
		got, err := journal.Masked(f.entries())
		require.NoError(t, err)
		if *update {
			require.NoError(t, os.WriteFile("testdata/drill.want", got, 0o644))
		}
		want, err := os.ReadFile("testdata/drill.want")
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go test -update and look at the difference")
	}
}

// Two runs with one seed and the same answers have the same record, whatever the
// answers are and whenever they come.
func TestTheSameAnswersMakeTheSameRecord(t *testing.T) {
	t.Parallel()
	record := func(seed uint64) string {
		f := newFixture(t, drill(t))
		random := rand.New(rand.NewPCG(seed, 0))
		f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
			option := append(q.Decision.OptionNames(), "")[random.IntN(len(q.Decision.Options)+1)]
			return engine.Answer{Option: option, Silent: option == "", After: time.Duration(random.IntN(40)) * time.Minute,
				Answered: engine.ByCommandLine, Assessed: []journal.Assessment{{Factor: "evidence", Finding: "x"}}}, nil
		})
		require.Equal(t, engine.Finished, f.run(t.Context()).Outcome.Outcome, "seed %d", seed)
		entries := f.entries()
		for i := 1; i < len(entries); i++ {
			require.GreaterOrEqual(t, entries[i].At, entries[i-1].At, "seed %d: the record is in order of scenario time", seed)
		}
		b, err := journal.Masked(entries)
		require.NoError(t, err)
		return string(b)
	}
	for seed := range uint64(20) {
		require.Equal(t, record(seed), record(seed), "seed %d", seed)
	}
}

// TestEveryWayLeadsToAnEnd plays every option of every decision, and silence.
func TestEveryWayLeadsToAnEnd(t *testing.T) {
	t.Parallel()
	s := newFixture(t, drill(t)).c.Scenario
	for _, confirm := range append(s.Decisions[0].OptionNames(), "") {
		for _, key := range append(s.Decisions[1].OptionNames(), "") {
			t.Run(confirm+"/"+key, func(t *testing.T) {
				f := newFixture(t, drill(t))
				f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
					option := map[string]string{"confirm": confirm, "key": key}[q.Decision.Name]
					return engine.Answer{Option: option, Silent: option == "", Answered: engine.ByCommandLine, Assessed: []journal.Assessment{{Factor: "evidence", Finding: "x"}}}, nil
				})
				r := f.run(t.Context())
				require.Equal(t, engine.Finished, r.Outcome.Outcome, r.Why)
				require.NotEqual(t, engine.None, r.Finding)
				require.Equal(t, key == "required", len(f.world.opened) == 1, "the key is open if and only if its decision says so")
				last := f.entries()[len(f.entries())-1]
				require.Equal(t, journal.KindOutcome, last.Kind)
			})
		}
	}
}

func TestEveryStepIsOnDiskBeforeItBegins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.world.before = func(a engine.Action) {
		entries := f.entries()
		last := entries[len(entries)-1]
		require.Equal(t, a.Begin, last.Seq)
		var act journal.Act
		require.NoError(t, last.Decode(&act))
		require.Equal(t, "begin", act.Phase)
		require.Equal(t, a.Verb, act.Verb)
	}
	f.run(t.Context())
	require.Len(t, f.world.acts, 2)
	require.Equal(t, map[string]string{"by": "method 1", "share": "50%"}, f.world.acts[0].Params)
	require.InDelta(t, 0.5, f.world.acts[0].Share("share"), 1e-12)
	require.Equal(t, "supplier old certificates", f.world.acts[1].Object)
}

func TestADecisionOpensTheKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	var err error
	f.c.Decider, err = engine.ParseChoices(f.c.Scenario, []string{"key=required"}, engine.Script())
	require.NoError(t, err)
	r := f.run(t.Context())
	require.Equal(t, 1, r.Missed, "the notification that the script makes too late, and nothing else")
	require.Zero(t, r.NotHeld)
	require.Len(t, f.world.opened, 1)
	a := f.world.opened[0]
	require.Equal(t, "recovery", a.Key)
	require.Equal(t, 24*time.Hour, a.For)
	e := f.entries()[a.DecisionSeq-1]
	require.Equal(t, journal.KindDecision, e.Kind)
	require.Equal(t, e.Hash, a.DecisionHash)
	require.Equal(t, e.Line, a.Record)
	verifier, err := note.NewVerifier(f.c.Journal.Key().Verifier())
	require.NoError(t, err)
	n, err := note.Open(a.Signed, note.VerifierList(verifier))
	require.NoError(t, err)
	require.Equal(t, string(e.Line)+"\n", n.Text)
	d := bodies[journal.Decision](f, journal.KindDecision)[1]
	require.Equal(t, "CHOSEN ON THE COMMAND LINE: no member voted", d.Note)
	require.Equal(t, "recovery", d.Opens)
	opening := bodies[journal.Act](f, journal.KindAct)[0]
	require.Equal(t, "open", opening.Verb)
}

// Without its decision the key stays shut: the act is refused, the drill goes on
// and the devices are not recovered.
func TestAKeyThatNobodyOpened(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(drill(t), `if: chosen.key == "required", do`, "do", 1))
	f.world.devices.trusting = 10
	r := f.run(t.Context())
	require.Equal(t, engine.Finished, r.Outcome.Outcome)
	require.Equal(t, 1, r.Refused)
	acts := bodies[journal.Act](f, journal.KindAct)
	require.Equal(t, "refused", acts[1].Result)
	require.Contains(t, acts[1].Error, "no decision has opened it")
}

// What an act may answer, and what must be true afterwards.
func TestWorldErrors(t *testing.T) {
	t.Parallel()
	gone := errors.New("the token is gone")
	on := func(verb string, err error) func(*world) {
		return func(w *world) {
			w.actErr = func(a engine.Action) error {
				if a.Verb == verb {
					return err
				}
				return nil
			}
		}
	}
	rows := []struct {
		name    string
		spoil   func(*world)
		outcome string
		result  string
		why     string
		cause   error
	}{
		{"it failed", on("replace", gone), engine.Failed, "failed", "replace supplier: the token is gone", gone},
		{"it happened but we were told it failed", on("replace", fmt.Errorf("%w: %w", engine.ErrUncertain, gone)), engine.Failed, "uncertain", "it may have happened", engine.ErrUncertain},
		{"the rules said no", on("replace", fmt.Errorf("not now: %w", engine.ErrRefused)), engine.Finished, "refused", "", nil},
		{"refused and uncertain is uncertain", on("replace", errors.Join(engine.ErrRefused, engine.ErrUncertain)), engine.Failed, "uncertain", "it may have happened", engine.ErrUncertain},
		{"time itself fails", func(w *world) { w.advanceErr = gone }, engine.Failed, "", "at 0:00: the token is gone", gone},
		{"the closing checks fail", func(w *world) { w.closingErr = gone }, engine.Failed, "done", "running the closing checks: the token is gone", gone},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t, drill(t))
			row.spoil(f.world)
			r := f.run(t.Context())
			require.Equal(t, row.outcome, r.Outcome.Outcome)
			require.Contains(t, r.Why, row.why)
			if row.cause != nil {
				require.ErrorIs(t, r.Cause, row.cause)
				require.Equal(t, engine.None, r.Finding, "a drill that broke says nothing about the system")
			}
			acts := bodies[journal.Act](f, journal.KindAct)
			if row.result == "" {
				require.Empty(t, acts)
			} else {
				require.Equal(t, "begin", acts[0].Phase)
				require.Equal(t, row.result, acts[1].Result)
				require.Equal(t, journal.KindAct, f.entries()[acts[1].Begin-1].Kind)
			}
			require.Len(t, bodies[journal.Closing](f, journal.KindClosing), 1, "the closing checks run for every drill that began")
			require.Len(t, bodies[journal.Outcome](f, journal.KindOutcome), 1)
		})
	}
}

func TestAuthoriseErrors(t *testing.T) {
	t.Parallel()
	rows := []struct {
		err     error
		outcome string
		result  string
	}{
		{fmt.Errorf("two custodians are missing: %w", engine.ErrRefused), engine.Finished, "refused"},
		{errors.New("the token is gone"), engine.Failed, "failed"},
		{fmt.Errorf("%w", engine.ErrUncertain), engine.Failed, "uncertain"},
	}
	for _, row := range rows {
		t.Run(row.result, func(t *testing.T) {
			f := newFixture(t, drill(t))
			f.world.authoriseErr = row.err
			f.c.Decider, _ = engine.ParseChoices(f.c.Scenario, []string{"key=required"}, engine.Script())
			r := f.run(t.Context())
			require.Equal(t, row.outcome, r.Outcome.Outcome)
			require.Equal(t, row.result, bodies[journal.Act](f, journal.KindAct)[1].Result)
		})
	}
}

func TestASteadyStateThatDoesNotHoldStopsTheDrill(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.world.devices.trusting = 9
	r := f.run(t.Context())
	require.Equal(t, engine.Stopped, r.Outcome.Outcome)
	require.Equal(t, engine.None, r.Finding)
	require.Contains(t, r.Why, "nothing to rehearse on")
	steady := bodies[journal.Steady](f, journal.KindSteady)
	require.Equal(t, []journal.Steady{{When: "before", Expect: "fleet.trusting == 10", Says: "every device trusts somebody", Held: false, Found: "fleet.trusting was 9"}}, steady)
	require.Len(t, f.entries(), 3, "start, steady, outcome")
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*fixture){
		"a finding does not hold": func(f *fixture) { f.world.devices.recovered = -1 },
		"the steady state is gone at the end": func(f *fixture) {
			f.world.before = func(engine.Action) { f.world.devices.trusting = 9 }
		},
		"a closing check does not hold": func(f *fixture) { f.world.broken = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, drill(t))
			spoil(f)
			r := f.run(t.Context())
			require.Equal(t, engine.Finished, r.Outcome.Outcome)
			require.Equal(t, engine.NotHeld, r.Finding)
			require.Positive(t, r.NotHeld)
		})
	}
	f := newFixture(t, drill(t))
	f.world.devices.recovered = -1
	f.run(t.Context())
	require.Equal(t, []journal.Finding{{Expect: "fleet.recovered == 10", Says: "every device trusts the new keys", Found: "fleet.recovered was 9"}}, bodies[journal.Finding](f, journal.KindFinding))
}

// What should have come true by a time and did not is a finding; what a decision
// ruled out is not.
func TestMissedAndSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.world.devices.recovered = -1
	r := f.run(t.Context())
	require.Equal(t, engine.NotHeld, r.Finding)
	missed := bodies[journal.Missed](f, journal.KindMissed)
	require.Equal(t, []journal.Missed{
		{Step: "4", What: "notify pma", By: "0:15", Why: "pma was not told in time"},
		{Step: "8", What: "revoke supplier old certificates", By: "6:00", Why: "fleet.recovered == 10 never came true: fleet.recovered was 9"},
	}, missed)
	require.Equal(t, []journal.Skip{
		{Step: "9", What: "revoke supplier old certificates", Why: `only if chosen.confirm == "accept": chosen.confirm was "call back"`, RuledOut: true},
		{Step: "6", What: "replace supplier", Why: `only if chosen.key == "required": chosen.key was "not required"`, RuledOut: true},
	}, bodies[journal.Skip](f, journal.KindSkip))
	require.Equal(t, 2, r.Missed)
	require.Zero(t, r.Skipped, "what a decision ruled out was left out by nobody")
}

func TestSilence(t *testing.T) {
	t.Parallel()
	const nobody, nothing = "SILENCE: nobody answered in time", "SILENCE: no answer that could be taken was given in time"
	for name, row := range map[string]struct {
		a    engine.Answer
		note string
	}{
		"nobody answers":                    {engine.Answer{Silent: true}, nobody},
		"an answer at the deadline":         {engine.Answer{Option: "call back", After: 5 * time.Minute}, nobody},
		"an answer before the question":     {engine.Answer{Option: "call back", After: -time.Minute}, nobody},
		"an answer that can never be taken": {engine.Answer{Option: "perhaps"}, nothing},
		"an answer of nobody":               {engine.Answer{Option: "call back", Answered: engine.BySilence}, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			a := row.a
			f := newFixture(t, drill(t))
			f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
				if q.Decision.Name == "confirm" {
					return a, nil
				}
				return engine.Script().Decide(t.Context(), q)
			})
			f.run(t.Context())
			d := bodies[journal.Decision](f, journal.KindDecision)[0]
			require.Equal(t, "accept", d.Chosen)
			require.Equal(t, "silence", d.Answered)
			require.Equal(t, row.note, d.Note)
			for _, e := range f.entries() {
				if e.Kind == journal.KindDecision {
					require.Equal(t, 5*time.Minute, e.At, "silence is heard at the deadline")
					break
				}
			}
			require.False(t, d.AsExpected)
		})
	}
}

func TestVotes(t *testing.T) {
	t.Parallel()
	assessed := []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}
	vote := func(member, option string) journal.Vote { return journal.Vote{Member: member, Option: option} }
	two := []journal.Vote{vote("chair", "required"), vote("large", "required")}
	rows := []struct {
		name   string
		answer engine.Answer
		want   string
	}{
		{"no option", engine.Answer{Option: "no idea"}, `there is no option "no idea": not required, required, adjourn`},
		{"a factor not assessed", engine.Answer{Option: "required", Votes: two}, "not yet assessed: evidence"},
		{"a factor assessed without words", engine.Answer{Option: "required", Votes: two, Assessed: []journal.Assessment{{Factor: "evidence", Finding: " "}}}, "not yet assessed: evidence"},
		{"a factor nobody knows", engine.Answer{Option: "required", Votes: two, Assessed: []journal.Assessment{{Factor: "weather", Finding: "fine"}}}, `"weather" is not a factor of this decision`},
		{"a quorum not reached", engine.Answer{Option: "required", Assessed: assessed, Votes: two[:1]}, "1 vote, and 2 are needed"},
		{"a member twice", engine.Answer{Option: "required", Assessed: assessed, Votes: []journal.Vote{two[0], two[0]}}, `"chair" has two votes`},
		{"a guest", engine.Answer{Option: "required", Assessed: assessed, Votes: []journal.Vote{two[0], vote("authority", "required")}}, `"authority" has no vote in pma`},
		{"a vote for nothing", engine.Answer{Option: "required", Assessed: assessed, Votes: []journal.Vote{two[0], vote("large", "beer")}}, `"large" votes for "beer", which is no option`},
		{"not what was voted", engine.Answer{Option: "adjourn", Assessed: assessed, Votes: two}, `the answer says "adjourn" and the votes say "required": 2 for required (chair: required, large: required)`},
	}
	f := newFixture(t, drill(t))
	asked, got := 0, []string{}
	f.c.Decider = decider(func(q engine.Question) (engine.Answer, error) {
		if q.Decision.Name != "key" {
			return engine.Script().Decide(t.Context(), q)
		}
		if asked > 0 {
			got = append(got, q.Refused)
		}
		require.NotEmpty(t, q.Words)
		require.Equal(t, []journal.Shown{{Label: "devices that trust the stolen key", Value: "10"}}, q.Shown)
		if asked == len(rows) {
			return engine.Answer{Option: "required", Assessed: assessed, Votes: two, By: "chair", Reason: "a race", After: 10 * time.Minute}, nil
		}
		asked++
		return rows[asked-1].answer, nil
	})
	f.run(t.Context())
	for i, row := range rows {
		require.Equal(t, row.want, got[i], row.name)
	}
	d := bodies[journal.Decision](f, journal.KindDecision)[1]
	require.Equal(t, got, d.Refusals, "answers that could not be taken stand in the record")
	require.Equal(t, "2 for required (chair: required, large: required)", d.Note)
	require.Equal(t, "members", d.Answered)
	require.Equal(t, two, d.Votes)
	require.Len(t, f.world.opened, 1)
}

// A question that comes back holds up what looks at it, and only so often.
func TestAdjournment(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.c.Decider, _ = engine.ParseChoices(f.c.Scenario, []string{"key=adjourn"}, engine.Script())
	r := f.run(t.Context())
	require.Equal(t, engine.Finished, r.Outcome.Outcome)
	questions := bodies[journal.Question](f, journal.KindQuestion)
	require.Len(t, questions, 4, "once, and twice again")
	require.Equal(t, 3, questions[3].Asking)
	for _, e := range f.entries() {
		if e.Kind == journal.KindAct {
			require.Equal(t, 2*time.Hour+20*time.Minute, e.At, "the replacement waits for the last answer")
			break
		}
	}
	f = newFixture(t, drill(t))
	f.c.Decider, _ = engine.ParseChoices(f.c.Scenario, []string{"key=adjourn,required"}, engine.Script())
	f.run(t.Context())
	require.Len(t, f.world.opened, 1)
}

func TestADrillThatEndsWithAQuestionOpen(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), "minutes: 5\n", "minutes: 5\nends: 7:30\n", 1)
	text = strings.Replace(text, "in: 1 hour", "in: 100 hours", 1)
	f := newFixture(t, text)
	r := f.run(t.Context())
	require.Equal(t, engine.Finished, r.Outcome.Outcome)
	require.Equal(t, 7*time.Hour+30*time.Minute, r.End)
	skips := bodies[journal.Skip](f, journal.KindSkip)
	require.Contains(t, skips, journal.Skip{Step: "7", What: "replace supplier", Why: "it waited for the decision key, which was not taken"})
	require.Contains(t, skips, journal.Skip{Step: "key", What: "decide key", Why: "the drill ended before there was a final answer"})
}

// A verb that a decision fills in waits for it, and is skipped where the decision
// is never asked.
func TestAVerbThatADecisionFillsIn(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), `  - {at: 0:30, if: chosen.key == "required", do: {replace: supplier, by: method 3}}
  - {at: 0:30, if: chosen.key != "required", do: {replace: supplier, by: method 1}}
`, "  - {at: 0:30, do: {replace: supplier, by: chosen.method}}\n", 1)
	text = strings.Replace(text, "then: [{inject: false alarm}, {after: 1 hour, notify: panel}]",
		"then: [{do: {replace: supplier, by: chosen.method}}, {inject: false alarm}, {after: 1 hour, decide: method}]", 1)
	text = strings.Replace(text, "  key:\n", `  method:
    asks: Which?
    of: dcc
    options: {method 1: {says: a}, method 3: {says: b}}
    scripted: method 1
    on silence: method 1
    within: 5 minutes
  key:
`, 1)
	f := newFixture(t, text)
	f.run(t.Context())
	require.Empty(t, f.world.acts)
	require.Contains(t, bodies[journal.Skip](f, journal.KindSkip),
		journal.Skip{Step: "6", What: "replace supplier", Why: "it waited for the decision method, which was not taken"})

	f = newFixture(t, text)
	var err error
	f.c.Decider, err = engine.ParseChoices(f.c.Scenario, []string{"confirm=accept"}, engine.Script())
	require.NoError(t, err)
	f.run(t.Context())
	require.Len(t, f.world.acts, 1)
	require.Equal(t, "method 1", f.world.acts[0].Params["by"])
	require.Contains(t, bodies[journal.Skip](f, journal.KindSkip),
		journal.Skip{Step: "2.1", What: "replace supplier", Why: "the decision method was not taken"})
	for _, e := range f.entries() {
		if e.Kind == journal.KindAct {
			require.Equal(t, time.Hour+time.Minute, e.At, "as soon as it is decided")
			break
		}
	}
}

func TestALimitBeforeTheDecision(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), `    by: 6:00
    if: chosen.confirm == "call back"`, `    by: 0:40
    if: chosen.key == "not required"`, 1)
	f := newFixture(t, text)
	f.run(t.Context())
	require.Contains(t, bodies[journal.Missed](f, journal.KindMissed),
		journal.Missed{Step: "8", What: "revoke supplier old certificates", By: "0:40", Why: "the decision key was not taken in time"})

	text = strings.Replace(text, `if: chosen.key == "not required"`, `if: fleet.recovered < 0`, 1)
	f = newFixture(t, text)
	f.run(t.Context())
	require.Contains(t, bodies[journal.Skip](f, journal.KindSkip),
		journal.Skip{Step: "8", What: "revoke supplier old certificates", Why: "only if fleet.recovered < 0: fleet.recovered was 0", RuledOut: true})
}

func TestAWorldThatNeverRests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.world.restless = true
	r := f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, `let the scenario say when it "ends"`)

	f = newFixture(t, strings.Replace(drill(t), "minutes: 5\n", "minutes: 5\nends: 8:00\n", 1))
	f.world.restless = true
	require.Equal(t, engine.Finished, f.run(t.Context()).Outcome.Outcome)
}

func TestAbort(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFixture(t, drill(t))
	f.world.before = func(engine.Action) { cancel() }
	r := f.run(ctx)
	require.Equal(t, engine.Aborted, r.Outcome.Outcome)
	require.Equal(t, engine.None, r.Finding)
	require.ErrorIs(t, r.Cause, context.Canceled)
	require.Equal(t, []journal.Pause{{Phase: "abort", Why: "stopped from outside at 1:20"}}, bodies[journal.Pause](f, journal.KindPause))
	require.Len(t, bodies[journal.Closing](f, journal.KindClosing), 1)
}

func TestADeciderThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.c.Decider = decider(func(engine.Question) (engine.Answer, error) {
		return engine.Answer{}, errors.New("the room is on fire")
	})
	r := f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, `asking the dcc for "confirm": the room is on fire`)
	require.NotContains(t, r.Why, ".yaml", "people read this")
	require.Len(t, bodies[journal.Question](f, journal.KindQuestion), 1, "the question stands in the record")
}

func TestAnExpressionThatFailsEndsTheDrill(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(drill(t), "- expect: fleet.recovered == 10\n    says: every", "- expect: weather(\"moon\") == \"fine\"\n    says: every", 1))
	r := f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, "there is no weather on the moon")
}

// A record that cannot be written voids the run: nothing more is done.
func TestARecordThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.world.before = func(engine.Action) { require.NoError(t, f.c.Journal.Close()) }
	_, err := engine.Run(t.Context(), f.c)
	require.ErrorContains(t, err, "the record cannot be written, so the drill is void")
	require.ErrorIs(t, err, journal.ErrClosed)
	require.Len(t, f.world.acts, 1)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*engine.Config){
		"Config.Scenario": func(c *engine.Config) { c.Scenario = nil },
		"Config.World":    func(c *engine.Config) { c.World = nil },
		"Config.Journal":  func(c *engine.Config) { c.Journal = nil },
		"Config.Decider":  func(c *engine.Config) { c.Decider = nil },
		"Config.Epoch":    func(c *engine.Config) { c.Epoch = time.Time{} },
		"Config.Speed":    func(c *engine.Config) { c.Speed = -1 },
	} {
		f := newFixture(t, drill(t))
		spoil(&f.c)
		_, err := engine.Run(t.Context(), f.c)
		require.ErrorContains(t, err, name)
	}
}

// presenter keeps what it is shown.
type presenter struct {
	moments []engine.Moment
	err     error
}

func (p *presenter) Present(_ context.Context, m engine.Moment) error {
	p.moments = append(p.moments, m)
	if m.Kind == journal.KindInject {
		return p.err
	}
	return nil
}

func TestPresenter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	p := &presenter{}
	f.c.Presenter = p
	r := f.run(t.Context())
	var heads []string
	for _, m := range p.moments {
		require.Equal(t, f.entries()[m.Seq-1].Kind, m.Kind, "what is shown is on disk")
		if m.Words != "" {
			heads = append(heads, string(m.Kind))
		}
		if m.Kind == journal.KindInject {
			require.IsType(t, journal.Inject{}, m.Body)
		}
	}
	require.Equal(t, []string{"start", "decision", "decision", "decision", "outcome"}, heads, "where the minutes take the head down")
	require.Equal(t, r.Words, p.moments[len(p.moments)-1].Words)

	f = newFixture(t, drill(t))
	f.c.Presenter = &presenter{err: errors.New("the screen is dark")}
	r = f.run(t.Context())
	require.Equal(t, engine.Failed, r.Outcome.Outcome)
	require.Contains(t, r.Why, "showing inject: the screen is dark")
}

// teller tells the panel late and the PMA never.
type teller struct{ presenter }

func (*teller) Tell(_ context.Context, n journal.Notify) (time.Duration, bool, error) {
	return 15 * time.Minute, n.Whom == "panel", nil
}

func TestTeller(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.c.Presenter = &teller{}
	f.run(t.Context())
	var told []journal.Notify
	for _, n := range bodies[journal.Notify](f, journal.KindNotify) {
		if n.Phase == "told" {
			told = append(told, n)
		}
	}
	require.Equal(t, []journal.Notify{{Step: "3", Whom: "panel", Due: "0:20", Told: "0:25", Met: false, Phase: "told", Procedure: "method-1"}}, told)
	require.Len(t, bodies[journal.Missed](f, journal.KindMissed), 2)
}

func TestPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	var slept time.Duration
	f.c.Speed = 60
	f.c.Sleep = func(_ context.Context, d time.Duration) error {
		slept += d
		return nil
	}
	r := f.run(t.Context())
	require.InDelta(t, r.End.Seconds()/60, slept.Seconds(), 0.001)
}

func TestAbortWhileWaiting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFixture(t, drill(t))
	f.c.Speed = 1e-6 // a second of scenario time takes eleven days
	f.c.Presenter = presenterFunc(func(m engine.Moment) {
		if m.Kind == journal.KindQuestion {
			cancel()
		}
	})
	require.Equal(t, engine.Aborted, f.run(ctx).Outcome.Outcome)
}

func TestPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	control := &engine.Control{}
	f.c.Control = control
	control.Pause("the fire alarm")
	control.Pause("a second time changes nothing")
	f.c.Presenter = presenterFunc(func(m engine.Moment) {
		if m.Kind == journal.KindPause && m.Body.(journal.Pause).Phase == "pause" {
			control.Resume("all are back")
			control.Resume("nothing to resume")
		}
	})
	r := f.run(t.Context())
	require.Equal(t, engine.Finished, r.Outcome.Outcome)
	require.Equal(t, []journal.Pause{{Phase: "pause", Why: "the fire alarm"}, {Phase: "resume", Why: "all are back"}}, bodies[journal.Pause](f, journal.KindPause))

	f = newFixture(t, drill(t))
	ctx, cancel := context.WithCancel(t.Context())
	f.c.Control = control
	control.Pause("for good")
	f.c.Presenter = presenterFunc(func(m engine.Moment) {
		if m.Kind == journal.KindPause {
			cancel()
		}
	})
	require.Equal(t, engine.Aborted, f.run(ctx).Outcome.Outcome)
}

type presenterFunc func(engine.Moment)

func (p presenterFunc) Present(_ context.Context, m engine.Moment) error { p(m); return nil }

func TestParseChoices(t *testing.T) {
	t.Parallel()
	s := newFixture(t, drill(t)).c.Scenario
	rows := []struct {
		name string
		in   []string
		want string
	}{
		{"no equals sign", []string{"required"}, `choosing "required": write DECISION=OPTION, the decisions are "confirm", "key"`},
		{"a decision misspelt", []string{"kee=required"}, `there is no decision "kee": did you mean "key"?`},
		{"a decision unlike any", []string{"something else=required"}, `there are "confirm", "key"`},
		{"an option misspelt", []string{"key=requird"}, `"key" has no option "requird": did you mean "required"?`},
		{"an option unlike any", []string{"key=yes"}, `"key" has no option "yes": there are "not required", "required", "adjourn"`},
		{"two answers", []string{"key=required", "key=adjourn"}, `"key" is already answered with "required"`},
		{"an answer after the last asking", []string{"key=adjourn,adjourn,adjourn,required"}, `answer 4 for "key" would never be asked for: answer 3, "adjourn", is final`},
		{"an answer after a final one", []string{"key=required,adjourn"}, `answer 2 for "key" would never be asked for: answer 1, "required", is final`},
		{"a list for a question asked once", []string{"confirm=accept,call back"}, `"confirm" is asked once, give one option`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := engine.ParseChoices(s, row.in, engine.Script())
			require.ErrorContains(t, err, row.want)
		})
	}
	_, err := engine.ParseChoices(s, []string{"key=required", " key = required "}, engine.Script())
	require.NoError(t, err, "the same twice is no conflict")
}

func TestAs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	var asked []string
	members := decider(func(q engine.Question) (engine.Answer, error) {
		asked = append(asked, q.Decision.Name)
		return engine.Answer{Silent: true}, nil
	})
	var err error
	f.c.Decider, err = engine.As(f.c.Scenario, "pma", members, engine.Script())
	require.NoError(t, err)
	f.run(t.Context())
	require.Equal(t, []string{"key", "key", "key"}, asked)
	require.Equal(t, "script", bodies[journal.Decision](f, journal.KindDecision)[0].Answered)
	_, err = engine.As(f.c.Scenario, "pna", members, engine.Script())
	require.ErrorContains(t, err, `nobody called "pna" decides anything in E01: did you mean "pma"?`)
}

func TestActionReadsItsParameters(t *testing.T) {
	t.Parallel()
	text := strings.Replace(drill(t), "by: method 1}", "by: method 1, share: 2.5%, every: 90 minutes, until: 36:00, batch: 250, quietly: true}", 1)
	f := newFixture(t, text)
	f.run(t.Context())
	a := f.world.acts[0]
	require.InDelta(t, 0.025, a.Share("share"), 1e-12)
	require.Equal(t, 90*time.Minute, a.Duration("every"))
	require.Equal(t, 36*time.Hour, a.Time("until"))
	require.Equal(t, 250, a.Number("batch"))
	require.True(t, a.Flag("quietly"))
	require.Zero(t, a.Number("none"))
	require.Equal(t, scenario.Pos{File: "drill.yaml", Line: 27, Col: 51}, a.Pos)
}
