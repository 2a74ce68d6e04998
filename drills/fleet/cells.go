package fleet

import (
	"slices"
	"sync"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Every trust anchor cell that a simulated device can have. The prepayment cell
// differs from the supplier's other key agreement cell in its cell usage only.
var (
	CellRoot               = gbcs.TrustAnchorCell{Role: policy.RoleRoot, Usage: policy.UsageCertSign}
	CellRecovery           = gbcs.TrustAnchorCell{Role: policy.RoleRecovery, Usage: policy.UsageDigitalSignature}
	CellSupplierSigning    = gbcs.TrustAnchorCell{Role: policy.RoleSupplier, Usage: policy.UsageDigitalSignature}
	CellSupplierAgreement  = gbcs.TrustAnchorCell{Role: policy.RoleSupplier, Usage: policy.UsageKeyAgreement}
	CellSupplierPrepayment = gbcs.TrustAnchorCell{Role: policy.RoleSupplier, Usage: policy.UsageKeyAgreement, Cell: gbcs.CellPrePaymentTopUp}
	CellOperatorSigning    = gbcs.TrustAnchorCell{Role: policy.RoleNetworkOperator, Usage: policy.UsageDigitalSignature}
	CellOperatorAgreement  = gbcs.TrustAnchorCell{Role: policy.RoleNetworkOperator, Usage: policy.UsageKeyAgreement}
	CellBrokerAgreement    = gbcs.TrustAnchorCell{Role: policy.RoleAccessControlBroker, Usage: policy.UsageKeyAgreement}
	CellTransitionalCoS    = gbcs.TrustAnchorCell{Role: policy.RoleTransitionalCoS, Usage: policy.UsageDigitalSignature}
	CellBrokerSigning      = gbcs.TrustAnchorCell{Role: policy.RoleAccessControlBroker, Usage: policy.UsageDigitalSignature}
	CellWANProvider        = gbcs.TrustAnchorCell{Role: policy.RoleWANProvider, Usage: policy.UsageDigitalSignature}
	CellLoadSigning        = gbcs.TrustAnchorCell{Role: policy.RoleLoadController, Usage: policy.UsageDigitalSignature}
	CellLoadAgreement      = gbcs.TrustAnchorCell{Role: policy.RoleLoadController, Usage: policy.UsageKeyAgreement}
)

// cellCount is the number of different cells; allCells are in report order, and
// a cell's place in it is its index in a cellSet.
const cellCount = 13

var allCells = [cellCount]gbcs.TrustAnchorCell{
	CellRoot, CellRecovery,
	CellSupplierSigning, CellSupplierAgreement, CellSupplierPrepayment,
	CellOperatorSigning, CellOperatorAgreement,
	CellBrokerAgreement, CellTransitionalCoS,
	CellBrokerSigning, CellWANProvider,
	CellLoadSigning, CellLoadAgreement,
}

// AllCells returns every cell that any type of device has, in report order.
func AllCells() []gbcs.TrustAnchorCell { return slices.Clone(allCells[:]) }

// MeterCells returns the nine cells of an electricity meter, in report order.
func MeterCells() []gbcs.TrustAnchorCell { return TypeESME.Cells() }

// cellIndex returns the place of a cell in allCells.
func cellIndex(cell gbcs.TrustAnchorCell) (int, bool) {
	for i := range allCells {
		if allCells[i] == cell {
			return i, true
		}
	}
	return 0, false
}

// brokerAgreement is the index of the cell that every MAC is checked with.
const brokerAgreement = 7

// A cellMask has a bit for each of allCells.
type cellMask uint16

func maskOf(cells ...gbcs.TrustAnchorCell) cellMask {
	var m cellMask
	for _, c := range cells {
		if i, ok := cellIndex(c); ok {
			m |= 1 << i
		}
	}
	return m
}

func (m cellMask) has(i int) bool { return m&(1<<i) != 0 }

// A cellSet is what all cells of a device hold. A campaign leaves a fleet with a
// handful of different sets, so devices share them: a set is never changed once
// it is in the table, and a device that writes a cell takes another set.
type cellSet struct {
	anchors [cellCount]Anchor
	has     cellMask
	rows    []CellRow // of the cells it has, for rows of reports
}

func (s *cellSet) at(cell gbcs.TrustAnchorCell) (Anchor, bool) {
	i, ok := cellIndex(cell)
	if !ok || !s.has.has(i) {
		return Anchor{}, false
	}
	return s.anchors[i], true
}

// broker is the identifier of the Access Control Broker as the device knows it.
func (s *cellSet) broker() policy.EntityID {
	a, _ := s.at(CellBrokerAgreement)
	return a.SubjectID
}

// A cellKey is all that two equal sets have in common.
type cellKey struct {
	anchors [cellCount]Anchor
	has     cellMask
}

// cellSets is the table of a fleet's cell sets. All methods may be called
// concurrently.
type cellSets struct {
	mu    sync.RWMutex
	known map[cellKey]*cellSet
}

// intern returns the one set with this content.
func (t *cellSets) intern(key cellKey) *cellSet {
	t.mu.RLock()
	set := t.known[key]
	t.mu.RUnlock()
	if set != nil {
		return set
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if set := t.known[key]; set != nil {
		return set
	}
	set = &cellSet{anchors: key.anchors, has: key.has}
	for i, a := range key.anchors {
		if key.has.has(i) {
			set.rows = append(set.rows, CellRow{allCells[i], a.SubjectID, a.KeyID})
		}
	}
	if t.known == nil {
		t.known = map[cellKey]*cellSet{}
	}
	t.known[key] = set
	return set
}
