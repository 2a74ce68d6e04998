package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/journal"
)

func TestAReplayAndABranchThatChangesNothingHaveTheSameJournal(t *testing.T) {
	t.Parallel()
	r, dir := played(t, "S02", "--choose", "recovery key=adjourn,required", "--seed", "5")
	require.Contains(t, []clikit.Code{clikit.Done, clikit.Failed}, r.code, r.err)
	key := filepath.Join(t.TempDir(), "record.key")

	out := filepath.Join(t.TempDir(), "again")
	r = drillLine(t, "replay", dir, "--out", out, "--record-key", key)
	require.Equal(t, clikit.Done, r.code, r.err)
	require.Contains(t, r.err, "the two journals are equal")
	require.Equal(t, clikit.Done, drillLine(t, "verify", out).code, "a replay's record is a record")

	out = filepath.Join(t.TempDir(), "same")
	r = drillLine(t, "branch", dir, "--at", "recovery key", "--choose", "required", "--out", out, "--record-key", key)
	require.Contains(t, r.err, "the two journals are equal", r.out)

	out = filepath.Join(t.TempDir(), "other")
	r = drillLine(t, "branch", dir, "--at", "recovery key#1", "--choose", "required", "--out", out, "--record-key", key)
	require.Contains(t, r.err, "up to the decision", r.out)
	require.Contains(t, []clikit.Code{clikit.Done, clikit.Failed}, r.code, r.err)
	text, err := os.ReadFile(filepath.Join(out, journal.FileName))
	require.NoError(t, err)
	require.Contains(t, string(text), "branch of run S02-")
	require.Equal(t, clikit.Done, drillLine(t, "verify", out).code)
	require.Equal(t, clikit.Done, drillLine(t, "compare", dir, out).code)
}

func TestWhatCannotBePlayedAgainIsNamed(t *testing.T) {
	t.Parallel()
	_, dir := played(t, "S01")
	out := filepath.Join(t.TempDir(), "out")
	for line, want := range map[string]string{
		"branch DIR --at nothing --choose x":            "no decision",
		"branch DIR --at confirm --choose x":            `"x" was not offered`,
		"branch DIR --at confirm#2 --choose call back":  "was not asked 2 times",
		"branch DIR --at confirm#no --choose call back": "the number of the asking",
		"replay nowhere": "there is no folder",
	} {
		var args []string
		for _, a := range strings.Fields(line) {
			args = append(args, strings.Replace(a, "DIR", dir, 1))
		}
		if i := strings.Index(line, "--choose call back"); i > 0 {
			args = append(args[:len(args)-2], "call back")
		}
		r := drillLine(t, append(args, "--out", out)...)
		require.Equal(t, clikit.Usage, r.code, "%s: %s", line, r.err)
		require.Contains(t, r.err, want, line)
		require.NoDirExists(t, out, "nothing is begun")
	}
	// A journal with another scenario in it than its hash says.
	file := filepath.Join(dir, journal.FileName)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte("backup tape"), []byte("backup reel"), 1), 0o644))
	r := drillLine(t, "replay", dir, "--out", out)
	require.NotEqual(t, clikit.Done, r.code)
	require.Contains(t, r.err, "drill verify")
}
