package console_test

import (
	"math"
	"slices"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
)

// The views below are of a drill like S02 with made-up figures: a supplier's signing
// key was stolen, somebody takes meter after meter with it, and the PMA is asked
// whether it requires the Recovery key.

const wordsOfRecord = "TALON-SUMMIT-OBTUSE-MARBLE-ORBIT-VELVET-CANYON-TUNNEL-WINTER-PEPPER-HARBOUR-LANTERN-COPPER-MEADOW-SIGNAL-BRONZE"

// counted are the states of an estate of so many devices.
func counted(old, taken, partly, recovered, unreachable int) []room.Count {
	return []room.Count{
		{Letter: "R", Name: "new keys", Says: "trusts the new keys: it is done", Count: recovered, Good: true},
		{Letter: "P", Name: "partly changed", Says: "some of its keys are new and some are not", Count: partly},
		{Letter: "X", Name: "in a stranger's hands", Says: "trusts the keys of somebody who should have none", Count: taken},
		{Letter: "O", Name: "not changed", Says: "still trusts the keys that it had at the start", Count: old},
		{Letter: "U", Name: "out of reach", Says: "no message reaches it; somebody may have to go there", Count: unreachable},
	}
}

// wallOf mixes the states evenly, the same each time.
func wallOf(states []room.Count) string {
	var b strings.Builder
	total := 0
	for _, s := range states {
		total += s.Count
	}
	given := make([]int, len(states))
	for n := range total {
		most, behind := 0, math.Inf(-1)
		for i, s := range states {
			if lack := float64(s.Count)*float64(n+1)/float64(total) - float64(given[i]); lack > behind {
				most, behind = i, lack
			}
		}
		given[most]++
		b.WriteString(states[most].Letter)
	}
	return b.String()
}

func curveUntil(at time.Duration, most int) []report.Point {
	var points []report.Point
	for t := 6 * time.Hour; t <= at; t += 10 * time.Minute {
		points = append(points, report.Point{At: t, Devices: min(most, int((t-6*time.Hour).Hours()*620))})
	}
	return points
}

func situation(at time.Duration, old, taken, partly, recovered, unreachable int) *room.Situation {
	states := counted(old, taken, partly, recovered, unreachable)
	total := old + taken + partly + recovered + unreachable
	s := &room.Situation{
		At: at, Devices: total, Premises: 1050, Prepayment: 310, States: states, Wall: wallOf(states), WallOf: 1,
		TopUps: taken / 4, SiteVisits: unreachable, Sent: recovered * 2, Refused: taken, CRLNumber: 7, Revoked: 3,
		Keys:  []room.KeyState{{Key: "recovery", Words: "Recovery key"}, {Key: "contingency", Words: "Contingency key"}},
		Curve: curveUntil(at, total-unreachable),
		Forecast: []room.ForecastCurve{
			{Method: "Method 2", Sample: true, Points: []report.Point{{At: 0, Devices: 0}, {At: 5 * time.Hour, Devices: 0}, {At: 9 * time.Hour, Devices: 1900}, {At: 12 * time.Hour, Devices: 1960}}},
			{Method: "Method 3", Sample: true, Points: []report.Point{{At: 0, Devices: 0}, {At: 5 * time.Hour, Devices: 0}, {At: 7 * time.Hour, Devices: 1400}, {At: 10 * time.Hour, Devices: 1960}}},
		},
		Sample: []string{"the rate of 700 devices an hour", "shares of the regions", "how often customers top up"},
	}
	left := slices.Clone(states)
	for _, r := range []struct {
		name  string
		share float64
	}{{"north", .3}, {"central", .4}, {"south", .3}} {
		region := room.RegionState{Name: r.name}
		for i, c := range states {
			n := min(int(math.Round(float64(c.Count)*r.share)), left[i].Count)
			if r.name == "south" {
				n = left[i].Count
			}
			left[i].Count -= n
			c.Count = n
			region.Devices += n
			region.States = append(region.States, c)
		}
		s.Regions = append(s.Regions, region)
	}
	return s
}

var pmaSeats = []struct{ member, title, holder string }{
	{"chair", "SMKI PMA, Chair", "Amara"}, {"dcc", "SMKI PMA, DCC", "Bram"}, {"large-1", "SMKI PMA, Large supplier 1", "Chen"}, {"large-2", "SMKI PMA, Large supplier 2", "Dilys"},
	{"small", "SMKI PMA, Small supplier", "Ewan"}, {"network-e", "SMKI PMA, Electricity network", "Farah"}, {"network-g", "SMKI PMA, Gas network", ""},
}

func seats() []room.Seat {
	var all []room.Seat
	person := 2
	hold := func(name string) *room.Person {
		if name == "" {
			return nil
		}
		person++
		return &room.Person{ID: room.PersonID("p" + string(rune('0'+person%10))), Name: name, Role: room.Player, Present: true}
	}
	for _, s := range pmaSeats {
		all = append(all, room.Seat{ID: room.SeatID("pma/" + s.member), Kind: room.MemberSeat, Title: s.title, Body: "pma", BodyName: "SMKI PMA", Member: s.member, Vote: true, Chair: s.member == "chair", Offered: true, Holder: hold(s.holder)})
	}
	for _, s := range []struct{ id, title, body, name, holder string }{
		{"dcc/lead", "DCC SMKI team, Lead", "dcc", "DCC SMKI team", "Gethin"}, {"dcc/desk", "DCC SMKI team, Service desk", "dcc", "DCC SMKI team", "Hana"},
		{"supplier/manager", "Affected supplier, Operations manager", "supplier", "Affected supplier", "Idris"},
		{"custodian/1", "Key Custodians, Custodian 1", "custodian", "Key Custodians", "Jo"}, {"custodian/2", "Key Custodians, Custodian 2", "custodian", "Key Custodians", "Kit"},
		{"custodian/3", "Key Custodians, Custodian 3", "custodian", "Key Custodians", ""},
	} {
		all = append(all, room.Seat{ID: room.SeatID(s.id), Kind: room.MemberSeat, Title: s.title, Body: s.body, BodyName: s.name, Offered: true, Holder: hold(s.holder)})
	}
	return all
}

func people() []room.Person {
	all := []room.Person{{ID: "p1", Name: "Morgan", Role: room.Facilitator, Present: true}, {ID: "p2", Name: "Room screen", Role: room.Screen, Present: true}}
	for _, s := range seats() {
		if s.Holder != nil {
			all = append(all, *s.Holder)
		}
	}
	return append(all, room.Person{ID: "p20", Name: "Lowri", Role: room.Observer, Present: true})
}

func good(b bool) *bool { return &b }

func minutesOf(h, m int) time.Duration {
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}

var feedOfTheft = []room.Item{
	{Seq: 4, At: 0, Kind: room.ItemInject, As: "mail", From: "security desk of the supplier", To: []string{"dcc service desk"}, Title: "Our signing key was copied",
		Text: "Our signing key was copied; we do not know by whom. Our meters take commands that are signed with it."},
	{Seq: 9, At: minutesOf(0, 15), Kind: room.ItemDecision, Title: "DCC SMKI team: call back", Text: "Is this report confirmed? A nominated officer of the supplier is called on the number on file.", Words: wordsOfRecord},
	{Seq: 14, At: minutesOf(0, 23), Kind: room.ItemTold, From: "dcc", Title: "PMA Chair told, within the limit of 40 minutes"},
	{Seq: 21, At: minutesOf(0, 45), Kind: room.ItemDevices, Title: "Meters trust a key that the supplier never made", Text: "A sample of 40 devices was asked which keys they trust."},
	{Seq: 30, At: minutesOf(1, 30), Kind: room.ItemInject, As: "dashboard", From: "operations of the supplier", Title: "Meters refuse the supplier's replacement commands"},
	{Seq: 44, At: minutesOf(2, 0), Kind: room.ItemNotice, Title: "Question to the SMKI PMA: is a recovery key required?"},
}

// playing is a view in the middle of the drill, before anything was decided by the
// PMA.
func playing() *room.View {
	return &room.View{
		Phase: room.Playing,
		Exercise: room.Exercise{
			Name: "2026-monday", Scenario: "S02", Label: "AMBER: may be shared within the committee and with those who must act", Words: wordsOfRecord, Run: 1, Unverified: 11,
			Terms: []procedure.Term{{Term: "Recovery key", Says: "a key that stands in another place on every device, and takes it back when the supplier cannot"}},
		},
		Clock:     room.Clock{At: minutesOf(2, 4), Speed: 12, Runs: true, Wall: time.Now()},
		People:    people(),
		Seats:     seats(),
		Feed:      slices.Clone(feedOfTheft),
		Situation: situation(minutesOf(2, 4), 1120, 840, 0, 0, 40),
		Decided: []room.Decided{{
			Seq: 9, At: minutesOf(0, 15), BodyName: "DCC SMKI team", Answer: "call back", Words: wordsOfRecord,
			Decision: journal.Decision{Decision: "confirm", Asks: "Is this report confirmed?", Chosen: "call back", Note: "decided by its members"},
		}},
		Rehearsed: objectives(),
	}
}

func question() room.Ballot {
	q := room.Ballot{
		Decision: "recovery key", Asking: 1, Seq: 44, Body: "pma", BodyName: "SMKI PMA",
		Asks: "Does the PMA require the use of the Recovery key, the Contingency key, or neither?",
		Options: []journal.Option{
			{Name: "required", Says: "the custodians are called, which takes about three hours (sample); then the DCC replaces the supplier's keys with it", Opens: "recovery"},
			{Name: "not required", Says: "the Recovery key stays closed; the supplier goes on with what it has"},
			{Name: "contingency", Says: "the root certificate and everything under it is replaced, on every device of the country", Again: 1},
			{Name: "adjourn", Says: "more facts first; the price is shown in devices and hours", Again: 1},
		},
		Asked: minutesOf(2, 0), Deadline: minutesOf(2, 30), Silence: "the PMA adjourns", Stage: room.Discussing, OpensKey: true, Needed: 4,
	}
	for i, s := range pmaSeats {
		q.Members = append(q.Members, room.MemberState{Seat: room.SeatID("pma/" + s.member), Title: s.title, Name: s.holder, Vote: true, Present: s.holder != "", Barred: i == 2, Interest: map[bool]string{true: "works for the supplier"}[i == 2]})
	}
	return q
}

func asking(stage room.BallotStage) *room.View {
	v := playing()
	q := question()
	q.Stage = stage
	if stage != room.Discussing {
		q.Blind = true
		for i := range q.Members {
			if q.Members[i].Name != "" && !q.Members[i].Barred && (i < 4 || stage == room.Revealed) {
				q.Members[i].Voted = true
				q.Cast++
			}
		}
	}
	if stage == room.Revealed {
		for i, vote := range map[int][2]string{0: {"required", "the supplier has lost the devices that matter"}, 1: {"required", "each hour costs 450 meters"}, 3: {"not required", "hold the traffic first, then decide"}, 4: {"required", "customers cannot top up"}, 5: {"required", "no other way takes them back"}} {
			q.Members[i].Option, q.Members[i].Reason = vote[0], vote[1]
		}
		q.Tally = "4 for required, 1 against; 5 of 7 voted, 4 needed for a quorum"
	}
	v.Questions = []room.Ballot{q}
	return v
}

// decided is the moment after the PMA required the Recovery key.
func decided() *room.View {
	v := playing()
	v.Clock.At = minutesOf(2, 40)
	v.Situation = situation(v.Clock.At, 905, 1055, 0, 0, 40)
	v.Situation.Keys[0].Expected = minutesOf(5, 40)
	v.Decided = append(v.Decided, room.Decided{
		Seq: 58, At: minutesOf(2, 31), BodyName: "SMKI PMA", Answer: "required: the custodians of the key are called, which takes about three hours (sample); then the DCC replaces the supplier's keys with it", Words: wordsOfRecord,
		Decision: journal.Decision{
			Decision: "recovery key", Asks: question().Asks, Chosen: "required", Opens: "recovery", Options: question().Options, Note: "decided by its members", Tally: "4 for required, 1 against; 5 of 7 voted, 4 needed for a quorum",
		},
	})
	v.Feed = append(v.Feed, room.Item{Seq: 58, At: minutesOf(2, 31), Kind: room.ItemDecision, Title: "SMKI PMA: the Recovery key is required", Text: "4 votes for, 1 against.", Words: wordsOfRecord},
		room.Item{Seq: 60, At: minutesOf(2, 35), Kind: room.ItemKey, Title: "The custodians of the Recovery key are called", Text: "The third of them is expected at 5:40 (sample)."})
	return v
}

// opened is the moment after the key was opened and its first command went out.
func opened() *room.View {
	v := decided()
	v.Clock.At = minutesOf(7, 40)
	v.Situation = situation(v.Clock.At, 121, 640, 166, 1033, 40)
	v.Situation.Keys[0] = room.KeyState{Key: "recovery", Words: "Recovery key", Open: true, Uses: 1199}
	v.Feed = append(v.Feed, room.Item{Seq: 71, At: minutesOf(5, 41), Kind: room.ItemKey, Title: "The Recovery key is open", Text: "3 of 5 custodians gave their shares, for the decision of the SMKI PMA at 2:31."},
		room.Item{Seq: 72, At: minutesOf(5, 50), Kind: room.ItemKey, Title: "The first command signed with the Recovery key went out", Text: "To a meter in the north. It puts the supplier's new keys in."},
		room.Item{Seq: 75, At: minutesOf(6, 10), Kind: room.ItemDevices, Title: "350 meters trust the new keys"})
	return v
}

// over is the hot wash.
func over(phase room.Phase) *room.View {
	v := opened()
	v.Phase = phase
	v.Clock = room.Clock{At: minutesOf(12, 10), Wall: time.Now()}
	v.Situation = situation(v.Clock.At, 0, 0, 0, 1960, 40)
	v.Exercise.Title = "Supplier signing key stolen, and the intruder is racing"
	v.Feed = append(v.Feed, room.Item{Seq: 96, At: minutesOf(12, 5), Kind: room.ItemFinding, Title: "Every meter that could be reached trusts the new keys", Good: good(true)},
		room.Item{Seq: 98, At: minutesOf(12, 10), Kind: room.ItemOutcome, Title: "The drill is over: the system held", Text: "40 of 2,000 meters were not reached.", Words: wordsOfRecord})
	v.After = &room.After{
		Outcome: "finished", Finding: "held", Heading: "EXERCISE - AMBER - S02 - finished", Words: wordsOfRecord, RecordKey: "SHA256:4f1a 88c0 1d2e 9b7c", Answers: 5, Branches: []int{1},
		Lines: []report.Line{
			{Label: "Did the system hold?", Text: "YES. Still trusting the stolen key: 40 of 2,000 Relevant Devices (not reached)"},
			{Label: "What was compromised", Text: "Exercise Supplier A signing key; confirmed 0:15 by a call-back to a nominated officer"},
			{Label: "PMA decided, 2:31", Text: "Recovery key required: 4 for, 1 against, 1 conflict declared. Factors assessed 9 of 9"},
			{Label: "Carried out", Text: "Method 3 by the DCC with the Recovery key: 3 certificates issued, all three cells replaced together"},
			{Label: "Devices", Text: "recovered 1,960 | partly 0 | unreachable 40 | excluded 0"},
			{Label: "How long", Text: "50 % 7:26, 95 % 8:52, last 9:10, scenario time at an assumed 700 an hour; not a forecast"},
			{Label: "Consumers", Text: "off supply 0; top-ups refused 212; site visits up to 40"},
			{Label: "Not rehearsed", Text: "Methods 1 and 2, contingency; 11 of 14 steps rest on text we have not seen"},
		},
		Survey: []room.SurveyQuestion{{ID: "clear", Asks: "Did you know what was expected of you?"}},
	}
	v.Notes = notes()
	return v
}

func objectives() []room.Objective {
	return []room.Objective{
		{ID: "notification", Phase: "Pre-Recovery", Says: "The SMKI PMA is told of a compromise within the limit", Mine: room.Rated{Rating: room.Performed, Evidence: "the Chair was told at 0:23, the limit was 1:00"}},
		{ID: "confirmation", Phase: "Pre-Recovery", Says: "The report is confirmed by a permitted mechanism"},
		{ID: "pma-decision", Phase: "Pre-Recovery", Says: "The PMA decides whether to require a recovery key, with every factor assessed", Sample: true, Mine: room.Rated{Rating: room.SomeChallenges, Evidence: "two factors were assessed in the last minute"}},
		{ID: "custodians", Phase: "Execution", Says: "Enough custodians come and the key is opened for the decision alone", Sample: true},
		{ID: "method-3", Phase: "Execution", Says: "The supplier's keys are replaced with the Recovery key", Sample: true},
	}
}

func notes() []room.Note {
	return []room.Note{
		{Book: 31, By: "Lowri", At: minutesOf(0, 15), Entry: 9, Tag: room.Strength, Text: "Called back at once, on the number on file."},
		{Book: 36, By: "Lowri", At: minutesOf(1, 30), Entry: 30, Tag: room.Improve, Text: "Nobody could say what a counter is; twelve minutes went by."},
		{Book: 44, By: "Lowri", At: minutesOf(2, 4), Entry: 44, Tag: room.Question, Text: "Who tells the Panel, and when?"},
	}
}
