package smkiws

import (
	"context"
	"io"
	"time"

	"smki.example/ca"
)

// SetProbe has f called at each named point: "kept" (an upload is in the store, its
// batch is not), "items-written" (a thousand items of a parse are), "parsed" (all are,
// the batch still says PARSING), "claimed" (a shard is in hand), "issued" (its
// certificates are in the ledger, its outcomes nowhere). An error makes the step end
// there, as if the process had died.
func (s *Service) SetProbe(f func(point string) error) { s.probe = f }

// ReadAdHoc is readAdHoc with the failed check as a text.
func ReadAdHoc(r io.Reader, max int64) (id string, der []byte, bad string, err error) {
	id, der, f, err := readAdHoc(r, max)
	if f != nil {
		bad = f.Error()
	}
	return id, der, bad, err
}

// Transitions are all ways from state to state.
func Transitions() map[State][]State { return transitions }

// Schemas returns both schemas.
func Schemas() (adHoc, batch []byte) { return adHocSchema, batchSchema }

// MaxToken and MaxText are bounds of a document.
const (
	MaxToken = maxToken
	MaxText  = maxText
)

// A Demand is what watches the Parties' duties.
type Demand struct{ d demand }

// NewDemand returns one with default limits.
func NewDemand(limits Limits, notices ...Notice) (*Demand, error) {
	limits, err := limits.withDefaults()
	return &Demand{demand{limits: limits, notices: notices, last: map[string]time.Time{}, told: map[string]telling{}, fetched: map[int64]fetch{}}}, err
}

func (d *Demand) AdHoc(party string, now time.Time) time.Duration { return d.d.adHoc(party, now) }
func (d *Demand) Early(b Batch, now time.Time) string             { return d.d.early(b, now) }
func (d *Demand) Delivered(id int64)                              { d.d.delivered(id) }

// NextTransaction returns numbers of one process.
func NextTransaction() func(time.Time) int64 {
	t := &transactions{}
	return t.next
}

// Flights is how many gathered batches are on their way at once.
const Flights = flights

// A Gatherer gathers single requests.
type Gatherer struct{ g *gatherer }

// NewGatherer returns one that issues through a function.
func NewGatherer(issue func(context.Context, []ca.Request) ([]ca.Result, error)) *Gatherer {
	return &Gatherer{&gatherer{issue: issue}}
}

func (g *Gatherer) One(ctx context.Context, r ca.Request) (ca.Result, bool) { return g.g.one(ctx, r) }

// Flying is how many are on their way.
func (g *Gatherer) Flying() int {
	g.g.mu.Lock()
	defer g.g.mu.Unlock()
	return g.g.flying
}

// Gathered is how many single requests of a service wait for a flight.
func (s *Service) Gathered() int {
	s.singles.mu.Lock()
	defer s.singles.mu.Unlock()
	return len(s.singles.waiting)
}
