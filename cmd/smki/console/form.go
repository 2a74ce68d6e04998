package console

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
)

// A form is an act that a page offers.
type form struct {
	Name   string // the act: of the form, and of its route
	To     string // where it is sent
	Title  string
	Says   string // who must agree, and what the rule rests on
	Fields []field
	Button string
	Grave  bool // it cannot be undone
	Open   bool // shown open

	ID          string
	Token, Once string
	Problem     *problem
}

// A field is one thing that a form asks.
type field struct {
	Name, Label, Hint string
	Kind              string // text, area, choice, many, date, hidden
	Optional          bool
	Most              int // octets
	Choices           []choice
	Value             string
	Values            []string // of many
	Bad               string   // what is wrong with it
	ID                string
}

type choice struct{ Value, Label string }

// IsChosen tells the page which of several is marked.
func (f field) IsChosen(value string) bool {
	return value == f.Value || slices.Contains(f.Values, value)
}

// once is the number of one form on one page.
func once() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// fill completes a form for a page: the token, and what was typed before it was
// refused.
func (v *visit) fill(f *form) *form {
	f.Token, f.Once = v.token, once()
	again := v.form == f.Name && v.problem != nil
	if again {
		// Two forms of one name on one page differ in what is hidden in them.
		for _, field := range f.Fields {
			again = again && (field.Kind != "hidden" || v.posted.Get(field.Name) == field.Value)
		}
	}
	id := f.Name
	for n := range f.Fields {
		if f.Fields[n].Kind == "hidden" {
			id += "-" + f.Fields[n].Value
		}
	}
	f.ID = strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, id)
	id = f.ID
	for n := range f.Fields {
		field := &f.Fields[n]
		field.ID = id + "-" + field.Name
		if !again || field.Kind == "hidden" {
			continue
		}
		field.Value, field.Values = v.posted.Get(field.Name), v.posted[field.Name]
		if v.problem.Field == field.Name {
			field.Bad = v.problem.Says
		}
	}
	if again {
		f.Problem, f.Open = v.problem, true
	}
	return f
}

// A spec is one act that a form asks for.
type spec struct {
	title  string
	button string // when it is done at once
	grave  bool
	fields func(c *Console) []field
	// deed makes what the Registry is to do, for acts that are deeds; direct does the
	// others and returns where to look.
	deed   func(in *input) ra.Deed
	direct func(ctx context.Context, c *Console, v *visit, in *input) (string, error)
	// again is the page that the form is on, after v was told what it is about.
	again func(c *Console, v *visit, in *input) page
}

// offer makes the form of an act, with what the page decides in hidden fields or as
// values; nil: the officer's role does not do it.
func (c *Console) offer(v *visit, act ra.Act, given map[string]string) *form {
	s, ok := c.specs[act]
	cell := c.table.May(v.officer.Role, act)
	if !ok || cell == ra.No {
		return nil
	}
	rule := c.table.Acts[act]
	f := &form{Name: string(act), To: "/ra/act/" + string(act), Title: s.title, Button: s.button, Grave: s.grave}
	switch needed, _ := c.table.Needed(v.officer.Role, act); {
	case needed == 0:
		f.Says = "You may do this alone; it takes effect at once."
	case needed == 1:
		f.Says = fmt.Sprintf("You propose it; one other person must agree within %s before it is done.", span(time.Duration(rule.Votes.Valid)))
	default:
		f.Says = fmt.Sprintf("You propose it; %d others must agree within %s before it is done.", needed, span(time.Duration(rule.Votes.Valid)))
	}
	if cell == ra.Two {
		f.Button = "Propose: " + strings.ToLower(s.title[:1]) + s.title[1:]
	}
	f.Says += " Rule " + markWords(rule.Mark) + "."
	f.Fields = s.fields(c)
	for n := range f.Fields {
		field := &f.Fields[n]
		value, ok := given[field.Name]
		if !ok {
			continue
		}
		switch field.Kind {
		case "many":
			field.Values = strings.Split(value, ",")
		default:
			field.Value = value
		}
	}
	return v.fill(f)
}

// offers makes the forms of several acts and leaves out those that the role does not
// do.
func (c *Console) offers(v *visit, given map[string]string, acts ...ra.Act) []*form {
	var forms []*form
	for _, act := range acts {
		if f := c.offer(v, act, given); f != nil {
			forms = append(forms, f)
		}
	}
	return forms
}

// act takes the form of an act of the table.
func (c *Console) act(v *visit) (doing, error) {
	act := ra.Act(v.PathValue("act"))
	s, ok := c.specs[act]
	if !ok {
		return doing{}, fmt.Errorf("an act %.60q that is done here: %w", act, ca.ErrNotFound)
	}
	if err := c.mayNot(v, act); err != nil {
		return doing{}, err
	}
	in := &input{Values: v.PostForm}
	return doing{
		form:  string(act),
		again: func(v *visit) (*screen, error) { return s.again(c, v, in)(v) },
		do: func(ctx context.Context) (string, error) {
			if s.direct != nil {
				return s.direct(ctx, c, v, in)
			}
			d := s.deed(in)
			if in.err != nil {
				return "", in.err
			}
			if d.Act() != act {
				return "", mistaken("", "the form asks to %s and says otherwise", c.table.Acts[act].Says)
			}
			return c.propose(ctx, v, d)
		},
	}, nil
}

// propose has a deed proposed, and done where the officer may do it alone.
func (c *Console) propose(ctx context.Context, v *visit, d ra.Deed) (string, error) {
	a, err := c.registry.Do(ctx, v.by(), d)
	if err != nil {
		return "", err
	}
	told := "proposed"
	if a.State == ra.Executed {
		told = "done"
	}
	if c.mayNot(v, ra.ActReadQueues) != nil {
		return at("/ra/", told), nil
	}
	return at(fmt.Sprintf("/ra/approvals/%d", a.ID), told), nil
}

// on shows the page of one thing, named by a field of the form.
func on(name string, of func(c *Console) page) func(c *Console, v *visit, in *input) page {
	return func(c *Console, v *visit, in *input) page {
		v.SetPathValue("id", in.Get(name))
		return of(c)
	}
}

// span says how long in words.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days and %d hours", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d >= 0:
		return "less than two minutes"
	}
	return "no time"
}
