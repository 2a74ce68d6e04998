package verbs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
	"smki.example/drills/verify"
	"smki.example/softhsm"
)

// playPack plays a scenario of testdata with the script's answers and seals its
// pack as a run does.
func playPack(t *testing.T, file string) (dir string, result *engine.Result) {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	p, err := procedure.Sample()
	require.NoError(t, err)
	s, err := scenario.Parse(file, text, verbs.Vocabulary(p))
	require.NoError(t, err)
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	dir = t.TempDir()
	record, err := journal.Create(filepath.Join(dir, journal.FileName), journal.Config{Key: key, RunID: "run", Clock: time.Now})
	require.NoError(t, err)
	defer record.Close()
	epoch := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	world, err := verbs.New(t.Context(), verbs.Config{Scenario: s, Procedure: p, Journal: record, Pack: dir, Scratch: t.TempDir(), Seed: 5, Epoch: epoch})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	environment, n, versions := world.Start()
	result, err = engine.Run(context.Background(), engine.Config{
		Scenario: s, World: world, Journal: record, Decider: engine.Script(), Epoch: epoch, Seed: 5,
		Environment: environment, Devices: n, Answers: "script", Versions: versions,
	})
	require.NoError(t, err)
	require.NoError(t, world.WritePack())
	summary, err := json.Marshal(map[string]any{
		"run": "run", "scenario": s.ID, "outcome": result.Outcome.Outcome, "finding": result.Finding, "record_key": key.Fingerprint(),
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "summary.json"), summary, 0o644))
	require.NoError(t, record.Seal(result.End))
	return dir, result
}

// Every word is played in a scenario and leaves a pack that the independent checker
// finds intact; with one octet changed in any kind of file it does not.
func TestPlayed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			dir, result := playPack(t, file)
			entries, err := journal.ReadAll(filepath.Join(dir, journal.FileName))
			require.NoError(t, err)
			for _, e := range entries {
				var held struct {
					Expect, Check, Found string
					Held                 bool
				}
				if e.Kind == journal.KindFinding || e.Kind == journal.KindClosing {
					require.NoError(t, e.Decode(&held))
					require.True(t, held.Held, "%s%s: %s\n%s", held.Expect, held.Check, held.Found, course(entries))
				}
			}
			require.Equal(t, engine.Finished, result.Outcome.Outcome, "%v", result.Cause)
			r, err := verify.Pack(dir, verify.Options{})
			require.NoError(t, err)
			require.True(t, r.Intact, r.Verdict())
			for _, name := range oneOfEachKind(t, dir) {
				path := filepath.Join(dir, name)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				changed := slices.Clone(content)
				changed[len(changed)/2] ^= 1
				require.NoError(t, os.WriteFile(path, changed, 0o644))
				r, err := verify.Pack(dir, verify.Options{})
				require.True(t, err != nil || !r.Intact, "%s was changed and nobody saw it", name)
				require.NoError(t, os.WriteFile(path, content, 0o644))
			}
		})
	}
}

// course is what a drill came to in a few lines, for whom a finding surprises.
func course(entries []journal.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		switch e.Kind {
		case journal.KindAct, journal.KindSkip, journal.KindMissed, journal.KindShard, journal.KindDecision, journal.KindCustody, verbs.KindFile, verbs.KindReadBack:
			fmt.Fprintf(&b, "%s %s %.300s\n", journal.FormatAt(e.At), e.Kind, e.Body)
		}
	}
	return b.String()
}

// oneOfEachKind chooses a file of each folder and ending.
func oneOfEachKind(t *testing.T, dir string) []string {
	t.Helper()
	kinds := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		if !d.IsDir() {
			kinds[filepath.Dir(name)+filepath.Ext(name)] = name
		}
		return err
	}))
	return slices.Sorted(maps.Values(kinds))
}

// One seed goes one way with every word, whatever goroutines and maps do.
func TestPlayedTwice(t *testing.T) {
	t.Parallel()
	masked := func() string {
		dir, _ := playPack(t, filepath.Join("testdata", "owners.yaml"))
		entries, err := journal.ReadAll(filepath.Join(dir, journal.FileName))
		require.NoError(t, err)
		text, err := journal.Masked(entries)
		require.NoError(t, err)
		return string(text)
	}
	require.Equal(t, strings.Split(masked(), "\n"), strings.Split(masked(), "\n"))
}
