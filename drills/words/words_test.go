package words_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/words"
)

func TestListIsSafeToReadAloud(t *testing.T) {
	t.Parallel()
	list := words.List()
	require.Len(t, list, 256)
	require.IsIncreasing(t, list, "the list is in alphabetical order, so a word is there once")
	four := map[string]string{}
	for i, w := range list {
		require.Regexp(t, `^[A-Z]{4,8}$`, w)
		require.NotContains(t, four, w[:4], "%s begins like another word", w)
		four[w[:4]] = w
		for _, other := range list[i+1:] {
			require.GreaterOrEqual(t, words.Distance(w, other), 3, "%s and %s are too alike", w, other)
		}
	}
}

// The list is on paper in minutes: a change of a single place would make old
// minutes disagree with old records.
func TestListNeverChanges(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(strings.Join(words.List(), " ")))
	require.Equal(t, "ELEPHANT-BISCUIT-SEAGULL-LETTUCE-WIZARD-PILLOW-ISLAND-PIANO-ATLAS-SHOVEL-ENGINE-NAPKIN-PASTRY-CITRUS-CHERRY-SAFFRON", words.Of(sum[:]))
}

func TestParse(t *testing.T) {
	t.Parallel()
	head := sha256.Sum256([]byte("a head"))
	text := words.Of(head[:])
	rows := []struct{ name, in string }{
		{"as printed", text},
		{"small letters", strings.ToLower(text)},
		{"spaces", strings.ReplaceAll(text, "-", " ")},
		{"as it stands in minutes, over two lines", strings.Replace(text, "-", "-\r\n  ", 1)},
		{"commas, as dictated", strings.ReplaceAll(text, "-", ", ")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := words.Parse(row.in)
			require.NoError(t, err)
			require.Equal(t, head[:words.Count], got)
			same, err := words.Match(row.in, head[:])
			require.NoError(t, err)
			require.True(t, same)
		})
	}
	other := sha256.Sum256([]byte("another head"))
	same, err := words.Match(text, other[:])
	require.NoError(t, err)
	require.False(t, same)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	text := words.Of(make([]byte, 32))
	rows := []struct{ name, in, want string }{
		{"a slip of the pen", strings.Replace(text, "ACORN", "acron", 1), `reading word 1: "acron" is not on the list, the nearest is "ACORN"`},
		{"a word too few", strings.TrimPrefix(text, "ACORN-"), `reading 15 words: a record has 16`},
		{"nothing", " ", `reading 0 words: a record has 16`},
		{"a hash", strings.Repeat("0123456789abcdef", 400), `the nearest is`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := words.Parse(row.in)
			require.ErrorIs(t, err, words.ErrUnreadable)
			require.ErrorContains(t, err, row.want)
			_, err = words.Match(row.in, make([]byte, 32))
			require.ErrorIs(t, err, words.ErrUnreadable)
		})
	}
}

func TestWordsGoThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SliceOfN(rapid.Byte(), words.Count, 64).Draw(t, "head")
		got, err := words.Parse(words.Of(head))
		require.NoError(t, err)
		require.Equal(t, head[:words.Count], got)
	})
}

func TestOfRefusesAShortHead(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { words.Of(make([]byte, words.Count-1)) })
}
