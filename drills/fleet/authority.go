package fleet

import (
	"crypto/ecdsa"
	"fmt"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// authorityLocked finds who stands behind a command. The signer is found by the
// cell, never by the role in a certificate: during a handover the supplier's
// cell holds a certificate of the Access Control Broker, and its key signs.
func (d *Device) authorityLocked(m *gbcs.Message) (authority, *Refusal) {
	cell, refusal := d.authorisingCell(m)
	who := authority{role: cell.Role}
	if refusal != nil {
		return who, refusal
	}
	anchor, ok := d.cells.at(cell)
	if !ok {
		return who, refuse(StepAuthority, fmt.Sprintf("the cell %s", cellWords(cell)), "a device without it")
	}
	if d.fleet.settings.MatchOriginator && cell.Role != policy.RoleRoot && anchor.SubjectID != m.Header.Originator {
		return who, refuse(StepAuthority,
			fmt.Sprintf("originator %v, which the cell %s holds", anchor.SubjectID, cellWords(cell)), "%v", m.Header.Originator)
	}
	if len(m.Signature) > 0 {
		who.signer = anchor.PublicKey
	}
	if m.MAC {
		broker, ok := d.cells.at(CellBrokerAgreement)
		if !ok {
			return who, refuse(StepAuthority, fmt.Sprintf("the cell %s", cellWords(CellBrokerAgreement)), "a device without it")
		}
		who.broker = broker.PublicKey
	}
	return who, nil
}

// authorisingCell returns the cell that a command names, or that its use case
// implies, once it fits.
func (d *Device) authorisingCell(m *gbcs.Message) (gbcs.TrustAnchorCell, *Refusal) {
	switch p := m.Payload.(type) {
	case *gbcs.UpdateSecurityCredentials:
		return d.authorisingCellOfUpdate(p)
	case *gbcs.ReadCredentials:
		cell := p.AuthorisingCell
		if cell != CellBrokerAgreement && cell.Usage != policy.UsageDigitalSignature {
			return cell, refuse(StepAuthority, "a signing cell or the broker's agreement cell", "%s", cellWords(cell))
		}
		return cell, nil
	}
	return d.Type.Commander(), nil
}

func (d *Device) authorisingCellOfUpdate(p *gbcs.UpdateSecurityCredentials) (gbcs.TrustAnchorCell, *Refusal) {
	if p.Mode == gbcs.AccessControlBrokerByACB && !d.Type.Hub() {
		// Only a hub has a signing cell for the broker. Elsewhere the command
		// names no cell and is trusted for its MAC.
		if p.AuthorisingCell != nil {
			return CellBrokerAgreement, refuse(StepAuthority, fmt.Sprintf("no authorising cell in mode %v", p.Mode), "%s", cellWords(*p.AuthorisingCell))
		}
		return CellBrokerAgreement, nil
	}
	want, _ := p.Mode.AuthorisingCell()
	if p.AuthorisingCell == nil {
		return want, refuse(StepAuthority, fmt.Sprintf("the authorising cell %s", cellWords(want)), "none named")
	}
	if *p.AuthorisingCell != want {
		return want, refuse(StepAuthority,
			fmt.Sprintf("the authorising cell %s of mode %v", cellWords(want), p.Mode), "%s", cellWords(*p.AuthorisingCell))
	}
	return want, nil
}

// contingencyLocked unwraps the contingency public key that lies in the root
// certificate, with the symmetric key that the command brings. How it is
// wrapped is our reading (RFC 5934, RFC 5649): no public message shows it.
func (d *Device) contingencyLocked(m *gbcs.Message) (*ecdsa.PublicKey, *Refusal) {
	const want = "a wrapped contingency key that the symmetric key opens"
	root := d.cells.anchors[0]
	if root.Certificate == nil || len(root.Certificate.WrappedContingency) == 0 {
		return nil, refuse(StepContingency, want, "a root without one")
	}
	p := m.Payload.(*gbcs.UpdateSecurityCredentials)
	pub, err := gbcs.UnwrapContingency(root.Certificate.WrappedContingency, p.SymmetricKey)
	if err != nil {
		return nil, refuse(StepContingency, want, "one that it does not open")
	}
	return pub, nil
}
