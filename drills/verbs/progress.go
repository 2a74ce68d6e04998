package verbs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/journal"
)

// KindProgress is the kind of the journal entry that names a progress file, whose
// body is [Checkpoint].
const KindProgress journal.Kind = "progress"

// report writes a progress file, as it would go to the DCC and the PMA. Its
// columns are ours: the layouts of the Recovery Procedure are not public.
func (w *World) report(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	w.reports++
	content, counts, err := w.progressFile(p)
	if err != nil {
		return err
	}
	file := fmt.Sprintf("progress/%02d-%s.csv", w.reports, fileName(journal.FormatAt(at)))
	if err := w.pack.write(file, content); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	body := Checkpoint{File: file, SHA256: hexOf(sum[:]), Counts: counts}
	if _, err = w.record(KindProgress, at, body); err == nil {
		w.tell(at, body)
	}
	return err
}

// progressFile is one row for each Relevant Device, and the counts of what
// became of them.
func (w *World) progressFile(p *party) ([]byte, map[string]int, error) {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	rows := [][]string{{
		"device_id", "device_type", "responsible_subscriber", "role", "affected_serial", "affected_key_id", "replacement_serial",
		"method", "status", "attempts", "last_outcome", "reason", "scenario_time", "classification",
	}}
	old, now := p.generations[0][purposeSigning], p.current()[purposeSigning]
	counts := map[string]int{}
	for _, r := range w.rows() {
		status := w.status(p, &r)
		counts[status]++
		last, method := w.lastOutcome(r.Index)
		replacement := ""
		if now != old {
			replacement = now.certificate.Serial.String()
		}
		rows = append(rows, []string{
			r.ID.String(), r.Type.String(), p.entity.String(), p.role.String(), old.certificate.Serial.String(), old.keyID().String(), replacement,
			method, status, strconv.Itoa(last.tries), last.word, last.reason, last.when(), w.classification(),
		})
	}
	if err := out.WriteAll(rows); err != nil {
		return nil, nil, fmt.Errorf("writing a progress file: %w", err)
	}
	return b.Bytes(), counts, nil
}

// lastOutcome is what the newest command of the drill's own side led to on a
// device.
func (w *World) lastOutcome(device int) (outcome, string) {
	for i := len(w.campaigns) - 1; i >= 0; i-- {
		c := w.campaigns[i]
		if o, ok := c.last[device]; ok && !c.attack {
			return o, c.method
		}
	}
	return outcome{}, ""
}

// The ends that a device can come to, as words of the record.
const (
	statusRecovered   = "recovered"
	statusPartly      = "partly recovered"
	statusBroker      = "under the broker"
	statusTaken       = "taken by the intruder"
	statusOld         = "still trusting the stolen key"
	statusUnreachable = "unreachable"
	statusExcluded    = "excluded"
)

// statuses are all of them, in the order of a table.
var statuses = []string{statusRecovered, statusPartly, statusBroker, statusTaken, statusOld, statusUnreachable, statusExcluded}

// status is the end a device has come to so far. A device that was never reached
// and still trusts the stolen key is unreachable; one that could be reached and
// still trusts it is the worse case, and is called that.
func (w *World) status(p *party, r *fleet.Row) string {
	key := r.KeyID(fleet.CellSupplierSigning)
	held := target(p.current())
	progress := r.Progress(held)
	switch {
	case r.Excluded != "":
		return statusExcluded
	case len(p.generations) > 1 && progress == fleet.ProgressRecovered:
		return statusRecovered
	case w.attacker != nil && key == w.attacker.set[purposeSigning].keyID():
		return statusTaken
	case key == w.broker.party.current()[purposeSigning].keyID():
		return statusBroker
	case len(p.generations) > 1 && progress == fleet.ProgressPartly:
		return statusPartly
	case r.Reach == fleet.Unreachable:
		return statusUnreachable
	}
	return statusOld
}

// ends counts the devices by the end they have come to.
func (w *World) ends(p *party) map[string]int {
	counts := map[string]int{}
	for _, r := range w.rows() {
		counts[w.status(p, &r)]++
	}
	return counts
}
