package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/procedure"
)

// procedureFlag lets a command use a committee's own procedure pack.
func procedureFlag() cli.Flag {
	return &cli.StringFlag{Name: "procedure", Usage: "the procedure pack's `FILE` (default: the sample that is shipped; of a record: its own)"}
}

// chosenProcedure is the pack that a command was given, or the one that is shipped.
func chosenProcedure(c *cli.Context) (*procedure.Pack, error) {
	file := c.String("procedure")
	if file == "" {
		return procedure.Sample()
	}
	p, err := procedure.Load(file)
	if err != nil {
		return nil, clikit.With(clikit.Usage, fmt.Errorf("%w\ncheck it with drill procedure lint %s", err, file))
	}
	return p, nil
}

func procedureCommand() *cli.Command {
	return &cli.Command{
		Name:  "procedure",
		Usage: "the Recovery Procedure and the Key Guidance as data: read a pack, check one, write one of your own",
		Description: `Steps, notices, time limits, members, quorum, factors, custodians, file layouts and labels are a file, the procedure pack. The one that
is shipped is a sample, and says so everywhere. A committee puts its own in its place: docs/procedure-packs.md.

Examples:
  drill procedure write --out ours.yaml       the sample as a file, to start from
  drill procedure lint ours.yaml              what is wrong with it, line by line
  drill procedure show ours.yaml              read it
  drill run S01 --procedure ours.yaml --out packs/monday`,
		Subcommands: []*cli.Command{
			{
				Name: "show", Usage: "print a pack as people read it", ArgsUsage: "[FILE]",
				Description: `Without FILE the sample that is shipped. --key shows only how the loss of one key is recovered from.

--json prints the pack itself, with its SHA-256.

Examples:
  drill procedure show
  drill procedure show --key root
  drill procedure show ours.yaml --json`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "key", Usage: "only the procedures for this compromised `KEY`"}, clikit.JSONFlag()},
				Action: showProcedure,
			},
			{
				Name: "lint", Usage: "check a pack: what cannot be, and what is hardly meant", ArgsUsage: "FILE",
				Description: `Everything is said at once, each with its line and column: words that are unknown, steps that lead nowhere or that nothing leads to,
a quorum or a threshold that cannot be met, labels that are none. A line with "hint" does not keep the pack from being used.

--json prints {file, ok, name, sha256, errors, hints}, each of the two a list of {place, text}.

Exit: 0 the pack can be used; 1 it cannot, or with --strict there is a hint; 2 there is no such file.`,
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "strict", Usage: "a hint counts as an error"}, clikit.JSONFlag()},
				Action: lintProcedure,
			},
			{
				Name: "write", Usage: "write the sample that is shipped to a file, to make your own of it",
				Description: `Change its id, title, source and version first: records name a pack by them, and by its SHA-256.`,
				Flags:       []cli.Flag{&cli.StringFlag{Name: "out", Required: true, Usage: "`FILE` to write, which must not exist; - for the output"}},
				Action:      writeProcedure,
			},
		},
	}
}

func showProcedure(c *cli.Context) error {
	args, err := clikit.Arguments(c, "[FILE]")
	if err != nil {
		return err
	}
	p, err := procedure.Sample()
	if len(args) > 0 && args[0] != "" {
		p, err = procedure.Load(args[0])
	}
	if err != nil {
		return clikit.With(clikit.Usage, err)
	}
	key := c.String("key")
	if key != "" && len(p.For(key)) == 0 {
		return clikit.Usagef("drill procedure show: this pack has no procedure for the key %q: there are %s", key, keysOf(p))
	}
	if clikit.WantsJSON(c) {
		var whole map[string]any
		if err := yaml.Unmarshal(p.Text, &whole); err != nil {
			return err
		}
		whole["sha256"] = p.SHA256
		return clikit.JSON(c.App.Writer, whole)
	}
	shown := packScreen{screen{out: c.App.Writer}, p}
	if key != "" {
		for _, x := range p.For(key) {
			shown.procedure(x)
		}
		return nil
	}
	shown.all()
	return nil
}

// place is one finding of the linter, for programs.
type place struct {
	Place string `json:"place"`
	Text  string `json:"text"`
}

func lintProcedure(c *cli.Context) error {
	args, err := clikit.Arguments(c, "FILE")
	if err != nil {
		return err
	}
	p, err := procedure.Load(args[0])
	if errors.Is(err, fs.ErrNotExist) {
		return clikit.With(clikit.Usage, err)
	}
	wrong, hints := procedure.Errors{}, procedure.Errors{}
	if err != nil && !errors.As(err, &wrong) {
		wrong = procedure.Errors{{File: args[0], Line: 1, Col: 1, What: err.Error()}}
	}
	if err == nil {
		hints = p.Lint()
	}
	bad := err != nil || c.Bool("strict") && len(hints) > 0
	if clikit.WantsJSON(c) {
		out := map[string]any{"file": args[0], "ok": !bad, "errors": listOf(wrong), "hints": listOf(hints)}
		if err == nil {
			out["name"], out["sha256"] = p.Name(), p.SHA256
		}
		if err := clikit.JSON(c.App.Writer, out); err != nil {
			return err
		}
	} else {
		var each procedure.Errors
		if err != nil && !errors.As(err, &each) {
			fmt.Fprintln(c.App.ErrWriter, err)
		}
		for _, e := range each {
			fmt.Fprintln(c.App.ErrWriter, e)
		}
		for _, e := range hints {
			fmt.Fprintf(c.App.ErrWriter, "%s:%d:%d: hint: %s\n", e.File, e.Line, e.Col, e.What)
		}
		if err == nil {
			fmt.Fprintf(c.App.Writer, "%s: %s can be used: %d steps, %d procedures, %d notices, %d factors, %d custodians\nSHA-256 %s\n",
				args[0], p.Name(), len(p.Steps), len(p.Procedures), len(p.Notices), len(p.Factors), len(p.Custodians), p.SHA256)
		}
	}
	if bad {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}

func listOf(errs procedure.Errors) []place {
	out := []place{}
	for _, e := range errs {
		out = append(out, place{fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col), e.What})
	}
	return out
}

func writeProcedure(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	p, err := procedure.Sample()
	if err != nil {
		return err
	}
	if c.String("out") == "-" {
		_, err := c.App.Writer.Write(p.Text)
		return err
	}
	f, err := os.OpenFile(c.String("out"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return clikit.Usagef("drill procedure write: %q is there already: name a new file", c.String("out"))
	}
	if err != nil {
		return fmt.Errorf("writing a procedure pack: %w", err)
	}
	if _, err := f.Write(p.Text); err != nil {
		return errors.Join(fmt.Errorf("writing a procedure pack: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing a procedure pack: %w", err)
	}
	_, err = fmt.Fprintln(c.App.Writer, c.String("out"))
	return err
}
