package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Row is all that a report says of one device at one moment.
type Row struct {
	Index      int
	ID         policy.EntityID
	Premises   int
	Type       Type
	Region     Region
	Prepayment bool
	Reach      Reach
	State      State
	Supplier   uint8  // whose it is by registration; see Device
	Operator   uint8  // the same for the network operator
	Wrong      bool   // it held another network operator's certificates at the start
	NoWAN      bool   // there is no WAN at its premises
	Excluded   string // reason; empty: not excluded
	// Cells are shared by all rows with the same content: do not change them.
	Cells []CellRow

	counters counters
	last     int64
	lastWord word
	reason   string
	marked   *cellSet
}

// A CellRow is what one cell holds. A device's rows are in the order of
// [AllCells], and only of the cells that it has.
type CellRow struct {
	Cell      gbcs.TrustAnchorCell
	SubjectID policy.EntityID
	KeyID     policy.KeyID
}

// Row returns the device as it is now.
func (d *Device) Row() Row {
	var r Row
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rowLocked(&r)
	return r
}

func (d *Device) rowLocked(r *Row) {
	*r = Row{
		Index: d.Index, ID: d.ID, Premises: d.Premises, Type: d.Type, Region: d.Region, Prepayment: d.Prepayment,
		Reach: d.reach, State: d.state, Supplier: d.Supplier, Operator: d.Operator, Wrong: d.Wrong, NoWAN: d.NoWAN,
		Cells: d.cells.rows, counters: d.counters, last: d.last, lastWord: d.lastWord, reason: d.reason,
	}
	if d.more != nil {
		r.Excluded = d.more.excluded
	}
}

// Counter returns the highest counter the device has acted on for a role.
func (r *Row) Counter(role policy.RemotePartyRole) gbcs.OriginatorCounter { return r.counters.of(role) }

// PrepaymentCounter returns the supplier's counter of prepayment top-ups.
func (r *Row) PrepaymentCounter() gbcs.OriginatorCounter { return r.counters.prepayment }

// Has reports whether the device has a cell of the role.
func (r *Row) Has(role policy.RemotePartyRole) bool {
	for i := range r.Cells {
		if r.Cells[i].Cell.Role == role {
			return true
		}
	}
	return false
}

// Last returns the last thing that happened to the device.
func (r *Row) Last() Outcome {
	if r.lastWord == 0 {
		return Outcome{}
	}
	return Outcome{At: time.Unix(0, r.last).UTC(), Word: r.lastWord.String(), Reason: r.reason}
}

// Marked returns what a cell held at the last [Fleet.Mark], and the zero KeyID
// for a cell that the device did not have.
func (r *Row) Marked(cell gbcs.TrustAnchorCell) policy.KeyID {
	if r.marked == nil {
		return policy.KeyID{}
	}
	a, _ := r.marked.at(cell)
	return a.KeyID
}

// Roles returns the roles that have a counter on some device, in the order of
// the columns of devices.csv.
func Roles() []policy.RemotePartyRole { return slices.Clone(counterRoles[:]) }

// Devices returns a row for each device, in the order of their indexes.
func (f *Fleet) Devices() []Row { return f.Snapshot() }

// KeyID returns what a cell holds, and the zero KeyID for a cell the device
// does not have.
func (r *Row) KeyID(cell gbcs.TrustAnchorCell) policy.KeyID {
	for i := range r.Cells {
		if r.Cells[i].Cell == cell {
			return r.Cells[i].KeyID
		}
	}
	return policy.KeyID{}
}

// holds counts the cells of a target that the device has, and those that hold what
// the target names.
func (r *Row) holds(t Target) (have, held int) {
	for i := range r.Cells {
		if key, wanted := t[r.Cells[i].Cell]; wanted {
			have++
			if r.Cells[i].KeyID == key {
				held++
			}
		}
	}
	return have, held
}

// RecordHeader returns the column names of devices.csv. [Row.Record] has the
// same columns; a cell or counter that a device does not have is empty there.
func RecordHeader() []string {
	header := []string{"device_id", "type", "region", "premises", "prepayment", "reach", "no_wan", "wrong_operator", "state", "excluded"}
	for _, cell := range allCells {
		header = append(header, "key "+cellWords(cell))
	}
	for _, role := range counterRoles {
		header = append(header, "counter "+role.String())
	}
	return append(header, "counter supplier prepayment", "last_outcome", "reason", "scenario_time")
}

// Record returns the row as text. Scenario time is counted from start.
func (r *Row) Record(start time.Time) []string {
	record := make([]string, 0, 10+cellCount+counterCount+4)
	record = append(record,
		r.ID.String(), r.Type.String(), r.Region.String(), strconv.Itoa(r.Premises), strconv.FormatBool(r.Prepayment),
		r.Reach.String(), strconv.FormatBool(r.NoWAN), strconv.FormatBool(r.Wrong), r.State.String(), r.Excluded,
	)
	for _, cell := range allCells {
		text := ""
		if key := r.KeyID(cell); !key.IsZero() {
			text = key.String()
		}
		record = append(record, text)
	}
	number := func(has bool, n gbcs.OriginatorCounter) {
		text := ""
		if has {
			text = strconv.FormatUint(uint64(n), 10)
		}
		record = append(record, text)
	}
	for _, role := range counterRoles {
		number(r.Has(role), r.Counter(role))
	}
	number(!r.KeyID(CellSupplierPrepayment).IsZero(), r.counters.prepayment)
	last := r.Last()
	at := ""
	if !last.At.IsZero() {
		at = scenarioTime(last.At.Sub(start))
	}
	return append(record, last.Word, last.Reason, at)
}

// scenarioTime writes a duration as hours, minutes and seconds: 1:05:00.
func scenarioTime(d time.Duration) string {
	s := int64(d / time.Second)
	sign := ""
	if s < 0 {
		sign, s = "-", -s
	}
	return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
}

// cellWords names a cell for a column: "supplier signing".
func cellWords(c gbcs.TrustAnchorCell) string {
	switch {
	case c.Cell == gbcs.CellPrePaymentTopUp:
		return c.Role.String() + " prepayment"
	case c.Usage == policy.UsageDigitalSignature:
		return c.Role.String() + " signing"
	case c.Usage == policy.UsageKeyAgreement:
		return c.Role.String() + " agreement"
	}
	return c.Role.String()
}
