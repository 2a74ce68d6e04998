package msel

import (
	"slices"
	"strings"
	"unicode"
)

// Field is what a column is about.
type Field string

// The fields that are used. A column that is none of them is left alone, and said
// to be.
const (
	Serial     Field = "serial"
	Time       Field = "time"
	From       Field = "from"
	To         Field = "to"
	Method     Field = "method"
	Type       Field = "type"
	Title      Field = "title"
	Text       Field = "text"
	Expected   Field = "expected"
	Objective  Field = "objective"
	Controller Field = "controller"
	Attachment Field = "attachment"
	Status     Field = "status"
	Remarks    Field = "remarks"
	// RealTime is the time on the wall; it is used where there is no other.
	RealTime Field = "real time"
)

// headings are names that planners give their columns, in small letters and with
// single blanks. Those that are sure of what they mean stand before those that only
// begin or end like it.
var headings = []struct {
	field Field
	names []string
}{
	{Serial, []string{"serial", "serial no", "serial number", "ser", "no", "number", "nr", "#", "id", "event", "event no", "event number", "event id", "event #", "inject no", "inject number", "inject id", "inject #", "inj no", "item", "ref", "reference", "msel no", "msel number"}},
	{Time, []string{"time", "exercise time", "ex time", "scenario time", "event time", "inject time", "planned time", "scheduled time", "start time", "elapsed", "elapsed time", "time elapsed", "t+", "t plus", "when", "timing", "time hh:mm", "delivery time", "release time", "time of inject", "date/time", "date time", "date and time", "date & time", "offset"}},
	{RealTime, []string{"real time", "actual time", "wall time", "clock time", "local time", "time of day", "wall clock"}},
	{From, []string{"from", "sender", "source", "originator", "origin", "simulated sender", "played by", "comes from", "inject from", "simulated source", "role player from"}},
	{To, []string{"to", "recipient", "recipients", "receiver", "target", "target audience", "audience", "player", "players", "recipient player", "recipient player(s)", "intended player", "intended player(s)", "training audience", "addressee", "addressees", "inject to", "responsible player", "organisation", "organization", "agency", "who"}},
	{Method, []string{"method", "channel", "delivery method", "delivery", "mode", "mode of delivery", "means", "medium", "inject method", "inject mode", "how", "via", "method of delivery", "delivery channel", "inject channel", "method/channel", "communication method", "transmission method"}},
	{Type, []string{"type", "event type", "inject type", "kind", "category", "class"}},
	{Title, []string{"title", "subject", "headline", "inject title", "event title", "short description", "name", "event name", "inject name"}},
	{Text, []string{"text", "inject", "inject text", "message", "description", "event description", "inject description", "inject message", "content", "details", "inject details", "message text", "scenario", "narrative", "inject content", "event/inject", "summary", "event summary", "body", "script", "what"}},
	{Expected, []string{"expected action", "expected actions", "expected player action", "expected player actions", "expected response", "expected responses", "expected outcome", "expected outcomes", "expected result", "expected player response", "expected", "anticipated action", "anticipated response", "desired response", "desired action", "desired outcome", "expected reaction"}},
	{Objective, []string{"objective", "objectives", "exercise objective", "exercise objectives", "capability", "core capability", "core capabilities", "capabilities", "related objective", "objective/capability", "objective or capability", "training objective", "aim", "capability target", "task", "critical task"}},
	{Controller, []string{"controller", "responsible controller", "owner", "inject owner", "facilitator", "excon", "simcell", "responsible", "injected by", "delivered by", "inject controller", "evaluator", "lead"}},
	{Attachment, []string{"attachment", "attachments", "enclosure", "handout", "document", "file", "annex", "material", "materials"}},
	{Status, []string{"status", "state", "complete", "completed", "done", "approved"}},
	{Remarks, []string{"remarks", "remark", "notes", "note", "comments", "comment", "controller notes", "facilitator notes", "additional information", "information"}},
}

// plainHeading is a heading without what planners put around it: brackets with a
// format, a colon, capitals, blanks and line ends.
func plainHeading(s string) string {
	s = strings.ToLower(strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == '_' || r == '*' || r == ':' || r == '.'
	}), " "))
	for _, form := range []string{"(hh:mm)", "(hhmm)", "(hrs)", "(local)", "(z)", "(utc)", "(gmt)", "(bst)", "[hh:mm]", "(h:mm)", "(hh:mm:ss)"} {
		s = strings.TrimSpace(strings.ReplaceAll(s, form, ""))
	}
	return s
}

// meaning says what a heading means, and how surely: 2 if it is one of the names,
// 1 if it only contains one, 0 if it is nothing that is known.
func meaning(heading string) (Field, int) {
	plain := plainHeading(heading)
	if plain == "" || len(plain) > 60 {
		return "", 0
	}
	for _, h := range headings {
		if slices.Contains(h.names, plain) {
			return h.field, 2
		}
	}
	if cut := strings.IndexAny(plain, "([/"); cut > 0 {
		if f, sure := meaning(plain[:cut]); sure == 2 {
			return f, 2
		}
	}
	for _, w := range []struct {
		word  string
		field Field
	}{
		{"expected", Expected}, {"anticipated", Expected}, {"objective", Objective}, {"capabilit", Objective}, {"controller", Controller},
		{"real time", RealTime}, {"actual time", RealTime}, {"time", Time}, {"sender", From}, {"recipient", To}, {"audience", To}, {"player", To}, {"method", Method},
		{"channel", Method}, {"attach", Attachment}, {"remark", Remarks}, {"comment", Remarks}, {"note", Remarks}, {"status", Status}, {"description", Text}, {"message", Text}, {"serial", Serial},
	} {
		if strings.Contains(plain, w.word) {
			return w.field, 1
		}
	}
	return "", 0
}

// findHeader finds the row that names the columns: the one among the first with the
// most cells that are known, a text and two in all at the least.
func findHeader(rows []row) (int, []Column) {
	best, found, most := -1, []Column(nil), 0
	for i, r := range rows[:min(len(rows), maxAhead)] {
		columns := readHeader(r)
		known, text := 0, false
		for _, c := range columns {
			if c.Means != "" {
				known++
			}
			text = text || c.Means == Text || c.Means == Title
		}
		if text && known >= 2 && known > most {
			best, found, most = i, columns, known
		}
	}
	return best, found
}

// readHeader gives each meaning to one column: to the first that is sure of it, else
// to the first that looks like it.
func readHeader(r row) []Column {
	columns := make([]Column, len(r.cells))
	taken := map[Field]bool{}
	for i := range r.cells {
		columns[i] = Column{Letter: letter(i), Header: strings.Join(strings.Fields(r.cell(i)), " ")}
	}
	for sureness := 2; sureness > 0; sureness-- {
		for i := range columns {
			if columns[i].Means != "" {
				continue
			}
			if f, sure := meaning(columns[i].Header); sure == sureness && !taken[f] {
				columns[i].Means, taken[f] = f, true
			}
		}
	}
	// A list with only one of them calls the text of its injects by another name.
	if !taken[Text] {
		for i := range columns {
			if columns[i].Means == Title {
				columns[i].Means = Text
			}
		}
	}
	if !taken[Time] {
		for i := range columns {
			if columns[i].Means == RealTime {
				columns[i].Means = Time
			}
		}
	}
	return columns
}
