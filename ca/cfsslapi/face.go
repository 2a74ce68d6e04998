package cfsslapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudflare/cfssl/log"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/policy"
)

// CA is what this package needs of [ca.Issuer], whose methods these are.
type CA interface {
	Issue(ctx context.Context, r ca.Request) (*ca.Certificate, error)
	BySerial(ctx context.Context, serial policy.Serial) (*ca.Certificate, error)
	List(ctx context.Context, f ca.Filter) iter.Seq2[*ca.Certificate, error]
	Authority(name string) (*ca.Authority, error)
	Environment() *policy.Environment
	Now() time.Time
}

// Revocations is what this package needs of [revocation.Register]. A registration
// authority that demands a second person may stand in its place; its refusals wrap
// [ca.ErrRefused].
type Revocations interface {
	Revoke(ctx context.Context, q revocation.Revoke) (revocation.Revocation, error)
	Find(ctx context.Context, serial policy.Serial) (revocation.Revocation, error)
	List(ctx context.Context, issuer string) iter.Seq2[revocation.Revocation, error]
}

var (
	_ CA          = (*ca.Issuer)(nil)
	_ Revocations = (*revocation.Register)(nil)
)

// defaultTimeout is longer than a token takes for one signature in any state in
// which it still works.
const defaultTimeout = 30 * time.Second

// Config is what a Face is made of.
type Config struct {
	CA          CA
	Revocations Revocations
	// Clients may sign and revoke. None: the handler answers info only.
	Clients []Client
	// Unauthenticated is the requester's name under which sign and revoke are
	// answered without a key. Empty: they are not. It needs an environment of open
	// registration.
	Unauthenticated string
	// Timeout ends the waiting for one signature, look-up or revocation. Zero: 30 s.
	Timeout time.Duration
	// Logger hears of what failed here, under the reference that the caller was
	// given, and of callers whose key is unknown. Nil: nobody does.
	Logger *slog.Logger
}

// A Face is the CA as cfssl's software sees it. All methods may be called
// concurrently.
type Face struct {
	ca              CA
	revocations     Revocations
	keys            []key
	unauthenticated string
	timeout         time.Duration
	log             *slog.Logger
}

// quiet turns cfssl's log, which says a line for every request, to what cannot be
// told otherwise. The level is a variable of that package without a lock, so that
// it is written only if nobody has done so before.
var quiet = sync.OnceFunc(func() {
	if log.Level != log.LevelFatal {
		log.Level = log.LevelFatal
	}
})

// New reads the clients' keys and returns the Face.
func New(cfg Config) (*Face, error) {
	switch {
	case cfg.CA == nil:
		return nil, errors.New("opening the cfssl interface: CA is missing")
	case cfg.Revocations == nil:
		return nil, errors.New("opening the cfssl interface: Revocations is missing")
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("opening the cfssl interface: Timeout is %s", cfg.Timeout)
	}
	if env := cfg.CA.Environment(); cfg.Unauthenticated != "" && env.Registration != policy.RegistrationOpen {
		return nil, fmt.Errorf("opening the cfssl interface: Unauthenticated is %q, and environment %q knows whom it issues to; give each client a key", cfg.Unauthenticated, env.Name)
	}
	f := &Face{ca: cfg.CA, revocations: cfg.Revocations, unauthenticated: cfg.Unauthenticated, timeout: cfg.Timeout, log: cfg.Logger}
	if f.timeout == 0 {
		f.timeout = defaultTimeout
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if f.keys, err = readKeys(cfg.Clients); err != nil {
		return nil, fmt.Errorf("opening the cfssl interface: %w", err)
	}
	quiet()
	return f, nil
}

// subscriberProfiles are the profiles that are issued on request.
var subscriberProfiles = []policy.ProfileName{policy.ProfileDevice, policy.ProfileOrganisation}
