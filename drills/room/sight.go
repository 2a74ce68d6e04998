package room

import (
	"slices"
	"strings"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
	"smki.example/drills/words"
)

// A sight is one person's look at a state and a drill. What may be seen is decided
// here and nowhere else.
type sight struct {
	st    *state
	drill *drill // nil before the first run
	me    *person
	seats []SeatID
	codes kept
	here  func(PersonID) bool
	clock engine.Reading
	live  bool // the room as it is now, in which things can be done
	busy  bool // the drill is being made, and nothing can be done in it
	// script says whether the script answers a question; nil where nobody knows any more.
	script func(roombook.On) bool
	done   func(duty) bool // a duty is done, and the record is about to say so
}

// all says whether this person sees everything.
func (x *sight) all() bool { return x.me.role == Facilitator || x.me.role == Observer }

// over says whether the drill is over, and its answers are no secret any more.
func (x *sight) over() bool { return x.st.phase == HotWash || x.st.phase == Closed }

// View is what a person may see now.
func (r *Room) View(p PersonID) (*View, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	me := r.st.people[p]
	if me == nil {
		return nil, ErrUnknown
	}
	x := &sight{
		st: r.st, drill: r.drill, me: me, seats: r.st.seatsOf(p), codes: r.codes, here: func(p PersonID) bool { return r.here[p] > 0 },
		clock: r.clock(), live: true, busy: r.live == nil || !r.live.caught,
	}
	if !x.busy {
		x.script = func(on roombook.On) bool { return r.live.script[on] }
		x.done = func(d duty) bool { return r.live.done[d.seq] }
	}
	v := x.view()
	v.Version = r.version
	v.Exercise.Open = r.earlier
	if me.role == Facilitator {
		v.Exercise.Trouble = r.trouble
		v.Sheet = r.sheet(x)
	}
	if r.live != nil {
		v.Calls = r.live.callsFor(x)
		v.Envelopes = r.live.envelopesFor(x)
	}
	if r.drill != nil && x.seesSituation() {
		v.Situation = situation(r.drill.picture, x.all(), r.forecast)
	}
	if x.over() {
		v.After = r.after(x)
	}
	return v, nil
}

// view is everything that the two states say to this person.
func (x *sight) view() *View {
	v := &View{Phase: x.st.phase, Me: x.person(x.me), Exercise: x.exercise(), Clock: Clock{
		At: x.clock.At, Speed: x.clock.Speed, Paused: x.clock.Paused, Why: x.clock.Why, Wall: x.clock.Wall, Runs: x.clock.Runs,
	}}
	for _, id := range x.st.order {
		if p := x.st.people[id]; p.role != Screen || x.me.role == Facilitator {
			v.People = append(v.People, x.person(p))
		}
	}
	for _, s := range x.st.house.seats {
		mine := slices.Contains(x.seats, s.ID)
		if !mine {
			s.Briefing = nil
		}
		if sits, is := x.st.sitting[s.ID]; is {
			p := x.person(x.st.people[sits.person])
			s.Holder, s.StandsIn = &p, sits.alternate
		}
		v.Seats = append(v.Seats, s)
		if mine {
			v.Mine = append(v.Mine, s)
		}
	}
	v.Rehearsed = x.objectives()
	v.Notes = x.notes()
	if x.drill != nil && x.st.phase != Setup {
		x.told(v)
	}
	return v
}

func (x *sight) person(p *person) Person {
	return Person{ID: p.id, Name: p.name, Role: p.role, Present: x.here(p.id)}
}

// rules of an exercise, which everybody may read.
var rules = []string{
	"Act as you would on the day, with what you know at that moment. There are no tricks.",
	"Everything that reaches you here says EXERCISE. Tell nobody outside the room as if it were true.",
	"Say it at once if something real happens: the words are NO DUFF, and the exercise stops.",
	"If you have an interest in what is decided, declare it before the vote.",
	"Give your reasons. The record keeps the answer, who gave it, and why; nothing in it is erased.",
	"Where you do not know who may decide, say that too: it is what the exercise is for.",
}

func (x *sight) exercise() Exercise {
	e := Exercise{Name: x.st.exercise, Rules: rules, Solo: x.st.arranged.Solo, Score: x.st.arranged.Score, Run: x.st.run, Label: x.st.pack.Label}
	e.Terms = slices.Concat(x.st.pack.Terms, x.st.pack.Glossary)
	s := x.st.scenario()
	if s != nil {
		e.Scenario = s.ID
		e.Label = higher(x.st.pack, s.Label, x.st.pack.Label)
		if s.About != "" {
			e.About = []string{s.About}
		}
		if x.all() || x.over() {
			e.Title = s.Title
		}
		if x.all() {
			// What holds answers is confidential, and a mix takes the highest class.
			e.Label = higher(x.st.pack, e.Label, x.st.pack.Confidential())
		}
		e.Unverified = x.st.pack.Unverified(s.Rehearses)
	}
	if h, is := x.st.pack.HandlingOf(e.Label); is {
		e.Handling = report.Capital(h.Says) + "; " + h.Rule + "." + noted(h.Basis)
	}
	if x.drill != nil && x.st.phase != Setup && x.st.phase != Briefing {
		e.Words = x.drill.newest
	}
	switch x.me.role {
	case Facilitator:
		e.Codes = &Codes{x.codes.Player, x.codes.Observer, x.codes.Screen}
	case Screen:
		e.Codes = &Codes{Player: x.codes.Player}
	}
	return e
}

func higher(p *procedure.Pack, a, b string) string {
	if slices.Index(p.Labels, b) > slices.Index(p.Labels, a) {
		return b
	}
	return a
}

// objectives are the steps that are rehearsed. One that would tell players how the
// drill goes is kept from them until it is over, and so is what observers think.
func (x *sight) objectives() []Objective {
	s := x.st.scenario()
	if s == nil {
		return nil
	}
	var out []Objective
	for _, id := range s.Rehearses {
		step, is := x.st.pack.Step(id)
		if !is || step.Tells && !x.all() && !x.over() {
			continue
		}
		o := Objective{ID: id, Says: step.Says, Phase: step.Phase, Sample: !step.Verified, Mine: x.st.ratings[rated{x.me.id, id}]}
		if x.all() || x.over() {
			for _, p := range x.st.order {
				if r, is := x.st.ratings[rated{p, id}]; is {
					o.Ratings = append(o.Ratings, r)
				}
			}
		}
		out = append(out, o)
	}
	return out
}

// notes are one's own; the facilitator has all, and after the drill everybody has
// those that are not private.
func (x *sight) notes() []Note {
	var out []Note
	for _, n := range x.st.notes {
		if n.by == x.me.id || !n.Private && (x.me.role == Facilitator || x.over()) {
			for _, c := range x.st.corrections {
				if c.book != 0 && c.book == n.Book {
					n.Corrections = append(n.Corrections, c.Correction)
				}
			}
			out = append(out, n)
		}
	}
	return out
}

// told is what has reached this person, and what is asked.
func (x *sight) told(v *View) {
	d := x.drill
	v.Feed = make([]Item, 0, len(d.feed))
	for i := range d.feed {
		t := &d.feed[i]
		if !x.all() && !t.reaches(x.seats) {
			continue
		}
		item := t.Item
		if item.Kind == ItemDecision || item.Kind == ItemOutcome {
			item.Words = d.words[item.Seq]
		}
		v.Feed = append(v.Feed, item)
	}
	for _, q := range d.questions {
		v.Questions = append(v.Questions, x.ballot(q))
	}
	for i := range d.decided {
		v.Decided = append(v.Decided, x.decision(&d.decided[i]))
	}
	for _, t := range d.duties {
		if x.done != nil && x.done(t) {
			continue
		}
		seats := x.dutyOf(t)
		if len(seats) == 0 && x.me.role == Facilitator {
			seats = []SeatID{""}
		}
		for _, s := range seats {
			v.Duties = append(v.Duties, Duty{Step: t.Step, Whom: t.Whom, From: t.From, Due: t.due, Seat: s})
			break // one of a person's seats is enough
		}
	}
}

// dutyOf are this person's seats that must tell somebody. A body that has a chair
// tells by its chair, if somebody sits there.
func (x *sight) dutyOf(t duty) []SeatID {
	return dutySeats(x.st, t.Notify, x.seats)
}

func dutySeats(st *state, n journal.Notify, of []SeatID) []SeatID {
	if n.From == "" {
		return nil
	}
	places := st.house.resolve(n.From)
	var chair []SeatID
	for _, s := range st.house.seats {
		if s.Chair && st.sitting[s.ID].person != "" && slices.ContainsFunc(places, func(p string) bool { return within(s.ID, p) }) {
			chair = append(chair, s.ID)
		}
	}
	var out []SeatID
	for _, s := range of {
		mine := slices.ContainsFunc(places, func(p string) bool { return within(s, p) })
		if mine && (len(chair) == 0 || slices.Contains(chair, s)) {
			out = append(out, s)
		}
	}
	return out
}

// seesSituation says whether there is a screen with the state of the devices where
// this person sits: at the DCC and with the party that the drill is about, and on
// the wall of the room.
func (x *sight) seesSituation() bool {
	if x.all() || x.me.role == Screen || x.over() {
		return true
	}
	a := x.drill.working()
	return a.reaches(x.seats)
}

// decision is a decision that was taken, for this person. What its author expected,
// and members' votes that are not revealed to everybody, are left out.
func (x *sight) decision(d *decision) Decided {
	out := Decided{Seq: d.seq, At: d.at, BodyName: x.st.house.nameOf(d.Body), Answer: d.Chosen, Decision: d.Decision, Words: x.drill.words[d.seq], Digest: digest(d.hash)}
	for _, o := range d.Options {
		if o.Name == d.Chosen && o.Says != "" {
			out.Answer = d.Chosen + ": " + o.Says
		}
	}
	if !x.all() && !x.over() {
		out.Expected, out.Basis, out.AsExpected = "", "", false
	}
	if !x.seesVotes(d) {
		out.Votes, out.Dissent, out.Abstained, out.Conflicts = nil, nil, nil, nil
		// Who voted for what stands in brackets behind the counts.
		out.Note, _, _ = strings.Cut(out.Note, " (")
		out.Refusals, out.Tally = nil, ""
	}
	for _, c := range x.st.corrections {
		if c.entry == d.seq {
			out.Corrections = append(out.Corrections, c.Correction)
		}
	}
	return out
}

// seesVotes says whether this person may see who voted for what in a decision that
// was taken: who was of the body may, and everybody else when the votes were cast
// openly, or revealed.
func (x *sight) seesVotes(d *decision) bool {
	if x.all() || x.over() || d.Ballot != ballotBlind {
		return true
	}
	if b := x.st.ballots[roombook.On{Decision: d.Decision.Decision, Asking: d.Asking}]; b != nil && b.revealed {
		return true
	}
	return slices.ContainsFunc(x.seats, func(s SeatID) bool { return within(s, d.Body+"/") })
}

// digestWords is how many words of a hash are read out: enough to tell two
// decisions of one evening apart.
const digestWords = 4

// digest is the beginning of an entry's hash as words.
func digest(hash string) string {
	head, err := hexOctets(hash)
	if err != nil || len(head) < words.Count {
		return ""
	}
	return strings.Join(strings.SplitN(words.Of(head), "-", digestWords+1)[:digestWords], "-")
}
