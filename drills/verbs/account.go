package verbs

import (
	"fmt"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// account books every exchange of a window, decides what is tried again, and
// journals one shard for each campaign, then the sample of messages.
func (w *World) account(to time.Duration, sent, happened []*exchange) error {
	shards := map[*campaign]*Shard{}
	octets := map[*campaign][][]byte{}
	shard := func(c *campaign) *Shard {
		if shards[c] == nil {
			c.shards++
			shards[c] = &Shard{
				Campaign: c.name, Number: c.shards, To: journal.FormatAt(to),
				Outcomes: map[string]int{}, Cells: map[string]int{}, Reasons: map[string]int{},
			}
		}
		return shards[c]
	}
	for _, x := range sent {
		s := shard(x.campaign)
		if x.octets == nil {
			continue
		}
		s.Sent++
		x.campaign.sent++
		id := w.fleet.Device(x.device).ID.String()
		if s.First == "" {
			s.First = id
		}
		s.Last = id
	}
	for _, x := range happened {
		c, s := x.campaign, shard(x.campaign)
		if s.From == "" {
			s.From = journal.FormatAt(x.happened)
		}
		s.Outcomes[x.outcome]++
		if x.because != "" {
			s.Reasons[x.because]++
		}
		for cell, status := range x.cells {
			s.Cells[cellWords(cell)+": "+status.String()]++
		}
		for _, alert := range x.check.Alerts {
			w.alerts[alert.String()]++
		}
		// A late command was counted when it was sent; its octets are in that root.
		if x.octets != nil && !x.booked {
			octets[c] = append(octets[c], x.octets)
			x.booked = true
		}
		if x.answer != nil {
			octets[c] = append(octets[c], x.answer)
		}
		c.note(x, x.happened)
		switch x.outcome {
		case outcomeDone:
			c.recoveredAt = append(c.recoveredAt, x.happened)
			w.learn(x)
			w.provoke(x)
		case outcomePartly:
			w.learn(x)
			// A store that was busy is not for long. A late device answers long after it
			// was sent to: the wait is from its answer on.
			next := x.attempt
			next.at = max(next.at, x.happened)
			c.again(next)
		case outcomeToken:
			c.putOff(x.attempt)
		case outcomeLost, outcomeBroker:
			c.again(x.attempt)
		}
	}
	if w.cfg.Told != nil && len(shards) > 0 {
		w.drawCurve(to)
	}
	for _, c := range w.campaigns {
		s := shards[c]
		if s == nil {
			continue
		}
		if s.From == "" {
			s.From = s.To
		}
		s.Messages, s.Root = len(octets[c]), merkleRoot(octets[c])
		s.Progress = w.progressCounts(c)
		if _, err := w.record(journal.KindShard, to, s); err != nil {
			return err
		}
		if !c.attack {
			w.tell(to, *s)
			w.progress(fmt.Sprintf("%s  %s", journal.FormatAt(to), c.name), c.finished(), len(c.devices))
		}
	}
	for _, x := range happened {
		if x.outcome == outcomeOnItsWay {
			continue // its answer will be told with it
		}
		if err := w.sample(to, x); err != nil {
			return err
		}
	}
	return nil
}

// finished counts the devices about which nothing more is to come.
func (c *campaign) finished() int {
	return len(c.devices) - len(c.queue) - c.outstanding
}

// progressCounts tells how far the campaign's goal is reached over all devices of
// the party that it is about.
func (w *World) progressCounts(c *campaign) map[string]int {
	counts := map[string]int{"holding": 0, "partly": 0, "waiting": 0, "unreachable": 0, "excluded": 0}
	words := map[fleet.Progress]string{
		fleet.ProgressRecovered: "holding", fleet.ProgressPartly: "partly", fleet.ProgressWaiting: "waiting",
		fleet.ProgressUnreachable: "unreachable", fleet.ProgressExcluded: "excluded",
	}
	rows := w.rows()
	for i := range rows {
		if r := &rows[i]; c.about == nil || w.wasHomeOf(c.about, r) {
			counts[words[c.put(r.Index).progress(r)]]++
		}
	}
	return counts
}

// cellWords names a cell for people.
func cellWords(c gbcs.TrustAnchorCell) string {
	switch {
	case c.Cell == gbcs.CellPrePaymentTopUp:
		return "prepayment"
	case c.Role == policy.RoleRoot:
		return "root"
	case c.Usage == policy.UsageDigitalSignature:
		return "signing"
	default:
		return "agreement"
	}
}
