package console

import (
	"embed"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
)

//go:embed pages
var pages embed.FS

// A page is what a template is given: a person's view, and what the console adds.
//
// A role's templates are pages/ROLE*.html with frame.html and shared*.html. They
// define "body". A template live-NAME is a part that is sent when it changes: it
// stands in the page as
//
//	<section id="NAME" sse-swap="NAME">{{.Live "NAME"}}</section>
//
// What a person types must not stand in a part that changes with what others do;
// static/room.js keeps a part back while something is typed in it all the same.
type page struct {
	*room.View // nil for somebody who has not joined

	Role        room.Role
	Title       string // of the window
	CSRF        string
	Fingerprint string // of the server's certificate, in pairs of digits; empty on loopback
	URL         string // of the console
	Static      string // where the files are: {{.Static}}base.css
	Styles      []string
	Scripts     []string
	Events      string // the stream; empty where nothing changes
	Query       url.Values
	Told        string // what was just done
	Refused     string // what was not done, and why
	Door        *door
	Compared    *contrast // two runs side by side, instead of the role's page
	Draft       *draft    // a scenario that the facilitator writes

	console *Console
	screen  *screen
	was     url.Values // what was typed in the form that was refused
	wasAct  string
	part    string // that is being rendered
	tips    int    // terms explained in it
}

// bare completes a page.
func (c *Console) bare(role room.Role, p *page) *page {
	s := c.screens[role]
	p.Role, p.console, p.screen = role, c, s
	p.Fingerprint, p.URL, p.Static, p.Styles, p.Scripts = c.fingerprint, c.url, c.static.base, s.styles, s.script
	return p
}

// of is the page of a visitor.
func (c *Console) of(v *visitor, view *room.View, query url.Values) *page {
	p := c.bare(v.role, &page{View: view, CSRF: v.token(), Query: query})
	return p
}

// home is a person's screen, or the door.
func (c *Console) home(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		if asked(r) == nobody {
			// The computer of the projector alone: its address needs not be known.
			as := r.Clone(r.Context())
			as.URL = &url.URL{Path: "/screen"}
			if c.visitor(as) != nil {
				http.Redirect(w, r, "/screen", http.StatusSeeOther)
				return
			}
		}
		c.show(w, c.screens[nobody], http.StatusOK, "frame", c.strange(r, &door{Title: "Join the exercise", Open: true}))
		return
	}
	p, err := c.now(v, r.URL.Query())
	if err != nil {
		c.outage(w, r, err)
		return
	}
	if deed, ok := deeds[p.Query.Get("told")]; ok {
		p.Told = deed.done
	}
	c.glimpsed(v.person)
	c.show(w, p.screen, http.StatusOK, "frame", p)
}

// now is a visitor's page as things stand, with its stream.
func (c *Console) now(v *visitor, query url.Values) (*page, error) {
	view, err := c.room.View(v.person)
	if err != nil {
		return nil, err
	}
	p := c.of(v, view, query)
	stream := maps.Clone(query)
	stream.Del("told")
	if v.role == room.Screen {
		stream.Set("as", string(room.Screen))
	}
	p.Events = "/events"
	if len(stream) > 0 {
		p.Events += "?" + stream.Encode()
	}
	return p, nil
}

// file gives a file of the sealed record to a person who may read it.
func (c *Console) file(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		c.say(w, r, http.StatusForbidden, "You have not joined", "Join the exercise first, then open its papers.")
		return
	}
	name := r.PathValue("name")
	path, err := c.room.File(v.person, name)
	if err != nil {
		c.say(w, r, http.StatusNotFound, "There is no such paper", "Papers can be read once the facilitator has finished the exercise.")
		return
	}
	// What people typed stands in some of them: they are read in a window of their own,
	// with no rights.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'")
	if !strings.HasSuffix(name, ".html") {
		w.Header().Set("Content-Disposition", "attachment")
	}
	http.ServeFile(w, r, path)
}

// outage answers what is nobody's mistake.
func (c *Console) outage(w http.ResponseWriter, r *http.Request, err error) {
	if refusal := asRefusal(err); refusal != nil {
		c.say(w, r, http.StatusForbidden, "This cannot be shown", refusal.Why)
		return
	}
	n := number()
	c.log.Error("a page could not be shown", "path", r.URL.Path, "number", n, "error", err)
	c.say(w, r, http.StatusInternalServerError, "This cannot be shown just now", "Load the page again. If that does not help, tell the facilitator the number "+n+".")
}

// Live renders a part of the page.
func (p *page) Live(name string) (template.HTML, error) {
	part, tips := p.part, p.tips
	p.part, p.tips = name, 0
	defer func() { p.part, p.tips = part, tips }()
	var b strings.Builder
	err := p.screen.render(&b, "live-"+name, p)
	return template.HTML(b.String()), err
}

// Form are the attributes of the form of an act: <form {{.Form "vote"}}>. Its first
// child is {{.Token}}.
func (p *page) Form(act string) (template.HTMLAttr, error) {
	if _, ok := deeds[act]; !ok {
		return "", fmt.Errorf("there is no act %q", act)
	}
	return template.HTMLAttr(fmt.Sprintf(`method="post" action="/act/%s" hx-post="/act/%[1]s" hx-target="#said" hx-swap="innerHTML"`, act)), nil
}

// Token is the hidden field without which a form is not obeyed.
func (p *page) Token() template.HTML {
	return template.HTML(`<input type="hidden" name="token" value="` + html.EscapeString(p.CSRF) + `">`)
}

// Was is what was typed in a field of a form that was refused, so that it is not
// typed twice.
func (p *page) Was(act, field string) string {
	if p.wasAct != act {
		return ""
	}
	return p.was.Get(field)
}

// QR is the address of the picture of a join link, for player, observer or screen.
func (p *page) QR(of string) string {
	q := url.Values{"for": {of}}
	if p.Role == room.Screen {
		q.Set("as", string(room.Screen))
	}
	return "/qr.svg?" + q.Encode()
}

// Join is the link by which people join with a code.
func (p *page) Join(code string) string { return p.console.JoinLink(code) }

// Explain shows a text in which the terms of the exercise explain themselves, on
// hover, on focus and on a tap. Each is explained where it stands first.
func (p *page) Explain(text string) template.HTML {
	if p.View == nil || len(p.Exercise.Terms) == 0 {
		return template.HTML(html.EscapeString(text))
	}
	found, says := p.console.terms.of(p.Exercise.Terms)
	if found == nil {
		return template.HTML(html.EscapeString(text))
	}
	var b strings.Builder
	explained := make(map[string]bool)
	at := 0
	for _, m := range found.FindAllStringIndex(text, -1) {
		term := text[m[0]:m[1]]
		lower := strings.ToLower(term)
		meaning, ok := says[lower]
		if !ok || explained[lower] {
			continue
		}
		explained[lower] = true
		p.tips++
		id := fmt.Sprintf("term-%s-%d", p.part, p.tips)
		b.WriteString(html.EscapeString(text[at:m[0]]))
		fmt.Fprintf(&b, `<span class="term"><span class="term-name" tabindex="0" aria-describedby="%s">%s</span><span class="term-says" role="tooltip" id="%[1]s">%[3]s</span></span>`,
			id, html.EscapeString(term), html.EscapeString(meaning))
		at = m[1]
	}
	b.WriteString(html.EscapeString(text[at:]))
	return template.HTML(b.String())
}

// A finder keeps the expression that finds the terms of an exercise, and what each
// says: pages are made a thousand times and the terms stay.
type finder struct {
	mu    sync.Mutex // guards what follows
	terms []procedure.Term
	found *regexp.Regexp
	says  map[string]string // by the term in small letters; not changed once it is given out
}

func (f *finder) of(terms []procedure.Term) (*regexp.Regexp, map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found != nil && slices.Equal(f.terms, terms) {
		return f.found, f.says
	}
	var names []string
	says := make(map[string]string, len(terms))
	for _, t := range terms {
		names = append(names, regexp.QuoteMeta(t.Term))
		says[strings.ToLower(t.Term)] = t.Says
	}
	// The longest first: "recovery key" is no "key".
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	// A term may begin or end with what is no letter, and is then found all the same.
	found, err := regexp.Compile(`(?i)(?:\b|^)(?:` + strings.Join(names, "|") + `)(?:\b|$)`)
	if err != nil {
		return nil, nil
	}
	f.terms, f.found, f.says = slices.Clone(terms), found, says
	return found, says
}

// words are the functions that templates share.
var words = template.FuncMap{
	"clock":     report.Clock,
	"seconds":   func(d time.Duration) int64 { return int64(d / time.Second) },
	"plural":    report.Plural,
	"capital":   report.Capital,
	"date":      func(t time.Time) string { return t.Format("2 January 2006") },
	"thousands": report.Thousands,
	"percent":   percent,
	"paras":     paras,
	"slug":      slug,
	"joined":    joined,
	"when":      func(t time.Time) string { return t.Local().Format("2 January 2006, 15:04") },
	"add":       func(a, b int) int { return a + b },
	"deref":     func(b *bool) bool { return b != nil && *b },
	"list":      func(of ...any) []any { return of },
	"with2":     func(p *page, with any) map[string]any { return map[string]any{"Page": p, "It": with} },
}

// percent never says that all or none are where one is missing.
func percent(n, of int) string {
	switch {
	case of == 0 || n == 0:
		return "0 %"
	case n == of:
		return "100 %"
	}
	p := min(max((100*n+of/2)/of, 1), 99)
	return strconv.Itoa(p) + " %"
}

var emptyLine = regexp.MustCompile(`\n[ \t]*\n`)

// paras divides a text at its empty lines.
func paras(text string) []string {
	var found []string
	for _, p := range emptyLine.Split(strings.ReplaceAll(text, "\r\n", "\n"), -1) {
		if p = strings.TrimSpace(p); p != "" {
			found = append(found, p)
		}
	}
	return found
}

// slug makes an id of a page's element.
func slug(of any) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, fmt.Sprint(of)), "-")
}

// joined writes a list as people say it.
func joined(all []string) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// parse reads the templates of every role.
func (c *Console) parse() (map[room.Role]*screen, error) {
	files, err := fs.Glob(pages, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("opening the exercise room: %w", err)
	}
	screens := make(map[room.Role]*screen)
	for role, more := range map[room.Role]template.FuncMap{
		nobody: nil, room.Facilitator: facilitatorWords, room.Player: playerWords, room.Observer: nil, room.Screen: nil,
	} {
		own := string(role)
		if role == nobody {
			own = "door"
		}
		funcs := maps.Clone(words)
		maps.Copy(funcs, more)
		s := &screen{set: template.New(own).Funcs(funcs)}
		for _, file := range files {
			name := strings.TrimPrefix(file, "pages/")
			if strings.HasPrefix(name, "frame") || strings.HasPrefix(name, "shared") || strings.HasPrefix(name, own) {
				if s.set, err = s.set.ParseFS(pages, file); err != nil {
					return nil, fmt.Errorf("opening the exercise room: %w", err)
				}
			}
		}
		for _, t := range s.set.Templates() {
			if name, ok := strings.CutPrefix(t.Name(), "live-"); ok {
				s.live = append(s.live, name)
			}
		}
		slices.Sort(s.live)
		for _, name := range []string{"base.css", "frame.css", own + ".css"} {
			if c.static.has(name) {
				s.styles = append(s.styles, name)
			}
		}
		for _, name := range append([]string{"vendor/htmx.min.js", "vendor/sse.min.js", "room.js"}, append(moreScripts[role], own+".js")...) {
			if role != nobody && c.static.has(name) {
				s.script = append(s.script, name)
			}
		}
		s.styles = append(s.styles, moreStyles[role]...)
		screens[role] = s
	}
	return screens, nil
}

// moreScripts and moreStyles are files that a role's pages need besides ROLE.js and
// ROLE.css, such as vendor/uplot.js.
var (
	moreScripts = map[room.Role][]string{room.Screen: {"uplot.iife.min.js", "situation.js"}, room.Observer: {"uplot.iife.min.js", "situation.js"}}
	moreStyles  = map[room.Role][]string{room.Screen: {"uplot.min.css", "situation.css"}, room.Observer: {"uplot.min.css", "situation.css"}, room.Player: {"situation.css"}}
)
