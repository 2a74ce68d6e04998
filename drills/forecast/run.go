package forecast

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Input is what a forecast is made from.
type Input struct {
	Estate      Estate
	Assumptions *Assumptions
	// Custodians hold the shares of the key; Needed of them, employed by at least
	// NeededParties parties, open it.
	Custodians    []Custodian
	Needed        int
	NeededParties int
	// Custody is how single keys are held, where that differs: recovery, contingency,
	// symmetric key.
	Custody []Holding
	// Key is the compromised key, one of [Keys]; Party is its owner, one of the
	// estate's, or nothing where the key is one party's for all devices.
	Key   string
	Party string
	// Runs is how many draws make the bands, from 1 to 100,000; Seed chooses them.
	Runs int
	Seed uint64
}

// A Band is a figure in the likely case, and what at least nine runs of ten lie between.
// Hours count from the report. A figure that never comes is -1.
type Band struct {
	Low    float64 `json:"low"`
	Likely float64 `json:"likely"`
	High   float64 `json:"high"`
}

// around widens a band until the likely case is in it: where an assumption's
// likely value is also its least, nearly every run is above. What never comes is
// beyond everything.
func (b Band) around() Band {
	low, likely, high := never(b.Low), never(b.Likely), never(b.High)
	return Band{Low: finite(float32(min(low, likely))), Likely: b.Likely, High: finite(float32(max(high, likely)))}
}

// A Point of a curve: at this hour, the share of Relevant Devices.
type Point struct {
	Hours float64 `json:"hours"`
	Share Band    `json:"share"`
}

// A Course is what one method is forecast to come to.
type Course struct {
	Method
	Prepared  Band      `json:"prepared"`  // hours to the first command
	Safe      [4]Band   `json:"safe"`      // hours until 50, 95, 99 and 99.9 % of those that answer are out of the wrong hands
	Recovered [4]Band   `json:"recovered"` // the same, until they trust the key they are to end with
	Missed    Band      `json:"missed"`    // devices that never answer, or that the thief keeps
	First     float64   `json:"first"`     // share of runs in which no other method is sooner, by the ranking
	Binds     []Relief  `json:"binds"`     // what holds it up, the worst first
	Curve     [61]Point `json:"curve"`     // of the devices out of the wrong hands
	// Trusting is the share of devices that trust the key they are to end with, in the
	// likely case, at the hours of Curve.
	Trusting [61]float64 `json:"trusting"`
}

// A Relief is what it would save to lift one limit altogether.
type Relief struct {
	Limit string  `json:"limit"`
	Says  string  `json:"says"`
	Saves float64 `json:"saves_hours"`
}

// A Flip is an assumption that changes which method is first: at At, which lies
// between its low and its high, From gives way to To.
type Flip struct {
	Assumption
	At    float64 `json:"at"`
	Below string  `json:"below"` // first method below At
	Above string  `json:"above"` // and above
}

// A Forecast is the answer to how long, by which method, and what would change
// our mind.
type Forecast struct {
	Key         string       `json:"key"`
	Party       string       `json:"party,omitempty"`
	Relevant    Relevant     `json:"relevant"`
	Courses     []Course     `json:"courses"` // the first by the ranking first
	Flips       []Flip       `json:"flips"`
	Assumptions []Assumption `json:"assumptions"`
	Runs        int          `json:"runs"`
	Seed        uint64       `json:"seed"`
	Horizon     float64      `json:"horizon_hours"` // where the curves end
	Ranking     string       `json:"ranking"`
	Note        string       `json:"note"`
}

// Shares are the milestones of [Course].Safe and Recovered.
var Shares = [4]float64{0.50, 0.95, 0.99, 0.999}

const (
	ranking = "the method that first has 95 of 100 Relevant Devices out of the wrong hands is first; if two are even, the one whose devices trust their final key sooner"
	note    = "A forecast from assumptions, most of them sample data. It says how methods compare and what they hang on, not what will happen."
)

// model is an input made ready.
type model struct {
	Input
	methods  []Method
	relevant Relevant
	sleepers float64     // share of the Relevant Devices
	byTravel []Custodian // the nearest first
	held     [guardedCount]Holding
}

// Run makes a forecast. It uses all cores; nothing in the input is changed. An
// error names the field and what would be right.
func Run(ctx context.Context, in Input) (*Forecast, error) {
	m, err := prepare(in)
	if err != nil {
		return nil, err
	}
	likely := m.likely()
	f := &Forecast{
		Key: in.Key, Party: in.Party, Relevant: m.relevant, Assumptions: in.Assumptions.List(), Runs: in.Runs, Seed: in.Seed, Ranking: ranking, Note: note,
	}
	base := m.courses(&likely, m.likelyQuorum(&likely))
	f.Horizon = horizon(base)
	f.Courses, err = m.bands(ctx, base, f.Horizon)
	if err != nil {
		return nil, err
	}
	for i := range f.Courses {
		f.Courses[i].Binds = m.binds(i, likely)
	}
	f.Flips = m.flips(likely)
	order := rank(base)
	sorted := make([]Course, len(order))
	for place, i := range order {
		sorted[place] = f.Courses[i]
	}
	f.Courses = sorted
	return f, nil
}

func prepare(in Input) (*model, error) {
	if in.Runs < 1 || in.Runs > 100_000 {
		return nil, fmt.Errorf("runs: from 1 to 100,000, not %d", in.Runs)
	}
	if err := in.Estate.check(); err != nil {
		return nil, err
	}
	dark, slow := in.Assumptions.list[unreachable], in.Assumptions.list[late]
	if dark.High+slow.High >= 1 {
		return nil, fmt.Errorf("assumptions %q and %q: their highest values together leave no device that answers", dark.ID, slow.ID)
	}
	list, held, err := methods(in.Key)
	if err != nil {
		return nil, err
	}
	relevant, sleepers, err := in.Estate.relevant(held, in.Party, in.Assumptions)
	if err != nil {
		return nil, err
	}
	if relevant.Devices == 0 {
		return nil, fmt.Errorf("the estate has no device that holds this key: there is nothing to forecast")
	}
	m := &model{Input: in, methods: list, relevant: relevant, sleepers: sleepers, byTravel: slices.Clone(in.Custodians)}
	if m.held, err = in.holdings(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(m.byTravel, func(a, b Custodian) int { return cmp.Compare(a.Travel, b.Travel) })
	return m, nil
}

func (m *model) likely() (d draw) {
	for i, a := range m.Assumptions.list {
		d[i] = a.Likely
	}
	return d
}

// likelyQuorum is the quorum if everyone does what is likelier.
func (m *model) likelyQuorum(d *draw) quorums {
	away := make([]bool, len(m.byTravel))
	for i := range away {
		away[i] = d[custodianAway] > 0.5
	}
	return m.quorum(d, away)
}

func (m *model) courses(d *draw, q quorums) []course {
	all := make([]course, len(m.methods))
	for i := range m.methods {
		all[i] = m.methods[i].course(&m.relevant, m.sleepers, d, q)
	}
	return all
}

// rank orders courses, the first one first.
func rank(all []course) []int {
	order := make([]int, len(all))
	score := make([][2]float64, len(all))
	for i := range all {
		order[i] = i
		score[i] = [2]float64{all[i].safe.settles(0.95), all[i].recovered.settles(0.95)}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		for k := range score[a] {
			// Two that differ by less than a minute are even.
			if d := score[a][k] - score[b][k]; math.Abs(d) > 1.0/60 {
				if d < 0 {
					return -1
				}
				return 1
			}
		}
		return 0
	})
	return order
}

// horizon is where curves are cut off: when the slowest method that is of any use
// has nearly done, and not beyond four times the fastest.
func horizon(all []course) float64 {
	shortest, longest := math.Inf(1), 0.0
	for i := range all {
		at := all[i].safe.settles(0.995)
		if !math.IsInf(at, 0) {
			shortest, longest = min(shortest, at), max(longest, at)
		}
	}
	return min(longest*1.1, shortest*4)
}

// figure is one number of one course in one run.
const (
	figPrepared = iota
	figMissed
	figSafe
	figRecovered = figSafe + len(Shares)
	figCurve     = figRecovered + len(Shares)
	figCount     = figCurve + len(Course{}.Curve)
)

func (m *model) figuresOf(c *course, horizon float64, out []float32) {
	out[figPrepared] = float32(c.prepared)
	out[figMissed] = float32(c.missed * float64(m.relevant.Devices))
	for k, s := range Shares {
		out[figSafe+k] = float32(c.safe.settles(s))
		out[figRecovered+k] = float32(c.recovered.settles(s))
	}
	for k := range len(Course{}.Curve) {
		out[figCurve+k] = float32(c.safe.at(horizon * float64(k) / float64(len(Course{}.Curve)-1)))
	}
}

// bands draws the assumptions Runs times and works every method out for each draw.
func (m *model) bands(ctx context.Context, base []course, horizon float64) ([]Course, error) {
	// One row a figure, so that a row is sorted where it lies.
	table := make([][][]float32, len(m.methods))
	for i := range table {
		table[i] = make([][]float32, figCount)
		for k := range table[i] {
			table[i][k] = make([]float32, m.Runs)
		}
	}
	first := make([]atomic.Int64, len(m.methods))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			row := make([]float32, figCount)
			for ctx.Err() == nil {
				run := int(next.Add(1)) - 1
				if run >= m.Runs {
					return
				}
				d, quorum := m.drawn(run)
				all := m.courses(&d, quorum)
				first[rank(all)[0]].Add(1)
				for i := range all {
					m.figuresOf(&all[i], horizon, row)
					for k, v := range row {
						table[i][k][run] = v
					}
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("forecasting: %w", err)
	}
	out := make([]Course, len(m.methods))
	row := make([]float32, figCount)
	for i := range out {
		m.figuresOf(&base[i], horizon, row)
		band := func(k int) Band {
			slices.Sort(table[i][k])
			b := Band{Low: at(table[i][k], 0.05), Likely: finite(row[k]), High: at(table[i][k], 0.95)}
			return b.around()
		}
		c := &out[i]
		c.Method, c.First = m.methods[i], float64(first[i].Load())/float64(m.Runs)
		c.Prepared, c.Missed = band(figPrepared), band(figMissed)
		for k := range Shares {
			c.Safe[k], c.Recovered[k] = band(figSafe+k), band(figRecovered+k)
		}
		for k := range c.Curve {
			c.Curve[k] = Point{Hours: horizon * float64(k) / float64(len(c.Curve)-1), Share: band(figCurve + k)}
			c.Trusting[k] = base[i].recovered.at(c.Curve[k].Hours)
		}
	}
	return out, nil
}

// drawn is a run's draw. It depends on seed and run alone, not on who works it out.
func (m *model) drawn(run int) (draw, quorums) {
	r := rand.New(rand.NewPCG(m.Seed, uint64(run)))
	var d draw
	for i, a := range m.Assumptions.list {
		d[i] = triangle(r.Float64(), a)
	}
	away := make([]bool, len(m.byTravel))
	for i := range away {
		away[i] = r.Float64() < d[custodianAway]
	}
	return d, m.quorum(&d, away)
}

// triangle turns an even number into one of the triangle of an assumption.
func triangle(u float64, a Assumption) float64 {
	width := a.High - a.Low
	if width == 0 {
		return a.Likely
	}
	if edge := (a.Likely - a.Low) / width; u < edge {
		return a.Low + math.Sqrt(u*width*(a.Likely-a.Low))
	}
	return a.High - math.Sqrt((1-u)*width*(a.High-a.Likely))
}

func at(sorted []float32, share float64) float64 {
	return finite(sorted[int(math.Round(share*float64(len(sorted)-1)))])
}

// finite makes a number that JSON can write of one that may be infinite.
func finite(v float32) float64 {
	if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
		return -1
	}
	return float64(v)
}
