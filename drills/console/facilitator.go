package console

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// facilitatorWords are the functions of the facilitator's templates alone.
var facilitatorWords = template.FuncMap{
	"day":   func(t time.Time) string { return t.Format(time.DateOnly) },
	"state": sheetState,
}

// facilitatorRoutes adds the addresses that the facilitator's pages need besides those of all.
func (c *Console) facilitatorRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /setup/check", c.checkScenario)
	mux.HandleFunc("POST /setup/upload", c.upload)
}

// Layout is which of the facilitator's pages a phase has: a page whose layout is
// another one now is loaded again (static/facilitator.js).
func (p *page) Layout() string {
	switch p.Phase {
	case room.Setup, room.Briefing:
		return string(p.Phase)
	case room.Making, room.Playing:
		return "play"
	case room.HotWash:
		return "after"
	}
	return "closed"
}

// Stages are the parts of an exercise, for the line that says which one it is.
func (p *page) Stages() []stage {
	all := []stage{{Name: "Set up"}, {Name: "Briefing"}, {Name: "Play"}, {Name: "Hot wash"}, {Name: "Sealed"}}
	now := slices.Index([]string{"setup", "briefing", "play", "after", "closed"}, p.Layout())
	for i := range all {
		all[i].Done, all[i].Now = i < now, i == now
	}
	return all
}

type stage struct {
	Name      string
	Done, Now bool
}

// Tab is the part of the page that its address asks for, or the first.
func (p *page) Tab() string {
	tabs := p.Tabs()
	for _, t := range tabs {
		if t.Name == p.Query.Get("at") {
			return t.Name
		}
	}
	if len(tabs) == 0 {
		return ""
	}
	return tabs[0].Name
}

type tab struct{ Name, Says, Key string }

// Tabs are the parts of the page of this phase, in the order in which they are worked
// through.
func (p *page) Tabs() []tab {
	switch p.Layout() {
	case "setup":
		return []tab{{"drill", "Drill", "1"}, {"text", "Its text", "2"}, {"settings", "Estate, seats, pace", "3"}, {"doors", "Open the doors", "4"}}
	case "briefing":
		return []tab{{"people", "People and seats", "1"}, {"sheet", "Sheet to print", "2"}}
	case "after":
		return []tab{
			{"wash", "Hot wash", "1"}, {"plan", "Improvement plan", "2"}, {"risks", "Risks left", "3"},
			{"minutes", "Minutes", "4"}, {"corrections", "Corrections", "5"}, {"finish", "Finish", "6"},
		}
	}
	return nil
}

// Keys are the access keys of the page; the browser decides which keys go with them.
func (p *page) Keys() []tab {
	keys := p.Tabs()
	if p.Layout() == "play" {
		keys = []tab{
			{"", "pause, or let the clock go on", "p"}, {"", "go to what is next", "n"}, {"", "to what is asked", "1"},
			{"", "to the run sheet", "2"}, {"", "to the people", "3"}, {"", "to your notes", "4"},
		}
	}
	return keys
}

// A bench is a body with its seats.
type bench struct {
	Body, Name  string
	Seats       []room.Seat
	Taken       int
	Voting      int // voting seats that are offered
	VotingTaken int
	Sample      bool
}

// Says is what comes of the body as it sits now.
func (b bench) Says() string {
	switch {
	case b.Voting > 0 && b.VotingTaken == 0 && b.Taken > 0:
		return "nobody with a vote sits here: the script answers for this body"
	case b.Voting > 0 && b.Taken == 0:
		return "nobody sits here: the script answers for this body"
	case b.Taken == 0:
		return "nobody sits here"
	case b.Voting > 0:
		return fmt.Sprintf("%d of %d voting seats taken", b.VotingTaken, b.Voting)
	}
	return fmt.Sprintf("%d of %s taken", b.Taken, report.Plural(len(b.Seats), "seat"))
}

// Benches are the seats that are offered, by body, in the order of the procedure.
func (p *page) Benches() []bench { return benches(p.Seats, false) }

// AllBenches are those that are not offered too, for setting up.
func (p *page) AllBenches() []bench { return benches(p.Seats, true) }

func benches(seats []room.Seat, all bool) []bench {
	var list []bench
	for _, s := range seats {
		if !s.Offered && !all {
			continue
		}
		i := slices.IndexFunc(list, func(b bench) bool { return b.Body == s.Body })
		if i < 0 {
			i = len(list)
			name := s.BodyName
			if name == "" {
				name = s.Title
			}
			list = append(list, bench{Body: s.Body, Name: name})
		}
		b := &list[i]
		b.Seats = append(b.Seats, s)
		b.Sample = b.Sample || s.Sample
		if s.Vote {
			b.Voting++
		}
		if s.Holder != nil {
			b.Taken++
			if s.Vote {
				b.VotingTaken++
			}
		}
	}
	return list
}

// Unseated are the players who have no seat.
func (p *page) Unseated() []room.Person {
	var list []room.Person
	for _, who := range p.People {
		if who.Role == room.Player && len(p.SeatsOf(who.ID)) == 0 {
			list = append(list, who)
		}
	}
	return list
}

// Players are those who may sit somewhere.
func (p *page) Players() []room.Person {
	var list []room.Person
	for _, who := range p.People {
		if who.Role == room.Player {
			list = append(list, who)
		}
	}
	return list
}

// Staff are observers, facilitators and screens.
func (p *page) Staff() []room.Person {
	var list []room.Person
	for _, who := range p.People {
		if who.Role != room.Player {
			list = append(list, who)
		}
	}
	return list
}

// SeatsOf are the titles of the seats of a person.
func (p *page) SeatsOf(id room.PersonID) []string {
	var titles []string
	for _, s := range p.Seats {
		if s.Holder != nil && s.Holder.ID == id {
			titles = append(titles, s.Title)
		}
	}
	return titles
}

// HereNow is how many people of the room have a page open.
func (p *page) HereNow() int { return len(p.Arrived()) }

// Joined is how many people there are, screens aside.
func (p *page) Joined() int {
	n := 0
	for _, who := range p.People {
		if who.Role != room.Screen {
			n++
		}
	}
	return n
}

// Ahead are the lines of the run sheet that are to come, Past those that were.
func (p *page) Ahead() []room.SheetLine { return p.lines(false) }

// Past are the lines that were, the latest first.
func (p *page) Past() []room.SheetLine {
	past := p.lines(true)
	slices.Reverse(past)
	return past
}

func (p *page) lines(past bool) []room.SheetLine {
	var list []room.SheetLine
	if p.Sheet == nil {
		return nil
	}
	for _, l := range p.Sheet.Lines {
		if was := l.State == room.Done || l.State == room.Skipped || l.State == room.Missed; was == past {
			list = append(list, l)
		}
	}
	return list
}

// soon is how many lines of the run sheet stand open: as many as can be kept in mind.
const soon = 8

// Soon are the first lines that are to come, and all that are held; Later the others.
func (p *page) Soon() []room.SheetLine { return p.split(true) }

// Later are the lines that are far off.
func (p *page) Later() []room.SheetLine { return p.split(false) }

func (p *page) split(near bool) []room.SheetLine {
	var list []room.SheetLine
	for i, l := range p.Ahead() {
		if (i < soon || l.State == room.Held || l.State == room.Next) == near {
			list = append(list, l)
		}
	}
	return list
}

// Happens is a line of the run sheet without its condition.
func (p *page) Happens(l room.SheetLine) string {
	what, _, _ := strings.Cut(l.What, ", only if ")
	return what
}

// OnlyIf is the condition of a line; empty if there is none.
func (p *page) OnlyIf(l room.SheetLine) string {
	_, condition, _ := strings.Cut(l.What, ", only if ")
	return condition
}

// KeyWord is a key as people call it, with its article.
func (p *page) KeyWord(key string) string {
	words := key
	if !strings.HasSuffix(strings.ToLower(words), "key") {
		words += " key"
	}
	if strings.HasPrefix(strings.ToLower(words), "the ") {
		return words
	}
	return "the " + words
}

// NextLine is what is due next; nil if nothing with a time is.
func (p *page) NextLine() *room.SheetLine {
	for _, l := range p.Ahead() {
		if l.State == room.Next {
			return &l
		}
	}
	return nil
}

// HeldLines is how many injects are held.
func (p *page) HeldLines() int {
	n := 0
	for _, l := range p.Ahead() {
		if l.State == room.Held {
			n++
		}
	}
	return n
}

// sheetState is the badge of a line: its class of the look, and its word.
func sheetState(s room.SheetState) badge {
	switch s {
	case room.Next:
		return badge{"info", "next"}
	case room.Held:
		return badge{"warn", "held"}
	case room.Done:
		return badge{"good", "done"}
	case room.Skipped:
		return badge{"off", "skipped"}
	case room.Missed:
		return badge{"bad", "missed"}
	}
	return badge{"off", "to come"}
}

type badge struct{ Mark, Word string }

// StageOf says how far a question has got.
func (p *page) StageOf(b room.Ballot) badge {
	switch {
	case b.Stage == room.Counting:
		return badge{"off", "closed, and being recorded"}
	case b.ByScript:
		return badge{"off", "the script answers"}
	case b.Stage == room.Voting && b.Blind:
		return badge{"info", "blind vote is open"}
	case b.Stage == room.Voting:
		return badge{"info", "open vote is open"}
	case b.Stage == room.Revealed:
		return badge{"good", "the votes are shown"}
	}
	return badge{"warn", "under discussion"}
}

// A turnout is how many of those who may vote on a question sit, are here and have
// voted.
type turnout struct{ May, Taken, Here, Voted, Abstained, Barred, Needed int }

// Turnout counts a question's members.
func (p *page) Turnout(b room.Ballot) turnout {
	t := turnout{Needed: b.Needed}
	for _, m := range b.Members {
		if !m.Vote {
			continue
		}
		if m.Barred {
			t.Barred++
			continue
		}
		t.May++
		if m.Name != "" {
			t.Taken++
		}
		if m.Present {
			t.Here++
		}
		if m.Abstained {
			t.Abstained++
		} else if m.Voted {
			t.Voted++
		}
	}
	return t
}

// Short says that a quorum cannot be reached by those who are here.
func (t turnout) Short() bool { return t.Needed > 0 && t.Here < t.Needed }

// Says is the arithmetic of the quorum as it stands.
func (t turnout) Says() string {
	s := fmt.Sprintf("%d of %s taken, %d here", t.Taken, report.Plural(t.May, "voting seat"), t.Here)
	if t.Barred > 0 {
		s += fmt.Sprintf(", %d barred by an interest", t.Barred)
	}
	if t.Needed > 0 {
		s += fmt.Sprintf("; the quorum is %s", report.Plural(t.Needed, "vote"))
	}
	return s
}

// Assessed is how many factors of a question have a finding.
func (p *page) Assessed(b room.Ballot) int {
	n := 0
	for _, f := range b.Factors {
		if f.Finding != "" {
			n++
		}
	}
	return n
}

// A pace is a speed that can be chosen.
type pace struct {
	Speed float64
	Says  string
	Now   bool
}

// Paces are the speeds that are offered, and the one that holds if it is another.
func (p *page) Paces(now float64) []pace {
	list := []pace{
		{1, "as fast as in life", false}, {2, "an hour takes 30 minutes", false}, {4, "an hour takes 15 minutes", false}, {12, "an hour takes 5 minutes", false},
		{30, "an hour takes 2 minutes", false}, {60, "an hour takes a minute", false}, {240, "an hour takes 15 seconds", false}, {3600, "an hour takes a second", false},
	}
	if now == 0 {
		now = 1
	}
	i := slices.IndexFunc(list, func(x pace) bool { return x.Speed >= now })
	switch {
	case i >= 0 && list[i].Speed == now:
		list[i].Now = true
	default:
		if i < 0 {
			i = len(list)
		}
		list = slices.Insert(list, i, pace{now, fmt.Sprintf("%g times as fast as in life", now), true})
	}
	return list
}

// DecidedLast are the decisions, the newest first.
func (p *page) DecidedLast() []room.Decided {
	list := slices.Clone(p.Decided)
	slices.Reverse(list)
	return list
}

// SeatWord is what a seat is called where its body is named beside it.
func (p *page) SeatWord(s room.Seat) string {
	if rest, is := strings.CutPrefix(s.Title, s.BodyName+", "); is {
		return rest
	}
	return s.Title
}

// FittingPace says which pace brings the drill to its end in the time that it is
// meant to take people.
func (p *page) FittingPace() string {
	if p.Sheet == nil || p.Sheet.Minutes == 0 {
		return ""
	}
	var end time.Duration
	for _, l := range p.Sheet.Lines {
		end = max(end, l.At)
	}
	if end == 0 {
		return ""
	}
	speed := end.Minutes() / float64(p.Sheet.Minutes)
	fit := ""
	for _, x := range p.Paces(1) {
		if fit == "" || x.Speed <= speed {
			fit = x.Says
		}
	}
	return fmt.Sprintf("This drill goes on until %s of its own time, and is meant to take people %s: %s fits.", report.Clock(end), report.Plural(p.Sheet.Minutes, "minute"), fit)
}

// SeatName is the title of a seat.
func (p *page) SeatName(id room.SeatID) string {
	for _, s := range p.Seats {
		if s.ID == id {
			if s.Holder != nil {
				return s.Title + ", " + s.Holder.Name
			}
			return s.Title
		}
	}
	return string(id)
}

// PrivateNotes are the facilitator's notes and those of the observers, the newest
// first.
func (p *page) PrivateNotes() []room.Note {
	list := slices.Clone(p.Notes)
	if p.Sheet != nil {
		for _, n := range p.Sheet.Private {
			if !slices.ContainsFunc(list, func(have room.Note) bool { return have.Book == n.Book }) {
				list = append(list, n)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b room.Note) int { return int(b.Book - a.Book) })
	return list
}
