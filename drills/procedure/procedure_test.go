package procedure_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/procedure"
)

func TestSample(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	require.False(t, p.Verified, "nothing that is shipped is the SEC's text")
	for _, s := range p.Steps {
		require.NotEmpty(t, s.Source, "step %q says where it comes from", s.ID)
		require.Equal(t, "sample", s.Note())
	}
	for _, f := range p.Factors {
		require.False(t, f.Verified, "the published factors were not found, so %q cannot be one of them", f.ID)
	}
	_, is := p.Step("method-1")
	require.True(t, is)
	_, is = p.Limit("tell-pma-chair")
	require.True(t, is)
	require.Equal(t, 2, p.Unverified([]string{"method-1", "no such step"}))
	pma := p.Bodies[0]
	require.Equal(t, 3, pma.Quorum)
	require.Contains(t, procedure.Majorities(), pma.Majority)
	require.Empty(t, pma.Casting(), "no text gives anybody a casting vote")
	require.False(t, pma.Verified, "the rule of the vote is a sample and says so")
	require.Len(t, p.Terms, 6)
	for _, term := range p.Terms {
		require.Equal(t, "sample", term.Note())
	}
}

const small = `id: own
version: 1
title: A committee's own pack
source: its papers
verified: true
labels: [AMBER]
steps: [{id: notification, phase: pre-recovery, says: somebody calls, source: paper 7, verified: true}]
bodies: [{id: pma, name: SMKI PMA, quorum: 1, majority: two thirds of the votes cast, casting vote: chair, members: [{id: chair, name: Chair, vote: true}, {id: guest, name: Guest, vote: false}], source: paper 7, verified: true}]
recipients: [panel]
factors: [{id: evidence, text: Is it sure?, force: shall, source: paper 7, verified: true}]
custodians: [{seat: a, party: X, travel: 1h}, {seat: b, party: Y, travel: 2h}]
threshold: {shares: 2, parties: 2, source: paper 7, verified: true}
limits: [{id: tell-pma-chair, says: the Chair is told, within: 1h, source: paper 7, verified: true}]
terms: [{term: counter, says: a number that rises, source: paper 7, verified: true}]
`

func TestParse(t *testing.T) {
	t.Parallel()
	own, err := procedure.Parse("own.yaml", []byte(small))
	require.NoError(t, err)
	require.Zero(t, own.Unverified([]string{"notification"}), "a pack that was held against the text says so")

	require.Equal(t, "chair", own.Bodies[0].Casting())

	for _, row := range []struct{ why, from, to, want string }{
		{"an unknown word is named with its place", "title:", "titel:", "own.yaml:3:1"},
		{"a phase is one of three", "pre-recovery", "before", `phase "before" is none of`},
		{"a quorum can be met", "quorum: 1", "quorum: 2", "quorum of 2 cannot be met by 1 votes"},
		{"a factor shall or may be weighed", "force: shall", "force: must", `force "must" is neither`},
		{"a threshold can be met", "shares: 2", "shares: 3", "cannot be met by 2 custodians"},
		{"distinct Parties can be met", "party: Y", "party: X", "of 1 Parties"},
		{"a seat is there once", "seat: b", "seat: a", "custodian a is there twice"},
		{"a limit is longer than nothing", "within: 1h", "within: 0s", "longer than nothing"},
		{"a majority is one that can be counted", "two thirds of", "most of", `majority "most of the votes cast" is none of`},
		{"a body with a quorum says what decides", "majority: two thirds of the votes cast, ", "", `majority "" is none of`},
		{"a body that votes says who breaks a tie", "casting vote: chair, ", "", "needs a casting vote"},
		{"a casting vote is of a member with a vote", "casting vote: chair", "casting vote: guest", `of "guest", who has no vote`},
		{"a term says something", "says: a number that rises", `says: ""`, `term "counter": says nothing`},
		{"a step has an id", "id: notification", `id: ""`, "has no id"},
	} {
		text := strings.Replace(small, row.from, row.to, 1)
		require.NotEqual(t, small, text, row.why)
		_, err := procedure.Parse("own.yaml", []byte(text))
		require.ErrorContains(t, err, row.want, row.why)
	}
}

func TestLintOfSample(t *testing.T) {
	t.Parallel()
	p, err := procedure.Sample()
	require.NoError(t, err)
	require.Empty(t, p.Lint())
}
