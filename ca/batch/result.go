package batch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// The codes of refused items: the status values of the Batched Device CSR Web
// Service (AppM, Appendix D), by which package ca's rules are told here.
const (
	CodeCSR        = "CSR_ERROR"
	CodeAnomaly    = "ISSUANCE_ANOMALY"
	CodeIneligible = "INELIGIBLE"
)

// codes says what the rules of package ca mean for an item, where it is not
// CSR_ERROR. AppM is silent on most: it is our choice.
var codes = map[string]struct {
	state State
	code  string
}{
	"key-reuse":           {Anomaly, CodeAnomaly},
	"key-blocked":         {Anomaly, CodeAnomaly},
	"device-limit":        {Anomaly, CodeAnomaly},
	"eligible-subscriber": {Ineligible, CodeIneligible},
	"role":                {Ineligible, CodeIneligible},
	"environment":         {Ineligible, CodeIneligible},
}

// errTaken says that a claim was lost, which a living process's cannot be.
var errTaken = errors.New("another process has claimed it; is the lease file of this one gone?")

// result takes over what issuance said. An error is an outage or a conflict: the
// item has no result then.
func (r *row) result(result ca.Result) error {
	var refusal *ca.Refusal
	switch {
	case result.Err == nil:
		r.succeed(result.Certificate)
		return nil
	case errors.As(result.Err, &refusal) && refusal.Rule != "authority-validity":
		r.refuse(refusal)
		return nil
	case errors.Is(result.Err, ca.ErrConflict):
		r.untouched = true
		return nil // decided when the other process has finished
	}
	return result.Err
}

func (r *row) succeed(c *ca.Certificate) {
	r.state, r.serial, r.der = Success, &c.Serial, c.DER
}

func (r *row) refuse(refusal *ca.Refusal) {
	r.state, r.errorCode = Error, CodeCSR
	if known, ok := codes[refusal.Rule]; ok {
		r.state, r.errorCode = known.state, known.code
	}
	r.detail = strings.Join(strings.FieldsFunc(refusal.Error(), func(c rune) bool { return c == '\n' || c == '\r' }), "; ")
}

// A Result is what became of one item.
type Result struct {
	ID        string
	State     State
	Serial    *policy.Serial // of the certificate, if there is one
	ErrorCode string
	Detail    string // one line
}

// Results returns where every item stands, in the order of the input.
func (b *Batch) Results(ctx context.Context) ([]Result, error) {
	all := make([]Result, len(b.items))
	bySeq := make(map[int64]Result, len(b.items))
	err := b.store.Read(ctx, func(tx store.Tx) error {
		for _, r := range b.runs() {
			rows, err := tx.Query(ctx, `SELECT seq, state, serial, error_code, detail FROM batch_item WHERE seq >= $1 AND seq <= $2`, r.first, r.last)
			if err != nil {
				return err
			}
			for rows.Next() {
				seq, result, err := scanResult(rows)
				if err != nil {
					rows.Close()
					return err
				}
				bySeq[seq] = result
			}
			rows.Close()
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the results of a batch: %w", err)
	}
	for n, item := range b.items {
		result, there := bySeq[item.seq]
		if !there {
			return nil, fmt.Errorf("reading the results of a batch: item %q is not in the database any more", item.id)
		}
		result.ID = item.id
		all[n] = result
	}
	return all, nil
}

func scanResult(rows *sql.Rows) (seq int64, r Result, err error) {
	var state string
	var serial []byte
	if err := rows.Scan(&seq, &state, &serial, &r.ErrorCode, &r.Detail); err != nil {
		return 0, r, err
	}
	r.State = State(state)
	if serial != nil {
		s := policy.Serial(serial)
		r.Serial = &s
	}
	return seq, r, nil
}
