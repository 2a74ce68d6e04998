package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed paper.html.tmpl
var paperPage string

var paperTemplate = template.Must(template.New("paper").Funcs(template.FuncMap{
	"middle": func(a, b float64) float64 { return a + b/2 },
	"add":    func(a, b float64) float64 { return a + b },
	"line":   func(b box, i int) float64 { return b.Y + b.H/2 + 1.6 + (float64(i)-float64(len(b.Lines)-1)/2)*4.8 },
	"fate": func(mark string) string {
		return map[string]string{"M": "members", "S": "script", "-": "skipped"}[mark]
	},
	"path": func(p *plot, c Curve) string {
		out := ""
		for _, q := range p.points(c) {
			out += fmt.Sprintf("%.2f,%.2f ", q.X+18, q.Y+4)
		}
		return out
	},
	"thousands": Thousands,
	"hours":     func(h float64) string { return Clock(time.Duration(h * float64(time.Hour))) },
	"legend":    func(i int) float64 { return 78 + 5*float64(i) },
	"bold":      func(i int) bool { return i == 0 },
	"share": func(widths []float64, i int) string {
		sum := 0.0
		for _, w := range widths {
			sum += w
		}
		return fmt.Sprintf("%.1f%%", 100*widths[i]/sum)
	},
}).Parse(paperPage))

// HTML writes the paper as one page that needs nothing else: no script, no font,
// no picture from anywhere. It prints on A4 with the label on every sheet, and an
// inject a sheet.
func (p *Paper) HTML(w io.Writer) error {
	if err := paperTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing a paper: %w", err)
	}
	return nil
}
