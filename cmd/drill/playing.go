package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/play"
	"smki.example/drills/report"
)

// run plays the drill and seals its record. The keys are gone before the first line
// of the result is printed, because whoever reads it may hang up at any line.
func (d *drill) run(ctx context.Context, decider engine.Decider, answers string) error {
	key, err := recordKey(d.c.String("record-key"))
	if err != nil {
		return err
	}
	ctx, stop := d.attended(ctx)
	defer stop()
	end, err := d.played(ctx, key, decider, answers)
	if errors.Is(err, play.ErrExists) {
		return clikit.Usagef("drill: %q exists already: name a new folder, because a pack is written once", d.c.String("out"))
	}
	if err != nil {
		return err
	}
	if d.c.Bool("keep") {
		fmt.Fprintf(d.c.App.ErrWriter, "drill: tokens and databases of this drill are kept in %s; remove them when you have looked\n", end.scratch)
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

// played plays the drill to its end and seals the pack.
func (d *drill) played(ctx context.Context, key *journal.Key, decider engine.Decider, answers string) (end *ending, err error) {
	if !clikit.WantsJSON(d.c) {
		d.progress = clikit.NewProgress(d.c.App.ErrWriter)
	}
	stage := d.stage()
	cfg := d.cfg
	cfg.Scenario, cfg.Procedure, cfg.Pack, cfg.Keep, cfg.RecordKey = d.scenario, d.procedure, d.pack, d.c.Bool("keep"), key
	cfg.Decider, cfg.Answers, cfg.Presenter, cfg.Progress = decider, answers, stage.presenter(), d.progress.Step
	if stage != nil {
		cfg.Told = stage.told
	}
	cfg.Control, cfg.Versions = d.control(), map[string]string{"drill": version()}
	run, err := play.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	result, err := run.Play(ctx)
	d.progress.Clear()
	if err != nil {
		return nil, err
	}
	end = &ending{result: result, scratch: run.Scratch()}
	end.head, err = run.Seal(func(_ string, rep *report.Report) error {
		end.report, end.summary = rep, play.Summarise(rep)
		return nil
	})
	return end, err
}

// control is what holds the drill while people are asked whether to stop it.
func (d *drill) control() *engine.Control {
	if d.keys == nil {
		return nil
	}
	return d.keys.control
}

// An ending is a drill that was played and sealed.
type ending struct {
	result  *play.Ending
	report  *report.Report
	summary *play.Summary
	head    string // closing words
	scratch string // where tokens and databases are, if they are kept
}

// print prints the closing summary and says by its error how the command ends.
// The words for the minutes stand before the last line, which is the pack's path
// alone, for scripts.
func (e *ending) print(d *drill) error {
	out := d.c.App.Writer
	if clikit.WantsJSON(d.c) {
		if err := clikit.JSON(out, struct {
			*play.Summary
			Pack string `json:"pack"`
			Head string `json:"head"`
		}{e.summary, d.pack, e.head}); err != nil {
			return err
		}
	} else {
		err := e.report.Text(out, width(out),
			report.Line{Label: "Check it", Text: fmt.Sprintf("bin/drill verify %s --key %s", d.pack, e.summary.RecordKey)},
			report.Line{Label: "Report", Text: filepath.Join(d.pack, play.ReportFile)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n%s\n", screen{out: out}.recordWords(fmt.Sprintf("%-23s", "For the minutes"), e.head), d.pack); err != nil {
			return err
		}
	}
	switch {
	case e.result.Good():
		return nil
	case e.result.Outcome.Outcome == engine.Failed:
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
