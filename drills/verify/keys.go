package verify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"smki.example/policy"
)

// custody is custodians being asked for a key. Note is the authorisation word
// for word, signed by the record key.
type custody struct {
	Key           string    `json:"key"`
	Authorisation string    `json:"authorisation"`
	Use           string    `json:"use"`
	Count         int       `json:"count"`
	NotBefore     time.Time `json:"not_before"`
	Expires       time.Time `json:"expires"`
	Decision      int64     `json:"decision"`
	DecisionHash  string    `json:"decision_hash"`
	Note          string    `json:"note"`
	Needed        int       `json:"needed"`
	Parties       int       `json:"parties"` // distinct ones needed; absent in old records
	Shares        []struct {
		Custodian string `json:"custodian"`
		Party     string `json:"party"`
		Given     bool   `json:"given"`
	} `json:"shares"`
	Opened bool `json:"opened"`
	Closed bool `json:"closed"`
	Uses   int  `json:"uses"`
}

type keyUse struct {
	Key           string `json:"key"`
	Number        int    `json:"number"`
	Digest        string `json:"digest"`
	Authorisation string `json:"authorisation"`
	Decision      int64  `json:"decision"`
	DecisionHash  string `json:"decision_hash"`
	Use           string `json:"use"`
}

// guardedKeys are the keys that only a decision opens, by the name of their labels:
// which answer opens them, and the one use that it allows. The symmetric key signs
// nothing: its use is that it is given out, once, to be sent in the open.
var guardedKeys = map[string]struct{ opens, use string }{
	"recovery":              {"recovery", "cs02b-mode-8"},
	"contingency":           {"contingency", "cs02b-mode-9"},
	"contingency-symmetric": {"contingency", "cs02b-mode-9-symmetric-key"},
}

// symmetric is the name of the key that unwraps the Contingency key.
const symmetric = "contingency-symmetric"

var labelText = regexp.MustCompile(`^([a-z-]+)-[1-9][0-9]*$`)

// nameOf is what a key's label calls it, without the generation; empty for a label
// that is none.
func nameOf(label string) string {
	m := labelText.FindStringSubmatch(label)
	if m == nil {
		return ""
	}
	return m[1]
}

// An opening is a key that custodians opened, and what was done with it.
type opening struct {
	custody
	used   int
	closed bool
}

// keyUses matches every signature of a key that only a decision opens: each use
// stands on an opening that enough custodians gave their shares to, the opening
// on an authorisation, that on a decision whose answer opens just this key; no
// more signatures than were allowed; no message of such a key in the pack that
// stands in no entry.
func (a *audit) keyUses() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	decided, err := a.allDecisions()
	if err != nil {
		return "", err
	}
	var start struct {
		Epoch time.Time `json:"epoch"`
	}
	if err := json.Unmarshal(a.entries[0].Body, &start); err != nil {
		return "", fmt.Errorf("the start cannot be read: %v", err)
	}
	openings := map[string]*opening{}
	digests := map[string]string{} // the key, by what it signed
	copies, err := a.copyUses()
	if err != nil {
		return "", err
	}
	for _, e := range a.entries {
		switch e.Kind {
		case "custody":
			err = a.takeCustody(e, openings, decided)
		case "keyuse":
			err = takeUse(e, start.Epoch.Add(e.at), openings, digests)
		}
		if err != nil {
			return "", fmt.Errorf("entry %d: %v", e.Seq, err)
		}
	}
	for id, o := range openings {
		if !o.closed {
			return "", fmt.Errorf("the key %q was opened under %s and never closed: nobody says how often it signed", o.Key, id)
		}
	}
	if err := a.unaccounted(digests, copies); err != nil {
		return "", err
	}
	given := map[string]string{}
	for digest, key := range digests {
		if nameOf(key) == symmetric {
			given[digest] = key
		}
	}
	if err := a.oneCampaign(given); err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d uses under %d authorisations, each with its decision", len(digests), len(openings))
	var unseen []string
	for _, o := range openings {
		if a.gone(o.Decision) {
			unseen = append(unseen, fmt.Sprintf("entry %d", o.Decision))
		}
	}
	if len(unseen) > 0 {
		slices.Sort(unseen)
		said += fmt.Sprintf("; what was decided in %s was taken out of this copy, and the whole record is needed to see it", strings.Join(slices.Compact(unseen), ", "))
	}
	if len(copies) > 0 {
		said += fmt.Sprintf("; %d by an intruder's copy, which the drill's timeline gave away", len(copies))
	}
	return said, nil
}

// copyUses are the signatures that an intruder's copy of a guarded key made. They
// have no decision, and they count only in a drill that put such an intruder on the
// stage, told before his first signature.
func (a *audit) copyUses() (map[string]bool, error) {
	copies := map[string]bool{}
	given := map[string]bool{}
	for _, e := range a.entries {
		switch e.Kind {
		case "act":
			var act struct {
				Verb   string `json:"verb"`
				Object string `json:"object"`
				Phase  string `json:"phase"`
			}
			if err := json.Unmarshal(e.Body, &act); err != nil {
				return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			if act.Verb == "attack" && act.Phase == "begin" {
				given[act.Object] = true
			}
		case "copyuse":
			var use struct {
				Key    string `json:"key"`
				Digest string `json:"digest"`
			}
			if err := json.Unmarshal(e.Body, &use); err != nil {
				return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			owner, _, _ := strings.Cut(use.Key, "-")
			if !given[owner] {
				return nil, fmt.Errorf("entry %d: a signature of %q is laid on an intruder, and the drill has none with that key", e.Seq, use.Key)
			}
			copies[use.Digest] = true
		}
	}
	return copies, nil
}

// unaccounted looks for messages of a recovery key that stand in no entry. Such a
// key is known by its certificate and not by what its messages say: a command of
// another mode signed by it is a use like any other. The Contingency key has no
// certificate, so its messages are known by their mode.
func (a *audit) unaccounted(digests map[string]string, copies map[string]bool) error {
	certificates, err := a.loadCertificates()
	if err != nil {
		return err
	}
	var guarded []*policy.Certificate
	for _, c := range certificates {
		if role, is := c.Role(); is && role == policy.RoleRecovery {
			guarded = append(guarded, c)
		}
	}
	for _, name := range a.named("messages/", ".hex") {
		m, err := a.loadMessage(name)
		if err != nil {
			continue // unreadable ones are the business of another step
		}
		by := nameOf(digests[hexSum(m.signed)])
		switch {
		case m.cra == craCommand && m.code == codeContingency:
			if by != "contingency" {
				return fmt.Errorf("%s is signed by the Contingency key, and no decision accounts for it", name)
			}
		case m.cra == craCommand && m.code == codeRecovery, signedByAny(m, guarded):
			if by != "recovery" && !copies[hexSum(m.signed)] {
				return fmt.Errorf("%s bears a signature of a recovery key that no decision accounts for", name)
			}
		}
	}
	return nil
}

// takeCustody holds an opening against the decision it names, and a closing
// against the uses that were told.
func (a *audit) takeCustody(e entry, openings map[string]*opening, decided map[int64]decision) error {
	var c custody
	if err := json.Unmarshal(e.Body, &c); err != nil {
		return err
	}
	if c.Closed {
		o, is := openings[c.Authorisation]
		switch {
		case !is || o.closed:
			return fmt.Errorf("authorisation %q was closed and not open", c.Authorisation)
		case o.used != c.Uses:
			return fmt.Errorf("the key %q made %d signatures, the record accounts for %d", c.Key, c.Uses, o.used)
		}
		o.closed = true
		return nil
	}
	if !c.Opened {
		return nil
	}
	if _, twice := openings[c.Authorisation]; twice {
		return fmt.Errorf("authorisation %s opened a key twice", c.Authorisation)
	}
	d, is := decided[c.Decision]
	given, parties := map[string]bool{}, map[string]bool{}
	for _, s := range c.Shares {
		if s.Given {
			given[s.Custodian], parties[s.Party] = true, true
		}
	}
	guarded, known := guardedKeys[nameOf(c.Key)]
	// A decision that was taken out of this copy cannot be looked at. That it stood
	// there, and has not been changed since, the head says.
	gone := a.gone(c.Decision) && c.Decision < e.Seq
	switch {
	case !gone && (!is || d.entry.Seq >= e.Seq):
		return fmt.Errorf("the key %q was opened without a decision before it", c.Key)
	case !gone && d.entry.Hash != c.DecisionHash:
		return fmt.Errorf("the authorisation names another decision than entry %d", d.entry.Seq)
	case !known || !gone && (d.body.Opens == "" || guarded.opens != d.body.Opens):
		return fmt.Errorf("the decision of entry %d opens %q and not %q", d.entry.Seq, d.body.Opens, c.Key)
	case c.Use != guarded.use:
		return fmt.Errorf("the key %q was opened for %q, and a decision opens it for %q alone", c.Key, c.Use, guarded.use)
	case nameOf(c.Key) == symmetric && c.Count != 1:
		return fmt.Errorf("the key %q was to be given out %d times: it is good once", c.Key, c.Count)
	case c.Needed < 1 || len(given) < c.Needed:
		return fmt.Errorf("the key %q was opened with %d shares of the %d needed", c.Key, len(given), c.Needed)
	case len(parties) < c.Parties:
		return fmt.Errorf("the key %q was opened by custodians of %d Parties, of %d at least they must be", c.Key, len(parties), c.Parties)
	}
	for id, o := range openings {
		if o.Key == c.Key && o.Decision == c.Decision {
			return fmt.Errorf("the decision of entry %d opened %q under %s already", c.Decision, c.Key, id)
		}
	}
	if err := a.signedAuthorisation(c); err != nil {
		return err
	}
	openings[c.Authorisation] = &opening{custody: c}
	return nil
}

// signedAuthorisation checks that the record key signed the authorisation, and
// that what was signed is what the entry tells, line by line: there is one right
// text, and the entry decides it.
func (a *audit) signedAuthorisation(c custody) error {
	public, err := a.recordKey()
	if err != nil {
		return err
	}
	text, err := openNote([]byte(c.Note), public)
	if err != nil {
		return fmt.Errorf("authorisation %s is not signed by the record key", c.Authorisation)
	}
	want := fmt.Sprintf("smki custody authorisation\nid %s\nkey %s\nuse %s\ncount %d\nnot-before %s\nexpires %s\ndecision %s\n",
		c.Authorisation, c.Key, c.Use, c.Count, c.NotBefore.UTC().Format(time.RFC3339), c.Expires.UTC().Format(time.RFC3339), c.DecisionHash)
	if text != want {
		return fmt.Errorf("authorisation %s, as signed, is not the one that is told", c.Authorisation)
	}
	return nil
}

// takeUse holds one signature, made at a scenario date, against the opening it
// names.
func takeUse(e entry, at time.Time, openings map[string]*opening, digests map[string]string) error {
	var u keyUse
	if err := json.Unmarshal(e.Body, &u); err != nil {
		return err
	}
	o, is := openings[u.Authorisation]
	switch {
	case !is || o.closed:
		return fmt.Errorf("the key %q was used and no custodians held it open under authorisation %q", u.Key, u.Authorisation)
	case o.Key != u.Key || o.Decision != u.Decision || o.DecisionHash != u.DecisionHash || o.Use != u.Use:
		return fmt.Errorf("the use of %q is not what authorisation %s allows", u.Key, u.Authorisation)
	case at.Before(o.NotBefore) || at.After(o.Expires):
		return fmt.Errorf("the key %q was used at %s, outside the time of authorisation %s", u.Key, e.At, u.Authorisation)
	case digests[u.Digest] != "":
		return fmt.Errorf("the use of %q over %q is told twice", u.Key, u.Digest)
	}
	o.used++
	digests[u.Digest] = u.Key
	switch {
	case u.Number != o.used:
		return fmt.Errorf("use %d of %q is told as number %d: one is missing", o.used, u.Key, u.Number)
	case o.used > o.Count:
		return fmt.Errorf("%d signatures, the authorisation allows %d", o.used, o.Count)
	}
	return nil
}
