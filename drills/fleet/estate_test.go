package fleet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// estate is a configuration with something of everything.
func (w *world) estate(devices int) fleet.Config {
	cfg := w.bigConfig(devices)
	cfg.Anchors = w.allAnchors()
	cfg.Types = map[fleet.Type]float64{
		fleet.TypeESME: 0.4, fleet.TypeGSME: 0.3, fleet.TypeGPF: 0.1, fleet.TypeCHF: 0.1, fleet.TypePPMID: 0.08, fleet.TypeHCALCS: 0.02,
	}
	second := [2]credential{
		w.organisation("second", policy.RoleNetworkOperator, strangerID, policy.UsageDigitalSignature),
		w.organisation("second", policy.RoleNetworkOperator, strangerID, policy.UsageKeyAgreement),
	}
	holding := func(share float64, set [2]credential, counter gbcs.OriginatorCounter) fleet.Holding {
		return fleet.Holding{Share: share, Counter: counter, Anchors: map[gbcs.TrustAnchorCell]fleet.Anchor{
			fleet.CellOperatorSigning: fleet.AnchorOf(set[0].Certificate), fleet.CellOperatorAgreement: fleet.AnchorOf(set[1].Certificate),
		}}
	}
	cfg.Operators = []fleet.Holding{holding(0.75, w.operator, 500), holding(0.25, second, 600)}
	cfg.Sleepy, cfg.NoWAN, cfg.Wrong, cfg.CountersAtOdds, cfg.Partly, cfg.AnswersLost = 0.05, 0.02, 0.1, 0.01, 0.03, 0.02
	return cfg
}

func (w *world) estateFleet(t testing.TB, cfg fleet.Config) *fleet.Fleet {
	f, err := fleet.New(cfg)
	require.NoError(t, err)
	return f
}

func TestAnEstateIsMadeAsItIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.estate(4000)
	rows := w.estateFleet(t, cfg).Snapshot()
	for kind, share := range cfg.Types {
		of := rows.OfType(kind)
		require.Len(t, of, int(share*4000+0.5), "%v", kind)
		for i := range of {
			var cells []gbcs.TrustAnchorCell
			for _, c := range of[i].Cells {
				cells = append(cells, c.Cell)
				require.False(t, c.KeyID.IsZero(), "all cells are populated")
			}
			require.Equal(t, kind.Cells(), cells)
		}
	}
	asleep := rows.Where(func(r *fleet.Row) bool { return r.Reach == fleet.Sleepy })
	require.Len(t, asleep, 200)
	require.Len(t, asleep.OfType(fleet.TypeGSME), 200)
	dark := map[int]bool{}
	for i := range rows {
		if rows[i].NoWAN {
			dark[rows[i].Premises] = true
			require.Equal(t, fleet.Unreachable, rows[i].Reach)
		}
	}
	require.InDelta(t, 0.02*float64(rows.Premises()), len(dark), 1)
	for i := range rows {
		require.Equal(t, dark[rows[i].Premises], rows[i].NoWAN, "no WAN is a matter of the premises")
	}

	with := rows.Where(func(r *fleet.Row) bool { return r.Has(policy.RoleNetworkOperator) })
	require.Len(t, rows.WrongOperator(), len(with)/10)
	second := cfg.Operators[1].Anchors[fleet.CellOperatorSigning].KeyID
	mine, theirs := 0, 0
	for i := range with {
		holdsSecond := with[i].KeyID(fleet.CellOperatorSigning) == second
		require.Equal(t, (with[i].Operator == 1) != with[i].Wrong, holdsSecond)
		if with[i].Operator == 1 {
			theirs++
		} else {
			mine++
		}
		used := gbcs.OriginatorCounter(500)
		if holdsSecond {
			used = 600 // of whose certificates it holds, whoever should be there
		}
		require.Contains(t, []gbcs.OriginatorCounter{used, used + 1<<32}, with[i].Counter(policy.RoleNetworkOperator))
	}
	require.InDelta(t, 0.25, float64(theirs)/float64(mine+theirs), 0.03)
	odd := rows.Where(func(r *fleet.Row) bool { return r.Counter(policy.RoleSupplier) > 1<<32 })
	require.Len(t, odd, 40)
}

// A shard has the devices that the whole estate has at these places.
func TestAShardIsAPartOfTheEstate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.estate(600)
	whole := w.estateFleet(t, cfg)
	cfg.Estate, cfg.First, cfg.Devices = 600, 400, 150
	part := w.estateFleet(t, cfg)
	for i, r := range part.Snapshot() {
		want := whole.Device(400 + i).Row()
		require.Equal(t, want.ID, r.ID)
		require.Equal(t, want.Record(start), r.Record(start))
		require.True(t, whole.Device(400+i).Public(policy.UsageKeyAgreement).Equal(part.Device(i).Public(policy.UsageKeyAgreement)))
		require.Equal(t, whole.Device(400+i).Delay, part.Device(i).Delay)
		d, ok := part.ByID(r.ID)
		require.True(t, ok)
		require.Equal(t, i, d.Index)
	}
	_, ok := part.ByID(whole.Device(399).ID)
	require.False(t, ok)
	cfg.First = 500
	_, err := fleet.New(cfg)
	require.ErrorContains(t, err, "First: want devices 500 to 649 within an estate of 600")
}

func TestSleepyDevicesActWhenTheyWake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config(40)
	cfg.Types = map[fleet.Type]float64{fleet.TypeGSME: 1}
	cfg.Sleepy = 1
	settings := fleet.DefaultSettings()
	settings.WakeEvery = 20 * time.Minute
	cfg.Settings = &settings
	f := w.estateFleet(t, cfg)
	next := w.supplierSet("next")
	commands := make([]fleet.Command, f.Len())
	for i := range commands {
		commands[i] = fleet.Command{Device: i, Octets: w.bySupplier(f.Device(i), 1001, next).octets(t)}
	}
	sent := start.Add(7 * time.Minute)
	out, err := f.Deliver(t.Context(), sent, commands)
	require.NoError(t, err)
	moments := map[time.Time]bool{}
	for _, d := range out {
		require.Equal(t, fleet.OnItsWay, d.Fate)
		require.False(t, d.At.Before(sent))
		require.Less(t, d.At.Sub(sent), 20*time.Minute)
		moments[d.At] = true
	}
	require.Greater(t, len(moments), 20, "they do not wake all at once")
	woken, err := f.Advance(t.Context(), sent.Add(20*time.Minute))
	require.NoError(t, err)
	require.Len(t, woken, 40)
	for _, d := range woken {
		require.Equal(t, fleet.Executed, d.Check.Effect, d.Check.Reason())
	}
	again, err := f.Deliver(t.Context(), woken[0].At.Add(20*time.Minute), []fleet.Command{
		{Device: woken[0].Device.Index, Octets: []byte{1}},
	})
	require.NoError(t, err)
	require.Equal(t, woken[0].At.Add(20*time.Minute), again[0].At, "it wakes at its own moment of every interval")
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config(400)
	cfg.AnswersLost = 0.25
	play := func() []int {
		f := w.estateFleet(t, cfg)
		next := w.supplierSet("next")
		out, err := f.Deliver(t.Context(), start, w.campaign(t, f, next))
		require.NoError(t, err)
		var lost []int
		for i, d := range out {
			require.Equal(t, next[0].SubjectKeyID, keyIn(t, f.Device(i), fleet.CellSupplierSigning), "the device has acted")
			if d.Fate == fleet.Unheard {
				require.Nil(t, d.Answer)
				lost = append(lost, i)
			} else {
				require.NotNil(t, d.Answer)
			}
		}
		return lost
	}
	lost := play()
	require.InDelta(t, 100, len(lost), 30)
	require.Equal(t, lost, play())
}

func TestNoWANIsToldAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config(1)
	cfg.NoWAN = 1
	f := w.estateFleet(t, cfg)
	out, err := f.Deliver(t.Context(), start, []fleet.Command{{Octets: w.bySupplier(f.Device(0), 1001, w.supplier).octets(t)}})
	require.NoError(t, err)
	require.Equal(t, fleet.Lost, out[0].Fate)
	require.Equal(t, fleet.Outcome{At: start, Word: "not reached", Reason: "no WAN"}, f.Device(0).Last())
}

func TestStoresThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config(9)
	cfg.Partly = 1
	f := w.estateFleet(t, cfg)
	next, third := w.supplierSet("next"), w.supplierSet("third")
	cells := []gbcs.TrustAnchorCell{fleet.CellSupplierSigning, fleet.CellSupplierAgreement, fleet.CellSupplierPrepayment}
	statuses := map[gbcs.StatusCode]int{}
	hit := map[gbcs.TrustAnchorCell]int{}
	for i := range f.Len() {
		d := f.Device(i)
		answer, check := w.bySupplier(d, 1001, next).send(t)
		require.Equal(t, fleet.PartlyExecuted, check.Effect, check.Reason())
		outcome := answer.Payload.(*gbcs.CommandResponse).Outcome
		var failed gbcs.CellOutcome
		for _, cell := range cells {
			if got, _ := outcome.Cell(cell); got.Status != gbcs.StatusSuccess {
				require.Zero(t, failed.Status, "one cell and no more")
				failed = got
				require.Equal(t, got.ExistingKeyID, got.ReplacingKeyID)
				require.Equal(t, got.ExistingKeyID, keyIn(t, d, cell))
			}
		}
		statuses[failed.Status]++
		hit[failed.Cell]++
		require.Contains(t, check.Reason(), "storage")

		// A second try helps where the store was only busy.
		again := w.bySupplier(d, 1002, third)
		if failed.Cell != fleet.CellSupplierSigning {
			again.signer = next[0].key
		}
		_, check = again.send(t)
		if failed.Status == gbcs.StatusResourcesBusy {
			require.Equal(t, fleet.Executed, check.Effect, check.Reason())
		} else {
			require.Equal(t, fleet.PartlyExecuted, check.Effect, check.Reason())
		}
	}
	require.Equal(t, map[gbcs.StatusCode]int{gbcs.StatusResourcesBusy: 3, gbcs.StatusInsufficientMemory: 3, gbcs.StatusNoTrustAnchor: 3}, statuses)
	require.Len(t, hit, 3, "another cell on another device")
}

// Counters at odds stop the party and not the Recovery key, whose floor puts them
// right.
func TestCountersAtOddsAreCuredByAFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config(1)
	cfg.CountersAtOdds = 1
	d := w.estateFleet(t, cfg).Device(0)
	next := w.supplierSet("next")
	_, check := w.bySupplier(d, 1001, next).send(t)
	require.ErrorIs(t, check.Refusal, &fleet.Refusal{Step: fleet.StepCounter})
	c := w.byRecovery(d, 11, supplierCells(next)...)
	c.update.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleSupplier, Floor: 1001}}
	_, check = c.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	again := w.bySupplier(d, 1002, w.supplierSet("third"))
	again.signer = next[0].key
	_, check = again.send(t)
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
}

func TestAnEstateListsItsAssumptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.fleet(1).Settings().List()
	require.Equal(t, fleet.DefaultSettings().List(), plain, "electricity meters alone bring none")
	list := w.estateFleet(t, w.estate(100)).Settings().List()
	names := map[string]fleet.Setting{}
	for _, s := range list {
		require.NotEmpty(t, s.Value)
		require.NotEmpty(t, s.Basis)
		names[s.Name] = s
	}
	require.Equal(t, fleet.MarkInference, names["cells of GSME (gas meter)"].Mark)
	require.Equal(t, "root, recovery signing, accessControlBroker agreement, accessControlBroker signing, wanProvider signing", names["cells of CHF (communications hub)"].Value)
	require.Equal(t, "wake every 30m0s", names["sleepy gas meters"].Value)
	for _, name := range []string{"answers that are lost", "counters at odds", "store that fails for one cell of a command", "broker's own credentials on a hub"} {
		require.Contains(t, names, name)
	}
}

func TestEstateErrorsNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for field, spoil := range map[string]func(*fleet.Config){
		"Types":         func(c *fleet.Config) { c.Types = map[fleet.Type]float64{fleet.TypeESME: 0.5} },
		"Anchors":       func(c *fleet.Config) { c.Types = map[fleet.Type]float64{fleet.TypeCHF: 1} },
		"Sleepy":        func(c *fleet.Config) { c.Sleepy = 0.1 },
		"Wrong":         func(c *fleet.Config) { c.Wrong = 0.1 },
		"NoWAN":         func(c *fleet.Config) { c.NoWAN = 2 },
		"Partly":        func(c *fleet.Config) { c.Partly = -1 },
		"AnswersLost":   func(c *fleet.Config) { c.AnswersLost = 2 },
		"Operators":     func(c *fleet.Config) { c.Operators = w.estate(1).Operators[:1] },
		"First":         func(c *fleet.Config) { c.First = -1 },
		"CountersAtOdd": func(c *fleet.Config) { c.CountersAtOdds = 3 },
	} {
		cfg := w.config(1)
		spoil(&cfg)
		_, err := fleet.New(cfg)
		require.ErrorContains(t, err, field)
	}
}

func TestTypesByName(t *testing.T) {
	t.Parallel()
	for _, kind := range fleet.Types() {
		got, err := fleet.ParseType(kind.String())
		require.NoError(t, err)
		require.Equal(t, kind, got)
		require.NotEmpty(t, kind.Says())
		require.True(t, kind.Has(fleet.CellRoot) && kind.Has(fleet.CellRecovery) && kind.Has(fleet.CellBrokerAgreement), "%v", kind)
		require.True(t, kind.Has(kind.Commander()), "%v", kind)
	}
	_, err := fleet.ParseType("kettle")
	require.ErrorContains(t, err, "want esme, gsme, gpf, chf, ppmid or hcalcs")
	require.Len(t, fleet.MeterCells(), 9)
	require.True(t, slices.Equal(fleet.MeterCells(), fleet.TypeESME.Cells()))
}

// The device's own keys are renewed and its cells read on every type, by whoever
// commands it.
func TestOwnKeysAndCellsOfEveryType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dca, rootKey := testKey(t, "issuing dca"), testKey(t, "root dca")
	root := w.certify(policy.ProfileRootDCA, rootKey, rootKey, policy.CertificateTemplate{CN: "RD"})
	issuing := w.certify(policy.ProfileIssuingDCA, dca, rootKey, policy.CertificateTemplate{CN: "ID", Issuer: root.Certificate})
	profile, err := w.environment.Profile(policy.ProfileDevice)
	require.NoError(t, err)
	for _, kind := range fleet.Types() {
		t.Run(kind.String(), func(t *testing.T) {
			d := w.typed(t, kind)
			by, signer := supplierID, w.supplier[0].key
			if kind.Hub() {
				by, signer = brokerID, w.brokerSigner.key
			}
			counter := gbcs.OriginatorCounter(fresh)
			send := func(p gbcs.Payload) (gbcs.Payload, fleet.Check) {
				counter++
				c := &draft{header: gbcs.GroupingHeader{Counter: counter, Originator: by, Recipient: d.ID},
					payload: p, signer: signer, broker: w.broker.key, device: d}
				m, check := c.send(t)
				require.Nil(t, check.Refusal, check.Reason())
				require.Empty(t, m.Header.DateTime)
				require.NoError(t, m.VerifySignature(d.Public(policy.UsageDigitalSignature)))
				return m.Payload, check
			}
			for usage, alert := range map[policy.KeyUsage]gbcs.AlertCode{
				policy.UsageDigitalSignature: gbcs.AlertSigningCertificateReplaced,
				policy.UsageKeyAgreement:     gbcs.AlertAgreementCertificateReplaced,
			} {
				old := d.Public(usage)
				answer, _ := send(&gbcs.IssueCredentials{Usage: usage})
				request, err := policy.ParseRequest(answer.(*gbcs.IssueResponse).Request)
				require.NoError(t, err)
				require.NoError(t, request.CheckSignature())
				require.Equal(t, d.ID, request.DeviceID)
				require.False(t, old.Equal(request.PublicKey), "a new pair")
				c := issueFor(t, profile, request, issuing.Certificate, dca)
				answer, check := send(&gbcs.UpdateDeviceCertificate{Certificate: c.Raw})
				require.Equal(t, gbcs.DeviceCertificateStored, answer.(*gbcs.UpdateDeviceCertificateResponse).Result)
				require.Equal(t, []gbcs.AlertCode{alert}, check.Alerts)
				require.True(t, d.Public(usage).Equal(request.PublicKey))
				answer, _ = send(&gbcs.ReadDeviceCertificate{Usage: usage})
				require.Equal(t, c.Raw, answer.(*gbcs.DeviceCertificateResponse).Certificate)
			}
			read := &draft{header: gbcs.GroupingHeader{Counter: fresh + 100, Originator: brokerID, Recipient: d.ID, MessageCode: gbcs.CodeReadCredentialsLoadController},
				payload: &gbcs.ReadCredentials{AuthorisingCell: fleet.CellBrokerAgreement, Roles: fleet.Roles()}, broker: w.broker.key, device: d}
			answer, check := read.send(t)
			require.Equal(t, fleet.Executed, check.Effect, check.Reason())
			var told []gbcs.TrustAnchorCell
			for _, role := range answer.Payload.(*gbcs.CredentialDetails).Roles {
				require.Equal(t, kind.HasRole(role.Role), role.Status == gbcs.StatusSuccess)
				for _, c := range role.Credentials {
					told = append(told, gbcs.TrustAnchorCell{Role: role.Role, Usage: c.Usage, Cell: c.Cell})
				}
			}
			require.ElementsMatch(t, kind.Cells(), told)
		})
	}
}
