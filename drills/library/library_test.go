package library_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
	"smki.example/softhsm"
)

var update = flag.Bool("update", false, "rewrite the .want files; review the difference")

// devices is the size of the estate of the expected journals: small enough to
// read, large enough for a late and an unreachable device.
const devices = 40

// A course is what a drill led to.
type course struct {
	*engine.Result
	entries []journal.Entry
}

// masked is the journal of a course, as it stands in a .want file.
func (c *course) masked(t *testing.T) string {
	t.Helper()
	text, err := journal.Masked(c.entries)
	require.NoError(t, err)
	return string(text)
}

// asked says whether a question was put to its body.
func (c *course) asked(t *testing.T, decision string) bool {
	t.Helper()
	for _, e := range c.entries {
		if e.Kind != journal.KindQuestion {
			continue
		}
		var q journal.Question
		require.NoError(t, json.Unmarshal(e.Body, &q))
		if q.Decision == decision {
			return true
		}
	}
	return false
}

// play plays a shipped drill for real, with the script's answers but for those
// that are chosen, each DECISION=OPTION.
func play(t *testing.T, id string, seed int64, chosen ...string) *course {
	t.Helper()
	return playWith(t, id, seed, func(s *scenario.Scenario) (engine.Decider, error) {
		if len(chosen) == 0 {
			return engine.Script(), nil
		}
		return engine.ParseChoices(s, chosen, engine.Script())
	})
}

// playWith plays a shipped drill for real, with the answers of a decider.
func playWith(t *testing.T, id string, seed int64, answers func(*scenario.Scenario) (engine.Decider, error)) *course {
	t.Helper()
	return playAs(t, id, seed, func(c *engine.Config) (err error) {
		c.Decider, err = answers(c.Scenario)
		return err
	})
}

// playAs plays a shipped drill for real, as arrange arranges it.
func playAs(t *testing.T, id string, seed int64, arrange func(*engine.Config) error) *course {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load(id, verbs.Vocabulary(p))
	require.NoError(t, err)
	pack, scratch := t.TempDir(), t.TempDir()
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	path := filepath.Join(pack, journal.FileName)
	record, err := journal.Create(path, journal.Config{Key: key, RunID: "run", Clock: time.Now})
	require.NoError(t, err)
	defer record.Close()
	epoch := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	world, err := verbs.New(t.Context(), verbs.Config{
		Scenario: s, Procedure: p, Journal: record, Pack: pack, Scratch: scratch, Devices: devices, Seed: seed, Epoch: epoch,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	environment, n, versions := world.Start()
	config := engine.Config{
		Scenario: s, World: world, Journal: record, Epoch: epoch,
		Seed: seed, Environment: environment, Devices: n, Answers: "script", Versions: versions,
	}
	require.NoError(t, arrange(&config))
	result, err := engine.Run(context.Background(), config)
	require.NoError(t, err)
	entries, err := journal.ReadAll(path)
	require.NoError(t, err)
	return &course{result, entries}
}

// Every shipped drill, played with the script's answers, leads to its expected
// journal: every inject, decision, shard and finding, in order.
func TestJournals(t *testing.T) {
	t.Parallel()
	for _, id := range library.IDs() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := play(t, id, 1)
			got := c.masked(t)
			require.Equal(t, engine.Finished, c.Outcome.Outcome, "%v", c.Cause)
			require.Equal(t, engine.Held, c.Finding, "the script's answers are those that work")
			if *update {
				require.NoError(t, os.WriteFile(id+".want", []byte(got), 0o644))
			}
			want, err := library.Want(id)
			require.NoError(t, err)
			same(t, string(want), got)
		})
	}
}

// same compares journals and shows the first line that differs.
func same(t *testing.T, want, got string) {
	t.Helper()
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		require.Equal(t, a[i], b[i], "line %d of the journal; if the change is meant: go test ./drills/library -update, and review the difference", i+1)
	}
	require.Len(t, b, len(a), "the journal has another number of lines")
}

// One seed goes one way, whatever goroutines do; another seed goes another.
func TestOneSeedOneJournal(t *testing.T) {
	t.Parallel()
	first := play(t, "S02", 7).masked(t)
	same(t, first, play(t, "S02", 7).masked(t))
	require.NotEqual(t, first, play(t, "S02", 8).masked(t))
}

func TestSource(t *testing.T) {
	t.Parallel()
	file, text, err := library.Source("s01")
	require.NoError(t, err, "either case will do")
	require.Equal(t, "S01.yaml", file)
	require.Contains(t, string(text), "DRAFT, UNREVIEWED", "an answer that nobody reviewed says so")
	_, _, err = library.Source("S99")
	require.ErrorContains(t, err, `no drill "S99" is shipped: there are S01, S02`)
}
