package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"smki.example/ca/store"
)

// ErrTampered is wrapped by the errors of Verify that say the log is not what was
// written. Any other error of Verify is an outage and says nothing of the log.
var ErrTampered = errors.New("the audit log was changed")

// A BadRecord is the first place where the log is not what was written.
type BadRecord struct {
	Seq    int64 // the record, or where it should be
	Reason string
}

// Error says which record it is and why it is bad.
func (b *BadRecord) Error() string {
	return fmt.Sprintf("verifying audit log: record %d: %s", b.Seq, b.Reason)
}

// Unwrap makes errors.Is(err, ErrTampered) true.
func (b *BadRecord) Unwrap() error { return ErrTampered }

// A Verdict is what Verify found when nothing was wrong.
type Verdict struct {
	Size       int64     // records in the log
	Hash       tlog.Hash // head over all of them
	Checkpoint int64     // size of the newest checkpoint: what lies above it, nobody has signed for
}

// Verify recomputes the whole tree from the records and compares it with every
// stored hash, every stored checkpoint, and the checkpoints in kept: notes that
// were kept outside the database, which are what binds its owner. It reads in
// order, in constant memory, and stops at the first bad record, which it returns
// as a *[BadRecord].
func (l *Log) Verify(ctx context.Context, kept ...[]byte) (Verdict, error) {
	var v Verdict
	err := l.store.Read(ctx, func(tx store.Tx) error {
		marks, err := l.marks(ctx, tx, kept)
		if err != nil {
			return err
		}
		for len(marks) > 0 && marks[0].Size == 0 {
			marks = marks[1:] // the head of an empty log says nothing
		}
		var tree memory
		for r, err := range records(ctx, tx, 0) {
			if err != nil {
				return err
			}
			if err := tree.add(ctx, tx, v.Size, r); err != nil {
				return err
			}
			v.Size++
			for len(marks) > 0 && marks[0].Size == v.Size {
				if head := tree.head(v.Size); head != marks[0].Hash {
					return &BadRecord{v.Checkpoint, fmt.Sprintf("it or one of the records up to %d is not what the checkpoint over %d records was signed for", v.Size-1, v.Size)}
				}
				v.Checkpoint = v.Size
				marks = marks[1:]
			}
		}
		if len(marks) > 0 {
			return &BadRecord{v.Size, fmt.Sprintf("it is missing: a checkpoint was signed over %d records", marks[len(marks)-1].Size)}
		}
		if v.Hash, err = tlog.TreeHash(v.Size, &tree); err != nil {
			return err
		}
		var hashes int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit_hash`).Scan(&hashes); err != nil {
			return err
		}
		if want := tlog.StoredHashCount(v.Size); hashes != want {
			return &BadRecord{v.Size, fmt.Sprintf("it or more are missing: %d hashes are stored where %d records make %d", hashes, v.Size, want)}
		}
		return nil
	})
	return v, err
}

// marks returns the stored and the kept checkpoints in order of size.
func (l *Log) marks(ctx context.Context, tx store.Tx, kept [][]byte) ([]Checkpoint, error) {
	var marks []Checkpoint
	for _, signed := range kept {
		c, err := l.ParseCheckpoint(signed)
		if err != nil {
			return nil, fmt.Errorf("reading a checkpoint that was kept outside: %w", err)
		}
		marks = append(marks, c)
	}
	rows, err := tx.Query(ctx, `SELECT size, note FROM audit_checkpoint ORDER BY size`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		var signed []byte
		if err := rows.Scan(&size, &signed); err != nil {
			return nil, err
		}
		c, err := l.ParseCheckpoint(signed)
		if err != nil {
			return nil, &BadRecord{size, fmt.Sprintf("the checkpoint stored over it: %v", err)}
		}
		if c.Size != size {
			return nil, &BadRecord{size, fmt.Sprintf("the checkpoint stored for %d records was signed for %d", size, c.Size)}
		}
		marks = append(marks, c)
	}
	sortBySize(marks)
	return marks, rows.Err()
}

// Records returns the log from seq on, in order and in constant memory.
func (l *Log) Records(ctx context.Context, seq int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := l.store.Read(ctx, func(tx store.Tx) error {
			for r, err := range records(ctx, tx, seq) {
				if err != nil {
					return err
				}
				if !yield(r, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Record{}, fmt.Errorf("reading audit log: %w", err))
		}
	}
}

var errStopped = errors.New("stopped by the reader")

// page bounds the rows in memory: a record that tells of a batch of a thousand has
// a hundred kilobytes.
const page = 64

// records reads rows, a page at a time, without judging them, except that each
// must be the line its row says it is. No query is open while it yields.
func records(ctx context.Context, tx store.Tx, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			rs, err := recordPage(ctx, tx, from)
			for _, r := range rs {
				if !yield(r, nil) {
					return
				}
				from = r.Seq + 1
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if len(rs) < page {
				return
			}
		}
	}
}

// recordPage returns the next records and, if there is one, the error that ends
// them.
func recordPage(ctx context.Context, tx store.Tx, from int64) ([]Record, error) {
	return recordsFrom(ctx, tx, from, page)
}

func recordsFrom(ctx context.Context, tx store.Tx, from, n int64) ([]Record, error) {
	rows, err := tx.Query(ctx, `SELECT seq, kind, line FROM audit_record WHERE seq >= $1 ORDER BY seq LIMIT $2`, from, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var rs []Record
	for rows.Next() {
		var seq int64
		var kind string
		var line []byte
		if err := rows.Scan(&seq, &kind, &line); err != nil {
			return rs, err
		}
		r := Record{Line: line}
		if err := json.Unmarshal(line, &r); err != nil {
			return rs, &BadRecord{seq, fmt.Sprintf("its line does not parse: %v", err)}
		}
		if r.Seq != seq || string(r.Kind) != kind {
			return rs, &BadRecord{seq, fmt.Sprintf("its line says it is record %d, %q", r.Seq, r.Kind)}
		}
		rs = append(rs, r)
	}
	return rs, rows.Err()
}

// memory is the tree as Verify computes it, from records alone: the complete
// subtrees on its right edge, at most one a level, are all that a head needs.
type memory struct {
	edge map[int64]tlog.Hash
}

// ReadHashes implements tlog.HashReader over the right edge.
func (m *memory) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(positions))
	for i, p := range positions {
		h, ok := m.edge[p]
		if !ok {
			return nil, fmt.Errorf("audit: internal error: hash %d is not on the edge of the tree", p)
		}
		hashes[i] = h
	}
	return hashes, nil
}

// add puts record n into the tree and compares what it computes with what is
// stored.
func (m *memory) add(ctx context.Context, tx store.Tx, n int64, r Record) error {
	if r.Seq != n {
		return &BadRecord{n, fmt.Sprintf("it is missing; the next one is %d", r.Seq)}
	}
	hashes, err := tlog.StoredHashes(n, r.Line, m)
	if err != nil {
		return err
	}
	if m.edge == nil {
		m.edge = make(map[int64]tlog.Hash)
	}
	for level, h := range hashes {
		position := tlog.StoredHashIndex(0, n) + int64(level)
		var b []byte
		if err := tx.QueryRow(ctx, `SELECT hash FROM audit_hash WHERE position = $1`, position).Scan(&b); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &BadRecord{n, fmt.Sprintf("its stored hash cannot be read: %v", err)}
		}
		if !bytes.Equal(b, h[:]) {
			if level == 0 {
				return &BadRecord{n, "it is not the record that was hashed when it was written"}
			}
			return &BadRecord{n, fmt.Sprintf("the hash stored over it at level %d is not that of the records below", level)}
		}
		m.edge[position] = h
		if level > 0 {
			// Both children are inside this subtree now and are never asked for again.
			at := n >> level
			delete(m.edge, tlog.StoredHashIndex(level-1, 2*at))
			delete(m.edge, tlog.StoredHashIndex(level-1, 2*at+1))
		}
	}
	return nil
}

// head is the tree's hash over n records, n > 0.
func (m *memory) head(n int64) tlog.Hash {
	h, err := tlog.TreeHash(n, m)
	if err != nil {
		// Only the edge is read for the head of the whole tree.
		panic("audit: internal error: " + err.Error())
	}
	return h
}

func sortBySize(marks []Checkpoint) {
	slices.SortStableFunc(marks, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}
