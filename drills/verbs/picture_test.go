package verbs_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/verbs"
)

// counts are those of a picture, by name, without those that are nothing.
func countsOf(states []verbs.StateCount) map[string]int {
	out := map[string]int{}
	for _, s := range states {
		if s.Count > 0 {
			out[s.Name] += s.Count
		}
	}
	return out
}

// A picture counts every device once. What nobody in the drill can know is in it, and
// not in what is seen of it: a stranger's keys until a device was asked and had one,
// and that no message reaches a device until one was sent.
func TestPicture(t *testing.T) {
	t.Parallel()
	s := newStage(t, plot)
	s.begin()
	s.advance(0)
	p := s.Picture()
	require.Equal(t, map[string]int{"not changed": 18, "out of reach": 2}, countsOf(p.States))
	require.Equal(t, map[string]int{"not changed": 20}, countsOf(p.Seen().States))
	require.Equal(t, strings.Repeat("O", 20), p.Seen().Wall)
	require.NotContains(t, p.Seen().Wall, "U")
	require.Equal(t, 2, p.SiteVisits)
	require.Zero(t, p.Seen().SiteVisits)
	require.Equal(t, []verbs.CurvePoint{{}}, p.Curve)
	for _, key := range p.Keys {
		require.False(t, key.Open || key.Called)
		require.Zero(t, key.Expected)
	}

	require.NoError(t, s.act(0, "attack", "supplier", "per hour", "10"))
	s.advance(30 * time.Minute)
	p = s.Picture()
	taken := countsOf(p.States)["in a stranger's hands"]
	require.Positive(t, taken)
	require.Equal(t, taken, strings.Count(p.Wall, "X"))
	require.Zero(t, countsOf(p.Seen().States)["in a stranger's hands"])
	for _, r := range p.Seen().Regions {
		require.Zero(t, countsOf(r.States)["in a stranger's hands"])
	}
	kept := slices.Clone(p.States)
	_ = p.Seen()
	require.Equal(t, kept, p.States, "what is seen is a copy")

	require.NoError(t, s.act(30*time.Minute, "read back", "supplier", "sample", "20"))
	p = s.Picture()
	require.Equal(t, taken, countsOf(p.Seen().States)["in a stranger's hands"], "devices said so")
	text, err := json.Marshal(p)
	require.NoError(t, err)
	var again verbs.Picture
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, p.Seen(), again.Seen(), "it can be kept as JSON")

	require.NoError(t, s.required(30*time.Minute, "recovery"))
	key := s.Picture().Keys[0]
	require.True(t, key.Called)
	require.Equal(t, 3*time.Hour+30*time.Minute, key.Expected)
	require.NoError(t, s.act(30*time.Minute, "replace", "supplier", "by", "method 3"))
	s.rest()
	p = s.Picture()
	require.Equal(t, map[string]int{"new keys": 18, "out of reach": 2}, countsOf(p.Seen().States))
	require.Equal(t, 18, p.Keys[0].Uses-2*3, "three tries at each of the two that are not reached")
}
