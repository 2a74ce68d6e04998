package library_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// members talk over every question for a while on the wall and then answer as the
// script does, by their votes.
type members struct{ talk time.Duration }

func (members) Deliberates(engine.Question) bool { return true }

func (m members) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	select {
	case <-ctx.Done():
		return engine.Answer{Silent: true}, nil
	case <-time.After(m.talk + time.Duration(q.Asking)*317*time.Millisecond):
	}
	a, err := engine.Script().Decide(ctx, q)
	if a.Silent || err != nil {
		return a, err
	}
	a.Answered, a.Ballot, a.Present = engine.ByMembers, "blind", []string{}
	for _, x := range q.Body.Members {
		if x.Vote {
			a.Votes = append(a.Votes, journal.Vote{Member: x.ID, Option: a.Option})
		}
	}
	return a, nil
}

// Shipped drills held with people, a clock that runs and a facilitator who meddles:
// what a replay makes of the record alone is the same record, devices and all.
func TestLiveDrillsPlayedAgain(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"S01", "S02", "S09"} {
		t.Run(id, func(t *testing.T) {
			var live *course
			synctest.Test(t, func(t *testing.T) {
				live = playAs(t, id, 3, func(c *engine.Config) error {
					c.Decider, c.Speed, c.Control, c.StartPaused = members{7 * time.Second}, 60, &engine.Control{}, true
					over, gone := make(chan struct{}), make(chan struct{})
					t.Cleanup(func() { close(over); <-gone })
					go func() {
						defer close(gone)
						for n := 0; ; n++ {
							select {
							case <-over:
								return
							case <-time.After(4100 * time.Millisecond):
							}
							meddle(c.Control, n)
						}
					}()
					return nil
				})
			})
			require.Equal(t, engine.Finished, live.Outcome.Outcome, "%v", live.Cause)
			kinds := map[journal.Kind]int{}
			for i, e := range live.entries {
				kinds[e.Kind]++
				if i > 0 {
					require.GreaterOrEqual(t, e.At, live.entries[i-1].At, "entry %d", e.Seq)
				}
			}
			require.NotZero(t, kinds[journal.KindPause])
			require.NotZero(t, kinds[journal.KindSteer])

			recording, err := engine.ReadRecording(live.entries)
			require.NoError(t, err)
			again := playAs(t, id, 3, func(c *engine.Config) error {
				c.Recording, c.Decider = recording, recording.Decider(engine.Script())
				return nil
			})
			differ, err := engine.Differ(live.entries, again.entries, 0)
			require.NoError(t, err)
			require.Empty(t, differ)
		})
	}
}

// meddle is what a facilitator does at the n-th turn.
func meddle(c *engine.Control, n int) {
	c.Resume("on we go")
	switch n % 5 {
	case 0:
		for _, d := range c.Ahead() {
			if len(d.May) > 0 && d.State == engine.StateWaiting {
				c.Hold(d.Step, "p1", fmt.Sprintf("turn %d", n))
				return
			}
		}
	case 1:
		c.Pause("a question from the floor")
	case 2:
		for _, d := range c.Ahead() {
			if d.State == engine.StateHeld {
				c.Release(d.Step, "p1", "")
			}
		}
	case 3:
		c.SetSpeed(float64(20 + 40*(n%7)))
	case 4:
		c.Next()
	}
}
