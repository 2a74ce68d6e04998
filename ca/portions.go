package ca

import (
	"context"
	"fmt"
	"slices"
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

// A part is a statement over some of the values it was made for, and its arguments.
type part struct {
	text string
	args []any
}

// parts makes statements that take all values, which are all []byte or all int64,
// where "IN (?)" stands in one, and that have some arguments before them. On
// PostgreSQL it is one, with one parameter for all of them, which is joined with the
// table, because the server would rather go through an index of some thousand
// intents that are open and hold each against each of the values.
func parts(tx store.Tx, statement string, before []any, values []any) (out []part) {
	if len(values) == 0 {
		return nil
	}
	first := len(before) + 1
	if store.TakesLists(tx) {
		list, kind := any(nil), ""
		switch values[0].(type) {
		case int64:
			list, kind = typed[int64](values), "bigint"
		default:
			list, kind = typed[[]byte](values), "bytea"
		}
		text := strings.ReplaceAll(statement, "?", fmt.Sprintf("SELECT unnest($%d::%s[])", first, kind))
		return []part{{text, append(slices.Clone(before), list)}}
	}
	for _, some := range portions(values) {
		out = append(out, part{inList(statement, first, len(some)), append(slices.Clone(before), some...)})
	}
	return out
}

func typed[T any](values []any) []T {
	list := make([]T, len(values))
	for n, v := range values {
		list[n] = v.(T)
	}
	return list
}

// lookUp runs a query over values, whose places in it are "IN (?)", and calls each
// for every row, with the row's Scan.
func lookUp(ctx context.Context, tx store.Tx, query string, values []any, each func(scan func(...any) error) error) error {
	for _, p := range parts(tx, query, nil, values) {
		rows, err := tx.Query(ctx, p.text, p.args...)
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
