package ca

import "time"

// Query is the SQL of a page of a listing.
func (f Filter) Query(now time.Time) (string, []any) { return f.query(now) }
