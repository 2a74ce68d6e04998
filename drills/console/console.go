package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"smki.example/drills/room"
)

// A Room is the exercise that is shown; *room.Room is one, and its documentation is
// the contract. Methods are called concurrently.
type Room interface {
	Codes() (room.Codes, string)
	Join(ctx context.Context, code, name string) (pass string, err error)
	Who(pass string) (room.PersonID, room.Role, bool)
	Here(p room.PersonID) (gone func())
	View(p room.PersonID) (*room.View, error)
	ViewAt(p room.PersonID, entry int64) (*room.View, error)
	Changed(v int64) <-chan struct{}
	Do(ctx context.Context, p room.PersonID, a room.Act) error
	File(p room.PersonID, name string) (path string, err error)
}

var _ Room = (*room.Room)(nil)

// Config is what a Console is made of.
type Config struct {
	Room Room
	// URL is where people reach the console, without a slash at its end: what the
	// join link and its QR code begin with.
	URL string
	// Fingerprint of the server's certificate (see [Certificate]); empty: pages come
	// in the clear, which is for loopback alone.
	Fingerprint string
	// Hosts are the names that a browser may use for this server; others are refused,
	// so that a page of somebody else cannot give itself this server's address. Empty:
	// any, for servers that a certificate protects.
	Hosts []string
	// Clock is wall time. Nil: the computer's.
	Clock func() time.Time
	Log   *slog.Logger
	// Grace is how long somebody stays present after the last page of theirs was
	// closed, so that a reload is no absence. 0: five seconds.
	Grace time.Duration
}

// A Console serves the pages of one room. Its methods may be called concurrently.
type Console struct {
	room        Room
	url         string
	fingerprint string
	secure      bool
	hosts       []string
	clock       func() time.Time
	log         *slog.Logger
	grace       time.Duration
	screens     map[room.Role]*screen
	static      *static
	guesses     *guesses
	streams     *streams
	terms       finder
}

// New makes a Console.
func New(cfg Config) (*Console, error) {
	c := &Console{
		room: cfg.Room, url: strings.TrimRight(cfg.URL, "/"), fingerprint: cfg.Fingerprint, hosts: cfg.Hosts,
		clock: cfg.Clock, log: cfg.Log, grace: cfg.Grace, static: newStatic(),
	}
	if c.room == nil {
		return nil, errors.New("opening the exercise room: Room is missing")
	}
	at, err := url.Parse(c.url)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return nil, fmt.Errorf("opening the exercise room: the address %q is none that a browser can open", cfg.URL)
	}
	c.secure = at.Scheme == "https"
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.grace == 0 {
		c.grace = 5 * time.Second
	}
	c.guesses, c.streams = newGuesses(c.clock), newStreams()
	c.screens, err = c.parse()
	return c, err
}

// JoinLink is the address that lets people in by a code. Where there is a
// certificate its fingerprint stands behind the #: a browser keeps it in its address
// line, beside the certificate that it shows, and sends it to nobody.
func (c *Console) JoinLink(code string) string {
	link := c.url + "/j/" + url.PathEscape(code)
	if c.fingerprint != "" {
		link += "#" + strings.ReplaceAll(c.fingerprint, ":", "")
	}
	return link
}

// Handler serves the console.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.home)
	mux.HandleFunc("GET /screen", c.home)
	mux.HandleFunc("GET /j/{code}", c.invited)
	mux.HandleFunc("POST /join", c.join)
	mux.HandleFunc("POST /leave", c.leave)
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("POST /act/{name}", c.act)
	mux.HandleFunc("GET /file/{name...}", c.file)
	mux.HandleFunc("GET /replay", c.replay)
	mux.HandleFunc("GET /replay/compare", c.compare)
	mux.HandleFunc("GET /qr.svg", c.qr)
	mux.HandleFunc("GET /static/{hash}/{name...}", c.static.serve)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c.facilitatorRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.say(w, r, http.StatusNotFound, "There is no such page", "Go back to the first page of this room.")
	})
	return c.guarded(mux)
}

// A screen is what one role sees.
type screen struct {
	set    *template.Template
	live   []string // parts that are sent when they change: the templates whose name begins live-
	styles []string
	script []string
}

// show writes a page. It is rendered whole before anything is sent, so that a fault
// in a template is an error and not half an answer.
func (c *Console) show(w http.ResponseWriter, s *screen, status int, name string, p *page) {
	var b bytes.Buffer
	if err := s.render(&b, name, p); err != nil {
		c.log.Error("a page could not be made", "role", string(p.Role), "error", err)
		http.Error(w, "This page could not be made. Load it again; if that does not help, tell the facilitator.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// render executes a template of the screen. The set is shared and is not changed.
func (s *screen) render(w io.Writer, name string, p *page) error {
	p.screen = s
	return s.set.ExecuteTemplate(w, name, p)
}

// say shows a page that belongs to nobody.
func (c *Console) say(w http.ResponseWriter, r *http.Request, status int, title, says string) {
	c.show(w, c.screens[nobody], status, "frame", c.strange(r, &door{Title: title, Says: says}))
}

// number makes a number by which what somebody reports is found in the log.
func number() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
