package verbs_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
	"smki.example/policy"
	"smki.example/softhsm"
)

var update = flag.Bool("update", false, "rewrite the section of docs/drill-language.md")

// plot is a small scenario whose timeline is never played: the tests act by
// themselves. Ten an hour for twenty devices is two hours of work.
const plot = `
drill: 1
id: T01
title: A plot for tests
label: GREEN
rehearses: [method-1]
minutes: 1
estate: {devices: 20, unreachable: 10%, late: 10%, prepayment: 50%, rate: 10 an hour (sample)}
parties:
  supplier: {name: Exercise Supplier A, category: large supplier, role: supplier}
  network: {name: Exercise Networks B, category: electricity network, role: networkOperator}
steady: [{expect: fleet.count > 0}]
timeline: [{at: 0:10, decide: go on}]
decisions:
  go on:
    asks: Go on?
    of: dcc
    options: {yes: {says: on}, no: {says: not on}}
    scripted: yes
    on silence: no
    within: 10 minutes
findings: [{expect: fleet.count > 0}]
`

// stage is a world with what a test needs to act in it.
type stage struct {
	t *testing.T
	*verbs.World
	now     time.Duration
	record  *journal.Journal
	pack    string
	scratch string
	text    string // of the scenario whose names questions may use
}

func newStage(t *testing.T, text string) *stage {
	t.Helper()
	return newStageWith(t, text, func(*verbs.Config) {})
}

func newStageWith(t *testing.T, text string, change func(*verbs.Config)) *stage {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := scenario.Parse("plot.yaml", []byte(text), verbs.Vocabulary(p))
	require.NoError(t, err)
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	pack := t.TempDir()
	record, err := journal.Create(filepath.Join(pack, journal.FileName), journal.Config{Key: key, RunID: "test", Clock: time.Now})
	require.NoError(t, err)
	t.Cleanup(func() { record.Close() })
	cfg := verbs.Config{
		Scenario: s, Procedure: p, Journal: record, Pack: pack, Scratch: t.TempDir(), Seed: 3, Epoch: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
	change(&cfg)
	world, err := verbs.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	return &stage{t: t, World: world, record: record, pack: pack, scratch: cfg.Scratch, text: plot}
}

// act does a verb at a time, after everything that was due before it.
func (s *stage) act(at time.Duration, verb, object string, params ...string) error {
	s.t.Helper()
	s.advance(at)
	a := engine.Action{Verb: verb, Object: object, Params: map[string]string{}}
	for i := 0; i < len(params); i += 2 {
		a.Params[params[i]] = params[i+1]
	}
	return s.Act(s.t.Context(), at, a)
}

func (s *stage) advance(to time.Duration) {
	s.t.Helper()
	require.NoError(s.t, s.Advance(s.t.Context(), to))
	s.now = to
}

// rest lets the world go on until nothing is left to do.
func (s *stage) rest() {
	s.t.Helper()
	for range 1000 {
		next, more := s.Next()
		if !more {
			return
		}
		s.advance(next)
	}
	s.t.Fatal("the world does not come to rest")
}

// decide puts a decision into the journal and has the world open a key for it.
func (s *stage) decide(at time.Duration, key string) error {
	return s.decideFor(at, key, 12*time.Hour)
}

func (s *stage) decideFor(at time.Duration, key string, span time.Duration) error {
	s.t.Helper()
	s.advance(at)
	signed, err := s.record.AppendSigned(journal.KindDecision, at, journal.Decision{Decision: "recovery key", Chosen: "required", Opens: key})
	require.NoError(s.t, err)
	return s.Authorise(s.t.Context(), at, engine.Authorisation{
		Key: key, For: span, Decision: "recovery key", Body: "pma", Chosen: "required", Answered: "script",
		DecisionSeq: signed.Seq, DecisionHash: signed.Hash, Record: signed.Line, Signed: signed.Note,
	})
}

// ask evaluates a figure as a condition would.
func (s *stage) ask(expression string) string {
	s.t.Helper()
	p, err := procedure.Sample()
	require.NoError(s.t, err)
	text := strings.Replace(s.text, "steady: [{expect: fleet.count > 0}]", "steady: [{expect: '"+expression+"'}]", 1)
	sc, err := scenario.Parse("ask.yaml", []byte(text), verbs.Vocabulary(p))
	require.NoError(s.t, err)
	names := s.Names()
	names["now"], names["elapsed"], names["chosen"] = time.Now(), s.now, scenario.Chosen{}
	held, found, err := sc.Steady[0].Expect.Holds(names)
	require.NoError(s.t, err)
	if held {
		return ""
	}
	return found
}

// holds requires conditions to be true.
func (s *stage) holds(expressions ...string) {
	s.t.Helper()
	for _, e := range expressions {
		require.Empty(s.t, s.ask(e), "%s", e)
	}
}

// closing runs the closing checks and returns those that did not hold.
func (s *stage) closing() map[string]string {
	s.t.Helper()
	checks, err := s.Closing(s.t.Context())
	require.NoError(s.t, err)
	require.Len(s.t, checks, 10, "every drill ends with the same checks")
	bad := map[string]string{}
	for _, c := range checks {
		if !c.Held {
			bad[c.Name] = c.Found
		}
	}
	return bad
}

func (s *stage) entries(kind journal.Kind) []journal.Entry {
	s.t.Helper()
	all, err := journal.ReadAll(filepath.Join(s.pack, journal.FileName))
	require.NoError(s.t, err)
	var some []journal.Entry
	for _, e := range all {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// A world that was just made: nine cells on every device, the supplier's keys in
// three of them, lists in force, and no file with the Recovery token's PIN.
func TestNew(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	s.advance(0)
	s.holds(`fleet.count == 20`, `fleet.reachable.count == 18`, `fleet.holding("supplier").share == 1.0`, `fleet.holding("network").share == 1.0`,
		`fleet.recovered("supplier").count == 0`, `fleet.obeying("supplier").share == 1.0`, `crl("issuing-oca").number == 1`, `!key("recovery").open`)
	require.NoFileExists(t, s.Token("recovery").PINFile, "the PIN is with the custodians")
	require.Empty(t, s.closing())
	for _, cell := range fleet.MeterCells() {
		a, ok := s.Fleet().Device(0).Cell(cell)
		require.True(t, ok)
		require.NotNil(t, a.Certificate, "%v", cell)
	}
}

// Method 1: the supplier signs with the key that was stolen, and every device that
// messages reach says with its own signature that it changed all three cells.
func TestMethod1(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
	s.advance(90 * time.Minute)
	s.holds(`fleet.recovered("supplier").count > 0`, `fleet.recovered("supplier").count < fleet.reachable.count`, `work("supplier").running`)
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`, `fleet.changed.except("supplier").count == 0`,
		`fleet.reachable.obeying("supplier").share == 1.0`, `!work("supplier").running`)
	require.NoError(t, s.act(s.now, "revoke", "supplier old certificates", "reason", "keyCompromise"))
	s.holds(`ca.revoked == 3`, `crl("issuing-oca").number == 2`)
	require.Empty(t, s.closing(), "devices that nobody reached still trust the key and are listed")
	f := s.Sum()
	require.Equal(t, map[string]int{"recovered": 18, "unreachable": 2, "partly recovered": 0, "under the broker": 0, "taken by the intruder": 0,
		"still trusting the old key": 0, "excluded": 0}, f.Ends)
	require.Equal(t, map[string]int{"executed": 18, "not reached": 2}, f.Work[0].Outcomes)
	require.Equal(t, 18+2*3, f.Work[0].Sent, "a device that is not reached is tried three times")
	require.Zero(t, f.Unaccounted)
}

// Revoked too early, the stolen key is worthless to its owner as well: the broker
// lets no command through that it signs.
func TestRevokedTooEarlyStrandsDevices(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
	require.NoError(t, s.act(90*time.Minute, "revoke", "supplier old certificates", "reason", "keyCompromise"))
	s.rest()
	s.holds(`fleet.recovered("supplier").count < 6`, `work("supplier").stopped > 12`)
	require.Contains(t, s.closing(), "no device that could be reached trusts a withdrawn key")
	require.Contains(t, s.Sum().Work[0].Reasons, "the signer's certificate is on the CRL")
}

// A freeze stops the party and whoever acts in its name; what waited goes on when
// it ends, and customers have paid for it.
func TestFreeze(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.act(time.Hour, "freeze", "supplier"))
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
	s.advance(75 * time.Minute)
	s.holds(`frozen("supplier")`, `fleet.recovered("supplier").count == 0`)
	require.NoError(t, s.act(75*time.Minute, "release", "supplier"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`, `!frozen("supplier")`)
	require.Equal(t, "0:15:00", s.Sum().HeldFor)
}

// No decision, no Recovery key: a verb that needs it is refused, nothing was sent,
// and the custodians' ledger is empty.
func TestRecoveryNeedsADecision(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	for _, method := range []string{"method 2", "method 3"} {
		err := s.act(time.Hour, "replace", "supplier", "by", method)
		require.ErrorIs(t, err, engine.ErrRefused)
		require.ErrorContains(t, err, "no decision of the PMA has opened it")
	}
	require.ErrorContains(t, s.act(time.Hour, "replace", "root", "by", "contingency key"), "there is no new Root")
	require.ErrorIs(t, s.act(time.Hour, "hand over", "supplier"), engine.ErrRefused)
	require.ErrorContains(t, s.act(time.Hour, "replace", "recovery", "by", "method 1"), "replaced by itself or by the contingency key")
	s.rest()
	s.holds(`key("recovery").uses == 0`, `fleet.changed.count == 0`)
	require.Empty(t, s.closing())
	require.Len(t, s.Sum().RefusedSteps, 5)
}

// The race: the intruder takes devices, Method 1 fails on them, and the Recovery
// key takes them back whatever their counters say.
func TestRecoveryTakesDevicesBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.act(0, "attack", "supplier", "per hour", "10"))
	require.NoError(t, s.act(10*time.Minute, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`fleet.taken("supplier").count > 3`, `fleet.recovered("supplier").count > 3`, `work("supplier").refused > 0`, `alerts("8F3D") > 0`)
	f := s.Sum()
	require.Contains(t, f.Work[1].Reasons, "counter: not above what the device has seen", "his counter is far above the supplier's")
	require.Positive(t, f.TakenMost)

	at := s.now
	require.NoError(t, s.decide(at, "recovery"))
	s.holds(`key("recovery").coming`, `!key("recovery").open`)
	require.NoError(t, s.act(at, "replace", "supplier", "by", "method 3"))
	s.advance(at + 2*time.Hour)
	s.holds(`fleet.taken("supplier").count > 3`) // the custodians are still on their way
	s.advance(at + 4*time.Hour)
	s.holds(`key("recovery").open`)
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`, `fleet.taken("supplier").count == 0`, `fleet.reachable.obeying("supplier").share == 1.0`,
		`fleet.changed.except("supplier").count == 0`)
	require.NoError(t, s.act(s.now, "revoke", "intruder certificates", "reason", "keyCompromise"))
	require.Empty(t, s.closing())
	f = s.Sum()
	require.Positive(t, f.CountersSetBack, "a floor set by the Recovery key's command is the one way back")
	require.Equal(t, len(s.entries(journal.KindKeyUse)), f.RecoveryUses)
	require.Len(t, s.entries(journal.KindCustody), 3, "called, opened and closed")
}

// Method 2 in two rounds: the broker's certificates by the Recovery key, then the
// supplier's by handover.
func TestMethod2(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.decide(time.Hour, "recovery"))
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 2"))
	s.advance(12 * time.Hour)
	s.holds(`fleet.reachable.brokered("supplier").share == 1.0`, `fleet.obeying("supplier").count == 2`)
	require.Equal(t, fleet.InRecovery, s.Fleet().Device(1).State())
	require.NoError(t, s.act(12*time.Hour, "hand over", "supplier"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`, `fleet.brokered("supplier").count == 0`, `fleet.reachable.obeying("supplier").share == 1.0`)
	require.Empty(t, s.closing())
}

// When the authorisation ends in the middle of the work, the rest is not signed,
// and the record says why.
func TestKeyClosedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.decide(0, "recovery"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 3"))
	s.advance(4 * time.Hour)
	require.NoError(t, s.act(4*time.Hour, "close", "recovery"))
	require.ErrorIs(t, s.act(4*time.Hour, "close", "recovery"), engine.ErrRefused)
	s.rest()
	s.holds(`fleet.recovered("supplier").count > 0`, `fleet.recovered("supplier").count < 12`)
	require.Contains(t, s.Sum().Work[0].Reasons, "the Recovery key is closed: its authorisation has ended")
	require.Empty(t, s.closing(), "what was signed has its decision all the same")
}

// The last command that is due when an authorisation ends is not signed, and no
// use is told that was not made.
func TestAuthorisationEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.decideFor(0, "recovery", time.Hour))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 3"))
	s.rest()
	s.holds(`fleet.recovered("supplier").count > 0`, `fleet.recovered("supplier").count < 12`, `!key("recovery").open`)
	require.Empty(t, s.closing())
	require.Equal(t, s.Sum().RecoveryUses, len(s.entries(journal.KindKeyUse)))
}

// A token that is gone is an outage, not a refusal: it ends the drill as failed,
// and the party keeps the keys that it has.
func TestTokenGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.Token("supplier").Break())
	err := s.act(time.Hour, "replace", "supplier", "by", "method 1")
	require.Error(t, err)
	require.NotErrorIs(t, err, engine.ErrRefused)
	s.holds(`fleet.reachable.holding("supplier").share == 1.0`, `ca.issued == 0`)
	require.NoError(t, s.Token("supplier").Restore())
}

// A closing check is worth what it catches.
func TestClosingChecksCatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does func(*stage)
		want string
	}{
		"a CA key that signed behind the ledger's back": {func(s *stage) {
			signer, err := s.Behind(s.t.Context(), "issuing-oca")
			require.NoError(s.t, err)
			digest := make([]byte, 32)
			_, err = signer.Sign(nil, digest, sha256Options)
			require.NoError(s.t, err)
		}, "signatures of CA keys unaccounted for: none"},
		"a counter that somebody set back": {func(s *stage) {
			s.Fleet().Device(19).SetCounter(policy.RoleNetworkOperator, 1)
			require.NoError(s.t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
			s.advance(70 * time.Minute)
		}, "no counter went back but by an authorised floor"},
		"a signature of the Recovery key that is in no entry": {func(s *stage) {
			require.NoError(s.t, s.decide(0, "recovery"))
			s.advance(4 * time.Hour)
			require.NoError(s.t, s.act(4*time.Hour, "close", "recovery"))
			files, err := filepath.Glob(filepath.Join(s.Vault().Ledger, "*.jsonl"))
			require.NoError(s.t, err)
			require.Len(s.t, files, 1)
			f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(s.t, err)
			_, err = f.WriteString(`{"number":1,"authorisation":"authorisation-1","key":"recovery-1","use":"cs02b-mode-8","digest":"` + strings.Repeat("a", 64) + `","at":"2026-03-02T10:00:00Z"}` + "\n")
			require.NoError(s.t, err)
			require.NoError(s.t, f.Close())
		}, "every signature of the Recovery or Contingency key has its decision"},
		"a device that holds another key than it said": {func(s *stage) {
			require.NoError(s.t, s.act(time.Hour, "replace", "supplier", "by", "method 1"))
			s.rest()
			root, _ := s.Fleet().Device(0).Cell(fleet.CellRoot)
			for i := range s.Fleet().Len() {
				s.Fleet().Device(i).Provision(fleet.CellSupplierAgreement, root)
			}
		}, "devices say what they hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, plot)
			c.does(s)
			require.Contains(t, s.closing(), c.want)
		})
	}
}

// Reading back: the broker asks, the devices answer under a MAC, and what they say
// is what they hold.
func TestReadBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	require.NoError(t, s.act(0, "attack", "supplier", "per hour", "20"))
	require.NoError(t, s.act(30*time.Minute, "read back", "supplier", "sample", "20"))
	e := s.entries(verbs.KindReadBack)
	require.Len(t, e, 1)
	var body verbs.ReadBack
	require.NoError(t, e[0].Decode(&body))
	require.Positive(t, body.Holding["an unknown key in the supplier's name"])
	require.Positive(t, body.Holding["the supplier's first key"])
	require.Zero(t, body.Differ)
	require.NoError(t, s.act(time.Hour, "report progress", "supplier"))
	files, err := filepath.Glob(filepath.Join(s.pack, "progress", "*.csv"))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// No PIN, no share and no private key reaches the pack.
func TestNoSecretInThePack(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	var pins []string
	for _, owner := range []string{"ca", "broker", "supplier"} {
		pin, err := os.ReadFile(s.Token(owner).PINFile)
		require.NoError(t, err)
		pins = append(pins, strings.TrimSpace(string(pin)))
	}
	require.NoError(t, s.decide(0, "recovery"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 3"))
	s.rest()
	require.Empty(t, s.closing())
	require.NoError(t, s.WritePack())
	require.NoError(t, filepath.WalkDir(s.pack, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, pin := range pins {
			require.NotContains(t, string(text), pin, path)
		}
		require.NotContains(t, string(text), "PRIVATE", path)
		return nil
	}))
}

// What the world cannot play it refuses before anything is made.
func TestRefusesScenarios(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	for name, c := range map[string]struct{ from, to, want string }{
		"a region that is none": {"rate: 10", "regions: {west: 100%}, rate: 10", `region "west"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := scenario.Parse("plot.yaml", []byte(strings.Replace(plot, c.from, c.to, 1)), verbs.Vocabulary(p))
			require.NoError(t, err)
			key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
			require.NoError(t, err)
			pack := t.TempDir()
			record, err := journal.Create(filepath.Join(pack, journal.FileName), journal.Config{Key: key, RunID: "test", Clock: time.Now})
			require.NoError(t, err)
			defer record.Close()
			_, err = verbs.New(context.Background(), verbs.Config{Scenario: s, Procedure: p, Journal: record, Pack: pack, Scratch: t.TempDir(), Epoch: time.Now()})
			require.ErrorContains(t, err, c.want)
		})
	}
}
