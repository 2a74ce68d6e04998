package policy

import "slices"

// LintTBS runs every rule over to-be-signed bytes, whoever built them: those of
// the form for this profile and those that compare them with the profile and
// with the issuer (nil for a root). The error is a [Violations] of every rule
// that is broken, or a single [Violation] in it if the bytes cannot be read.
//
// Callers run it before the intent is stored, over the very bytes that will be
// signed, so that what is signed is what was judged.
func (p *Profile) LintTBS(tbs []byte, issuer *Certificate) error {
	if v := checkObject(tbs, "tbsCertificate", maxCertificate); v != nil {
		v.Profile = p.Name
		return Violations{v}
	}
	c, v := readTBS(tbs)
	if v != nil {
		v.Profile = p.Name
		return Violations{v}
	}
	return examine(c, p, issuer, ScopeForm, ScopeEnvironment).err()
}

// Examine runs the same rules as [Profile.LintTBS] over a whole certificate,
// signature form included, and returns what it breaks.
func (p *Profile) Examine(c *Certificate, issuer *Certificate) Violations {
	return examine(c, p, issuer, ScopeForm, ScopeEnvironment)
}

// examine runs the rules of some scopes in their order. Without a profile the
// certificate is judged as what it looks like.
func examine(c *Certificate, p *Profile, issuer *Certificate, scopes ...Scope) Violations {
	x := &examination{c: c, profile: p, issuer: issuer, kind: c.Kind()}
	if p != nil {
		x.kind = p.Name
	}
	for i := range certificateRules {
		if x.rule = &certificateRules[i]; slices.Contains(scopes, x.rule.Scope) {
			x.rule.certificate(x)
		}
	}
	return x.found
}

// examination is one run of the rules over one certificate.
type examination struct {
	c       *Certificate
	kind    ProfileName
	profile *Profile // nil outside ScopeEnvironment
	issuer  *Certificate
	rule    *Rule
	found   Violations
}

// require notes a violation of the current rule unless ok.
func (x *examination) require(ok bool, field, want, got string) {
	if !ok {
		x.found = append(x.found, &Violation{Rule: x.rule.Name, Profile: x.kind, Field: field, Want: want, Got: got, Clause: x.rule.Clause})
	}
}
