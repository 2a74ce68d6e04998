package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// nobody is the role of somebody who has not joined.
const nobody room.Role = ""

const (
	// passLife is how long a browser keeps its pass: an exercise, with the days
	// before in which people read and after in which they correct.
	passLife = 30 * 24 * time.Hour
	nameMost = 60 // characters of a name
	// actTime bounds an act once it was begun. The caller's leaving does not end it, so
	// that a closed window leaves nothing half done.
	actTime = 30 * time.Second
)

// A visitor is somebody who joined.
type visitor struct {
	pass   string
	person room.PersonID
	role   room.Role
}

// cookie names the cookie of a pass. The projector has one of its own, so that one
// computer can be the facilitator's and show the room screen; the port is in it,
// because browsers keep cookies by host alone.
func (c *Console) cookie(role room.Role) string {
	name := "drill-room"
	if role == room.Screen {
		name = "drill-screen"
	}
	if at, err := url.Parse(c.url); err == nil && at.Port() != "" {
		name += "-" + at.Port()
	}
	if c.secure {
		return "__Host-" + name
	}
	return name
}

// asked is the role whose cookie a request is about.
func asked(r *http.Request) room.Role {
	if r.URL.Path == "/screen" || r.URL.Query().Get("as") == string(room.Screen) {
		return room.Screen
	}
	return nobody
}

// visitor says whose request it is; nil: nobody's.
func (c *Console) visitor(r *http.Request) *visitor {
	k, err := r.Cookie(c.cookie(asked(r)))
	if err != nil || k.Value == "" {
		return nil
	}
	person, role, ok := c.room.Who(k.Value)
	if !ok {
		return nil
	}
	return &visitor{k.Value, person, role}
}

// token is what the forms of a person's pages carry. Who has the pass alone can make
// it, and nobody finds the pass from it; it holds across a restart of the server, as
// the pass does.
func (v *visitor) token() string {
	h := hmac.New(sha256.New, []byte(v.pass))
	h.Write([]byte("drill console form v1"))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// genuine refuses a form that another site has sent.
func (c *Console) genuine(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	scheme := "http://"
	if c.secure {
		scheme = "https://"
	}
	switch {
	case site == "" && origin == "":
		return errors.New("the browser does not say which page the form comes from")
	case site != "" && site != "same-origin", origin != "" && origin != scheme+r.Host:
		return errors.New("the form comes from another site")
	}
	return nil
}

// own refuses a form that no page of this visitor's has sent.
func (c *Console) own(r *http.Request, v *visitor) error {
	if err := c.genuine(r); err != nil {
		return err
	}
	token := r.PostForm.Get("token")
	if token == "" {
		token = r.Header.Get("X-Room-Token")
	}
	if !hmac.Equal([]byte(token), []byte(v.token())) {
		return errors.New("the form is another person's, or from before you joined")
	}
	return nil
}

// roleOf is the role that a code gives; nobody: it is no code.
func (c *Console) roleOf(code string) room.Role {
	codes, facilitator := c.room.Codes()
	role := nobody
	for of, known := range map[room.Role]string{room.Player: codes.Player, room.Observer: codes.Observer, room.Screen: codes.Screen, room.Facilitator: facilitator} {
		if known != "" && hmac.Equal([]byte(code), []byte(known)) {
			role = of
		}
	}
	return role
}

// spelt is a code as somebody typed it, as the room spells it: codes for typing are
// capitals and digits.
func (c *Console) spelt(code string) string {
	code = strings.TrimSpace(code)
	if c.roleOf(code) != nobody {
		return code
	}
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

// A door is the page of those who have not joined.
type door struct {
	Title, Says string
	Code, Name  string
	Mistake     string // what is wrong with what was typed
	Open        bool   // show the form
	Screen      bool   // the code is the projector's: no name is asked
	Known       bool   // the code is good
	Already     *room.Person
}

// invited is the page of a join link.
func (c *Console) invited(w http.ResponseWriter, r *http.Request) {
	if c.tooMany(w, r) {
		return
	}
	code := c.spelt(r.PathValue("code"))
	role := c.roleOf(code)
	if role == nobody {
		c.guesses.mistaken(r)
		c.show(w, c.screens[nobody], http.StatusNotFound, "frame", c.strange(r, &door{
			Title: "Join the exercise", Open: true, Mistake: "The link's code is not known here. Type the code that the room screen shows, or ask the facilitator.",
		}))
		return
	}
	d := &door{Title: "Join the exercise", Open: true, Known: true, Code: code, Screen: role == room.Screen}
	if d.Screen {
		d.Title = "Show the room screen"
	}
	as := r.Clone(r.Context())
	as.URL = &url.URL{Path: "/"}
	if d.Screen {
		as.URL.Path = "/screen"
	}
	if v := c.visitor(as); v != nil && r.URL.Query().Get("new") == "" {
		if v.role == role {
			http.Redirect(w, r, as.URL.Path, http.StatusSeeOther)
			return
		}
		if view, err := c.room.View(v.person); err == nil {
			d.Already = &view.Me
		}
	}
	c.show(w, c.screens[nobody], http.StatusOK, "frame", c.strange(r, d))
}

// tooMany answers an address that tried too many wrong codes.
func (c *Console) tooMany(w http.ResponseWriter, r *http.Request) bool {
	wait := c.guesses.wait(r)
	if wait == 0 {
		return false
	}
	w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())+1))
	c.say(w, r, http.StatusTooManyRequests, "Too many wrong codes",
		fmt.Sprintf("Nobody can join from your network for %s. Then look at the room screen again and type its code, or ask the facilitator. People who have joined already are not affected.", report.Plural(int(wait.Minutes())+1, "minute")))
	return true
}

// join lets somebody in. Who comes with a cookie gets a new one: a secret that
// somebody else has put into a browser is never made anybody's.
func (c *Console) join(w http.ResponseWriter, r *http.Request) {
	if !c.read(w, r, smallForm) {
		return
	}
	if err := c.genuine(r); err != nil {
		c.say(w, r, http.StatusForbidden, "Nobody joined", "This was refused, because "+err.Error()+". Open the page of this room and join there.")
		return
	}
	if c.tooMany(w, r) {
		return
	}
	d := &door{Title: "Join the exercise", Open: true, Code: strings.TrimSpace(r.PostForm.Get("code")), Name: cleanLine(r.PostForm.Get("name"))}
	code := c.spelt(d.Code)
	role := c.roleOf(code)
	d.Known, d.Screen = role != nobody, role == room.Screen
	if d.Screen && d.Name == "" {
		d.Name = "Room screen"
	}
	again := func(status int, mistake string) {
		d.Mistake = mistake
		c.show(w, c.screens[nobody], status, "frame", c.strange(r, d))
	}
	switch {
	case d.Code == "":
		again(http.StatusUnprocessableEntity, "Type the code that the room screen shows.")
		return
	case d.Name == "":
		again(http.StatusUnprocessableEntity, "Type your name, as the others in the room know you. It stands in the minutes.")
		return
	case utf8.RuneCountInString(d.Name) > nameMost:
		again(http.StatusUnprocessableEntity, fmt.Sprintf("A name may have %d characters. Type a shorter one.", nameMost))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	pass, err := c.room.Join(ctx, code, d.Name)
	var refusal *room.Refusal
	switch {
	case errors.Is(err, room.ErrUnknown):
		c.guesses.mistaken(r)
		again(http.StatusForbidden, "This code is not known. Look at the room screen again: a code has no O, I or L, and no small letters matter.")
		return
	case errors.As(err, &refusal):
		again(http.StatusConflict, refusal.Why)
		return
	case err != nil:
		n := number()
		c.log.Error("somebody could not join", "number", n, "error", err)
		again(http.StatusInternalServerError, "You could not be let in just now. Try again; if that does not help, tell the facilitator the number "+n+".")
		return
	}
	_, role, _ = c.room.Who(pass)
	http.SetCookie(w, c.pass(role, pass, int(passLife.Seconds())))
	to := "/"
	if role == room.Screen {
		to = "/screen"
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// leave forgets the pass of this browser; the person's seat is theirs until they
// leave it or the facilitator frees it.
func (c *Console) leave(w http.ResponseWriter, r *http.Request) {
	if !c.read(w, r, smallForm) {
		return
	}
	if v := c.visitor(r); v != nil {
		if err := c.own(r, v); err != nil {
			c.say(w, r, http.StatusForbidden, "Nothing was done", "This was refused, because "+err.Error()+". Load the page again.")
			return
		}
		http.SetCookie(w, c.pass(v.role, "", -1))
	}
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

// pass is the cookie of a pass: no script reads it, and no other site makes a browser
// send it.
func (c *Console) pass(role room.Role, pass string, age int) *http.Cookie {
	return &http.Cookie{Name: c.cookie(role), Value: pass, Path: "/", MaxAge: age, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode}
}

// strange is the page of somebody who has not joined.
func (c *Console) strange(_ *http.Request, d *door) *page {
	return c.bare(nobody, &page{Title: d.Title, Door: d})
}
