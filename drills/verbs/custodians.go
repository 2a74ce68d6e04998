package verbs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/policy"
)

// custodySample says in the record what of the custody is invented.
const custodySample = "sample: custodians, their Parties, k of n and travel times; no public text gives them"

// openFor is how long a key stays open if the decision does not say.
const openFor = 24 * time.Hour

// What the guarded keys are authorised for. One decision allows one key one use.
const (
	recoveryUse    = "cs02b-mode-8"
	contingencyUse = "cs02b-mode-9"
	symmetricUse   = "cs02b-mode-9-symmetric-key"
)

// contingencyName is the name of the Contingency key, for decisions and labels.
const contingencyName = "contingency"

// symmetricName is the name under which authorisations speak of the symmetric key
// that unwraps the Contingency key's public half.
const symmetricName = "contingency-symmetric"

// keyNames are the keys that a scenario may speak of.
var keyNames = []string{recoveryName, contingencyName}

// keyWords are the keys as people call them.
var keyWords = map[string]string{recoveryName: "Recovery key", contingencyName: "Contingency key"}

// custodians guard one generation of one key. The vault knows no PIN: the shares
// are it.
type custodians struct {
	key        string // as decisions call it
	generation int
	use        string
	label      hsm.KeyLabel
	owner      string // of its token
	pin        *shares
	vault      *custody.Vault
	// certificate is the Recovery key's; the Contingency key has none.
	certificate *policy.Certificate
	// symmetric goes with the Contingency key; nil for the other.
	symmetric *symmetric

	summoned  *engine.Authorisation // the decision on which they travel, or nil
	called    time.Duration
	patience  int              // how often those who keep shares back were asked again
	opens     time.Duration    // when the key will be open; 0: not as things stand
	session   *custody.Session // nil: closed
	opened    *Custody         // how it was opened
	uses      int              // signatures over all sessions
	destroyed bool
}

// A symmetric is the key that wraps the public half of the Contingency key. It is
// in no token, because a contingency command carries it in clear: from the first
// such command on, everybody on the way has it.
type symmetric struct {
	generation int
	label      hsm.KeyLabel
	shares     *shares
	vault      *custody.SecretVault
	session    *custody.SecretSession
	opened     *Custody
	campaign   *campaign // the one that it is for
	exposed    bool      // a command with it was sent
	destroyed  bool
}

// words is how people call the key and, if it is not the first, which one.
func (c *custodians) words() string { return KeyWords(string(c.label)) }

// KeyWords is how people call a key that custodians hold, by its label in the journal:
// recovery-1 is the Recovery key. Any other label is its own word.
func KeyWords(label string) string {
	i := strings.LastIndex(label, "-")
	if i < 0 {
		return label
	}
	words := map[string]string{symmetricName: secretWords(secretSymmetric)}[label[:i]]
	if key := keyWords[label[:i]]; key != "" {
		words = "the " + key
	}
	switch number := label[i+1:]; {
	case words == "":
		return label
	case number == "1":
		return words
	default:
		return fmt.Sprintf("%s (number %s)", words, number)
	}
}

// guardOf is the generation of a key that a decision opens: the one that stands
// on most devices, the newest if they are equal. A renewed key is of no use until
// devices know it, and the old one is what puts it there.
func (w *World) guardOf(key string) *custodians {
	all := w.dcc.guards[key]
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0] // conditions ask often, and estates are large
	}
	for _, c := range all {
		if c.session != nil || c.summoned != nil {
			return c
		}
	}
	best, most := all[len(all)-1], -1
	for i := len(all) - 1; i >= 0; i-- {
		if n := w.standingOn(all[i]); n > most && !all[i].destroyed {
			best, most = all[i], n
		}
	}
	return best
}

// newest is the generation of a key that was made last.
func (w *World) newest(key string) *custodians {
	all := w.dcc.guards[key]
	return all[len(all)-1]
}

// standingOn counts the devices on which a key stands: in the recovery cell, or
// wrapped in the root certificate.
func (w *World) standingOn(c *custodians) int {
	n := 0
	for i := range w.fleet.Len() {
		if c.knownTo(w, i) {
			n++
		}
	}
	return n
}

// makeCustodians splits the PINs of the Recovery and the Contingency token, and
// gives the custodians of the procedure pack the shares of the symmetric key, which
// the ceremony handed out. When it returns no file holds a PIN, and either token
// can be opened by shares and a decision only.
func (w *World) makeCustodians() (*custodians, error) {
	w.dcc = newDCC()
	w.dcc.roots = []rootMade{{certificate: w.authority.made[thingRootOCA], key: 1, contingency: 1, wrapped: 1}}
	for _, s := range w.cfg.Procedure.Custodians {
		w.dcc.people = append(w.dcc.people, &custodian{name: s.Seat, party: s.Party, travel: s.Travel, person: 1})
	}
	symmetricKey, err := custody.Combine(w.authority.symmetric)
	if err != nil {
		return nil, err
	}
	holders := w.holdersAmong(secretSymmetric, w.dcc.people)
	made, err := custody.Split(symmetricKey, w.cfg.Procedure.CustodyOf(secretSymmetric).Shares, len(holders), nil)
	clear(symmetricKey)
	w.authority.symmetric = nil
	if err != nil {
		return nil, err
	}
	recovery, err := w.seal(recoveryName, 1, ownerRecovery, w.dcc.people)
	if err != nil {
		return nil, err
	}
	recovery.certificate = w.authority.made[recoveryName]
	contingency, err := w.seal(contingencyName, 1, ownerContingency, w.dcc.people)
	if err != nil {
		return nil, err
	}
	if contingency.symmetric, err = w.keepSymmetric(1, holders, made); err != nil {
		return nil, err
	}
	w.dcc.guards[recoveryName] = []*custodians{recovery}
	w.dcc.guards[contingencyName] = []*custodians{contingency}
	return recovery, nil
}

// seal splits the PIN of an owner's token among those of some custodians who hold
// the key.
func (w *World) seal(key string, generation int, owner string, some []*custodian) (*custodians, error) {
	made, seats := w.tokens.made[owner], w.holdersAmong(key, some)
	split, err := custody.Seal(made.PINFile, w.cfg.Procedure.CustodyOf(key).Shares, len(seats), nil)
	if err != nil {
		return nil, err
	}
	verifier, err := w.decisionKey()
	if err != nil {
		return nil, err
	}
	c := &custodians{key: key, generation: generation, owner: owner, label: hsm.Label(key, generation), use: recoveryUse}
	if c.pin, err = w.shareOut(key, c.label, seats, split); err != nil {
		return nil, err
	}
	if key == contingencyName {
		c.use = contingencyUse
	}
	config := hsm.FromSoftHSM(made)
	config.PINFile = ""
	config.RequireLabelPrefix = exerciseLabel
	c.vault = &custody.Vault{Token: config, DecisionKey: verifier, Ledger: w.ledger(), Clock: w.clock.Now, Holders: c.pin.holders()}
	return c, nil
}

// keepSymmetric gives the shares of a symmetric key to their holders, in order.
func (w *World) keepSymmetric(generation int, holders []*custodian, made []custody.Share) (*symmetric, error) {
	verifier, err := w.decisionKey()
	if err != nil {
		return nil, err
	}
	k := &symmetric{generation: generation, label: hsm.Label(symmetricName, generation)}
	s, err := w.shareOut(secretSymmetric, k.label, holders, made)
	if err != nil {
		return nil, err
	}
	k.shares = s
	k.vault = &custody.SecretVault{Label: k.label, Holders: s.holders(), DecisionKey: verifier, Ledger: w.ledger(), Clock: w.clock.Now}
	return k, nil
}

// ledger is where the custodians' use of keys is remembered, for all keys.
func (w *World) ledger() string { return filepath.Join(w.cfg.Scratch, "custody") }

func (w *World) decisionKey() (note.Verifier, error) {
	verifier, err := note.NewVerifier(w.cfg.Journal.Key().Verifier())
	if err != nil {
		return nil, fmt.Errorf("reading the record key: %w", err)
	}
	return verifier, nil
}

// Authorise sends for the custodians of a key, in the name of a decision that is
// in the journal. The key is open when enough of them have arrived; a campaign
// that waits for it begins then. Where too few can come, they are waited for.
func (w *World) Authorise(_ context.Context, at time.Duration, a engine.Authorisation) error {
	c := w.guardOf(a.Key)
	refuse := func(format string, args ...any) error {
		err := refuse(format, args...)
		w.refusals = append(w.refusals, fmt.Sprintf("open %s: %v", a.Key, err))
		return err
	}
	switch {
	case c == nil:
		return refuse("nobody guards a key called %q", a.Key)
	case c.session != nil || c.summoned != nil:
		return refuse("%s is open, or its custodians are on their way, under an earlier decision", c.words())
	case c.destroyed:
		return refuse("%s was destroyed", c.words())
	case c.symmetric != nil && c.symmetric.exposed:
		return refuse("%s cannot be used again: its symmetric key was sent in the open by the campaign %q; new contingency material is needed first", c.words(), c.symmetric.campaign.name)
	}
	c.summoned, c.called, c.patience = &a, at, 0
	if c.key == recoveryName {
		w.custody = c
	}
	opens, can := c.quorum(at, -1)
	if can {
		w.expect(c, opens)
	} else {
		c.opens = 0
	}
	if err := w.recordSummons(at, c); err != nil || can {
		return err
	}
	return w.announce(at, c.key, fmt.Sprintf("%s cannot be opened as things stand: %s. Those who can come wait for others", c.words(), c.short()))
}

// quorum is when enough custodians for all that is needed are there.
func (c *custodians) quorum(called, after time.Duration) (time.Duration, bool) {
	at, can := c.pin.quorum(called, after)
	if !can || c.symmetric == nil {
		return at, can
	}
	also, can := c.symmetric.shares.quorum(called, after)
	return max(at, also), can
}

// short says what is missing for a quorum.
func (c *custodians) short() string {
	var words []string
	for _, s := range c.secrets() {
		if t := s.tally(); !t.enough {
			words = append(words, fmt.Sprintf("%d shares of %s can be brought, %d of at least %d Parties are needed", t.present, secretWords(s.of), t.needed, t.parties))
		}
	}
	if len(words) == 0 {
		return "everybody who could come has come, and the shares do not open it"
	}
	return strings.Join(words, "; ")
}

func (c *custodians) secrets() []*shares {
	if c.symmetric == nil {
		return []*shares{c.pin}
	}
	return []*shares{c.pin, c.symmetric.shares}
}

func secretWords(of string) string {
	if of == secretSymmetric {
		return "the symmetric key"
	}
	return "the " + keyWords[of]
}

func (w *World) expect(c *custodians, opens time.Duration) {
	c.opens = opens
	w.pending = append(w.pending, pendingAct{opens, func(ctx context.Context, at time.Duration) error {
		if c.summoned == nil || c.opens != opens {
			return nil // somebody was held up, or the key is open
		}
		return w.openGuard(ctx, at, c)
	}})
}

func (w *World) recordSummons(at time.Duration, c *custodians) error {
	entry := Custody{
		Key: string(c.label), Decision: c.summoned.DecisionSeq, DecisionHash: c.summoned.DecisionHash, Needed: c.pin.needed, Of: len(c.pin.held), Shares: []ShareGiven{},
		Sample: custodySample,
	}
	if c.opens > 0 {
		entry.Expected = journal.FormatAt(c.opens)
	}
	return w.recordCustody(at, entry)
}

// recordCustody tells of custodians and a key, in journal and room.
func (w *World) recordCustody(at time.Duration, entry Custody) error {
	_, err := w.record(journal.KindCustody, at, entry)
	if err == nil {
		w.tell(at, entry)
	}
	return err
}

// reconsider works out anew when those who were called will be enough, after
// something happened to a custodian or a share.
func (w *World) reconsider(at time.Duration) error {
	for _, key := range keyNames {
		for _, c := range w.dcc.guards[key] {
			if c.summoned == nil {
				continue
			}
			opens, can := c.quorum(c.called, -1)
			if opens = max(opens, at); can && opens == c.opens || !can && c.opens == 0 {
				continue
			}
			if !can {
				c.opens = 0
				if err := w.announce(at, key, fmt.Sprintf("%s cannot be opened as things stand: %s", c.words(), c.short())); err != nil {
					return err
				}
				continue
			}
			w.expect(c, opens)
			if err := w.announce(at, key, fmt.Sprintf("enough custodians for %s are now expected at %s", c.words(), journal.FormatAt(opens))); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends what is open when the drill ends without its closing checks.
func (d *dcc) close() error {
	var errs []error
	for _, all := range d.guards {
		for _, c := range all {
			if c.session != nil {
				errs = append(errs, c.session.Close())
				c.session = nil
			}
			if c.symmetric != nil && c.symmetric.session != nil {
				errs = append(errs, c.symmetric.session.Close())
				c.symmetric.session = nil
			}
		}
	}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, custody.ErrRefused) })...)
}
