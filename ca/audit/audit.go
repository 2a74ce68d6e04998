// Package audit is the CA's tamper-evident log.
//
// Every act of the CA is a [Record], appended by [Append] in the transaction that
// does the act: an intent that is in the database has its record, and where the
// record cannot be written the act does not happen, so that no audit means no
// signature. One record may tell of many items (a batch of a thousand intents is
// one act); it names each of them.
//
// The records are the leaves of a Merkle tree (golang.org/x/mod/sumdb/tlog, which
// is the tree of RFC 6962). Its inner hashes are stored beside them in the same
// transaction, so that [Log.Checkpoint] can sign the head of a log of any length
// at once. A checkpoint is a signed note (x/mod/sumdb/note) under an Ed25519 key
// that belongs to the log and to nothing else: a CA key signs certificates and
// revocation lists only.
//
// [Log.Verify] recomputes everything from the rows and names the first record
// that is not what was hashed. What it can prove depends on what was kept
// elsewhere: whoever can write the database and has the log key can write another
// history, but not one that fits a checkpoint somebody else has kept; without the
// key, not even one that fits the checkpoints inside. Records after the newest
// checkpoint can be cut off without trace, which is why one is made whenever a
// CRL is published and whenever the CA closes.
//
// It refuses to forget: there is no way to change or remove a record.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"smki.example/ca/store"
)

// Kind says what sort of act a record tells of. Kinds are stored as text: never
// rename one.
type Kind string

// The acts of the rooms in this repository. A room may add its own.
const (
	KindIntent      Kind = "intent"      // bytes are about to be given to a CA key
	KindCertificate Kind = "certificate" // certificates are in the ledger
	KindWrittenOff  Kind = "written-off" // serials or CRL numbers are given up
	KindCeremony    Kind = "ceremony"    // a ceremony's signatures were taken over
	KindRevocation  Kind = "revocation"  // certificates were revoked
	KindCRL         Kind = "crl"         // a CRL was published
	KindBlockedKey  Kind = "blocked-key" // a key may not be certified any more
)

// An Event is an act as the room that did it describes it.
type Event struct {
	Kind Kind
	At   time.Time
	By   string // who asked for it: a subscriber, an operator, or the CA itself
	Body any    // anything encoding/json can write; never a secret
}

// A Record is an Event in the log.
type Record struct {
	Seq  int64           `json:"seq"` // 0, 1, 2 … without a gap
	At   time.Time       `json:"at"`
	Kind Kind            `json:"kind"`
	By   string          `json:"by"`
	Body json.RawMessage `json:"body"`

	// Line is the exact line that was hashed, without a newline.
	Line []byte `json:"-"`
}

// Append adds e to the log in tx. The record is durable, and may be referred to,
// when the transaction is. On error the caller must let the transaction fail.
func Append(ctx context.Context, tx store.Tx, e Event) (Record, error) {
	r, err := prepare(e)
	if err != nil {
		return Record{}, err
	}
	if r.Seq, err = size(ctx, tx); err != nil {
		return Record{}, fmt.Errorf("appending audit record: %w", err)
	}
	if r.Line, err = json.Marshal(r); err != nil {
		return Record{}, fmt.Errorf("appending audit record: %w", err)
	}
	hashes, err := tlog.StoredHashes(r.Seq, r.Line, stored{ctx, tx})
	if err != nil {
		return Record{}, fmt.Errorf("appending audit record %d: %w", r.Seq, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO audit_record (seq, kind, line) VALUES ($1, $2, $3)`, r.Seq, string(r.Kind), r.Line); err != nil {
		return Record{}, fmt.Errorf("appending audit record %d: %w", r.Seq, err)
	}
	// One hash, and one more for each subtree that the record completes.
	first := tlog.StoredHashIndex(0, r.Seq)
	var args []any
	for i, h := range hashes {
		args = append(args, first+int64(i), h[:])
	}
	if _, err := tx.Exec(ctx, insertHashes(len(hashes)), args...); err != nil {
		return Record{}, fmt.Errorf("appending audit record %d: storing its hash: %w", r.Seq, err)
	}
	return r, nil
}

func prepare(e Event) (Record, error) {
	switch {
	case e.Kind == "":
		return Record{}, errors.New("appending audit record: it has no kind")
	case e.At.IsZero():
		return Record{}, errors.New("appending audit record: it has no time")
	}
	body, err := json.Marshal(e.Body)
	if err != nil {
		return Record{}, fmt.Errorf("appending audit record: %w", err)
	}
	return Record{At: e.At.UTC(), Kind: e.Kind, By: e.By, Body: body}, nil
}

// size is the number of records.
func size(ctx context.Context, tx store.Tx) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(seq) + 1, 0) FROM audit_record`).Scan(&n)
	return n, err
}

// stored reads the tree's hashes from the table, as tlog wants them.
type stored struct {
	ctx context.Context
	tx  store.Tx
}

func (s stored) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	if len(positions) == 0 {
		return nil, nil
	}
	args := make([]any, len(positions))
	for i, position := range positions {
		args[i] = position
	}
	rows, err := s.tx.Query(s.ctx, selectHashes(len(positions)), args...)
	if err != nil {
		return nil, fmt.Errorf("reading stored hashes: %w", err)
	}
	defer rows.Close()
	found := make(map[int64]tlog.Hash, len(positions))
	for rows.Next() {
		var position int64
		var b []byte
		if err := rows.Scan(&position, &b); err != nil {
			return nil, fmt.Errorf("reading stored hashes: %w", err)
		}
		if len(b) != tlog.HashSize {
			return nil, fmt.Errorf("reading stored hash %d: it has %d octets", position, len(b))
		}
		found[position] = tlog.Hash(b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading stored hashes: %w", err)
	}
	hashes := make([]tlog.Hash, len(positions))
	for i, position := range positions {
		h, there := found[position]
		if !there {
			return nil, fmt.Errorf("reading stored hash %d: it is not there", position)
		}
		hashes[i] = h
	}
	return hashes, nil
}

// A tree of a million million records has forty levels, which is how many texts
// these two make at most.
func selectHashes(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("$%d", i+1))
	}
	return `SELECT position, hash FROM audit_hash WHERE position IN (` + strings.Join(list, ", ") + `)`
}

func insertHashes(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("($%d, $%d)", 2*i+1, 2*i+2))
	}
	return `INSERT INTO audit_hash (position, hash) VALUES ` + strings.Join(list, ", ")
}
