package smkiws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Issuer is what this package needs of the CA; *ca.Issuer is one.
type Issuer interface {
	// IssueBatch issues up to ca.MaxBatch requests; one request's failure is nobody
	// else's. An error of the call itself means that nothing was signed.
	IssueBatch(ctx context.Context, requests []ca.Request) ([]ca.Result, error)
	// BySPKI returns the certificates of one key, none if there are none.
	BySPKI(ctx context.Context, key ca.KeyHash) ([]*ca.Certificate, error)
	// ByEntity returns the certificates of one device, none if there are none.
	ByEntity(ctx context.Context, id policy.EntityID) ([]*ca.Certificate, error)
}

var _ Issuer = (*ca.Issuer)(nil)

// Config is what a Service is made of.
type Config struct {
	Store       *store.Store
	Issuer      Issuer
	Environment *policy.Environment
	// Identify says which system sent a request to one of the web services. See
	// [Client].
	Identify func(*http.Request) (Client, error)
	// IdentifyPortal says who sent a request to the portal: an ARO, whose IKI
	// certificate is another than his systems'. Nil: there is no portal.
	IdentifyPortal func(*http.Request) (Client, error)
	// DevicesSay tells those who use the portal's pages which devices they may ask for,
	// and from where this is known: Section L3.16 is keyed on it. Empty: nothing.
	DevicesSay string
	// Build is the software build, which every answer carries (AppM, App. A, C).
	Build string
	// AutoApprove approves every batch as it is submitted. It is refused unless the
	// environment's registration is open: elsewhere the RA decides (AppM, App. D).
	AutoApprove bool
	// AdHocPath is where the Ad Hoc service listens. AppM leaves it to the SMKI User
	// Guide, which is not public. Empty: [DefaultAdHocPath].
	AdHocPath string
	// AdHocRoles may use the Ad Hoc service. Nil: [DefaultAdHocRoles] (AppM 2.4).
	AdHocRoles []UserRole
	// BatchRoles may submit batches. Nil: every client that was identified (AppM 2.5).
	BatchRoles []UserRole
	// Limits bound documents, archives and demand. Zero fields have their defaults.
	Limits Limits
	// Window is when batches are processed. Zero: always. See [NightWindow].
	Window Window
	// Notices lift the demand limits of Parties that gave notice (AppN 3.1).
	Notices []Notice
	// Checks says what a failed check is called. Nil: the embedded checks.json.
	Checks *Checks
	// Wake asks, in the transaction that makes the work, that [Service.Attend] be called
	// with a name: once for a batch that is to be parsed, and once for each shard. Nil:
	// nobody is asked, and who calls [Service.Work] looks by himself.
	Wake func(ctx context.Context, tx store.Tx, name string) error
	// Spool is a folder for uploads on their way into the store; each file is
	// unlinked as it is opened. Empty: the system's folder for temporary files.
	Spool string
	// BareCertificates leaves the PEM lines out of the portal's crt files. AppM says
	// "base64 X.509" and no more; with the lines every tool reads them (I).
	BareCertificates bool
	// Clock is the time of records, windows and limits. Nil: time.Now.
	Clock func() time.Time
	// Logger hears of each ad hoc request by its TransactionId, of exceeded demand
	// and of failures. Nil: silence.
	Logger *slog.Logger
}

// DefaultAdHocPath is a choice of ours: the true one is in the SMKI User Guide (I).
const DefaultAdHocPath = "/1.0/AdHocDeviceCSR/SubmitDeviceCSR"

// The paths of the Batched service (AppM, App. C, D), and of the schemas (I).
const (
	SubmitPath      = "/1.0/PortalCSRBatch/SubmitCSRBatch"
	ResultPath      = "/1.0/PortalCSRBatch/CSRBatchResult"
	AdHocSchemaPath = "/1.0/schema/AdHocDeviceCSR-1.0.xsd"
	BatchSchemaPath = "/1.0/schema/PortalCSRBatch-1.0.xsd"
	PortalPath      = "/portal/1.0/batches"
)

// A Service answers for the web services and the portal's batch files, and works
// the batches. All methods may be called concurrently, by several Services on one
// store.
type Service struct {
	cfg     Config
	limits  Limits
	checks  *Checks
	store   *store.Store
	lease   *store.Lease
	logger  *slog.Logger
	demand  demand
	serial  transactions
	singles gatherer
	probe   func(point string) error // tests only: see at

	mu        sync.Mutex
	hands     map[hand]bool // what workers of this process hold
	nextPurge time.Time
}

// New makes a Service and takes a lease of its store. Nothing is worked until
// [Service.Attend] or [Service.Work] is called. The caller closes it.
func New(ctx context.Context, cfg Config) (*Service, error) {
	var missing []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"Store", cfg.Store != nil}, {"Issuer", cfg.Issuer != nil}, {"Environment", cfg.Environment != nil},
		{"Identify", cfg.Identify != nil}, {"Build", cfg.Build != ""},
	} {
		if !field.set {
			missing = append(missing, field.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("opening web services: %s not set", strings.Join(missing, ", "))
	}
	if cfg.AutoApprove && cfg.Environment.Registration != policy.RegistrationOpen {
		return nil, fmt.Errorf("opening web services: AutoApprove: environment %q has registration %q, where the RA approves each batch (AppM, App. D)",
			cfg.Environment.Name, cfg.Environment.Registration)
	}
	if cfg.AdHocPath == "" {
		cfg.AdHocPath = DefaultAdHocPath
	}
	if !strings.HasPrefix(cfg.AdHocPath, "/") || strings.ContainsAny(cfg.AdHocPath, " {}?#") {
		return nil, fmt.Errorf("opening web services: AdHocPath %q: want a path that begins with / and has no pattern in it", cfg.AdHocPath)
	}
	if cfg.AdHocRoles == nil {
		cfg.AdHocRoles = DefaultAdHocRoles
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Spool == "" {
		cfg.Spool = os.TempDir()
	}
	limits, err := cfg.Limits.withDefaults()
	if err = errors.Join(err, cfg.Window.check()); err != nil {
		return nil, fmt.Errorf("opening web services: %w", err)
	}
	s := &Service{
		cfg: cfg, limits: limits, checks: cfg.Checks, store: cfg.Store, logger: cfg.Logger,
		hands: make(map[hand]bool),
	}
	if s.checks == nil {
		if s.checks, err = DefaultChecks(); err != nil {
			return nil, fmt.Errorf("opening web services: %w", err)
		}
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.singles.issue = cfg.Issuer.IssueBatch
	s.demand = demand{limits: limits, notices: cfg.Notices, last: make(map[string]time.Time), told: make(map[string]telling), fetched: make(map[int64]fetch)}
	if s.lease, err = cfg.Store.Lease(ctx); err != nil {
		return nil, fmt.Errorf("opening web services: %w", err)
	}
	return s, nil
}

// Close gives up what this Service has claimed and not finished. Calls in progress
// must have returned. The store stays open.
func (s *Service) Close() error { return s.lease.Release() }

// Handler serves the web services, their schemas and, if there is one, the portal.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+s.cfg.AdHocPath, s.serveAdHoc)
	mux.HandleFunc("POST "+SubmitPath, s.serveSubmit)
	mux.HandleFunc("GET "+ResultPath, s.serveResult)
	mux.HandleFunc("GET "+AdHocSchemaPath, serveSchema(adHocSchema))
	mux.HandleFunc("GET "+BatchSchemaPath, serveSchema(batchSchema))
	if s.cfg.IdentifyPortal != nil {
		mux.Handle(PortalPath+"/", s.portal())
		mux.Handle(PortalPath, s.portal())
		mux.Handle(PagesPath, s.servePages())
	}
	return mux
}

func (s *Service) now() time.Time { return s.cfg.Clock() }

// at is where tests stop a worker, as if its process had died there.
func (s *Service) at(point string) error {
	if s.probe == nil {
		return nil
	}
	return s.probe(point)
}
