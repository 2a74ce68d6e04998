package procedure

import "slices"

// Handling says how a paper with a label is treated (Panel Information Policy).
type Handling struct {
	Label   string   `yaml:"label"`
	Says    string   `yaml:"says"`    // what the label means
	Readers []string `yaml:"readers"` // who may read it
	Rule    string   `yaml:"rule"`    // how it is kept, sent and destroyed
	Keep    string   `yaml:"keep"`    // for how long, in words
	Basis   `yaml:",inline"`
}

// HandlingOf returns how a label is handled.
func (p *Pack) HandlingOf(label string) (Handling, bool) {
	i := slices.IndexFunc(p.Handling, func(h Handling) bool { return h.Label == label })
	if i < 0 {
		return Handling{}, false
	}
	return p.Handling[i], true
}

// Confidential is the label of what a pack calls confidential and gives no label:
// the highest there is.
func (p *Pack) Confidential() string {
	if p.Guidance.Label != "" {
		return p.Guidance.Label
	}
	if len(p.Labels) == 0 {
		return "CONFIDENTIAL"
	}
	return p.Labels[len(p.Labels)-1]
}

// Layout is a file that is exchanged in a recovery.
type Layout struct {
	ID      string   `yaml:"id"`
	Title   string   `yaml:"title"`
	From    string   `yaml:"from"`
	To      []string `yaml:"to"`
	When    string   `yaml:"when"`
	Columns []Column `yaml:"columns"`
	Basis   `yaml:",inline"`
}

// Column is a column of a file.
type Column struct {
	Name string `yaml:"name"`
	Says string `yaml:"says"`
}

// Layout returns a file's layout by its id.
func (p *Pack) Layout(id string) (Layout, bool) {
	i := slices.IndexFunc(p.Layouts, func(l Layout) bool { return l.ID == id })
	if i < 0 {
		return Layout{}, false
	}
	return p.Layouts[i], true
}

// Detection is an anomaly detection threshold: how many commands an hour a party
// of a role sends before the rest is quarantined, from day to day and in a
// recovery.
type Detection struct {
	Role   string `yaml:"role"`
	Counts string `yaml:"counts"` // what is counted, in words
	Usual  int    `yaml:"usual"`  // an hour; 0: not counted
	Raised int    `yaml:"raised"` // an hour, in a recovery
	Basis  `yaml:",inline"`
}

// DetectionOf returns the threshold of a role.
func (p *Pack) DetectionOf(role string) (Detection, bool) {
	i := slices.IndexFunc(p.Detection, func(d Detection) bool { return d.Role == role })
	if i < 0 {
		return Detection{}, false
	}
	return p.Detection[i], true
}
