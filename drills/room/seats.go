package room

import (
	"slices"
	"strings"

	"smki.example/drills/procedure"
	"smki.example/drills/report"
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
				ID: SeatID(b.ID + "/" + m.ID), Kind: MemberSeat, Title: report.Capital(h.bodyName(b)) + ", " + m.Name, Body: b.ID, BodyName: report.Capital(h.bodyName(b)), Member: m.ID,
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
		title := report.Capital(name)
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
		return report.Capital(h.bodyName(b))
	}
	return report.Capital(id)
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
