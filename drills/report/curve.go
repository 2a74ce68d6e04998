package report

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"smki.example/drills/journal"
)

// A Curve is how many devices held the new keys of somebody, over scenario time.
// It is what each shard of the journal counted when it was written.
type Curve struct {
	Of     string // whose keys: supplier, root
	Points []Point
}

// A Point is one count.
type Point struct {
	At      time.Duration
	Devices int
}

// takeShard adds the count of a shard to its curve.
func (r *Report) takeShard(e journal.Entry) error {
	var b struct {
		Campaign string `json:"campaign"`
		Sent     int    `json:"sent"`
		Progress *struct {
			Holding int `json:"holding"`
		} `json:"progress"`
	}
	if err := e.Decode(&b); err != nil {
		return err
	}
	if b.Sent > 0 {
		r.sent[unnumbered(b.Campaign)] = true
	}
	if b.Progress == nil {
		return nil
	}
	of, _, _ := strings.Cut(unnumbered(b.Campaign), " by ")
	for i := range r.Curves {
		if r.Curves[i].Of == of {
			r.Curves[i].Points = append(r.Curves[i].Points, Point{e.At, b.Progress.Holding})
			return nil
		}
	}
	r.Curves = append(r.Curves, Curve{of, []Point{{0, 0}, {e.At, b.Progress.Holding}}})
	return nil
}

// unnumbered is a campaign's name without its number: "2 supplier by method 3" is
// the supplier's keys by method 3.
func unnumbered(campaign string) string {
	return strings.TrimLeftFunc(campaign, func(c rune) bool { return unicode.IsDigit(c) || c == ' ' })
}

// intruder says whether the keys are those of somebody who should have none.
func (c Curve) intruder() bool { return strings.HasPrefix(c.Of, "intruder") }

// title says what the curve counts.
func (c Curve) title() string {
	if c.intruder() {
		return "Devices that hold keys of the " + c.Of + ", while he was sending"
	}
	return "Devices that hold the new keys of " + c.Of + ", over scenario time"
}

// At is the last count up to a time.
func (c Curve) At(at time.Duration) int {
	n := 0
	for _, p := range c.Points {
		if p.At > at {
			break
		}
		n = p.Devices
	}
	return n
}

// Lacking is how many device-hours passed, up to a time, in which a device of an
// estate did not hold the new keys: the area above the curve.
func (c Curve) Lacking(devices int, until time.Duration) float64 {
	hours, held, from := 0.0, 0, time.Duration(0)
	for _, p := range c.Points {
		at := min(p.At, until)
		hours += float64(devices-held) * (at - from).Hours()
		held, from = p.Devices, at
	}
	return hours + float64(devices-held)*max(0, (until-from).Hours())
}

func (r *Report) curve(of string) Curve {
	for _, c := range r.Curves {
		if c.Of == of {
			return c
		}
	}
	return Curve{Of: of, Points: []Point{{0, 0}}}
}

// A plot is curves of one thing in several runs.
type plot struct {
	Title   string
	Hours   float64 // length of the axis of time
	Devices int     // height
	Series  []series
}

type series struct {
	Name  string
	Curve Curve
}

// The size of a plot in a terminal.
const plotWide, plotHigh = 72, 14

// text draws a plot with letters: the first run is *, the second o, and # where
// both are.
func (p plot) text() string {
	signs := []byte{'*', 'o'}
	grid := make([][]byte, plotHigh)
	for y := range grid {
		grid[y] = []byte(strings.Repeat(" ", plotWide))
	}
	for i, s := range p.Series {
		for x := range plotWide {
			if s.Curve.intruder() && time.Duration(p.Hours*float64(x)/float64(plotWide-1)*float64(time.Hour)) > s.Curve.Points[len(s.Curve.Points)-1].At {
				break
			}
			at := time.Duration(p.Hours * float64(x) / float64(plotWide-1) * float64(time.Hour))
			y := plotHigh - 1 - s.Curve.At(at)*(plotHigh-1)/max(1, p.Devices)
			sign := signs[i%len(signs)]
			if grid[y][x] != ' ' && grid[y][x] != sign {
				sign = '#'
			}
			grid[y][x] = sign
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.Title)
	for y, row := range grid {
		label := ""
		switch y {
		case 0:
			label = Thousands(p.Devices)
		case plotHigh - 1:
			label = "0"
		}
		fmt.Fprintf(&b, "%9s |%s\n", label, strings.TrimRight(string(row), " "))
	}
	fmt.Fprintf(&b, "%9s +%s\n%9s 0:00%*s\n", "", strings.Repeat("-", plotWide), "", plotWide-3, Clock(time.Duration(p.Hours*float64(time.Hour))))
	for i, s := range p.Series {
		fmt.Fprintf(&b, "%9s %c %s\n", "", signs[i%len(signs)], s.Name)
	}
	if len(p.Series) > 1 {
		fmt.Fprintf(&b, "%9s # both\n", "")
	}
	return b.String()
}

// points are a curve as steps on a sheet of 160 by 60 units.
func (p plot) points(c Curve) []xy {
	x := func(at time.Duration) float64 { return at.Hours() / max(p.Hours, 0.01) * 160 }
	y := func(n int) float64 { return 60 - float64(n)/float64(max(1, p.Devices))*60 }
	var out []xy
	last := 0
	for _, q := range c.Points {
		out = append(out, xy{x(q.At), y(last)}, xy{x(q.At), y(q.Devices)})
		last = q.Devices
	}
	if c.intruder() {
		return out // what became of his devices later, his own counts do not say
	}
	return append(out, xy{160, y(last)})
}

type xy struct{ X, Y float64 }
