package room

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

type option = journal.Option

// A drill is what the journal of one run has told so far. It is changed by take
// alone. What it says of a moment is never changed afterwards, so that views may
// share it.
type drill struct {
	house *house

	entries   int64
	at        time.Duration
	start     journal.Start
	feed      []told
	questions []*question // open
	decided   []decision
	duties    []duty // open
	calls     []opening
	firsts    map[string]bool // authorisations under which something was signed
	outcome   *journal.Outcome
	words     map[int64]string // heads of the record that are read aloud, by entry
	newest    string
	picture   *verbs.Picture
	steered   map[string]Steering
	done      map[string]SheetState // of entries of the timeline, by step
}

// told is an item with those whom it reaches.
type told struct {
	Item
	audience
}

// audience says whom something reaches: everybody, or places of the house; the
// facilitator and observers hear everything.
type audience struct {
	public bool
	places []string
}

func (a audience) reaches(seats []SeatID) bool {
	if a.public {
		return true
	}
	for _, s := range seats {
		for _, p := range a.places {
			if within(s, p) {
				return true
			}
		}
	}
	return false
}

var everybody = audience{public: true}

// question is one that was put and is not yet decided.
type question struct {
	journal.Question
	seq       int64
	asked     time.Duration
	deadline  time.Duration
	on        roombook.On
	asEngine  engine.Question
	expecting *scenario.Decision
}

// decision is one that was taken.
type decision struct {
	journal.Decision
	seq  int64
	at   time.Duration
	on   roombook.On
	hash string
}

type duty struct {
	journal.Notify
	due time.Duration
	seq int64
	at  time.Duration
}

// opening is what is known of custodians and a key.
type opening struct {
	key      string
	expected time.Duration
	open     bool
	result   time.Duration // when its shares were last asked for and it was opened or not; below 0: never
}

// lastOpening is when the shares of a key were last asked for with a result.
func (d *drill) lastOpening(key string) time.Duration {
	for _, o := range d.calls {
		if o.key == key {
			return o.result
		}
	}
	return -1
}

func newDrill(h *house) *drill {
	return &drill{house: h, firsts: map[string]bool{}, words: map[int64]string{}, steered: map[string]Steering{}, done: map[string]SheetState{}}
}

// to are the places that names of the scenario mean.
func (d *drill) to(names ...string) audience {
	var a audience
	for _, n := range names {
		a.places = append(a.places, d.house.resolve(n)...)
	}
	return a
}

// working are those who see what is done on devices: the DCC and the party that
// the drill is about.
func (d *drill) working(more ...string) audience {
	a := audience{places: []string{"dcc/", "key manager/", "smirt/"}}
	for _, b := range d.house.affected {
		a.places = append(a.places, b+"/")
	}
	a.places = append(a.places, more...)
	return a
}

// nobody but the facilitator and observers.
func (d *drill) behind() audience { return audience{} }

func (d *drill) add(e journal.Entry, i Item, a audience) {
	i.Seq, i.At = e.Seq, e.At
	d.feed = append(d.feed, told{i, a})
}

// take folds one entry of the journal in. Kinds that it does not know are passed
// over.
func (d *drill) take(e journal.Entry) error {
	d.entries, d.at = e.Seq, e.At
	switch e.Kind {
	case journal.KindStart:
		return e.Decode(&d.start)
	case journal.KindQuestion, journal.KindDecision, journal.KindNotify, journal.KindInject:
		return d.takeTold(e)
	case journal.KindAct, journal.KindSkip, journal.KindMissed, journal.KindSteer, journal.KindPause:
		return d.takeStep(e)
	case journal.KindSteady, journal.KindFinding, journal.KindClosing, journal.KindOutcome:
		return d.takeFinding(e)
	case journal.KindCustody, journal.KindKeyUse:
		return d.takeKey(e)
	}
	return d.takeWorld(e)
}

// takeTold is what people are told and asked.
func (d *drill) takeTold(e journal.Entry) error {
	switch e.Kind {
	case journal.KindInject:
		var b journal.Inject
		if err := e.Decode(&b); err != nil {
			return err
		}
		a := d.to(b.To...)
		if b.As == "news" {
			a.places = append(a.places, listenerBody+"/press")
		}
		d.done[b.Step] = Done
		d.add(e, Item{Kind: ItemInject, As: b.As, From: b.From, To: b.To, Title: fmt.Sprintf("%s from %s", report.Capital(b.As), b.From), Text: b.Text}, a)
	case journal.KindNotify:
		var b journal.Notify
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Done
		if b.Phase == "due" {
			due, _ := scenario.ParseTime(b.Due)
			d.duties = append(slices.Clone(d.duties), duty{b, due, e.Seq, e.At})
			return nil
		}
		d.settle(b.Step)
		met := "in time"
		if !b.Met {
			met = "too late"
		}
		d.add(e, Item{Kind: ItemTold, From: b.From, To: []string{b.Whom}, Title: fmt.Sprintf("%s was told (%s)", report.Capital(b.Whom), met)}, d.to(b.From, b.Whom))
	case journal.KindQuestion:
		var b journal.Question
		if err := e.Decode(&b); err != nil {
			return err
		}
		q := &question{Question: b, seq: e.Seq, asked: e.At, on: roombook.On{Decision: b.Decision, Asking: b.Asking}}
		q.deadline, _ = scenario.ParseTime(b.Deadline)
		q.expecting, _ = d.house.scenario.Decision(b.Decision)
		q.asEngine = engine.Question{
			Decision: q.expecting, Scenario: d.house.scenario, Seq: e.Seq, Asked: e.At, Deadline: q.deadline, Asking: b.Asking, Last: b.Last,
			Options: b.Options, Voting: b.Voting, Shown: b.Shown,
		}
		if body, is := d.house.scenario.Body(b.Body); is {
			q.asEngine.Body = *body
		}
		d.done[b.Step] = Done
		d.questions = append(slices.Clone(d.questions), q)
	case journal.KindDecision:
		var b journal.Decision
		if err := e.Decode(&b); err != nil {
			return err
		}
		on := roombook.On{Decision: b.Decision, Asking: b.Asking}
		d.questions = slices.DeleteFunc(slices.Clone(d.questions), func(q *question) bool { return q.on == on })
		d.decided = append(slices.Clone(d.decided), decision{b, e.Seq, e.At, on, e.Hash})
		says := ""
		for _, o := range b.Options {
			if o.Name == b.Chosen {
				says = report.Capital(o.Says)
			}
		}
		title := fmt.Sprintf("%s decided %s: %s", d.house.nameOf(b.Body), b.Decision, strings.ToUpper(b.Chosen))
		d.add(e, Item{Kind: ItemDecision, Title: title, Text: says, From: d.house.nameOf(b.Body)}, everybody)
	}
	return nil
}

func (d *drill) settle(step string) {
	i := slices.IndexFunc(d.duties, func(x duty) bool { return x.Step == step })
	if i >= 0 {
		d.duties = slices.Delete(slices.Clone(d.duties), i, i+1)
	}
}
