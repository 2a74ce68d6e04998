package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A comparer is a Room that can put two runs of its exercise side by side;
// *room.Room is one. A room that is none has no page that compares.
type comparer interface {
	Compare(p room.PersonID, a, b int) (*report.Comparison, error)
}

var _ comparer = (*room.Room)(nil)

// replay shows a person's screen as it was after an entry of the journal, or, with
// ?see=screen, the room's screen as that person may see it.
func (c *Console) replay(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		c.say(w, r, http.StatusForbidden, "You have not joined", "Join the exercise first, then open its replay.")
		return
	}
	query := r.URL.Query()
	entry, err := strconv.ParseInt(query.Get("entry"), 10, 64)
	if err != nil && query.Has("entry") {
		c.say(w, r, http.StatusBadRequest, "There is no such moment", "Choose a moment on the timeline.")
		return
	}
	view, err := c.room.ViewAt(v.person, entry)
	if place, wrong := strconv.ParseFloat(query.Get("place"), 64); err == nil && wrong == nil && entry == 0 {
		// A place on the timeline is one only beside the marks. It comes back rounded, and
		// must not fall before the entry that it is of.
		view, err = c.room.ViewAt(v.person, entryAt(knotsOf(view.Replay), place+0.01))
	}
	if err != nil {
		c.outage(w, r, err)
		return
	}
	p := c.of(v, view, query)
	s := c.screens[v.role]
	if query.Get("see") == string(room.Screen) {
		s = c.screens[room.Screen]
		p.Role, p.Styles, p.Scripts = room.Screen, s.styles, s.script
	}
	p.Styles = append(slices.Clone(p.Styles), "replay.css")
	p.Scripts = append(slices.Clone(p.Scripts), "replay.js")
	c.show(w, s, http.StatusOK, "frame", p)
}

// ReplayLink is the address of a moment, with what else the page was asked for.
func (p *page) ReplayLink(entry int64, see string) string {
	q := url.Values{}
	if as := p.Query.Get("as"); as != "" {
		q.Set("as", as)
	}
	if see != "" {
		q.Set("see", see)
	}
	if entry > 0 {
		q.Set("entry", strconv.FormatInt(entry, 10))
	}
	if len(q) == 0 {
		return "/replay"
	}
	return "/replay?" + q.Encode()
}

// See is which screen of the moment is shown: empty for one's own.
func (p *page) See() string { return p.Query.Get("see") }

// ReplayMark is the mark that was passed last.
func (p *page) ReplayMark() *room.Mark {
	var last *room.Mark
	for i := range p.Replay.Marks {
		if p.Replay.Marks[i].Entry <= p.Replay.Entry {
			last = &p.Replay.Marks[i]
		}
	}
	return last
}

// MarkBefore and MarkAfter are the marks to step to; 0: there is none.
func (p *page) MarkBefore() int64 {
	for _, m := range slices.Backward(p.Replay.Marks) {
		if m.Entry < p.Replay.Entry {
			return m.Entry
		}
	}
	return 0
}

// MarkAfter is the next mark.
func (p *page) MarkAfter() int64 {
	for _, m := range p.Replay.Marks {
		if m.Entry > p.Replay.Entry {
			return m.Entry
		}
	}
	return 0
}

// A knot says where on the timeline an entry stands.
type knot struct {
	Entry int64   `json:"entry"`
	Place float64 `json:"place"`
}

// placeMost is the length of the timeline.
const placeMost = 1000

// knotsOf are the places of the marks and of both ends. Half of the line is shared
// equally between the marks, half goes by how much happened: most of a record are
// counts of devices, and decisions minutes apart would else stand on one another.
func knotsOf(m *room.Moments) []knot {
	knots := []knot{{Entry: 1}}
	for _, k := range m.Marks {
		if k.Entry > knots[len(knots)-1].Entry && k.Entry < m.Last {
			knots = append(knots, knot{Entry: k.Entry})
		}
	}
	if m.Last > 1 {
		knots = append(knots, knot{Entry: m.Last})
	}
	parts := float64(len(knots) - 1)
	for i := 1; i < len(knots); i++ {
		share := float64(knots[i].Entry-knots[i-1].Entry) / float64(m.Last-1)
		knots[i].Place = knots[i-1].Place + placeMost*(share+1/parts)/2
	}
	return knots
}

// placeOf is where an entry stands between the knots.
func placeOf(knots []knot, entry int64) float64 {
	for i := 1; i < len(knots); i++ {
		if a, b := knots[i-1], knots[i]; entry <= b.Entry {
			return a.Place + (b.Place-a.Place)*float64(max(0, entry-a.Entry))/float64(b.Entry-a.Entry)
		}
	}
	return knots[len(knots)-1].Place
}

// entryAt is the entry that stands at a place, or before it.
func entryAt(knots []knot, place float64) int64 {
	for i := 1; i < len(knots); i++ {
		if a, b := knots[i-1], knots[i]; place < b.Place {
			return a.Entry + int64(max(0, place-a.Place)/(b.Place-a.Place)*float64(b.Entry-a.Entry))
		}
	}
	return knots[len(knots)-1].Entry
}

// MarkPlace is where on the line of the timeline an entry stands.
func (p *page) MarkPlace(entry int64) string {
	return strconv.FormatFloat(placeOf(knotsOf(p.Replay), entry)*100/placeMost, 'f', 2, 64) + "%"
}

// Place is where the replay is on the line.
func (p *page) Place() string {
	return strconv.FormatFloat(placeOf(knotsOf(p.Replay), p.Replay.Entry), 'f', 3, 64)
}

// Knots are the places for static/replay.js.
func (p *page) Knots() (string, error) {
	text, err := json.Marshal(knotsOf(p.Replay))
	return string(text), err
}

// A contrast is what the page shows that puts two runs side by side.
type contrast struct {
	*report.Comparison
	A, B   int
	Runs   []int
	Curves []contrastCurve
}

// A contrastCurve is a pair of curves for the script that draws them.
type contrastCurve struct {
	Of, Data string
}

// compare shows two runs of the exercise side by side.
func (c *Console) compare(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		c.say(w, r, http.StatusForbidden, "You have not joined", "Join the exercise first, then compare its runs.")
		return
	}
	rooms, able := c.room.(comparer)
	view, err := c.room.View(v.person)
	if err == nil && !able {
		err = &room.Refusal{Why: "This room cannot compare runs."}
	}
	if err != nil {
		c.outage(w, r, err)
		return
	}
	query := r.URL.Query()
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(query.Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	shown := contrast{A: number("a", view.Exercise.Run-1), B: number("b", view.Exercise.Run)}
	if view.Exercise.Run < 2 {
		c.outage(w, r, &room.Refusal{Why: "There is one run so far. Another begins when the facilitator plays the drill again from a decision."})
		return
	}
	for n := 1; n <= view.Exercise.Run; n++ {
		shown.Runs = append(shown.Runs, n)
	}
	if shown.Comparison, err = rooms.Compare(v.person, shown.A, shown.B); err != nil {
		c.outage(w, r, err)
		return
	}
	for _, pair := range shown.Comparison.Curves {
		data, err := json.Marshal(curveOfPair(pair, shown.A, shown.B))
		if err != nil {
			c.outage(w, r, err)
			return
		}
		shown.Curves = append(shown.Curves, contrastCurve{pair.Of, string(data)})
	}
	p := c.of(v, view, query)
	p.Compared = &shown
	for _, name := range []string{"uplot.min.css", "situation.css", "replay.css"} {
		if !slices.Contains(p.Styles, name) {
			p.Styles = append(slices.Clone(p.Styles), name)
		}
	}
	for _, name := range []string{"uplot.iife.min.js", "situation.js"} {
		if !slices.Contains(p.Scripts, name) {
			p.Scripts = append(slices.Clone(p.Scripts), name)
		}
	}
	c.show(w, c.screens[v.role], http.StatusOK, "frame", p)
}

// curveOfPair is two runs' curves of one thing, on one axis of time.
func curveOfPair(pair report.Pair, a, b int) curve {
	at := make(map[time.Duration]bool)
	for _, q := range slices.Concat(pair.A, pair.B) {
		at[q.At] = true
	}
	times := slices.Sorted(maps.Keys(at))
	c := curve{High: pair.Devices, Until: pair.Hours}
	for _, t := range times {
		c.Hours = append(c.Hours, t.Hours())
	}
	for _, run := range []struct {
		n      int
		points []report.Point
	}{{a, pair.A}, {b, pair.B}} {
		line := curveLine{Name: fmt.Sprintf("run %d", run.n), Values: make([]*int, len(times))}
		for _, q := range run.points {
			i, _ := slices.BinarySearch(times, q.At)
			line.Values[i] = &q.Devices
		}
		c.Series = append(c.Series, line)
	}
	if len(times) > 0 {
		c.Now = -1
	}
	return c
}
