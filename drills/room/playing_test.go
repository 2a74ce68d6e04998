package room_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/room"
	"smki.example/drills/roombook"
	"smki.example/drills/words"
)

var key = "recovery key"

// until the committee is at its question: what comes before it is answered.
func (s *scene) toTheKey() room.Ballot {
	s.t.Helper()
	s.question("Des", "confirm", 1)
	s.do("Des", room.Vote{Seat: "dcc/duty", Decision: "confirm", Asking: 1, Option: "call back", Reason: "it is the rule"})
	s.do("Des", room.CloseVote{Seat: "dcc/duty", Decision: "confirm", Asking: 1})
	v := s.until("Des", "a duty", func(v *room.View) bool { return len(v.Duties) > 0 })
	require.Equal(s.t, "pma chair", v.Duties[0].Whom)
	s.do("Des", room.TellWhom{Seat: "dcc/duty", Step: v.Duties[0].Step})
	return s.question("Ann", key, 1)
}

func (s *scene) vote(name, option, reason string) {
	s.t.Helper()
	s.do(name, room.Vote{Seat: pma[name], Decision: key, Asking: 1, Option: option, Reason: reason})
}

// A whole exercise on paper, from the doors to the seal.
func TestExercise(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{Blind: true})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	require.True(t, b.Involved)
	require.True(t, b.MayCall)
	require.True(t, b.OpensKey)
	require.Len(t, b.Unmet, 9)
	require.Equal(t, room.Discussing, b.Stage)
	require.Empty(t, b.Leads)
	require.Empty(t, b.Script)

	other := s.view("Des").Questions[0]
	require.Equal(t, key, other.Decision)
	require.Empty(t, other.Asks, "another body is only told that they are at it")
	require.Empty(t, other.Options)
	fay := s.view("Fay").Questions[0]
	require.Len(t, fay.Leads, 3)
	require.Equal(t, "not required", fay.Script)

	require.Contains(t, s.refused("Ben", room.Vote{Seat: pma["Ben"], Decision: key, Asking: 1, Option: "required"}), "not open yet")
	require.Contains(t, s.refused("Ben", room.CallVote{Seat: pma["Ben"], Decision: key, Asking: 1}), "Chair")
	require.Contains(t, s.refused("Ben", room.CallVote{Seat: pma["Ann"], Decision: key, Asking: 1}), "do not sit")
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1, Blind: true})
	require.Contains(t, s.refused("Des", room.Vote{Seat: "dcc/duty", Decision: key, Asking: 1, Option: "required"}), "another body")
	s.vote("Ben", "required", "somebody has the key")
	seen := s.question("Ann", key, 1)
	require.Equal(t, 1, seen.Cast)
	for _, m := range seen.Members {
		require.Empty(t, m.Option, "nobody sees a blind vote of %s", m.Seat)
		require.Empty(t, m.Reason)
	}
	require.Empty(t, seen.Tally)
	require.Equal(t, "required", s.question("Ben", key, 1).MyVotes[0].Option, "but one's own")
	s.vote("Ben", "not required", "on second thoughts")
	s.do("Cy", room.Declare{Seat: pma["Cy"], Decision: key, Asking: 1, Interest: "works for the supplier"})
	s.vote("Cy", "required", "")
	s.vote("Dee", "", "knows too little")
	require.Contains(t, s.refused("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1}), "not yet assessed")
	s.assess("Ann", "pma/chair", b)
	why := s.refused("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	require.Contains(t, why, "2 votes cast, 3 needed, 1 missing")
	require.Contains(t, why, "abstention")
	s.vote("Ann", "required", "the custodians can come in time")
	s.do("Ann", room.Reveal{Seat: "pma/chair", Decision: key, Asking: 1})
	require.Equal(t, "not required", s.question("Ann", key, 1).Members[1].Option)
	screen := s.view("Room screen").Questions[0]
	require.Equal(t, "not required", screen.Members[1].Option)
	require.Contains(t, screen.Tally, "2 for required")
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1, Reason: "precaution"})

	v := s.until("Ben", "the decision", func(v *room.View) bool { return len(v.Decided) == 2 })
	d := v.Decided[1]
	require.Equal(t, "required", d.Chosen)
	require.Equal(t, "members", d.Answered)
	require.Equal(t, "SMKI PMA, Chair", d.By)
	require.Equal(t, "precaution", d.Reason)
	require.Equal(t, "blind", d.Ballot)
	require.Len(t, d.Votes, 3)
	require.Equal(t, []string{"chair", "large-supplier", "large-supplier-2", "small-supplier", "network"}, d.Present)
	require.Equal(t, []journal.Abstention{{Member: "small-supplier", Reason: "knows too little"}}, d.Abstained)
	require.Len(t, d.Conflicts, 1)
	require.Len(t, d.Dissent, 1)
	require.Empty(t, d.Expected, "what the author expects is told when the drill is over")
	require.NotEmpty(t, d.Words)
	_, err := words.Parse(d.Words)
	require.NoError(t, err)

	// A custodian sits; the others are the script's.
	v = s.until("Kit", "a call", func(v *room.View) bool { return len(v.Calls) == 1 && v.Calls[0].Done == "" })
	require.Equal(t, key, v.Calls[0].Decision)
	require.Equal(t, d.Digest, v.Calls[0].Digest)
	require.Len(t, v.Envelopes, 1)
	require.Empty(t, s.view("Ann").Envelopes)
	require.Empty(t, s.view("Fay").Envelopes)
	require.Contains(t, s.refused("Kit", room.GiveShare{Seat: "custodian/1", Key: v.Calls[0].Key, Code: "four words of mine"}), "not the words")
	require.True(t, s.view("Kit").Calls[0].Mistyped)
	s.do("Kit", room.GiveShare{Seat: "custodian/1", Key: v.Calls[0].Key, Code: " Four-Words  of Custodian 1"})

	v = s.until("Fay", "the hot wash", func(v *room.View) bool { return v.Phase == room.HotWash && v.After != nil && v.After.Outcome != "" })
	require.Equal(t, "finished", v.After.Outcome, v.Exercise.Trouble)
	require.Equal(t, "held", v.After.Finding)
	require.NotEmpty(t, v.After.Survey)
	s.do("Ben", room.Answer{Answers: map[string]int{v.After.Survey[0].ID: 4}, Well: "calm", Better: "more time"})
	require.True(t, s.view("Ben").After.Answered)
	s.do("Ola", room.Rate{Objective: "pma-decision", Rating: room.SomeChallenges, Evidence: "quorum by one"})
	s.do("Ola", room.Jot{Text: "Nobody asked the SSC.", Tag: room.Improve})
	s.do("Cy", room.Correct{Seat: pma["Cy"], Entry: d.Seq, Text: "I spoke against."})
	s.do("Fay", room.Plan{What: "Name alternates", Owner: "Chair", Due: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)})
	s.do("Fay", room.RiskLeft{What: "Meters that nobody reaches", Owner: "supplier", Likelihood: "low", Devices: 4})
	s.do("Fay", room.Write{Part: "summary", Text: "It went well."})
	require.Equal(t, "I spoke against.", s.view("Ben").Decided[1].Corrections[0].Text)
	require.NotEmpty(t, s.view("Ben").Decided[1].Expected)
	s.do("Fay", room.Finish{})
	v = s.until("Fay", "the seal", func(v *room.View) bool { return v.After != nil && len(v.After.Files) > 0 })
	require.Equal(t, room.Closed, v.Phase)
	require.NotEmpty(t, v.After.Words)
	require.FileExists(t, filepath.Join(s.r.Pack(), "SHA256SUMS"))
	for _, f := range []string{"room.jsonl", "room-texts.jsonl", "pictures.jsonl", "minutes.html", "after-action.pdf", "plan.csv", "ratings.csv"} {
		require.FileExists(t, filepath.Join(s.r.Pack(), f))
	}
	require.Contains(t, s.refused("Fay", room.Write{Part: "summary", Text: "More."}), "sealed")
	path, err := s.r.File(s.people["Ben"], "minutes.html")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "on second thoughts")
	_, err = s.r.File(s.people["Ben"], "room-texts.jsonl")
	require.ErrorIs(t, err, room.ErrUnknown)
	_, err = s.r.File(s.people["Ben"], "../../codes.json")
	require.ErrorIs(t, err, room.ErrUnknown)

	// The replay shows what stood at the time: the ballot before it was revealed.
	at, err := s.r.ViewAt(s.people["Ben"], b.Seq)
	require.NoError(t, err)
	require.Equal(t, room.Playing, at.Phase)
	require.Len(t, at.Decided, 1)
	require.Len(t, at.Questions, 1)
	require.NotNil(t, at.Replay)
	require.NotEmpty(t, at.Replay.Marks)

	// And it is all there when the exercise is opened again.
	s.halt()
	require.NoError(t, s.r.Close())
	s.open()
	v = s.view("Fay")
	require.Equal(t, room.Closed, v.Phase)
	require.NotEmpty(t, v.After.Files)
	require.NotEmpty(t, v.After.Words)
	require.Len(t, v.Decided, 2)
}

// The server is killed in the middle of a vote. What was cast is there again, the
// clock stands until the facilitator lets it go on, and nothing is voted twice.
func TestKilledInAVote(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	b := s.toTheKey()
	s.do("Ann", room.CallVote{Seat: "pma/chair", Decision: key, Asking: 1})
	s.assess("Ann", "pma/chair", b)
	s.vote("Ben", "required", "first")
	s.vote("Cy", "not required", "second")
	before := s.r.Pack()

	s.r.Kill()
	s.halt()
	// A process that is killed says nothing about it, and may die within a line.
	torn, err := os.ReadFile(filepath.Join(before, journal.FileName))
	require.NoError(t, err)
	at := bytes.Index(torn, []byte(`"phase":"abort"`))
	require.Positive(t, at)
	require.NoError(t, os.WriteFile(filepath.Join(before, journal.FileName), torn[:at], 0o644))
	s.open()
	require.Equal(t, room.Playing, s.view("Ann").Phase)
	require.Len(t, s.view("Ann").Decided, 1, "what was known is shown at once")
	require.Contains(t, s.refused("Dee", room.Vote{Seat: pma["Dee"], Decision: key, Asking: 1, Option: "required"}), "made ready")
	s.play()
	s.until("Fay", "it is back", func(v *room.View) bool { return v.Phase == room.Playing && v.Exercise.Run == 2 && v.Clock.Paused })
	again := s.question("Ann", key, 1)
	require.Equal(t, room.Voting, again.Stage)
	require.Equal(t, 2, again.Cast)
	require.Equal(t, "first", again.Members[1].Reason)
	require.Empty(t, again.Unmet)
	s.vote("Dee", "required", "third")
	s.vote("Eve", "required", "fourth")
	s.do("Fay", room.Resume{Why: "we are back"})
	s.do("Ann", room.CloseVote{Seat: "pma/chair", Decision: key, Asking: 1})
	v := s.until("Ben", "the decision", func(v *room.View) bool { return len(v.Decided) == 2 })
	require.Len(t, v.Decided[1].Votes, 4)
	require.Equal(t, "required", v.Decided[1].Chosen)
	was, err := os.ReadFile(filepath.Join(before, journal.FileName))
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join(s.r.Pack(), "before", "1", journal.FileName))
	require.NoError(t, err)
	require.Equal(t, string(was), string(kept))
	casts := 0
	for _, e := range s.r.Book() {
		if c, is := e.Body.(roombook.Cast); is && c.On.Decision == key {
			casts++
		}
	}
	require.Equal(t, 4, casts)
}

// The server is killed while the drill is being made: it is made again.
func TestKilledWhileItIsMade(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.do("Fay", room.Begin{})
	require.NoError(t, s.r.Close())
	s.open()
	require.Equal(t, room.Making, s.view("Ann").Phase)
	s.play()
	s.toTheKey()
	require.Equal(t, 2, s.view("Ann").Exercise.Run)
}

// A duty that somebody did just before the server was killed need not be done again.
func TestKilledAfterTelling(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	s.play()
	s.do("Fay", room.Begin{})
	s.question("Des", "confirm", 1)
	s.do("Des", room.Vote{Seat: "dcc/duty", Decision: "confirm", Asking: 1, Option: "accept"})
	s.do("Des", room.CloseVote{Seat: "dcc/duty", Decision: "confirm", Asking: 1})
	s.until("Des", "a duty", func(v *room.View) bool { return len(v.Duties) > 0 })
	s.question("Ann", key, 1)
	s.do("Fay", room.Pause{})
	s.do("Des", room.TellWhom{Seat: "dcc/duty", Step: "3"})
	require.Empty(t, s.view("Des").Duties)
	s.r.Kill()
	s.halt()
	s.open()
	s.play()
	s.until("Fay", "it is back", func(v *room.View) bool { return v.Phase == room.Playing && v.Clock.Paused })
	s.until("Des", "the duty is done", func(v *room.View) bool { return len(v.Duties) == 0 })
	s.do("Fay", room.Resume{})
	s.until("Des", "it is told", func(v *room.View) bool {
		return slices.ContainsFunc(v.Feed, func(i room.Item) bool { return i.Kind == room.ItemTold })
	})
}
