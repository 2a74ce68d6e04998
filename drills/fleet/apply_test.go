package fleet_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

func TestCellsSucceedAndFailOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newWorldNamed(t, "B")
	expired := w.organisationFrom(start.AddDate(-11, 0, 0), "expired", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	strict := fleet.DefaultSettings()
	strict.StrictRole = true
	always := fleet.DefaultSettings()
	always.BrokenPath = gbcs.StatusNoTrustAnchor
	next := w.supplierSet("next")

	rows := []struct {
		says     string
		settings *fleet.Settings
		spoil    func(*draft)
		cell     int
		step     fleet.Step
		status   gbcs.StatusCode
	}{
		{says: "a cell that mode 2 may not touch", cell: 0, step: fleet.StepTouch, status: gbcs.StatusOther,
			spoil: func(c *draft) { c.update.Replacements[0].Cell = fleet.CellOperatorSigning }},
		{says: "a cell that the meter does not have", cell: 0, step: fleet.StepTouch, status: gbcs.StatusOther,
			spoil: func(c *draft) { c.update.Replacements[0].Cell.Cell = gbcs.CellPrePaymentTopUp }},
		{says: "octets that are no certificate", cell: 0, step: fleet.StepRead, status: gbcs.StatusBadCertificate,
			spoil: func(c *draft) { c.update.Replacements[0].Certificate = []byte{0x30, 0x03, 0x02, 0x01, 0x05} }},
		{says: "an agreement certificate for the signing cell", cell: 0, step: fleet.StepFit, status: gbcs.StatusBadCertificate,
			spoil: func(c *draft) { c.update.Replacements[0].Certificate = next[1].Raw }},
		{says: "the certificate of an authority for the signing cell", cell: 0, step: fleet.StepFit, status: gbcs.StatusBadCertificate,
			spoil: func(c *draft) { c.update.Replacements[0].Certificate = w.issuing.Raw }},
		{says: "another role's certificate where the setting forbids it", settings: &strict, cell: 0, step: fleet.StepFit, status: gbcs.StatusBadCertificate,
			spoil: func(c *draft) { c.update.Replacements[0].Certificate = w.brokerSigner.Raw }},
		{says: "an issuer that is not in the path", cell: 2, step: fleet.StepPath, status: gbcs.StatusNoTrustAnchor,
			spoil: func(c *draft) { c.update.Replacements[2].Certificate = other.supplier[2].Raw }},
		{says: "an issuer in the path that another root signed", settings: &always, cell: 2, step: fleet.StepPath, status: gbcs.StatusNoTrustAnchor,
			spoil: func(c *draft) {
				c.update.Replacements[2].Certificate = other.supplier[2].Raw
				c.update.Path = append(c.update.Path, other.issuing.Raw)
			}},
		{says: "a certificate that has expired", cell: 0, step: fleet.StepTime, status: gbcs.StatusBadCertificate,
			spoil: func(c *draft) { c.update.Replacements[0].Certificate = expired.Raw }},
	}
	for _, row := range rows {
		t.Run(row.says, func(t *testing.T) {
			t.Parallel()
			cfg := w.config(1)
			cfg.Settings = row.settings
			f, err := fleet.New(cfg)
			require.NoError(t, err)
			d := f.Device(0)
			c := w.bySupplier(d, 1001, next)
			row.spoil(c)
			answer, check := c.send(t)
			require.Nil(t, check.Refusal, check.Reason())
			require.Equal(t, fleet.PartlyExecuted, check.Effect)
			outcome := answer.Payload.(*gbcs.CommandResponse).Outcome
			for i, cell := range check.Cells {
				if i == row.cell {
					require.NotNil(t, cell.Refusal)
					require.Equal(t, row.step, cell.Refusal.Step, cell.Refusal)
					require.Equal(t, row.status, outcome.Cells[i].Status)
					require.Equal(t, outcome.Cells[i].ExistingKeyID, outcome.Cells[i].ReplacingKeyID, "a failed cell repeats what it has")
					continue
				}
				require.Nil(t, cell.Refusal, "the other cells change")
				require.Equal(t, next[i].SubjectKeyID, keyIn(t, d, cell.Cell))
			}
			require.Contains(t, check.Reason(), row.step.String())
		})
	}
}

func TestFirstFailedCheckOfACellDecides(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	old := start.AddDate(-11, 0, 0)
	strangeAndOld := other.organisationFrom(old, "old", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	// Each row is wrong in its own check and in every later one that it can be.
	rows := []struct {
		step        fleet.Step
		replacement gbcs.Replacement
	}{
		{fleet.StepTouch, gbcs.Replacement{Certificate: []byte{0x30, 0}, Cell: fleet.CellRecovery}},
		{fleet.StepRead, gbcs.Replacement{Certificate: []byte{0x30, 0}, Cell: fleet.CellSupplierSigning}},
		{fleet.StepFit, gbcs.Replacement{Certificate: strangeAndOld.Raw, Cell: fleet.CellSupplierAgreement}},
		{fleet.StepPath, gbcs.Replacement{Certificate: strangeAndOld.Raw, Cell: fleet.CellSupplierSigning}},
		{fleet.StepTime, gbcs.Replacement{
			Certificate: w.organisationFrom(old, "old", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature).Raw,
			Cell:        fleet.CellSupplierSigning}},
	}
	for _, row := range rows {
		t.Run(row.step.String(), func(t *testing.T) {
			t.Parallel()
			c := w.bySupplier(w.device(), 1001, w.supplier)
			c.update.Replacements = []gbcs.Replacement{row.replacement}
			_, check := c.send(t)
			require.Nil(t, check.Refusal, check.Reason())
			require.Equal(t, fleet.Refused, check.Effect)
			require.ErrorIs(t, check.Cells[0].Refusal, &fleet.Refusal{Step: row.step}, check.Reason())
		})
	}
}

func TestDatesCanBeDisapplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expired := w.organisationFrom(start.AddDate(-11, 0, 0), "expired", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	c := w.bySupplier(w.device(), 1001, w.supplierSet("next"))
	c.update.Replacements[0].Certificate = expired.Raw
	c.update.DisapplyTime = true
	_, check := c.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
}

func TestNothingInThePathFailsEveryCell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	c := w.bySupplier(d, 1001, w.supplierSet("next"))
	c.update.Path = nil
	c.update.NewFloor = counterOf(1500)
	answer, check := c.send(t)
	require.Equal(t, fleet.Refused, check.Effect)
	require.NotNil(t, answer, "the command was understood, so it is answered")
	require.Equal(t, gbcs.OriginatorCounter(1500), d.Counter(policy.RoleSupplier), "floors count even so, by the setting")
}

func TestFloors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	c := w.bySupplier(d, 1001, w.supplierSet("next"))
	c.update.NewFloor = counterOf(7)
	c.update.SpecialistFloors = []gbcs.SpecialistFloor{{Usage: 0, Floor: 8}}
	answer, check := c.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, []gbcs.SeqNumberChange{{Role: policy.RoleSupplier, Floor: 7, Specialist: []gbcs.SpecialistFloor{{Usage: 0, Floor: 8}}}},
		answer.Payload.(*gbcs.CommandResponse).Outcome.Changes)
	require.Equal(t, gbcs.OriginatorCounter(7), d.Counter(policy.RoleSupplier))
	require.Equal(t, gbcs.OriginatorCounter(8), d.PrepaymentCounter(policy.RoleSupplier))

	t.Run("a floor cannot lower a counter where the setting forbids it", func(t *testing.T) {
		t.Parallel()
		s := fleet.DefaultSettings()
		s.FloorsMayLower = false
		cfg := w.config(1)
		cfg.Settings = &s
		f, err := fleet.New(cfg)
		require.NoError(t, err)
		c := w.bySupplier(f.Device(0), 1001, w.supplierSet("next"))
		c.update.NewFloor = counterOf(7)
		answer, _ := c.send(t)
		require.Equal(t, gbcs.OriginatorCounter(1001), answer.Payload.(*gbcs.CommandResponse).Outcome.Changes[0].Floor, "the answer says what the counter is")
	})
}

// A command that sets its own role's floor back, and leaves that role's key, would
// be new again each time it is sent.
func TestNoReplayThroughAFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := w.supplierSet("next")
	d := w.device()
	c := w.draft(d, gbcs.SupplierBySupplier, supplierID, 2000, gbcs.Replacement{Certificate: next[1].Raw, Cell: fleet.CellSupplierAgreement})
	c.signer, c.broker = w.supplier[0].key, w.broker.key
	c.update.NewFloor = counterOf(0)
	octets := c.octets(t)
	_, check, err := d.Receive(start, octets)
	require.NoError(t, err)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, gbcs.OriginatorCounter(2000), d.Counter(policy.RoleSupplier))
	_, check, err = d.Receive(start, octets)
	require.NoError(t, err)
	require.Equal(t, fleet.Refused, check.Effect, "the same octets a second time")

	t.Run("a recovery command kept and sent again does not undo what came after it", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		r := w.byRecovery(d, 7000, supplierCells(next)...)
		r.update.NewFloor = counterOf(0)
		r.update.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleSupplier, Floor: 0}}
		kept := r.octets(t)
		_, check, err := d.Receive(start, kept)
		require.NoError(t, err)
		require.Equal(t, fleet.Executed, check.Effect, check.Reason())
		third := w.supplierSet("third")
		renewal := w.bySupplier(d, 5, third)
		renewal.signer = next[0].key
		_, check = renewal.send(t)
		require.Equal(t, fleet.Executed, check.Effect, check.Reason())
		_, check, err = d.Receive(start, kept)
		require.NoError(t, err)
		require.Equal(t, fleet.Refused, check.Effect)
		require.Equal(t, third[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
	})
}

// A floor that no counter can reach would shut a role out for ever.
func TestFloorOutOfRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for why, bend := range map[string]func(*gbcs.UpdateSecurityCredentials){
		"of the signing role":   func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = counterOf(1 << 63) },
		"of prepayment":         func(u *gbcs.UpdateSecurityCredentials) { u.SpecialistFloors = []gbcs.SpecialistFloor{{Floor: 1 << 63}} },
		"as high as numbers go": func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = counterOf(1<<64 - 1) },
	} {
		d := w.device()
		c := w.bySupplier(d, 1001, w.supplierSet("next"))
		bend(c.update)
		_, check := c.send(t)
		require.Equal(t, fleet.Refused, check.Effect, why)
		require.Contains(t, check.Reason(), "floors up to", why)
	}
}

// An attacker with the supplier's key puts its own certificate in the supplier's
// signing cell and drives the counter up. The supplier is locked out; only the
// recovery key has another cell and another counter.
func TestRecoveryTakesAMeterBackFromAnAttacker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	thief := w.organisation("thief", policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	attack := w.draft(d, gbcs.SupplierBySupplier, supplierID, 1<<60, gbcs.Replacement{Certificate: thief.Raw, Cell: fleet.CellSupplierSigning})
	attack.signer, attack.broker = w.supplier[0].key, w.broker.key
	_, check := attack.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())

	_, check = w.bySupplier(d, 1002, w.supplierSet("next")).send(t)
	require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepCounter}, "the counter has run away")
	late := w.bySupplier(d, 1<<60+1, w.supplierSet("next"))
	_, check = late.send(t)
	require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepSignature}, "and the key is another")
	require.Equal(t, []gbcs.AlertCode{gbcs.AlertSourceAuthenticationFailure}, check.Alerts)

	fresh := w.supplierSet("fresh")
	rescue := w.byRecovery(d, 11, supplierCells(fresh)...)
	rescue.update.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleSupplier, Floor: 2000, Specialist: []gbcs.SpecialistFloor{{Floor: 0}}}}
	operatorBefore := keyIn(t, d, fleet.CellOperatorSigning)
	answer, check := rescue.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.NotContains(t, check.Passed, fleet.StepMAC, "a recovery command has no MAC")
	require.NoError(t, answer.VerifySignature(d.Public(policy.UsageDigitalSignature)))
	require.Equal(t, gbcs.OriginatorCounter(2000), d.Counter(policy.RoleSupplier))
	require.Equal(t, gbcs.OriginatorCounter(11), d.Counter(policy.RoleRecovery))
	require.Equal(t, fresh[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
	require.Equal(t, operatorBefore, keyIn(t, d, fleet.CellOperatorSigning))
	require.Equal(t, fleet.Recovered, d.State())

	again := w.bySupplier(d, 2001, w.supplierSet("next"))
	again.signer = fresh[0].key
	_, check = again.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
}

func TestMethodTwoAndHandover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	_, check := w.byRecovery(d, 11,
		gbcs.Replacement{Certificate: w.brokerSigner.Raw, Cell: fleet.CellSupplierSigning},
		gbcs.Replacement{Certificate: w.broker.Raw, Cell: fleet.CellSupplierAgreement},
		gbcs.Replacement{Certificate: w.broker.Raw, Cell: fleet.CellSupplierPrepayment}).send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, fleet.InRecovery, d.State())

	fresh := w.supplierSet("fresh")
	handover := w.bySupplier(d, 1001, fresh)
	handover.header.Originator, handover.signer = brokerID, w.brokerSigner.key
	_, check = handover.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, fleet.Recovered, d.State())
	require.Equal(t, fresh[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
}

func TestRecoveryMayInstallNoAbnormalRoot(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	d := w.device()
	_, check := w.byRecovery(d, 11, gbcs.Replacement{Certificate: other.root.Raw, Cell: fleet.CellRoot}).send(t)
	require.Equal(t, fleet.Refused, check.Effect)
	require.Equal(t, fleet.StepPath, check.Cells[0].Refusal.Step)
	require.Equal(t, w.root.SubjectKeyID, keyIn(t, d, fleet.CellRoot))
}

func TestRecoveryMayInstallARootThatTheOldOneVouchesFor(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	link := func(signer credential) []byte {
		// The new root's certificate with the old root's name as its issuer.
		tbs := bytes.Replace(other.root.RawTBS, other.root.RawSubject, w.root.RawSubject, 1)
		digest := sha256.Sum256(tbs)
		signature, err := signer.key.Sign(nil, digest[:], crypto.SHA256)
		require.NoError(t, err)
		der, err := policy.Assemble(tbs, signature)
		require.NoError(t, err)
		return der
	}
	send := func(d *fleet.Device, links ...[]byte) fleet.Check {
		c := w.byRecovery(d, 11,
			gbcs.Replacement{Certificate: w.supplierSet("next")[0].Raw, Cell: fleet.CellSupplierSigning},
			gbcs.Replacement{Certificate: other.operator[0].Raw, Cell: fleet.CellOperatorSigning},
			gbcs.Replacement{Certificate: other.root.Raw, Cell: fleet.CellRoot})
		c.update.Path = append(c.update.Path, other.issuing.Raw)
		c.update.Path = append(c.update.Path, links...)
		_, check := c.send(t)
		return check
	}
	d := w.device()
	check := send(d, link(w.root))
	require.Equal(t, fleet.Executed, check.Effect, "paths to the old and to the new root both count: %s", check.Reason())
	require.Equal(t, other.root.SubjectKeyID, keyIn(t, d, fleet.CellRoot))

	check = send(w.device(), link(w.issuing))
	require.Equal(t, fleet.PartlyExecuted, check.Effect, "a link that the old root did not sign")
	require.Nil(t, check.Cells[0].Refusal)
	require.Equal(t, fleet.StepPath, check.Cells[1].Refusal.Step, "without the new root its operator leads nowhere")
	require.Equal(t, fleet.StepPath, check.Cells[2].Refusal.Step)
}

// contingencyDraft moves a meter of one world to another, by mode 9.
func (w *world) contingencyDraft(d *fleet.Device, to *world) *draft {
	c := w.draft(d, gbcs.AnyByContingency, entity("70b3d51f300017ff"), 1)
	for _, cell := range fleet.MeterCells() {
		c.update.Replacements = append(c.update.Replacements, gbcs.Replacement{Certificate: to.anchors()[cell].Certificate.Raw, Cell: cell})
	}
	c.update.SymmetricKey = w.symmetric
	c.update.Path = [][]byte{to.issuing.Raw}
	c.signer = w.contingency
	return c
}

func TestContingencyMovesAMeterToANewRoot(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	d := w.device()
	c := w.contingencyDraft(d, other)
	// The root stands last in the command, and still counts for the others.
	c.update.Replacements = append(c.update.Replacements[1:], c.update.Replacements[0])
	answer, check := c.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Contains(t, check.Passed, fleet.StepContingency)
	outcome := answer.Payload.(*gbcs.CommandResponse).Outcome
	require.Len(t, outcome.Cells, 9)
	require.Equal(t, fleet.CellRoot, outcome.Cells[8].Cell, "outcomes keep the order of the command")
	root, _ := outcome.Cell(fleet.CellRoot)
	require.True(t, root.ExistingID.IsZero(), "a root has no identifier")
	require.Equal(t, other.root.SubjectKeyID, keyIn(t, d, fleet.CellRoot))

	_, check = other.bySupplier(d, 1001, other.supplierSet("next")).send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
}

func TestContingencyIsRefused(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorldNamed(t, "B")
	rows := []struct {
		says  string
		spoil func(*fleet.Device, *draft)
		step  fleet.Step
	}{
		{"without the symmetric key", func(_ *fleet.Device, c *draft) { c.update.SymmetricKey = nil }, fleet.StepFormat},
		{"with another symmetric key", func(_ *fleet.Device, c *draft) { c.update.SymmetricKey = make([]byte, 32) }, fleet.StepContingency},
		{"with another symmetric key and by another key", func(_ *fleet.Device, c *draft) {
			c.update.SymmetricKey, c.signer = make([]byte, 32), w.recovery.key
		}, fleet.StepContingency},
		{"with a counter that was used before", func(_ *fleet.Device, c *draft) {
			c.header.Counter, c.update.SeqNumber, c.update.SymmetricKey = 0, 0, make([]byte, 32)
		}, fleet.StepCounter},
		{"by the recovery key", func(_ *fleet.Device, c *draft) { c.signer = w.recovery.key }, fleet.StepSignature},
		{"on a meter that holds a bare root key", func(d *fleet.Device, c *draft) {
			root, _ := d.Cell(fleet.CellRoot)
			root.Certificate = nil
			d.Provision(fleet.CellRoot, root)
		}, fleet.StepContingency},
	}
	for _, row := range rows {
		t.Run(row.says, func(t *testing.T) {
			t.Parallel()
			d := w.device()
			c := w.contingencyDraft(d, other)
			row.spoil(d, c)
			_, check := c.send(t)
			require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: row.step}, check.Reason())
			require.NotContains(t, check.Reason(), "00000000", "no key material in a reason")
		})
	}
}

func TestFutureDatedCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	due := start.Add(48 * time.Hour)
	keep := func(d *fleet.Device, counter gbcs.OriginatorCounter, at time.Time, set [3]credential) fleet.Check {
		c := w.bySupplier(d, counter, set)
		c.update.ExecuteAt = &at
		answer, check := c.send(t)
		require.Nil(t, check.Refusal, check.Reason())
		require.Nil(t, answer.Payload.(*gbcs.CommandResponse).Outcome, "accepted only")
		return check
	}
	next := w.supplierSet("next")

	t.Run("it is kept, then carried out with an alert", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		require.Equal(t, fleet.Kept, keep(d, 1001, due, next).Effect)
		require.Equal(t, w.supplier[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
		nothing, err := d.Fleet().Advance(t.Context(), due.Add(-time.Second))
		require.NoError(t, err)
		require.Empty(t, nothing)
		happened, err := d.Fleet().Advance(t.Context(), due)
		require.NoError(t, err)
		require.Len(t, happened, 1)
		require.Equal(t, []gbcs.AlertCode{gbcs.AlertFutureDatedActioned}, happened[0].Check.Alerts)
		m, err := gbcs.Decode(happened[0].Answer)
		require.NoError(t, err)
		require.NoError(t, m.VerifySignature(d.Public(policy.UsageDigitalSignature)))
		require.Equal(t, gbcs.CRAAlert, m.Header.CRA)
		require.Empty(t, m.Header.DateTime)
		alert := m.Payload.(*gbcs.Alert)
		require.Equal(t, due, alert.ExecutedAt)
		require.Equal(t, gbcs.OriginatorCounter(1001), alert.Outcome.SeqNumber)
		require.Equal(t, next[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
		require.Zero(t, d.Fleet().Waiting())
	})
	t.Run("it can be cancelled", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		keep(d, 1001, due, next)
		require.Equal(t, fleet.Cancelled, keep(d, 1002, gbcs.CancelTime(), next).Effect)
		require.Zero(t, d.Fleet().Waiting())
	})
	t.Run("a later one takes its place", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		keep(d, 1001, due, w.supplierSet("never"))
		keep(d, 1002, due.Add(time.Hour), next)
		happened, err := d.Fleet().Advance(t.Context(), due.Add(2*time.Hour))
		require.NoError(t, err)
		require.Len(t, happened, 1)
		require.Equal(t, next[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
	})
	t.Run("a time that has come is now", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		c := w.bySupplier(d, 1001, next)
		now := start
		c.update.ExecuteAt = &now
		answer, check := c.send(t)
		require.Equal(t, fleet.Executed, check.Effect)
		require.NotNil(t, answer.Payload.(*gbcs.CommandResponse).Outcome)
	})
	t.Run("what an attacker left behind does not undo a recovery", func(t *testing.T) {
		t.Parallel()
		d := w.device()
		keep(d, 1001, due, w.supplierSet("thief"))
		fresh := w.supplierSet("fresh")
		_, check := w.byRecovery(d, 11, supplierCells(fresh)...).send(t)
		require.Equal(t, fleet.Executed, check.Effect)
		happened, err := d.Fleet().Advance(t.Context(), due)
		require.NoError(t, err)
		require.Equal(t, []gbcs.AlertCode{gbcs.AlertFutureDatedNotActioned}, happened[0].Check.Alerts)
		require.Equal(t, fleet.StepAuthority, happened[0].Check.Cells[0].Refusal.Step)
		require.Equal(t, fresh[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
	})
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	read := func(cell gbcs.TrustAnchorCell, by policy.EntityID, counter gbcs.OriginatorCounter) *draft {
		return &draft{
			header: gbcs.GroupingHeader{Counter: counter, Originator: by, Recipient: d.ID}, device: d,
			payload: &gbcs.ReadCredentials{AuthorisingCell: cell, Roles: []policy.RemotePartyRole{policy.RoleSupplier, policy.RoleLoadController}},
		}
	}
	byBroker := read(fleet.CellBrokerAgreement, brokerID, 3)
	byBroker.broker = w.broker.key
	answer, check := byBroker.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.True(t, answer.MAC)
	require.Empty(t, answer.Signature)
	z, err := d.SharedSecret(w.broker.PublicKey)
	require.NoError(t, err)
	require.NoError(t, answer.VerifyMAC(z))
	details := answer.Payload.(*gbcs.CredentialDetails)
	require.Len(t, details.Roles[0].Credentials, 3)
	require.Equal(t, gbcs.OriginatorCounter(1000), details.Roles[0].Counter)
	require.Equal(t, gbcs.StatusTrustAnchorNotFound, details.Roles[1].Status, "a meter has no load controller cell")

	bySupplier := read(fleet.CellSupplierSigning, supplierID, 1001)
	bySupplier.signer = w.supplier[0].key
	answer, check = bySupplier.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.False(t, answer.MAC)
	require.NoError(t, answer.VerifySignature(d.Public(policy.UsageDigitalSignature)))
}

func TestDeviceCertificatesAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	counter := gbcs.OriginatorCounter(1000)
	send := func(p gbcs.Payload) (gbcs.Payload, fleet.Check) {
		counter++
		c := &draft{header: gbcs.GroupingHeader{Counter: counter, Originator: supplierID, Recipient: d.ID},
			payload: p, signer: w.supplier[0].key, broker: w.broker.key, device: d}
		m, check := c.send(t)
		require.Nil(t, check.Refusal, check.Reason())
		return m.Payload, check
	}
	answer, check := send(&gbcs.ReadDeviceCertificate{Usage: policy.UsageKeyAgreement})
	require.Equal(t, gbcs.ReadNoCertificateHeld, answer.(*gbcs.DeviceCertificateResponse).Result)
	require.Equal(t, fleet.Refused, check.Effect)
	require.Equal(t, "noCertificateHeld", check.Reason())

	answer, _ = send(&gbcs.IssueCredentials{Usage: policy.UsageCertSign})
	require.Equal(t, gbcs.IssueInvalidKeyUsage, answer.(*gbcs.IssueResponse).Result)

	old := d.Public(policy.UsageKeyAgreement)
	answer, _ = send(&gbcs.IssueCredentials{Usage: policy.UsageKeyAgreement})
	request, err := policy.ParseRequest(answer.(*gbcs.IssueResponse).Request)
	require.NoError(t, err)
	require.NoError(t, request.CheckSignature())
	require.True(t, old.Equal(d.Public(policy.UsageKeyAgreement)), "the old pair works until a certificate arrives")

	dca := testKey(t, "issuing dca")
	rootDCA := testKey(t, "root dca")
	root := w.certify(policy.ProfileRootDCA, rootDCA, rootDCA, policy.CertificateTemplate{CN: "RD"})
	issuing := w.certify(policy.ProfileIssuingDCA, dca, rootDCA, policy.CertificateTemplate{CN: "ID", Issuer: root.Certificate})
	device := func(key credential, id policy.EntityID, usage policy.KeyUsage) credential {
		return w.certify(policy.ProfileDevice, key.key, dca, policy.CertificateTemplate{
			Issuer: issuing.Certificate, EntityID: id, HardwareType: testHardware, Usage: usage})
	}
	stranger := credential{key: testKey(t, "stranger")}
	store := func(der []byte) gbcs.DeviceCertificateResult {
		answer, _ := send(&gbcs.UpdateDeviceCertificate{Certificate: der})
		return answer.(*gbcs.UpdateDeviceCertificateResponse).Result
	}
	require.Equal(t, gbcs.DeviceCertificateInvalid, store([]byte{0x30, 0}))
	require.Equal(t, gbcs.DeviceCertificateWrongIdentity, store(device(stranger, strangerID, policy.UsageKeyAgreement).Raw))
	require.Equal(t, gbcs.DeviceCertificateWrongPublicKey, store(device(stranger, d.ID, policy.UsageKeyAgreement).Raw))
	require.Equal(t, gbcs.DeviceCertificateNoKeyPair, store(device(stranger, d.ID, policy.UsageDigitalSignature).Raw))

	p, err := w.environment.Profile(policy.ProfileDevice)
	require.NoError(t, err)
	certificate := issueFor(t, p, request, issuing.Certificate, dca)
	require.Equal(t, gbcs.DeviceCertificateStored, store(certificate.Raw))
	require.True(t, request.PublicKey.Equal(d.Public(policy.UsageKeyAgreement)))
	answer, _ = send(&gbcs.ReadDeviceCertificate{Usage: policy.UsageKeyAgreement})
	require.Equal(t, certificate.Raw, answer.(*gbcs.DeviceCertificateResponse).Certificate, "and the MAC with the new key verified")
}
