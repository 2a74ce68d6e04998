package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

func TestSupplierReplacesItsThreeCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	next := w.supplierSet("next")
	answer, check := w.bySupplier(d, 1001, next).send(t)
	require.Nil(t, check.Refusal, check.Reason())
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, []fleet.Step{fleet.StepFormat, fleet.StepTarget, fleet.StepAuthority, fleet.StepCounter,
		fleet.StepSignature, fleet.StepMAC}, check.Passed)
	require.NoError(t, answer.VerifySignature(d.Public(policy.UsageDigitalSignature)))
	require.Equal(t, gbcs.OriginatorCounter(1001), answer.Header.Counter)
	require.Equal(t, supplierID, answer.Header.Recipient)
	outcome := answer.Payload.(*gbcs.CommandResponse).Outcome
	require.True(t, outcome.Succeeded())
	require.Empty(t, outcome.Changes, "no floor was asked for")
	require.Equal(t, next[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
	require.Equal(t, next[1].SubjectKeyID, keyIn(t, d, fleet.CellSupplierAgreement))
	require.Equal(t, next[2].SubjectKeyID, keyIn(t, d, fleet.CellSupplierPrepayment))
	require.Equal(t, gbcs.OriginatorCounter(1001), d.Counter(policy.RoleSupplier))
	require.Equal(t, fleet.Commissioned, d.State(), "Method 1 leaves the inventory alone")
	require.Equal(t, "executed", d.Last().Word)
}

// spoiler breaks one check of a command that is right otherwise.
type spoiler struct {
	step  fleet.Step
	says  string
	spoil func(*world, *draft)
	alert gbcs.AlertCode
}

// spoilers are in the order of the checks.
func spoilers() []spoiler {
	return []spoiler{
		{fleet.StepFormat, "the sequence number is not that of the header", func(w *world, c *draft) {
			c.update.SeqNumber++
		}, 0},
		{fleet.StepTarget, "it is for another meter", func(w *world, c *draft) {
			c.header.Recipient = strangerID
		}, 0},
		{fleet.StepAuthority, "the originator is not the party in the supplier's cell", func(w *world, c *draft) {
			c.header.Originator = strangerID
		}, gbcs.AlertNoAuthority},
		{fleet.StepCounter, "the counter was used before", func(w *world, c *draft) {
			c.header.Counter, c.update.SeqNumber = 1000, 1000
		}, 0},
		{fleet.StepSignature, "another key signed", func(w *world, c *draft) {
			c.signer = testKey(w.t, "a thief")
		}, gbcs.AlertSourceAuthenticationFailure},
		{fleet.StepMAC, "another key agreed", func(w *world, c *draft) {
			c.broker = testKey(w.t, "a thief at the broker")
		}, gbcs.AlertAuthorisationFailure},
	}
}

func TestFirstFailedCheckDecides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(len(spoilers()))
	next := w.supplierSet("next")
	for i, row := range spoilers() {
		t.Run(row.step.String()+": "+row.says, func(t *testing.T) {
			d := f.Device(i)
			c := w.bySupplier(d, 1001, next)
			// This check and every later one is broken; later ones first, so that
			// this one has the last word where two touch the same field.
			for j := len(spoilers()) - 1; j >= i; j-- {
				spoilers()[j].spoil(w, c)
			}
			answer, check := c.send(t)
			require.Nil(t, answer, "a command that fails as a whole has no answer")
			require.NotNil(t, check.Refusal)
			require.Equal(t, row.step, check.Refusal.Step, check.Reason())
			require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: row.step})
			require.Equal(t, fleet.Refused, check.Effect)
			require.NotContains(t, check.Passed, row.step)
			for _, earlier := range spoilers()[:i] {
				require.Contains(t, check.Passed, earlier.step)
			}
			if row.alert == 0 {
				require.Empty(t, check.Alerts)
			} else {
				require.Equal(t, []gbcs.AlertCode{row.alert}, check.Alerts)
			}
			require.Equal(t, w.supplier[0].SubjectKeyID, keyIn(t, d, fleet.CellSupplierSigning))
			require.Equal(t, gbcs.OriginatorCounter(1000), d.Counter(policy.RoleSupplier), "a refused command moves no counter")
		})
	}
}

func TestFormIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows := []struct {
		says   string
		octets func(d *fleet.Device, c *draft) []byte
	}{
		{"octets that are no message", func(*fleet.Device, *draft) []byte { return []byte{0xDF, 1, 2, 3} }},
		{"no octets", func(*fleet.Device, *draft) []byte { return nil }},
		{"an answer instead of a command", func(d *fleet.Device, c *draft) []byte {
			m := gbcs.NewResponse(c.message(t).Header, &gbcs.CommandResponse{})
			require.NoError(t, m.SignWith(w.supplier[0].key))
			b, err := m.Encode()
			require.NoError(t, err)
			return b
		}},
		{"no MAC where mode 2 has one", func(d *fleet.Device, c *draft) []byte { c.broker = nil; return c.octets(t) }},
		{"no signature where mode 2 has one", func(d *fleet.Device, c *draft) []byte { c.signer = nil; return c.octets(t) }},
		{"the mode is not that of the message code", func(d *fleet.Device, c *draft) []byte {
			c.header.MessageCode = gbcs.NetworkOperatorByNetworkOperator.MessageCode()
			return c.octets(t)
		}},
		{"a symmetric key in mode 2", func(d *fleet.Device, c *draft) []byte { c.update.SymmetricKey = make([]byte, 32); return c.octets(t) }},
		{"nothing to replace", func(d *fleet.Device, c *draft) []byte { c.update.Replacements = nil; return c.octets(t) }},
		{"a floor for a role that mode 2 has no power over", func(d *fleet.Device, c *draft) []byte {
			c.update.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleRecovery, Floor: 1 << 62}}
			return c.octets(t)
		}},
		{"a counter above what a payload can carry", func(d *fleet.Device, c *draft) []byte {
			c.header.Counter, c.update.SeqNumber = 1<<63, 1<<63
			return c.octets(t)
		}},
		{"a use case that meters have no part in", func(d *fleet.Device, c *draft) []byte {
			c.header.MessageCode = 0x0090
			return c.octets(t)
		}},
	}
	f := w.fleet(len(rows))
	for i, row := range rows {
		t.Run(row.says, func(t *testing.T) {
			d := f.Device(i)
			octets := row.octets(d, w.bySupplier(d, 1001, w.supplierSet("next")))
			answer, check, err := d.Receive(start, octets)
			require.NoError(t, err)
			require.Nil(t, answer)
			require.NotNil(t, check.Refusal)
			require.Equal(t, fleet.StepFormat, check.Refusal.Step, check.Reason())
		})
	}
}

func TestAuthorisingCellMustFitTheMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows := []struct {
		says  string
		draft func(*fleet.Device) *draft
	}{
		{"the network operator's cell for mode 2", func(d *fleet.Device) *draft {
			c := w.bySupplier(d, 1001, w.supplierSet("next"))
			cell := fleet.CellOperatorSigning
			c.update.AuthorisingCell = &cell
			return c
		}},
		{"no cell for mode 2", func(d *fleet.Device) *draft {
			c := w.bySupplier(d, 1001, w.supplierSet("next"))
			c.update.AuthorisingCell = nil
			return c
		}},
		{"a cell for mode 4, which has none on a meter", func(d *fleet.Device) *draft {
			c := w.draft(d, gbcs.AccessControlBrokerByACB, brokerID, 5, gbcs.Replacement{Certificate: w.broker.Raw, Cell: fleet.CellBrokerAgreement})
			cell := fleet.CellBrokerAgreement
			c.update.AuthorisingCell = &cell
			c.broker = w.broker.key
			return c
		}},
		{"a load controller, for which a meter has no cell", func(d *fleet.Device) *draft {
			c := w.draft(d, gbcs.LoadControllerByLoadController, supplierID, 5, gbcs.Replacement{
				Certificate: w.supplier[0].Raw, Cell: gbcs.TrustAnchorCell{Role: policy.RoleLoadController, Usage: policy.UsageDigitalSignature}})
			c.signer, c.broker = w.supplier[0].key, w.broker.key
			return c
		}},
	}
	for _, row := range rows {
		t.Run(row.says, func(t *testing.T) {
			t.Parallel()
			_, check := row.draft(w.device()).send(t)
			require.NotNil(t, check.Refusal)
			require.Equal(t, fleet.StepAuthority, check.Refusal.Step, check.Reason())
		})
	}
}

func TestReplayIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	octets := w.bySupplier(d, 1001, w.supplier).octets(t)
	_, check, err := d.Receive(start, octets)
	require.NoError(t, err)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	_, check, err = d.Receive(start.Add(time.Minute), octets)
	require.NoError(t, err)
	require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepCounter})
	require.Equal(t, "a counter of supplier above 1001", check.Refusal.Want)
	require.Equal(t, "1001", check.Refusal.Got)
}

func TestManyRefusedCommandsAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	var reported int
	for range 6 {
		_, check := w.bySupplier(d, 1000, w.supplier).send(t)
		for _, alert := range check.Alerts {
			require.Equal(t, gbcs.AlertMalformedOrOutOfOrder, alert)
			reported++
		}
	}
	require.Equal(t, 2, reported, "once for every three")
}

func TestAnUnspoiledBroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device()
	next := w.organisation("next broker", policy.RoleAccessControlBroker, brokerID, policy.UsageKeyAgreement)
	c := w.draft(d, gbcs.AccessControlBrokerByACB, brokerID, 5, gbcs.Replacement{Certificate: next.Raw, Cell: fleet.CellBrokerAgreement})
	c.broker = w.broker.key
	answer, check := c.send(t)
	require.Nil(t, check.Refusal, check.Reason())
	require.Equal(t, fleet.Executed, check.Effect)
	require.NoError(t, answer.VerifySignature(d.Public(policy.UsageDigitalSignature)), "the answer is signed, not MACed")
	require.False(t, answer.MAC)

	again := w.bySupplier(d, 1001, w.supplierSet("next"))
	_, check = again.send(t)
	require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepMAC}, "the old broker key is gone")
	again = w.bySupplier(d, 1001, w.supplierSet("next"))
	again.broker = next.key
	_, check = again.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
}

func FuzzReceive(f *testing.F) {
	w := newWorld(f)
	d := w.device()
	f.Add(w.bySupplier(d, 1001, w.supplier).octets(f))
	f.Add(w.byRecovery(d, 11, supplierCells(w.supplier)...).octets(f))
	f.Fuzz(func(t *testing.T, octets []byte) {
		answer, check, err := d.Receive(start, octets)
		require.NoError(t, err)
		require.NotZero(t, check.Effect)
		require.Equal(t, check.Refusal == nil, answer != nil, "an answer if and only if the command was not refused as a whole")
	})
}
