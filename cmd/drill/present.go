package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"smki.example/cmd/clikit"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/verbs"
)

// stage prints what happens. It says nothing that a player must not know: the
// intruder's doings are not announced, what devices say is. A nil stage is that of
// a pipe, which gets the result alone.
type stage struct {
	screen   screen
	about    string           // what players may know before the start
	terms    []procedure.Term // words of the trade that stand on the screen
	progress *clikit.Progress
}

// stage is the terminal's, if there is one.
func (d *drill) stage() *stage {
	if !clikit.IsTerminal(d.c.App.Writer) || clikit.WantsJSON(d.c) {
		return nil
	}
	return &stage{screen: screen{out: d.c.App.Writer}, about: d.scenario.About, terms: d.procedure.Terms, progress: d.progress}
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
		s.line(at, fmt.Sprintf("asked %d devices what the cell of %s holds: %s", b.Sample, b.Party, counts(b.Holding)))
	case verbs.FileExchanged:
		s.line(at, fmt.Sprintf("%s of %s, %s: %s", b.What, b.Party, b.File, counts(b.Counts)))
	case verbs.Deferred:
		if b.Ended {
			s.line(at, fmt.Sprintf("%s: the time for which revocation was put off is over", b.Party))
		} else {
			s.line(at, fmt.Sprintf("%s: revocation put off until %s: %s", b.Party, b.Until, b.Reason))
		}
	case verbs.Notice:
		s.line(at, b.Text)
	case verbs.DeviceKeysRenewed:
		s.line(at, fmt.Sprintf("%s: %s", b.Work, counts(b.Outcomes)))
	case verbs.Custody:
		if b.Refused == "" { // a notice says why
			s.line(at, custodyWords(b))
		}
	case verbs.KeyUse:
		s.line(at, verbs.KeyWords(b.Key)+" signs for the first time under this decision")
	case verbs.CRLPublished:
		s.line(at, fmt.Sprintf("list number %d of %s is published: %d revoked", b.Number, b.Issuer, b.Entries))
	case verbs.Checkpoint:
		s.line(at, fmt.Sprintf("progress file %s: %s", b.File, counts(b.Counts)))
	}
}

// custodyWords is what befell a key that custodians hold.
func custodyWords(b verbs.Custody) string {
	key := verbs.KeyWords(b.Key)
	switch {
	case b.Closed:
		return fmt.Sprintf("%s is closed, after %d uses", key, b.Uses)
	case b.Opened:
		given := 0
		for _, s := range b.Shares {
			if s.Given {
				given++
			}
		}
		return fmt.Sprintf("%s is open: %d custodians gave their shares", key, given)
	case b.Expected != "":
		return fmt.Sprintf("custodians are called for %s; enough of them are expected at %s", key, b.Expected)
	}
	return "custodians are called for " + key
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
	s.screen.mark(fmt.Sprintf("%6s  ", clock(at)), text)
}

// Present implements [engine.Presenter].
func (s *stage) Present(_ context.Context, m engine.Moment) error {
	text := s.text(m)
	if text == "" {
		return nil
	}
	s.line(m.At, text)
	if m.Words != "" {
		s.screen.mark(strings.Repeat(" ", margin)+"record ", m.Words)
	}
	if m.Kind == journal.KindStart {
		s.introduce()
	}
	return nil
}

// introduce tells the players what they may know, and what the words mean that
// they are going to read.
func (s *stage) introduce() {
	if s.about != "" {
		fmt.Fprintln(s.screen.out)
		s.screen.say(margin, s.about)
	}
	if len(s.terms) == 0 {
		return
	}
	note := ""
	if slices.ContainsFunc(s.terms, func(t procedure.Term) bool { return !t.Verified }) {
		note = " (in our words, sample)"
	}
	fmt.Fprintln(s.screen.out)
	s.screen.say(margin, "Words that you will read"+note+":")
	for _, t := range s.terms {
		s.screen.mark(strings.Repeat(" ", margin)+"- ", t.Term+": "+t.Says)
	}
	fmt.Fprintln(s.screen.out)
}

func (s *stage) text(m engine.Moment) string {
	switch b := m.Body.(type) {
	case journal.Start:
		// The title tells what happened, so it stands under the summary alone.
		return fmt.Sprintf("EXERCISE - %s - %s\nevery key in it is made for it; %d devices, seed %d\nrecord key\n%s", b.Label, b.Scenario, b.Devices, b.Seed, b.RecordKey)
	case journal.Inject:
		return fmt.Sprintf("%s from %s, to %s:\n%s", strings.ToUpper(b.As), b.From, strings.Join(b.To, ", "), b.Text)
	case journal.Notify:
		if b.Phase == "due" {
			return fmt.Sprintf("%s must be told by %s", b.Whom, b.Due)
		}
		return fmt.Sprintf("%s was told (%s)", b.Whom, metWords(b.Met))
	case journal.Decision:
		return decidedWords(b)
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
		return fmt.Sprintf("%s: %s", heldWords(b.Held), b.Says)
	case journal.Closing:
		return fmt.Sprintf("%s: %s: %s", heldWords(b.Held), b.Check, b.Found)
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
		return "held"
	}
	return "NOT HELD"
}

// decidedWords is a decision as the screen tells it.
func decidedWords(b journal.Decision) string {
	text := fmt.Sprintf("DECIDED by %s: %s: %s. %s", b.Body, b.Decision, strings.ToUpper(b.Chosen), b.Note)
	if b.Reason != "" {
		text += "\nReasons: " + b.Reason
	}
	for _, o := range b.Options {
		if o.Name == b.Chosen && o.Again > 0 {
			text += "\nThis is not final: the question comes back."
		}
	}
	return text
}
