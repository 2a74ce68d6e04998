package auditor

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"smki.example/policy"
)

// batchMoved plays an upload to the web services and what was decided about it.
func (a *inspection) batchMoved(r *record) error {
	var says struct {
		Batch   int64  `json:"batch"`
		Party   string `json:"party"`
		Channel string `json:"channel"`
		Name    string `json:"name"`
		SHA256  string `json:"sha256"`
		Octets  int64  `json:"octets"`
		Items   int64  `json:"items"`
		From    string `json:"from"`
		To      string `json:"to"`
		Reason  string `json:"reason"`
		Upload  string `json:"upload"`
		Excess  bool   `json:"excess"`
		// Shards has the digest of each one's items.
		Shards []string `json:"shards"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	id, at := number(says.Batch), moment(r.At)
	if says.From == "" {
		told := columns{"id": id, "channel": says.Channel, "party": says.Party, "requester": r.By, "name": says.Name, "state": says.To,
			"digest": says.SHA256, "octets": number(says.Octets), "items": number(says.Items), "submitted_at": at, "decided_at": "", "decided_by": "", "reason": "", "finished_at": ""}
		if says.Upload != "" { // older records do not say, nor does the log then tell of a purge
			told["upload"], told["excess"], told["purged_at"] = says.Upload, "0", ""
			if says.Excess {
				told["excess"] = "1"
			}
		}
		return a.tell(r, "smkiws_batch", id, "batch "+id, told)
	}
	if state := a.of("smkiws_batch", id, "state"); state != says.From && a.things["smkiws_batch"][id] != nil {
		return differ(r.Seq, "batch %s: the log moves it from %s, where it was not but %s", id, says.From, state)
	}
	a.sealed(r, says.Batch, says.Shards)
	now := columns{"state": says.To}
	if says.From == "PENDING" || says.To == "REJECTED" {
		now["decided_at"], now["decided_by"], now["reason"] = at, r.By, says.Reason
	}
	if slices.Contains([]string{"COMPLETED", "REJECTED", "TAMPERED"}, says.To) {
		now["finished_at"] = at
	}
	return a.change(r, "smkiws_batch", id, now)
}

// keyChanged plays the life of an API key of the Repository. Records from before the
// hash was in them say nothing of it.
func (a *inspection) keyChanged(r *record) error {
	var says struct {
		Act       string    `json:"act"`
		ID        string    `json:"id"`
		SHA256    string    `json:"sha256"`
		Party     string    `json:"party"`
		Note      string    `json:"note"`
		Adopted   bool      `json:"adopted"`
		CreatedBy string    `json:"created_by"`
		CreatedAt time.Time `json:"created_at"`
		RevokedBy string    `json:"revoked_by"`
		RevokedAt time.Time `json:"revoked_at"`
		Cause     string    `json:"cause"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	switch says.Act {
	case "created":
		told := columns{"id": says.ID, "party": says.Party, "note": says.Note, "adopted": flag(says.Adopted), "created_by": says.CreatedBy, "created_at": moment(says.CreatedAt),
			"revoked_by": "", "revoked_at": "", "cause": ""}
		if says.SHA256 != "" {
			told["hash"] = says.SHA256
		}
		return a.tell(r, "repository_key", says.ID, "API key "+says.ID+" of "+says.Party, told)
	case "revoked":
		return a.change(r, "repository_key", says.ID, columns{"revoked_by": says.RevokedBy, "revoked_at": moment(says.RevokedAt), "cause": says.Cause})
	}
	return differ(r.Seq, "the log: it tells of the act %q on an API key, which this program does not know", says.Act)
}

// released remembers that a record lets a restored ledger go on.
func (a *inspection) released(r *record) error {
	a.releases[r.Seq] = true
	return nil
}

// allRestorations looks for a ledger that goes on although nobody said so.
func (a *inspection) allRestorations(ctx context.Context) error {
	return a.each(ctx, `SELECT id, backup, record FROM restoration WHERE released_at IS NOT NULL ORDER BY id`, nil, func(rows *sql.Rows) error {
		var id int64
		var backup string
		var record sql.NullInt64
		if err := rows.Scan(&id, &backup, &record); err != nil {
			return err
		}
		if !record.Valid || !a.releases[record.Int64] {
			return unheard("restoration %d from backup %s: it is released in the database, and the log does not say on what grounds", id, backup)
		}
		return nil
	})
}

// Items of batches are not in the log one by one. What binds them is the certificate
// that they name, which has the key of the item's request, and for those of the web
// services a digest over each shard: see seal.go.
const (
	itemsLines = `SELECT 'item ' || i.id, i.request, i.serial, c.spki FROM batch_item i LEFT JOIN certificate c ON c.serial = i.serial WHERE i.serial IS NOT NULL ORDER BY i.seq`

	itemsWeb = `SELECT 'item ' || o.item || ' of batch ' || o.batch, i.csr, o.serial, c.spki FROM smkiws_outcome o
		LEFT JOIN smkiws_item i ON i.batch = o.batch AND i.item = o.item LEFT JOIN certificate c ON c.serial = o.serial WHERE o.serial IS NOT NULL ORDER BY o.batch, o.item`
)

func (a *inspection) allItems(ctx context.Context, query string) error {
	return a.each(ctx, query, nil, func(rows *sql.Rows) error {
		var name string
		var der, serial, spki []byte
		if err := rows.Scan(&name, &der, &serial, &spki); err != nil {
			return err
		}
		if spki == nil {
			return unheard("%s: its certificate %s is not in the ledger", name, serialText(serial))
		}
		if der == nil {
			return nil // the request is gone with the results; the certificate is compared by itself
		}
		key, err := requestKey(der)
		if err != nil {
			return unheard("%s: its request: %v", name, err)
		}
		if key != hex.EncodeToString(spki) {
			return unheard("%s: its certificate %s has another key than its request", name, serialText(serial))
		}
		return nil
	})
}

// requestKey is the SHA-256 of a request's public key info.
func requestKey(der []byte) (string, error) {
	request, err := policy.ParseRequest(der)
	if err != nil {
		return "", err
	}
	spki, err := x509.MarshalPKIXPublicKey(request.PublicKey)
	if err != nil {
		return "", fmt.Errorf("its key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:]), nil
}
