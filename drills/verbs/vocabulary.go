package verbs

import (
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// What can be revoked.
const (
	oldCertificates      = " old certificates"
	intruderCertificates = "intruder certificates"
)

// Vocabulary is what a scenario may say to this world: the verbs and names of
// this package, with the bodies, steps, factors and labels of a procedure pack.
func Vocabulary(p *procedure.Pack) scenario.Vocabulary {
	v := scenario.Vocabulary{
		Verbs:      verbTable(),
		Types:      types(),
		Names:      names(),
		Functions:  functions(),
		Recipients: p.Recipients,
		Channels:   []string{"mail", "call", "report", "news", "dashboard"},
		Labels:     p.Labels,
		Keys:       keyNames,
		Categories: []string{"large supplier", "small supplier", "electricity network", "gas network", "other"},
		Roles:      []string{"supplier", "networkOperator"},
		Implied:    implied,
		Agree:      agree,
	}
	for _, b := range p.Bodies {
		body := scenario.Body{ID: b.ID, Name: b.Name, Quorum: b.Quorum, Majority: b.Majority, Casting: b.Casting(), Conflict: b.Conflict, Alternates: b.Alternates, Source: b.Source, Verified: b.Verified}
		for _, m := range b.Members {
			body.Members = append(body.Members, scenario.Member{ID: m.ID, Name: m.Name, Vote: m.Vote, Alternate: m.Alternate})
		}
		v.Bodies = append(v.Bodies, body)
	}
	for _, s := range p.Steps {
		v.Steps = append(v.Steps, scenario.Step{ID: s.ID, Says: s.Says, Verified: s.Verified})
	}
	for _, f := range p.Factors {
		v.Factors = append(v.Factors, scenario.Factor{ID: f.ID, Text: f.Text, Force: f.Force, Keys: f.Keys, Verified: f.Verified})
	}
	return withAuthorityWords(v, p)
}

// verbTable is every verb: those of the keys of organisations first.
func verbTable() []scenario.Verb { return orgVerbs() }

// listIssuers are the authorities that publish a list in a drill.
var listIssuers = []string{"issuing-oca", "root-oca"}

// reasons are those that make sense for a key that got into other hands.
func reasons() []string { return []string{"keyCompromise", "superseded", "unspecified"} }
