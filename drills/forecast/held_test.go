package forecast_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/forecast"
)

// Each key is opened by those who hold it: where the symmetric key is apart from the
// nearest custodian, what needs it waits for the next, and nothing else does.
func TestEachKeyWaitsForItsOwnCustodians(t *testing.T) {
	t.Parallel()
	in := certain(t, set(t, national(t), "decision=1", "certificates=1", "ceremony=0"))
	in.Runs = 1
	before := run(t, in)
	in.Custody = []forecast.Holding{
		{Key: "symmetric key", Seats: []string{"custodian 1", "custodian 2", "custodian 3", "custodian 5"}, Needed: 3, Parties: 3},
	}
	after := run(t, in)
	require.InDelta(t, 1+3, course(t, before, "contingency").Prepared.Likely, 1e-5, "custodians 4, 1 and 2")
	require.InDelta(t, 1+3.5, course(t, after, "contingency").Prepared.Likely, 1e-5, "custodians 1, 2 and 3")
	require.Equal(t, course(t, before, "method 3").Prepared, course(t, after, "method 3").Prepared)

	in.Custody = []forecast.Holding{{Key: "contingency", Seats: []string{"custodian 1", "nobody"}, Needed: 2}}
	_, err := forecast.Run(t.Context(), in)
	require.ErrorContains(t, err, "custodians needed for the contingency key: from 1 to 1, not 2")
}

// What a party replaced by itself before it was stopped is not done again: the
// Recovery key has so much less to do, and the curve begins when the party did.
func TestWhatThePartyDidIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	in := certain(t, set(t, national(t), "decision=10", "certificates=10", "late=0", "answer=1", "unreachable=0", "quarantine=1000000", "wake=0.5"))
	in.Runs = 1
	alone := course(t, run(t, in), "method 3")
	f := run(t, set(t, in, "own begin=1", "own end=4"))
	after := course(t, f, "method 3")
	require.Equal(t, alone.Prepared, after.Prepared)
	require.Less(t, after.Recovered[1].Likely, alone.Recovered[1].Likely)
	sum := 0.0
	for k, p := range after.Curve {
		require.LessOrEqual(t, sum, after.Trusting[k]+1e-9, "it never falls")
		if sum = after.Trusting[k]; p.Hours > 5 && p.Hours < alone.Prepared.Likely {
			require.Greater(t, sum, 0.05, "what was done by then stays")
		}
	}
	require.InDelta(t, 1, course(t, f, "method 3").Trusting[60], 0.01)
	require.Equal(t, course(t, run(t, in), "method 2").Recovered, course(t, f, "method 2").Recovered, "the broker's keys go everywhere")

	// A thief who was first keeps what he has until the Recovery key comes.
	raced := course(t, run(t, set(t, in, "own begin=1", "own end=4", "attack=1000000")), "method 3")
	require.Greater(t, raced.Recovered[1].Likely, after.Recovered[1].Likely)
	require.Less(t, raced.Missed.Likely, 1.0)
}
