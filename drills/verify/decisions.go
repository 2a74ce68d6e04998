package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A decision as the journal has it, as far as a key may hang on it.
type decision struct {
	entry entry
	body  struct {
		Decision string `json:"decision"`
		Question int64  `json:"question"`
		Chosen   string `json:"chosen"`
		Opens    string `json:"opens"`
		Answered string `json:"answered"`
		Options  []struct {
			Name  string `json:"name"`
			Opens string `json:"opens"`
		} `json:"options"`
		Factors []struct {
			ID    string `json:"id"`
			Force string `json:"force"`
		} `json:"factors"`
		Assessed []struct {
			Factor string `json:"factor"`
		} `json:"assessed"`
	}
}

func (a *audit) allDecisions() (map[int64]decision, error) {
	out := map[int64]decision{}
	for _, e := range a.entries {
		if e.Kind != "decision" {
			continue
		}
		d := decision{entry: e}
		if err := json.Unmarshal(e.Body, &d.body); err != nil {
			return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		out[e.Seq] = d
	}
	return out, nil
}

// decisions checks that each was asked before it was answered, that the answer
// was one of the options, that silence opened no key, and that every factor
// which shall be weighed was, where the answer opens one.
func (a *audit) decisions() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	all, err := a.allDecisions()
	if err != nil {
		return "", err
	}
	for seq, d := range all {
		if d.body.Question < 1 || d.body.Question >= seq || a.entries[d.body.Question-1].Kind != "question" {
			return "", fmt.Errorf("entry %d: the decision %q was answered and never asked", seq, d.body.Decision)
		}
		opens, offered := "", false
		for _, o := range d.body.Options {
			if o.Name == d.body.Chosen {
				opens, offered = o.Opens, true
			}
		}
		switch {
		case !offered:
			return "", fmt.Errorf("entry %d: the decision %q chose %q, which was no option", seq, d.body.Decision, d.body.Chosen)
		case opens != d.body.Opens:
			return "", fmt.Errorf("entry %d: the decision %q says it opens %q, its option opens %q", seq, d.body.Decision, d.body.Opens, opens)
		case opens != "" && d.body.Answered == "silence":
			return "", fmt.Errorf("entry %d: silence opened %q", seq, opens)
		}
		if opens == "" {
			continue
		}
		assessed := map[string]bool{}
		for _, f := range d.body.Assessed {
			assessed[f.Factor] = true
		}
		for _, f := range d.body.Factors {
			if f.Force == "shall" && !assessed[f.ID] {
				return "", fmt.Errorf("entry %d: %q was opened with the factor %q not assessed", seq, opens, f.ID)
			}
		}
	}
	return fmt.Sprintf("%d decisions, each asked first and answered by one of its options", len(all)), nil
}

// custody is custodians being asked for a key. Note is the authorisation word
// for word, signed by the record key.
type custody struct {
	Key           string    `json:"key"`
	Authorisation string    `json:"authorisation"`
	Count         int       `json:"count"`
	Expires       time.Time `json:"expires"`
	Decision      int64     `json:"decision"`
	DecisionHash  string    `json:"decision_hash"`
	Note          string    `json:"note"`
	Needed        int       `json:"needed"`
	Shares        []struct {
		Custodian string `json:"custodian"`
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
	openings := map[string]*opening{}
	digests := map[string]bool{}
	for _, e := range a.entries {
		switch e.Kind {
		case "custody":
			err = a.takeCustody(e, openings, decided)
		case "keyuse":
			err = takeUse(e, openings, digests)
		}
		if err != nil {
			return "", fmt.Errorf("entry %d: %v", e.Seq, err)
		}
	}
	for _, name := range a.named("messages/", ".hex") {
		m, err := a.loadMessage(name)
		if err != nil || m.cra != craCommand || (m.code != codeRecovery && m.code != codeContingency) {
			continue // unreadable ones are the business of another step
		}
		if !digests[hexSum(m.signed)] {
			return "", fmt.Errorf("%s bears a signature of a recovery key that no decision accounts for", name)
		}
	}
	return fmt.Sprintf("%d signatures under %d authorisations, each with its decision", len(digests), len(openings)), nil
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
	given := map[string]bool{}
	for _, s := range c.Shares {
		if s.Given {
			given[s.Custodian] = true
		}
	}
	switch {
	case !is || d.entry.Seq >= e.Seq:
		return fmt.Errorf("the key %q was opened without a decision before it", c.Key)
	case d.entry.Hash != c.DecisionHash:
		return fmt.Errorf("the authorisation names another decision than entry %d", d.entry.Seq)
	case d.body.Opens == "" || !strings.HasPrefix(c.Key, d.body.Opens):
		return fmt.Errorf("the decision of entry %d opens %q and not %q", d.entry.Seq, d.body.Opens, c.Key)
	case c.Needed < 1 || len(given) < c.Needed:
		return fmt.Errorf("the key %q was opened with %d shares of the %d needed", c.Key, len(given), c.Needed)
	}
	if err := a.signedAuthorisation(c); err != nil {
		return err
	}
	openings[c.Authorisation] = &opening{custody: c}
	return nil
}

// signedAuthorisation checks that the record key signed the authorisation, and
// that it names the key, the decision and the authorisation it is told for.
func (a *audit) signedAuthorisation(c custody) error {
	public, err := a.recordKey()
	if err != nil {
		return err
	}
	text, err := openNote([]byte(c.Note), public)
	if err != nil {
		return fmt.Errorf("authorisation %s is not signed by the record key", c.Authorisation)
	}
	for _, named := range []string{c.Key, c.Authorisation, c.DecisionHash} {
		if named == "" || !strings.Contains(text, named) {
			return fmt.Errorf("authorisation %s, as signed, does not name %q", c.Authorisation, named)
		}
	}
	return nil
}

// takeUse holds one signature against the opening it names.
func takeUse(e entry, openings map[string]*opening, digests map[string]bool) error {
	var u keyUse
	if err := json.Unmarshal(e.Body, &u); err != nil {
		return err
	}
	o, is := openings[u.Authorisation]
	switch {
	case !is || o.closed:
		return fmt.Errorf("the key %q was used and no custodians held it open under authorisation %q", u.Key, u.Authorisation)
	case o.Key != u.Key || o.Decision != u.Decision || o.DecisionHash != u.DecisionHash:
		return fmt.Errorf("the use of %q is not what authorisation %s allows", u.Key, u.Authorisation)
	case digests[u.Digest]:
		return fmt.Errorf("the signature over %q is told twice", u.Digest)
	}
	o.used++
	digests[u.Digest] = true
	switch {
	case u.Number != o.used:
		return fmt.Errorf("use %d of %q is told as number %d: one is missing", o.used, u.Key, u.Number)
	case o.used > o.Count:
		return fmt.Errorf("%d signatures, the authorisation allows %d", o.used, o.Count)
	}
	return nil
}

// summary compares summary.json with the journal, and takes from the journal
// what the record says of the drill.
func (a *audit) summary() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	var start struct {
		Run      string `json:"run"`
		Scenario string `json:"scenario"`
	}
	if err := json.Unmarshal(a.entries[0].Body, &start); err != nil {
		return "", fmt.Errorf("the start cannot be read: %v", err)
	}
	var told struct {
		Outcome string `json:"outcome"`
		Finding string `json:"finding"`
	}
	found := false
	for _, e := range a.entries {
		if e.Kind == "outcome" {
			if found {
				return "", fmt.Errorf("entry %d: a second outcome", e.Seq)
			}
			if err := json.Unmarshal(e.Body, &told); err != nil {
				return "", fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			found = true
		}
	}
	if !found {
		return "", errors.New("the journal has no outcome: the drill broke off")
	}
	a.result.Scenario, a.result.Outcome, a.result.Finding = start.Scenario, told.Outcome, told.Finding
	raw, err := a.read("summary.json")
	if err != nil {
		return "", errors.New("summary.json is missing")
	}
	var s struct {
		Run       string `json:"run"`
		Scenario  string `json:"scenario"`
		Outcome   string `json:"outcome"`
		Finding   string `json:"finding"`
		RecordKey string `json:"record_key"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("summary.json: %v", err)
	}
	for _, m := range []struct{ name, got, want string }{
		{"run", s.Run, start.Run}, {"scenario", s.Scenario, start.Scenario}, {"outcome", s.Outcome, told.Outcome},
		{"finding", s.Finding, told.Finding}, {"record_key", s.RecordKey, a.result.RecordKey},
	} {
		if m.got != m.want {
			return "", fmt.Errorf("summary.json says %s %q, the journal %q", m.name, m.got, m.want)
		}
	}
	return fmt.Sprintf("%s %s, finding: %s", start.Scenario, told.Outcome, told.Finding), nil
}
