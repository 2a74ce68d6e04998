package engine

import (
	"context"
	"encoding/json"
	"fmt"
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
	said   []recorded
	pauses map[int64]journal.Pause // by the number of their entry

	branch *branching
}

// recorded is one answer.
type recorded struct {
	seq  int64
	took time.Duration
	journal.Decision
}

// branching is where a run leaves the recorded one.
type branching struct {
	at     int // in said
	option string
}

// ReadRecording reads the entries of a journal. A journal that was broken off
// gives what there is of it. An error names the entry.
func ReadRecording(entries []journal.Entry) (*Recording, error) {
	r := &Recording{pauses: map[int64]journal.Pause{}}
	for _, e := range entries {
		var err error
		switch e.Kind {
		case journal.KindStart:
			err = json.Unmarshal(e.Body, &r.start)
		case journal.KindDecision:
			d := recorded{seq: e.Seq}
			if err = json.Unmarshal(e.Body, &d.Decision); err == nil {
				var asked time.Duration
				asked, err = scenario.ParseTime(d.Asked)
				d.took = e.At - asked
				r.said = append(r.said, d)
			}
		case journal.KindPause:
			var p journal.Pause
			if err = json.Unmarshal(e.Body, &p); err == nil && p.Phase != "abort" {
				r.pauses[e.Seq] = p
			}
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
	if _, known := s.Decision(decision); !known {
		return fmt.Errorf("the scenario has no decision %q: it is not the one that was recorded", decision)
	}
	r.branch = &branching{at: found, option: option}
	for seq := range r.pauses {
		if seq > d.seq {
			delete(r.pauses, seq)
		}
	}
	return nil
}

// Agree is for how many entries the new journal must be the recorded one: those
// before the decision at which a branch takes another option, or 0 for all of them.
func (r *Recording) Agree() int64 {
	if r.branch == nil || r.said[r.branch.at].Chosen == r.branch.option {
		return 0
	}
	return r.said[r.branch.at].seq - 1
}

// Decider answers as was recorded, and leaves to rest what was not asked then or
// is not offered now.
func (r *Recording) Decider(rest Decider) Decider { return recordedDecider{r, rest} }

type recordedDecider struct {
	*Recording
	rest Decider
}

func (r recordedDecider) Decide(ctx context.Context, q Question) (Answer, error) {
	i := slices.IndexFunc(r.said, func(d recorded) bool { return d.Decision.Decision == q.Decision.Name && d.Asking == q.Asking })
	if i < 0 || q.Refused != "" {
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
	if _, offered := q.Option(d.Chosen); !offered && d.Answered != string(BySilence) {
		return r.rest.Decide(ctx, q)
	}
	return Answer{
		Option: d.Chosen, Silent: d.Answered == string(BySilence), After: d.took, Answered: Answered(d.Answered), By: d.By, Reason: d.Reason,
		Votes: d.Votes, Assessed: d.Assessed, Refused: d.Refusals,
	}, nil
}

// pauseAt is the recorded pause that the entry of a number was.
func (r *Recording) pauseAt(seq int64) (journal.Pause, bool) {
	if r == nil {
		return journal.Pause{}, false
	}
	p, ok := r.pauses[seq]
	delete(r.pauses, seq)
	return p, ok
}

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
