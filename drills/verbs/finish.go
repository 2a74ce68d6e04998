package verbs

import (
	"encoding/csv"
	"fmt"
	"strconv"

	"smki.example/drills/fleet"
	"smki.example/drills/journal"
)

// WritePack completes the evidence pack with what only the end knows: every
// device with its end, and the secrets of the MACs. It is called once, after the
// outcome is in the journal and before the pack is sealed.
func (w *World) WritePack() error {
	if err := w.writeDevices(); err != nil {
		return err
	}
	return w.pack.writeSecrets()
}

// writeDevices writes devices.csv: each device with the end that it came to and
// why, over all parties that the drill is about and, where there are several, for
// each of them.
func (w *World) writeDevices() error {
	defer w.oneMoment()()
	about := w.about()
	head := append([]string{"status", "method", "attempts", "command", "command_reason", "command_at", "party", "why"}, fleet.RecordHeader()...)
	if len(about) > 1 {
		for _, p := range about {
			head = append(head, "status "+p.id, "why "+p.id)
		}
	}
	file, err := w.pack.create("devices.csv")
	if err != nil {
		return err
	}
	defer file.Close()
	// Row by row: an estate as text is larger than the estate.
	out := csv.NewWriter(file)
	out.Write(append(head, "classification"))
	rows := w.rows()
	for i := range rows {
		r := rows[i]
		status, p := w.end(&r)
		last, method := w.lastOutcome(p, r.Index)
		name := ""
		if p != nil {
			name = p.name
		}
		row := append([]string{status, method, strconv.Itoa(last.tries), last.word, last.reason, last.when(), name, w.why(p, &r, status)}, r.Record(w.clock.epoch)...)
		if len(about) > 1 {
			for _, p := range about {
				status := w.endFor(p, &r)
				row = append(row, status, w.why(p, &r, status))
			}
		}
		out.Write(append(row, w.classification()))
	}
	// The writer keeps its first error.
	if out.Flush(); out.Error() != nil {
		return fmt.Errorf("writing devices.csv: %w", out.Error())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("writing devices.csv: %w", err)
	}
	return nil
}

// why says for what reason a device came to an end.
func (w *World) why(p *party, r *fleet.Row, status string) string {
	if p == nil {
		return "it holds no certificate of a party that the drill is about"
	}
	last, _ := w.lastOutcome(p, r.Index)
	switch status {
	case statusRecovered:
		if last.word == outcomeDone {
			return "its signed answer proves every cell"
		}
		return "every cell holds a key that is wanted there"
	case statusTaken:
		return "an intruder's key stands in the cell"
	case statusBroker:
		return "the Access Control Broker's key stands in the cell; the handover is to come"
	case statusUnreachable:
		if r.NoWAN {
			return "no message reaches it: there is no WAN at its premises"
		}
		return "no message reaches it: " + r.Reach.String()
	case statusExcluded:
		if r.Excluded != "" {
			return r.Excluded
		}
		return "registered to " + p.name + ", and its cell holds the certificate of " + w.subjectIn(p, r)
	case "":
		return ""
	}
	switch {
	case last.reason != "":
		return last.word + ": " + last.reason
	case last.word != "":
		return last.word
	}
	return "nothing was sent to it"
}

// when is the outcome's scenario time, or nothing if there is none.
func (o outcome) when() string {
	if o.word == "" {
		return ""
	}
	return journal.FormatAt(o.at)
}

// classification is what every row of an exported list carries: a row that is cut
// out of its file still says what it is.
func (w *World) classification() string { return "EXERCISE " + w.cfg.Scenario.Label }

// A note is a journal entry that waits for the start entry, which the engine
// writes: what the world made before the drill is told right after it.
type pendingNote struct {
	kind journal.Kind
	body any
}

// begin writes what happened before the drill. The engine's first call comes after
// its start entry, and so does this.
func (w *World) begin() error {
	if w.broken != nil {
		return w.broken
	}
	if w.begun {
		return nil
	}
	w.begun = true
	for _, n := range w.before {
		if _, _, err := w.cfg.Journal.Append(n.kind, 0, n.body); err != nil {
			return err
		}
	}
	w.before = nil
	return nil
}
