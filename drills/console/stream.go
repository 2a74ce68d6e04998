package console

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"reflect"
	"sync"
	"time"

	"smki.example/drills/room"
)

const (
	// beat keeps a quiet connection alive through whatever stands between.
	beat = 15 * time.Second
	// breath is the least time between two sendings to one page, so that a burst of
	// what devices say is one change of the page.
	breath = 40 * time.Millisecond
	// sendTime is how long a client may take to read what it is sent. One that is
	// slower is cut off and comes back by itself.
	sendTime = 10 * time.Second
	// streamsEach is how many pages of one person may be open; streamsMost bounds all.
	streamsEach = 16
	streamsMost = 1000
)

// streams counts the open pages.
type streams struct {
	mu  sync.Mutex // guards of and all
	of  map[room.PersonID]int
	all int
}

func newStreams() *streams { return &streams{of: make(map[room.PersonID]int)} }

func (s *streams) open(p room.PersonID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[p] >= streamsEach || s.all >= streamsMost {
		return false
	}
	s.of[p]++
	s.all++
	return true
}

func (s *streams) close(p room.PersonID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[p]--; s.of[p] == 0 {
		delete(s.of, p)
	}
}

// here tells the room that a page is open, and that it is not some time after it was
// closed.
func (c *Console) here(p room.PersonID) (gone func()) {
	left := c.room.Here(p)
	return func() { time.AfterFunc(c.grace, left) }
}

// glimpsed tells the room that somebody has just looked: they are present until
// their page's stream had time to open.
func (c *Console) glimpsed(p room.PersonID) { c.here(p)() }

// events sends a person the parts of their page as they change. Each connection
// renders for itself and keeps nothing for a client that does not read.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		http.Error(w, "Join first.", http.StatusUnauthorized)
		return
	}
	if !c.streams.open(v.person) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many pages are open. Close some.", http.StatusTooManyRequests)
		return
	}
	defer c.streams.close(v.person)
	defer c.here(v.person)()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	s := &sender{console: c, visitor: v, request: r, sent: make(map[string]uint64), made: make(map[string]any), seed: maphash.MakeSeed(), to: http.NewResponseController(w), w: w}
	// The reading deadline of a server is for requests that end.
	_ = s.to.SetReadDeadline(time.Time{})
	s.buf.WriteString("retry: 2000\n\n")
	_ = s.run(r.Context())
}

// A sender is one open stream.
type sender struct {
	console *Console
	visitor *visitor
	request *http.Request
	w       http.ResponseWriter
	to      *http.ResponseController
	seed    maphash.Seed
	sent    map[string]uint64 // hash of each part as it was sent last
	made    map[string]any    // what each steady part was made of
	buf     bytes.Buffer      // what is to be sent
	part    bytes.Buffer
}

func (s *sender) run(ctx context.Context) error {
	heart := time.NewTicker(beat)
	defer heart.Stop()
	for {
		view, err := s.console.room.View(s.visitor.person)
		if err != nil {
			return err
		}
		if err := s.render(view); err != nil {
			s.console.log.Error("a part of a page could not be made", "role", string(s.visitor.role), "error", err)
			return err
		}
		if err := s.flush(); err != nil {
			return err
		}
		if err := s.wait(ctx, s.console.room.Changed(view.Version), heart.C); err != nil {
			return err
		}
	}
}

// wait returns when there may be something new.
func (s *sender) wait(ctx context.Context, changed <-chan struct{}, heart <-chan time.Time) error {
	rest := time.NewTimer(breath)
	defer rest.Stop()
	for {
		select {
		case <-changed:
			select {
			case <-rest.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-heart:
			s.buf.WriteString(": still here\n\n")
			if err := s.flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// steady are the long parts that seldom change, with all that they are made of: as
// long as that is the same they are not made again.
var steady = map[room.Role]map[string]func(*room.View) any{
	room.Player: {
		"feed":  func(v *room.View) any { return []any{v.Phase, v.Feed, v.Exercise.Terms} },
		"words": func(v *room.View) any { return v.Exercise.Terms },
		"first": preparing,
		"later": preparing,
	},
}

// preparing is what the seats and the briefing are made of.
func preparing(v *room.View) any { return []any{v.Phase, v.Exercise, v.Mine, v.Seats} }

// render puts the parts that have changed into the buffer.
func (s *sender) render(view *room.View) error {
	p := s.console.of(s.visitor, view, s.request.URL.Query())
	for _, name := range p.screen.live {
		if of := steady[s.visitor.role][name]; of != nil {
			made := of(view)
			if last, ok := s.made[name]; ok && reflect.DeepEqual(last, made) {
				continue
			}
			s.made[name] = made
		}
		s.part.Reset()
		p.part, p.tips = name, 0
		if err := p.screen.render(&s.part, "live-"+name, p); err != nil {
			return err
		}
		sum := maphash.Bytes(s.seed, s.part.Bytes())
		if last, ok := s.sent[name]; ok && last == sum {
			continue
		}
		s.sent[name] = sum
		fmt.Fprintf(&s.buf, "event: %s\n", name)
		for line := range bytes.Lines(s.part.Bytes()) {
			s.buf.WriteString("data: ")
			s.buf.Write(bytes.TrimRight(line, "\r\n"))
			s.buf.WriteByte('\n')
		}
		if s.part.Len() == 0 {
			s.buf.WriteString("data:\n")
		}
		s.buf.WriteByte('\n')
	}
	return nil
}

func (s *sender) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	// Not every writer has deadlines; the server's has.
	_ = s.to.SetWriteDeadline(time.Now().Add(sendTime))
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return err
	}
	s.buf.Reset()
	return s.to.Flush()
}
