// Package report turns drills into what a committee reads: papers before one, and
// afterwards what its record says.
//
// A [Report] is made from the journal alone, so that whatever it says can be
// found there: the closing summary that ends a run on the terminal and opens the
// report ([Report.Lines], [Report.Text]), the after-action report as one HTML
// page that prints ([Report.HTML]) and as a document ([Report.PDF]), the timeline
// as CSV ([Report.CSV]), what the drill gives to the Recovery Key Guidance
// ([Report.Guidance]), two runs side by side ([Compare]), and which steps of the
// procedure many runs rehearsed ([Cover]). What did not hold names the decisions
// before it that differ from the author's expectation ([Report.DifferBefore]).
//
// A [Paper] is made from a scenario and a procedure pack. Nothing that a scenario
// keeps for later is in a paper for players; a test holds every shipped drill to
// that.
//
// It says "differs from the author's expectation" and never "wrong"; it says
// "sample" wherever a figure or a rule is; every time is scenario time. It
// cannot print the closing words of the record, because they cover the report
// itself: it points to checkpoint.txt.
package report

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/roombook"
)

// A Report is a record, read and sorted. Large aside it is not changed after Load
// and may be used concurrently.
type Report struct {
	Start     journal.Start
	Outcome   journal.Outcome
	Figures   Figures
	Decisions []Decided
	Notifies  []journal.Notify
	Injects   []Told[journal.Inject]
	Acts      []Told[journal.Act]
	Findings  []Found // steady state after, findings and closing checks, in order
	Missed    []Told[journal.Missed]
	Skipped   []Told[journal.Skip]
	Openings  []Told[Opening]
	Curves    []Curve // devices that held the new keys, by what was replaced
	Timeline  []Event
	Questions []Told[journal.Question]
	Uses      []Told[Use] // the first of each key that a decision opened
	Meeting   *Meeting    // what people did, of a drill in the exercise room; else nil
	Pack      *procedure.Pack
	Redacted  int  // entries that were taken out of this copy of the record
	Large     bool // documents are in large print; for whoever prints one to set

	leaves []tlog.Hash     // of the journal's tree
	times  []time.Duration // of the journal's entries
	end    time.Time       // on the clock, of the last entry
	sent   map[string]bool // campaigns that sent something, by what they are called without their number
}

// Told is the body of an entry with its scenario time, its number and the time on
// the clock.
type Told[T any] struct {
	At   time.Duration
	Body T
	Seq  int64
	Wall time.Time
}

func told[T any](e journal.Entry, body T) Told[T] { return Told[T]{e.At, body, e.Seq, e.Wall} }

// Decided is a decision with its scenario time.
type Decided = Told[journal.Decision]

// Found is something that had to hold. From is steady, finding or closing.
type Found struct {
	From, Says, Found string
	Held              bool
	At                time.Duration // when it was looked at
}

// Event is one line of the timeline.
type Event struct {
	At   time.Duration
	Seq  int64
	Kind journal.Kind
	Text string
}

// Load reads the record in dir. A record that stops before its outcome is
// reported as far as it goes, with the outcome "broken off"; a changed one is an
// error (drills/verify says more). pack names the bodies and the steps, and says
// what was verified; nil is the pack that the record was made with.
//
// Where the drill was played in the exercise room, its book lies in dir too, and the
// report has a [Meeting]. A copy of which entries or texts were taken out
// (docs/record.md) is read as far as it goes, and says how much it lacks.
func Load(dir string, pack *procedure.Pack) (*Report, error) {
	var entries []journal.Entry
	for e, err := range journal.ReadCopy(filepath.Join(dir, journal.FileName)) {
		if err != nil {
			return nil, fmt.Errorf("reading the record in %q: %w", dir, err)
		}
		entries = append(entries, e)
	}
	if !roombook.Exists(dir) {
		return New(entries, pack)
	}
	book, err := roombook.ReadAll(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the record in %q: %w", dir, err)
	}
	return NewRoom(entries, book, pack)
}

// NewRoom makes a report of the entries of a journal and of the book of the room in
// which it was played.
func NewRoom(entries []journal.Entry, book []roombook.Entry, pack *procedure.Pack) (*Report, error) {
	r, err := New(entries, pack)
	if err != nil {
		return nil, err
	}
	r.Meeting = r.meet(book)
	return r, nil
}

// New makes a report of the entries of a journal.
func New(entries []journal.Entry, pack *procedure.Pack) (*Report, error) {
	r := &Report{Pack: pack, sent: map[string]bool{}, Outcome: journal.Outcome{Outcome: "broken off", Finding: "none"}}
	if pack == nil {
		var err error
		if r.Pack, err = packOf(entries); err != nil {
			return nil, err
		}
	}
	for _, e := range entries {
		if err := r.take(e); err != nil {
			return nil, err
		}
	}
	if r.Start.Scenario == "" {
		return nil, fmt.Errorf("reading a record: it has no start entry")
	}
	return r, nil
}

// take sorts one entry in and writes its line of the timeline.
func (r *Report) take(e journal.Entry) error {
	text, err := "", error(nil)
	r.leaves, r.times, r.end = append(r.leaves, e.Leaf()), append(r.times, e.At), later(r.end, e.Wall)
	switch e.Kind {
	case journal.KindRedacted:
		r.Redacted++
		return nil
	case journal.KindQuestion:
		var b journal.Question
		err = e.Decode(&b)
		r.Questions = append(r.Questions, told(e, b))
	case journal.KindKeyUse:
		var b Use
		if err = e.Decode(&b); b.Number == 1 {
			r.Uses = append(r.Uses, told(e, b))
			text = fmt.Sprintf("key %s used for the first time, on device %s", b.Key, b.Device)
		}
	case journal.KindSteer:
		var b journal.Steer
		err = e.Decode(&b)
		text = steered(b)
	case journal.KindStart:
		err = e.Decode(&r.Start)
		// The record holds the procedure pack, and a mix takes the highest class.
		r.Start.Label = higher(r.Pack, r.Start.Label, r.Pack.Label)
		text = fmt.Sprintf("drill %s begins: %d devices, seed %d, %s", r.Start.Scenario, r.Start.Devices, r.Start.Seed, r.Start.Answers)
	case journal.KindInject:
		var b journal.Inject
		err = e.Decode(&b)
		r.Injects = append(r.Injects, told(e, b))
		text = fmt.Sprintf("%s from %s: %s", b.As, b.From, b.Text)
	case journal.KindNotify:
		var b journal.Notify
		err = e.Decode(&b)
		text = r.takeNotify(b)
	case journal.KindDecision:
		var b journal.Decision
		err = e.Decode(&b)
		r.Decisions = append(r.Decisions, told(e, b))
		text = fmt.Sprintf("%s decides %s: %s (%s)", r.BodyName(b.Body), b.Decision, b.Chosen, b.Note)
	case journal.KindAct:
		var b journal.Act
		err = e.Decode(&b)
		if b.Phase == "end" {
			r.Acts = append(r.Acts, told(e, b))
			text = fmt.Sprintf("%s %s: %s", b.Verb, b.Object, b.Result)
			if b.Error != "" {
				text += ", " + b.Error
			}
		}
	case journal.KindCustody:
		var b Opening
		err = e.Decode(&b)
		r.Openings = append(r.Openings, told(e, b))
		text = b.text()
	case journal.KindSteady:
		var b journal.Steady
		err = e.Decode(&b)
		if b.When == "after" {
			r.Findings = append(r.Findings, Found{"steady", b.Says, b.Found, b.Held, e.At})
		}
	case journal.KindFinding:
		var b journal.Finding
		err = e.Decode(&b)
		r.Findings = append(r.Findings, Found{"finding", b.Says, b.Found, b.Held, e.At})
	case journal.KindClosing:
		var b journal.Closing
		err = e.Decode(&b)
		r.Findings = append(r.Findings, Found{"closing", b.Check, b.Found, b.Held, e.At})
	case journal.KindMissed:
		var b journal.Missed
		err = e.Decode(&b)
		r.Missed = append(r.Missed, told(e, b))
		text = fmt.Sprintf("MISSED: %s, %s", b.What, b.Why)
	case journal.KindSkip:
		var b journal.Skip
		err = e.Decode(&b)
		r.Skipped = append(r.Skipped, told(e, b))
		if !b.RuledOut {
			text = fmt.Sprintf("skipped: %s, %s", b.What, b.Why)
		}
	case journal.KindOutcome:
		err = e.Decode(&r.Outcome)
		if err == nil {
			err = r.takeFigures()
		}
		text = fmt.Sprintf("drill %s, finding: %s", r.Outcome.Outcome, r.Outcome.Finding)
	case journal.KindShard:
		if err = r.takeShard(e); err == nil {
			text, err = otherText(e)
		}
	default:
		text, err = otherText(e)
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if text != "" {
		r.Timeline = append(r.Timeline, Event{e.At, e.Seq, e.Kind, text})
	}
	return nil
}

// takeNotify keeps one line for each duty: that it was told replaces that it is
// due.
func (r *Report) takeNotify(b journal.Notify) string {
	for i, n := range r.Notifies {
		if n.Step == b.Step && n.Whom == b.Whom {
			r.Notifies[i] = b
			return fmt.Sprintf("%s told %s", b.Whom, clockText(b.Told))
		}
	}
	r.Notifies = append(r.Notifies, b)
	if b.Due == "" {
		return fmt.Sprintf("%s to be told", b.Whom)
	}
	return fmt.Sprintf("%s to be told by %s", b.Whom, clockText(b.Due))
}

func (r *Report) takeFigures() error {
	text, err := json.Marshal(r.Outcome.Figures)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &r.Figures)
}

// BodyName is a body's name in the procedure pack, or its id.
func (r *Report) BodyName(id string) string {
	for _, b := range r.Pack.Bodies {
		if b.ID == id {
			return b.Name
		}
	}
	return id
}

// PackOf is the procedure pack that a record was made with, which it keeps. A
// record that keeps none is read with the one that is shipped, and
// [Report.OtherPack] says so where that is another.
func PackOf(start journal.Start) (*procedure.Pack, error) {
	if start.ProcedureText == "" {
		return procedure.Sample()
	}
	return procedure.Parse("procedure pack of run "+start.Run, []byte(start.ProcedureText))
}

func packOf(entries []journal.Entry) (*procedure.Pack, error) {
	var start journal.Start
	if len(entries) > 0 && entries[0].Kind == journal.KindStart {
		if err := entries[0].Decode(&start); err != nil {
			return nil, fmt.Errorf("entry %d: %w", entries[0].Seq, err)
		}
	}
	return PackOf(start)
}

// OtherPack says, where the record was made with another procedure pack than the
// one that it is read with, which they are; else it is empty.
func (r *Report) OtherPack() string {
	was, hash := r.Start.Versions["procedure"], r.Start.Versions["procedure_sha256"]
	if was == "" || was == r.Pack.Name() && (hash == "" || hash == r.Pack.SHA256) {
		return ""
	}
	return fmt.Sprintf("the record was made with the procedure pack %s and is read with %s", named(was, hash), named(r.Pack.Name(), r.Pack.SHA256))
}

// named is a pack as people tell it from another.
func named(name, hash string) string {
	if hash == "" {
		return name
	}
	return fmt.Sprintf("%s (%.12s)", name, hash)
}
