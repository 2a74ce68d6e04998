package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// A Recording is what people did in an earlier run, read from its journal: what
// they answered, how long they took, and when they held the exercise. It is for
// one run. A nil Recording has nothing in it.
type Recording struct {
	start  journal.Start
	asked  []recordedQuestion
	said   []recorded
	pauses map[int64]recordedPause // by the number of their entry
	steers []recordedSteer
	duties map[string][]recordedDuty // by step, in the order in which they fell due
	ats    []time.Duration           // of every entry
	ended  bool                      // it has an outcome: what is not in it did not happen

	branch *branching
}

// recorded is one answer.
type recorded struct {
	seq  int64
	at   time.Duration
	took time.Duration
	journal.Decision
}

type recordedQuestion struct {
	seq int64
	journal.Question
}

type recordedPause struct {
	at time.Duration
	journal.Pause
}

type recordedSteer struct {
	seq int64
	at  time.Duration
	journal.Steer
}

// recordedDuty is somebody who had to be told. took is negative if nobody was.
type recordedDuty struct {
	seq       int64 // of the entry that says that it is due
	toldSeq   int64
	due, took time.Duration
	by        string
}

// branching is where a run leaves the recorded one.
type branching struct {
	at     int // in said
	option string
	agree  int64 // entries up to there
}

// ReadRecording reads the entries of a journal. A journal that was broken off
// gives what there is of it. An error names the entry.
func ReadRecording(entries []journal.Entry) (*Recording, error) {
	r := &Recording{pauses: map[int64]recordedPause{}, duties: map[string][]recordedDuty{}}
	for _, e := range entries {
		var err error
		r.ats = append(r.ats, e.At)
		switch e.Kind {
		case journal.KindStart:
			err = json.Unmarshal(e.Body, &r.start)
		case journal.KindQuestion:
			q := recordedQuestion{seq: e.Seq}
			if err = json.Unmarshal(e.Body, &q.Question); err == nil {
				r.asked = append(r.asked, q)
			}
		case journal.KindDecision:
			d := recorded{seq: e.Seq, at: e.At}
			if err = json.Unmarshal(e.Body, &d.Decision); err == nil {
				var asked time.Duration
				asked, err = scenario.ParseTime(d.Asked)
				d.took = e.At - asked
				r.said = append(r.said, d)
			}
		case journal.KindPause:
			var p journal.Pause
			if err = json.Unmarshal(e.Body, &p); err == nil && p.Phase != "abort" {
				r.pauses[e.Seq] = recordedPause{e.At, p}
			}
		case journal.KindSteer:
			s := recordedSteer{seq: e.Seq, at: e.At}
			if err = json.Unmarshal(e.Body, &s.Steer); err == nil {
				r.steers = append(r.steers, s)
			}
		case journal.KindNotify:
			var n journal.Notify
			if err = json.Unmarshal(e.Body, &n); err == nil {
				r.notified(e, n)
			}
		case journal.KindOutcome:
			var o journal.Outcome
			err = json.Unmarshal(e.Body, &o)
			r.ended = o.Outcome == Finished
		}
		if err != nil {
			return nil, fmt.Errorf("reading entry %d of the record: %w", e.Seq, err)
		}
	}
	if r.start.Run == "" {
		return nil, fmt.Errorf("the record has no start: the drill died before it began, and there is nothing to play again")
	}
	return r, nil
}

// notified keeps a duty, or that the oldest one of its step that is open was done.
func (r *Recording) notified(e journal.Entry, n journal.Notify) {
	list := r.duties[n.Step]
	if n.Phase == "due" {
		r.duties[n.Step] = append(list, recordedDuty{seq: e.Seq, due: e.At, took: -1})
		return
	}
	if i := slices.IndexFunc(list, func(d recordedDuty) bool { return d.took < 0 }); i >= 0 {
		list[i].took, list[i].by, list[i].toldSeq = e.At-list[i].due, n.By, e.Seq
	}
}

// Start is the start entry of the recorded run.
func (r *Recording) Start() journal.Start { return r.start }

// Branch makes the run leave the recorded one at a decision, by taking another
// option. asking is which one of several askings, 1 being the first; 0 the last
// that was recorded. What is asked afterwards is answered as it was recorded, if it
// was, and else by whoever answers the rest. An error names what there is.
func (r *Recording) Branch(s *scenario.Scenario, decision string, asking int, option string) error {
	found := -1
	var names []string
	for i, d := range r.said {
		if !slices.Contains(names, d.Decision.Decision) {
			names = append(names, d.Decision.Decision)
		}
		if d.Decision.Decision == decision && (asking == 0 || d.Asking == asking) {
			found = i
		}
	}
	if found < 0 {
		if slices.Contains(names, decision) {
			return fmt.Errorf("%q was not asked %d times in the recorded run", decision, asking)
		}
		return fmt.Errorf("no decision %q was taken in the recorded run: %s", decision, hint(decision, names))
	}
	d := r.said[found]
	i := slices.IndexFunc(d.Options, func(o journal.Option) bool { return o.Name == option })
	if i < 0 {
		offered := make([]string, len(d.Options))
		for k, o := range d.Options {
			offered[k] = o.Name
		}
		return fmt.Errorf("%q was not offered at %q: %s", option, decision, hint(option, offered))
	}
	written, known := s.Decision(decision)
	if !known {
		return fmt.Errorf("the scenario has no decision %q: it is not the one that was recorded", decision)
	}
	r.branch = &branching{at: found, option: option, agree: d.seq - 1}
	if option == d.Chosen {
		return nil
	}
	if d.Answered == string(BySilence) {
		// Whoever answers where nobody did does so before the deadline, and what came
		// between has another past.
		answered := d.at - d.took + written.Takes
		before := int64(slices.IndexFunc(r.ats, func(at time.Duration) bool { return at >= answered }))
		r.branch.agree = min(max(before, d.Question), d.seq-1)
	}
	r.forgetAfter(r.branch.agree)
	return nil
}

// Until forgets everything after a question was put, so that it is put anew to
// people, and returns how many entries the recording brings back: for
// Config.LiveFrom. What was recorded while they talked is forgotten too. asking is
// which one of several askings, 1 being the first; 0 the last that was recorded. An
// error names what there is.
func (r *Recording) Until(decision string, asking int) (liveFrom int64, err error) {
	found := -1
	var names []string
	for i, q := range r.asked {
		if !slices.Contains(names, q.Decision) {
			names = append(names, q.Decision)
		}
		if q.Decision == decision && (asking == 0 || q.Asking == asking) {
			found = i
		}
	}
	if found < 0 {
		if slices.Contains(names, decision) {
			return 0, fmt.Errorf("%q was not asked %d times in the recorded run", decision, asking)
		}
		return 0, fmt.Errorf("%q was not asked in the recorded run: %s", decision, hint(decision, names))
	}
	q := r.asked[found]
	r.asked = r.asked[:found+1]
	r.said = slices.DeleteFunc(r.said, func(d recorded) bool { return d.seq > q.seq })
	r.forgetAfter(q.seq)
	for step, list := range r.duties {
		list = slices.DeleteFunc(list, func(d recordedDuty) bool { return d.seq > q.seq })
		for i := range list {
			if list[i].took >= 0 && list[i].toldSeq > q.seq {
				list[i].took, list[i].by = -1, ""
			}
		}
		r.duties[step] = list
	}
	r.ats, r.ended, r.branch = r.ats[:q.seq], false, nil
	return q.seq, nil
}

// forgetAfter drops what the facilitator did after an entry.
func (r *Recording) forgetAfter(seq int64) {
	maps.DeleteFunc(r.pauses, func(at int64, _ recordedPause) bool { return at > seq })
	r.steers = slices.DeleteFunc(r.steers, func(s recordedSteer) bool { return s.seq > seq })
}

// Agree is for how many entries the new journal must be the recorded one: those
// before the answer that a branch replaces by another, or 0 for all of them.
func (r *Recording) Agree() int64 {
	if r.branch == nil || r.said[r.branch.at].Chosen == r.branch.option {
		return 0
	}
	return r.branch.agree
}

// Decider answers as was recorded, and leaves to rest what was not asked then or
// is not offered now.
func (r *Recording) Decider(rest Decider) Decider { return recordedDecider{r, rest} }

type recordedDecider struct {
	*Recording
	rest Decider
}

// find is the recorded answer that holds for a question, or -1.
func (r recordedDecider) find(q Question) int {
	i := slices.IndexFunc(r.said, func(d recorded) bool { return d.Decision.Decision == q.Decision.Name && d.Asking == q.Asking })
	if i < 0 || q.Refused != "" {
		return -1
	}
	d := r.said[i]
	if branches := r.branch != nil && i == r.branch.at && r.branch.option != d.Chosen; branches || d.Answered == string(BySilence) {
		return i
	}
	if _, offered := q.Option(d.Chosen); !offered {
		return -1
	}
	return i
}

// Deliberates implements [Deliberator]: what was recorded is not talked over again.
func (r recordedDecider) Deliberates(q Question) bool {
	return r.find(q) < 0 && deliberates(r.rest, q)
}

func (r recordedDecider) Decide(ctx context.Context, q Question) (Answer, error) {
	i := r.find(q)
	if i < 0 {
		return r.rest.Decide(ctx, q)
	}
	d := r.said[i]
	if r.branch != nil && i == r.branch.at && r.branch.option != d.Chosen {
		a := scripted(q, r.branch.option, ByCommandLine)
		// The other answer is given when the first one was, so that it alone differs.
		if d.Answered != string(BySilence) {
			a.After = d.took
		}
		return a, nil
	}
	present := d.Present
	if present == nil && d.Absent != nil {
		present = []string{} // nobody was there
	}
	return Answer{
		Option: d.Chosen, Silent: d.Answered == string(BySilence), After: d.took, Answered: Answered(d.Answered), By: d.By, Reason: d.Reason,
		Votes: d.Votes, Assessed: d.Assessed, Refused: d.Refusals,
		Present: present, Abstained: d.Abstained, Conflicts: d.Conflicts, Alternates: d.Alternates, Ballot: d.Ballot,
	}, nil
}

// pauseAt is the recorded pause that the entry of a number was.
func (r *Recording) pauseAt(seq int64) (recordedPause, bool) {
	if r == nil {
		return recordedPause{}, false
	}
	p, ok := r.pauses[seq]
	delete(r.pauses, seq)
	return p, ok
}

// steered is what the facilitator did, in order.
func (r *Recording) steered() []recordedSteer {
	if r == nil {
		return nil
	}
	return r.steers
}

// told is what became of the n-th duty of a step, counted from 0, if that is known.
func (r *Recording) told(step string, n int) (after time.Duration, told bool, by string, known bool) {
	if r == nil || n >= len(r.duties[step]) {
		return 0, false, "", false
	}
	d := r.duties[step][n]
	return d.took, d.took >= 0, d.by, d.took >= 0 || r.ended
}

// past says whether a time lies behind everything that was recorded.
func (r *Recording) past(at time.Duration) bool { return r != nil && at > r.ats[len(r.ats)-1] }

// Differ compares two journals in their masked form and returns the first entry
// in which they differ, in words, or nothing. upTo is how many entries are
// compared, 0 for all. How answers came, the run's name, and which run it was
// made from may differ.
func Differ(was, is []journal.Entry, upTo int64) (string, error) {
	lines := func(entries []journal.Entry) ([]string, error) {
		entries = slices.Clone(entries)
		for i, e := range entries {
			if e.Kind != journal.KindStart {
				continue
			}
			var s journal.Start
			if err := json.Unmarshal(e.Body, &s); err != nil {
				return nil, fmt.Errorf("reading entry %d of the record: %w", e.Seq, err)
			}
			s.Answers, s.From, s.Versions = "", "", nil
			body, err := journal.Canonical(s)
			if err != nil {
				return nil, err
			}
			entries[i].Body = body
		}
		text, err := journal.Masked(entries)
		if err != nil {
			return nil, err
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
	}
	a, err := lines(was)
	if err != nil {
		return "", err
	}
	b, err := lines(is)
	if err != nil {
		return "", err
	}
	most := max(len(a), len(b))
	if upTo > 0 {
		most = int(upTo)
	}
	for i := range most {
		switch {
		case i >= len(a):
			return fmt.Sprintf("the recorded run ends after %d entries, this one goes on with %s", len(a), short(b[i])), nil
		case i >= len(b):
			return fmt.Sprintf("this run ends after %d entries, the recorded one goes on with %s", len(b), short(a[i])), nil
		case a[i] != b[i]:
			return fmt.Sprintf("entry %d was %s and is %s", i+1, short(a[i]), short(b[i])), nil
		}
	}
	return "", nil
}

// short is a masked line as an error can show it.
func short(line string) string {
	const most = 300
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}
