package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "play a drill and leave its evidence pack",
		ArgsUsage: "NAME|FILE",
		Description: `On a terminal every decision is asked for, with its options, briefing and clock; elsewhere, and with --auto, the script
answers, and the record says that no member voted. --choose answers one decision ahead and may be given again; a decision that
comes back after an adjournment takes its answers in order: --choose "recovery key=adjourn,required". An answer that can never be
asked for is an error; one that was not asked for in this run is named in a warning. Ctrl-C on a terminal asks before it stops.

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
			procedureFlag(),
			clikit.JSONFlag(),
		},
		Action: playDrill,
	}
}

// mostDevices is how many devices a run may have: as many as a fleet holds in
// memory (drills/fleet).
const mostDevices = 1_000_000

func playDrill(c *cli.Context) error {
	args, err := clikit.Arguments(c, "NAME|FILE")
	if err != nil {
		return err
	}
	d := &drill{c: c, interactive: clikit.IsTerminal(c.App.Writer) && clikit.IsTerminal(os.Stdin) && !c.Bool("auto") && !clikit.WantsJSON(c)}
	if d.pack, err = d.procedureAndScenario(args[0]); err != nil {
		return err
	}
	if n := c.Int("devices"); c.IsSet("devices") && (n < 1 || n > mostDevices) {
		return clikit.Usagef("drill run: --devices must be 1 to %d", mostDevices)
	}
	if c.Bool("auto") && c.String("as") != "" {
		return clikit.Usagef("drill run: --auto asks nobody and --as asks %q: give one of them", c.String("as"))
	}
	if c.Float64("speed") < 0 {
		return clikit.Usagef("drill run: --speed must not be negative")
	}
	decider, answers, err := d.decider()
	if err != nil {
		return clikit.With(clikit.Usage, fmt.Errorf("drill run: %w", err))
	}
	d.cfg.Devices, d.cfg.Seed, d.cfg.Speed = c.Int("devices"), c.Int64("seed"), c.Float64("speed")
	return d.run(c.Context, decider, answers)
}

// drill is one run from the command line.
type drill struct {
	c           *cli.Context
	interactive bool
	pack        string
	procedure   *procedure.Pack
	scenario    *scenario.Scenario
	keys        *keyboard       // nil: nobody is asked
	choices     *engine.Choices // nil: nothing was chosen ahead
	cfg         play.Config     // size, seed, pace, and what is played again
	progress    *clikit.Progress
}

func (d *drill) procedureAndScenario(name string) (string, error) {
	var err error
	if d.procedure, err = chosenProcedure(d.c); err != nil {
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
		s := screen{out: d.c.App.Writer}
		d.keys = newKeyboard(os.Stdin, s)
		rest, answers = &asker{screen: s, keys: d.keys}, "terminal"
	}
	if body := d.c.String("as"); body != "" {
		var err error
		if rest, err = engine.As(d.scenario, body, rest, engine.Script()); err != nil {
			return nil, "", fmt.Errorf("--as: %w", err)
		}
		answers += ", as " + body
	}
	if list := d.c.StringSlice("choose"); len(list) > 0 {
		var err error
		if d.choices, err = engine.ParseChoices(d.scenario, list, rest); err != nil {
			return nil, "", fmt.Errorf("--choose: %w", err)
		}
		return d.choices, answers + ", some chosen on the command line", nil
	}
	return rest, answers, nil
}
