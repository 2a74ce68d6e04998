package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
)

// Who abstains, has an interest or is stood in for is said beside the votes, and
// what an interest takes away is the rule of the body.
func TestAskForTheMinutes(t *testing.T) {
	t.Parallel()
	q := question(t, "S02", "recovery key")
	const typed = "all\n" + // the factors
		"alternate Jo Bloggs\n1\n" + // chair
		"interest\ninterest it is our own key\n1\n" + // large supplier
		"1\n" + "abstain new to me\n" + "\n" + // second large supplier, small supplier, network
		"it is being lost\n"
	answer, screen, err := put(t, q, typed)
	require.NoError(t, err)
	require.Equal(t, "required", answer.Option)
	require.Equal(t, []string{"chair", "large-supplier", "large-supplier-2", "small-supplier"}, answer.Present)
	require.Len(t, answer.Votes, 3)
	require.Equal(t, []journal.Abstention{{Member: "small-supplier", Reason: "new to me"}}, answer.Abstained)
	require.Equal(t, []journal.Conflict{{Member: "large-supplier", Interest: "it is our own key"}}, answer.Conflicts)
	require.Equal(t, []journal.Alternate{{Member: "chair", Name: "Jo Bloggs"}}, answer.Alternates)
	require.Contains(t, flat(screen), `Write "interest" and which it is.`)
	require.Contains(t, flat(screen), "by the rule of this body the vote stays")

	for rule, says := range map[string]string{
		"declares it and does not vote":   "large supplier member: has an interest, is heard, and has no vote in this.",
		"declares it and leaves the room": "large supplier member: has an interest, leaves the room and has no vote in this.",
	} {
		q.Body.Conflict = rule
		answer, screen, err := put(t, q, "all\n1\ninterest it is our own key\nall 1\nwhy\n")
		require.NoError(t, err)
		require.Len(t, answer.Votes, 4, "everybody who is left and may vote")
		require.Len(t, answer.Present, 5)
		require.Contains(t, flat(screen), says)
	}
}
