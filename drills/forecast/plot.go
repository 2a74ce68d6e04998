package forecast

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// plot sizes, in characters of a terminal.
const (
	plotWidth  = 61
	plotHeight = 15
)

// letters stand for the methods in a plot, in the order of the courses.
const letters = "ABCDEFGH"

// Plot draws the curves of the likely case with characters: hours from left to
// right, from the report on; Relevant Devices that are out of the wrong hands from
// the bottom up. A is the first method by the ranking.
func (f *Forecast) Plot(w io.Writer) error {
	var grid [plotHeight][plotWidth]rune
	for y := range grid {
		for x := range grid[y] {
			grid[y][x] = ' '
		}
	}
	// The first method is drawn last, so that it is seen where two run together.
	for i := len(f.Courses) - 1; i >= 0; i-- {
		for x, p := range f.Courses[i].Curve {
			y := int(math.Round(p.Share.Likely * (plotHeight - 1)))
			if p.Share.Likely > 0.002 {
				grid[plotHeight-1-y][x] = rune(letters[i])
			}
		}
	}
	var b strings.Builder
	for y, row := range grid {
		scale := "      "
		if share := float64(plotHeight-1-y) / (plotHeight - 1); y == 0 || y == plotHeight-1 || y == (plotHeight-1)/2 {
			scale = fmt.Sprintf("%4.0f %%", share*100)
		}
		fmt.Fprintf(&b, "%s |%s\n", scale, strings.TrimRight(string(row[:]), " "))
	}
	fmt.Fprintf(&b, "       +%s\n", strings.Repeat("-", plotWidth))
	fmt.Fprintf(&b, "        %-*s%*s\n", plotWidth-20, "the report", 20, hours(f.Horizon)+unit(f.Horizon))
	for i, c := range f.Courses {
		if last := c.Curve[len(c.Curve)-1].Share.Likely; last < 0.002 {
			fmt.Fprintf(&b, "        %c begins beyond the right edge\n", letters[i])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func unit(h float64) string {
	if h < 48 {
		return " hours"
	}
	return ""
}

// Text writes the forecast as a committee reads it on a terminal.
func (f *Forecast) Text(w io.Writer) error {
	var b strings.Builder
	whose := ""
	if f.Party != "" {
		whose = " of " + f.Party
	}
	fmt.Fprintf(&b, "FORECAST: %s key%s compromised\n\n", f.Key, whose)
	fmt.Fprintf(&b, "Relevant Devices  %s, at about %s premises\n", thousands(f.Relevant.Devices), thousands(f.Relevant.Premises))
	for _, cut := range []struct {
		name   string
		counts []Count
	}{{"by region", f.Relevant.ByRegion}, {"by type", f.Relevant.ByType}, {"by party", f.Relevant.ByParty}, {"by answer", f.Relevant.ByState}} {
		if len(cut.counts) < 2 {
			continue
		}
		var parts []string
		for _, c := range cut.counts {
			if c.Count > 0 {
				parts = append(parts, c.Name+" "+thousands(c.Count))
			}
		}
		fmt.Fprintf(&b, "  %-15s %s\n", cut.name, strings.Join(parts, " | "))
	}
	fmt.Fprintf(&b, "\nShare of the devices that can be reached which are out of the wrong hands, in hours after the report; in brackets what at least nine of ten of %d runs lie between\n\n", f.Runs)
	// A method takes two lines: the likely case with what stands behind it, and the bands.
	lines := func(name, behind string, bands ...*Band) {
		likely, spread := fmt.Sprintf("%-34s", name), fmt.Sprintf("%-34s", "")
		for _, x := range bands {
			at, around := "", ""
			if x != nil {
				at, around = hours(never(x.Likely)), x.spread()
			}
			likely += fmt.Sprintf(" %16s", at)
			spread += fmt.Sprintf(" %16s", around)
		}
		fmt.Fprintf(&b, "%s%s\n%s\n", likely, behind, spread)
	}
	fmt.Fprintf(&b, "%-34s %16s %16s %16s %16s %16s %9s\n", "", "first command", "50 %", "95 %", "99 %", "99.9 %", "first in")
	for i := range f.Courses {
		c := &f.Courses[i]
		lines(string(letters[i])+" "+c.Name, fmt.Sprintf(" %8.0f%%", c.First*100), &c.Prepared, &c.Safe[0], &c.Safe[1], &c.Safe[2], &c.Safe[3])
		if c.returns {
			lines("  back under the party's own key", "", nil, &c.Recovered[0], &c.Recovered[1], &c.Recovered[2], &c.Recovered[3])
		}
	}
	b.WriteString("\n")
	for i, c := range f.Courses {
		fmt.Fprintf(&b, "%c never answer or stay lost: %s (%s to %s)\n", letters[i], thousands(int(math.Round(c.Missed.Likely))), thousands(int(math.Round(c.Missed.Low))), thousands(int(math.Round(c.Missed.High))))
		var held []string
		for _, r := range c.Binds[:min(3, len(c.Binds))] {
			held = append(held, fmt.Sprintf("%s (%s%s)", r.Says, hours(r.Saves), unit(r.Saves)))
		}
		switch {
		case c.Safe[1].Likely < 0:
			b.WriteString("  too slow: the thief is sooner at more than one device in twenty\n")
		case len(held) > 0:
			fmt.Fprintf(&b, "  held up by (what it would save to be without): %s\n", strings.Join(held, "; "))
		}
	}
	b.WriteString("\n")
	if err := f.Plot(&b); err != nil {
		return err
	}
	b.WriteString("\nWhat would change our mind\n")
	if len(f.Flips) == 0 {
		b.WriteString("  No assumption, moved alone between its bounds, puts another method first.\n")
	}
	for _, x := range f.Flips {
		fmt.Fprintf(&b, "  %s: below %s %s %s is first, above it %s (likely: %s)\n", x.Says, figure(x.At), x.Unit, x.Below, x.Above, figure(x.Likely))
	}
	b.WriteString("\nAssumptions: low, likely, high (change one with --set \"ID=VALUE\" or \"ID=LOW..LIKELY..HIGH\")\n")
	for _, a := range f.Assumptions {
		fmt.Fprintf(&b, "  %-16s %9s %9s %9s  %-9s %s [%s: %s]\n", a.ID, figure(a.Low), figure(a.Likely), figure(a.High), a.Unit, a.Says, a.Mark, a.Source)
	}
	fmt.Fprintf(&b, "\nRanking: %s.\n%s\n", f.Ranking, f.Note)
	_, err := io.WriteString(w, b.String())
	return err
}

// spread is a band in brackets, or nothing if it has no width.
func (b Band) spread() string {
	if b.Low == b.High {
		return ""
	}
	return "(" + between(never(b.Low), never(b.High)) + ")"
}

// between writes two lengths of time, and their unit once if it is the same.
func between(low, high float64) string {
	from, to := hours(low), hours(high)
	if cut, is := strings.CutSuffix(from, " days"); is && strings.HasSuffix(to, " days") {
		from = cut
	}
	return from + "-" + to
}

func never(h float64) float64 {
	if h < 0 {
		return math.Inf(1)
	}
	return h
}

// figure writes a value of an assumption.
func figure(v float64) string {
	switch {
	case v >= unlimited:
		return "no limit"
	case v >= 1000:
		return thousands(int(math.Round(v)))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// thousands writes a count with its digits in threes, as people in Britain do.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
