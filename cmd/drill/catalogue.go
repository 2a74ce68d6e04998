package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// loadScenario reads a shipped drill by its name, or a file. A name that is
// neither says which there are.
func loadScenario(name string, p *procedure.Pack) (*scenario.Scenario, error) {
	file, text, err := library.Source(name)
	if err != nil {
		b, readErr := os.ReadFile(name)
		switch {
		case errors.Is(readErr, fs.ErrNotExist) && !strings.ContainsAny(name, "/\\."):
			return nil, clikit.With(clikit.Usage, err)
		case readErr != nil:
			return nil, clikit.With(clikit.Usage, fmt.Errorf("reading a scenario: %w", readErr))
		}
		file, text = name, b
	}
	return scenario.Parse(file, text, verbs.Vocabulary(p))
}

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "the drills that are shipped, what each rehearses and how long it takes",
		Description: `--json prints [{id, title, label, minutes, devices, rehearses, decisions}].

Example:
  drill list`,
		Flags:  []cli.Flag{procedureFlag(), clikit.JSONFlag()},
		Action: list,
	}
}

// listed is a drill as list prints it.
type listed struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Label     string   `json:"label"`
	Minutes   int      `json:"minutes"`
	Devices   int      `json:"devices"`
	Rehearses []string `json:"rehearses"`
	Decisions []string `json:"decisions"`
}

func list(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	p, err := chosenProcedure(c)
	if err != nil {
		return err
	}
	var all []listed
	for _, id := range library.IDs() {
		s, err := library.Load(id, verbs.Vocabulary(p))
		if err != nil {
			return err
		}
		all = append(all, describe(s))
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, all)
	}
	for _, d := range all {
		fmt.Fprintf(c.App.Writer, "%s  %s\n     %s; about %d minutes for people; %d devices; decides: %s\n     rehearses: %s\n",
			d.ID, d.Title, d.Label, d.Minutes, d.Devices, strings.Join(d.Decisions, ", "), strings.Join(d.Rehearses, ", "))
	}
	return nil
}

func describe(s *scenario.Scenario) listed {
	d := listed{ID: s.ID, Title: s.Title, Label: s.Label, Minutes: s.Minutes, Devices: s.Estate.Devices, Rehearses: s.Rehearses, Decisions: []string{}}
	for _, x := range s.Decisions {
		d.Decisions = append(d.Decisions, x.Name)
	}
	return d
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "check a drill before anybody plays it: every word, every name, every condition",
		ArgsUsage: "NAME|FILE",
		Description: `Whatever is wrong is said at once, each with its line and column and what would have been right.

--json prints {file, ok, errors: [{place, text}]}, and for a drill that is right what list prints of it.

Exit: 0 the drill can be played; 1 it cannot; 2 there is no such drill or file.

Examples:
  drill check S01
  drill check my-drill.yaml
  drill check S01 --procedure ours.yaml              does it name what our own procedure has?`,
		Flags:  []cli.Flag{procedureFlag(), clikit.JSONFlag()},
		Action: check,
	}
}

func check(c *cli.Context) error {
	args, err := clikit.Arguments(c, "NAME|FILE")
	if err != nil {
		return err
	}
	p, err := chosenProcedure(c)
	if err != nil {
		return err
	}
	s, err := loadScenario(args[0], p)
	var wrong scenario.Errors
	if errors.As(err, &wrong) {
		if clikit.WantsJSON(c) {
			list := make([]map[string]string, len(wrong))
			for i, e := range wrong {
				list[i] = map[string]string{"place": e.Pos.String(), "text": e.What}
			}
			if err := clikit.JSON(c.App.Writer, map[string]any{"file": args[0], "ok": false, "errors": list}); err != nil {
				return err
			}
			return clikit.Silent(clikit.Failed)
		}
		for _, e := range wrong {
			fmt.Fprintln(c.App.ErrWriter, e)
		}
		return clikit.Silent(clikit.Failed)
	}
	if err != nil {
		return err
	}
	d := describe(s)
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]any{"file": s.File, "ok": true, "errors": []string{}, "drill": d})
	}
	fmt.Fprintf(c.App.Writer, "%s: %s can be played: %d entries, %d decisions, %d of %d steps of the %s procedure\n",
		s.File, s.ID, len(s.Timeline), len(s.Decisions), len(s.Rehearses), len(p.Steps), p.ID)
	return nil
}
