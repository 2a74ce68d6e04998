package main

import (
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// certified makes certificates in a home and returns their serial numbers.
func certified(t *testing.T, home string, kind string, n int) (serials []policy.Serial) {
	t.Helper()
	for range n {
		der, err := makeRequest(kind, nextEntity())
		require.NoError(t, err)
		csr := filepath.Join(t.TempDir(), "a.csr")
		require.NoError(t, os.WriteFile(csr, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
		code, out, errs := smki(t, "issue", "--home", home, "--csr", csr, "--json")
		require.Equal(t, clikit.Done, code, errs)
		var c struct{ Serial policy.Serial }
		require.NoError(t, json.Unmarshal([]byte(out), &c))
		serials = append(serials, c.Serial)
	}
	return serials
}

// tampering opens the database of a copy of a home as its owner can, with what
// guards the tables taken away.
func tampering(t *testing.T, home string) (string, func(string, ...any)) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.CopyFS(to, os.DirFS(home)))
	db, err := sql.Open("sqlite3", filepath.Join(to, storeFile))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'trigger'`)
	require.NoError(t, err)
	var triggers []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		triggers = append(triggers, name)
	}
	require.NoError(t, rows.Err())
	for _, name := range triggers {
		_, err := db.Exec(`DROP TRIGGER ` + name)
		require.NoError(t, err)
	}
	return to, func(query string, args ...any) {
		t.Helper()
		result, err := db.Exec(query, args...)
		require.NoError(t, err, query)
		n, err := result.RowsAffected()
		require.NoError(t, err)
		require.NotZero(t, n, query)
	}
}

// A change of the ledger shows in audit verify as one of the log does, in a line
// that names it, and no list is published that forgets a revocation.
func TestAuditVerifyComparesTheLedger(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	devices := certified(t, home, "device", 2)
	revoked, inUse := devices[0], devices[1]
	code, _, errs := smki(t, "revoke", "--home", home, "--serial", revoked.String(), "--reason", "keyCompromise")
	require.Equal(t, clikit.Done, code, errs)
	kept := filepath.Join(t.TempDir(), "kept")
	code, _, errs = smki(t, "audit", "checkpoint", "--home", home, "--out", kept)
	require.Equal(t, clikit.Done, code, errs)

	code, out, errs := smki(t, "audit", "verify", "--home", home, "--checkpoint", kept)
	require.Equal(t, clikit.Done, code, errs)
	require.Regexp(t, `^intact: \d+ records, head \S+, signed up to \d+\nthe ledger is what the log tells: \d+ intents \(0 open\), 8 certificates, 1 revocations, \d+ lists, 0 blocked keys; 0 parties, 0 officers, 0 approvals, 0 batches, 0 API keys\n$`, out)

	for _, row := range []struct {
		name, query string
		args        []any
		want        string
	}{
		{"revocation deleted", `DELETE FROM revocation`, nil, revoked.String() + ": its revocation is in the log and not in the ledger"},
		{"revocation's reason", `UPDATE revocation SET reason = 4`, nil, "its reason is superseded in the ledger, keyCompromise in the log"},
		{"certificate's status", `UPDATE certificate SET status = 'I' WHERE serial = ?`, []any{revoked[:]}, revoked.String() + ": its status is in use in the ledger, a revocation in the log"},
		{"certificate deleted", `DELETE FROM certificate WHERE serial = ?`, []any{inUse[:]}, inUse.String() + ": it is in the log and not in the ledger"},
		{"certificate's bytes", `UPDATE certificate SET der = (SELECT der FROM certificate WHERE serial = ?) WHERE serial = ?`, []any{revoked[:], inUse[:]}, inUse.String() + ": the bytes in the ledger are not those"},
		{"list deleted", `DELETE FROM crl WHERE number = (SELECT MAX(number) FROM crl)`, nil, "list 2 of issuing-dca-1: it is in the log and not in the ledger"},
		{"intent's bytes", `UPDATE intent SET tbs = x'3000' WHERE id = (SELECT MAX(id) FROM intent)`, nil, "the bytes to be signed in the ledger are not those"},
		{"intent deleted", `DELETE FROM intent WHERE serial = ?`, []any{inUse[:]}, "it is in the log and not in the ledger"},
		{"intent's state", `UPDATE intent SET state = 'unused' WHERE serial = ?`, []any{inUse[:]}, "its state is unused in the ledger, recorded in the log"},
		{"IKI certificate's status", `UPDATE iki_certificate SET status = 'R'`, nil, "its status is revoked in the ledger, no revocation in the log"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			copied, tamper := tampering(t, home)
			tamper(row.query, row.args...)
			for range 2 { // looking changes nothing
				code, out, errs := smki(t, "audit", "verify", "--home", copied, "--checkpoint", kept)
				require.Equal(t, clikit.Failed, code, out)
				require.Empty(t, out)
				require.Contains(t, errs, "CHANGED: ")
				require.Contains(t, errs, row.want)
				require.Equal(t, 1, strings.Count(errs, "\n"))
			}
			code, out, _ := smki(t, "audit", "verify", "--home", copied, "--json")
			require.Equal(t, clikit.Failed, code)
			var verdict struct {
				Intact bool
				Reason string
			}
			require.NoError(t, json.Unmarshal([]byte(out), &verdict))
			require.False(t, verdict.Intact)
			require.Contains(t, verdict.Reason, row.want)
		})
	}

	t.Run("a list without the revocation", func(t *testing.T) {
		t.Parallel()
		copied, tamper := tampering(t, home)
		tamper(`DELETE FROM revocation`)
		tamper(`UPDATE certificate SET status = 'I' WHERE serial = ?`, revoked[:])
		code, out, errs := smki(t, "crl", "--home", copied, "--issuer", "issuing-dca")
		require.Equal(t, clikit.Failed, code)
		require.Empty(t, out)
		require.Contains(t, errs, fmt.Sprintf("serial %s stands on the published list 2 of issuing-dca-1 and is not revoked in the database any more", revoked))
		require.Contains(t, errs, "smki audit verify")
		code, _, _ = smki(t, "crl", "--home", copied, "--issuer", "issuing-oca")
		require.Equal(t, clikit.Done, code)
	})
}

// The tables of the services are held against the log too: what a batch was, which
// certificate an item has, and what an API key is known by.
func TestAuditVerifyComparesTheServices(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	s := serveHome(t, home)
	h := newHolder(t, home, "Exercise Supplier A", "system", policy.RoleSupplier, iki.Batched)
	id := s.submit(t, s.client(t, h), 3)
	s.result(t, s.client(t, h), id, "COMPLETED")
	require.Equal(t, clikit.Done, s.stop())
	lines := filepath.Join(t.TempDir(), "batch.jsonl")
	text, err := makeBatch(3)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(lines, text, 0o600))
	code, _, errs := smki(t, "batch", "--home", home, "--in", lines, "--out", t.TempDir())
	require.Equal(t, clikit.Done, code, errs)
	for _, party := range []string{"supplier-a", "supplier-b"} {
		code, _, errs = smki(t, "apikey", "create", "--home", home, "--party", party)
		require.Equal(t, clikit.Done, code, errs)
	}
	code, out, errs := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, "1 batches, 2 API keys")

	for _, row := range []struct{ name, query, want string }{
		{"key swapped", `UPDATE repository_key SET hash = x'00' WHERE party = 'supplier-a'`, "of supplier-a: its hash is 00 in the ledger"},
		{"key of another", `UPDATE repository_key SET party = 'supplier-c' WHERE party = 'supplier-b'`, "of supplier-b: its party is supplier-c in the ledger"},
		{"key added", `INSERT INTO repository_key (id, hash, party, note, adopted, created_by, created_at) VALUES ('x', x'01', 'p', '', 0, 'b', 1)`, "API key x: it is in the database and not in the log"},
		{"key deleted", `DELETE FROM repository_key WHERE party = 'supplier-a'`, "of supplier-a: it is in the log and not in the database"},
		{"key revoked", `UPDATE repository_key SET revoked_by = 'x', revoked_at = 1 WHERE party = 'supplier-a'`, "its revoked by is x in the ledger, missing in the log"},
		{"batch of another", `UPDATE smkiws_batch SET party = 'somebody'`, "batch 1: its party is somebody in the ledger"},
		{"batch begun again", `UPDATE smkiws_batch SET state = 'QUEUED'`, "batch 1: its state is QUEUED in the ledger, COMPLETED in the log"},
		{"batch of other octets", `UPDATE smkiws_batch SET digest = x'00'`, "batch 1: its digest is 00"},
		{"item's certificate", `UPDATE smkiws_outcome SET serial = (SELECT serial FROM batch_item LIMIT 1) WHERE item = 2`, "item 2 of batch 1: its certificate"},
		{"line's certificate", `UPDATE batch_item SET serial = (SELECT serial FROM smkiws_outcome LIMIT 1) WHERE id = 'meter-1'`, "item meter-1: its certificate"},
		{"hold released", `INSERT INTO restoration (backup, taken_at, restored_at, log_size, log_head, released_at, released_by, record) VALUES ('b', 1, 1, 1, 'h', 2, 'x', 3)`, "restoration 1 from backup b: it is released"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			copied, tamper := tampering(t, home)
			tamper(row.query)
			code, _, errs := smki(t, "audit", "verify", "--home", copied)
			require.Equal(t, clikit.Failed, code)
			require.Contains(t, errs, row.want)
		})
	}
}
