package procedure

// Guidance is what the Recovery Key Guidance may provide for beside its factors
// (SEC L10.9): the weighting, the steps before a decision, the criteria. It is
// confidential unless Label says otherwise.
type Guidance struct {
	Version   string      `yaml:"version"`
	Label     string      `yaml:"label"`
	Weighting string      `yaml:"weighting"` // how factors are weighed against each other, in words
	Before    []PreStep   `yaml:"before"`
	Criteria  []Criterion `yaml:"criteria"`
	Basis     `yaml:",inline"`
}

// Factor is a point of the guidance. Force is shall or may. Keys are those it
// applies to; none means every key. Weight, where it is not 0, is its share of the
// whole among factors that have one; Rank, where it is not 0, its place.
type Factor struct {
	ID     string   `yaml:"id"`
	Text   string   `yaml:"text"`
	Force  string   `yaml:"force"`
	Keys   []string `yaml:"keys"`
	Weight int      `yaml:"weight"`
	Rank   int      `yaml:"rank"`
	Basis  `yaml:",inline"`
}

// PreStep is what must have been done before a decision is put to the vote, in the
// order of the pack.
type PreStep struct {
	ID       string `yaml:"id"`
	Text     string `yaml:"text"`
	Evidence string `yaml:"evidence"`
	Basis    `yaml:",inline"`
}

// Criterion is what speaks for or against an answer.
type Criterion struct {
	ID     string `yaml:"id"`
	Text   string `yaml:"text"`
	Favour string `yaml:"favours"` // the answer it speaks for, in words
	Basis  `yaml:",inline"`
}
