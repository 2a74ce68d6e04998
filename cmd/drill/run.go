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

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "play a drill and leave its evidence pack",
		ArgsUsage: "NAME|FILE",
		Description: `On a terminal every decision is asked for, with its options, briefing and clock; elsewhere, and with --auto, the script
answers, and the record says that no member voted. --choose answers one decision ahead and may be given again; a decision that
comes back after an adjournment takes its answers in order: --choose "recovery key=adjourn,required".

DIR must not exist. The journal in it is on disk before each step begins; a drill that breaks off leaves a pack without a seal,
which does not verify. The last line printed is the pack's path, the line before it the words for the minutes.

--json prints what the pack's summary.json holds, with "pack" and "head".

Exit: 0 the drill reached its end and the system held; 1 it did not; 2 wrong usage; 4 no SoftHSM.

Examples:
  drill run S01 --out packs/monday
  drill run S02 --out packs/b --auto --devices 200 --choose "recovery key=required" --choose "method=method 2"
  drill run S02 --out packs/c --as pma`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Required: true, Usage: "the evidence pack's folder, which must not exist (`DIR`)"},
			&cli.IntFlag{Name: "devices", Usage: "size of the estate (default: the scenario's); the rate is scaled with it"},
			&cli.Int64Flag{Name: "seed", Value: 1, Usage: "decides everything that is drawn; two runs with one seed and the same decisions go the same way"},
			&cli.StringSliceFlag{Name: "choose", Usage: "answer a decision ahead (`DECISION=OPTION`); may be given again"},
			&cli.BoolFlag{Name: "auto", Usage: "ask nobody: the script answers what --choose does not"},
			&cli.StringFlag{Name: "as", Usage: "ask for the decisions of this `BODY` alone; the script answers the others"},
			&cli.Float64Flag{Name: "speed", Usage: "let scenario time pass this many times faster than the clock (default: as fast as it goes)"},
			&cli.StringFlag{Name: "record-key", Usage: "the record key's `FILE` (default: in your configuration folder; made at first use)"},
			&cli.BoolFlag{Name: "keep", Usage: "keep the tokens and databases of the drill, and say where they are"},
			clikit.JSONFlag(),
		},
		Action: play,
	}
}

func play(c *cli.Context) error {
	args, err := clikit.Arguments(c, "NAME|FILE")
	if err != nil {
		return err
	}
	d := &drill{c: c, interactive: clikit.IsTerminal(c.App.Writer) && clikit.IsTerminal(os.Stdin) && !c.Bool("auto") && !clikit.WantsJSON(c)}
	if d.pack, err = d.procedureAndScenario(args[0]); err != nil {
		return err
	}
	if c.Int("devices") < 0 || c.IsSet("devices") && c.Int("devices") == 0 {
		return clikit.Usagef("drill run: --devices must be 1 or more")
	}
	if c.Float64("speed") < 0 {
		return clikit.Usagef("drill run: --speed must not be negative")
	}
	decider, answers, err := d.decider()
	if err != nil {
		return clikit.With(clikit.Usage, fmt.Errorf("drill run: %w", err))
	}
	return d.run(c.Context, decider, answers)
}

// drill is one run from the command line.
type drill struct {
	c           *cli.Context
	interactive bool
	pack        string
	procedure   *procedure.Pack
	scenario    *scenario.Scenario
	progress    *clikit.Progress
}

func (d *drill) procedureAndScenario(name string) (string, error) {
	var err error
	if d.procedure, err = procedure.Sample(); err != nil {
		return "", err
	}
	if d.scenario, err = loadScenario(name, d.procedure); err != nil {
		return "", err
	}
	return filepath.Abs(d.c.String("out"))
}

// decider puts together who answers: what was chosen ahead, then the people at
// the terminal, or those of one body, then the script.
func (d *drill) decider() (engine.Decider, string, error) {
	rest, answers := engine.Script(), "script"
	if d.interactive {
		rest, answers = &asker{in: os.Stdin, out: d.c.App.Writer}, "terminal"
	}
	if body := d.c.String("as"); body != "" {
		var err error
		if rest, err = engine.As(d.scenario, body, rest, engine.Script()); err != nil {
			return nil, "", fmt.Errorf("--as: %w", err)
		}
		answers += ", as " + body
	}
	if list := d.c.StringSlice("choose"); len(list) > 0 {
		chosen, err := engine.ParseChoices(d.scenario, list, rest)
		if err != nil {
			return nil, "", fmt.Errorf("--choose: %w", err)
		}
		return chosen, answers + ", some chosen on the command line", nil
	}
	return rest, answers, nil
}

// run plays the drill. The pack's folder is made first and the journal is in it
// from the start, so that whatever happens is told there.
func (d *drill) run(ctx context.Context, decider engine.Decider, answers string) (err error) {
	key, err := recordKey(d.c.String("record-key"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.pack), 0o755); err != nil {
		return fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	if err := os.Mkdir(d.pack, 0o755); errors.Is(err, fs.ErrExist) {
		return clikit.Usagef("drill run: %q exists already: name a new folder, because a pack is written once", d.c.String("out"))
	} else if err != nil {
		return fmt.Errorf("making the folder of the evidence pack: %w", err)
	}
	scratch, err := os.MkdirTemp("", "smki-drill-")
	if err != nil {
		return fmt.Errorf("making the scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, d.clear(scratch)) }()

	began := time.Now()
	runID := d.scenario.ID + "-" + began.UTC().Format("20060102T150405Z")
	record, err := journal.Create(filepath.Join(d.pack, journal.FileName), journal.Config{Key: key, RunID: runID, Clock: time.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	d.progress = clikit.NewProgress(d.c.App.ErrWriter)
	if clikit.WantsJSON(d.c) {
		d.progress = nil
	}
	epoch := epochFor(d.scenario, began)
	stage := d.stage()
	world, err := verbs.New(ctx, verbs.Config{
		Scenario: d.scenario, Procedure: d.procedure, Journal: record, Pack: d.pack, Scratch: scratch,
		Devices: d.c.Int("devices"), Seed: d.c.Int64("seed"), Epoch: epoch, Progress: d.progress.Step, Told: stage.told,
	})
	if err != nil {
		// Nothing has begun, so there is nothing to keep.
		return errors.Join(err, record.Close(), os.RemoveAll(d.pack))
	}
	defer func() { err = errors.Join(err, world.Close()) }()

	environment, devices, versions := world.Start()
	versions["drill"] = version()
	versions["procedure"] = fmt.Sprintf("%s/%d", d.procedure.ID, d.procedure.Version)
	result, err := engine.Run(ctx, engine.Config{
		Scenario: d.scenario, World: world, Journal: record, Decider: decider, Presenter: stage.presenter(), Epoch: epoch,
		Seed: d.c.Int64("seed"), Environment: environment, Devices: devices, Answers: answers, Versions: versions, Speed: d.c.Float64("speed"),
	})
	d.progress.Clear()
	if err != nil {
		return err
	}
	return d.finish(world, record, result)
}

// finish completes and seals the pack, and prints the closing summary.
func (d *drill) finish(world *verbs.World, record *journal.Journal, result *engine.Result) error {
	if err := world.WritePack(); err != nil {
		return err
	}
	rep, err := report.Load(d.pack, d.procedure)
	if err != nil {
		return err
	}
	sum := summarise(rep)
	if err := sum.write(d.pack); err != nil {
		return err
	}
	if err := writeReport(rep, filepath.Join(d.pack, reportFile), "html"); err != nil {
		return err
	}
	if err := record.Seal(result.End); err != nil {
		return err
	}
	head := record.Words()
	out := d.c.App.Writer
	if clikit.WantsJSON(d.c) {
		err = clikit.JSON(out, struct {
			*summary
			Pack string `json:"pack"`
			Head string `json:"head"`
		}{sum, d.pack, head})
	} else {
		err = errors.Join(rep.Text(out, width(out),
			report.Line{Label: "Check it", Text: fmt.Sprintf("bin/drill verify %s --key %s", d.pack, sum.RecordKey)},
			report.Line{Label: "Report", Text: filepath.Join(d.pack, reportFile)},
			report.Line{Label: "For the minutes", Text: "record " + head}), d.path(out))
	}
	if err != nil {
		return err
	}
	if result.Outcome.Outcome == engine.Finished && result.Outcome.Finding == engine.Held {
		return nil
	}
	if result.Cause != nil && !errors.Is(result.Cause, context.Canceled) && result.Outcome.Outcome != engine.Stopped {
		return clikit.With(clikit.Failed, fmt.Errorf("the drill %s: %w", result.Outcome.Outcome, result.Cause))
	}
	return clikit.Silent(clikit.Failed)
}

// path prints the last line, the pack's path alone, for scripts.
func (d *drill) path(out io.Writer) error {
	_, err := fmt.Fprintln(out, d.pack)
	return err
}

// width is how wide the closing summary is: the terminal's width within reason,
// and for a file what a page holds.
func width(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return min(max(columns, 80), 140)
		}
	}
	return 120
}

// clear removes the drill's tokens and databases, with every key in them.
func (d *drill) clear(scratch string) error {
	if d.c.Bool("keep") {
		fmt.Fprintf(d.c.App.ErrWriter, "drill: tokens and databases of this drill are kept in %s; remove them when you have looked\n", scratch)
		return nil
	}
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("removing the drill's tokens: %w", err)
	}
	return nil
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
