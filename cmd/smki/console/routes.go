package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
)

const (
	// maxForm bounds what a form may say: a thousand serial numbers, or a certificate
	// request, or an explanation, with room for their encoding.
	maxForm = 128 << 10
	// actTime bounds an act once it was begun. The caller's leaving does not end it,
	// so that a closed window leaves nothing half done.
	actTime = 30 * time.Second
)

// A page makes what is shown at an address.
type page func(v *visit) (*screen, error)

// A view is an address that shows something.
type view struct {
	path  string
	needs ra.Act // the row of the table that lets an officer see it; "": everybody
	page  page
	menu  string // its name in the menu, if it is there
}

// views is every address that is read.
func (c *Console) views() []view {
	return []view{
		{"/ra/{$}", "", c.overview, "Overview"},
		{"/ra/approvals", ra.ActReadQueues, c.queue, "Approvals"},
		{"/ra/approvals/{id}", ra.ActReadQueues, c.approval, ""},
		{"/ra/requests", ra.ActReadQueues, c.requests, "Certificate requests"},
		{"/ra/requests/{id}", ra.ActReadQueues, c.request, ""},
		{"/ra/revocations", ra.ActReadQueues, c.revocations, "Revocations"},
		{"/ra/revocations/{id}", ra.ActReadQueues, c.revocation, ""},
		{"/ra/batches", ra.ActReadQueues, c.batchesPage, "Batches"},
		{"/ra/parties", ra.ActReadRegister, c.parties, "Parties"},
		{"/ra/parties/{id}", ra.ActReadRegister, c.party, ""},
		{"/ra/officers", ra.ActReadRegister, c.officers, "Officers"},
		{"/ra/officers/{id}", ra.ActReadRegister, c.officerPage, ""},
		{"/ra/history", ra.ActReadQueues, c.history, "History"},
		{"/ra/rights", "", c.rights, "Rights"},
	}
}

// menu is the pages that an officer may open.
func (c *Console) menu(v *visit) []link {
	var menu []link
	for _, view := range c.views() {
		if view.menu == "" || c.mayNot(v, view.needs) != nil {
			continue
		}
		to := strings.TrimSuffix(view.path, "{$}")
		here := v.URL.Path == to || to != "/ra/" && strings.HasPrefix(v.URL.Path, to+"/")
		menu = append(menu, link{view.menu, to, here})
	}
	return menu
}

// Handler serves the console. Mount it at /ra/.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ra/console.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(style)
	})
	for _, view := range c.views() {
		mux.HandleFunc("GET "+view.path, c.signedIn(func(w http.ResponseWriter, v *visit) {
			if err := c.mayNot(v, view.needs); err != nil {
				c.deny(w, v, err)
				return
			}
			s, err := view.page(v)
			if err != nil {
				c.deny(w, v, err)
				return
			}
			c.show(w, v, http.StatusOK, s)
		}))
	}
	mux.HandleFunc("GET /ra/approvals/{id}/bytes", c.signedIn(c.bytes))
	mux.HandleFunc("POST /ra/approvals/{id}/vote", c.signedIn(c.posted(c.vote)))
	mux.HandleFunc("POST /ra/approvals/{id}/execute", c.signedIn(c.posted(c.execute)))
	mux.HandleFunc("POST /ra/approvals/{id}/retract", c.signedIn(c.posted(c.retract)))
	mux.HandleFunc("POST /ra/act/{act}", c.signedIn(c.posted(c.act)))
	mux.HandleFunc("/", c.signedIn(func(w http.ResponseWriter, v *visit) {
		c.deny(w, v, fmt.Errorf("the page %q: %w", v.URL.Path, ca.ErrNotFound))
	}))
	return guarded(mux)
}

// guarded sets what every answer says to the browser, also those of the multiplexer.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		// With no-referrer a browser would send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// signedIn lets in whom Config.Officer knows, on a connection with a client
// certificate.
func (c *Console) signedIn(next func(http.ResponseWriter, *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			c.stranger(w, http.StatusUnauthorized, "Sign in with your certificate", "credential",
				"This page is for officers who are enrolled, and the connection has no client certificate. Choose your IKI certificate when the browser asks for one; if it does not ask, close it and open this page again.")
			return
		}
		o, err := c.officer(r)
		switch {
		case errors.Is(err, ca.ErrRefused):
			rule := ruleOf(err)
			c.logger.Info("a certificate was refused", "rule", rule, "error", err)
			c.stranger(w, http.StatusForbidden, "Your certificate is not accepted", rule,
				"The certificate of this connection belongs to no officer who may act now: it may be unknown, expired, withdrawn or revoked, or the office may have ended. Ask a manager of the registration authority.")
			return
		case err != nil:
			n := number()
			c.logger.Error("an officer could not be authenticated", "number", n, "error", err)
			c.stranger(w, http.StatusServiceUnavailable, "Try again later", "",
				"It could not be found out whether your certificate is good, so nobody is let in on it. Tell the operators, with the number "+n+".")
			return
		}
		next(w, &visit{Request: r, officer: o, token: c.token(r.TLS.PeerCertificates[0].Raw, o.ID)})
	}
}

// A doing carries out what a form asks for and returns the page that says so.
type doing struct {
	form  string // its name, to show it again
	again page   // the page it is on
	do    func(ctx context.Context) (location string, err error)
}

// posted takes a form: it must come from one of our pages, and what was sent twice is
// done once.
func (c *Console) posted(begin func(v *visit) (doing, error)) func(http.ResponseWriter, *visit) {
	return func(w http.ResponseWriter, v *visit) {
		v.Body = http.MaxBytesReader(w, v.Body, maxForm)
		if err := v.ParseForm(); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				c.say(w, v, http.StatusRequestEntityTooLarge, "Too much text", "", fmt.Sprintf("A form may say %d octets at most.", maxForm))
				return
			}
			c.say(w, v, http.StatusBadRequest, "The form cannot be read", "", "Go back and send it again.")
			return
		}
		if err := genuine(v.Request, v.token); err != nil {
			c.logger.Warn("a form was refused", "officer", string(v.by()), "path", v.URL.Path, "error", err)
			c.say(w, v, http.StatusForbidden, "The form was not accepted", "form", "Nothing was done, because "+err.Error()+". Go back, load the page again and repeat what you did.")
			return
		}
		if v.PostForm.Get("once") == "" {
			c.say(w, v, http.StatusBadRequest, "The form cannot be read", "form", "It has no number of its own, so that it cannot be told from another. Go back, load the page again and repeat what you did.")
			return
		}
		d, err := begin(v)
		if err != nil {
			c.deny(w, v, err)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), actTime)
		defer cancel()
		location, again, err := c.sent.once(v.submission(), func() (string, error) { return d.do(ctx) })
		if err != nil {
			c.refused(w, v, d, err)
			return
		}
		if again {
			location += "&twice=yes"
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// submission tells one form that was sent from another: by whom, where to, and
// everything that it says, its own number included. What was corrected on a page that
// the browser kept is another.
func (v *visit) submission() [sha256.Size]byte {
	return sha256.Sum256([]byte(string(v.by()) + "\x00" + v.URL.Path + "\x00" + v.PostForm.Encode()))
}

// told is what the page says of what was just done: one of our own sentences, chosen
// by the address.
func (v *visit) told() string {
	q := v.URL.Query()
	says := map[string]string{
		"proposed":  "It is proposed. Nothing is done before others have agreed.",
		"done":      "It is done.",
		"agreed":    "Your agreement is recorded.",
		"rejected":  "Your rejection is recorded, and ends it.",
		"retracted": "It is taken back.",
		"recorded":  "It is recorded.",
		"asked":     "The request is recorded.",
	}[q.Get("told")]
	if says != "" && q.Get("twice") == "yes" {
		says += " The form was sent twice and counted once."
	}
	return says
}

// at is an address with what to say there.
func at(path, told string) string { return path + "?" + url.Values{"told": {told}}.Encode() }
