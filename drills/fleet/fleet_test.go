package fleet_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// issueFor issues a device certificate on a request.
func issueFor(t testing.TB, p *policy.Profile, r *policy.Request, issuer *policy.Certificate, key *ecdsa.PrivateKey) *policy.Certificate {
	tbs, err := p.TBS(policy.CertificateTemplate{
		Serial: policy.Serial{2, 15: 1}, Issuer: issuer, PublicKey: r.PublicKey, Usage: r.Usage,
		EntityID: r.DeviceID, HardwareType: r.HardwareType, NotBefore: start,
	})
	require.NoError(t, err)
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(t, err)
	der, err := policy.Assemble(tbs, signature)
	require.NoError(t, err)
	c, err := policy.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func (w *world) bigConfig(devices int) fleet.Config {
	cfg := w.config(devices)
	cfg.Unreachable, cfg.Late = 0.02, 0.05
	cfg.MinDelay, cfg.MaxDelay = time.Minute, time.Hour
	cfg.North, cfg.South = 0.3, 0.3
	cfg.Prepayment, cfg.DevicesPerPremises = 0.3, 1.9
	return cfg
}

func TestSharesAreExact(t *testing.T) {
	t.Parallel()
	f, err := fleet.New(newWorld(t).bigConfig(2000))
	require.NoError(t, err)
	all := f.Snapshot()
	require.Len(t, all.Where(func(r *fleet.Row) bool { return r.Reach == fleet.Unreachable }), 40)
	require.Len(t, all.Where(func(r *fleet.Row) bool { return r.Reach == fleet.Late }), 100)
	require.Len(t, all.Reachable(), 1960)
	require.InDelta(t, 1050, all.Premises(), 60)
	prepayment := all.OnPrepayment()
	require.InDelta(t, 0.3, prepayment.Share(all), 0.05)
	require.InDelta(t, 0.3*float64(all.Premises()), float64(prepayment.Premises()), 1)
	homes := map[int]fleet.Row{}
	for _, row := range all {
		first, ok := homes[row.Premises]
		if !ok {
			homes[row.Premises] = row
			continue
		}
		require.Equal(t, first.Region, row.Region, "devices of one premises are in one region")
		require.Equal(t, first.Prepayment, row.Prepayment)
	}
	for _, region := range []fleet.Region{fleet.North, fleet.Central, fleet.South} {
		require.NotEmpty(t, all.In(region))
	}
}

func TestRequestsAreSoundAndRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.fleet(3), w.fleet(3)
	for _, usage := range []policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement} {
		first, err := one.Device(1).Request(usage)
		require.NoError(t, err)
		second, err := two.Device(1).Request(usage)
		require.NoError(t, err)
		require.Equal(t, first, second, "the same seed makes the same request")
		r, err := policy.ParseRequest(first)
		require.NoError(t, err)
		require.NoError(t, r.CheckSignature())
		require.Equal(t, one.Device(1).ID, r.DeviceID)
		require.Equal(t, usage, r.Usage)
		require.True(t, testHardware.Equal(r.HardwareType))
	}
	_, err := one.Device(0).Request(policy.UsageCertSign)
	require.EqualError(t, err, "making a request for device 00-DB-12-34-00-00-00-00: a device has no keyCertSign key")

	cfg := w.config(3)
	cfg.Seed++
	other, err := fleet.New(cfg)
	require.NoError(t, err)
	require.False(t, one.Device(0).Public(policy.UsageDigitalSignature).Equal(other.Device(0).Public(policy.UsageDigitalSignature)))
}

func TestInstallRefusesWhatIsNotTheDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(2)
	root, dca := testKey(t, "root dca"), testKey(t, "issuing dca")
	rootDCA := w.certify(policy.ProfileRootDCA, root, root, policy.CertificateTemplate{CN: "RD"})
	issuing := w.certify(policy.ProfileIssuingDCA, dca, root, policy.CertificateTemplate{CN: "ID", Issuer: rootDCA.Certificate})
	p, err := w.environment.Profile(policy.ProfileDevice)
	require.NoError(t, err)
	der, err := f.Device(0).Request(policy.UsageDigitalSignature)
	require.NoError(t, err)
	r, err := policy.ParseRequest(der)
	require.NoError(t, err)
	c := issueFor(t, p, r, issuing.Certificate, dca)
	require.ErrorContains(t, f.Device(1).Install(c), "it is for")
	require.ErrorContains(t, f.Device(0).Install(w.root.Certificate), "a device has no")
	require.Nil(t, f.Device(0).Certificate(policy.UsageDigitalSignature))
	require.NoError(t, f.Device(0).Install(c))
	require.Equal(t, c, f.Device(0).Certificate(policy.UsageDigitalSignature))
}

func TestConfigErrorsNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows := []struct {
		field string
		spoil func(*fleet.Config)
	}{
		{"Devices", func(c *fleet.Config) { c.Devices = 0 }},
		{"Devices", func(c *fleet.Config) { c.Devices = 1_000_001 }},
		{"Unreachable", func(c *fleet.Config) { c.Unreachable = -0.1 }},
		{"Unreachable and Late together", func(c *fleet.Config) { c.Unreachable, c.Late, c.MaxDelay = 0.6, 0.6, time.Hour }},
		{"MaxDelay", func(c *fleet.Config) { c.Late = 0.1 }},
		{"MinDelay and MaxDelay", func(c *fleet.Config) { c.MinDelay, c.MaxDelay = 2, 1 }},
		{"FirstID", func(c *fleet.Config) { c.FirstID = policy.EntityID{} }},
		{"HardwareType", func(c *fleet.Config) { c.HardwareType = nil }},
		{"DevicesPerPremises", func(c *fleet.Config) { c.DevicesPerPremises = 0.5 }},
		{"Anchors", func(c *fleet.Config) { delete(c.Anchors, fleet.CellTransitionalCoS) }},
	}
	for _, row := range rows {
		cfg := w.config(1)
		row.spoil(&cfg)
		_, err := fleet.New(cfg)
		require.ErrorContains(t, err, row.field+":")
	}
}

func (w *world) campaign(t testing.TB, f *fleet.Fleet, set [3]credential) []fleet.Command {
	commands := make([]fleet.Command, f.Len())
	for i := range commands {
		// Backwards, to show that the order of commands is not that of results.
		d := f.Device(f.Len() - 1 - i)
		commands[i] = fleet.Command{Device: d.Index, Octets: w.bySupplier(d, 1001, set).octets(t), Ref: fmt.Sprint(d.Index)}
	}
	return commands
}

func TestDeliverIsInOrderAndRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := w.supplierSet("next")
	target := fleet.Target{
		fleet.CellSupplierSigning:    next[0].SubjectKeyID,
		fleet.CellSupplierAgreement:  next[1].SubjectKeyID,
		fleet.CellSupplierPrepayment: next[2].SubjectKeyID,
	}
	const devices = 200
	play := func() ([]string, fleet.Snapshot) {
		f, err := fleet.New(w.bigConfig(devices))
		require.NoError(t, err)
		deliveries, err := f.Deliver(t.Context(), start, w.campaign(t, f, next))
		require.NoError(t, err)
		require.Len(t, deliveries, devices)
		var told []string
		fates := map[fleet.Fate]int{}
		tell := func(d fleet.Delivery) {
			require.NoError(t, d.Err)
			require.Equal(t, fmt.Sprint(d.Device.Index), d.Command.Ref)
			told = append(told, fmt.Sprintf("%v %d %v %v %x", d.At, d.Device.Index, d.Fate, d.Check.Effect, sha256.Sum256(d.Answer)))
		}
		for i, d := range deliveries {
			require.Equal(t, i, d.Device.Index)
			fates[d.Fate]++
			tell(d)
		}
		require.Equal(t, map[fleet.Fate]int{fleet.Handled: 186, fleet.OnItsWay: 10, fleet.Lost: 4}, fates)
		require.Equal(t, fleet.Tally{Recovered: 186, Waiting: 10, Unreachable: 4}, f.Snapshot().Tally(target))
		require.Equal(t, 10, f.Waiting())

		first, waits := f.Next()
		require.True(t, waits)
		late, err := f.Advance(t.Context(), first)
		require.NoError(t, err)
		require.NotEmpty(t, late)
		rest, err := f.Advance(t.Context(), start.Add(time.Hour))
		require.NoError(t, err)
		late = append(late, rest...)
		require.Len(t, late, 10)
		for i, d := range late {
			require.Equal(t, fleet.Executed, d.Check.Effect, d.Check.Reason())
			require.Equal(t, start.Add(d.Device.Delay), d.At)
			if i > 0 {
				require.False(t, d.At.Before(late[i-1].At))
			}
			tell(d)
		}
		_, waits = f.Next()
		require.False(t, waits)
		return told, f.Snapshot()
	}
	told, after := play()
	again, _ := play()
	require.Equal(t, told, again, "the same seed and commands have the same outcomes and answers, octet for octet")

	require.Equal(t, fleet.Tally{Recovered: 196, Unreachable: 4}, after.Tally(target))
	require.Len(t, after.Meeting(target), 196)
	require.Len(t, after.Holding(w.supplier[0].SubjectKeyID), 4, "the stolen key is still trusted where nothing arrived")
	require.Len(t, after.Changed(policy.RoleSupplier), 196)
	require.Empty(t, after.ChangedExcept(policy.RoleSupplier))
	require.Equal(t, 1.0, after.Reachable().Meeting(target).Share(after.Reachable()))
	total := 0
	for _, tally := range after.ByRegion(target) {
		total += tally.Total()
	}
	require.Equal(t, devices, total)
}

func TestUnreachableDevicesComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(1)
	d := f.Device(0)
	d.SetReach(fleet.Unreachable)
	command := fleet.Command{Octets: w.bySupplier(d, 1001, w.supplierSet("next")).octets(t)}
	out, err := f.Deliver(t.Context(), start, []fleet.Command{command})
	require.NoError(t, err)
	require.Equal(t, fleet.Lost, out[0].Fate)
	require.Equal(t, fleet.Outcome{At: start, Word: "not reached", Reason: "unreachable"}, d.Last())
	require.Equal(t, gbcs.OriginatorCounter(1000), d.Counter(policy.RoleSupplier))
	d.SetReach(fleet.Reachable)
	out, err = f.Deliver(t.Context(), start.Add(time.Hour), []fleet.Command{command})
	require.NoError(t, err)
	require.Equal(t, fleet.Handled, out[0].Fate)
	require.Equal(t, fleet.Executed, out[0].Check.Effect)
}

func TestCommandsOfOneDeviceStayInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(2)
	next := w.supplierSet("next")
	var commands []fleet.Command
	for n := range 4 {
		c := w.bySupplier(f.Device(1), gbcs.OriginatorCounter(1001+n), w.supplier)
		commands = append(commands, fleet.Command{Device: 1, Octets: c.octets(t)})
	}
	commands = append(commands, fleet.Command{Device: 0, Octets: w.bySupplier(f.Device(0), 1001, next).octets(t)})
	out, err := f.Deliver(t.Context(), start, commands)
	require.NoError(t, err)
	require.Equal(t, 0, out[0].Device.Index)
	for n, d := range out[1:] {
		require.Equal(t, fleet.Executed, d.Check.Effect, d.Check.Reason())
		require.Equal(t, gbcs.OriginatorCounter(1001+n), d.Check.Counter)
	}
}

func TestDeliverRefusesAnIndexItDoesNotHave(t *testing.T) {
	t.Parallel()
	f := newWorld(t).fleet(2)
	_, err := f.Deliver(t.Context(), start, []fleet.Command{{Device: 2}})
	require.EqualError(t, err, "delivering commands: no device has index 2; the fleet has 2")
}

func TestDeliverStopsWhenAskedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(2)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	out, err := f.Deliver(ctx, start, w.campaign(t, f, w.supplier))
	require.ErrorIs(t, err, context.Canceled)
	for _, d := range out {
		require.Zero(t, d.Fate)
	}
}

func TestRowsAndRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.fleet(2)
	_, check := w.bySupplier(f.Device(0), 1001, w.supplierSet("next")).sendAt(t, start.Add(65*time.Minute))
	require.Equal(t, fleet.Executed, check.Effect)
	_, check = w.bySupplier(f.Device(1), 9, w.supplier).sendAt(t, start.Add(2*time.Hour))
	require.Equal(t, fleet.Refused, check.Effect)
	header := fleet.RecordHeader()
	cell := func(record []string, column string) string {
		require.Contains(t, header, column)
		for i, name := range header {
			if name == column {
				return record[i]
			}
		}
		return ""
	}
	rows := f.Devices()
	first, second := rows[0].Record(start), rows[1].Record(start)
	require.Len(t, first, len(header))
	require.Equal(t, "00-DB-12-34-00-00-00-00", cell(first, "device_id"))
	require.Equal(t, "ESME", cell(first, "type"))
	require.Equal(t, "1001", cell(first, "counter supplier"))
	require.Equal(t, "executed", cell(first, "last_outcome"))
	require.Equal(t, "1:05:00", cell(first, "scenario_time"))
	require.Equal(t, w.root.SubjectKeyID.String(), cell(first, "key root"))
	require.Equal(t, "refused", cell(second, "last_outcome"))
	require.Equal(t, "counter: want a counter of supplier above 1000, got 9", cell(second, "reason"))
}

func TestEverySettingIsListedWithItsMark(t *testing.T) {
	t.Parallel()
	plain := fleet.DefaultSettings().List()
	for _, s := range plain {
		require.NotEmpty(t, s.Name)
		require.NotEmpty(t, s.Value, s.Name)
		require.NotEmpty(t, s.Basis, s.Name)
		require.Contains(t, []fleet.Mark{fleet.MarkSource, fleet.MarkTested, fleet.MarkInference, fleet.MarkKnowledge}, s.Mark)
	}
	opposite := fleet.Settings{
		StrictRole: true, BrokenPath: gbcs.StatusNoTrustAnchor,
		UntouchableCell: gbcs.StatusNoTrustAnchor, WrongUse: gbcs.StatusOther,
	}.List()
	changed := 0
	for i := range plain {
		if plain[i].Value != opposite[i].Value {
			changed++
		}
	}
	require.Equal(t, 12, changed, "every switch shows in the list")
}

// Whatever is sent, a device never goes back to a counter it has left by
// anything but a floor, and a refused command changes no cell.
func TestCountersNeverGoBackByThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rapid.Check(t, func(r *rapid.T) {
		d := w.device()
		counters := rapid.SliceOfN(rapid.Uint64Range(990, 1020), 1, 8).Draw(r, "counters")
		highest := uint64(1000)
		for _, n := range counters {
			before := d.Row()
			_, check := w.bySupplier(d, gbcs.OriginatorCounter(n), w.supplier).send(t)
			if n > highest {
				require.Equal(r, fleet.Executed, check.Effect, check.Reason())
				highest = n
			} else {
				require.ErrorIs(r, check.Refusal, &fleet.Refusal{Step: fleet.StepCounter})
				require.Equal(r, before.Cells, d.Row().Cells)
			}
			require.Equal(r, gbcs.OriginatorCounter(highest), d.Counter(policy.RoleSupplier))
		}
	})
}

// BenchmarkDeliver measures what a drill waits for: commands to 2,000 meters and
// the verification of their answers.
func BenchmarkDeliver(b *testing.B) {
	w := newWorld(b)
	const devices = 2000
	f, err := fleet.New(w.config(devices))
	require.NoError(b, err)
	counter := gbcs.OriginatorCounter(1000)
	for b.Loop() {
		b.StopTimer()
		counter++
		commands := make([]fleet.Command, devices)
		for i := range commands {
			commands[i] = fleet.Command{Device: i, Octets: w.bySupplier(f.Device(i), counter, w.supplier).octets(b)}
		}
		b.StartTimer()
		out, err := f.Deliver(context.Background(), start, commands)
		require.NoError(b, err)
		for _, d := range out {
			m, err := gbcs.Decode(d.Answer)
			require.NoError(b, err)
			require.NoError(b, m.VerifySignature(d.Device.Public(policy.UsageDigitalSignature)))
		}
	}
	b.ReportMetric(float64(devices*b.N)/b.Elapsed().Seconds(), "devices/s")
}
