package procedure

import (
	"slices"
	"time"
)

// Custodian is a seat that holds a share of a key, with the Party that employs
// its holder and the time it takes to come.
type Custodian struct {
	Seat   string        `yaml:"seat"`
	Party  string        `yaml:"party"`
	Travel time.Duration `yaml:"travel"`
}

// Threshold is how many custodians open a key, from how many distinct Parties.
type Threshold struct {
	Shares  int `yaml:"shares"`
	Parties int `yaml:"parties"`
	Basis   `yaml:",inline"`
}

// Custody is how one key, or a secret that goes with it, is held: by which seats,
// in order, and how many of them open it.
type Custody struct {
	Key       string   `yaml:"key"` // one of [Secrets]
	Seats     []string `yaml:"seats"`
	Threshold `yaml:",inline"`
}

// Secrets are what custodians hold shares of.
func Secrets() []string { return []string{"recovery", "contingency", "symmetric key"} }

// CustodyOf returns how a secret is held. One that the pack does not name is held
// by every custodian, under the pack's threshold.
func (p *Pack) CustodyOf(secret string) Custody {
	i := slices.IndexFunc(p.Custody, func(c Custody) bool { return c.Key == secret })
	if i >= 0 {
		return p.Custody[i]
	}
	c := Custody{Key: secret, Threshold: p.Threshold}
	for _, x := range p.Custodians {
		c.Seats = append(c.Seats, x.Seat)
	}
	return c
}

// Holders are the custodians of a secret, in the order of its seats.
func (p *Pack) Holders(secret string) []Custodian {
	var out []Custodian
	for _, seat := range p.CustodyOf(secret).Seats {
		if x, is := p.custodian(seat); is {
			out = append(out, x)
		}
	}
	return out
}

func (p *Pack) custodian(seat string) (Custodian, bool) {
	i := slices.IndexFunc(p.Custodians, func(c Custodian) bool { return c.Seat == seat })
	if i < 0 {
		return Custodian{}, false
	}
	return p.Custodians[i], true
}
