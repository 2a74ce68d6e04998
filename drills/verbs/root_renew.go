package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/hsm"
	"smki.example/policy"
)

// renewRoot makes everything anew: Contingency pair and symmetric key, Root OCA
// with the wrapped contingency key, Issuing OCA, Recovery key, and then, by the
// CA, the certificates of all parties. No device knows any of it: putting it there
// takes the one command that the old root's contingency key signs.
func (w *World) renewRoot(ctx context.Context, at time.Duration, who []*custodian) error {
	a := w.authority
	old := w.newest(contingencyName)
	contingency, wrapped := old.generation+1, old.symmetric.generation+1
	recovery := w.newest(recoveryName).generation + 1
	root, issuing := a.generation(thingRootOCA)+1, a.generation(thingIssuingOCA)+1
	ownerC, err := w.freshToken(contingencyName, contingency)
	if err != nil {
		return err
	}
	ownerR, err := w.freshToken(recoveryName, recovery)
	if err != nil {
		return err
	}
	s := newScript("A new Root OCA and everything under it for the exercise")
	s.given = w.holdersOf(who, secretContingency, secretSymmetric, secretRecovery)
	s.open("ca", "the keys of the certification authorities")
	w.scriptContingency(s, contingency)
	s.wrap(hsm.Label(contingencyName, contingency), false, w.holdersAmong(secretSymmetric, who), w.cfg.Procedure.CustodyOf(secretSymmetric).Shares)
	s.make(hsm.Label(thingRootOCA, root), "ca", "Root OCA certificates and ARLs")
	s.certify(thingRootOCA, "issues the Root OCA certificate", fmt.Sprintf("profile: root-oca, key: %s, cn: EXR%c, contingency: %s",
		hsm.Label(thingRootOCA, root), letter(root), hsm.Label(contingencyName, contingency)))
	s.make(hsm.Label(thingIssuingOCA, issuing), "ca", "Organisation Certificates and CRLs")
	s.certify(thingIssuingOCA, "issues the Issuing OCA certificate", fmt.Sprintf("profile: issuing-oca, issuer: root-oca, key: %s, cn: EXI%c", hsm.Label(thingIssuingOCA, issuing), letter(issuing)))
	w.scriptRecovery(s, recovery, thingIssuingOCA)
	made, shares, err := w.hold(ctx, at, s)
	if err != nil {
		return err
	}
	certificates := map[string]*policy.Certificate{}
	for name, generation := range map[string]int{thingRootOCA: root, thingIssuingOCA: issuing, recoveryName: recovery} {
		if certificates[name], err = w.certificateOf(made, name, fmt.Sprintf("%s-%d", name, generation)); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name       string
		generation int
	}{{thingRootOCA, root}, {thingIssuingOCA, issuing}} {
		if err := a.add(ctx, w, c.name, c.generation, certificates[c.name]); err != nil {
			return err
		}
		if err := w.pack.publicKey(fmt.Sprintf("%s-%d", c.name, c.generation), certificates[c.name].PublicKey); err != nil {
			return err
		}
	}
	if err := a.start(ctx, w); err != nil {
		return err
	}
	if err := a.importCeremony(ctx, made); err != nil {
		return err
	}
	w.dcc.roots = append(w.dcc.roots, rootMade{certificate: certificates[thingRootOCA], key: root, contingency: contingency, wrapped: wrapped})
	if err := w.takeContingency(at, contingency, wrapped, ownerC, false, shares, who); err != nil {
		return err
	}
	if err := w.takeRecovery(at, recovery, ownerR, certificates[recoveryName], who); err != nil {
		return err
	}
	for _, issuer := range listIssuers {
		if err := w.publish(ctx, at, issuer); err != nil {
			return err
		}
	}
	return w.certifyAll(ctx, at, "under the new Root OCA", true)
}

// letter tells generations apart in the names of authorities, which have four
// octets: B for the second. The first have figures, of the first ceremony.
func letter(generation int) rune { return rune('A' + generation - 1) }
