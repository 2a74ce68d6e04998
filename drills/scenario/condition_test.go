package scenario_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/scenario"
)

// set is a set of devices at run time.
type set struct{ count, of int }

func (set) TypeName() string { return "devices" }

func (s set) Get(field string) (any, error) {
	switch field {
	case "count":
		return s.count, nil
	case "share":
		return float64(s.count) / float64(s.of), nil
	case "reachable":
		return set{s.count - 1, s.of}, nil
	case "changed":
		return nil, errors.New("the inventory is being rebuilt")
	}
	return nil, errors.New("no " + field)
}

func (s set) Call(method string, args []any) (any, error) {
	if method == "holding" && args[0] == "supplier" {
		return set{s.count / 2, s.of}, nil
	}
	return set{0, s.of}, nil
}

type list struct{}

func (list) TypeName() string { return "crl" }
func (list) Get(field string) (any, error) {
	if field == "number" {
		return int64(7), nil
	}
	return time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), nil
}
func (list) Call(string, []any) (any, error) { return nil, errors.New("nothing to call") }

func names() map[string]any {
	return map[string]any{
		"fleet": set{10, 20}, "now": time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), "elapsed": 40 * time.Minute,
		"chosen": scenario.Chosen{"method": "method 1"},
		"crl":    scenario.Func(func(args []any) (any, error) { return list{}, nil }),
	}
}

// condition puts an expression into the example and takes it out compiled.
func condition(t *testing.T, expression string) *scenario.Condition {
	t.Helper()
	text := strings.Replace(whole(t), `fleet.reachable.holding("supplier").share == 1.0`, `|-`+"\n      "+expression, 1)
	s, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
	require.NoError(t, err)
	require.Equal(t, expression, s.Steady[0].Expect.Source)
	return s.Steady[0].Expect
}

func TestConditionsTellWhatWasFound(t *testing.T) {
	t.Parallel()
	rows := []struct {
		expression string
		held       bool
		found      string
	}{
		{`fleet.count == 10`, true, `fleet.count was 10`},
		{`fleet.share > 0.75`, false, `fleet.share was 0.5`},
		{`fleet.holding("supplier").count == fleet.reachable.count`, false, `fleet.holding("supplier").count was 5; fleet.reachable.count was 9`},
		{`fleet.count > 0 && fleet.share < 1.0`, true, `fleet.count was 10; fleet.share was 0.5`},
		{`fleet.count > 10 && fleet.share < 1.0`, false, `fleet.count was 10`},
		{`!(fleet.count > 10) || fleet.changed.count > 0`, true, `fleet.count was 10`},
		{`crl("issuing-oca").next_update - now > duration("12h")`, true, `crl("issuing-oca").next_update - now was 24h0m0s; duration("12h") was 12h0m0s`},
		{`crl("root-oca").number >= 7`, true, `crl("root-oca").number was 7`},
		{`now < timestamp("2027-01-01T00:00:00Z")`, true, `now was 2026-11-24T09:00:00Z; timestamp("2027-01-01T00:00:00Z") was 2027-01-01T00:00:00Z`},
		{`elapsed >= duration("40m")`, true, `elapsed was 40m0s; duration("40m") was 40m0s`},
		{`chosen.method in ["method 1", "method 3"]`, true, `chosen.method was "method 1"; ["method 1", "method 3"] was ["method 1", "method 3"]`},
		{`chosen.method == ""`, false, `chosen.method was "method 1"`},
		{`fleet.count > 5 ? fleet.share == 0.5 : false`, true, `fleet.count was 10; fleet.share was 0.5`},
		{`[1, 2].exists(x, x == fleet.count)`, false, `[1, 2].exists(x, x == fleet.count) was false`},
	}
	for _, row := range rows {
		t.Run(row.expression, func(t *testing.T) {
			c := condition(t, row.expression)
			for range 2 {
				held, found, err := c.Holds(names())
				require.NoError(t, err)
				require.Equal(t, row.held, held)
				require.Equal(t, row.found, found)
			}
		})
	}
}

func TestConditionsThatFail(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, expression, want string }{
		{"the world cannot say", `fleet.changed.count == 0`, "the inventory is being rebuilt"},
		{"a call that fails", `fleet.holding("supplier").changed.count == 0`, "the inventory is being rebuilt"},
		{"dividing by nothing", `fleet.count / (fleet.count - 10) == 1`, "division by zero"},
		{"two sets compared", `fleet == fleet.reachable`, "cannot be compared"},
		{"counting for ever", `[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, [1,2,3,4,5,6,7,8,9,10].map(f, a+b+c+d+e+f)))))).size() > 0`, "cost limit"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := condition(t, row.expression).Holds(names())
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "evaluating")
		})
	}
	without := names()
	delete(without, "crl")
	_, _, err := condition(t, `crl("root-oca").number >= 7`).Holds(without)
	require.ErrorContains(t, err, `the world has no function "crl"`)
}

func TestConditionsRefused(t *testing.T) {
	t.Parallel()
	good := whole(t)
	rows := []struct{ name, expression, want string }{
		{"a number where a party belongs", `fleet.holding(3).count > 0`, `holding cannot be asked of devices.(int): it is written devices.holding(party)`},
		{"a function without its argument", `crl().number > 0`, `crl cannot be asked of (): it is written crl(issuer)`},
		{"a party without quotes", `fleet.holding(supplier).count > 0`, `unknown name "supplier": texts stand in quotes, as in "supplier"`},
		{"a part of a number", `fleet.count.share > 0`, `nothing stands behind the point of a value of kind int`},
		{"a thing that is made", `devices{count: 1}.count == 1`, `TestConditionsRefused`},
		{"a name that is no decision", `chosen.methd == "method 1"`, `there is no "methd" here: did you mean "method"?`},
		{"an option in a list", `chosen.method in ["method 1", "method 4"]`, `decision "method" has no option "method 4"`},
		{"a half", `fleet.count == 0 &&`, `this is not an expression`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(good, `expect: fleet.reachable.holding("supplier").share == 1.0`, "expect: '"+row.expression+"'", 1)
			s, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
			if row.name == "a thing that is made" {
				// CEL takes it; asking it fails, because nothing in a scenario can make a set.
				require.NoError(t, err)
				_, _, err = s.Steady[0].Expect.Holds(names())
				require.ErrorContains(t, err, "cannot be made in a scenario")
				return
			}
			require.ErrorContains(t, err, row.want)
			require.Regexp(t, `^x\.yaml:15:\d+: `, err.Error())
		})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("x.yaml", []byte(whole(t)), vocabulary())
	require.NoError(t, err)
	key, _ := s.Decision("recovery key")
	got, err := key.Shows[0].Value.Value(names())
	require.NoError(t, err)
	require.Equal(t, "5", got)
	_, _, err = key.Shows[0].Value.Holds(names())
	require.ErrorContains(t, err, "neither true nor false")
	require.False(t, key.Shows[0].Value.Final())

	for i := range s.Timeline {
		if item := &s.Timeline[i]; item.When != nil {
			require.True(t, item.If.Final(), "it looks at a decision alone")
			require.False(t, item.When.Final())
			require.Equal(t, "revoke supplier old certificates", item.String())
		}
	}
	party, ok := s.Party("supplier")
	require.True(t, ok)
	require.Equal(t, "Exercise Supplier A", party.Name)
	_, ok = s.Party("nobody")
	require.False(t, ok)
	require.Equal(t, "chosen.recovery_key", scenario.Value{Chosen: "recovery key"}.String())
	require.Equal(t, []string{"dcc", "pma"}, []string{s.Vocabulary().Bodies[0].ID, s.Vocabulary().Bodies[1].ID})
}

// An `if` that leaves an option out makes a parameter fit that else would not.
func TestAnIfLeavesAnOptionOut(t *testing.T) {
	t.Parallel()
	text := strings.Replace(whole(t), "      method 3: {says: the DCC does it with the Recovery key}\n",
		"      method 3: {says: the DCC does it with the Recovery key}\n      none: {says: nothing is done}\n", 1)
	_, err := scenario.Parse("x.yaml", []byte(text), vocabulary())
	require.ErrorContains(t, err, `chosen.method may be "none", which does not do for "by"`)
	text = strings.Replace(text, "{at: 1:00, do:", `{at: 1:00, if: chosen.method != "none", do:`, 1)
	_, err = scenario.Parse("x.yaml", []byte(text), vocabulary())
	require.NoError(t, err)
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{"0:40": 40 * time.Minute, "36:00": 36 * time.Hour, "0:00:30": 30 * time.Second} {
		got, err := scenario.ParseTime(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, in, scenario.FormatTime(got))
	}
	for in, want := range map[string]time.Duration{"1 minute": time.Minute, "40 minutes": 40 * time.Minute, "2 days": 48 * time.Hour, "90 seconds": 90 * time.Second} {
		got, err := scenario.ParseDuration(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for in, want := range map[string]float64{"0%": 0, "2.5%": 0.025, "100%": 1, "1/50": 0.02} {
		got, err := scenario.ParseShare(in)
		require.NoError(t, err)
		require.InDelta(t, want, got, 1e-12)
	}
	rate, err := scenario.ParseRate("31,200 an hour (assumed)")
	require.NoError(t, err)
	require.Equal(t, scenario.Rate{PerHour: 31200, Note: "assumed"}, rate)
	for _, bad := range []string{"", "40", "1:60", "9999:00", "-1:00"} {
		_, err := scenario.ParseTime(bad)
		require.Error(t, err, bad)
	}
	for _, bad := range []string{"", "40", "40 weeks", "999999 days", "-1 minute"} {
		_, err := scenario.ParseDuration(bad)
		require.Error(t, err, bad)
	}
	for _, bad := range []string{"", "2", "101%", "1/0", "3/2", "-1%"} {
		_, err := scenario.ParseShare(bad)
		require.Error(t, err, bad)
	}
	for _, bad := range []string{"", "700", "0 an hour", "700 an hour ()", "99999999999 an hour"} {
		_, err := scenario.ParseRate(bad)
		require.Error(t, err, bad)
	}
	for _, bad := range []string{"", "-1", "1.5", "99999999999"} {
		_, err := scenario.ParseNumber(bad)
		require.Error(t, err, bad)
	}
}
