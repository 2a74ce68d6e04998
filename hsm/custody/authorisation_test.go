package custody_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"smki.example/hsm"
	"smki.example/hsm/custody"
)

func TestAuthorisationReadsAsWritten(t *testing.T) {
	t.Parallel()
	verifier, signer := stranger(t)
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "start"), 0).UTC()
		a := custody.Authorisation{
			ID:        rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,63}`).Draw(t, "id"),
			Key:       hsm.Label("recovery", rapid.IntRange(1, 999).Draw(t, "generation")),
			Use:       rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,20}`).Draw(t, "use"),
			Count:     rapid.IntRange(1, 60_000_000).Draw(t, "count"),
			NotBefore: start, Expires: start.Add(time.Duration(rapid.IntRange(1, 1e6).Draw(t, "seconds")) * time.Second),
			Decision: rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "decision"),
		}
		signed, err := a.Sign(signer)
		require.NoError(t, err)
		again, err := custody.ParseAuthorisation(signed, verifier)
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}

func TestAuthorisationNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	_, signer := stranger(t)
	good := custody.Authorisation{ID: "D-1", Key: "recovery-1", Use: "test", Count: 1,
		NotBefore: time.Unix(1000, 0), Expires: time.Unix(2000, 0), Decision: strings.Repeat("0", 64)}
	for field, change := range map[string]func(*custody.Authorisation){
		"id":       func(a *custody.Authorisation) { a.ID = "../escape" },
		"key":      func(a *custody.Authorisation) { a.Key = "recovery\nkey root-oca-1" },
		"use":      func(a *custody.Authorisation) { a.Use = "any thing" },
		"count":    func(a *custody.Authorisation) { a.Count = 0 },
		"expires":  func(a *custody.Authorisation) { a.Expires = a.NotBefore },
		"decision": func(a *custody.Authorisation) { a.Decision = strings.Repeat("0", 63) },
	} {
		a := good
		change(&a)
		_, err := a.Sign(signer)
		require.ErrorContains(t, err, ": "+field+": ")
	}
	half := good
	half.NotBefore, half.Expires = time.Unix(1000, 1), time.Unix(1000, 2)
	_, err := half.Sign(signer)
	require.ErrorContains(t, err, "expires", "an interval that is empty in whole seconds")
}

func TestAuthorisationHasOneForm(t *testing.T) {
	t.Parallel()
	verifier, signer := stranger(t)
	good := "smki custody authorisation\nid D-1\nkey recovery-1\nuse test\ncount 1\nnot-before 2026-01-01T00:00:00Z\nexpires 2026-01-02T00:00:00Z\ndecision " + strings.Repeat("0", 64) + "\n"
	parse := func(text string) error {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		require.NoError(t, err)
		_, err = custody.ParseAuthorisation(signed, verifier)
		return err
	}
	require.NoError(t, parse(good))
	for _, change := range [][2]string{
		{"count 1", "count 01"}, {"count 1", "count +1"}, {"T00:00:00Z\nexp", "T01:00:00+01:00\nexp"}, {"id D-1", "id  D-1"},
		{"use test\n", ""}, {"use test\n", "use test\nuse test\n"}, {"key recovery-1", "Key recovery-1"}, {"authorisation\n", "authorization\n"},
		{"count 1", "count many"}, {"2026-01-02T", "2026-13-02T"},
	} {
		require.Contains(t, good, change[0])
		require.Error(t, parse(strings.Replace(good, change[0], change[1], 1)), "%q", change)
	}
}
