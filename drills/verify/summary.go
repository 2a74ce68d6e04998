package verify

import (
	"encoding/json"
	"errors"
	"fmt"
)

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
	if err := a.verdict(told.Finding); err != nil {
		return "", err
	}
	a.result.Scenario, a.result.Outcome, a.result.Finding = start.Scenario, told.Outcome, told.Finding
	raw, err := a.read("summary.json")
	if err != nil {
		return "", errors.New("summary.json is missing")
	}
	if err := plainJSON(raw); err != nil {
		return "", fmt.Errorf("summary.json: %v", err)
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

// verdict adds up anew what the record found, and compares it with what the
// outcome claims: a system held if everything that had to hold did, and nothing
// was missed.
func (a *audit) verdict(claimed string) error {
	if claimed == "none" {
		return nil
	}
	finding := "held"
	for _, e := range a.entries {
		var body struct {
			When string `json:"when"`
			Held bool   `json:"held"`
		}
		switch e.Kind {
		case "finding", "closing", "steady":
			if err := json.Unmarshal(e.Body, &body); err != nil {
				return fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			if !body.Held && body.When != "before" {
				finding = "not held"
			}
		case "missed":
			finding = "not held"
		}
	}
	if claimed != finding {
		return fmt.Errorf("the outcome says %q, its own findings say %q", claimed, finding)
	}
	return nil
}
