package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/roombook"
	"smki.example/drills/words"
)

// A Meeting is what people did in the exercise room, read from its book: what
// minutes need beside what the journal has. Texts that were taken out of a copy
// read "[taken out]".
type Meeting struct {
	Exercise  string
	Program   string
	Arranged  roombook.Arranged
	Began     time.Time // on the clock: the doors were opened
	Ended     time.Time // on the clock: the last thing that was done in the room
	Runs      []Told[roombook.Run]
	People    []Attendant
	Seats     []Sitting // in the order in which they were taken
	Interests []Told[roombook.Interest]
	Assessed  []Told[roombook.Assessed]
	Ballots   []Told[roombook.Ballot]
	Casts     []Told[roombook.Cast]
	Notes     []Told[roombook.Note]
	Ratings   []Told[roombook.Rating] // the last of each person for each objective
	Surveys   []Told[roombook.Survey] // the last of each person
	Actions   []Action                // of this exercise, by number
	Arising   []Action                // of earlier exercises, of which something was said here
	Risks     []Risk
	Remarks   map[string]string // by part, the last of each
	Redacted  int               // texts that were taken out of this copy
	Entries   int64

	corrections []Correction
	names       map[string]string // of persons
	pack        *procedure.Pack
}

// An Attendant is somebody who was in the room.
type Attendant struct {
	Person, Name, Role string
	Came               time.Time
}

// A Sitting is somebody on a seat, from when to when. Left is the zero time for who
// sat there until the end.
type Sitting struct {
	Seat, Person, Name string
	Alternate          bool
	Sat, Left          time.Time
}

// A Correction is what was added to the record afterwards. Entry is of the journal
// and Book of the book: one of them is set.
type Correction struct {
	Entry, Book int64
	By          string // name and seat
	Text        string
	Wall        time.Time
}

// meet reads the book. What was done in a run that was left for another course of
// events, after the point where it was left, is no part of the meeting's business
// and stays out; the journals of such runs are kept in the pack.
func (r *Report) meet(book []roombook.Entry) *Meeting {
	m := &Meeting{Remarks: map[string]string{}, names: map[string]string{}, pack: r.Pack}
	for _, e := range book {
		if b, is := e.Body.(roombook.Run); is {
			m.Runs = append(m.Runs, sat(e, b))
		}
	}
	for _, e := range book {
		m.Entries, m.Ended = e.Seq, later(m.Ended, e.Wall)
		m.Redacted += redacted(e.Body)
		if r.ofThisCourse(m.Runs, e) {
			m.take(e)
		}
	}
	slices.SortFunc(m.Actions, func(a, b Action) int { return a.Number - b.Number })
	slices.SortFunc(m.Risks, func(a, b Risk) int { return a.Number - b.Number })
	return m
}

// take sorts one entry in.
func (m *Meeting) take(e roombook.Entry) {
	switch b := e.Body.(type) {
	case roombook.Opened:
		m.Exercise, m.Program = b.Exercise, b.Program
	case roombook.Arranged:
		m.Arranged = b
	case roombook.Phase:
		if m.Began.IsZero() && b.Phase == "briefing" {
			m.Began = e.Wall
		}
	case roombook.Joined:
		m.names[b.Person] = b.Name.String()
		m.People = append(m.People, Attendant{b.Person, b.Name.String(), b.Role, e.Wall})
	case roombook.Seated:
		m.seat(e.Wall, b)
	case roombook.Interest:
		m.Interests = append(m.Interests, sat(e, b))
	case roombook.Assessed:
		m.Assessed = append(m.Assessed, sat(e, b))
	case roombook.Ballot:
		m.Ballots = append(m.Ballots, sat(e, b))
	case roombook.Cast:
		m.Casts = append(m.Casts, sat(e, b))
	case roombook.Note:
		m.Notes = append(m.Notes, sat(e, b))
	case roombook.Rating:
		m.Ratings = latest(m.Ratings, sat(e, b), func(x roombook.Rating) string { return x.Person + "\n" + x.Objective })
	case roombook.Survey:
		m.Surveys = latest(m.Surveys, sat(e, b), func(x roombook.Survey) string { return x.Person })
	case roombook.Correction:
		m.corrections = append(m.corrections, Correction{b.Entry, b.Book, m.who(b.Person, b.Seat), b.Text.String(), e.Wall})
	case roombook.Action:
		m.action(b)
	case roombook.Risk:
		m.Risks = slices.DeleteFunc(m.Risks, func(x Risk) bool { return x.Number == b.Number })
		if !b.Dropped {
			m.Risks = append(m.Risks, Risk{Number: b.Number, What: b.What.String(), Owner: b.Owner.String(), Likelihood: b.Likelihood, Devices: b.Devices})
		}
	case roombook.Remark:
		m.Remarks[b.Part] = b.Text.String()
	}
}

func (m *Meeting) action(b roombook.Action) {
	a := actionOf(b, b.Exercise)
	list := &m.Actions
	if b.Exercise != "" {
		list = &m.Arising
	} else {
		a.Drill = m.Exercise
	}
	*list = slices.DeleteFunc(*list, func(x Action) bool { return x.Number == a.Number && x.Drill == a.Drill })
	if !b.Dropped {
		*list = append(*list, a)
	}
}

// actionOf is a line of a plan as the book has it. A date that cannot be read is no
// date.
func actionOf(b roombook.Action, exercise string) Action {
	due, _ := time.Parse(time.DateOnly, b.Due)
	return Action{Number: b.Number, What: b.What.String(), Owner: b.Owner.String(), Due: due, From: b.From.String(), Done: b.State == "done", Drill: exercise}
}

func (m *Meeting) seat(wall time.Time, b roombook.Seated) {
	for i := range m.Seats {
		s := &m.Seats[i]
		if s.Seat == b.Seat && s.Left.IsZero() && (s.Person == b.Person || !b.Left) {
			s.Left = wall
		}
	}
	if !b.Left {
		m.Seats = append(m.Seats, Sitting{Seat: b.Seat, Person: b.Person, Name: m.Name(b.Person), Alternate: b.Alternate, Sat: wall})
	}
}

// ofThisCourse says whether an entry belongs to the course of events that the
// report is about. A run that was broken off and played again does; one that was
// left at a decision does up to that question.
func (r *Report) ofThisCourse(runs []Told[roombook.Run], e roombook.Entry) bool {
	switch e.Body.(type) {
	case roombook.Cast, roombook.Interest, roombook.Assessed, roombook.Ballot, roombook.Share, roombook.Told, roombook.Steered:
	default:
		return true // of the meeting, not of the drill's events
	}
	if len(runs) == 0 {
		return true
	}
	run := runs[len(runs)-1].Body
	for run.Number != e.Run {
		if run.Why == "branched" && !r.before(run, e) {
			return false
		}
		i := slices.IndexFunc(runs, func(x Told[roombook.Run]) bool { return x.Body.Number == run.From })
		if i < 0 {
			return false
		}
		run = runs[i].Body
	}
	return true
}

// before says whether an entry of a run that was left stands before the question at
// which it was left.
func (r *Report) before(branch roombook.Run, e roombook.Entry) bool {
	if on := roombook.About(e.Body); on.Decision == branch.At && on.Asking >= max(branch.Asking, 1) {
		return false
	}
	for _, q := range r.Questions {
		if q.Body.Decision == branch.At && q.Body.Asking == max(branch.Asking, 1) {
			return e.At <= q.At
		}
	}
	return false
}

// redacted counts the texts of a body that were taken out.
func redacted(body roombook.Body) int {
	n := 0
	for _, t := range roombook.Texts(body) {
		if t.Redacted() {
			n++
		}
	}
	return n
}

func sat[T any](e roombook.Entry, body T) Told[T] { return Told[T]{e.At, body, e.Seq, e.Wall} }

// latest adds to a list in which a later one replaces one of the same key.
func latest[T any](list []Told[T], x Told[T], key func(T) string) []Told[T] {
	list = slices.DeleteFunc(list, func(y Told[T]) bool { return key(y.Body) == key(x.Body) })
	return append(list, x)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Name is a person's name as it was given at the door.
func (m *Meeting) Name(person string) string {
	if name := m.names[person]; name != "" {
		return name
	}
	return person
}

// who is a person by name and, where they spoke from a seat, its title.
func (m *Meeting) who(person, seat string) string {
	switch name := m.Name(person); {
	case seat == "":
		return name
	case name == "":
		return m.SeatTitle(seat)
	default:
		return name + ", " + m.SeatTitle(seat)
	}
}

// SeatTitle is a seat as people call it: SMKI PMA, Chair.
func (m *Meeting) SeatTitle(seat string) string {
	body, member, is := cutLast(seat, "/")
	if !is {
		return Capital(seat)
	}
	if body == "custodian" {
		for i, c := range m.pack.Custodians {
			if member == fmt.Sprint(i+1) || member == c.Seat {
				return Capital(c.Seat) + " (" + c.Party + ")"
			}
		}
		return "Custodian " + member
	}
	if body == "listener" {
		return Capital(member)
	}
	b, known := bodyOf(m.pack, body)
	if !known {
		return Capital(body) + ", " + member
	}
	return Capital(b.Name) + ", " + memberName(b, member)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func bodyOf(pack *procedure.Pack, id string) (procedure.Body, bool) {
	for _, b := range pack.Bodies {
		if b.ID == id {
			return b, true
		}
	}
	return procedure.Body{}, false
}

// memberName is a member's title in its body, or its id.
func memberName(b procedure.Body, id string) string {
	for _, m := range b.Members {
		if m.ID == id {
			return Capital(m.Name)
		}
	}
	return Capital(id)
}

// holder is who sat on a seat at a time, empty if nobody did.
func (m *Meeting) holder(seat string, wall time.Time) (Sitting, bool) {
	for i := len(m.Seats) - 1; i >= 0; i-- {
		s := m.Seats[i]
		if s.Seat == seat && !s.Sat.After(wall) && (s.Left.IsZero() || s.Left.After(wall)) {
			return s, true
		}
	}
	return Sitting{}, false
}

// Corrections of an entry of the journal; nil without a meeting.
func (r *Report) corrections(entry int64) []Correction {
	if r.Meeting == nil {
		return nil
	}
	var out []Correction
	for _, c := range r.Meeting.corrections {
		if c.Entry == entry {
			out = append(out, c)
		}
	}
	return out
}

// bookCorrections are those of an entry of the book.
func (m *Meeting) bookCorrections(entry int64) []Correction {
	var out []Correction
	for _, c := range m.corrections {
		if c.Book == entry {
			out = append(out, c)
		}
	}
	return out
}

// HeadAt is the head of the record after an entry, in words as they were shown in
// the room.
func (r *Report) HeadAt(entry int64) string {
	if entry < 1 || entry > int64(len(r.leaves)) {
		return ""
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, leaf := range r.leaves[:entry] {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			return ""
		}
		stored = append(stored, more...)
	}
	head, err := tlog.TreeHash(entry, reader)
	if err != nil {
		return ""
	}
	return words.Of(head[:])
}

// A Use is one use of a key that only a decision opens, the first under its
// authorisation.
type Use struct {
	Key      string `json:"key"`
	Number   int    `json:"number"`
	Decision int64  `json:"decision"`
	Device   string `json:"device"`
}

// steered is the line of the timeline for what a facilitator did.
func steered(b journal.Steer) string {
	text := fmt.Sprintf("%s: %s %q", Capital(b.By), steeredWords[b.Did], b.Step)
	if b.Did != "" && steeredWords[b.Did] == "" {
		text = fmt.Sprintf("%s: %s %q", Capital(b.By), b.Did, b.Step)
	}
	if b.Why != "" {
		text += ", " + b.Why
	}
	if b.Refused != "" {
		text += " (nothing came of it: " + b.Refused + ")"
	}
	return text
}

var steeredWords = map[string]string{"hold": "held back", "release": "released", "skip": "left out", "early": "brought forward"}
