package policy

import (
	"embed"
	"encoding/asn1"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed environments/*.json
var environmentFiles embed.FS

// EnvironmentNames returns the names that [LoadEnvironment] knows.
func EnvironmentNames() []string {
	return []string{"exercise", "drill", "dcc-test", "production", "exercise-register"}
}

// Registration says who may ask for a certificate.
const (
	RegistrationOpen     = "open"     // anybody; EUI-64 ranges are advisory
	RegistrationRegister = "register" // enrolled parties only, for their own EUI-64s
)

// Environment is one set of the values that no public text fixes: what
// distinguishes an exercise from the test PKI and from production.
//
// Each value stands in environments/*.json with a mark and a source, which
// [Environment.Facts] returns so that screens and reports can show what rests
// on what. An Environment is not changed after it was read.
type Environment struct {
	Name         string
	Version      int    // raised whenever a value changes; stored with every intent
	Says         string // one sentence for people
	Exercise     bool   // soft tokens and drills are allowed
	Registration string // RegistrationOpen or RegistrationRegister
	DeviceCRL    bool   // the Issuing DCA publishes a list of revoked devices

	// CeremonyRoles are the roles of which no certificate is issued on request.
	CeremonyRoles []RemotePartyRole
	CRLs          []CRLPeriod
	Path          PathSettings

	profiles []*Profile
	facts    []Fact
}

// CRLPeriod says how often an authority publishes its list and how long one is
// valid.
type CRLPeriod struct {
	Issuer          ProfileName
	Every           time.Duration // a new list at least this often
	AfterRevocation time.Duration // and at most this long after a revocation
	Valid           time.Duration // nextUpdate - thisUpdate
}

// PathSettings is what a device's path check takes from the environment.
type PathSettings struct {
	// OrganisationPolicy is the policy that a path for a trust anchor cell must
	// have.
	OrganisationPolicy asn1.ObjectIdentifier
	// RoleMustFitCell refuses a certificate whose role is not that of the cell
	// it is offered for. During handover certificates of the access control
	// broker stand in the cells of others, so that it is a setting.
	RoleMustFitCell bool
}

// A Fact is one configured value with what is known about it. Mark is S (read
// in a public text), T (seen in the test PKI), I (our inference or choice) or K
// (general knowledge, unverified), "K?" being the weakest.
type Fact struct {
	Field, Value, Mark, Source string
}

// Facts returns every configured value in the order of the file.
func (e *Environment) Facts() []Fact { return slices.Clone(e.facts) }

// Profile returns the profile of that name.
func (e *Environment) Profile(name ProfileName) (*Profile, error) {
	for _, p := range e.profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("finding profile %q in environment %q: want one of %v", clip(string(name)), e.Name, ProfileNames())
}

// CRL returns the periods of the list that the authority of that profile
// publishes, and false if it publishes none in this environment.
func (e *Environment) CRL(issuer ProfileName) (CRLPeriod, bool) {
	for _, c := range e.CRLs {
		if c.Issuer == issuer && (issuer != ProfileIssuingDCA || e.DeviceCRL) {
			return c, true
		}
	}
	return CRLPeriod{}, false
}

// LoadEnvironment reads an embedded environment: exercise (the default), drill
// (exercise, without a device CRL), exercise-register (exercise, for enrolled parties
// only), dcc-test or production.
func LoadEnvironment(name string) (*Environment, error) {
	if !slices.Contains(EnvironmentNames(), name) {
		return nil, fmt.Errorf("loading environment %q: want one of %s", clip(name), strings.Join(EnvironmentNames(), ", "))
	}
	file := "environments/" + name + ".json"
	b, err := environmentFiles.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("loading environment %q: %w", name, err)
	}
	return ParseEnvironment(file, b)
}

// ParseEnvironment reads an environment; file is its name in errors. Reading is
// strict: an unknown or missing field, a field that stands twice, a value of
// another type and one that makes no sense are errors that name file, line and
// field and say what was wanted.
//
// A file with a field "as" takes every other field that it does not have itself
// from the embedded environment of that name.
func ParseEnvironment(file string, b []byte) (*Environment, error) {
	root, err := parseJSON(file, b)
	if err != nil {
		return nil, err
	}
	if root, err = inherit(root); err != nil {
		return nil, err
	}
	r := &environmentReader{}
	e := r.environment(root)
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

// inherit fills in the fields of the environment that "as" names.
func inherit(root *node) (*node, error) {
	members, ok := root.value.([]member)
	if !ok {
		return nil, root.errorf("want an object, got %s", root.kind())
	}
	at := slices.IndexFunc(members, func(m member) bool { return m.key == "as" })
	if at < 0 {
		return root, nil
	}
	name, ok := members[at].node.value.(string)
	if !ok || !slices.Contains(EnvironmentNames(), name) {
		return nil, members[at].node.errorf("want the name of an embedded environment, one of %s, got %s", strings.Join(EnvironmentNames(), ", "), members[at].node.kind())
	}
	base := "environments/" + name + ".json"
	b, err := environmentFiles.ReadFile(base)
	if err != nil {
		return nil, err
	}
	parent, err := parseJSON(base, b)
	if err != nil {
		return nil, err
	}
	inherited, _ := parent.value.([]member)
	if slices.ContainsFunc(inherited, func(m member) bool { return m.key == "as" }) {
		return nil, members[at].node.errorf("want an environment that stands on its own, %q does not", name)
	}
	merged := slices.Delete(slices.Clone(members), at, at+1)
	for _, m := range inherited {
		if !slices.ContainsFunc(members, func(own member) bool { return own.key == m.key }) {
			merged = append(merged, m)
		}
	}
	root.value = merged
	return root, nil
}

// nameRule is the rule for the CN of an organisation. The rule of Appendix B is
// not public; a name is written only if it meets this one.
type nameRule struct {
	pattern *regexp.Regexp
	text    string
}

// allows reports whether cn meets the rule. A profile that was not read from an
// environment has no rule, and allows nothing.
func (r nameRule) allows(cn string) bool { return r.pattern != nil && r.pattern.MatchString(cn) }

// CheckRequest refuses a request that is well formed but asks for what this
// environment does not issue on request: a role that only a ceremony may give,
// a CN outside the rule for names. The error is a *[Violation].
func (e *Environment) CheckRequest(r *Request) error {
	if r.Kind() != ProfileOrganisation {
		return nil
	}
	p, err := e.Profile(ProfileOrganisation)
	if err != nil {
		return err
	}
	if role, _ := r.Role(); slices.Contains(e.CeremonyRoles, role) {
		return &Violation{Rule: "role", Profile: p.Name, Field: "subject.organizationalUnitName", Want: "a role that is issued on request", Got: fmt.Sprintf("%s (%s), which is made in a ceremony only", role, role.OU()), Clause: "environment " + e.Name + ", ceremonyRoles"}
	}
	if r.Subject.CN != "" && !p.names.allows(r.Subject.CN) {
		return &Violation{Rule: "common-name", Profile: p.Name, Field: "subject.commonName", Want: p.names.text, Got: fmt.Sprintf("%q", clip(r.Subject.CN)), Clause: "environment " + e.Name + ", organisationName (our inference; SMKI IDS, Appendix F leaves the rule to Appendix B)"}
	}
	return nil
}
