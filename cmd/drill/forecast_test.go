package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/forecast"
	"smki.example/drills/verbs"
)

// hoursOf reads scenario time.
func hoursOf(t *testing.T, at string) float64 {
	t.Helper()
	parts := strings.Split(at, ":")
	require.Len(t, parts, 3, at)
	d, err := time.ParseDuration(parts[0] + "h" + parts[1] + "m" + parts[2] + "s")
	require.NoError(t, err)
	return d.Hours()
}

// What a drill of 200 devices takes, command by command, is what its forecast
// says without sending one.
func TestTheForecastIsWhatTheRunTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, method  string
		choose, set []string
	}{
		{"S01", "method 1", nil, nil},
		{"S01", "method 3", []string{"recovery key=required", "method=method 3"}, nil},
		{"S02", "method 3", nil, nil}, // what the supplier did by itself before is not done again
		{"S02", "method 3", []string{"first move=wait for the pma"}, []string{"own begin=0", "own end=0"}},
		{"S09", "recovery itself", nil, nil},
		{"S10", "contingency", nil, nil},
	} {
		t.Run(c.id+" "+c.method+" "+strings.Join(c.choose, ", "), func(t *testing.T) {
			t.Parallel()
			args := []string{c.id, "--json", "--devices", "200"}
			for _, choice := range c.choose {
				args = append(args, "--choose", choice)
			}
			r, _ := played(t, args...)
			var sum struct{ Figures verbs.Figures }
			require.NoError(t, json.Unmarshal([]byte(r.out), &sum), r.out+r.err)

			args = []string{"forecast", c.id, "--devices", "200", "--runs", "10", "--json"}
			for _, set := range c.set {
				args = append(args, "--set", set)
			}
			r = drillLine(t, args...)
			require.Equal(t, clikit.Done, r.code, r.err)
			var f forecast.Forecast
			require.NoError(t, json.Unmarshal([]byte(r.out), &f))
			for _, course := range f.Courses {
				if course.ID != c.method {
					continue
				}
				took := sum.Figures.Recovery
				require.InEpsilon(t, hoursOf(t, took.Half), course.Recovered[0].Likely, 0.10, "half of the devices")
				require.InEpsilon(t, hoursOf(t, took.Most), course.Recovered[1].Likely, 0.10, "95 of 100")
				require.InDelta(t, float64(200-took.Devices), course.Missed.Likely, 1, "those that never answer")
				return
			}
			t.Fatalf("no forecast of %s", c.method)
		})
	}
}

func TestForecastOnTheCommandLine(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "f.html")
	own := filepath.Join(t.TempDir(), "own.yaml")
	r := drillLine(t, "forecast", "--national", "--key", "root", "--runs", "20", "--out", page)
	require.Equal(t, clikit.Done, r.code, r.err)
	require.Contains(t, r.out, "Relevant Devices  100,000,000, at about 30,000,000 premises")
	require.Contains(t, r.out, "Contingency key")
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(html), "100,000,000")

	r = drillLine(t, "forecast", "--write-assumptions", own)
	require.Equal(t, clikit.Done, r.code, r.err)
	require.Equal(t, clikit.Usage, drillLine(t, "forecast", "--write-assumptions", own).code, "nothing is overwritten")
	r = drillLine(t, "forecast", "--assumptions", own, "--runs", "1", "--set", "wan south=1000", "--json")
	require.Equal(t, clikit.Done, r.code, r.err)
	require.Contains(t, r.out, `"set on the command line"`)

	for line, want := range map[string]string{
		"forecast --key silver":         `key "silver": one of`,
		"forecast --set late=9":         "is a share",
		"forecast S99":                  "S99",
		"forecast --out x.pdf --runs 1": "ends in .html",
		"forecast --runs 0":             "runs: from 1",
		"forecast --assumptions nope":   "no such file",
		"forecast S01 --party Nobody":   "no party of this estate",
	} {
		r := drillLine(t, strings.Fields(line)...)
		require.Equal(t, clikit.Usage, r.code, "%s: %s", line, r.err)
		require.Contains(t, r.err, want, line)
	}
}

func TestAMeasurementReplacesTheTokensRate(t *testing.T) {
	t.Parallel()
	r := drillLine(t, "forecast", "--national", "--runs", "1", "--measure", "--json")
	needsToken(t, r)
	require.Equal(t, clikit.Done, r.code, r.err)
	var f forecast.Forecast
	require.NoError(t, json.Unmarshal([]byte(r.out), &f))
	for _, a := range f.Assumptions {
		if a.ID == "token" {
			require.Equal(t, "T", a.Mark)
			require.Contains(t, a.Source, "measured now")
			require.Greater(t, a.Likely, 1.0)
		}
	}
}
