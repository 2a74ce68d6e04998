package room_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/room"
	"smki.example/drills/verify"
	"smki.example/softhsm"
)

// realScene is an exercise with tokens, keys and devices.
func realScene(t *testing.T, a room.Arrange) *scene {
	t.Helper()
	if testing.Short() {
		t.Skip("a whole drill is played; run without -short")
	}
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	s := &scene{t: t, people: map[string]room.PersonID{}}
	s.cfg = room.Config{Home: t.TempDir(), Name: "evening", Procedure: sample(t), RecordKey: key}
	s.open()
	_, code := s.r.Codes()
	s.join(code, "Fay")
	s.do("Fay", a)
	s.do("Fay", room.OpenDoors{})
	return s
}

// actor is somebody who does what the screen asks for, until there is nothing left.
type actor struct {
	*scene
	name  string
	seats []room.SeatID
	want  map[string]string // option by question
	blind bool
}

// act looks at the screen until the drill is over.
func (a actor) act(ctx context.Context) error {
	gone := a.r.Here(a.people[a.name])
	defer gone()
	for {
		v, err := a.r.View(a.people[a.name])
		if err != nil {
			return err
		}
		if v.Phase == room.HotWash || v.Phase == room.Closed {
			return nil
		}
		did, err := a.next(ctx, v)
		if err != nil {
			return err
		}
		if did {
			continue
		}
		select {
		case <-a.r.Changed(v.Version):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next does the first thing that the screen asks for. That somebody else was faster
// is no error.
func (a actor) next(ctx context.Context, v *room.View) (bool, error) {
	do := func(act room.Act) (bool, error) {
		err := a.r.Do(ctx, a.people[a.name], act)
		var no *room.Refusal
		if errors.As(err, &no) {
			a.t.Logf("%s: %T: %s", a.name, act, no.Why)
			return false, nil
		}
		return err == nil, err
	}
	if v.Phase != room.Playing {
		return false, nil
	}
	for _, d := range v.Duties {
		if d.Seat != "" {
			return do(room.TellWhom{Seat: d.Seat, Step: d.Step})
		}
	}
	for _, c := range v.Calls {
		if c.Done != "" || !slices.Contains(a.seats, c.Seat) {
			continue
		}
		for _, e := range v.Envelopes {
			if e.Seat == c.Seat && e.Key == c.Key {
				return do(room.GiveShare{Seat: c.Seat, Key: c.Key, Code: e.Code})
			}
		}
	}
	for _, q := range v.Questions {
		if !q.Involved || q.ByScript || q.Stage == room.Counting {
			continue
		}
		seat := a.seats[0]
		want := a.want[q.Decision]
		if q.MayCall {
			for _, f := range q.Factors {
				if f.Force == "shall" && f.Finding == "" {
					return do(room.Assess{Seat: seat, Decision: q.Decision, Asking: q.Asking, Factor: f.ID, Finding: "looked at together"})
				}
			}
			if q.Stage == room.Discussing {
				return do(room.CallVote{Seat: seat, Decision: q.Decision, Asking: q.Asking, Blind: a.blind})
			}
			all := true
			for _, m := range q.Members {
				all = all && (!m.Vote || m.Voted || m.Name == "" || m.Barred)
			}
			if q.CanClose && all {
				return do(room.CloseVote{Seat: seat, Decision: q.Decision, Asking: q.Asking, Reason: "as discussed"})
			}
		}
		if q.Stage != room.Discussing && len(q.MyVotes) > 0 && !q.MyVotes[0].Voted && !q.MyVotes[0].Barred {
			return do(room.Vote{Seat: seat, Decision: q.Decision, Asking: q.Asking, Option: want, Reason: a.name + " says so"})
		}
	}
	return false, nil
}

var answers = map[string]string{
	"confirm": "call back", "first move": "method 1 at once", "freeze": "hold all traffic", "method": "method 3", "recovery key": "required", "intruder certificates": "revoke them now",
}

// company are those who play S02, beside the facilitator.
func company(s *scene) []actor {
	s.t.Helper()
	var out []actor
	sit := func(name string, blind bool, seats ...room.SeatID) {
		s.seat(name, seats...)
		out = append(out, actor{s, name, seats, answers, blind})
	}
	for name, seat := range pma {
		sit(name, true, seat)
	}
	sit("Des", false, "dcc/duty")
	sit("Sue", false, "supplier/sro")
	sit("Kit", false, "custodian/1")
	sit("Kat", false, "custodian/4")
	sit("Pia", false, "listener/press")
	codes, _ := s.r.Codes()
	s.join(codes.Observer, "Ola")
	out = append(out, actor{s, "Ola", nil, nil, false})
	return out
}

// Twelve people play S02 to its end, the key is opened by their decision and their
// codes, and the record holds before somebody who trusts none of it.
func TestTwelvePeople(t *testing.T) {
	t.Parallel()
	s := realScene(t, room.Arrange{Scenario: "S02", Devices: 40, Speed: 600})
	people := company(s)
	require.Len(t, s.people, 12)
	s.play()
	s.do("Fay", room.Begin{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(people))
	for _, p := range people {
		wg.Go(func() { errs <- p.act(ctx) })
	}
	s.until("Fay", "all questions are answered", func(v *room.View) bool { return len(v.Decided) == 6 || v.Exercise.Trouble != "" })
	s.do("Fay", room.Pace{Speed: 20_000})
	wg.Wait()
	for range people {
		require.NoError(t, <-errs)
	}
	v := s.until("Fay", "the hot wash", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	require.Equal(t, "finished", v.After.Outcome)
	for _, d := range v.Decided {
		require.Equal(t, "members", d.Answered, d.Decision)
		require.Equal(t, answers[d.Decision.Decision], d.Chosen)
	}
	s.do("Ola", room.Jot{Text: "The desk called back at once.", Tag: room.Strength})
	s.do("Fay", room.Finish{})
	v = s.until("Fay", "the seal", func(v *room.View) bool { return len(v.After.Files) > 0 || v.Exercise.Trouble != "" })
	require.Empty(t, v.Exercise.Trouble)
	verified(t, s, v)
	entries, err := journal.ReadAll(filepath.Join(s.r.Pack(), journal.FileName))
	require.NoError(t, err)
	given := 0
	for _, e := range entries {
		if e.Kind == journal.KindCustody {
			var c struct {
				Opened bool
				Shares []struct{ Given bool }
			}
			require.NoError(t, e.Decode(&c))
			for _, x := range c.Shares {
				if c.Opened && x.Given {
					given++
				}
			}
		}
	}
	require.GreaterOrEqual(t, given, 3)

	// The replay may be dragged to any entry, by anybody.
	for _, name := range []string{"Ann", "Pia", "Ola", "Fay"} {
		for _, at := range []int64{1, int64(len(entries) / 2), int64(len(entries))} {
			x, err := s.r.ViewAt(s.people[name], at)
			require.NoError(t, err)
			require.NotNil(t, x.Replay)
		}
	}
}

func verified(t *testing.T, s *scene, v *room.View) {
	t.Helper()
	result, err := verify.Pack(s.r.Pack(), verify.Options{Key: s.cfg.RecordKey.Fingerprint(), Head: v.After.Words})
	require.NoError(t, err)
	for _, c := range result.Checks {
		require.True(t, c.Held, "%+v", c)
	}
	require.True(t, result.Intact)
	require.True(t, result.Bound)
	for _, f := range []string{"room.jsonl", "room-texts.jsonl", "pictures.jsonl", "minutes.html", "minutes.pdf", "after-action.html", "after-action.pdf"} {
		require.FileExists(t, filepath.Join(s.r.Pack(), f))
	}
}

// The server is killed in the middle of the committee's vote. The drill is played
// again on new keys to where it was, with the votes that were cast. Then the room
// goes back to that vote, and decides otherwise.
func TestRealDrillKilledInAVote(t *testing.T) {
	t.Parallel()
	s := realScene(t, room.Arrange{Scenario: "S02", Devices: 40, Speed: 3600})
	for name, seat := range pma {
		s.seat(name, seat)
	}
	s.play()
	s.do("Fay", room.Begin{})
	b := s.question("Ann", "recovery key", 1)
	s.do("Fay", room.Pause{Why: "people talk"})
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: b.Decision, Asking: 1})
	s.assess("Ann", "pma/chair", b)
	s.vote("Ben", "required", "first")
	s.vote("Cy", "required", "second")
	at := s.view("Fay").Clock.At
	feed := len(s.view("Ben").Feed)
	s.r.Kill()
	s.halt()
	s.open()
	require.Equal(t, feed, len(s.view("Ben").Feed), "what was known is shown at once")
	s.play()
	v := s.until("Fay", "it is back", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused || v.Exercise.Trouble != "" })
	require.Empty(t, v.Exercise.Trouble)
	require.InDelta(t, at.Minutes(), v.Clock.At.Minutes(), 2)
	again := s.question("Ann", "recovery key", 1)
	require.Equal(t, 2, again.Cast)
	s.vote("Dee", "required", "third")
	s.do("Fay", room.Resume{Why: "we are back"})
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: b.Decision, Asking: 1})
	s.until("Ben", "the decision", func(v *room.View) bool {
		return slices.ContainsFunc(v.Decided, func(d room.Decided) bool { return d.Decision.Decision == "recovery key" })
	})
	s.do("Fay", room.Pace{Speed: 50_000})
	s.until("Fay", "the hot wash", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })

	// What if they had decided otherwise: the course of events is left at their question.
	s.do("Fay", room.GoBack{Decision: b.Decision, Asking: 1})
	v = s.until("Fay", "the question is put anew", func(v *room.View) bool {
		return v.Phase == room.Playing && v.Clock.Paused || v.Exercise.Trouble != ""
	})
	require.Empty(t, v.Exercise.Trouble)
	anew := s.question("Ann", "recovery key", 1)
	require.Equal(t, room.Discussing, anew.Stage)
	s.assess("Ann", "pma/chair", anew)
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: b.Decision, Asking: 1})
	for _, name := range []string{"Ann", "Ben", "Cy"} {
		s.vote(name, "not required", "the other way")
	}
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: b.Decision, Asking: 1})
	s.do("Fay", room.Resume{Why: "the other way"})
	s.do("Fay", room.Pace{Speed: 50_000})
	s.until("Fay", "the hot wash", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	s.do("Fay", room.Finish{})
	v = s.until("Fay", "the seal", func(v *room.View) bool { return len(v.After.Files) > 0 || v.Exercise.Trouble != "" })
	require.Empty(t, v.Exercise.Trouble)
	verified(t, s, v)
	for _, run := range []string{"1", "2"} {
		require.FileExists(t, filepath.Join(s.r.Pack(), "before", run, journal.FileName))
	}
	require.Equal(t, []int{2}, v.After.Branches)
}
