package ra

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// The acts of this room in the audit log. Stored as text: never rename one.
const (
	KindRegister  audit.Kind = "ra-register"  // parties, identifiers, officers, credentials
	KindRequest   audit.Kind = "ra-request"   // requests and what became of them
	KindProposal  audit.Kind = "ra-proposal"  // a deed was proposed
	KindVote      audit.Kind = "ra-vote"      // somebody agreed or rejected
	KindExecution audit.Kind = "ra-execution" // a deed is begun, done, failed or given up
	KindSworn     audit.Kind = "ra-sworn"     // officers have signed a statement outside the service
)

// Config is what a Registry is made of.
type Config struct {
	Store       *store.Store
	Environment *policy.Environment
	// Table is who may do what. Nil: the one that is part of the program.
	Table *Table
	// Credentials tells whether the IKI authority has revoked a certificate. Nil:
	// only the Registry's own standing counts.
	Credentials Credentials
	// Devices knows where devices are in their life. Nil: every device is Unknown.
	Devices Devices
	// Clock is the time of records and of expiry. Nil: time.Now.
	Clock  func() time.Time
	Logger *slog.Logger
}

// Credentials is what the IKI authority knows of its certificates. An error means
// that it could not be asked; the officer is then refused for the time being.
type Credentials interface {
	CredentialRevoked(ctx context.Context, serial policy.Serial) (bool, error)
}

// Devices knows the provisioning state of a device and which party is responsible
// for it, if any. A device it does not know is Unknown and no error.
type Devices interface {
	Provisioning(ctx context.Context, device policy.EntityID) (Provisioning, PartyID, error)
}

// A Registry is the register of parties and officers, and the decisions on it. All
// methods may be called concurrently, by several Registries, in one or several
// processes, on one store.
type Registry struct {
	store       *store.Store
	env         *policy.Environment
	table       *Table
	credentials Credentials
	devices     Devices
	clock       func() time.Time
	logger      *slog.Logger
	lease       *store.Lease

	mu       sync.Mutex
	hands    Hands
	inFlight map[int64]bool // approvals that a goroutine of this Registry is executing

	// probe, set by tests alone, is called at each named point of an execution; an
	// error stands for the death of the process there.
	probe func(point string) error
}

// Open opens the register. It takes a lease, by which the executions of a process
// that died are told from those of one that is at work; Close gives it up.
//
// Executions that a dead process left behind are settled by [Registry.Settle], which
// needs [Hands]: call it once they are connected.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("opening the register of parties: Store is missing")
	case cfg.Environment == nil:
		return nil, errors.New("opening the register of parties: Environment is missing")
	}
	r := &Registry{
		store: cfg.Store, env: cfg.Environment, table: cfg.Table, credentials: cfg.Credentials, devices: cfg.Devices,
		clock: cfg.Clock, logger: cfg.Logger, inFlight: make(map[int64]bool),
	}
	if r.table == nil {
		r.table = DefaultTable()
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if r.lease, err = cfg.Store.Lease(ctx); err != nil {
		return nil, fmt.Errorf("opening the register of parties: %w", err)
	}
	return r, nil
}

// Close gives up the lease. Calls in progress must have returned. The store stays
// open.
func (r *Registry) Close() error { return r.lease.Release() }

// Connect gives the Registry what carries out its decisions. It is separate from
// Open because the CA, which issues, needs the Registry's [Registry.Eligible] to be
// opened itself.
func (r *Registry) Connect(h Hands) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hands = h
}

// Table returns the table of rights.
func (r *Registry) Table() *Table { return r.table }

// Now returns the Registry's time.
func (r *Registry) Now() time.Time { return r.clock().UTC() }

func (r *Registry) at(point string) error {
	if r.probe == nil {
		return nil
	}
	return r.probe(point)
}

// refuse says no by a rule. The error wraps [ca.ErrRefused].
func refuse(rule, format string, args ...any) error {
	return &ca.Refusal{Rule: rule, Err: fmt.Errorf(format, args...)}
}

// conflict says that the world is not as the caller believed: read again. The error
// wraps [ca.ErrConflict].
func conflict(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errConflict)
}

// errConflict reads better here than the text of the CA's own, which is about
// issuing.
var errConflict = conflictError{}

type conflictError struct{}

func (conflictError) Error() string        { return "somebody was first; read again" }
func (conflictError) Is(target error) bool { return target == ca.ErrConflict }

// notFound turns the database's "no rows" into [ca.ErrNotFound] with the thing named.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf(format+": %w", append(args, ca.ErrNotFound)...)
	}
	return err
}

// record appends to the audit log what was done at now: the very time that the rows
// have, since the auditor compares them.
func (r *Registry) record(ctx context.Context, tx store.Tx, now time.Time, kind audit.Kind, by string, body any) error {
	_, err := audit.Append(ctx, tx, audit.Event{Kind: kind, At: now, By: by, Body: body})
	return err
}

func micro(t time.Time) int64     { return t.UnixMicro() }
func fromMicro(v int64) time.Time { return time.UnixMicro(v).UTC() }

// collect runs a query and scans each row.
func collect[T any](ctx context.Context, tx store.Tx, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// read is [store.Store.Read] with a result.
func read[T any](ctx context.Context, r *Registry, what string, fn func(store.Tx) (T, error)) (T, error) {
	var v T
	err := r.store.Read(ctx, func(tx store.Tx) (err error) {
		v, err = fn(tx)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("reading %s: %w", what, err)
	}
	return v, nil
}

// parseCertificate reads an IKI certificate, which has the usual form.
func parseCertificate(der []byte) (*x509.Certificate, policy.Serial, error) {
	var serial policy.Serial
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, serial, refuse("credential", "this is not a certificate: %v", err)
	}
	if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() > 8*len(serial) {
		return nil, serial, refuse("credential", "the serial number of the certificate is not one of the IKI authority: want 1 to 16 octets")
	}
	cert.SerialNumber.FillBytes(serial[:])
	return cert, serial, nil
}
