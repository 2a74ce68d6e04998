package scenario

import (
	"fmt"
	"strings"
)

// The sections of docs/drill-language.md that are made from data: what stands
// between "<!-- NAME:begin -->" and "<!-- NAME:end -->".
const (
	SectionWords      = "words"
	SectionVocabulary = "vocabulary"
)

// Section cuts a made section out of a document, and says where it stood.
func Section(document, name string) (before, inside, after string, err error) {
	begin, end := fmt.Sprintf("<!-- %s:begin -->\n", name), fmt.Sprintf("<!-- %s:end -->", name)
	before, rest, ok := strings.Cut(document, begin)
	inside, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", "", "", fmt.Errorf("the document has no section %q: it stands between %q and %q", name, strings.TrimSpace(begin), end)
	}
	return before + begin, inside, end + after, nil
}

// places are the parts of a scenario as headings of the table of words.
var places = map[string]string{
	"": "At the top", "estate": "Under `estate`", "party": "A party", "expectation": "Under `steady` and `findings`",
	"item": "An entry of `timeline`", "injectBody": "An `inject` that is written out", "namedInject": "An entry of `injects`",
	"decision": "A decision", "option": "An option", "opening": "Under `opens`", "again": "Under `again`", "consequence": "Under `then`",
}

// WordTable is the words of the language as tables, from the schema.
func WordTable() string {
	var b strings.Builder
	in := "-"
	for _, w := range Words() {
		if w.In != in {
			in = w.In
			fmt.Fprintf(&b, "\n**%s**\n\n| word | | what it says |\n| --- | --- | --- |\n", places[in])
		}
		needed := ""
		if w.Required {
			needed = "needed"
		}
		row(&b, "`"+w.Word+"`", needed, w.Says)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// VocabularyTable is what a vocabulary supplies, as tables: verbs with their
// parameters, the names that conditions may use, and the words that stand for
// people, keys and steps. The test of whoever supplies it compares it with the
// section of docs/drill-language.md.
func VocabularyTable(v Vocabulary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**Verbs**, after `do`\n\n| verb | object | what it does |\n| --- | --- | --- |\n")
	for _, x := range v.Verbs {
		row(&b, "`"+x.Name+"`", takes(x.Object), x.Says)
		for _, p := range x.Params {
			says := p.Says
			if p.Default != "" {
				says = strings.TrimSpace(says + " (if absent: " + p.Default + ")")
			} else if p.Required {
				says = strings.TrimSpace(says + " (needed)")
			}
			row(&b, "&nbsp;&nbsp;`"+p.Name+"`", takes(p), says)
		}
	}
	if len(v.Implied) > 0 {
		fmt.Fprintf(&b, "\nA party is one that the scenario names under `parties`, or one of every drill: `%s`.\n", strings.Join(v.Implied, "`, `"))
	}
	fmt.Fprintf(&b, "\n**Names**, in conditions\n\n| name | kind | what it is |\n| --- | --- | --- |\n")
	row(&b, "`chosen.DECISION`", "string", "the option taken, empty until then; spaces and hyphens of the decision's name are written `_`")
	row(&b, "`now`", "timestamp", "the date that scenario time stands for")
	row(&b, "`elapsed`", "duration", "scenario time since 0:00")
	for _, n := range v.Names {
		row(&b, "`"+n.Name+"`", n.Type, n.Says)
	}
	for _, f := range v.Functions {
		row(&b, "`"+call(f)+"`", f.Result, f.Says)
	}
	for _, t := range v.Types {
		fmt.Fprintf(&b, "\n**Of %s**%s\n\n| name | kind | what it is |\n| --- | --- | --- |\n", t.Name, says(t.Says))
		for _, n := range t.Fields {
			row(&b, "`."+n.Name+"`", n.Type, n.Says)
		}
		for _, f := range t.Methods {
			row(&b, "`."+call(f)+"`", f.Result, f.Says)
		}
	}
	return b.String()
}

func row(b *strings.Builder, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", "\\|")
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func says(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func call(f Function) string {
	params := make([]string, len(f.Params))
	for i, p := range f.Params {
		params[i] = p.Name
	}
	return f.Name + "(" + strings.Join(params, ", ") + ")"
}

// takes says what may stand in a parameter.
func takes(p Param) string {
	switch p.Kind {
	case PartyID:
		return "a party"
	case Number:
		return "a whole number"
	case Share:
		return "a share: `2%`"
	case Duration:
		return "a length of time: `40 minutes`"
	case Time:
		return "scenario time: `6:00`"
	case Choice, Phrase:
		out := make([]string, len(p.Values))
		for i, v := range p.Values {
			out[i] = "`" + strings.ReplaceAll(v, "{party}", "PARTY") + "`"
		}
		return strings.Join(out, ", ")
	case Flag:
		return "`true`, `false`"
	case Key:
		return "a key"
	case BodyID:
		return "a body"
	}
	return "a text"
}
