package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Methods of campaigns that no method of the Recovery Procedure for an
// organisation's key describes.
const (
	methodRecoveryItself = "recovery key by itself"
	methodContingency    = "contingency (our reading)"
	methodRootNormal     = "root certificate"
)

// contingencyEntity is the originator of contingency commands, from the range for
// documentation. The public answer of such a command goes to an identifier that
// occurs nowhere else; what it stands for is not known.
const contingencyEntity = "00-00-5E-EF-10-00-17-FF"

// replaceAuthority begins the replacement of the Recovery key's certificate or of
// the root's on devices.
func (w *World) replaceAuthority(at time.Duration, a engine.Action) error {
	by := a.Params[paramBy]
	switch {
	case a.Object == partyRecovery && by == byRecoveryKey:
		return w.replaceRecovery(at)
	case a.Object == thingRoot && by == byContingencyKey, a.Object == partyRecovery && by == byContingencyKey:
		return w.replaceByContingency(at)
	case a.Object == thingRootRenewed && (by == byRecoveryKey || by == bySupplier || by == byWANProvider):
		return w.replaceRootNormally(at, by)
	case a.Object == thingRoot:
		return refuse("devices take a new root only from the contingency key: by: contingency key")
	case a.Object == thingRootRenewed:
		return refuse("a renewed root certificate is put on devices by: supplier, wan provider or recovery key")
	}
	return refuse("the keys of %s are not replaced by the %s", a.Object, by)
}

// needs refuses if nobody has opened a key, or is about to.
func (w *World) needs(key, what string) error {
	for _, c := range w.dcc.guards[key] {
		if c.session != nil || c.summoned != nil {
			return nil
		}
	}
	return refuse("%s needs the %s, and no decision of the PMA has opened it", what, keyWords[key])
}

// open reports whether a session for a key stands.
func (w *World) openNow(key string) bool { c := w.guardOf(key); return c != nil && c.session != nil }

// replaceRecovery has the old Recovery key put the certificate of the new one into
// the recovery cell (mode 8), while it is still the DCC's alone. Where somebody
// else has it too this is a race.
func (w *World) replaceRecovery(at time.Duration) error {
	p := w.recoveryParty()
	if len(p.generations) == 1 {
		return refuse("there is no new Recovery key: renew it first (renew: recovery key)")
	}
	if err := w.needs(recoveryName, "replacing the Recovery key by itself"); err != nil {
		return err
	}
	w.subject(p)
	set := fill(policy.RoleRecovery, p.current())
	everywhere := w.among(p, amongAll)
	w.launch(at, &campaign{
		name: "recovery by recovery key", method: methodRecoveryItself, party: p, about: p, mode: gbcs.AnyExceptAbnormalRootByRecovery, guard: recoveryName, final: true, rate: w.rate,
		put: func(int) filling { return set }, scope: func() []int { return w.remaining(p, set, everywhere) }, waits: !w.openNow(recoveryName),
		floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
	})
	return nil
}

// replaceByContingency has the Contingency key put everything that was made anew
// under the new root into all cells, in one command (mode 9): after it nothing
// that the old root vouches for can be put there. Our reading: no public message
// shows the command. The symmetric key travels in it in clear, so that one campaign
// is all it is good for.
func (w *World) replaceByContingency(at time.Duration) error {
	root := w.dcc.root()
	if root.key == 1 {
		return refuse("there is no new Root: make it and everything under it first (renew: root)")
	}
	if err := w.needs(contingencyName, "replacing the Root"); err != nil {
		return err
	}
	guard := w.guardOf(contingencyName)
	if k := guard.symmetric; k.campaign != nil || k.exposed {
		return refuse("the symmetric key of %s is good for one campaign, and %q has it: every device on the way has seen it since", guard.words(), k.campaign.name)
	}
	entity, err := policy.ParseEntityID(contingencyEntity)
	if err != nil {
		return fmt.Errorf("verbs: internal error: %w", err)
	}
	if w.dcc.contingency == nil {
		w.dcc.contingency = &party{id: contingencyName, name: "DCC with the Contingency key", entity: entity, role: policy.RoleRoot}
	}
	newRoot := w.rootCredential(root)
	c := &campaign{
		name: "root by contingency key (our reading)", method: methodContingency, party: w.dcc.contingency, about: w.recoveryParty(), mode: gbcs.AnyByContingency,
		guard: contingencyName, final: true, rate: w.rate, waits: !w.openNow(contingencyName),
		put: func(device int) filling { return w.everything(newRoot, device) },
		scope: func() []int {
			var devices []int
			for _, r := range w.rows() {
				if hasCell(w.fleet.Device(r.Index), fleet.CellRoot) && w.rootOn(r.Index) != root.certificate.Serial {
					devices = append(devices, r.Index)
				}
			}
			return devices
		},
		floors: func(u *gbcs.UpdateSecurityCredentials) {
			// Every key that a replay could be signed with goes; counters begin anew, as
			// in the public messages.
			zero := gbcs.OriginatorCounter(0)
			u.NewFloor = &u.SeqNumber
			for _, role := range rolesOf(u.Replacements) {
				change := gbcs.SeqNumberChange{Role: role, Floor: zero}
				if role == policy.RoleSupplier {
					change.Specialist = []gbcs.SpecialistFloor{{Floor: 0}}
				}
				u.OtherChanges = append(u.OtherChanges, change)
			}
		},
	}
	guard.symmetric.campaign = c
	w.subject(w.recoveryParty())
	for _, old := range w.campaigns {
		if !old.attack && old.running() {
			old.queue, old.waits = nil, false // what is under the old root is worth nothing any more
		}
	}
	w.launch(at, c)
	return nil
}

// rolesOf are the roles whose cells a command changes beside the root's and the
// recovery key's, in the order of the command: those whose counters it sets.
func rolesOf(replacements []gbcs.Replacement) []policy.RemotePartyRole {
	var roles []policy.RemotePartyRole
	seen := map[policy.RemotePartyRole]bool{policy.RoleRoot: true, policy.RoleRecovery: true}
	for _, r := range replacements {
		if !seen[r.Cell.Role] {
			seen[r.Cell.Role] = true
			roles = append(roles, r.Cell.Role)
		}
	}
	return roles
}

// everything is what a contingency command puts on a device: the new root and the
// newest certificates of all whose cells it has.
func (w *World) everything(root *credential, device int) filling {
	all := filling{fleet.CellRoot: root}
	for _, role := range deviceRoles {
		p := w.ownerOf(role, device)
		if role == policy.RoleLoadController {
			p = w.broker.party // who stands in for it: no party of a drill has that role
		}
		if p == nil {
			continue
		}
		for cell, c := range fill(role, p.current()) {
			all[cell] = c
		}
	}
	return all
}

// ownerOf is the party whose certificates belong into a device's cells of a role.
// Where they hold those of nobody in the drill it is the one who should be there.
func (w *World) ownerOf(role policy.RemotePartyRole, device int) *party {
	if p := w.scope.homes[role][device]; p != nil {
		if p.successor != nil {
			return p.successor
		}
		return p
	}
	if registered := w.scope.registered[role]; registered != nil && registered[device] != nil {
		return registered[device]
	}
	return w.partyOf(role)
}

// rootCredential is a root certificate as campaigns handle what goes into cells.
// One is made for each certificate, since commands that carry the same share a plan.
func (w *World) rootCredential(r rootMade) *credential {
	if w.dcc.rootCredentials == nil {
		w.dcc.rootCredentials = map[policy.Serial]*credential{}
	}
	c := w.dcc.rootCredentials[r.certificate.Serial]
	if c == nil {
		c = &credential{purpose: purposeSigning, certificate: r.certificate}
		w.dcc.rootCredentials[r.certificate.Serial] = c
	}
	return c
}

// rootOn is the serial number of the root certificate that a device holds.
func (w *World) rootOn(device int) policy.Serial {
	a, has := w.fleet.Device(device).Cell(fleet.CellRoot)
	if !has || a.Certificate == nil {
		return policy.Serial{}
	}
	return a.Certificate.Serial
}

// replaceRootNormally puts a new certificate for the same Root key on devices: the
// way in which new contingency material reaches them. Any device can see that the
// holder of the Root key made it.
func (w *World) replaceRootNormally(at time.Duration, by string) error {
	root := w.dcc.root()
	if root.wrapped == 1 {
		return refuse("there is no new root certificate: renew the contingency key first (renew: contingency key)")
	}
	put := filling{fleet.CellRoot: w.rootCredential(root)}
	behind := func(is func(device int) bool) func() []int {
		return func() []int {
			devices := []int{}
			for _, r := range w.rows() {
				a, has := w.fleet.Device(r.Index).Cell(fleet.CellRoot)
				normal := has && a.KeyID == root.certificate.SubjectKeyID && w.rootOn(r.Index) != root.certificate.Serial
				if normal && is(r.Index) {
					devices = append(devices, r.Index)
				}
			}
			return devices
		}
	}
	one := func(c *campaign) {
		c.method, c.put, c.final, c.rate = methodRootNormal, func(int) filling { return put }, true, w.rate
		c.devices = c.scope()
		w.launch(at, c)
	}
	if by == byRecoveryKey {
		if err := w.needs(recoveryName, "putting a root certificate on devices"); err != nil {
			return err
		}
		one(&campaign{
			name: "root certificate by recovery key", party: w.recoveryParty(), about: w.recoveryParty(), mode: gbcs.AnyExceptAbnormalRootByRecovery, guard: recoveryName,
			waits: !w.openNow(recoveryName), scope: behind(func(int) bool { return true }),
			floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
		})
		return nil
	}
	mode, role := gbcs.RootBySupplier, policy.RoleSupplier
	if by == byWANProvider {
		mode, role = gbcs.RootByWANProvider, policy.RoleWANProvider
	}
	began := false
	for _, p := range w.partiesOf(role) {
		c := &campaign{
			name: "root certificate by " + p.id, party: p, about: p, mode: mode, scope: behind(func(device int) bool { return w.scope.homes[role][device] == p }),
			signer: func(device int) *credential { return w.ownKey(p, device) },
			floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
		}
		if len(c.scope()) > 0 {
			began = true
			one(c)
		}
	}
	if !began {
		return refuse("no device that the %s commands lacks the root certificate", by)
	}
	return nil
}

// readyForContingency takes the symmetric key out of the custodians' hands when
// the first command of its campaign is to be made. It reports whether the campaign
// has it.
func (w *World) readyForContingency(_ context.Context, x *exchange, c *custodians) (bool, error) {
	k := c.symmetric
	if k == nil || x.campaign.symmetricKey != nil {
		return true, nil
	}
	if k.campaign != x.campaign || k.exposed || len(k.session.Uses()) > 0 {
		x.outcome, x.reason = outcomeUnsigned, "the symmetric key is good for one campaign, and another has it"
		x.because = x.reason
		return false, nil
	}
	key, err := w.giveOut(k)
	if err != nil {
		return false, err
	}
	x.campaign.symmetricKey = key
	return true, nil
}
