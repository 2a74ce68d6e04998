package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// talkers deliberate every question; each answers by itself.
type talkers func(ctx context.Context, q engine.Question) (engine.Answer, error)

func (talkers) Deliberates(engine.Question) bool { return true }
func (f talkers) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	return f(ctx, q)
}

// never is what people say who never answer.
func never(ctx context.Context, _ engine.Question) (engine.Answer, error) {
	<-ctx.Done()
	return engine.Answer{}, context.Cause(ctx)
}

// inBubble is a run in a bubble of its own time, with a Control.
func inBubble(t *testing.T, text string, play func(t *testing.T, f *fixture, c *engine.Control)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureIn(t, inMemory(t), text, vocabulary())
		f.c.Control = &engine.Control{}
		play(t, f, f.c.Control)
	})
}

// started runs in the background and says how it ended.
func (f *fixture) started(ctx context.Context) <-chan *engine.Result {
	out := make(chan *engine.Result, 1)
	go func() {
		r, err := engine.Run(ctx, f.c)
		if err != nil {
			r = &engine.Result{Cause: err}
		}
		out <- r
	}()
	return out
}

// told is what has been told so far, by its text.
func (f *fixture) told() string {
	var out []string
	for _, i := range bodies[journal.Inject](f, journal.KindInject) {
		out = append(out, i.Text)
	}
	return strings.Join(out, " ")
}

func TestTheClockGoesOnWhilePeopleTalk(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		require.Equal(t, engine.Reading{}, c.Clock(), "before it begins it stands at zero")
		require.Empty(t, c.Ahead())
		require.EqualError(t, c.Next(), "the drill has not begun")
		require.EqualError(t, c.Hold("4", "p1", ""), "the drill has not begun")
		var why error
		f.c.Decider = talkers(func(ctx context.Context, q engine.Question) (engine.Answer, error) {
			if q.Decision.Name == "confirm" {
				return never(ctx, q)
			}
			<-ctx.Done()
			why = context.Cause(ctx)
			return engine.Answer{Option: "required", Present: []string{"chair"}}, nil
		})
		f.c.Speed = 60
		over := f.started(t.Context())
		time.Sleep(7*time.Second + 500*time.Millisecond)
		r := c.Clock()
		require.Equal(t, 7*time.Minute+30*time.Second, r.At, "a minute a second")
		require.True(t, r.Runs)
		require.False(t, r.Paused)
		require.InDelta(t, 60, r.Speed, 0)
		require.Equal(t, "A tape is gone. Is it true?", f.told(), "injects go on while two bodies talk")

		c.Pause("the fire alarm")
		synctest.Wait()
		time.Sleep(time.Hour)
		r = c.Clock()
		require.Equal(t, 7*time.Minute+30*time.Second, r.At)
		require.True(t, r.Paused)
		require.Equal(t, "the fire alarm", r.Why)
		require.False(t, r.Runs)
		require.EqualError(t, c.Next(), "the drill is paused: resume it first")
		c.Resume("all are back")
		synctest.Wait()
		require.NoError(t, c.SetSpeed(1))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		require.Equal(t, 7*time.Minute+40*time.Second, c.Clock().At)
		require.NoError(t, c.Next())
		synctest.Wait()
		require.Equal(t, 10*time.Minute, c.Clock().At, "the next thing that is due: devices get new certificates")
		for range 3 { // an inject and the deadline, devices, more devices
			require.NoError(t, c.Next())
			synctest.Wait()
		}
		require.Equal(t, 30*time.Minute, c.Clock().At)
		require.NoError(t, c.Next())
		synctest.Wait()
		require.ErrorIs(t, why, engine.ErrDeadline)
		require.NoError(t, c.SetSpeed(1e6))
		result := <-over
		require.Equal(t, engine.Finished, result.Outcome.Outcome)
		require.EqualError(t, c.Next(), "the drill is over")
		require.EqualError(t, c.Skip("9", "p1", ""), "the drill is over")

		pauses := []time.Duration{}
		for _, e := range f.entries() {
			if e.Kind == journal.KindPause {
				pauses = append(pauses, e.At)
			}
		}
		require.Equal(t, []time.Duration{7*time.Minute + 30*time.Second, 7*time.Minute + 30*time.Second}, pauses)
		d := bodies[journal.Decision](f, journal.KindDecision)
		require.Equal(t, "silence", d[0].Answered)
		require.Equal(t, "adjourn", d[1].Chosen, "an answer after the deadline is none")
		require.Equal(t, []string{"chair"}, d[1].Present, "who was there stands in the record all the same")
		require.Equal(t, []string{"large", "small"}, d[1].Absent)
	})
}

func TestNoPace(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{0, -1, 1e300} {
		require.ErrorContains(t, (&engine.Control{}).SetSpeed(x), "above 0")
	}
}

// watcher counts how often the clock went on or stood.
type watcher struct {
	presenter
	c     *engine.Control
	heard []engine.Reading
}

func (w *watcher) ClockChanged() { w.heard = append(w.heard, w.c.Clock()) }

// Pages that count by themselves hear when the clock stands and when it goes on; an
// inject does not stop it, but what takes long does.
func TestTheClockIsWatched(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		w := &watcher{c: c}
		f.c.Presenter, f.c.Speed = w, 60
		f.world.before = func(a engine.Action) {
			require.True(t, c.Clock().Runs, "it was only now that this began")
			time.Sleep(3 * time.Second)
			require.False(t, c.Clock().Runs)
			require.Equal(t, map[string]time.Duration{"replace": 10 * time.Minute, "revoke": time.Hour}[a.Verb], c.Clock().At)
		}
		over := f.started(t.Context())
		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Len(t, w.heard, 1, "injects and questions are no news to a clock")
		require.True(t, w.heard[0].Runs)
		c.Pause("the fire alarm")
		time.Sleep(time.Minute)
		c.Resume("all are back")
		require.NoError(t, c.SetSpeed(600))
		<-over
		var runs []bool
		for _, r := range w.heard[1:] {
			runs = append(runs, r.Runs)
		}
		require.Equal(t, []bool{false, true, true, true}, runs[:4], "paused, going on faster, and after each of two long acts")
	})
}

// With no pace, time stands for people who talk, until they answer or the
// facilitator goes on; an answer counts from the next second.
func TestTimeStandsWithoutAPace(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Decider = talkers(func(ctx context.Context, q engine.Question) (engine.Answer, error) {
			if q.Decision.Name == "key" {
				return never(ctx, q)
			}
			time.Sleep(time.Hour)
			return engine.Answer{Option: "call back", After: 3 * time.Minute}, nil
		})
		over := f.started(t.Context())
		synctest.Wait()
		time.Sleep(59 * time.Minute)
		require.Zero(t, c.Clock().At)
		require.False(t, c.Clock().Runs)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 2*time.Minute, c.Clock().At, "on to the second question, and time stands for that")
		for c.Next() == nil {
			synctest.Wait()
		}
		<-over
		for _, e := range f.entries() {
			if e.Kind == journal.KindDecision {
				require.Equal(t, time.Second, e.At)
				break
			}
		}
	})
}

func TestSteering(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Decider, f.c.Speed, f.c.StartPaused = talkers(never), 60, true
		over := f.started(t.Context())
		synctest.Wait()
		require.Equal(t, "ready to begin", c.Clock().Why)
		require.Empty(t, f.told())

		line := func(step string) engine.Due {
			for _, d := range c.Ahead() {
				if d.Step == step {
					return d
				}
			}
			require.Fail(t, "no step "+step)
			return engine.Due{}
		}
		all := []engine.Steering{engine.SteerHold, engine.SteerSkip, engine.SteerEarly}
		require.Len(t, c.Ahead(), 13)
		first := line("4")
		require.Equal(t, 4*time.Minute, first.At)
		require.Equal(t, "inject", first.Kind)
		require.Equal(t, "Is it true?", first.Item.Inject.Text)
		require.Equal(t, all, first.May)
		require.Equal(t, "fleet.recovered >= 3", line("12").When)
		for step, want := range map[string]string{
			"2":  "step 2 is no inject: only what players are told can be steered",
			"12": "step 12 waits for a condition, not for a time, and cannot be steered",
			"99": `there is no step "99" on the run sheet`,
		} {
			require.EqualError(t, c.Hold(step, "p1", ""), want)
		}
		require.EqualError(t, c.Release("4", "p1", ""), `step 4 cannot be steered with "release": it is not held`)

		require.NoError(t, c.Hold("4", "p1", "they are busy"))
		require.Equal(t, engine.StateHeld, line("4").State, "what is asked for counts as done")
		require.EqualError(t, c.Hold("4", "p1", ""), "step 4 is held already")
		require.NoError(t, c.Skip("9", "p1", "enough"))
		require.Equal(t, engine.StateSkipped, line("9").State)
		require.EqualError(t, c.Early("9", "p1", ""), `step 9 cannot be steered with "early": it is skipped`)
		require.NoError(t, c.Early("10", "p1", ""))
		c.Resume("welcome")
		synctest.Wait()
		time.Sleep(5 * time.Second)
		require.Equal(t, "A tape is gone. Nobody reads it.", f.told())
		require.Equal(t, engine.StateHeld, line("4").State)
		require.Equal(t, engine.StateDone, line("10").State)
		require.Equal(t, engine.StateWaiting, line("7").State)
		time.Sleep(1250 * time.Millisecond) // 0:06:15
		require.Equal(t, engine.StateDeciding, line("7").State)
		require.EqualError(t, c.Early("7", "p1", ""), `step 7 cannot be steered with "early": it is due, and waits for a decision`)
		require.NoError(t, c.Hold("7", "p1", ""))
		require.NoError(t, c.Release("4", "p2", "now"))
		time.Sleep(time.Second)
		require.Equal(t, "A tape is gone. Nobody reads it. Is it true?", f.told())
		require.NoError(t, c.Hold("13", "p1", ""))
		require.NoError(t, c.Release("13", "p1", ""))
		time.Sleep(7 * time.Second) // the deadline of the confirmation: accept
		require.Equal(t, engine.StateHeld, line("7").State, "the decision that it waited for is taken, and it is held")
		require.NoError(t, c.Release("7", "p1", ""))
		time.Sleep(time.Second)
		require.Contains(t, f.told(), "We print it.")
		<-over
		require.Equal(t, engine.StateRuledOut, line("13").State, "released before its time, it came when it was due")
		require.Empty(t, line("13").May)
		steers := bodies[journal.Steer](f, journal.KindSteer)
		require.Equal(t, journal.Steer{By: "p1", Step: "4", Did: "hold", Why: "they are busy"}, steers[0])
		require.Len(t, steers, 8)
		require.Contains(t, bodies[journal.Skip](f, journal.KindSkip), journal.Skip{Step: "9", What: "inject from press", Why: "taken out by p1: enough"})
	})
}

// What was told before the facilitator's wish was heard stays told, and the record
// says that the wish came too late, in a replay as well.
func TestSteeringThatComesTooLate(t *testing.T) {
	t.Parallel()
	text := strings.Replace(room(t), "at: 0:12, inject", "at: 0:10, inject", 1)
	f := newFixture(t, text)
	f.c.Control = &engine.Control{}
	f.world.before = func(a engine.Action) {
		if a.Verb == "replace" {
			require.NoError(t, f.c.Control.Hold("9", "p1", ""), "it is due at this very moment, behind this")
		}
	}
	f.run(t.Context())
	want := []journal.Steer{{By: "p1", Step: "9", Did: "hold", Refused: `step 9 cannot be steered with "hold": it is done`}}
	require.Equal(t, want, bodies[journal.Steer](f, journal.KindSteer))

	again := newFixture(t, text)
	recording, err := engine.ReadRecording(f.entries())
	require.NoError(t, err)
	again.c.Recording, again.c.Decider = recording, recording.Decider(engine.Script())
	again.run(t.Context())
	differ, err := engine.Differ(f.entries(), again.entries(), 0)
	require.NoError(t, err)
	require.Empty(t, differ)
}

func TestDutiesThatPeopleDo(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Presenter, f.c.Decider, f.c.Speed = duties{}, talkers(never), 60
		over := f.started(t.Context())
		time.Sleep(4 * time.Second)
		require.EqualError(t, c.Told("5", "p3"), `nobody is waiting to be told under step "5": it is done, or not yet due`)
		time.Sleep(5500 * time.Millisecond)
		require.NoError(t, c.Told("5", "p3"))
		require.Error(t, c.Told("5", "p3"), "once is enough")
		<-over
		var told []journal.Notify
		for _, n := range bodies[journal.Notify](f, journal.KindNotify) {
			if n.Phase == "told" {
				told = append(told, n)
			}
		}
		require.Equal(t, []journal.Notify{{Step: "5", Whom: "panel", Due: "0:15", Told: "0:09:30", Met: true, Phase: "told", By: "p3", Procedure: "method-1"}}, told)
		require.Contains(t, bodies[journal.Skip](f, journal.KindSkip), journal.Skip{Step: "6", What: "notify pma", Why: "nobody was told before the drill ended"})
		var missed []string
		for _, m := range bodies[journal.Missed](f, journal.KindMissed) {
			missed = append(missed, m.What)
		}
		require.NotContains(t, missed, "notify panel", "0:05 was in time; the other, after the silence at 0:12, has no limit")
	})
}

// A drill that is broken off, or whose people fail, ends, and nobody is left asking.
func TestNobodyIsLeftBehind(t *testing.T) {
	t.Parallel()
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		var gone atomic.Int32
		f.c.Speed = 1
		f.c.Decider = talkers(func(ctx context.Context, q engine.Question) (engine.Answer, error) {
			defer gone.Add(1)
			return never(ctx, q)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		over := f.started(ctx)
		time.Sleep(3 * time.Minute)
		cancel(errors.New("stopped by the facilitator"))
		r := <-over
		require.Equal(t, engine.Aborted, r.Outcome.Outcome)
		require.Equal(t, `stopped by the facilitator at 0:02, before the dcc answered "confirm" and before the pma answered "key"`, r.Why)
		require.EqualValues(t, 2, gone.Load())
	})
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Decider = talkers(func(context.Context, engine.Question) (engine.Answer, error) {
			return engine.Answer{}, errors.New("the room is on fire")
		})
		r := f.run(t.Context())
		require.Equal(t, engine.Failed, r.Outcome.Outcome)
		require.Contains(t, r.Why, `asking the dcc for "confirm": the room is on fire`)
	})
	inBubble(t, strings.NewReplacer("minutes: 5\n", "minutes: 5\nends: 2:00\n", "by: 3:00", "by: 1:55").Replace(room(t)), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Speed = 600
		f.c.Decider = talkers(never)
		r := f.run(t.Context())
		require.Equal(t, engine.Finished, r.Outcome.Outcome)
		require.Contains(t, bodies[journal.Skip](f, journal.KindSkip), journal.Skip{Step: "key", What: "decide key", Why: "the drill ended before there was a final answer"})
	})
}

// After a restart the run comes back as fast as it can, asks again what was open,
// and stands where it stood, also if that was in a pause.
func TestARunComesBack(t *testing.T) {
	t.Parallel()
	var was []journal.Entry
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		f.c.Decider, f.c.Speed = talkers(never), 60
		ctx, cancel := context.WithCancel(t.Context())
		over := f.started(ctx)
		time.Sleep(7 * time.Second)
		c.Pause("the fire alarm")
		synctest.Wait()
		cancel()
		<-over
		for _, e := range f.entries() { // killed while it was paused
			if was = append(was, e); e.Kind == journal.KindPause {
				break
			}
		}
	})
	inBubble(t, room(t), func(t *testing.T, f *fixture, c *engine.Control) {
		recording, err := engine.ReadRecording(was)
		require.NoError(t, err)
		asked := make(chan string, 9)
		f.c.Decider = recording.Decider(talkers(func(ctx context.Context, q engine.Question) (engine.Answer, error) {
			asked <- q.Decision.Name
			return never(ctx, q)
		}))
		f.c.Recording, f.c.LiveFrom, f.c.Speed, f.c.LiveAt, f.c.StartPaused = recording, int64(len(was)), 60, 7*time.Minute+10*time.Second, true
		over := f.started(t.Context())
		synctest.Wait()
		require.ElementsMatch(t, []string{"confirm", "key"}, []string{<-asked, <-asked})
		require.Len(t, f.entries(), len(was), "nothing is written twice")
		r := c.Clock()
		require.Equal(t, "the fire alarm", r.Why)
		require.Equal(t, 7*time.Minute+10*time.Second, r.At)
		c.Resume("here we are again")
		time.Sleep(4 * time.Second)
		require.Equal(t, 11*time.Minute+10*time.Second, c.Clock().At.Truncate(time.Millisecond))
		require.NoError(t, c.SetSpeed(1e6))
		require.Equal(t, engine.Finished, (<-over).Outcome.Outcome)
	})
}

// A question can be put anew: what came after it is forgotten.
func TestGoingBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, drill(t))
	f.run(t.Context())
	recording, err := engine.ReadRecording(f.entries())
	require.NoError(t, err)
	_, err = recording.Until("kee", 0)
	require.ErrorContains(t, err, `did you mean "key"?`)
	_, err = recording.Until("key", 7)
	require.ErrorContains(t, err, `"key" was not asked 7 times`)
	from, err := recording.Until("key", 1)
	require.NoError(t, err)

	inBubble(t, drill(t), func(t *testing.T, again *fixture, c *engine.Control) {
		again.c.Recording, again.c.LiveFrom, again.c.Speed, again.c.StartPaused = recording, from, 60, true
		again.c.Decider = recording.Decider(talkers(func(_ context.Context, q engine.Question) (engine.Answer, error) {
			require.Equal(t, 1, q.Asking)
			time.Sleep(2 * time.Second)
			return engine.Answer{Option: "required", Assessed: []journal.Assessment{{Factor: "evidence", Finding: "x"}},
				Votes: []journal.Vote{{Member: "chair", Option: "required"}, {Member: "large", Option: "required"}}}, nil
		}))
		over := again.started(t.Context())
		synctest.Wait()
		require.Equal(t, 20*time.Minute, c.Clock().At)
		require.Equal(t, "played again up to here", c.Clock().Why)
		differ, err := engine.Differ(f.entries(), again.entries(), from)
		require.NoError(t, err)
		require.Empty(t, differ)
		c.Resume("")
		<-over
		require.Len(t, again.world.opened, 1)
	})
}
