package ra_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func deviceRequest(t *testing.T, n int) *policy.Request {
	req, err := policy.ParseRequest(policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature))
	require.NoError(t, err)
	return req
}

func TestOpenRegistrationDemandsNothing(t *testing.T) {
	t.Parallel()
	w := empty(t, "exercise")
	require.NoError(t, w.ra.Eligible(t.Context(), "", deviceRequest(t, 1)))
	_, err := w.ca.Issue(t.Context(), ca.Request{DER: csr(t, 1), Requester: "anybody"})
	require.NoError(t, err)
}

// Every cell of the table of L3.16, by hand: what a role may have in which state.
func TestEveryDeviceCell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[policy.RemotePartyRole]string{ // not installed, installed (ours), installed (another's), unknown
		policy.RoleRoot: "----", policy.RoleRecovery: "----", policy.RoleSupplier: "++-+", policy.RoleNetworkOperator: "+--+",
		policy.RoleAccessControlBroker: "++-+", policy.RoleTransitionalCoS: "+--+", policy.RoleWANProvider: "+--+", policy.RoleIssuingAuthority: "----",
		policy.RoleLoadController: "+--+", policy.RoleOther: "+--+", policy.RoleXMLSign: "----", policy.RoleDSPXMLSign: "----",
	}
	n := 0
	for role, cells := range want {
		require.Equal(t, cells[0] == '+', w.ra.Table().L316.Allows(role, ra.NotInstalled) == "any")
		if role == policy.RoleRoot || role == policy.RoleIssuingAuthority {
			continue // no party has it
		}
		n++
		party := ra.PartyID(fmt.Sprintf("party-%d", n))
		w.party(t, party, role)
		sro, aro := ra.OfficerID(fmt.Sprintf("sro-%d", n)), ra.OfficerID(fmt.Sprintf("aro-%d", n))
		w.done(t, personnel1, appoint(sro, party, ra.SRO), personnel2)
		w.done(t, sro, appoint(aro, party, ra.ARO), personnel1, personnel2)
		for at, d := range []device{{state: ra.NotInstalled}, {state: ra.Installed, party: party}, {state: ra.Installed, party: "another"}, {state: ra.Unknown}} {
			req := deviceRequest(t, 1000*n+at)
			w.devices[req.EntityID()] = d
			err := w.ra.Eligible(t.Context(), fmt.Sprintf("%s/%s", party, aro), req)
			if cells[at] == '+' {
				require.NoError(t, err, "%s %v", role, d)
			} else {
				require.ErrorIs(t, err, ca.ErrRefused, "%s %v", role, d)
				require.ErrorContains(t, err, "L3.16")
			}
		}
	}
}

func TestEligible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	device := policytest.DeviceRequest(t, policytest.NewKey(t), entity(5000), policy.UsageDigitalSignature)
	organisation := csr(t, 1)
	for _, tt := range []struct{ requester, want string }{
		{"", "names no party and officer"},
		{"supplier-a", "names no party and officer"},
		{"supplier-a/aro-a/1/2", "names no party and officer"},
		{"supplier-a/nobody", "not enrolled"},
		{"supplier-b/aro-a", `not of party "supplier-b"`},
		{"/manager-1", "names no party and officer"},
		{"supplier-a/sro-a", "may not ask for Device Certificates"},
	} {
		_, err := w.ca.Issue(t.Context(), ca.Request{DER: device, Requester: tt.requester})
		require.ErrorIs(t, err, ca.ErrRefused, tt.requester)
		require.ErrorContains(t, err, tt.want)
		require.NotContains(t, err.Error(), "\n")
	}
	// No Organisation Certificate past the registration authority.
	for _, requester := range []string{"supplier-a/aro-a", "supplier-a/aro-a/1", "supplier-a/aro-a/0", "supplier-a/aro-a/"} {
		_, err := w.ca.Issue(t.Context(), ca.Request{DER: organisation, Requester: requester})
		require.ErrorIs(t, err, ca.ErrRefused)
		require.ErrorContains(t, err, "eligible-subscriber")
	}
	q := w.asked(t, 2)
	a := w.agreed(t, personnel1, ra.IssueCertificate{Request: q.ID}, personnel2)
	_, err := w.ca.Issue(t.Context(), ca.Request{DER: q.DER, Requester: fmt.Sprintf("supplier-a/aro-a/%d", a.ID)})
	require.ErrorContains(t, err, "no approval", "approved is not executing")
	w.ra.SetProbe(func(point string) error {
		if point == "announced" {
			_, err := w.ca.Issue(t.Context(), ca.Request{DER: organisation, Requester: fmt.Sprintf("supplier-a/aro-a/%d", a.ID)})
			require.ErrorContains(t, err, "no approval", "it is executing for another request")
		}
		return nil
	})
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.NoError(t, err)

	require.Zero(t, w.signed.Load()-1)
	_, err = w.ca.Issue(t.Context(), ca.Request{DER: device, Requester: "supplier-a/aro-a"})
	require.NoError(t, err)
	w.done(t, personnel1, ra.WithdrawParty{Party: "supplier-a", Why: "expelled"}, personnel2)
	again := deviceRequest(t, 5001)
	require.ErrorIs(t, w.ra.Eligible(t.Context(), "supplier-a/aro-a", again), ca.ErrRefused)
}

// A register that cannot be asked has not said no.
func TestEligibilityOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := deviceRequest(t, 6000)
	w.devices[req.EntityID()] = device{err: errInjected}
	err := w.ra.Eligible(t.Context(), "supplier-a/aro-a", req)
	require.ErrorIs(t, err, ca.ErrOutage)
	require.NotErrorIs(t, err, ca.ErrRefused)
	w.changed = true
	require.NoError(t, w.store.Close())
	err = w.ra.Eligible(t.Context(), "supplier-a/aro-a", deviceRequest(t, 6001))
	require.ErrorIs(t, err, ca.ErrOutage)
	require.NotErrorIs(t, err, ca.ErrRefused)
}

func TestOwnedDeviceIdentifiers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table, err := ra.ParseTable("owned", []byte(strings.Replace(string(ra.Embedded()), `"value": "advisory"`, `"value": "owned"`, 1)))
	require.NoError(t, err)
	r := w.open(t, w.hierarchy.Environment, table)
	require.NoError(t, r.Eligible(t.Context(), "supplier-a/aro-a", deviceRequest(t, 99)))
	require.ErrorContains(t, r.Eligible(t.Context(), "supplier-a/aro-a", deviceRequest(t, 100)), "does not belong")
	require.NoError(t, w.ra.Eligible(t.Context(), "supplier-a/aro-a", deviceRequest(t, 100)), "advisory")
}
