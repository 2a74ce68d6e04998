package verbs_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// market is a plot with two suppliers and two network operators.
var market = strings.NewReplacer(
	"devices: 20, unreachable: 10%, late: 10%", "devices: 40, unreachable: 5%, late: 5%",
	"rate: 10 an hour", "rate: 40 an hour",
	"  network: {name: Exercise Networks B, category: electricity network, role: networkOperator}",
	`  second: {name: Exercise Supplier C, category: small supplier, role: supplier}
  network: {name: Exercise Networks B, category: electricity network, role: networkOperator}
  neighbour: {name: Exercise Networks D, category: electricity network, role: networkOperator}`,
).Replace(plot)

// inMarket is a stage whose questions know the market's parties.
func inMarket(t *testing.T) *stage {
	s := newStage(t, market)
	s.text = market
	return s
}

// One of two network operators replaces its keys by itself. Only devices whose
// cells hold its certificate are touched, and only those cells.
func TestNetworkOperatorByMethod1(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	s.advance(0)
	s.holds(`fleet.of("network").count + fleet.of("neighbour").count == 40`, `fleet.of("supplier").count + fleet.of("second").count == 40`,
		`fleet.of("network").count > 9`, `fleet.of("neighbour").count > 9`, `fleet.of("supplier").count > 9`, `fleet.of("second").count > 9`,
		`fleet.of("network").holding("network").share == 1.0`, `fleet.holding("acb").share == 1.0`, `fleet.of("recovery").count == 40`)
	require.NoError(t, s.act(time.Hour, "replace", "network", "by", "method 1"))
	s.rest()
	s.holds(`fleet.of("network").reachable.recovered("network").share == 1.0`, `fleet.changed.except("network").count == 0`,
		`fleet.of("neighbour").changed.count == 0`, `work("neighbour").sent == 0`,
		`fleet.of("network").reachable.obeying("network").share == 1.0`)
	require.NoError(t, s.act(s.now, "read back", "network", "sample", "40"))
	e := s.entries(verbs.KindReadBack)
	var body verbs.ReadBack
	require.NoError(t, e[0].Decode(&body))
	require.Positive(t, body.Holding["the network operator's new key"])
	require.Positive(t, body.Holding["the key of Exercise Networks D"])
	require.Empty(t, s.closing())
	f := s.Sum()
	require.Equal(t, "Exercise Networks B", f.Party)
	require.Equal(t, f.Ends["recovered"]+f.Ends["unreachable"], f.Devices)
	require.Len(t, f.Parties, 1)
	require.Equal(t, "networkOperator", f.Parties[0].Role)

	require.NoError(t, s.WritePack())
	rows := s.csv("devices.csv")
	for _, row := range rows {
		require.NotEmpty(t, row[7], "each end has its reason: %v", row[:8])
	}
	ends := map[string]int{}
	for _, row := range rows[1:] {
		ends[row[0]]++
	}
	require.Equal(t, 40-f.Devices, ends["not concerned"])
	require.Equal(t, f.Devices, ends["recovered"]+ends["unreachable"])
}

// Each party's keys in turn, by its own key and by the Recovery key: the same cells
// change, whoever signs, and no others.
func TestOwnersAndTheRecoveryKey(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.NoError(t, s.act(0, "read back", "acb", "sample", "10"))
	require.NoError(t, s.act(0, "replace", "acb", "by", "method 1"))
	s.rest()
	s.holds(`fleet.reachable.recovered("acb").share == 1.0`, `fleet.changed.except("acb").count == 0`)
	require.NoError(t, s.act(s.now, "read back", "acb", "sample", "10"))
	e := s.entries(verbs.KindReadBack)
	var before, after verbs.ReadBack
	require.NoError(t, e[0].Decode(&before))
	require.NoError(t, e[1].Decode(&after))
	require.Equal(t, map[string]int{"the Access Control Broker's first key": before.Answered}, before.Holding)
	require.Equal(t, map[string]int{"the Access Control Broker's new key": after.Answered}, after.Holding, "and it is asked under the new key")

	// A party's command gets its MAC from the broker's new key where a device has it.
	require.NoError(t, s.act(s.now, "replace", "transcos", "by", "method 1"))
	s.rest()
	s.holds(`fleet.reachable.recovered("transcos").share == 1.0`)

	at := s.now
	require.NoError(t, s.decideFor(at, "recovery", 48*time.Hour))
	require.NoError(t, s.act(at, "replace", "acb", "by", "method 3", "keys", "new"))
	require.NoError(t, s.act(at, "replace", "transcos", "by", "method 3", "keys", "new"))
	require.NoError(t, s.act(at, "replace", "second", "by", "method 3"))
	s.rest()
	s.holds(`fleet.reachable.recovered("acb").share == 1.0`, `fleet.reachable.recovered("transcos").share == 1.0`,
		`fleet.of("second").reachable.recovered("second").share == 1.0`, `fleet.of("supplier").recovered("second").count == 0`)
	// Everything still works under keys of the third generation.
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1", "keys", "new"))
	s.rest()
	s.holds(`fleet.of("supplier").reachable.recovered("supplier").share == 1.0`)
	require.NoError(t, s.act(s.now, "revoke", "acb old certificates", "reason", "keyCompromise"))
	s.holds(`ca.revoked == 4`)
	require.Empty(t, s.closing())
	require.Len(t, s.Sum().Parties, 4)
	for _, refused := range []struct {
		says   string
		object string
		params []string
	}{
		{"method 2 puts the Access Control Broker's", "acb", []string{"by", "method 2"}},
		{"its certificates do not belong", "network", []string{"by", "method 1", "to", "supplier"}},
		{"needs a method", "network", nil},
	} {
		err := s.act(s.now, "replace", refused.object, refused.params...)
		require.ErrorIs(t, err, engine.ErrRefused)
		require.ErrorContains(t, err, refused.says)
	}
}

// Method 2 for a network operator, region by region, and back by handover.
func TestNetworkOperatorByMethod2(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.NoError(t, s.decideFor(0, "recovery", 48*time.Hour))
	require.NoError(t, s.act(0, "replace", "network", "by", "method 2", "among", "north"))
	s.advance(10 * time.Hour)
	s.holds(`fleet.brokered("network").count == fleet.region("north").reachable.of("network").count`, `fleet.brokered("network").count > 0`)
	require.NoError(t, s.act(s.now, "replace", "network", "by", "method 2"))
	s.rest()
	s.holds(`fleet.of("network").reachable.brokered("network").share == 1.0`, `fleet.of("network").obeying("network").count < 3`)
	require.NoError(t, s.act(s.now, "hand over", "network"))
	s.rest()
	s.holds(`fleet.of("network").reachable.recovered("network").share == 1.0`, `fleet.changed.except("network").count == 0`,
		`fleet.of("network").reachable.obeying("network").share == 1.0`)
	require.Empty(t, s.closing())
}

// A supplier fails: its customers' devices go to another supplier, part of them by
// the Recovery key and part by a change of supplier, and its certificates are
// revoked when the deferral is over and not before.
func TestSupplierOfLastResort(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.NoError(t, s.act(0, "defer revocation", "supplier", "for", "20 hours", "reason", "safe mode first"))
	s.holds(`deferred("supplier")`)
	require.ErrorContains(t, s.act(time.Hour, "revoke", "supplier old certificates", "reason", "keyCompromise"), "safe mode first")
	require.ErrorIs(t, s.act(time.Hour, "defer revocation", "supplier", "for", "1 hour", "reason", "again"), engine.ErrRefused)
	require.NoError(t, s.decideFor(time.Hour, "recovery", 12*time.Hour))
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 3", "to", "second", "among", "south"))
	s.advance(12 * time.Hour)
	s.holds(`fleet.recovered("supplier").count > 0`, `fleet.of("supplier").region("south").reachable.holding("second").share == 1.0`)
	require.NoError(t, s.act(12*time.Hour, "change supplier", "supplier", "to", "second"))
	s.advance(19 * time.Hour)
	s.holds(`fleet.of("supplier").reachable.recovered("supplier").share == 1.0`, `fleet.of("supplier").reachable.obeying("second").share == 1.0`,
		`fleet.changed.except("supplier").count == 0`, `ca.revoked == 0`)
	s.advance(21 * time.Hour)
	s.holds(`!deferred("supplier")`, `ca.revoked == 3`)
	require.Empty(t, s.closing())
	require.Len(t, s.entries(verbs.KindDeferral), 2)
	require.Positive(t, s.Sum().Recovery.Devices)
}

// A change of supplier service that was broken into: alien changes stop when its
// cell is replaced; the suppliers' cells come after.
func TestChangeOfSupplierBreach(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.NoError(t, s.act(0, "attack", "transcos", "per hour", "20", "returns", "30 minutes"))
	s.advance(time.Hour)
	// The suppliers' keys first is natural and wrong: he comes back for what is taken
	// from him, as long as the service's own cell trusts the key that he has.
	require.NoError(t, s.decideFor(time.Hour, "recovery", 10*time.Hour))
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 3", "among", "taken", "keys", "present"))
	s.advance(4*time.Hour + 15*time.Minute)
	s.holds(`fleet.recovered("supplier").count > 2`)
	s.advance(9 * time.Hour)
	s.holds(`fleet.of("supplier").reachable.taken("supplier").share == 1.0`)
	at := 20 * time.Hour
	s.advance(at)
	require.NoError(t, s.decideFor(at, "recovery", 48*time.Hour))
	require.NoError(t, s.act(at, "replace", "transcos", "by", "method 3"))
	s.advance(26 * time.Hour)
	s.holds(`fleet.of("transcos").reachable.recovered("transcos").share == 1.0`)
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 3", "among", "taken"))
	require.NoError(t, s.act(s.now, "replace", "second", "by", "method 3", "among", "taken"))
	s.rest()
	s.holds(`fleet.taken("supplier").count == 0`, `fleet.taken("second").count == 0`, `fleet.reachable.recovered("transcos").share == 1.0`,
		`fleet.of("supplier").reachable.obeying("supplier").share == 1.0`, `!attacked("transcos")`)
	require.NoError(t, s.act(s.now, "revoke", "intruder certificates", "reason", "keyCompromise"))
	require.Empty(t, s.closing())
}

// A flood above the threshold goes into quarantine, whoever sends it, and what is
// there is sent on or deleted when a file says so.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.NoError(t, s.act(0, "raise thresholds", "supplier", "to", "5"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`threshold("supplier") == 5`, `quarantine("supplier").count == fleet.of("supplier").count - 5`, `work("supplier").quarantined == quarantine("supplier").count`,
		`fleet.recovered("supplier").count <= 5`)
	require.NoError(t, s.act(s.now, "exit quarantine", "supplier", "with", "process"))
	s.rest()
	s.holds(`quarantine("supplier").count == 0`, `fleet.of("supplier").reachable.recovered("supplier").share == 1.0`)
	require.ErrorIs(t, s.act(s.now, "exit quarantine", "supplier", "with", "delete"), engine.ErrRefused)

	require.NoError(t, s.act(s.now, "raise thresholds", "network", "to", "3"))
	require.NoError(t, s.act(s.now, "replace", "network", "by", "method 1"))
	s.rest()
	require.NoError(t, s.act(s.now, "raise thresholds", "network", "to", "1000"))
	require.NoError(t, s.act(s.now, "exit quarantine", "network", "with", "delete"))
	s.holds(`quarantine("network").count == 0`, `quarantine("network").deleted > 5`, `quarantine("network").ever == quarantine("network").deleted`)
	require.NoError(t, s.act(s.now, "replace", "network", "by", "method 1"))
	s.rest()
	s.holds(`fleet.of("network").reachable.recovered("network").share == 1.0`)
	require.NoError(t, s.act(s.now, "lower thresholds", "network"))
	s.holds(`threshold("network") == 3`)
	require.NoError(t, s.act(s.now, "lower thresholds", "network"))
	s.holds(`threshold("network") == -1`)
	require.ErrorIs(t, s.act(s.now, "lower thresholds", "network"), engine.ErrRefused)
	require.NoError(t, s.act(s.now, "notify file", "network"))
	require.NoError(t, s.act(s.now, "report progress", "network"))
	require.Empty(t, s.closing())
	kinds := map[string]int{}
	for _, e := range s.entries(verbs.KindFile) {
		var body verbs.FileExchanged
		require.NoError(t, e.Decode(&body))
		kinds[body.What]++
		require.FileExists(t, filepath.Join(s.pack, body.File))
		require.Contains(t, body.Columns, "(K)")
	}
	require.Equal(t, map[string]int{"ADT file": 5, "exit quarantine file": 2, "compromise notification file": 1}, kinds)
	progress, err := filepath.Glob(filepath.Join(s.pack, "progress", "*.csv"))
	require.NoError(t, err)
	rows := s.csv("progress/" + filepath.Base(progress[0]))
	require.Equal(t, []string{"device_id", "device_type", "responsible_subscriber", "role", "affected_serial", "affected_key_id", "replacement_serial",
		"method", "status", "attempts", "last_response_code", "last_outcome", "reason", "scenario_time", "classification"}, rows[0])
	require.Len(t, rows, 1+s.Sum().Parties[1].Devices)
	require.Contains(t, rows[1], "networkOperator")
}

// Future dated: devices keep the command, answer without an outcome, and report by
// alert when its time has come; a cancelled one never comes.
func TestTakesEffect(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.ErrorContains(t, s.act(2*time.Hour, "replace", "supplier", "by", "method 1", "takes effect", "1:00"), "has passed")
	require.NoError(t, s.act(2*time.Hour, "replace", "supplier", "by", "method 1", "takes effect", "9:00"))
	require.NoError(t, s.act(2*time.Hour, "replace", "network", "by", "method 1", "takes effect", "9:00"))
	s.advance(8 * time.Hour)
	s.holds(`work("supplier").waiting > 15`, `fleet.changed.count == 0`, `work("supplier").running`)
	require.NoError(t, s.act(8*time.Hour, "replace", "network", "by", "method 1", "cancel", "true"))
	s.rest()
	s.holds(`fleet.of("supplier").reachable.recovered("supplier").share == 1.0`, `fleet.changed.except("supplier").count == 0`,
		`alerts("8F66") > 15`, `alerts("8F67") == 0`, `!work("network").running`, `!work("supplier").running`, `work("network").waiting == 0`)
	require.Empty(t, s.closing())
	alerts := 0
	for _, e := range s.entries(journal.KindMessage) {
		var m verbs.Message
		require.NoError(t, e.Decode(&m))
		if m.Direction == "alert" {
			alerts++
		}
	}
	require.Positive(t, alerts)

	// A kept command whose key was replaced meanwhile is not actioned.
	at := s.now
	require.NoError(t, s.act(at, "replace", "second", "by", "method 1", "takes effect", "40:00"))
	s.advance(at + 5*time.Hour)
	require.NoError(t, s.decideFor(s.now, "recovery", 20*time.Hour))
	require.NoError(t, s.act(s.now, "replace", "second", "by", "method 3"))
	s.rest()
	s.holds(`alerts("8F67") > 10`, `fleet.of("second").reachable.recovered("second").share == 1.0`)
	require.Empty(t, s.closing())
}

// Somebody has a copy of the Recovery key: supplier cells of whole regions turn, and
// the record tells each of his signatures apart from those that a decision allows.
func TestRecoveryKeyCopied(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(market, "timeline: [", "timeline: [{at: 0:00, do: {attack: recovery, per hour: 40}}, ", 1))
	s.text = market
	require.NoError(t, s.act(0, "attack", "recovery", "per hour", "40"))
	s.advance(30 * time.Minute)
	s.holds(`fleet.taken("supplier").count + fleet.taken("second").count > 10`, `fleet.obeying("supplier").count < 20`)
	require.NoError(t, s.decideFor(30*time.Minute, "recovery", 48*time.Hour))
	require.NoError(t, s.act(30*time.Minute, "stop attack", "recovery"))
	require.NoError(t, s.act(30*time.Minute, "replace", "supplier", "by", "method 3"))
	s.rest()
	// He has driven the counter of the Recovery key itself up: against its own copy it
	// is no way back where he was first, and what he did not reach is kept.
	s.holds(`fleet.taken("supplier").count > 0`, `fleet.recovered("supplier").count > 0`, `work("supplier").refused == fleet.taken("supplier").reachable.count`)
	require.NotEmpty(t, s.entries(verbs.KindCopyUse))
	require.Empty(t, s.closing())
}

func TestCopyIsMadeWithTheDrill(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	require.ErrorContains(t, s.act(0, "attack", "recovery", "per hour", "40"), "its timeline has to say so")
	require.NoError(t, s.act(0, "attack", "acb", "per hour", "40"))
	s.rest()
	s.holds(`fleet.taken("acb").count > 30`)
	// Whoever holds the MAC key cuts the DCC off: nothing but the Recovery key helps.
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`fleet.recovered("supplier").count == 0`)
	require.NoError(t, s.decideFor(s.now, "recovery", 48*time.Hour))
	require.NoError(t, s.act(s.now, "replace", "acb", "by", "method 3"))
	s.rest()
	s.holds(`fleet.reachable.recovered("acb").share == 1.0`, `fleet.taken("acb").count == 0`)
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`fleet.of("supplier").reachable.recovered("supplier").share == 1.0`)
	require.Empty(t, s.closing())
}

// Keys stand on the tokens of their owners, and on no other.
func TestTokensByOwner(t *testing.T) {
	t.Parallel()
	s := inMarket(t)
	for _, owner := range []string{"ca", "recovery", "contingency", "broker", "transcos", "wan provider", "supplier", "second", "network", "neighbour"} {
		require.NotNil(t, s.Token(owner), owner)
	}
	require.NoError(t, s.Token("network").Break())
	require.Error(t, s.act(0, "replace", "network", "by", "method 1"))
	require.NoError(t, s.act(0, "replace", "neighbour", "by", "method 1"), "another's token is no concern of its")
	require.NoError(t, s.Token("network").Restore())
}

// csv reads a table of the pack.
func (s *stage) csv(name string) [][]string {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.pack, filepath.FromSlash(name)))
	require.NoError(s.t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(s.t, err)
	return rows
}

// A device with a wrong network operator's certificate is not touched by its own
// operator's recovery, but by that of the operator whose key it trusts; it is listed
// apart.
func TestWrongHolders(t *testing.T) {
	t.Parallel()
	wrong := strings.Replace(market, "prepayment: 50%", "prepayment: 50%, wrong network operator: 25%", 1)
	s := newStage(t, wrong)
	s.text = wrong
	s.advance(0)
	s.holds(`fleet.wrong("network").count + fleet.wrong("neighbour").count == 10`, `fleet.wrong("network").count > 0`,
		`fleet.wrong("network").of("neighbour").count == fleet.wrong("network").count`)
	require.NoError(t, s.act(0, "notify file", "network"))
	require.NoError(t, s.act(0, "replace", "network", "by", "method 1"))
	s.rest()
	s.holds(`fleet.wrong("network").changed.count == 0`, `fleet.of("network").reachable.recovered("network").share == 1.0`,
		`fleet.changed.count <= fleet.of("network").count`, `fleet.changed.except("network").count == 0`)
	files, err := filepath.Glob(filepath.Join(s.pack, "exchange", "*wrong-holders*.csv"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	rows := s.csv("exchange/" + filepath.Base(files[0]))
	f := s.Sum()
	require.Len(t, rows, 1+f.Parties[0].WrongHolders)
	require.Positive(t, f.Parties[0].WrongHolders)
	require.Equal(t, "holder_by_cell", rows[0][4])
	require.NotEqual(t, rows[1][2], rows[1][4])
	require.Empty(t, s.closing())
	require.NoError(t, s.WritePack())
	excluded := 0
	for _, row := range s.csv("devices.csv") {
		if row[0] == "excluded" {
			excluded++
			require.Contains(t, row[7], "registered to Exercise Networks B")
		}
	}
	require.Equal(t, f.Parties[0].WrongHolders, excluded)
}

// Six types of device, each with the cells that it has: the WAN provider's key is on
// hubs alone, and a hub wants the broker's signature beside its MAC.
func TestHubs(t *testing.T) {
	t.Parallel()
	homes := strings.Replace(market, "prepayment: 50%", "prepayment: 50%, types: {esme: 30%, gsme: 20%, gpf: 10%, chf: 20%, ppmid: 10%, hcalcs: 10%}", 1)
	s := newStage(t, homes)
	s.text = homes
	s.advance(0)
	s.holds(`fleet.kind("chf").count == 8`, `fleet.of("wan provider").count == 8`, `fleet.kind("chf").of("wan provider").count == 8`)
	require.NoError(t, s.act(0, "attack", "wan provider", "per hour", "8"))
	s.advance(40 * time.Minute)
	require.NoError(t, s.act(40*time.Minute, "stop attack", "wan provider"))
	s.holds(`fleet.taken("wan provider").count > 2`, `fleet.taken("wan provider").kind("chf").count == fleet.taken("wan provider").count`)
	require.NoError(t, s.act(40*time.Minute, "replace", "wan provider", "by", "method 1"))
	s.advance(5 * time.Hour)
	s.holds(`fleet.recovered("wan provider").count > 0`, `work("wan provider").refused == fleet.taken("wan provider").reachable.count`)
	require.NoError(t, s.decideFor(5*time.Hour, "recovery", 48*time.Hour))
	require.NoError(t, s.act(5*time.Hour, "replace", "wan provider", "by", "method 3"))
	s.rest()
	s.holds(`fleet.of("wan provider").reachable.recovered("wan provider").share == 1.0`, `fleet.changed.except("wan provider").count == 0`,
		`fleet.changed.count <= fleet.kind("chf").count`)
	require.NoError(t, s.act(s.now, "replace", "acb", "by", "method 1"))
	s.rest()
	s.holds(`fleet.of("acb").reachable.recovered("acb").share == 1.0`)
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	require.NoError(t, s.act(s.now, "replace", "network", "by", "method 1"))
	s.rest()
	s.holds(`fleet.of("supplier").reachable.recovered("supplier").share == 1.0`, `fleet.of("network").reachable.recovered("network").share == 1.0`)
	require.NoError(t, s.act(s.now, "read back", "wan provider", "sample", "40"))
	require.NoError(t, s.act(s.now, "read back", "acb", "sample", "40"))
	require.NoError(t, s.act(s.now, "revoke", "intruder certificates", "reason", "keyCompromise"))
	require.Empty(t, s.closing())
	require.NoError(t, s.WritePack())
}

// Words that do not go together are found when the scenario is read.
func TestAgree(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	for does, want := range map[string]string{
		"{replace: acb, by: method 2}":                                           "in the place of a supplier's or network operator's",
		"{replace: network, by: method 1, to: supplier}":                         "another role",
		"{replace: supplier, by: method 2, to: second}":                          `take "to" out`,
		"{replace: supplier}":                                                    `needs "by"`,
		"{replace: supplier, by: contingency key}":                               "does not replace the keys of supplier",
		"{replace: recovery, by: method 1}":                                      "by itself or by the contingency key",
		"{replace: root, by: method 1}":                                          "has no methods",
		`{replace: supplier, by: method 1, takes effect: "9:00", cancel: true}`:  "no time of its own",
		"{hand over: transcos}":                                                  "gives devices back",
		"{change supplier: supplier, to: supplier}":                              "already",
		"{change supplier: network, to: supplier}":                               "from one supplier to another",
		"{replace: nobody, by: method 1}":                                        "unknown whose",
		"{replace: supplier, by: method 3, to: second, among: north, keys: new}": "",
		"{replace: wan provider, by: method 1, takes effect: \"9:00\"}":          "",
		"{replace: recovery, by: recovery key}":                                  "",
	} {
		text := strings.Replace(market, "timeline: [", "timeline: [{at: 0:00, do: "+does+"}, ", 1)
		_, err := scenario.Parse("plot.yaml", []byte(text), verbs.Vocabulary(p))
		if want == "" {
			require.NoError(t, err, does)
		} else {
			require.ErrorContains(t, err, want, does)
		}
	}
	_, err = scenario.Parse("plot.yaml", []byte(strings.Replace(market, "  second:", "  acb:", 1)), verbs.Vocabulary(p))
	require.ErrorContains(t, err, `"acb" is a party of every drill`)
}
