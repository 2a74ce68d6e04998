package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
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

// The fates. OnItsWay: the device is late or asleep; [Fleet.Advance] delivers when
// it is time. Lost: the device is unreachable, and nothing will come of the
// command. Unheard: the device acted on it, and its answer was lost; the sender
// knows no more than that none came.
const (
	Handled Fate = iota + 1
	OnItsWay
	Lost
	Unheard
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
	case Unheard:
		return "no answer"
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
	Answer  []byte // response or alert; nil if the device sent nothing, or nothing arrived
	Check   Check  // zero unless Handled or Unheard
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
		deliveries[i] = Delivery{Command: c, Device: &f.devices[c.Device]}
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
		why := "unreachable"
		if d.NoWAN {
			why = "no WAN"
		}
		d.noteLocked(now, wordLost, why)
	case Late:
		out.At, out.Fate = now.Add(d.Delay), OnItsWay
		d.scheduleLocked(event{at: out.At, command: out.Command})
		d.noteLocked(now, wordOnItsWay, fmt.Sprintf("late by %v", d.Delay))
	case Sleepy:
		out.At, out.Fate = d.wakes(now), OnItsWay
		d.scheduleLocked(event{at: out.At, command: out.Command})
		d.noteLocked(now, wordOnItsWay, "asleep")
	default:
		out.At = now
		d.handleLocked(now, out, nil)
	}
}

// wakes is when a sleepy device wakes next, now included. Devices wake at their
// own moment of the interval, so that they do not all wake at once.
func (d *Device) wakes(now time.Time) time.Time {
	every := d.fleet.settings.WakeEvery
	if every <= 0 {
		return now
	}
	phase := every * time.Duration(d.phase) / 256
	since := now.Add(-phase).Truncate(every).Add(phase)
	if since.Before(now) {
		since = since.Add(every)
	}
	return since
}

// handleLocked has the device act, now that a command has reached it or its time
// has come.
func (d *Device) handleLocked(now time.Time, out *Delivery, kept *pendingCommand) {
	out.Fate = Handled
	if kept != nil {
		out.Answer, out.Check, out.Err = d.executeKeptLocked(now, kept)
	} else {
		out.Answer, out.Check, out.Err = d.receiveLocked(now, out.Command)
	}
	if out.Answer != nil && d.fleet.loses(d.ID, out.Check.Counter) {
		out.Answer, out.Fate = nil, Unheard
	}
}

// loses reports whether the answer to a command is lost. It depends on device and
// counter alone, so that the same drill loses the same answers.
func (f *Fleet) loses(device policy.EntityID, counter gbcs.OriginatorCounter) bool {
	if f.answersLost == 0 {
		return false
	}
	in := append([]byte("exercise answer"), f.seed[:]...)
	in = append(in, device[:]...)
	in = binary.BigEndian.AppendUint64(in, uint64(counter))
	sum := sha256.Sum256(in)
	return float64(binary.BigEndian.Uint64(sum[:]))/math.MaxUint64 < f.answersLost
}

// scheduleLocked puts an event behind all that are not later.
func (d *Device) scheduleLocked(e event) {
	m := d.moreLocked()
	i, _ := slices.BinarySearchFunc(m.events, e, func(have, want event) int {
		if have.at.After(want.at) {
			return 1
		}
		return -1
	})
	m.events = slices.Insert(m.events, i, e)
	d.fleet.agenda.set(d.Index, m.events[0].at, 1)
}

// Next returns the time of the earliest event that waits on a device, and
// whether there is one.
func (f *Fleet) Next() (time.Time, bool) { return f.agenda.next() }

// Waiting returns how many events wait on devices: late commands and future
// dated ones.
func (f *Fleet) Waiting() int { return f.agenda.len() }

// Advance carries out every event up to and including a time: late commands
// arrive, sleepy devices wake, future dated commands are executed. It returns
// what they led to, ordered by time, then device index. When ctx ends, what was
// not carried out still waits.
func (f *Fleet) Advance(ctx context.Context, to time.Time) ([]Delivery, error) {
	due := f.agenda.due(to)
	happened := make([][]Delivery, len(due))
	inParallel(len(due), func(i int) {
		d := &f.devices[due[i]]
		d.mu.Lock()
		defer d.mu.Unlock()
		for d.more != nil && len(d.more.events) > 0 && !d.more.events[0].at.After(to) && ctx.Err() == nil {
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
	e := d.more.events[0]
	d.dropLocked(func(i int) bool { return i == 0 })
	out := Delivery{Command: e.command, Device: d, At: e.at}
	d.handleLocked(e.at, &out, e.kept)
	return out
}

// dropLocked drops events by their place and returns how many there were.
func (d *Device) dropLocked(drop func(i int) bool) int {
	if d.more == nil {
		return 0
	}
	kept := make([]event, 0, len(d.more.events))
	for i, e := range d.more.events {
		if !drop(i) {
			kept = append(kept, e)
		}
	}
	dropped := len(d.more.events) - len(kept)
	if dropped == 0 {
		return 0
	}
	var earliest time.Time
	if d.more.events = nil; len(kept) > 0 {
		d.more.events = kept
		earliest = kept[0].at
	}
	d.fleet.agenda.set(d.Index, earliest, -dropped)
	return dropped
}

// cancelLocked drops the future dated commands that a role has waiting and
// returns how many there were.
func (d *Device) cancelLocked(role policy.RemotePartyRole, code gbcs.MessageCode) int {
	return d.dropLocked(func(i int) bool {
		k := d.more.events[i].kept
		return k != nil && k.role == role && k.code == code
	})
}
