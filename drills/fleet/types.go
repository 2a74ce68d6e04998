package fleet

import (
	"fmt"
	"strings"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Type is a kind of device, with its number in GBCS. The numbers go on the
// wire: do not reorder. The zero value is a gas meter.
type Type uint8

// The types of device that a drill can have.
const (
	TypeGSME   Type = 0 // gas meter
	TypeESME   Type = 1 // electricity meter
	TypeCHF    Type = 2 // communications hub
	TypeGPF    Type = 3 // gas proxy
	TypeHCALCS Type = 4 // load control switch
	TypePPMID  Type = 5 // prepayment interface
)

// typeTable is all that is known of a type: its cells, and what they rest on.
// Public test messages show the nine cells of the electricity meter, the
// broker's and the WAN provider's cells of a hub, the supplier's and operator's
// of a gas proxy, and the load controller's of devices that control load; the
// rest is inference from who commands such a device.
var typeTable = [...]struct {
	name  string
	says  string
	cells []gbcs.TrustAnchorCell
	mark  Mark
	basis string
}{
	TypeGSME: {"GSME", "gas meter", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellSupplierSigning, CellSupplierAgreement, CellSupplierPrepayment,
		CellOperatorSigning, CellOperatorAgreement, CellBrokerAgreement, CellTransitionalCoS,
	}, MarkInference, "as the electricity meter: the same parties command it"},
	TypeESME: {"ESME", "electricity meter", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellSupplierSigning, CellSupplierAgreement, CellSupplierPrepayment,
		CellOperatorSigning, CellOperatorAgreement, CellBrokerAgreement, CellTransitionalCoS,
	}, MarkTested, "public recovery command and contingency answer"},
	TypeCHF: {"CHF", "communications hub", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellBrokerAgreement, CellBrokerSigning, CellWANProvider,
	}, MarkInference, "broker's two cells and the WAN provider's are in public test messages; root and recovery as on every device, no supplier, operator or transitional CoS"},
	TypeGPF: {"GPF", "gas proxy", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellSupplierSigning, CellSupplierAgreement,
		CellOperatorSigning, CellOperatorAgreement, CellBrokerAgreement, CellTransitionalCoS,
	}, MarkInference, "supplier's and operator's cells are in public test messages; no prepayment cell, because top-ups go to the meter"},
	TypeHCALCS: {"HCALCS", "load control switch", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellSupplierSigning, CellSupplierAgreement, CellBrokerAgreement, CellTransitionalCoS,
		CellLoadSigning, CellLoadAgreement,
	}, MarkInference, "load controller's cells are in public test messages; no network operator"},
	TypePPMID: {"PPMID", "prepayment interface", []gbcs.TrustAnchorCell{
		CellRoot, CellRecovery, CellSupplierSigning, CellSupplierAgreement, CellBrokerAgreement, CellTransitionalCoS,
	}, MarkInference, "the supplier's device; no prepayment cell and no network operator"},
}

// typeMasks are the cells of each type as bits.
var typeMasks = func() (m [len(typeTable)]cellMask) {
	for t := range typeTable {
		m[t] = maskOf(typeTable[t].cells...)
	}
	return m
}()

// Types returns every type, in the order in which reports list them.
func Types() []Type { return []Type{TypeESME, TypeGSME, TypeGPF, TypeCHF, TypePPMID, TypeHCALCS} }

// ParseType reads the name of a type in any case: esme, GSME.
func ParseType(s string) (Type, error) {
	for t := range typeTable {
		if strings.EqualFold(typeTable[t].name, s) {
			return Type(t), nil
		}
	}
	return 0, fmt.Errorf("%q is no type of device: want esme, gsme, gpf, chf, ppmid or hcalcs", s)
}

func (t Type) known() bool { return int(t) < len(typeTable) }

// String returns the name of the type as GBCS writes it.
func (t Type) String() string {
	if t.known() {
		return typeTable[t].name
	}
	return fmt.Sprintf("device type %d", uint8(t))
}

// Says returns the type in words: gas meter.
func (t Type) Says() string {
	if t.known() {
		return typeTable[t].says
	}
	return t.String()
}

// Cells returns the cells that devices of the type have, in report order.
func (t Type) Cells() []gbcs.TrustAnchorCell {
	if !t.known() {
		return nil
	}
	cells := make([]gbcs.TrustAnchorCell, 0, cellCount)
	for i := range allCells {
		if typeMasks[t].has(i) {
			cells = append(cells, allCells[i])
		}
	}
	return cells
}

// Has reports whether devices of the type have a cell.
func (t Type) Has(cell gbcs.TrustAnchorCell) bool {
	i, ok := cellIndex(cell)
	return ok && t.known() && typeMasks[t].has(i)
}

// HasRole reports whether devices of the type have a cell of the role.
func (t Type) HasRole(role policy.RemotePartyRole) bool {
	for i := range allCells {
		if t.known() && typeMasks[t].has(i) && allCells[i].Role == role {
			return true
		}
	}
	return false
}

// Hub reports whether the type is a communications hub, on which the broker has
// a signing cell and signs what it changes of its own (GBCS v0.8.1 p.179).
func (t Type) Hub() bool { return t == TypeCHF }

// Commander returns the cell whose key commands a device's own key pairs (CS02c,
// CS02d, CS02e): the supplier's, and the broker's on a device without one.
func (t Type) Commander() gbcs.TrustAnchorCell {
	if t.Has(CellSupplierSigning) {
		return CellSupplierSigning
	}
	return CellBrokerSigning
}
