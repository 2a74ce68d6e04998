package room

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
	"smki.example/drills/verbs"
)

// catchUp folds in what the journal has by now. The journal is the one source of
// what is shown, as it will be of a replay.
func (h hand) catchUp() error {
	l := h.l
	entries, err := l.tail.read()
	if err != nil || len(entries) == 0 {
		return err
	}
	newest := entries[len(entries)-1]
	var p *verbs.Picture
	if h.wantsPicture(entries) {
		x := l.run.Picture()
		p, l.lastPicture = &x, newest.At
	}
	words := ""
	if reads(newest.Kind) {
		words = l.run.Words()
	}
	if p != nil || words != "" {
		if err := json.NewEncoder(l.pictures).Encode(pictured{Entry: newest.Seq, Words: words, Picture: p}); err != nil {
			return fmt.Errorf("keeping a picture: %w", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range entries {
		if err := l.drill.take(e); err != nil {
			return err
		}
	}
	l.drill.see(newest.Seq, words, p)
	if !l.caught && l.drill.entries >= l.from {
		if err := h.caughtUp(); err != nil {
			return err
		}
	}
	if l.caught {
		h.bump()
	}
	return nil
}

// see adds what is not in the journal itself: its head as words, and a picture.
func (d *drill) see(entry int64, words string, p *verbs.Picture) {
	if words != "" {
		d.words[entry], d.newest = words, words
	}
	if p != nil {
		d.picture = p
	}
}

// caughtUp gives the run to the people. mu is held.
func (h hand) caughtUp() error {
	h.l.caught = true
	h.Room.drill = h.l.drill
	if h.l.stop != "" {
		h.l.cancel(&stopped{h.l.stop})
	}
	if h.st.phase == Making {
		return h.write(roombook.Phase{Phase: string(Playing)})
	}
	return nil
}

// reads says whether the head after an entry is read aloud.
func reads(k journal.Kind) bool {
	return k == journal.KindStart || k == journal.KindDecision || k == journal.KindOutcome
}

// between is how much scenario time passes between two pictures at least, where
// nothing happens that wants one.
const between = 2 * time.Minute

// wantsPicture says whether the state of the devices is looked at now: it reads all
// of them, so not at every entry.
func (h hand) wantsPicture(entries []journal.Entry) bool {
	for _, e := range entries {
		switch e.Kind {
		case journal.KindQuestion, journal.KindDecision, journal.KindCustody, journal.KindOutcome, journal.KindStart, verbs.KindReadBack:
			return true
		}
	}
	return entries[len(entries)-1].At >= h.l.lastPicture+between
}

// tail reads a journal as it grows.
type tail struct {
	path string
	f    *os.File
	rest []byte
}

// read returns the entries that were written since the last call.
func (t *tail) read() ([]journal.Entry, error) {
	if t.f == nil {
		f, err := os.Open(t.path)
		if err != nil {
			return nil, fmt.Errorf("reading the record: %w", err)
		}
		t.f = f
	}
	fresh, err := io.ReadAll(t.f)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	t.rest = append(t.rest, fresh...)
	var out []journal.Entry
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return out, nil
		}
		e, err := entryOf(line)
		if err != nil {
			return out, fmt.Errorf("reading the record: %w", err)
		}
		out, t.rest = append(out, e), rest
	}
}

func (t *tail) close() error {
	if t == nil || t.f == nil {
		return nil
	}
	return t.f.Close()
}

// entryOf reads a line that this process has just written: journal.Read checks the
// chain of those that somebody else may have had in hand.
func entryOf(line []byte) (journal.Entry, error) {
	var raw struct {
		Seq  int64           `json:"seq"`
		At   string          `json:"at"`
		Wall time.Time       `json:"wall"`
		Kind journal.Kind    `json:"kind"`
		Body json.RawMessage `json:"body"`
		Hash string          `json:"hash"`
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return journal.Entry{}, err
	}
	at, err := journal.ParseAt(raw.At)
	return journal.Entry{Seq: raw.Seq, At: at, Wall: raw.Wall, Kind: raw.Kind, Body: raw.Body, Hash: raw.Hash}, err
}

// picturesName is the file of a pack that keeps what is not in the journal and what
// a replay shows. Trust: it is under the seal; it holds no secret.
const picturesName = "pictures.jsonl"

// pictured is a line of it. The first says from which entry on people played.
type pictured struct {
	From    int64          `json:"from,omitempty"`
	Entry   int64          `json:"entry,omitempty"`
	Words   string         `json:"words,omitempty"`
	Picture *verbs.Picture `json:"picture,omitempty"`
}
