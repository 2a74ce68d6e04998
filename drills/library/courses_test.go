package library_test

import (
	"context"
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/library"
	"smki.example/drills/scenario"
)

// axis is one question of a drill with the answers to try, each one choice or
// several that belong together.
type axis [][]string

func axisOf(decision string, options ...string) axis {
	var a axis
	for _, o := range options {
		a = append(a, []string{decision + "=" + o})
	}
	return a
}

// product is every combination.
func product(axes ...axis) [][]string {
	out := [][]string{nil}
	for _, a := range axes {
		var next [][]string
		for _, before := range out {
			for _, choice := range a {
				next = append(next, slices.Concat(before, choice))
			}
		}
		out = next
	}
	return out
}

var every = flag.Bool("every", false, "play every combination of options; that takes many minutes")

// spread goes through every combination of the first axes and walks through those
// of rest beside them, because the whole product takes many minutes: see -every.
func spread(all, rest [][]string) [][]string {
	if *every {
		return product(all, rest)
	}
	var out [][]string
	for i := range max(len(all), len(rest)) {
		out = append(out, slices.Concat(all[i%len(all)], rest[(i*7+i/len(all))%len(rest)]))
	}
	return out
}

// The methods that a supplier may ask for, and what it chooses when it asked for
// Method 1 and the Recovery key is required.
var asksFor = axis{
	{"method=method 2"}, {"method=method 3"},
	{"method=method 1", "with the key=method 2"}, {"method=method 1", "with the key=method 3"},
}

// Where the Recovery key is required in the end, however often the PMA adjourned
// and whatever else was decided, it is used, by the method that was chosen, and
// closed again; and every device that can be reached has the new keys.
func TestRequiredKeyIsUsed(t *testing.T) {
	t.Parallel()
	courses := map[string][][]string{
		"S01": spread(
			product(axisOf("recovery key", "required", "adjourn,required", "adjourn,adjourn,required"), asksFor),
			product(axisOf("confirm", "call back", "accept the caller", "wait for writing"), axisOf("revoke", "when done", "at once", "not now")),
		),
		"S02": spread(
			product(axisOf("recovery key", "required", "adjourn,required", "contingency,required", "adjourn,contingency,adjourn,required"), asksFor),
			product(axisOf("first move", "method 1 at once", "ask for a freeze first", "wait for the pma"), axisOf("freeze", "hold all traffic", "let it run"),
				axisOf("intruder certificates", "revoke them now", "revoke all of them", "leave them")),
		),
	}
	for id, all := range courses {
		for _, chosen := range all {
			t.Run(nameOf(id, chosen), func(t *testing.T) {
				t.Parallel()
				c := play(t, id, 1, chosen...)
				followed(t, c)
				require.Greater(t, c.Figures["recovery_uses"], 0.0, "the key is opened to be used")
				method := "method 2"
				if slices.Contains(chosen, "method=method 3") || slices.Contains(chosen, "with the key=method 3") {
					method = "method 3"
				}
				require.Contains(t, c.Figures["methods"], method)
				require.False(t, c.asked(t, "without the key"))
				ends := c.Figures["ends"].(map[string]any)
				require.Zero(t, ends["under the broker"])
				require.Equal(t, c.Figures["reachable"], ends["recovered"])
				open := slices.Contains(chosen, "revoke=not now") || slices.Contains(chosen, "intruder certificates=leave them")
				require.Equal(t, open, c.Finding == engine.NotHeld, "only certificates that nobody revokes are against it")
			})
		}
	}
}

// Where the Recovery key is not required, nothing is done with it; who asked for it
// is asked what he does instead; and somebody is asked about the certificates of
// the stolen key.
func TestWithoutTheKey(t *testing.T) {
	t.Parallel()
	instead := axis{
		{"method=method 1"},
		{"method=method 2", "without the key=method 1"}, {"method=method 3", "without the key=method 1"}, {"method=method 3", "without the key=wait"},
	}
	courses := map[string][][]string{
		"S01": product(axisOf("recovery key", "not required", "adjourn,adjourn,adjourn"), instead),
		"S02": spread(
			product(axisOf("recovery key", "not required", "adjourn,adjourn,adjourn", "contingency,not required"), instead),
			product(axisOf("freeze", "hold all traffic", "let it run"), axisOf("lift the hold", "lift it", "keep it"),
				axisOf("stolen certificates", "revoke them", "leave them"), axisOf("intruder certificates", "revoke them now", "revoke all of them")),
		),
	}
	for id, all := range courses {
		for _, chosen := range all {
			t.Run(nameOf(id, chosen), func(t *testing.T) {
				t.Parallel()
				c := play(t, id, 1, chosen...)
				followed(t, c)
				require.Zero(t, c.Figures["recovery_uses"])
				for _, m := range c.Figures["methods"].([]any) {
					require.Equal(t, "method 1", m)
				}
				require.Equal(t, !slices.Contains(chosen, "method=method 1"), c.asked(t, "without the key"))
				require.False(t, c.asked(t, "with the key"))
				if id == "S01" {
					require.True(t, c.asked(t, "revoke"))
					return
				}
				require.Equal(t, slices.Contains(chosen, "freeze=hold all traffic"), c.asked(t, "lift the hold"))
				require.Equal(t, !slices.Contains(chosen, "intruder certificates=revoke all of them"), c.asked(t, "stolen certificates"))
			})
		}
	}
}

// nameOf is a name for a test, whose folders carry it: SoftHSM's configuration
// takes no equals sign in a path.
func nameOf(id string, chosen []string) string {
	return id + " " + strings.ReplaceAll(strings.Join(chosen, ", "), "=", ": ")
}

// Where nobody answers anything, no key is opened, the drill comes to its end and
// says what came of that.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, id := range library.IDs() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := playWith(t, id, 1, func(*scenario.Scenario) (engine.Decider, error) { return silent{}, nil })
			followed(t, c)
			require.Zero(t, c.Figures["recovery_uses"])
			if id == "S02" {
				require.Equal(t, engine.NotHeld, c.Finding)
			}
		})
	}
}

type silent struct{}

func (silent) Decide(context.Context, engine.Question) (engine.Answer, error) {
	return engine.Answer{Silent: true}, nil
}

// followed requires that a drill was played to its end and that nothing which its
// script does was refused or waited in vain: the course follows what was decided.
func followed(t *testing.T, c *course) {
	t.Helper()
	require.Equal(t, engine.Finished, c.Outcome.Outcome, "%v", c.Cause)
	require.Zero(t, c.Refused, "%v", c.Figures["refused_steps"])
	require.Zero(t, c.Skipped)
}
