package console

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"smki.example/drills/msel"
	"smki.example/drills/report"
	"smki.example/drills/room"
	"smki.example/drills/scenario"
)

// A Speaker is a Room that says which words its drills may use, so that a scenario
// can be checked while it is typed. *room.Room is one.
type Speaker interface {
	Vocabulary() scenario.Vocabulary
}

// uploadMost bounds a file that is uploaded, with the form around it.
const uploadMost = msel.MaxBytes + 64<<10

// A draft is a scenario that is being written and is not arranged yet.
type draft struct {
	Text     string
	File     string // that it was read from
	Checked  bool
	Unable   string // why it could not be checked
	Problems []problem
	Scenario *scenario.Scenario // if there are none
	List     *msel.List         // if it was read from a spreadsheet
}

// A problem is something wrong with a scenario as typed.
type problem struct {
	Line, Col    int
	What         string
	Before, Rest string // of the line, at the place
}

// Asks counts the decisions of the draft, Tells its injects.
func (d *draft) Asks() int { return len(d.Scenario.Decisions) }

// Tells is how many lines of the timeline tell people something.
func (d *draft) Tells() int {
	n := 0
	for _, i := range d.Scenario.Timeline {
		if i.Inject != nil {
			n++
		}
	}
	return n
}

// check fills in what is wrong with a draft.
func (c *Console) check(d *draft) {
	speaker, can := c.room.(Speaker)
	if !can {
		d.Unable = "This room checks a scenario when it is kept, not while it is typed."
		return
	}
	if strings.TrimSpace(d.Text) == "" {
		d.Unable = "There is nothing to check yet."
		return
	}
	d.Checked = true
	s, err := scenario.Parse("scenario.yaml", []byte(d.Text), speaker.Vocabulary())
	if err == nil {
		d.Scenario = s
		return
	}
	lines := strings.Split(d.Text, "\n")
	var all scenario.Errors
	if !errors.As(err, &all) {
		d.Problems = []problem{{Line: 1, Col: 1, What: err.Error()}}
		return
	}
	for _, e := range all {
		p := problem{Line: e.Pos.Line, Col: e.Pos.Col, What: e.What}
		if n := e.Pos.Line - 1; n >= 0 && n < len(lines) {
			p.Before, p.Rest = around([]rune(strings.TrimRight(lines[n], "\r")), e.Pos.Col-1)
		}
		d.Problems = append(d.Problems, p)
	}
}

// around cuts a line at a place, and leaves of a long one what stands near it.
func around(line []rune, at int) (before, rest string) {
	const near = 50
	at = min(max(at, 0), len(line))
	from, to := max(0, at-near), min(len(line), at+near)
	before, rest = strings.TrimLeft(string(line[from:at]), " "), string(line[at:to])
	if from > 0 {
		before = "…" + before
	}
	if to < len(line) {
		rest += "…"
	}
	return before, rest
}

// checkScenario answers what is wrong with a scenario as it is typed: a part of the
// page with scripts, the page without.
func (c *Console) checkScenario(w http.ResponseWriter, r *http.Request) {
	v := c.facilitating(w, r)
	if v == nil || !c.read(w, r, largeForm) {
		return
	}
	if err := c.own(r, v); err != nil {
		c.say(w, r, http.StatusForbidden, "Nothing was checked", "This was refused, because "+err.Error()+". Load the page again.")
		return
	}
	f := &fields{Values: r.PostForm}
	d := &draft{Text: f.script("text")}
	if f.err != nil {
		d.Unable = f.err.Error()
	} else {
		c.check(d)
	}
	if r.Header.Get("HX-Request") == "true" {
		p := c.of(v, nil, nil)
		p.Draft = d
		c.show(w, p.screen, http.StatusOK, "problems", p)
		return
	}
	c.showDraft(w, r, v, d)
}

// upload reads a scenario, or a planner's list of injects, from a file into the
// editor. Nothing is arranged by it.
func (c *Console) upload(w http.ResponseWriter, r *http.Request) {
	v := c.facilitating(w, r)
	if v == nil {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, uploadMost)
	if err := r.ParseMultipartForm(uploadMost); err != nil {
		c.say(w, r, http.StatusRequestEntityTooLarge, "The file cannot be read", fmt.Sprintf("A scenario or a list may have %s octets. Go back, and choose a smaller file: of a spreadsheet, the sheet of injects alone.", report.Thousands(msel.MaxBytes)))
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	if err := c.own(r, v); err != nil {
		c.say(w, r, http.StatusForbidden, "Nothing was read", "This was refused, because "+err.Error()+". Load the page again.")
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		c.showRefused(w, r, v, "No file was chosen. Choose a scenario (.yaml) or a planner's list (.csv) first.")
		return
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, msel.MaxBytes+1))
	if err != nil {
		c.showRefused(w, r, v, "The file could not be read. Choose it again.")
		return
	}
	d := &draft{File: cleanLine(filepath.Base(strings.ReplaceAll(header.Filename, `\`, "/")))}
	switch strings.ToLower(filepath.Ext(d.File)) {
	case ".csv", ".txt", ".tsv", ".xlsx", ".xls", ".ods":
		d.List, err = msel.Read(d.File, b, c.vocabulary())
		if err != nil {
			c.showRefused(w, r, v, report.Capital(err.Error())+".")
			return
		}
		d.Text = string(d.List.Scenario(msel.Frame{Label: c.label()}))
	default:
		if !utf8.Valid(b) || len(b) > scriptMax {
			c.showRefused(w, r, v, fmt.Sprintf("%q is no scenario: it must be a text in UTF-8 of at most %s octets.", d.File, report.Thousands(scriptMax)))
			return
		}
		d.Text = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	c.check(d)
	c.showDraft(w, r, v, d)
}

// facilitating is the visitor if they are the facilitator; else it has answered.
func (c *Console) facilitating(w http.ResponseWriter, r *http.Request) *visitor {
	v := c.visitor(r)
	if v == nil || v.role != room.Facilitator {
		c.say(w, r, http.StatusForbidden, "This is the facilitator's", "Only the facilitator arranges what is played. Nothing was done.")
		return nil
	}
	return v
}

// showDraft shows the page with a draft in its editor.
func (c *Console) showDraft(w http.ResponseWriter, r *http.Request, v *visitor, d *draft) {
	p, err := c.now(v, map[string][]string{"at": {"text"}})
	if err != nil {
		c.outage(w, r, err)
		return
	}
	p.Draft = d
	c.show(w, p.screen, http.StatusOK, "frame", p)
}

func (c *Console) showRefused(w http.ResponseWriter, r *http.Request, v *visitor, why string) {
	p, err := c.now(v, map[string][]string{"at": {"text"}})
	if err != nil {
		c.outage(w, r, err)
		return
	}
	c.show(w, p.screen, http.StatusUnprocessableEntity, "frame", p.refused(why))
}

func (c *Console) vocabulary() scenario.Vocabulary {
	if s, can := c.room.(Speaker); can {
		return s.Vocabulary()
	}
	return scenario.Vocabulary{}
}

// label is that of a list which names none: AMBER where there is one.
func (c *Console) label() string {
	labels := c.vocabulary().Labels
	if len(labels) == 0 || slices.Contains(labels, "AMBER") {
		return "AMBER"
	}
	return labels[len(labels)-1]
}

// Editor is the text that stands in the editor: what was refused, what was read from
// a file, or what is arranged.
func (p *page) Editor() string {
	switch {
	case p.wasAct == "arrange":
		return p.was.Get("text")
	case p.Draft != nil:
		return p.Draft.Text
	case p.Sheet != nil:
		return p.Sheet.Source
	}
	return ""
}

// Arranged says that something is chosen to be played.
func (p *page) Arranged() bool { return p.Exercise.Scenario != "" }

// Offers says that a seat is ticked.
func (p *page) Offers(s room.Seat) bool {
	if p.wasAct == "arrange" {
		return slices.Contains(p.was["seat"], string(s.ID))
	}
	return s.Offered
}
