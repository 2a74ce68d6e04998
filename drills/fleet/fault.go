package fleet

import (
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A fault is what is wrong with the store that a device keeps its cells in. It
// hits one cell of a command, not of the device, so that whatever a recovery
// replaces, some devices are left half done (status codes of RFC 5934; which
// fault leads to which is our inference).
type fault uint8

const (
	faultBusy   fault = iota + 1 // once, then it is over
	faultFull                    // always
	faultRefuse                  // always: it finds no way to the root
)

var faults = [...]fault{faultBusy, faultFull, faultRefuse}

// status is what the device answers for the cell that it cannot write.
func (f fault) status() (gbcs.StatusCode, string) {
	switch f {
	case faultBusy:
		return gbcs.StatusResourcesBusy, "a store that is busy"
	case faultFull:
		return gbcs.StatusInsufficientMemory, "a store that is full"
	}
	return gbcs.StatusNoTrustAnchor, "a store that finds no path, though there is one"
}

// spoiltLocked returns which replacement the device's fault hits, -1 if it hits
// none. The root is spared, because without it every other cell fails too.
func (d *Device) spoiltLocked(p *gbcs.UpdateSecurityCredentials) int {
	if d.fault == 0 {
		return -1
	}
	ours := make([]int, 0, len(p.Replacements))
	for i, r := range p.Replacements {
		if _, has := d.cells.at(r.Cell); has && r.Cell.Role != policy.RoleRoot && p.Mode.MayReplace(r.Cell) {
			ours = append(ours, i)
		}
	}
	if len(ours) == 0 {
		return -1
	}
	return ours[(d.Index+len(ours)-1)%len(ours)]
}

// writeLocked fails for the replacement that a fault hits.
func (d *Device) writeLocked() (gbcs.StatusCode, *Refusal) {
	status, got := d.fault.status()
	if d.fault == faultBusy {
		d.fault = 0
	}
	return status, refuse(StepWrite, "a cell that can be written", "%s", got)
}
