package engine

import (
	"context"
	"time"

	"smki.example/drills/journal"
)

// Presenter shows a drill while it runs, on a terminal or in a room. Present is
// called from the engine's goroutine after the journal entry is on disk; an
// error ends the drill as failed.
type Presenter interface {
	Present(ctx context.Context, m Moment) error
}

// Moment is something to show. Body is the body of the journal entry, one of
// the types in package journal by value; Words is set at the start, at each
// decision and at the outcome, when the head is to be read into the minutes.
type Moment struct {
	Kind  journal.Kind
	At    time.Duration
	Seq   int64
	Body  any
	Words string
}

// ClockWatcher is implemented by a Presenter that shows the clock of a [Control].
// ClockChanged is called from the engine's goroutine when the clock goes on after it
// stood, stands after it went on, or goes at another speed, for a page that counted
// by itself till then.
type ClockWatcher interface {
	ClockChanged()
}
