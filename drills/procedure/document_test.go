package procedure_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

var update = flag.Bool("update", false, "rewrite the generated sections of the manuals")

func joined(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + w + "`"
	}
	return strings.Join(out, ", ")
}

// wordTable is what a pack may say where a word comes from a list.
func wordTable() string {
	var b strings.Builder
	for _, row := range [][2]string{
		{"phase", joined(procedure.Phases())},
		{"majority", joined(procedure.Majorities())},
		{"casting vote", "a member's id, or `" + procedure.None + "`"},
		{"conflict", joined(procedure.Conflicts())},
		{"decision", "a body's id, or `" + procedure.None + "`"},
		{"opens, keys of a factor", joined(procedure.Secrets()[:2])},
		{"key of a custody", joined(procedure.Secrets())},
		{"force", "`shall`, `may`"},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	return b.String()
}

// packTable is what the sample lends to scenarios.
func packTable(p *procedure.Pack) string {
	var b strings.Builder
	b.WriteString("| step | phase | what is done |\n| --- | --- | --- |\n")
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.ID, s.Phase, s.Says)
	}
	b.WriteString("\n| body (`of`) | who | quorum |\n| --- | --- | --- |\n")
	for _, x := range p.Bodies {
		quorum := "answers without a vote"
		if x.Quorum > 0 {
			quorum = fmt.Sprintf("%d of %d votes, %s", x.Quorum, x.Votes(), x.Majority)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", x.ID, x.Name, quorum)
	}
	b.WriteString("\n| factor (`assessed`) | force | for | question |\n| --- | --- | --- | --- |\n")
	for _, f := range p.Factors {
		keys := "every key"
		if len(f.Keys) > 0 {
			keys = strings.Join(f.Keys, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.ID, f.Force, keys, f.Text)
	}
	fmt.Fprintf(&b, "\nRecipients: %s. Labels, lowest first: %s. Custodians: ", joined(p.Recipients), joined(p.Labels))
	for i, c := range p.Custodians {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s`", c.Seat)
	}
	b.WriteString(".\n")
	return b.String()
}

// The tables in the manuals are this package's lists and the sample pack.
func TestDocuments(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	for _, section := range []struct{ document, name, table string }{
		{"../../docs/procedure-packs.md", "pack-words", wordTable()},
		{"../../docs/drill-language.md", "pack", packTable(p)},
	} {
		text, err := os.ReadFile(section.document)
		require.NoError(t, err)
		before, inside, after, err := scenario.Section(string(text), section.name)
		require.NoError(t, err)
		if *update {
			require.NoError(t, os.WriteFile(section.document, []byte(before+section.table+after), 0o644))
			continue
		}
		require.Equal(t, section.table, inside, "run go test ./drills/procedure -run TestDocuments -update")
	}
}
