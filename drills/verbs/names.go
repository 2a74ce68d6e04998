package verbs

import (
	"fmt"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/scenario"
	"smki.example/policy"
)

// The types that conditions can look into.
const (
	typeDevices = "devices"
	typeChanged = "changed devices"
	typeList    = "list"
	typeCA      = "authority"
	typeKey     = "key"
	typeWork    = "campaign"
)

func partyParam() []scenario.Param {
	return []scenario.Param{{Name: "party", Kind: scenario.PartyID, Says: "a party of the scenario"}}
}

func types() []scenario.Type {
	return []scenario.Type{
		{
			Name: typeDevices, Says: "a set of devices",
			Fields: []scenario.Name{
				{Name: "count", Type: "int", Says: "how many"},
				{Name: "share", Type: "double", Says: "their share of the set they were taken from, 1.0 if that is empty"},
				{Name: "premises", Type: "int", Says: "at how many premises"},
				{Name: "prepayment", Type: "int", Says: "how many of them are on prepayment"},
				{Name: "reachable", Type: typeDevices, Says: "those that messages reach, late ones included"},
				{Name: "unreachable", Type: typeDevices, Says: "those that no message reaches"},
				{Name: "changed", Type: typeChanged, Says: "those with a cell that is not what it was at the start"},
			},
			Methods: []scenario.Function{
				{Name: "holding", Params: partyParam(), Result: typeDevices, Says: "those whose cells hold all of the party's newest keys"},
				{Name: "recovered", Params: partyParam(), Result: typeDevices, Says: "those that hold the party's replaced keys in all its cells; none before keys are replaced"},
				{Name: "partly", Params: partyParam(), Result: typeDevices, Says: "those that hold some of the party's replaced keys"},
				{Name: "taken", Params: partyParam(), Result: typeDevices, Says: "those on which an intruder's key stands in the party's signing cell"},
				{Name: "brokered", Params: partyParam(), Result: typeDevices, Says: "those on which the Access Control Broker's key stands in the party's signing cell"},
				{Name: "obeying", Params: partyParam(), Result: typeDevices, Says: "those that would take the party's next command: its key stands in the signing cell and its counter is high enough"},
			},
		},
		{
			Name: typeChanged, Says: "a set of devices on which something changed",
			Fields:  []scenario.Name{{Name: "count", Type: "int", Says: "how many"}},
			Methods: []scenario.Function{{Name: "except", Params: partyParam(), Result: typeDevices, Says: "those on which a cell changed that is not one of the party's"}},
		},
		{
			Name: typeList, Says: "a published revocation list",
			Fields: []scenario.Name{
				{Name: "number", Type: "int", Says: "its CRL number"},
				{Name: "entries", Type: "int", Says: "how many certificates it revokes"},
				{Name: "this_update", Type: "timestamp", Says: "when it was published"},
				{Name: "next_update", Type: "timestamp", Says: "when the next one is due"},
			},
		},
		{
			Name: typeCA, Says: "the certification authority",
			Fields: []scenario.Name{
				{Name: "issued", Type: "int", Says: "organisation certificates issued since the start"},
				{Name: "revoked", Type: "int", Says: "certificates on the newest Organisation CRL"},
			},
		},
		{
			Name: typeKey, Says: "a key that only a decision opens",
			Fields: []scenario.Name{
				{Name: "open", Type: "bool", Says: "its custodians' session stands"},
				{Name: "coming", Type: "bool", Says: "its custodians are on their way"},
				{Name: "uses", Type: "int", Says: "signatures made with it"},
			},
		},
		{
			Name: typeWork, Says: "the work of replacing a party's keys, all its campaigns together",
			Fields: []scenario.Name{
				{Name: "running", Type: "bool", Says: "something is still to be sent or answered"},
				{Name: "sent", Type: "int", Says: "commands sent"},
				{Name: "refused", Type: "int", Says: "devices whose last word was no"},
				{Name: "stopped", Type: "int", Says: "devices whose last command the broker did not let through"},
			},
		},
	}
}

func names() []scenario.Name {
	return []scenario.Name{
		{Name: "fleet", Type: typeDevices, Says: "all devices of the estate"},
		{Name: "ca", Type: typeCA, Says: "the certification authority"},
	}
}

func functions() []scenario.Function {
	return []scenario.Function{
		{Name: "crl", Params: []scenario.Param{{Name: "issuer", Kind: scenario.Choice, Values: listIssuers}}, Result: typeList, Says: "the newest list of an authority"},
		{Name: "key", Params: []scenario.Param{{Name: "key", Kind: scenario.Key}}, Result: typeKey, Says: "a key that custodians hold"},
		{Name: "work", Params: partyParam(), Result: typeWork, Says: "what was sent to replace a party's keys"},
		{Name: "frozen", Params: partyParam(), Result: "bool", Says: "the broker holds the party's traffic"},
		{Name: "alerts", Params: []scenario.Param{{Name: "code", Kind: scenario.Choice, Values: []string{"8F30", "8F3D", "8F53", "8F60"}}}, Result: "int", Says: "how often devices reported an alert code so far"},
	}
}

// Names gives conditions their values. They work out their figures when asked.
func (w *World) Names() map[string]any {
	if err := w.begin(); err != nil {
		w.broken = err
	}
	all := devices{w: w, of: w.rows(), from: w.rows()}
	return map[string]any{
		"fleet": all,
		"ca":    figures{typeCA, map[string]any{"issued": w.issued, "revoked": w.revokedCount()}},
		"crl": scenario.Func(func(args []any) (any, error) {
			list := w.authority.list(args[0].(string))
			if list == nil {
				return nil, fmt.Errorf("%s has published no list", args[0])
			}
			return figures{typeList, map[string]any{"number": list.Number, "entries": len(list.Entries), "this_update": list.ThisUpdate, "next_update": list.NextUpdate}}, nil
		}),
		"key": scenario.Func(func(args []any) (any, error) {
			if args[0].(string) != recoveryName {
				return figures{typeKey, map[string]any{"open": false, "coming": false, "uses": 0}}, nil
			}
			c := w.custody
			return figures{typeKey, map[string]any{"open": c.session != nil, "coming": c.summoned != nil, "uses": c.uses}}, nil
		}),
		"work": scenario.Func(func(args []any) (any, error) { return w.work(args[0].(string)) }),
		"frozen": scenario.Func(func(args []any) (any, error) {
			p, err := w.party(args[0].(string))
			if err != nil {
				return nil, err
			}
			return p.frozen, nil
		}),
		"alerts": scenario.Func(func(args []any) (any, error) { return w.alerts[args[0].(string)], nil }),
	}
}

func (w *World) revokedCount() int {
	if list := w.authority.list("issuing-oca"); list != nil {
		return len(list.Entries)
	}
	return 0
}

// work adds up the campaigns that replace a party's keys.
func (w *World) work(id string) (any, error) {
	if _, err := w.replaceable(id); err != nil {
		return nil, err
	}
	running, sent, refused, stopped := false, 0, 0, 0
	last := map[int]outcome{}
	for _, c := range w.campaigns {
		if c.attack {
			continue
		}
		running = running || c.running()
		sent += c.sent
		for device, o := range c.last {
			last[device] = o
		}
	}
	for _, o := range last {
		switch o.word {
		case outcomeRefused:
			refused++
		case outcomeBroker:
			stopped++
		}
	}
	return figures{typeWork, map[string]any{"running": running, "sent": sent, "refused": refused, "stopped": stopped}}, nil
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
	case "changed":
		return changed{d}, nil
	}
	return nil, fmt.Errorf("a set of devices has no %s", field)
}

// Call implements [scenario.Object].
func (d devices) Call(method string, args []any) (any, error) {
	look := d.w.replaceable
	if method == "holding" {
		look = d.w.party
	}
	p, err := look(args[0].(string))
	if err != nil {
		return nil, err
	}
	keep := func(want string) fleet.Snapshot {
		return d.of.Where(func(r *fleet.Row) bool { return d.w.status(p, r) == want })
	}
	switch method {
	case "holding":
		return d.narrow(d.of.Meeting(d.w.cellsOf(p))), nil
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

// cellsOf is what a party's cells hold if they hold its newest keys.
func (w *World) cellsOf(p *party) fleet.Target {
	switch p.role {
	case policy.RoleSupplier:
		return target(p.current())
	case policy.RoleNetworkOperator:
		return fleet.Target{
			fleet.CellOperatorSigning:   p.current()[purposeSigning].keyID(),
			fleet.CellOperatorAgreement: p.current()[purposeAgreement].keyID(),
		}
	}
	return fleet.Target{}
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
