package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A Piece is a part of a long value that is stored once, however many values have
// it: of a revocation list of fifty megabytes that is published every hour, all but
// one megabyte is as in the one before. Pieces are never changed or deleted.
type Piece struct {
	// ID is the number of the row. Zero: not stored yet; [StoreJoined] sets it.
	ID int64
	// Value is what is stored.
	Value []byte
	// Own says that the value is nobody else's: it is kept with the value that it is a
	// part of and gets no row. For what is short and differs each time.
	Own bool
}

// joinedMark begins what stands in the place of a value that was stored in pieces.
// No DER begins with zero.
var joinedMark = []byte("\x00pieces1")

// Kinds of parts behind the mark.
const (
	partOwn = 0 // length and octets
	partRow = 1 // number of a row
)

// StoreJoined stores a value that consists of pieces, those that have no row yet,
// and returns what the caller puts into its own row instead: some octets for each
// piece. [Joined] gives the value back. A caller whose transaction is not committed
// throws the pieces away: their numbers are somebody else's then.
func StoreJoined(ctx context.Context, tx Tx, pieces []*Piece) ([]byte, error) {
	rows := Rows{Table: "piece", Key: "id", Columns: []string{"value"}}
	var fresh []*Piece
	for _, p := range pieces {
		if p.ID == 0 && !p.Own {
			fresh = append(fresh, p)
			rows.Values = append(rows.Values, []any{p.Value})
		}
	}
	ids, err := tx.Insert(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("storing a value in pieces: %w", err)
	}
	for n, p := range fresh {
		p.ID = ids[n]
	}
	out := append([]byte(nil), joinedMark...)
	for _, p := range pieces {
		if p.Own {
			out = binary.AppendUvarint(append(out, partOwn), uint64(len(p.Value)))
			out = append(out, p.Value...)
		} else {
			out = binary.AppendUvarint(append(out, partRow), uint64(p.ID))
		}
	}
	return out, nil
}

// IsJoined tells whether b stands for a value in pieces.
func IsJoined(b []byte) bool { return bytes.HasPrefix(b, joinedMark) }

// Joined returns the value that b stands for, which is b itself unless
// [StoreJoined] made it.
func Joined(ctx context.Context, tx Tx, b []byte) ([]byte, error) {
	if !IsJoined(b) {
		return b, nil
	}
	pieces, err := Pieces(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, p := range pieces {
		n += len(p.Value)
	}
	out := make([]byte, 0, n)
	for _, p := range pieces {
		out = append(out, p.Value...)
	}
	return out, nil
}

// Pieces returns the pieces of a value that [StoreJoined] stored.
func Pieces(ctx context.Context, tx Tx, b []byte) ([]*Piece, error) {
	pieces, err := readParts(b)
	if err != nil {
		return nil, fmt.Errorf("reading a value in pieces: %w", err)
	}
	byID := make(map[int64][]*Piece)
	var ids []any
	for _, p := range pieces {
		if !p.Own {
			if len(byID[p.ID]) == 0 {
				ids = append(ids, p.ID)
			}
			byID[p.ID] = append(byID[p.ID], p)
		}
	}
	const atOnce = 500
	for len(ids) > 0 {
		part := ids[:min(atOnce, len(ids))]
		ids = ids[len(part):]
		if err := readPieces(ctx, tx, part, byID); err != nil {
			return nil, fmt.Errorf("reading a value in pieces: %w", err)
		}
	}
	for _, p := range pieces {
		if p.Value == nil && !p.Own {
			return nil, fmt.Errorf("reading a value in pieces: piece %d is not there: somebody took it out of the database", p.ID)
		}
	}
	return pieces, nil
}

func readPieces(ctx context.Context, tx Tx, ids []any, into map[int64][]*Piece) error {
	var marks strings.Builder
	for n := range ids {
		if n > 0 {
			marks.WriteString(", ")
		}
		fmt.Fprintf(&marks, "$%d", n+1)
	}
	rows, err := tx.Query(ctx, `SELECT id, value FROM piece WHERE id IN (`+marks.String()+`)`, ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var value []byte
		if err := rows.Scan(&id, &value); err != nil {
			return err
		}
		for _, p := range into[id] {
			p.Value = value
		}
	}
	return rows.Err()
}

var errParts = errors.New("what stands in its place is cut off or changed")

func readParts(b []byte) ([]*Piece, error) {
	if !IsJoined(b) {
		return nil, errParts
	}
	b = b[len(joinedMark):]
	var pieces []*Piece
	for len(b) > 0 {
		kind := b[0]
		n, size := binary.Uvarint(b[1:])
		if size <= 0 || kind > partRow {
			return nil, errParts
		}
		b = b[1+size:]
		if kind == partRow {
			if n == 0 || n > 1<<62 {
				return nil, errParts
			}
			pieces = append(pieces, &Piece{ID: int64(n)})
			continue
		}
		if n > uint64(len(b)) {
			return nil, errParts
		}
		pieces = append(pieces, &Piece{Own: true, Value: b[:n:n]})
		b = b[n:]
	}
	return pieces, nil
}
