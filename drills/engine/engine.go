// Package engine runs a checked scenario.
//
// It keeps the scenario clock, tells the players what happens, asks the bodies
// for their decisions, carries the decisions out on a [World] and finds out
// whether the system held. It knows verbs, not the CA: what a verb does is the
// World's business, and what a decision means is the scenario's.
//
// Three promises. Every step is in the journal before it begins, and its result
// after, so a record that stops says where the drill died. Only a decision that
// is in the journal opens a key, and silence never does. Two runs with one seed
// and the same decisions have the same journal once keys, signatures, hashes and
// wall times are masked: what happens is ordered by scenario time, then by where
// it stands in the scenario. That holds for a live run too, in which people answer
// while the clock goes on: what they do counts from the next whole second, so its
// scenario time in the record is enough to play the run again.
//
// A drill has two verdicts, never mixed. The outcome says whether it ran to its
// end: finished, stopped (the steady state did not hold, so there was nothing to
// rehearse on), failed (the exercise broke) or aborted. The finding says whether
// the system held; only a finished drill has one.
//
// Start with [Run] and [Config]. Implement [World] to be played on, [Decider] to
// answer, or [Deliberator] where people talk meanwhile, [Presenter] to show.
// [Script], [ParseChoices] and [As] are the answers that need no people, a
// [Recording] those of an earlier run. A facilitator has a [Control].
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// Config is what a run needs.
type Config struct {
	Scenario *scenario.Scenario
	World    World
	Journal  *journal.Journal // fresh; Run writes from start to outcome and leaves it open for the seal
	Decider  Decider
	// Presenter shows the drill; nil shows it to nobody.
	Presenter Presenter
	// Epoch is the date that stands for scenario time 0:00; the World must use
	// the same one. Two runs can only have the same journal with the same Epoch.
	Epoch time.Time

	// What the start entry tells of the run.
	Seed        int64
	Environment string
	Devices     int    // 0: the scenario's
	Answers     string // how answers come, such as "terminal" or "script"
	From        string // the run that this one plays again or branches from; empty for a run of its own
	// ProcedureText is the procedure pack word for word.
	ProcedureText string
	Versions      map[string]string // of programs and packs

	// Speed makes the run take scenario time divided by Speed; 0 is as fast as it
	// goes, 1 real time.
	Speed float64
	// Sleep waits in wall time, or until ctx is done; nil is a real wait. Tests give
	// one that does not.
	Sleep func(context.Context, time.Duration) error
	// Now is the wall clock that a Reading tells; nil is the machine's.
	Now func() time.Time
	// Control steers the run from outside; nil if nobody can. It is for one run.
	Control *Control
	// Recording is the run that is played again: its pauses, and what its facilitator
	// did, stand in the new record where they stood. Nil for a run of its own.
	Recording *Recording
	// LiveFrom is how many entries of the journal a Recording brings back. Until there
	// the run goes as fast as it can and hears nobody; then it is people's, at Speed.
	LiveFrom int64
	// LiveAt is where the clock stood when the recorded run was broken off; it goes on
	// from there. Zero: from the last entry that was brought back.
	LiveAt time.Duration
	// StartPaused holds the run as Control.Pause does, before anything happens, or
	// after what a Recording brings back. It needs a Control.
	StartPaused bool
}

// The outcomes.
const (
	Finished = "finished"
	Stopped  = "stopped"
	Failed   = "failed"
	Aborted  = "aborted"
)

// The findings.
const (
	Held    = "held"
	NotHeld = "not held"
	None    = "none"
)

// Result is how a run ended; the same stands in its outcome entry.
type Result struct {
	journal.Outcome
	End   time.Duration // scenario time
	Words string        // head of the record after the outcome entry
	// Cause is the error behind a failed or aborted drill, for errors.Is; nil else.
	Cause error
}

// Run plays the scenario to one of its outcomes and returns it. A drill that
// stopped, failed or was aborted is a Result, not an error: its record says so.
// When ctx is done the drill is aborted between two steps, and what had begun by
// itself in the World is left as it is; the closing checks still run. The record
// gives the cause of ctx (context.WithCancelCause) as the reason, with the time and
// the question that was open, so a cause should read like "stopped at the keyboard".
//
// An error means that Config is incomplete, or that the record could not be
// written. Then nothing may be concluded from the run.
func Run(ctx context.Context, c Config) (*Result, error) {
	r, err := newRun(c)
	if err != nil {
		return nil, err
	}
	cause := r.play(ctx)
	r.dismiss(cause)
	if r.recordErr != nil {
		return nil, r.recordErr
	}
	return r.end(ctx, cause)
}

func newRun(c Config) (*run, error) {
	for name, missing := range map[string]bool{
		"Scenario": c.Scenario == nil, "World": c.World == nil, "Journal": c.Journal == nil, "Decider": c.Decider == nil, "Epoch": c.Epoch.IsZero(),
	} {
		if missing {
			return nil, fmt.Errorf("starting a drill: Config.%s is missing", name)
		}
	}
	if err := checkSpeed(c.Speed); err != nil {
		return nil, fmt.Errorf("starting a drill: Config.Speed: %w", err)
	}
	if c.StartPaused && c.Control == nil {
		return nil, errors.New("starting a drill: Config.StartPaused needs a Config.Control, or nobody can let it go on")
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Control == nil {
		c.Control = &Control{}
	}
	if c.Devices == 0 {
		c.Devices = c.Scenario.Estate.Devices
	}
	r := &run{Config: c, asked: map[string]*asked{}, chosen: scenario.Chosen{}, duties: map[string][]*duty{}, woken: make(chan struct{}, 1)}
	for _, d := range c.Scenario.Decisions {
		r.chosen[d.Ident] = ""
		r.asked[d.Name] = &asked{again: map[string]int{}}
	}
	r.load()
	return r, nil
}

// errStopped is why a drill stops before it begins.
var errStopped = errors.New("the steady state does not hold, so there is nothing to rehearse on")

// play runs from start to the findings. The error is why it did not get there.
func (r *run) play(ctx context.Context) error {
	r.Control.begin(r)
	defer r.Control.end()
	if err := r.start(ctx); err != nil {
		return err
	}
	held, err := r.steady(ctx, "before")
	if err != nil {
		return err
	}
	if !held {
		return errStopped
	}
	if err := r.clock(ctx); err != nil {
		return err
	}
	if err := r.leftOver(ctx); err != nil {
		return err
	}
	if _, err := r.steady(ctx, "after"); err != nil {
		return err
	}
	return r.findings(ctx)
}

func (r *run) start(ctx context.Context) error {
	s := r.Scenario
	return r.tell(ctx, journal.KindStart, journal.Start{
		Run: r.Journal.RunID(), Scenario: s.ID, Title: s.Title, Label: s.Label, SHA256: s.SHA256(), Language: scenario.Language,
		Rehearses: some(s.Rehearses), Seed: r.Seed, Environment: r.Environment, Devices: r.Devices, Epoch: r.Epoch.UTC(),
		Answers: r.Answers, From: r.From, ScenarioText: string(s.Source), ProcedureText: r.ProcedureText, Versions: r.Versions, RecordKey: r.Journal.Key().Fingerprint(), Verifier: r.Journal.Key().Verifier(),
	})
}

// steady asks what must hold before anything happens, and again at the end.
func (r *run) steady(ctx context.Context, when string) (bool, error) {
	all := true
	for _, e := range r.Scenario.Steady {
		held, found, err := e.Expect.Holds(r.names())
		if err != nil {
			return false, fmt.Errorf("%s: %w", e.Pos, err)
		}
		all = all && held
		if when == "after" {
			r.count(held)
		}
		if err := r.tell(ctx, journal.KindSteady, journal.Steady{When: when, Expect: e.Expect.Source, Says: e.Says, Held: held, Found: found}); err != nil {
			return false, err
		}
	}
	return all, nil
}

func (r *run) findings(ctx context.Context) error {
	for _, e := range r.Scenario.Findings {
		held, found, err := e.Expect.Holds(r.names())
		if err != nil {
			return fmt.Errorf("%s: %w", e.Pos, err)
		}
		r.count(held)
		if err := r.tell(ctx, journal.KindFinding, journal.Finding{Expect: e.Expect.Source, Says: e.Says, Held: held, Found: found}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) count(held bool) {
	if held {
		r.out.Held++
	} else {
		r.out.NotHeld++
	}
}

// closingTime bounds the closing checks of a drill that was broken off, when
// ctx can no longer do so.
const closingTime = time.Minute

// end runs the closing checks and writes the outcome. The checks run for every
// drill that began, also one that broke: what it left behind must be known.
func (r *run) end(ctx context.Context, cause error) (*Result, error) {
	r.out.Outcome, r.out.Finding = Finished, None
	aborted, why := ctx.Err() != nil && cause != nil, ""
	if cause != nil {
		why = cause.Error()
	}
	switch {
	case errors.Is(cause, errStopped):
		r.out.Outcome = Stopped
	case aborted:
		r.out.Outcome = Aborted
	case cause != nil:
		r.out.Outcome = Failed
	}
	if aborted {
		why = r.abortedBy(context.Cause(ctx), cause)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closingTime)
		defer cancel()
		if err := r.tell(ctx, journal.KindPause, journal.Pause{Phase: "abort", Why: why}); err != nil {
			cause, why = errors.Join(cause, err), why+"; "+err.Error()
		}
	}
	if r.out.Outcome != Stopped {
		if err := r.closing(ctx); err != nil {
			if cause = errors.Join(cause, err); why != "" {
				why += "; "
			}
			why += err.Error()
			if r.out.Outcome == Finished {
				r.out.Outcome = Failed
			}
		}
	}
	if r.out.Figures == nil {
		r.out.Figures = map[string]any{}
	}
	r.out.Why = why
	if r.out.Outcome == Finished {
		r.out.Finding = Held
		if r.out.NotHeld+r.out.Missed > 0 {
			r.out.Finding = NotHeld
		}
	}
	if r.recordErr != nil {
		return nil, r.recordErr
	}
	if err := r.tell(ctx, journal.KindOutcome, r.out); err != nil && r.recordErr == nil && cause == nil {
		// The verdict is in the record; that it could not be shown does not change it.
		cause = err
	}
	if r.recordErr != nil {
		return nil, r.recordErr
	}
	return &Result{Outcome: r.out, End: r.now, Words: r.Journal.Words(), Cause: cause}, nil
}

// abortedBy is the reason of a drill that was broken off. What else went wrong at
// that moment is told with it; that a context ended is not news to anybody.
func (r *run) abortedBy(by, cause error) string {
	why := "stopped from outside"
	if !errors.Is(by, context.Canceled) && !errors.Is(by, context.DeadlineExceeded) {
		why = by.Error()
	}
	why = r.stopped(why)
	if !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		why += "; " + cause.Error()
	}
	return why
}

func (r *run) closing(ctx context.Context) error {
	checks, err := r.World.Closing(ctx)
	for _, c := range checks {
		r.count(c.Held)
		if err := r.tell(ctx, journal.KindClosing, journal.Closing{Check: c.Name, Held: c.Held, Found: c.Found}); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("running the closing checks: %w", err)
	}
	r.out.Figures, err = r.World.Summary(ctx)
	if err != nil {
		return fmt.Errorf("adding up the drill: %w", err)
	}
	return nil
}

// some keeps an empty list from becoming null in a record.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
