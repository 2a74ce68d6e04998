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
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
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
	LiveAt      time.Duration     // see engine.Config
	StartPaused bool              // needs a Control
	Speed       float64           // scenario time over wall time; 0: as fast as it goes
	Clock       func() time.Time  // of the wall; nil: the machine's
	From        string            // what the run was made from, in words of the record
	Answers     string            // how answers come, in words of the record
	Versions    map[string]string // of programs, beside those of the packs

	// Envelope and Share are where people hold the custodians' shares; nil: custodians
	// who come give theirs. See verbs.Config.
	Envelope func(seat, key, code string)
	Share    verbs.ShareFunc
}

// ErrExists is wrapped by the error of New for a pack that is there already.
var ErrExists = errors.New("it exists already")

func (cfg *Config) check() error {
	for name, missing := range map[string]bool{
		"Scenario": cfg.Scenario == nil, "Procedure": cfg.Procedure == nil, "Pack": cfg.Pack == "", "RecordKey": cfg.RecordKey == nil, "Decider": cfg.Decider == nil,
	} {
		if missing {
			return fmt.Errorf("preparing a drill: Config.%s is missing", name)
		}
	}
	return nil
}

// A Run is one drill. Its methods are for one goroutine, but for what they say
// otherwise.
type Run struct {
	cfg     Config
	scratch *scratch
	record  *journal.Journal
	world   *verbs.World
	shares  *shares
	picture *verbs.Picture // of the end
	result  *engine.Result
	sealed  bool
}

// New makes folders, record and world of a drill: tokens, keys, certificates and
// devices, which takes some seconds. On failure nothing is left behind.
func New(ctx context.Context, cfg Config) (*Run, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	began := cfg.Clock()
	if cfg.RunID == "" {
		cfg.RunID = cfg.Scenario.ID + "-" + began.UTC().Format("20060102T150405Z")
	}
	if cfg.Epoch.IsZero() {
		cfg.Epoch = epochFor(cfg.Scenario, began)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Pack), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	if err := os.Mkdir(cfg.Pack, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the folder %q of the evidence pack: %w", cfg.Pack, ErrExists)
	} else if err != nil {
		return nil, fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	r := &Run{cfg: cfg, shares: newShares(cfg)}
	if err := r.make(ctx); err != nil {
		// Nothing has begun, so there is nothing to keep.
		return nil, errors.Join(err, r.Close(), os.RemoveAll(cfg.Pack))
	}
	return r, nil
}

// make makes what a drill is played on. The journal is in the pack from the start,
// so that whatever happens is told there.
func (r *Run) make(ctx context.Context) error {
	cfg := &r.cfg
	var err error
	if r.scratch, err = newScratch(cfg.Scratch); err != nil {
		return err
	}
	if r.record, err = journal.Create(filepath.Join(cfg.Pack, journal.FileName), journal.Config{Key: cfg.RecordKey, RunID: cfg.RunID, Clock: cfg.Clock}); err != nil {
		return err
	}
	envelope, share := r.shares.hooks()
	r.world, err = verbs.New(ctx, verbs.Config{
		Scenario: cfg.Scenario, Procedure: cfg.Procedure, Journal: r.record, Pack: cfg.Pack, Scratch: r.scratch.dir,
		Devices: cfg.Devices, Seed: cfg.Seed, Epoch: cfg.Epoch, Progress: cfg.Progress, Told: cfg.Told, Envelope: envelope, Share: share,
	})
	if why := context.Cause(ctx); err != nil && why != nil {
		err = fmt.Errorf("%w before the drill began", why)
	}
	return err
}

// epochFor is the date that stands for 0:00: early enough for the drill to have
// ended by now, so that what the CA made is valid when somebody looks at the pack.
func epochFor(s *scenario.Scenario, began time.Time) time.Time {
	length := s.Ends
	if length == 0 {
		length = 24 * time.Hour
	}
	return began.UTC().Add(-length).Truncate(time.Minute)
}

// versions are those of programs and packs.
func (r *Run) versions(world map[string]string) map[string]string {
	all := map[string]string{"procedure": r.cfg.Procedure.Name(), "procedure_sha256": r.cfg.Procedure.SHA256}
	maps.Copy(all, world)
	maps.Copy(all, r.cfg.Versions)
	return all
}
