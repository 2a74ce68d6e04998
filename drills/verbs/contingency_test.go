package verbs_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/drills/verbs"
	"smki.example/drills/verify"
)

// require asks a question, has the script answer it and the world open the key, as
// the engine does; the record can be verified afterwards.
func (s *stage) required(at time.Duration, key string) error {
	s.t.Helper()
	s.advance(at)
	options := []journal.Option{{Name: "required", Opens: key}, {Name: "not required"}}
	asked, _, err := s.record.Append(journal.KindQuestion, at, journal.Question{Decision: key + " key", Body: "pma", Options: options})
	require.NoError(s.t, err)
	signed, err := s.record.AppendSigned(journal.KindDecision, at, journal.Decision{
		Decision: key + " key", Body: "pma", Question: asked, Options: options, Chosen: "required", Opens: key, Answered: "script",
	})
	require.NoError(s.t, err)
	return s.Authorise(s.t.Context(), at, engine.Authorisation{
		Key: key, For: 48 * time.Hour, Decision: key + " key", Body: "pma", Chosen: "required", Answered: "script",
		DecisionSeq: signed.Seq, DecisionHash: signed.Hash, Record: signed.Line, Signed: signed.Note,
	})
}

// begin writes the start entry, which the engine does before anything else.
func (s *stage) begin() {
	s.t.Helper()
	_, _, err := s.record.Append(journal.KindStart, 0, journal.Start{
		Run: "test", Scenario: "T01", Epoch: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), RecordKey: s.record.Key().Fingerprint(), Verifier: s.record.Key().Verifier(),
	})
	require.NoError(s.t, err)
}

// seal ends the drill as the engine does and seals the pack.
func (s *stage) seal() {
	s.t.Helper()
	checks, err := s.Closing(s.t.Context())
	require.NoError(s.t, err)
	for _, c := range checks {
		require.True(s.t, c.Held, "%s: %s", c.Name, c.Found)
		_, _, err := s.record.Append(journal.KindClosing, s.now, journal.Closing{Check: c.Name, Held: c.Held, Found: c.Found})
		require.NoError(s.t, err)
	}
	_, _, err = s.record.Append(journal.KindOutcome, s.now, journal.Outcome{Outcome: "finished", Finding: "held"})
	require.NoError(s.t, err)
	require.NoError(s.t, s.WritePack())
	summary, err := json.Marshal(map[string]string{"run": "test", "scenario": "T01", "outcome": "finished", "finding": "held", "record_key": s.record.Key().Fingerprint()})
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.pack, "summary.json"), summary, 0o644))
	require.NoError(s.t, s.record.Seal(s.now))
}

// verified requires the sealed pack to be intact in the eyes of the independent
// checker.
func (s *stage) verified() {
	s.t.Helper()
	result, err := verify.Pack(s.pack, verify.Options{Key: s.record.Key().Fingerprint()})
	require.NoError(s.t, err)
	require.True(s.t, result.Intact, "%s", result.Verdict())
}

func (s *stage) intact() bool {
	s.t.Helper()
	result, err := verify.Pack(s.pack, verify.Options{Key: s.record.Key().Fingerprint()})
	require.NoError(s.t, err)
	return result.Intact
}

// messages are those of the pack, in the order in which they were written.
func (s *stage) messages() []*gbcs.Message {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.pack, "messages", "*.hex"))
	require.NoError(s.t, err)
	var list []*gbcs.Message
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(s.t, err)
		octets, err := hex.DecodeString(strings.TrimSpace(string(text)))
		require.NoError(s.t, err)
		m, err := gbcs.Decode(octets)
		require.NoError(s.t, err)
		list = append(list, m)
	}
	return list
}

// notices are what players were told of the work, a line each.
func (s *stage) notices() string {
	s.t.Helper()
	var lines []string
	for _, e := range s.entries(verbs.KindNotice) {
		var n verbs.Notice
		require.NoError(s.t, e.Decode(&n))
		lines = append(lines, journal.FormatAt(e.At)+" "+n.About+": "+n.Text)
	}
	return strings.Join(lines, "\n")
}

var estate = strings.Replace(plot, "devices: 20, unreachable: 10%, late: 10%, prepayment: 50%, rate: 10 an hour (sample)", "devices: 30, unreachable: 10%, late: 10%, rate: 30 an hour (sample)", 1)

// The worst case: everything under a new root goes into every cell in one command
// that the Contingency key signs, whose symmetric key is good for that campaign and
// for no other.
func TestRootByContingency(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	before := s.Fleet().Devices()
	s.holds(`root.generation == 1`, `key("contingency").generation == 1`, `!key("contingency").exposed`, `shares("symmetric key").safe == 4`)
	require.ErrorContains(t, s.act(0, "replace", "root", "by", "contingency key"), "renew: root")

	require.NoError(t, s.act(0, "renew", "root"))
	require.ErrorIs(t, s.act(0, "renew", "root"), engine.ErrRefused, "called already")
	s.advance(4 * time.Hour)
	s.holds(`root.generation == 1`) // the last custodian needs five hours
	s.advance(5 * time.Hour)
	s.holds(`root.generation == 2`, `key("contingency").generation == 2`, `key("recovery").generation == 2`, `fleet.new_root.count == 0`, `ca.under_old == 0`, `fleet.changed.count == 0`)
	require.Len(t, s.entries(verbs.KindCeremony), 1)

	err := s.act(s.now, "replace", "root", "by", "contingency key")
	require.ErrorIs(t, err, engine.ErrRefused)
	require.ErrorContains(t, err, "needs the Contingency key, and no decision of the PMA has opened it")
	require.NoError(t, s.required(s.now, "contingency"))
	require.ErrorIs(t, s.required(s.now, "contingency"), engine.ErrRefused, "they are on their way")
	require.NoError(t, s.act(s.now, "replace", "root", "by", "contingency key"))
	require.ErrorIs(t, s.act(s.now, "replace", "root", "by", "contingency key"), engine.ErrRefused, "one campaign has the symmetric key")
	s.advance(s.now + 3*time.Hour)
	s.holds(`fleet.changed.count == 0`, `!key("contingency").exposed`)
	s.rest()
	s.holds(`fleet.reachable.new_root.share == 1.0`, `fleet.unreachable.new_root.count == 0`, `key("contingency").exposed`, `key("contingency").uses >= 27`,
		`fleet.reachable.recovered("supplier").share == 1.0`, `fleet.reachable.recovered("recovery").share == 1.0`, `fleet.reachable.recovered("acb").share == 1.0`)
	for _, r := range s.Fleet().Devices() {
		for _, cell := range r.Cells {
			if r.Reach == fleet.Unreachable {
				require.Equal(t, before[r.Index].KeyID(cell.Cell), cell.KeyID)
			} else {
				require.NotEqual(t, before[r.Index].KeyID(cell.Cell), cell.KeyID, "all nine cells, %v", cell.Cell)
			}
		}
	}

	// The devices that were reached obey under the new root; a second use of the same
	// symmetric key is refused, whatever is decided.
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1", "keys", "new"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	require.NoError(t, s.act(s.now, "destroy", "old symmetric key"))
	f := s.Sum()
	require.GreaterOrEqual(t, f.ContingencyUses, 27)
	require.Zero(t, f.RecoveryUses)
	require.Contains(t, f.Methods, "contingency (our reading)")
	s.seal()
	s.verified()
}
