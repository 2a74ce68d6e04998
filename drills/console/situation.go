package console

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A state is a state of devices as pages draw it: by a shape, by a colour of which
// the shape makes no secret, and by a word.
type state struct {
	room.Count
	Shape string // of the wall: full, half, disc, cross, hollow, dot or dash
	Mark  string // class of the look: good, warn, info, bad or off
}

// stateOf chooses the drawing of a state by its letter, which is one of those of a
// picture (drills/verbs). A letter that is not known here is drawn by whether it is
// what a recovery wants.
func stateOf(c room.Count) state {
	switch c.Letter {
	case "R":
		return state{c, "full", "good"}
	case "P":
		return state{c, "half", "warn"}
	case "B":
		return state{c, "disc", "info"}
	case "X":
		return state{c, "cross", "bad"}
	case "O":
		return state{c, "hollow", "off"}
	case "U":
		return state{c, "dot", "off"}
	case "E", "N":
		return state{c, "dash", "off"}
	}
	if c.Good {
		return state{c, "full", "good"}
	}
	return state{c, "hollow", "off"}
}

// States are the states of the devices, in the room's order.
func (p *page) States() []state {
	if p.View == nil || p.Situation == nil {
		return nil
	}
	var all []state
	for _, c := range p.Situation.States {
		all = append(all, stateOf(c))
	}
	return all
}

// Safe is how many devices are in a state that a recovery wants.
func (p *page) Safe() int {
	n := 0
	if p.View != nil && p.Situation != nil {
		for _, c := range p.Situation.States {
			if c.Good {
				n += c.Count
			}
		}
	}
	return n
}

// WallMarks say how the wall draws each letter, for static/screen.js.
func (p *page) WallMarks() (string, error) {
	marks := make(map[string]string)
	for _, s := range p.States() {
		marks[s.Letter] = s.Shape + " " + s.Mark
	}
	text, err := json.Marshal(marks)
	return string(text), err
}

// WallEach says what one square of the wall is.
func (p *page) WallEach() string {
	switch s := p.Situation; {
	case s.WallOf > 1:
		return fmt.Sprintf("each square stands for %s", report.Plural(s.WallOf, "meter"))
	case len(s.Wall) < s.Devices:
		return fmt.Sprintf("each square is a meter; %s of %s are shown", report.Thousands(len(s.Wall)), report.Thousands(s.Devices))
	}
	return "each square is a meter"
}

// WallSays is the wall in words, for those who do not see it.
func (p *page) WallSays() string {
	var parts []string
	for _, s := range p.States() {
		if s.Count.Count > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", report.Thousands(s.Count.Count), s.Name))
		}
	}
	return "Wall of meters: " + joined(parts) + ", of " + report.Thousands(p.Situation.Devices) + "."
}

// A tile is a region of the map. Sizes are in units of the drawing.
type tile struct {
	Name    string
	Devices int
	Safe    int
	Y, H    int
	Parts   []tilePart
	Says    string
}

// Mid is a line of text by the middle of the tile.
func (t tile) Mid(below int) int { return t.H/2 + below }

type tilePart struct {
	X, W int
	state
}

// The size of the map. It says nothing of where a region lies or how large it is on
// the ground: height is devices alone.
const mapWide, mapHigh, mapGap, mapLeast = 240, 220, 8, 50

// Regions are the tiles of the map, from the top.
func (p *page) Regions() []tile {
	if p.View == nil || p.Situation == nil {
		return nil
	}
	regions := slices.Clone(p.Situation.Regions)
	// The estate's regions are named for directions; whoever looks at a map expects
	// the north on top.
	rank := func(r room.RegionState) int {
		return slices.Index([]string{"north", "central", "south"}, strings.ToLower(r.Name))
	}
	slices.SortStableFunc(regions, func(a, b room.RegionState) int { return rank(a) - rank(b) })
	total := 0
	for _, r := range regions {
		total += r.Devices
	}
	if total == 0 {
		return nil
	}
	free := mapHigh - mapGap*(len(regions)-1) - mapLeast*len(regions)
	y := 0
	var tiles []tile
	for _, r := range regions {
		t := tile{Name: r.Name, Devices: r.Devices, Y: y, H: mapLeast + max(0, free)*r.Devices/total}
		done := 0
		var says []string
		for _, c := range r.States {
			if c.Good {
				t.Safe += c.Count
			}
			if c.Count == 0 {
				continue
			}
			from := mapWide * done / max(1, r.Devices)
			done += c.Count
			t.Parts = append(t.Parts, tilePart{from, max(1, mapWide*done/max(1, r.Devices)-from), stateOf(c)})
			says = append(says, report.Thousands(c.Count)+" "+c.Name)
		}
		t.Says = fmt.Sprintf("%s: %s, of them %s.", r.Name, report.Plural(r.Devices, "meter"), joined(says))
		tiles = append(tiles, t)
		y += t.H + mapGap
	}
	return tiles
}

// MapHigh is the height of the map's drawing.
func (p *page) MapHigh() int {
	tiles := p.Regions()
	if len(tiles) == 0 {
		return 0
	}
	last := tiles[len(tiles)-1]
	return last.Y + last.H
}

// A figure is a number that matters, with what it counts.
type figure struct {
	Value, Of string
	Mark      string // good or bad where the number says so by itself
}

// Figures are the situation in meters and customers.
func (p *page) Figures() []figure {
	s := p.Situation
	concern := func(n int) string {
		if n > 0 {
			return "bad"
		}
		return "good"
	}
	figures := []figure{
		{report.Thousands(s.OffSupply), "homes off supply", concern(s.OffSupply)},
		{report.Thousands(s.TopUps), "top-ups did not arrive", concern(s.TopUps)},
	}
	if s.SiteVisits > 0 {
		figures = append(figures, figure{"up to " + report.Thousands(s.SiteVisits), "homes to be visited", "warn"})
	}
	return figures
}

// A curve is what static/screen.js draws with uPlot.
type curve struct {
	Hours  []float64   `json:"hours"`
	High   int         `json:"high"`
	Until  float64     `json:"until"`
	Now    float64     `json:"now"`
	Series []curveLine `json:"series"`
}

// A curveLine is one line; null where it has no point of its own at that hour.
type curveLine struct {
	Name     string `json:"name"`
	Forecast bool   `json:"forecast"`
	Values   []*int `json:"values"`
}

// curveOf puts what was counted and what was forecast on one axis of time. What was
// counted holds until the next count, and until now.
func curveOf(s *room.Situation) curve {
	type named struct {
		name     string
		forecast bool
		points   []report.Point
	}
	counted := slices.Clone(s.Curve)
	if len(counted) == 0 || counted[0].At > 0 {
		counted = append([]report.Point{{}}, counted...)
	}
	if last := counted[len(counted)-1]; last.At < s.At {
		counted = append(counted, report.Point{At: s.At, Devices: last.Devices})
	}
	lines := []named{{name: "in this exercise", points: counted}}
	for _, f := range s.Forecast {
		lines = append(lines, named{"forecast, " + f.Method, true, f.Points})
	}
	var times []time.Duration
	for _, l := range lines {
		for _, q := range l.points {
			times = append(times, q.At)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	c := curve{High: s.Devices, Now: s.At.Hours()}
	for _, at := range times {
		c.Hours = append(c.Hours, at.Hours())
	}
	if len(times) > 0 {
		c.Until = times[len(times)-1].Hours()
	}
	for _, l := range lines {
		out := curveLine{Name: l.name, Forecast: l.forecast, Values: make([]*int, len(times))}
		for _, q := range l.points {
			i, _ := slices.BinarySearch(times, q.At)
			out.Values[i] = &q.Devices
		}
		c.Series = append(c.Series, out)
	}
	return c
}

// CurveData is the curve for the script that draws it.
func (p *page) CurveData() (string, error) {
	if p.View == nil || p.Situation == nil {
		return "", nil
	}
	text, err := json.Marshal(curveOf(p.Situation))
	return string(text), err
}

// countAt is the last count of a curve up to a time; a forecast rises between its
// points, what was counted does not.
func countAt(points []report.Point, at time.Duration, rises bool) int {
	n, from := 0, time.Duration(0)
	for _, q := range points {
		if q.At > at {
			if rises && q.At > from {
				n += int(float64(q.Devices-n) * float64(at-from) / float64(q.At-from))
			}
			break
		}
		n, from = q.Devices, q.At
	}
	return n
}

// CurveSays is the curve in words.
func (p *page) CurveSays() []string {
	s := p.Situation
	got := countAt(s.Curve, s.At, false)
	says := []string{fmt.Sprintf("At %s, %s of %s meters hold the new keys.", report.Clock(s.At), report.Thousands(got), report.Thousands(s.Devices))}
	for _, f := range s.Forecast {
		says = append(says, fmt.Sprintf("The forecast by %s, made before anyone decided, has %s by then.", f.Method, report.Thousands(countAt(f.Points, s.At, true))))
	}
	return says
}

// AllSample says whether every forecast shown rests on sample figures.
func (p *page) AllSample() bool {
	f := p.Situation.Forecast
	return len(f) > 0 && !slices.ContainsFunc(f, func(c room.ForecastCurve) bool { return !c.Sample })
}

// Dash is which kind of line the script draws a forecast with.
func (p *page) Dash(forecast int) int { return forecast % 4 }

// Draw draws the shape of the state, for legends: the same as the wall's.
func (s state) Draw() template.HTML {
	var inside string
	switch s.Shape {
	case "full":
		inside = `<rect class="%s" x="1" y="1" width="14" height="14" rx="2"/>`
	case "half":
		inside = `<path class="%s" d="M1 15 15 1v14z"/><rect class="edge" x="1.5" y="1.5" width="13" height="13" rx="1"/>`
	case "disc":
		inside = `<circle class="%s" cx="8" cy="8" r="7"/>`
	case "cross":
		inside = `<rect class="%s" x="1" y="1" width="14" height="14"/><path class="cut" d="M3.5 3.5l9 9m0-9l-9 9"/>`
	case "dot":
		inside = `<circle class="%s" cx="8" cy="8" r="2.5"/>`
	case "dash":
		inside = `<rect class="%s" x="3" y="7" width="10" height="2.5"/>`
	default:
		inside = `<rect class="%s hollow" x="2" y="2" width="12" height="12" rx="1"/>`
	}
	return template.HTML(`<svg class="shape" viewBox="0 0 16 16" aria-hidden="true" focusable="false">` + fmt.Sprintf(inside, html.EscapeString(s.Mark)) + `</svg>`)
}
