package ra_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

const until = "2026-12-24T12:00:00Z"

// step has an act done on a revocation request, whatever it takes.
func (w *world) step(t *testing.T, id int64, act ra.Act) error {
	t.Helper()
	var d ra.Deed
	switch act {
	case ra.ActAuthenticateRevocation:
		return w.ra.AuthenticateRevocation(t.Context(), personnel1, id, "called back")
	case ra.ActDeferRevocation:
		d = ra.DeferRevocation{Request: id, Until: until, Why: "supplier of last resort", Decision: "PMA 7"}
	case ra.ActResumeRevocation:
		d = ra.ResumeRevocation{Request: id, Decision: "PMA 8"}
	case ra.ActWithdrawRevocation:
		d = ra.WithdrawRevocation{Request: id, Why: "found again"}
	case ra.ActExecuteRevocation:
		d = ra.ExecuteRevocation{Request: id}
	case ra.ActExecuteEmergency:
		d = ra.ExecuteRevocation{Request: id, Emergency: true, Why: "it is in use"}
	}
	a, err := w.ra.Propose(t.Context(), manager1, d)
	if err != nil {
		return err
	}
	a, err = w.ra.Vote(t.Context(), manager2, a.ID, a.Hash, true, "")
	require.NoError(t, err)
	_, err = w.ra.Execute(t.Context(), manager1, a.ID)
	return err
}

// Every act in every state does what the table of transitions says, or is refused and
// changes nothing.
func TestEveryTransition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reach := map[ra.RevocationState][]ra.Act{
		ra.Requested:     nil,
		ra.Authenticated: {ra.ActAuthenticateRevocation},
		ra.Deferred:      {ra.ActAuthenticateRevocation, ra.ActDeferRevocation},
		ra.Revoked:       {ra.ActAuthenticateRevocation, ra.ActExecuteRevocation},
		ra.NotRevoked:    {ra.ActWithdrawRevocation},
	}
	acts := []ra.Act{ra.ActAuthenticateRevocation, ra.ActDeferRevocation, ra.ActResumeRevocation, ra.ActWithdrawRevocation, ra.ActExecuteRevocation, ra.ActExecuteEmergency}
	// By hand, what may follow; the acts stand as above.
	want := map[ra.RevocationState][6]ra.RevocationState{
		ra.Requested:     {ra.Authenticated, "", "", ra.NotRevoked, "", ra.Revoked},
		ra.Authenticated: {"", ra.Deferred, "", ra.NotRevoked, ra.Revoked, ""},
		ra.Deferred:      {"", ra.Deferred, ra.Authenticated, ra.NotRevoked, "refused until its date", ""},
		ra.Revoked:       {},
		ra.NotRevoked:    {},
	}
	n, steps := 0, 0
	for from, path := range reach {
		for at, act := range acts {
			n++
			t.Run(fmt.Sprintf("%s/%s", from, act), func(t *testing.T) {
				serial := w.issued(t, n)
				q, err := w.ra.AskRevocation(t.Context(), aroA, []policy.Serial{serial}, policy.ReasonKeyCompromise, "a tape is missing")
				require.NoError(t, err)
				for _, act := range path {
					require.NoError(t, w.step(t, q.ID, act))
				}
				q, err = w.ra.Revocation(t.Context(), q.ID)
				require.NoError(t, err)
				require.Equal(t, from, q.State)
				before := w.records(t)
				err = w.step(t, q.ID, act)
				to := want[from][at]
				switch to {
				case "":
					require.ErrorIs(t, err, ca.ErrConflict)
					to = from
				case "refused until its date":
					refused(t, err, "deferred")
					require.ErrorContains(t, err, until)
					to = from
				default:
					require.NoError(t, err)
					steps++
				}
				if err != nil {
					require.Equal(t, before, w.records(t))
				}
				q, err = w.ra.Revocation(t.Context(), q.ID)
				require.NoError(t, err)
				require.Equal(t, to, q.State)
				revoked, err := revoker{w.register}.Revoked(t.Context(), serial)
				require.NoError(t, err)
				require.Equal(t, to == ra.Revoked, revoked)
			})
		}
	}
	require.Equal(t, len(ra.Transitions)-1, steps, "all of the table, but the execution after the date, which TestDeferral does")
}

func TestDeferral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.authenticated(t, 1)
	require.NoError(t, w.step(t, q.ID, ra.ActDeferRevocation))
	due, err := w.ra.Due(t.Context())
	require.NoError(t, err)
	require.Empty(t, due)
	q, err = w.ra.Revocation(t.Context(), q.ID)
	require.NoError(t, err)
	require.Equal(t, until, q.Until.Format(time.RFC3339))
	require.Contains(t, q.Cause, "PMA 7")
	for _, bad := range []string{"tomorrow", "2026-12-24T12:00:00+01:00", "2026-11-24T12:00:00Z", "2026-12-24T12:00:00.5Z"} {
		_, err = w.ra.Propose(t.Context(), manager1, ra.DeferRevocation{Request: q.ID, Until: bad, Why: "w", Decision: "d"})
		refused(t, err, "until")
	}
	w.pass(q.Until.Sub(w.clock()) - time.Second)
	refused(t, w.step(t, q.ID, ra.ActExecuteRevocation), "deferred")
	w.pass(time.Second)
	due, err = w.ra.Due(t.Context())
	require.NoError(t, err)
	require.Len(t, due, 1)
	deferred, _, err := w.ra.Revocations(t.Context(), ra.Deferred, "supplier-a", ra.Page{})
	require.NoError(t, err)
	require.Equal(t, due, deferred)
	require.NoError(t, w.step(t, q.ID, ra.ActExecuteRevocation))
	due, err = w.ra.Due(t.Context())
	require.NoError(t, err)
	require.Empty(t, due)
}

// A deferral that was decided while an execution waits for its last vote stops it,
// one way or the other: there is one decision at a time.
func TestDeferralOrExecution(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.authenticated(t, 1)
	a := w.agreed(t, personnel1, ra.ExecuteRevocation{Request: q.ID}, personnel2)
	require.ErrorIs(t, w.step(t, q.ID, ra.ActDeferRevocation), ca.ErrConflict)
	_, err := w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, false, "the PMA delays it")
	require.NoError(t, err)
	require.NoError(t, w.step(t, q.ID, ra.ActDeferRevocation))
}

func TestRevocationOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.issued(t, 1), w.issued(t, 2)
	q, err := w.ra.AskRevocation(t.Context(), sroA, []policy.Serial{two, one, two}, policy.ReasonKeyCompromise, "both")
	require.NoError(t, err)
	require.Len(t, q.Serials, 2)
	require.Equal(t, ra.PartyID("supplier-a"), q.Party)
	require.NoError(t, w.ra.AuthenticateRevocation(t.Context(), personnel1, q.ID, "met"))
	a := w.agreed(t, personnel1, ra.ExecuteRevocation{Request: q.ID}, personnel2)
	require.Contains(t, string(a.Bytes), one.String())
	require.Contains(t, a.Deed.Words(), entity(2).String())
	require.Contains(t, a.Deed.Words(), "keyCompromise")
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.NoError(t, err)
	for _, serial := range []policy.Serial{one, two} {
		v, err := w.register.Find(t.Context(), serial)
		require.NoError(t, err)
		require.Equal(t, policy.ReasonKeyCompromise, v.Reason)
	}

	_, err = w.ra.AskRevocation(t.Context(), sroA, nil, policy.ReasonKeyCompromise, "none")
	refused(t, err, "serials")
	_, err = w.ra.AskRevocation(t.Context(), sroA, []policy.Serial{one, policytest.NewSerial(t)}, policy.ReasonKeyCompromise, "one of nobody")
	refused(t, err, "serials")
	_, err = w.ra.AskRevocation(t.Context(), sroA, []policy.Serial{one}, policy.Reason(6), "suspend")
	refused(t, err, "reason")
	_, err = w.ra.AskRevocation(t.Context(), "auditor-1", []policy.Serial{one}, policy.ReasonKeyCompromise, "seen")
	refused(t, err, "rights")

	// A party asks for the end of the device certificates that it asked for.
	c, err := w.ca.Issue(t.Context(), ca.Request{DER: policytest.DeviceRequest(t, policytest.NewKey(t), entity(70000), policy.UsageKeyAgreement), Requester: "supplier-a/system-a"})
	require.NoError(t, err)
	_, err = w.ra.AskRevocation(t.Context(), aroA, []policy.Serial{c.Serial}, policy.ReasonKeyCompromise, "device opened")
	require.NoError(t, err)
}
