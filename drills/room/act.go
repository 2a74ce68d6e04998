package room

import "time"

// An Act is something that a person asks the room to do. Do refuses one that the
// person's role or seat does not allow.
type Act interface{ act() }

// Acts of the facilitator before the drill.
type (
	// Arrange says what is to be played; it can be said again until Begin.
	Arrange struct {
		Scenario    string  // id of a shipped scenario or of a file of the exercise; ignored if Text is set
		Text        string  // a scenario as typed
		Devices     int     // 0: the scenario's
		Seed        int64   // 0: 1
		Speed       float64 // scenario time over wall time; 0: 1
		Solo        bool
		SoloDecides bool
		Blind       bool
		Score       bool
		Seats       []SeatID // offered; empty: all
	}
	// OpenDoors lets people in: the phase becomes briefing.
	OpenDoors struct{}
	// Begin starts the run.
	Begin struct{}
)

// Acts of people about seats.
type (
	// TakeSeat takes a free seat.
	TakeSeat struct {
		Seat      SeatID
		Alternate bool
	}
	// LeaveSeat leaves one.
	LeaveSeat struct{ Seat SeatID }
	// Move is the facilitator's: puts a person on a seat, or with an empty Person
	// frees it.
	Move struct {
		Seat   SeatID
		Person PersonID
	}
)

// Acts of those who decide.
type (
	// Declare says that a seat has an interest in what is decided.
	Declare struct {
		Seat      SeatID
		Decision  string
		Asking    int
		Interest  string
		Withdrawn bool
	}
	// Assess writes a finding on a factor of the guidance.
	Assess struct {
		Seat                      SeatID
		Decision                  string
		Asking                    int
		Factor, Finding, Evidence string
	}
	// CallVote opens the ballot, openly or blind. It is the chair's, the
	// facilitator's, or of a body of one seat that seat's.
	CallVote struct {
		Seat     SeatID // empty: the facilitator
		Decision string
		Asking   int
		Blind    bool
	}
	// Vote casts a vote or changes it. An empty Option abstains.
	Vote struct {
		Seat           SeatID
		Decision       string
		Asking         int
		Option, Reason string
	}
	// Reveal shows a blind ballot before it is closed.
	Reveal struct {
		Seat     SeatID
		Decision string
		Asking   int
	}
	// CloseVote counts. What comes of it is recorded and carried out, or the vote
	// is put again and the ballot says why.
	CloseVote struct {
		Seat     SeatID
		Decision string
		Asking   int
		Reason   string // for the minutes
	}
	// GiveShare enters the code of a custodian's envelope; Withhold keeps it back.
	GiveShare struct {
		Seat     SeatID
		Key      string
		Code     string
		Withhold bool
	}
	// TellWhom carries out a duty to tell somebody.
	TellWhom struct {
		Seat SeatID
		Step string
	}
)

// Acts of the facilitator during the drill.
type (
	Pause struct{ Why string }
	// Resume lets the clock go on.
	Resume struct{ Why string }
	// Pace sets how fast scenario time passes.
	Pace struct{ Speed float64 }
	// Jump goes to the next thing that is due.
	Jump struct{}
	// Steer holds, releases, skips or fires early what people are to be told.
	Steer struct {
		Step string
		Did  Steering
		Why  string
	}
	// GoBack branches: the drill is played again up to a decision, which is then
	// put anew. The run that was is kept.
	GoBack struct {
		Decision string
		Asking   int
	}
	// Stop breaks the drill off.
	Stop struct{ Why string }
)

// Acts for the record.
type (
	// Jot writes a note tagged to the timeline, or, of the facilitator, a private one.
	Jot struct {
		Text    string
		Tag     Tag
		Entry   int64 // of the journal; 0: the newest
		Private bool
	}
	// Rate rates an objective.
	Rate struct {
		Objective string
		Rating    Rating
		Evidence  string
	}
	// Answer answers the survey of the hot wash.
	Answer struct {
		Answers      map[string]int
		Well, Better string
	}
	// Correct adds a correction to an entry of the journal, or to one of the book.
	Correct struct {
		Seat        SeatID
		Entry, Book int64
		Text        string
	}
	// Plan adds or replaces (Number > 0) an action of the improvement plan. With an
	// Exercise it is about one of an earlier drill's plan (Exercise.Open): that it is
	// done, or what becomes of it.
	Plan struct {
		Exercise          string
		Number            int
		What, Owner, From string
		Due               time.Time
		Done, Drop        bool
	}
	// RiskLeft adds or replaces a line of the risk list.
	RiskLeft struct {
		Number      int
		What, Owner string
		Likelihood  string // low, medium or high
		Devices     int
		Drop        bool
	}
	// Write writes a paragraph of the report or the minutes: summary, strengths,
	// improve or minutes.
	Write struct{ Part, Text string }
	// Finish seals the record and closes the exercise.
	Finish struct{}
)

// Steering is what can be done to an inject that is to come.
type Steering string

// The ways of steering.
const (
	Hold    Steering = "hold"
	Release Steering = "release"
	Skip    Steering = "skip"
	Early   Steering = "early"
)

// Tag says what a note is about.
type Tag string

// The tags; the zero value is a note about nothing in particular.
const (
	Strength Tag = "strength"
	Improve  Tag = "improve"
	Question Tag = "question"
)

// Rating says how an objective was met.
type Rating string

// The ratings, as emergency planners use them.
const (
	Performed       Rating = "P" // without challenges
	SomeChallenges  Rating = "S"
	MajorChallenges Rating = "M"
	Unable          Rating = "U"
)

func (Arrange) act()   {}
func (OpenDoors) act() {}
func (Begin) act()     {}
func (TakeSeat) act()  {}
func (LeaveSeat) act() {}
func (Move) act()      {}
func (Declare) act()   {}
func (Assess) act()    {}
func (CallVote) act()  {}
func (Vote) act()      {}
func (Reveal) act()    {}
func (CloseVote) act() {}
func (GiveShare) act() {}
func (TellWhom) act()  {}
func (Pause) act()     {}
func (Resume) act()    {}
func (Pace) act()      {}
func (Jump) act()      {}
func (Steer) act()     {}
func (GoBack) act()    {}
func (Stop) act()      {}
func (Jot) act()       {}
func (Rate) act()      {}
func (Answer) act()    {}
func (Correct) act()   {}
func (Plan) act()      {}
func (RiskLeft) act()  {}
func (Write) act()     {}
func (Finish) act()    {}
