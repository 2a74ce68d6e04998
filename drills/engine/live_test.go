package engine_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// people answer what they are asked after a while on the wall, and take part in a
// drill that goes on meanwhile.
type people struct {
	waits map[string][]said // by decision, one a call of Decide; none left: they never answer
	mu    sync.Mutex
	calls map[string]int
}

type said struct {
	after  time.Duration
	answer engine.Answer
}

func (p *people) Deliberates(q engine.Question) bool { return len(p.waits[q.Decision.Name]) > 0 }

func (p *people) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	list := p.waits[q.Decision.Name]
	if len(list) == 0 {
		return engine.Script().Decide(ctx, q)
	}
	p.mu.Lock()
	n := p.calls[q.Decision.Name]
	p.calls[q.Decision.Name]++
	p.mu.Unlock()
	if n >= len(list) {
		<-ctx.Done()
		return engine.Answer{Present: []string{"chair"}}, context.Cause(ctx)
	}
	select {
	case <-ctx.Done():
		return engine.Answer{Silent: true, Present: []string{"large"}}, nil
	case <-time.After(list[n].after):
		return list[n].answer, nil
	}
}

// move is something that a facilitator does, after a while on the wall.
type move struct {
	after time.Duration
	do    string
	step  string
	speed float64
}

func (m move) on(c *engine.Control) {
	switch m.do {
	case "pause":
		c.Pause("the fire alarm")
	case "resume":
		c.Resume("all are back")
	case "speed":
		c.SetSpeed(m.speed)
	case "next":
		c.Next()
	case "told":
		c.Told(m.step, "p3")
	case "hold":
		c.Hold(m.step, "p1", "they are busy")
	case "release":
		c.Release(m.step, "p1", "")
	case "skip":
		c.Skip(m.step, "p1", "enough")
	case "early":
		c.Early(m.step, "p1", "")
	}
}

// duties is a Presenter whose people tell in their own time.
type duties struct{}

func (duties) Present(context.Context, engine.Moment) error { return nil }
func (duties) Waits(journal.Notify) bool                    { return true }

// evening is a live run: who says what when, and what the facilitator does.
type evening struct {
	waits  map[string][]said
	moves  []move
	speed  float64
	tells  bool
	paused bool
	rule   string // on interests
	chair  bool   // has a casting vote
}

func (e evening) vocabulary() scenario.Vocabulary {
	v := vocabulary()
	v.Bodies[1].Conflict = e.rule
	if e.chair {
		v.Bodies[1].Casting = "chair"
	}
	return v
}

func room(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/room.yaml")
	require.NoError(t, err)
	return string(b)
}

// inMemory is a folder for journals that are synced thousands of times: in memory,
// where there is such a place.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "drill")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// live plays an evening and returns its journal. change, if any, bends the run first.
func (e evening) live(t *testing.T, change func(*engine.Config)) (entries []journal.Entry) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureIn(t, inMemory(t), room(t), e.vocabulary())
		p := &people{waits: e.waits, calls: map[string]int{}}
		f.c.Decider, f.c.Speed, f.c.Control, f.c.StartPaused = p, e.speed, &engine.Control{}, e.paused
		if e.tells {
			f.c.Presenter = duties{}
		}
		if change != nil {
			change(&f.c)
		}
		over := make(chan struct{})
		go func() {
			for _, m := range e.moves {
				select {
				case <-over:
					return
				case <-time.After(m.after):
					m.on(f.c.Control)
				}
			}
			for { // nobody leaves a drill for ever that is paused, or waits for an answer
				select {
				case <-over:
					return
				case <-time.After(time.Hour):
					f.c.Control.Resume("on we go")
					f.c.Control.Next()
				}
			}
		}()
		f.run(t.Context())
		close(over)
		synctest.Wait()
		entries = f.entries()
	})
	return entries
}

// replayed plays a recorded run again, as fast as it goes.
func (e evening) replayed(t *testing.T, was []journal.Entry) []journal.Entry {
	f := newFixtureIn(t, inMemory(t), room(t), e.vocabulary())
	recording, err := engine.ReadRecording(was)
	require.NoError(t, err)
	f.c.Recording, f.c.Decider = recording, recording.Decider(engine.Script())
	f.run(t.Context())
	return f.entries()
}

func draw(t *rapid.T) evening {
	e := evening{waits: map[string][]said{}, tells: rapid.Bool().Draw(t, "duties"), paused: rapid.Bool().Draw(t, "starts paused")}
	e.rule = rapid.SampledFrom([]string{"", "declares it and votes", declaresOnly, declaresOut}).Draw(t, "rule on interests")
	e.chair = rapid.Bool().Draw(t, "casting vote")
	e.speed = rapid.SampledFrom([]float64{0, 1, 7.3, 60, 600}).Draw(t, "speed")
	// minutes of scenario time, by the speed at the beginning, on the wall
	minutes := func(most int, name string) time.Duration {
		d := time.Duration(rapid.IntRange(0, most*60_000).Draw(t, name)) * time.Millisecond
		if e.speed > 0 {
			d = time.Duration(float64(d) / e.speed)
		}
		return d
	}
	for range rapid.IntRange(0, 3).Draw(t, "confirm answers") {
		e.waits["confirm"] = append(e.waits["confirm"], said{minutes(15, "after"), engine.Answer{
			Option: rapid.SampledFrom([]string{"call back", "accept", "beer", ""}).Draw(t, "option"), Silent: rapid.IntRange(0, 9).Draw(t, "silent") == 0,
		}})
	}
	for range rapid.IntRange(0, 6).Draw(t, "key answers") {
		a := engine.Answer{Assessed: []journal.Assessment{{Factor: "evidence", Finding: "confirmed"}}, Ballot: rapid.SampledFrom([]string{"", "open", "blind"}).Draw(t, "ballot")}
		if rapid.Bool().Draw(t, "attendance") {
			a.Present = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"chair", "large", "small", "authority"}), func(s string) string { return s }).Draw(t, "present")
		}
		for _, m := range []string{"chair", "large", "small"} {
			switch o := rapid.SampledFrom([]string{"required", "required", "not required", "adjourn", "abstains", "interest", "absent"}).Draw(t, m); o {
			case "abstains":
				a.Abstained = append(a.Abstained, journal.Abstention{Member: m, Reason: "new to me"})
			case "interest":
				if rapid.Bool().Draw(t, "votes all the same") {
					a.Votes = append(a.Votes, journal.Vote{Member: m, Option: "required", Conflict: "my cousin"})
					break
				}
				a.Conflicts = append(a.Conflicts, journal.Conflict{Member: m, Interest: "my employer"})
			case "absent":
			default:
				a.Votes = append(a.Votes, journal.Vote{Member: m, Option: o, Reason: "because"})
			}
		}
		counts := map[string]int{}
		for _, v := range a.Votes {
			if counts[v.Option]++; counts[v.Option] == 2 {
				a.Option = v.Option
			}
		}
		e.waits["key"] = append(e.waits["key"], said{minutes(15, "after"), a})
	}
	for range rapid.IntRange(0, 30).Draw(t, "moves") {
		m := move{after: minutes(3, "after"), do: rapid.SampledFrom([]string{"pause", "resume", "speed", "next", "told", "told", "hold", "hold", "release", "release", "skip", "early"}).Draw(t, "move")}
		m.step = rapid.SampledFrom([]string{"4", "7", "9", "10", "13", "2.2"}).Draw(t, "step")
		if m.do == "told" {
			m.step = rapid.SampledFrom([]string{"5", "6", "2.2"}).Draw(t, "duty")
		}
		m.speed = rapid.SampledFrom([]float64{1, 10, 33.3, 1000}).Draw(t, "pace")
		e.moves = append(e.moves, m)
	}
	return e
}

// A live run and its replay have the same journal, whenever people answered, were
// refused, said nothing or talked about two things at once, and whatever the
// facilitator did meanwhile.
func TestAReplayOfALiveRunHasItsJournal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		e := draw(rt)
		was := e.live(t, nil)
		is := e.replayed(t, was)
		same(rt, was, is)
		for i := 1; i < len(was); i++ {
			if was[i].At < was[i-1].At {
				rt.Fatalf("entry %d is told for %s after one for %s", i+1, was[i].At, was[i-1].At)
			}
		}
	})
}

// A run that was broken off goes on where it was: what the journal holds is brought
// back, whatever had happened, and what comes after can be played again too.
func TestARunThatWasBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		e := draw(rt)
		was := e.live(t, nil)
		cut := int64(rapid.IntRange(3, len(was)-1).Draw(rt, "cut"))
		recording, err := engine.ReadRecording(was[:cut])
		require.NoError(t, err)
		is := e.live(t, func(c *engine.Config) {
			c.Recording, c.LiveFrom, c.Decider = recording, cut, recording.Decider(c.Decider)
			c.StartPaused = rapid.Bool().Draw(rt, "paused again")
			c.LiveAt = was[cut-1].At + time.Duration(rapid.IntRange(0, 90).Draw(rt, "lost"))*time.Second
		})
		same(rt, was[:cut], is[:min(int(cut), len(is))])
		same(rt, is, e.replayed(t, is))
	})
}

// A branch that takes the option that was taken is the run that was, what the
// facilitator did included; one that takes another agrees with it up to there.
func TestABranchOfALiveRun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		e := draw(rt)
		was := e.live(t, nil)
		var taken []journal.Decision
		for _, e := range was {
			if e.Kind == journal.KindDecision {
				var d journal.Decision
				require.NoError(t, e.Decode(&d))
				taken = append(taken, d)
			}
		}
		at := rapid.SampledFrom(taken).Draw(rt, "at")
		option := rapid.SampledFrom(at.Options).Draw(rt, "option").Name
		f := newFixtureIn(t, inMemory(t), room(t), e.vocabulary())
		recording, err := engine.ReadRecording(was)
		require.NoError(t, err)
		require.NoError(t, recording.Branch(f.c.Scenario, at.Decision, at.Asking, option))
		agree := recording.Agree()
		require.Equal(t, option == at.Chosen, agree == 0)
		f.c.Recording, f.c.Decider = recording, recording.Decider(engine.Script())
		require.Equal(t, engine.Finished, f.run(t.Context()).Outcome.Outcome)
		differ, err := engine.Differ(was, f.entries(), agree)
		require.NoError(t, err)
		if differ != "" {
			rt.Fatal(differ)
		}
	})
}

func same(t *rapid.T, was, is []journal.Entry) {
	a, err := journal.Masked(was)
	if err != nil {
		t.Fatal(err)
	}
	b, err := journal.Masked(is)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) == string(b) {
		return
	}
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range max(len(x), len(y)) {
		l, r := "nothing", "nothing"
		if i < len(x) {
			l = x[i]
		}
		if i < len(y) {
			r = y[i]
		}
		if l != r {
			t.Fatalf("entry %d:\nwas %s\nis  %s\nbefore:\n%s", i+1, l, r, strings.Join(x[max(0, i-6):i], "\n"))
		}
	}
}
