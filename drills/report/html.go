package report

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
)

//go:embed report.html.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"clock": Clock,
	"lower": strings.ToLower,
}).Parse(page))

// HTML writes the after-action report as one page that needs nothing else: no
// script, no font, no picture from anywhere. It prints on A4, the label on every
// sheet.
func (r *Report) HTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// CSV writes the timeline, one event a row.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"label", "entry", "scenario_time", "kind", "text"}}
	for _, e := range r.Timeline {
		rows = append(rows, []string{r.Start.Label, strconv.FormatInt(e.Seq, 10), Clock(e.At), string(e.Kind), e.Text})
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the timeline: %w", err)
	}
	return nil
}

// A Bar is one end that devices came to, as a share of the estate.
type Bar struct{ Name, Percent string }

// Bars are the ends of all devices, for the report's one picture.
func (r *Report) Bars() []Bar {
	var out []Bar
	total := r.Figures.Devices
	if total == 0 {
		return nil
	}
	for _, name := range ends {
		n := r.Figures.Ends[name]
		if n == 0 {
			continue
		}
		share := 100 * float64(n) / float64(total)
		out = append(out, Bar{fmt.Sprintf("%s: %s", name, Thousands(n)), strconv.FormatFloat(share, 'f', 1, 64)})
	}
	return out
}

// Unverified are the steps rehearsed that nobody held against the procedure's
// text, each with what it says.
func (r *Report) Unverified() []Line {
	var out []Line
	for _, id := range r.rehearsed() {
		if s, is := r.Pack.Step(id); !is || !s.Verified {
			out = append(out, Line{id, s.Says + " (" + s.Source + ")"})
		}
	}
	return out
}
