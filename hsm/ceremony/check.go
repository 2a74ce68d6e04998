package ceremony

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"smki.example/hsm"
	"smki.example/policy"
)

// Check looks for everything that can be known to be wrong before anything is
// done: references that lead nowhere, a certificate that is its own issuer's
// issuer, a profile that does not exist or is signed by another, a key in two
// certificates or in none, steps that are out of order, twice or missing. The
// error joins a *[ScriptError] for each, in the order of the file.
func (s *Script) Check() error {
	c := &checker{s: s, reader: reader{file: s.File}}
	c.environment()
	c.people()
	c.keys()
	c.certificates()
	c.contingency()
	c.steps()
	slices.SortStableFunc(c.problems, func(a, b error) int {
		pa, pb := a.(*ScriptError).Pos, b.(*ScriptError).Pos
		return (pa.Line-pb.Line)<<16 + pa.Column - pb.Column
	})
	return errors.Join(c.problems...)
}

type checker struct {
	reader
	s   *Script
	env *policy.Environment
}

// want fails unless name is one of known.
func (c *checker) want(p Pos, what, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	if name == "" {
		c.failAt(p, "%s is missing; known are %s", what, strings.Join(known, ", "))
	} else {
		c.failAt(p, "%s %q is not in the script; known are %s", what, name, strings.Join(known, ", "))
	}
	return false
}

func (c *checker) environment() {
	env, err := policy.LoadEnvironment(c.s.Environment)
	if err != nil {
		c.failAt(Pos{1, 1}, "environment %q: %v", c.s.Environment, err)
		return
	}
	c.env = env
}

func (c *checker) people() {
	for name, entries := range map[string]int{"roles": len(c.s.Roles), "tokens": len(c.s.Tokens), "keys": len(c.s.Keys), "certificates": len(c.s.Certificates), "steps": len(c.s.Steps)} {
		if entries == 0 {
			c.failAt(Pos{1, 1}, "%s: a ceremony needs at least one", name)
		}
	}
	for _, must := range []string{"administrator", "internal witness"} {
		if len(c.s.Roles) > 0 && !slices.Contains(c.s.roleNames(), must) {
			c.failAt(c.s.Roles[0].Pos, "role %q is missing: one person runs the script and another witnesses it", must)
		}
	}
	for _, r := range c.s.Roles {
		if !roleName.MatchString(r.Name) {
			c.failAt(r.Pos, "role %q: a role is named in small letters, digits and single spaces", r.Name)
		}
		if r.Duty == "" {
			c.failAt(r.Pos, "role %q: say in words what its duty is", r.Name)
		}
	}
}

func (c *checker) keys() {
	for _, k := range c.s.Keys {
		what := fmt.Sprintf("key %q: ", k.Label)
		if err := k.Label.Check(); err != nil {
			c.failAt(k.Pos, "%v", err)
		}
		c.want(k.Pos, what+"token", k.Token, c.s.tokenNames())
		if k.Use != "sign" && k.Use != "derive" {
			c.failAt(k.Pos, "%suse %q: want sign or derive", what, k.Use)
		}
		switch {
		case k.Modifiable == "":
		case k.Existing:
			c.failAt(k.Pos, "%smodifiable: it is there already, as it was made", what)
		case k.Use != "sign":
			c.failAt(k.Pos, "%smodifiable: it is for keys that sign often; this one is made to %s", what, k.Use)
		}
	}
}

func (c *checker) certificates() {
	holder := map[hsm.KeyLabel]string{}
	for _, cert := range c.s.Certificates {
		what := fmt.Sprintf("certificate %q: ", cert.Name)
		if !fileName.MatchString(cert.Name) {
			c.failAt(cert.Pos, "%sa name is of small letters, digits and hyphens, since it becomes a file name", what)
		}
		if c.want(cert.Pos, what+"key", string(cert.Key), c.s.keyNames()) {
			if other := holder[cert.Key]; other != "" && cert.Renews == "" {
				c.failAt(cert.Pos, "%skey %q is already in certificate %q; a key is in one certificate", what, cert.Key, other)
			}
			if cert.Renews == "" {
				holder[cert.Key] = cert.Name
			}
			if k, _ := c.s.key(cert.Key); k.Existing && !cert.Profile.Authority() {
				c.failAt(cert.Pos, "%skey %q is there already; only an authority's is used by a ceremony that did not make it", what, cert.Key)
			}
			if k, _ := c.s.key(cert.Key); k.Use == "derive" && cert.Profile.Authority() {
				c.failAt(cert.Pos, "%skey %q is made to %s; an authority's key must sign", what, cert.Key, k.Use)
			}
		}
		c.profile(cert, what)
		c.issuer(cert, what)
		c.renewal(cert, what)
	}
}

// renewal is for roots alone: they sign themselves, so that whoever trusts the key
// sees that the new certificate is its holder's word.
func (c *checker) renewal(cert Certificate, what string) {
	if cert.Renews == "" || !c.want(cert.Pos, what+"renews", cert.Renews, c.s.certificateNames()) {
		return
	}
	old, _ := c.s.certificate(cert.Renews)
	switch {
	case !c.s.existing(old):
		c.failAt(cert.Pos, "%sit renews %q, which this ceremony makes itself; only a certificate that is there already is renewed", what, cert.Renews)
	case !cert.Profile.Root() || old.Profile != cert.Profile || old.Key != cert.Key:
		c.failAt(cert.Pos, "%sit renews %q, so it must be a root's certificate of the same profile and key", what, cert.Renews)
	}
}

func (c *checker) profile(cert Certificate, what string) {
	p := cert.Profile
	if !slices.Contains(policy.ProfileNames(), p) || p == policy.ProfileDevice {
		c.failAt(cert.Pos, "%sprofile %q is not issued in a ceremony; want one of %s, %s, %s, %s, %s", what, p,
			policy.ProfileRootOCA, policy.ProfileIssuingOCA, policy.ProfileRootDCA, policy.ProfileIssuingDCA, policy.ProfileOrganisation)
		return
	}
	if c.env != nil {
		if _, err := c.env.Profile(p); err != nil {
			c.failAt(cert.Pos, "%s%v", what, err)
		}
	}
	if c.s.existing(cert) {
		if cert.CN != "" || cert.Issuer != "" || cert.Contingency != "" {
			c.failAt(cert.Pos, "%sits key is existing, so the certificate is there already; it has no cn, issuer or contingency to be decided", what)
		}
		return
	}
	if p != policy.ProfileOrganisation {
		if cert.CN == "" {
			c.failAt(cert.Pos, "%scn is missing: an authority has a name", what)
		}
		if cert.Role != "" || cert.EntityID != "" || cert.Usage != "" {
			c.failAt(cert.Pos, "%srole, entity and usage belong to organisation certificates", what)
		}
		return
	}
	if role, err := policy.ParseRole(cert.Role); err != nil || role != policy.RoleRecovery {
		c.failAt(cert.Pos, "%srole %q: only the recovery role gets its Organisation Certificate in a ceremony; the CA issues the others on request", what, cert.Role)
	}
	if id, err := policy.ParseEntityID(cert.EntityID); err != nil || id.IsZero() {
		c.failAt(cert.Pos, "%sentity %q: want an EUI-64 such as 00-00-5E-EF-10-00-00-01", what, cert.EntityID)
	}
	usage, err := policy.ParseKeyUsage(cert.Usage)
	if err != nil || !usage.EndEntity() {
		c.failAt(cert.Pos, "%susage %q: want digitalSignature or keyAgreement", what, cert.Usage)
	}
	if k, ok := c.s.key(cert.Key); ok && err == nil && (usage == policy.UsageDigitalSignature) != (k.Use == "sign") {
		c.failAt(cert.Pos, "%susage %s does not go with key %q, which is made to %s", what, cert.Usage, cert.Key, k.Use)
	}
}

func (c *checker) issuer(cert Certificate, what string) {
	if c.s.existing(cert) {
		return
	}
	if cert.Profile.Root() {
		if cert.Issuer != "" {
			c.failAt(cert.Pos, "%sa root signs itself; remove issuer: %s", what, cert.Issuer)
		}
		return
	}
	// A circle can only be written with issuers of the wrong profile, and is
	// named all the same: it is the better explanation.
	for seen, at := map[string]bool{cert.Name: true}, cert.Issuer; at != ""; {
		if seen[at] {
			c.failAt(cert.Pos, "%sits issuers go round in a circle, through %q", what, at)
			return
		}
		seen[at] = true
		next, _ := c.s.certificate(at)
		at = next.Issuer
	}
	if !c.want(cert.Pos, what+"issuer", cert.Issuer, c.s.certificateNames()) {
		return
	}
	if issuer, _ := c.s.certificate(cert.Issuer); issuer.Profile != cert.Profile.Issuer() {
		c.failAt(cert.Pos, "%sissuer %q has profile %s; profile %s is signed by %s", what, cert.Issuer, issuer.Profile, cert.Profile, cert.Profile.Issuer())
	}
}

func (c *checker) contingency() {
	carriers := 0
	for _, cert := range c.s.Certificates {
		if cert.Contingency == "" {
			continue
		}
		carriers++
		if cert.Profile != policy.ProfileRootOCA {
			c.failAt(cert.Pos, "certificate %q: only a %s carries a wrapped contingency key", cert.Name, policy.ProfileRootOCA)
		}
		if c.s.Contingency == nil || c.s.Contingency.Key != cert.Contingency {
			c.failAt(cert.Pos, "certificate %q: contingency key %q has no contingency section that says how it is wrapped", cert.Name, cert.Contingency)
		}
	}
	k := c.s.Contingency
	if k == nil {
		return
	}
	if _, listed := c.s.key(k.Key); k.Given && listed {
		c.failAt(k.Pos, "contingency: key %q is given, so it is on no token here: take it out of keys", k.Key)
	}
	if err := k.Key.Check(); k.Given && err != nil {
		c.failAt(k.Pos, "contingency: %v", err)
	}
	if !k.Given {
		c.want(k.Pos, "contingency: key", string(k.Key), c.s.keyNames())
	}
	if key, ok := c.s.key(k.Key); ok && key.Use != "sign" {
		c.failAt(k.Pos, "contingency: key %q must be made to sign", k.Key)
	}
	if k.Wrap != wrapName {
		c.failAt(k.Pos, "contingency: wrap %q: want %s", k.Wrap, wrapName)
	}
	if n := len(k.Custodians); k.Open < 2 || k.Open > n || n > 16 {
		c.failAt(k.Pos, "contingency: %d of %d custodians: want at least 2 to open, and not more than there are (16 at most)", k.Open, n)
	}
	seen := map[string]bool{}
	for _, who := range k.Custodians {
		c.want(k.Pos, "contingency: custodian", who, c.s.roleNames())
		if seen[who] {
			c.failAt(k.Pos, "contingency: custodian %q gets two shares; one each", who)
		}
		seen[who] = true
	}
	if carriers == 0 {
		c.failAt(k.Pos, "contingency: no root-oca certificate carries key %q", k.Key)
	}
}

// steps plays the steps without doing them.
func (c *checker) steps() {
	done := map[string]int{} // "generate root-oca-1" -> number of the step
	for i, st := range c.s.Steps {
		what := fmt.Sprintf("step %d: ", st.Number)
		if st.Number != i+1 {
			c.failAt(st.Pos, "%sthe steps are numbered in order; this one is %d", what, i+1)
		}
		c.want(st.Pos, what+"who", st.Who, c.s.roleNames())
		if st.Says == "" {
			c.failAt(st.Pos, "%ssays is empty: what is read aloud or done?", what)
		}
		if st.Verb == "" {
			continue
		}
		act := st.Verb + " " + st.Object
		if before := done[act]; before != 0 {
			c.failAt(st.Pos, "%s%s was already done in step %d", what, act, before)
		}
		done[act] = i + 1
		need := func(act string) {
			if done[act] == 0 {
				c.failAt(st.Pos, "%s%s must come after a step that does %s", what, st.Verb+" "+st.Object, act)
			}
		}
		switch st.Verb {
		case VerbOpen:
			c.want(st.Pos, what+"token", st.Object, c.s.tokenNames())
		case VerbGenerate:
			if c.want(st.Pos, what+"key", st.Object, c.s.keyNames()) {
				k, _ := c.s.key(hsm.KeyLabel(st.Object))
				need(VerbOpen + " " + k.Token)
				if k.Existing {
					c.failAt(st.Pos, "%skey %q is existing: it is not made, a step can only %s it", what, st.Object, VerbUse)
				}
			}
		case VerbUse:
			if c.want(st.Pos, what+"key", st.Object, c.s.keyNames()) {
				k, _ := c.s.key(hsm.KeyLabel(st.Object))
				need(VerbOpen + " " + k.Token)
				if !k.Existing {
					c.failAt(st.Pos, "%skey %q is not marked as existing: true, and a ceremony uses no other key that it did not make", what, st.Object)
				}
			}
		case VerbWrap:
			if c.s.Contingency == nil || string(c.s.Contingency.Key) != st.Object {
				c.failAt(st.Pos, "%skey %q has no contingency section that says how it is wrapped", what, st.Object)
			}
			if c.s.Contingency == nil || !c.s.Contingency.Given {
				need(VerbGenerate + " " + st.Object)
			}
		case VerbCertify:
			if c.want(st.Pos, what+"certificate", st.Object, c.s.certificateNames()) {
				cert, _ := c.s.certificate(st.Object)
				if c.s.existing(cert) {
					c.failAt(st.Pos, "%scertificate %q is of an existing key and there already", what, st.Object)
					continue
				}
				if cert.Renews != "" {
					need(VerbUse + " " + string(cert.Key))
				} else {
					need(VerbGenerate + " " + string(cert.Key))
				}
				if issuer, _ := c.s.certificate(cert.Issuer); c.s.existing(issuer) {
					need(VerbUse + " " + string(issuer.Key))
				} else if cert.Issuer != "" {
					need(VerbCertify + " " + cert.Issuer)
				}
				if cert.Contingency != "" {
					need(VerbWrap + " " + string(cert.Contingency))
				}
			}
		}
	}
	c.missing(done)
}

// missing names what the script declares and no step does.
func (c *checker) missing(done map[string]int) {
	want := map[string]Pos{}
	for _, t := range c.s.Tokens {
		want[VerbOpen+" "+t.Name] = t.Pos
	}
	for _, k := range c.s.Keys {
		verb := VerbGenerate
		if k.Existing {
			verb = VerbUse
		}
		want[verb+" "+string(k.Label)] = k.Pos
	}
	for _, cert := range c.s.Certificates {
		if c.s.existing(cert) {
			continue
		}
		want[VerbCertify+" "+cert.Name] = cert.Pos
	}
	if k := c.s.Contingency; k != nil {
		want[VerbWrap+" "+string(k.Key)] = k.Pos
	}
	for _, act := range slices.Sorted(maps.Keys(want)) {
		if done[act] == 0 {
			c.failAt(want[act], "no step does %s", act)
		}
	}
}
