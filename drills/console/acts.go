package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A deed is an act as a form: POST /act/NAME. Whether the person may do it is the
// room's to say.
type deed struct {
	done string // what the page says when it is done
	most int64  // octets of the form; 0: smallForm
	act  func(f *fields) room.Act
}

// deeds are all acts. A form's fields have the names that stand here; besides them a
// form may have "back", the address of the page that it is on.
var deeds = map[string]deed{
	"arrange": {done: "The exercise is arranged.", most: largeForm, act: func(f *fields) room.Act {
		a := room.Arrange{
			Scenario: f.id("scenario"), Text: f.script("text"), Devices: int(f.whole("devices")), Seed: f.whole("seed"), Speed: f.ratio("speed"),
			Solo: f.flag("solo"), SoloDecides: f.flag("solo-decides"), Blind: f.flag("blind"), Score: f.flag("score"),
		}
		for _, s := range f.Values["seat"] {
			a.Seats = append(a.Seats, room.SeatID(s))
		}
		return a
	}},
	"open-doors": {done: "People can join now.", act: func(*fields) room.Act { return room.OpenDoors{} }},
	"begin":      {done: "The drill begins.", act: func(*fields) room.Act { return room.Begin{} }},

	"take-seat":  {done: "The seat is yours.", act: func(f *fields) room.Act { return room.TakeSeat{Seat: f.seat("seat"), Alternate: f.flag("alternate")} }},
	"leave-seat": {done: "The seat is free.", act: func(f *fields) room.Act { return room.LeaveSeat{Seat: f.seat("seat")} }},
	"move": {done: "It is done.", act: func(f *fields) room.Act {
		return room.Move{Seat: f.seat("seat"), Person: room.PersonID(f.id("person"))}
	}},

	"declare": {done: "Your interest is recorded.", act: func(f *fields) room.Act {
		return room.Declare{Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking(), Interest: f.text("interest", textMost), Withdrawn: f.flag("withdrawn")}
	}},
	"assess": {done: "The finding is recorded.", act: func(f *fields) room.Act {
		return room.Assess{
			Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking(), Factor: f.id("factor"),
			Finding: f.text("finding", textMost), Evidence: f.text("evidence", textMost),
		}
	}},
	"call-vote": {done: "The vote is called.", act: func(f *fields) room.Act {
		return room.CallVote{Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking(), Blind: f.flag("blind")}
	}},
	"vote": {done: "Your vote is recorded. You can change it until the vote is closed.", act: func(f *fields) room.Act {
		v := room.Vote{Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking(), Option: f.id("option"), Reason: f.line("reason", lineMost)}
		switch v.Option {
		case "": // a form without a choice is no abstention
			f.wrong("Choose an option, or that you abstain, and send your vote again.")
		case abstain:
			v.Option = ""
		}
		return v
	}},
	"reveal": {done: "The votes are shown.", act: func(f *fields) room.Act {
		return room.Reveal{Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking()}
	}},
	"close-vote": {done: "The vote is closed, and is being counted.", act: func(f *fields) room.Act {
		return room.CloseVote{Seat: f.seat("seat"), Decision: f.id("decision"), Asking: f.asking(), Reason: f.text("reason", textMost)}
	}},
	"give-share": {done: "The envelope's code is entered.", act: func(f *fields) room.Act {
		return room.GiveShare{Seat: f.seat("seat"), Key: f.id("key"), Code: f.line("code", lineMost)}
	}},
	"withhold-share": {done: "Your share is kept back, and the record says so.", act: func(f *fields) room.Act {
		return room.GiveShare{Seat: f.seat("seat"), Key: f.id("key"), Withhold: true}
	}},
	"tell-whom": {done: "They are told, and the record says when.", act: func(f *fields) room.Act { return room.TellWhom{Seat: f.seat("seat"), Step: f.id("step")} }},

	"pause":  {done: "The clock stands.", act: func(f *fields) room.Act { return room.Pause{Why: f.line("why", lineMost)} }},
	"resume": {done: "The clock goes on.", act: func(f *fields) room.Act { return room.Resume{Why: f.line("why", lineMost)} }},
	"pace":   {done: "The pace is set.", act: func(f *fields) room.Act { return room.Pace{Speed: f.ratio("speed")} }},
	"jump":   {done: "The clock goes to the next thing that is due.", act: func(*fields) room.Act { return room.Jump{} }},
	"steer": {done: "It is done.", act: func(f *fields) room.Act {
		return room.Steer{Step: f.id("step"), Did: room.Steering(f.id("did")), Why: f.line("why", lineMost)}
	}},
	"go-back": {done: "The drill is played again up to that decision.", act: func(f *fields) room.Act {
		return room.GoBack{Decision: f.id("decision"), Asking: f.asking()}
	}},
	"stop": {done: "The drill is broken off.", act: func(f *fields) room.Act { return room.Stop{Why: f.line("why", lineMost)} }},

	"jot": {done: "The note is kept.", act: func(f *fields) room.Act {
		return room.Jot{Text: f.text("text", textMost), Tag: room.Tag(f.id("tag")), Entry: f.whole("entry"), Private: f.flag("private")}
	}},
	"rate": {done: "The rating is kept.", act: func(f *fields) room.Act {
		return room.Rate{Objective: f.id("objective"), Rating: room.Rating(f.id("rating")), Evidence: f.text("evidence", textMost)}
	}},
	"answer": {done: "Thank you. Your answers are kept.", act: func(f *fields) room.Act {
		a := room.Answer{Answers: make(map[string]int), Well: f.text("well", textMost), Better: f.text("better", textMost)}
		for name := range f.Values {
			if id, ok := strings.CutPrefix(name, "answer-"); ok {
				if n := f.whole(name); n > 0 {
					a.Answers[id] = int(n)
				}
			}
		}
		return a
	}},
	"correct": {done: "The correction is added.", act: func(f *fields) room.Act {
		return room.Correct{Seat: f.seat("seat"), Entry: f.whole("entry"), Book: f.whole("book"), Text: f.text("text", textMost)}
	}},
	"plan": {done: "The improvement plan is changed.", act: func(f *fields) room.Act {
		return room.Plan{
			Number: int(f.whole("number")), What: f.text("what", textMost), Owner: f.line("owner", lineMost), From: f.text("from", textMost),
			Due: f.day("due"), Done: f.flag("done"), Drop: f.flag("drop"),
		}
	}},
	"risk": {done: "The risk list is changed.", act: func(f *fields) room.Act {
		return room.RiskLeft{
			Number: int(f.whole("number")), What: f.text("what", textMost), Owner: f.line("owner", lineMost),
			Likelihood: f.id("likelihood"), Devices: int(f.whole("devices")), Drop: f.flag("drop"),
		}
	}},
	"write":  {done: "The text is kept.", act: func(f *fields) room.Act { return room.Write{Part: f.id("part"), Text: f.text("text", textMost)} }},
	"finish": {done: "The record is sealed and the exercise is closed.", act: func(*fields) room.Act { return room.Finish{} }},
}

// abstain is the choice of a vote that is an abstention.
const abstain = "(abstain)"

// asking is which asking of a decision a form is about.
func (f *fields) asking() int { return int(f.whole("asking")) }

// script is a scenario as typed, letter by letter: only the ends of its lines are
// made the same.
func (f *fields) script(name string) string {
	s := strings.ReplaceAll(f.Get(name), "\r\n", "\n")
	if len(s) > scriptMax {
		f.wrong("A scenario may have %s octets, and yours has %s. Shorten it and send it again.", report.Thousands(scriptMax), report.Thousands(len(s)))
	}
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return s
}

// back is what an address in a form may look like: one of ours, without a host.
var back = regexp.MustCompile(`^/(?:[A-Za-z0-9?&=_.-][A-Za-z0-9/?&=_.%-]*)?(?:#[A-Za-z0-9_-]+)?$`)

// act does what a form asks. With scripts the answer is a line for the page's live
// region; without, the page again.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	deed, ok := deeds[name]
	most := deed.most
	if most == 0 {
		most = smallForm
	}
	v := c.visitor(r)
	switch {
	case v == nil:
		c.say(w, r, http.StatusForbidden, "You have not joined", "Join the exercise first. Nothing was done.")
		return
	case !ok:
		c.say(w, r, http.StatusNotFound, "There is nothing of this name to do", "Load the page again.")
		return
	case !c.read(w, r, most):
		return
	}
	if err := c.own(r, v); err != nil {
		c.log.Warn("a form was refused", "person", string(v.person), "act", name, "error", err)
		c.say(w, r, http.StatusForbidden, "Nothing was done", "This was refused, because "+err.Error()+". Load the page again and repeat what you did.")
		return
	}
	f := &fields{Values: r.PostForm}
	a := deed.act(f)
	if f.err != nil {
		c.refuse(w, r, v, name, http.StatusUnprocessableEntity, f.err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	err := c.room.Do(ctx, v.person, a)
	var refusal *room.Refusal
	switch {
	case errors.As(err, &refusal):
		c.refuse(w, r, v, name, http.StatusConflict, refusal.Why)
	case err != nil:
		n := number()
		c.log.Error("an act could not be done", "person", string(v.person), "act", name, "number", n, "error", err)
		c.refuse(w, r, v, name, http.StatusServiceUnavailable,
			"It could not be recorded just now. Look whether the page shows it; if it does not, try again, and tell the facilitator the number "+n+".")
	case r.Header.Get("HX-Request") == "true":
		w.Header().Set("X-Done", name)
		c.show(w, c.screens[v.role], http.StatusOK, "said", c.of(v, nil, nil).told(deed.done))
	default:
		w.Header().Set("Location", backTo(f.Get("back"), name))
		w.WriteHeader(http.StatusSeeOther)
	}
}

// refuse says why something was not done, where it was asked for: with scripts in
// the page's live region, without on the page, with what was typed.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, v *visitor, act string, status int, why string) {
	if r.Header.Get("HX-Request") == "true" {
		// The page is as it should be, so this is no error of HTTP.
		c.show(w, c.screens[v.role], http.StatusOK, "said", c.of(v, nil, nil).refused(why))
		return
	}
	query := url.Values{}
	if at, err := url.Parse(r.PostForm.Get("back")); err == nil && back.MatchString(r.PostForm.Get("back")) {
		query = at.Query()
	}
	p, err := c.now(v, query)
	if err != nil {
		c.outage(w, r, err)
		return
	}
	p.refused(why)
	p.was, p.wasAct = r.PostForm, act
	c.show(w, p.screen, status, "frame", p)
}

func (p *page) told(what string) *page    { p.Told = what; return p }
func (p *page) refused(what string) *page { p.Refused = what; return p }

// backTo is the page that a form came from, with what is done.
func backTo(to, did string) string {
	if !back.MatchString(to) || strings.HasPrefix(to, "//") {
		to = "/"
	}
	at, err := url.Parse(to)
	if err != nil {
		at = &url.URL{Path: "/"}
	}
	q := at.Query()
	q.Set("told", did)
	at.RawQuery = q.Encode()
	return at.String()
}

// Abstain is the value of the choice to abstain, for the templates.
func (p *page) Abstain() string { return abstain }

// Back is the hidden field that leads back to the page that a form is on, and to a
// part of it.
func (p *page) Back(part string) template.HTML {
	to := "/"
	query := url.Values{}
	for k, v := range p.Query {
		if k != "told" {
			query[k] = v
		}
	}
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	if part != "" {
		to += "#" + part
	}
	return template.HTML(`<input type="hidden" name="back" value="` + template.HTMLEscapeString(to) + `">`)
}
