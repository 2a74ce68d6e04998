package repository

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
)

// Config is what a Repository reads from, and what it may do.
type Config struct {
	Issuer   *ca.Issuer
	Register *revocation.Register
	// Parties is asked whether the owner of an API key still takes part. Nil: nobody
	// is asked, which suits an environment with open registration.
	Parties Parties
	// Demand limits and watches what API keys ask for.
	Demand Demand
	// Transitions say which status a certificate has. Nil: the embedded table.
	Transitions *Transitions
	// Acceptance is how long a certificate is pending before it counts as accepted,
	// unless its subscriber rejects it "immediately" (Appendix M 2.2, L11.5 to L11.7,
	// which do not say how long that is). Zero: it is in use at once.
	Acceptance time.Duration
	// Timeout bounds one answer of the web service. Zero: 3 seconds; the public client
	// waits for 4.
	Timeout time.Duration
	// Directory is where published files are, and where [Repository.Publish] puts
	// them. Whoever can write there can replace a file, which its digest in the
	// database and its signature show. Empty: there are no files.
	Directory string
	// Retain is how many published files of each kind stay in Directory; those before
	// are removed when a new one is there. Zero: 2 full files, 35 deltas.
	Retain Retain
	// Signer, if not nil, gives the key that signs files: ECDSA or Ed25519, and never
	// a key of an authority.
	Signer func(context.Context) crypto.Signer
	// Rand makes API keys. Nil: crypto/rand.
	Rand io.Reader
	// Logger hears of answers that the ledger could not give, and of demand above the
	// forecast. Nil: nobody does.
	Logger *slog.Logger
}

// Parties knows who takes part.
type Parties interface {
	// Active returns nil if a party of this name takes part at this moment, an error
	// that wraps [ErrForbidden] if not, and any other error if that cannot be told. It
	// is called for every request, by many goroutines at once.
	Active(ctx context.Context, party string) error
}

// ErrForbidden is wrapped by errors that say the key, or its owner, may not ask.
var ErrForbidden = errors.New("this API key gives no access")

// A Repository is the read side of one CA. All methods may be called concurrently,
// by several processes on one store.
type Repository struct {
	Config
	demand   *demand
	orgCerts orgCerts
}

// New returns the Repository of an open CA.
func New(cfg Config) (*Repository, error) {
	switch {
	case cfg.Issuer == nil:
		return nil, errors.New("making a Repository: Issuer is missing")
	case cfg.Register == nil:
		return nil, errors.New("making a Repository: Register is missing")
	case cfg.Acceptance < 0 || cfg.Timeout < 0:
		return nil, errors.New("making a Repository: Acceptance and Timeout cannot be below zero")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 3 * time.Second
	}
	if cfg.Transitions == nil {
		cfg.Transitions = embeddedTransitions()
	}
	if err := cfg.Retain.complete(); err != nil {
		return nil, fmt.Errorf("making a Repository: %w", err)
	}
	demand, err := newDemand(cfg.Demand, cfg.Issuer.Now, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("making a Repository: Demand: %w", err)
	}
	r := &Repository{Config: cfg, demand: demand}
	if cfg.Signer != nil {
		if err := r.checkSigner(context.Background()); err != nil {
			return nil, fmt.Errorf("making a Repository: Signer: %w", err)
		}
	}
	return r, nil
}

// checkSigner refuses the key of an authority: such a key signs certificates and
// lists, each with an intent, and nothing else.
func (r *Repository) checkSigner(ctx context.Context) error {
	signer := r.Signer(ctx)
	switch key := signer.Public().(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		for _, a := range r.Issuer.Authorities() {
			if key.Equal(a.Certificate.PublicKey) {
				return fmt.Errorf("this is the key of %q, which signs certificates and lists only: give a key of its own", a.ID())
			}
		}
		return nil
	default:
		return fmt.Errorf("want an ECDSA or Ed25519 key, got %T", key)
	}
}

// Handler returns everything that the Repository answers over HTTP; the package
// comment lists it. It may be mounted under a prefix with http.StripPrefix.
func (r *Repository) Handler() http.Handler {
	mux := http.NewServeMux()
	public := Handler(r.Config)
	for _, path := range []string{"/certificates/", "/crls/", "/authorities/"} {
		mux.Handle(path, public)
	}
	mux.HandleFunc("POST /services/certificatesearch", r.search)
	mux.HandleFunc("POST /services/retrievecertificate", r.retrieve)
	mux.HandleFunc("GET /files/{name}", r.file)
	mux.HandleFunc("GET /assets/crypto/org-certs.zip", r.organisations)
	// The public client's build script asks for this name, and expects keys beside
	// the certificates, which it will not find (T).
	mux.HandleFunc("GET /assets/crypto/org-crypto.zip", r.organisations)
	return mux
}
