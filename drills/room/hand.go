package room

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// A hand is the room as the engine knows it, for one run: who answers, who is
// shown what, who tells, who gives shares.
type hand struct {
	*Room
	l *live
}

var (
	_ engine.Deliberator = hand{}
	_ engine.Presenter   = hand{}
	_ engine.Duties      = hand{}

	_ engine.ClockWatcher = hand{}
)

// begin opens what the run writes beside its record.
func (h hand) begin() error {
	h.l.tail = &tail{path: filepath.Join(h.l.pack, journal.FileName)}
	var err error
	h.l.pictures, err = os.OpenFile(filepath.Join(h.l.pack, picturesName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		err = json.NewEncoder(h.l.pictures).Encode(pictured{From: h.l.from})
	}
	return err
}

func (h hand) end() {
	if err := errors.Join(h.l.tail.close(), h.l.pictures.Close()); err != nil && !errors.Is(err, os.ErrClosed) {
		h.cfg.Log.Error("closing a run's files", "run", h.l.number, "error", err)
	}
}

// Present implements [engine.Presenter].
func (h hand) Present(context.Context, engine.Moment) error { return h.catchUp() }

// ClockChanged implements [engine.ClockWatcher]: pages count by themselves till then.
func (h hand) ClockChanged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bump()
}

// told hears of what the world wrote.
func (h hand) told(time.Duration, any) {
	if h.l.tail == nil {
		return // the world is being made
	}
	if err := h.catchUp(); err != nil {
		h.cfg.Log.Error("reading the record", "run", h.l.number, "error", err)
	}
}

// Waits implements [engine.Duties]: people tell where somebody sits who must.
func (h hand) Waits(n journal.Notify) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var taken []SeatID
	for _, s := range h.st.house.seats {
		if h.st.sitting[s.ID].person != "" {
			taken = append(taken, s.ID)
		}
	}
	return len(dutySeats(h.st, n, taken)) > 0
}

// Deliberates implements [engine.Deliberator]: a body in which nobody sits who has a
// vote follows the script.
func (h hand) Deliberates(q engine.Question) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.st.deliberates(q.Body.ID)
}

// envelope keeps the code of a custodian's envelope, in memory alone: when the drill
// is played again there are new ones.
func (h hand) envelope(seat, key, code string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.l.envelopes[shareOf{h.st.house.custodian(seat), key}] = code
}
