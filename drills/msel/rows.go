package msel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"smki.example/drills/scenario"
)

// early is where times that may be of the day or from the start are taken for times
// of the day: no exercise begins before four in the morning.
const early = 4 * time.Hour

// timed is an event with its time as it was read.
type timed struct {
	Event
	moment
	timeless bool
	next     bool // it is of the day after the row above
	start    bool // STARTEX: where times of the day are counted from
	end      bool // ENDEX
}

// readRows reads what stands below the header.
func (l *List) readRows(rows []row, g *glossary) {
	l.sayColumns()
	_, _, hasTime := l.column(Time)
	if !hasTime {
		l.problem(Remark{What: "no column has the times: every inject stands at 0:00; write them into the text below, or add a column Time"})
	}
	var events []timed
	for _, r := range rows {
		if r.empty() {
			continue
		}
		if e, is := l.readRow(r, g); is {
			events = append(events, e)
		}
		if len(events) == maxRows {
			l.problem(Remark{Row: r.number, What: fmt.Sprintf("more than %d injects: what stands below is left out", maxRows)})
			break
		}
	}
	l.place(events)
}

// sayColumns tells what was not used, and what was guessed.
func (l *List) sayColumns() {
	var unused []string
	for _, c := range l.Columns {
		if c.Means == "" && c.Header != "" {
			unused = append(unused, fmt.Sprintf("%s (%s)", c.Letter, c.Header))
		}
		if f, sure := meaning(c.Header); c.Means != "" && (sure == 1 || f != c.Means) {
			l.note(Remark{Column: c.Letter, Header: c.Header, What: fmt.Sprintf("taken for %q", string(c.Means))})
		}
	}
	if len(unused) > 0 {
		l.note(Remark{What: "columns that are not used: " + strings.Join(unused, ", ")})
	}
}

// readRow reads one row; is says that something comes of it.
func (l *List) readRow(r row, g *glossary) (e timed, is bool) {
	get := func(f Field) (string, Column) {
		c, i, there := l.column(f)
		if !there {
			return "", Column{}
		}
		return r.cell(i), c
	}
	at := func(c Column, what string, args ...any) Remark {
		return Remark{Row: r.number, Column: c.Letter, Header: c.Header, What: fmt.Sprintf(what, args...)}
	}
	e.Row = r.number
	e.Serial, _ = get(Serial)
	status, column := get(Status)
	if dropped(status) {
		l.note(at(column, "%q: the row is left out", status))
		return e, false
	}
	text, textColumn := get(Text)
	if title, _ := get(Title); title != "" {
		switch {
		case text == "":
			text = title
		case !strings.HasPrefix(strings.ToLower(text), strings.ToLower(title)):
			text = strings.TrimRight(title, ".: ") + ". " + text
		}
	}
	e.Text = clean(text)
	if n := utf8.RuneCountInString(e.Text); n > maxText {
		l.problem(at(textColumn, "the text has %d letters and is cut after %d: nobody reads more while a clock runs; make a handout of it", n, maxText))
		e.Text = string([]rune(e.Text)[:maxText])
	}
	kind, _ := get(Type)
	e.start, e.end = begins(e.Text, "startex", "start ex", "start of exercise"), begins(e.Text, "endex", "end ex", "end of exercise", "exercise ends")
	l.readMoment(&e, get, at)
	if e.start || e.end {
		return e, true
	}
	if e.Text == "" {
		l.problem(at(textColumn, "there is no text, so nobody would be told anything: the row is left out"))
		return e, false
	}
	method, methodColumn := get(Method)
	e.Asks = asks(kind) || asks(method)
	if !e.Asks {
		var guessed bool
		e.Channel, guessed = g.channel(method)
		switch {
		case e.Channel == "":
			l.problem(at(methodColumn, "%q is no way in which something arrives: write one of %s", method, strings.Join(g.channels, ", ")))
			e.Channel = strings.ToLower(clean(method))
		case guessed && method == "":
			l.note(at(methodColumn, "nothing is said: it arrives as %q", e.Channel))
		case guessed:
			l.note(at(methodColumn, "%q arrives as %q", method, e.Channel))
		}
	}
	l.readTo(&e, g, get, at)
	if e.From, _ = get(From); e.From == "" {
		e.From = "exercise control"
	}
	e.From = clean(e.From)
	if file, _ := get(Attachment); file != "" && !slices.Contains([]string{"-", "none", "n/a", "na", "no"}, strings.ToLower(file)) {
		e.Remarks = append(e.Remarks, "Hand out: "+clean(file))
	}
	for _, f := range []struct {
		field Field
		says  string
	}{{Expected, "Expected: "}, {Objective, "Objective: "}, {Controller, "Controller: "}, {Remarks, "Remark: "}} {
		if s, _ := get(f.field); s != "" {
			e.Remarks = append(e.Remarks, f.says+clean(s))
		}
	}
	return e, true
}

// readMoment reads the time of a row. One that has none comes after the row above.
func (l *List) readMoment(e *timed, get func(Field) (string, Column), at func(Column, string, ...any) Remark) {
	cell, column := get(Time)
	if column.Letter == "" {
		e.timeless = true
		return
	}
	if cell == "" {
		cell, _ = get(RealTime)
	}
	var err error
	if cell == "" {
		err = fmt.Errorf("there is no time; write hours and minutes from the start, such as 0:30")
	} else {
		e.moment, err = readTime(cell, strings.Contains(strings.ToLower(column.Header), "min"))
	}
	if err != nil {
		l.problem(at(column, "%v. Until then it stands at the time of the row above", err))
		e.timeless = true
	}
}

// readTo reads who is told.
func (l *List) readTo(e *timed, g *glossary, get func(Field) (string, Column), at func(Column, string, ...any) Remark) {
	cell, column := get(To)
	if cell == "" && e.Asks {
		cell = g.first
	}
	to, guessed, unknown := g.people(cell)
	for _, u := range unknown {
		what := fmt.Sprintf("%q is nobody who can be told: write one of %s", u, strings.Join(g.told, ", "))
		if near, is := scenario.Nearest(u, g.told); is {
			what = fmt.Sprintf("%q is nobody who can be told: did you mean %q?", u, near)
		}
		l.problem(at(column, "%s", what))
		to = append(to, strings.ToLower(clean(u)))
	}
	if len(guessed) > 0 {
		l.note(at(column, "%s", strings.Join(guessed, "; ")))
	}
	if len(to) == 0 {
		l.problem(at(column, "nobody is told: write one of %s", strings.Join(g.told, ", ")))
		to = []string{"nobody yet"}
	}
	e.To = to
	if e.Asks && len(g.bodies) > 0 {
		if i := slices.IndexFunc(to, func(s string) bool { return slices.Contains(g.bodies, s) }); i >= 0 {
			e.To = []string{to[i]}
			return
		}
		if body, is := g.bodyOf(to[0]); is {
			e.To = []string{body}
			l.note(at(column, "the question is put to %q", body))
			return
		}
		l.problem(at(column, "%q decides nothing: a question is put to one of %s", to[0], strings.Join(g.bodies, ", ")))
		e.To = to[:1]
	}
}

// place counts every time from the start and puts the events in order.
func (l *List) place(events []timed) {
	overnight(events)
	base, ofDay := origin(events)
	if ofDay {
		l.note(Remark{What: fmt.Sprintf("times are times of the day and are counted from %s, which is 0:00 of the exercise", scenario.FormatTime(base%day))})
	}
	var last time.Duration
	moved := false
	for i, e := range events {
		switch {
		case e.timeless:
			e.At = last
		case ofDay && (e.absolute || e.either):
			if e.next {
				l.note(Remark{Row: e.Row, What: "taken for the next day, because it is long before the time of the row above"})
			}
			if e.At = e.at - base; e.At < 0 {
				l.problem(Remark{Row: e.Row, What: "it is before the exercise begins and stands at 0:00 now: change the time, or tell it in the briefing"})
				e.At = 0
			}
		default:
			e.At = e.at
		}
		if e.At >= longest {
			l.problem(Remark{Row: e.Row, What: "it is more than a year after the start: mend the date. Until then it stands at the time of the row above"})
			e.At = last
		}
		moved = moved || i > 0 && e.At < last
		last = e.At
		switch {
		case e.start:
		case e.end:
			l.Ends = e.At
		default:
			l.Events = append(l.Events, e.Event)
		}
	}
	if moved {
		l.note(Remark{What: "the rows were not in order of time; they are now"})
	}
	slices.SortStableFunc(l.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	if n := len(l.Events); l.Ends > 0 && n > 0 && l.Events[n-1].At > l.Ends {
		l.problem(Remark{Row: l.Events[n-1].Row, What: fmt.Sprintf("it comes after the end of the exercise, %s, and would never be told", scenario.FormatTime(l.Ends))})
	}
}

const (
	day     = 24 * time.Hour
	longest = 9_999 * time.Hour // that the language can write
)

// overnight moves times of the day that begin anew after midnight to the next day.
func overnight(events []timed) {
	var midnight, before time.Duration
	for i := range events {
		e := &events[i]
		if e.timeless || !e.either {
			continue
		}
		if e.at+midnight < before-day/2 {
			midnight += day
			e.next = true
		}
		e.at += midnight
		before = e.at
	}
}

// origin says whether times are of the day, and which is then the start: STARTEX, or
// the earliest.
func origin(events []timed) (base time.Duration, ofDay bool) {
	var first time.Duration
	any, begun := false, false
	for _, e := range events {
		if e.timeless || !e.absolute && !e.either {
			continue
		}
		ofDay = ofDay || e.absolute
		if !any || e.at < first {
			first, any = e.at, true
		}
		if e.start {
			base, begun = e.at, true
		}
	}
	if !begun {
		base = first
	}
	return base, any && (ofDay || first >= early || begun && base > 0)
}

// dropped says that a row is not to be played.
func dropped(status string) bool {
	s := strings.ToLower(status)
	return begins(s, "cancel", "delete", "withdrawn", "removed", "dropped", "do not use", "rejected", "superseded")
}

// asks says that a row is a question.
func asks(kind string) bool {
	return begins(kind, "decision", "question", "vote")
}

func begins(s string, words ...string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(s, w) })
}

// clean makes one line of a cell: what a spreadsheet breaks, a page breaks anew.
// Characters that nobody can see are dropped.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' || r == '\u00a0' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufeff' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
