package play

import (
	"context"
	"errors"
	"path/filepath"

	"smki.example/drills/engine"
	"smki.example/drills/report"
	"smki.example/drills/verbs"
)

// An Ending is how a drill ended.
type Ending struct {
	*engine.Result
}

// Good reports whether the drill reached its end and the system held.
func (e *Ending) Good() bool { return e.Outcome.Outcome == engine.Finished && e.Finding == engine.Held }

// Play plays the drill to one of its outcomes, completes the pack with what only
// the end knows, and removes the keys. It is called once. An error means that the
// record could not be written or the pack not be completed, as in engine.Run; then
// the pack cannot be sealed.
func (r *Run) Play(ctx context.Context) (*Ending, error) {
	if r.world == nil {
		return nil, errors.New("playing a drill: it was played already, or closed")
	}
	cfg := &r.cfg
	environment, devices, versions := r.world.Start()
	var recording *engine.Recording
	if cfg.Recording != nil {
		recording = cfg.Recording.Recording
	}
	result, err := engine.Run(ctx, engine.Config{
		Scenario: cfg.Scenario, World: r.world, Journal: r.record, Decider: cfg.Decider, Presenter: cfg.Presenter, Epoch: cfg.Epoch,
		Seed: cfg.Seed, Environment: environment, Devices: devices, Answers: cfg.Answers, From: cfg.From, ProcedureText: string(cfg.Procedure.Text),
		Versions: r.versions(versions), Speed: cfg.Speed, Now: cfg.Clock, Control: cfg.Control, Recording: recording,
		LiveFrom: cfg.LiveFrom, LiveAt: cfg.LiveAt, StartPaused: cfg.StartPaused,
	})
	if err == nil {
		err = r.world.WritePack()
	}
	picture := r.world.Picture()
	r.picture = &picture
	// An hour of hot wash may follow, and nobody needs a key for it.
	if err := errors.Join(err, r.removeKeys()); err != nil {
		return nil, err
	}
	r.result = result
	return &Ending{result}, nil
}

// Picture is how things stand. While the drill is played it is for the engine's
// goroutine: call it in Present, Told, or where a question is put. After Play it is
// how things stood at the end.
func (r *Run) Picture() verbs.Picture {
	switch {
	case r.picture != nil:
		return *r.picture
	case r.world != nil:
		return r.world.Picture()
	}
	return verbs.Picture{}
}

// Words is the head of the record as it is now. It may be called at any time, from
// any goroutine.
func (r *Run) Words() string { return r.record.Words() }

// Entries is how many entries the record has. It may be called at any time, from
// any goroutine.
func (r *Run) Entries() int64 { return r.record.Head().N }

// ID is the run's name, as the record has it.
func (r *Run) ID() string { return r.cfg.RunID }

// Scratch is where the keys are, or were.
func (r *Run) Scratch() string { return r.scratch.dir }

// Report is what the record comes to so far, read back from the disk.
func (r *Run) Report() (*report.Report, error) { return report.Load(r.cfg.Pack, r.cfg.Procedure) }

// Seal writes report.html and summary.json, then lets each of extra put more into
// the folder, and seals what stands there by then. It returns the closing words of
// the record. If it fails the pack is not sealed and does not verify; where nothing
// was appended yet it may be tried again.
func (r *Run) Seal(extra ...func(pack string, rep *report.Report) error) (words string, err error) {
	if r.result == nil || r.sealed {
		return "", errors.New("sealing a pack: its drill was not played to an end, or it is sealed already")
	}
	rep, err := r.Report()
	if err != nil {
		return "", err
	}
	if err := Summarise(rep).write(r.cfg.Pack); err != nil {
		return "", err
	}
	if err := report.WriteFile(filepath.Join(r.cfg.Pack, ReportFile), rep.HTML); err != nil {
		return "", err
	}
	for _, more := range extra {
		if err := more(r.cfg.Pack, rep); err != nil {
			return "", err
		}
	}
	if err := r.record.Seal(r.result.End); err != nil {
		return "", err
	}
	r.sealed = true
	return r.record.Words(), nil
}

// removeKeys closes the world and removes what it was made of.
func (r *Run) removeKeys() error {
	var errs []error
	if r.world != nil {
		errs = append(errs, r.world.Close())
		r.world = nil
	}
	if r.scratch != nil {
		errs = append(errs, r.scratch.clear(r.cfg.Keep))
		Sweep(r.cfg.Scratch) // what was too young when this drill began
	}
	return errors.Join(errs...)
}

// Close ends what is open and removes the keys, if Play has not done so. It may be
// called more than once. The pack stays as it is.
func (r *Run) Close() error {
	err := r.removeKeys()
	if r.record != nil {
		err = errors.Join(err, r.record.Close())
	}
	return err
}
