package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// KindReadBack is the kind of a read-back's journal entry, whose body is
// [ReadBack].
const KindReadBack journal.Kind = "readback"

// readBack asks a sample of devices what they hold (CS02a), as the broker does,
// and compares what they say with what they hold: the one place where the drill
// looks behind a device, and only to find out whether a device can lie to it.
func (w *World) readBack(ctx context.Context, at time.Duration, a engine.Action) error {
	if err := w.window(ctx, at); err != nil {
		return err
	}
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	w.readBacks++
	name := fmt.Sprintf("read-back %d", w.readBacks)
	body := ReadBack{When: journal.FormatAt(at), Party: p.name, Holding: map[string]int{}}
	asked := w.withCells(p)
	var commands []fleet.Command
	for _, chosen := range spread(len(asked), a.Number(paramSample)) {
		index := asked[chosen]
		if w.fleet.Device(index).Reach() != fleet.Reachable {
			continue // a sample that has to be here now
		}
		m := gbcs.NewCommand(gbcs.GroupingHeader{
			Counter: w.broker.party.next(), Originator: w.broker.party.entity, Recipient: w.fleet.Device(index).ID,
		}, &gbcs.ReadCredentials{AuthorisingCell: fleet.CellBrokerAgreement, Roles: []policy.RemotePartyRole{p.role}})
		z, err := w.broker.secret(w, index)
		if err != nil {
			return err
		}
		if err := m.AddMAC(z); err != nil {
			return err
		}
		octets, err := m.Encode()
		if err != nil {
			return err
		}
		commands = append(commands, fleet.Command{Device: index, Octets: octets})
	}
	deliveries, err := w.fleet.Deliver(ctx, w.clock.date(at), commands)
	if err != nil {
		return err
	}
	body.Sample = len(commands)
	var octets [][]byte
	for _, d := range deliveries {
		if d.Err != nil {
			return d.Err
		}
		octets = append(octets, d.Command.Octets)
		if d.Answer == nil {
			body.Holding["no answer"]++
			continue
		}
		octets = append(octets, d.Answer)
		said, err := w.details(&d)
		if err != nil {
			return err
		}
		body.Answered++
		body.Holding[w.holder(p, said[chiefCell(p.role)])]++
		w.strangerSeen = w.strangerSeen || w.intruders(chiefCell(p.role), said[chiefCell(p.role)])
		w.learnRead(d.Device.Index, p.role, said[chiefCell(p.role)])
		for _, cell := range cellsOf(p.role) {
			if held, has := d.Device.Cell(cell); has && held.KeyID != said[cell] {
				body.Differ++
			}
		}
		if w.pack.wants(name, "read") {
			if err := w.keepReadBack(at, name, &d); err != nil {
				return err
			}
		}
	}
	body.Messages, body.Root = len(octets), merkleRoot(octets)
	w.differ += body.Differ
	if _, err = w.record(KindReadBack, at, body); err == nil {
		w.tell(at, body)
	}
	return err
}

// details reads an answer to CS02a and checks its MAC.
func (w *World) details(d *fleet.Delivery) (map[gbcs.TrustAnchorCell]policy.KeyID, error) {
	m, err := gbcs.Decode(d.Answer)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of device %v: %w", d.Device.ID, err)
	}
	z, err := w.broker.secret(w, d.Device.Index)
	if err != nil {
		return nil, err
	}
	if err := m.VerifyMAC(z); err != nil {
		return nil, fmt.Errorf("reading the answer of device %v: %w", d.Device.ID, err)
	}
	details, ok := m.Payload.(*gbcs.CredentialDetails)
	if !ok {
		return nil, fmt.Errorf("reading the answer of device %v: it is no list of credentials", d.Device.ID)
	}
	said := map[gbcs.TrustAnchorCell]policy.KeyID{}
	for _, role := range details.Roles {
		for _, c := range role.Credentials {
			said[gbcs.TrustAnchorCell{Role: role.Role, Usage: c.Usage, Cell: c.Cell}] = c.KeyID
		}
	}
	return said, nil
}

func (w *World) keepReadBack(at time.Duration, name string, d *fleet.Delivery) error {
	for _, octets := range [][]byte{d.Command.Octets, d.Answer} {
		entry, err := w.pack.message(octets, d.Device.ID)
		if err != nil {
			return err
		}
		entry.Campaign, entry.Outcome = name, "read"
		if _, err := w.record(journal.KindMessage, at, entry); err != nil {
			return err
		}
	}
	return w.keepDevice(d.Device.Index)
}

// withCells are the devices that have a party's cells: its own, those of others of
// its role, and any that hold a wrong certificate.
func (w *World) withCells(p *party) []int {
	var devices []int
	for _, r := range w.rows() {
		if r.KeyID(chiefCell(p.role)) != (policy.KeyID{}) {
			devices = append(devices, r.Index)
		}
	}
	return devices
}

// holder says in words whose key a party's chief cell holds.
func (w *World) holder(p *party, key policy.KeyID) string {
	cell := chiefCell(p.role)
	if w.intruders(cell, key) {
		return fmt.Sprintf("an unknown key in the %s's name", roleWords(p.role))
	}
	for _, other := range w.parties {
		for i, set := range other.generations {
			if c := credentialFor(set, cell); c == nil || c.keyID() != key {
				continue
			}
			switch {
			case other == w.broker.party && other != p:
				return "the Access Control Broker's key"
			case other != p:
				return "the key of " + other.name
			case i == 0:
				return fmt.Sprintf("the %s's first key", roleWords(p.role))
			}
			return fmt.Sprintf("the %s's new key", roleWords(p.role))
		}
	}
	return "another key"
}

// roleWords names a role for people.
func roleWords(role policy.RemotePartyRole) string {
	switch role {
	case policy.RoleNetworkOperator:
		return "network operator"
	case policy.RoleAccessControlBroker:
		return "Access Control Broker"
	case policy.RoleTransitionalCoS:
		return "change of supplier party"
	case policy.RoleWANProvider:
		return "WAN provider"
	case policy.RoleRecovery:
		return "recovery party"
	}
	return role.String()
}

// spread chooses n of all indexes, evenly and always the same.
func spread(all, n int) []int {
	n = min(n, all)
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = i * all / n
	}
	return chosen
}
