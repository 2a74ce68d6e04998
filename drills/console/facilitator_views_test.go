package console_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// speaking is a fake room that knows the words of the drills, as the real one does.
type speaking struct {
	*fake
	words scenario.Vocabulary
}

func (s speaking) Vocabulary() scenario.Vocabulary { return s.words }

// newSpeakingWorld is a world in which scenarios can be checked.
func newSpeakingWorld(t testing.TB) *world {
	t.Helper()
	pack, err := procedure.Sample()
	require.NoError(t, err)
	w := &world{fake: newFake(), log: new(bytes.Buffer)}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.console.Handler().ServeHTTP(rw, r) }))
	w.console, err = console.New(console.Config{
		Room: speaking{w.fake, verbs.Vocabulary(pack)}, URL: "http://" + w.server.Listener.Addr().String(), Log: slog.New(slog.NewTextHandler(&locked{to: w.log}, nil)), Grace: time.Millisecond,
	})
	require.NoError(t, err)
	w.server.Start()
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

func source(id string) string {
	_, text, err := library.Source(id)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func drillsOfLibrary() []room.Drill {
	return []room.Drill{
		{ID: "S01", Title: "Supplier signing key copied from a backup", Label: "AMBER", Minutes: 20}, {ID: "S02", Title: "Supplier signing key stolen, and the intruder is racing", Label: "AMBER", Minutes: 45},
		{ID: "S03", Title: "A supplier has lost its key altogether", Label: "AMBER", Minutes: 40}, {ID: "S09", Title: "The Root key of the Organisation hierarchy is lost", Label: "RED", Minutes: 90},
		{ID: "QUIET-LINE", Title: "Our own list of March", Label: "AMBER", Minutes: 60, Own: true},
	}
}

// arranging is the room while it is set up.
func arranging(arranged bool) *room.View {
	v := playing()
	v.Phase, v.Feed, v.Decided, v.Situation, v.People = room.Setup, nil, nil, nil, people()[:1]
	for i := range v.Seats {
		v.Seats[i].Holder = nil
	}
	v.Sheet = &room.Sheet{Library: drillsOfLibrary(), Devices: 200, Seed: 1, Speed: 12, Minutes: 45}
	v.Exercise.Open = []report.Action{{Number: 2, What: "Write down who tells the Panel, and when", Owner: "SECAS", Due: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), Drill: "2026-spring"}}
	if !arranged {
		v.Exercise.Scenario, v.Exercise.Title, v.Exercise.Label = "", "", ""
		return v
	}
	v.Exercise.Title = "Supplier signing key stolen, and the intruder is racing"
	v.Sheet.Source = source("S02")
	v.Sheet.Fidelity = "Keys, certificates, commands and answers are real; meters are simulated. Post, telephones and travel are not: times of custodians are the script's."
	return v
}

// briefed is the room with people coming in.
func briefed() *room.View {
	v := arranging(true)
	v.Phase, v.People, v.Seats = room.Briefing, append(people(), room.Person{ID: "p30", Name: "Rhys", Role: room.Player, Present: true}), seats()
	v.Seats[3].Holder.Present = false
	v.Seats[4].StandsIn = true
	return v
}

// run adds the facilitator's sheet to a view of the drill.
func run(v *room.View) *room.View {
	v.Exercise.Title = "Supplier signing key stolen, and the intruder is racing"
	v.Sheet = &room.Sheet{Devices: 2000, Seed: 1, Speed: 12, Minutes: 45, Lines: []room.SheetLine{
		{Step: "1", At: 0, Kind: "inject", What: "mail from the security desk of the supplier to dcc service desk", Text: "Our signing key was copied; we do not know by whom.", To: []string{"dcc service desk"}, State: room.Done},
		{Step: "2", At: minutesOf(0, 15), Kind: "decide", What: "DCC service desk: Is this report confirmed?", State: room.Done},
		{Step: "3", At: minutesOf(0, 20), Kind: "notify", What: "the PMA Chair must be told, by dcc, within 40 minutes", To: []string{"pma chair"}, State: room.Done},
		{Step: "4", At: minutesOf(1, 0), Kind: "inject", What: "call from a caller who says he is head of security", Text: "You must stop everything now.", To: []string{"dcc service desk"}, State: room.Skipped},
		{Step: "5", At: minutesOf(2, 0), Kind: "decide", What: "SMKI PMA: Does the PMA require the use of the Recovery key?", State: room.Done},
		{Step: "6", At: minutesOf(2, 10), Kind: "inject", What: "report from the forensic team of the supplier", Text: "The key file was copied three days ago. We have compared every command of these days with our own books.", To: []string{"dcc service desk", "pma"}, State: room.Next, May: []room.Steering{room.Hold, room.Early, room.Skip}},
		{Step: "7", At: minutesOf(2, 20), Kind: "inject", What: "news from a regional newspaper", Text: "A reader says that the keys of his smart meter were stolen. Is it true, and can somebody switch off his light?", To: []string{"dcc service desk", "supplier", "pma chair"}, State: room.Held, May: []room.Steering{room.Release, room.Early, room.Skip}},
		{Step: "8", At: minutesOf(2, 45), Kind: "do", What: `replace supplier, by method 1, only if chosen.method == "method 1"`, State: room.Waiting},
		{Step: "9", At: minutesOf(4, 0), Kind: "inject", What: "mail from the recovery team of the DCC", Text: "No command has been sent to any device.", To: []string{"supplier", "pma"}, State: room.Waiting, May: []room.Steering{room.Hold, room.Early, room.Skip}},
		{Step: "10", When: `fleet.reachable.recovered("supplier").share == 1.0`, Kind: "do", What: "revoke supplier old certificates", State: room.Waiting},
	}}
	v.Notes = notes()
	v.Sheet.Private = []room.Note{{Book: 50, By: "Morgan", At: minutesOf(2, 3), Text: "Chen looks lost; ask them at the next pause.", Private: true}}
	for i := range v.Questions {
		q := &v.Questions[i]
		q.MayCall, q.CanClose, q.Script, q.Rule = true, q.Stage != room.Discussing, "required", "more than half of the votes cast; quorum 4"
		q.Factors = []room.FactorState{
			{ID: "evidence", Text: "the strength of the evidence", Force: "shall", Finding: "confirmed by a call back", Assessor: "SMKI PMA, DCC"},
			{ID: "harm", Text: "harm to customers while nothing is done", Force: "shall"}, {ID: "cost", Text: "what the use of the key costs", Force: "may"},
		}
		q.Unmet = []string{"harm to customers while nothing is done"}
		q.Leads = []room.Lead{
			{Option: "required", Says: "the custodians are called", Opens: "recovery", Expected: true, Basis: "the subscriber has lost its devices; our reasoning, unreviewed", Then: []string{"2:35 the custodians are called", "5:40 the third of them is expected (sample)", "5:50 the first command goes out"}},
			{Option: "not required", Says: "the Recovery key stays closed", Then: []string{"each hour costs about 450 meters"}},
			{Option: "adjourn", Says: "more facts first", Again: "The question comes back in an hour, once more at most."},
		}
	}
	return v
}

// custody is the drill while custodians give their shares.
func custody() *room.View {
	v := run(decided())
	v.Clock.At = minutesOf(5, 35)
	v.Calls = []room.Call{
		{Seat: "custodian/1", Key: "recovery", Words: "Recovery key", Decision: "recovery key", Needed: 3, Given: 1, Done: "given"},
		{Seat: "custodian/2", Key: "recovery", Words: "Recovery key", Decision: "recovery key", Needed: 3, Given: 1, Mistyped: true},
	}
	v.Duties = []room.Duty{{Step: "11", Whom: "the Panel", From: "the PMA Chair", Due: minutesOf(6, 0), Seat: "pma/chair"}}
	return v
}

func troubled() *room.View {
	v := run(decided())
	v.Clock.Paused, v.Clock.Runs, v.Clock.Why = true, false, "a fault of the room"
	v.Exercise.Trouble = "The token of the CA does not answer. The drill waits for it and tries again every ten seconds."
	return v
}

// washed is the hot wash, with some of its work done.
func washed(phase room.Phase) *room.View {
	v := run(over(phase))
	v.Questions = nil
	a := v.After
	a.Survey = []room.SurveyQuestion{{ID: "clear", Asks: "Did you know what was expected of you?", Mean: 3.8}, {ID: "facts", Asks: "Did you have the facts when you had to decide?", Mean: 2.6}, {ID: "again", Asks: "Would you come again?"}}
	a.Open = []string{"1 old key is revoked: the 40 devices that were not reached need the Recovery key or a visit. Who decides?", "Who tells the Panel?"}
	a.Actions = []report.Action{{Number: 1, What: "Write a page on counters for the members", Owner: "SECAS", Due: time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC), From: "Nobody could say what a counter is; twelve minutes went by."}}
	a.Risks = []report.Risk{{Number: 1, What: "The intruder still has the certificates that he was issued", Owner: "DCC", Likelihood: "low", Devices: 0}}
	a.Remarks = map[string]string{"summary": "The committee required the Recovery key after half an hour of discussion, and all devices that could be reached were recovered."}
	a.NotRehearsed = []string{"Methods 1 and 2", "the contingency key"}
	v.Rehearsed[0].Ratings = []room.Rated{{By: "Lowri", Rating: room.Performed, Evidence: "told at 0:23"}}
	v.Rehearsed[2].Ratings = []room.Rated{{By: "Lowri", Rating: room.SomeChallenges}}
	v.Decided[0].Corrections = []room.Correction{{By: "Bram", Text: "The officer was reached at 0:13, not at 0:15.", Wall: time.Date(2026, 11, 25, 15, 2, 0, 0, time.UTC)}}
	if phase == room.Closed {
		a.Files = []room.File{
			{Name: "minutes.html", Says: "minutes, ready for the committee"}, {Name: "minutes.pdf", Says: "the same, to print"}, {Name: "after-action.html", Says: "the report: objectives, timeline, decisions, strengths, areas to improve"},
			{Name: "plan.csv", Says: "the improvement plan, for a spreadsheet"}, {Name: "risks.csv", Says: "the risk list, for a spreadsheet"}, {Name: "pack.zip", Says: "the whole record with its hashes, to be kept"},
		}
	}
	return v
}
