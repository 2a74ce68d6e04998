package fleet

import (
	"crypto/ecdsa"
	"fmt"
	"sync"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// An Anchor is the content of a trust anchor cell. SubjectID is zero for the
// root. Certificate is nil where only the key is known, which no cell but the
// root may be: a root without its certificate has no wrapped contingency key,
// and the device refuses every contingency command.
//
// An Anchor is never changed once it is in a cell, so devices share it.
type Anchor struct {
	PublicKey   *ecdsa.PublicKey
	SubjectID   policy.EntityID
	KeyID       policy.KeyID
	Certificate *policy.Certificate
}

// AnchorOf returns the anchor that a device makes of a certificate.
func AnchorOf(c *policy.Certificate) Anchor {
	a := Anchor{PublicKey: c.PublicKey, KeyID: policy.KeyIDOf(c.PublicKey), Certificate: c}
	if id, ok := c.EntityID(); ok {
		a.SubjectID = id
	}
	return a
}

// A Region is one of the three communications regions.
type Region uint8

// The regions of the national network.
const (
	North Region = iota + 1
	Central
	South
)

// String returns the name of the region in lower case.
func (r Region) String() string {
	switch r {
	case North:
		return "north"
	case Central:
		return "central"
	case South:
		return "south"
	}
	return fmt.Sprintf("region %d", uint8(r))
}

// A Reach says what happens to a message sent to a device.
type Reach uint8

// The kinds of reach. A late device carries a command out when it arrives, which
// is its delay after it was sent. A sleepy one, a gas meter on a battery, gets it
// when it next wakes.
const (
	Reachable Reach = iota + 1
	Late
	Unreachable
	Sleepy
)

// String returns the reach in one word.
func (r Reach) String() string {
	switch r {
	case Reachable:
		return "reachable"
	case Late:
		return "late"
	case Unreachable:
		return "unreachable"
	case Sleepy:
		return "sleepy"
	}
	return fmt.Sprintf("reach %d", uint8(r))
}

// A State is a device's status in the inventory (DUIS 5.4). When it changes is
// our inference.
type State uint8

// The inventory values that a drill moves between. InRecovery: certificates of
// the Access Control Broker stand in cells of another party. Recovered: the
// recovery or contingency key was used and no such certificate is left.
const (
	Commissioned State = iota + 1
	InRecovery
	Recovered
)

// String returns the inventory value as DUIS writes it.
func (s State) String() string {
	switch s {
	case Commissioned:
		return "Commissioned"
	case InRecovery:
		return "Recovery"
	case Recovered:
		return "Recovered"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// A Device is one simulated device.
//
// The exported fields are set when the fleet is made and never change. What a
// command can change is behind methods; all of them may be called
// concurrently. A Device handles one message at a time.
//
// A fleet may have a million of them, so a Device is one flat row: what is alike
// on many (the content of the cells) is shared, private keys are derived when
// they are needed, and what few devices have (a command that waits, a renewed
// certificate) is in more.
type Device struct {
	Index      int             // position in the fleet, from 0
	ID         policy.EntityID // EUI-64
	Premises   int             // number of the premises, from 1; devices may share one
	Delay      time.Duration   // how long after sending a late device gets a message
	Type       Type
	Region     Region
	Prepayment bool  // its customer pays in advance
	Supplier   uint8 // whose device it is by registration: index into Config.Suppliers
	Operator   uint8 // the same for Config.Operators; 0 also where the type has no such cells
	Wrong      bool  // its network operator cells held another operator's certificates at the start
	NoWAN      bool  // it is unreachable because there is no WAN at its premises

	fault    fault // of the storage of its cells
	phase    uint8 // of a sleepy device, in 256ths of the wake interval
	reach    Reach
	state    State
	refusals uint16 // since the last command that passed all checks, modulo the threshold of 8F60
	pairs    [2]pairState
	lastWord word

	fleet    *Fleet
	mu       sync.Mutex
	cells    *cellSet
	counters counters
	public   [2][pointLength]byte // present public keys: signing, agreement
	last     int64                // when lastWord happened, in nanoseconds; 0: never
	reason   string
	more     *more // nil for most devices
}

// more is what few devices have.
type more struct {
	excluded     string // reason; empty: not excluded
	events       []event
	certificates [2][]byte // DER; nil: none held
	injected     [2]*ecdsa.PublicKey
	secret       secretMemo
}

// moreLocked returns the device's more, made if it has none yet.
func (d *Device) moreLocked() *more {
	if d.more == nil {
		d.more = &more{}
	}
	return d.more
}

// An Outcome is the last thing that happened to a device, for its row in a
// report. The zero Outcome means that nothing has.
type Outcome struct {
	At     time.Time
	Word   string // "executed", "partly executed", "refused", "kept", "cancelled", "not reached" …
	Reason string // why, when there is something to explain
}

// A word is the Word of an Outcome in one octet.
type word uint8

// The effects have their own numbers; what can become of a command on its way
// comes after them.
const (
	wordOnItsWay word = 100 + word(OnItsWay)
	wordLost     word = 100 + word(Lost)
)

func (w word) String() string {
	switch {
	case w == 0:
		return ""
	case w > 100:
		return Fate(w - 100).String()
	}
	return Effect(w).String()
}

func (d *Device) noteLocked(at time.Time, w word, reason string) {
	d.last, d.lastWord, d.reason = at.UnixNano(), w, reason
}

func (d *Device) outcomeLocked() Outcome {
	if d.lastWord == 0 {
		return Outcome{}
	}
	return Outcome{At: time.Unix(0, d.last).UTC(), Word: d.lastWord.String(), Reason: d.reason}
}

// Reach returns whether messages arrive at the device.
func (d *Device) Reach() Reach {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reach
}

// SetReach changes whether messages arrive: a mast comes back, a hub goes
// dark. Messages already on their way to a late device still arrive.
func (d *Device) SetReach(r Reach) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reach = r
}

// State returns the inventory value of the device.
func (d *Device) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// Exclude takes the device out of a recovery for a reason that reports print,
// for example that it is not a Relevant Device. An empty reason takes it back
// in. It does not stop messages.
func (d *Device) Exclude(reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if reason == "" && d.more == nil {
		return
	}
	d.moreLocked().excluded = reason
}

// Cell returns the anchor in a cell, and whether the device has that cell.
func (d *Device) Cell(cell gbcs.TrustAnchorCell) (Anchor, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cells.at(cell)
}

// Provision puts an anchor in a cell by hand, as the factory or an installer
// does, and gives the device that cell if it has none; only [AllCells] are. Drills
// use it to set up a device that differs from its fleet; nothing is checked.
func (d *Device) Provision(cell gbcs.TrustAnchorCell, a Anchor) {
	i, ok := cellIndex(cell)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	next := cellKey{d.cells.anchors, d.cells.has | 1<<i}
	next.anchors[i] = a
	d.cells = d.fleet.sets.intern(next)
	d.forgetLocked()
}

// forgetLocked drops the remembered secret: one of its two keys changed.
func (d *Device) forgetLocked() {
	if d.more != nil {
		d.more.secret = secretMemo{}
	}
}

// Last returns the last thing that happened to the device.
func (d *Device) Last() Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.outcomeLocked()
}

// Registered returns whose the device is by registration, as an index into
// Config.Suppliers or Config.Operators; 0 for every other role.
func (d *Device) Registered(role policy.RemotePartyRole) int {
	switch role {
	case policy.RoleSupplier:
		return int(d.Supplier)
	case policy.RoleNetworkOperator:
		return int(d.Operator)
	}
	return 0
}

// Fleet returns the fleet that the device belongs to.
func (d *Device) Fleet() *Fleet { return d.fleet }
