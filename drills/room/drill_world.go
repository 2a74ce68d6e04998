package room

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/drills/verbs"
)

// takeKey is what becomes of a key that custodians hold: the whole room sees it.
func (d *drill) takeKey(e journal.Entry) error {
	if e.Kind == journal.KindKeyUse {
		var b verbs.KeyUse
		if err := e.Decode(&b); err != nil || d.firsts[b.Authorisation] {
			return err
		}
		d.firsts[b.Authorisation] = true
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The first command is signed with the %s", keyWords(b.Key)),
			Text: fmt.Sprintf("To device %s, in the name of the decision of entry %d.", b.Device, b.Decision)}, everybody)
		return nil
	}
	var b verbs.Custody
	if err := e.Decode(&b); err != nil {
		return err
	}
	words := keyWords(b.Key)
	i := slices.IndexFunc(d.calls, func(o opening) bool { return o.key == b.Key })
	if i < 0 {
		d.calls = append(d.calls, opening{key: b.Key, result: -1})
		i = len(d.calls) - 1
	}
	o := &d.calls[i]
	switch {
	case b.Closed:
		o.open, o.expected = false, 0
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is closed", words), Text: fmt.Sprintf("It signed %s.", plural(b.Uses, "command"))}, everybody)
	case b.Opened:
		o.open, o.result = true, e.At
		var given []string
		for _, s := range b.Shares {
			if s.Given {
				given = append(given, fmt.Sprintf("%s (%s)", s.Custodian, s.Party))
			}
		}
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is open", words), Text: fmt.Sprintf("%d of %d shares are needed; given by %s.", b.Needed, b.Of, strings.Join(given, ", "))}, everybody)
	case b.Refused != "":
		o.expected, o.result = 0, e.At
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is not opened", words), Text: report.Capital(b.Refused)}, everybody)
	case b.Expected != "":
		o.expected, _ = journal.ParseAt(b.Expected)
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The custodians of the %s are called", words),
			Text: fmt.Sprintf("%d of %d are needed; enough of them are expected at %s (sample).", b.Needed, b.Of, clock(o.expected))}, everybody)
	}
	return nil
}

// takeWorld is what devices said, and what was done with certificates.
func (d *drill) takeWorld(e journal.Entry) error {
	devices := func(title, text string, a audience) {
		d.add(e, Item{Kind: ItemDevices, Title: title, Text: text}, a)
	}
	switch e.Kind {
	case journal.KindShard:
		var b verbs.Shard
		if err := e.Decode(&b); err != nil {
			return err
		}
		a := d.working()
		if strings.Contains(b.Campaign, "intruder") {
			// Nobody sees a stranger's commands; what they did, devices tell when asked.
			a = d.behind()
		}
		text := counts(b.Outcomes)
		if len(b.Reasons) > 0 {
			text += " (" + counts(b.Reasons) + ")"
		}
		devices("Devices answered: "+strings.TrimLeft(b.Campaign, "0123456789 "), text, a)
	case verbs.KindReadBack:
		var b verbs.ReadBack
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(fmt.Sprintf("%s were asked whose key they trust as %s's", plural(b.Sample, "device"), b.Party), counts(b.Holding), d.working())
	case verbs.KindProgress:
		var b verbs.Checkpoint
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices("Progress file of "+b.Party, counts(b.Counts), d.working("pma/"))
	case verbs.KindFile:
		var b verbs.FileExchanged
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(fmt.Sprintf("%s of %s", report.Capital(b.What), b.Party), counts(b.Counts), d.working())
	case verbs.KindDeviceKeys:
		var b verbs.DeviceKeysRenewed
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(b.Work, counts(b.Outcomes), d.working())
	case journal.KindCRL:
		var b verbs.CRLPublished
		if err := e.Decode(&b); err != nil {
			return err
		}
		if e.Seq > 0 && d.at > 0 {
			devices(fmt.Sprintf("List %d of revoked certificates is published by %s", b.Number, b.Issuer), plural(b.Entries, "certificate")+" on it", d.working())
		}
	case verbs.KindNotice:
		var b verbs.Notice
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.add(e, Item{Kind: ItemNotice, Title: report.Capital(b.Text)}, everybody)
	case verbs.KindDeferral:
		var b verbs.Deferred
		if err := e.Decode(&b); err != nil {
			return err
		}
		title := fmt.Sprintf("%s: revocation is put off until %s", b.Party, b.Until)
		if b.Ended {
			title = fmt.Sprintf("%s: the time for which revocation was put off is over", b.Party)
		}
		devices(title, report.Capital(b.Reason), d.working("pma/"))
	}
	return nil
}

// counts writes counts by name.
func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// situation is a picture as a view has it.
func situation(p *verbs.Picture, all bool, forecast []ForecastCurve) *Situation {
	if p == nil {
		return nil
	}
	x := *p
	if !all {
		x = x.Seen()
	}
	out := &Situation{
		At: x.At, Devices: x.Devices, Premises: x.Premises, Prepayment: x.Prepayment, Wall: x.Wall, WallOf: x.WallOf, OffSupply: x.OffSupply, TopUps: x.TopUps,
		SiteVisits: x.SiteVisits, Sent: x.Sent, Refused: x.Refused, CRLNumber: x.CRLNumber, Revoked: x.Revoked, Sample: x.Sample, Forecast: forecast,
	}
	states := func(in []verbs.StateCount) []Count {
		list := make([]Count, len(in))
		for i, c := range in {
			list[i] = Count(c)
		}
		return list
	}
	out.States = states(x.States)
	for _, r := range x.Regions {
		out.Regions = append(out.Regions, RegionState{Name: r.Name, Devices: r.Devices, States: states(r.States)})
	}
	for _, k := range x.Keys {
		out.Keys = append(out.Keys, KeyState{Key: k.Key, Words: k.Words, Open: k.Open, Expected: k.Expected, Uses: k.Uses})
	}
	for _, c := range x.Curve {
		out.Curve = append(out.Curve, report.Point{At: c.At, Devices: c.Devices})
	}
	return out
}
