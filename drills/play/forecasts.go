package play

import (
	"context"
	"math"
	"time"

	"smki.example/drills/forecast"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
)

// A Curve is what the forecast says of one method: how many devices will have come
// to the keys they are to end with, over scenario time, if things go as is likely.
type Curve struct {
	ID     string // of the method: "method 3"
	Method string // in words
	Points []report.Point
	// Low and High bound, in nine runs of ten, when 95 of 100 of those that answer are
	// there; -1: never.
	Low, Likely, High time.Duration
	First             float64 // share of runs in which no other method is sooner
	Sample            bool    // it rests on figures that no public text gives
}

// curveRuns are enough for the bands of a curve on a screen.
const curveRuns = 200

// Forecasts are the curves of every method that there is for the key that a drill
// is about, the first by the forecast's ranking first. devices is the size of the
// estate, 0 the scenario's. It takes well under a second.
func Forecasts(ctx context.Context, s *scenario.Scenario, p *procedure.Pack, devices int) ([]Curve, error) {
	pack, err := forecast.National()
	if err != nil {
		return nil, err
	}
	in, err := ForecastInput(s, p, pack, devices)
	if err != nil {
		return nil, err
	}
	in.Runs, in.Seed = curveRuns, 1
	f, err := forecast.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []Curve
	for _, c := range f.Courses {
		curve := Curve{
			ID: c.ID, Method: c.Name, First: c.First, Sample: true,
			Low: after(c.Recovered[1].Low), Likely: after(c.Recovered[1].Likely), High: after(c.Recovered[1].High),
		}
		for k, share := range c.Trusting {
			curve.Points = append(curve.Points, report.Point{At: after(c.Curve[k].Hours), Devices: int(math.Round(share * float64(f.Relevant.Devices)))})
		}
		out = append(out, curve)
	}
	return out, nil
}

// after is hours as scenario time.
func after(hours float64) time.Duration {
	if hours < 0 {
		return -1
	}
	return time.Duration(hours * float64(time.Hour)).Round(time.Second)
}
