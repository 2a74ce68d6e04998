package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

// Config is what a Console is made of.
type Config struct {
	// Registry does and knows everything that the pages are about.
	Registry *ra.Registry
	// Environment says whether this is an exercise, which every page then says.
	Environment *policy.Environment
	// Officer tells whose request it is, see [ByCertificate]. An error wrapping
	// [ca.ErrRefused] means that the certificate is nobody's; any other error that
	// nobody could be asked. Nil: nobody is let in.
	Officer func(*http.Request) (ra.Officer, error)
	// Certificates describes the certificates that a revocation is about; *ca.Issuer
	// does. Nil: serial numbers alone are shown.
	Certificates Certificates
	// Batches knows the batches that wait for their release to be proposed. Nil: only
	// releases that are proposed already are shown.
	Batches Batches
	// PageKey binds the forms of a page to the client's certificate. Nodes that serve
	// the same officers share it, or a form that was fetched from one is refused by
	// the other, with the advice to load the page again. Nil: a random one, which
	// ends with the process. Who knows it can make an officer's browser act for a
	// foreign page, and nothing else; at least 16 octets.
	PageKey []byte
	// Clock is the time that pages show. Nil: the Registry's.
	Clock  func() time.Time
	Logger *slog.Logger
}

// Certificates looks a certificate up in the ledger. The error wraps
// [ca.ErrNotFound] if it is not there.
type Certificates interface {
	BySerial(ctx context.Context, serial policy.Serial) (*ca.Certificate, error)
}

// Batches lists what waits for release, oldest first: a batch of a party as its release
// would be proposed, or the batches of all parties for "".
type Batches interface {
	Unreleased(ctx context.Context, party ra.PartyID) ([]ra.ReleaseBatch, error)
}

var _ Certificates = (*ca.Issuer)(nil)

// A Console serves the pages. Its methods may be called concurrently.
type Console struct {
	registry     *ra.Registry
	table        *ra.Table
	env          *policy.Environment
	officer      func(*http.Request) (ra.Officer, error)
	certificates Certificates
	batches      Batches
	key          []byte
	clock        func() time.Time
	logger       *slog.Logger
	templates    map[string]*template.Template
	specs        map[ra.Act]spec
	sent         *sent
}

//go:embed pages/*.html
var pages embed.FS

//go:embed console.css
var style []byte

// New makes a Console.
func New(cfg Config) (*Console, error) {
	c := &Console{
		registry: cfg.Registry, env: cfg.Environment, officer: cfg.Officer, certificates: cfg.Certificates, batches: cfg.Batches,
		key: cfg.PageKey, clock: cfg.Clock, logger: cfg.Logger, sent: newSent(),
	}
	switch {
	case c.registry == nil:
		return nil, errors.New("opening the console: Registry is missing")
	case c.env == nil:
		return nil, errors.New("opening the console: Environment is missing")
	case c.key == nil:
		c.key = make([]byte, 32)
		_, _ = rand.Read(c.key) // never fails
	case len(c.key) < 16:
		return nil, fmt.Errorf("opening the console: PageKey has %d octets; want at least 16", len(c.key))
	}
	c.table = c.registry.Table()
	if c.clock == nil {
		c.clock = c.registry.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.officer == nil {
		c.officer = func(*http.Request) (ra.Officer, error) {
			return ra.Officer{}, &ca.Refusal{Rule: "credential", Err: errors.New("nobody is let in: this console knows no officers")}
		}
	}
	c.specs = make(map[ra.Act]spec)
	for _, some := range []map[ra.Act]spec{requestForms(), revocationForms(), partyForms(), officerForms(), batchForms()} {
		maps.Copy(c.specs, some)
	}
	return c, c.parse()
}

// parse reads the pages, each together with the frame and the parts.
func (c *Console) parse() error {
	frame, err := template.New("frame.html").Funcs(words).ParseFS(pages, "pages/frame.html", "pages/parts.html")
	if err != nil {
		return fmt.Errorf("opening the console: %w", err)
	}
	c.templates = make(map[string]*template.Template)
	all, err := pages.ReadDir("pages")
	if err != nil {
		return fmt.Errorf("opening the console: %w", err)
	}
	for _, file := range all {
		if name := file.Name(); name != "frame.html" && name != "parts.html" {
			page, err := frame.Clone()
			if err == nil {
				page, err = page.ParseFS(pages, "pages/"+name)
			}
			if err != nil {
				return fmt.Errorf("opening the console: %w", err)
			}
			c.templates[name] = page
		}
	}
	return nil
}

// A screen is one page without its frame.
type screen struct {
	title    string
	template string // its file
	body     any
}

// A problem is what the page says of a form that was refused.
type problem struct {
	Title string
	Says  string
	Field string // the name of the field it is about, if it is about one
	Rule  string // by which it was refused
}

// frame is what every page shows around its body.
type frame struct {
	Title       string
	Environment string
	Exercise    bool
	Officer     ra.Officer // zero on pages for nobody
	Office      string     // what the role is
	Of          string     // whom it belongs to
	Menu        []link
	Told        string
	Problem     *problem
	Now         time.Time
	Body        any
}

type link struct {
	Name, To string
	Here     bool
}

// show writes a page. It is rendered whole before anything is sent, so that a fault in
// a page is an error and not half an answer.
func (c *Console) show(w http.ResponseWriter, v *visit, status int, s *screen) {
	f := frame{Title: s.title, Environment: c.env.Name, Exercise: c.env.Exercise, Now: c.clock().UTC(), Body: s.body}
	if v != nil {
		f.Officer, f.Problem = v.officer, v.problem
		f.Office = c.table.Roles[v.officer.Role].Says
		f.Of = of(v.officer.Party)
		f.Menu = c.menu(v)
		f.Told = v.told()
	}
	var b bytes.Buffer
	if err := c.templates[s.template].ExecuteTemplate(&b, "frame.html", f); err != nil {
		c.logger.Error("a page could not be made", "page", s.template, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// of names a party, or the registration authority for "".
func of(party ra.PartyID) string {
	if party == "" {
		return "the registration authority"
	}
	return "party " + string(party)
}

// number makes a request number, by which an officer's report is found in the log.
func number() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
