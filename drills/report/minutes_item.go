package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// item writes one question: what was asked and laid, weighed, voted and decided.
func (m *minutes) item(n int, x item) {
	switch {
	case x.asked != nil:
		q := x.asked.Body
		m.heading(fmt.Sprintf("%d. %s", n, q.Asks))
		m.put(x)
	case x.decided != nil:
		m.heading(fmt.Sprintf("%d. %s", n, x.decided.Body.Asks))
	}
	if x.decided == nil {
		if m.r.Redacted > 0 {
			m.note("The answer is not in this copy of the record.")
		} else {
			m.note("No answer is on record: the drill broke off.")
		}
		return
	}
	m.weighed(x)
	m.ballot(x)
	m.decided(x)
}

// put is the question as it was put.
func (m *minutes) put(x item) {
	q := x.asked.Body
	facts := [][2]string{
		{"Put to", Capital(m.r.BodyName(q.Body)) + again(q.Asking)},
		{"Asked", fmt.Sprintf("%s (%s); to be answered by %s", Clock(x.asked.At), stamp(x.asked.Wall), clockText(q.Deadline))},
	}
	if q.Voting != nil {
		facts = append(facts, [2]string{"Rule", q.Voting.Says})
	} else if q.Quorum != "" {
		facts = append(facts, [2]string{"Rule", q.Quorum})
	}
	if q.Briefing != "" {
		facts = append(facts, [2]string{"Briefing", q.Briefing})
	}
	m.facts(facts)
	for _, c := range m.r.corrections(x.asked.Seq) {
		m.note(correctionText(c))
	}
	if len(q.Shown) > 0 {
		m.sub("Figures laid before the members")
		var rows [][]string
		for _, s := range q.Shown {
			rows = append(rows, []string{Capital(s.Label), shownValue(s.Value)})
		}
		m.table([]float64{6, 6}, []string{"figure", "as it stood"}, rows)
	}
	m.sub("Answers that were open")
	var rows [][]string
	for _, o := range q.Options {
		opens := ""
		if o.Opens != "" {
			opens = " Opens the " + Capital(o.Opens) + " key."
		}
		rows = append(rows, []string{o.Name, sentence(Capital(o.Says)) + opens})
	}
	m.table([]float64{2.5, 9.5}, []string{"answer", "what it means"}, rows)
}

// shownValue is a figure as people write it.
func shownValue(v string) string {
	switch v {
	case "true":
		return "yes"
	case "false":
		return "no"
	}
	if n := len(v); n > 2 && v[0] == '"' && v[n-1] == '"' {
		return v[1 : n-1]
	}
	return v
}

// weighed is the factors with what was found on each; one on which nothing was
// written says so.
func (m *minutes) weighed(x item) {
	d := x.decided.Body
	if len(d.Factors) == 0 {
		return
	}
	m.sub("Factors weighed")
	var rows [][]string
	for _, f := range d.Factors {
		found, by := "nothing was written", ""
		for _, a := range d.Assessed {
			if a.Factor != f.ID {
				continue
			}
			found = a.Finding
			if a.Evidence != "" {
				found += " (evidence: " + a.Evidence + ")"
			}
			by = m.assessor(d.Body, a.Assessor)
		}
		rows = append(rows, []string{f.Text, f.Force, found, by})
	}
	m.table([]float64{4.4, 1, 5, 2}, []string{"factor", "force", "finding", "by"}, rows)
	if !m.r.Pack.Verified {
		m.note("The factors are " + m.r.guidanceNote() + ".")
	}
}

// assessor is who wrote a finding, by the member's title where it is one.
func (m *minutes) assessor(body, who string) string {
	if seat, member, is := cutLast(who, "/"); is && seat == body {
		who = member
	}
	if title, is := strings.CutPrefix(who, Capital(m.r.BodyName(body))+", "); is {
		return Capital(title)
	}
	return m.r.memberTitle(body, who)
}

// ballot is how each member voted, those who did not included, and the arithmetic.
func (m *minutes) ballot(x item) {
	d := x.decided.Body
	if d.Answered != "members" && len(d.Votes) == 0 {
		return
	}
	if x.asked != nil && x.asked.Body.Voting == nil {
		m.sub("Who answered")
	} else {
		m.sub("Votes")
		if text := m.balloted(x); text != "" {
			m.text(text)
		}
	}
	var rows [][]string
	for _, v := range m.voters(x.decided) {
		rows = append(rows, []string{v.title, v.name, v.vote, v.reason})
	}
	m.table([]float64{3, 2.6, 2.4, 5}, []string{"seat", "held by", "vote", "reason"}, rows)
	if d.Tally != "" {
		m.text("Count: " + d.Tally)
	}
	var dissent []string
	for _, v := range d.Dissent {
		text := m.r.memberTitle(d.Body, v.Member) + ", for " + v.Option
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		dissent = append(dissent, text)
	}
	if len(dissent) > 0 {
		m.text("Dissent recorded: " + sentence(strings.Join(dissent, "; ")))
	}
	for _, text := range d.Refusals {
		m.text("Not taken: " + sentence(text))
	}
	m.changed(x)
}

// balloted says how the ballot was held and by whom it was called.
func (m *minutes) balloted(x item) string {
	var out []string
	switch x.decided.Body.Ballot {
	case "open":
		out = append(out, "An open ballot, each vote shown as it was cast.")
	case "blind":
		out = append(out, "A blind ballot, no vote shown before it was closed or revealed.")
	}
	if m.meeting == nil {
		return strings.Join(out, " ")
	}
	for _, b := range m.meeting.Ballots {
		if b.Body.On != on(x.decided) {
			continue
		}
		text := fmt.Sprintf("%s by %s at %s", Capital(ballotWords(b.Body.Did)), m.by(x.decided.Body.Body, b.Body.By), Clock(b.At))
		if !b.Body.Why.IsZero() {
			text += ": " + b.Body.Why.String()
		}
		out = append(out, sentence(text))
	}
	return strings.Join(out, " ")
}

func ballotWords(did string) string {
	switch did {
	case "blind":
		return "called as a blind ballot"
	case "open":
		return "called as an open ballot"
	}
	return did
}

// by is who did something: a seat, a person or a role. A seat of the body itself is
// called by its office alone.
func (m *minutes) by(body, who string) string {
	seat, member, is := cutLast(who, "/")
	switch {
	case is && seat == body:
		return "the " + m.r.memberTitle(body, member)
	case is:
		return m.meeting.SeatTitle(who)
	}
	return m.meeting.Name(who)
}

func on(d *Decided) roombook.On {
	return roombook.On{Decision: d.Body.Decision, Asking: d.Body.Asking}
}

// A voter is a seat with what it did in a vote.
type voter struct{ title, name, vote, reason string }

// voters are the members in the order of the body: who voted, abstained, was kept
// from voting, was absent, attended.
func (m *minutes) voters(d *Decided) []voter {
	var out []voter
	body, known := bodyOf(m.r.Pack, d.Body.Body)
	seen := map[string]bool{}
	add := func(member, vote, reason string) {
		if seen[member] {
			return
		}
		seen[member] = true
		out = append(out, voter{memberName(body, member), m.heldBy(d, member), vote, reason})
	}
	one := func(member string) {
		if i := slices.IndexFunc(d.Body.Votes, func(v journal.Vote) bool { return v.Member == member }); i >= 0 {
			v := d.Body.Votes[i]
			reason := v.Reason
			if v.Conflict != "" {
				reason = strings.TrimSpace(reason + " (interest declared: " + v.Conflict + ")")
			}
			add(member, v.Option, reason)
		}
		if i := slices.IndexFunc(d.Body.Conflicts, func(c journal.Conflict) bool { return c.Member == member && !c.MayVote }); i >= 0 {
			add(member, "no vote", conflictText(d.Body.Conflicts[i])+"; interest: "+d.Body.Conflicts[i].Interest)
		}
		if i := slices.IndexFunc(d.Body.Abstained, func(a journal.Abstention) bool { return a.Member == member }); i >= 0 {
			add(member, "abstained", d.Body.Abstained[i].Reason)
		}
		if slices.Contains(d.Body.Absent, member) {
			add(member, "absent", "")
		}
	}
	if known {
		for _, member := range body.Members {
			one(member.ID)
			if slices.Contains(d.Body.Present, member.ID) {
				add(member.ID, choose(member.Vote, "did not vote", "attends"), "")
			}
		}
	}
	for _, v := range d.Body.Votes {
		one(v.Member)
	}
	return out
}

// heldBy is who sat on a member's seat when it was decided.
func (m *minutes) heldBy(d *Decided, member string) string {
	alternate := slices.IndexFunc(d.Body.Alternates, func(a journal.Alternate) bool { return a.Member == member })
	if m.meeting != nil {
		if s, is := m.meeting.holder(d.Body.Body+"/"+member, d.Wall); is {
			if s.Alternate || alternate >= 0 {
				return s.Name + " (alternate)"
			}
			return s.Name
		}
	}
	if alternate >= 0 {
		return cmp.Or(d.Body.Alternates[alternate].Name, "an alternate") + " (alternate)"
	}
	return ""
}

// changed lists votes that were changed before the ballot closed: what counts is
// the last, and that somebody was persuaded is worth a line.
func (m *minutes) changed(x item) {
	if m.meeting == nil {
		return
	}
	last := map[string]string{}
	var out []string
	for _, c := range m.meeting.Casts {
		if c.Body.On != on(x.decided) {
			continue
		}
		was, before := last[c.Body.Seat]
		if before && was != c.Body.Option {
			out = append(out, fmt.Sprintf("%s, from %s to %s (%s)", m.meeting.SeatTitle(c.Body.Seat), cmp.Or(was, "abstaining"), cmp.Or(c.Body.Option, "abstaining"), Clock(c.At)))
		}
		last[c.Body.Seat] = c.Body.Option
	}
	if len(out) > 0 {
		m.text("Changed before the ballot closed: " + strings.Join(out, "; ") + ".")
	}
}

// decided is the decision, set apart, with what the record calls it.
func (m *minutes) decided(x item) {
	d := x.decided
	lines := []string{Capital(d.Body.Chosen)}
	if says := optionSays(*d); says != "" {
		lines = append(lines, sentence(Capital(says)))
	}
	how := sentence(Capital(d.Body.Note))
	if d.Body.Answered == "members" && d.Body.Tally != "" {
		how = "By the votes above." // the note says them again, by the names of the pack
	}
	lines = append(lines, fmt.Sprintf("%s, %s (%s). %s", Capital(m.r.BodyName(d.Body.Body)), Clock(d.At), stamp(d.Wall), how))
	if d.Body.Reason != "" {
		lines = append(lines, "Reason: "+sentence(d.Body.Reason))
	}
	if d.Body.Opens != "" {
		lines = append(lines, fmt.Sprintf("This decision opens the %s key. %s", Capital(d.Body.Opens), m.followed(d)))
	}
	lines = append(lines, fmt.Sprintf("Entry %d. Words of the record: %s", d.Seq, spoken(m.r.HeadAt(d.Seq))))
	m.add(part{Kind: "decided", Text: "Decided", Items: lines})
	for _, c := range m.r.corrections(d.Seq) {
		m.note(correctionText(c))
	}
}

// followed is what became of the key that a decision opened.
func (m *minutes) followed(d *Decided) string {
	var out []string
	for _, o := range m.r.Openings {
		if o.Body.Decision == d.Seq {
			text := o.Body
			text.Use = "" // in words of the wire, which say nothing to a committee
			out = append(out, Clock(o.At)+" "+text.text())
			if kept := o.Body.withheld(); len(kept) > 0 {
				out = append(out, "shares withheld by "+strings.Join(kept, ", "))
			}
		}
	}
	for _, u := range m.r.Uses {
		if u.Body.Decision == d.Seq {
			out = append(out, fmt.Sprintf("%s first command, to device %s", Clock(u.At), u.Body.Device))
		}
	}
	if out == nil {
		return "The record has no opening that stands on it."
	}
	return Capital(strings.Join(out, "; ")) + "."
}

// date is a day as a plan has it.
func date(t time.Time) string {
	if t.IsZero() {
		return "no date"
	}
	return t.Format("2 January 2006")
}
