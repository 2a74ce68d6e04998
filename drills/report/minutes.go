package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
)

// Minutes are what the committee approves: who was there, who declared what, each
// question with the figures laid and the factors weighed, the votes, the decision
// with the words of the record, corrections, actions. They are made from the record
// by rule, so that nothing in them is somebody's recollection. Without a meeting
// they say who answered instead.
func (r *Report) Minutes() *Paper {
	p := r.paper("Minutes", "For approval by the committee.")
	m := &minutes{Paper: p, r: r, meeting: r.Meeting}
	if text := r.remark("minutes"); text != "" {
		p.said(text)
	}
	m.held()
	m.attendance()
	m.interests()
	m.arising()
	items := r.items()
	for i, x := range items {
		m.item(i+1, x)
	}
	if len(items) == 0 {
		p.heading("Questions")
		p.text("No question was put.")
	}
	m.outcome()
	m.corrected()
	p.heading("Actions")
	p.planTable(r.actions(), false)
	if risks := r.risks(); len(risks) > 0 {
		p.heading("Risks that stay")
		p.riskTable(risks)
	}
	m.record()
	p.add(part{Kind: "sign", Items: []string{"Approved as a correct record, with the corrections above", "Chair", "Date"}})
	return p
}

// paper begins a document on this record: what every one of them says first.
func (r *Report) paper(title, sub string) *Paper {
	p := &Paper{Label: r.Start.Label, Title: title, Large: r.Large, Sub: fmt.Sprintf("Exercise %s, drill %s: %s. %s", r.name(), r.Start.Scenario, r.Start.Title, sub)}
	p.Foot = fmt.Sprintf("%s, exercise %s", title, r.name())
	if r.Redacted > 0 || r.Meeting != nil && r.Meeting.Redacted > 0 {
		p.note(r.takenOut())
	}
	return p
}

// name is the exercise's, or the run's where it was not played in a room.
func (r *Report) name() string {
	if r.Meeting != nil && r.Meeting.Exercise != "" {
		return r.Meeting.Exercise
	}
	return r.Start.Run
}

// takenOut says how much this copy of the record lacks.
func (r *Report) takenOut() string {
	var lacks []string
	if r.Redacted > 0 {
		lacks = append(lacks, choose(r.Redacted == 1, "1 entry", Thousands(r.Redacted)+" entries")+" of the record")
	}
	if r.Meeting != nil && r.Meeting.Redacted > 0 {
		lacks = append(lacks, Plural(r.Meeting.Redacted, "text")+" that people typed")
	}
	return "This is made from a copy of the record that lacks " + strings.Join(lacks, " and ") +
		": they read \"[taken out]\" or are missing here. What was taken out cannot have been changed; drill verify says so of the copy."
}

func (r *Report) remark(part string) string {
	if r.Meeting == nil {
		return ""
	}
	return r.Meeting.Remarks[part]
}

func (r *Report) actions() []Action {
	if r.Meeting == nil {
		return nil
	}
	return r.Meeting.Actions
}

// risks are the lines of the risk list, the most likely first.
func (r *Report) risks() []Risk {
	if r.Meeting == nil {
		return nil
	}
	order := []string{"high", "medium", "low"}
	list := slices.Clone(r.Meeting.Risks)
	slices.SortStableFunc(list, func(a, b Risk) int {
		return cmp.Or(slices.Index(order, a.Likelihood)-slices.Index(order, b.Likelihood), b.Devices-a.Devices)
	})
	return list
}

// An item is a question with its answer. One of them may be missing: the drill
// broke off, or it was taken out of the copy.
type item struct {
	asked   *Told[journal.Question]
	decided *Decided
}

// items are the questions in the order in which they were put.
func (r *Report) items() []item {
	var out []item
	for i := range r.Questions {
		out = append(out, item{asked: &r.Questions[i]})
	}
	for i := range r.Decisions {
		d := &r.Decisions[i]
		at := slices.IndexFunc(out, func(x item) bool { return x.asked != nil && x.asked.Seq == d.Body.Question })
		if at < 0 {
			out = append(out, item{decided: d})
			continue
		}
		out[at].decided = d
	}
	return out
}

// minutes fills the document.
type minutes struct {
	*Paper
	r       *Report
	meeting *Meeting
}

func (m *minutes) held() {
	r := m.r
	facts := [][2]string{{"Exercise", r.name()}, {"Drill", r.Start.Scenario + ", " + r.Start.Title}}
	if x := m.meeting; x != nil && !x.Began.IsZero() {
		facts = append(facts, [2]string{"Held", span(x.Began, x.Ended)})
	} else {
		facts = append(facts, [2]string{"Ended", stamp(r.end)})
	}
	var bodies []string
	for _, id := range r.bodies() {
		b, is := bodyOf(r.Pack, id)
		if !is || b.Quorum == 0 {
			continue
		}
		bodies = append(bodies, fmt.Sprintf("%s: quorum %d of %d votes; decided by %s; casting vote %s; a member with an interest %s.%s", b.Name, b.Quorum, b.Votes(), b.Majority, cmp.Or(b.CastingVote, "none"),
			cmp.Or(b.Conflict, "is bound by no rule of the pack"), sampleNote(b.Basis)))
	}
	facts = append(facts, [2]string{"Rules", strings.Join(bodies, " ")})
	facts = append(facts, [2]string{"Times", "Hours and minutes such as 0:40 are scenario time, from the beginning of the drill; times of day are UTC, as the clock in the room had them."})
	if h, is := r.Pack.HandlingOf(m.Label); is {
		facts = append(facts, [2]string{"Label", fmt.Sprintf("%s: %s; %s. Kept %s.%s", m.Label, h.Says, h.Rule, h.Keep, sampleNote(h.Basis))})
	}
	m.heading("The meeting")
	m.facts(facts)
}

// bodies are those that were asked something, in order.
func (r *Report) bodies() []string {
	var out []string
	add := func(id string) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, q := range r.Questions {
		add(q.Body.Body)
	}
	for _, d := range r.Decisions {
		add(d.Body.Body)
	}
	return out
}

// attendance is by seat, a body at a time: also those that nobody took.
func (m *minutes) attendance() {
	m.heading("Attendance")
	x := m.meeting
	if x == nil {
		m.text("The drill was not played in the exercise room, and the record does not say who was present. Each decision below says who answered.")
		return
	}
	done := map[string]bool{}
	bodies := m.r.bodies()
	// Committees first, then those who answer alone.
	slices.SortStableFunc(bodies, func(a, b string) int {
		x, _ := bodyOf(m.r.Pack, a)
		y, _ := bodyOf(m.r.Pack, b)
		return boolOrder(x.Quorum == 0, y.Quorum == 0)
	})
	for _, id := range bodies {
		b, is := bodyOf(m.r.Pack, id)
		if !is {
			continue
		}
		m.sub(Capital(b.Name))
		var rows [][]string
		for _, member := range b.Members {
			seat := b.ID + "/" + member.ID
			done[seat] = true
			rows = append(rows, m.seatRows(seat, Capital(member.Name), voteWord(member))...)
		}
		m.table(attendanceWidths, attendanceHead, rows)
	}
	var rows [][]string
	for _, s := range x.Seats {
		if !done[s.Seat] {
			done[s.Seat] = true
			rows = append(rows, m.seatRows(s.Seat, x.SeatTitle(s.Seat), "")...)
		}
	}
	if len(rows) > 0 {
		m.sub("Custodians and others")
		m.table(attendanceWidths, attendanceHead, rows)
	}
	for _, role := range []struct{ role, says string }{{"facilitator", "Facilitating"}, {"observer", "Observing"}} {
		var names []string
		for _, p := range x.People {
			if p.Role == role.role && !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
		if len(names) > 0 {
			m.text(role.says + ": " + strings.Join(names, "; ") + ".")
		}
	}
}

var (
	attendanceWidths = []float64{4, 4, 2.2, 3.4}
	attendanceHead   = []string{"seat", "held by", "vote", "from, to"}
)

func voteWord(member procedure.Member) string {
	if member.Vote {
		return "votes"
	}
	return "attends"
}

// seatRows is a row for each person who sat on a seat, or one that says that nobody
// did.
func (m *minutes) seatRows(seat, title, vote string) [][]string {
	var rows [][]string
	for _, s := range m.meeting.Seats {
		if s.Seat != seat {
			continue
		}
		name := s.Name
		if s.Alternate {
			name += " (alternate)"
		}
		until := "the end"
		if !s.Left.IsZero() {
			until = s.Left.UTC().Format("15:04")
		}
		rows = append(rows, []string{title, name, vote, s.Sat.UTC().Format("15:04") + " to " + until})
	}
	if rows == nil {
		rows = [][]string{{title, "not taken", vote, ""}}
	}
	return rows
}

// interests is every interest that was declared, with what the body's rule did.
func (m *minutes) interests() {
	m.heading("Declarations of interest")
	var rows [][]string
	if x := m.meeting; x != nil {
		for _, i := range x.Interests {
			said := i.Body.Interest.String()
			if i.Body.Withdrawn {
				said = "withdrawn: " + said
			}
			rows = append(rows, []string{x.SeatTitle(i.Body.Seat), said, i.Body.On.Decision + again(i.Body.On.Asking), m.ruled(i.Body.Seat, i.Body.On.Decision, i.Body.On.Asking)})
		}
	} else {
		for _, d := range m.r.Decisions {
			for _, v := range d.Body.Votes {
				if v.Conflict != "" {
					rows = append(rows, []string{m.r.memberTitle(d.Body.Body, v.Member), v.Conflict, d.Body.Decision, "voted"})
				}
			}
		}
	}
	if rows == nil {
		m.text("No interest was declared.")
		return
	}
	m.table([]float64{3.4, 4, 2.6, 3.4}, []string{"seat", "interest", "question", "what followed"}, rows)
}

func again(asking int) string {
	if asking < 2 {
		return ""
	}
	return fmt.Sprintf(" (put the %s time)", ordinal(asking))
}

func ordinal(n int) string {
	switch n {
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}

// ruled is what the record says the rule did with an interest.
func (m *minutes) ruled(seat, decision string, asking int) string {
	body, member, _ := cutLast(seat, "/")
	for _, d := range m.r.Decisions {
		if d.Body.Body != body || d.Body.Decision != decision || d.Body.Asking != asking {
			continue
		}
		for _, c := range d.Body.Conflicts {
			if c.Member == member {
				return conflictText(c)
			}
		}
	}
	return ""
}

func conflictText(c journal.Conflict) string {
	rule := ""
	if c.Rule != "" {
		rule = " (rule: " + c.Rule + ")"
	}
	switch {
	case c.Left:
		return "left the room and did not vote" + rule
	case !c.MayVote:
		return "did not vote" + rule
	}
	return "voted" + rule
}

// memberTitle is a member's title where the body is known.
func (r *Report) memberTitle(body, member string) string {
	if b, is := bodyOf(r.Pack, body); is {
		return memberName(b, member)
	}
	return member
}

// arising is what was said of earlier exercises' actions.
func (m *minutes) arising() {
	if m.meeting == nil || len(m.meeting.Arising) == 0 {
		return
	}
	m.heading("Matters arising: actions of earlier exercises")
	m.planTable(m.meeting.Arising, true)
}

func (m *minutes) outcome() {
	m.heading("What came of it")
	var rows [][2]string
	for i, text := range m.r.Verdict() {
		label := ""
		if i == 0 {
			label = "Did the system hold?"
		}
		rows = append(rows, [2]string{label, text})
	}
	for _, l := range m.r.Lines() {
		if slices.Contains([]string{"Devices", "How long", "Consumers", "Revocation and keys", "Who was told"}, l.Label) {
			rows = append(rows, [2]string{l.Label, plainLine(l)})
		}
	}
	m.facts(rows)
}

// corrected is every correction in one place; each stands beside what it corrects
// too.
func (m *minutes) corrected() {
	m.heading("Corrections")
	if m.meeting == nil || len(m.meeting.corrections) == 0 {
		m.text("No correction was asked for. Nothing in a record is erased: a correction is added to it.")
		return
	}
	m.text("Nothing in a record is erased: a correction is added, and stands beside what it corrects.")
	var rows [][]string
	for _, c := range m.meeting.corrections {
		rows = append(rows, []string{m.r.correctedWhat(c), c.By, stamp(c.Wall), c.Text})
	}
	m.table([]float64{3, 3, 2.4, 5}, []string{"what is corrected", "by", "added", "correction"}, rows)
}

// correctedWhat names the entry that a correction is about.
func (r *Report) correctedWhat(c Correction) string {
	if c.Entry > 0 {
		for _, d := range r.Decisions {
			if d.Seq == c.Entry {
				return fmt.Sprintf("entry %d of the journal: decision %q", c.Entry, d.Body.Decision)
			}
		}
		return fmt.Sprintf("entry %d of the journal", c.Entry)
	}
	return fmt.Sprintf("entry %d of the book", c.Book)
}

func correctionText(c Correction) string {
	return fmt.Sprintf("Correction by %s, %s: %s", c.By, stamp(c.Wall), c.Text)
}

// record says how to tell these minutes from others.
func (m *minutes) record() {
	m.heading("The record")
	m.facts([][2]string{
		{"Run", m.r.Start.Run},
		{"First words", spoken(m.r.HeadAt(1))},
		{"Closing words", "They cover these minutes, so that these cannot print them; they are in checkpoint.txt. As they were read aloud at the end, to be written in by hand:"},
		{"", strings.Repeat("_", 60)},
		{"", strings.Repeat("_", 60)},
		{"Record key", m.r.Start.RecordKey},
		{"How to check", "drill verify PACK --head \"CLOSING WORDS\". Any change of the record after the words were read shows."},
	})
}

// spoken is the words of a head as a line to be read aloud, which breaks between
// words. Whoever types them may use spaces.
func spoken(words string) string { return strings.ReplaceAll(words, "-", " ") }

// sentence ends a text that somebody typed as a sentence ends.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsRune(".!?…", []rune(text)[len([]rune(text))-1]) {
		return text
	}
	return text + "."
}

// plainLine is a line of the closing summary without what is for a terminal.
func plainLine(l Line) string {
	return strings.ReplaceAll(l.Text, "   -> devices.csv", "; device by device in devices.csv")
}

// stamp is a time on the clock.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

// span is from one time on the clock to another.
func span(from, to time.Time) string {
	if from.UTC().Format(time.DateOnly) == to.UTC().Format(time.DateOnly) {
		return from.UTC().Format("2 January 2006, 15:04") + " to " + to.UTC().Format("15:04 UTC")
	}
	return stamp(from) + " to " + stamp(to)
}
