package batch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"smki.example/ca/store"
	"smki.example/policy"
)

// An identity is what tells an item from every other, in whatever batch it comes.
type identity struct {
	id     string
	digest [sha256.Size]byte
}

// A sent item is one as it was sent, ready to be looked up.
type sent struct {
	identity
	request []byte
}

// normalise brings the items into the form in which they are kept, on every core.
func normalise(items []Item) []sent {
	all := make([]sent, len(items))
	everywhere(len(items), func(n int) {
		request, digest := normal(items[n].Request)
		all[n] = sent{identity{items[n].ID, digest}, request}
	})
	return all
}

// normal is a request as it is kept, and its identity: the DER, so that PEM and
// base64 of one request are one item; or what was sent, if it is neither.
func normal(sent []byte) ([]byte, [sha256.Size]byte) {
	der, err := policy.DecodePEMOrBase64(sent, "request")
	if err != nil {
		der = sent
	}
	return der, sha256.Sum256(der)
}

// A standing is where an item stands that was there before.
type standing struct {
	seq       int64
	state     State
	owner     store.OwnerID
	requester string
}

// enrolledAtOnce is how many items one transaction enrols. Others may write between
// two: with 50,000 at once a revocation would wait for a second.
const enrolledAtOnce = 5000

// enrol looks up which items are there and adds the others, some thousand at a time.
func (b *Batch) enrol(ctx context.Context, all []sent) error {
	b.items, b.first, b.place = make([]entry, 0, len(all)), make([]waiting, 0, len(all)), make(map[int64]int, len(all))
	b.Resumed, b.done = 0, 0
	for part := range slices.Chunk(all, enrolledAtOnce) {
		if err := b.store.WriteLong(ctx, func(tx store.Tx) error { return b.enrolPart(ctx, tx, part) }); err != nil {
			return err
		}
	}
	return nil
}

func (b *Batch) enrolPart(ctx context.Context, tx store.Tx, all []sent) error {
	there, err := lookUp(ctx, tx, all)
	if err != nil {
		return err
	}
	var fresh []sent
	for _, item := range all {
		if _, known := there[item.identity]; !known {
			there[item.identity] = &standing{state: Waiting}
			fresh = append(fresh, item)
		}
	}
	if err := b.add(ctx, tx, fresh, there); err != nil {
		return err
	}
	for _, item := range all {
		s := there[item.identity]
		if b.cfg.RetryRefused && s.state != Waiting && s.state != Success {
			_, err := tx.Exec(ctx, `UPDATE batch_item SET state = 'waiting', owner = '', error_code = '', detail = '', settled_at = NULL WHERE seq = $1`, s.seq)
			if err != nil {
				return fmt.Errorf("item %q: %w", item.id, err)
			}
			s.state, s.owner = Waiting, ""
		}
		if s.state != Waiting {
			b.Resumed++
			b.done++
		} else if _, twice := b.place[s.seq]; !twice {
			b.first = append(b.first, waiting{s.seq, s.owner})
		}
		b.place[s.seq] = len(b.items)
		b.items = append(b.items, entry{s.seq, item.id, s.requester, item.request})
	}
	return nil
}

// lookUp finds the items that are there already.
func lookUp(ctx context.Context, tx store.Tx, all []sent) (map[identity]*standing, error) {
	there := make(map[identity]*standing, len(all))
	const query = `SELECT batch_item.id, digest, seq, state, owner, requester FROM batch_item JOIN batch ON batch.id = batch_item.batch
		WHERE batch_item.id IN (`
	size := atOnce
	if store.TakesLists(tx) {
		size = max(len(all), 1)
	}
	for from := 0; from < len(all); from += size {
		ids := make([]string, size)
		for n := range ids {
			ids[n] = all[min(from+n, len(all)-1)].id
		}
		text, args := query+`SELECT unnest($1::text[]))`, []any{ids}
		if !store.TakesLists(tx) {
			text, args = query+list(1, 1, size)+`)`, make([]any, size)
			for n := range ids {
				args[n] = ids[n]
			}
		}
		rows, err := tx.Query(ctx, text, args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var who identity
			var digest []byte
			var s standing
			var state, owner string
			if err := rows.Scan(&who.id, &digest, &s.seq, &state, &owner, &s.requester); err != nil {
				rows.Close()
				return nil, err
			}
			copy(who.digest[:], digest)
			s.state, s.owner = State(state), store.OwnerID(owner)
			there[who] = &s
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return there, nil
}

// add writes new items, as those of a new batch, and notes their numbers.
func (b *Batch) add(ctx context.Context, tx store.Tx, fresh []sent, there map[identity]*standing) error {
	if len(fresh) == 0 {
		return nil
	}
	if b.id == "" {
		if err := b.begin(ctx, tx); err != nil {
			return err
		}
	}
	// In parts, so that the largest batch does not stand in memory once more.
	for from := 0; from < len(fresh); from += 2000 {
		part := fresh[from:min(from+2000, len(fresh))]
		r := store.Rows{Table: "batch_item", Key: "seq", Columns: []string{"batch", "id", "digest", "request", "state"}, Values: make([][]any, len(part))}
		for n := range part {
			r.Values[n] = []any{b.id, part[n].id, part[n].digest[:], part[n].request, string(Waiting)}
		}
		seqs, err := tx.Insert(ctx, r)
		if err != nil {
			return err
		}
		for n, item := range part {
			s := there[item.identity]
			s.seq, s.requester = seqs[n], b.requester
		}
	}
	return nil
}

// begin writes the row of a batch and sets its number and the requester of its
// certificates. The number is drawn at random, because it is in the requester and
// must not be met by chance.
func (b *Batch) begin(ctx context.Context, tx store.Tx) error {
	var random [8]byte
	rand.Read(random[:])
	b.id = hex.EncodeToString(random[:])
	b.requester = b.cfg.Requester + ", batch " + b.id
	_, err := tx.Exec(ctx, `INSERT INTO batch (id, requester, created_at) VALUES ($1, $2, $3)`, b.id, b.requester, b.cfg.Issuer.Now().UnixMicro())
	return err
}
