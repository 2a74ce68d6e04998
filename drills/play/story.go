package play

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/forecast"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// everyKey is what an electricity meter holds anchors for.
var everyKey = []string{"supplier", "network operator", "acb", "transcos", "recovery", "root"}

// keyOfRole is what a forecast calls the key of a party's role.
var keyOfRole = map[string]string{"supplier": "supplier", "networkOperator": "network operator"}

// keyOfObject is what a forecast calls the key that a verb is about, where it is no
// party's of the scenario.
var keyOfObject = map[string]string{
	"acb": "acb", "transcos": "transcos", "wan provider": "wan provider", "recovery": "recovery", "recovery key": "recovery", "root": "root",
	"root certificate": "contingency", "contingency key": "contingency", "issuing-oca": "issuing-oca", "issuing-dca": "issuing-dca",
}

// ForecastInput turns a drill into what a forecast is made from. What the drill says
// replaces the pack's assumption, with the drill as its source; what it leaves
// open stays as it was. A run obeys the same rules, so that the two can be
// compared: the estate's rate is scaled with its size, a late device answers
// between 20 and 100 minutes later, a device is tried three times half an hour
// apart.
func ForecastInput(s *scenario.Scenario, p *procedure.Pack, pack *forecast.Pack, devices int) (forecast.Input, error) {
	e := s.Estate
	if devices == 0 {
		devices = e.Devices
	}
	in := forecast.Input{
		Assumptions: pack.Assumptions, Key: "supplier",
		Estate: forecast.Estate{
			Devices: devices, Premises: int(math.Ceil(float64(devices) / verbs.DevicesPerPremises)), Types: []forecast.Type{{Type: "esme", Share: 1, Holds: everyKey}},
			Regions: []forecast.Share{{Name: "north"}, {Name: "central", Share: 1}, {Name: "south"}},
		},
	}
	for _, c := range p.Custodians {
		in.Custodians = append(in.Custodians, forecast.Custodian{Name: c.Seat, Party: c.Party, Travel: c.Travel.Hours()})
	}
	for _, secret := range procedure.Secrets() {
		held := p.CustodyOf(secret)
		in.Custody = append(in.Custody, forecast.Holding{Key: secret, Seats: held.Seats, Needed: held.Shares, Parties: held.Parties})
	}
	if len(e.Types) > 0 {
		in.Estate.Types = nil
		for _, t := range pack.Estate.Types {
			for _, own := range e.Types {
				if own.Name == t.Type {
					in.Estate.Types = append(in.Estate.Types, forecast.Type{Type: t.Type, Share: own.Share, Holds: t.Holds, Sleepy: e.Sleepy > 0 && t.Sleepy})
				}
			}
		}
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
	in.Estate.Parties, in.Party = holders(s, story)

	drill := "drill " + s.ID
	rate := float64(e.Rate.PerHour) * float64(devices) / float64(e.Devices)
	changes := []forecast.Assumption{
		near("unreachable", e.Unreachable, 0.5, 2, drill), near("late", e.Late, 0.5, 2, drill),
		near("late from", verbs.LateFrom.Hours(), 1, 1, "rule of every drill"), near("late to", verbs.LateTo.Hours(), 1, 1, "rule of every drill"),
		near("try again", verbs.AgainAfter.Hours(), 1, 1, "rule of every drill"), near("answer", 1, 1, 1, "rule of every drill: who can be reached answers"),
		near("quarantine", 1e15, 1, 1, "no threshold in this drill"), near("token", 1e9, 1, 1, "no limit in a drill; --measure puts a measurement here"),
		near("custodian travel", 1, 0.8, 2, "travel times of the procedure pack"), near("custodian away", 0.05, 0, 4, "sample"),
		near("decision", story.decided.Hours(), 0.7, 3, drill+", if the script decides at once"),
		near("certificates", story.certified.Hours(), 0.7, 3, drill), near("ready", story.ready.Hours(), 0.7, 6, drill),
		near("ceremony", story.ceremony(in.Custodians), 0.7, 4, drill+"; a ceremony takes two hours, or the journey of the last custodian"),
		near("attack", story.attack*float64(devices)/float64(e.Devices), 1, 1, drill), near("attack from", story.attacked.Hours(), 1, 1, drill),
		near("own begin", story.own.Hours(), 1, 1, drill+", by the script's answers"), near("own end", story.ownEnds().Hours(), 1, 1, drill+", by the script's answers"),
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

// near is an assumption whose likely value is a scenario's.
func near(id string, likely, low, high float64, source string) forecast.Assumption {
	return forecast.Assumption{ID: id, Low: likely * low, Likely: likely, High: likely * high, Source: source}
}

// A story is what a scenario's timeline says that a forecast can use.
type story struct {
	key, party string
	decided    time.Duration // when the script has decided on a key
	certified  time.Duration // when the first replacement begins
	ready      time.Duration // when the party takes its devices back from the broker, 0 if the script does not say
	renewed    time.Duration // when new keys are made, 0 if they are not
	attack     float64       // devices an hour, in the scenario's own size
	attacked   time.Duration
	own        time.Duration // when the party begins by itself, by the script's answers, before anybody decided; 0: it does not
	held       time.Duration // when its traffic is held; 0: it is not
}

// ceremony is how long it takes from the decision until new keys of an authority
// or of custodians are there, in hours.
func (t story) ceremony(custodians []forecast.Custodian) float64 {
	longest := verbs.CeremonyAfter.Hours()
	for _, c := range custodians {
		longest = max(longest, c.Travel)
	}
	return max((t.renewed-t.decided).Hours(), 0) + longest
}

// holders are the parties that share the devices of a role, and the one whose key
// is compromised; nothing where it is no party's of the scenario.
func holders(s *scenario.Scenario, t story) ([]forecast.Share, string) {
	if t.party == "" {
		return []forecast.Share{{Name: "all parties", Share: 1}}, ""
	}
	var role string
	for _, p := range s.Parties {
		if p.Name == t.party {
			role = p.Role
		}
	}
	var shares []forecast.Share
	left, unnamed := 1.0, 0
	for _, p := range s.Parties {
		if p.Role != role {
			continue
		}
		share := -1.0
		for _, held := range s.Estate.Held {
			if held.Name == p.ID {
				share = held.Share
				left -= share
			}
		}
		if share < 0 {
			unnamed++
		}
		shares = append(shares, forecast.Share{Name: p.Name, Share: share})
	}
	for i := range shares {
		if shares[i].Share < 0 {
			shares[i].Share = left / float64(unnamed)
		}
	}
	return shares, t.party
}

// answered reads what the script's answer to a question has happen: whether the
// party begins by itself before anybody decided, and when its traffic is held.
func (t *story) answered(at time.Duration, d *scenario.Decision) {
	o, is := d.Option(d.ScriptedFor(1))
	if !is {
		return
	}
	for _, q := range o.Then {
		switch do := q.Do; {
		case do == nil:
		case do.Verb == "replace" && by(do) == "method 1" && t.decided == 0 && t.own == 0:
			t.own = at + q.After
		case do.Verb == "freeze" && t.held == 0:
			t.held = at + q.After
		}
	}
}

// ownEnds is when a party that began by itself is stopped: when its traffic is held,
// or else when another method takes its place, which the forecast works out.
func (t story) ownEnds() time.Duration {
	switch {
	case t.own == 0:
		return 0
	case t.held > 0:
		return t.held
	}
	return untilOther
}

// untilOther is later than any method.
const untilOther = 10 * 365 * 24 * time.Hour

// by is the method of a verb, if it has one.
func by(do *scenario.Action) string {
	for _, p := range do.Params {
		if p.Name == "by" {
			return p.Value.Text
		}
	}
	return ""
}

// told reads a timeline: whose keys are replaced first, and when.
func told(s *scenario.Scenario) story {
	t := story{}
	for _, item := range s.Timeline {
		switch {
		case item.Decide != "":
			d, _ := s.Decision(item.Decide)
			t.answered(item.At+d.Takes, d)
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
		case item.Do != nil && item.Do.Verb == "replace" && t.certified == 0 && item.When == nil && by(item.Do) != "method 2":
			// Method 2 begins without the party's new certificates.
			t.certified = item.At
		case item.Do != nil && item.Do.Verb == "freeze" && t.held == 0:
			t.held = item.At
		case item.Do != nil && item.Do.Verb == "hand over" && t.ready == 0:
			t.ready = item.At
		case item.Do != nil && item.Do.Verb == "renew" && t.renewed == 0:
			t.renewed = item.At
		}
		// What is attacked, renewed or replaced first is what the drill is about.
		if item.Do != nil && t.key == "" && slices.Contains([]string{"attack", "renew", "replace", "change supplier"}, item.Do.Verb) {
			if p, known := s.Party(item.Do.Object.Text); known {
				t.key, t.party = keyOfRole[p.Role], p.Name
			} else {
				t.key = keyOfObject[item.Do.Object.Text]
			}
		}
	}
	if t.ready == 0 {
		t.ready = t.certified
	}
	if t.key == "" {
		t.key = "supplier"
		for _, p := range s.Parties {
			if p.Role == "supplier" && t.party == "" {
				t.party = p.Name
			}
		}
	}
	return t
}
