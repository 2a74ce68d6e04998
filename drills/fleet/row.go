package fleet

import (
	"fmt"
	"strconv"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Row is all that a report says of one device at one moment.
type Row struct {
	Index      int
	ID         policy.EntityID
	Type       Type
	Region     Region
	Premises   int
	Prepayment bool
	Reach      Reach
	State      State
	Excluded   string // reason; empty: not excluded
	Cells      []CellRow
	Counters   []CounterRow
	Last       Outcome

	marked baselineCells
}

// A CellRow is what one cell holds, and a device's rows are in the order of
// [MeterCells].
type CellRow struct {
	Cell      gbcs.TrustAnchorCell
	SubjectID policy.EntityID
	KeyID     policy.KeyID
}

// A CounterRow is a role's counters, and a device's rows are in the order of
// the roles in [MeterCells].
type CounterRow struct {
	Role       policy.RemotePartyRole
	Counter    gbcs.OriginatorCounter
	Prepayment gbcs.OriginatorCounter
}

// counterRoles are the roles that have a cell on a meter.
var counterRoles = []policy.RemotePartyRole{
	policy.RoleRoot, policy.RoleRecovery, policy.RoleSupplier,
	policy.RoleNetworkOperator, policy.RoleAccessControlBroker, policy.RoleTransitionalCoS,
}

// Row returns the device as it is now.
func (d *Device) Row() Row {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := Row{
		Index: d.Index, ID: d.ID, Type: d.Type, Region: d.Region,
		Premises: d.Premises, Prepayment: d.Prepayment,
		Reach: d.reach, State: d.state, Excluded: d.excluded, Last: d.last,
		Cells:    make([]CellRow, 0, len(d.cells)),
		Counters: make([]CounterRow, 0, len(counterRoles)),
	}
	for _, cell := range MeterCells() {
		a := d.cells[cell]
		r.Cells = append(r.Cells, CellRow{cell, a.SubjectID, a.KeyID})
	}
	for _, role := range counterRoles {
		r.Counters = append(r.Counters, CounterRow{role, d.counters.management[role], d.counters.prepayment[role]})
	}
	return r
}

// Devices returns a row for each device, in the order of their indexes.
func (f *Fleet) Devices() []Row { return f.Snapshot() }

// KeyID returns what a cell holds, and the zero KeyID for a cell the device
// does not have.
func (r *Row) KeyID(cell gbcs.TrustAnchorCell) policy.KeyID {
	for _, c := range r.Cells {
		if c.Cell == cell {
			return c.KeyID
		}
	}
	return policy.KeyID{}
}

// holds counts the cells that hold what a target names.
func (r *Row) holds(t Target) int {
	held := 0
	for cell, key := range t {
		if r.KeyID(cell) == key {
			held++
		}
	}
	return held
}

// RecordHeader returns the column names of devices.csv. [Row.Record] has the
// same columns.
func RecordHeader() []string {
	header := []string{"device_id", "type", "region", "premises", "prepayment", "reach", "state", "excluded"}
	for _, cell := range MeterCells() {
		header = append(header, "key "+cellWords(cell))
	}
	for _, role := range counterRoles {
		header = append(header, "counter "+role.String())
	}
	return append(header, "counter supplier prepayment", "last_outcome", "reason", "scenario_time")
}

// Record returns the row as text. Scenario time is counted from start.
func (r *Row) Record(start time.Time) []string {
	record := []string{
		r.ID.String(), r.Type.String(), r.Region.String(), strconv.Itoa(r.Premises),
		strconv.FormatBool(r.Prepayment), r.Reach.String(), r.State.String(), r.Excluded,
	}
	for _, cell := range r.Cells {
		record = append(record, cell.KeyID.String())
	}
	var prepayment gbcs.OriginatorCounter
	for _, c := range r.Counters {
		record = append(record, strconv.FormatUint(uint64(c.Counter), 10))
		if c.Role == policy.RoleSupplier {
			prepayment = c.Prepayment
		}
	}
	at := ""
	if !r.Last.At.IsZero() {
		at = scenarioTime(r.Last.At.Sub(start))
	}
	return append(record, strconv.FormatUint(uint64(prepayment), 10), r.Last.Word, r.Last.Reason, at)
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
