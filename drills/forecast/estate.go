package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// An Estate is the devices of a forecast, in shares: what there is, where, and
// whose. The three cuts are taken as independent of each other.
type Estate struct {
	Premises int     `yaml:"premises" json:"premises"`
	Devices  int     `yaml:"devices" json:"devices"`
	Types    []Type  `yaml:"types" json:"types"`
	Regions  []Share `yaml:"regions" json:"regions"` // of North, Central and South, in this order
	Parties  []Share `yaml:"parties" json:"parties"` // suppliers
}

// A Type of device: its share, whose keys it holds, and whether it sleeps
// between messages.
type Type struct {
	Type   string   `yaml:"type" json:"type"`
	Share  float64  `yaml:"share" json:"share"`
	Holds  []string `yaml:"holds" json:"holds"`
	Sleepy bool     `yaml:"sleepy" json:"sleepy"`
}

// A Share is a named part of the whole.
type Share struct {
	Name  string  `yaml:"name" json:"name"`
	Share float64 `yaml:"share" json:"share"`
}

// A Custodian, the party that employs that person, and the hours until he or she
// is at the ceremony.
type Custodian struct {
	Name   string  `yaml:"name" json:"name"`
	Party  string  `yaml:"party" json:"party"`
	Travel float64 `yaml:"travel" json:"travel"`
}

// A Holding is how custodians hold one key: by which of their names, how many open
// it, and of how many parties those must be.
type Holding struct {
	Key     string
	Seats   []string
	Needed  int
	Parties int
}

// holdings are those of every key that custodians hold. An error says which can never
// be opened.
func (in *Input) holdings() (all [guardedCount]Holding, err error) {
	for key, name := range guardedKeys {
		h := Holding{Key: name, Needed: in.Needed, Parties: in.NeededParties}
		for _, c := range in.Custodians {
			h.Seats = append(h.Seats, c.Name)
		}
		if i := slices.IndexFunc(in.Custody, func(own Holding) bool { return own.Key == name }); i >= 0 {
			h = in.Custody[i]
		}
		parties := map[string]bool{}
		seats := 0
		for _, c := range in.Custodians {
			if slices.Contains(h.Seats, c.Name) {
				seats++
				parties[c.Party] = true
			}
		}
		switch {
		case h.Needed < 1 || h.Needed > seats:
			return all, fmt.Errorf("custodians needed for the %s key: from 1 to %d, not %d", strings.TrimSuffix(name, " key"), seats, h.Needed)
		case h.Parties > len(parties):
			return all, fmt.Errorf("custodians of %d parties needed for the %s key: the custodians are of %d", h.Parties, strings.TrimSuffix(name, " key"), len(parties))
		}
		all[key] = h
	}
	return all, nil
}

// regionNames are those of the national network, in the order of the assumptions.
var regionNames = []string{"north", "central", "south"}

func (e *Estate) check() error {
	if e.Devices < 1 || e.Devices > 1_000_000_000 {
		return fmt.Errorf("an estate of %d devices: from 1 to 1,000,000,000", e.Devices)
	}
	var names []string
	for _, r := range e.Regions {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, regionNames) {
		return fmt.Errorf("regions %q of the estate: they are %s, in this order", names, strings.Join(regionNames, ", "))
	}
	types := make([]Share, len(e.Types))
	for i, t := range e.Types {
		types[i] = Share{t.Type, t.Share}
	}
	for what, shares := range map[string][]Share{"types": types, "regions": e.Regions, "parties": e.Parties} {
		sum := 0.0
		for _, s := range shares {
			if s.Share < 0 {
				return fmt.Errorf("%s of the estate: %q has a share below 0", what, s.Name)
			}
			sum += s.Share
		}
		if math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("%s of the estate add up to %g, not to 1", what, sum)
		}
	}
	return nil
}

// Relevant is how many devices a compromised key concerns, counted by region,
// type, party and by how they answer. Each cut adds up to Devices.
type Relevant struct {
	Devices  int     `json:"devices"`
	Premises int     `json:"premises"` // an estimate: devices over devices a premises
	ByRegion []Count `json:"by_region"`
	ByType   []Count `json:"by_type"`
	ByParty  []Count `json:"by_party"`
	ByState  []Count `json:"by_state"`
}

// A Count is a number of devices with a name.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// relevant counts the devices that hold a key, one party's only if party is a name.
// sleepers is the share of them that are of a type that sleeps.
func (e *Estate) relevant(key, party string, a *Assumptions) (r Relevant, sleepers float64, err error) {
	held, sleepy := 0.0, 0.0
	var types []Share
	for _, t := range e.Types {
		if slices.Contains(t.Holds, key) {
			held += t.Share
			types = append(types, Share{t.Type, t.Share})
			if t.Sleepy {
				sleepy += t.Share
			}
		}
	}
	if held == 0 {
		return r, 0, fmt.Errorf("no type of device of this estate holds a key of %q", key)
	}
	sleepers = sleepy / held
	parties := e.Parties
	if party != "" {
		i := slices.IndexFunc(parties, func(s Share) bool { return s.Name == party })
		if i < 0 {
			return r, 0, fmt.Errorf("no party of this estate is called %q", party)
		}
		held *= parties[i].Share
		parties = parties[i : i+1]
	}
	n := int(math.Round(held * float64(e.Devices)))
	dark, slow := a.list[unreachable].Likely, a.list[late].Likely
	asleep := sleepers * (1 - dark - slow)
	r = Relevant{Devices: n, ByRegion: apportion(n, e.Regions), ByType: apportion(n, types), ByParty: apportion(n, parties)}
	r.Premises = int(math.Round(float64(n) * float64(e.Premises) / float64(e.Devices)))
	r.ByState = apportion(n, []Share{{"answer at once", 1 - dark - slow - asleep}, {"sleep between messages", asleep}, {"answer late", slow}, {"never answer", dark}})
	return r, sleepers, nil
}

func sumOf(shares []Share) float64 {
	sum := 0.0
	for _, s := range shares {
		sum += s.Share
	}
	return sum
}

// apportion cuts n into whole numbers by shares, the largest remainders first, so
// that they add up to n.
func apportion(n int, shares []Share) []Count {
	sum := sumOf(shares)
	counts := make([]Count, len(shares))
	rest := make([]float64, len(shares))
	left := n
	for i, s := range shares {
		exact := float64(n) * s.Share / sum
		counts[i] = Count{s.Name, int(exact)}
		rest[i] = exact - float64(counts[i].Count)
		left -= counts[i].Count
	}
	for ; left > 0; left-- {
		i := slices.Index(rest, slices.Max(rest))
		counts[i].Count++
		rest[i] = -1
	}
	return counts
}
