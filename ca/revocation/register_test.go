package revocation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	c := w.supplier(t, 1)
	v, err := w.register.Revoke(t.Context(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonKeyCompromise, At: noon.Add(-3 * 24 * time.Hour), By: "RA officers 1 and 2"})
	require.NoError(t, err)
	require.True(t, v.New)
	require.True(t, v.OnCRL)
	require.Contains(t, v.Says(), "stands on every list of issuing-oca-1")

	stored, err := w.issuer.BySerial(t.Context(), c.Serial)
	require.NoError(t, err)
	require.Equal(t, ca.StatusRevoked, stored.Status)

	// A second revocation, with another reason and another date, changes nothing.
	w.set(noon.Add(time.Hour))
	again, err := w.register.Revoke(t.Context(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonSuperseded, By: "somebody else"})
	require.NoError(t, err)
	require.Contains(t, again.Says(), "the first revocation stands")
	v.New = false
	require.Equal(t, v, again)

	rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.NoError(t, err)
	crl, err := policy.ParseCRL(rec.DER)
	require.NoError(t, err)
	require.Equal(t, []policy.CRLEntry{{Serial: c.Serial, At: noon.Add(-3 * 24 * time.Hour), Reason: policy.ReasonKeyCompromise}}, crl.Entries)
	w.accounts(t)
}

func TestRevokeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	c := w.supplier(t, 1)
	for name, row := range map[string]struct {
		revoke revocation.Revoke
		is     error
		says   string
	}{
		"an unknown serial":      {revocation.Revoke{Serial: policytest.NewSerial(t), By: "x"}, ca.ErrNotFound, "not found"},
		"suspension":             {revocation.Revoke{Serial: c.Serial, Reason: 6, By: "x"}, ca.ErrRefused, "reason 6 is not a reason that SMKI allows"},
		"the end of suspension":  {revocation.Revoke{Serial: c.Serial, Reason: 8, By: "x"}, ca.ErrRefused, "reason 8"},
		"tomorrow":               {revocation.Revoke{Serial: c.Serial, At: noon.Add(24 * time.Hour), By: "x"}, ca.ErrRefused, "future"},
		"nobody's decision":      {revocation.Revoke{Serial: c.Serial}, ca.ErrRefused, "who decided"},
		"a root":                 {revocation.Revoke{Serial: w.hierarchy.RootOCA.Certificate.Serial, By: "x"}, ca.ErrRefused, "no list can revoke it"},
		"the zero serial number": {revocation.Revoke{By: "x"}, ca.ErrNotFound, "not found"},
	} {
		_, err := w.register.Revoke(t.Context(), row.revoke)
		require.ErrorIs(t, err, row.is, name)
		require.ErrorContains(t, err, row.says, name)
	}
	_, err := w.register.Find(t.Context(), c.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound, "nothing was revoked")
}

func TestRevokeAllOrNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	one, two := w.supplier(t, 1), w.supplier(t, 2)
	unknown := policytest.NewSerial(t)
	_, err := w.register.RevokeAll(t.Context(), []revocation.Revoke{
		{Serial: one.Serial, Reason: policy.ReasonSuperseded, By: "x"},
		{Serial: unknown, Reason: policy.ReasonSuperseded, By: "x"},
		{Serial: two.Serial, Reason: 6, By: "x"},
	})
	require.ErrorContains(t, err, unknown.String())
	require.ErrorContains(t, err, two.Serial.String())
	require.NotContains(t, err.Error(), one.Serial.String(), "only what cannot be revoked is named")
	_, err = w.register.Find(t.Context(), one.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound)

	vs, err := w.register.RevokeAll(t.Context(), []revocation.Revoke{
		{Serial: one.Serial, Reason: policy.ReasonSuperseded, By: "x"},
		{Serial: two.Serial, Reason: policy.ReasonUnspecified, By: "x"},
		{Serial: one.Serial, Reason: policy.ReasonKeyCompromise, By: "x"}, // twice in one list
	})
	require.NoError(t, err)
	require.Len(t, vs, 3)
	require.True(t, vs[0].New)
	require.False(t, vs[2].New)
	require.Equal(t, policy.ReasonSuperseded, vs[2].Reason)

	_, err = w.register.RevokeAll(t.Context(), make([]revocation.Revoke, revocation.MaxRevocations+1))
	require.ErrorContains(t, err, "at most")
	none, err := w.register.RevokeAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	w.accounts(t)
}

// Where the environment has no device CRL, revoking a device certificate changes
// its Repository status and says that this is all.
func TestRevokeDevice(t *testing.T) {
	t.Parallel()
	for environment, row := range map[string]struct {
		onCRL  bool
		status ca.Status
		says   string
	}{
		"exercise": {true, ca.StatusRevoked, "stands on every list of issuing-dca-1"},
		"drill":    {false, ca.StatusNotInUse, "publishes no revocation list in this environment, so nothing else changes"},
	} {
		t.Run(environment, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, environment)
			c := w.device(t, 1)
			v := w.revoke(t, c.Serial, policy.ReasonCessationOfOperation)
			require.Equal(t, row.onCRL, v.OnCRL)
			require.Contains(t, v.Says(), row.says)
			stored, err := w.issuer.BySerial(t.Context(), c.Serial)
			require.NoError(t, err)
			require.Equal(t, row.status, stored.Status)

			rec, err := w.register.PublishCRL(t.Context(), "issuing-dca")
			if !row.onCRL {
				require.ErrorIs(t, err, ca.ErrRefused)
				require.ErrorContains(t, err, "publishes no revocation list")
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, rec.Entries)
			w.accounts(t)
		})
	}
}

// Both ways in which the write of a revocation can fail.
func TestRevokeFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	c := w.supplier(t, 1)
	q := revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonKeyCompromise, By: "x"}

	w.faults.FailBeforeCommit(0, inject)
	_, err := w.register.Revoke(t.Context(), q)
	require.ErrorIs(t, err, errInjected)
	require.NotErrorIs(t, err, store.ErrUncertain)
	_, err = w.register.Find(t.Context(), c.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound, "it did not happen")

	w.faults.FailAfterCommit(0, inject)
	_, err = w.register.Revoke(t.Context(), q)
	require.ErrorIs(t, err, store.ErrUncertain)
	v, err := w.register.Revoke(t.Context(), q)
	require.NoError(t, err, "asking again is safe")
	require.False(t, v.New, "it happened but we were told it did not")

	other := w.supplier(t, 2)
	storetest.Forbid(t, w.store, "audit_record", "")
	_, err = w.register.Revoke(t.Context(), revocation.Revoke{Serial: other.Serial, By: "x"})
	require.ErrorContains(t, err, "injected fault")
	_, err = w.register.Find(t.Context(), other.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound, "no audit record, no revocation")
	w.accounts(t)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := revocation.New(revocation.Config{})
	require.ErrorContains(t, err, "Issuer is missing")
	_, err = revocation.New(revocation.Config{Issuer: newWorld(t, "exercise").issuer, Alarm: -1})
	require.ErrorContains(t, err, "Alarm")
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	var want []policy.Serial
	for n := range 5 {
		c := w.supplier(t, n)
		w.revoke(t, c.Serial, policy.ReasonSuperseded)
		want = append(want, c.Serial)
	}
	device := w.device(t, 1)
	w.revoke(t, device.Serial, policy.ReasonSuperseded)
	var got []policy.Serial
	for v, err := range w.register.List(t.Context(), "issuing-oca-1") {
		require.NoError(t, err)
		got = append(got, v.Serial)
	}
	require.Equal(t, want, got)
	got = nil
	for v, err := range w.register.List(t.Context(), "") {
		require.NoError(t, err)
		got = append(got, v.Serial)
	}
	require.Equal(t, append(want, device.Serial), got)
}
