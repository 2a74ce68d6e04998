package ra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.party(t, "supplier-b", policy.RoleSupplier)
	nominated, err := w.ra.Propose(t.Context(), sroA, appoint("aro-2", "supplier-a", ra.ARO))
	require.NoError(t, err)
	enrolled, err := w.ra.Propose(t.Context(), personnel1, enrol(1))
	require.NoError(t, err)

	mine := func(by ra.OfficerID, id int64) ra.Item {
		item, err := w.ra.Item(t.Context(), by, id)
		require.NoError(t, err)
		return item
	}
	queue, _, err := w.ra.Queue(t.Context(), personnel1, "", ra.Page{})
	require.NoError(t, err)
	require.Len(t, queue, 2)
	require.Equal(t, mine(personnel1, nominated.ID), queue[0])
	item := queue[0]
	require.True(t, item.MayVote)
	require.Contains(t, item.MyVote, "1 more would be missing")
	require.Equal(t, `Enrol officer "aro-2": "Name of aro-2" (person "person-of-aro-2") as aro of party "supplier-a", nominated by "sro-a" on form "form 1", screened on 2026-01-31.`, item.Words)
	require.Contains(t, string(item.Bytes), `"person": "person-of-aro-2"`)
	require.Empty(t, item.Stale)
	require.False(t, queue[1].MayVote)
	require.True(t, queue[1].MayRetract)
	require.Equal(t, `You have no vote: person "person-of-personnel-1" proposed it.`, queue[1].MyVote)

	_, err = w.ra.Vote(t.Context(), personnel1, nominated.ID, nominated.Hash, true, "seen face to face")
	require.NoError(t, err)
	require.Contains(t, mine(personnel1, nominated.ID).MyVote, "has voted already")
	item = mine(personnel2, nominated.ID)
	require.Contains(t, item.MyVote, "last that is missing")
	require.False(t, item.MayExecute)
	require.Len(t, item.Votes, 1)
	require.Equal(t, "seen face to face", item.Votes[0].Comment)
	_, err = w.ra.Vote(t.Context(), personnel2, nominated.ID, nominated.Hash, true, "")
	require.NoError(t, err)
	item = mine(manager1, nominated.ID)
	require.True(t, item.MayExecute)
	require.True(t, item.MayVote)
	require.Contains(t, item.MyVote, "would still end it")
	require.Equal(t, ra.Approved, item.State)

	// A party's officer sees his party's only, the auditor all, others none.
	queue, _, err = w.ra.Queue(t.Context(), aroA, "", ra.Page{})
	require.NoError(t, err)
	require.Len(t, queue, 1)
	require.False(t, queue[0].MayVote)
	_, err = w.ra.Item(t.Context(), aroA, enrolled.ID)
	refused(t, err, "scope")
	queue, _, err = w.ra.Queue(t.Context(), "auditor-1", "", ra.Page{})
	require.NoError(t, err)
	require.Len(t, queue, 2)
	require.False(t, queue[0].MayVote || queue[0].MayExecute || queue[0].MayRetract)
	_, _, err = w.ra.Queue(t.Context(), "operator-1", "", ra.Page{})
	refused(t, err, "rights")

	// What an execution would find changed is said before it is tried.
	w.done(t, personnel1, ra.WithdrawParty{Party: "supplier-a", Why: "expelled"}, personnel3)
	require.Contains(t, mine(manager1, nominated.ID).Stale, "was withdrawn")
	_, err = w.ra.Execute(t.Context(), manager1, nominated.ID)
	require.ErrorIs(t, err, ca.ErrConflict)
	item = mine(manager1, nominated.ID)
	require.Equal(t, ra.Void, item.State)
	require.False(t, item.MayVote || item.MayExecute)
	require.Contains(t, item.MyVote, "nothing to vote on")
	history, _, err := w.ra.History(t.Context(), "", ra.Page{})
	require.NoError(t, err)
	require.Equal(t, ra.ActWithdrawParty, history[0].Act, "newest first")
	older, _, err := w.ra.History(t.Context(), "", ra.Page{From: history[2].ID})
	require.NoError(t, err)
	require.Equal(t, history[3:], older)
}

func FuzzReadDeed(f *testing.F) {
	f.Add([]byte(`{"form":1,"act":"withdraw-party","subject":"party/a","party":"a","environment":"e","policy_version":1,"table_version":1,"deed":{"party":"a","why":"x"},"on":{}}`))
	f.Add([]byte(`{"act":"execute-revocation","subject":"revocation/1","deed":{"revocation":1,"serials":["01"],"reason":"keyCompromise","holders":null,"emergency":false}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ra.ReadDeed(b)
		if err != nil {
			return
		}
		require.NotEmpty(t, d.Words())
		once, err := ra.Canonical(d, "")
		require.NoError(t, err)
		require.NotEmpty(t, once)
	})
}

func FuzzParseTable(f *testing.F) {
	f.Add(ra.Embedded())
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := ra.ParseTable("fuzz", b)
		if err != nil {
			return
		}
		for _, act := range ra.Acts() {
			for _, role := range ra.Roles() {
				if table.May(role, act) == ra.Two {
					n, ok := table.Needed(role, act)
					require.True(t, ok && n > 0)
				}
			}
		}
	})
}

// Lists come in pages, and every one of them stands on exactly one; what expired and
// was left alone is history, and no other list has it.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	var proposed []int64
	for n := range 7 {
		a, err := w.ra.Propose(ctx, personnel1, enrol(n))
		require.NoError(t, err)
		proposed = append(proposed, a.ID)
		_, err = w.ra.AskCertificate(ctx, aroA, "supplier-a", csr(t, n))
		require.NoError(t, err)
	}
	queue := func() (ids []int64) {
		for from := int64(0); ; {
			items, next, err := w.ra.Queue(ctx, personnel2, ra.ActEnrolParty, ra.Page{From: from, Most: 3})
			require.NoError(t, err)
			require.LessOrEqual(t, len(items), 3)
			for _, item := range items {
				ids = append(ids, item.ID)
			}
			if from = next; next == 0 {
				return ids
			}
		}
	}
	require.Equal(t, proposed, queue())
	none, next, err := w.ra.Queue(ctx, personnel2, ra.ActReleaseBatch, ra.Page{})
	require.NoError(t, err)
	require.Empty(t, none)
	require.Zero(t, next)
	var requests []int64
	for from := int64(0); ; {
		page, next, err := w.ra.Requests(ctx, ra.Asked, "supplier-a", ra.Page{From: from, Most: 2})
		require.NoError(t, err)
		for _, q := range page {
			requests = append(requests, q.ID)
		}
		if from = next; next == 0 {
			break
		}
	}
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7}, requests)

	last, err := w.ra.Approval(ctx, proposed[6])
	require.NoError(t, err)
	w.pass(last.ExpiresAt.Sub(w.clock()))
	require.Empty(t, queue())
	history, next, err := w.ra.History(ctx, "", ra.Page{Most: 7})
	require.NoError(t, err)
	require.NotZero(t, next, "what made this world is older")
	for n, a := range history {
		require.Equal(t, proposed[6-n], a.ID)
		require.Equal(t, ra.Expired, a.State)
		require.Equal(t, a.ExpiresAt, a.SettledAt)
	}
	older, _, err := w.ra.History(ctx, "supplier-a", ra.Page{From: next, Most: 1000})
	require.NoError(t, err)
	require.NotEmpty(t, older)
	for _, a := range older {
		require.Equal(t, ra.PartyID("supplier-a"), a.Party)
		require.Less(t, a.ID, proposed[0])
	}
}
