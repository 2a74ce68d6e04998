package fleet

import (
	"fmt"

	"smki.example/drills/gbcs"
)

// respondLocked wraps what a device has to say to a command. The answer repeats
// the command's counter. Answers are signed with the device's key, but for one
// use case: what the broker read with a MAC goes back with a MAC.
func (d *Device) respondLocked(command *gbcs.Message, payload gbcs.Payload) ([]byte, error) {
	m := gbcs.NewResponse(command.Header, payload)
	read, ok := command.Payload.(*gbcs.ReadCredentials)
	if !ok || read.AuthorisingCell != CellBrokerAgreement {
		return d.signLocked(m)
	}
	z, err := d.sharedSecretLocked(d.cells.anchors[brokerAgreement].PublicKey)
	if err != nil {
		return nil, err
	}
	if err := m.AddMAC(z); err != nil {
		return nil, fmt.Errorf("answering from device %v: %w", d.ID, err)
	}
	octets, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("answering from device %v: %w", d.ID, err)
	}
	return octets, nil
}

// alertLocked wraps the alert that reports a future dated command to the party
// that authorised it. An alert has a counter of the device's own.
func (d *Device) alertLocked(k *pendingCommand, alert *gbcs.Alert) ([]byte, error) {
	d.counters.own++
	return d.signLocked(gbcs.NewAlert(d.ID, k.header.Originator, d.counters.own, k.update.Mode.LoadController(), alert))
}

func (d *Device) signLocked(m *gbcs.Message) ([]byte, error) {
	key, err := d.privateLocked(pairSigning)
	if err != nil {
		return nil, err
	}
	if err := m.SignWith(steadySigner{key}); err != nil {
		return nil, fmt.Errorf("signing an answer of device %v: %w", d.ID, err)
	}
	octets, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("answering from device %v: %w", d.ID, err)
	}
	return octets, nil
}

// readCredentialsLocked lists the cells of each role asked for (CS02a). A role
// without a cell is reported as not found.
func (d *Device) readCredentialsLocked(p *gbcs.ReadCredentials) gbcs.Payload {
	details := &gbcs.CredentialDetails{}
	for _, role := range p.Roles {
		held := gbcs.RoleCredentials{Role: role, Status: gbcs.StatusTrustAnchorNotFound}
		for _, row := range d.cells.rows {
			if row.Cell.Role == role {
				held.Credentials = append(held.Credentials, gbcs.Credential{Usage: row.Cell.Usage, Cell: row.Cell.Cell, ID: row.SubjectID, KeyID: row.KeyID})
			}
		}
		if len(held.Credentials) > 0 {
			held.Status, held.Counter = gbcs.StatusSuccess, d.counters.of(role)
		}
		details.Roles = append(details.Roles, held)
	}
	return details
}
