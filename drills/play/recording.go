package play

import (
	"errors"
	"fmt"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// A Recording is what people did in an earlier run, read from its journal: the
// engine's, which has what they decided and how they held the exercise, and which
// custodians kept their shares back. It is for one run.
type Recording struct {
	*engine.Recording
	openings map[string][]opening // by label of the key, in order; empty where nobody was asked
}

// An opening is what each custodian did when a key was to be opened, by seat.
type opening map[string]verbs.ShareGiven

// ReadRecording reads the entries of a journal, of one that was broken off as far
// as it goes.
func ReadRecording(entries []journal.Entry) (*Recording, error) {
	read, err := engine.ReadRecording(entries)
	if err != nil {
		return nil, err
	}
	r := &Recording{Recording: read, openings: map[string][]opening{}}
	asked := false
	for _, e := range entries {
		if e.Kind != journal.KindCustody {
			continue
		}
		var c verbs.Custody
		if err := e.Decode(&c); err != nil {
			return nil, fmt.Errorf("reading entry %d of the record: %w", e.Seq, err)
		}
		if len(c.Shares) == 0 {
			continue // custodians were called, or the key was closed
		}
		o := opening{}
		for _, s := range c.Shares {
			o[s.Custodian] = s
			asked = asked || s.Handed || s.Withheld
		}
		r.openings[c.Key] = append(r.openings[c.Key], o)
	}
	if !asked {
		r.openings = nil
	}
	return r, nil
}

// Again is how a recorded run is played again: with its scenario, procedure pack,
// size, seed and dates, and with what people did in it. Who answers what was not
// recorded, where the pack is to be, and the record key are left to the caller.
func Again(entries []journal.Entry) (Config, error) {
	recording, err := ReadRecording(entries)
	if err != nil {
		return Config{}, err
	}
	start := recording.Start()
	cfg := Config{Devices: start.Devices, Seed: start.Seed, Epoch: start.Epoch, Recording: recording}
	if cfg.Procedure, err = report.PackOf(start); err != nil {
		return Config{}, err
	}
	if start.ScenarioText == "" {
		return Config{}, errors.New("the journal does not hold its scenario: it was written by an earlier version")
	}
	if cfg.Scenario, err = scenario.Parse(start.Scenario+".yaml", []byte(start.ScenarioText), verbs.Vocabulary(cfg.Procedure)); err != nil {
		return Config{}, err
	}
	if cfg.Scenario.SHA256() != start.SHA256 {
		return Config{}, errors.New("the scenario in the journal is not the one whose hash stands beside it; check the pack with drill verify")
	}
	return cfg, nil
}
