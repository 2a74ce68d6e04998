package play

import (
	"context"

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
	Sample bool // it rests on figures that no public text gives
}

// Forecasts are the curves of every method that there is for the key that a drill
// is about, the first by the forecast's ranking first. devices is the size of the
// estate, 0 the scenario's.
func Forecasts(ctx context.Context, s *scenario.Scenario, p *procedure.Pack, devices int) ([]Curve, error) {
	return nil, nil
}
