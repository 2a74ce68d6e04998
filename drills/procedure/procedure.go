// Package procedure holds the Recovery Procedure and the Recovery Key Guidance
// as data that a committee can replace.
//
// A [Pack] says which steps there are and in which order they come for each
// compromised key and method, who decides and by what rules, which factors are
// weighed before a key is used, how many custodians open one, who must be told
// by when, how files are laid out, how papers are handled, and what the words of
// the trade mean. None of that is in code, because none of the texts it comes
// from was available to us: every item names its source and says whether it was
// verified, and screens and reports show "sample" where it was not. The pack that
// is shipped, [Sample], is all sample. A committee puts its own in its place
// without touching code; docs/procedure-packs.md says how.
//
// [Parse] is strict: an unknown word, a reference to nothing, a step that follows
// nowhere or a quorum that cannot be met is an error with file, line and column,
// all of them at once ([Errors]). [Pack.Lint] adds what is allowed and hardly
// meant. A Pack is not changed after it was made and may be shared.
//
// Start at [Pack], then [Procedure].
package procedure

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
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
	Label      string      `yaml:"label"`  // of the pack itself; empty: it may be passed on
	Labels     []string    `yaml:"labels"` // classification, lowest first
	Handling   []Handling  `yaml:"handling"`
	Steps      []Step      `yaml:"steps"`
	Procedures []Procedure `yaml:"procedures"`
	Notices    []Notice    `yaml:"notices"`
	Mechanisms []Mechanism `yaml:"mechanisms"`
	Bodies     []Body      `yaml:"bodies"`
	Recipients []string    `yaml:"recipients"`
	Guidance   Guidance    `yaml:"guidance"`
	Factors    []Factor    `yaml:"factors"`
	Custodians []Custodian `yaml:"custodians"`
	Threshold  Threshold   `yaml:"threshold"` // of every key that custody does not name
	Custody    []Custody   `yaml:"custody"`
	Limits     []Limit     `yaml:"limits"`
	Detection  []Detection `yaml:"detection"`
	Layouts    []Layout    `yaml:"layouts"`
	Terms      []Term      `yaml:"terms"`    // shown on the screen before a drill, and in papers
	Glossary   []Term      `yaml:"glossary"` // shown in papers alone

	// SHA256 is the hash of the file, in hex; a record names the pack by it. Text
	// is the file, word for word, which a record keeps.
	SHA256 string `yaml:"-"`
	Text   []byte `yaml:"-"`

	lint Errors
}

// Name is how a record names the pack: its id and version.
func (p *Pack) Name() string { return fmt.Sprintf("%s/%d", p.ID, p.Version) }

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

// Parse reads a pack. file is for the errors, which are [Errors] where the text
// could be read at all.
func Parse(file string, text []byte) (*Pack, error) {
	p := &Pack{}
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s:%w", file, plain(err))
	}
	sum := sha256.Sum256(text)
	p.SHA256, p.Text = hex.EncodeToString(sum[:]), text
	c := &checker{p: p, places: readPlaces(file, text)}
	c.all()
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	p.lint = c.lint
	return p, nil
}

// Load reads a committee's own pack from a file.
func Load(path string) (*Pack, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a procedure pack: %w", err)
	}
	return Parse(path, text)
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
