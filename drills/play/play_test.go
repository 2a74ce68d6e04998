package play_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/library"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/verbs"
	"smki.example/drills/verify"
	"smki.example/softhsm"
)

// drill is a shipped drill, ready to be played with 24 devices and some answers
// chosen.
func drill(t *testing.T, id string, choices ...string) play.Config {
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
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	decider, err := engine.ParseChoices(s, choices, engine.Script())
	require.NoError(t, err)
	return play.Config{
		Scenario: s, Procedure: p, Devices: 24, Seed: 1, Pack: filepath.Join(t.TempDir(), "pack"), Scratch: t.TempDir(), RecordKey: key,
		Decider: decider, Answers: "script", Versions: map[string]string{"drill": "test"},
	}
}

// people are custodians in a room.
type people struct {
	mu     sync.Mutex
	codes  map[string]string
	calls  int
	refuse string // who keeps the share back
	slip   string // who mistypes the first time
}

func (p *people) envelope(seat, key, code string) { p.codes[seat+key] = code }

func (p *people) share(_ context.Context, call verbs.ShareCall) (string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	switch {
	case call.Seat == p.refuse:
		return "", false, nil
	case call.Seat == p.slip && call.Call == 1:
		return "wrong words", true, nil
	}
	return p.codes[call.Seat+call.Key], true, nil
}

func entriesOf(t *testing.T, cfg play.Config) []journal.Entry {
	t.Helper()
	all, err := journal.ReadAll(filepath.Join(cfg.Pack, journal.FileName))
	require.NoError(t, err)
	return all
}

// One drill from its keys to its seal, with custodians who are asked: what they did
// stands in the record, the record verifies, the keys are gone; and played again from
// the journal alone, with nobody there, it is the same.
func TestARunAndTheSameAgain(t *testing.T) {
	t.Parallel()
	cfg := drill(t, "S01", "recovery key=required", "method=method 3")
	p := &people{codes: map[string]string{}, refuse: "custodian 1", slip: "custodian 2"}
	cfg.Envelope, cfg.Share = p.envelope, p.share
	var run *play.Run
	var pictures []verbs.Picture
	told := map[string]int{}
	cfg.Told = func(at time.Duration, body any) {
		switch b := body.(type) {
		case verbs.Shard:
			picture := run.Picture()
			require.Equal(t, at, picture.At)
			pictures = append(pictures, picture)
		case verbs.Custody:
			told["custody"]++
		case verbs.KeyUse:
			require.Equal(t, 1, b.Number)
			told["key use"]++
		case verbs.CRLPublished:
			told["list"]++
		case verbs.Revoked:
			told["revoked"]++
		}
	}
	run, err := play.New(t.Context(), cfg)
	require.NoError(t, err)
	defer run.Close()
	_, err = run.Seal()
	require.ErrorContains(t, err, "not played to an end")
	end, err := run.Play(t.Context())
	require.NoError(t, err)
	require.True(t, end.Good(), "%v", end.Result)
	require.NoDirExists(t, run.Scratch(), "no key outlives the drill")
	require.Positive(t, p.calls)
	require.Equal(t, map[string]int{"custody": told["custody"], "key use": 1, "list": told["list"], "revoked": told["revoked"]}, told)
	require.GreaterOrEqual(t, told["custody"], 4, "called, not opened, opened, closed")
	require.Positive(t, told["list"])
	require.Positive(t, told["revoked"])

	for i, picture := range pictures {
		all := 0
		for _, s := range picture.States {
			all += s.Count
		}
		require.Equal(t, 24, all, "every device once")
		require.Len(t, picture.Wall, 24)
		inRegions := 0
		for _, r := range picture.Regions {
			inRegions += r.Devices
		}
		require.Equal(t, 24, inRegions)
		for _, s := range picture.States {
			require.Equal(t, s.Count, strings.Count(picture.Wall, s.Letter))
		}
		require.True(t, i == 0 || picture.Sent >= pictures[i-1].Sent)
	}
	last := run.Picture()
	require.Equal(t, last.States[0].Count, last.Curve[len(last.Curve)-1].Devices, "the curve ends where the devices are")
	require.Equal(t, "new keys", last.States[0].Name)
	require.Greater(t, last.States[0].Count, 20)

	words, err := run.Seal(func(pack string, rep *report.Report) error {
		require.Equal(t, "finished", rep.Outcome.Outcome)
		return os.WriteFile(filepath.Join(pack, "minutes.html"), []byte("more"), 0o644)
	})
	require.NoError(t, err)
	require.NoError(t, run.Close())
	result, err := verify.Pack(cfg.Pack, verify.Options{Head: words})
	require.NoError(t, err)
	require.True(t, result.Intact, "%v", result.Checks)
	was := entriesOf(t, cfg)
	require.FileExists(t, filepath.Join(cfg.Pack, play.SummaryFile))

	again, err := play.Again(was)
	require.NoError(t, err)
	again.Pack, again.Scratch, again.RecordKey, again.Decider = filepath.Join(t.TempDir(), "again"), t.TempDir(), cfg.RecordKey, again.Recording.Decider(engine.Script())
	second, err := play.New(t.Context(), again)
	require.NoError(t, err)
	defer second.Close()
	_, err = second.Play(t.Context())
	require.NoError(t, err)
	_, err = second.Seal(func(pack string, _ *report.Report) error {
		return os.WriteFile(filepath.Join(pack, "minutes.html"), []byte("more"), 0o644)
	})
	require.NoError(t, err)
	differ, err := engine.Differ(was, entriesOf(t, again), 0)
	require.NoError(t, err)
	require.Empty(t, differ)
}

// A run that broke off while custodians were asked goes on there: what was recorded
// is done again without asking, and the rest is asked of those who are in the room.
func TestARunGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	cfg := drill(t, "S01", "recovery key=required", "method=method 3")
	died := errors.New("the power failed")
	ctx, fail := context.WithCancelCause(t.Context())
	p := &people{codes: map[string]string{}, refuse: "custodian 1"}
	cfg.Envelope = p.envelope
	cfg.Share = func(ctx context.Context, call verbs.ShareCall) (string, bool, error) {
		if call.Opening == 2 {
			fail(died)
			<-ctx.Done()
			return "", false, ctx.Err()
		}
		return p.share(ctx, call)
	}
	run, err := play.New(ctx, cfg)
	require.NoError(t, err)
	defer run.Close()
	end, err := run.Play(ctx)
	require.NoError(t, err)
	require.Equal(t, engine.Aborted, end.Outcome.Outcome)
	require.Contains(t, end.Why, "the power failed")
	was := entriesOf(t, cfg)
	// A killed server writes no end: the record stops at what was last on disk.
	i := slices.IndexFunc(was, func(e journal.Entry) bool { return e.Kind == journal.KindPause })
	was = was[:i]

	again, err := play.Again(was)
	require.NoError(t, err)
	p = &people{codes: map[string]string{}}
	again.Pack, again.Scratch, again.RecordKey = filepath.Join(t.TempDir(), "again"), t.TempDir(), cfg.RecordKey
	again.Decider, again.LiveFrom, again.Envelope, again.Share = again.Recording.Decider(cfg.Decider), int64(len(was)), p.envelope, p.share
	second, err := play.New(t.Context(), again)
	require.NoError(t, err)
	defer second.Close()
	end, err = second.Play(t.Context())
	require.NoError(t, err)
	require.True(t, end.Good())
	require.Positive(t, p.calls)
	differ, err := engine.Differ(was, entriesOf(t, again), int64(len(was)))
	require.NoError(t, err)
	require.Empty(t, differ)
}

// What cannot be begun leaves nothing behind, and a pack is written once.
func TestNewLeavesNothing(t *testing.T) {
	t.Parallel()
	cfg := drill(t, "S01")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped at the keyboard"))
	_, err := play.New(ctx, cfg)
	require.ErrorContains(t, err, "stopped at the keyboard before the drill began")
	require.NoDirExists(t, cfg.Pack)
	left, err := os.ReadDir(cfg.Scratch)
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, os.Mkdir(cfg.Pack, 0o755))
	_, err = play.New(t.Context(), cfg)
	require.ErrorIs(t, err, play.ErrExists)
	require.DirExists(t, cfg.Pack)

	cfg.Decider = nil
	_, err = play.New(t.Context(), cfg)
	require.ErrorContains(t, err, "Config.Decider is missing")
}

// A forecast's curves begin with nothing, never fall, and end at the devices that can
// be reached.
func TestForecasts(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	for _, id := range library.IDs() {
		s, err := library.Load(id, verbs.Vocabulary(p))
		require.NoError(t, err)
		curves, err := play.Forecasts(t.Context(), s, p, 0)
		require.NoError(t, err, id)
		require.NotEmpty(t, curves, id)
		for _, c := range curves {
			require.Zero(t, c.Points[0].Devices, "%s %s", id, c.ID)
			for i := 1; i < len(c.Points); i++ {
				require.GreaterOrEqual(t, c.Points[i].Devices, c.Points[i-1].Devices)
				require.Greater(t, c.Points[i].At, c.Points[i-1].At)
			}
			require.LessOrEqual(t, c.Points[len(c.Points)-1].Devices, s.Estate.Devices)
			require.True(t, c.Sample)
		}
	}
}
