// Package procedure holds the Recovery Procedure and the Recovery Key Guidance
// as data that a committee can replace.
//
// A [Pack] says which steps the procedure has, who decides and with what
// quorum, which factors are weighed before a key is used, how many custodians
// open one, who must be told by when, which labels papers carry, and what the
// words of the trade mean. None of
// that is in code, because none of the texts it comes from was available to us:
// every item names its source and says whether it was verified, and screens and
// reports show "sample" where it was not. The pack that is shipped, [Sample], is
// all sample.
//
// [Parse] is strict: an unknown word, a reference to nothing or a quorum that
// cannot be met is an error with file, line and column. A Pack is not changed
// after it was made and may be shared.
package procedure

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

// A Pack is one procedure with its guidance.
type Pack struct {
	ID         string      `yaml:"id"`
	Version    int         `yaml:"version"`
	Title      string      `yaml:"title"`
	Source     string      `yaml:"source"`
	Verified   bool        `yaml:"verified"`
	Labels     []string    `yaml:"labels"` // classification, lowest first
	Steps      []Step      `yaml:"steps"`
	Bodies     []Body      `yaml:"bodies"`
	Recipients []string    `yaml:"recipients"`
	Factors    []Factor    `yaml:"factors"`
	Custodians []Custodian `yaml:"custodians"`
	Threshold  Threshold   `yaml:"threshold"`
	Limits     []Limit     `yaml:"limits"`
	Terms      []Term      `yaml:"terms"`
}

// Basis is where an item comes from, and whether somebody held it against the
// text.
type Basis struct {
	Source   string `yaml:"source"`
	Verified bool   `yaml:"verified"`
}

// Note is what a screen prints beside an item: nothing if it was verified.
func (b Basis) Note() string {
	if b.Verified {
		return ""
	}
	return "sample"
}

// Step is a step of the procedure. Phase is pre-recovery, execution or
// post-recovery.
type Step struct {
	ID    string `yaml:"id"`
	Phase string `yaml:"phase"`
	Says  string `yaml:"says"`
	Basis `yaml:",inline"`
}

// Body is somebody who decides. Quorum is the number of votes that must be cast,
// 0 for a body without one. Majority is what one answer must have of them, one of
// [Majorities]; a body with a quorum has it. CastingVote is the member whose vote
// counts once more when the votes are tied, or none.
type Body struct {
	ID          string   `yaml:"id"`
	Name        string   `yaml:"name"`
	Quorum      int      `yaml:"quorum"`
	Majority    string   `yaml:"majority"`
	CastingVote string   `yaml:"casting vote"`
	Members     []Member `yaml:"members"`
	Basis       `yaml:",inline"`
}

// None is the casting vote of a body in which nobody has one.
const None = "none"

// Casting is the member with the casting vote, or nothing.
func (b Body) Casting() string {
	if b.CastingVote == None {
		return ""
	}
	return b.CastingVote
}

// Majorities are the rules a pack may name. Whoever counts votes (drills/engine)
// and whoever counts them again (drills/verify) know each of them by these words,
// which stand in records and must not change.
func Majorities() []string {
	return []string{"more than half of the votes cast", "more than half of the members with a vote", "two thirds of the votes cast"}
}

// Member is a seat; persons are named by those who run an exercise, not here.
type Member struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
	Vote bool   `yaml:"vote"`
}

// Factor is a point of the guidance. Force is shall or may. Keys are those it
// applies to; none means every key.
type Factor struct {
	ID    string   `yaml:"id"`
	Text  string   `yaml:"text"`
	Force string   `yaml:"force"`
	Keys  []string `yaml:"keys"`
	Basis `yaml:",inline"`
}

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

// Limit is a time within which something must have been done.
type Limit struct {
	ID     string        `yaml:"id"`
	Says   string        `yaml:"says"`
	Within time.Duration `yaml:"within"`
	Basis  `yaml:",inline"`
}

// Term is a word of the trade that stands on screens, in plain words for people
// who decide and do not build.
type Term struct {
	Term  string `yaml:"term"`
	Says  string `yaml:"says"`
	Basis `yaml:",inline"`
}

//go:embed sample.yaml
var sample []byte

// Sample is the pack that is shipped. It is an error of the build if it does
// not parse.
func Sample() (*Pack, error) { return Parse("sample.yaml", sample) }

// Parse reads a pack. file is for the errors.
func Parse(file string, text []byte) (*Pack, error) {
	p := &Pack{}
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s:%w", file, plain(err))
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// Step returns a step by its id.
func (p *Pack) Step(id string) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// Limit returns a time limit by its id.
func (p *Pack) Limit(id string) (Limit, bool) {
	i := slices.IndexFunc(p.Limits, func(l Limit) bool { return l.ID == id })
	if i < 0 {
		return Limit{}, false
	}
	return p.Limits[i], true
}

// Unverified counts, of the steps named, those that nobody held against the
// procedure's text.
func (p *Pack) Unverified(steps []string) int {
	n := 0
	for _, id := range steps {
		if s, is := p.Step(id); !is || !s.Verified {
			n++
		}
	}
	return n
}
