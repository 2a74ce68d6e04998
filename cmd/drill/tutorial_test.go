package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
)

// What the tutorial says to write and to type is written and typed, in its order:
// at its end the drill runs, and its record verifies.
func TestTutorial(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial-scenario.md"))
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "lost-laptop", scenarioFile)
	places := []string{"  - {at: 0:20,", "  - {at: 1:00,", "\n# What should have come", "  # A line with \"when\""}
	typed := 0
	for _, block := range strings.Split(string(document), "```")[1:] {
		kind, text, _ := strings.Cut(block, "\n")
		switch kind {
		case "yaml":
			// Each piece goes where the tutorial says that it belongs.
			scenario, err := os.ReadFile(file)
			require.NoError(t, err)
			before, after, found := strings.Cut(string(scenario), places[0])
			require.True(t, found, places[0])
			require.NoError(t, os.WriteFile(file, []byte(before+text+places[0]+after), 0o644))
			places = places[1:]
		case "console":
			for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
				words := commandWords(t, strings.TrimPrefix(line, "$ bin/drill "))
				for i, w := range words {
					// Names of files are the reader's; here they lie in a folder of the test.
					if i > 0 && !strings.HasPrefix(w, "-") && (strings.Contains(w, "lost-laptop") || strings.HasSuffix(w, "-run") || strings.Contains(w, ".html") || strings.Contains(w, ".pdf")) {
						words[i] = filepath.Join(dir, w)
					}
				}
				if words[0] == "run" {
					words = append(words, "--record-key", filepath.Join(dir, "record-key"))
				}
				r := drillLine(t, words...)
				require.Equal(t, clikit.Done, r.code, "%s\n%s%s", line, r.out, r.err)
				typed++
			}
		}
	}
	require.Empty(t, places)
	require.Equal(t, 9, typed)
	require.FileExists(t, filepath.Join(dir, "what-if.html"))
}

// commandWords splits a command line of the documents, which quotes with " alone.
func commandWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	require.NotEmpty(t, words)
	return words
}
