package room_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/room"
	"smki.example/drills/roombook"
)

// every act, as somebody may try it.
var every = []room.Act{
	room.Arrange{Scenario: "S01"}, room.OpenDoors{}, room.Begin{}, room.TakeSeat{Seat: "panel/chair"}, room.LeaveSeat{Seat: "pma/chair"}, room.Move{Seat: "pma/chair"},
	room.Declare{Seat: "pma/chair", Decision: key, Asking: 1, Interest: "x"}, room.Assess{Seat: "pma/chair", Decision: key, Asking: 1, Factor: "evidence", Finding: "x"},
	room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1}, room.CallVote{Decision: key, Asking: 1}, room.Vote{Seat: "pma/chair", Decision: key, Asking: 1, Option: "required"},
	room.Reveal{Seat: "pma/chair", Decision: key, Asking: 1}, room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1}, room.CloseVote{Decision: key, Asking: 1},
	room.GiveShare{Seat: "custodian/1", Key: "recovery-1", Code: "x"}, room.TellWhom{Seat: "dcc/duty", Step: "3"}, room.TellWhom{Step: "3"},
	room.Pause{}, room.Resume{}, room.Pace{Speed: 2}, room.Jump{}, room.Steer{Step: "6", Did: room.Skip}, room.GoBack{Decision: "confirm", Asking: 1}, room.Stop{},
	room.Rate{Objective: "notification", Rating: "P"}, room.Plan{What: "x"}, room.RiskLeft{What: "x", Likelihood: "low"}, room.Write{Part: "summary", Text: "x"}, room.Finish{},
	room.Jot{Text: "x", Private: true},
}

// What is not allowed is refused, whoever tries it, and leaves nothing in the book.
func TestActsAreChecked(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	codes, _ := s.r.Codes()
	s.join(codes.Player, "Nobody")
	s.play()
	s.do("Fay", room.Begin{})
	s.toTheKey()
	before := len(s.r.Book())
	may := map[string][]string{
		"Nobody":      {"room.TakeSeat"},
		"Room screen": {},
		"Ola":         {"room.Rate"},
		"Ben":         {"room.TakeSeat"}, // sits in the committee, and not as its chair
	}
	for name, allowed := range may {
		for _, a := range every {
			kind := fmt.Sprintf("%T", a)
			if strings.Contains(strings.Join(allowed, " "), kind) {
				continue
			}
			require.NotEmpty(t, s.refused(name, a), "%s: %T", name, a)
		}
	}
	require.Len(t, s.r.Book(), before)
	require.ErrorIs(t, s.r.Do(t.Context(), "p99", room.Pause{}), room.ErrUnknown)
	_, err := s.r.View("p99")
	require.ErrorIs(t, err, room.ErrUnknown)
	_, _, known := s.r.Who("no such pass")
	require.False(t, known)
	_, err = s.r.ViewAt(s.people["Ben"], 1)
	require.ErrorContains(t, err, "over")
	_, err = s.r.ViewAt(s.people["Fay"], 1)
	require.NoError(t, err)
}

// What people type is one line where a line is asked for, and no longer than it may
// be.
func TestWhatPeopleType(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.do("Ann", room.Vote{Seat: "pma/chair", Decision: key, Asking: 1, Option: "adjourn", Reason: "<b>one</b>\r\ntwo\u202e\x00 " + strings.Repeat("x", 1000)})
	reason := s.question("Ann", key, 1).MyVotes[0].Reason
	require.True(t, strings.HasPrefix(reason, "<b>one</b> two x"), reason)
	require.Len(t, []rune(reason), 300)
	require.NotEmpty(t, s.refused("Ann", room.Vote{Seat: "pma/chair", Decision: key, Asking: 1, Option: "<script>"}))
	s.do("Ola", room.Jot{Text: "first\nsecond"})
	require.Equal(t, "first\nsecond", s.view("Ola").Notes[0].Text)
	require.Empty(t, s.view("Ann").Notes)
	require.Len(t, s.view("Fay").Notes, 1)
	s.do("Fay", room.Jot{Text: "he is nervous", Private: true})
	require.Len(t, s.view("Fay").Sheet.Private, 1)
	require.Len(t, s.view("Ola").Notes, 1)
}

// A tie is counted and stands in the record; the question is put again with what was
// said, and decided when somebody changes their vote.
func TestPutAgain(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	s.do("Fay", room.CallVote{Decision: key, Asking: 1})
	s.assess("Ben", pma["Ben"], b)
	s.vote("Ann", "required", "")
	s.vote("Ben", "required", "")
	s.vote("Cy", "not required", "")
	s.vote("Dee", "not required", "")
	q := s.question("Eve", key, 1)
	require.Equal(t, 4, q.Cast)
	require.Contains(t, q.Tally, "nothing is decided")
	s.do("Fay", room.CloseVote{Decision: key, Asking: 1})
	v := s.until("Eve", "the question is put again", func(v *room.View) bool {
		return len(v.Questions) == 1 && v.Questions[0].Refused != ""
	})
	require.Equal(t, room.Voting, v.Questions[0].Stage)
	s.vote("Eve", "required", "let us go on")
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	v = s.until("Eve", "the decision", func(v *room.View) bool { return len(v.Decided) == 2 })
	require.Equal(t, "required", v.Decided[1].Chosen)
	require.Len(t, v.Decided[1].Refusals, 1)
	require.Len(t, v.Decided[1].Dissent, 2)
}

// Who takes a seat over has no vote yet, and does not see the one that was cast.
func TestSeatTakenOver(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{Blind: true})
	codes, _ := s.r.Codes()
	s.join(codes.Player, "Zed")
	s.play()
	s.do("Fay", room.Begin{})
	s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1, Blind: true})
	s.vote("Ben", "required", "a secret")
	s.do("Ben", room.LeaveSeat{Seat: pma["Ben"]})
	require.Equal(t, 1, s.question("Ann", key, 1).Cast, "who goes home has voted")
	s.do("Ben", room.TakeSeat{Seat: pma["Ben"]})
	require.Equal(t, 1, s.question("Ann", key, 1).Cast)
	s.do("Fay", room.Move{Seat: pma["Ben"], Person: s.people["Zed"]})
	q := s.question("Zed", key, 1)
	require.Zero(t, q.Cast)
	require.False(t, q.MyVotes[0].Voted)
	require.Empty(t, q.MyVotes[0].Option)
	require.Empty(t, q.MyVotes[0].Reason)
}

// A pack may have a member with an interest lose the vote, or leave the room.
func TestInterestTakesTheVote(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"declares it and does not vote", "declares it and leaves the room"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			require.NoError(t, s.r.Close())
			text := strings.Replace(string(s.cfg.Procedure.Text), "conflict: declares it and votes", "conflict: "+rule, 1)
			p, err := procedure.Parse("ours.yaml", []byte(text))
			require.NoError(t, err)
			s.cfg.Procedure, s.cfg.Name = p, "other"
			s.people = map[string]room.PersonID{}
			s.open()
			_, code := s.r.Codes()
			s.join(code, "Fay")
			s.do("Fay", room.Arrange{Text: tabletop, Speed: atOnce})
			s.do("Fay", room.OpenDoors{})
			s.seat("Des", "dcc/duty")
			for name, seat := range pma {
				s.seat(name, seat)
			}
			s.play()
			s.do("Fay", room.Begin{})
			b := s.toTheKey()
			s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
			s.assess("Ann", "pma/chair", b)
			s.vote("Cy", "required", "before he thought of it")
			s.do("Cy", room.Declare{Seat: pma["Cy"], Decision: key, Asking: 1, Interest: "works for the supplier"})
			q := s.question("Ann", key, 1)
			require.True(t, q.Members[2].Barred)
			require.False(t, q.Members[2].Voted)
			require.Zero(t, q.Cast, "his vote is gone with it")
			require.Contains(t, s.refused("Cy", room.Vote{Seat: pma["Cy"], Decision: key, Asking: 1, Option: "required"}), rule)
			s.vote("Ann", "not required", "")
			s.vote("Ben", "not required", "")
			require.Contains(t, s.refused("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1}), "1 missing")
			s.vote("Dee", "not required", "")
			if rule == "declares it and leaves the room" {
				for _, m := range s.question("Cy", key, 1).Members {
					require.Empty(t, m.Option, "who left the room does not see how others vote")
				}
				require.Contains(t, s.refused("Cy", room.Assess{Seat: pma["Cy"], Decision: key, Asking: 1, Factor: "evidence", Finding: "x"}), "left the room")
			}
			s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
			v := s.until("Cy", "the decision", func(v *room.View) bool { return len(v.Decided) == 2 })
			require.Equal(t, "not required", v.Decided[1].Chosen)
			require.Len(t, v.Decided[1].Conflicts, 1)
			require.False(t, v.Decided[1].Conflicts[0].MayVote)
		})
	}
}

// Nobody sits: the script answers, and the record says that no member voted. Who is
// alone in a rehearsal answers for the committee only if that was arranged.
func TestAlone(t *testing.T) {
	t.Parallel()
	solo := func(t *testing.T, a room.Arrange) *room.View {
		s := newScene(t)
		a.Text, a.Speed = tabletop, atOnce
		s.do("Fay", a)
		s.do("Fay", room.OpenDoors{})
		s.seat("Ben", pma["Ben"])
		s.play()
		s.do("Fay", room.Begin{})
		b := s.question("Ben", key, 1)
		require.True(t, b.MayCall || !a.Solo)
		if a.Solo {
			s.assess("Ben", pma["Ben"], b)
			s.vote("Ben", "required", "I would")
			s.do("Ben", room.CloseVote{Seat: pma["Ben"], Decision: key, Asking: 1})
		} else {
			s.do("Fay", room.CallVote{Decision: key, Asking: 1})
			s.vote("Ben", "required", "I would")
			s.do("Fay", room.Jump{})
		}
		return s.until("Ben", "the decision", func(v *room.View) bool { return len(v.Decided) >= 2 })
	}
	t.Run("nobody else sits", func(t *testing.T) {
		t.Parallel()
		v := solo(t, room.Arrange{})
		require.Equal(t, "script", v.Decided[0].Answered, "of the service desk")
		require.Equal(t, "silence", v.Decided[1].Answered, "one vote is no quorum")
	})
	t.Run("others follow the script", func(t *testing.T) {
		t.Parallel()
		v := solo(t, room.Arrange{Solo: true})
		require.Equal(t, "script", v.Decided[1].Answered)
		require.Equal(t, "not required", v.Decided[1].Chosen)
	})
	t.Run("one person decides", func(t *testing.T) {
		t.Parallel()
		v := solo(t, room.Arrange{Solo: true, SoloDecides: true})
		require.Equal(t, "one person", v.Decided[1].Answered)
		require.Equal(t, "required", v.Decided[1].Chosen)
		require.Contains(t, v.Decided[1].Note, "ONE PERSON REHEARSED")
		require.Equal(t, "I would", v.Decided[1].Reason)
		require.Empty(t, v.Decided[1].Votes)
	})
}

// The facilitator steers what people are told, and the run sheet says what became of
// it.
func TestSteered(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	line := func(step string) room.SheetLine {
		for _, l := range s.view("Fay").Sheet.Lines {
			if l.Step == step {
				return l
			}
		}
		require.FailNow(t, "no step "+step)
		return room.SheetLine{}
	}
	news := line("6")
	require.Equal(t, "inject", news.Kind)
	require.Contains(t, news.May, room.Early)
	require.NotEmpty(t, news.Text)
	s.do("Fay", room.Steer{Step: "6", Did: room.Early, Why: "they are asleep"})
	s.until("Ann", "the news", func(v *room.View) bool {
		// A duty done at the same second may stand behind it.
		return slices.ContainsFunc(v.Feed, func(i room.Item) bool { return i.As == "news" && i.Kind == room.ItemInject })
	})
	require.Equal(t, room.Done, line("6").State)
	require.Contains(t, s.refused("Fay", room.Steer{Step: "6", Did: room.Skip}), "cannot")
	s.do("Fay", room.Pause{Why: "coffee"})
	v := s.until("Ben", "the pause", func(v *room.View) bool { return v.Clock.Paused })
	require.Equal(t, "coffee", v.Clock.Why)
	require.Contains(t, s.refused("Fay", room.Jump{}), "paused")
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.assess("Ann", "pma/chair", b)
	s.do("Fay", room.Resume{})
	require.Contains(t, s.refused("Fay", room.Resume{}), "not paused")
	s.do("Fay", room.Stop{Why: "fire alarm"})
	v = s.until("Fay", "the end", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	require.Contains(t, v.After.Outcome, "aborted")
	require.Contains(t, v.After.Outcome, "fire alarm")
	s.do("Fay", room.Finish{})
	s.until("Fay", "the seal", func(v *room.View) bool { return len(v.After.Files) > 0 })
}

// Going back puts a question anew: what was decided before it stands, what was
// decided at it is kept with the run that was left.
func TestBack(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.assess("Ann", "pma/chair", b)
	for name := range pma {
		s.vote(name, "not required", "")
	}
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.until("Fay", "the end", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	require.NotEmpty(t, s.refused("Fay", room.GoBack{Decision: "no such question", Asking: 1}))
	s.do("Fay", room.GoBack{Decision: key, Asking: 1})
	v := s.until("Fay", "the question is put anew", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused })
	require.Equal(t, 2, v.Exercise.Run)
	require.Len(t, v.Decided, 1)
	again := s.question("Ann", key, 1)
	require.Equal(t, room.Discussing, again.Stage)
	require.Zero(t, again.Cast)
	require.Len(t, again.Unmet, 9)
	s.do("Fay", room.Resume{})
	s.assess("Ann", "pma/chair", again)
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	for name := range pma {
		s.vote(name, "required", "")
	}
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	v = s.until("Kit", "a call", func(v *room.View) bool { return len(v.Calls) == 1 })
	s.do("Kit", room.GiveShare{Seat: "custodian/1", Key: v.Calls[0].Key, Withhold: true})
	v = s.until("Fay", "the end", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	require.Equal(t, []int{1}, v.After.Branches)
	require.Equal(t, "required", v.Decided[1].Chosen)
	s.do("Fay", room.Finish{})
	s.until("Fay", "the seal", func(v *room.View) bool { return len(v.After.Files) > 0 })
	require.FileExists(t, s.r.Pack()+"/before/1/"+journal.FileName)

	// A view of the replay before the branch has what stood there.
	at, err := s.r.ViewAt(s.people["Ann"], again.Seq)
	require.NoError(t, err)
	require.Len(t, at.Decided, 1)
	require.Zero(t, at.Questions[0].Cast)
}

// Going back further: what was voted on after the question that is put anew is voted
// on anew too.
func TestBackFurther(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.vote("Ben", "required", "in the run that is left")
	s.do("Fay", room.GoBack{Decision: "confirm", Asking: 1})
	s.until("Fay", "the question is put anew", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused })
	require.Empty(t, s.view("Des").Decided)
	s.do("Fay", room.Resume{})
	again := s.toTheKey()
	require.Equal(t, room.Discussing, again.Stage)
	require.Zero(t, again.Cast)
	// And so it is when the exercise is opened again.
	s.r.Kill()
	s.halt()
	s.open()
	s.play()
	s.until("Fay", "it is back", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused })
	require.Zero(t, s.question("Ann", key, 1).Cast)
}

// The server ends in the hot wash: the record can be sealed afterwards, because the
// drill is played again to its end.
func TestKilledInTheHotWash(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.assess("Ann", "pma/chair", b)
	for name := range pma {
		s.vote(name, "not required", "")
	}
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.until("Fay", "the end", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
	s.do("Ola", room.Jot{Text: "Well done."})
	s.halt()
	require.NoError(t, s.r.Close())
	s.open()
	require.Equal(t, room.HotWash, s.view("Fay").Phase)
	require.Contains(t, s.refused("Fay", room.Finish{}), "again")
	s.play()
	s.until("Fay", "it is back", func(v *room.View) bool { return v.After != nil && v.After.Outcome != "" })
	s.do("Ola", room.Jot{Text: "Really."})
	s.do("Fay", room.Finish{})
	v := s.until("Fay", "the seal", func(v *room.View) bool { return len(v.After.Files) > 0 })
	require.Len(t, v.Notes, 2)
	require.Len(t, v.Decided, 2)
	require.Equal(t, "members", v.Decided[1].Answered)
}

// A drill that cannot be made leaves the room open, with a word to the facilitator.
func TestCannotBeMade(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	require.NoError(t, s.r.Close())
	failed := false
	s.cfg = room.WithLaunch(s.cfg, failsOnce(&failed))
	s.open()
	s.do("Fay", room.Arrange{Text: tabletop, Speed: atOnce})
	s.do("Fay", room.OpenDoors{})
	s.play()
	s.do("Fay", room.Begin{})
	v := s.until("Fay", "trouble", func(v *room.View) bool { return v.Exercise.Trouble != "" })
	require.Equal(t, room.Briefing, v.Phase)
	require.Contains(t, v.Exercise.Trouble, "no token")
	s.do("Fay", room.Begin{})
	s.until("Fay", "the end", func(v *room.View) bool { return v.Phase == room.HotWash && v.After.Outcome != "" })
}

// A drill that cannot be made again after a restart is not begun anew: nothing that
// was decided is lost.
func TestCannotBeMadeAgain(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.vote("Ben", "required", "first")
	s.r.Kill()
	s.halt()
	failed := false
	s.cfg = room.WithLaunch(s.cfg, failsOnce(&failed))
	s.open()
	s.play()
	s.until("Fay", "trouble", func(v *room.View) bool { return v.Exercise.Trouble != "" })
	s.do("Fay", room.Begin{})
	s.until("Fay", "it is back", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused })
	q := s.question("Ann", key, 1)
	require.Equal(t, 1, q.Cast)
	require.Len(t, s.view("Ann").Decided, 1)
	require.Equal(t, 3, s.view("Ann").Exercise.Run)
}

// Steps of earlier exercises that nobody did are shown first, and can be called done.
func TestPlanOfAnEarlierDrill(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.do("Fay", room.Arrange{Text: tabletop})
	s.do("Fay", room.Plan{What: "Name alternates", Owner: "Chair", Due: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, s.r.Close())
	s.cfg.Name = ""
	s.people = map[string]room.PersonID{}
	s.open()
	_, code := s.r.Codes()
	s.join(code, "Fay")
	open := s.view("Fay").Exercise.Open
	require.Len(t, open, 1)
	require.Equal(t, "evening", open[0].Drill)
	s.do("Fay", room.Plan{Exercise: "evening", Number: 1, Done: true})
	require.Empty(t, s.view("Fay").Exercise.Open)
	last := s.r.Book()
	require.Equal(t, "done", last[len(last)-1].Body.(roombook.Action).State)
}
