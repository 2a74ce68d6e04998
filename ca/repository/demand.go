package repository

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Demand is how much API keys may ask for, and how much their parties have said they
// will (SEC Appendix P 4 and App. A). The limits are ours (I): the Appendix has
// forecasts and a warning, and no refusal.
type Demand struct {
	// Rate is how many requests a second one key may make in the long run, Burst how
	// many at once. Zero: 200 and 2000, because the public client retrieves everything
	// that a search found at the same moment.
	Rate  float64
	Burst int
	// Forecasts are what parties have said they will ask for, by party.
	Forecasts map[string]Forecast
	// Tolerance is the part of a forecast above which a warning is logged. Zero: 1.2
	// (Appendix P 4: 120 %).
	Tolerance float64
	// Location is where days begin and hours are hours. Nil: UTC.
	Location *time.Location
}

// A Forecast is what one party expects to ask for.
type Forecast struct {
	// Daily is the greatest number of requests in a day.
	Daily int
	// Shares are the parts of a day's requests in each [Period]; their sum is 1. All
	// zero: they are not told.
	Shares [4]float64
	// FullDownload is the day on which the full file is fetched.
	FullDownload time.Weekday
}

// A Period is a part of the day for which demand is forecast.
type Period int

// Periods are the four of Appendix P, App. A, by their names.
var periods = [4]string{"00-07", "07-08", "08-20", "20-24"}

// String is the hours, as in the forecast's form.
func (p Period) String() string {
	if p < 0 || int(p) >= len(periods) {
		return fmt.Sprintf("period %d", int(p))
	}
	return periods[p]
}

// PeriodOf is the period that a time of day is in.
func PeriodOf(t time.Time) Period {
	switch h := t.Hour(); {
	case h < 7:
		return 0
	case h < 8:
		return 1
	case h < 20:
		return 2
	default:
		return 3
	}
}

// A Use is what a party has asked for on this day so far, as this process has
// counted it. Several processes count apart, and a restart begins anew.
type Use struct {
	Party    string
	Day      string // 2006-01-02
	Requests [4]int // by period
	Forecast int    // of the day; zero: none was given
}

// A tooMany refuses a request for now.
type tooMany struct{ wait time.Duration }

func (t *tooMany) Error() string {
	return fmt.Sprintf("too many requests with this API key: try again in %d s", t.seconds())
}

func (t *tooMany) seconds() int { return max(1, int(math.Ceil(t.wait.Seconds()))) }

// demand counts. There is one bucket for each key that was ever accepted and one use
// for each party, so that strangers cannot make it grow.
type demand struct {
	Demand
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	buckets map[string]*bucket // by key
	uses    map[string]*use    // by party
}

type bucket struct {
	left float64
	at   time.Time
}

type use struct {
	Use
	warned [5]bool // by period, and of the day
}

func newDemand(d Demand, now func() time.Time, logger *slog.Logger) (*demand, error) {
	if d.Rate == 0 {
		d.Rate = 200
	}
	if d.Burst == 0 {
		d.Burst = 2000
	}
	if d.Tolerance == 0 {
		d.Tolerance = 1.2
	}
	if d.Location == nil {
		d.Location = time.UTC
	}
	if d.Rate < 0 || d.Burst < 1 || d.Tolerance < 1 || math.IsNaN(d.Rate+d.Tolerance) || math.IsInf(d.Rate, 0) {
		return nil, errors.New("want Rate and Burst above zero and Tolerance not below 1")
	}
	for party, f := range d.Forecasts {
		sum := 0.0
		for _, share := range f.Shares {
			if share < 0 {
				sum = math.NaN()
			}
			sum += share
		}
		if f.Daily < 1 || !(sum == 0 || math.Abs(sum-1) < 0.01) || f.FullDownload < time.Sunday || f.FullDownload > time.Saturday {
			return nil, fmt.Errorf("forecast of party %q: want Daily above zero, Shares of which the sum is 1 or zero, and a day of the week", party)
		}
	}
	return &demand{Demand: d, now: now, logger: logger, buckets: map[string]*bucket{}, uses: map[string]*use{}}, nil
}

// take lets one request through, or returns a *tooMany.
func (d *demand) take(key Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	b := d.buckets[key.ID]
	if b == nil {
		b = &bucket{left: float64(d.Burst), at: now}
		d.buckets[key.ID] = b
	}
	if since := now.Sub(b.at); since > 0 {
		b.left, b.at = min(float64(d.Burst), b.left+since.Seconds()*d.Rate), now
	}
	d.countLocked(key.Party, now) // demand is what is asked for, answered or not
	if b.left < 1 {
		return &tooMany{time.Duration((1 - b.left) / d.Rate * float64(time.Second))}
	}
	b.left--
	return nil
}

func (d *demand) countLocked(party string, now time.Time) {
	now = now.In(d.Location)
	day, period := now.Format(time.DateOnly), PeriodOf(now)
	u := d.uses[party]
	f := d.Forecasts[party]
	if u == nil || u.Day != day {
		u = &use{Use: Use{Party: party, Day: day, Forecast: f.Daily}}
		d.uses[party] = u
	}
	u.Requests[period]++
	if f.Daily == 0 {
		return
	}
	total := 0
	for _, n := range u.Requests {
		total += n
	}
	d.warnLocked(u, len(periods), "day", total, float64(f.Daily))
	if f.Shares != [4]float64{} {
		d.warnLocked(u, int(period), period.String(), u.Requests[period], float64(f.Daily)*f.Shares[period])
	}
}

func (d *demand) warnLocked(u *use, n int, what string, requests int, forecast float64) {
	if u.warned[n] || float64(requests) <= forecast*d.Tolerance {
		return
	}
	u.warned[n] = true
	d.logger.Warn("demand above the forecast", "party", u.Party, "day", u.Day, "period", what, "requests", requests, "forecast", math.Round(forecast))
}

// fullFile notes that a party fetches the full file, and says so if it had told of
// another day.
func (d *demand) fullFile(party string) {
	today := d.now().In(d.Location).Weekday()
	if f, told := d.Forecasts[party]; told && f.FullDownload != today {
		d.logger.Info("full file fetched on another day than forecast", "party", party, "weekday", today, "forecast", f.FullDownload)
	}
}

// Uses returns what each party has asked for on the day on which it last asked, in
// the order of their names.
func (r *Repository) Uses() []Use {
	r.demand.mu.Lock()
	defer r.demand.mu.Unlock()
	var all []Use
	for _, u := range r.demand.uses {
		all = append(all, u.Use)
	}
	slices.SortFunc(all, func(a, b Use) int { return strings.Compare(a.Party, b.Party) })
	return all
}
