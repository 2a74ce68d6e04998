package iki

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A Certificate is a row of this room's ledger, the table "iki_certificate".
type Certificate struct {
	Seq          int64
	Serial       policy.Serial
	Intent       int64
	Issuer       string             // "iki-1"
	Profile      policy.ProfileName // ProfileAuthority or ProfileClient
	Organisation string
	Role         *policy.RemotePartyRole // nil for the authority
	CN           string
	Interface    Interface // the one it opens
	Key          ca.KeyHash
	NotBefore    time.Time
	NotAfter     time.Time
	Status       ca.Status
	Requester    string
	RecordedAt   time.Time
	DER          []byte
}

// pageSize is how many rows a listing holds at once.
const pageSize = 500

const columns = `seq, serial, intent, issuer, profile, organisation, role, cn, interface, spki, not_before, not_after, status, requester, recorded_at, der`

func insert(ctx context.Context, tx store.Tx, c *Certificate) error {
	var role any
	if c.Role != nil {
		role = int64(*c.Role)
	}
	err := tx.QueryRow(ctx, `INSERT INTO iki_certificate
		(serial, intent, issuer, profile, organisation, role, cn, interface, spki, not_before, not_after, status, requester, recorded_at, der)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING seq`,
		c.Serial[:], c.Intent, c.Issuer, string(c.Profile), c.Organisation, role, c.CN, string(c.Interface), c.Key[:],
		c.NotBefore.UnixMicro(), c.NotAfter.UnixMicro(), string(c.Status), c.Requester, c.RecordedAt.UnixMicro(), c.DER).Scan(&c.Seq)
	if err != nil {
		return fmt.Errorf("recording certificate %q: %w", c.Serial, err)
	}
	return nil
}

// BySerial returns one certificate, the authority's own included. The error wraps
// [ca.ErrNotFound]. It needs no key.
func BySerial(ctx context.Context, s *store.Store, serial policy.Serial) (*Certificate, error) {
	var c *Certificate
	err := s.Read(ctx, func(tx store.Tx) (err error) {
		c, err = certificateIn(ctx, tx, serial)
		return err
	})
	return c, err
}

func certificateIn(ctx context.Context, tx store.Tx, serial policy.Serial) (*Certificate, error) {
	c, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM iki_certificate WHERE serial = $1`, serial[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("IKI certificate %q: %w", serial, ca.ErrNotFound)
	}
	return c, err
}

// List returns every certificate, the authority's own first, in the order of
// recording and in constant memory. It needs no key.
func List(ctx context.Context, s *store.Store) iter.Seq2[*Certificate, error] {
	return func(yield func(*Certificate, error) bool) {
		var q query
		for {
			page, err := certificates(ctx, s, q)
			if err != nil {
				yield(nil, fmt.Errorf("listing IKI certificates: %w", err))
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
				q.after = c.Seq
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// A query chooses certificates; what is empty chooses all.
type query struct {
	issuer  string
	profile policy.ProfileName
	after   int64
}

func certificates(ctx context.Context, s *store.Store, q query) ([]*Certificate, error) {
	var page []*Certificate
	err := s.Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM iki_certificate
			WHERE seq > $1 AND ($2 = '' OR issuer = $3) AND ($4 = '' OR profile = $5) ORDER BY seq LIMIT $6`,
			q.after, q.issuer, q.issuer, string(q.profile), string(q.profile), pageSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scan(rows)
			if err != nil {
				return err
			}
			page = append(page, c)
		}
		return rows.Err()
	})
	return page, err
}

func scan(row interface{ Scan(...any) error }) (*Certificate, error) {
	var c Certificate
	var serial, key []byte
	var profile, status string
	var role sql.NullInt64
	var notBefore, notAfter, recorded int64
	err := row.Scan(&c.Seq, &serial, &c.Intent, &c.Issuer, &profile, &c.Organisation, &role, &c.CN, &c.Interface, &key,
		&notBefore, &notAfter, &status, &c.Requester, &recorded, &c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading IKI certificate: %w", err)
	}
	copy(c.Serial[:], serial)
	copy(c.Key[:], key)
	c.Profile, c.Status = policy.ProfileName(profile), ca.Status(status)
	c.NotBefore, c.NotAfter, c.RecordedAt = time.UnixMicro(notBefore).UTC(), time.UnixMicro(notAfter).UTC(), time.UnixMicro(recorded).UTC()
	if role.Valid {
		r := policy.RemotePartyRole(role.Int64)
		c.Role = &r
	}
	return &c, nil
}
