package auditor

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"time"

	"smki.example/ca/audit"
)

// Items and outcomes of the web services' batches are many, and the log has a digest
// over those of each shard: of its items when the batch was queued, of its outcomes
// when it ended.

const (
	kindShard  audit.Kind = "csr-shard"
	kindPurged audit.Kind = "csr-batch-purged"
)

// shardItems is how many items a shard has.
const shardItems = 1000

// A seal is what the log says of the shards of one batch. Batches that were queued
// before it said so have none.
type seal struct {
	record   int64
	items    []string
	outcomes map[int64]string
	ended    map[int64]int64 // shard and record
	purged   bool
}

// sealed takes up with what a batch was queued.
func (a *inspection) sealed(r *record, batch int64, shards []string) {
	if shards != nil {
		a.seals[batch] = &seal{record: r.Seq, items: shards, outcomes: make(map[int64]string), ended: make(map[int64]int64)}
	}
}

// shardEnded plays the end of a shard.
func (a *inspection) shardEnded(r *record) error {
	var says struct {
		Batch    int64  `json:"batch"`
		Shard    int64  `json:"shard"`
		Outcomes string `json:"outcomes"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	s := a.seals[says.Batch]
	if s == nil || says.Shard < 1 || says.Shard > int64(len(s.items)) {
		return differ(r.Seq, "batch %d: the log ends its shard %d, which it has not queued", says.Batch, says.Shard)
	}
	if s.outcomes[says.Shard] != "" {
		return differ(r.Seq, "batch %d: the log ends its shard %d a second time", says.Batch, says.Shard)
	}
	s.outcomes[says.Shard], s.ended[says.Shard] = says.Outcomes, r.Seq
	return nil
}

// batchPurged plays the removal of a batch's results.
func (a *inspection) batchPurged(r *record) error {
	var says struct {
		Batch int64 `json:"batch"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	if s := a.seals[says.Batch]; s != nil {
		s.purged = true
	}
	return a.change(r, "smkiws_batch", number(says.Batch), columns{"purged_at": moment(r.At)})
}

// A digest is over the rows of one shard.
type digest struct {
	batch, shard int64
	hash.Hash
}

func (d *digest) add(item int64, fields ...[]byte) {
	d.Write(binary.BigEndian.AppendUint64(nil, uint64(item)))
	for _, f := range fields {
		d.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
		d.Write(f)
	}
}

// shardsOf digests the rows of a table, shard by shard, in their order.
func (a *inspection) shardsOf(ctx context.Context, query string, scan func(*sql.Rows) (batch, item int64, fields [][]byte, err error)) (map[int64]map[int64]string, error) {
	found := make(map[int64]map[int64]string)
	var now *digest
	end := func() {
		if now == nil {
			return
		}
		if found[now.batch] == nil {
			found[now.batch] = make(map[int64]string)
		}
		found[now.batch][now.shard] = hex.EncodeToString(now.Sum(nil))
	}
	err := a.each(ctx, query, nil, func(rows *sql.Rows) error {
		batch, item, fields, err := scan(rows)
		if err != nil {
			return err
		}
		shard := (item-1)/shardItems + 1
		if item < 1 {
			shard = 0 // none of ours
		}
		if now == nil || now.batch != batch || now.shard != shard {
			end()
			now = &digest{batch, shard, sha256.New()}
		}
		now.add(item, fields...)
		return nil
	})
	end()
	return found, err
}

// allShards holds the items and outcomes of every batch against the digests of the log.
func (a *inspection) allShards(ctx context.Context) error {
	items, err := a.shardsOf(ctx, `SELECT batch, item, name, csr FROM smkiws_item ORDER BY batch, item`, func(rows *sql.Rows) (batch, item int64, fields [][]byte, err error) {
		var name string
		var csr []byte
		err = rows.Scan(&batch, &item, &name, &csr)
		return batch, item, [][]byte{[]byte(name), csr}, err
	})
	if err != nil {
		return err
	}
	outcomes, err := a.shardsOf(ctx, `SELECT batch, item, status, code, detail, serial FROM smkiws_outcome ORDER BY batch, item`, func(rows *sql.Rows) (batch, item int64, fields [][]byte, err error) {
		var status, code, detail string
		var serial []byte
		err = rows.Scan(&batch, &item, &status, &code, &detail, &serial)
		return batch, item, [][]byte{[]byte(status), []byte(code), []byte(detail), serial}, err
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(a.seals)) {
		if err := a.shards(id, items[id], outcomes[id]); err != nil {
			return err
		}
	}
	return nil
}

func (a *inspection) shards(id int64, items, outcomes map[int64]string) error {
	s := a.seals[id]
	// How many there are is the log's word, too.
	all, err := strconv.ParseInt(a.of("smkiws_batch", number(id), "items"), 10, 64)
	if err != nil {
		return differ(s.record, "batch %d: the log queues it before it was made", id)
	}
	what := func(shard int64) string {
		return fmt.Sprintf("items %d to %d of batch %d", (shard-1)*shardItems+1, min(shard*shardItems, all), id)
	}
	if s.purged {
		if len(items)+len(outcomes) > 0 {
			return differ(s.record, "batch %d: its results are in the database, and the log has removed them", id)
		}
		return nil
	}
	for found, rows := range map[string]map[int64]string{"items": items, "outcomes": outcomes} {
		for _, shard := range slices.Sorted(maps.Keys(rows)) {
			if shard < 1 || shard > int64(len(s.items)) {
				return differ(s.record, "batch %d: it has %s %d to %d in the database, and was not queued with them", id, found, (shard-1)*shardItems+1, shard*shardItems)
			}
		}
	}
	state := a.of("smkiws_batch", number(id), "state")
	for n, want := range s.items {
		shard := int64(n + 1)
		if items[shard] != want {
			return differ(s.record, "%s: their names or requests are not what the batch was queued with", what(shard))
		}
		ended, has := s.ended[shard]
		if has && outcomes[shard] != s.outcomes[shard] {
			return differ(ended, "%s: their outcomes are not those that the log has", what(shard))
		}
		if !has && state == "COMPLETED" {
			return differ(s.record, "%s: the log completes the batch without them", what(shard))
		}
	}
	return nil
}

// filePublished plays a file of the Repository. That an old one was removed is not in
// the log, and not compared.
func (a *inspection) filePublished(r *record) error {
	type bound struct{ Certificates, Revocations int64 }
	var says struct {
		Number       int64     `json:"number"`
		Kind         string    `json:"kind"`
		Name         string    `json:"name"`
		After        bound     `json:"after"`
		To           bound     `json:"to"`
		At           time.Time `json:"at"`
		BegunBy      string    `json:"begun_by"`
		Certificates int64     `json:"certificates"`
		Changes      int64     `json:"changes"`
		Octets       int64     `json:"octets"`
		SHA256       string    `json:"sha256"`
		PublishedAt  time.Time `json:"published_at"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	id := number(says.Number)
	return a.tell(r, "repository_file", id, "file "+id+" of the Repository", columns{"number": id, "kind": says.Kind, "name": says.Name,
		"after_certificate": number(says.After.Certificates), "after_revocation": number(says.After.Revocations),
		"to_certificate": number(says.To.Certificates), "to_revocation": number(says.To.Revocations), "at": moment(says.At), "begun_by": says.BegunBy,
		"certificates": number(says.Certificates), "changes": number(says.Changes), "octets": number(says.Octets), "digest": says.SHA256,
		"published_at": moment(says.PublishedAt)})
}
