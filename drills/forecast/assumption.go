package forecast

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// An Assumption is a figure that nobody knows for certain: what it may be at the
// lowest, is likely to be, and may be at the highest, in Unit. Draws follow a
// triangle over the three. Mark is S (public text), T (test messages or a
// measurement), I (our inference) or K (general knowledge, unverified); Source
// says in words where the figure comes from.
type Assumption struct {
	ID     string  `yaml:"id" json:"id"`
	Says   string  `yaml:"says" json:"says"`
	Unit   string  `yaml:"unit" json:"unit"`
	Low    float64 `yaml:"low" json:"low"`
	Likely float64 `yaml:"likely" json:"likely"`
	High   float64 `yaml:"high" json:"high"`
	Source string  `yaml:"source" json:"source"`
	Mark   string  `yaml:"mark" json:"mark"`
}

// The figures that the model knows, in the order in which reports list them. A
// pack must have each of them and no other.
const (
	decisionTime = iota
	certificateTime
	readyTime
	custodianTravel
	custodianAway
	quorumFails
	ceremonyTime
	tokenRate
	wanNorth
	wanCentral
	wanSouth
	quarantineRate
	requestRate
	unreachable
	late
	lateFrom
	lateTo
	sleepyWake
	firstTry
	tryAgain
	attackRate
	attackFrom
	ownBegin
	ownEnd
	figures
)

var figureIDs = [figures]string{
	"decision", "certificates", "ready", "custodian travel", "custodian away", "quorum fails", "ceremony",
	"token", "wan north", "wan central", "wan south", "quarantine", "requests",
	"unreachable", "late", "late from", "late to", "wake", "answer", "try again", "attack", "attack from",
	"own begin", "own end",
}

// shareFigures are fractions of one; no other figure has an upper bound.
var shareFigures = []int{custodianAway, unreachable, late, firstTry}

// unlimited stands for a rate that limits nothing.
const unlimited = 1e15

// Assumptions are a full set, in the order of the model. They are not changed
// after they were made; Set gives a changed copy.
type Assumptions struct{ list [figures]Assumption }

// List is a copy of all of them.
func (a *Assumptions) List() []Assumption { return slices.Clone(a.list[:]) }

// Find returns one by its id.
func (a *Assumptions) Find(id string) (Assumption, bool) {
	i := slices.Index(figureIDs[:], id)
	if i < 0 {
		return Assumption{}, false
	}
	return a.list[i], true
}

// With returns a copy in which one figure is another. It is an error if no
// figure has that id or the values are out of bounds; the error says which are.
func (a *Assumptions) With(changed Assumption) (*Assumptions, error) {
	i := slices.Index(figureIDs[:], changed.ID)
	if i < 0 {
		return nil, fmt.Errorf("no assumption is called %q; there are: %s", changed.ID, strings.Join(figureIDs[:], ", "))
	}
	if err := check(i, changed); err != nil {
		return nil, err
	}
	b := *a
	b.list[i] = changed
	return &b, nil
}

// Set returns a copy changed by words such as "wan north=40000" (certain) or
// "wan north=20000..40000..50000" (low, likely, high). The source of the figure
// is then whoever set it.
func (a *Assumptions) Set(words, source string) (*Assumptions, error) {
	id, value, found := strings.Cut(words, "=")
	id = strings.TrimSpace(id)
	was, known := a.Find(id)
	if !found || !known {
		return nil, fmt.Errorf("assumption %q: write ID=VALUE or ID=LOW..LIKELY..HIGH, where ID is one of: %s", words, strings.Join(figureIDs[:], ", "))
	}
	parts := strings.Split(value, "..")
	var values []float64
	for _, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil {
			return nil, fmt.Errorf("assumption %q: %q is no number", id, p)
		}
		values = append(values, v)
	}
	switch len(values) {
	case 1:
		was.Low, was.Likely, was.High = values[0], values[0], values[0]
	case 3:
		was.Low, was.Likely, was.High = values[0], values[1], values[2]
	default:
		return nil, fmt.Errorf("assumption %q: write one value, or LOW..LIKELY..HIGH", id)
	}
	was.Source, was.Mark = source, "I"
	return a.With(was)
}

// check says what is wrong with an assumption.
func check(i int, a Assumption) error {
	switch {
	case !(a.Low <= a.Likely && a.Likely <= a.High):
		return fmt.Errorf("assumption %q: low, likely and high must not fall: %g, %g, %g", a.ID, a.Low, a.Likely, a.High)
	case a.Low < 0 || a.High > 1e18:
		return fmt.Errorf("assumption %q: values from 0 to 1e18: %g to %g", a.ID, a.Low, a.High)
	case slices.Contains(shareFigures, i) && a.High > 1:
		return fmt.Errorf("assumption %q is a share: from 0 to 1, not %g", a.ID, a.High)
	case isRate(i) && a.Low == 0:
		return fmt.Errorf("assumption %q is a rate: more than 0", a.ID)
	case i == firstTry && a.Low == 0:
		return fmt.Errorf("assumption %q: some tries must succeed", a.ID)
	case a.Says == "" || a.Source == "" || !slices.Contains([]string{"S", "T", "I", "K"}, a.Mark):
		return fmt.Errorf("assumption %q needs says, source and a mark of S, T, I or K", a.ID)
	}
	return nil
}

func isRate(i int) bool { return i >= tokenRate && i <= requestRate }

//go:embed national.yaml
var national []byte

// National is the shipped estate of Great Britain with its assumptions: sample
// data, but for what names a public source.
func National() (*Pack, error) { return ParsePack("national.yaml", national) }

// A Pack is an estate with the assumptions made about it, as a file.
type Pack struct {
	ID          string       `yaml:"id"`
	Version     int          `yaml:"version"`
	Title       string       `yaml:"title"`
	Estate      Estate       `yaml:"estate"`
	Custodians  []Custodian  `yaml:"custodians"`
	Needed      int          `yaml:"custodians needed"`
	NeededOf    int          `yaml:"of parties at least"`
	Assumptions *Assumptions `yaml:"-"`
	List        []Assumption `yaml:"assumptions"`
}

// ParsePack reads a pack strictly. name is for the errors, which name line and
// column, or the assumption and the rule.
func ParsePack(name string, text []byte) (*Pack, error) {
	p := &Pack{Assumptions: &Assumptions{}}
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s:%s", name, yaml.FormatError(err, false, false))
	}
	for i, id := range figureIDs {
		n := slices.IndexFunc(p.List, func(a Assumption) bool { return a.ID == id })
		if n < 0 {
			return nil, fmt.Errorf("%s: assumption %q is missing", name, id)
		}
		if err := check(i, p.List[n]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.Assumptions.list[i] = p.List[n]
	}
	if len(p.List) != figures {
		return nil, fmt.Errorf("%s: %d assumptions, of which %d are known once: %s", name, len(p.List), figures, strings.Join(figureIDs[:], ", "))
	}
	if err := p.Estate.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if p.Needed < 1 || p.Needed > len(p.Custodians) {
		return nil, fmt.Errorf("%s: custodians needed: from 1 to %d, not %d", name, len(p.Custodians), p.Needed)
	}
	return p, nil
}

// NationalSource is the file that National reads, for a planner to copy.
func NationalSource() []byte { return slices.Clone(national) }
