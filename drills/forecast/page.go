package forecast

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed page.html.tmpl
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":   func(n int) string { return thousands(n) },
	"round":   func(v float64) string { return thousands(int(math.Round(v))) },
	"figure":  figure,
	"hours":   func(v float64) string { return hours(never(v)) },
	"between": func(b Band) string { return between(never(b.Low), never(b.High)) },
	"share":   func(v float64) string { return fmt.Sprintf("%.0f %%", v*100) },
	"letter":  func(i int) string { return string(letters[i]) },
	"gives":   func(c Course) bool { return c.returns },
}).Parse(pageSource))

// drawn is a curve as the page draws it: a line and its band, in a box of 600 by
// 260.
type drawn struct {
	Letter, Name string
	Line, Area   string // points of SVG
	X, Y         float64
}

const boxWidth, boxHeight = 600.0, 260.0

// HTML writes the forecast as a page that needs nothing but itself.
func (f *Forecast) HTML(w io.Writer) error {
	var curves []drawn
	for i, c := range f.Courses {
		d := drawn{Letter: string(letters[i]), Name: c.Name}
		var line, low []string
		point := func(k int, share float64) string {
			return fmt.Sprintf("%.1f,%.1f", boxWidth*float64(k)/float64(len(c.Curve)-1), boxHeight*(1-share))
		}
		for k, p := range c.Curve {
			line = append(line, point(k, p.Share.Likely))
			low = append(low, point(k, p.Share.Low))
		}
		for k := len(c.Curve) - 1; k >= 0; k-- {
			low = append(low, point(k, c.Curve[k].Share.High))
		}
		d.Line, d.Area = strings.Join(line, " "), strings.Join(low, " ")
		// Each letter stands at a height of its own, for curves that run together.
		for k, p := range c.Curve {
			d.X, d.Y = boxWidth*float64(k)/float64(len(c.Curve)-1), boxHeight*(1-p.Share.Likely)
			if p.Share.Likely > 0.75-0.2*float64(i) {
				break
			}
		}
		curves = append(curves, d)
	}
	if err := page.Execute(w, struct {
		*Forecast
		Curves []drawn
		Unit   string
	}{f, curves, unit(f.Horizon)}); err != nil {
		return fmt.Errorf("writing the forecast: %w", err)
	}
	return nil
}
