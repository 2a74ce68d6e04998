package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/verify"
)

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
the record first (drill verify), because a report says what its record says. It is read with the procedure pack that the record was
made with; --procedure reads it with another.

--only writes one document instead:
  after-action  objectives with their ratings, decisions, strengths, areas to improve, plan, risks, survey, timeline
  minutes       for the committee to approve: attendance by seat, interests, each question with its votes, decisions, corrections
  plan          the improvement plan, with owners and dates; also as csv
  risks         what stays after the recovery; also as csv
  ratings       the observers' ratings, as csv; survey the same for the survey of the hot wash
  guidance      what the drill gives to the Recovery Key Guidance: for each factor whether it was used, missing or unclear, what
                members wrote, and a wording to start from; also as csv. It carries the guidance's own label, confidential unless
                the pack says otherwise
Of a drill that was not played in the exercise room they say what the journal has.

--json prints {format, out}.

Examples:
  drill report packs/monday --format html --out monday.html
  drill report packs/monday --only minutes --format pdf --out minutes.pdf
  drill report packs/monday --only plan --format csv --out plan.csv
  drill report packs/monday --only guidance --format pdf --out guidance.pdf
  drill report packs/monday --format csv --out -`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "html", Usage: "html, pdf, csv or text"},
			&cli.StringFlag{Name: "only", Usage: "one `PART`: after-action, minutes, plan, risks, ratings, survey or guidance"},
			&cli.StringFlag{Name: "out", Required: true, Usage: "`FILE` to write, - for the output; one that is there is replaced"},
			&cli.BoolFlag{Name: "large", Usage: "the parts of --only in large print, 18 points"},
			procedureFlag(),
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
	of := formats
	if only := c.String("only"); only != "" {
		if of = partFormats[only]; of == nil {
			return clikit.Usagef("drill report: --only %q: the parts that stand by themselves are %s", only, strings.Join(slices.Sorted(maps.Keys(partFormats)), ", "))
		}
	}
	write := of[format]
	if write == nil {
		return clikit.Usagef("drill report: unknown format %q: %s", c.String("format"), strings.Join(slices.Sorted(maps.Keys(of)), ", "))
	}
	r, err := loadReport(c, args[0])
	if err != nil {
		return err
	}
	r.Large = c.Bool("large")
	warnIfBent(c, args[0])
	if other := r.OtherPack(); other != "" {
		fmt.Fprintf(c.App.ErrWriter, "drill: %s\n", other)
	}
	if c.String("out") == "-" {
		return write(r, c.App.Writer)
	}
	if inside(args[0], c.String("out")) {
		return clikit.Usagef("drill report: %q lies in the pack, which is sealed: name a file elsewhere", c.String("out"))
	}
	if err := report.WriteFile(c.String("out"), func(w io.Writer) error { return write(r, w) }); err != nil {
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

// loadReport reads a record with the procedure pack that was named, or with its
// own.
func loadReport(c *cli.Context, dir string) (*report.Report, error) {
	var p *procedure.Pack
	if c.String("procedure") != "" {
		var err error
		if p, err = chosenProcedure(c); err != nil {
			return nil, err
		}
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

// paperFormats are the documents that the ending of a file can ask for.
var paperFormats = map[string]func(*report.Paper, io.Writer) error{".html": (*report.Paper).HTML, ".pdf": (*report.Paper).PDF}

// partFormats are the parts that stand by themselves, and what each can be written
// as.
var partFormats = map[string]map[string]func(*report.Report, io.Writer) error{
	"after-action": documents((*report.Report).AfterAction, nil),
	"minutes":      documents((*report.Report).Minutes, nil),
	"plan":         documents((*report.Report).Plan, (*report.Report).PlanCSV),
	"risks":        documents((*report.Report).Risks, (*report.Report).RisksCSV),
	"ratings":      {"csv": (*report.Report).RatingsCSV},
	"survey":       {"csv": (*report.Report).SurveyCSV},
	"guidance": documents(func(r *report.Report) *report.Paper {
		p := r.Guidance().Paper()
		p.Large = r.Large
		return p
	},
		func(r *report.Report, w io.Writer) error { return r.Guidance().CSV(w) }),
}

// documents are the forms of one document, with that of a spreadsheet if it has one.
func documents(make func(*report.Report) *report.Paper, table func(*report.Report, io.Writer) error) map[string]func(*report.Report, io.Writer) error {
	out := map[string]func(*report.Report, io.Writer) error{
		"html": func(r *report.Report, w io.Writer) error { return make(r).HTML(w) },
		"pdf":  func(r *report.Report, w io.Writer) error { return make(r).PDF(w) },
	}
	if table != nil {
		out["csv"] = table
	}
	return out
}

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "two runs side by side: what the other decision cost in devices, hours and customers",
		ArgsUsage: "DIR DIR",
		Description: `What differs has a star: decisions, devices by what became of them, hours, certificates, customers at risk, steps missed. Below it
the devices that held the new keys over time, drawn with letters; --out FILE writes the same as a page (.html) or a document (.pdf).

--json prints the same as one document.

Examples:
  drill compare packs/a packs/b
  drill compare packs/a packs/b --out what-if.html`,
		Flags:  []cli.Flag{&cli.StringFlag{Name: "out", Usage: "`FILE` to write instead, .html or .pdf"}, procedureFlag(), clikit.JSONFlag()},
		Action: compare,
	}
}

func compare(c *cli.Context) error {
	args, err := clikit.Arguments(c, "DIR", "DIR")
	if err != nil {
		return err
	}
	a, err := loadReport(c, args[0])
	if err != nil {
		return err
	}
	b, err := loadReport(c, args[1])
	if err != nil {
		return err
	}
	warnIfBent(c, args...)
	both := report.Compare(a, b)
	if out := c.String("out"); out != "" {
		return writeDocument(c, out, both.Paper())
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, both)
	}
	return both.Text(c.App.Writer)
}

// writeDocument writes a document in the form that its file's ending says, and
// prints the file's name.
func writeDocument(c *cli.Context, out string, p *report.Paper) error {
	write := paperFormats[strings.ToLower(filepath.Ext(out))]
	if write == nil {
		return clikit.Usagef("drill %s: --out %q: the ending says what to write: .html or .pdf", c.Command.Name, out)
	}
	if err := report.WriteFile(out, func(w io.Writer) error { return write(p, w) }); err != nil {
		return err
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]string{"format": strings.TrimPrefix(strings.ToLower(filepath.Ext(out)), "."), "label": p.Label, "out": out})
	}
	_, err := fmt.Fprintln(c.App.Writer, out)
	return err
}
