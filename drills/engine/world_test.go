package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

var epoch = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// world is ten devices that take new certificates one every ten minutes.
type world struct {
	t       testing.TB
	j       *journal.Journal
	now     time.Duration
	due     []due
	opened  []engine.Authorisation
	acts    []engine.Action
	devices devices

	actErr       func(engine.Action) error // what Act answers; the act itself is recorded first
	authoriseErr error
	advanceErr   error
	closingErr   error
	before       func(engine.Action) // looks on before an act
	broken       bool                // a closing check does not hold
	restless     bool
}

type due struct {
	at time.Duration
	do func()
}

type devices struct{ trusting, recovered int64 }

func (*devices) TypeName() string { return "devices" }
func (d *devices) Get(field string) (any, error) {
	switch field {
	case "trusting":
		return d.trusting, nil
	case "recovered":
		return d.recovered, nil
	}
	return nil, fmt.Errorf("no %s", field)
}
func (*devices) Call(string, []any) (any, error) { return nil, fmt.Errorf("nothing to call") }

func (w *world) Act(_ context.Context, at time.Duration, a engine.Action) error {
	require.GreaterOrEqual(w.t, at, w.now, "time went back")
	require.Equal(w.t, w.now, at, "the world was not advanced to the time of the act")
	if w.before != nil {
		w.before(a)
	}
	w.acts = append(w.acts, a)
	if w.actErr != nil {
		if err := w.actErr(a); err != nil {
			return err
		}
	}
	if a.Verb != "replace" {
		return nil
	}
	if a.Params["by"] == "method 3" && len(w.opened) == 0 {
		return fmt.Errorf("using the recovery key: no decision has opened it: %w", engine.ErrRefused)
	}
	for i := range 10 {
		w.due = append(w.due, due{at + time.Duration(i+1)*10*time.Minute, func() { w.devices.recovered++ }})
	}
	return nil
}

func (w *world) Authorise(_ context.Context, _ time.Duration, a engine.Authorisation) error {
	if w.authoriseErr != nil {
		return w.authoriseErr
	}
	w.opened = append(w.opened, a)
	return nil
}

func (w *world) Next() (time.Duration, bool) {
	if w.restless {
		return w.now + time.Hour, true
	}
	if len(w.due) == 0 {
		return 0, false
	}
	sort.SliceStable(w.due, func(a, b int) bool { return w.due[a].at < w.due[b].at })
	return w.due[0].at, true
}

func (w *world) Advance(_ context.Context, to time.Duration) error {
	require.GreaterOrEqual(w.t, to, w.now, "time went back")
	for len(w.due) > 0 {
		if at, _ := w.Next(); at > to {
			break
		}
		d := w.due[0]
		w.due = w.due[1:]
		d.do()
		if _, _, err := w.j.Append(journal.KindShard, d.at, map[string]any{"recovered": w.devices.recovered}); err != nil {
			return err
		}
	}
	w.now = to
	return w.advanceErr
}

func (w *world) Names() map[string]any {
	return map[string]any{"fleet": &w.devices, "weather": scenario.Func(func(args []any) (any, error) {
		if args[0] == "moon" {
			return nil, fmt.Errorf("there is no weather on the moon")
		}
		return "fine", nil
	})}
}

func (w *world) Closing(context.Context) ([]engine.Check, error) {
	return []engine.Check{{Name: "no serial twice", Held: !w.broken, Found: "0 twice"}}, w.closingErr
}

func (w *world) Summary(context.Context) (map[string]any, error) {
	return map[string]any{"recovered": w.devices.recovered}, nil
}

func vocabulary() scenario.Vocabulary {
	return scenario.Vocabulary{
		Verbs: []scenario.Verb{
			{Name: "replace", Object: scenario.Param{Name: "party", Kind: scenario.PartyID}, Params: []scenario.Param{
				{Name: "by", Kind: scenario.Choice, Values: []string{"method 1", "method 3"}, Required: true},
				{Name: "share", Kind: scenario.Share, Default: "50%"}, {Name: "every", Kind: scenario.Duration}, {Name: "until", Kind: scenario.Time},
				{Name: "batch", Kind: scenario.Number}, {Name: "quietly", Kind: scenario.Flag},
			}},
			{Name: "revoke", Object: scenario.Param{Name: "certificates", Kind: scenario.Phrase, Values: []string{"{party} old certificates"}}},
		},
		Types:      []scenario.Type{{Name: "devices", Fields: []scenario.Name{{Name: "trusting", Type: "int"}, {Name: "recovered", Type: "int"}}}},
		Names:      []scenario.Name{{Name: "fleet", Type: "devices"}},
		Functions:  []scenario.Function{{Name: "weather", Params: []scenario.Param{{Name: "where", Kind: scenario.Text}}, Result: "string"}},
		Bodies:     []scenario.Body{{ID: "dcc"}, {ID: "pma", Quorum: 2, Members: []scenario.Member{{ID: "chair", Vote: true}, {ID: "large", Vote: true}, {ID: "small", Vote: true}, {ID: "authority"}}}},
		Recipients: []string{"panel"},
		Channels:   []string{"mail", "call"},
		Labels:     []string{"WHITE"},
		Keys:       []string{"recovery"},
		Categories: []string{"large supplier"},
		Roles:      []string{"supplier"},
		Steps:      []scenario.Step{{ID: "method-1"}},
		Factors:    []scenario.Factor{{ID: "evidence", Force: "shall"}, {ID: "cost", Force: "may"}},
	}
}

func drill(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/drill.yaml")
	require.NoError(t, err)
	return string(b)
}

// fixture is a run about to start, to be changed by a test before it does.
type fixture struct {
	t     testing.TB
	world *world
	c     engine.Config
	path  string
}

func newFixture(t testing.TB, text string) *fixture {
	t.Helper()
	return newFixtureIn(t, t.TempDir(), text, vocabulary())
}

func newFixtureIn(t testing.TB, dir, text string, v scenario.Vocabulary) *fixture {
	t.Helper()
	s, err := scenario.Parse("drill.yaml", []byte(text), v)
	require.NoError(t, err)
	key, err := journal.LoadKey(filepath.Join(dir, "record.key"))
	require.NoError(t, err)
	path := filepath.Join(dir, journal.FileName)
	now := epoch
	j, err := journal.Create(path, journal.Config{Key: key, RunID: "run", Clock: func() time.Time { now = now.Add(time.Second); return now }})
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	w := &world{t: t, j: j, devices: devices{trusting: 10}}
	return &fixture{t: t, world: w, path: path, c: engine.Config{Scenario: s, World: w, Journal: j, Decider: engine.Script(), Epoch: epoch, Seed: 7, Environment: "drill", Answers: "script"}}
}

func (f *fixture) run(ctx context.Context) *engine.Result {
	f.t.Helper()
	r, err := engine.Run(ctx, f.c)
	require.NoError(f.t, err)
	require.Equal(f.t, f.c.Journal.Words(), r.Words)
	return r
}

func (f *fixture) entries() []journal.Entry {
	f.t.Helper()
	entries, err := journal.ReadAll(f.path)
	require.NoError(f.t, err)
	return entries
}

// bodies reads the entries of one kind.
func bodies[T any](f *fixture, kind journal.Kind) []T {
	f.t.Helper()
	out := []T{}
	for _, e := range f.entries() {
		if e.Kind == kind {
			var v T
			require.NoError(f.t, e.Decode(&v))
			out = append(out, v)
		}
	}
	return out
}

// decider is a function as a Decider.
type decider func(engine.Question) (engine.Answer, error)

func (d decider) Decide(_ context.Context, q engine.Question) (engine.Answer, error) { return d(q) }
