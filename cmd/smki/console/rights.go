package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/store"
)

// marks says what each mark of confidence means.
var marks = map[string]string{
	"S": "S: said in a public text",
	"T": "T: seen in the public test material",
	"I": "I: our own choice",
	"K": "K: generally known, not verified",
}

func markWords(mark string) string {
	if says, ok := marks[mark]; ok {
		return says
	}
	return mark
}

// mayNot says why an officer's role does not do an act at all; nil: it does, alone or
// with others. Whether this officer may do it to this thing is the Registry's to say.
func (c *Console) mayNot(v *visit, act ra.Act) error {
	if act == "" || c.table.May(v.officer.Role, act) != ra.No {
		return nil
	}
	return c.noRight(v, act)
}

func (c *Console) noRight(v *visit, act ra.Act) error {
	rule := c.table.Acts[act]
	return &right{act: act, rule: rule, err: &ca.Refusal{Rule: "rights", Err: fmt.Errorf("the office %q may not %s", v.officer.Role, rule.Says)}}
}

// A right is a refusal by a row of the table, which the page shows.
type right struct {
	act   ra.Act
	rule  ra.Rule
	votes bool // it is about the vote on the act, not the act
	err   error
}

func (r *right) Error() string { return r.err.Error() }
func (r *right) Unwrap() error { return r.err }

// A denial is a page that says no, and by which rule.
type denial struct {
	Says   string
	Rule   string
	Act    ra.Act // the row of the table, if it was one
	Row    ra.Rule
	Office []string // who may
	Mark   string
	Stray  bool // nobody is signed in
}

// deny answers what cannot be shown or begun.
func (c *Console) deny(w http.ResponseWriter, v *visit, err error) {
	var r *right
	switch {
	case errors.As(err, &r):
		d := denial{Says: sentence(reason(r.err)), Rule: "rights", Act: r.act, Row: r.rule, Mark: markWords(r.rule.Mark)}
		for _, role := range ra.Roles() {
			if !r.votes && c.table.May(role, r.act) != ra.No || r.votes && c.table.MayVote(role, r.act) {
				d.Office = append(d.Office, fmt.Sprintf("%s: %s", role, c.table.Roles[role].Says))
			}
		}
		c.logger.Info("an act was refused", "officer", string(v.by()), "rule", "rights", "act", string(r.act))
		c.show(w, v, http.StatusForbidden, &screen{"You may not do this", "denied.html", d})
	case errors.Is(err, ca.ErrRefused):
		c.logger.Info("an act was refused", "officer", string(v.by()), "rule", ruleOf(err), "error", err)
		c.say(w, v, http.StatusForbidden, "You may not see this", ruleOf(err), sentence(reason(err)))
	case errors.Is(err, ca.ErrNotFound):
		c.say(w, v, http.StatusNotFound, "There is no such page", "", sentence(reason(err)))
	default:
		c.fault(w, v, err)
	}
}

// fault answers an outage: the officer gets a number, the log the reason.
func (c *Console) fault(w http.ResponseWriter, v *visit, err error) {
	n := number()
	c.logger.Error("a page could not be answered", "number", n, "officer", string(v.by()), "path", v.URL.Path, "error", err)
	says := "The service could not answer. Try again; if it goes on, tell the operators, with the number " + n + "."
	if v.Method == http.MethodPost {
		says = "The service could not answer, and it may have been done or not: look before you repeat it. Tell the operators, with the number " + n + "."
	}
	c.say(w, v, http.StatusServiceUnavailable, "The service cannot answer now", "", says)
}

func (c *Console) say(w http.ResponseWriter, v *visit, status int, title, rule, says string) {
	c.show(w, v, status, &screen{title, "denied.html", denial{Says: says, Rule: rule}})
}

// stranger answers somebody whom nobody knows.
func (c *Console) stranger(w http.ResponseWriter, status int, title, rule, says string) {
	c.show(w, nil, status, &screen{title, "denied.html", denial{Says: says, Rule: rule, Stray: true}})
}

// refused shows the page of a form again, with what was typed and why it was not
// taken.
func (c *Console) refused(w http.ResponseWriter, v *visit, d doing, err error) {
	p, status := &problem{Title: "This was not done", Says: sentence(reason(err)), Rule: ruleOf(err)}, http.StatusForbidden
	var typed *mistake
	switch {
	case errors.As(err, &typed):
		p.Title, p.Field, status = "Please correct what you typed", typed.field, http.StatusUnprocessableEntity
	case errors.Is(err, ca.ErrUncertain), errors.Is(err, store.ErrUncertain):
		p.Title, status = "It is not known yet whether this was done", http.StatusServiceUnavailable
		p.Says = "The service looks for it before anything else is done. Do not repeat it; open the approval again in a minute."
	case errors.Is(err, ca.ErrConflict):
		p.Title, status = "The world has changed meanwhile", http.StatusConflict
	case errors.Is(err, ca.ErrNotFound):
		status = http.StatusNotFound
	case !errors.Is(err, ca.ErrRefused):
		c.fault(w, v, err)
		return
	}
	c.logger.Info("an act was refused", "officer", string(v.by()), "rule", p.Rule, "form", d.form, "error", err)
	v.problem, v.form, v.posted = p, d.form, v.PostForm
	s, err := d.again(v)
	if err != nil {
		// Who may act on it but not read it is told on a page of its own.
		c.say(w, v, status, p.Title, p.Rule, p.Says)
		return
	}
	c.show(w, v, status, s)
}

// ruleOf is the rule by which something was refused, or "".
func ruleOf(err error) string {
	var refusal *ca.Refusal
	if errors.As(err, &refusal) {
		return refusal.Rule
	}
	return ""
}

// reason is an error without the words in front that say what was attempted, which the
// page says itself.
func reason(err error) string {
	var refusal *ca.Refusal
	if errors.As(err, &refusal) {
		return refusal.Err.Error()
	}
	return err.Error()
}

// sentence is an error as a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
