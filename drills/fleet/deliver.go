package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Command is a message for one device. Ref is the caller's own mark; it comes
// back with whatever the command leads to.
type Command struct {
	Device int // index
	Octets []byte
	Ref    string
}

// A Fate says what became of a command on its way.
type Fate uint8

// The fates. OnItsWay: the device is late; [Fleet.Advance] delivers when it is
// time. Lost: the device is unreachable, and nothing will come of the command.
const (
	Handled Fate = iota + 1
	OnItsWay
	Lost
)

// String returns the fate in the words of a report.
func (f Fate) String() string {
	switch f {
	case Handled:
		return "handled"
	case OnItsWay:
		return "on its way"
	case Lost:
		return "not reached"
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// A Delivery is what one command led to at one moment. A future dated command
// leads to two: its acceptance, and its execution with an alert.
type Delivery struct {
	Command Command
	Device  *Device
	At      time.Time // when the device acted, or will get the command, or when it was lost
	Fate    Fate
	Answer  []byte // response or alert; nil if the device sent nothing
	Check   Check  // zero unless Handled
	Err     error  // the device could not work: a fault of the simulation, not an outcome
}

// An event waits on a device: a command that arrives late, or a future dated
// command whose time comes.
type event struct {
	at      time.Time
	command Command
	kept    *pendingCommand // nil: the command arrives
}

// Deliver sends commands at a time and returns one Delivery for each, ordered
// by device index; the commands of one device stay in their order. It works on
// all cores. Commands to late devices are OnItsWay, to be fetched by Advance.
//
// An index outside the fleet is an error, and then nothing was sent. When ctx
// ends, Deliver returns its error with the deliveries made so far; the others
// have Fate zero and were not sent.
func (f *Fleet) Deliver(ctx context.Context, now time.Time, commands []Command) ([]Delivery, error) {
	for _, c := range commands {
		if c.Device < 0 || c.Device >= len(f.devices) {
			return nil, fmt.Errorf("delivering commands: no device has index %d; the fleet has %d", c.Device, len(f.devices))
		}
	}
	deliveries := make([]Delivery, len(commands))
	for i, c := range commands {
		deliveries[i] = Delivery{Command: c, Device: f.devices[c.Device]}
	}
	slices.SortStableFunc(deliveries, func(a, b Delivery) int { return cmp.Compare(a.Command.Device, b.Command.Device) })
	groups := byDevice(deliveries)
	inParallel(len(groups), func(i int) {
		for j := range groups[i] {
			if ctx.Err() != nil {
				return
			}
			groups[i][j].Device.deliver(now, &groups[i][j])
		}
	})
	if err := ctx.Err(); err != nil {
		return deliveries, fmt.Errorf("delivering commands: %w", err)
	}
	return deliveries, nil
}

// byDevice cuts ordered deliveries into runs of one device each.
func byDevice(deliveries []Delivery) [][]Delivery {
	var groups [][]Delivery
	for start := 0; start < len(deliveries); {
		end := start + 1
		for end < len(deliveries) && deliveries[end].Command.Device == deliveries[start].Command.Device {
			end++
		}
		groups = append(groups, deliveries[start:end])
		start = end
	}
	return groups
}

func (d *Device) deliver(now time.Time, out *Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.reach {
	case Unreachable:
		out.At, out.Fate = now, Lost
		d.last = Outcome{At: now, Word: Lost.String(), Reason: "unreachable"}
	case Late:
		out.At, out.Fate = now.Add(d.Delay), OnItsWay
		d.scheduleLocked(event{at: out.At, command: out.Command})
		d.last = Outcome{At: now, Word: OnItsWay.String(), Reason: fmt.Sprintf("late by %v", d.Delay)}
	default:
		out.At, out.Fate = now, Handled
		out.Answer, out.Check, out.Err = d.receiveLocked(now, out.Command)
	}
}

// scheduleLocked puts an event behind all that are not later.
func (d *Device) scheduleLocked(e event) {
	i, _ := slices.BinarySearchFunc(d.events, e, func(have, want event) int {
		if have.at.After(want.at) {
			return 1
		}
		return -1
	})
	d.events = slices.Insert(d.events, i, e)
	d.fleet.waiting.Add(1)
}

// Next returns the time of the earliest event that waits on a device, and
// whether there is one.
func (f *Fleet) Next() (time.Time, bool) {
	if f.waiting.Load() == 0 {
		return time.Time{}, false
	}
	var earliest time.Time
	found := false
	for _, d := range f.devices {
		d.mu.Lock()
		if len(d.events) > 0 && (!found || d.events[0].at.Before(earliest)) {
			earliest, found = d.events[0].at, true
		}
		d.mu.Unlock()
	}
	return earliest, found
}

// Waiting returns how many events wait on devices: late commands and future
// dated ones.
func (f *Fleet) Waiting() int { return int(f.waiting.Load()) }

// Advance carries out every event up to and including a time: late commands
// arrive, future dated ones are executed. It returns what they led to, ordered
// by time, then device index. When ctx ends, what was not carried out still
// waits.
func (f *Fleet) Advance(ctx context.Context, to time.Time) ([]Delivery, error) {
	if f.waiting.Load() == 0 {
		return nil, ctx.Err()
	}
	happened := make([][]Delivery, len(f.devices))
	inParallel(len(f.devices), func(i int) {
		d := f.devices[i]
		d.mu.Lock()
		defer d.mu.Unlock()
		for len(d.events) > 0 && !d.events[0].at.After(to) && ctx.Err() == nil {
			happened[i] = append(happened[i], d.nextEventLocked())
		}
	})
	all := slices.Concat(happened...)
	slices.SortStableFunc(all, func(a, b Delivery) int { return a.At.Compare(b.At) })
	if err := ctx.Err(); err != nil {
		return all, fmt.Errorf("advancing the fleet: %w", err)
	}
	return all, nil
}

func (d *Device) nextEventLocked() Delivery {
	e := d.events[0]
	d.events = slices.Delete(d.events, 0, 1)
	d.fleet.waiting.Add(-1)
	out := Delivery{Command: e.command, Device: d, At: e.at, Fate: Handled}
	if e.kept != nil {
		out.Answer, out.Check, out.Err = d.executeKeptLocked(e.at, e.kept)
	} else {
		out.Answer, out.Check, out.Err = d.receiveLocked(e.at, e.command)
	}
	return out
}

// cancelLocked drops the future dated commands that a role has waiting and
// returns how many there were.
func (d *Device) cancelLocked(role policy.RemotePartyRole, code gbcs.MessageCode) int {
	before := len(d.events)
	d.events = slices.DeleteFunc(d.events, func(e event) bool {
		return e.kept != nil && e.kept.role == role && e.kept.code == code
	})
	dropped := before - len(d.events)
	d.fleet.waiting.Add(-int64(dropped))
	return dropped
}
