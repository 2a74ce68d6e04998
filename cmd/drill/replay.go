package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/play"
	"smki.example/drills/scenario"
)

// again are the flags of a run that is made from an earlier one.
func again() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Required: true, Usage: "the new evidence pack's folder, which must not exist (`DIR`)"},
		&cli.StringFlag{Name: "record-key", Usage: "the record key's `FILE` (default: in your configuration folder)"},
		&cli.BoolFlag{Name: "keep", Usage: "keep the tokens and databases of the drill, and say where they are"},
		clikit.JSONFlag(),
	}
}

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "play a recorded run again from its journal alone, and hold the two journals against each other",
		ArgsUsage: "DIR",
		Description: `Everything that decides a run is in its journal: scenario, size, seed, and what was answered when. The drill is played again on
new tokens, a new database and new devices; keys, serials, signatures, hashes and wall times differ, and nothing else may. A run
that was broken off is compared as far as it goes.

Exit: 0 the two journals are equal; 1 they are not, and the first difference is named; 2 wrong usage; 4 no SoftHSM.

Example:
  drill replay packs/monday --out packs/monday-again`,
		Flags:  again(),
		Action: replay,
	}
}

func branchCommand() *cli.Command {
	return &cli.Command{
		Name:      "branch",
		Usage:     "play a recorded run again with one decision answered differently",
		ArgsUsage: "DIR",
		Description: `The run is played again from its journal, on new tokens, a new database and new devices, up to the decision; there the other
option is taken. What is asked afterwards is answered as it was recorded, where it was, and else by the script. Up to the decision
the two journals must be equal: the command checks it. Then hold the two against each other with drill compare.

A question that came back is named with the number of the asking: --at "recovery key#2"; without one, the last asking is meant.

Exit: as drill run.

Example:
  drill branch packs/monday --at "recovery key" --choose required --out packs/what-if
  drill compare packs/monday packs/what-if`,
		Flags: append(again(),
			&cli.StringFlag{Name: "at", Required: true, Usage: "the `DECISION` at which the run leaves the recorded one"},
			&cli.StringFlag{Name: "choose", Required: true, Usage: "the `OPTION` that is taken there"},
		),
		Action: branch,
	}
}

func replay(c *cli.Context) error {
	d, was, err := recordedDrill(c)
	if err != nil {
		return err
	}
	run := d.cfg.Recording.Start().Run
	d.cfg.From = "replay of run " + run
	// A drill whose finding is negative is played again all the same.
	if err := d.run(c.Context, d.cfg.Recording.Decider(engine.Script()), "as recorded in run "+run); err != nil && !clikit.IsSilent(err) {
		return err
	}
	upTo := int64(0)
	if n := len(was); n > 0 && was[n-1].Kind != journal.KindOutcome {
		upTo = int64(n)
	}
	return d.held(was, upTo, "the two journals are equal: the run is what its journal says")
}

func branch(c *cli.Context) error {
	d, was, err := recordedDrill(c)
	if err != nil {
		return err
	}
	decision, asking, err := decisionAt(c.String("at"))
	if err != nil {
		return err
	}
	option := c.String("choose")
	if err := d.cfg.Recording.Branch(d.scenario, decision, asking, option); err != nil {
		return clikit.With(clikit.Usage, fmt.Errorf("drill branch: %w", err))
	}
	run := d.cfg.Recording.Start().Run
	d.cfg.From = fmt.Sprintf("branch of run %s: %s answered %q", run, decision, option)
	result := d.run(c.Context, d.cfg.Recording.Decider(engine.Script()), "as recorded in run "+run+", then the script")
	if result != nil && !clikit.IsSilent(result) {
		return result
	}
	upTo, words := d.cfg.Recording.Agree(), "the branch takes the option that was recorded: the two journals are equal"
	if upTo > 0 {
		words = fmt.Sprintf("the two runs are the same for %d entries, up to the decision; hold them against each other with drill compare", upTo)
	}
	if err := d.held(was, upTo, words); err != nil {
		return err
	}
	return result
}

// decisionAt reads DECISION or DECISION#N.
func decisionAt(text string) (decision string, asking int, err error) {
	name, number, numbered := strings.Cut(text, "#")
	if !numbered {
		return strings.TrimSpace(name), 0, nil
	}
	if asking, err = strconv.Atoi(strings.TrimSpace(number)); err != nil || asking < 1 {
		return "", 0, clikit.Usagef("drill branch: --at %q: the number of the asking is 1 or more, as in \"recovery key#2\"", text)
	}
	return strings.TrimSpace(name), asking, nil
}

// recordedDrill reads the pack that is named and makes a drill of its start entry.
func recordedDrill(c *cli.Context) (*drill, []journal.Entry, error) {
	args, err := clikit.Arguments(c, "DIR")
	if err != nil {
		return nil, nil, err
	}
	if err := packFolder(c, args[0]); err != nil {
		return nil, nil, err
	}
	entries, err := entriesOf(args[0])
	if err != nil {
		return nil, nil, clikit.With(clikit.Usage, err)
	}
	cfg, err := play.Again(entries)
	var wrong scenario.Errors
	switch {
	case errors.As(err, &wrong):
		return nil, nil, err
	case err != nil:
		return nil, nil, clikit.With(clikit.Failed, fmt.Errorf("%s: %w", args[0], err))
	}
	d := &drill{c: c, cfg: cfg, procedure: cfg.Procedure, scenario: cfg.Scenario}
	if d.pack, err = filepath.Abs(c.String("out")); err != nil {
		return nil, nil, err
	}
	return d, entries, nil
}

// entriesOf reads a journal as far as it is good.
func entriesOf(pack string) ([]journal.Entry, error) {
	var entries []journal.Entry
	for e, err := range journal.Read(filepath.Join(pack, journal.FileName)) {
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w; check the pack with drill verify", err)
			}
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// held compares the record with the one it was made from.
func (d *drill) held(was []journal.Entry, upTo int64, equal string) error {
	is, err := entriesOf(d.pack)
	if err != nil {
		return err
	}
	differ, err := engine.Differ(was, is, upTo)
	if err != nil {
		return err
	}
	if differ != "" {
		return clikit.With(clikit.Failed, fmt.Errorf("the run is not the recorded one: %s", differ))
	}
	fmt.Fprintln(d.c.App.ErrWriter, "drill: "+equal)
	return nil
}
