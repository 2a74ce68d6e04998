package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/verify"
)

// reportFile is the report in a pack.
const reportFile = "report.html"

// formats are what drill report can write.
var formats = map[string]func(*report.Report, io.Writer) error{
	"html": (*report.Report).HTML,
	"pdf":  (*report.Report).PDF,
	"csv":  (*report.Report).CSV,
	"text": func(r *report.Report, w io.Writer) error { return r.Text(w, 120) },
}

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write the after-action report of a record",
		ArgsUsage: "DIR",
		Description: `html is one page that prints, pdf the same to file, csv the timeline, text the closing summary. The report is made from the journal alone; check
the record first (drill verify), because a report says what its record says.

--json prints {format, out}.

Examples:
  drill report packs/monday --format html --out monday.html
  drill report packs/monday --format csv --out -`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "html", Usage: "html, pdf, csv or text"},
			&cli.StringFlag{Name: "out", Required: true, Usage: "`FILE` to write, - for the output; one that is there is replaced"},
			clikit.JSONFlag(),
		},
		Action: writeAReport,
	}
}

func writeAReport(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR")
	if err != nil {
		return err
	}
	format := strings.ToLower(c.String("format"))
	if formats[format] == nil {
		return clikit.Usagef("drill report: unknown format %q: html, pdf, csv or text", c.String("format"))
	}
	r, err := loadReport(args[0])
	if err != nil {
		return err
	}
	warnIfBent(c, args[0])
	if c.String("out") == "-" {
		return formats[format](r, c.App.Writer)
	}
	if inside(args[0], c.String("out")) {
		return clikit.Usagef("drill report: %q lies in the pack, which is sealed: name a file elsewhere", c.String("out"))
	}
	if err := writeReport(r, c.String("out"), format); err != nil {
		return err
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]string{"format": format, "out": c.String("out")})
	}
	_, err = fmt.Fprintln(c.App.Writer, c.String("out"))
	return err
}

// inside reports whether a file would lie in a folder.
func inside(dir, file string) bool {
	d, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	f, err := filepath.Abs(file)
	return err == nil && strings.HasPrefix(f, d+string(filepath.Separator))
}

func loadReport(dir string) (*report.Report, error) {
	p, err := procedure.Sample()
	if err != nil {
		return nil, err
	}
	return report.Load(dir, p)
}

// warnIfBent says on stderr that a pack does not verify: a report repeats what its
// record says, and the reader should know what that is worth.
func warnIfBent(c *cli.Context, dirs ...string) {
	for _, dir := range dirs {
		if result, err := verify.Pack(dir, verify.Options{}); err == nil && !result.Intact {
			fmt.Fprintf(c.App.ErrWriter, "drill: the record in %s does not verify: %s\n", dir, result.Verdict())
		}
	}
}

func writeReport(r *report.Report, path, format string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := errors.Join(formats[format](r, f), f.Close()); err != nil {
		return fmt.Errorf("writing the report %q: %w", path, err)
	}
	return nil
}

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "two runs side by side: what the other decision cost in devices, hours and customers",
		ArgsUsage: "DIR DIR",
		Description: `--json prints the same as one document.

Example:
  drill compare packs/a packs/b`,
		Flags:  []cli.Flag{clikit.JSONFlag()},
		Action: compare,
	}
}

func compare(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR", "DIR")
	if err != nil {
		return err
	}
	a, err := loadReport(args[0])
	if err != nil {
		return err
	}
	b, err := loadReport(args[1])
	if err != nil {
		return err
	}
	warnIfBent(c, args...)
	both := report.Compare(a, b)
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, both)
	}
	return both.Text(c.App.Writer)
}
