package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"smki.example/drills/journal"
	"smki.example/drills/report"
)

// summaryFile is the pack's summary for programs. What it says of outcome and
// finding must be what the journal says; drill verify compares them.
const summaryFile = "summary.json"

// summary is what summary.json holds: the verdicts, the closing summary line by
// line, the decisions and the figures.
type summary struct {
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
	Lines     []line            `json:"lines"`
	Decisions []decided         `json:"decisions"`
	Figures   map[string]any    `json:"figures"`
	Counts    map[string]int    `json:"counts"`
	Versions  map[string]string `json:"versions"`
}

// line is one row of the closing summary.
type line struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

// decided is a decision in short.
type decided struct {
	At       string `json:"at"`
	Decision string `json:"decision"`
	Body     string `json:"body"`
	Chosen   string `json:"chosen"`
	Note     string `json:"note"`
	Opens    string `json:"opens,omitempty"`
}

// summarise makes the summary of a record.
func summarise(r *report.Report) *summary {
	s := &summary{
		Run: r.Start.Run, Scenario: r.Start.Scenario, Title: r.Start.Title, Label: r.Start.Label, Exercise: true,
		Outcome: r.Outcome.Outcome, Why: r.Outcome.Why, Finding: r.Outcome.Finding, RecordKey: r.Start.RecordKey,
		Seed: r.Start.Seed, Devices: r.Start.Devices, Heading: r.Heading(), Lines: []line{}, Decisions: []decided{},
		Figures: r.Outcome.Figures, Versions: r.Start.Versions,
		Counts: map[string]int{
			"held": r.Outcome.Held, "not_held": r.Outcome.NotHeld, "missed": r.Outcome.Missed, "skipped": r.Outcome.Skipped, "refused": r.Outcome.Refused,
		},
	}
	for _, l := range r.Lines() {
		s.Lines = append(s.Lines, line{l.Label, l.Text})
	}
	for _, d := range r.Decisions {
		s.Decisions = append(s.Decisions, decided{journal.FormatAt(d.At), d.Body.Decision, d.Body.Body, d.Body.Chosen, d.Body.Note, d.Body.Opens})
	}
	return s
}

// write puts the summary into the pack.
func (s *summary) write(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", summaryFile, err)
	}
	if err := os.WriteFile(filepath.Join(dir, summaryFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", summaryFile, err)
	}
	return nil
}
