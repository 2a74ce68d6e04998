package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
)

func coverageCommand() *cli.Command {
	return &cli.Command{
		Name:      "coverage",
		Usage:     "which steps of the procedure past drills rehearsed: by members, by the script, skipped, never",
		ArgsUsage: "DIR…",
		Description: `Each record is read with the procedure pack that it was made with, so that records of several versions stand side by side; a step
that packs word differently is noted. --procedure names the procedure of today: its steps stand first, and those that no record
knows are never rehearsed.

A step counts as observed if the record shows it: an act or a notification under its name, or what the pack says shows it. It
counts for members if members answered.

--out FILE writes a page (.html), a document (.pdf) or a table (.csv). --json prints {label, runs, steps, notes}.

Exit: 0 whatever the matrix says; 1 a record cannot be read; 2 wrong usage.

Examples:
  drill coverage packs/*
  drill coverage packs/2026-* --procedure ours.yaml --out coverage.html`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`FILE` to write instead, .html, .pdf or .csv"},
			&cli.StringFlag{Name: "procedure", Usage: "the procedure of today, a pack's `FILE`"},
			clikit.JSONFlag(),
		},
		Action: coverage,
	}
}

func coverage(c *cli.Context) error {
	dirs := c.Args().Slice()
	if len(dirs) == 0 {
		return clikit.Usagef("drill coverage: name the records: drill coverage DIR…")
	}
	var today *procedure.Pack
	if c.String("procedure") != "" {
		var err error
		if today, err = chosenProcedure(c); err != nil {
			return err
		}
	}
	var runs []*report.Report
	for _, dir := range dirs {
		r, err := report.Load(dir, nil)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	warnIfBent(c, dirs...)
	matrix := report.Cover(runs, today)
	out := c.String("out")
	switch {
	case strings.EqualFold(filepath.Ext(out), ".csv"):
		if err := report.WriteFile(out, func(w io.Writer) error { return matrix.CSV(w) }); err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, map[string]string{"format": "csv", "label": matrix.Label, "out": out})
		}
		_, err := fmt.Fprintln(c.App.Writer, out)
		return err
	case out != "":
		return writeDocument(c, out, matrix.Paper())
	case clikit.WantsJSON(c):
		return clikit.JSON(c.App.Writer, matrix)
	}
	return matrix.Text(c.App.Writer)
}
