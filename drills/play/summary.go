package play

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"smki.example/drills/journal"
	"smki.example/drills/report"
)

// Names of what Seal writes into a pack.
const (
	SummaryFile = "summary.json"
	ReportFile  = "report.html"
)

// Summary is what summary.json holds, for programs: the verdicts, the closing
// summary line by line, the decisions and the figures. What it says of outcome and
// finding must be what the journal says; drill verify compares them.
type Summary struct {
	Run       string            `json:"run"`
	Scenario  string            `json:"scenario"`
	Title     string            `json:"title"`
	Label     string            `json:"label"`
	Exercise  bool              `json:"exercise"`
	Outcome   string            `json:"outcome"`
	Why       string            `json:"why,omitempty"`
	Finding   string            `json:"finding"`
	RecordKey string            `json:"record_key"`
	Seed      int64             `json:"seed"`
	Devices   int               `json:"devices"`
	Heading   string            `json:"heading"`
	Lines     []Line            `json:"lines"`
	Decisions []Decided         `json:"decisions"`
	Figures   map[string]any    `json:"figures"`
	Counts    map[string]int    `json:"counts"`
	Versions  map[string]string `json:"versions"`
}

// Line is one row of the closing summary.
type Line struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

// Decided is a decision in short.
type Decided struct {
	At       string `json:"at"`
	Decision string `json:"decision"`
	Body     string `json:"body"`
	Chosen   string `json:"chosen"`
	Note     string `json:"note"`
	Opens    string `json:"opens,omitempty"`
}

// Summarise makes the summary of a record.
func Summarise(r *report.Report) *Summary {
	s := &Summary{
		Run: r.Start.Run, Scenario: r.Start.Scenario, Title: r.Start.Title, Label: r.Start.Label, Exercise: true,
		Outcome: r.Outcome.Outcome, Why: r.Outcome.Why, Finding: r.Outcome.Finding, RecordKey: r.Start.RecordKey,
		Seed: r.Start.Seed, Devices: r.Start.Devices, Heading: r.Heading(), Lines: []Line{}, Decisions: []Decided{},
		Figures: r.Outcome.Figures, Versions: r.Start.Versions,
		Counts: map[string]int{
			"held": r.Outcome.Held, "not_held": r.Outcome.NotHeld, "missed": r.Outcome.Missed, "skipped": r.Outcome.Skipped, "refused": r.Outcome.Refused,
		},
	}
	for _, l := range r.Lines() {
		s.Lines = append(s.Lines, Line{l.Label, l.Text})
	}
	for _, d := range r.Decisions {
		s.Decisions = append(s.Decisions, Decided{journal.FormatAt(d.At), d.Body.Decision, d.Body.Body, d.Body.Chosen, d.Body.Note, d.Body.Opens})
	}
	return s
}

// write puts the summary into the pack.
func (s *Summary) write(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", SummaryFile, err)
	}
	if err := os.WriteFile(filepath.Join(dir, SummaryFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", SummaryFile, err)
	}
	return nil
}
