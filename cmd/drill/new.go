package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/library"
	"smki.example/drills/msel"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// firstScenario is what an author starts from: it can be played as it stands.
//
//go:embed new.yaml
var firstScenario string

// Files of a new drill.
const (
	scenarioFile = "scenario.yaml"
	schemaFile   = "schema.json"
)

func newCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "begin a drill of one's own",
		ArgsUsage: "DIR",
		Description: `Makes DIR with scenario.yaml, which can be played at once and explains itself, and schema.json, with which an editor completes
words and marks mistakes as they are typed (VS Code with the YAML extension, and others, find it by the first line).

--like begins with a copy of a shipped drill. --from reads an exercise planner's list of injects, a spreadsheet saved as CSV (a
Master Scenario Events List): what could not be read is named by row and column, and stands in the scenario as a comment.

docs/tutorial-scenario.md goes on from here to one's own scenario running; docs/drill-language.md has every word.

--json prints {dir, scenario, schema, playable, errors, remarks}.

Examples:
  drill new lost-laptop
  drill new our-s02 --like S02
  drill new quiet-line --from planner.csv`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "like", Usage: "copy the shipped `DRILL`"},
			&cli.StringFlag{Name: "from", Usage: "read injects from a planner's list, a CSV `FILE`"},
			procedureFlag(), clikit.JSONFlag(),
		},
		Action: newDrill,
	}
}

func newDrill(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR")
	if err != nil {
		return err
	}
	if c.String("like") != "" && c.String("from") != "" {
		return clikit.Usagef("drill new: --like copies a drill and --from reads a list: give one of them")
	}
	p, err := chosenProcedure(c)
	if err != nil {
		return err
	}
	path := filepath.Join(args[0], scenarioFile)
	text, remarks, err := beginning(c, path, p)
	if err != nil {
		return err
	}
	if err := os.Mkdir(args[0], 0o755); errors.Is(err, fs.ErrExist) {
		return clikit.Usagef("drill new: %q exists already: name a new folder", args[0])
	} else if err != nil {
		return fmt.Errorf("making the folder of the drill: %w", err)
	}
	for name, content := range map[string][]byte{scenarioFile: text, schemaFile: scenario.Schema()} {
		if err := os.WriteFile(filepath.Join(args[0], name), content, 0o644); err != nil {
			return errors.Join(fmt.Errorf("writing the drill: %w", err), os.RemoveAll(args[0]))
		}
	}
	return begun(c, args[0], path, text, remarks, p)
}

// idLine is the line of a scenario that has its id.
var idLine = regexp.MustCompile(`(?m)^id: .*$`)

// beginning is the text that an author starts with.
func beginning(c *cli.Context, path string, p *procedure.Pack) (text []byte, remarks []string, err error) {
	schema := "# yaml-language-server: $schema=" + schemaFile + "\n"
	switch {
	case c.String("like") != "":
		_, text, err := library.Source(c.String("like"))
		if err != nil {
			return nil, nil, clikit.With(clikit.Usage, fmt.Errorf("drill new: --like: %w", err))
		}
		// A copy is another drill: records must not take it for the one it was made from.
		text = idLine.ReplaceAll(text, fmt.Appendf(nil, "id: %s-ours", c.String("like")))
		return append([]byte(schema), text...), nil, nil
	case c.String("from") != "":
		b, err := os.ReadFile(c.String("from"))
		if err != nil {
			return nil, nil, clikit.With(clikit.Usage, fmt.Errorf("drill new: --from: %w", err))
		}
		list, err := msel.Read(filepath.Base(c.String("from")), b, verbs.Vocabulary(p))
		if err != nil {
			return nil, nil, fmt.Errorf("drill new: --from: %w", err)
		}
		for _, r := range append(list.Problems, list.Notes...) {
			remarks = append(remarks, r.String())
		}
		return append([]byte(schema), list.Scenario(msel.Frame{})...), remarks, nil
	}
	return []byte(strings.ReplaceAll(firstScenario, "{{FILE}}", path)), nil, nil
}

// begun says what there is now and what to do next.
func begun(c *cli.Context, dir, path string, text []byte, remarks []string, p *procedure.Pack) error {
	_, err := scenario.Parse(path, text, verbs.Vocabulary(p))
	var wrong scenario.Errors
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if clikit.WantsJSON(c) {
		list := []string{}
		for _, e := range wrong {
			list = append(list, e.Error())
		}
		if remarks == nil {
			remarks = []string{}
		}
		return clikit.JSON(c.App.Writer, map[string]any{
			"dir": dir, "scenario": path, "schema": filepath.Join(dir, schemaFile), "playable": err == nil, "errors": list, "remarks": remarks,
		})
	}
	for _, r := range remarks {
		fmt.Fprintf(c.App.ErrWriter, "drill: %s\n", r)
	}
	next := "it can be played: bin/drill run " + path + " --out first-run"
	if err != nil {
		next = fmt.Sprintf("%d things must be mended first: bin/drill check %s", len(wrong), path)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s\n%s\n", next, path)
	return err
}
