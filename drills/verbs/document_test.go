package verbs_test

import (
	"crypto"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

const sha256Options = crypto.SHA256

// The tables of verbs and names in the manual are those of this package and of the
// procedure pack.
func TestDocument(t *testing.T) {
	t.Parallel()
	const document = "../../docs/drill-language.md"
	p, err := procedure.Sample()
	require.NoError(t, err)
	b, err := os.ReadFile(document)
	require.NoError(t, err)
	before, inside, after, err := scenario.Section(string(b), scenario.SectionVocabulary)
	require.NoError(t, err)
	table := scenario.VocabularyTable(verbs.Vocabulary(p))
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(before+table+after), 0o644))
		return
	}
	require.Equal(t, table, inside, "run go test ./drills/verbs -run TestDocument -update")
}
