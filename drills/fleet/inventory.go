package fleet

import (
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// moveStateLocked moves the device's inventory value after a command that
// changed at least one cell. A party's cells that hold the broker's certificate
// mean Recovery, the state between the two halves of Method 2; when the last
// such certificate is gone, or when the recovery or contingency key put a
// party's own certificates in at once, the device is Recovered. An update by
// the party itself leaves a commissioned device as it is.
func (d *Device) moveStateLocked(mode gbcs.ReplacementMode, changed bool) {
	if !changed {
		return
	}
	byRecovery := mode == gbcs.AnyExceptAbnormalRootByRecovery || mode == gbcs.AnyByContingency
	switch {
	case d.brokerInPartyCellLocked():
		d.state = InRecovery
	case byRecovery || d.state == InRecovery:
		d.state = Recovered
	}
}

// brokerInPartyCellLocked reports whether a supplier or network operator cell
// holds a certificate of the Access Control Broker.
func (d *Device) brokerInPartyCellLocked() bool {
	broker := d.cells.broker()
	if broker.IsZero() {
		return false
	}
	for i := range allCells {
		role := allCells[i].Role
		party := role == policy.RoleSupplier || role == policy.RoleNetworkOperator
		if party && d.cells.has.has(i) && d.cells.anchors[i].SubjectID == broker {
			return true
		}
	}
	return false
}
