package repository

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// The acts of this room in the audit log. Stored as text: never rename one.
const (
	KindKey  audit.Kind = "repository-key"  // an API key was created or revoked
	KindFile audit.Kind = "repository-file" // a file was published
)

// A Key is what is known of an API key; the key itself is not.
type Key struct {
	ID        string    `json:"id"`
	Party     string    `json:"party"`
	Note      string    `json:"note,omitempty"`
	Adopted   bool      `json:"adopted,omitempty"` // chosen by somebody, not drawn by us
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	RevokedBy string    `json:"revoked_by,omitempty"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Cause     string    `json:"cause,omitempty"`
}

// A NewKey asks for an API key.
type NewKey struct {
	Party string // whose it will be
	Note  string // what it is for, in words
	By    string // who asks
}

func (n NewKey) check() error {
	for name, value := range map[string]string{"Party": n.Party, "By": n.By} {
		if strings.TrimSpace(value) == "" || len(value) > 200 {
			return fmt.Errorf("%s is %.20q: want 1 to 200 characters", name, value)
		}
	}
	if len(n.Note) > 200 {
		return errors.New("Note: want 200 characters at most")
	}
	return nil
}

// CreateKey makes an API key of 256 random bits and returns it, for the only time:
// afterwards nobody knows it but who was given it.
func (r *Repository) CreateKey(ctx context.Context, n NewKey) (string, Key, error) {
	var b [32]byte
	if _, err := io.ReadFull(r.Rand, b[:]); err != nil {
		return "", Key{}, fmt.Errorf("creating API key: %w", err)
	}
	secret := hex.EncodeToString(b[:])
	key, err := r.addKey(ctx, n, secret, false)
	if err != nil {
		return "", Key{}, fmt.Errorf("creating API key: %w", err)
	}
	return secret, key, nil
}

// minAdopted is how long a key must be that somebody else chose: as long as the one
// that the public client has built in.
const minAdopted = 12

// AdoptKey makes a key out of one that somebody else chose, because a test client
// may have it built in. Such a key is known to whoever has the client; a CA that is
// not for exercises refuses it (ca.ErrRefused).
func (r *Repository) AdoptKey(ctx context.Context, n NewKey, secret string) (Key, error) {
	switch {
	case !r.Issuer.Environment().Exercise:
		return Key{}, fmt.Errorf("adopting API key: environment %q is not for exercises: create a key instead: %w", r.Issuer.Environment().Name, ca.ErrRefused)
	case len(secret) < minAdopted || len(secret) > 128:
		return Key{}, fmt.Errorf("adopting API key: want %d to 128 characters: %w", minAdopted, ca.ErrRefused)
	}
	key, err := r.addKey(ctx, n, secret, true)
	if err != nil {
		return Key{}, fmt.Errorf("adopting API key: %w", err)
	}
	return key, nil
}

func (r *Repository) addKey(ctx context.Context, n NewKey, secret string, adopted bool) (Key, error) {
	if err := n.check(); err != nil {
		return Key{}, err
	}
	if r.Parties != nil {
		if err := r.Parties.Active(ctx, n.Party); err != nil {
			return Key{}, err
		}
	}
	var id [6]byte
	if _, err := io.ReadFull(r.Rand, id[:]); err != nil {
		return Key{}, err
	}
	key := Key{ID: hex.EncodeToString(id[:]), Party: n.Party, Note: n.Note, Adopted: adopted, CreatedBy: n.By, CreatedAt: r.now()}
	hash := sha256.Sum256([]byte(secret))
	err := r.Issuer.Store().Write(ctx, func(tx store.Tx) error {
		var there string
		err := tx.QueryRow(ctx, `SELECT id FROM repository_key WHERE hash = $1`, hash[:]).Scan(&there)
		if err == nil {
			return fmt.Errorf("this key is known already, as %q: %w", there, ca.ErrConflict)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		n := int64(0)
		if adopted {
			n = 1
		}
		_, err = tx.Exec(ctx, `INSERT INTO repository_key (id, hash, party, note, adopted, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			key.ID, hash[:], key.Party, key.Note, n, key.CreatedBy, key.CreatedAt.UnixMicro())
		if err != nil {
			return err
		}
		return r.audit(ctx, tx, KindKey, key.CreatedBy, struct {
			Act string `json:"act"`
			Key
			// What the key is known by: an auditor sees it when another takes its place.
			SHA256 string `json:"sha256"`
		}{"created", key, hex.EncodeToString(hash[:])})
	})
	return key, err
}

// RevokeKey revokes an API key by its ID; the next request with it is refused.
// Revoking again changes nothing and returns the first revocation. The error wraps
// ca.ErrNotFound if there is no such key.
func (r *Repository) RevokeKey(ctx context.Context, id, by, cause string) (Key, error) {
	var key Key
	err := r.Issuer.Store().Write(ctx, func(tx store.Tx) error {
		keys, _, err := keysIn(ctx, tx, `id = $1`, id)
		switch {
		case err != nil:
			return err
		case len(keys) == 0:
			return ca.ErrNotFound
		}
		if key = keys[0]; !key.RevokedAt.IsZero() {
			return nil
		}
		key.RevokedBy, key.RevokedAt, key.Cause = by, r.now(), cause
		if _, err := tx.Exec(ctx, `UPDATE repository_key SET revoked_by = $1, revoked_at = $2, cause = $3 WHERE id = $4`,
			by, key.RevokedAt.UnixMicro(), cause, id); err != nil {
			return err
		}
		return r.audit(ctx, tx, KindKey, by, struct {
			Act string `json:"act"`
			Key
		}{"revoked", key})
	})
	if err != nil {
		return Key{}, fmt.Errorf("revoking API key %q: %w", id, err)
	}
	return key, nil
}

// Keys returns the API keys of a party, or of all, oldest first; revoked ones too.
func (r *Repository) Keys(ctx context.Context, party string) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		var keys []Key
		err := r.Issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
			keys, _, err = keysIn(ctx, tx, `($1 = '' OR party = $2) ORDER BY created_at, id`, party, party)
			return err
		})
		if err != nil {
			yield(Key{}, fmt.Errorf("listing API keys: %w", err))
			return
		}
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func keysIn(ctx context.Context, tx store.Tx, where string, args ...any) (keys []Key, hashes [][]byte, err error) {
	rows, err := tx.Query(ctx, `SELECT id, hash, party, note, adopted, created_by, created_at, revoked_by, revoked_at, cause FROM repository_key WHERE `+where, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key Key
		var hash []byte
		var created, adopted int64
		var by sql.NullString
		var revoked sql.NullInt64
		if err := rows.Scan(&key.ID, &hash, &key.Party, &key.Note, &adopted, &key.CreatedBy, &created, &by, &revoked, &key.Cause); err != nil {
			return nil, nil, err
		}
		key.Adopted, key.CreatedAt, key.RevokedBy = adopted != 0, time.UnixMicro(created).UTC(), by.String
		if revoked.Valid {
			key.RevokedAt = time.UnixMicro(revoked.Int64).UTC()
		}
		keys, hashes = append(keys, key), append(hashes, hash)
	}
	return keys, hashes, rows.Err()
}

// Authenticate returns the key that a secret is. The error wraps [ErrForbidden]
// unless the database could not be asked; it does not say which of the reasons it
// was, and never has the secret in it.
func (r *Repository) Authenticate(ctx context.Context, secret string) (Key, error) {
	if secret == "" || len(secret) > 128 {
		return Key{}, ErrForbidden
	}
	hash := sha256.Sum256([]byte(secret))
	var keys []Key
	var hashes [][]byte
	err := r.Issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
		keys, hashes, err = keysIn(ctx, tx, `hash = $1`, hash[:])
		return err
	})
	switch {
	case err != nil:
		return Key{}, fmt.Errorf("looking up an API key: %w", err)
	case len(keys) == 0:
		return Key{}, ErrForbidden
	// The index has found it by its hash, of which whoever guesses can choose no
	// digit; what decides is this comparison.
	case subtle.ConstantTimeCompare(hashes[0], hash[:]) != 1:
		return Key{}, ErrForbidden
	case !keys[0].RevokedAt.IsZero():
		return Key{}, fmt.Errorf("key %q is revoked: %w", keys[0].ID, ErrForbidden)
	}
	if r.Parties != nil {
		if err := r.Parties.Active(ctx, keys[0].Party); err != nil {
			return Key{}, fmt.Errorf("key %q of party %q: %w", keys[0].ID, keys[0].Party, err)
		}
	}
	return keys[0], nil
}

// admit decides whether a request may be answered, and counts it.
func (r *Repository) admit(ctx context.Context, req *http.Request) (Key, error) {
	key, err := r.Authenticate(ctx, req.URL.Query().Get("apikey"))
	if err != nil {
		return Key{}, err
	}
	return key, r.demand.take(key)
}

// now is the CA's time as the database can keep it.
func (r *Repository) now() time.Time { return r.Issuer.Now().UTC().Truncate(time.Microsecond) }

func (r *Repository) audit(ctx context.Context, tx store.Tx, kind audit.Kind, by string, body any) error {
	_, err := audit.Append(ctx, tx, audit.Event{Kind: kind, At: r.now(), By: by, Body: body})
	return err
}
