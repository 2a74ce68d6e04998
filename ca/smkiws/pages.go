package smkiws

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// PagesPath is where the portal's pages are: our own, because the look, the addresses and
// the texts of the SMKI Portal are in the SMKI User Guide, which is not public (AppM 2.2,
// 2.3; I).
const PagesPath = "/portal/"

//go:embed pages
var pageFiles embed.FS

// listPage is how many batches a page has, outcomesShown how many outcomes.
const listPage, outcomesShown = 50, 100

var pageFuncs = template.FuncMap{
	"when": func(t time.Time) template.HTML {
		t = t.UTC()
		return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2 Jan 2006 15:04:05") + `</time>`)
	},
	"final": State.Final,
	"channel": func(c Channel) string {
		if c == PortalChannel {
			return "the portal"
		}
		return "the web service"
	},
	"means": func(s State) string { return stateMeans[s] },
}

// stateMeans says of each state what it means to who waits.
var stateMeans = map[State]string{
	Pending:    "Received and kept. It waits for the registration authority's release; there is nothing to do.",
	Rejected:   "The registration authority has refused this batch, and nothing was issued. The reason is below; correct the batch and send it again.",
	Parsing:    "Released, and being read.",
	Queued:     "Read. It waits for its turn.",
	Processing: "Being processed.",
	Paused:     "The processing window of the day is closed. It goes on when the window opens; there is nothing to do.",
	Tampered:   "What was kept is not what was received, and nothing of what was changed was issued. Tell the Service Desk, then send the batch again.",
	Completed:  "Every request has its outcome.",
}

var pages = map[string]*template.Template{
	"home":    parsePage("home"),
	"batch":   parsePage("batch"),
	"refused": parsePage("refused"),
}

func parsePage(name string) *template.Template {
	return template.Must(template.New("frame.html").Funcs(pageFuncs).ParseFS(pageFiles, "pages/frame.html", "pages/"+name+".html"))
}

// A page is what every page of the portal has.
type page struct {
	Title            string
	Exercise         bool
	Environment      string
	Party, Requester string
	Now              time.Time
	Home             bool // there is a way back
	Problem          *problem
	Body             any
}

// problem is what could not be done, in words, and what to do about it.
type problem struct{ Title, Says, Next string }

type homeBody struct {
	CSR          string
	Most, Octets int64
	Devices      string
	Batches      []Batch
	Newer        bool
	More         int64 // the page before ends here; 0: there is none
}

type batchBody struct {
	Batch    Batch
	Until    time.Time
	Outcomes []shownOutcome
	Cut      bool
}

type shownOutcome struct{ Name, Status, Code, Detail, Serial string }

func (s *Service) show(w http.ResponseWriter, status int, name string, c Client, p page) {
	p.Exercise, p.Environment = s.cfg.Environment.Exercise, s.cfg.Environment.Name
	p.Party, p.Requester, p.Now = c.Party, c.Requester, s.now()
	var b bytes.Buffer
	if err := pages[name].Execute(&b, p); err != nil {
		s.logger.Error("making a page of the portal", "page", name, "error", err)
		http.Error(w, "the page could not be made; tell the Service Desk", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// servePages are the pages. They have no script, and a browser is told to run none.
// Forms of other sites are refused, as for the files.
func (s *Service) servePages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PagesPath+"{$}", s.asOfficer(s.pageHome))
	mux.HandleFunc("GET "+PagesPath+"batches/{id}", s.asOfficer(s.pageBatch))
	mux.HandleFunc("POST "+PagesPath+"request", s.asOfficer(s.pageRequest))
	mux.HandleFunc("POST "+PagesPath+"upload", s.asOfficer(s.pageUpload))
	mux.HandleFunc("GET "+PagesPath+"portal.css", func(w http.ResponseWriter, _ *http.Request) {
		css, _ := pageFiles.ReadFile("pages/portal.css")
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(css)
	})
	mux.HandleFunc("GET "+PagesPath, s.asOfficer(func(w http.ResponseWriter, _ *http.Request, c Client) {
		s.refusePage(w, http.StatusNotFound, c, "There is no such page", "The address leads nowhere.")
	}))
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.refusePage(w, http.StatusForbidden, Client{}, "The form came from another site", "Nothing was taken. Send it from the portal's own page.")
	}))
	protected := protection.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		// With no-referrer a browser would send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		protected.ServeHTTP(w, r)
	})
}

// asOfficer serves those who may use the portal.
func (s *Service) asOfficer(serve func(http.ResponseWriter, *http.Request, Client)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.cfg.IdentifyPortal(r)
		status, says := refusalOf(c, err, nil)
		if status != 0 {
			s.refusePage(w, status, Client{}, "The portal is closed to you", says)
			return
		}
		serve(w, r, c)
	}
}

func (s *Service) refusePage(w http.ResponseWriter, status int, c Client, title, says string) {
	s.show(w, status, "refused", c, page{Title: title, Home: c.Party != "", Problem: &problem{Title: "Not done", Says: says, Next: "Ask the Service Desk if this should not be so."}})
}

func (s *Service) pageHome(w http.ResponseWriter, r *http.Request, c Client) {
	s.home(w, r, http.StatusOK, c, "", nil)
}

// home is the first page, with what went wrong, if something did.
func (s *Service) home(w http.ResponseWriter, r *http.Request, status int, c Client, csr string, p *problem) {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before <= 0 {
		before = 0
	}
	body := homeBody{CSR: csr, Most: int64(s.limits.BatchItems), Octets: s.limits.BatchOctets >> 20, Devices: s.cfg.DevicesSay, Newer: before > 0}
	body.Batches, err = s.own(r.Context(), c, before, listPage+1)
	if err != nil {
		s.logger.Error("listing batches of a party", "party", c.Party, "error", err)
		status, p = http.StatusServiceUnavailable, &problem{"The list could not be read", "The database does not answer.", "Try again in a minute."}
	}
	if len(body.Batches) > listPage {
		body.Batches = body.Batches[:listPage]
		body.More = body.Batches[listPage-1].ID
	}
	s.show(w, status, "home", c, page{Title: "Device certificates", Problem: p, Body: body})
}

// own are the batches of c's Party whose results are kept, newest first, before one.
func (s *Service) own(ctx context.Context, c Client, before int64, most int) (all []Batch, err error) {
	oldest := s.now().Add(-s.limits.Retention).UnixMicro()
	err = s.store.Read(ctx, func(tx store.Tx) error {
		all, err = batchesIn(ctx, tx, `party = $1 AND (id < $2 OR CAST($3 AS BIGINT) = 0) AND purged_at IS NULL AND (finished_at IS NULL OR finished_at > $4) ORDER BY id DESC LIMIT $5`,
			c.Party, before, before, oldest, most)
		return err
	})
	return all, err
}

func (s *Service) pageBatch(w http.ResponseWriter, r *http.Request, c Client) {
	id, err := pathBatch(r)
	var b Batch
	if err == nil {
		b, err = s.owned(r.Context(), c, id)
	}
	body := batchBody{Batch: b, Until: b.FinishedAt.Add(s.limits.Retention)}
	if err == nil && b.State == Completed {
		var found []outcome
		if found, err = s.outcomes(r.Context(), b.ID, 0); err == nil {
			body.Cut = b.Items > outcomesShown
			for _, o := range found[:min(len(found), outcomesShown)] {
				shown := shownOutcome{Name: o.name, Status: o.status, Code: o.code, Detail: o.detail}
				if o.certificate != nil {
					shown.Serial = o.serial.String()
				}
				body.Outcomes = append(body.Outcomes, shown)
			}
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		s.refusePage(w, http.StatusNotFound, c, "There is no such batch", "Your Party has no such batch, or its results are gone.")
	case err != nil:
		s.logger.Error("reading a batch", "batch", id, "error", err)
		s.refusePage(w, http.StatusServiceUnavailable, c, "The batch could not be read", "The database does not answer. Try again in a minute.")
	default:
		s.show(w, http.StatusOK, "batch", c, page{Title: fmt.Sprintf("Batch %d", b.ID), Home: true, Body: body})
	}
}

// pageUpload takes an archive from a form.
func (s *Service) pageUpload(w http.ResponseWriter, r *http.Request, c Client) {
	lift := deadline(w, s.limits.BatchTime)
	name, archive, err := formFile(r)
	var b Batch
	if err == nil {
		b, err = s.SubmitArchive(r.Context(), c, name, archive)
	}
	lift()
	if err == nil {
		http.Redirect(w, r, fmt.Sprintf("%sbatches/%d", PagesPath, b.ID), http.StatusSeeOther)
		return
	}
	s.formFailed(w, r, c, "", err)
}

// A pastedError is what is wrong with a pasted request, in words for who pasted it.
type pastedError struct{ says string }

func (e pastedError) Error() string { return e.says }

func (s *Service) formFailed(w http.ResponseWriter, r *http.Request, c Client, csr string, err error) {
	var own pastedError
	status, says := http.StatusUnprocessableEntity, ""
	if errors.As(err, &own) {
		says = own.says
	} else {
		status, says = s.errorOf(err)
	}
	next := "Correct it and send it again; nothing was kept."
	if status >= http.StatusInternalServerError {
		next = "Look whether it stands in the list below before you send it again."
	}
	s.home(w, r, status, c, csr, &problem{"It was not taken", says, next})
}

// pageRequest takes one request from a form: form and proof of possession are checked
// here (AppM 2.3.1.7), and what is in order becomes a batch of one, so that its release,
// its turn and its results are those of any batch (I).
func (s *Service) pageRequest(w http.ResponseWriter, r *http.Request, c Client) {
	lift := deadline(w, s.limits.AdHocTime)
	r.Body = http.MaxBytesReader(w, r.Body, s.limits.AdHocOctets)
	err := r.ParseForm()
	lift()
	if err != nil {
		s.formFailed(w, r, c, "", pastedError{"The form cannot be read, or is too long."})
		return
	}
	csr := r.PostForm.Get("csr")
	der, err := checkPasted(csr)
	if err != nil {
		s.formFailed(w, r, c, csr, pastedError{err.Error()})
		return
	}
	if err := s.pastedToday(r.Context(), c); err != nil {
		s.formFailed(w, r, c, csr, err)
		return
	}
	b, err := s.SubmitArchive(r.Context(), c, pastedName(der)+".zip", bytes.NewReader(archiveOfOne(der)))
	if err != nil {
		s.formFailed(w, r, c, csr, err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("%sbatches/%d", PagesPath, b.ID), http.StatusSeeOther)
}

// checkPasted reads a pasted request in the forms of AppM, App. F, and checks what is
// checked at receipt.
func checkPasted(csr string) ([]byte, error) {
	der, err := decodeFile([]byte(csr), "request")
	if err != nil {
		return nil, err
	}
	request, err := policy.ParseRequest(der)
	if err == nil && request.Kind() != policy.ProfileDevice {
		err = errors.New("it is no request for a Device Certificate; one for an Organisation Certificate goes to the registration authority's console")
	}
	if err == nil {
		err = request.CheckSignature()
	}
	return der, err
}

// pasted begins the name of every batch that was a single pasted request.
const pasted = "pasted-"

func pastedName(der []byte) string {
	sum := sha256.Sum256(der)
	return fmt.Sprintf("%s%x", pasted, sum[:8])
}

// archiveOfOne is what the client would have sent as a batch.
func archiveOfOne(der []byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	file, err := z.Create("request.csr")
	if err == nil {
		_, err = file.Write([]byte(base64.StdEncoding.EncodeToString(der) + "\n"))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic("smkiws: internal error: making an archive in memory: " + err.Error())
	}
	return b.Bytes()
}

// pastedToday counts a Party's pasted requests of 24 hours: 150 without notice (AppN
// 3.1.1). It is a duty of the Party, so that exceeding it is logged, and refused only
// where limits are enforced.
func (s *Service) pastedToday(ctx context.Context, c Client) error {
	now := s.now()
	var n int64
	err := s.store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM smkiws_batch WHERE party = $1 AND submitted_at > $2 AND channel = 'portal' AND items = 1 AND name LIKE 'pasted-%'`,
			c.Party, now.Add(-24*time.Hour).UnixMicro()).Scan(&n)
	})
	if err != nil || n < int64(s.limits.PortalSingles) || s.demand.noticed(c.Party, now) {
		return err
	}
	s.logger.Warn("single requests through the portal above the day's number", "party", c.Party, "requests", n+1, "enforced", s.limits.Enforce)
	if !s.limits.Enforce {
		return nil
	}
	return pastedError{fmt.Sprintf("Your Party has sent %d single requests in 24 hours, and %d is what may be sent without notice (AppN 3.1.1): send a batch, or give notice to the Service Desk", n, s.limits.PortalSingles)}
}
