package room

import (
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/report"
)

// shown are the verbs of which those hear who work on the recovery. What is not
// among them is the scenario's own hand: an intruder at work, a share that is lost, a
// token that fails.
var shown = []string{
	"replace", "hand over", "change supplier", "freeze", "release", "raise thresholds", "lower thresholds", "exit quarantine", "notify file", "revoke", "defer revocation",
	"publish", "read back", "report progress", "open", "close", "renew", "reissue", "renew devices", "destroy",
}

// takeStep is what the scenario and the facilitator do.
func (d *drill) takeStep(e journal.Entry) error {
	switch e.Kind {
	case journal.KindAct:
		var b journal.Act
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Done
		a := d.behind()
		if slices.Contains(shown, b.Verb) {
			a = d.working()
		}
		says := strings.TrimSpace(b.Verb + " " + b.Object)
		if by := b.Params["by"]; by != "" {
			says += " by " + by
		}
		switch {
		case b.Verb == "open" && b.Result != "refused":
			// What comes of it the custodians' entries tell.
		case b.Phase == "begin":
			d.add(e, Item{Kind: ItemAct, Title: report.Capital(says)}, a)
		case b.Result != "done":
			d.add(e, Item{Kind: ItemAct, Title: report.Capital(says) + ": " + b.Result, Text: b.Error}, a)
		}
	case journal.KindSkip:
		var b journal.Skip
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Skipped
		if !b.RuledOut {
			d.add(e, Item{Kind: ItemMissed, Title: "Left out: " + b.What, Text: b.Why}, d.behind())
		}
	case journal.KindMissed:
		var b journal.Missed
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Missed
		d.add(e, Item{Kind: ItemMissed, Title: "Missed: " + b.What, Text: b.Why}, d.behind())
	case journal.KindSteer:
		var b journal.Steer
		if err := e.Decode(&b); err != nil {
			return err
		}
		if b.Refused == "" {
			d.steered[b.Step] = Steering(b.Did)
		}
		d.add(e, Item{Kind: ItemPause, Title: fmt.Sprintf("The facilitator: %s step %s", b.Did, b.Step), Text: strings.TrimSpace(b.Why + " " + b.Refused)}, d.behind())
	case journal.KindPause:
		var b journal.Pause
		if err := e.Decode(&b); err != nil {
			return err
		}
		title := map[string]string{"pause": "The exercise is paused", "resume": "The exercise goes on", "abort": "The exercise is broken off"}[b.Phase]
		d.add(e, Item{Kind: ItemPause, Title: title, Text: report.Capital(b.Why)}, everybody)
	}
	return nil
}

// takeFinding is what was found out, and the end.
func (d *drill) takeFinding(e journal.Entry) error {
	found := func(held bool, title, text string, a audience) {
		word := "Held: "
		if !held {
			word = "NOT held: "
		}
		d.add(e, Item{Kind: ItemFinding, Title: word + title, Text: text, Good: &held}, a)
	}
	switch e.Kind {
	case journal.KindSteady:
		var b journal.Steady
		if err := e.Decode(&b); err != nil {
			return err
		}
		a := d.behind()
		if b.When == "after" {
			a = everybody
		}
		found(b.Held, b.Says, b.Found, a)
	case journal.KindFinding:
		var b journal.Finding
		if err := e.Decode(&b); err != nil {
			return err
		}
		found(b.Held, b.Says, b.Found, everybody)
	case journal.KindClosing:
		var b journal.Closing
		if err := e.Decode(&b); err != nil {
			return err
		}
		found(b.Held, b.Check, b.Found, everybody)
	case journal.KindOutcome:
		var b journal.Outcome
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.outcome = &b
		d.questions, d.duties = nil, nil
		text := map[string]string{engine.Held: "The system held.", engine.NotHeld: "The system did not hold."}[b.Finding]
		d.add(e, Item{Kind: ItemOutcome, Title: "The drill is over: " + b.Outcome, Text: strings.TrimSpace(text + " " + report.Capital(b.Why))}, everybody)
	}
	return nil
}
