package room

import (
	"fmt"
	"maps"
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
		d.add(e, Item{Kind: ItemInject, As: b.As, From: b.From, To: b.To, Title: fmt.Sprintf("%s from %s", capital(b.As), b.From), Text: b.Text}, a)
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
		d.add(e, Item{Kind: ItemTold, From: b.From, To: []string{b.Whom}, Title: fmt.Sprintf("%s was told (%s)", capital(b.Whom), met)}, d.to(b.From, b.Whom))
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
				says = capital(o.Says)
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

// shown are the verbs of which those hear who work on the recovery. What is not
// among them is the scenario's own hand: an intruder at work, a share that is lost, a
// token that fails.
var shown = []string{
	"replace", "hand over", "change supplier", "freeze", "release", "raise thresholds", "lower thresholds", "exit quarantine", "notify file", "revoke", "defer revocation",
	"publish", "read back", "report progress", "open", "close", "renew", "reissue", "renew devices", "destroy",
}

// takeStep is what the scenario and the facilitator do.
func (d *drill) takeStep(e journal.Entry) error {
	switch e.Kind {
	case journal.KindAct:
		var b journal.Act
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Done
		a := d.behind()
		if slices.Contains(shown, b.Verb) {
			a = d.working()
		}
		says := strings.TrimSpace(b.Verb + " " + b.Object)
		if by := b.Params["by"]; by != "" {
			says += " by " + by
		}
		switch {
		case b.Verb == "open" && b.Result != "refused":
			// What comes of it the custodians' entries tell.
		case b.Phase == "begin":
			d.add(e, Item{Kind: ItemAct, Title: capital(says)}, a)
		case b.Result != "done":
			d.add(e, Item{Kind: ItemAct, Title: capital(says) + ": " + b.Result, Text: b.Error}, a)
		}
	case journal.KindSkip:
		var b journal.Skip
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Skipped
		if !b.RuledOut {
			d.add(e, Item{Kind: ItemMissed, Title: "Left out: " + b.What, Text: b.Why}, d.behind())
		}
	case journal.KindMissed:
		var b journal.Missed
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.done[b.Step] = Missed
		d.add(e, Item{Kind: ItemMissed, Title: "Missed: " + b.What, Text: b.Why}, d.behind())
	case journal.KindSteer:
		var b journal.Steer
		if err := e.Decode(&b); err != nil {
			return err
		}
		if b.Refused == "" {
			d.steered[b.Step] = Steering(b.Did)
		}
		d.add(e, Item{Kind: ItemPause, Title: fmt.Sprintf("The facilitator: %s step %s", b.Did, b.Step), Text: strings.TrimSpace(b.Why + " " + b.Refused)}, d.behind())
	case journal.KindPause:
		var b journal.Pause
		if err := e.Decode(&b); err != nil {
			return err
		}
		title := map[string]string{"pause": "The exercise is paused", "resume": "The exercise goes on", "abort": "The exercise is broken off"}[b.Phase]
		d.add(e, Item{Kind: ItemPause, Title: title, Text: capital(b.Why)}, everybody)
	}
	return nil
}

// takeFinding is what was found out, and the end.
func (d *drill) takeFinding(e journal.Entry) error {
	found := func(held bool, title, text string, a audience) {
		word := "Held: "
		if !held {
			word = "NOT held: "
		}
		d.add(e, Item{Kind: ItemFinding, Title: word + title, Text: text, Good: &held}, a)
	}
	switch e.Kind {
	case journal.KindSteady:
		var b journal.Steady
		if err := e.Decode(&b); err != nil {
			return err
		}
		a := d.behind()
		if b.When == "after" {
			a = everybody
		}
		found(b.Held, b.Says, b.Found, a)
	case journal.KindFinding:
		var b journal.Finding
		if err := e.Decode(&b); err != nil {
			return err
		}
		found(b.Held, b.Says, b.Found, everybody)
	case journal.KindClosing:
		var b journal.Closing
		if err := e.Decode(&b); err != nil {
			return err
		}
		found(b.Held, b.Check, b.Found, everybody)
	case journal.KindOutcome:
		var b journal.Outcome
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.outcome = &b
		d.questions, d.duties = nil, nil
		text := map[string]string{engine.Held: "The system held.", engine.NotHeld: "The system did not hold."}[b.Finding]
		d.add(e, Item{Kind: ItemOutcome, Title: "The drill is over: " + b.Outcome, Text: strings.TrimSpace(text + " " + capital(b.Why))}, everybody)
	}
	return nil
}

// takeKey is what becomes of a key that custodians hold: the whole room sees it.
func (d *drill) takeKey(e journal.Entry) error {
	if e.Kind == journal.KindKeyUse {
		var b verbs.KeyUse
		if err := e.Decode(&b); err != nil || d.firsts[b.Authorisation] {
			return err
		}
		d.firsts[b.Authorisation] = true
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The first command is signed with the %s", keyWords(b.Key)),
			Text: fmt.Sprintf("To device %s, in the name of the decision of entry %d.", b.Device, b.Decision)}, everybody)
		return nil
	}
	var b verbs.Custody
	if err := e.Decode(&b); err != nil {
		return err
	}
	words := keyWords(b.Key)
	i := slices.IndexFunc(d.calls, func(o opening) bool { return o.key == b.Key })
	if i < 0 {
		d.calls = append(d.calls, opening{key: b.Key, result: -1})
		i = len(d.calls) - 1
	}
	o := &d.calls[i]
	switch {
	case b.Closed:
		o.open, o.expected = false, 0
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is closed", words), Text: fmt.Sprintf("It signed %s.", plural(b.Uses, "command"))}, everybody)
	case b.Opened:
		o.open, o.result = true, e.At
		var given []string
		for _, s := range b.Shares {
			if s.Given {
				given = append(given, fmt.Sprintf("%s (%s)", s.Custodian, s.Party))
			}
		}
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is open", words), Text: fmt.Sprintf("%d of %d shares are needed; given by %s.", b.Needed, b.Of, strings.Join(given, ", "))}, everybody)
	case b.Refused != "":
		o.expected, o.result = 0, e.At
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The %s is not opened", words), Text: capital(b.Refused)}, everybody)
	case b.Expected != "":
		o.expected, _ = journal.ParseAt(b.Expected)
		d.add(e, Item{Kind: ItemKey, Title: fmt.Sprintf("The custodians of the %s are called", words),
			Text: fmt.Sprintf("%d of %d are needed; enough of them are expected at %s (sample).", b.Needed, b.Of, clock(o.expected))}, everybody)
	}
	return nil
}

// takeWorld is what devices said, and what was done with certificates.
func (d *drill) takeWorld(e journal.Entry) error {
	devices := func(title, text string, a audience) {
		d.add(e, Item{Kind: ItemDevices, Title: title, Text: text}, a)
	}
	switch e.Kind {
	case journal.KindShard:
		var b verbs.Shard
		if err := e.Decode(&b); err != nil {
			return err
		}
		a := d.working()
		if strings.Contains(b.Campaign, "intruder") {
			// Nobody sees a stranger's commands; what they did, devices tell when asked.
			a = d.behind()
		}
		text := counts(b.Outcomes)
		if len(b.Reasons) > 0 {
			text += " (" + counts(b.Reasons) + ")"
		}
		devices("Devices answered: "+strings.TrimLeft(b.Campaign, "0123456789 "), text, a)
	case verbs.KindReadBack:
		var b verbs.ReadBack
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(fmt.Sprintf("%s were asked whose key they trust as %s's", plural(b.Sample, "device"), b.Party), counts(b.Holding), d.working())
	case verbs.KindProgress:
		var b verbs.Checkpoint
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices("Progress file of "+b.Party, counts(b.Counts), d.working("pma/"))
	case verbs.KindFile:
		var b verbs.FileExchanged
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(fmt.Sprintf("%s of %s", capital(b.What), b.Party), counts(b.Counts), d.working())
	case verbs.KindDeviceKeys:
		var b verbs.DeviceKeysRenewed
		if err := e.Decode(&b); err != nil {
			return err
		}
		devices(b.Work, counts(b.Outcomes), d.working())
	case journal.KindCRL:
		var b verbs.CRLPublished
		if err := e.Decode(&b); err != nil {
			return err
		}
		if e.Seq > 0 && d.at > 0 {
			devices(fmt.Sprintf("List %d of revoked certificates is published by %s", b.Number, b.Issuer), plural(b.Entries, "certificate")+" on it", d.working())
		}
	case verbs.KindNotice:
		var b verbs.Notice
		if err := e.Decode(&b); err != nil {
			return err
		}
		d.add(e, Item{Kind: ItemNotice, Title: capital(b.Text)}, everybody)
	case verbs.KindDeferral:
		var b verbs.Deferred
		if err := e.Decode(&b); err != nil {
			return err
		}
		title := fmt.Sprintf("%s: revocation is put off until %s", b.Party, b.Until)
		if b.Ended {
			title = fmt.Sprintf("%s: the time for which revocation was put off is over", b.Party)
		}
		devices(title, capital(b.Reason), d.working("pma/"))
	}
	return nil
}

// counts writes counts by name.
func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// situation is a picture as a view has it.
func situation(p *verbs.Picture, all bool, forecast []ForecastCurve) *Situation {
	if p == nil {
		return nil
	}
	x := *p
	if !all {
		x = x.Seen()
	}
	out := &Situation{
		At: x.At, Devices: x.Devices, Premises: x.Premises, Prepayment: x.Prepayment, Wall: x.Wall, WallOf: x.WallOf, OffSupply: x.OffSupply, TopUps: x.TopUps,
		SiteVisits: x.SiteVisits, Sent: x.Sent, Refused: x.Refused, CRLNumber: x.CRLNumber, Revoked: x.Revoked, Sample: x.Sample, Forecast: forecast,
	}
	states := func(in []verbs.StateCount) []Count {
		list := make([]Count, len(in))
		for i, c := range in {
			list[i] = Count(c)
		}
		return list
	}
	out.States = states(x.States)
	for _, r := range x.Regions {
		out.Regions = append(out.Regions, RegionState{Name: r.Name, Devices: r.Devices, States: states(r.States)})
	}
	for _, k := range x.Keys {
		out.Keys = append(out.Keys, KeyState{Key: k.Key, Words: k.Words, Open: k.Open, Expected: k.Expected, Uses: k.Uses})
	}
	for _, c := range x.Curve {
		out.Curve = append(out.Curve, report.Point{At: c.At, Devices: c.Devices})
	}
	return out
}
