package policy

import (
	"encoding/asn1"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// environmentReader reads the fields of an environment file. Every value that
// no public text fixes is an object {"value", "mark", "source"}, so that nobody
// can add one without saying where it comes from.
type environmentReader struct {
	jsonReader
	facts []Fact
}

// maxYears bounds a validity: more would pass the year 9999 or be a mistake.
const maxYears = 100

func (r *environmentReader) environment(n *node) *Environment {
	e := &Environment{
		Name:    r.text(r.field(n, "name")),
		Version: r.number(r.field(n, "version"), 1, 1<<20),
		Says:    r.text(r.field(n, "says")),
	}
	e.Exercise = r.truth(r.fact(n, "exercise"))
	e.Registration = r.choice(r.fact(n, "registration"), RegistrationOpen, RegistrationRegister)
	e.DeviceCRL = r.truth(r.fact(n, "deviceCRL"))
	for _, item := range r.list(r.fact(n, "ceremonyRoles")) {
		role, err := ParseRole(r.text(item))
		if err != nil && r.err == nil {
			r.fail(item.errorf("%v", err))
		}
		e.CeremonyRoles = append(e.CeremonyRoles, role)
	}
	policies := r.field(n, "policies")
	organisation, device := r.oid(r.fact(policies, "organisation")), r.oid(r.fact(policies, "device"))
	r.done(policies)
	names := r.field(n, "names")
	authority := r.number(r.fact(names, "authorityOctets"), 1, maxCommonName)
	rule := r.nameRule(r.fact(names, "organisationPattern"))
	r.done(names)
	path := r.field(n, "path")
	e.Path = PathSettings{OrganisationPolicy: organisation, RoleMustFitCell: r.truth(r.fact(path, "roleMustFitCell"))}
	r.done(path)

	crls := r.field(n, "crls")
	for _, issuer := range []ProfileName{ProfileIssuingOCA, ProfileRootOCA, ProfileIssuingDCA} {
		e.CRLs = append(e.CRLs, r.crlPeriod(r.field(crls, string(issuer)), issuer))
	}
	r.done(crls)

	profiles := r.field(n, "profiles")
	for _, name := range ProfileNames() {
		p := r.profile(r.field(profiles, string(name)), name)
		p.Environment = e.Name
		p.Policy = organisation
		if name == ProfileDevice || name == ProfileRootDCA || name == ProfileIssuingDCA {
			p.Policy = device
		}
		if name.Authority() {
			p.MaxName = authority
		} else if name == ProfileOrganisation {
			p.names = rule
		}
		e.profiles = append(e.profiles, p)
	}
	r.done(profiles)
	r.done(n)
	e.facts = r.facts
	if r.err == nil && e.DeviceCRL && !e.mayListDevices() {
		r.fail(r.field(n, "deviceCRL").errorf("want cRLSign in profiles.issuing-dca.usages where a device CRL is published"))
	}
	if r.err == nil && !e.Exercise && e.Registration == RegistrationOpen {
		r.fail(r.field(n, "registration").errorf("want %q where exercise is false: nobody but an enrolled party may ask for a real certificate", RegistrationRegister))
	}
	return e
}

func (e *Environment) mayListDevices() bool {
	p, err := e.Profile(ProfileIssuingDCA)
	return err == nil && slices.ContainsFunc(p.Usages, func(u KeyUsage) bool { return u&UsageCRLSign != 0 })
}

// fact returns the value of a field {"value", "mark", "source"} and records it.
func (r *environmentReader) fact(n *node, key string) *node {
	f := r.field(n, key)
	value := r.field(f, "value")
	mark := r.choice(r.field(f, "mark"), "S", "T", "I", "K", "K?")
	source := r.text(r.field(f, "source"))
	r.done(f)
	if r.err == nil {
		r.facts = append(r.facts, Fact{Field: f.path, Value: value.show(), Mark: mark, Source: source})
	}
	return value
}

// show prints a value for the list of facts.
func (n *node) show() string {
	switch v := n.value.(type) {
	case []*node:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = item.show()
		}
		return strings.Join(items, ", ")
	case string:
		return v
	}
	return fmt.Sprint(n.value)
}

func (r *environmentReader) choice(n *node, allowed ...string) string {
	s := r.text(n)
	if r.err == nil && !slices.Contains(allowed, s) {
		r.fail(n.errorf("want one of %s, got %q", strings.Join(allowed, ", "), clip(s)))
	}
	return s
}

func (r *environmentReader) oid(n *node) asn1.ObjectIdentifier {
	s := r.text(n)
	if r.err != nil {
		return nil
	}
	id, err := ParseOID(s)
	if err != nil {
		r.fail(n.errorf("%v", err))
	}
	return id
}

func (r *environmentReader) nameRule(n *node) nameRule {
	s := r.text(n)
	if r.err != nil {
		return nameRule{}
	}
	// The pattern must match the whole name, whoever wrote it.
	re, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err != nil {
		r.fail(n.errorf("want a regular expression: %v", err))
	}
	return nameRule{pattern: re, text: "a name that matches " + s}
}

func (r *environmentReader) duration(n *node) time.Duration {
	s := r.text(n)
	if r.err != nil {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d%time.Second != 0 {
		r.fail(n.errorf("want a time in whole seconds above zero such as \"48h\", got %q", clip(s)))
	}
	return d
}

func (r *environmentReader) crlPeriod(n *node, issuer ProfileName) CRLPeriod {
	c := CRLPeriod{Issuer: issuer}
	c.Every = r.duration(r.fact(n, "every"))
	c.AfterRevocation = r.duration(r.fact(n, "afterRevocation"))
	c.Valid = r.duration(r.fact(n, "valid"))
	r.done(n)
	if r.err == nil && (c.Every >= c.Valid || c.AfterRevocation >= c.Valid) {
		r.fail(n.errorf("want every and afterRevocation below valid, or a list lapses before the next one is due"))
	}
	return c
}

func (r *environmentReader) profile(n *node, name ProfileName) *Profile {
	p := &Profile{Name: name, Version: r.number(r.field(n, "version"), 1, 1<<20)}
	years := r.fact(n, "years")
	p.Years = r.number(years, 0, maxYears)
	p.WholeDays = r.truth(r.fact(n, "wholeDays"))
	usages := r.fact(n, "usages")
	for _, item := range r.list(usages) {
		u, err := ParseKeyUsage(r.text(item))
		if r.err == nil && err != nil {
			r.fail(item.errorf("%v", err))
		}
		if r.err == nil && name.Authority() != (u&UsageCertSign != 0) {
			r.fail(item.errorf("want keyCertSign for an authority and for nobody else, got %s", u))
		}
		if r.err == nil && !name.Authority() && !u.EndEntity() {
			r.fail(item.errorf("want digitalSignature or keyAgreement, got %s", u))
		}
		p.Usages = append(p.Usages, u)
	}
	r.done(n)
	if r.err == nil && (len(p.Usages) == 0 || name.Authority() && len(p.Usages) != 1) {
		r.fail(usages.errorf("want one usage for an authority, one or more for an end entity"))
	}
	if r.err == nil && (p.Years == 0) != (name == ProfileDevice) {
		r.fail(years.errorf("want 0 (no end) for a device, 1 to %d otherwise", maxYears))
	}
	return p
}
