package auditor_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/audit"
	"smki.example/ca/auditor"
	"smki.example/ca/repository"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// What a published file of the Repository covers, and its digest, are those of the log.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, statement, want string }{
		{"none", ``, ""},
		{"removed", `UPDATE repository_file SET state = 'removed'`, ""},
		{"another begun", `INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by) VALUES (2, 'full', 'g', 0, 0, 0, 0, 0, 'begun', 'x')`, ""},
		{"another published", `INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by) VALUES (2, 'full', 'g', 0, 0, 0, 0, 0, 'published', 'x')`, "2: it is in the database and not in the log"},
		{"digest", `UPDATE repository_file SET digest = $1`, "its digest is 78"},
		{"range", `UPDATE repository_file SET to_certificate = 8`, "its to certificate is 8 in the ledger, 9 in the log"},
		{"begun again", `UPDATE repository_file SET state = 'begun'`, "it is not published in the ledger"},
		{"gone", `DELETE FROM repository_file`, "it is in the log and not in the database"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise")
			at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			f := repository.File{Number: 1, Kind: repository.DeltaFile, Name: "f", After: repository.Bound{Certificates: 1, Revocations: 2}, To: repository.Bound{Certificates: 9, Revocations: 3},
				At: at, State: "published", BegunBy: "operator", Certificates: 8, Changes: 1, Octets: 7, SHA256: "00ff", PublishedAt: at.Add(time.Minute)}
			digest, err := hex.DecodeString(f.SHA256)
			require.NoError(t, err)
			require.NoError(t, w.store.Write(t.Context(), func(tx store.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by, certificates, changes, octets, digest, published_at)
					VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`, f.Number, string(f.Kind), f.Name, f.After.Certificates, f.To.Certificates, f.After.Revocations, f.To.Revocations,
					f.At.UnixMicro(), f.State, f.BegunBy, f.Certificates, f.Changes, f.Octets, digest, f.PublishedAt.UnixMicro())
				if err != nil {
					return err
				}
				_, err = audit.Append(t.Context(), tx, audit.Event{Kind: repository.KindFile, At: at, By: "operator", Body: f})
				return err
			}))
			if row.name == "digest" {
				storetest.Tamper(t, w.store, row.statement, []byte("x"))
			} else if row.statement != "" {
				storetest.Tamper(t, w.store, row.statement)
			}
			_, err = auditor.Audit(t.Context(), w.config())
			if row.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.want)
			}
		})
	}
}
