package smkiws

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// The kinds of the records that follow those of a batch's states.
const (
	// KindShard says with what outcomes a shard has ended.
	KindShard audit.Kind = "csr-shard"
	// KindPurged says that a batch's results were removed at their time.
	KindPurged audit.Kind = "csr-batch-purged"
)

// A digest is over the rows of a shard, in their order. Each field has its length
// before it, so that no two shards are written alike.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) add(item int64, fields ...[]byte) {
	d.Write(binary.BigEndian.AppendUint64(nil, uint64(item)))
	for _, f := range fields {
		d.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
		d.Write(f)
	}
}

func (d digest) String() string { return hex.EncodeToString(d.Sum(nil)) }

// A seal is what the audit record of a batch's way to QUEUED says of it. Between that
// and the issuing lies a night, in which the tables are anybody's who can write them.
type seal struct {
	Batch     int64    `json:"batch"`
	Party     string   `json:"party"`
	Requester string   `json:"requester"`
	SHA256    string   `json:"sha256"`
	To        State    `json:"to"`
	Shards    []string `json:"shards"` // digest of each one's items, from what was uploaded
}

// broken tells in tx why a shard is not what was queued, given the digest of its items
// now; empty: it is. Which record it is stands in the row of the batch, and need not be
// believed: a batch is queued once, and its record names it.
func (s *Service) broken(ctx context.Context, tx store.Tx, sh *shard, items string) (string, error) {
	if !sh.batch.queued.Valid {
		return "no audit record is noted that says what was queued", nil
	}
	var kind string
	var line []byte
	err := tx.QueryRow(ctx, `SELECT kind, line FROM audit_record WHERE seq = $1`, sh.batch.queued.Int64).Scan(&kind, &line)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Sprintf("the audit record %d that should say what was queued is not there", sh.batch.queued.Int64), nil
	}
	if err != nil {
		return "", err
	}
	var record struct {
		Kind audit.Kind `json:"kind"`
		Body seal       `json:"body"`
	}
	b := sh.batch
	if kind == string(KindBatch) {
		err = json.Unmarshal(line, &record)
	}
	said := record.Body
	switch {
	case err != nil || record.Kind != KindBatch || said.Batch != b.ID || said.To != Queued:
		return fmt.Sprintf("the audit record %d does not say what was queued", b.queued.Int64), nil
	case said.Party != b.Party || said.Requester != b.Requester || said.SHA256 != hex.EncodeToString(b.Digest[:]):
		return fmt.Sprintf("it was queued for %q of %q, by the audit record %d, and is now for %q of %q", said.Requester, said.Party, b.queued.Int64, b.Requester, b.Party), nil
	case sh.number < 1 || sh.number > int64(len(said.Shards)):
		return fmt.Sprintf("it was queued with %d shards, by the audit record %d, and now has a shard %d", len(said.Shards), b.queued.Int64, sh.number), nil
	case said.Shards[sh.number-1] != items:
		return fmt.Sprintf("the items of shard %d have digest %s, and were queued with %s, by the audit record %d", sh.number, items, said.Shards[sh.number-1], b.queued.Int64), nil
	}
	return "", nil
}

// ended writes the record of a shard that has all its outcomes.
func (s *Service) ended(ctx context.Context, tx store.Tx, sh *shard) error {
	rows, err := tx.Query(ctx, `SELECT item, status, code, detail, serial FROM smkiws_outcome WHERE batch = $1 AND item > $2 AND item <= $3 ORDER BY item`,
		sh.batch.ID, (sh.number-1)*shardSize, sh.number*shardSize)
	if err != nil {
		return err
	}
	defer rows.Close()
	d := newDigest()
	for rows.Next() {
		var item int64
		var status, code, detail string
		var serial []byte
		if err := rows.Scan(&item, &status, &code, &detail, &serial); err != nil {
			return err
		}
		d.add(item, []byte(status), []byte(code), []byte(detail), serial)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = audit.Append(ctx, tx, audit.Event{Kind: KindShard, At: s.now(), By: "ca", Body: map[string]any{
		"batch": sh.batch.ID, "shard": sh.number, "outcomes": d.String()}})
	return err
}
