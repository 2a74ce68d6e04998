package verbs

import (
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Cells of a communications hub beside those of a meter.
var (
	cellBrokerSigning = gbcs.TrustAnchorCell{Role: policy.RoleAccessControlBroker, Usage: policy.UsageDigitalSignature}
	cellWANProvider   = gbcs.TrustAnchorCell{Role: policy.RoleWANProvider, Usage: policy.UsageDigitalSignature}
)

// cellOrder are all cells that a command of a drill may name, in the order in
// which it names them.
var cellOrder = [...]gbcs.TrustAnchorCell{
	fleet.CellRoot, fleet.CellRecovery,
	fleet.CellSupplierSigning, fleet.CellSupplierAgreement, fleet.CellSupplierPrepayment,
	fleet.CellOperatorSigning, fleet.CellOperatorAgreement,
	cellBrokerSigning, fleet.CellBrokerAgreement,
	fleet.CellTransitionalCoS, cellWANProvider,
	fleet.CellLoadSigning, fleet.CellLoadAgreement,
}

// cellsOf are the cells of a role. Those that a device has all go in one command,
// so that no device is left between two keys.
func cellsOf(role policy.RemotePartyRole) []gbcs.TrustAnchorCell {
	var cells []gbcs.TrustAnchorCell
	for _, c := range cellOrder {
		if c.Role == role {
			cells = append(cells, c)
		}
	}
	return cells
}

// chiefCell is the cell that says whose a device is for a role: the one whose key
// signs or, for a party that signs nothing on meters, that agrees.
func chiefCell(role policy.RemotePartyRole) gbcs.TrustAnchorCell {
	if role == policy.RoleAccessControlBroker {
		return fleet.CellBrokerAgreement
	}
	return cellsOf(role)[0]
}

// credentialFor chooses what a set has for a cell.
func credentialFor(set map[purpose]*credential, cell gbcs.TrustAnchorCell) *credential {
	switch {
	case cell.Cell == gbcs.CellPrePaymentTopUp:
		return prepaymentOf(set)
	case cell.Usage == policy.UsageKeyAgreement:
		return set[purposeAgreement]
	default:
		return set[purposeSigning]
	}
}

// A filling is what a command puts into cells.
type filling map[gbcs.TrustAnchorCell]*credential

// fill puts a set of credentials into the cells of a role.
func fill(role policy.RemotePartyRole, set map[purpose]*credential) filling {
	f := filling{}
	for _, cell := range cellsOf(role) {
		if c := credentialFor(set, cell); c != nil {
			f[cell] = c
		}
	}
	return f
}

// cells are those of the filling that a device has, in order.
func (f filling) cells(d *fleet.Device) []gbcs.TrustAnchorCell {
	var cells []gbcs.TrustAnchorCell
	for _, cell := range cellOrder {
		if _, ours := f[cell]; !ours {
			continue
		}
		if _, has := d.Cell(cell); has {
			cells = append(cells, cell)
		}
	}
	return cells
}

// progress is how far a device has come to a filling, as far as it has the cells.
// A device that has none of them has nothing to do with it.
func (f filling) progress(r *fleet.Row) fleet.Progress {
	have, held := 0, 0
	for i := range r.Cells {
		if c := f[r.Cells[i].Cell]; c != nil && r.Cells[i].KeyID != (policy.KeyID{}) {
			have++
			if c.keyID() == r.Cells[i].KeyID {
				held++
			}
		}
	}
	switch {
	case r.Excluded != "" || have == 0:
		return fleet.ProgressExcluded
	case held == have:
		return fleet.ProgressRecovered
	case held > 0:
		return fleet.ProgressPartly
	case r.Reach == fleet.Unreachable:
		return fleet.ProgressUnreachable
	}
	return fleet.ProgressWaiting
}

// met reports whether the device holds all of the filling.
func (f filling) met(r *fleet.Row) bool { return f.progress(r) == fleet.ProgressRecovered }

// keyIDs are the key identifiers of a filling, in the order of its cells.
func (f filling) keyIDs() []policy.KeyID {
	var keys []policy.KeyID
	for _, cell := range cellOrder {
		if c := f[cell]; c != nil {
			keys = append(keys, c.keyID())
		}
	}
	return keys
}
