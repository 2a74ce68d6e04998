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
	rows := [][]string{append([]string{"status", "attempts", "method"}, fleet.RecordHeader()...)}
	p := w.supplier()
	for _, r := range w.rows() {
		last, method := w.lastOutcome(r.Index)
		rows = append(rows, append([]string{w.status(p, &r), strconv.Itoa(last.tries), method}, r.Record(w.clock.epoch)...))
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing devices.csv: %w", err)
	}
	return w.pack.write("devices.csv", b.Bytes())
}

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
