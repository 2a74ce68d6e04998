package ca

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// deviceLimit is how many certificates one device may have been issued (AppM
// 2.3.1.8, 2.4.1.3, 2.5.1.3).
const deviceLimit = 100

// admit decides in tx what depends on everybody else's certificates: the key is
// not blocked, has no certificate and is in nobody's hands at this moment, and a
// device is below its limit. Intents that are open count, because they may become
// certificates; intents that were written off do not, so that a request whose
// issuance failed may be sent again. The drafts count among each other, in their
// order.
//
// A draft that may not go on gets its err, which wraps ErrRefused or ErrConflict.
// The error that admit returns is the database's.
func (i *Issuer) admit(ctx context.Context, tx store.Tx, drafts []*draft) error {
	keys, err := standings(ctx, tx, drafts)
	if err != nil {
		return fmt.Errorf("looking up the keys: %w", err)
	}
	devices, err := issuedTo(ctx, tx, drafts)
	if err != nil {
		return fmt.Errorf("counting the certificates of devices: %w", err)
	}
	for _, d := range drafts {
		key := keys[d.intent.Key]
		if d.err, err = i.judge(ctx, d, key, devices); err != nil {
			return err
		}
		if d.err == nil {
			key.pending, key.owner = d.intent.Serial[:], i.lease.ID()
			if d.profile.Name == policy.ProfileDevice {
				devices[*d.intent.Entity]++
			}
		}
	}
	return nil
}

// judge returns what stands against a draft, if anything does.
func (i *Issuer) judge(ctx context.Context, d *draft, key *standing, devices map[policy.EntityID]int) (refusal, err error) {
	switch {
	case key.blocked:
		return refuse("key-blocked", "the public key %s is on the block list: %s (our rule: a key known to be weak or compromised is never certified)", d.intent.Key, key.reason), nil
	case key.certified != nil:
		return refuse("key-reuse", "the public key already has certificate %q; make a new key pair (our rule: one key, one certificate; AppM, Appendix D, calls a duplicate an anomaly)", serialFrom(key.certified)), nil
	case key.pending != nil:
		alive, err := i.store.Alive(ctx, key.owner)
		if err != nil {
			return nil, err
		}
		if alive {
			return fmt.Errorf("certificate %q for the same key is being issued: %w; look it up, then try again", serialFrom(key.pending), ErrConflict), nil
		}
		// Its owner has died since this CA was opened. Nothing will be made of that
		// intent any more; it is written off when it is reconciled.
	}
	if d.profile.Name == policy.ProfileDevice && devices[*d.intent.Entity] >= deviceLimit {
		return refuse("device-limit", "device %s was already issued %d certificates, and %d is the limit (AppM 2.3.1.8); have the threshold reviewed",
			d.intent.Entity, devices[*d.intent.Entity], deviceLimit), nil
	}
	return nil, nil
}

// A standing is what the database knows of a key.
type standing struct {
	blocked   bool
	reason    string
	certified []byte // serial of a certificate
	pending   []byte // serial of an open intent
	owner     store.OwnerID
}

// standings looks up the keys of drafts.
func standings(ctx context.Context, tx store.Tx, drafts []*draft) (map[KeyHash]*standing, error) {
	found := make(map[KeyHash]*standing, len(drafts))
	keys := make([]any, len(drafts))
	for n, d := range drafts {
		keys[n] = d.intent.Key[:]
		found[d.intent.Key] = &standing{}
	}
	const query = `SELECT 1, spki, reason, NULL FROM blocked_key WHERE spki IN (?)
		UNION ALL SELECT 2, spki, '', serial FROM certificate WHERE spki IN (?)
		UNION ALL SELECT 3, spki, owner, serial FROM intent WHERE state = 'open' AND spki IN (?)`
	err := lookUp(ctx, tx, query, keys, func(row func(...any) error) error {
		var what int
		var spki, serial []byte
		var text string
		if err := row(&what, &spki, &text, &serial); err != nil {
			return err
		}
		var key KeyHash
		copy(key[:], spki)
		s := found[key]
		switch what {
		case 1:
			s.blocked, s.reason = true, text
		case 2:
			s.certified = serial
		case 3:
			s.pending, s.owner = serial, store.OwnerID(text)
		}
		return nil
	})
	return found, err
}

// issuedTo counts the certificates and open intents of the devices among drafts.
func issuedTo(ctx context.Context, tx store.Tx, drafts []*draft) (map[policy.EntityID]int, error) {
	counts := make(map[policy.EntityID]int)
	var devices []any
	for _, d := range drafts {
		if d.profile.Name == policy.ProfileDevice {
			devices = append(devices, d.intent.Entity[:])
		}
	}
	const query = `SELECT entity, COUNT(*) FROM (
		SELECT entity FROM certificate WHERE profile = 'device' AND entity IN (?)
		UNION ALL SELECT entity FROM intent WHERE profile = 'device' AND state = 'open' AND entity IN (?)) AS held GROUP BY entity`
	err := lookUp(ctx, tx, query, devices, func(row func(...any) error) error {
		var entity []byte
		var n int
		if err := row(&entity, &n); err != nil {
			return err
		}
		// An entity in two portions of a look-up is counted in full by each.
		counts[*entityFrom(entity)] = n
		return nil
	})
	return counts, err
}

// A KeyBlock puts a key on the block list.
type KeyBlock struct {
	Key    KeyHash
	Reason string // one line, shown to whoever asks for a certificate
	By     string
}

// BlockKey refuses a key from now on. Certificates it has already are not
// touched: revoke them. Blocking a blocked key changes nothing.
func (i *Issuer) BlockKey(ctx context.Context, b KeyBlock) error {
	if b.Reason == "" || b.By == "" {
		return errors.New("blocking a key: a reason and a name are needed")
	}
	err := i.store.Write(ctx, func(tx store.Tx) error {
		now := i.Now()
		n, err := tx.Exec(ctx, `INSERT INTO blocked_key (spki, reason, blocked_by, blocked_at) VALUES ($1, $2, $3, $4) ON CONFLICT (spki) DO NOTHING`,
			b.Key[:], b.Reason, b.By, now.UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		_, err = audit.Append(ctx, tx, audit.Event{Kind: audit.KindBlockedKey, At: now, By: b.By,
			Body: map[string]string{"spki_sha256": b.Key.String(), "reason": b.Reason}})
		return err
	})
	if err != nil {
		return fmt.Errorf("blocking key %s: %w", b.Key, err)
	}
	return nil
}

// auditWriteOff appends the record of intents that were given up, if any were.
func auditWriteOff(ctx context.Context, tx store.Tx, now time.Time, by string, items []intentItem) error {
	if len(items) == 0 {
		return nil
	}
	_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindWrittenOff, At: now, By: by, Body: map[string]any{"intents": items}})
	return err
}

func serialFrom(b []byte) policy.Serial {
	var s policy.Serial
	copy(s[:], b)
	return s
}
