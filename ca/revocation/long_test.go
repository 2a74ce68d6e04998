package revocation_test

import (
	"slices"
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

// A long list is stored in portions and begins from the one before; whatever came in
// between, it is the list that would be built from nothing, byte for byte.
func TestLongList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	const issuer = "issuing-dca-1"
	const longList = 2048
	ctx := t.Context()
	pieces := func() (n int) {
		require.NoError(t, w.store.Read(ctx, func(tx store.Tx) error {
			return tx.QueryRow(ctx, `SELECT COUNT(*) FROM piece`).Scan(&n)
		}))
		return n
	}
	next := longList - 1
	w.revokeMadeUp(t, issuer, 0, next)
	_, err := w.register.PublishCRL(ctx, issuer)
	require.NoError(t, err)
	require.Zero(t, pieces(), "a short list stays as it was")

	device := w.device(t, 1).Serial
	for n, row := range []struct {
		says string
		more int
		do   func()
	}{
		{"it becomes long", 1, func() {}},
		{"nothing is new", 0, func() {}},
		{"a few are new, one of them a real one", 20, func() { w.revoke(t, device, policy.ReasonKeyCompromise) }},
		{"a serial was written off", 1, func() {
			w.setFail(func(func() ([]byte, error)) ([]byte, error) { return nil, errInjected })
			_, err := w.issuer.Issue(ctx, ca.Request{Requester: "manufacturer", DER: deviceRequest(t, 9)})
			require.ErrorIs(t, err, ca.ErrUncertain)
			w.setFail(nil)
		}},
		{"another process publishes one", 3, func() {
			_, other := w.open(t)
			_, err := other.PublishCRL(ctx, issuer)
			require.NoError(t, err)
		}},
		{"the list doubles, and portions are split", 3000, func() {}},
	} {
		w.revokeMadeUp(t, issuer, next, next+row.more)
		next += row.more
		row.do()
		w.set(w.clock().Add(time.Minute))
		before := pieces()
		rec, err := w.register.PublishCRL(ctx, issuer)
		require.NoError(t, err, row.says)
		crl, err := policy.ParseCRL(rec.DER)
		require.NoError(t, err, row.says)
		require.Len(t, crl.Entries, rec.Entries)
		built, err := policy.TBSCRL(policy.CRLTemplate{Issuer: w.hierarchy.IssuingDCA.Certificate, Number: rec.Number, ThisUpdate: rec.ThisUpdate, NextUpdate: rec.NextUpdate, Entries: w.revoked(t, issuer)})
		require.NoError(t, err)
		require.Equal(t, built, crl.RawTBS, row.says)
		if n == 1 {
			require.Equal(t, before, pieces(), "what did not change is not stored again")
		}
		stored, err := w.register.Current(ctx, issuer)
		require.NoError(t, err)
		require.Equal(t, rec.DER, stored.DER)
		_, other := w.open(t)
		read, err := other.Current(ctx, issuer)
		require.NoError(t, err)
		require.Equal(t, rec.DER, read.DER, "from the database, as another process reads it")
		standing, err := w.register.Standings(ctx, w.clock())
		require.NoError(t, err)
		at := slices.IndexFunc(standing, func(s revocation.Standing) bool { return s.Issuer == issuer })
		require.Zero(t, standing[at].Pending, row.says)
	}
	w.accounts(t)
}

// revoked is what the ledger says must stand on a list.
func (w *world) revoked(t testing.TB, issuer string) (entries []policy.CRLEntry) {
	for v, err := range w.register.List(t.Context(), issuer) {
		require.NoError(t, err)
		entries = append(entries, policy.CRLEntry{Serial: v.Serial, At: v.At, Reason: v.Reason})
	}
	require.NoError(t, w.store.Read(t.Context(), func(tx store.Tx) error {
		lost, err := ca.WrittenOff(t.Context(), tx, issuer)
		for _, in := range lost {
			entries = append(entries, policy.CRLEntry{Serial: in.Serial, At: in.SettledAt, Reason: ca.WriteOffReason})
		}
		return err
	}))
	return entries
}

// A long list that begins from the one before tells what that told, whatever was done
// to the database meanwhile: a revocation that was taken out is missed by its count,
// one that was changed by the comparison that is made every few hours; and who looks
// at a list whose pieces were changed sees it.
func TestALongListForgetsNothing(t *testing.T) {
	t.Parallel()
	const issuer = "issuing-dca-1"
	first, another := madeUp(0), madeUp(1<<40)
	for _, row := range []struct {
		says, statement, want string
		after                 time.Duration
		args                  []any
	}{
		{"a revocation is deleted", `DELETE FROM revocation WHERE serial = $1`, "stands on the published list 1", time.Minute, []any{first[:]}},
		{"one is deleted and another put in its place", `UPDATE revocation SET serial = $1 WHERE serial = $2`, "stands on the published list 1", 7 * time.Hour, []any{another[:], first[:]}},
		{"its reason is another", `UPDATE revocation SET reason = 9 WHERE serial = $1`, "somebody changed it", 7 * time.Hour, []any{first[:]}},
		{"a revocation is put in with the number of an old one", `INSERT INTO revocation (seq, serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at) VALUES (-5, $1, 'issuing-dca-1', 1, 1, 'x', TRUE, 1)`, "", time.Minute, []any{another[:]}},
	} {
		t.Run(row.says, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise")
			w.revokeMadeUp(t, issuer, 0, 2100)
			_, err := w.register.PublishCRL(t.Context(), issuer)
			require.NoError(t, err)
			storetest.Tamper(t, w.store, row.statement, row.args...)
			w.set(w.clock().Add(row.after))
			rec, err := w.register.PublishCRL(t.Context(), issuer)
			if row.want != "" {
				require.ErrorContains(t, err, row.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 2101, rec.Entries, "what the ledger says is on the list, whenever it came")
		})
	}
	t.Run("a piece is changed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "exercise")
		w.revokeMadeUp(t, issuer, 0, 2100)
		_, err := w.register.PublishCRL(t.Context(), issuer)
		require.NoError(t, err)
		storetest.Tamper(t, w.store, `DELETE FROM piece WHERE id = 2`)
		_, other := w.open(t)
		_, err = other.PublishCRL(t.Context(), issuer)
		require.ErrorContains(t, err, "stop the CA and run smki audit verify")
		_, err = other.Current(t.Context(), issuer)
		require.ErrorContains(t, err, "somebody took it out of the database")
	})
}

// A revocation that comes while a long list is signed is not lost, and no piece of
// the list that was thrown away stands in the next.
func TestLongListIsOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	const issuer = "issuing-dca-1"
	w.revokeMadeUp(t, issuer, 0, 2100)
	_, err := w.register.PublishCRL(t.Context(), issuer)
	require.NoError(t, err)
	late := w.device(t, 1).Serial
	signatures := 0
	w.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		if signatures++; signatures == 1 {
			w.revoke(t, late, policy.ReasonSuperseded)
		}
		return sign()
	})
	w.revokeMadeUp(t, issuer, 2100, 2110)
	rec, err := w.register.PublishCRL(t.Context(), issuer)
	require.NoError(t, err)
	require.Equal(t, 2111, rec.Entries)
	w.setFail(nil)
	w.accounts(t)
}

func deviceRequest(t testing.TB, n int) []byte {
	return policytest.DeviceRequest(t, policytest.NewKey(t), entity(n), policy.UsageDigitalSignature)
}
