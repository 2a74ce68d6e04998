package verbs

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/policy"
	"smki.example/softhsm"
)

// renew calls a ceremony that makes keys anew. It is held when those who must be
// there have come; until then nothing has changed.
func (w *World) renew(_ context.Context, at time.Duration, a engine.Action) error {
	if w.dcc.calledFor[a.Object] {
		return refuse("a ceremony for %s is called already", a.Object)
	}
	hold, custodians := map[string]func(context.Context, time.Duration, []*custodian) error{
		thingRecovery:    w.renewRecovery,
		thingContingency: w.renewContingency(a.Params[paramWhat]),
		thingRoot:        w.renewRoot,
		thingIssuingOCA:  w.renewIssuingOCA,
		thingIssuingDCA:  w.renewIssuingDCA,
	}[a.Object], a.Object == thingRecovery || a.Object == thingContingency || a.Object == thingRoot
	when := at + CeremonyAfter
	if custodians {
		who := w.attending()
		if short := w.tooFew(who, a); short != "" {
			return refuse("no ceremony for the %s: %s", a.Object, short)
		}
		for _, c := range who {
			when = max(when, max(at, c.since)+c.travel)
		}
	}
	w.dcc.calledFor[a.Object] = true
	w.dcc.losing(w.lostWords(a))
	w.pending = append(w.pending, pendingAct{when, func(ctx context.Context, at time.Duration) error {
		return w.whenTokenWorks(ctx, at, ownerCA, "the ceremony for "+a.Object, func(ctx context.Context, at time.Duration) error {
			delete(w.dcc.calledFor, a.Object)
			who := w.attending()
			if short := w.tooFew(who, a); custodians && short != "" {
				return w.announce(at, a.Object, fmt.Sprintf("the ceremony for the %s was not held: %s. Nothing has changed", a.Object, short))
			}
			return hold(ctx, at, who)
		})
	}})
	return w.announce(at, a.Object, fmt.Sprintf("a ceremony for the %s is called, to be held at %s", a.Object, journal.FormatAt(when)))
}

// attending are the custodians who can come.
func (w *World) attending() []*custodian {
	var who []*custodian
	for _, c := range w.dcc.people {
		if !c.away && !c.vacant {
			who = append(who, c)
		}
	}
	return who
}

// tooFew says why custodians are too few to be given the shares of what a ceremony
// makes, or nothing if they are enough for each secret.
func (w *World) tooFew(who []*custodian, a engine.Action) string {
	secrets := map[string][]string{
		thingRecovery: {secretRecovery}, thingContingency: {secretContingency, secretSymmetric}, thingRoot: {secretContingency, secretSymmetric, secretRecovery},
	}[a.Object]
	if a.Object == thingContingency && a.Params[paramWhat] == partSymmetric {
		secrets = []string{secretSymmetric}
	}
	for _, secret := range secrets {
		held, here, parties := w.cfg.Procedure.CustodyOf(secret), w.holdersAmong(secret, who), map[string]bool{}
		for _, c := range here {
			parties[c.party] = true
		}
		if len(here) < held.Shares || len(parties) < held.Parties {
			return fmt.Sprintf("for %s, %d custodians of %d Parties can come, %d of at least %d are needed", secretWords(secret), len(here), len(parties), held.Shares, held.Parties)
		}
	}
	return ""
}

// freshToken makes a token for a new generation of a guarded key: one whose PIN
// nobody has had.
func (w *World) freshToken(key string, generation int) (string, error) {
	owner := fmt.Sprintf("%s-%d", key, generation)
	label := fmt.Sprintf("%s %s%s %d", exerciseLabel, strings.ToUpper(key[:1]), key[1:], generation)
	made, err := softhsm.New(filepath.Join(w.cfg.Scratch, "tokens", owner), label)
	if err != nil {
		return "", err
	}
	w.tokens.made[owner] = made
	return owner, nil
}

// sealNew logs a fresh token out and gives its PIN to custodians, in shares.
func (w *World) sealNew(key string, generation int, owner string, who []*custodian) (*custodians, error) {
	if err := w.tokens.logout(owner); err != nil {
		return nil, err
	}
	return w.seal(key, generation, owner, who)
}

// tokenWord is how a script calls the token of a new generation.
func tokenWord(key string, generation int) string { return fmt.Sprintf("%s-%d", key, generation) }

// scriptRecovery adds the making of a Recovery key to a script, under the Issuing
// OCA that the script calls by a name.
func (w *World) scriptRecovery(s *scriptText, generation int, issuer string) {
	token := tokenWord(recoveryName, generation)
	s.open(token, "a new Recovery Private Key")
	s.make(hsm.Label(recoveryName, generation), token, "commands that replace keys on devices when the PMA requires it")
	s.certify(recoveryName, "issues the Recovery Organisation Certificate", fmt.Sprintf("profile: organisation, issuer: %s, key: %s, role: recovery, entity: %s, usage: digitalSignature",
		issuer, hsm.Label(recoveryName, generation), w.recoveryParty().entity))
}

// renewRecovery makes a new Recovery pair on a fresh token, and gives every
// custodian who came a share of its PIN. The old shares open the old token still,
// which is what puts the new certificate on devices.
func (w *World) renewRecovery(ctx context.Context, at time.Duration, who []*custodian) error {
	generation := w.newest(recoveryName).generation + 1
	owner, err := w.freshToken(recoveryName, generation)
	if err != nil {
		return err
	}
	s := newScript("A new Recovery key for the exercise")
	s.custodians = w.holdersAmong(recoveryName, who)
	s.open("ca", "the keys of the certification authorities")
	s.use(thingIssuingOCA, hsm.Label(thingIssuingOCA, w.authority.generation(thingIssuingOCA)), w.authority.made[thingIssuingOCA])
	w.scriptRecovery(s, generation, thingIssuingOCA)
	made, _, err := w.hold(ctx, at, s)
	if err != nil {
		return err
	}
	if err := w.authority.importCeremony(ctx, made); err != nil {
		return err
	}
	certificate, err := w.certificateOf(made, recoveryName, fmt.Sprintf("%s-%d", recoveryName, generation))
	if err != nil {
		return err
	}
	return w.takeRecovery(at, generation, owner, certificate, who)
}

// takeRecovery puts a new Recovery key in force: custodians have its shares, and
// its certificate stands ready for devices.
func (w *World) takeRecovery(at time.Duration, generation int, owner string, certificate *policy.Certificate, who []*custodian) error {
	c, err := w.sealNew(recoveryName, generation, owner, who)
	if err != nil {
		return err
	}
	c.certificate = certificate
	w.dcc.guards[recoveryName] = append(w.dcc.guards[recoveryName], c)
	p := w.recoveryParty()
	p.generations = append(p.generations, map[purpose]*credential{
		purposeSigning: {purpose: purposeSigning, owner: p, generation: len(p.generations), certificate: certificate, file: fmt.Sprintf("certs/%s-%d.pem", recoveryName, generation)},
	})
	if err := w.pack.publicKey(string(c.label), certificate.PublicKey); err != nil {
		return err
	}
	return w.announce(at, recoveryName, fmt.Sprintf("a new Recovery key is made, and %d custodians have new shares. No device knows it yet", len(c.pin.held)))
}

// renewContingency makes new contingency material: always a new symmetric key, and
// a new pair unless only the symmetric key is to be new. A new certificate for the
// Root key, which stays, carries it.
func (w *World) renewContingency(what string) func(context.Context, time.Duration, []*custodian) error {
	return func(ctx context.Context, at time.Duration, who []*custodian) error {
		old := w.newest(contingencyName)
		generation, wrapped := old.generation+1, old.symmetric.generation+1
		given := what == partSymmetric
		if given {
			generation = old.generation
		}
		s := newScript("New contingency material for the exercise")
		if s.given = w.holdersAmong(secretSymmetric, who); !given {
			s.given = w.holdersOf(who, secretContingency, secretSymmetric)
		}
		s.open("ca", "the keys of the certification authorities")
		root := w.dcc.root()
		s.use(thingRootOCA, hsm.Label(thingRootOCA, root.key), root.certificate)
		owner := old.owner
		if given {
			var err error
			if s.public, err = w.contingencyPublic(old); err != nil {
				return err
			}
		} else {
			var err error
			if owner, err = w.freshToken(contingencyName, generation); err != nil {
				return err
			}
			w.scriptContingency(s, generation)
		}
		s.wrap(hsm.Label(contingencyName, generation), given, w.holdersAmong(secretSymmetric, who), w.cfg.Procedure.CustodyOf(secretSymmetric).Shares)
		s.certify("root-oca-renewed", "issues a new certificate for the same Root key", fmt.Sprintf("profile: root-oca, key: %s, renews: root-oca, cn: %s, contingency: %s",
			hsm.Label(thingRootOCA, root.key), root.certificate.Subject.CN, hsm.Label(contingencyName, generation)))
		made, shares, err := w.hold(ctx, at, s)
		if err != nil {
			return err
		}
		if err := w.authority.importCeremony(ctx, made); err != nil {
			return err
		}
		certificate, err := w.certificateOf(made, "root-oca-renewed", fmt.Sprintf("root-oca-%d-renewed-%d", root.key, wrapped))
		if err != nil {
			return err
		}
		w.authority.renewed(thingRootOCA, certificate)
		if err := w.authority.start(ctx, w); err != nil {
			return err
		}
		w.dcc.roots = append(w.dcc.roots, rootMade{certificate: certificate, key: root.key, contingency: generation, wrapped: wrapped})
		return w.takeContingency(at, generation, wrapped, owner, given, shares, who)
	}
}

// thingRootOCA is the Root OCA's name as an authority.
const thingRootOCA = "root-oca"

// scriptContingency adds the making of a Contingency pair to a script.
func (w *World) scriptContingency(s *scriptText, generation int) {
	token := tokenWord(contingencyName, generation)
	s.open(token, "a new Contingency Private Key")
	s.make(hsm.Label(contingencyName, generation), token, "the one command that replaces the Root OCA on devices")
}

// takeContingency puts new contingency material in force: custodians have the
// shares of the token's PIN, unless it stayed, and of the symmetric key.
func (w *World) takeContingency(at time.Duration, generation, wrapped int, owner string, given bool, made []custody.Share, who []*custodian) error {
	old := w.newest(contingencyName)
	var c *custodians
	if given {
		c = &custodians{key: old.key, generation: generation, use: old.use, label: old.label, owner: owner, pin: old.pin, vault: old.vault}
	} else {
		var err error
		if c, err = w.sealNew(contingencyName, generation, owner, who); err != nil {
			return err
		}
	}
	var err error
	if c.symmetric, err = w.keepSymmetric(wrapped, w.holdersAmong(secretSymmetric, who), made); err != nil {
		return err
	}
	w.dcc.guards[contingencyName] = append(w.dcc.guards[contingencyName], c)
	secrets := []string{secretSymmetric}
	if !given {
		secrets = append(secrets, secretContingency)
	}
	return w.announce(at, contingencyName, fmt.Sprintf("new contingency material is made, and %d custodians have new shares. Devices know it when they have the new root certificate", len(w.holdersOf(who, secrets...))))
}

// contingencyPublic is the public half of a Contingency key that stays on its
// token: from the evidence of the ceremony that made it.
func (w *World) contingencyPublic(c *custodians) (*ecdsa.PublicKey, error) {
	for _, dir := range w.ceremonyFolders() {
		if key, err := readPublicKey(filepath.Join(dir, "public-keys", string(c.label)+".pem")); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("finding the public half of %q: no ceremony of this drill made it", c.label)
}

// ceremonyFolders are the folders of all ceremonies so far.
func (w *World) ceremonyFolders() []string {
	dirs := []string{w.authority.ceremony.Dir}
	for n := 1; n <= w.dcc.ceremony; n++ {
		dirs = append(dirs, filepath.Join(w.cfg.Scratch, "ceremonies", fmt.Sprintf("%02d", n)))
	}
	return dirs
}

// readPublicKey reads a P-256 public key in PEM.
func readPublicKey(path string) (*ecdsa.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading public key %q: it is not PEM", path)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading public key %q: %w", path, err)
	}
	public, is := key.(*ecdsa.PublicKey)
	if !is {
		return nil, fmt.Errorf("reading public key %q: it is %T", path, key)
	}
	return public, nil
}

// lostWords say what a ceremony makes anew, for the minutes.
func (w *World) lostWords(a engine.Action) string {
	switch a.Object {
	case thingRecovery:
		return fmt.Sprintf("Recovery key, certificate %s", w.newest(recoveryName).certificate.Serial)
	case thingContingency:
		if what := a.Params[paramWhat]; what != partBoth {
			return "contingency material: the " + what
		}
		return "contingency material: private key and symmetric key"
	case thingRoot:
		return fmt.Sprintf("Root OCA key, certificate %s", w.dcc.root().certificate.Serial)
	}
	return fmt.Sprintf("key of %s, certificate %s", a.Object, w.authority.made[a.Object].Serial)
}
