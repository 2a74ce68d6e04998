package ca

import (
	"context"
	"fmt"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// Status is the standing of a certificate in the Repository. Stored as text:
// never rename one.
type Status string

// The letters of the Repository's web service.
const (
	StatusInUse    Status = "I"
	StatusNotInUse Status = "N" // the only "off" of a device certificate whose side has no CRL
	StatusRevoked  Status = "R"
	StatusExpired  Status = "E" // never stored: see [Certificate.StatusAt]
)

// A Certificate is a row of the ledger.
type Certificate struct {
	Seq        int64 // order of recording, from 1
	Serial     policy.Serial
	Intent     int64
	Issuer     string // authority and generation: "issuing-oca-1"
	Profile    policy.ProfileName
	Entity     *policy.EntityID // nil for authorities
	Role       *policy.RemotePartyRole
	Usage      policy.KeyUsage
	Key        KeyHash
	NotBefore  time.Time
	NotAfter   time.Time
	Status     Status
	Requester  string
	RecordedAt time.Time
	DER        []byte
}

// StatusAt is the status as the Repository shows it at a time.
func (c *Certificate) StatusAt(now time.Time) Status {
	if c.Status == StatusInUse && now.After(c.NotAfter) {
		return StatusExpired
	}
	return c.Status
}

// Parse reads the certificate's bytes.
func (c *Certificate) Parse() (*policy.Certificate, error) {
	cert, err := policy.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading recorded certificate %q: %w", c.Serial, err)
	}
	return cert, nil
}

// newCertificate fills a row from a certificate that was just read back.
func newCertificate(cert *policy.Certificate, profile policy.ProfileName, issuer, requester string) (*Certificate, error) {
	key, err := KeyHashOf(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		Serial: cert.Serial, Issuer: issuer, Profile: profile, Usage: cert.Usage, Key: key,
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, Status: StatusInUse, Requester: requester, DER: cert.Raw,
	}
	if id, ok := cert.EntityID(); ok {
		c.Entity = &id
	}
	if role, ok := cert.Role(); ok {
		c.Role = &role
	}
	return c, nil
}

// insertCertificates writes the rows and sets their Seq.
func insertCertificates(ctx context.Context, tx store.Tx, cs []*Certificate) error {
	if len(cs) == 1 {
		return insertCertificate(ctx, tx, cs[0])
	}
	r := store.Rows{Table: "certificate", Key: "seq", Columns: []string{"serial", "intent", "issuer", "profile", "entity", "role", "key_usage",
		"spki", "not_before", "not_after", "status", "requester", "recorded_at", "der"}}
	for _, c := range cs {
		r.Values = append(r.Values, c.row())
	}
	seqs, err := tx.Insert(ctx, r)
	if err != nil {
		return fmt.Errorf("recording certificates: %w", err)
	}
	for n, c := range cs {
		c.Seq = seqs[n]
	}
	return nil
}

func insertCertificate(ctx context.Context, tx store.Tx, c *Certificate) error {
	err := tx.QueryRow(ctx, `INSERT INTO certificate
		(serial, intent, issuer, profile, entity, role, key_usage, spki, not_before, not_after, status, requester, recorded_at, der)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING seq`, c.row()...).Scan(&c.Seq)
	if err != nil {
		return fmt.Errorf("recording certificate %q: %w", c.Serial, err)
	}
	return nil
}

// row is the certificate's columns, without its Seq.
func (c *Certificate) row() []any {
	var entity, role any
	if c.Entity != nil {
		entity = c.Entity[:]
	}
	if c.Role != nil {
		role = int64(*c.Role)
	}
	return []any{
		c.Serial[:], c.Intent, c.Issuer, string(c.Profile), entity, role, int64(c.Usage), c.Key[:],
		c.NotBefore.UnixMicro(), c.NotAfter.UnixMicro(), string(c.Status), c.Requester, c.RecordedAt.UnixMicro(), c.DER,
	}
}

// SetStatus changes the Repository status of a certificate in tx, for package
// revocation, which owns the reasons. The error wraps [ErrNotFound].
func SetStatus(ctx context.Context, tx store.Tx, serial policy.Serial, to Status) error {
	n, err := tx.Exec(ctx, `UPDATE certificate SET status = $1 WHERE serial = $2`, string(to), serial[:])
	if err != nil {
		return fmt.Errorf("changing status of certificate %q: %w", serial, err)
	}
	if n != 1 {
		return fmt.Errorf("changing status of certificate %q: %w", serial, ErrNotFound)
	}
	return nil
}
