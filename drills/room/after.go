package room

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
)

// afterwards is what the record of a run comes to, worked out once.
type afterwards struct {
	run      int
	outcome  string
	finding  string
	heading  string
	lines    []report.Line
	open     []string
	missing  []string
	words    string // closing head
	sealed   bool
	branches []int
}

// survey is that of the hot wash.
var survey = func() []SurveyQuestion {
	var out []SurveyQuestion
	for _, q := range report.SurveyQuestions() {
		out = append(out, SurveyQuestion{ID: q.ID, Asks: q.Asks})
	}
	return out
}()

// workOut makes the figures of a record that has its outcome.
func (r *Room) workOut(run int, entries []journal.Entry) (*afterwards, error) {
	rep, err := report.New(entries, r.st.pack)
	if err != nil {
		return nil, err
	}
	a := &afterwards{run: run, outcome: rep.Outcome.Outcome, finding: rep.Outcome.Finding, heading: rep.Heading(), lines: rep.Lines(), open: rep.Open()}
	if rep.Outcome.Why != "" {
		a.outcome += ": " + rep.Outcome.Why
	}
	for _, s := range r.st.pack.Steps {
		switch rep.Fate(s) {
		case report.Skipped:
			a.missing = append(a.missing, report.Capital(s.Says)+" (planned, and not reached)")
		case report.NotOfDrill:
			a.missing = append(a.missing, report.Capital(s.Says))
		}
	}
	for _, x := range r.st.runs {
		if x.Why == branched {
			a.branches = append(a.branches, x.From)
		}
	}
	return a, nil
}

// washUp begins the hot wash of a run that was played.
func (r *Room) washUp(l *live) error {
	entries, err := r.entriesOf(l.number)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-l.left:
		return nil // somebody went back in the same moment
	default:
	}
	if !l.caught {
		// It ended before everything was back: what there is, is what there is.
		r.cfg.Log.Error("a drill that was played again is shorter than it was", "run", l.number, "entries", l.drill.entries, "of", l.from)
		l.caught = true
		r.drill = l.drill
	}
	if r.figures, err = r.workOut(l.number, entries); err != nil {
		return err
	}
	l.ended = true
	switch r.st.phase {
	case HotWash:
	case Closed: // it was closed before its seal was done
		l.finish <- struct{}{}
	default:
		if err := r.write(roombook.Phase{Phase: string(HotWash)}); err != nil {
			return err
		}
	}
	r.bump()
	return nil
}

// await waits for the end of the hot wash and seals the record, until the run is
// left for another course of events or ctx, the server's, is done.
func (r *Room) await(ctx context.Context, l *live) error {
	for {
		select {
		case <-l.left:
			r.drop(l)
			return nil
		case <-ctx.Done():
			r.drop(l)
			return nil
		case <-l.finish:
		}
		if err := r.seal(l); err != nil {
			r.cfg.Log.Error("sealing the record", "run", l.number, "error", err)
			r.mu.Lock()
			r.trouble = fmt.Sprintf("The record is not sealed: %v. Try again; if it happens again, tell whoever looks after this machine.", err)
			werr := r.write(roombook.Phase{Phase: string(HotWash)})
			r.bump()
			r.mu.Unlock()
			if werr != nil {
				return werr
			}
			continue
		}
		r.drop(l)
		return nil
	}
}

// seal writes the documents and the book into the pack and closes it.
func (r *Room) seal(l *live) error {
	words, err := l.run.Seal(func(pack string, _ *report.Report) error {
		if err := l.pictures.Close(); err != nil && !os.IsNotExist(err) {
			r.cfg.Log.Debug("closing the pictures", "error", err)
		}
		if err := r.book.Copy(pack); err != nil {
			return err
		}
		rep, err := report.Load(pack, r.st.pack)
		if err != nil {
			return err
		}
		return rep.WriteRoom(pack)
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures.words, r.figures.sealed = words, true
	r.bump()
	return nil
}

// loadAfter is for an exercise that was closed before this process.
func (r *Room) loadAfter(run int) error {
	entries, err := r.entriesOf(run)
	if err != nil {
		return err
	}
	if r.figures, err = r.workOut(run, entries); err != nil {
		return err
	}
	rep, err := report.Load(r.packOf(run), r.st.pack)
	if err != nil {
		return err
	}
	r.figures.sealed = true
	if len(entries) > 0 {
		r.figures.words = rep.HeadAt(entries[len(entries)-1].Seq)
	}
	return nil
}

func (r *Room) planFinish(me *person) (plan, error) {
	switch {
	case r.st.phase != HotWash:
		return plan{}, refuse("The record is sealed when the drill is over.")
	case r.live == nil || !r.live.ended:
		return plan{}, refuse("The drill is being played again after a restart; try again in a moment.")
	}
	w, _ := writes(roombook.Phase{Phase: string(Closed), By: string(me.id)})
	w.then = func() error {
		r.trouble = ""
		select {
		case r.live.finish <- struct{}{}:
		default: // it is being sealed
		}
		return nil
	}
	return w, nil
}

// after is what follows the drill, for one person.
func (r *Room) after(x *sight) *After {
	a := &After{RecordKey: r.cfg.RecordKey.Fingerprint(), Answers: len(r.st.surveys)}
	_, a.Answered = r.st.surveys[x.me.id]
	for _, q := range survey {
		n, sum := 0, 0
		for _, s := range r.st.surveys {
			if v := s.Answers[q.ID]; v > 0 {
				n, sum = n+1, sum+v
			}
		}
		if n > 0 {
			q.Mean = float64(sum) / float64(n)
		}
		a.Survey = append(a.Survey, q)
	}
	if f := r.figures; f != nil {
		a.Outcome, a.Finding, a.Heading, a.Lines, a.Words, a.NotRehearsed, a.Branches = f.outcome, f.finding, f.heading, f.lines, f.words, f.missing, f.branches
		if x.me.role == Facilitator {
			a.Open = f.open
		}
		if f.sealed {
			a.Files = r.files(x.me)
		}
	}
	for _, n := range sorted(r.st.actions) {
		if b := r.st.actions[n]; !b.Dropped {
			due, _ := time.Parse(time.DateOnly, b.Due)
			a.Actions = append(a.Actions, report.Action{Number: b.Number, What: b.What.String(), Owner: b.Owner.String(), Due: due, From: b.From.String(), Done: b.State == "done", Drill: r.st.exercise})
		}
	}
	for _, n := range sorted(r.st.risks) {
		if b := r.st.risks[n]; !b.Dropped {
			a.Risks = append(a.Risks, report.Risk{Number: b.Number, What: b.What.String(), Owner: b.Owner.String(), Likelihood: b.Likelihood, Devices: b.Devices})
		}
	}
	if x.me.role == Facilitator {
		a.Remarks = map[string]string{}
		for part, text := range r.st.remarks {
			a.Remarks[part] = text
		}
	}
	return a
}

func sorted[V any](m map[int]V) []int {
	out := make([]int, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// raw are files of the pack beside its documents: for whoever keeps the record.
var raw = []File{
	{"report.html", "report of the drill"},
	{"checkpoint.txt", "signed head of the record, with the words for the minutes"},
	{"SHA256SUMS", "sums of every file, for sha256sum -c"},
	{"journal.jsonl", "the record of the drill"},
	{"room.jsonl", "what people did in the room"},
	{"devices.csv", "each device and what became of it"},
	{"summary.json", "figures, for programs"},
}

// files are those that a person may read: the documents for everybody who took
// part, the record itself for the facilitator and observers.
func (r *Room) files(me *person) []File {
	if me.role == Screen {
		return nil
	}
	var out []File
	for _, f := range report.RoomFiles() {
		out = append(out, File{f.Name, f.Says})
	}
	if me.role != Player {
		out = append(out, raw...)
	}
	return slices.DeleteFunc(out, func(f File) bool {
		_, err := os.Stat(filepath.Join(r.packOf(r.figures.run), f.Name))
		return err != nil
	})
}

// File opens a file of the sealed pack, or of what was made from it, for a person
// who may read it.
func (r *Room) File(p PersonID, name string) (path string, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	me := r.st.people[p]
	if me == nil || r.figures == nil || !r.figures.sealed || r.st.phase != Closed {
		return "", ErrUnknown
	}
	for _, f := range r.files(me) {
		if f.Name == name {
			return filepath.Join(r.dir, "runs", strconv.Itoa(r.figures.run), f.Name), nil
		}
	}
	return "", ErrUnknown
}
