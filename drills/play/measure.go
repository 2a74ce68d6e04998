package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// measuredDevices is how many devices a measurement sends a real command to.
const measuredDevices = 500

// measuring is the smallest drill in which a party replaces its keys.
const measuring = `
drill: 1
id: MEASURE
title: How fast commands are signed and checked here
label: GREEN
rehearses: [method-1]
minutes: 1
estate: {devices: 500, rate: 100000 an hour (measured afterwards)}
parties: {supplier: {name: Exercise Supplier A, category: large supplier, role: supplier}, network: {name: Exercise Networks B, category: electricity network, role: networkOperator}}
steady: [{expect: fleet.count > 0}]
timeline: [{at: 0:10, do: {replace: supplier, by: method 1}}]
decisions: {}
findings: [{expect: fleet.count > 0}]
`

// Measured is how fast commands went through here, for the token's rate in a
// forecast.
type Measured struct {
	Devices int     // that took a real command of three cells
	Rate    float64 // of them a second
}

// Measure replaces the keys of real devices on a real token: commands built, signed,
// checked by the device, and answers checked. What the DCC's module does is not
// known.
func Measure(ctx context.Context, progress func(what string, done, total int)) (Measured, error) {
	rate, err := measure(ctx, progress)
	return Measured{measuredDevices, rate}, err
}

// measure is how many devices a second had their keys replaced.
func measure(ctx context.Context, progress func(what string, done, total int)) (rate float64, err error) {
	room, err := newScratch("")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, room.clear(false)) }()
	p, err := procedure.Sample()
	if err != nil {
		return 0, err
	}
	s, err := scenario.Parse("measure", []byte(measuring), verbs.Vocabulary(p))
	if err != nil {
		return 0, err
	}
	key, err := journal.LoadKey(filepath.Join(room.dir, "record.key"))
	if err != nil {
		return 0, err
	}
	pack, work := filepath.Join(room.dir, "pack"), filepath.Join(room.dir, "world")
	if err := errors.Join(os.Mkdir(pack, 0o700), os.Mkdir(work, 0o700)); err != nil {
		return 0, fmt.Errorf("making the scratch folder: %w", err)
	}
	record, err := journal.Create(filepath.Join(pack, journal.FileName), journal.Config{Key: key, RunID: "measure", Clock: time.Now})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	world, err := verbs.New(ctx, verbs.Config{
		Scenario: s, Procedure: p, Journal: record, Pack: pack, Scratch: work, Devices: measuredDevices, Seed: 1, Epoch: time.Now().UTC().Truncate(time.Hour), Progress: progress,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	begin := 10 * time.Minute
	if err := world.Advance(ctx, begin); err != nil {
		return 0, err
	}
	do := s.Timeline[0].Do
	a := engine.Action{Step: "1", Verb: do.Verb, Object: do.Object.Text, Params: map[string]string{}}
	for _, p := range do.Params {
		a.Params[p.Name] = p.Value.Text
	}
	if err := world.Act(ctx, begin, a); err != nil {
		return 0, err
	}
	started := time.Now()
	for {
		next, more := world.Next()
		if !more {
			break
		}
		if err := world.Advance(ctx, next); err != nil {
			return 0, err
		}
	}
	return measuredDevices / time.Since(started).Seconds(), nil
}
