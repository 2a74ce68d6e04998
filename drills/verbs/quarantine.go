package verbs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// noLimit is the threshold of a party that never sent an ADT file.
const noLimit = -1

// overThreshold is why a command went into quarantine.
const overThreshold = "above the party's anomaly detection threshold"

// traffic is what the broker counts of the commands in a party's name: anomaly
// detection, which holds back what exceeds a threshold an hour. It cannot tell the
// party's commands from those of somebody who has its key.
type traffic struct {
	limit   int             // commands an hour, in the scenario's own size of estate; noLimit: all pass
	before  []int           // limits that stood before each raise
	passed  []time.Duration // when commands passed, of the last hour, in order
	held    []*exchange     // in quarantine, in the order in which they came
	ever    int
	deleted int
}

// keepBack puts a command into quarantine if the party's commands of the last hour
// have used its threshold up. What an exit quarantine file releases is not counted
// again.
func (w *World) keepBack(x *exchange) bool {
	t := &x.campaign.party.traffic
	if t.limit == noLimit || x.released {
		return false
	}
	from := x.slot - time.Hour
	gone, _ := slices.BinarySearchFunc(t.passed, from, func(at, from time.Duration) int {
		if at <= from {
			return -1
		}
		return 1
	})
	t.passed = slices.Delete(t.passed, 0, gone)
	if len(t.passed) < w.scaled(t.limit) {
		t.passed = append(t.passed, x.slot)
		return false
	}
	x.outcome, x.reason, x.because = outcomeHeld, overThreshold, overThreshold
	t.held = append(t.held, x)
	t.ever++
	return true
}

// scaled is a figure of the scenario's own size of estate for the size that is
// played: a small estate behaves as the large one does.
func (w *World) scaled(n int) int {
	return int(math.Ceil(float64(n) * float64(w.cfg.Devices) / float64(w.cfg.Scenario.Estate.Devices)))
}

// raise takes an ADT file of the party: a new threshold.
func (w *World) raise(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	p.traffic.before = append(p.traffic.before, p.traffic.limit)
	return w.setThreshold(at, p, a.Number(paramTo))
}

// lower takes an ADT file that sets the threshold back.
func (w *World) lower(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	t := &p.traffic
	switch {
	case a.Params[paramTo] != "":
		t.before = nil
		return w.setThreshold(at, p, a.Number(paramTo))
	case len(t.before) == 0:
		return refuse("the threshold of %s was never raised: say which figure it is lowered to", p.name)
	}
	limit := t.before[len(t.before)-1]
	t.before = t.before[:len(t.before)-1]
	return w.setThreshold(at, p, limit)
}

func (w *World) setThreshold(at time.Duration, p *party, limit int) error {
	w.subject(p)
	p.traffic.limit = limit
	words := strconv.Itoa(limit)
	if limit == noLimit {
		words = "no limit"
	}
	rows := [][]string{
		{"user_id", "user", "threshold_per_hour", "valid_from", "classification"},
		{p.entity.String(), p.name, words, w.clock.date(at).Format(time.RFC3339), w.classification()},
	}
	return w.exchangeFile(at, p, fileADT, rows, map[string]int{"threshold_per_hour": limit})
}

// exitQuarantine takes an exit quarantine file: what is held in the party's name is
// sent on or deleted.
func (w *World) exitQuarantine(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	t := &p.traffic
	if len(t.held) == 0 {
		return refuse("nothing is in quarantine in the name of %s", p.name)
	}
	action := a.Params[paramWith]
	rows := [][]string{{"user_id", "device_id", "originator_counter", "action", "classification"}}
	for _, x := range t.held {
		rows = append(rows, []string{
			p.entity.String(), w.fleet.Device(x.device).ID.String(), strconv.FormatUint(uint64(x.counter), 10), action, w.classification(),
		})
	}
	held := t.held
	t.held = nil
	if err := w.exchangeFile(at, p, fileExit, rows, map[string]int{action: len(held)}); err != nil {
		return err
	}
	if action == exitDelete {
		t.deleted += len(held)
		for _, x := range held {
			x.outcome, x.reason, x.because = outcomeDeleted, "an exit quarantine file had it deleted", "an exit quarantine file had it deleted"
			x.campaign.note(x, at)
		}
		return nil
	}
	w.sendOn(at, held)
	return nil
}

// sendOn puts commands that leave quarantine back into the queues of their
// campaigns, spread over time at each one's rate, each with the counter that it
// had.
func (w *World) sendOn(at time.Duration, held []*exchange) {
	sent := map[*campaign]int{}
	for _, x := range held {
		c := x.campaign
		sent[c]++
		next := attempt{
			at: at + time.Duration(float64(sent[c])*float64(time.Hour)/c.rate), device: x.device, try: x.try, released: true, counter: x.counter,
		}
		c.insert(next)
	}
}

// Quarantine is a file exchanged about anomaly detection, or a notification file.
const KindFile journal.Kind = "file"

// FileExchanged names a file that went between a party and the DCC.
type FileExchanged struct {
	File    string         `json:"file"`
	What    string         `json:"what"`
	Party   string         `json:"party"`
	SHA256  string         `json:"sha256"`
	Columns string         `json:"columns"` // what the columns rest on
	Counts  map[string]int `json:"counts"`
}

// The kinds of files that are exchanged; the words stand in records.
const (
	fileADT    = "ADT file"
	fileExit   = "exit quarantine file"
	fileNotice = "compromise notification file"
	fileWrong  = "wrong holders"
)

// columnsNote says in the record what the columns of a file rest on.
const columnsNote = "working layout (K): the layouts of the Recovery Procedure are not public"

// exchangeFile writes a file that goes between a party and the DCC into pack and
// journal.
func (w *World) exchangeFile(at time.Duration, p *party, what string, rows [][]string, counts map[string]int) error {
	content, err := csvOf(rows)
	if err != nil {
		return fmt.Errorf("writing the %s of %s: %w", what, p.name, err)
	}
	w.files++
	file := fmt.Sprintf("exchange/%02d-%s-%s-%s.csv", w.files, fileName(p.id), fileName(what), fileName(journal.FormatAt(at)))
	if err := w.pack.write(file, content); err != nil {
		return err
	}
	body := FileExchanged{File: file, What: what, Party: p.name, SHA256: sha256Of(content), Columns: columnsNote, Counts: counts}
	if _, err = w.record(KindFile, at, body); err == nil {
		w.tell(at, body)
	}
	return err
}
