package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// run plays the drill: a folder for the pack, a scratch folder for the keys; and
// the keys are gone before the first line of the result is printed, because
// whoever reads it may hang up at any line.
func (d *drill) run(ctx context.Context, decider engine.Decider, answers string) error {
	key, err := recordKey(d.c.String("record-key"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.pack), 0o755); err != nil {
		return fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	if err := os.Mkdir(d.pack, 0o755); errors.Is(err, fs.ErrExist) {
		return clikit.Usagef("drill: %q exists already: name a new folder, because a pack is written once", d.c.String("out"))
	} else if err != nil {
		return fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	scratch, err := newScratch()
	if err != nil {
		// Nothing has begun: a name that is taken by an empty folder would only be in the way.
		return errors.Join(err, os.Remove(d.pack))
	}
	ctx, stop := d.attended(ctx)
	defer stop()
	end, err := d.playIn(ctx, scratch.dir, key, decider, answers)
	if err := errors.Join(err, scratch.clear(d.c.Bool("keep"))); err != nil {
		return err
	}
	if d.c.Bool("keep") {
		fmt.Fprintf(d.c.App.ErrWriter, "drill: tokens and databases of this drill are kept in %s; remove them when you have looked\n", scratch.dir)
	}
	if d.choices != nil {
		for _, left := range d.choices.Left() {
			fmt.Fprintf(d.c.App.ErrWriter, "drill: warning: %s\n", left)
		}
	}
	return end.print(d)
}

// attended returns the context of the drill: with people at the keyboard it ends
// when they say so twice, else at the first Ctrl-C.
func (d *drill) attended(ctx context.Context) (context.Context, func()) {
	if d.keys != nil {
		return d.keys.watch(ctx)
	}
	return unattended(ctx)
}

// playIn plays the drill with its tokens and databases in a scratch folder. The
// journal is in the pack from the start, so that whatever happens is told there.
func (d *drill) playIn(ctx context.Context, scratch string, key *journal.Key, decider engine.Decider, answers string) (end *ending, err error) {
	began := time.Now()
	record, err := journal.Create(filepath.Join(d.pack, journal.FileName), journal.Config{
		Key: key, RunID: d.scenario.ID + "-" + began.UTC().Format("20060102T150405Z"), Clock: time.Now,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.pack))
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	if !clikit.WantsJSON(d.c) {
		d.progress = clikit.NewProgress(d.c.App.ErrWriter)
	}
	epoch, stage := d.epoch, d.stage()
	if epoch.IsZero() {
		epoch = epochFor(d.scenario, began)
	}
	world, err := verbs.New(ctx, verbs.Config{
		Scenario: d.scenario, Procedure: d.procedure, Journal: record, Pack: d.pack, Scratch: scratch,
		Devices: d.devices, Seed: d.seed, Epoch: epoch, Progress: d.progress.Step, Told: stage.told,
	})
	if err != nil {
		if why := context.Cause(ctx); why != nil {
			err = fmt.Errorf("%w before the drill began", why)
		}
		// Nothing has begun, so there is nothing to keep.
		return nil, errors.Join(err, record.Close(), os.RemoveAll(d.pack))
	}
	defer func() { err = errors.Join(err, world.Close()) }()

	environment, devices, versions := world.Start()
	versions["drill"] = version()
	versionsOf(d.procedure, versions)
	result, err := engine.Run(ctx, engine.Config{
		Scenario: d.scenario, World: world, Journal: record, Decider: decider, Presenter: stage.presenter(), Epoch: epoch,
		Seed: d.seed, Environment: environment, Devices: devices, Answers: answers, From: d.from, ProcedureText: string(d.procedure.Text), Versions: versions, Speed: d.speed,
		Control: d.control(), Recording: d.recording,
	})
	d.progress.Clear()
	if err != nil {
		return nil, err
	}
	if err := world.WritePack(); err != nil {
		return nil, err
	}
	return d.seal(record, result)
}

// control is what holds the drill while people are asked whether to stop it.
func (d *drill) control() *engine.Control {
	if d.keys == nil {
		return nil
	}
	return d.keys.control
}

// seal writes what is made of the record, and seals the pack.
func (d *drill) seal(record *journal.Journal, result *engine.Result) (*ending, error) {
	rep, err := report.Load(d.pack, d.procedure)
	if err != nil {
		return nil, err
	}
	end := &ending{result: result, report: rep, summary: summarise(rep)}
	if err := end.summary.write(d.pack); err != nil {
		return nil, err
	}
	if err := writeReport(rep, filepath.Join(d.pack, reportFile), "html"); err != nil {
		return nil, err
	}
	if err := record.Seal(result.End); err != nil {
		return nil, err
	}
	end.head = record.Words()
	return end, nil
}

// An ending is a drill that was played and sealed.
type ending struct {
	result  *engine.Result
	report  *report.Report
	summary *summary
	head    string // closing words
}

// print prints the closing summary and says by its error how the command ends.
// The words for the minutes stand before the last line, which is the pack's path
// alone, for scripts.
func (e *ending) print(d *drill) error {
	out := d.c.App.Writer
	if clikit.WantsJSON(d.c) {
		if err := clikit.JSON(out, struct {
			*summary
			Pack string `json:"pack"`
			Head string `json:"head"`
		}{e.summary, d.pack, e.head}); err != nil {
			return err
		}
	} else {
		err := e.report.Text(out, width(out),
			report.Line{Label: "Check it", Text: fmt.Sprintf("bin/drill verify %s --key %s", d.pack, e.summary.RecordKey)},
			report.Line{Label: "Report", Text: filepath.Join(d.pack, reportFile)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n%s\n", screen{out: out}.recordWords(fmt.Sprintf("%-23s", "For the minutes"), e.head), d.pack); err != nil {
			return err
		}
	}
	switch o := e.result.Outcome; {
	case o.Outcome == engine.Finished && o.Finding == engine.Held:
		return nil
	case o.Outcome == engine.Failed:
		return clikit.With(clikit.Failed, fmt.Errorf("the drill failed: %w", e.result.Cause))
	}
	return clikit.Silent(clikit.Failed)
}

// width is how wide the closing summary is: the terminal's width within reason,
// and for a file what a page holds.
func width(out io.Writer) int {
	if columns, ok := terminalWidth(out); ok {
		return min(max(columns, narrowest), 140)
	}
	return 120
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

// version is the program's, as it was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	if v := info.Main.Version; v != "" {
		return v
	}
	return "unknown"
}
