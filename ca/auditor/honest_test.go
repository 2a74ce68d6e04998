package auditor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/auditor"
	"smki.example/ca/revocation"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// Whatever a CA does and whatever fails under it, its ledger is what its log tells,
// before and after what was left open is settled.
func TestHonestProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		environment := rapid.SampledFrom([]string{"exercise", "drill"}).Draw(rt, "environment")
		w := newWorld(t, environment)
		defer w.store.Close()
		var certificates []policy.Serial
		next := 0
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			label := fmt.Sprint(step, " ")
			switch rapid.SampledFrom([]string{"device", "supplier", "batch", "batch", "gone", "revoke", "revoke", "publish", "publish", "block", "fail before", "fail after", "token"}).Draw(rt, label) {
			case "device", "supplier":
				next++
				r := supplierRequest(t, next)
				if rapid.Bool().Draw(rt, label+"device") {
					r = deviceRequest(t, next, "manufacturer")
				}
				if c, err := w.issuer.Issue(t.Context(), r); err == nil {
					certificates = append(certificates, c.Serial)
				}
			case "batch":
				var batch []ca.Request
				for range rapid.IntRange(1, 5).Draw(rt, label+"size") {
					next++
					batch = append(batch, deviceRequest(t, next, rapid.SampledFrom([]string{"one", "two\xff"}).Draw(rt, label+"requester")))
				}
				results, _ := w.issuer.IssueBatch(t.Context(), batch)
				for _, r := range results {
					if r.Err == nil {
						certificates = append(certificates, r.Certificate.Serial)
					}
				}
			case "gone":
				next++
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, _ = w.issuer.Issue(ctx, deviceRequest(t, next, "somebody who leaves"))
			case "revoke":
				var qs []revocation.Revoke
				for range min(len(certificates), rapid.IntRange(1, 3).Draw(rt, label+"count")) {
					qs = append(qs, revocation.Revoke{Serial: rapid.SampledFrom(certificates).Draw(rt, label+"certificate"), By: "x",
						Reason: rapid.SampledFrom([]policy.Reason{policy.ReasonSuperseded, policy.ReasonKeyCompromise, policy.ReasonUnspecified}).Draw(rt, label+"reason")})
				}
				_, _ = w.register.RevokeAll(t.Context(), qs)
			case "publish":
				_, _ = w.register.PublishCRL(t.Context(), rapid.SampledFrom([]string{"issuing-oca", "issuing-dca", "root-oca"}).Draw(rt, label+"issuer"))
			case "block":
				next++
				_ = w.issuer.BlockKey(t.Context(), ca.KeyBlock{Key: ca.KeyHash{byte(next)}, Reason: "weak \xfe", By: "x"})
			case "fail before":
				w.faults.FailBeforeCommit(rapid.IntRange(0, 2).Draw(rt, label+"commit"), inject)
			case "fail after":
				w.faults.FailAfterCommit(rapid.IntRange(0, 2).Draw(rt, label+"commit"), inject)
			case "token":
				w.setFail(rapid.Bool().Draw(rt, label+"fails"))
			}
		}
		w.setFail(false)
		w.faults.Disarm()
		_, err := auditor.Audit(t.Context(), w.config())
		require.NoError(rt, err)
		_, err = w.issuer.Reconcile(t.Context())
		require.NoError(rt, err)
		report, err := auditor.Audit(t.Context(), w.config())
		require.NoError(rt, err)
		require.Zero(rt, report.Open)
		rows := int64(0)
		for _, err := range w.issuer.List(t.Context(), ca.Filter{}) {
			require.NoError(rt, err)
			rows++
		}
		require.Equal(rt, rows, report.Certificates, "all of them were compared")
	})
}

// What a crash leaves open is no tampering, and a group of records that is larger
// than what is looked up at once is compared whole.
func TestCrashLeftovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	w.issue(t, deviceRequest(t, 1, "manufacturer"))
	w.faults.FailBeforeCommit(1, inject) // the certificate is not recorded,
	w.faults.FailBeforeCommit(2, inject) // and the serial not written off
	_, err := w.issuer.Issue(t.Context(), deviceRequest(t, 2, "manufacturer"))
	require.ErrorIs(t, err, ca.ErrUncertain)
	report, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
	require.Equal(t, int64(1), report.Open)
	require.Equal(t, int64(6), report.Intents)
	require.Equal(t, int64(5), report.Certificates)
}

func TestManyRecords(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("2,500 certificates; run without -short")
	}
	w := newWorld(t, "exercise")
	var all []policy.Serial
	n := 0
	for range 5 {
		var batch []ca.Request
		for k := range 500 {
			n++
			batch = append(batch, deviceRequest(t, n, []string{"one", "two"}[k%2]))
		}
		results, err := w.issuer.IssueBatch(t.Context(), batch)
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
			all = append(all, r.Certificate.Serial)
		}
	}
	w.revoke(t, policy.ReasonSuperseded, all[:1500]...)
	w.publish(t, "issuing-dca")
	report, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
	require.Equal(t, int64(2504), report.Certificates)
	require.Equal(t, int64(1500), report.Revocations)
}

// After a restore, revocations are taken over from a list that is newer than the
// ledger, and the list with them. Some are of certificates that the ledger lost.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	known, lost := w.issue(t, deviceRequest(t, 1, "manufacturer")), policytest.NewSerial(t)
	at := w.clock().Truncate(time.Second)
	entries := []policy.CRLEntry{{Serial: known, At: at, Reason: policy.ReasonSuperseded}, {Serial: lost, At: at, Reason: policy.ReasonKeyCompromise}}
	for range 2 {
		require.NoError(t, w.register.TakeOver(t.Context(), "issuing-dca-1", entries, "operator"))
	}
	list := w.hierarchy.CRL(t, w.hierarchy.IssuingDCA, 7, at, entries...)
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), []ca.CeremonyIntent{{TBS: list.RawTBS, Signature: list.Signature, KeyLabel: "issuing-dca-1"}}))
	w.publish(t, "issuing-dca")
	report, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
	require.Equal(t, int64(2), report.Revocations)
	require.ErrorContains(t, w.tampered(t, func(x tamperer) { x.hit(`DELETE FROM revocation WHERE serial = $1`, lost[:]) }),
		"certificate "+lost.String()+": its revocation is in the log and not in the ledger")
}

// An authority whose certificate the auditor did not bring is no verdict on the
// ledger.
func TestAuthorityNotGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	cfg := w.config()
	delete(cfg.Authorities, "root-dca-1")
	_, err := auditor.Audit(t.Context(), cfg)
	require.ErrorContains(t, err, `the certificate of its authority "root-dca-1" was not given to the audit`)
	require.NotErrorIs(t, err, auditor.ErrDiffers)
	cfg.Authorities["root-dca-1"] = []byte{1}
	_, err = auditor.Audit(t.Context(), cfg)
	require.ErrorContains(t, err, `reading the certificate of "root-dca-1"`)
	_, err = auditor.Audit(t.Context(), auditor.Config{})
	require.ErrorContains(t, err, "Store is missing")
}
