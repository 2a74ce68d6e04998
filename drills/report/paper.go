package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
)

// A Reader is whom a paper is for. What a player may not know before the drill is
// in no paper of a player.
type Reader string

// The readers of papers.
const (
	Player      Reader = "player"
	Facilitator Reader = "facilitator"
	Observer    Reader = "observer"
)

// Readers lists them.
func Readers() []Reader { return []Reader{Player, Facilitator, Observer} }

// A Paper is what a committee gets days ahead of a drill: one document, for one
// kind of reader, that prints on A4 ([Paper.HTML], [Paper.PDF]). It is made from
// the scenario and the procedure pack alone.
type Paper struct {
	Label string // of every page
	Title string
	Sub   string
	Foot  string // of every page of a PDF; empty: Sub
	Large bool   // large print: 18 points
	Parts []part
}

// A part is one piece of a paper; kind says which of the other fields it has.
type part struct {
	Kind   string // heading, sub, text, note, list, table, facts, decided, sign, drawing, plot, card, page
	Text   string
	Items  []string
	Head   []string
	Rows   [][]string
	Widths []float64 // of a table's columns, in parts of the page's width
	Matrix bool      // a table of letters, one a run
	Draw   *drawing
	Plot   *plot
	Card   *card
}

// A card is an inject to be handed to somebody, on a sheet of its own.
type card struct {
	Label, Number, At, As, From, To, Text, Only string
}

func (p *Paper) add(parts ...part)   { p.Parts = append(p.Parts, parts...) }
func (p *Paper) heading(text string) { p.add(part{Kind: "heading", Text: text}) }
func (p *Paper) sub(text string)     { p.add(part{Kind: "sub", Text: text}) }
func (p *Paper) text(text string)    { p.add(part{Kind: "text", Text: text}) }

// said is what somebody wrote, a paragraph at a time.
func (p *Paper) said(text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			p.text(paragraph)
		}
	}
}

func (p *Paper) note(text string)     { p.add(part{Kind: "note", Text: text}) }
func (p *Paper) list(items ...string) { p.add(part{Kind: "list", Items: items}) }

func (p *Paper) table(widths []float64, head []string, rows [][]string) {
	if len(rows) > 0 {
		p.add(part{Kind: "table", Widths: widths, Head: head, Rows: rows})
	}
}

// facts are labels with their texts; a row without a text is left out.
func (p *Paper) facts(rows [][2]string) {
	var kept [][]string
	for _, r := range rows {
		if r[1] != "" {
			kept = append(kept, r[:])
		}
	}
	if len(kept) > 0 {
		p.add(part{Kind: "facts", Rows: kept})
	}
}

// NewPaper makes the paper of a drill for one kind of reader.
func NewPaper(s *scenario.Scenario, pack *procedure.Pack, reader Reader, large bool) (*Paper, error) {
	if !slices.Contains(Readers(), reader) {
		return nil, fmt.Errorf("making papers: nobody is called %q: player, facilitator or observer", reader)
	}
	p := &Paper{Label: higher(pack, s.Label, pack.Label), Title: s.Title, Large: large}
	w := &writer{Paper: p, s: s, pack: pack}
	who := map[Reader]string{Player: "Papers for players", Facilitator: "Papers for the facilitator", Observer: "Papers for observers"}[reader]
	p.Sub = fmt.Sprintf("%s. Drill %s, about %d minutes of play.", who, s.ID, s.Minutes)
	if reader == Player {
		// A title says what happened: "a false alarm" is the answer.
		p.Title = "Exercise " + s.ID
	} else {
		// What holds answers is confidential by default, and a mix takes the highest class.
		p.Label = higher(pack, p.Label, pack.Confidential())
		w.note("This paper holds answers. It is not for players before the drill is over.")
	}
	w.front()
	switch reader {
	case Player:
		w.player()
	case Facilitator:
		w.facilitator()
	case Observer:
		w.observer()
	}
	return p, nil
}

// higher is the higher of two labels of a pack.
func higher(pack *procedure.Pack, a, b string) string {
	if slices.Index(pack.Labels, b) > slices.Index(pack.Labels, a) {
		return b
	}
	return a
}

// A writer fills a paper.
type writer struct {
	*Paper
	s    *scenario.Scenario
	pack *procedure.Pack
}

// front is what every paper begins with.
func (w *writer) front() {
	w.text("This is an exercise. Every key, device, name and message in it is made for it; nothing that is decided here touches a live system.")
	if w.draft() {
		w.note("Draft, unreviewed: order, timing and answers of this drill are reasoning from public texts. No SMKI PMA or DCC practitioner has read it.")
	}
	if !w.pack.Verified {
		w.note(fmt.Sprintf("Procedure: %s, version %d. %s. What it says of steps, times, quorum and custodians is sample data.", w.pack.Title, w.pack.Version, w.pack.Source))
	}
	if h, is := w.pack.HandlingOf(w.Label); is {
		w.text(fmt.Sprintf("How to treat this paper (%s): %s; %s. Kept %s.%s", w.Label, h.Says, h.Rule, h.Keep, sampleNote(h.Basis)))
	}
}

func sampleNote(b procedure.Basis) string {
	if b.Note() == "" {
		return ""
	}
	return " (" + b.Note() + ")"
}

// draft says whether the scenario's own file calls itself unreviewed.
func (w *writer) draft() bool { return strings.Contains(w.hidden(), "UNREVIEWED") }

// hidden are the comments at the head of the file, which are for those who run the
// drill.
func (w *writer) hidden() string {
	var out []string
	for line := range strings.Lines(string(w.s.Source)) {
		text, comment := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !comment && strings.TrimSpace(line) != "" {
			break
		}
		out = append(out, strings.TrimSpace(text))
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// agenda is the day, with the time that play takes people.
func (w *writer) agenda() {
	w.heading("Agenda")
	at := 0
	row := func(minutes int, what string) []string {
		r := []string{fmt.Sprintf("%d:%02d", at/60, at%60), fmt.Sprintf("%d min", minutes), what}
		at += minutes
		return r
	}
	w.table([]float64{1, 1, 8}, []string{"from", "takes", "what"}, [][]string{
		row(10, "Welcome; who plays whom; rules of the exercise"),
		row(10, "The keys and the methods, with this paper in hand; questions"),
		row(w.s.Minutes, "The drill"),
		row(max(15, w.s.Minutes/3), "Hot wash: what went well, what did not, what nobody knew"),
		row(10, "What changes in procedure and guidance; who owns it; the words of the record are read into the minutes"),
	})
}

// objectives are the steps that the drill rehearses. A step that the pack says
// would tell players how the drill goes is kept from them.
func (w *writer) objectives(all bool) {
	w.heading("Objectives")
	var items []string
	kept := 0
	for _, id := range w.s.Rehearses {
		step, is := w.pack.Step(id)
		switch {
		case !is:
		case step.Tells && !all:
			kept++
		default:
			items = append(items, Capital(step.Says)+".")
		}
	}
	if kept > 0 {
		items = append(items, "Carry out what was decided, and know what it did on each device.")
	}
	items = append(items, "Put every decision on record with its reasons, while it can still be read what was known at the time.")
	w.list(items...)
}

// situation is what everybody may know before the start.
func (w *writer) situation() {
	w.heading("Situation")
	if w.s.About != "" {
		w.text(w.s.About)
	}
	var rows [][]string
	for _, x := range w.s.Parties {
		rows = append(rows, []string{x.Name, x.Category, x.ID})
	}
	w.table([]float64{4, 3, 3}, []string{"organisation", "what it is", "called in this drill"}, rows)
	e := w.s.Estate
	text := fmt.Sprintf("The estate: %s devices", Thousands(e.Devices))
	if e.Prepayment > 0 {
		text += ", " + percent(e.Prepayment) + " of the premises on prepayment"
	}
	for i, r := range e.Regions {
		if i == 0 {
			text += "; regions: "
		} else {
			text += ", "
		}
		text += r.Name + " " + percent(r.Share)
	}
	if e.Rate.PerHour > 0 {
		text += fmt.Sprintf(". Commands: %s an hour", Thousands(e.Rate.PerHour))
		if e.Rate.Note != "" {
			text += " (" + e.Rate.Note + ")"
		}
	}
	w.text(text + ". Times in the drill are scenario time: hours and minutes from its beginning.")
}

// seats says who takes part, and by what rules they decide.
func (w *writer) seats() {
	w.heading("Who takes part")
	for _, id := range w.bodies() {
		i := slices.IndexFunc(w.pack.Bodies, func(b procedure.Body) bool { return b.ID == id })
		if i < 0 {
			continue
		}
		b := w.pack.Bodies[i]
		w.sub(Capital(b.Name))
		var rows [][]string
		for _, m := range b.Members {
			vote := "votes"
			if !m.Vote {
				vote = "attends, no vote"
			}
			rows = append(rows, []string{Capital(m.Name), vote, m.Alternate, ""})
		}
		w.table([]float64{4, 2, 3, 3}, []string{"seat", "vote", "stands in", "who plays it"}, rows)
		if b.Quorum > 0 {
			text := fmt.Sprintf("Quorum: %d of %d votes. Decided by %s; casting vote: %s.", b.Quorum, b.Votes(), b.Majority, b.CastingVote)
			if b.Alternates != "" {
				text += " Alternates: " + b.Alternates + "."
			}
			if b.Conflict != "" {
				text += " A member with an interest " + b.Conflict + "."
			}
			w.text(text + sampleNote(b.Basis))
		}
	}
}

// bodies are those who are asked for a decision in this drill, in its order.
func (w *writer) bodies() []string {
	var out []string
	for _, d := range w.s.Decisions {
		if !slices.Contains(out, d.Of) {
			out = append(out, d.Of)
		}
	}
	return out
}

func (w *writer) bodyName(id string) string {
	if b, is := w.s.Body(id); is {
		return b.Name
	}
	return id
}

// keysAndMethods explains what the members decide about to somebody who builds
// nothing.
func (w *writer) keysAndMethods() {
	w.heading("The keys, in plain words")
	w.text("A smart meter obeys whoever signs a command with a key that it trusts. Which keys it trusts is written in it, in places called cells, each for one organisation and one use. " +
		"Somebody who copies such a key can command the meter as its owner can, until the meter is told to trust another key instead. Telling it so is what a recovery is, and that command must itself be signed by a key that the meter already trusts.")
	w.add(part{Kind: "drawing", Draw: keysDrawing()})
	w.list(
		"The root is trusted by every device; the Issuing OCA stands between it and everybody else, and no device holds its certificate in a cell.",
		"Each organisation has its own place on the device and can replace its own key there, and nobody else's.",
		"The Recovery key can replace every key on every device but the root's. It lies in shares with custodians, and only a recorded decision of the SMKI PMA opens it.",
		"The Contingency key can replace the root too. What unlocks it on a device is sent in the open with the command, so that it serves for one campaign and no more.",
		"Devices look at no list of revoked certificates. Revoking a certificate protects the systems that look, and replacing it protects the devices.",
	)
	w.heading("The methods, in plain words")
	w.add(part{Kind: "drawing", Draw: methodsDrawing()})
	w.text("Method 1 needs nobody's leave and trusts the very key that was lost: who has a copy can send the same commands, and whoever is first on a device keeps the other out. " +
		"Methods 2 and 3 come from another place on the device, which a thief of the organisation's key cannot reach; they need a decision, custodians who travel, and a key that afterwards has to be replaced itself.")
	w.procedures()
}

// procedures is the table of what can be done when which key is lost. It has every
// key, so that it does not tell which will be.
func (w *writer) procedures() {
	var rows [][]string
	for _, x := range w.pack.Procedures {
		decision := "nobody's decision"
		if x.Decision != procedure.None {
			decision = "decision of " + w.bodyName(x.Decision)
		}
		if x.Opens != "" {
			decision += "; opens the " + Capital(x.Opens) + " key"
		}
		rows = append(rows, []string{x.Title, Capital(x.Method), decision})
	}
	if len(rows) == 0 {
		return
	}
	w.sub("Which key, which method")
	w.table([]float64{6, 2, 4}, []string{"what is lost, and what is done", "method", "needs"}, rows)
	if !w.pack.Verified {
		w.note("As the sample procedure has it; the Recovery Procedure's own text was not available.")
	}
}

// glossary is every word that a reader may not know.
func (w *writer) glossary() {
	w.heading("Words")
	var rows [][]string
	for _, t := range slices.Concat(w.pack.Terms, w.pack.Glossary) {
		rows = append(rows, []string{t.Term, t.Says})
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(strings.ToLower(a[0]), strings.ToLower(b[0])) })
	w.table([]float64{3, 9}, []string{"word", "what it means"}, rows)
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

func during(d time.Duration) string {
	if d == 0 {
		return "at once"
	}
	return "after " + strings.TrimPrefix(Clock(d), "0:") + map[bool]string{true: " minutes", false: ""}[d < time.Hour]
}

// IsRating says whether a table is one to be filled in by hand.
func (p part) IsRating() bool { return slices.Contains(p.Head, "P") && slices.Contains(p.Head, "U") }

// IsWide says whether a table has more columns than a telephone shows.
func (p part) IsWide() bool { return len(p.Head) > 3 }
