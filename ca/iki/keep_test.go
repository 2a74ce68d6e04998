package iki_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// A list never lacks, or tells otherwise, what the last one told, whatever the
// database's owner did to the tables.
func TestAListForgetsNothing(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ tamper, want string }{
		"deleted":            {`DELETE FROM iki_revocation`, "is not revoked in the database any more: somebody took the revocation out"},
		"another reason":     {`UPDATE iki_revocation SET reason = 4`, "and in the database otherwise: somebody changed it"},
		"another date":       {`UPDATE iki_revocation SET revoked_at = revoked_at - 5000000`, "and in the database otherwise"},
		"no list any more":   {`DELETE FROM iki_crl`, "list 1 of iki-1 was published and is not in the database any more"},
		"no list to be read": {`UPDATE iki_crl SET der = tbs FROM intent WHERE intent.id = iki_crl.intent`, "reading the last published list, 1 of iki-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			revoked := w.issue(t, "one", iki.AdHoc).Serial
			w.revoke(t, revoked)
			_, err := w.authority.PublishCRL(t.Context())
			require.NoError(t, err)
			require.NoError(t, w.store.Write(t.Context(), func(tx store.Tx) error {
				guards := []string{`SET LOCAL session_replication_role = replica`}
				if !storetest.OnPostgres() {
					guards = []string{`DROP TRIGGER iki_revocation_kept`, `DROP TRIGGER iki_revocation_unchanged`, `DROP TRIGGER iki_crl_kept`, `DROP TRIGGER iki_crl_unchanged`}
				}
				for _, statement := range append(guards, row.tamper) {
					if _, err := tx.Exec(t.Context(), statement); err != nil {
						return err
					}
				}
				return nil
			}))
			signed := len(w.tap.signed)
			_, err = w.authority.PublishCRL(t.Context())
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "nothing was signed: stop the CA and run smki audit verify")
			require.Len(t, w.tap.signed, signed)
		})
	}
}
