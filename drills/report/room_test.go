package report_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

// evening is an exercise in the room: seven people, one decision with everything
// that a decision can have, and what was said afterwards. It returns the folder of
// its pack, with journal and book.
func evening(t *testing.T, change func(add func(roombook.Body))) string {
	t.Helper()
	dir := t.TempDir()
	now := time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)
	book, err := roombook.Open(dir)
	require.NoError(t, err)
	at := time.Duration(0)
	write := func(bodies ...roombook.Body) {
		for _, b := range bodies {
			now = now.Add(30 * time.Second)
			_, err := book.Append(now, at, b)
			require.NoError(t, err)
		}
	}
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "S03-spring", Clock: func() time.Time { return now }})
	require.NoError(t, err)
	happens := func(when time.Duration, kind journal.Kind, body any) int64 {
		at = when
		now = now.Add(time.Minute)
		seq, _, err := j.Append(kind, when, body)
		require.NoError(t, err)
		return seq
	}

	write(roombook.Opened{Exercise: "spring-2026", Program: "1.4"},
		roombook.Arranged{Scenario: "S03", Procedure: "sample-2", Devices: 2000, Seed: 1, Speed: 1, Seats: []string{"pma/chair"}},
		roombook.Joined{Person: "p1", Name: roombook.Say("F. Acilitator"), Role: "facilitator"},
		roombook.Phase{Phase: "briefing", By: "p1"})
	for _, p := range [][3]string{{"p2", "A. Chair", "pma/chair"}, {"p3", "B. Large", "pma/large-supplier"}, {"p4", "C. Second <b>", "pma/large-supplier-2"}, {"p5", "D. Small", "pma/small-supplier"}, {"p6", "E. Łódź-Network", "pma/network"}, {"p7", "G. Custodian", "custodian/1"}} {
		write(roombook.Joined{Person: p[0], Name: roombook.Say(p[1]), Role: "player"}, roombook.Seated{Person: p[0], Seat: p[2], Alternate: p[0] == "p5"})
	}
	write(roombook.Joined{Person: "p8", Name: roombook.Say("O. Bserver"), Role: "observer"},
		roombook.Action{Exercise: "autumn-2025", Number: 2, What: roombook.Say("Telephone list of custodians at the service desk"), Owner: roombook.Say("DCC"), Due: "2026-01-31", State: "done", By: "p1"},
		roombook.Phase{Phase: "playing", By: "p1"}, roombook.Run{Number: 1, Why: "begun", By: "p1"})

	var counted map[string]any
	require.NoError(t, json.Unmarshal([]byte(figures), &counted))
	happens(0, journal.KindStart, journal.Start{Run: j.RunID(), Scenario: "S03", Title: "Supplier locked out of its own meters", Label: "AMBER",
		Rehearses: []string{"notification", "pma-decision", "custodians", "method-2", "unreached"}, Devices: 2000, Seed: 1, Answers: "members", SHA256: "abc", RecordKey: key.Fingerprint()})
	happens(10*time.Minute, journal.KindInject, journal.Inject{As: "mail", From: "supplier security", Text: "We cannot reach 1,900 of our meters since 02:10. They refuse our key."})
	happens(20*time.Minute, journal.KindNotify, journal.Notify{Step: "4", Whom: "pma chair", Due: "1:00:00", Phase: "due", Procedure: "notification"})
	happens(22*time.Minute, journal.KindNotify, journal.Notify{Step: "4", Whom: "pma chair", Due: "1:00:00", Told: "0:22:00", Met: true, Phase: "told", Procedure: "notification"})
	note := happens(25*time.Minute, journal.KindSteer, journal.Steer{By: "facilitator", Step: "press", Did: "hold", Why: "the room is still reading"})
	options := []journal.Option{
		{Name: "required", Says: "custodians come together and the Recovery key is used on these devices", Opens: "recovery"},
		{Name: "not required", Says: "the supplier goes on alone, by visits"},
		{Name: "adjourn", Says: "the question comes back in 30 minutes", Again: 1},
	}
	factors := []journal.Factor{{ID: "evidence", Text: "How good is the evidence: is the compromise confirmed, or suspected?", Force: "shall"}, {ID: "attacker", Text: "Is somebody using the key on devices now?", Force: "shall"}, {ID: "vulnerable", Text: "How many customers who depend on their supply are among them?", Force: "may"}}
	voting := &journal.Voting{Needed: 3, Voters: []string{"chair", "large-supplier", "large-supplier-2", "small-supplier", "network"}, Majority: "more than half of the votes cast", Conflict: "declares it and does not vote", Says: "3 of 5 members must vote; decided by more than half of the votes cast; a tie decides nothing"}
	asked := happens(40*time.Minute, journal.KindQuestion, journal.Question{Step: "7", Decision: "recovery key", Body: "pma", Asks: "Does the SMKI PMA require the use of the Recovery key?",
		Briefing: "The supplier's own key is refused by 1,900 devices. The DCC has confirmed the report with two officers by telephone.",
		Shown:    []journal.Shown{{Label: "devices that refuse the supplier's key", Value: "1,900 of 2,000"}, {Label: "premises on prepayment among them", Value: "310"}, {Label: "hours until most are recovered, method 2", Value: "4 to 6 (forecast, sample)"}},
		Options:  options, Voting: voting, Factors: factors, Deadline: "1:40:00", Asking: 1})
	on := roombook.On{Decision: "recovery key", Asking: 1}
	say := roombook.Say
	write(roombook.Interest{Seat: "pma/large-supplier", On: on, Interest: say("we are the affected supplier's parent company")},
		roombook.Assessed{Seat: "pma/chair", On: on, Factor: "evidence", Finding: say("confirmed by two officers"), Evidence: say("call log 17")},
		roombook.Ballot{On: on, Did: "called", By: "pma/chair"}, roombook.Ballot{On: on, Did: "blind", By: "pma/chair"},
		roombook.Cast{Seat: "pma/chair", On: on, Option: "required", Reason: say("homes on prepayment cannot wait for visits")},
		roombook.Cast{Seat: "pma/large-supplier-2", On: on, Option: "not required", Reason: say("too early")},
		roombook.Cast{Seat: "pma/large-supplier-2", On: on, Option: "required", Reason: say("persuaded by the prepayment figure")},
		roombook.Cast{Seat: "pma/network", On: on, Option: "not required", Reason: say("the exposure of every other device weighs more")},
		roombook.Ballot{On: on, Did: "closed", By: "pma/chair"})
	at = 58 * time.Minute
	decided := happens(58*time.Minute, journal.KindDecision, journal.Decision{Step: "7", Decision: "recovery key", Body: "pma", Asks: "Does the SMKI PMA require the use of the Recovery key?", Question: asked, Asking: 1,
		Options: options, Chosen: "required", Opens: "recovery", Answered: "members", Note: "decided by members", By: "pma/chair", Reason: "310 homes on prepayment lose supply before visits could reach them",
		Votes:   []journal.Vote{{Member: "chair", Option: "required", Reason: "homes on prepayment cannot wait for visits"}, {Member: "large-supplier-2", Option: "required", Reason: "persuaded by the prepayment figure"}, {Member: "network", Option: "not required", Reason: "the exposure of every other device weighs more"}},
		Factors: factors, Assessed: []journal.Assessment{{Factor: "evidence", Finding: "confirmed by two officers", Evidence: "call log 17", Assessor: "chair"}, {Factor: "attacker", Finding: "not seen since 03:00", Assessor: "pma/network"}},
		Refusals: []string{"2 votes were cast, 3 are needed"}, Asked: "0:40:00", Expected: "required", Basis: "our reasoning", AsExpected: true,
		Present: []string{"chair", "large-supplier", "large-supplier-2", "network"}, Absent: []string{}, Abstained: []journal.Abstention{{Member: "small-supplier", Reason: "I have no instruction from my members"}},
		Conflicts: []journal.Conflict{{Member: "large-supplier", Interest: "we are the affected supplier's parent company", Rule: "declares it and does not vote", MayVote: false}},
		Ballot:    "blind", Tally: "3 of 5 votes were cast, 3 are needed; required 2, not required 1; 2 is more than half of 3. No casting vote was needed.",
		Dissent: []journal.Vote{{Member: "network", Option: "not required", Reason: "the exposure of every other device weighs more"}}})
	happens(3*time.Hour, journal.KindCustody, map[string]any{"key": "recovery-1", "use": "cs02b-mode-8", "count": 2000, "needed": 3, "of": 5, "opened": true, "decision": decided,
		"shares": []map[string]any{{"custodian": "custodian 1", "party": "Exercise Networks B", "given": true}, {"custodian": "custodian 2", "party": "Exercise Supplier C", "given": false, "withheld": true}, {"custodian": "custodian 3", "party": "Exercise Supplier D", "given": true}, {"custodian": "custodian 4", "party": "DCC", "given": true}}})
	happens(3*time.Hour+time.Minute, journal.KindKeyUse, map[string]any{"key": "recovery-1", "number": 1, "decision": decided, "device": "90-B3-D5-1F-30-00-00-07"})
	happens(5*time.Hour, journal.KindFinding, journal.Finding{Says: "every device that could be reached trusts the new keys", Held: true, Found: "1960 of 1960"})
	happens(5*time.Hour, journal.KindOutcome, journal.Outcome{Outcome: "finished", Finding: "held", Figures: counted})
	require.NoError(t, j.Close())

	at = 0
	write(roombook.Phase{Phase: "hot wash", By: "p1"},
		roombook.Note{Person: "p8", Entry: note, Tag: "strength", Text: say("The chair asked twice what was known and what was only believed.")},
		roombook.Note{Person: "p8", Entry: decided, Tag: "improve", Text: say("Nobody knew who may send custodians on their way before the decision.")},
		roombook.Note{Person: "p1", Private: true, Entry: decided, Text: say("PRIVATE: speak to the network member")},
		roombook.Rating{Person: "p8", Objective: "pma-decision", Rating: "M", Evidence: say("first try")},
		roombook.Rating{Person: "p8", Objective: "pma-decision", Rating: "S", Evidence: say("reasons were given with each vote; the first count lacked a vote")},
		roombook.Rating{Person: "p8", Objective: "custodians", Rating: "P", Evidence: say("three came within three hours")},
		roombook.Survey{Person: "p2", Answers: map[string]int{"knew": 4, "ready": 3}, Well: say("calm"), Better: say("fewer abbreviations")},
		roombook.Survey{Person: "p3", Answers: map[string]int{"knew": 5, "ready": 2}},
		roombook.Correction{Person: "p6", Seat: "pma/network", Entry: decided, Text: say("My reason was the exposure of the 12 million devices outside this estate.")},
		roombook.Remark{Part: "strengths", Text: say("Interests were declared before anything was discussed."), By: "p1"},
		roombook.Action{Number: 1, What: say("=HYPERLINK(\"x\") Custodians are called when the question is put, not when it is answered"), Owner: say("DCC key manager"), Due: "2026-05-01", From: say("custodians took three hours"), State: "open", By: "p2"},
		roombook.Action{Number: 2, What: say("Dropped again"), Due: "", State: "open", By: "p2"}, roombook.Action{Number: 2, Dropped: true, State: "open", By: "p2"},
		roombook.Risk{Number: 1, What: say("40 devices were not reached and trust the stolen key"), Owner: say("the affected supplier"), Likelihood: "high", Devices: 40, By: "p2"},
		roombook.Risk{Number: 2, What: say("The Recovery key was used and must be replaced"), Owner: say("DCC"), Likelihood: "low", Devices: 1960, By: "p2"})
	if change != nil {
		change(func(b roombook.Body) { write(b) })
	}
	write(roombook.Phase{Phase: "closed", By: "p1"})
	require.NoError(t, book.Close())
	return dir
}

func loaded(t *testing.T, dir string) *report.Report {
	t.Helper()
	pack, err := procedure.Sample()
	require.NoError(t, err)
	r, err := report.Load(dir, pack)
	require.NoError(t, err)
	require.NotNil(t, r.Meeting)
	return r
}

// page is a document's text as a reader sees it, its marks taken out.
func page(t *testing.T, p *report.Paper) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.HTML(&b))
	require.NotContains(t, b.String(), "ZgotmplZ")
	return b.String()
}

func TestMinutes(t *testing.T) {
	t.Parallel()
	text := page(t, loaded(t, evening(t, nil)).Minutes())
	for why, want := range map[string]string{
		"the label":                           "AMBER",
		"when it was held":                    "2 March 2026, 18:02 to",
		"a seat with who held it":             "<th scope=\"row\">Chair</th><td>A. Chair</td><td>votes</td>",
		"an alternate":                        "D. Small (alternate)",
		"a seat that nobody took":             "not taken",
		"what people typed is text":           "C. Second &lt;b&gt;",
		"a custodian by Party":                "Custodian 1 (Exercise Networks B)",
		"an interest, and what the rule did":  "did not vote (rule: declares it and does not vote)",
		"the figures that were laid":          "1,900 of 2,000",
		"a factor with its finding":           "confirmed by two officers (evidence: call log 17)",
		"who wrote a finding":                 "<td>Network member</td>",
		"a factor on which nothing was said":  "nothing was written",
		"an abstention with its reason":       "I have no instruction from my members",
		"the arithmetic":                      "Count: 3 of 5 votes were cast, 3 are needed",
		"dissent":                             "Dissent recorded: Network member, for not required: the exposure",
		"an answer that could not be taken":   "Not taken: 2 votes were cast, 3 are needed",
		"a vote that was changed":             "Second large supplier member, from not required to required",
		"how the ballot was held":             "Called by the Chair at 0:40.",
		"the answer in its own words":         "<p class=\"answer\">Required</p>",
		"the key that it opened":              "This decision opens the Recovery key.",
		"shares kept back":                    "shares withheld by custodian 2",
		"the first command":                   "first command, to device 90-B3-D5-1F-30-00-00-07",
		"a correction beside its entry":       "Correction by E. Łódź-Network, SMKI PMA, Network member, 2 March 2026",
		"what became of an earlier action":    "autumn-2025 2",
		"that the closing words are by hand":  "to be written in by hand",
		"a line to sign on":                   "Approved as a correct record",
		"the sample rule":                     "sample guidance, not the SEC&#39;s text",
		"the words of the record at decision": "Words of the record: ",
	} {
		require.Contains(t, text, want, why)
	}
	require.NotContains(t, text, "PRIVATE", "private notes are nobody's but their writer's")
	require.NotContains(t, text, "Dropped again")
	require.Equal(t, 2, strings.Count(text, "12 million devices"), "a correction stands beside what it corrects, and in the list")
}

// The words printed are those that the room was shown: the head after the entry.
func TestHeadAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := journal.LoadKey(filepath.Join(dir, "record.key"))
	require.NoError(t, err)
	j, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "r", Clock: time.Now})
	require.NoError(t, err)
	var heads []string
	for range 9 {
		_, _, err := j.Append(journal.KindStart, 0, journal.Start{Scenario: "S01", Label: "AMBER"})
		require.NoError(t, err)
		heads = append(heads, j.Words())
	}
	require.NoError(t, j.Close())
	r, err := report.Load(dir, nil)
	require.NoError(t, err)
	for i, want := range heads {
		require.Equal(t, want, r.HeadAt(int64(i+1)))
	}
	require.Empty(t, r.HeadAt(0))
	require.Empty(t, r.HeadAt(10))
}

func TestAfterAction(t *testing.T) {
	t.Parallel()
	text := page(t, loaded(t, evening(t, nil)).AfterAction())
	for why, want := range map[string]string{
		"the last rating of an observer":      "O. Bserver: reasons were given with each vote",
		"an objective that nobody rated":      "not rated",
		"an observer's strength":              "what was only believed. (O. Bserver",
		"the facilitator's paragraph":         "Interests were declared before anything was discussed.",
		"an area to improve":                  "Nobody knew who may send custodians",
		"a note in the timeline":              "Note of O. Bserver: The chair asked twice",
		"steering in the timeline":            "held back &#34;press&#34;, the room is still reading",
		"the plan":                            "DCC key manager",
		"a risk with its devices":             "<td>high</td><td>40</td>",
		"the survey's mean":                   "<td>4.5</td><td>2</td>",
		"what a person wrote, without a name": "<li>fewer abbreviations</li>",
		"what was not rehearsed":              "Planned and not reached in this course of events",
		"what rests on unseen text":           "What rests on text nobody here has seen",
		"dissent":                             "Dissent: Network member, for not required",
	} {
		require.Contains(t, text, want, why)
	}
	require.NotContains(t, text, "first try", "a later rating replaces an earlier one")
	require.NotContains(t, text, "PRIVATE")
	require.NotContains(t, text, "<h2>Score</h2>", "no score unless it was asked for")
	scored := page(t, loaded(t, evening(t, func(add func(roombook.Body)) { add(roombook.Arranged{Scenario: "S03", Score: true}) })).AfterAction())
	require.Contains(t, scored, "<h2>Score</h2>")
	require.Contains(t, scored, "<td>5 of 6</td>", "S and P are five points of six")
}

func TestRoomTables(t *testing.T) {
	t.Parallel()
	dir := evening(t, nil)
	r := loaded(t, dir)
	// SMKI_SHOW names a folder for somebody who wants to look at the documents.
	out := cmp.Or(os.Getenv("SMKI_SHOW"), t.TempDir())
	require.NoError(t, r.WriteRoom(out))
	rows := func(name string) [][]string {
		f, err := os.Open(filepath.Join(out, name))
		require.NoError(t, err)
		defer f.Close()
		list, err := csv.NewReader(f).ReadAll()
		require.NoError(t, err)
		return list
	}
	plan := rows("plan.csv")
	require.Len(t, plan, 3)
	require.Equal(t, []string{"AMBER", "spring-2026", "1"}, plan[1][:3])
	require.True(t, strings.HasPrefix(plan[1][3], "'=HYPERLINK"), "a spreadsheet carries out nothing that somebody typed")
	require.Equal(t, "2026-05-01", plan[1][6])
	require.Equal(t, []string{"AMBER", "autumn-2025", "2"}, plan[2][:3])
	require.Equal(t, "done", plan[2][7])
	require.Equal(t, []string{"AMBER", "spring-2026", "1", "40 devices were not reached and trust the stolen key", "the affected supplier", "high", "40"}, rows("risks.csv")[1])
	require.Equal(t, []string{"S", "performed with some challenges", "O. Bserver"}, rows("ratings.csv")[1][5:8])
	require.Equal(t, []string{"2", "4.50", "0", "0", "0", "1", "1"}, rows("survey.csv")[1][4:])

	again := t.TempDir()
	require.NoError(t, loaded(t, dir).WriteRoom(again))
	for _, f := range report.RoomFiles() {
		first, err := os.ReadFile(filepath.Join(out, f.Name))
		require.NoError(t, err)
		second, err := os.ReadFile(filepath.Join(again, f.Name))
		require.NoError(t, err)
		require.Equal(t, first, second, "%s: one record, the same octets", f.Name)
	}
}

// What was done in a run that was left, after the question at which it was left, is
// not in the minutes of the other course; what came before it is.
func TestBranchedMeeting(t *testing.T) {
	t.Parallel()
	asked := roombook.On{Decision: "recovery key", Asking: 1}
	entries := entries(t, journal.Start{Run: "two", Scenario: "S03", Label: "AMBER"}, journal.Decision{Decision: "freeze", Body: "pma"})
	question := journal.Entry{Seq: 3, At: 40 * time.Minute, Kind: journal.KindQuestion, Body: asJSON(t, journal.Question{Decision: "recovery key", Body: "pma", Asking: 1})}
	dir := t.TempDir()
	book, err := roombook.Open(dir)
	require.NoError(t, err)
	cast := func(at time.Duration, seat string, on roombook.On) {
		_, err := book.Append(time.Unix(0, 0), at, roombook.Cast{Seat: seat, On: on, Option: "yes"})
		require.NoError(t, err)
	}
	run := func(r roombook.Run) {
		_, err := book.Append(time.Unix(0, 0), 0, r)
		require.NoError(t, err)
	}
	run(roombook.Run{Number: 1, Why: "begun"})
	cast(10*time.Minute, "pma/a", roombook.On{Decision: "freeze", Asking: 1})
	run(roombook.Run{Number: 2, Why: "resumed", From: 1})
	cast(45*time.Minute, "pma/b", asked)
	cast(90*time.Minute, "pma/c", roombook.On{Decision: "disclose", Asking: 1})
	run(roombook.Run{Number: 3, Why: "branched", From: 2, At: "recovery key", Asking: 1})
	cast(50*time.Minute, "pma/d", asked)
	require.NoError(t, book.Close())
	list, err := roombook.ReadAll(dir)
	require.NoError(t, err)
	r, err := report.NewRoom(append(entries, question), list, nil)
	require.NoError(t, err)
	var seats []string
	for _, c := range r.Meeting.Casts {
		seats = append(seats, c.Body.Seat)
	}
	require.Equal(t, []string{"pma/a", "pma/d"}, seats)
}

func TestOpenActions(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write := func(name string, day int, bodies ...roombook.Body) {
		dir := filepath.Join(home, name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		book, err := roombook.Open(dir)
		require.NoError(t, err)
		for _, b := range bodies {
			_, err := book.Append(time.Date(2026, 1, day, 9, 0, 0, 0, time.UTC), 0, b)
			require.NoError(t, err)
		}
		require.NoError(t, book.Close())
	}
	action := func(of string, n int, what, due, state string) roombook.Action {
		return roombook.Action{Exercise: of, Number: n, What: roombook.Say(what), Owner: roombook.Say("DCC"), Due: due, State: state}
	}
	// The later exercise is read first by name; what it says of the earlier one counts.
	write("b-autumn", 1, action("", 1, "first wording", "2026-06-01", "open"), action("", 1, "call custodians early", "2026-05-01", "open"), action("", 2, "done at once", "2026-02-01", "open"), action("", 2, "", "", "done"),
		action("", 3, "closed in spring", "2026-02-01", "open"), action("", 4, "no date", "", "open"), roombook.Action{Number: 5, What: roombook.Say("dropped"), State: "open"}, roombook.Action{Number: 5, Dropped: true, State: "open"})
	write("a-spring", 2, action("b-autumn", 3, "closed in spring", "2026-02-01", "done"), action("", 1, "telephone list", "2026-04-01", "open"))
	write("now", 3, action("", 1, "of the exercise that is being held", "2026-01-01", "open"))
	require.NoError(t, os.MkdirAll(filepath.Join(home, "no-exercise"), 0o755))

	open, err := report.OpenActions(home, "now")
	require.NoError(t, err)
	var got []string
	for _, a := range open {
		got = append(got, a.Drill+": "+a.What)
	}
	require.Equal(t, []string{"a-spring: telephone list", "b-autumn: call custodians early", "b-autumn: no date"}, got)

	require.NoError(t, os.WriteFile(filepath.Join(home, "a-spring", roombook.FileName), []byte("{}\n"), 0o600))
	open, err = report.OpenActions(home, "now")
	require.ErrorIs(t, err, roombook.ErrBroken)
	require.Len(t, open, 3, "a book that cannot be read does not hide the others")
	none, err := report.OpenActions(filepath.Join(home, "not-there"), "")
	require.NoError(t, err)
	require.Empty(t, none)
}

// Without a book the documents say what there is to say, and that nobody met.
func TestDocumentsWithoutARoom(t *testing.T) {
	t.Parallel()
	r := record(t, "not required", "held")
	text := page(t, r.Minutes())
	require.Contains(t, text, "does not say who was present")
	require.Contains(t, text, "SCRIPTED ANSWER: no member voted")
	require.Contains(t, page(t, r.AfterAction()), "Nobody rated the objectives")
	require.Contains(t, page(t, r.Plan()), "No action was agreed.")
	require.Contains(t, page(t, r.Risks()), "No risk was entered.")
}

// A book of which texts were taken out is printed with the gaps shown.
func TestRedactedBook(t *testing.T) {
	t.Parallel()
	dir := evening(t, nil)
	path := filepath.Join(dir, roombook.TextsName)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var kept []string
	for line := range strings.Lines(string(raw)) {
		if !strings.Contains(line, "A. Chair") {
			kept = append(kept, line)
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(kept, "")), 0o600))
	text := page(t, loaded(t, dir).Minutes())
	require.NotContains(t, text, "A. Chair")
	require.Contains(t, text, "<th scope=\"row\">Chair</th><td>[taken out]</td>")
	require.Contains(t, text, "lacks 1 text that people typed")
}
