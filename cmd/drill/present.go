package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/verbs"
)

// stage prints what happens. It says nothing that a player must not know: the
// intruder's doings are not announced, what devices say is. A nil stage is that of
// a pipe, which gets the result alone.
type stage struct {
	out      io.Writer
	progress *clikit.Progress
}

// stage is the terminal's, if there is one.
func (d *drill) stage() *stage {
	if !clikit.IsTerminal(d.c.App.Writer) || clikit.WantsJSON(d.c) {
		return nil
	}
	return &stage{out: d.c.App.Writer, progress: d.progress}
}

// presenter is the stage as the engine knows it.
func (s *stage) presenter() engine.Presenter {
	if s == nil {
		return nil
	}
	return s
}

// told prints what devices said.
func (s *stage) told(at time.Duration, body any) {
	if s == nil {
		return
	}
	switch b := body.(type) {
	case verbs.Shard:
		s.line(at, fmt.Sprintf("%s: %s%s", b.Campaign, counts(b.Outcomes), because(b.Reasons)))
	case verbs.ReadBack:
		s.line(at, fmt.Sprintf("asked %d devices what their supplier cell holds: %s", b.Sample, counts(b.Holding)))
	case verbs.Checkpoint:
		s.line(at, fmt.Sprintf("progress file %s: %s", b.File, counts(b.Counts)))
	}
}

func because(reasons map[string]int) string {
	if len(reasons) == 0 {
		return ""
	}
	return " (" + counts(reasons) + ")"
}

// counts writes counts by name.
func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// line prints one line, or several, at a scenario time.
func (s *stage) line(at time.Duration, text string) {
	s.progress.Clear()
	when := clock(at)
	for i, part := range strings.Split(text, "\n") {
		if i > 0 {
			when = ""
		}
		fmt.Fprintf(s.out, "%6s  %s\n", when, part)
	}
}

// Present implements [engine.Presenter].
func (s *stage) Present(_ context.Context, m engine.Moment) error {
	text := s.text(m)
	if text == "" {
		return nil
	}
	s.line(m.At, text)
	if m.Words != "" {
		fmt.Fprintf(s.out, "        %s\n", recordWords(s.out, m.Words, 15))
	}
	return nil
}

func (s *stage) text(m engine.Moment) string {
	switch b := m.Body.(type) {
	case journal.Start:
		return fmt.Sprintf("EXERCISE - %s - %s %s\nevery key in it is made for it; %d devices, seed %d\nrecord key %s", b.Label, b.Scenario, b.Title, b.Devices, b.Seed, b.RecordKey)
	case journal.Inject:
		return fmt.Sprintf("%s from %s, to %s:\n%s", strings.ToUpper(b.As), b.From, strings.Join(b.To, ", "), wrap(b.Text, 100))
	case journal.Notify:
		if b.Phase == "due" {
			return fmt.Sprintf("%s must be told by %s", b.Whom, b.Due)
		}
		return fmt.Sprintf("%s was told (%s)", b.Whom, metWords(b.Met))
	case journal.Decision:
		return fmt.Sprintf("DECIDED by %s: %s: %s. %s", b.Body, b.Decision, strings.ToUpper(b.Chosen), b.Note)
	case journal.Act:
		switch {
		case b.Verb == "attack":
			return ""
		case b.Phase == "begin":
			return strings.TrimSpace(fmt.Sprintf("%s %s %s", b.Verb, b.Object, b.Params["by"]))
		case b.Result != "done":
			return fmt.Sprintf("%s: %s: %s", b.Verb, b.Result, b.Error)
		}
	case journal.Missed:
		return fmt.Sprintf("MISSED: %s: %s", b.What, b.Why)
	case journal.Finding:
		return fmt.Sprintf("%s  %s", heldWords(b.Held), b.Says)
	case journal.Closing:
		return fmt.Sprintf("%s  %s: %s", heldWords(b.Held), b.Check, b.Found)
	}
	return ""
}

func metWords(met bool) string {
	if met {
		return "in time"
	}
	return "too late"
}

func heldWords(held bool) string {
	if held {
		return "held    "
	}
	return "NOT HELD"
}

// wrap breaks a text into lines.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len([]rune(word)) > width {
			b.WriteByte('\n')
			column = 0
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}
