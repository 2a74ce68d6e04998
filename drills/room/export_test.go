package room

import (
	"context"
	"encoding/json"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/roombook"
	"smki.example/drills/scenario"
)

// Running is what a test plays a drill with instead of tokens and devices.
type Running = running

// WithLaunch plays drills with something else than the real world.
func WithLaunch(c Config, launch func(ctx context.Context, cfg play.Config) (Running, error)) Config {
	c.launch = launch
	return c
}

// Book is the book as it is on disk.
func (r *Room) Book() []roombook.Entry {
	entries, err := roombook.ReadAll(r.dir)
	if err != nil {
		panic(err)
	}
	return entries
}

// Pack is the folder of the newest run.
func (r *Room) Pack() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.packOf(r.st.run)
}

// Trouble is what the facilitator reads.
func (r *Room) Trouble() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.trouble
}

// Kill makes the room forget its book without a word, as a process does that is
// killed; what Run then still does goes nowhere.
func (r *Room) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.book.Close()
	_ = r.lock.Close()
	r.lock = nil
}

// ParseTyped is typed.
func ParseTyped(s string) string { return typed(s) }

// A Glance folds a journal as the room does, and looks at it from a seat: what a
// test of what people may see needs, without a run.
type Glance struct {
	st *state
	d  *drill
}

// NewGlance is for a scenario.
func NewGlance(p *procedure.Pack, s *scenario.Scenario) *Glance {
	st := newState(p)
	st.house = newHouse(p, s)
	st.phase = Playing
	return &Glance{st, newDrill(st.house)}
}

// Take folds an entry of a journal.
func (g *Glance) Take(seq int64, at time.Duration, kind string, body []byte) error {
	return g.d.take(journal.Entry{Seq: seq, At: at, Kind: journal.Kind(kind), Body: json.RawMessage(body)})
}

// Seats are those of the house.
func (g *Glance) Seats() []Seat { return g.st.house.seats }

// From is the view of somebody with a role on seats.
func (g *Glance) From(role Role, seats ...SeatID) *View {
	me := &person{"p1", "Somebody", role}
	g.st.people["p1"], g.st.order = me, []PersonID{"p1"}
	clear(g.st.sitting)
	for _, s := range seats {
		g.st.sitting[s] = sitting{person: "p1"}
	}
	x := &sight{st: g.st, drill: g.d, me: me, seats: g.st.seatsOf("p1"), here: func(PersonID) bool { return true }, clock: engine.Reading{At: g.d.at}, live: true}
	return x.view()
}
