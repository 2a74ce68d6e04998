package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"smki.example/ca/ra"
	"smki.example/policy"
)

// words is what the pages call to say things.
var words = template.FuncMap{
	"when":    when,
	"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"left":    func(now, until time.Time) string { return span(until.Sub(now)) },
	"mark":    markWords,
	"of":      of,
	"subject": subjectLink,
	"group":   group,
	"dict":    dict,
	"plural":  plural,
	"join":    strings.Join,
}

// when is a time as people compare it; the pages say once that all are UTC.
func when(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05 UTC") }

// group sets a long hexadecimal text in groups of eight digits, for the eye.
func group(s string) string {
	var out []string
	for len(s) > 8 {
		out, s = append(out, s[:8]), s[8:]
	}
	return strings.Join(append(out, s), " ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// dict lets a page give a part several things.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any)
	for n := 0; n+1 < len(pairs); n += 2 {
		key, ok := pairs[n].(string)
		if !ok {
			return nil, fmt.Errorf("making a page: %v is no name", pairs[n])
		}
		m[key] = pairs[n+1]
	}
	return m, nil
}

// subjectLink is the page of what an approval is about, or "".
func subjectLink(subject string) string {
	kind, name, _ := strings.Cut(subject, "/")
	switch kind {
	case "request":
		return "/ra/requests/" + name
	case "revocation":
		return "/ra/revocations/" + name
	case "party":
		return "/ra/parties/" + name
	case "officer":
		return "/ra/officers/" + name
	}
	return ""
}

// heading makes "issue an Organisation Certificate" a heading.
func (c *Console) heading(act ra.Act) string {
	says := c.table.Acts[act].Says
	if says == "" {
		return string(act)
	}
	return strings.ToUpper(says[:1]) + says[1:]
}

// reasons are the revocation reasons that SMKI knows, to choose from.
func reasons() []choice {
	all := []choice{{"", "Choose a reason"}}
	for n := range 256 {
		if r := policy.Reason(n); r.Known() {
			all = append(all, choice{r.String(), r.String()})
		}
	}
	return all
}
