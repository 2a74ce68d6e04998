package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type fixture struct {
	store *store.Store
	log   *audit.Log
}

func open(t testing.TB, path string) fixture {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	log, err := audit.Open(audit.Config{Store: s, Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))})
	require.NoError(t, err)
	return fixture{s, log}
}

func fresh(t testing.TB) fixture { return open(t, storetest.Fresh(t)) }

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Again(t)
}

func (f fixture) append(t testing.TB, n int) {
	t.Helper()
	for k := range n {
		require.NoError(t, f.store.Write(context.Background(), func(tx store.Tx) error {
			_, err := audit.Append(context.Background(), tx, audit.Event{Kind: audit.KindIntent, At: noon, By: "supplier-a", Body: map[string]int{"n": k}})
			return err
		}))
	}
}

// tamper changes the log as the owner of the database could.
func (f fixture) tamper(t testing.TB, statement string, args ...any) {
	t.Helper()
	storetest.Tamper(t, f.store, statement, args...)
}

// rewrite replaces text in the bytes of one row.
func (f fixture) rewrite(t testing.TB, table, column, key string, row int, from, to string) {
	t.Helper()
	var b []byte
	require.NoError(t, f.store.Read(t.Context(), func(tx store.Tx) error {
		return tx.QueryRow(t.Context(), fmt.Sprintf(`SELECT %s FROM %s WHERE %s = %d`, column, table, key, row)).Scan(&b)
	}))
	require.Contains(t, string(b), from)
	b = bytes.ReplaceAll(b, []byte(from), []byte(to))
	f.tamper(t, fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE %s = %d`, table, column, key, row), b)
}

func TestAppendIsPartOfTheAct(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	regret := errors.New("the act failed")
	err := f.store.Write(t.Context(), func(tx store.Tx) error {
		r, err := audit.Append(t.Context(), tx, audit.Event{Kind: audit.KindCRL, At: noon})
		require.NoError(t, err)
		require.Zero(t, r.Seq)
		return regret
	})
	require.ErrorIs(t, err, regret)
	v, err := f.log.Verify(t.Context())
	require.NoError(t, err)
	require.Zero(t, v.Size, "an act that did not happen has no record")
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	for name, e := range map[string]audit.Event{
		"no kind":                       {At: noon},
		"no time":                       {Kind: audit.KindCRL},
		"a body that cannot be written": {Kind: audit.KindCRL, At: noon, Body: func() {}},
	} {
		err := f.store.Write(t.Context(), func(tx store.Tx) error {
			_, err := audit.Append(t.Context(), tx, e)
			return err
		})
		require.ErrorContains(t, err, "appending audit record", name)
	}
}

func TestVerifyAnyLength(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	for n := range int64(40) {
		v, err := f.log.Verify(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, v.Size)
		c, err := f.log.Checkpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, c.Size)
		require.Equal(t, v.Hash, c.Hash, "the head that is signed is the head that is recomputed")
		f.append(t, 1)
	}
}

// What somebody with write access to the database may do, and what Verify says.
func TestVerifyNamesTheFirstBadRecord(t *testing.T) {
	t.Parallel()
	const records, signed = 150, 100 // more than one page; the last third is not signed for yet
	for name, row := range map[string]struct {
		tamper func(*testing.T, fixture)
		seq    int64
		says   string
	}{
		"a record's text is changed": {func(t *testing.T, f fixture) {
			f.rewrite(t, "audit_record", "line", "seq", 70, "supplier-a", "supplier-b")
		}, 70, "not the record that was hashed"},
		"a record's line is no longer JSON": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_record SET line = '{' WHERE seq = 3`)
		}, 3, "does not parse"},
		"a record's kind is changed in the column only": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_record SET kind = 'crl' WHERE seq = 0`)
		}, 0, `says it is record 0, "intent"`},
		"a record is removed": {func(t *testing.T, f fixture) {
			f.tamper(t, `DELETE FROM audit_record WHERE seq = 65`)
		}, 65, "missing; the next one is 66"},
		"two records change places": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_record SET seq = 1000 WHERE seq = 10`)
			f.tamper(t, `UPDATE audit_record SET seq = 10 WHERE seq = 11`)
			f.tamper(t, `UPDATE audit_record SET seq = 11 WHERE seq = 1000`)
		}, 10, "says it is record 11"},
		"a stored hash is changed": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_hash SET hash = $1 WHERE position = $2`, make([]byte, 32), tlog.StoredHashIndex(0, 12))
		}, 12, "not the record that was hashed"},
		"an inner hash is changed": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_hash SET hash = $1 WHERE position = $2`, make([]byte, 32), tlog.StoredHashIndex(3, 1))
		}, 15, "at level 3"},
		"a stored hash is removed": {func(t *testing.T, f fixture) {
			f.tamper(t, `DELETE FROM audit_hash WHERE position = $1`, tlog.StoredHashIndex(0, 149))
		}, 149, "cannot be read"},
		"the newest records are cut off, hashes left behind": {func(t *testing.T, f fixture) {
			f.tamper(t, `DELETE FROM audit_record WHERE seq >= 140`)
		}, 140, "missing"},
		"signed records are cut off with their hashes": {func(t *testing.T, f fixture) {
			f.tamper(t, `DELETE FROM audit_record WHERE seq >= 90`)
			f.tamper(t, `DELETE FROM audit_hash WHERE position >= $1`, tlog.StoredHashIndex(0, 90))
		}, 90, "a checkpoint was signed over 100 records"},
		"history is rewritten, hashes and all": {func(t *testing.T, f fixture) {
			f.tamper(t, `DELETE FROM audit_record WHERE seq >= 60`)
			f.tamper(t, `DELETE FROM audit_hash WHERE position >= $1`, tlog.StoredHashIndex(0, 60))
			f.append(t, 90)
		}, 50, "the checkpoint over 100 records"},
		"a checkpoint is replaced by a forged one": {func(t *testing.T, f fixture) {
			f.rewrite(t, "audit_checkpoint", "note", "size", 100, "smki-audit", "smki-Audit")
		}, 100, "the checkpoint stored over it"},
		"a checkpoint is moved to another size": {func(t *testing.T, f fixture) {
			f.tamper(t, `UPDATE audit_checkpoint SET size = 101 WHERE size = 100`)
		}, 101, "was signed for 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fresh(t)
			f.append(t, 50)
			_, err := f.log.Checkpoint(t.Context())
			require.NoError(t, err)
			f.append(t, signed-50)
			_, err = f.log.Checkpoint(t.Context())
			require.NoError(t, err)
			f.append(t, records-signed)
			v, err := f.log.Verify(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, records, v.Size)
			require.EqualValues(t, signed, v.Checkpoint)

			row.tamper(t, f)
			_, err = f.log.Verify(t.Context())
			require.ErrorIs(t, err, audit.ErrTampered)
			require.ErrorContains(t, err, row.says)
			var bad *audit.BadRecord
			require.ErrorAs(t, err, &bad)
			require.Equal(t, row.seq, bad.Seq)
		})
	}
}

// The owner of database and key can write another history, but not one that fits
// a checkpoint which somebody else has kept.
func TestKeptCheckpointBindsTheOwner(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	f.append(t, 20)
	kept, err := f.log.Checkpoint(t.Context())
	require.NoError(t, err)
	f.append(t, 3)
	_, err = f.log.Verify(t.Context(), kept.Note)
	require.NoError(t, err)

	for _, table := range []string{"audit_record", "audit_hash", "audit_checkpoint"} {
		f.tamper(t, `DELETE FROM `+table)
	}
	f.append(t, 10)
	f.append(t, 13)
	_, err = f.log.Checkpoint(t.Context())
	require.NoError(t, err)
	_, err = f.log.Verify(t.Context())
	require.NoError(t, err, "from inside, the new history is perfect")
	_, err = f.log.Verify(t.Context(), kept.Note)
	require.ErrorIs(t, err, audit.ErrTampered)

	_, err = f.log.Verify(t.Context(), append([]byte("x"), kept.Note...))
	require.ErrorContains(t, err, "kept outside")
	require.NotErrorIs(t, err, audit.ErrTampered, "a damaged note says nothing about the log")
}

func TestCheckpointIsASignedNote(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	f.append(t, 5)
	c, err := f.log.Checkpoint(t.Context())
	require.NoError(t, err)
	again, err := f.log.Checkpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, c, again)

	// With nothing but x/mod and the verifier key on paper.
	v, err := note.NewVerifier(f.log.VerifierKey())
	require.NoError(t, err)
	n, err := note.Open(c.Note, note.VerifierList(v))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("smki-audit\n5\n%s\n", c.Hash), n.Text)

	newest, ok, err := f.log.Newest(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, c, newest)
}

func TestRecords(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	f.append(t, 130)
	next := int64(5)
	for r, err := range f.log.Records(t.Context(), 5) {
		require.NoError(t, err)
		require.Equal(t, next, r.Seq)
		require.Equal(t, audit.KindIntent, r.Kind)
		require.Equal(t, "supplier-a", r.By)
		require.True(t, noon.Equal(r.At))
		next++
		if next == 100 {
			break
		}
	}
	require.EqualValues(t, 100, next)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	_, err := audit.Open(audit.Config{Store: f.store})
	require.ErrorContains(t, err, "Key is missing")
	_, err = audit.Open(audit.Config{Key: ed25519.NewKeyFromSeed(make([]byte, 32))})
	require.ErrorContains(t, err, "Store is missing")
}

// Any sequence of appends and checkpoints verifies; any changed byte of any line
// does not.
func TestVerifyProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := fresh(t)
		total := 0
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			n := rapid.IntRange(0, 9).Draw(rt, "records")
			f.append(t, n)
			total += n
			if rapid.Bool().Draw(rt, "checkpoint") {
				_, err := f.log.Checkpoint(context.Background())
				require.NoError(rt, err)
			}
		}
		v, err := f.log.Verify(context.Background())
		require.NoError(rt, err)
		require.EqualValues(rt, total, v.Size)
		if total == 0 {
			return
		}
		seq := rapid.IntRange(0, total-1).Draw(rt, "seq")
		f.tamper(t, `UPDATE audit_record SET line = line || ' ' WHERE seq = $1`, seq)
		_, err = f.log.Verify(context.Background())
		var bad *audit.BadRecord
		require.ErrorAs(rt, err, &bad)
		require.EqualValues(rt, seq, bad.Seq)
		require.NoError(rt, f.store.Close())
	})
}
