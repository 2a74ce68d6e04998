package verbs

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/scenario"
)

// Names gives conditions their values. They work out their figures when asked.
func (w *World) Names() map[string]any {
	if err := w.begin(); err != nil {
		w.broken = err
	}
	all := devices{w: w, of: w.rows(), from: w.rows()}
	return w.addAuthorityNames(map[string]any{
		"fleet": all,
		"ca":    figures{typeCA, w.authorityFigures()},
		"crl": scenario.Func(func(args []any) (any, error) {
			list := w.authority.list(args[0].(string))
			if list == nil {
				return nil, fmt.Errorf("%s has published no list", args[0])
			}
			return figures{typeList, map[string]any{"number": list.Number, "entries": len(list.Entries), "this_update": list.ThisUpdate, "next_update": list.NextUpdate}}, nil
		}),
		"work": scenario.Func(func(args []any) (any, error) { return w.work(args[0].(string)) }),
		"frozen": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			if err != nil {
				return nil, err
			}
			return p.frozen, nil
		}),
		"quarantine": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			if err != nil {
				return nil, err
			}
			return figures{typeQuarantine, map[string]any{"count": len(p.traffic.held), "ever": p.traffic.ever, "deleted": p.traffic.deleted}}, nil
		}),
		"threshold": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			if err != nil {
				return nil, err
			}
			return int64(p.traffic.limit), nil
		}),
		"deferred": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			return err == nil && w.deferrals[p] != nil, err
		}),
		"attacked": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			if err != nil {
				return nil, err
			}
			thief := w.attackerOn(p)
			return thief != nil && thief.work.running(), nil
		}),
		"alerts": scenario.Func(func(args []any) (any, error) { return w.alerts[args[0].(string)], nil }),
	})
}

func (w *World) revokedCount() int {
	n := 0
	for _, key := range w.authority.keys {
		if key.Name != thingIssuingOCA {
			continue
		}
		if list := w.authority.listOf(key.Certificate.SubjectKeyID); list != nil {
			n += len(list.Entries)
		}
	}
	return n
}

// work adds up the campaigns that replace a party's keys.
func (w *World) work(id string) (any, error) {
	p, err := w.party(id)
	if err != nil {
		return nil, err
	}
	running, sent, refused, stopped, waiting, quarantined := false, 0, 0, 0, 0, 0
	var about []*campaign
	for _, c := range w.campaigns {
		if c.attack || c.about != p {
			continue
		}
		running = running || c.running()
		sent += c.sent
		about = append(about, c)
	}
	for word, n := range lastWords(about) {
		switch word {
		case outcomeRefused:
			refused += n
		case outcomeBroker:
			stopped += n
		case outcomeKept:
			waiting += n
		case outcomeHeld:
			quarantined += n
		}
	}
	return figures{typeWork, map[string]any{
		"running": running, "sent": sent, "refused": refused, "stopped": stopped, "waiting": waiting, "quarantined": quarantined,
	}}, nil
}

// lastWords counts devices by the last word on each, over campaigns in their order.
func lastWords(campaigns []*campaign) map[string]int {
	if len(campaigns) == 1 {
		return campaigns[0].totals // kept as it goes
	}
	var last outcomes
	for _, c := range campaigns {
		for device, o := range c.last.all() {
			last.set(device, o)
		}
	}
	words := map[string]int{}
	for _, o := range last.all() {
		words[o.word]++
	}
	return words
}

// figures is an object of plain fields.
type figures struct {
	name   string
	fields map[string]any
}

// TypeName implements [scenario.Object].
func (f figures) TypeName() string { return f.name }

// Get implements [scenario.Object].
func (f figures) Get(field string) (any, error) {
	v, ok := f.fields[field]
	if !ok {
		return nil, fmt.Errorf("a %s has no %s", f.name, field)
	}
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case time.Time:
		return v, nil
	}
	return v, nil
}

// Call implements [scenario.Object].
func (f figures) Call(method string, _ []any) (any, error) {
	return nil, fmt.Errorf("a %s has no %s", f.name, method)
}

// devices is a set of devices and the set it was taken from.
type devices struct {
	w        *World
	of, from fleet.Snapshot
}

// TypeName implements [scenario.Object].
func (d devices) TypeName() string { return typeDevices }

func (d devices) narrow(s fleet.Snapshot) devices { return devices{d.w, s, d.of} }

// Get implements [scenario.Object].
func (d devices) Get(field string) (any, error) {
	switch field {
	case "count":
		return int64(len(d.of)), nil
	case "share":
		return d.of.Share(d.from), nil
	case "premises":
		return int64(d.of.Premises()), nil
	case "prepayment":
		return int64(len(d.of.OnPrepayment())), nil
	case "reachable":
		return d.narrow(d.of.Reachable()), nil
	case "unreachable":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return r.Reach == fleet.Unreachable })), nil
	case "new_root":
		return d.narrow(d.w.withNewRoot(d.of)), nil
	case "new_device_keys":
		return d.narrow(d.w.withNewDeviceKeys(d.of)), nil
	case "changed":
		return changed{d}, nil
	}
	return nil, fmt.Errorf("a set of devices has no %s", field)
}

// Call implements [scenario.Object].
func (d devices) Call(method string, args []any) (any, error) {
	switch method {
	case "kind":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return strings.EqualFold(r.Type.String(), args[0].(string)) })), nil
	case "region":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return r.Region.String() == args[0].(string) })), nil
	}
	p, err := d.w.party(args[0].(string))
	if err != nil {
		return nil, err
	}
	keep := func(want string) fleet.Snapshot {
		return d.of.Where(func(r *fleet.Row) bool { return d.w.status(p, r) == want })
	}
	switch method {
	case "holding":
		newest := fill(p.role, p.current())
		return d.narrow(d.of.Where(newest.met)), nil
	case "of":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return d.w.wasHomeOf(p, r) })), nil
	case "wrong":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return d.w.isWrongHolder(p, r) })), nil
	case "recovered":
		return d.narrow(keep(statusRecovered)), nil
	case "partly":
		return d.narrow(keep(statusPartly)), nil
	case "taken":
		return d.narrow(keep(statusTaken)), nil
	case "brokered":
		return d.narrow(keep(statusBroker)), nil
	case "obeying":
		return d.narrow(d.of.Where(func(r *fleet.Row) bool { return d.w.inHands(p, r) })), nil
	}
	return nil, fmt.Errorf("a set of devices has no %s", method)
}

// changed is a set of devices on which something changed.
type changed struct{ devices devices }

// TypeName implements [scenario.Object].
func (changed) TypeName() string { return typeChanged }

// Get implements [scenario.Object].
func (c changed) Get(field string) (any, error) {
	if field != "count" {
		return nil, fmt.Errorf("changed devices have no %s", field)
	}
	return int64(len(c.devices.of.Changed())), nil
}

// Call implements [scenario.Object].
func (c changed) Call(_ string, args []any) (any, error) {
	p, err := c.devices.w.party(args[0].(string))
	if err != nil {
		return nil, err
	}
	return c.devices.narrow(c.devices.of.ChangedExcept(p.role)), nil
}
