package scenario_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/scenario"
)

const document = "../../docs/drill-language.md"

// The table of words in the manual is the schema's, and the example in it is a
// scenario that can be played.
func TestDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(document)
	require.NoError(t, err)
	before, inside, after, err := scenario.Section(string(b), scenario.SectionWords)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(before+scenario.WordTable()+after), 0o644))
		return
	}
	require.Equal(t, scenario.WordTable(), inside, "run go test -update")
	_, _, _, err = scenario.Section(string(b), scenario.SectionVocabulary)
	require.NoError(t, err)
	_, _, _, err = scenario.Section(string(b), "weather")
	require.ErrorContains(t, err, `no section "weather"`)

	_, example, _ := strings.Cut(string(b), "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	require.True(t, ok)
	example = strings.Replace(example, "assessed: {evidence: confirmed by a call back}", "assessed: {evidence: confirmed by a call back, race: nobody is}", 1)
	_, err = scenario.Parse("docs/drill-language.md", []byte(example), vocabulary())
	require.NoError(t, err)
}

func TestEveryWordSaysSomething(t *testing.T) {
	t.Parallel()
	words := scenario.Words()
	require.Greater(t, len(words), 60)
	seen := map[string]bool{}
	for _, w := range words {
		require.NotEmpty(t, w.Says, "%s of %s", w.Word, w.In)
		seen[w.In+"/"+w.Word] = true
	}
	for _, want := range []string{"/drill", "estate/rate", "item/when", "decision/on silence", "option/opens", "consequence/after"} {
		require.True(t, seen[want], want)
	}
}

func TestVocabularyTable(t *testing.T) {
	t.Parallel()
	table := scenario.VocabularyTable(vocabulary())
	for _, want := range []string{
		"| `replace` | a party | replaces a party's certificates on the devices |",
		"| &nbsp;&nbsp;`by` | `method 1`, `method 2`, `method 3` | the method (needed) |",
		"| &nbsp;&nbsp;`batch` | a whole number | (if absent: 1000) |",
		"| `revoke` | `PARTY old certificates`, `everything` | revokes certificates |",
		"| `fleet` | devices |  |",
		"| `crl(issuer)` | crl |  |",
		"**Of devices**: a set of devices",
		"| `.count` | int | how many |",
		"| `.holding(party)` | devices |  |",
	} {
		require.Contains(t, table, want)
	}
}
