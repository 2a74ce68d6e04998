package ca

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// pageSize is how many rows a listing holds at once. Each page is a short read of
// its own, so that a slow reader of a long list holds up nobody.
const pageSize = 500

// A Filter chooses certificates; its zero value chooses all. Fields that are set
// must all hold.
type Filter struct {
	Issuer  string // "issuing-oca-1", or "issuing-oca" for all its generations
	Profile policy.ProfileName
	Entity  *policy.EntityID
	Role    *policy.RemotePartyRole
	Usage   policy.KeyUsage
	Key     *KeyHash
	Status  Status // as stored; StatusExpired chooses what is in use and past its end
	Since   time.Time
	Until   time.Time // recorded at or after Since and before Until
	After   int64     // Seq of the last certificate already seen

	before int64 // Seq behind the last that can fit; 0: none
}

// query is the SQL of one page. Each combination leads to an index, which
// TestEveryQueryHasAnIndex holds it to.
func (f Filter) query(now time.Time) (string, []any) {
	seq := "seq"
	if f.Status == StatusExpired || f.Entity != nil || f.Key != nil {
		// Those that have ended, or belong to one device, are few and have an index; the
		// order must not tempt. PostgreSQL would go through all numbers as well, to see
		// which are in both.
		seq = "seq + 0"
	}
	clauses, args := []string{seq + " > $1"}, []any{f.After}
	add := func(clause string, arg any) {
		args = append(args, arg)
		clauses = append(clauses, strings.ReplaceAll(clause, "?", fmt.Sprintf("$%d", len(args))))
	}
	if f.Issuer != "" {
		if policy.ProfileName(f.Issuer).Authority() {
			add("issuer LIKE ?", f.Issuer+"-%")
		} else {
			add("issuer = ?", f.Issuer)
		}
	}
	if f.Profile != "" {
		add("profile = ?", string(f.Profile))
	}
	if f.few() {
		clauses = append(clauses, "profile <> 'device'")
		if f.Profile == "" {
			clauses = append(clauses, "profile IN ('organisation', 'issuing-oca', 'root-oca', 'issuing-dca', 'root-dca')")
		}
	}
	if f.Entity != nil {
		add("entity = ?", f.Entity[:])
	}
	if f.Role != nil {
		add("role = ?", int64(*f.Role))
	}
	if f.Usage != 0 {
		add("key_usage = ?", int64(f.Usage))
	}
	if f.Key != nil {
		add("spki = ?", f.Key[:])
	}
	switch f.Status {
	case "":
	case StatusExpired:
		add("status = 'I' AND not_after < 253402300799000000 AND not_after < ?", now.UnixMicro())
	case StatusInUse:
		add("status = ?", string(f.Status))
	default:
		add("status <> 'I' AND status = ?", string(f.Status))
	}
	if !f.Since.IsZero() {
		add("recorded_at >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		add("recorded_at < ?", f.Until.UnixMicro())
	}
	if f.before > 0 {
		add("seq < ?", f.before)
	}
	return fmt.Sprintf(`SELECT %s FROM certificate WHERE %s ORDER BY %s LIMIT %d`, certificateColumns, strings.Join(clauses, " AND "), seq, pageSize), args
}

// Certificates are recorded in the order of their numbers, and so almost in the order
// of their times: two nodes' clocks may differ, and a clock may be set. A search by
// time begins a day and some thousand rows early, and ends as late, and looks at the
// exact time of each row between.
const (
	clockSlack = 24 * time.Hour
	rowSlack   = 10_000
)

// bound turns times into numbers, so that a listing of a day does not begin with the
// first certificate there ever was.
func (i *Issuer) bound(ctx context.Context, f *Filter) error {
	if f.Since.IsZero() && f.Until.IsZero() {
		return nil
	}
	return i.store.Read(ctx, func(tx store.Tx) error {
		var first, last sql.NullInt64
		if !f.Since.IsZero() {
			err := tx.QueryRow(ctx, `SELECT MIN(seq) FROM (SELECT seq FROM certificate WHERE recorded_at >= $1 ORDER BY recorded_at LIMIT $2) AS near`,
				f.Since.Add(-clockSlack).UnixMicro(), rowSlack).Scan(&first)
			if err != nil {
				return err
			}
			if !first.Valid {
				first.Int64 = math.MaxInt64 // nothing is so late
			}
			f.After = max(f.After, first.Int64-1)
		}
		if !f.Until.IsZero() {
			err := tx.QueryRow(ctx, `SELECT MAX(seq) FROM (SELECT seq FROM certificate WHERE recorded_at < $1 ORDER BY recorded_at DESC LIMIT $2) AS near`,
				f.Until.Add(clockSlack).UnixMicro(), rowSlack).Scan(&last)
			if err != nil {
				return err
			}
			f.before = last.Int64 + 1
		}
		return nil
	})
}

// few tells whether no certificate of a device is chosen, for one reason or another.
// There are some thousands of the others, which have an index of their own; without
// being told so in its words, the database would look for them among ten million.
func (f Filter) few() bool {
	name, _ := SplitID(f.Issuer)
	return f.Profile != "" && f.Profile != policy.ProfileDevice || f.Role != nil ||
		f.Issuer != "" && policy.ProfileName(name).Authority() && policy.ProfileName(name) != policy.ProfileIssuingDCA
}

// List returns the certificates that f chooses, in the order of their recording
// and in constant memory. What is recorded or revoked while it runs may or may
// not be seen. Iteration ends with the first error.
func (i *Issuer) List(ctx context.Context, f Filter) iter.Seq2[*Certificate, error] {
	return func(yield func(*Certificate, error) bool) {
		if err := i.bound(ctx, &f); err != nil {
			yield(nil, fmt.Errorf("listing certificates: %w", err))
			return
		}
		for {
			page, err := i.page(ctx, f)
			if err != nil {
				yield(nil, fmt.Errorf("listing certificates: %w", err))
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
				f.After = c.Seq
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (i *Issuer) page(ctx context.Context, f Filter) ([]*Certificate, error) {
	query, args := f.query(i.Now())
	var page []*Certificate
	err := i.store.ReadOne(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scanCertificate(rows)
			if err != nil {
				return err
			}
			page = append(page, c)
		}
		return rows.Err()
	})
	return page, err
}

// BySerial returns one certificate. The error wraps [ErrNotFound].
func (i *Issuer) BySerial(ctx context.Context, serial policy.Serial) (*Certificate, error) {
	var c *Certificate
	err := i.store.ReadOne(ctx, func(tx store.Tx) (err error) {
		c, err = CertificateIn(ctx, tx, serial)
		return err
	})
	return c, err
}

// CertificateIn is [Issuer.BySerial] inside a transaction.
func CertificateIn(ctx context.Context, tx store.Tx, serial policy.Serial) (*Certificate, error) {
	c, err := scanCertificate(tx.QueryRow(ctx, `SELECT `+certificateColumns+` FROM certificate WHERE serial = $1`, serial[:]))
	return c, notFound(err, "certificate %q", serial)
}

// BySerials returns certificates in no order, some hundred at a time and in constant
// memory. Serials that the ledger does not have are passed over. Iteration ends with
// the first error.
func (i *Issuer) BySerials(ctx context.Context, serials []policy.Serial) iter.Seq2[*Certificate, error] {
	return func(yield func(*Certificate, error) bool) {
		for from := 0; from < len(serials); from += pageSize {
			var args []any
			for _, s := range serials[from:min(from+pageSize, len(serials))] {
				args = append(args, s[:])
			}
			var page []*Certificate
			err := i.store.Read(ctx, func(tx store.Tx) error {
				page = nil
				return lookUp(ctx, tx, `SELECT `+certificateColumns+` FROM certificate WHERE serial IN (?)`, args, func(row func(...any) error) error {
					c, err := scanCertificate(scanner(row))
					page = append(page, c)
					return err
				})
			})
			if err != nil {
				yield(nil, fmt.Errorf("looking certificates up: %w", err))
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// A scanner is a row's Scan as [scanCertificate] wants it.
type scanner func(...any) error

// Scan implements the interface.
func (s scanner) Scan(into ...any) error { return s(into...) }

// BySPKI returns the certificates of one key, oldest first: none or one, and
// more only where a ceremony renewed one in place.
func (i *Issuer) BySPKI(ctx context.Context, key KeyHash) ([]*Certificate, error) {
	return i.collect(ctx, Filter{Key: &key})
}

// ByEntity returns the certificates of one device or organisation, oldest first.
func (i *Issuer) ByEntity(ctx context.Context, id policy.EntityID) ([]*Certificate, error) {
	return i.collect(ctx, Filter{Entity: &id})
}

func (i *Issuer) collect(ctx context.Context, f Filter) ([]*Certificate, error) {
	var all []*Certificate
	for c, err := range i.List(ctx, f) {
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

const certificateColumns = `seq, serial, intent, issuer, profile, entity, role, key_usage, spki, not_before, not_after, status, requester, recorded_at, der`

func scanCertificate(row interface{ Scan(...any) error }) (*Certificate, error) {
	var c Certificate
	var serial, entity, key []byte
	var profile, status string
	var role sql.NullInt64
	var usage, notBefore, notAfter, recorded int64
	err := row.Scan(&c.Seq, &serial, &c.Intent, &c.Issuer, &profile, &entity, &role, &usage, &key,
		&notBefore, &notAfter, &status, &c.Requester, &recorded, &c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	copy(c.Serial[:], serial)
	copy(c.Key[:], key)
	c.Profile, c.Status, c.Usage = policy.ProfileName(profile), Status(status), policy.KeyUsage(usage)
	c.NotBefore, c.NotAfter = time.UnixMicro(notBefore).UTC(), time.UnixMicro(notAfter).UTC()
	c.RecordedAt = time.UnixMicro(recorded).UTC()
	c.Entity = entityFrom(entity)
	if role.Valid {
		r := policy.RemotePartyRole(role.Int64)
		c.Role = &r
	}
	return &c, nil
}

func entityFrom(b []byte) *policy.EntityID {
	if b == nil {
		return nil
	}
	var id policy.EntityID
	copy(id[:], b)
	return &id
}

// notFound turns the database's "no rows" into ErrNotFound with the thing named.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf(format+": %w", append(args, ErrNotFound)...)
	}
	return err
}
