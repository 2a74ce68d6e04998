package fleet

import (
	"slices"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Target is the set of key identifiers that a recovery is to leave in the
// cells it is about.
type Target map[gbcs.TrustAnchorCell]policy.KeyID

// A Snapshot is a set of device rows, all of one moment, in the order of their
// indexes. Its methods answer the questions of scenarios and reports; those
// that return a Snapshot narrow it and leave the original alone.
type Snapshot []Row

// Snapshot returns the rows of all devices. Each row is of one moment; a
// command that is being handled meanwhile is in it or not, but never half.
func (f *Fleet) Snapshot() Snapshot { return f.SnapshotInto(nil) }

// SnapshotInto does the same in the memory of an older snapshot, which is lost. A
// caller that takes many of a large fleet saves making each anew.
func (f *Fleet) SnapshotInto(old Snapshot) Snapshot {
	rows := slices.Grow(old[:0], len(f.devices))[:len(f.devices)]
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.devices {
		d := &f.devices[i]
		d.mu.Lock()
		d.rowLocked(&rows[i])
		d.mu.Unlock()
		rows[i].marked = f.baseline[i]
	}
	return rows
}

// Mark makes the present cells the ones that [Snapshot.Changed] compares with.
// New marks once, when nothing has happened.
func (f *Fleet) Mark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.baseline = make([]*cellSet, len(f.devices))
	for i := range f.devices {
		d := &f.devices[i]
		d.mu.Lock()
		f.baseline[i] = d.cells
		d.mu.Unlock()
	}
}

// Where returns the rows for which keep is true.
func (s Snapshot) Where(keep func(*Row) bool) Snapshot {
	// Which ones first, then a copy of the right size: rows are large, and a list of
	// them that grows leaves several behind.
	chosen := make([]uint64, (len(s)+63)/64)
	count := 0
	for i := range s {
		if keep(&s[i]) {
			chosen[i/64] |= 1 << (i % 64)
			count++
		}
	}
	if count == 0 {
		return nil
	}
	kept := make(Snapshot, 0, count)
	for i := range s {
		if chosen[i/64]&(1<<(i%64)) != 0 {
			kept = append(kept, s[i])
		}
	}
	return kept
}

// Reachable returns the devices that messages reach, late ones included.
func (s Snapshot) Reachable() Snapshot {
	return s.Where(func(r *Row) bool { return r.Reach != Unreachable })
}

// Relevant returns the devices that are not excluded.
func (s Snapshot) Relevant() Snapshot {
	return s.Where(func(r *Row) bool { return r.Excluded == "" })
}

// In returns the devices of a region.
func (s Snapshot) In(region Region) Snapshot {
	return s.Where(func(r *Row) bool { return r.Region == region })
}

// OfType returns the devices of a type.
func (s Snapshot) OfType(t Type) Snapshot {
	return s.Where(func(r *Row) bool { return r.Type == t })
}

// WrongOperator returns the devices that held another network operator's
// certificates at the start than that of the one they are registered to.
func (s Snapshot) WrongOperator() Snapshot {
	return s.Where(func(r *Row) bool { return r.Wrong })
}

// OnPrepayment returns the devices whose customer pays in advance.
func (s Snapshot) OnPrepayment() Snapshot {
	return s.Where(func(r *Row) bool { return r.Prepayment })
}

// Holding returns the devices with any of these keys in any cell.
func (s Snapshot) Holding(keys ...policy.KeyID) Snapshot {
	return s.Where(func(r *Row) bool {
		return slices.ContainsFunc(r.Cells, func(c CellRow) bool { return slices.Contains(keys, c.KeyID) })
	})
}

// Meeting returns the devices whose cells hold all that the target names, as far
// as they have these cells.
func (s Snapshot) Meeting(t Target) Snapshot {
	return s.Where(func(r *Row) bool {
		have, held := r.holds(t)
		return have > 0 && held == have
	})
}

// Changed returns the devices on which a cell of any of these roles differs
// from the last Mark. No role means any role.
func (s Snapshot) Changed(roles ...policy.RemotePartyRole) Snapshot {
	return s.changed(func(role policy.RemotePartyRole) bool {
		return len(roles) == 0 || slices.Contains(roles, role)
	})
}

// ChangedExcept returns the devices on which a cell of a role other than these
// differs from the last Mark.
func (s Snapshot) ChangedExcept(roles ...policy.RemotePartyRole) Snapshot {
	return s.changed(func(role policy.RemotePartyRole) bool { return !slices.Contains(roles, role) })
}

func (s Snapshot) changed(counts func(policy.RemotePartyRole) bool) Snapshot {
	return s.Where(func(r *Row) bool {
		for i := range r.Cells {
			if cell := &r.Cells[i]; counts(cell.Cell.Role) && cell.KeyID != r.Marked(cell.Cell) {
				return true
			}
		}
		return false
	})
}

// Premises returns the number of different premises of these devices.
func (s Snapshot) Premises() int {
	seen := make(map[int]struct{}, len(s))
	for i := range s {
		seen[s[i].Premises] = struct{}{}
	}
	return len(seen)
}

// Share returns the size of s as a share of whole, and 1 if whole is empty: a
// condition on all devices of an empty set holds.
func (s Snapshot) Share(whole Snapshot) float64 {
	if len(whole) == 0 {
		return 1
	}
	return float64(len(s)) / float64(len(whole))
}

// A Tally sorts devices by how far a recovery got. Every device is in exactly
// one of the five: excluded first, then by what its cells hold, and a device
// with nothing done is Unreachable or, if messages reach it, Waiting.
type Tally struct {
	Recovered   int `json:"recovered"`
	Partly      int `json:"partly"`
	Waiting     int `json:"waiting"`
	Unreachable int `json:"unreachable"`
	Excluded    int `json:"excluded"`
}

// Total returns the number of devices counted.
func (t Tally) Total() int {
	return t.Recovered + t.Partly + t.Waiting + t.Unreachable + t.Excluded
}

// Progress is how far a recovery has got on one device.
type Progress uint8

// The five kinds of progress, as in [Tally].
const (
	ProgressRecovered Progress = iota + 1
	ProgressPartly
	ProgressWaiting
	ProgressUnreachable
	ProgressExcluded
)

// String returns the progress in one word.
func (p Progress) String() string {
	switch p {
	case ProgressRecovered:
		return "recovered"
	case ProgressPartly:
		return "partly"
	case ProgressWaiting:
		return "waiting"
	case ProgressUnreachable:
		return "unreachable"
	case ProgressExcluded:
		return "excluded"
	}
	return "progress unknown"
}

// Progress returns how far the recovery to a target has got on the device. One
// that has none of the cells has no part in it and is excluded.
func (r *Row) Progress(t Target) Progress {
	switch have, held := r.holds(t); {
	case r.Excluded != "" || have == 0:
		return ProgressExcluded
	case held == have:
		return ProgressRecovered
	case held > 0:
		return ProgressPartly
	case r.Reach == Unreachable:
		return ProgressUnreachable
	}
	return ProgressWaiting
}

// Tally counts the devices by their progress towards a target.
func (s Snapshot) Tally(t Target) Tally {
	var n Tally
	for i := range s {
		switch s[i].Progress(t) {
		case ProgressRecovered:
			n.Recovered++
		case ProgressPartly:
			n.Partly++
		case ProgressWaiting:
			n.Waiting++
		case ProgressUnreachable:
			n.Unreachable++
		case ProgressExcluded:
			n.Excluded++
		}
	}
	return n
}

// ByRegion returns a tally for each region, empty ones included.
func (s Snapshot) ByRegion(t Target) map[Region]Tally {
	regions := make(map[Region]Tally, 3)
	for _, region := range []Region{North, Central, South} {
		regions[region] = s.In(region).Tally(t)
	}
	return regions
}
