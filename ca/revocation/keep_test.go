package revocation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
)

// tamper changes the database as its owner can, who takes the triggers away first.
func (w *world) tamper(t *testing.T, query string, args ...any) {
	t.Helper()
	err := w.store.Write(t.Context(), func(tx store.Tx) error {
		exec := []string{`SET LOCAL session_replication_role = replica`}
		if !storetest.OnPostgres() {
			exec = []string{`PRAGMA defer_foreign_keys = ON`, `DROP TRIGGER IF EXISTS revocation_kept`, `DROP TRIGGER IF EXISTS revocation_unchanged`,
				`DROP TRIGGER IF EXISTS crl_kept`, `DROP TRIGGER IF EXISTS crl_unchanged`, `DROP TRIGGER IF EXISTS intent_unchanged`,
				`DROP TRIGGER IF EXISTS intent_kept`, `DROP TRIGGER IF EXISTS intent_settled_once`}
		}
		for _, e := range exec {
			if _, err := tx.Exec(t.Context(), e); err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	})
	require.NoError(t, err)
}

// A list never lacks, or tells otherwise, what the last one told, whatever was done
// to the database; nothing is signed, and an honest ledger publishes on.
func TestAListForgetsNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		tamper func(*testing.T, *world)
		lost   func(revoked, writtenOff policy.Serial) policy.Serial // named by the error
		want   string
	}{
		{"the revocation is deleted", func(t *testing.T, w *world) { w.tamper(t, `DELETE FROM revocation`) },
			func(revoked, _ policy.Serial) policy.Serial { return revoked }, "stands on the published list 2 of issuing-oca-1 and is not revoked in the database any more"},
		{"its reason is another", func(t *testing.T, w *world) { w.tamper(t, `UPDATE revocation SET reason = 4`) },
			func(revoked, _ policy.Serial) policy.Serial { return revoked }, "(keyCompromise), and in the database as revoked on 2026-11-24T12:00:00Z (superseded)"},
		{"its date is another", func(t *testing.T, w *world) { w.tamper(t, `UPDATE revocation SET revoked_at = revoked_at - 60000000`) },
			func(revoked, _ policy.Serial) policy.Serial { return revoked }, "and in the database as revoked on 2026-11-24T11:59:00Z"},
		{"what was written off is called unused", func(t *testing.T, w *world) {
			w.tamper(t, `UPDATE intent SET state = 'unused' WHERE state = 'written-off'`)
		}, func(_, lost policy.Serial) policy.Serial { return lost }, "is not revoked in the database any more"},
		{"the newest list is deleted with the revocation", func(t *testing.T, w *world) {
			w.tamper(t, `DELETE FROM revocation`)
			w.tamper(t, `DELETE FROM crl WHERE number = 2`)
		}, func(revoked, _ policy.Serial) policy.Serial { return revoked }, "stands on the published list 2 of issuing-oca-1"},
		{"the newest list cannot be read", func(t *testing.T, w *world) {
			w.tamper(t, `UPDATE crl SET der = $1 WHERE number = 2`, []byte{0x30, 0x00})
		}, nil, "reading the last published list, 2 of issuing-oca-1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise")
			_, err := w.register.PublishCRL(t.Context(), "issuing-oca")
			require.NoError(t, err)
			revoked := w.supplier(t, 1).Serial
			w.revoke(t, revoked, policy.ReasonKeyCompromise)
			w.setFail(func(func() ([]byte, error)) ([]byte, error) { return nil, errInjected })
			_, err = w.issuer.Issue(t.Context(), ca.Request{DER: supplierRequest(t, 2)})
			var uncertain *ca.UncertainError
			require.ErrorAs(t, err, &uncertain)
			w.setFail(nil)
			_, err = w.register.PublishCRL(t.Context(), "issuing-oca")
			require.NoError(t, err)

			row.tamper(t, w)
			signatures := w.signatures()
			w.set(w.clock().Add(time.Minute))
			_, err = w.register.PublishCRL(t.Context(), "issuing-oca")
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "nothing was signed: stop the CA and run smki audit verify")
			if row.lost != nil {
				require.ErrorContains(t, err, "serial "+row.lost(revoked, uncertain.Serial).String()+" stands")
			}
			require.Equal(t, signatures, w.signatures())
			_, err = w.register.PublishCRL(t.Context(), "issuing-dca")
			require.NoError(t, err, "another authority's list is not touched")
		})
	}
}

// A list that a ceremony made, or that was taken over after a restore, is a
// published one.
func TestACeremonysListIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	serial := w.supplier(t, 1).Serial
	crl := w.hierarchy.CRL(t, w.hierarchy.IssuingOCA, 7, noon, policy.CRLEntry{Serial: serial, At: noon, Reason: policy.ReasonSuperseded})
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), []ca.CeremonyIntent{{TBS: crl.RawTBS, Signature: crl.Signature, KeyLabel: "issuing-oca-1"}}))
	_, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.ErrorContains(t, err, "serial "+serial.String()+" stands on the published list 7 of issuing-oca-1")
	w.revoke(t, serial, policy.ReasonSuperseded)
	rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.NoError(t, err)
	require.Equal(t, int64(8), rec.Number)
}
