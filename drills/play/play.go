// Package play plays one drill from the making of its keys to the seal on its
// record.
//
// It puts together the world (drills/verbs), the engine, the journal and what is
// made of a record, so that a drill is the same drill whoever asks for it: the
// command line, or the exercise room. What is asked of whom, and what is shown, is
// the caller's: a Decider, a Presenter and a few functions.
//
// A Run promises that the keys of a drill are on disk for as long as it is played
// and no longer: Play ends with their removal, and what a killed program left
// behind goes when the next drill begins. It promises that a record is never
// changed once it was begun: a pack whose drill broke off stays as it is, without a
// seal, and does not verify.
//
// Start with New, then Run.Play, Run.Seal and Run.Close. ReadRecording brings back
// an earlier run.
package play

import (
	"context"
	"errors"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// Config says what is to be played, and who takes part.
type Config struct {
	Scenario  *scenario.Scenario
	Procedure *procedure.Pack
	Devices   int       // 0: the scenario's
	Seed      int64     // decides everything that is drawn
	Epoch     time.Time // the date that stands for 0:00; zero: early enough for the drill to have ended by now
	// Pack is the folder of the evidence pack. New makes it: it must not exist.
	Pack string
	// Scratch is the folder in which tokens and databases get one of their own; empty:
	// the system's for temporary files.
	Scratch string
	// Keep leaves tokens and databases where they are (Run.Kept).
	Keep      bool
	RecordKey *journal.Key
	RunID     string // empty: scenario and wall time

	Decider   engine.Decider
	Presenter engine.Presenter
	Told      func(at time.Duration, body any) // see verbs.Config
	Progress  func(what string, done, total int)
	Control   *engine.Control
	// Recording is the run that is played again; nil: a run of its own. Its Decider is
	// not used by itself: it is the caller's to put in front of others.
	Recording *Recording
	// LiveFrom is how many entries a Recording brings back: until the journal has that
	// many the run goes as fast as it can, then at Speed.
	LiveFrom    int64
	StartPaused bool
	Speed       float64 // scenario time over wall time; 0: as fast as it goes
	From        string  // what the run was made from, in words of the record
	Answers     string  // how answers come, in words of the record
	Versions    map[string]string

	// Envelope and Share are where people hold the custodians' shares; nil: custodians
	// who come give theirs. See verbs.Config.
	Envelope func(seat, key, code string)
	Share    verbs.ShareFunc
}

// A Run is one drill. Its methods are for one goroutine, but for what they say
// otherwise.
type Run struct{}

// An Ending is how a drill ended.
type Ending struct {
	*engine.Result
}

// ErrExists is wrapped by the error of New for a pack that is there already.
var ErrExists = errors.New("exists already")

// New makes folders, record and world of a drill: tokens, keys, certificates and
// devices, which takes some seconds. On failure nothing is left behind.
func New(ctx context.Context, cfg Config) (*Run, error) { return nil, errors.ErrUnsupported }

// Play plays the drill to one of its outcomes, completes the pack, and removes the
// keys. It is called once. An error means that the record could not be written or
// the pack not be completed; see engine.Run.
func (r *Run) Play(ctx context.Context) (*Ending, error) { return nil, errors.ErrUnsupported }

// Picture is how things stand. While the drill is played it is for the engine's
// goroutine: call it in Present, Told, or where a question is put. After Play it is
// how things stood at the end.
func (r *Run) Picture() verbs.Picture { return verbs.Picture{} }

// Words is the head of the record as it is now. It may be called at any time.
func (r *Run) Words() string { return "" }

// Entries is how many entries the record has. It may be called at any time.
func (r *Run) Entries() int64 { return 0 }

// Report is what the record of a drill that was played comes to.
func (r *Run) Report() (*report.Report, error) { return nil, errors.ErrUnsupported }

// Seal writes report.html and summary.json, then lets each of extra put more into
// the folder, and seals what stands there. It returns the closing words of the
// record. If it fails the pack is not sealed and does not verify.
func (r *Run) Seal(extra ...func(pack string, r *report.Report) error) (words string, err error) {
	return "", errors.ErrUnsupported
}

// Close ends what is open and removes the keys, if Play has not done so. It may be
// called more than once.
func (r *Run) Close() error { return nil }
