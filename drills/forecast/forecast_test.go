package forecast_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/forecast"
)

func national(t testing.TB) forecast.Input {
	t.Helper()
	p, err := forecast.National()
	require.NoError(t, err)
	return forecast.Input{
		Estate: p.Estate, Assumptions: p.Assumptions, Custodians: p.Custodians, Needed: p.Needed, NeededParties: p.NeededOf,
		Key: "supplier", Party: "Exercise Supplier A", Runs: 50, Seed: 1,
	}
}

func run(t testing.TB, in forecast.Input) *forecast.Forecast {
	t.Helper()
	f, err := forecast.Run(context.Background(), in)
	require.NoError(t, err)
	return f
}

// set changes assumptions by words.
func set(t testing.TB, in forecast.Input, words ...string) forecast.Input {
	t.Helper()
	for _, w := range words {
		a, err := in.Assumptions.Set(w, "a test")
		require.NoError(t, err)
		in.Assumptions = a
	}
	return in
}

// certain takes all doubt out of the assumptions.
func certain(t testing.TB, in forecast.Input) forecast.Input {
	t.Helper()
	for _, a := range in.Assumptions.List() {
		a.Low, a.High = a.Likely, a.Likely
		b, err := in.Assumptions.With(a)
		require.NoError(t, err)
		in.Assumptions = b
	}
	return in
}

func course(t testing.TB, f *forecast.Forecast, id string) forecast.Course {
	t.Helper()
	i := slices.IndexFunc(f.Courses, func(c forecast.Course) bool { return c.ID == id })
	require.GreaterOrEqual(t, i, 0, "no method %q", id)
	return f.Courses[i]
}

func TestEveryKeyHasAForecastWhoseCountsAddUp(t *testing.T) {
	t.Parallel()
	for _, key := range forecast.Keys() {
		in := national(t)
		in.Key, in.Party = key, ""
		f := run(t, in)
		require.NotEmpty(t, f.Courses, key)
		for name, counts := range map[string][]forecast.Count{"region": f.Relevant.ByRegion, "type": f.Relevant.ByType, "party": f.Relevant.ByParty, "state": f.Relevant.ByState} {
			sum := 0
			for _, c := range counts {
				sum += c.Count
			}
			require.Equal(t, f.Relevant.Devices, sum, "%s by %s", key, name)
		}
		for _, c := range f.Courses {
			require.NotEmpty(t, c.Binds, "%s by %s: something must hold it up", key, c.ID)
			for k := range forecast.Shares {
				b := c.Safe[k]
				require.LessOrEqual(t, b.Low, b.High)
				if k > 0 {
					require.GreaterOrEqual(t, b.Likely, c.Safe[k-1].Likely, "%s by %s: more devices take no less time", key, c.ID)
				}
				require.GreaterOrEqual(t, c.Recovered[k].Likely, c.Safe[k].Likely-0.01, "%s by %s: nothing is recovered before it is safe", key, c.ID)
			}
			for k := 1; k < len(c.Curve); k++ {
				require.GreaterOrEqual(t, c.Curve[k].Share.Likely, c.Curve[k-1].Share.Likely-1e-6, "%s by %s: a curve does not fall", key, c.ID)
			}
		}
		_, err := json.Marshal(f)
		require.NoError(t, err)
	}
}

func TestTheSameSeedGivesTheSameForecast(t *testing.T) {
	t.Parallel()
	in := national(t)
	require.Equal(t, run(t, in), run(t, in))
	other := in
	other.Seed = 2
	require.NotEqual(t, run(t, in).Courses[0].Safe, run(t, other).Courses[0].Safe)
}

func TestALiftedLimitIsWhatBinds(t *testing.T) {
	t.Parallel()
	cases := []struct{ why, words, method, limit string }{
		{"a token that signs once a second holds everything up", "token=1", "method 3", "token"},
		{"a network that carries little in the South holds everything up", "wan south=500", "method 3", "wan south"},
		{"a party whose threshold is low waits for it", "quarantine=500", "method 1", "quarantine"},
		{"a party whose HSM is gone waits for certificates", "certificates=5000", "method 3", "certificates"},
		{"custodians on the other side of the world", "custodian travel=1000", "method 3", "custodians"},
		{"a new root that takes weeks", "ceremony=5000", "contingency", "ceremony"},
		{"gas meters that wake once in half a year", "wake=4000", "method 3", "sleepy meters"},
	}
	for _, c := range cases {
		f := run(t, certain(t, set(t, national(t), c.words)))
		require.Equal(t, c.limit, course(t, f, c.method).Binds[0].Limit, c.why)
	}
}

func TestAFlipIsWhereTheRankingTurns(t *testing.T) {
	t.Parallel()
	in := national(t)
	f := run(t, in)
	require.NotEmpty(t, f.Flips)
	for _, flip := range f.Flips {
		change := func(v float64) string {
			a := flip.Assumption
			a.Low, a.Likely, a.High = v, v, v
			b, err := in.Assumptions.With(a)
			require.NoError(t, err)
			changed := in
			changed.Assumptions, changed.Runs = b, 1
			return run(t, changed).Courses[0].ID
		}
		width := max(flip.High-flip.Low, 1e-9)
		require.Equal(t, flip.Below, change(max(flip.At-width/1000, flip.Low)), "%s just below %g", flip.ID, flip.At)
		require.Equal(t, flip.Above, change(flip.At+width/1000), "%s just above %g", flip.ID, flip.At)
	}
}

// A method is worked out once more here, device by device and dull, to hold the
// closed form against.
func TestTheCurveIsWhatDevicesOneByOneWouldDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		share := func(name string, most float64) float64 { return rapid.Float64Range(0, most).Draw(rt, name) }
		dark, slow, first := share("unreachable", 0.3), share("late", 0.3), rapid.Float64Range(0.4, 1).Draw(rt, "answer")
		from := share("late from", 5)
		to := from + share("late for", 10)
		again, wake := share("try again", 8), share("wake", 6)
		north := rapid.Float64Range(1e3, 1e5).Draw(rt, "north")
		attack := rapid.SampledFrom([]float64{0, 0, 2e4, 2e5}).Draw(rt, "attack")
		begin := share("attack from", 10)

		in := certain(t, national(t))
		in.Runs = 1
		for id, v := range map[string]float64{
			"unreachable": dark, "late": slow, "answer": first, "late from": from, "late to": to, "try again": again, "wake": wake,
			"wan north": north, "wan central": north * 2, "wan south": north / 2, "quarantine": 1e12, "token": 1e9, "certificates": 3, "attack": attack, "attack from": begin,
		} {
			was, _ := in.Assumptions.Find(id)
			was.Low, was.Likely, was.High = v, v, v
			a, err := in.Assumptions.With(was)
			require.NoError(t, err)
			in.Assumptions = a
		}
		f := run(t, in)
		c := course(t, f, "method 1")

		r := rand.New(rand.NewPCG(7, 7))
		const sample = 40000
		asleep := 0.0
		for _, x := range f.Relevant.ByType {
			if x.Name == "gsme" {
				asleep = float64(x.Count) / float64(f.Relevant.Devices)
			}
		}
		var changed []float64
		for range sample {
			region, rate := r.Float64(), north
			n := 0.30
			switch {
			case region > 0.70:
				rate = north / 2
			case region > 0.30:
				rate, n = north*2, 0.40
			}
			sent := 3 + r.Float64()*n*float64(f.Relevant.Devices)/rate
			if state := r.Float64(); state < dark {
				continue
			} else {
				delay := 0.0
				if state < dark+slow {
					delay = from + r.Float64()*(to-from)
				} else if r.Float64() < asleep {
					delay = r.Float64() * wake
				}
				for try := range 4 {
					if try == 3 {
						sent = math.Inf(1)
						break
					}
					if r.Float64() < first {
						break
					}
					sent += again
				}
				// The thief's own order: he comes to this device at a time of his.
				lost := attack > 0 && !math.IsInf(sent, 0) && begin+r.Float64()*float64(f.Relevant.Devices)/attack < sent+least(delay, state < dark+slow, from)
				if !math.IsInf(sent, 0) && !lost {
					changed = append(changed, sent+delay)
				}
			}
		}
		slices.Sort(changed)
		for _, p := range c.Curve {
			n, _ := slices.BinarySearch(changed, p.Hours)
			require.InDelta(t, float64(n)/sample, p.Share.Likely, 0.015, "at %g hours", p.Hours)
		}
		require.InDelta(t, 1-float64(len(changed))/sample, c.Missed.Likely/float64(f.Relevant.Devices), 0.015)
	})
}

// least is the delay that the model counts before a device can have been taken:
// the shortest of its kind.
func least(_ float64, late bool, from float64) float64 {
	if late {
		return from
	}
	return 0
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	in := national(t)
	for words, want := range map[string]string{
		"wan north":           "write ID=VALUE",
		"wan west=1":          "one of: decision",
		"late=two":            `"two" is no number`,
		"late=0.3..0.2..0.5":  "must not fall",
		"late=2":              "is a share",
		"token=0":             "is a rate",
		"answer=0":            "some tries must succeed",
		"late=1..2":           "LOW..LIKELY..HIGH",
		"decision=-1":         "values from 0",
		"unreachable=1..1..9": "is a share",
	} {
		_, err := in.Assumptions.Set(words, "a test")
		require.ErrorContains(t, err, want, words)
	}
	for want, change := range map[string]func(*forecast.Input){
		"runs: from 1":                  func(in *forecast.Input) { in.Runs = 0 },
		"custodians of 9 parties":       func(in *forecast.Input) { in.NeededParties = 9 },
		"custodians needed":             func(in *forecast.Input) { in.Needed = 9 },
		`key "silver": one of acb`:      func(in *forecast.Input) { in.Key = "silver" },
		`no party of this estate`:       func(in *forecast.Input) { in.Party = "Nobody" },
		"leave no device that answers":  func(in *forecast.Input) { *in = set(t, *in, "unreachable=0.6", "late=0.5") },
		"types of the estate add up to": func(in *forecast.Input) { in.Estate.Types = in.Estate.Types[1:] },
		"regions":                       func(in *forecast.Input) { in.Estate.Regions = in.Estate.Regions[:2] },
		"an estate of 0 devices":        func(in *forecast.Input) { in.Estate.Devices = 0 },
		"no type of device of this": func(in *forecast.Input) {
			in.Key = "wan provider"
			in.Estate.Types = []forecast.Type{{Type: "esme", Share: 1, Holds: []string{"supplier"}}}
		},
	} {
		bad := in
		change(&bad)
		_, err := forecast.Run(context.Background(), bad)
		require.ErrorContains(t, err, want)
	}
	_, err := forecast.ParsePack("own.yaml", []byte("id: x\nwhat: 1\n"))
	require.ErrorContains(t, err, "own.yaml:")
}

func TestACancelledForecastEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := forecast.Run(ctx, national(t))
	require.ErrorIs(t, err, context.Canceled)
}

// BenchmarkNational is the figure that the forecast was built for: a hundred
// million devices, all methods, a thousand runs.
func BenchmarkNational(b *testing.B) {
	in := national(b)
	in.Key, in.Party, in.Runs = "supplier", "", 1000
	b.ReportAllocs()
	for b.Loop() {
		run(b, in)
	}
}
