package fleet_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

var (
	wanID  = entity("90b3d51f30000006")
	loadID = entity("90b3d51f30000008")
)

// allAnchors are anchors for every cell that there is.
func (w *world) allAnchors() map[gbcs.TrustAnchorCell]fleet.Anchor {
	anchors := w.anchors()
	anchors[fleet.CellBrokerSigning] = fleet.AnchorOf(w.brokerSigner.Certificate)
	anchors[fleet.CellWANProvider] = fleet.AnchorOf(w.wan().Certificate)
	anchors[fleet.CellLoadSigning] = fleet.AnchorOf(w.load()[0].Certificate)
	anchors[fleet.CellLoadAgreement] = fleet.AnchorOf(w.load()[1].Certificate)
	return anchors
}

func (w *world) wan() credential {
	return w.organisation("wan", policy.RoleWANProvider, wanID, policy.UsageDigitalSignature)
}

func (w *world) load() [2]credential {
	return [2]credential{
		w.organisation("load", policy.RoleLoadController, loadID, policy.UsageDigitalSignature),
		w.organisation("load", policy.RoleLoadController, loadID, policy.UsageKeyAgreement),
	}
}

// typed makes one device of a type.
func (w *world) typed(t testing.TB, kind fleet.Type) *fleet.Device {
	cfg := w.config(1)
	cfg.Types = map[fleet.Type]float64{kind: 1}
	cfg.Anchors = w.allAnchors()
	f, err := fleet.New(cfg)
	require.NoError(t, err)
	return f.Device(0)
}

// link is the certificate by which the old root vouches for the root of another
// world.
func (w *world) link(other *world) []byte {
	tbs := bytes.Replace(other.root.RawTBS, other.root.RawSubject, w.root.RawSubject, 1)
	digest := sha256.Sum256(tbs)
	signature, err := w.root.key.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(w.t, err)
	der, err := policy.Assemble(tbs, signature)
	require.NoError(w.t, err)
	return der
}

// A modeRow is one mode on one type of device, as gbcs-wire.md 6 of the project's
// facts has it: who signs, what is replaced, which floors are told.
type modeRow struct {
	mode     gbcs.ReplacementMode
	on       fleet.Type
	by       policy.EntityID
	signer   *ecdsa.PrivateKey // nil: the MAC alone
	mac      bool
	puts     []gbcs.Replacement
	floors   func(*gbcs.UpdateSecurityCredentials)
	changes  []gbcs.SeqNumberChange // that the answer tells
	path     [][]byte
	symmetry []byte
}

func (w *world) modes(other *world) []modeRow {
	next := w.supplierSet("next")
	put := func(c credential, cell gbcs.TrustAnchorCell) gbcs.Replacement {
		return gbcs.Replacement{Certificate: c.Raw, Cell: cell}
	}
	organisation := func(role policy.RemotePartyRole, id policy.EntityID, usage policy.KeyUsage, cell gbcs.TrustAnchorCell) gbcs.Replacement {
		return put(w.organisation("next", role, id, usage), cell)
	}
	ds, ka := policy.UsageDigitalSignature, policy.UsageKeyAgreement
	root := []gbcs.Replacement{put(other.root, fleet.CellRoot)}
	linked := [][]byte{w.link(other)}
	operator := []gbcs.Replacement{
		organisation(policy.RoleNetworkOperator, operatorID, ds, fleet.CellOperatorSigning),
		organisation(policy.RoleNetworkOperator, operatorID, ka, fleet.CellOperatorAgreement),
	}
	broker := organisation(policy.RoleAccessControlBroker, brokerID, ka, fleet.CellBrokerAgreement)
	brokerSigning := organisation(policy.RoleAccessControlBroker, brokerID, ds, fleet.CellBrokerSigning)
	cos := organisation(policy.RoleTransitionalCoS, transCoSID, ds, fleet.CellTransitionalCoS)
	wan := organisation(policy.RoleWANProvider, wanID, ds, fleet.CellWANProvider)
	load := []gbcs.Replacement{
		organisation(policy.RoleLoadController, loadID, ds, fleet.CellLoadSigning),
		organisation(policy.RoleLoadController, loadID, ka, fleet.CellLoadAgreement),
	}
	recovery := organisation(policy.RoleRecovery, recoveryID, ds, fleet.CellRecovery)
	own := func(role policy.RemotePartyRole) (func(*gbcs.UpdateSecurityCredentials), []gbcs.SeqNumberChange) {
		return func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = counterOf(0) }, []gbcs.SeqNumberChange{{Role: role}}
	}
	others := func(changes ...gbcs.SeqNumberChange) (func(*gbcs.UpdateSecurityCredentials), []gbcs.SeqNumberChange) {
		return func(u *gbcs.UpdateSecurityCredentials) { u.OtherChanges = changes }, changes
	}
	zero := []gbcs.SpecialistFloor{{Usage: 0, Floor: 0}}
	four := []gbcs.SeqNumberChange{
		{Role: policy.RoleSupplier, Specialist: zero}, {Role: policy.RoleNetworkOperator}, {Role: policy.RoleAccessControlBroker}, {Role: policy.RoleTransitionalCoS},
	}
	both := func(role policy.RemotePartyRole) (func(*gbcs.UpdateSecurityCredentials), []gbcs.SeqNumberChange) {
		return func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor, u.OtherChanges = counterOf(0), four },
			append([]gbcs.SeqNumberChange{{Role: role}}, four...)
	}
	row := func(mode gbcs.ReplacementMode, on fleet.Type, by policy.EntityID, signer *ecdsa.PrivateKey, puts ...gbcs.Replacement) modeRow {
		return modeRow{mode: mode, on: on, by: by, signer: signer, mac: true, puts: puts, path: [][]byte{w.issuing.Raw}}
	}
	with := func(r modeRow, floors func(*gbcs.UpdateSecurityCredentials), changes []gbcs.SeqNumberChange) modeRow {
		r.floors, r.changes = floors, changes
		return r
	}
	vouched := func(r modeRow) modeRow { r.path = linked; return r }
	var rows []modeRow
	add := func(r modeRow) { rows = append(rows, r) }

	add(vouched(row(gbcs.RootBySupplier, fleet.TypeESME, supplierID, w.supplier[0].key, root...)))
	add(vouched(row(gbcs.RootByWANProvider, fleet.TypeCHF, wanID, w.wan().key, root...)))
	bySupplier := row(gbcs.SupplierBySupplier, fleet.TypeGSME, supplierID, w.supplier[0].key, supplierCells(next)...)
	add(with(bySupplier, func(u *gbcs.UpdateSecurityCredentials) {
		u.NewFloor, u.SpecialistFloors = counterOf(0), zero
	}, []gbcs.SeqNumberChange{{Role: policy.RoleSupplier, Specialist: zero}}))
	add(row(gbcs.SupplierBySupplier, fleet.TypeGPF, supplierID, w.supplier[0].key, supplierCells(next)[:2]...))
	floors, changes := own(policy.RoleNetworkOperator)
	add(with(row(gbcs.NetworkOperatorByNetworkOperator, fleet.TypeGPF, operatorID, w.operator[0].key, operator...), floors, changes))
	floors, changes = own(policy.RoleAccessControlBroker)
	add(with(row(gbcs.AccessControlBrokerByACB, fleet.TypeESME, brokerID, nil, broker), floors, changes))
	add(with(row(gbcs.AccessControlBrokerByACB, fleet.TypeCHF, brokerID, w.brokerSigner.key, broker, brokerSigning), floors, changes))
	floors, changes = own(policy.RoleWANProvider)
	add(with(row(gbcs.WANProviderByWANProvider, fleet.TypeCHF, wanID, w.wan().key, wan), floors, changes))
	add(row(gbcs.TransCoSByTransCoS, fleet.TypePPMID, transCoSID, w.transCoS.key, cos))
	floors, changes = others(gbcs.SeqNumberChange{Role: policy.RoleSupplier, Floor: 7, Specialist: zero})
	add(with(row(gbcs.SupplierByTransCoS, fleet.TypeESME, transCoSID, w.transCoS.key, supplierCells(next)...), floors, changes))

	floors, changes = both(policy.RoleRecovery)
	byRecovery := row(gbcs.AnyExceptAbnormalRootByRecovery, fleet.TypeESME, recoveryID, w.recovery.key,
		append([]gbcs.Replacement{recovery, broker, cos}, append(supplierCells(next), operator...)...)...)
	byRecovery.mac = false
	add(with(byRecovery, floors, changes))
	withRoot := row(gbcs.AnyExceptAbnormalRootByRecovery, fleet.TypeHCALCS, recoveryID, w.recovery.key, root...)
	withRoot.mac, withRoot.path = false, linked
	add(withRoot)
	hub := row(gbcs.AnyExceptAbnormalRootByRecovery, fleet.TypeCHF, recoveryID, w.recovery.key, wan)
	hub.mac = false
	add(with(hub, func(u *gbcs.UpdateSecurityCredentials) {
		u.OtherChanges = append([]gbcs.SeqNumberChange{{Role: policy.RoleWANProvider, Floor: 3}}, four...)
	}, []gbcs.SeqNumberChange{{Role: policy.RoleWANProvider, Floor: 3}, {Role: policy.RoleAccessControlBroker}}))

	for _, kind := range fleet.Types() {
		c := row(gbcs.AnyByContingency, kind, entity("70b3d51f300017ff"), w.contingency)
		for _, cell := range kind.Cells() {
			c.puts = append(c.puts, gbcs.Replacement{Certificate: other.allAnchors()[cell].Certificate.Raw, Cell: cell})
		}
		c.mac, c.path, c.symmetry = false, [][]byte{other.issuing.Raw}, w.symmetric
		if kind == fleet.TypeESME {
			floors, changes = both(policy.RoleRoot)
			c = with(c, floors, changes)
		}
		add(c)
	}
	floors, changes = own(policy.RoleLoadController)
	add(with(row(gbcs.LoadControllerByLoadController, fleet.TypeHCALCS, loadID, w.load()[0].key, load...), floors, changes))
	floors, changes = others(gbcs.SeqNumberChange{Role: policy.RoleLoadController, Floor: 5})
	add(with(row(gbcs.LoadControllerBySupplier, fleet.TypeHCALCS, supplierID, w.supplier[0].key, load...), floors, changes))
	return rows
}

func (r modeRow) String() string { return fmt.Sprintf("mode %d %v on %v", r.mode, r.mode, r.on) }

// draft is the row's command to a device.
func (r modeRow) draft(w *world, d *fleet.Device, counter gbcs.OriginatorCounter) *draft {
	c := w.draft(d, r.mode, r.by, counter, r.puts...)
	if r.mode == gbcs.AccessControlBrokerByACB && r.on.Hub() {
		cell := fleet.CellBrokerSigning
		c.update.AuthorisingCell = &cell
	}
	c.update.Path, c.update.SymmetricKey, c.signer = r.path, r.symmetry, r.signer
	if r.mac {
		c.broker = w.broker.key
	}
	if r.floors != nil {
		r.floors(c.update)
	}
	return c
}

const fresh = 5000

func TestEveryModeIsCarriedOut(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	seen := map[gbcs.ReplacementMode]bool{}
	for _, row := range w.modes(other) {
		seen[row.mode] = true
		t.Run(row.String(), func(t *testing.T) {
			d := w.typed(t, row.on)
			before := d.Row()
			answer, check := row.draft(w, d, fresh).send(t)
			require.Nil(t, check.Refusal, check.Reason())
			require.Equal(t, fleet.Executed, check.Effect, check.Reason())
			require.NotNil(t, answer)
			require.False(t, answer.MAC)
			require.NoError(t, answer.VerifySignature(d.Public(policy.UsageDigitalSignature)))
			require.Equal(t, row.mode.MessageCode(), answer.Header.MessageCode)
			require.Equal(t, row.by, answer.Header.Recipient)
			require.Equal(t, gbcs.PlaceholderDateTime(), answer.Header.DateTime)
			for _, f := range answer.Check() {
				require.Less(t, f.Level, gbcs.LevelWarning, "%s", f)
			}
			outcome := answer.Payload.(*gbcs.CommandResponse).Outcome
			require.True(t, outcome.Succeeded())
			require.Len(t, outcome.Cells, len(row.puts))
			written := map[gbcs.TrustAnchorCell]bool{}
			for _, put := range row.puts {
				c, _, err := policy.ReadCertificate(put.Certificate)
				require.NoError(t, err)
				cell, told := outcome.Cell(put.Cell)
				require.True(t, told)
				require.Equal(t, policy.KeyIDOf(c.PublicKey), cell.ReplacingKeyID)
				require.Equal(t, before.KeyID(put.Cell), cell.ExistingKeyID)
				require.Equal(t, cell.ReplacingKeyID, keyIn(t, d, put.Cell))
				written[put.Cell] = true
			}
			after := d.Row()
			for _, cell := range row.on.Cells() {
				if !written[cell] {
					require.Equal(t, before.KeyID(cell), after.KeyID(cell), "%v was not in the command", cell)
				}
			}
			if len(row.changes) == 0 {
				require.Empty(t, outcome.Changes)
				return
			}
			require.Len(t, outcome.Changes, len(row.changes))
			for i, want := range row.changes {
				got := outcome.Changes[i]
				require.Equal(t, want.Role, got.Role)
				require.Equal(t, want.Specialist, got.Specialist)
				require.Equal(t, got.Floor, d.Counter(want.Role), "the answer tells what the counter is")
				if want.Role != check.Role {
					require.Equal(t, want.Floor, got.Floor)
				}
			}
		})
	}
	require.Len(t, seen, 12)
}

// What each mode refuses, and where: as a whole, or for the one cell.
func TestEveryModeRefuses(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	rows := []struct {
		says string
		step fleet.Step
		cell bool // the command is understood and its first cell fails
		bend func(modeRow, *draft) bool
	}{
		{"signed by another key", fleet.StepSignature, false, func(r modeRow, c *draft) bool {
			if r.signer == nil {
				return false
			}
			c.signer = testKey(t, "a thief")
			return true
		}},
		{"MAC of another broker", fleet.StepMAC, false, func(r modeRow, c *draft) bool {
			c.broker = testKey(t, "a thief at the broker")
			return r.mac
		}},
		{"no signature where there is one, one where there is none", fleet.StepFormat, false, func(r modeRow, c *draft) bool {
			if c.signer == nil {
				c.signer = w.brokerSigner.key
			} else {
				c.signer = nil
			}
			return c.signer != nil || c.broker != nil
		}},
		{"no MAC where there is one, one where there is none", fleet.StepFormat, false, func(r modeRow, c *draft) bool {
			if c.broker == nil {
				c.broker = w.broker.key
			} else {
				c.broker = nil
			}
			return c.signer != nil || c.broker != nil
		}},
		{"an old counter", fleet.StepCounter, false, func(r modeRow, c *draft) bool {
			c.header.Counter, c.update.SeqNumber = 0, 0
			return true
		}},
		{"sequence number and counter at odds", fleet.StepFormat, false, func(r modeRow, c *draft) bool {
			c.update.SeqNumber++
			return true
		}},
		{"another party's counter", fleet.StepAuthority, false, func(r modeRow, c *draft) bool {
			c.header.Originator = strangerID
			return r.mode != gbcs.AnyByContingency
		}},
		{"another device", fleet.StepTarget, false, func(r modeRow, c *draft) bool {
			c.header.Recipient = strangerID
			return true
		}},
		{"another authorising cell", fleet.StepAuthority, false, func(r modeRow, c *draft) bool {
			cell := fleet.CellRecovery
			if r.mode == gbcs.AnyExceptAbnormalRootByRecovery {
				cell = fleet.CellSupplierSigning
			}
			c.update.AuthorisingCell = &cell
			return true
		}},
		{"no authorising cell", fleet.StepAuthority, false, func(r modeRow, c *draft) bool {
			had := c.update.AuthorisingCell != nil
			c.update.AuthorisingCell = nil
			return had
		}},
		{"a symmetric key where there is none, none where there is one", fleet.StepFormat, false, func(r modeRow, c *draft) bool {
			if c.update.SymmetricKey != nil {
				c.update.SymmetricKey = nil
			} else {
				c.update.SymmetricKey = make([]byte, 32)
			}
			return true
		}},
		{"a floor of a role that it has no power over", fleet.StepFormat, false, func(r modeRow, c *draft) bool {
			c.update.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleRecovery, Floor: 1 << 40}}
			return r.mode != gbcs.AnyExceptAbnormalRootByRecovery && r.mode != gbcs.AnyByContingency
		}},
		{"a cell outside the mode", fleet.StepTouch, true, func(r modeRow, c *draft) bool {
			c.update.Replacements = []gbcs.Replacement{{Certificate: w.recovery.Raw, Cell: fleet.CellRecovery}}
			return r.mode != gbcs.AnyExceptAbnormalRootByRecovery && r.mode != gbcs.AnyByContingency
		}},
		{"a path that leads nowhere", fleet.StepPath, true, func(r modeRow, c *draft) bool {
			c.update.Path = nil
			c.update.Replacements = c.update.Replacements[:1]
			return !(r.mode == gbcs.AnyByContingency && c.update.Replacements[0].Cell == fleet.CellRoot)
		}},
		{"a certificate that does not fit the cell", fleet.StepFit, true, func(r modeRow, c *draft) bool {
			wrong := w.supplier[1].Raw
			if c.update.Replacements[0].Cell.Usage == policy.UsageKeyAgreement {
				wrong = w.supplier[0].Raw
			}
			c.update.Replacements = []gbcs.Replacement{{Certificate: wrong, Cell: c.update.Replacements[0].Cell}}
			return true
		}},
	}
	for _, mode := range w.modes(other) {
		for _, row := range rows {
			t.Run(mode.String()+": "+row.says, func(t *testing.T) {
				d := w.typed(t, mode.on)
				c := mode.draft(w, d, fresh)
				if !row.bend(mode, c) {
					return // the mode cannot be bent so
				}
				before := d.Row().Cells
				answer, check := c.send(t)
				require.Equal(t, fleet.Refused, check.Effect, check.Reason())
				require.Equal(t, before, d.Row().Cells)
				if !row.cell {
					require.Nil(t, answer)
					require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: row.step}, check.Reason())
					return
				}
				require.Nil(t, check.Refusal, check.Reason())
				require.ErrorIs(t, check.Cells[0].Refusal, &fleet.Refusal{Step: row.step}, check.Reason())
				require.NotEqual(t, gbcs.StatusSuccess, answer.Payload.(*gbcs.CommandResponse).Outcome.Cells[0].Status)
			})
		}
	}
}

// A type without the cell that authorises a mode refuses it, whoever signs.
func TestModesStopAtTypesWithoutTheCell(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	refused := 0
	for _, mode := range w.modes(other) {
		cell, _ := mode.mode.AuthorisingCell()
		for _, kind := range fleet.Types() {
			if kind.Has(cell) || mode.mode == gbcs.AccessControlBrokerByACB {
				continue
			}
			_, check := mode.draft(w, w.typed(t, kind), fresh).send(t)
			require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepAuthority}, "%v to %v: %s", mode, kind, check.Reason())
			refused++
		}
	}
	require.Greater(t, refused, 15)
	// A hub's command does not do on a meter, nor a meter's on a hub.
	for _, mode := range w.modes(other) {
		if mode.mode == gbcs.AccessControlBrokerByACB {
			kind := fleet.TypeCHF
			if mode.on == fleet.TypeCHF {
				kind = fleet.TypeESME
			}
			_, check := mode.draft(w, w.typed(t, kind), fresh).send(t)
			require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepFormat}, "%v to %v", mode, kind)
		}
	}
}

// Every mode can be future dated: accepted, carried out with alert 8F66, or 8F67
// if a cell fails by then, or cancelled.
func TestEveryModeCanWait(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	due := start.Add(24 * time.Hour)
	for _, mode := range w.modes(other) {
		t.Run(mode.String(), func(t *testing.T) {
			code := gbcs.CodeUpdateAlert
			if mode.mode.LoadController() {
				code = gbcs.CodeUpdateAlertLoadController
			}
			keep := func(d *fleet.Device, counter gbcs.OriginatorCounter, at time.Time, bend func(*draft)) {
				c := mode.draft(w, d, counter)
				c.update.ExecuteAt = &at
				if bend != nil {
					bend(c)
				}
				answer, check := c.send(t)
				require.Nil(t, check.Refusal, check.Reason())
				require.Nil(t, answer.Payload.(*gbcs.CommandResponse).Outcome)
				require.NotEmpty(t, answer.Header.DateTime)
			}
			alert := func(d *fleet.Device, want gbcs.AlertCode) *gbcs.Alert {
				happened, err := d.Fleet().Advance(t.Context(), due)
				require.NoError(t, err)
				require.Len(t, happened, 1)
				m, err := gbcs.Decode(happened[0].Answer)
				require.NoError(t, err)
				require.NoError(t, m.VerifySignature(d.Public(policy.UsageDigitalSignature)))
				require.Equal(t, code, m.Header.MessageCode)
				require.Equal(t, gbcs.CRAAlert, m.Header.CRA)
				require.Equal(t, mode.by, m.Header.Recipient)
				require.Empty(t, m.Header.DateTime)
				a := m.Payload.(*gbcs.Alert)
				require.Equal(t, want, a.Code)
				require.Equal(t, due, a.ExecutedAt)
				require.Len(t, a.Outcome.Cells, len(mode.puts))
				return a
			}
			d := w.typed(t, mode.on)
			before := d.Row().Cells
			keep(d, fresh, due, nil)
			require.Equal(t, before, d.Row().Cells, "nothing changes yet")
			require.True(t, alert(d, gbcs.AlertFutureDatedActioned).Outcome.Succeeded())

			d = w.typed(t, mode.on)
			keep(d, fresh, due, func(c *draft) { c.update.Path = nil })
			a := alert(d, gbcs.AlertFutureDatedNotActioned)
			require.False(t, a.Outcome.Succeeded())

			d = w.typed(t, mode.on)
			keep(d, fresh, due, nil)
			keep(d, fresh+1, gbcs.CancelTime(), nil)
			require.Zero(t, d.Fleet().Waiting())
			require.Equal(t, before, d.Row().Cells)
		})
	}
}

// The symmetric key is for one use: a device that has moved to a new root does not
// take the same command, nor the same key again.
func TestSymmetricKeyIsForOneUse(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	for _, kind := range fleet.Types() {
		d := w.typed(t, kind)
		var row modeRow
		for _, r := range w.modes(other) {
			if r.mode == gbcs.AnyByContingency && r.on == kind {
				row = r
			}
		}
		_, check := row.draft(w, d, fresh).send(t)
		require.Equal(t, fleet.Executed, check.Effect, check.Reason())
		_, check = row.draft(w, d, fresh+1).send(t)
		require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepContingency}, "%v", kind)
	}
}
