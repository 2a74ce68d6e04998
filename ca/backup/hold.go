package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// Kinds of audit records of this package. Stored as text: never rename one.
const (
	KindRestored     audit.Kind = "restored"      // a restored CA goes on, nothing was found missing
	KindAcceptedLoss audit.Kind = "accepted-loss" // a restored CA goes on although something is missing
)

// A Hold keeps a restored database from going on.
type Hold struct {
	ID         int64     `json:"id"`
	Backup     string    `json:"backup"`
	TakenAt    time.Time `json:"taken_at"`
	RestoredAt time.Time `json:"restored_at"`
	// LogSize and LogHead are the audit log as the backup had it. What the restored CA
	// has appended since (write-offs, say) is no evidence of what went on elsewhere.
	LogSize int64  `json:"log_size"`
	LogHead string `json:"log_head"`
}

// Place puts a hold on a database that was just extracted. It must stand before
// anything can open the database as a CA.
func Place(ctx context.Context, s *store.Store, m *Manifest, now time.Time) error {
	err := s.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO restoration (backup, taken_at, restored_at, log_size, log_head) VALUES ($1, $2, $3, $4, $5)`,
			m.ID, m.TakenAt.UnixMicro(), now.UnixMicro(), m.Log.Size, m.Log.Head)
		return err
	})
	if err != nil {
		return fmt.Errorf("holding the restored database: %w", err)
	}
	return nil
}

// Held returns the hold on a database, or nil if there is none.
func Held(ctx context.Context, s *store.Store) (*Hold, error) {
	var h Hold
	var taken, restored int64
	err := s.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT id, backup, taken_at, restored_at, log_size, log_head FROM restoration
			WHERE released_at IS NULL ORDER BY id DESC LIMIT 1`).Scan(&h.ID, &h.Backup, &taken, &restored, &h.LogSize, &h.LogHead)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking whether the database is held: %w", err)
	}
	h.TakenAt, h.RestoredAt = time.UnixMicro(taken).UTC(), time.UnixMicro(restored).UTC()
	return &h, nil
}

// Check refuses ([ca.ErrRefused]) a database that is held. Whatever issues, revokes
// or publishes asks first.
func Check(ctx context.Context, s *store.Store) error {
	h, err := Held(ctx, s)
	if err != nil || h == nil {
		return err
	}
	return &ca.Refusal{Rule: "restored", Err: fmt.Errorf("this CA was restored on %s from the backup of %s, and nothing shows yet that it knows all that was done since; until then it issues, revokes and publishes nothing",
		h.RestoredAt.Format(time.RFC3339), h.TakenAt.Format(time.RFC3339))}
}

// release ends the hold, and every older one, in tx, with its audit record.
func (h *Hold) release(ctx context.Context, tx store.Tx, kind audit.Kind, by string, now time.Time, body any) error {
	record, err := audit.Append(ctx, tx, audit.Event{Kind: kind, At: now, By: by, Body: body})
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE restoration SET released_at = $1, released_by = $2, record = $3 WHERE released_at IS NULL AND id <= $4`, now.UnixMicro(), by, record.Seq, h.ID)
	if err == nil && n == 0 {
		err = fmt.Errorf("releasing the hold: %w: somebody else has released it", ca.ErrConflict)
	}
	return err
}
