package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/scenario"
)

// A new drill can be checked and played as it stands, and is held against.
func TestNew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mine")
	r := drillLine(t, "new", dir)
	require.Equal(t, clikit.Done, r.code, r.err)
	file := filepath.Join(dir, scenarioFile)
	require.Contains(t, r.out, "it can be played")
	require.Equal(t, clikit.Done, drillLine(t, "check", file).code)
	schema, err := os.ReadFile(filepath.Join(dir, schemaFile))
	require.NoError(t, err)
	require.Equal(t, string(scenario.Schema()), string(schema))
	run, pack := played(t, file)
	require.Equal(t, clikit.Done, run.code, run.err)
	require.Equal(t, clikit.Done, drillLine(t, "verify", pack).code)
	run, _ = played(t, file, "--choose", "replace=no")
	require.Equal(t, clikit.Failed, run.code, "the other answer is told from the expected one")

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	formatted, err := scenario.Format(file, text)
	require.NoError(t, err)
	require.NotEmpty(t, formatted)

	r = drillLine(t, "new", dir)
	require.Equal(t, clikit.Usage, r.code)
	require.Contains(t, r.err, "exists already")
}

func TestNewLike(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ours")
	r := drillLine(t, "new", dir, "--like", "S02")
	require.Equal(t, clikit.Done, r.code, r.err)
	check := drillLine(t, "check", filepath.Join(dir, scenarioFile))
	require.Equal(t, clikit.Done, check.code, check.err)
	require.Contains(t, check.out, "S02-ours")
	r = drillLine(t, "new", dir+"2", "--like", "S99")
	require.Equal(t, clikit.Usage, r.code)
	require.NoDirExists(t, dir+"2")
	r = drillLine(t, "new", dir+"2", "--like", "S02", "--from", "x.csv")
	require.Equal(t, clikit.Usage, r.code)
}

// A planner's list becomes a drill; what could not be read is named by its place.
func TestNewFromAPlannersList(t *testing.T) {
	t.Parallel()
	list := filepath.Join("..", "..", "drills", "msel", "testdata", "planner.csv")
	dir := filepath.Join(t.TempDir(), "quiet-line")
	r := drillLine(t, "new", dir, "--from", list, "--json")
	require.Equal(t, clikit.Done, r.code, r.err)
	var said struct {
		Playable bool
		Errors   []string
		Remarks  []string
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &said))
	require.NotEmpty(t, said.Remarks, "what was read otherwise than written is told")
	check := drillLine(t, "check", filepath.Join(dir, scenarioFile))
	require.Equal(t, said.Playable, check.code == clikit.Done, check.err)
	r = drillLine(t, "new", dir+"2", "--from", filepath.Join(dir, schemaFile))
	require.Equal(t, clikit.Failed, r.code, r.out)
	require.NoDirExists(t, dir+"2")
}
