package room

import (
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
)

// Phase is the part of an exercise that is going on.
type Phase string

// The phases, in order.
const (
	Setup    Phase = "setup"    // the facilitator arranges
	Briefing Phase = "briefing" // people come in, sit down and read
	Making   Phase = "making"   // keys, certificates and devices of the drill are being made, or made again after a restart
	Playing  Phase = "playing"
	HotWash  Phase = "hot wash"
	Closed   Phase = "closed" // the record is sealed
)

// Role is what a person may do. The zero value is nobody.
type Role string

// The roles.
const (
	Facilitator Role = "facilitator"
	Player      Role = "player"
	Observer    Role = "observer"
	Screen      Role = "screen" // the projector
)

// A View is what one person may see at one moment: nothing in it is for somebody
// else. It is a copy and may be kept.
type View struct {
	Version   int64 // rises with everything that changed for anybody
	Phase     Phase
	Exercise  Exercise
	Me        Person
	Mine      []Seat
	Clock     Clock
	People    []Person // who is here
	Seats     []Seat   // in the order of the procedure pack
	Feed      []Item   // what reached this person, oldest first
	Questions []Ballot // open now; of other bodies only that they are at it
	Decided   []Decided
	Calls     []Call // shares that this person's seats are asked for
	Duties    []Duty // whom this person's seats must tell
	Envelopes []Envelope
	Situation *Situation // nil before the drill, and where the seat has no such screen
	Rehearsed []Objective
	Notes     []Note // an observer's own; all of them for the facilitator and after the drill
	Sheet     *Sheet // the facilitator's alone
	After     *After // from the hot wash on
	Replay    *Moments
}

// Exercise is what stands on every screen.
type Exercise struct {
	Name       string // of the folder
	Scenario   string // id
	Title      string // tells what happened: for the facilitator and observers, and for everybody once it is over
	Label      string // of the Panel Information Policy
	Handling   string // what the label means, in words
	About      []string
	Terms      []procedure.Term
	Rules      []string
	Solo       bool
	Score      bool
	Open       []report.Action // of the improvement plan of earlier drills, not yet done: shown first
	Unverified int             // steps that rest on text nobody held against the procedure
	Words      string          // newest head of the record, for the minutes
	Codes      *Codes          // the facilitator's, and the player's code alone for the screen
	Run        int
	Trouble    string // why the room stands still, in words for the facilitator; empty if it does not
}

// Codes let people in.
type Codes struct{ Player, Observer, Screen string }

// PersonID is p1, p2, … in the order in which they came.
type PersonID string

// A Person is somebody in the room.
type Person struct {
	ID      PersonID
	Name    string
	Role    Role
	Present bool // a page of theirs is open
}

// SeatID is BODY/MEMBER, such as pma/chair, or custodian/1.
type SeatID string

// SeatKind says what a seat is for.
type SeatKind string

// The kinds of seats.
const (
	MemberSeat    SeatKind = "member"    // of a body that decides
	CustodianSeat SeatKind = "custodian" // holds a share
	ListenerSeat  SeatKind = "listener"  // is told, and decides nothing: panel, press, other parties
)

// A Seat is a place in the exercise.
type Seat struct {
	ID        SeatID
	Kind      SeatKind
	Title     string // SMKI PMA, Chair
	Body      string // id in the procedure pack
	BodyName  string
	Member    string
	Vote      bool
	Chair     bool
	Alternate string // who may stand in, in words of the pack
	Party     string // a custodian's
	Sample    bool
	Offered   bool
	Briefing  []string // what this seat knows before it begins, in plain words; own seats only
	Holder    *Person  // nil: free, and played by the script
	StandsIn  bool     // the holder is the member's alternate
}

// Clock is the scenario clock. A page that counts by itself adds Speed times the
// wall time since Wall.
type Clock struct {
	At     time.Duration
	Speed  float64
	Paused bool
	Why    string // it is paused
	Wall   time.Time
	Runs   bool // scenario time passes now
}

// An Item is something that reached a person.
type Item struct {
	Seq   int64 // journal entry
	At    time.Duration
	Kind  ItemKind
	As    string // how an inject came: mail, call, news
	From  string
	To    []string
	Title string // one line
	Text  string
	Words string // head of the record, where it is to be read into the minutes
	Good  *bool  // held or not, for findings
}

// ItemKind says what an item is. A page marks it by word and shape, not by colour
// alone.
type ItemKind string

// The kinds of items.
const (
	ItemInject   ItemKind = "inject"
	ItemDecision ItemKind = "decision"
	ItemAct      ItemKind = "act"     // something is carried out
	ItemDevices  ItemKind = "devices" // what devices said
	ItemKey      ItemKind = "key"     // custodians called, a key opened, closed, first used
	ItemNotice   ItemKind = "notice"
	ItemTold     ItemKind = "told"
	ItemMissed   ItemKind = "missed"
	ItemFinding  ItemKind = "finding"
	ItemPause    ItemKind = "pause"
	ItemOutcome  ItemKind = "outcome"
)

// BallotStage is how far a question has got.
type BallotStage string

// The stages.
const (
	Discussing BallotStage = "discussing"
	Voting     BallotStage = "voting"
	Revealed   BallotStage = "revealed"
	Counting   BallotStage = "counting" // closed, and being recorded
)

// A Ballot is an open question, as one person sees it. Where the person's seats
// are not of the body, only Decision, Body, BodyName and the times are set.
type Ballot struct {
	Decision  string // name
	Asking    int
	Seq       int64
	Last      bool
	Body      string
	BodyName  string
	Asks      string
	Briefing  string
	Shown     []journal.Shown
	Options   []journal.Option
	Rule      string // how votes are counted, in words; empty: no votes are counted
	Needed    int
	Factors   []FactorState
	Unmet     []string // "shall" factors that are not assessed
	Asked     time.Duration
	Deadline  time.Duration
	Silence   string // what silence means
	Refused   string // why the last count decided nothing
	Stage     BallotStage
	Blind     bool
	Members   []MemberState
	Cast      int    // votes cast, abstentions not counted
	Tally     string // when it may be seen
	MyVotes   []MemberState
	MayCall   bool // call, reveal and close the vote
	CanClose  bool
	WhyNot    string // it cannot be closed
	Leads     []Lead // the facilitator's alone
	Script    string // the script's answer; the facilitator's alone
	Involved  bool   // a seat of this person is of the body
	ByScript  bool   // nobody sits in the body: the script answers
	OpensKey  bool   // an option opens a key
	Conflicts string // what a member with an interest does, in words of the pack
}

// FactorState is a factor of the guidance with what was found.
type FactorState struct {
	ID, Text, Force             string
	Finding, Evidence, Assessor string
	Sample                      bool
}

// MemberState is a member in a vote. Option and Reason are empty where this person
// may not see them; Voted is not.
type MemberState struct {
	Seat      SeatID
	Title     string
	Name      string // of the holder, empty if free
	Vote      bool
	Present   bool
	Interest  string // declared
	Barred    bool   // the declared interest takes the vote away
	Voted     bool
	Abstained bool
	Option    string
	Reason    string
}

// A Lead is where an option leads, for the facilitator.
type Lead struct {
	Option   string
	Says     string
	Expected bool
	Basis    string
	Opens    string
	Then     []string // what follows, in order, with times
	Again    string   // when the question comes back
}

// Decided is a decision that was taken, as the record has it.
type Decided struct {
	Seq      int64
	At       time.Duration
	BodyName string
	Answer   string // chosen, in words
	journal.Decision
	Corrections []Correction
	Words       string // head of the record at this decision
	Digest      string // first words of the entry's hash: custodians compare them with those of their call
}

// A Correction was added to an entry afterwards.
type Correction struct {
	By, Text string
	Wall     time.Time
}

// A Call asks a custodian for a share.
type Call struct {
	Seat     SeatID
	Key      string
	Words    string // the key as people call it
	Decision string // that asks for it
	Digest   string // first words of the authorisation's hash, to compare
	Needed   int
	Given    int
	Mistyped bool
	Done     string // given or withheld; empty: asked for
}

// An Envelope is what a custodian got before: the code that opens the share. It is
// shown to the holder of the seat alone.
type Envelope struct {
	Seat SeatID
	Key  string
	Code string
}

// A Duty is somebody whom a seat must tell.
type Duty struct {
	Step string
	Whom string
	From string
	Due  time.Duration // 0: no limit
	Seat SeatID
}

// Situation is how things stand, in meters, hours and customers. All of it was
// counted on the devices of the drill, or says that it is sample.
type Situation struct {
	At         time.Duration
	Devices    int
	Premises   int
	Prepayment int
	States     []Count // every device once
	Regions    []RegionState
	Wall       string // a letter a meter, or a meter in WallOf: the key of States
	WallOf     int
	OffSupply  int
	TopUps     int
	SiteVisits int
	Sent       int // commands
	Refused    int // by devices
	CRLNumber  int64
	Revoked    int
	Keys       []KeyState
	Curve      []report.Point // devices that hold the new keys
	Forecast   []ForecastCurve
	Sample     []string // what of this is sample
}

// Count is how many devices are in a state. Letter is what the wall shows; Good
// says whether the state is what a recovery wants.
type Count struct {
	Letter string
	Name   string
	Says   string
	Count  int
	Good   bool
}

// RegionState is one region's devices.
type RegionState struct {
	Name    string
	Devices int
	States  []Count
}

// KeyState is a key that custodians hold.
type KeyState struct {
	Key      string
	Words    string
	Open     bool
	Expected time.Duration // when enough custodians will be there; 0: not called
	Uses     int
}

// ForecastCurve is what the forecast said before, for one method.
type ForecastCurve struct {
	Method string
	Points []report.Point
	Sample bool
}

// An Objective is a step of the procedure that is rehearsed, with its ratings.
type Objective struct {
	ID, Says, Phase string
	Sample          bool
	Ratings         []Rated
	Mine            Rated
}

// Rated is one observer's rating.
type Rated struct {
	By       string
	Rating   Rating
	Evidence string
}

// A Note was written by an observer or the facilitator.
type Note struct {
	Book    int64
	By      string
	by      PersonID
	At      time.Duration
	Entry   int64
	Tag     Tag
	Text    string
	Private bool
	Wall    time.Time
	// Corrections were added by its writer. The note itself stays as it is.
	Corrections []Correction
}

// Sheet is the run sheet.
type Sheet struct {
	Lines       []SheetLine
	Private     []Note
	Fidelity    string // what the drill cannot show
	Choices     []report.Line
	Source      string // of the scenario, to edit while it is being arranged
	Library     []Drill
	Errors      []string // of the scenario as typed
	Devices     int
	Seed        int64
	Speed       float64
	Blind       bool
	SoloDecides bool
	Minutes     int
}

// A Drill is a scenario that can be chosen.
type Drill struct {
	ID, Title, Label string
	Minutes          int
	Own              bool // a file of this installation
}

// SheetLine is a line of the run sheet.
type SheetLine struct {
	Step  string
	At    time.Duration
	When  string // condition, in words; empty: At holds
	Kind  string // inject, decide, notify or do
	What  string
	Text  string
	To    []string
	State SheetState
	May   []Steering
}

// SheetState is what became of a line.
type SheetState string

// The states of a line.
const (
	Waiting SheetState = "waiting"
	Next    SheetState = "next"
	Held    SheetState = "held"
	Done    SheetState = "done"
	Skipped SheetState = "skipped"
	Missed  SheetState = "missed"
)

// After is what follows the drill.
type After struct {
	Outcome      string
	Finding      string
	Heading      string
	Lines        []report.Line // closing summary
	Survey       []SurveyQuestion
	Answered     bool
	Answers      int // people
	Actions      []report.Action
	Risks        []report.Risk
	Remarks      map[string]string // by part
	Open         []string          // what the drill leaves open: proposals for actions
	Words        string            // closing head
	RecordKey    string
	Files        []File // once the record is sealed
	NotRehearsed []string
	Branches     []int // runs that are kept
}

// SurveyQuestion is answered from 1 (no) to 5 (yes).
type SurveyQuestion struct {
	ID, Asks string
	Mean     float64 // of those who answered
}

// A File can be downloaded.
type File struct{ Name, Says string }

// Moments say how far a replay can be dragged.
type Moments struct {
	Entry, Last int64
	At, End     time.Duration
	Marks       []Mark
}

// A Mark is a point of the timeline worth a stop.
type Mark struct {
	Entry int64
	At    time.Duration
	Says  string
	Kind  ItemKind // of the item; empty: a question
}
