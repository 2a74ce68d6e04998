// Package room holds one exercise: who sits where, what each seat may see, what
// people do, and the drill that goes with it.
//
// A Room is given acts of people and moments of the drill's engine, and gives
// views. Each act is written into the book (drills/roombook) before anything
// comes of it, and each moment is in the journal before it is told; so a Room can
// be opened again from its folder at any time, and goes on where it was. The
// tokens and devices of a drill cannot be kept: after a restart the drill is
// played again from its journal, which gives the same drill on new keys, and the
// journal that was broken off is kept in the pack.
//
// The Room promises that a View holds nothing that its person may not see, that
// nothing is done which the person's role and seat do not allow, and that the
// votes of people, never a guess, are what it answers the engine with. It knows no
// HTTP: drills/console shows it.
//
// What is in the book and in the journal is folded into two states (state, drill)
// by functions that look at nothing else; a View is made of these. The same
// functions over the beginning of the same entries give the replay (Room.ViewAt).
//
// Start with Open, then Room.Do and Room.View; Room.Run plays.
package room

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

// Config is what a room needs.
type Config struct {
	// Home is the folder of the exercises of this installation; each has a folder in
	// it. Files NAME.yaml in it are scenarios of its own. Whoever can write there can
	// make up a meeting; the journal's signature says who ran the drill.
	Home string
	// Name is the exercise's folder; empty: a new one.
	Name      string
	Procedure *procedure.Pack
	RecordKey *journal.Key
	Clock     func() time.Time // nil: the machine's
	Log       *slog.Logger     // nil: nobody reads it
	Program   string           // version, for the book

	launch launch // nil: the real one
}

// A Refusal says why an act was not done, in words for the person who asked.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// ErrUnknown is returned for a pass or a code that lets nobody in.
var ErrUnknown = errors.New("unknown")

// mostPeople bounds an exercise, so that a code that got about fills no disk.
const mostPeople = 500

// A Room is one exercise. Methods may be called concurrently.
type Room struct {
	cfg   Config
	dir   string
	lock  *os.File
	codes kept

	// mu guards everything below. The book and a run's control have locks of their
	// own, which are taken with mu held and never the other way.
	mu      sync.RWMutex
	book    *roombook.Book
	st      *state
	drill   *drill // what is shown; nil before the first run
	version int64
	changed chan struct{}
	here    map[PersonID]int // pages that are open
	live    *live            // run that is played now; nil: none
	played  int              // newest run that this process began
	resume  bool             // the newest run was broken off by an end of the server
	wake    chan struct{}
	stood   time.Duration // where the clock stood when there was last one

	draft    string // of a scenario that is not right yet
	wrong    []string
	trouble  string
	earlier  []report.Action
	own      []Drill
	library  func() []Drill  // shipped ones, read when they are first asked for
	forecast []ForecastCurve // set once
	foreseen bool            // it is being worked out, or was
	figures  *afterwards

	// replays guards the run that is kept in memory for ViewAt. It is never taken with
	// mu held.
	replays  sync.Mutex
	replayed *replay
}

// Open opens an exercise, or begins one. What was being played when the server
// died is played again up to there once Run is called. One process at a time can
// have an exercise open.
func Open(ctx context.Context, cfg Config) (*Room, error) {
	for name, missing := range map[string]bool{"Home": cfg.Home == "", "Procedure": cfg.Procedure == nil, "RecordKey": cfg.RecordKey == nil} {
		if missing {
			return nil, fmt.Errorf("opening an exercise: Config.%s is missing", name)
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.launch == nil {
		cfg.launch = launchPlay
	}
	r := &Room{cfg: cfg, here: map[PersonID]int{}, changed: make(chan struct{}), wake: make(chan struct{}, 1), version: 1}
	if err := r.enter(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening an exercise: %w", err), r.Close())
	}
	return r, nil
}

func (r *Room) enter() error {
	if err := r.folder(); err != nil {
		return err
	}
	var err error
	if r.lock, err = lockFolder(r.dir); err != nil {
		return err
	}
	if r.codes, err = loadCodes(r.dir); err != nil {
		return err
	}
	if err := r.keepProcedure(); err != nil {
		return err
	}
	if r.book, err = roombook.Open(r.dir); err != nil {
		return err
	}
	r.st = newState(r.cfg.Procedure)
	r.st.asked = r.askedAt
	entries, err := roombook.ReadAll(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.st.take(e); err != nil {
			return fmt.Errorf("entry %d of the book: %w", e.Seq, err)
		}
	}
	if len(entries) == 0 {
		if err := r.write(roombook.Opened{Exercise: r.Name(), Program: r.cfg.Program}); err != nil {
			return err
		}
	}
	if r.earlier, err = report.OpenActions(r.cfg.Home, r.Name()); err != nil {
		r.cfg.Log.Warn("reading plans of earlier exercises", "error", err)
	}
	r.own = r.ownDrills()
	pack := r.cfg.Procedure
	r.library = sync.OnceValue(func() []Drill { return shipped(pack) })
	r.played = r.st.run
	return r.reopen()
}

// folder finds or makes the folder of the exercise.
func (r *Room) folder() error {
	name := r.cfg.Name
	if name != "" {
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
			return fmt.Errorf("%q is no name of an exercise: it is one folder, without slashes", name)
		}
		r.dir = filepath.Join(r.cfg.Home, name)
		return os.MkdirAll(r.dir, 0o700)
	}
	if err := os.MkdirAll(r.cfg.Home, 0o700); err != nil {
		return err
	}
	day := r.cfg.Clock().Format(time.DateOnly)
	for i := 1; ; i++ {
		r.dir = filepath.Join(r.cfg.Home, day+"-"+strconv.Itoa(i))
		err := os.Mkdir(r.dir, 0o700)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// lockFolder takes the exercise for this process.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%q is open in another process: end that one first", dir), f.Close())
	}
	return f, nil
}

// keepProcedure writes the pack into the folder at first, and reads it from there
// afterwards: seats and rules of an exercise do not change because another pack is
// shipped.
func (r *Room) keepProcedure() error {
	path := filepath.Join(r.dir, "procedure.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return os.WriteFile(path, r.cfg.Procedure.Text, 0o600)
	}
	if err != nil {
		return err
	}
	p, err := procedure.Parse(path, text)
	if err != nil {
		return err
	}
	r.cfg.Procedure = p
	return nil
}

// Name is the exercise's folder in Home.
func (r *Room) Name() string { return filepath.Base(r.dir) }

// Close gives the exercise up; Run must have returned. It may be called more than
// once.
func (r *Room) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.book != nil {
		err = r.book.Close()
	}
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
		r.lock = nil
	}
	return err
}

// Codes are those that let people in. Facilitator is a long one, for a link.
func (r *Room) Codes() (c Codes, facilitator string) {
	return Codes{r.codes.Player, r.codes.Observer, r.codes.Screen}, r.codes.Facilitator
}

// Join lets somebody in by a code and returns the secret that says who they are,
// for a cookie. The room keeps its hash. A code that is not one of the room's is
// ErrUnknown; a *Refusal says what else stands in the way.
func (r *Room) Join(ctx context.Context, code, name string) (pass string, err error) {
	role, known := r.codes.role(code)
	if !known {
		return "", ErrUnknown
	}
	name = oneLine(name, 60)
	switch {
	case name == "" && role == Screen:
		name = "Room screen"
	case name == "":
		return "", refuse("Please type your name, as it is to stand in the minutes.")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.st.people) >= mostPeople:
		return "", refuse("This exercise is full: %d people have come in. Ask the facilitator.", mostPeople)
	case r.st.phase == Setup && role == Player:
		return "", refuse("The doors are not open yet. Wait until the facilitator opens them, then try again.")
	}
	pass, hash, err := newPass()
	if err != nil {
		return "", err
	}
	id := "p" + strconv.Itoa(len(r.st.people)+1)
	if err := r.write(roombook.Joined{Person: id, Name: roombook.Say(name), Role: string(role), Pass: hash}); err != nil {
		return "", err
	}
	r.bump()
	return pass, nil
}

// Who returns whose pass it is.
func (r *Room) Who(pass string) (PersonID, Role, bool) {
	hash := hashOf(pass)
	r.mu.RLock()
	defer r.mu.RUnlock()
	id, is := r.st.passes[hash]
	if !is {
		return "", "", false
	}
	return id, r.st.people[id].role, true
}

// Here says that a page of a person is open, until the returned function is
// called.
func (r *Room) Here(p PersonID) (gone func()) {
	r.arrive(p, 1)
	return sync.OnceFunc(func() { r.arrive(p, -1) })
}

func (r *Room) arrive(p PersonID, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.here[p] > 0
	if r.here[p] += n; r.here[p] <= 0 {
		delete(r.here, p)
	}
	if was != (r.here[p] > 0) {
		r.bump()
	}
}

// Changed returns a channel that is closed when the room's version is above v.
func (r *Room) Changed(v int64) <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.version > v {
		done := make(chan struct{})
		close(done)
		return done
	}
	return r.changed
}

// bump tells everybody that something changed. mu is held.
func (r *Room) bump() {
	r.version++
	close(r.changed)
	r.changed = make(chan struct{})
}

// write puts entries into the book and folds them in: on disk first. mu is held.
func (r *Room) write(bodies ...roombook.Body) error {
	for _, body := range bodies {
		wall := r.cfg.Clock()
		seq, err := r.book.Append(wall, r.clock().At, body)
		if errors.Is(err, roombook.ErrUncertain) {
			// What is in the book after all was done; who tries again does no harm.
			found, recovered := r.book.Recover()
			if recovered != nil {
				return errors.Join(err, recovered)
			}
			if len(found) == 0 {
				return err
			}
			seq, err = found[len(found)-1].Seq, nil
		}
		if err != nil {
			return err
		}
		if err := r.st.take(roombook.Entry{Seq: seq, At: r.clock().At, Wall: wall, Kind: "", Run: r.st.run, Body: body}); err != nil {
			return fmt.Errorf("room: internal error: what was written cannot be read: %w", err)
		}
	}
	return nil
}

// clock is the scenario clock. mu is held, for reading at least.
func (r *Room) clock() engine.Reading {
	if r.live != nil && r.live.caught {
		reading := r.live.control.Clock()
		reading.Runs = reading.Runs && len(r.live.calls) == 0 // time waits for custodians
		return reading
	}
	return engine.Reading{At: r.stood, Speed: r.st.arranged.Speed, Wall: r.cfg.Clock()}
}

// oneLine is what somebody typed without ends of lines and other controls, cut at a
// length.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\r' || c == '\t':
			return ' '
		case c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069:
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, ""))), " ")
	if runes := []rune(text); len(runes) > most {
		text = strings.TrimSpace(string(runes[:most]))
	}
	return text
}

// paragraphs is what somebody typed, with its ends of lines, cut at a length.
func paragraphs(text string, most int) string {
	lines := strings.Split(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = oneLine(lines[i], most)
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	if runes := []rune(text); len(runes) > most {
		text = strings.TrimSpace(string(runes[:most]))
	}
	return text
}
