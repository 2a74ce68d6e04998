package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Language is the version of the drill language that this package reads.
const Language = 1

// Pos is a place in a scenario file. Columns count characters from 1.
type Pos struct {
	File      string
	Line, Col int
}

// String is file:line:col.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Scenario is a checked drill. Only Parse makes one, so whoever holds a Scenario
// holds one in which every word is known. It is read only and may be shared.
type Scenario struct {
	File      string
	Source    []byte
	ID        string
	Title     string
	Label     string
	Lost      string   // what was compromised, in words; empty: the key of the party whose keys are replaced
	About     string   // for the papers of the players, may be empty
	Rehearses []string // steps of the procedure pack
	Minutes   int      // how long the exercise takes people
	Ends      time.Duration
	Estate    Estate
	Parties   []Party
	Injects   []Inject // those with a name, for consequences
	Steady    []Expectation
	Timeline  []Item
	Decisions []Decision
	Findings  []Expectation

	vocabulary Vocabulary
}

// SHA256 is the hash of the file, in hex.
func (s *Scenario) SHA256() string {
	sum := sha256.Sum256(s.Source)
	return hex.EncodeToString(sum[:])
}

// Vocabulary is the one that the scenario was checked against.
func (s *Scenario) Vocabulary() Vocabulary { return s.vocabulary }

// Decision looks a decision up by its name.
func (s *Scenario) Decision(name string) (*Decision, bool) {
	for i := range s.Decisions {
		if s.Decisions[i].Name == name {
			return &s.Decisions[i], true
		}
	}
	return nil, false
}

// Party looks a party up by its id.
func (s *Scenario) Party(id string) (*Party, bool) {
	for i := range s.Parties {
		if s.Parties[i].ID == id {
			return &s.Parties[i], true
		}
	}
	return nil, false
}

// Inject looks a named inject up.
func (s *Scenario) Inject(name string) (*Inject, bool) {
	for i := range s.Injects {
		if s.Injects[i].Name == name {
			return &s.Injects[i], true
		}
	}
	return nil, false
}

// Body looks up who decides.
func (s *Scenario) Body(id string) (*Body, bool) {
	for i := range s.vocabulary.Bodies {
		if s.vocabulary.Bodies[i].ID == id {
			return &s.vocabulary.Bodies[i], true
		}
	}
	return nil, false
}

// Estate is the devices a drill is about. Shares are fractions of one.
type Estate struct {
	Devices     int
	Unreachable float64
	Late        float64
	Partly      float64 // devices on which one cell of a command fails
	Sleepy      float64
	NoWAN       float64 // of premises
	AnswersLost float64 // of answers
	Wrong       float64 // of devices with network operator cells: they hold another operator's
	AtOdds      float64 // devices whose counters stand above what their parties used
	Prepayment  float64
	Rate        Rate
	Regions     []Region // shares add up to one; empty if there are none
	Types       []Region // types of device and their shares, which add up to one; empty: electricity meters only
	Held        []Region // parties that hold a share of the devices; the others of their role share the rest
}

// Rate is how many commands an hour can be sent. Note is the word in brackets,
// such as sample: where the figure comes from.
type Rate struct {
	PerHour int
	Note    string
}

// Region is a part of the estate, by whatever it is divided.
type Region struct {
	Name  string
	Share float64
}

// Party is an organisation in the drill.
type Party struct {
	Pos      Pos
	ID       string
	Name     string
	Category string
	Role     string
}

// Expectation is a condition that should hold, and what it says in words.
type Expectation struct {
	Pos    Pos
	Expect *Condition
	Says   string
}

// Item is one line of the timeline. It has a time or a condition, and exactly
// one of Inject, Decide, Notify and Do.
type Item struct {
	Pos   Pos
	Step  string // place in the timeline, "1" first: what the record calls it
	At    time.Duration
	When  *Condition // nil: At holds. Else it happens when this comes true
	By    time.Duration
	If    *Condition // nil: always
	Needs []string   // decisions that If and Do look at: the item waits for their answers
	Event
}

// Event is what happens: exactly one field is set.
type Event struct {
	Inject *Inject
	Decide string
	Notify *Notify
	Do     *Action
}

// Inject is something the players are told.
type Inject struct {
	Pos  Pos
	Name string // empty if it stands in the timeline
	As   string
	From string
	To   []string
	Text string
}

// Notify is a duty to tell somebody within a time.
type Notify struct {
	Pos    Pos
	Whom   string
	From   string
	Within time.Duration // 0: no limit
	Takes  time.Duration // how long the telling takes when the script does it
	Step   string        // step of the procedure pack, may be empty
}

// Action is a verb with its object and parameters, checked.
type Action struct {
	Pos    Pos
	Verb   string
	Object Value
	Params []Arg  // in the order of the vocabulary, defaults filled in
	Step   string // step of the procedure pack, may be empty
}

// Arg is a parameter with its value.
type Arg struct {
	Name  string
	Value Value
}

// Value is what stands in a parameter: a text as written, or the option chosen in
// a decision. Kind says how the text is read; the checker has seen that it can be.
type Value struct {
	Kind   Kind
	Text   string
	Chosen string // name of a decision; empty: Text holds
}

// Decision is a question to a body.
type Decision struct {
	Pos      Pos
	Name     string // as people say it: recovery key
	Ident    string // as CEL says it: recovery_key
	Asks     string
	Of       string
	Briefing string
	Shows    []Show
	Quorum   int  // votes needed; 0: none
	Weighs   bool // every "shall" factor of the guidance is assessed before the vote closes
	Assessed []Assessment
	Options  []Option
	Scripted []string      // answers of the script, one an asking; the last one holds for more
	Silence  string        // what silence means
	Within   time.Duration // time to answer
	Takes    time.Duration // how long the script deliberates
	Factors  []Factor      // to weigh, from the vocabulary; empty unless Weighs
}

// Option looks an option up by its name.
func (d *Decision) Option(name string) (*Option, bool) {
	for i := range d.Options {
		if d.Options[i].Name == name {
			return &d.Options[i], true
		}
	}
	return nil, false
}

// OptionNames lists the options in the order of the file.
func (d *Decision) OptionNames() []string {
	out := make([]string, len(d.Options))
	for i, o := range d.Options {
		out[i] = o.Name
	}
	return out
}

// ScriptedFor is the script's answer to the n-th asking, 1 being the first.
func (d *Decision) ScriptedFor(n int) string {
	if n > len(d.Scripted) {
		n = len(d.Scripted)
	}
	return d.Scripted[n-1]
}

// Show is a figure to lay before those who decide.
type Show struct {
	Label string
	Value *Condition
}

// Assessment is the script's finding on a factor.
type Assessment struct {
	Factor, Finding string
}

// Option is one answer.
type Option struct {
	Pos      Pos
	Name     string
	Says     string
	Expected bool   // the author expects this answer
	Basis    string // why; never empty if Expected
	Opens    *Opening
	Then     []Consequence
	Again    *Again // the question comes back
}

// Opening is a key that an option opens.
type Opening struct {
	Key string
	For time.Duration // how long it may be used; 0: whoever opens it decides
}

// Again brings a question back: after In, and at most Times times.
type Again struct {
	In    time.Duration
	Times int
}

// Consequence follows from an option, After the answer.
type Consequence struct {
	Pos   Pos
	After time.Duration
	Event
}
