package fleet

import (
	"crypto/ecdsa"
	"encoding/asn1"
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

// The three kinds of reach. A late device carries a command out when it
// arrives, which is its delay after it was sent.
const (
	Reachable Reach = iota + 1
	Late
	Unreachable
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

// A Device is one simulated meter.
//
// The exported fields are set when the fleet is made and never change. What a
// command can change is behind methods; all of them may be called
// concurrently. A Device handles one message at a time.
type Device struct {
	Index        int                   // position in the fleet, from 0
	ID           policy.EntityID       // EUI-64
	Type         Type                  // always TypeESME
	HardwareType asn1.ObjectIdentifier // hwType of its certificates
	Region       Region
	Premises     int           // number of the premises, from 1; devices may share one
	Prepayment   bool          // its customer pays in advance
	Delay        time.Duration // how long after sending a late device gets a message

	fleet *Fleet

	mu       sync.Mutex
	reach    Reach
	state    State
	excluded string // reason; empty: not excluded
	cells    map[gbcs.TrustAnchorCell]Anchor
	counters counters
	signing  keyPair
	agree    keyPair
	events   []event // what waits, in the order of time
	secret   secretMemo
	refusals int
	last     Outcome
}

// An Outcome is the last thing that happened to a device, for its row in a
// report. The zero Outcome means that nothing has.
type Outcome struct {
	At     time.Time
	Word   string // "executed", "partly executed", "refused", "kept", "cancelled", "not reached" …
	Reason string // why, when there is something to explain
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
	d.excluded = reason
}

// Cell returns the anchor in a cell, and whether the device has that cell.
func (d *Device) Cell(cell gbcs.TrustAnchorCell) (Anchor, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.cells[cell]
	return a, ok
}

// Provision puts an anchor in a cell by hand, as the factory or an installer
// does. Drills use it to set up a device that differs from its fleet; nothing
// is checked.
func (d *Device) Provision(cell gbcs.TrustAnchorCell, a Anchor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cells[cell] = a
	d.secret = secretMemo{}
}

// Last returns the last thing that happened to the device.
func (d *Device) Last() Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}
