package revocation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Config is what a Register is made of.
type Config struct {
	// Issuer is the CA whose certificates are revoked. Its store, environment,
	// authorities and clock are the Register's.
	Issuer *ca.Issuer
	// Alarm is how long before the end of a list's validity its standing turns to
	// alarm if no newer one was published. Zero: half of the time that the
	// environment leaves between two lists.
	Alarm time.Duration
}

// A Register keeps the revocations of one CA and publishes its lists. All methods
// may be called concurrently, by several processes on one store.
type Register struct {
	ca    *ca.Issuer
	store *store.Store
	env   *policy.Environment
	alarm time.Duration

	mu   sync.Mutex
	kept map[string]*kept // last lists, by authority and generation

	reading sync.Mutex // held while a list is read from the database; before mu

	// probe, set by tests alone, is called at each named point of a publication; an
	// error makes that step fail there.
	probe func(point string) error
}

// New returns the register of an open CA.
func New(cfg Config) (*Register, error) {
	if cfg.Issuer == nil {
		return nil, errors.New("opening the register of revocations: Issuer is missing")
	}
	if cfg.Alarm < 0 {
		return nil, fmt.Errorf("opening the register of revocations: Alarm is %s; it is a time before the end of validity", cfg.Alarm)
	}
	return &Register{ca: cfg.Issuer, store: cfg.Issuer.Store(), env: cfg.Issuer.Environment(), alarm: cfg.Alarm, kept: make(map[string]*kept)}, nil
}

// MaxRevocations is how many serials one RevokeAll takes: as much as one
// transaction should hold up the others for.
const MaxRevocations = 10000

// A Revoke asks for a certificate to be revoked.
type Revoke struct {
	Serial policy.Serial
	Reason policy.Reason
	// At is the time of revocation that the list will show; zero is now, the future
	// is refused.
	At time.Time
	By string // who decided it
}

// A Revocation is a certificate out of use.
type Revocation struct {
	Serial     policy.Serial
	Issuer     string // authority and generation
	Reason     policy.Reason
	At         time.Time
	By         string
	RecordedAt time.Time
	// OnCRL says whether a list shows it. If not, it is the Repository status only.
	OnCRL bool
	// New says that this call made it; otherwise it is the first one, unchanged.
	New bool
	// WrittenOff says that there is no certificate: the serial was given up by the
	// CA itself and is treated as revoked.
	WrittenOff bool
}

// Says tells an operator, in one sentence, what was done and what was not.
func (r Revocation) Says() string {
	switch {
	case r.WrittenOff:
		return fmt.Sprintf("serial %s was written off on %s and has no certificate; nothing is left to revoke", r.Serial, r.At.Format(time.RFC3339))
	case !r.OnCRL:
		return fmt.Sprintf("certificate %s is marked not in use in the Repository since %s (%s); %s publishes no revocation list in this environment, so nothing else changes", r.Serial, r.At.Format(time.RFC3339), r.Reason, r.Issuer)
	case !r.New:
		return fmt.Sprintf("certificate %s was revoked on %s already (%s); the first revocation stands", r.Serial, r.At.Format(time.RFC3339), r.Reason)
	}
	return fmt.Sprintf("certificate %s is revoked from %s (%s) and stands on every list of %s from the next one on", r.Serial, r.At.Format(time.RFC3339), r.Reason, r.Issuer)
}

// Revoke revokes one certificate. When it returns, the revocation is in the ledger
// and the Repository status is changed; the list follows (see [Register.Due]).
//
// Revoking again is no error and changes nothing: the first revocation is
// returned. An unknown serial is an error wrapping [ca.ErrNotFound]; a reason that
// SMKI does not allow, a time in the future and a root certificate are errors
// wrapping [ca.ErrRefused]. After any error nothing was revoked, unless it wraps
// [store.ErrUncertain]; then ask again, which is safe.
func (r *Register) Revoke(ctx context.Context, q Revoke) (Revocation, error) {
	done, err := r.RevokeAll(ctx, []Revoke{q})
	if err != nil {
		return Revocation{}, err
	}
	return done[0], nil
}

// RevokeAll revokes up to [MaxRevocations] certificates in one transaction with
// one audit record: all of them or, if any cannot be revoked, none; the error
// then names each that cannot. The results stand in the order of the requests.
func (r *Register) RevokeAll(ctx context.Context, qs []Revoke) ([]Revocation, error) {
	if len(qs) > MaxRevocations {
		return nil, fmt.Errorf("revoking %d certificates: at most %d at a time", len(qs), MaxRevocations)
	}
	if len(qs) == 0 {
		return nil, nil
	}
	now := r.ca.Now()
	done := make([]Revocation, len(qs))
	err := r.store.Write(ctx, func(tx store.Tx) error {
		var bad []error
		var items []item
		for n, q := range qs {
			v, err := r.revokeIn(ctx, tx, q, now)
			switch {
			case errors.Is(err, ca.ErrRefused) || errors.Is(err, ca.ErrNotFound):
				bad = append(bad, fmt.Errorf("revoking %q: %w", q.Serial, err))
				continue
			case err != nil:
				return fmt.Errorf("revoking %q: %w", q.Serial, err)
			}
			if v.New {
				items = append(items, item{v.Serial.String(), v.Issuer, v.Reason.String(), v.At, v.By, v.OnCRL})
			}
			done[n] = v
		}
		if len(bad) > 0 {
			return errors.Join(bad...)
		}
		if len(items) == 0 {
			return nil
		}
		_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindRevocation, At: now, By: qs[0].By, Body: map[string]any{"revocations": items}})
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// item is a revocation as the audit log has it.
type item struct {
	Serial string    `json:"serial"`
	Issuer string    `json:"issuer"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	OnCRL  bool      `json:"on_crl"`
}

// revokeIn revokes one serial in tx, or returns the revocation it has.
func (r *Register) revokeIn(ctx context.Context, tx store.Tx, q Revoke, now time.Time) (Revocation, error) {
	if err := q.check(now); err != nil {
		return Revocation{}, err
	}
	if v, err := r.find(ctx, tx, q.Serial); !errors.Is(err, ca.ErrNotFound) {
		return v, err
	}
	c, err := ca.CertificateIn(ctx, tx, q.Serial)
	if err != nil {
		return Revocation{}, err
	}
	if c.Profile.Root() {
		return Revocation{}, refuse("root", "a root signs its own list, so that no list can revoke it: withdraw it from the relying parties")
	}
	at := q.At
	if at.IsZero() {
		at = now
	}
	v := Revocation{
		Serial: q.Serial, Issuer: c.Issuer, Reason: q.Reason, At: at.UTC().Truncate(time.Second), By: q.By,
		RecordedAt: now, OnCRL: r.ca.PublishesCRL(c.Issuer), New: true,
	}
	_, err = tx.Exec(ctx, `INSERT INTO revocation (serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		v.Serial[:], v.Issuer, int64(v.Reason), v.At.UnixMicro(), v.By, v.OnCRL, now.UnixMicro())
	if err != nil {
		return Revocation{}, fmt.Errorf("recording revocation: %w", err)
	}
	status := ca.StatusRevoked
	if !v.OnCRL {
		status = ca.StatusNotInUse
	}
	return v, ca.SetStatus(ctx, tx, v.Serial, status)
}

func (q Revoke) check(now time.Time) error {
	switch {
	case !q.Reason.Known():
		return refuse("reason", "%s is not a reason that SMKI allows (RFC 5280, 5.3.1, without suspension)", q.Reason)
	case q.At.After(now):
		return refuse("future", "the time of revocation %s lies in the future of this CA's clock", q.At.Format(time.RFC3339))
	case q.By == "":
		return refuse("by", "a revocation needs the name of who decided it")
	}
	return nil
}

func refuse(rule, format string, args ...any) error {
	return &ca.Refusal{Rule: rule, Err: fmt.Errorf(format, args...)}
}

const columns = `serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at`

func scan(row interface{ Scan(...any) error }) (Revocation, error) {
	var v Revocation
	var serial []byte
	var reason, at, recorded int64
	err := row.Scan(&serial, &v.Issuer, &reason, &at, &v.By, &v.OnCRL, &recorded)
	copy(v.Serial[:], serial)
	v.Reason, v.At, v.RecordedAt = policy.Reason(reason), time.UnixMicro(at).UTC(), time.UnixMicro(recorded).UTC()
	return v, err
}

// find returns the revocation of a serial, or its writing off, which has the same
// effect.
func (r *Register) find(ctx context.Context, tx store.Tx, serial policy.Serial) (Revocation, error) {
	v, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM revocation WHERE serial = $1`, serial[:]))
	if !errors.Is(err, sql.ErrNoRows) {
		return v, err
	}
	in, err := ca.IntentIn(ctx, tx, serial)
	if err != nil {
		return Revocation{}, err
	}
	if in.State != ca.StateWrittenOff {
		return Revocation{}, fmt.Errorf("revocation of %q: %w", serial, ca.ErrNotFound)
	}
	return Revocation{
		Serial: serial, Issuer: in.Issuer, Reason: ca.WriteOffReason, At: in.SettledAt.Truncate(time.Second), By: "ca",
		RecordedAt: in.SettledAt, OnCRL: r.ca.PublishesCRL(in.Issuer), WrittenOff: true,
	}, nil
}

// Find returns the revocation of a serial. The error wraps [ca.ErrNotFound] if it
// is not revoked.
func (r *Register) Find(ctx context.Context, serial policy.Serial) (Revocation, error) {
	var v Revocation
	err := r.store.Read(ctx, func(tx store.Tx) (err error) {
		v, err = r.find(ctx, tx, serial)
		return err
	})
	return v, err
}

// page is how many rows a listing holds at once.
const page = 500

// List returns the revocations of an authority ("issuing-oca-1"; empty: of all),
// in the order in which they were recorded and in constant memory. Written-off
// serials are not among them.
func (r *Register) List(ctx context.Context, issuer string) iter.Seq2[Revocation, error] {
	return func(yield func(Revocation, error) bool) {
		var after int64
		for {
			var vs []Revocation
			err := r.store.Read(ctx, func(tx store.Tx) error {
				rows, err := tx.Query(ctx, `SELECT seq, `+columns+` FROM revocation WHERE seq > $1 AND ($2 = '' OR issuer = $3) ORDER BY seq LIMIT $4`,
					after, issuer, issuer, page)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					v, err := scan(withSeq{rows, &after})
					if err != nil {
						return err
					}
					vs = append(vs, v)
				}
				return rows.Err()
			})
			if err != nil {
				yield(Revocation{}, fmt.Errorf("listing revocations: %w", err))
				return
			}
			for _, v := range vs {
				if !yield(v, nil) {
					return
				}
			}
			if len(vs) < page {
				return
			}
		}
	}
}

// withSeq scans a row that begins with its sequence number.
type withSeq struct {
	rows *sql.Rows
	seq  *int64
}

func (w withSeq) Scan(dest ...any) error { return w.rows.Scan(append([]any{w.seq}, dest...)...) }
