package main

import (
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/report"
)

func papersCommand() *cli.Command {
	return &cli.Command{
		Name:      "papers",
		Usage:     "the papers of a drill, to send out days ahead: for players, facilitator or observers",
		ArgsUsage: "NAME|FILE",
		Description: `Players get agenda, objectives, situation, who decides and how, a plain explanation of keys and methods, and a list of words; no
answer, no inject and no consequence is in it. The facilitator gets the run sheet, every question with what each answer leads to,
and the injects as cards, one a sheet, to be cut out. Observers get what to look for and a rating sheet. The label of the
classification stands on every page; papers with answers carry the highest label.

The ending of FILE says what is written: .html is one page that prints on A4, .pdf a document. --large is large print.

--json prints {format, label, out}.

Examples:
  drill papers S01 --for player --out players.pdf
  drill papers S01 --for facilitator --out facilitator.html
  drill papers S02 --for observer --large --out observers.pdf`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "for", Required: true, Usage: "`READER`: player, facilitator or observer"},
			&cli.StringFlag{Name: "out", Required: true, Usage: "`FILE` to write, .html or .pdf; one that is there is replaced"},
			&cli.BoolFlag{Name: "large", Usage: "large print, 18 points"},
			procedureFlag(),
			clikit.JSONFlag(),
		},
		Action: papers,
	}
}

func papers(c *cli.Context) error {
	args, err := clikit.Arguments(c, "NAME|FILE")
	if err != nil {
		return err
	}
	if out := c.String("out"); paperFormats[strings.ToLower(filepath.Ext(out))] == nil {
		return clikit.Usagef("drill papers: --out %q: the ending says what to write: .html or .pdf", out)
	}
	p, err := chosenProcedure(c)
	if err != nil {
		return err
	}
	s, err := loadScenario(args[0], p)
	if err != nil {
		return err
	}
	paper, err := report.NewPaper(s, p, report.Reader(c.String("for")), c.Bool("large"))
	if err != nil {
		return clikit.With(clikit.Usage, err)
	}
	return writeDocument(c, c.String("out"), paper)
}
