package auditor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"smki.example/ca/store"
	"smki.example/policy"
)

// ErrDiffers is wrapped by the errors of [Audit] that say that ledger and log do
// not agree. Any other error is an outage, or a certificate that the caller did not
// bring, and says nothing of the ledger.
var ErrDiffers = errors.New("ledger and audit log differ")

// A Difference is the first place where ledger and log do not agree.
type Difference struct {
	Record int64  // of the log; -1: the log has no record of it
	What   string // one line that names the thing and both sides
}

// Error returns the line.
func (d *Difference) Error() string { return d.What }

// Unwrap makes errors.Is(err, ErrDiffers) true.
func (d *Difference) Unwrap() error { return ErrDiffers }

// Config is what an audit needs.
type Config struct {
	Store *store.Store
	// Authorities are the certificates of the authorities, in DER, by name and
	// generation ("issuing-oca-1", "iki-1"), from outside the database: whoever could
	// change both could have signed with a key of his own.
	Authorities map[string][]byte
}

// A Report counts what was compared when nothing differed.
type Report struct {
	Records      int64 // of the log, of every kind
	Intents      int64
	Open         int64 // intents that nobody has settled yet
	Certificates int64 // IKI certificates among them
	Revocations  int64
	Lists        int64
	BlockedKeys  int64

	Parties, Officers, Approvals, Batches, Keys int64 // of the offices; keys are the Repository's
}

// Audit compares ledger and log in one read transaction. An error that wraps
// [ErrDiffers] is a *[Difference]. The log itself must have been verified (package
// audit).
func Audit(ctx context.Context, cfg Config) (Report, error) {
	a, err := newInspection(cfg)
	if err != nil {
		return Report{}, err
	}
	err = cfg.Store.Read(ctx, func(tx store.Tx) error { return a.run(ctx, tx) })
	return a.report, err
}

// An inspection is one comparison under way.
type inspection struct {
	authorities map[string]*policy.Certificate
	iki         map[string]*x509.Certificate

	tx      store.Tx
	marks   marks
	lists   map[string]*list    // by issuer
	strange map[string]bool     // revoked serials of certificates that a restored ledger had lost
	blocked map[string]struct{} // keys that the log blocks
	report  Report

	// The offices, as the log leaves them.
	things   map[string]map[string]*thing // by table and key
	assigned map[string]int               // how often a range of identifiers was
	checks   map[string]int               // identity checks, by request
	unbarred map[string]bool              // approvals whose record does not say who has no vote
	releases map[int64]bool               // records that let a restored ledger go on
	seals    map[int64]*seal              // of the batches of the web services
}

func newInspection(cfg Config) (*inspection, error) {
	if cfg.Store == nil {
		return nil, errors.New("auditing: Store is missing")
	}
	a := &inspection{
		authorities: make(map[string]*policy.Certificate), iki: make(map[string]*x509.Certificate),
		lists: make(map[string]*list), strange: make(map[string]bool), blocked: make(map[string]struct{}),
		things: make(map[string]map[string]*thing), assigned: make(map[string]int), checks: make(map[string]int),
		unbarred: make(map[string]bool), releases: make(map[int64]bool), seals: make(map[int64]*seal),
	}
	for id, der := range cfg.Authorities {
		var err error
		if isIKI(id) {
			a.iki[id], err = x509.ParseCertificate(der)
		} else {
			a.authorities[id], err = policy.ParseCertificate(der)
		}
		if err != nil {
			return nil, fmt.Errorf("auditing: reading the certificate of %q: %w", id, err)
		}
	}
	return a, nil
}

// isIKI tells, by the name of an authority or of a profile, whether the IKI
// authority's tables are meant.
func isIKI(name string) bool { return strings.HasPrefix(name, "iki") }

func (a *inspection) run(ctx context.Context, tx store.Tx) error {
	a.tx = tx
	if err := a.replay(ctx); err != nil {
		return err
	}
	return a.untold(ctx)
}

// differ makes a Difference that is about a record of the log.
func differ(record int64, format string, args ...any) error {
	return &Difference{Record: record, What: fmt.Sprintf(format, args...) + fmt.Sprintf(" (record %d)", record)}
}

// unheard makes a Difference of what the log has no record of.
func unheard(format string, args ...any) error {
	return &Difference{Record: -1, What: fmt.Sprintf(format, args...)}
}
