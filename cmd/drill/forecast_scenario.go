package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"smki.example/drills/forecast"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// everyKey is what the devices of a drill hold anchors for.
var everyKey = []string{"supplier", "network operator", "acb", "transcos", "recovery", "root"}

// keyOfRole is what a forecast calls the key of a party's role.
var keyOfRole = map[string]string{"supplier": "supplier", "networkOperator": "network operator"}

// ofScenario turns a drill into what a forecast is made from. What the drill says
// replaces the pack's assumption, with the drill as its source; what it leaves
// open stays as it was. A run obeys the same rules, so that the two can be
// compared: the estate's rate is scaled with its size, a late device answers
// between 20 and 100 minutes later, a device is tried three times half an hour
// apart.
func ofScenario(s *scenario.Scenario, p *procedure.Pack, pack *forecast.Pack, devices int) (forecast.Input, error) {
	e := s.Estate
	if devices == 0 {
		devices = e.Devices
	}
	in := forecast.Input{
		Assumptions: pack.Assumptions, Key: "supplier", Needed: p.Threshold.Shares, NeededParties: p.Threshold.Parties,
		Estate: forecast.Estate{
			Devices: devices, Premises: int(math.Ceil(float64(devices) / devicesPerPremises)), Types: []forecast.Type{{Type: "esme", Share: 1, Holds: everyKey}},
			Regions: []forecast.Share{{Name: "north"}, {Name: "central", Share: 1}, {Name: "south"}},
		},
	}
	for _, c := range p.Custodians {
		in.Custodians = append(in.Custodians, forecast.Custodian{Name: c.Seat, Party: c.Party, Travel: c.Travel.Hours()})
	}
	if len(e.Regions) > 0 {
		in.Estate.Regions[1].Share = 0
		for _, r := range e.Regions {
			for i := range in.Estate.Regions {
				if in.Estate.Regions[i].Name == r.Name {
					in.Estate.Regions[i].Share = r.Share
				}
			}
		}
	}
	story := told(s)
	in.Key = story.key
	in.Estate.Parties = []forecast.Share{{Name: story.party, Share: 1}}
	in.Party = story.party

	drill := "drill " + s.ID
	rate := float64(e.Rate.PerHour) * float64(devices) / float64(e.Devices)
	changes := []forecast.Assumption{
		near("unreachable", e.Unreachable, 0.5, 2, drill), near("late", e.Late, 0.5, 2, drill),
		near("late from", (20 * time.Minute).Hours(), 1, 1, "rule of every drill"), near("late to", (100 * time.Minute).Hours(), 1, 1, "rule of every drill"),
		near("try again", 0.5, 1, 1, "rule of every drill"), near("answer", 1, 1, 1, "rule of every drill: who can be reached answers"),
		near("quarantine", 1e15, 1, 1, "no threshold in this drill"), near("token", 1e9, 1, 1, "no limit in a drill; --measure puts a measurement here"),
		near("custodian travel", 1, 0.8, 2, "travel times of the procedure pack"), near("custodian away", 0.05, 0, 4, "sample"),
		near("decision", story.decided.Hours(), 0.7, 3, drill+", if the script decides at once"),
		near("certificates", story.certified.Hours(), 0.7, 3, drill), near("ready", story.certified.Hours(), 0.7, 6, drill),
		near("attack", story.attack*float64(devices)/float64(e.Devices), 1, 1, drill), near("attack from", story.attacked.Hours(), 1, 1, drill),
	}
	for i, r := range in.Estate.Regions {
		changes = append(changes, near("wan "+r.Name, math.Max(rate*in.Estate.Regions[i].Share, 1), 0.6, 1.3, fmt.Sprintf("%s: %d an hour (%s), by share", drill, e.Rate.PerHour, e.Rate.Note)))
	}
	for _, c := range changes {
		was, known := in.Assumptions.Find(c.ID)
		if !known {
			return in, fmt.Errorf("internal error: no assumption %q", c.ID)
		}
		c.Says, c.Unit, c.Mark = was.Says, was.Unit, "I"
		var err error
		if in.Assumptions, err = in.Assumptions.With(c); err != nil {
			return in, err
		}
	}
	return in, nil
}

// devicesPerPremises is the sample figure of every drill.
const devicesPerPremises = 1.9

// near is an assumption whose likely value is a scenario's.
func near(id string, likely, low, high float64, source string) forecast.Assumption {
	return forecast.Assumption{ID: id, Low: likely * low, Likely: likely, High: likely * high, Source: source}
}

// A story is what a scenario's timeline says that a forecast can use.
type story struct {
	key, party string
	decided    time.Duration // when the script has decided on a key
	certified  time.Duration // when the first replacement begins
	attack     float64       // devices an hour, in the scenario's own size
	attacked   time.Duration
}

// told reads a timeline: whose keys are replaced first, and when.
func told(s *scenario.Scenario) story {
	t := story{key: "supplier", party: "the affected party"}
	for _, item := range s.Timeline {
		switch {
		case item.Decide != "":
			d, _ := s.Decision(item.Decide)
			for _, o := range d.Options {
				if o.Opens != nil && t.decided == 0 {
					t.decided = item.At + d.Takes
				}
			}
		case item.Do != nil && item.Do.Verb == "attack":
			for _, p := range item.Do.Params {
				if n, err := strconv.ParseFloat(p.Value.Text, 64); p.Name == "per hour" && err == nil {
					t.attack, t.attacked = n, item.At
				}
			}
		case item.Do != nil && item.Do.Verb == "replace" && t.certified == 0:
			t.certified = item.At
			if p, known := s.Party(item.Do.Object.Text); known {
				t.party = p.Name
				if key := keyOfRole[p.Role]; key != "" {
					t.key = key
				}
			}
		}
	}
	return t
}
