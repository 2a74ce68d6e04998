package auditor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/auditor"
	"smki.example/policy"
)

// A certificate that the ledger had lost is revoked by a newer list first, then
// found and adopted; or it is adopted first. Either way the ledger is what the log
// tells, and its tampering shows.
func TestAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	before, _ := w.hierarchy.Device(t, entity(1), policy.UsageDigitalSignature)
	after, _ := w.hierarchy.Device(t, entity(2), policy.UsageDigitalSignature)
	at := w.clock().Truncate(time.Second)
	require.NoError(t, w.register.TakeOver(t.Context(), "issuing-dca-1", []policy.CRLEntry{{Serial: before.Serial, At: at, Reason: policy.ReasonSuperseded}}, "operator"))
	adopted, err := w.issuer.Adopt(t.Context(), []ca.Adoption{{DER: before.Raw, Issuer: "issuing-dca-1", Revoked: true}, {DER: after.Raw, Issuer: "issuing-dca-1"}}, "operator")
	require.NoError(t, err)
	require.Len(t, adopted, 2)
	w.publish(t, "issuing-dca")
	report, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
	require.Equal(t, int64(6), report.Certificates)
	w.revoke(t, policy.ReasonKeyCompromise, after.Serial)
	w.publish(t, "issuing-dca")
	_, err = auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)

	for name, row := range map[string]struct {
		change string
		want   string
	}{
		"back in use": {`UPDATE certificate SET status = 'I' WHERE serial = $1`, "its status is in use in the ledger, a revocation in the log"},
		"deleted":     {`DELETE FROM certificate WHERE serial = $1`, "it is in the log and not in the ledger"},
		"not revoked": {`DELETE FROM revocation WHERE serial = $1`, "its revocation is in the log and not in the ledger"},
		"no intent":   {`DELETE FROM intent WHERE serial = $1`, "it is in the log and not in the ledger"},
		"a cause":     {`UPDATE intent SET cause = 'none' WHERE serial = $1`, "its cause is none in the ledger, found outside in the log"},
	} {
		for _, serial := range []policy.Serial{before.Serial, after.Serial} {
			require.ErrorContains(t, w.tampered(t, func(x tamperer) { x.hit(row.change, serial[:]) }), row.want, name)
		}
	}
}
