package ca

import (
	"context"
	"fmt"
	"strings"

	"smki.example/ca/store"
)

// How many values one look-up takes. A database plans a statement once and keeps it,
// so that there are three sizes and no more: one, for a single issuance; some, for
// those that were waiting together; and many, for a batch. A size is filled up with
// the last value.
const (
	some    = 16
	portion = 100
)

// portions cuts values into arguments of statements made by inList.
func portions(values []any) (out [][]any) {
	for len(values) > 0 {
		size := portion
		switch {
		case len(values) == 1:
			size = 1
		case len(values) <= some:
			size = some
		}
		n := min(size, len(values))
		part := append(make([]any, 0, size), values[:n]...)
		for len(part) < size {
			part = append(part, part[n-1])
		}
		out, values = append(out, part), values[n:]
	}
	return out
}

// inList puts a list of n parameters, counted from first, in the place of each "?"
// of a statement; all places have the same parameters.
func inList(statement string, first, n int) string {
	var list strings.Builder
	for k := range n {
		if k > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "$%d", first+k)
	}
	return strings.ReplaceAll(statement, "?", list.String())
}

// lookUp runs a query over values, whose places in it are "IN (?)", and calls each
// for every row, with the row's Scan.
func lookUp(ctx context.Context, tx store.Tx, query string, values []any, each func(scan func(...any) error) error) error {
	for _, args := range portions(values) {
		rows, err := tx.Query(ctx, inList(query, 1, len(args)), args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := each(rows.Scan); err != nil {
				rows.Close()
				return err
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}
