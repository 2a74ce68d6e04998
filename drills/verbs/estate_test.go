package verbs_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/drills/verbs"
	"smki.example/policy"
)

const plotEstate = "estate: {devices: 20, unreachable: 10%, late: 10%, prepayment: 50%, rate: 10 an hour (sample)}"

// An estate of every type, with something wrong in every way: each device that is
// the supplier's comes to one end, and the file of devices says why.
func TestAMixedEstateComesToItsEnds(t *testing.T) {
	t.Parallel()
	text := strings.Replace(plot, plotEstate, `estate:
  devices: 300
  types: {esme: 40%, gsme: 30%, gpf: 10%, chf: 10%, ppmid: 8%, hcalcs: 2%}
  held by: {supplier: 80%}
  unreachable: 4%
  late: 5%
  sleepy: 10%
  no wan: 4%
  answers lost: 3%
  wrong network operator: 10%
  counters at odds: 4%
  partly: 9%
  rate: 300 an hour (sample)`, 1)
	text = strings.Replace(text, "parties:\n", "parties:\n  second: {name: Exercise Supplier Z, category: small supplier, role: supplier}\n"+
		"  other network: {name: Exercise Networks C, category: gas network, role: networkOperator}\n", 1)
	s := newStage(t, text)
	types := map[fleet.Type]int{}
	wrong := 0
	require.NoError(t, s.Fleet().ForEach(func(d *fleet.Device) error {
		types[d.Type]++
		if d.Wrong {
			wrong++
		}
		return nil
	}))
	require.Equal(t, map[fleet.Type]int{fleet.TypeESME: 120, fleet.TypeGSME: 90, fleet.TypeGPF: 30, fleet.TypeCHF: 30, fleet.TypePPMID: 24, fleet.TypeHCALCS: 6}, types)
	require.Equal(t, 24, wrong, "one in ten of those with network operator cells")

	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
	s.rest()
	sum := s.Sum()
	require.Positive(t, sum.Ends["recovered"])
	require.Positive(t, sum.Ends["partly recovered"])
	require.Positive(t, sum.Ends["unreachable"])
	require.Positive(t, sum.Ends["still trusting the old key"], "their counters are at odds")
	all := 0
	for _, n := range sum.Ends {
		all += n
	}
	require.Equal(t, sum.Devices, all, "every device comes to one end")
	require.Empty(t, s.closing())
	require.NoError(t, s.WritePack())

	why := map[string]int{}
	for _, r := range devicesFile(t, s.pack) {
		require.NotEmpty(t, r["status"])
		require.NotEmpty(t, r["why"], r["status"])
		require.Equal(t, r["type"] == "CHF", r["key wanProvider signing"] != "", "a hub has the WAN provider's cell, and nothing else has")
		require.Equal(t, r["type"] == "HCALCS", r["key loadController signing"] != "")
		if r["type"] == "CHF" {
			require.Equal(t, "not concerned", r["status"])
		}
		for _, word := range []string{"counter", "busy", "full", "no path", "no WAN", "unreachable", "answer proves"} {
			if strings.Contains(r["why"], word) {
				why[word]++
			}
		}
	}
	for _, word := range []string{"counter", "full", "no path", "no WAN", "unreachable", "answer proves"} {
		require.Positive(t, why[word], word)
	}
	require.Zero(t, why["busy"], "a store that was busy is not for long: those devices were tried again")
}

func devicesFile(t *testing.T, pack string) []map[string]string {
	f, err := os.Open(filepath.Join(pack, "devices.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, v := range row {
			m[rows[0][i]] = v
		}
		out = append(out, m)
	}
	return out
}

// In a large estate only devices whose messages are in the pack have certificates;
// the record says so, and the CA's account is as complete as ever.
func TestALargeEstateIsCertifiedAsItIsNeeded(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(plot, "devices: 20, unreachable: 10%, late: 10%", "devices: 5001", 1))
	require.NoError(t, s.act(time.Hour, "read back", "supplier", "sample", "7"))
	s.advance(2 * time.Hour)
	certified := 0
	require.NoError(t, s.Fleet().ForEach(func(d *fleet.Device) error {
		if d.Certificate(policy.UsageDigitalSignature) == nil {
			return nil
		}
		certified++
		for _, short := range []string{"ds", "ka"} {
			require.FileExists(t, filepath.Join(s.pack, "certs", "device-"+d.ID.Hex()+"-"+short+".pem"))
		}
		return nil
	}))
	require.Equal(t, 7, certified)
	require.Empty(t, s.closing())
	var counts []int
	for _, e := range s.entries(journal.KindCertificate) {
		var body verbs.CertificatesIssued
		require.NoError(t, json.Unmarshal(e.Body, &body))
		if body.Issuer == "issuing-dca" {
			counts = append(counts, body.Count)
			require.NotEmpty(t, body.Note)
		}
	}
	require.Equal(t, []int{0, 14}, counts)
}

// A late device whose store was busy answers long after it was sent to, and is
// tried again after its answer: never is anything due that should have been done.
func TestALateDeviceIsTriedAgainAfterItsAnswer(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(plot, "devices: 20, unreachable: 10%, late: 10%", "devices: 60, late: 60%, partly: 40%", 1))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	for {
		next, more := s.Next()
		if !more {
			break
		}
		require.Greater(t, next, s.now)
		s.advance(next)
	}
	sum := s.Sum()
	require.Equal(t, 16, sum.Ends["partly recovered"], "two of three stores that fail fail always")
	require.Equal(t, 44, sum.Ends["recovered"])
}

// What is sent to a device that wakes in the same window is told once.
func TestASleepyDeviceIsCountedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(plot, "devices: 20, unreachable: 10%, late: 10%", "devices: 60, types: {gsme: 100%}, sleepy: 100%", 1))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	s.rest()
	sum := s.Sum()
	require.Equal(t, 60, sum.Ends["recovered"])
	require.Equal(t, 60, sum.Recovery.Devices)
	told := map[string]int{}
	for _, e := range s.entries(journal.KindShard) {
		var shard verbs.Shard
		require.NoError(t, json.Unmarshal(e.Body, &shard))
		for word, n := range shard.Outcomes {
			told[word] += n
		}
	}
	require.Equal(t, 60, told["executed"])
	require.Less(t, told["on its way"], 60, "some woke in the window in which they were sent to")
	require.Positive(t, told["on its way"])
}

// A command that a device keeps is carried out whether or not its acceptance was
// heard, and the alert may be lost as well.
func TestLostAnswersOfKeptCommands(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(plot, "devices: 20, unreachable: 10%, late: 10%", "devices: 40, answers lost: 50%", 1))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1", "takes effect", "9:00"))
	s.rest()
	sum := s.Sum()
	require.Equal(t, 40, sum.Ends["recovered"])
	require.Positive(t, sum.Work[0].Outcomes["no answer"])
	require.Positive(t, sum.Work[0].Outcomes["executed"])
	require.Empty(t, s.closing())
}
