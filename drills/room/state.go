package room

import (
	"fmt"
	"slices"
	"time"

	"smki.example/drills/procedure"
	"smki.example/drills/roombook"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// A state is what the book comes to: everything that people did. It is changed by
// take alone, so that the same entries always lead to the same state.
type state struct {
	pack *procedure.Pack
	// asked says when a question was put in a run, which the run's journal has: a run
	// that was left there keeps what people did before.
	asked    func(run int, on roombook.On) time.Duration
	exercise string
	phase    Phase
	arranged roombook.Arranged
	house    *house

	people  map[PersonID]*person
	order   []PersonID // in which they came
	passes  map[string]PersonID
	sitting map[SeatID]sitting

	run     int
	runs    []roombook.Run
	speed   float64 // as the facilitator last set it
	tells   []tell  // duties that people did
	ballots map[roombook.On]*ballot
	polled  []roombook.Entry     // what ballots were made of
	before  map[SeatID]PersonID  // who sat on a seat last
	shares  map[shareOf]shareDid // what became of a share in this course of events

	notes       []Note
	ratings     map[rated]Rated
	surveys     map[PersonID]roombook.Survey
	corrections []corrected
	actions     map[int]roombook.Action
	arising     map[arising]roombook.Action
	risks       map[int]roombook.Risk
	remarks     map[string]string
	last        int64 // entry
	wall        time.Time
}

// person is somebody who came in.
type person struct {
	id   PersonID
	name string
	role Role
}

// sitting is who sits on a seat.
type sitting struct {
	person    PersonID
	alternate bool
}

type shareOf struct {
	seat SeatID
	key  string
}

type tell struct {
	step, by string
	at       time.Duration
}

type rated struct {
	person    PersonID
	objective string
}

type arising struct {
	exercise string
	number   int
}

type corrected struct {
	Correction
	entry, book int64
}

func newState(p *procedure.Pack) *state {
	return &state{
		pack: p, phase: Setup, house: newHouse(p, nil), people: map[PersonID]*person{}, passes: map[string]PersonID{}, sitting: map[SeatID]sitting{},
		ballots: map[roombook.On]*ballot{}, before: map[SeatID]PersonID{}, shares: map[shareOf]shareDid{}, ratings: map[rated]Rated{}, surveys: map[PersonID]roombook.Survey{},
		actions: map[int]roombook.Action{}, arising: map[arising]roombook.Action{}, risks: map[int]roombook.Risk{}, remarks: map[string]string{},
	}
}

// take folds one entry of the book in.
func (s *state) take(e roombook.Entry) error {
	s.last, s.wall = e.Seq, e.Wall
	switch b := e.Body.(type) {
	case roombook.Opened:
		s.exercise = b.Exercise
	case roombook.Arranged:
		return s.arrange(b)
	case roombook.Joined:
		id := PersonID(b.Person)
		s.people[id] = &person{id, b.Name.String(), Role(b.Role)}
		s.order = append(s.order, id)
		s.passes[b.Pass] = id
	case roombook.Seated:
		if b.Left {
			if s.sitting[SeatID(b.Seat)].person == PersonID(b.Person) {
				delete(s.sitting, SeatID(b.Seat))
			}
		} else {
			s.sitting[SeatID(b.Seat)] = sitting{PersonID(b.Person), b.Alternate}
			s.polled = append(s.polled, e)
			s.succeed(b)
		}
	case roombook.Phase:
		s.phase = Phase(b.Phase)
	case roombook.Run:
		s.run = b.Number
		s.runs = append(s.runs, b)
		if b.Why == branched {
			s.leave(b)
		}
	case roombook.Interest, roombook.Assessed, roombook.Ballot, roombook.Cast:
		s.polled = append(s.polled, e)
		s.takeBallot(b)
	case roombook.Steered:
		if b.Speed > 0 {
			s.speed = b.Speed
		}
	case roombook.Told:
		by := "the facilitator"
		if b.Seat != "" {
			by = s.title(SeatID(b.Seat))
		}
		s.tells = append(s.tells, tell{b.Step, by, e.At})
	case roombook.Share:
		s.shares[shareOf{SeatID(b.Seat), b.Key}] = shareDid{b.Did, e.At}
	default:
		s.takeRecord(e)
	}
	return nil
}

// arrange parses what is to be played. The text is in the book, so that an exercise
// is the same whatever is shipped by then.
func (s *state) arrange(b roombook.Arranged) error {
	parsed, err := scenario.Parse(b.Scenario, []byte(b.ScenarioText), verbs.Vocabulary(s.pack))
	if err != nil {
		return fmt.Errorf("reading the scenario that was arranged: %w", err)
	}
	s.arranged, s.speed = b, b.Speed
	s.house = newHouse(s.pack, parsed)
	if len(b.Seats) > 0 {
		for i := range s.house.seats {
			x := &s.house.seats[i]
			x.Offered = slices.Contains(b.Seats, string(x.ID))
		}
	}
	for seat := range s.sitting {
		if _, is := s.house.seat(seat); !is {
			delete(s.sitting, seat)
		}
	}
	return nil
}

func (s *state) scenario() *scenario.Scenario { return s.house.scenario }

// Why a run began, as the book has it.
const (
	begun    = "begun"
	resumed  = "resumed"
	branched = "branched"
)

// takeRecord folds in what people said for the record.
func (s *state) takeRecord(e roombook.Entry) {
	switch b := e.Body.(type) {
	case roombook.Note:
		s.notes = append(s.notes, Note{Book: e.Seq, By: s.name(PersonID(b.Person)), by: PersonID(b.Person), At: e.At, Entry: b.Entry, Tag: Tag(b.Tag), Text: b.Text.String(), Private: b.Private, Wall: e.Wall})
	case roombook.Rating:
		s.ratings[rated{PersonID(b.Person), b.Objective}] = Rated{By: s.name(PersonID(b.Person)), Rating: Rating(b.Rating), Evidence: b.Evidence.String()}
	case roombook.Survey:
		s.surveys[PersonID(b.Person)] = b
	case roombook.Correction:
		by := s.name(PersonID(b.Person))
		if b.Seat != "" {
			by += ", " + s.title(SeatID(b.Seat))
		}
		s.corrections = append(s.corrections, corrected{Correction{by, b.Text.String(), e.Wall}, b.Entry, b.Book})
	case roombook.Action:
		if b.Exercise != "" {
			s.arising[arising{b.Exercise, b.Number}] = b
		} else {
			s.actions[b.Number] = b
		}
	case roombook.Risk:
		s.risks[b.Number] = b
	case roombook.Remark:
		s.remarks[b.Part] = b.Text.String()
	}
}

func (s *state) name(p PersonID) string {
	if x := s.people[p]; x != nil {
		return x.name
	}
	return string(p)
}

func (s *state) title(seat SeatID) string {
	if x, is := s.house.seat(seat); is {
		return x.Title
	}
	return string(seat)
}

// seatsOf are the seats of a person, in the order of the house.
func (s *state) seatsOf(p PersonID) []SeatID {
	var out []SeatID
	for i := range s.house.seats {
		if id := s.house.seats[i].ID; s.sitting[id].person == p && p != "" {
			out = append(out, id)
		}
	}
	return out
}

// held says whether somebody sits on a seat of a body that has a vote.
func (s *state) held(body string) bool {
	return slices.ContainsFunc(s.house.voters(body), func(x Seat) bool { return s.sitting[x.ID].person != "" })
}
