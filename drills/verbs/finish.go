package verbs

import (
	"bytes"
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

// writeDevices writes devices.csv.
func (w *World) writeDevices() error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	head := append([]string{"status", "method", "attempts", "command", "command_reason", "command_at"}, fleet.RecordHeader()...)
	rows := [][]string{append(head, "classification")}
	for _, r := range w.rows() {
		last, method := w.lastOutcome(nil, r.Index)
		row := append([]string{w.end(&r), method, strconv.Itoa(last.tries), last.word, last.reason, last.when()}, r.Record(w.clock.epoch)...)
		rows = append(rows, append(row, w.classification()))
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing devices.csv: %w", err)
	}
	return w.pack.write("devices.csv", b.Bytes())
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
