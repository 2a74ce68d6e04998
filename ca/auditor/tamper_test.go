package auditor_test

import (
	"context"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/auditor"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A scene is a small CA with something of everything, and what a tamperer may want
// to know of it.
type scene struct {
	*world
	revoked    policy.Serial // device, on lists 2 and 3
	inUse      policy.Serial // device
	other      policy.Serial // device, in use
	supplier   policy.Serial // in use
	writtenOff policy.Serial
	unused     policy.Serial
	open       policy.Serial
}

func newScene(t *testing.T) *scene {
	t.Helper()
	w := newWorld(t, "exercise")
	s := &scene{world: w}
	w.publish(t, "issuing-dca")
	w.publish(t, "root-oca")
	s.revoked = w.issue(t, deviceRequest(t, 1, "manufacturer"))
	s.inUse = w.issue(t, deviceRequest(t, 2, "manufacturer"))
	s.other = w.issue(t, deviceRequest(t, 3, "manufacturer"))
	s.supplier = w.issue(t, supplierRequest(t, 4))
	results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{deviceRequest(t, 5, "one"), deviceRequest(t, 6, "two"), deviceRequest(t, 7, "one")})
	require.NoError(t, err)
	w.revoke(t, policy.ReasonKeyCompromise, s.revoked, results[1].Certificate.Serial)
	w.publish(t, "issuing-dca")

	// One serial that may have been signed, and one whose token was never asked.
	w.setFail(true)
	_, err = w.issuer.Issue(t.Context(), deviceRequest(t, 8, "manufacturer"))
	var uncertain *ca.UncertainError
	require.ErrorAs(t, err, &uncertain)
	s.writtenOff = uncertain.Serial
	w.setFail(false)
	gone, cancel := context.WithCancel(t.Context())
	w.faults.FailAfterCommit(0, func() error { cancel(); return nil })
	_, err = w.issuer.Issue(gone, deviceRequest(t, 9, "manufacturer"))
	require.ErrorIs(t, err, context.Canceled)
	w.publish(t, "issuing-dca")

	require.NoError(t, w.issuer.BlockKey(t.Context(), ca.KeyBlock{Key: ca.KeyHash{1}, Reason: "weak", By: "operator"}))
	w.faults.FailBeforeCommit(1, inject)
	w.faults.FailBeforeCommit(2, inject)
	_, err = w.issuer.Issue(t.Context(), deviceRequest(t, 10, "manufacturer"))
	require.ErrorAs(t, err, &uncertain)
	s.open = uncertain.Serial
	w.faults.Disarm()
	for in, err := range w.issuer.Intents(t.Context()) {
		require.NoError(t, err)
		if in.State == ca.StateUnused {
			s.unused = in.Serial
		}
	}
	require.False(t, s.unused.IsZero())
	return s
}

// A tamperer has the rights of the database's owner. It works on the goroutine of
// the store, where a test cannot be ended, so that it panics when it fails; the
// store brings that to the caller.
type tamperer struct {
	ctx context.Context
	tx  store.Tx
}

func must(err error, what string) {
	if err != nil {
		panic(what + ": " + err.Error())
	}
}

// disarm takes away what guards the tables, as far as the transaction goes.
func (x tamperer) disarm() {
	if storetest.OnPostgres() {
		x.exec(`SET LOCAL session_replication_role = replica`)
		return
	}
	x.exec(`PRAGMA defer_foreign_keys = ON`)
	var names []string
	rows, err := x.tx.Query(x.ctx, `SELECT name FROM sqlite_master WHERE type = 'trigger'`)
	must(err, "looking for triggers")
	for rows.Next() {
		var name string
		must(rows.Scan(&name), "looking for triggers")
		names = append(names, name)
	}
	must(rows.Err(), "looking for triggers")
	rows.Close()
	for _, name := range names {
		x.exec(`DROP TRIGGER ` + name)
	}
}

func (x tamperer) exec(query string, args ...any) {
	_, err := x.tx.Exec(x.ctx, query, args...)
	must(err, query)
}

// hit is exec of what must change something, or the row of the table tests nothing.
func (x tamperer) hit(query string, args ...any) {
	n, err := x.tx.Exec(x.ctx, query, args...)
	if err == nil && n == 0 {
		err = errors.New("nothing was changed")
	}
	must(err, query)
}

func (x tamperer) octets(query string, args ...any) (b []byte) {
	must(x.tx.QueryRow(x.ctx, query, args...).Scan(&b), query)
	return b
}

func (x tamperer) number(query string, args ...any) (n int64) {
	must(x.tx.QueryRow(x.ctx, query, args...).Scan(&n), query)
	return n
}

// copyRow adds a row that is another one but for some columns.
func (x tamperer) copyRow(table, where string, columns []string, changed map[string]string, args ...any) {
	values := make([]string, len(columns))
	for n, c := range columns {
		values[n] = c
		if v, ok := changed[c]; ok {
			values[n] = v
		}
	}
	x.hit(fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s`, table, strings.Join(columns, ", "), strings.Join(values, ", "), table, where), args...)
}

var (
	revocationColumns  = []string{"serial", "issuer", "reason", "revoked_at", "revoked_by", "on_crl", "recorded_at"}
	certificateColumns = []string{"serial", "intent", "issuer", "profile", "entity", "role", "key_usage", "spki", "not_before", "not_after", "status", "requester", "recorded_at", "der"}
	intentColumns      = []string{"handle", "kind", "issuer", "serial", "number", "profile", "profile_version", "entity", "spki", "tbs", "owner", "state", "cause", "created_at", "settled_at"}
	crlColumns         = []string{"issuer", "number", "intent", "this_update", "next_update", "entries", "covers", "published_at", "der"}
)

// other is a signature over the same bytes that verifies as well: (r, n-s).
func other(der []byte) []byte {
	cert, err := policy.ParseCertificate(der)
	must(err, "reading a certificate")
	var sig struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(cert.Signature, &sig)
	must(err, "reading a signature")
	sig.S.Sub(elliptic.P256().Params().N, sig.S)
	again, err := asn1.Marshal(sig)
	must(err, "writing a signature")
	whole, err := policy.Assemble(cert.RawTBS, again)
	must(err, "writing a certificate")
	return whole
}

// Everything a tamperer with the rights of the database's owner can do to the
// ledger, with the triggers out of the way, is found and named.
func TestTampering(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	oid := make([]byte, 16)
	oid[0] = 0x42
	strange := policy.Serial(oid)
	for _, row := range []struct {
		name string
		do   func(tamperer)
		want string
	}{
		// Revocations.
		{"a revocation is deleted", func(x tamperer) { x.hit(`DELETE FROM revocation WHERE serial = $1`, s.revoked[:]) },
			"certificate " + s.revoked.String() + ": its revocation is in the log and not in the ledger"},
		{"all revocations are deleted and the certificates put in use again", func(x tamperer) {
			x.hit(`DELETE FROM revocation`)
			x.hit(`UPDATE certificate SET status = 'I'`)
		}, "its revocation is in the log and not in the ledger"},
		{"the reason of a revocation is changed", func(x tamperer) { x.hit(`UPDATE revocation SET reason = 4 WHERE serial = $1`, s.revoked[:]) },
			"revocation of certificate " + s.revoked.String() + ": its reason is superseded in the ledger, keyCompromise in the log"},
		{"a reason is no reason", func(x tamperer) { x.hit(`UPDATE revocation SET reason = -1 WHERE serial = $1`, s.revoked[:]) }, "its reason is -1 in the ledger"},
		{"the date of a revocation is changed", func(x tamperer) {
			x.hit(`UPDATE revocation SET revoked_at = revoked_at + 1000000 WHERE serial = $1`, s.revoked[:])
		}, "its date is 2026"},
		{"a revocation has another author", func(x tamperer) { x.hit(`UPDATE revocation SET revoked_by = 'nobody' WHERE serial = $1`, s.revoked[:]) },
			"its author is nobody in the ledger, operator in the log"},
		{"a revocation was recorded at another time", func(x tamperer) { x.hit(`UPDATE revocation SET recorded_at = 1 WHERE serial = $1`, s.revoked[:]) },
			"its time of recording is 1970"},
		{"a revocation is of another authority", func(x tamperer) {
			x.hit(`UPDATE revocation SET issuer = 'issuing-oca-1' WHERE serial = $1`, s.revoked[:])
		},
			"its authority is issuing-oca-1 in the ledger, issuing-dca-1 in the log"},
		{"a revocation is taken off the lists", func(x tamperer) { x.hit(`UPDATE revocation SET on_crl = FALSE WHERE serial = $1`, s.revoked[:]) },
			"its place on lists is false in the ledger, true in the log"},
		{"a revocation is moved to another serial", func(x tamperer) {
			x.hit(`UPDATE revocation SET serial = $1 WHERE serial = $2`, s.inUse[:], s.revoked[:])
		}, "certificate " + s.revoked.String() + ": its revocation is in the log and not in the ledger"},
		{"a revocation is invented", func(x tamperer) {
			x.copyRow("revocation", "serial = $2", revocationColumns, map[string]string{"serial": "$1"}, s.inUse[:], s.revoked[:])
		}, "certificate " + s.inUse.String() + ": it is revoked in the ledger, no revocation in the log"},
		{"a revocation of a serial that never was is invented", func(x tamperer) {
			x.copyRow("revocation", "serial = $2", revocationColumns, map[string]string{"serial": "$1"}, strange[:], s.revoked[:])
		}, "certificate " + strange.String() + ": it is revoked in the ledger, no revocation in the log"},

		// Certificates.
		{"a revoked certificate is put in use again", func(x tamperer) { x.hit(`UPDATE certificate SET status = 'I' WHERE serial = $1`, s.revoked[:]) },
			"certificate " + s.revoked.String() + ": its status is in use in the ledger, a revocation in the log"},
		{"a revoked certificate is merely not in use", func(x tamperer) { x.hit(`UPDATE certificate SET status = 'N' WHERE serial = $1`, s.revoked[:]) }, "its status is not in use in the ledger"},
		{"a certificate in use is revoked by its status", func(x tamperer) { x.hit(`UPDATE certificate SET status = 'R' WHERE serial = $1`, s.inUse[:]) },
			"certificate " + s.inUse.String() + ": its status is revoked in the ledger, no revocation in the log"},
		{"a certificate is deleted", func(x tamperer) { x.hit(`DELETE FROM certificate WHERE serial = $1`, s.inUse[:]) },
			"certificate " + s.inUse.String() + ": it is in the log and not in the ledger"},
		{"an authority's certificate is deleted", func(x tamperer) { x.hit(`DELETE FROM certificate WHERE profile = 'issuing-dca'`) }, "it is in the log and not in the ledger (record 0)"},
		{"a certificate has another's bytes", func(x tamperer) {
			x.hit(`UPDATE certificate SET der = $1 WHERE serial = $2`, x.octets(`SELECT der FROM certificate WHERE serial = $1`, s.other[:]), s.inUse[:])
		}, "certificate " + s.inUse.String() + ": the bytes in the ledger are not those whose SHA-256 is in the log"},
		{"a certificate has another signature that verifies", func(x tamperer) {
			x.hit(`UPDATE certificate SET der = $1 WHERE serial = $2`, other(x.octets(`SELECT der FROM certificate WHERE serial = $1`, s.inUse[:])), s.inUse[:])
		}, "the bytes in the ledger are not those whose SHA-256 is in the log"},
		{"a certificate is nothing", func(x tamperer) { x.hit(`UPDATE certificate SET der = $1 WHERE serial = $2`, []byte{}, s.inUse[:]) }, "the bytes in the ledger"},
		{"a certificate has another serial", func(x tamperer) {
			x.hit(`UPDATE certificate SET serial = $1 WHERE serial = $2`, strange[:], s.inUse[:])
		},
			"certificate " + s.inUse.String() + ": it is in the log and not in the ledger"},
		{"a certificate is of another authority", func(x tamperer) {
			x.hit(`UPDATE certificate SET issuer = 'issuing-oca-1' WHERE serial = $1`, s.inUse[:])
		}, "its authority is issuing-oca-1"},
		{"a certificate is of another profile", func(x tamperer) {
			x.hit(`UPDATE certificate SET profile = 'organisation' WHERE serial = $1`, s.inUse[:])
		}, "its profile is organisation"},
		{"a certificate has another intent", func(x tamperer) {
			x.hit(`UPDATE certificate SET intent = $1 WHERE serial = $2`, x.number(`SELECT id FROM intent WHERE serial = $1`, s.other[:]), s.inUse[:])
		}, "its intent is"},
		{"a certificate is another device's", func(x tamperer) {
			id := entity(99)
			x.hit(`UPDATE certificate SET entity = $1 WHERE serial = $2`, id[:], s.inUse[:])
		}, "certificate " + s.inUse.String() + ": its intent's entity is"},
		{"a certificate and its intent are another device's", func(x tamperer) {
			id := entity(99)
			x.hit(`UPDATE certificate SET entity = $1 WHERE serial = $2`, id[:], s.inUse[:])
			x.hit(`UPDATE intent SET entity = $1 WHERE serial = $2`, id[:], s.inUse[:])
		}, "its entity in the ledger is not that of its bytes"},
		{"a certificate has no entity", func(x tamperer) {
			x.hit(`UPDATE certificate SET entity = NULL WHERE serial = $1`, s.inUse[:])
			x.hit(`UPDATE intent SET entity = NULL WHERE serial = $1`, s.inUse[:])
		}, "its entity in the ledger is not that of its bytes"},
		{"a certificate has another role", func(x tamperer) { x.hit(`UPDATE certificate SET role = 1 WHERE serial = $1`, s.supplier[:]) }, "its role in the ledger is not that of its bytes"},
		{"a device has a role", func(x tamperer) { x.hit(`UPDATE certificate SET role = 0 WHERE serial = $1`, s.inUse[:]) }, "its role in the ledger"},
		{"a certificate has another usage", func(x tamperer) {
			x.hit(`UPDATE certificate SET key_usage = key_usage + 1 WHERE serial = $1`, s.inUse[:])
		}, "its key usage in the ledger"},
		{"a certificate is valid longer", func(x tamperer) {
			x.hit(`UPDATE certificate SET not_after = not_after + 1 WHERE serial = $1`, s.inUse[:])
		}, "its end of validity in the ledger"},
		{"a certificate was valid earlier", func(x tamperer) {
			x.hit(`UPDATE certificate SET not_before = not_before - 1 WHERE serial = $1`, s.inUse[:])
		}, "its start of validity in the ledger"},
		{"a certificate is of another key, so that the key may be certified again", func(x tamperer) {
			x.hit(`UPDATE certificate SET spki = $1 WHERE serial = $2`, make([]byte, 32), s.inUse[:])
			x.hit(`UPDATE intent SET spki = $1 WHERE serial = $2`, make([]byte, 32), s.inUse[:])
		}, "its key in the ledger is not that of its bytes"},
		{"a certificate was asked for by somebody else", func(x tamperer) {
			x.hit(`UPDATE certificate SET requester = 'nobody' WHERE serial = $1`, s.inUse[:])
		}, "its requester is nobody in the ledger, manufacturer in the log"},
		{"a certificate was recorded at another time", func(x tamperer) {
			x.hit(`UPDATE certificate SET recorded_at = recorded_at + 1 WHERE serial = $1`, s.inUse[:])
		}, "its time of recording is"},
		{"a certificate is invented", func(x tamperer) {
			x.copyRow("certificate", "serial = $2", certificateColumns, map[string]string{"serial": "$1"}, strange[:], s.inUse[:])
		}, "certificate " + strange.String() + ": it is in the ledger and not in the log"},
		{"a certificate of a written-off serial turns up", func(x tamperer) {
			id := x.number(`SELECT id FROM intent WHERE serial = $1`, s.writtenOff[:])
			x.copyRow("certificate", "serial = $2", certificateColumns, map[string]string{"serial": "$1", "intent": fmt.Sprint(id)}, s.writtenOff[:], s.inUse[:])
		}, "certificate " + s.writtenOff.String() + ": it is in the ledger and not in the log"},

		// Lists.
		{"the newest list is deleted", func(x tamperer) { x.hit(`DELETE FROM crl WHERE issuer = 'issuing-dca-1' AND number = 3`) },
			"list 3 of issuing-dca-1: it is in the log and not in the ledger"},
		{"the first list is deleted", func(x tamperer) { x.hit(`DELETE FROM crl WHERE issuer = 'issuing-dca-1' AND number = 1`) },
			"list 1 of issuing-dca-1: it is in the log and not in the ledger"},
		{"a list has the bytes of the one before", func(x tamperer) {
			x.hit(`UPDATE crl SET der = $1 WHERE issuer = 'issuing-dca-1' AND number = 3`, x.octets(`SELECT der FROM crl WHERE issuer = 'issuing-dca-1' AND number = 2`))
		}, "list 3 of issuing-dca-1: the bytes in the ledger are not those whose SHA-256 is in the log"},
		{"a list has another number", func(x tamperer) { x.hit(`UPDATE crl SET number = 9 WHERE issuer = 'issuing-dca-1' AND number = 3`) },
			"list 3 of issuing-dca-1: it is in the log and not in the ledger"},
		{"a list has another date", func(x tamperer) { x.hit(`UPDATE crl SET this_update = 1 WHERE number = 2`) }, "list 2 of issuing-dca-1: its date is 1970"},
		{"a list is valid longer", func(x tamperer) { x.hit(`UPDATE crl SET next_update = next_update + 1 WHERE number = 2`) }, "its end of validity is"},
		{"a list counts its entries wrong", func(x tamperer) { x.hit(`UPDATE crl SET entries = 0 WHERE number = 2`) }, "its count of entries is 0 in the ledger, 2 in the log"},
		{"a list covers what it does not show", func(x tamperer) { x.hit(`UPDATE crl SET covers = 7 WHERE number = 2`) }, "its count of what it covers is 7"},
		{"a list says that it was made from later revocations", func(x tamperer) {
			x.hit(`UPDATE crl SET to_revocation = to_revocation + 100 WHERE issuer = 'issuing-dca-1' AND number = 3`)
		}, "up to number"},
		{"a list says that it was made from fewer revocations", func(x tamperer) {
			x.hit(`UPDATE crl SET to_revocation = 0 WHERE issuer = 'issuing-dca-1' AND number = 3`)
		}, "list 3 of issuing-dca-1: it says that it was made from"},
		{"a list says that it was made from more written-off serials", func(x tamperer) {
			x.hit(`UPDATE crl SET written_off = written_off + 1 WHERE issuer = 'issuing-dca-1' AND number = 3`)
		}, "list 3 of issuing-dca-1: it says that it was made from"},
		{"a list was published at another time", func(x tamperer) { x.hit(`UPDATE crl SET published_at = 1 WHERE number = 2`) }, "its time of publication is 1970"},
		{"a list has another intent", func(x tamperer) {
			x.hit(`UPDATE crl SET intent = $1 WHERE issuer = 'issuing-dca-1' AND number = 3`, x.number(`SELECT intent FROM crl WHERE issuer = 'issuing-dca-1' AND number = 2`))
		}, "list 3 of issuing-dca-1: its intent is"},
		{"a list is invented", func(x tamperer) {
			x.copyRow("crl", "issuer = 'issuing-dca-1' AND number = 3", crlColumns, map[string]string{"number": "4"})
		}, "list 4 of issuing-dca-1: it is in the ledger and not in the log"},
		{"a list of another authority is invented", func(x tamperer) {
			x.copyRow("crl", "issuer = 'issuing-dca-1' AND number = 3", crlColumns, map[string]string{"issuer": "'issuing-oca-1'"})
		}, "list 3 of issuing-oca-1: it is in the ledger and not in the log"},

		// Intents.
		{"the bytes of an intent are overwritten", func(x tamperer) {
			x.hit(`UPDATE intent SET tbs = $1 WHERE serial = $2`, []byte{0x30, 0x00}, s.inUse[:])
		}, "(certificate " + s.inUse.String() + " of issuing-dca-1): the bytes to be signed in the ledger are not those"},
		{"the bytes of a written-off intent are overwritten", func(x tamperer) {
			x.hit(`UPDATE intent SET tbs = $1 WHERE serial = $2`, []byte{0x30, 0x00}, s.writtenOff[:])
		}, s.writtenOff.String() + " of issuing-dca-1): the bytes to be signed"},
		{"the bytes of a list's intent are overwritten", func(x tamperer) {
			x.hit(`UPDATE intent SET tbs = $1 WHERE issuer = 'issuing-dca-1' AND number = 3`, []byte{0x30, 0x00})
		}, "(list 3 of issuing-dca-1): the bytes to be signed"},
		{"an intent is deleted", func(x tamperer) { x.hit(`DELETE FROM intent WHERE serial = $1`, s.inUse[:]) },
			"(certificate " + s.inUse.String() + " of issuing-dca-1): it is in the log and not in the ledger"},
		{"a written-off intent is deleted", func(x tamperer) { x.hit(`DELETE FROM intent WHERE serial = $1`, s.writtenOff[:]) }, s.writtenOff.String() + " of issuing-dca-1): it is in the log and not in the ledger"},
		{"an open intent is deleted", func(x tamperer) { x.hit(`DELETE FROM intent WHERE serial = $1`, s.open[:]) }, s.open.String() + " of issuing-dca-1): it is in the log and not in the ledger"},
		{"what was written off is called unused", func(x tamperer) { x.hit(`UPDATE intent SET state = 'unused' WHERE serial = $1`, s.writtenOff[:]) },
			"its state is unused in the ledger, written-off in the log"},
		{"what was unused is called written off", func(x tamperer) { x.hit(`UPDATE intent SET state = 'written-off' WHERE serial = $1`, s.unused[:]) },
			"its state is written-off in the ledger, unused in the log"},
		{"what was written off is open again", func(x tamperer) {
			x.hit(`UPDATE intent SET state = 'open', settled_at = NULL WHERE serial = $1`, s.writtenOff[:])
		}, "its state is open in the ledger, written-off in the log"},
		{"what is recorded is open again", func(x tamperer) { x.hit(`UPDATE intent SET state = 'open' WHERE serial = $1`, s.inUse[:]) }, "its state is open in the ledger, recorded in the log"},
		{"what is open is called unused", func(x tamperer) {
			x.hit(`UPDATE intent SET state = 'unused', settled_at = created_at WHERE serial = $1`, s.open[:])
		}, s.open.String() + " of issuing-dca-1): it is unused in the ledger and open in the log"},
		{"what is open is called recorded", func(x tamperer) { x.hit(`UPDATE intent SET state = 'recorded' WHERE serial = $1`, s.open[:]) }, "it is recorded in the ledger and open in the log"},
		{"a serial was written off at another time", func(x tamperer) {
			x.hit(`UPDATE intent SET settled_at = settled_at + 1 WHERE serial = $1`, s.writtenOff[:])
		}, "its end is"},
		{"an intent is settled for another cause", func(x tamperer) { x.hit(`UPDATE intent SET cause = 'none' WHERE serial = $1`, s.writtenOff[:]) }, "its cause is none in the ledger"},
		{"a certificate's intent has a cause", func(x tamperer) { x.hit(`UPDATE intent SET cause = 'none' WHERE serial = $1`, s.inUse[:]) }, "its cause is none in the ledger, missing in the log"},
		{"an intent was begun at another time", func(x tamperer) {
			x.hit(`UPDATE intent SET created_at = created_at - 1 WHERE serial = $1`, s.inUse[:])
		}, "its time is"},
		{"an intent was another process's", func(x tamperer) { x.hit(`UPDATE intent SET owner = 'nobody' WHERE serial = $1`, s.open[:]) }, "its owner is nobody in the ledger"},
		{"an intent is of another authority", func(x tamperer) {
			x.hit(`UPDATE intent SET issuer = 'issuing-oca-1' WHERE serial = $1`, s.writtenOff[:])
		}, "its authority is issuing-oca-1"},
		{"an intent has another serial", func(x tamperer) {
			x.hit(`UPDATE intent SET serial = $1 WHERE serial = $2`, strange[:], s.writtenOff[:])
		},
			"its serial number is " + strange.String() + " in the ledger, " + s.writtenOff.String() + " in the log"},
		{"an intent is of another profile", func(x tamperer) { x.hit(`UPDATE intent SET profile_version = 99 WHERE serial = $1`, s.writtenOff[:]) }, "its profile is device/99"},
		{"an open intent is of another key, so that the key may be certified beside it", func(x tamperer) {
			x.hit(`UPDATE intent SET spki = $1 WHERE serial = $2`, make([]byte, 32), s.open[:])
		}, "its key in the ledger is not that of its bytes"},
		{"an open intent is another device's", func(x tamperer) { x.hit(`UPDATE intent SET entity = NULL WHERE serial = $1`, s.open[:]) }, "its entity in the ledger is not that of its bytes"},
		{"an intent is a list's", func(x tamperer) { x.hit(`UPDATE intent SET kind = 'crl' WHERE serial = $1`, s.open[:]) }, "its kind is crl in the ledger, certificate in the log"},
		{"a list's intent has another number", func(x tamperer) {
			x.hit(`UPDATE intent SET number = 77 WHERE issuer = 'issuing-dca-1' AND number = 3`)
		}, "(list 3 of issuing-dca-1): its number is 77 in the ledger, 3 in the log"},
		{"an intent is invented", func(x tamperer) {
			x.copyRow("intent", "serial = $2", intentColumns, map[string]string{"serial": "$1"}, strange[:], s.writtenOff[:])
		}, "(certificate " + strange.String() + " of issuing-dca-1): it is in the ledger and not in the log"},
		{"an intent with a number out of all order is invented", func(x tamperer) {
			x.copyRow("intent", "serial = $2", append([]string{"id"}, intentColumns...), map[string]string{"id": "-5", "serial": "$1"}, strange[:], s.writtenOff[:])
		}, "intent -5 (certificate " + strange.String()},

		// Blocked keys.
		{"a blocked key is let go", func(x tamperer) { x.hit(`DELETE FROM blocked_key`) }, "it is blocked in the log and not in the ledger"},
		{"a key is blocked for another reason", func(x tamperer) { x.hit(`UPDATE blocked_key SET reason = 'none'`) }, "its reason is none in the ledger, weak in the log"},
		{"a key is blocked by somebody else", func(x tamperer) { x.hit(`UPDATE blocked_key SET blocked_by = 'nobody'`) }, "its author is nobody"},
		{"a key was blocked at another time", func(x tamperer) { x.hit(`UPDATE blocked_key SET blocked_at = 1`) }, "its time is 1970"},
		{"a key is blocked in secret", func(x tamperer) {
			x.hit(`INSERT INTO blocked_key (spki, reason, blocked_by, blocked_at) VALUES ($1, 'x', 'x', 1)`, make([]byte, 32))
		}, "it is blocked in the ledger and not in the log"},

		// The log, where nobody has signed for it yet.
		{"the last record is cut off", func(x tamperer) { x.hit(`DELETE FROM audit_record WHERE seq = (SELECT MAX(seq) FROM audit_record)`) },
			"(certificate " + s.open.String() + " of issuing-dca-1): it is in the ledger and not in the log"},
		{"all records are cut off", func(x tamperer) { x.hit(`DELETE FROM audit_record`) }, "intent 1 "},
		{"a revocation is taken out of ledger and log", func(x tamperer) {
			x.hit(`DELETE FROM revocation`)
			x.hit(`UPDATE certificate SET status = 'I'`)
			x.hit(`DELETE FROM audit_record WHERE kind = 'revocation'`)
		}, "list 2 of issuing-dca-1: it shows serial "},
		{"a list is moved behind what it should show", func(x tamperer) {
			list := x.number(`SELECT MAX(seq) FROM audit_record WHERE kind = 'crl' AND seq < (SELECT MIN(seq) FROM audit_record WHERE kind = 'written-off')`)
			lost := x.number(`SELECT MIN(seq) FROM audit_record WHERE kind = 'written-off'`)
			x.hit(`UPDATE audit_record SET seq = -1 WHERE seq = $1`, list)
			for seq := list; seq < lost; seq++ {
				x.hit(`UPDATE audit_record SET seq = $1 WHERE seq = $2`, seq, seq+1)
			}
			x.hit(`UPDATE audit_record SET seq = $1 WHERE seq = -1`, lost)
		}, "list 2 of issuing-dca-1: it lacks serial " + s.writtenOff.String() + ", which was revoked before in record "},
		{"the log revokes a second time", func(x tamperer) {
			when := time.UnixMicro(x.number(`SELECT recorded_at FROM revocation WHERE serial = $1`, s.revoked[:])).UTC()
			x.appendAt(when, audit.KindRevocation, map[string]any{"revocations": []map[string]any{{"serial": s.revoked.String(), "issuer": "issuing-dca-1", "reason": "keyCompromise",
				"at": when.Truncate(time.Second), "by": "operator", "on_crl": true}}})
		}, "the log revokes it a second time"},
		{"the log revokes a serial that never was", func(x tamperer) {
			x.append(audit.KindRevocation, map[string]any{"revocations": []map[string]any{{"serial": strange.String(), "issuer": "issuing-dca-1", "reason": "keyCompromise", "at": time.Unix(1, 0), "by": "operator", "on_crl": true}}})
		}, "its revocation is in the log and not in the ledger"},
		{"the log settles a second time", func(x tamperer) {
			x.append(audit.KindWrittenOff, map[string]any{"intents": []map[string]any{{"id": x.number(`SELECT id FROM intent WHERE serial = $1`, s.writtenOff[:]),
				"issuer": "issuing-dca-1", "serial": s.writtenOff.String(), "state": "written-off",
				"profile": fmt.Sprintf("device/%d", x.number(`SELECT profile_version FROM intent WHERE serial = $1`, s.writtenOff[:]))}}})
		}, "the log settles it a second time"},
		{"the log takes over a revocation of a certificate it does not have", func(x tamperer) {
			x.hit(`DELETE FROM certificate WHERE serial = $1`, s.inUse[:])
			x.copyRow("revocation", "serial = $2", revocationColumns, map[string]string{"serial": "$1", "recorded_at": "0", "revoked_at": "0"}, s.inUse[:], s.revoked[:])
			x.appendAt(time.Unix(0, 0), audit.KindRevocation, map[string]any{"from": "a list", "revocations": []map[string]any{{"serial": s.inUse.String(), "issuer": "issuing-dca-1",
				"reason": "keyCompromise", "at": time.Unix(0, 0), "by": "operator", "on_crl": true}}})
		}, "certificate " + s.inUse.String() + ": it is in the log and not in the ledger"},
		{"the log publishes an old number", func(x tamperer) {
			x.append(audit.KindCRL, map[string]any{"issuer": "issuing-dca-1", "number": 3})
		}, "list 3 of issuing-dca-1: the log publishes it after list 3"},
		{"the log tells of an intent that never was", func(x tamperer) {
			x.append(audit.KindIntent, map[string]any{"intents": []map[string]any{{"id": 4711, "issuer": "issuing-dca-1", "serial": strange.String()}}})
		}, "intent 4711 (certificate " + strange.String() + " of issuing-dca-1): it is in the log and not in the ledger"},
		{"the log records what was not intended", func(x tamperer) {
			x.append(audit.KindCertificate, map[string]any{"certificates": []map[string]any{{"id": 4711, "issuer": "issuing-dca-1", "serial": strange.String(), "profile": "device/1"}}})
		}, "its intent 4711 is in the log and not in the ledger"},
		{"the log has a serial that is none", func(x tamperer) {
			x.append(audit.KindCertificate, map[string]any{"certificates": []map[string]any{{"id": 1, "serial": "no"}}})
		}, `reading serial number "no"`},
		{"the log has a body that is none", func(x tamperer) { x.append(audit.KindCertificate, "no") }, "what it says of certificate does not parse"},
	} {
		t.Run(row.name, func(t *testing.T) {
			// The rows share one database and one write lock: each changes it in a
			// transaction that is rolled back.
			require.NoError(t, s.tampered(t, func(tamperer) {}), "honest before")
			err := s.tampered(t, row.do)
			require.ErrorIs(t, err, auditor.ErrDiffers)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func (x tamperer) append(kind audit.Kind, body any) {
	x.appendAt(time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC), kind, body)
}

func (x tamperer) appendAt(at time.Time, kind audit.Kind, body any) {
	_, err := audit.Append(x.ctx, x.tx, audit.Event{Kind: kind, At: at, By: "operator", Body: body})
	must(err, "appending a record")
}

var errRolledBack = errors.New("rolled back")

// tampered changes the database, has it audited, changes it back and returns what
// the audit said.
func (w *world) tampered(t *testing.T, do func(tamperer)) (verdict error) {
	t.Helper()
	err := w.store.Write(t.Context(), func(tx store.Tx) error {
		x := tamperer{t.Context(), tx}
		x.disarm()
		do(x)
		verdict = auditor.AuditIn(t.Context(), tx, w.config())
		return errRolledBack
	})
	require.ErrorIs(t, err, errRolledBack)
	return verdict
}

// Where an authority publishes no list, a revocation sets the status alone; that
// too is found when it is undone.
func TestTamperingWithoutLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "drill")
	serial := w.issue(t, deviceRequest(t, 1, "manufacturer"))
	w.revoke(t, policy.ReasonKeyCompromise, serial)
	for name, row := range map[string]struct {
		change string
		want   string
	}{
		"back in use":     {`UPDATE certificate SET status = 'I' WHERE serial = $1`, "its status is in use in the ledger, a revocation in the log"},
		"revoked on list": {`UPDATE certificate SET status = 'R' WHERE serial = $1`, "its status is revoked in the ledger, a revocation in the log"},
		"on a list":       {`UPDATE revocation SET on_crl = TRUE WHERE serial = $1`, "its place on lists is true in the ledger, false in the log"},
		"forgotten":       {`DELETE FROM revocation WHERE serial = $1`, "its revocation is in the log and not in the ledger"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, w.tampered(t, func(x tamperer) { x.hit(row.change, serial[:]) }), row.want)
		})
	}
	_, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
}

// A tamperer who can also write the log, because nobody keeps a checkpoint, still
// cannot make signatures: a certificate and a list of a key of his own are found.
func TestForgedSignatures(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	forger := policytest.NewHierarchyIn(t, "exercise", policytest.Began)
	for name, id := range map[string]string{"certificates": "issuing-dca-1", "roots": "root-oca-1"} {
		t.Run(name, func(t *testing.T) {
			cfg := s.config()
			cfg.Authorities[id] = map[string]policytest.Authority{"issuing-dca-1": forger.IssuingDCA, "root-oca-1": forger.RootOCA}[id].Certificate.Raw
			_, err := auditor.Audit(t.Context(), cfg)
			require.ErrorIs(t, err, auditor.ErrDiffers)
			require.ErrorContains(t, err, "its signature is not that of "+id)
		})
	}
}
