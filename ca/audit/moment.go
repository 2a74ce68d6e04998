package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"smki.example/ca/store"
)

// slacks are by how much the times of two records may stand in another order than
// their numbers: clocks of nodes differ, and who takes the time may wait to write.
// They are tried in turn, because with the second some hundred megabytes are read
// where batches are at work.
var slacks = []time.Duration{2 * time.Second, 2 * time.Minute}

// headLength is how much of a record is read to know its time, which stands behind
// its number.
const headLength = 96

// At returns the records of one moment, to the microsecond, that have text in them,
// in their order. An act that is in a table with its time has its record at that
// time, so that it is found in a log of any length by halving: records stand in the
// order of their times, up to two minutes. Where there are several, those within two
// seconds are found for certain.
func (l *Log) At(ctx context.Context, at time.Time, text string) ([]Record, error) {
	for _, slack := range slacks {
		found, err := l.near(ctx, at, slack, text)
		if err != nil {
			return nil, fmt.Errorf("reading audit log at %s: %w", at.Format(time.RFC3339Nano), err)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// near looks at the records whose times are no further than slack from at.
func (l *Log) near(ctx context.Context, at time.Time, slack time.Duration, text string) ([]Record, error) {
	var found []Record
	err := l.store.Read(ctx, func(tx store.Tx) error {
		end, err := size(ctx, tx)
		if err != nil {
			return err
		}
		low, high := int64(0), end
		for low < high {
			middle := (low + high) / 2
			heads, err := headsFrom(ctx, tx, middle, 1)
			if err != nil {
				return err
			}
			if len(heads) == 0 || !heads[0].at.Before(at.Add(-slack)) {
				high = middle
			} else {
				low = middle + 1
			}
		}
		seqs, err := between(ctx, tx, low, at, slack)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			rs, err := recordsFrom(ctx, tx, seq, 1)
			if err != nil {
				return err
			}
			if len(rs) == 1 && bytes.Contains(rs[0].Line, []byte(text)) {
				found = append(found, rs[0])
			}
		}
		return nil
	})
	return found, err
}

// headsAtOnce is how many heads are read together. A database may read all of a record
// for its head, and the records of a batch have hundreds of kilobytes: of those behind
// the moment no more than this are read in vain.
const headsAtOnce = 32

// between returns the numbers of the records whose time is at, from low on, until one is
// later by more than slack.
func between(ctx context.Context, tx store.Tx, low int64, at time.Time, slack time.Duration) (seqs []int64, err error) {
	for {
		heads, err := headsFrom(ctx, tx, low, headsAtOnce)
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			low = h.seq + 1
			if h.at.After(at.Add(slack)) {
				return seqs, nil
			}
			if h.at.UnixMicro() == at.UnixMicro() {
				seqs = append(seqs, h.seq)
			}
		}
		if len(heads) < headsAtOnce {
			return seqs, nil
		}
	}
}

type head struct {
	seq int64
	at  time.Time
}

func headsFrom(ctx context.Context, tx store.Tx, seq int64, n int) ([]head, error) {
	rows, err := tx.Query(ctx, `SELECT seq, substr(line, 1, $1) FROM audit_record WHERE seq >= $2 ORDER BY seq LIMIT $3`, int64(headLength), seq, int64(n))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var heads []head
	for rows.Next() {
		var h head
		var line []byte
		if err := rows.Scan(&h.seq, &line); err != nil {
			return nil, err
		}
		_, line, _ = bytes.Cut(line, []byte(`"at":"`))
		text, _, _ := bytes.Cut(line, []byte(`"`))
		if h.at, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
			return nil, &BadRecord{h.seq, "its line does not begin with its number and time"}
		}
		heads = append(heads, h)
	}
	return heads, rows.Err()
}
