package room

import (
	"slices"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// A replay is a run as it is kept on disk, read once.
type replay struct {
	run      int
	entries  []journal.Entry
	pictures []pictured
	from     int64
	book     []roombook.Entry
}

// ViewAt is what a person would have seen after an entry of the journal: the
// replay's view. It is for exercises whose drill is over; before, for the
// facilitator alone.
func (r *Room) ViewAt(p PersonID, entry int64) (*View, error) {
	r.mu.RLock()
	me, over, run, version, drill := r.st.people[p], r.st.phase == HotWash || r.st.phase == Closed, r.st.run, r.version, r.drill
	pack := r.st.pack
	r.mu.RUnlock()
	switch {
	case me == nil:
		return nil, ErrUnknown
	case !over && me.role != Facilitator:
		return nil, refuse("The replay is for when the drill is over.")
	case drill == nil:
		return nil, refuse("Nothing was played yet.")
	}
	k, err := r.kept(run, over)
	if err != nil {
		return nil, err
	}
	if len(k.entries) == 0 {
		return nil, refuse("Nothing was played yet.")
	}
	last := k.entries[len(k.entries)-1]
	entry = min(max(entry, 1), last.Seq)
	st := newState(pack)
	st.asked = r.askedAt
	for _, e := range k.before(entry) {
		if err := st.take(e); err != nil {
			return nil, err
		}
	}
	d := newDrill(st.house)
	for _, e := range k.entries[:entry] {
		if err := d.take(e); err != nil {
			return nil, err
		}
	}
	for _, x := range k.pictures {
		if x.Entry <= entry {
			d.see(x.Entry, x.Words, x.Picture)
		}
	}
	if st.phase = Playing; d.outcome != nil {
		st.phase = HotWash
	}
	if st.people[p] == nil {
		// They came later; what they would have seen is what their role sees.
		st.people[p] = me
	}
	x := &sight{st: st, drill: d, me: st.people[p], seats: st.seatsOf(p), codes: r.codes, here: func(PersonID) bool { return true }, clock: engine.Reading{At: d.at, Wall: k.entries[entry-1].Wall}}
	v := x.view()
	v.Version = version
	r.mu.RLock()
	forecast := r.forecast
	r.mu.RUnlock()
	if x.seesSituation() {
		v.Situation = situation(d.picture, x.all(), forecast)
	}
	v.Replay = &Moments{Entry: entry, Last: last.Seq, At: d.at, End: last.At, Marks: k.marks(x)}
	return v, nil
}

// kept reads a run from disk; one that is over only once.
func (r *Room) kept(run int, over bool) (*replay, error) {
	r.replays.Lock()
	defer r.replays.Unlock()
	if over && r.replayed != nil && r.replayed.run == run {
		return r.replayed, nil
	}
	entries, err := r.entriesOf(run)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 && run > 1 {
		return r.kept(run-1, false)
	}
	k := &replay{run: run, entries: entries}
	if k.from, err = r.eachPicture(run, func(p pictured) { k.pictures = append(k.pictures, p) }); err != nil {
		return nil, err
	}
	if k.book, err = roombook.ReadAll(r.dir); err != nil {
		return nil, err
	}
	if over && entries[len(entries)-1].Kind == journal.KindOutcome || over && entries[len(entries)-1].Kind == journal.KindSeal {
		r.replayed = k
	}
	return k, nil
}

// before is what was in the book when an entry of the journal was written. What a
// run brought back from an earlier one goes by scenario time: it was written again
// in seconds, long after people did what led to it.
func (k *replay) before(entry int64) []roombook.Entry {
	at := k.entries[entry-1].At
	next := time.Time{}
	if int(entry) < len(k.entries) {
		next = k.entries[entry].Wall
	}
	return slices.DeleteFunc(slices.Clone(k.book), func(e roombook.Entry) bool {
		switch e.Body.(type) {
		case roombook.Run, roombook.Arranged, roombook.Opened, roombook.Joined:
			return false // what is played, and who is who
		}
		if e.Run < k.run {
			return entry <= k.from && e.At > at
		}
		return !next.IsZero() && !e.Wall.Before(next)
	})
}

// marks are the points of the timeline that this person knows of.
func (k *replay) marks(x *sight) []Mark {
	d := newDrill(x.st.house)
	var out []Mark
	for _, e := range k.entries {
		n := len(d.feed)
		if d.take(e) != nil {
			break
		}
		if e.Kind == journal.KindQuestion {
			q := d.questions[len(d.questions)-1]
			if x.all() || slices.ContainsFunc(x.seats, func(s SeatID) bool { return within(s, q.Body+"/") }) {
				out = append(out, Mark{Entry: e.Seq, At: e.At, Says: x.st.house.nameOf(q.Body) + " is asked: " + q.Asks})
			}
		}
		for _, t := range d.feed[n:] {
			switch t.Kind {
			case ItemInject, ItemDecision, ItemKey, ItemOutcome:
				if x.all() || t.reaches(x.seats) {
					out = append(out, Mark{e.Seq, e.At, t.Title, t.Kind})
				}
			}
		}
	}
	return out
}
