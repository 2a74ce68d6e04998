package room

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// clockName is the file that says where the scenario clock stands, every second. If
// it is lost the clock goes on from the newest entry of the record.
const clockName = "clock"

// reopen finds out what was going on when the exercise was last open, and shows it.
func (r *Room) reopen() error {
	if r.st.run == 0 || r.st.phase == Setup || r.st.phase == Briefing {
		return nil
	}
	d, entries, err := r.foldRun(r.st.run)
	if err != nil {
		return err
	}
	if d.start.Run == "" && len(r.st.runs) > 1 {
		// It died before it began: what was before is still what people know.
		if older, _, err := r.foldRun(r.st.runs[len(r.st.runs)-2].Number); err == nil {
			d = older
		}
	}
	r.drill = d
	if len(entries) > 0 {
		r.stood = max(entries[len(entries)-1].At, r.clockOf(r.st.run))
	}
	if r.st.phase == Closed && r.sealed(r.st.run) {
		return r.loadAfter(r.st.run)
	}
	r.resume = true
	r.poke()
	return nil
}

// sealed says whether the record of a run is sealed.
func (r *Room) sealed(run int) bool {
	_, err := os.Stat(filepath.Join(r.packOf(run), journal.SumsName))
	return err == nil
}

// entriesOf reads the journal of a run as far as it is good. One that was never
// begun has none.
func (r *Room) entriesOf(run int) ([]journal.Entry, error) {
	entries, err := journal.ReadAll(filepath.Join(r.packOf(run), journal.FileName))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, journal.ErrTorn) {
		err = nil
	}
	return entries, err
}

// askedAt is when a question was put in a run.
func (r *Room) askedAt(run int, on roombook.On) time.Duration {
	entries, err := r.entriesOf(run)
	if err != nil {
		r.cfg.Log.Error("reading the record of a run that was left", "run", run, "error", err)
	}
	for _, e := range entries {
		var q journal.Question
		if e.Kind == journal.KindQuestion && e.Decode(&q) == nil && q.Decision == on.Decision && q.Asking == on.Asking {
			return e.At
		}
	}
	return 0
}

// foldRun folds the journal of a run. Of one that the end of the server broke off,
// what the engine wrote about that is left out: the run will go on.
func (r *Room) foldRun(run int) (*drill, []journal.Entry, error) {
	entries, err := r.entriesOf(run)
	if err != nil {
		return nil, nil, err
	}
	if r.st.phase != HotWash && r.st.phase != Closed {
		cut, _ := aborted(entries)
		entries = entries[:cut]
	}
	d := newDrill(r.st.house)
	for _, e := range entries {
		if err := d.take(e); err != nil {
			return nil, nil, err
		}
	}
	_, err = r.eachPicture(run, func(p pictured) {
		if p.Entry > 0 && p.Entry <= d.entries {
			d.see(p.Entry, p.Words, p.Picture)
		}
	})
	return d, entries, err
}

// eachPicture reads what a run kept beside its journal, and says from which entry on
// people played. A last line that is torn is passed over.
func (r *Room) eachPicture(run int, each func(pictured)) (from int64, err error) {
	f, err := os.Open(filepath.Join(r.packOf(run), picturesName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var p pictured
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			break
		}
		if p.Entry == 0 {
			from = p.From
			continue
		}
		each(p)
	}
	return from, lines.Err()
}

// clockOf is where the clock stood in a run when it was last written down.
func (r *Room) clockOf(run int) time.Duration {
	text, err := os.ReadFile(filepath.Join(r.dir, clockName))
	if err != nil {
		return 0
	}
	number, at, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if number != strconv.Itoa(run) {
		return 0
	}
	d, _ := journal.ParseAt(at)
	return d
}

// keepClock writes down where the clock stands.
func (r *Room) keepClock(l *live) error {
	path := filepath.Join(r.dir, clockName)
	text := fmt.Sprintf("%d %s\n", l.number, journal.FormatAt(l.control.Clock().At.Truncate(time.Second)))
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// aborted is where a journal was broken off from outside, and why; len(entries) if
// it was not.
func aborted(entries []journal.Entry) (int, string) {
	for i, e := range entries {
		var p journal.Pause
		if e.Kind == journal.KindPause && e.Decode(&p) == nil && p.Phase == "abort" {
			return i, p.Why
		}
	}
	return len(entries), ""
}

// nextAgain is the run that plays again what was broken off by the end of the
// server. mu is held.
func (r *Room) nextAgain() (*planned, error) {
	from := r.st.run
	entries, err := r.entriesOf(from)
	if err != nil {
		return nil, err
	}
	over := r.st.phase == HotWash || r.st.phase == Closed
	cut, why := aborted(entries)
	entries = entries[:cut]
	b := roombook.Run{Number: from + 1, Why: resumed, From: from}
	p := &planned{number: b.Number, entries: entries, at: r.stood, paused: !over, why: fmt.Sprintf("the run before it, %d, which was broken off when the server ended", from)}
	if over && why != "" {
		p.stop = why
	}
	if len(entries) == 0 || entries[0].Kind != journal.KindStart {
		before := r.st.runs[len(r.st.runs)-1]
		b = roombook.Run{Number: from + 1, Why: before.Why, From: before.From, At: before.At, Asking: before.Asking}
		*p = planned{number: b.Number}
		switch before.Why {
		case branched:
			if err := r.bringBack(p, b); err != nil {
				return nil, err
			}
		case resumed:
			// The run that was to play another again died before it began: play that one.
			if err := r.bringBackAll(p, before.From); err != nil {
				return nil, err
			}
		}
	}
	bodies := []roombook.Body{b}
	if r.st.phase == Playing {
		bodies = append(bodies, roombook.Phase{Phase: string(Making)})
	}
	if err := r.write(bodies...); err != nil {
		return nil, err
	}
	r.played = b.Number
	p.before = r.left(b)
	r.bump()
	return p, nil
}

// bringBack is for a branch: the entries of the run that is left, up to the question
// that is put anew.
func (r *Room) bringBack(p *planned, b roombook.Run) error {
	entries, err := r.entriesOf(b.From)
	if err != nil {
		return err
	}
	for i, e := range entries {
		var q journal.Question
		if e.Kind == journal.KindQuestion && e.Decode(&q) == nil && q.Decision == b.At && q.Asking == b.Asking {
			p.entries, p.at, p.paused = entries[:i+1], e.At, true
			p.why = fmt.Sprintf("run %d, left at %q, asking %d", b.From, b.At, b.Asking)
			return nil
		}
	}
	return fmt.Errorf("room: internal error: run %d has no question %q, asking %d", b.From, b.At, b.Asking)
}

func (r *Room) bringBackAll(p *planned, from int) error {
	entries, err := r.entriesOf(from)
	if err != nil {
		return err
	}
	cut, why := aborted(entries)
	p.entries, p.at, p.paused = entries[:cut], r.stood, r.st.phase != HotWash && r.st.phase != Closed
	if len(p.entries) > 0 {
		p.at = max(p.at, p.entries[len(p.entries)-1].At)
	}
	if !p.paused {
		p.stop = why
	}
	p.why = fmt.Sprintf("run %d, which was broken off", from)
	return nil
}

// left are the runs before one, whose journals its pack keeps.
func (r *Room) left(b roombook.Run) []int {
	var out []int
	for _, x := range r.st.runs {
		if x.Number < b.Number {
			out = append(out, x.Number)
		}
	}
	return out
}

// keepBefore copies the journals of earlier runs into the pack of this one, as they
// are: what was done on a course of events that was left is not erased.
func (r *Room) keepBefore(l *live, runs []int) error {
	for _, n := range runs {
		text, err := os.ReadFile(filepath.Join(r.packOf(n), journal.FileName))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		dir := filepath.Join(l.pack, "before", strconv.Itoa(n))
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, journal.FileName), text, 0o644)
		}
		if err != nil {
			return fmt.Errorf("keeping the record of run %d: %w", n, err)
		}
	}
	return nil
}
