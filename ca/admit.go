package ca

import (
	"context"
	"database/sql"
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
// issuance failed may be sent again.
func (i *Issuer) admit(ctx context.Context, tx store.Tx, d *draft) error {
	key := d.intent.Key[:]
	var blocked sql.NullString
	var certified, pending []byte
	var pendingOwner sql.NullString
	err := tx.QueryRow(ctx, `SELECT
		(SELECT reason FROM blocked_key WHERE spki = $1),
		(SELECT serial FROM certificate WHERE spki = $2 LIMIT 1),
		(SELECT serial FROM intent WHERE spki = $3 AND state = 'open' LIMIT 1),
		(SELECT owner FROM intent WHERE spki = $4 AND state = 'open' LIMIT 1)`,
		key, key, key, key).Scan(&blocked, &certified, &pending, &pendingOwner)
	if err != nil {
		return fmt.Errorf("looking up the key: %w", err)
	}
	switch {
	case blocked.Valid:
		return refuse("key-blocked", "the public key %s is on the block list: %s", d.intent.Key, blocked.String)
	case certified != nil:
		return refuse("key-reuse", "the public key already has certificate %q; make a new key pair", serialFrom(certified))
	case pending != nil:
		alive, err := i.store.Alive(ctx, store.OwnerID(pendingOwner.String))
		if err != nil {
			return err
		}
		if alive {
			return fmt.Errorf("certificate %q for the same key is being issued: %w; look it up, then try again", serialFrom(pending), ErrConflict)
		}
		// Its owner has died since this CA was opened. Nothing will be made of that
		// intent any more; it is written off when it is reconciled.
	}
	if d.profile.Name != policy.ProfileDevice {
		return nil
	}
	var count int
	err = tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM certificate WHERE entity = $1 AND profile = 'device') +
		(SELECT COUNT(*) FROM intent WHERE entity = $2 AND profile = 'device' AND state = 'open')`,
		d.intent.Entity[:], d.intent.Entity[:]).Scan(&count)
	if err != nil {
		return fmt.Errorf("counting the certificates of device %q: %w", d.intent.Entity, err)
	}
	if count >= deviceLimit {
		return refuse("device-limit", "device %s was already issued %d certificates, and %d is the limit (AppM 2.3.1.8); have the threshold reviewed", d.intent.Entity, count, deviceLimit)
	}
	return nil
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
