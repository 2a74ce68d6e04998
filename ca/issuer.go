package ca

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Config is what an Issuer is made of.
type Config struct {
	Store       *store.Store
	Environment *policy.Environment
	// Authorities are the CA keys this process may use. It issues only what their
	// certificates allow; an Issuer without any can still read the ledger.
	Authorities []Authority
	// LogKey signs the checkpoints of the audit log, and nothing else.
	LogKey ed25519.PrivateKey
	// Eligibility decides who may ask for what, beyond the rules that always hold.
	// It is required unless the environment's registration is open.
	Eligibility Eligibility
	// Clock is the time that certificates and records carry. Nil: time.Now.
	Clock func() time.Time
	// Rand gives serial numbers. Nil: crypto/rand.
	Rand io.Reader
	// Logger hears of refusals (info) and of what had to be written off (warn).
	Logger *slog.Logger
}

// An Issuer is an open CA. All methods may be called concurrently; several
// Issuers, in one or several processes, may share one store.
type Issuer struct {
	store       *store.Store
	env         *policy.Environment
	authorities authorities
	log         *audit.Log
	eligibility Eligibility
	clock       func() time.Time
	rand        io.Reader
	logger      *slog.Logger
	lease       *store.Lease

	randMu sync.Mutex // rand.Reader needs none, a test's reader does

	intents gathering // of single issuances, before the token is asked
	records gathering // and after

	mu       sync.Mutex
	inFlight map[handle]bool // intents that a goroutine of this Issuer will settle

	// probe, set by tests alone, is called at each named point of an issuance; an
	// error makes that step fail there.
	probe func(point string) error
}

// Open opens the CA and settles what dead processes have left behind (see
// [Issuer.Reconcile]). It refuses authorities whose signer and certificate do not
// belong together.
func Open(ctx context.Context, cfg Config) (*Issuer, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("opening CA: Store is missing")
	case cfg.Environment == nil:
		return nil, errors.New("opening CA: Environment is missing")
	case cfg.Environment.Registration != "open" && cfg.Eligibility == nil:
		return nil, fmt.Errorf("opening CA: environment %q issues to registered subscribers only, and Eligibility is missing", cfg.Environment.Name)
	}
	i := &Issuer{
		store: cfg.Store, env: cfg.Environment, eligibility: cfg.Eligibility,
		clock: cfg.Clock, rand: cfg.Rand, logger: cfg.Logger, inFlight: make(map[handle]bool),
	}
	if i.clock == nil {
		i.clock = time.Now
	}
	if i.rand == nil {
		i.rand = rand.Reader
	}
	if i.logger == nil {
		i.logger = slog.New(slog.DiscardHandler)
	}
	i.intents.write, i.records.write = i.commitTogether, i.recordTogether
	var err error
	if i.log, err = audit.Open(audit.Config{Store: cfg.Store, Key: cfg.LogKey}); err != nil {
		return nil, fmt.Errorf("opening CA: %w", err)
	}
	if i.authorities, err = newAuthorities(ctx, cfg.Authorities); err != nil {
		return nil, fmt.Errorf("opening CA: %w", err)
	}
	if i.lease, err = cfg.Store.Lease(ctx); err != nil {
		return nil, fmt.Errorf("opening CA: %w", err)
	}
	if _, err := i.Reconcile(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening CA: %w", err), i.lease.Release())
	}
	return i, nil
}

// Close signs a last checkpoint and gives up the lease. Calls in progress must
// have returned. The store stays open.
func (i *Issuer) Close(ctx context.Context) error {
	_, err := i.log.Checkpoint(ctx)
	if err != nil {
		err = fmt.Errorf("closing CA: %w", err)
	}
	return errors.Join(err, i.lease.Release())
}

// Store returns the store, for the rooms that are built on this one.
func (i *Issuer) Store() *store.Store { return i.store }

// Environment returns the environment the CA issues for.
func (i *Issuer) Environment() *policy.Environment { return i.env }

// Log returns the audit log.
func (i *Issuer) Log() *audit.Log { return i.log }

// Now returns the CA's time.
func (i *Issuer) Now() time.Time { return i.clock().UTC() }

// Authority returns an authority by name ("issuing-oca": the generation that
// issues) or by name and generation ("issuing-oca-1"). The error wraps
// [ErrNotFound].
func (i *Issuer) Authority(name string) (*Authority, error) { return i.authorities.find(name) }

// Authorities returns all of them, in the order in which they were given.
func (i *Issuer) Authorities() []*Authority { return i.authorities.order }

// at is a named point of an issuance, where tests look on or interfere.
func (i *Issuer) at(point string) error {
	if i.probe == nil {
		return nil
	}
	return i.probe(point)
}

func (i *Issuer) newSerial() (policy.Serial, error) {
	i.randMu.Lock()
	defer i.randMu.Unlock()
	return policy.NewSerial(i.rand)
}
