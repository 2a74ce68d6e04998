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
// Start with Open, then Room.Do and Room.View.
package room

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
)

// Config is what a room needs.
type Config struct {
	// Home is the folder of the exercises of this installation; each has a folder in
	// it. Whoever can write there can make up a meeting; the journal's signature says
	// who ran the drill.
	Home string
	// Name is the exercise's folder; empty: a new one.
	Name      string
	Procedure *procedure.Pack
	RecordKey *journal.Key
	Clock     func() time.Time
	Log       *slog.Logger
}

// A Refusal says why an act was not done, in words for the person who asked.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

// ErrUnknown is returned for a pass or a code that lets nobody in.
var ErrUnknown = errors.New("unknown")

// A Room is one exercise. Methods may be called concurrently.
type Room struct{}

// Open opens an exercise, or begins one. What was being played when the server
// died is played again up to there once Run is called.
func Open(ctx context.Context, cfg Config) (*Room, error) { return nil, errors.ErrUnsupported }

// Run plays what people begin, until ctx is done; then the clock stands and
// everything is in the book.
func (r *Room) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Codes are those that let people in. Facilitator is a long one, for a link.
func (r *Room) Codes() (c Codes, facilitator string) { return }

// Join lets somebody in by a code and returns the secret that says who they are,
// for a cookie. The room keeps its hash. A code that is not one of the room's is
// ErrUnknown.
func (r *Room) Join(ctx context.Context, code, name string) (pass string, err error) {
	return "", errors.ErrUnsupported
}

// Who returns whose pass it is.
func (r *Room) Who(pass string) (PersonID, Role, bool) { return "", "", false }

// Here says that a page of a person is open, until the returned function is
// called.
func (r *Room) Here(p PersonID) (gone func()) { return func() {} }

// View is what a person may see now.
func (r *Room) View(p PersonID) (*View, error) { return nil, errors.ErrUnsupported }

// ViewAt is what a person would have seen after an entry of the journal: the
// replay's view. It is for exercises whose drill is over; before, for the
// facilitator alone.
func (r *Room) ViewAt(p PersonID, entry int64) (*View, error) { return nil, errors.ErrUnsupported }

// Changed returns a channel that is closed when the room's version is above v.
func (r *Room) Changed(v int64) <-chan struct{} { return nil }

// Do does what a person asks, or returns a *Refusal. When it returns nil the act is
// on disk. Another error is an outage: whether the act is in the book is then
// decided by the book, and a person who tries again does no harm.
func (r *Room) Do(ctx context.Context, p PersonID, a Act) error { return errors.ErrUnsupported }

// File opens a file of the sealed pack, or of what was made from it, for a person
// who may read it.
func (r *Room) File(p PersonID, name string) (path string, err error) { return "", ErrUnknown }
