package room

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// What stands before the slash of a seat that is of no body.
const (
	custodianBody = "custodian"
	listenerBody  = "listener"
)

// A house is the seats of one exercise, made of a procedure pack and a scenario,
// and who is meant by the names that a scenario tells things to. It is not changed
// once it is made.
type house struct {
	pack     *procedure.Pack
	scenario *scenario.Scenario // nil before one is arranged
	seats    []Seat             // without holders; Briefing set
	index    map[SeatID]int
	places   map[SeatID]string // of custodians: the seat as the pack calls it
	affected []string          // bodies of the parties that the drill is about
}

// newHouse makes the seats. Without a scenario there are those of the pack alone.
func newHouse(p *procedure.Pack, s *scenario.Scenario) *house {
	h := &house{pack: p, scenario: s, index: map[SeatID]int{}, places: map[SeatID]string{}}
	h.affected = h.affectedBodies()
	for _, b := range p.Bodies {
		for _, m := range b.Members {
			h.add(Seat{
				ID: SeatID(b.ID + "/" + m.ID), Kind: MemberSeat, Title: capital(h.bodyName(b)) + ", " + m.Name, Body: b.ID, BodyName: capital(h.bodyName(b)), Member: m.ID,
				Vote: m.Vote, Chair: m.ID == "chair", Alternate: m.Alternate, Sample: !b.Verified,
			})
		}
	}
	for _, c := range p.Custodians {
		number := strings.TrimSpace(strings.TrimPrefix(c.Seat, "custodian"))
		id := SeatID(custodianBody + "/" + number)
		h.places[id] = c.Seat
		h.add(Seat{ID: id, Kind: CustodianSeat, Title: "Key Custodian " + number + ", " + c.Party, Body: custodianBody, BodyName: "Key Custodians", Member: c.Seat, Party: c.Party, Sample: !p.Threshold.Verified})
	}
	for _, name := range h.listeners() {
		title := capital(name)
		if words, is := listenerTitles[name]; is {
			title = words
		}
		if s != nil {
			if x, is := s.Party(name); is {
				title = x.Name
			}
		}
		h.add(Seat{ID: SeatID(listenerBody + "/" + name), Kind: ListenerSeat, Title: title, Body: listenerBody, BodyName: "Those who are told", Member: name, Sample: !p.Verified})
	}
	touched := h.touched()
	for i := range h.seats {
		x := &h.seats[i]
		x.Offered = s == nil || slices.ContainsFunc(touched, func(place string) bool { return within(x.ID, place) })
		x.Briefing = h.briefing(*x)
	}
	return h
}

// listenerTitles are abbreviations of a pack's recipients, spelled out.
var listenerTitles = map[string]string{"rdp": "Registration data providers", "secas": "Code administrator (SECAS)", "authority": "The Authority", "other parties": "Other Parties"}

func (h *house) add(s Seat) {
	h.index[s.ID] = len(h.seats)
	h.seats = append(h.seats, s)
}

// seat looks a seat up.
func (h *house) seat(id SeatID) (Seat, bool) {
	i, is := h.index[id]
	if !is {
		return Seat{}, false
	}
	return h.seats[i], true
}

// body returns a body of the pack.
func (h *house) body(id string) (procedure.Body, bool) {
	i := slices.IndexFunc(h.pack.Bodies, func(b procedure.Body) bool { return b.ID == id })
	if i < 0 {
		return procedure.Body{}, false
	}
	return h.pack.Bodies[i], true
}

// bodyName is a body's name, and of a party in the drill the party's.
func (h *house) bodyName(b procedure.Body) string {
	if h.scenario != nil {
		if p, is := h.scenario.Party(b.ID); is && p.Name != "" {
			return p.Name
		}
	}
	return b.Name
}

// nameOf is the name of a body by its id.
func (h *house) nameOf(id string) string {
	if b, is := h.body(id); is {
		return capital(h.bodyName(b))
	}
	return capital(id)
}

// voters are the seats of a body that have a vote.
func (h *house) voters(body string) []Seat {
	var out []Seat
	for _, s := range h.seats {
		if s.Body == body && s.Vote {
			out = append(out, s)
		}
	}
	return out
}

// within says whether a seat is meant by a place: a seat's id, or a body's with a
// slash behind it for all of its seats.
func within(id SeatID, place string) bool {
	return string(id) == place || strings.HasSuffix(place, "/") && strings.HasPrefix(string(id), place)
}

// resolve returns the places that a recipient's name means: a body and its member
// ("pma chair"), a body by id or name, the custodians, the party that the drill is
// about, or somebody who is only told.
func (h *house) resolve(name string) []string {
	for _, b := range h.pack.Bodies {
		if name == b.ID || strings.EqualFold(name, b.Name) {
			return []string{b.ID + "/"}
		}
	}
	for _, b := range h.pack.Bodies {
		if rest, is := strings.CutPrefix(name, b.ID+" "); is {
			if slices.ContainsFunc(b.Members, func(m procedure.Member) bool { return m.ID == rest || m.Name == rest }) {
				for _, m := range b.Members {
					if m.ID == rest || m.Name == rest {
						return []string{b.ID + "/" + m.ID}
					}
				}
			}
		}
	}
	switch name {
	case "custodians":
		return []string{custodianBody + "/"}
	case "affected party":
		var out []string
		for _, b := range h.affected {
			out = append(out, b+"/")
		}
		return out
	case "other parties":
		out := []string{listenerBody + "/" + name}
		if h.scenario != nil {
			for _, p := range h.scenario.Parties {
				if _, is := h.body(p.ID); !is {
					out = append(out, listenerBody+"/"+p.ID)
				}
			}
		}
		return out
	}
	for _, c := range h.pack.Custodians {
		if c.Seat == name {
			return []string{custodianBody + "/" + strings.TrimSpace(strings.TrimPrefix(name, "custodian"))}
		}
	}
	return []string{listenerBody + "/" + name}
}

// listeners are those who can be told and are no body: recipients of the pack, and
// parties of the drill that nobody decides for.
func (h *house) listeners() []string {
	var out []string
	take := func(name string) {
		places := h.resolve(name)
		if len(places) > 0 && places[0] == listenerBody+"/"+name && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, name := range h.pack.Recipients {
		take(name)
	}
	if h.scenario != nil {
		for _, p := range h.scenario.Parties {
			take(p.ID)
		}
	}
	return out
}

// affectedBodies are the bodies of those whose keys the drill's actions are about;
// where no body is, that of the first party that has one.
func (h *house) affectedBodies() []string {
	if h.scenario == nil {
		return nil
	}
	var out []string
	take := func(id string) {
		_, party := h.scenario.Party(id)
		if _, is := h.body(id); is && party && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, e := range events(h.scenario) {
		if e.Do != nil {
			take(e.Do.Object.Text)
		}
	}
	for _, p := range h.scenario.Parties {
		if len(out) == 0 {
			take(p.ID)
		}
	}
	return out
}

// events are everything that a scenario can let happen.
func events(s *scenario.Scenario) []scenario.Event {
	var out []scenario.Event
	for _, i := range s.Timeline {
		out = append(out, i.Event)
	}
	for _, d := range s.Decisions {
		for _, o := range d.Options {
			for _, t := range o.Then {
				out = append(out, t.Event)
			}
		}
	}
	return out
}

// touched are the places that the drill gives something to: they are offered if the
// facilitator does not say which. The committee, the Panel and the press are always
// among them.
func (h *house) touched() []string {
	if h.scenario == nil {
		return nil
	}
	out := []string{"pma/", "panel/", listenerBody + "/press"}
	for _, e := range events(h.scenario) {
		switch {
		case e.Inject != nil:
			for _, to := range e.Inject.To {
				out = append(out, h.resolve(to)...)
			}
		case e.Notify != nil:
			out = append(append(out, h.resolve(e.Notify.Whom)...), h.resolve(e.Notify.From)...)
		}
	}
	for _, d := range h.scenario.Decisions {
		out = append(out, d.Of+"/")
		for _, o := range d.Options {
			if o.Opens != nil {
				out = append(out, custodianBody+"/")
			}
		}
	}
	return out
}

// briefing is what a seat knows before the drill begins. It is made of the pack and
// of what a scenario tells everybody: no inject, option or answer is read here.
func (h *house) briefing(s Seat) []string {
	sample := ""
	if s.Sample {
		sample = " (sample)"
	}
	switch s.Kind {
	case CustodianSeat:
		return h.custodianBriefing(s, sample)
	case ListenerSeat:
		return []string{
			fmt.Sprintf("You are %s. You are told what would reach you, and you decide nothing in this exercise.", s.Title),
			"Ask what you would ask on the day. What you need and do not hear is worth a note: tell the facilitator.",
		}
	}
	b, _ := h.body(s.Body)
	out := []string{fmt.Sprintf("You are %s: %s.", s.BodyName, strings.TrimPrefix(s.Title, s.BodyName+", "))}
	if h.scenario != nil {
		if p, is := h.scenario.Party(s.Body); is {
			out[0] += fmt.Sprintf(" It is a %s.", p.Category)
		}
	}
	vote := "You attend and speak, and have no vote."
	if s.Vote {
		vote = "You have a vote."
	}
	if s.Alternate != "" {
		vote += fmt.Sprintf(" Your alternate: %s.", s.Alternate)
	}
	out = append(out, vote)
	if b.Quorum > 0 {
		casting := "Nobody has a casting vote."
		if c := b.Casting(); c != "" {
			casting = fmt.Sprintf("At a tie the vote of %s counts once more.", c)
		}
		out = append(out, fmt.Sprintf("Nothing is decided with fewer than %d of %d votes; one answer must have %s. %s%s", b.Quorum, b.Votes(), b.Majority, casting, sample))
	}
	if b.Conflict != "" {
		out = append(out, fmt.Sprintf("A member with an interest in what is decided %s%s. Say it before the vote.", b.Conflict, sample))
	}
	if s.Chair {
		out = append(out, "You lead the discussion, call the vote, openly or blind, and close it.")
	}
	if h.scenario != nil {
		for _, id := range h.scenario.Rehearses {
			step, is := h.pack.Step(id)
			if is && !step.Tells && (step.Actor == s.Body || step.Actor == "affected party" && slices.Contains(h.affected, s.Body)) {
				out = append(out, fmt.Sprintf("In this procedure you have a part in this: %s.%s", step.Says, noted(step.Basis)))
			}
		}
	}
	return append(out, "Each question that comes to you says what is known, which answers there are, until when, and what silence means. Silence never opens a key.")
}

func (h *house) custodianBriefing(s Seat, sample string) []string {
	place := h.places[s.ID]
	var keys []string
	for _, secret := range procedure.Secrets() {
		if c := h.pack.CustodyOf(secret); slices.Contains(c.Seats, place) {
			keys = append(keys, fmt.Sprintf("the %s (%d of %d shares open it, from %d Parties)", keyWords(secret), c.Shares, len(c.Seats), c.Parties))
		}
	}
	out := []string{fmt.Sprintf("You are a Key Custodian, employed by %s. Alone you can open nothing.%s", s.Party, sample)}
	if len(keys) > 0 {
		out = append(out, "You hold a share of "+strings.Join(keys, ", and of ")+sample+".")
	}
	for _, c := range h.pack.Custodians {
		if c.Seat == place && c.Travel > 0 {
			out = append(out, fmt.Sprintf("When you are called it takes you %s to come%s.", spell(c.Travel), sample))
		}
	}
	return append(out,
		"Your envelope holds four words. When you are there and are asked for your share, compare the words of the authorisation with those of the decision on the screen, then type the four words in.",
		"If you believe that the decision is not what you are asked to act on, keep your share back and say why.")
}

// keyWords is a key as people call it.
func keyWords(key string) string {
	label := key
	if i := strings.LastIndexByte(key, '-'); i > 0 && strings.Trim(key[i+1:], "0123456789") == "" {
		label = key[:i]
	}
	switch label {
	case "recovery":
		return "Recovery key"
	case "contingency":
		return "Contingency key"
	case "symmetric key", "contingency-symmetric":
		return "symmetric key of the Contingency key"
	}
	return label
}

func noted(b procedure.Basis) string {
	if b.Note() == "" {
		return ""
	}
	return " (" + b.Note() + ")"
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// clock is scenario time as people read it.
func clock(d time.Duration) string { return scenario.FormatTime(d.Truncate(time.Minute)) }

// spell writes a length of time in words.
func spell(d time.Duration) string {
	h, m := int(d/time.Hour), int(d/time.Minute)%60
	switch {
	case h == 0:
		return plural(m, "minute")
	case m == 0:
		return plural(h, "hour")
	}
	return plural(h, "hour") + " and " + plural(m, "minute")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
