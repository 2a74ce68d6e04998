package verbs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// KindProgress is the kind of the journal entry that names a progress file, whose
// body is [Checkpoint].
const KindProgress journal.Kind = "progress"

// report writes a progress file, as it would go to the DCC and the PMA. Its
// columns are ours: the layouts of the Recovery Procedure are not public.
func (w *World) report(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	w.subject(p)
	w.reports++
	content, counts, err := w.progressFile(p)
	if err != nil {
		return err
	}
	file := fmt.Sprintf("progress/%02d-%s.csv", w.reports, fileName(journal.FormatAt(at)))
	if err := w.pack.write(file, content); err != nil {
		return err
	}
	body := Checkpoint{File: file, SHA256: sha256Of(content), Party: p.name, Columns: columnsNote, Counts: counts}
	if _, err = w.record(KindProgress, at, body); err == nil {
		w.tell(at, body)
	}
	return err
}

// progressFile is one row for each Relevant Device of a party, and the counts of
// what became of them.
func (w *World) progressFile(p *party) ([]byte, map[string]int, error) {
	rows := [][]string{{
		"device_id", "device_type", "responsible_subscriber", "role", "affected_serial", "affected_key_id", "replacement_serial",
		"method", "status", "attempts", "last_response_code", "last_outcome", "reason", "scenario_time", "classification",
	}}
	counts := map[string]int{}
	for _, r := range w.relevant(p) {
		status := w.status(p, &r)
		counts[status]++
		last, method := w.lastOutcome(p, r.Index)
		rows = append(rows, append(w.affected(p, &r),
			method, status, strconv.Itoa(last.tries), last.code, last.word, last.reason, last.when(), w.classification()))
	}
	content, err := csvOf(rows)
	if err != nil {
		return nil, nil, fmt.Errorf("writing a progress file: %w", err)
	}
	return content, counts, nil
}

// affected are the columns that notification and progress files share: the device,
// whose it is, the certificate that is not safe any more and the one in its place.
func (w *World) affected(p *party, r *fleet.Row) []string {
	cell := chiefCell(p.role)
	old := credentialFor(p.generations[0], cell)
	replacement := ""
	if to := p.successor; to != nil {
		replacement = credentialFor(to.current(), cell).certificate.Serial.String()
	} else if now := credentialFor(p.current(), cell); now != old {
		replacement = now.certificate.Serial.String()
	}
	return []string{
		r.ID.String(), r.Type.String(), p.entity.String(), p.role.String(), old.certificate.Serial.String(), old.keyID().String(), replacement,
	}
}

// csvOf writes rows as CSV.
func csvOf(rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	err := csv.NewWriter(&b).WriteAll(rows)
	return b.Bytes(), err
}

// sha256Of is the SHA-256 of a file's content, in hex.
func sha256Of(content []byte) string {
	sum := sha256.Sum256(content)
	return hexOf(sum[:])
}

// notice writes the compromise notification file of a party: a row for each device
// whose cells hold its certificates. Devices that it should be on and is not are no
// Relevant Devices: they are listed apart, with whose certificate they hold.
func (w *World) notice(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	w.subject(p)
	rows := [][]string{{
		"device_id", "device_type", "responsible_subscriber", "role", "affected_serial", "affected_key_id", "replacement_serial", "region", "classification",
	}}
	relevant := w.relevant(p)
	for _, r := range relevant {
		rows = append(rows, append(w.affected(p, &r), r.Region.String(), w.classification()))
	}
	wrong := w.wrongHolders(p)
	counts := map[string]int{"relevant devices": len(relevant), "wrong holders": len(wrong)}
	if err := w.exchangeFile(at, p, fileNotice, rows, counts); err != nil || len(wrong) == 0 {
		return err
	}
	rows = [][]string{{"device_id", "device_type", "registered_subscriber", "role", "holder_by_cell", "key_id", "region", "classification"}}
	for _, r := range wrong {
		rows = append(rows, []string{
			r.ID.String(), r.Type.String(), p.entity.String(), p.role.String(), w.subjectIn(p, &r), r.KeyID(chiefCell(p.role)).String(),
			r.Region.String(), w.classification(),
		})
	}
	return w.exchangeFile(at, p, fileWrong, rows, map[string]int{"wrong holders": len(wrong)})
}

// subjectIn is the identifier that the certificate in a party's chief cell names.
func (w *World) subjectIn(p *party, r *fleet.Row) string {
	for _, c := range r.Cells {
		if c.Cell == chiefCell(p.role) {
			return c.SubjectID.String()
		}
	}
	return ""
}

// lastOutcome is what the newest command of the drill's own side led to on a
// device: one about a party, or, for nil, about any.
func (w *World) lastOutcome(p *party, device int) (outcome, string) {
	for i := len(w.campaigns) - 1; i >= 0; i-- {
		c := w.campaigns[i]
		if o, ok := c.last.get(device); ok && !c.attack && (p == nil || c.about == p) {
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
	statusOld         = "still trusting the old key"
	statusUnreachable = "unreachable"
	statusExcluded    = "excluded"
	statusUntouched   = "not concerned" // it holds no certificate of a party that the drill is about
)

// statuses are all of them, in the order of a table.
var statuses = []string{statusRecovered, statusPartly, statusBroker, statusTaken, statusOld, statusUnreachable, statusExcluded}

// status is the end a device has come to so far, for a party whose device it is. A
// device that was never reached and still trusts the stolen key is unreachable; one
// that could be reached and still trusts it is the worse case, and is called that.
// For a device of somebody else it is empty.
func (w *World) status(p *party, r *fleet.Row) string {
	if !w.wasHomeOf(p, r) {
		return ""
	}
	best := fleet.ProgressWaiting
	for _, want := range w.wanted(p) {
		switch want.progress(r) {
		case fleet.ProgressRecovered:
			best = fleet.ProgressRecovered
		case fleet.ProgressPartly:
			if best != fleet.ProgressRecovered {
				best = fleet.ProgressPartly
			}
		}
	}
	switch {
	case r.Excluded != "":
		return statusExcluded
	case best == fleet.ProgressRecovered:
		return statusRecovered
	case w.taken(p, r):
		return statusTaken
	case w.underBroker(p, r):
		return statusBroker
	case best == fleet.ProgressPartly:
		return statusPartly
	case r.Reach == fleet.Unreachable:
		return statusUnreachable
	}
	return statusOld
}

// wanted are what a party's devices may hold to count as recovered: its newest keys
// once it has new ones, or those of the party that took its place.
func (w *World) wanted(p *party) []filling {
	if known, is := w.wants[p]; is {
		return known
	}
	var wanted []filling
	if len(p.generations) > 1 || p.restored {
		wanted = append(wanted, fill(p.role, p.current()))
	}
	if p.successor != nil {
		for _, set := range p.successor.generations {
			wanted = append(wanted, fill(p.role, set))
		}
	}
	if w.wants != nil {
		w.wants[p] = wanted
	}
	return wanted
}

// oneMoment lets what parties want on devices be worked out once for all devices that
// are looked at until the returned function is called.
func (w *World) oneMoment() (over func()) {
	w.wants = map[*party][]filling{}
	return func() { w.wants = nil }
}

// end is the end of a device over all parties that the drill is about: the worst,
// and for which of them.
func (w *World) end(r *fleet.Row) (string, *party) {
	worst, whose := "", (*party)(nil)
	rank := func(status string) int { return slices.Index(badness, status) }
	for _, p := range w.about() {
		if status := w.endFor(p, r); status != "" && (whose == nil || rank(status) > rank(worst)) {
			worst, whose = status, p
		}
	}
	if whose == nil {
		return statusUntouched, nil
	}
	return worst, whose
}

// endFor is the end of a device for one party. One that is registered to it and
// holds somebody else's certificate is no Relevant Device of its own: it is
// excluded. For any other device of somebody else it is empty.
func (w *World) endFor(p *party, r *fleet.Row) string {
	if status := w.endStatus(p, r); status != "" || !w.isWrongHolder(p, r) {
		return status
	}
	return statusExcluded
}

// badness orders the ends from the best to the worst.
var badness = []string{statusExcluded, statusRecovered, statusPartly, statusBroker, statusUnreachable, statusOld, statusTaken}

// about are the parties whose keys the drill is about, the first of them first.
func (w *World) about() []*party {
	if len(w.subjects) == 0 {
		return []*party{w.partyOf(policy.RoleSupplier)}
	}
	return w.subjects
}

// ends counts a party's devices by the end they have come to.
func (w *World) ends(p *party) map[string]int {
	counts := map[string]int{}
	for _, r := range w.relevant(p) {
		counts[w.endStatus(p, &r)]++
	}
	return counts
}
