package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/room"
)

// A fake is a room whose views are made by hand: it gives everybody a copy of what
// the test sets, and keeps what people do.
type fake struct {
	mu      sync.Mutex // guards all below
	version int64
	wake    chan struct{}
	people  map[string]room.Person // by pass
	views   func(me room.Person) *room.View
	refuse  func(me room.Person, a room.Act) error
	done    []done
	here    map[room.PersonID]int
}

type done struct {
	Person room.PersonID
	Act    room.Act
}

var fakeCodes = room.Codes{Player: "K7MPQ2", Observer: "R4TWX9", Screen: "B3DFG5"}

const fakeFacilitator = "Facilitator-Code-that-is-long"

func newFake() *fake {
	f := &fake{version: 1, wake: make(chan struct{}), people: make(map[string]room.Person), here: make(map[room.PersonID]int)}
	f.views = func(room.Person) *room.View {
		return &room.View{Phase: room.Briefing, Exercise: room.Exercise{Name: "monday", Label: "SAMPLE LABEL"}}
	}
	return f
}

func (f *fake) Codes() (room.Codes, string) { return fakeCodes, fakeFacilitator }

func (f *fake) Join(_ context.Context, code, name string) (string, error) {
	role, ok := map[string]room.Role{fakeCodes.Player: room.Player, fakeCodes.Observer: room.Observer, fakeCodes.Screen: room.Screen, fakeFacilitator: room.Facilitator}[code]
	if !ok {
		return "", room.ErrUnknown
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	pass := rand.Text()
	f.people[pass] = room.Person{ID: room.PersonID("p" + string(rune('1'+len(f.people)))), Name: name, Role: role, Present: true}
	f.bump()
	return pass, nil
}

func (f *fake) Who(pass string) (room.PersonID, room.Role, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.people[pass]
	return p.ID, p.Role, ok
}

func (f *fake) Here(p room.PersonID) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.here[p]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.here[p]--
	}
}

func (f *fake) person(p room.PersonID) room.Person {
	for _, known := range f.people {
		if known.ID == p {
			return known
		}
	}
	return room.Person{}
}

func (f *fake) View(p room.PersonID) (*room.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	me := f.person(p)
	if me.ID == "" {
		return nil, room.ErrUnknown
	}
	v := f.views(me)
	v.Me, v.Version = me, f.version
	if v.Exercise.Codes == nil {
		switch me.Role {
		case room.Facilitator:
			v.Exercise.Codes = &fakeCodes
		case room.Screen:
			v.Exercise.Codes = &room.Codes{Player: fakeCodes.Player}
		}
	}
	return v, nil
}

func (f *fake) ViewAt(p room.PersonID, entry int64) (*room.View, error) {
	v, err := f.View(p)
	if err == nil && v.Phase != room.HotWash && v.Phase != room.Closed && v.Me.Role != room.Facilitator {
		return nil, &room.Refusal{Why: "The replay opens when the drill is over."}
	}
	if err == nil {
		v.Replay = &room.Moments{Entry: entry, Last: 40}
	}
	return v, err
}

func (f *fake) Changed(v int64) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version > v {
		now := make(chan struct{})
		close(now)
		return now
	}
	return f.wake
}

func (f *fake) Do(_ context.Context, p room.PersonID, a room.Act) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(f.person(p), a); err != nil {
			return err
		}
	}
	f.done = append(f.done, done{p, a})
	f.bump()
	return nil
}

func (f *fake) File(room.PersonID, string) (string, error) { return "", room.ErrUnknown }

// bump wakes whoever waits for a change. f.mu is held.
func (f *fake) bump() {
	f.version++
	close(f.wake)
	f.wake = make(chan struct{})
}

// set changes what people see.
func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.bump()
}

func (f *fake) acts() []done {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.done)
}

// A world is a console over a fake room, served on loopback.
type world struct {
	*fake
	console *console.Console
	server  *httptest.Server
	log     *bytes.Buffer
	now     func() time.Time
	away    atomic.Bool // nothing gets through
}

func newWorld(t testing.TB) *world {
	w := &world{fake: newFake(), log: new(bytes.Buffer)}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.away.Load() {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		w.console.Handler().ServeHTTP(rw, r)
	}))
	url := "http://" + w.server.Listener.Addr().String()
	var err error
	w.console, err = console.New(console.Config{
		Room: w.fake, URL: url, Log: slog.New(slog.NewTextHandler(&locked{to: w.log}, nil)), Grace: time.Millisecond,
		Clock: func() time.Time {
			if w.now != nil {
				return w.now()
			}
			return time.Now()
		},
	})
	require.NoError(t, err)
	w.server.Start()
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

type locked struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

// A client is somebody's browser, without scripts.
type client struct {
	t       testing.TB
	world   *world
	cookies []*http.Cookie
}

func (w *world) stranger(t testing.TB) *client { return &client{t: t, world: w} }

// joined is somebody who joined by a code.
func (w *world) joined(t testing.TB, code, name string) *client {
	c := w.stranger(t)
	a := c.post("/join", "code", code, "name", name)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *client) send(r *http.Request) answer {
	c.t.Helper()
	for _, k := range c.cookies {
		r.AddCookie(k)
	}
	rec := httptest.NewRecorder()
	c.world.console.Handler().ServeHTTP(rec, r)
	for _, k := range rec.Result().Cookies() {
		c.cookies = slices.DeleteFunc(c.cookies, func(have *http.Cookie) bool { return have.Name == k.Name })
		if k.MaxAge >= 0 {
			c.cookies = append(c.cookies, k)
		}
	}
	return answer{rec.Code, rec.Header(), rec.Body.String()}
}

func (c *client) get(path string) answer {
	c.t.Helper()
	return c.send(httptest.NewRequest(http.MethodGet, c.world.server.URL+path, nil))
}

// request is a form as a page of ours sends it.
func (c *client) request(path string, pairs ...string) *http.Request {
	form := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		form.Add(pairs[n], pairs[n+1])
	}
	r := httptest.NewRequest(http.MethodPost, c.world.server.URL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", c.world.server.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (c *client) post(path string, pairs ...string) answer {
	c.t.Helper()
	return c.send(c.request(path, pairs...))
}

var tokenOf = regexp.MustCompile(`"X-Room-Token":"([A-Za-z0-9_-]+)"`)

// id is who the room says this is.
func (c *client) id() room.PersonID {
	id, _, _ := c.world.console.Room().Who(c.cookies[0].Value)
	return id
}

// token is what this client's pages carry.
func (c *client) token() string {
	c.t.Helper()
	found := tokenOf.FindStringSubmatch(strings.ReplaceAll(c.get("/").body, "&#34;", `"`))
	require.NotNil(c.t, found)
	return found[1]
}

// act sends the form of an act.
func (c *client) act(name string, pairs ...string) answer {
	c.t.Helper()
	return c.post("/act/"+name, append([]string{"token", c.token()}, pairs...)...)
}
