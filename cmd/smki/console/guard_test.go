package console_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/ra"
	"smki.example/cmd/smki/console"
	"smki.example/policy"
)

// Every address by every role and by strangers: the table decides.
func TestEveryPageByEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.pending(t, personnel1, ra.ChangeParty{Party: "supplier-a", Name: "A", Category: ra.LargeSupplier, Application: "form"})
	q, rev := w.asked(t, 1, false), w.revocation(t, 2, ra.Requested)
	ids := strings.NewReplacer("{$}", "", "/approvals/{id}", fmt.Sprintf("/approvals/%d", a.ID), "/requests/{id}", fmt.Sprintf("/requests/%d", q.ID),
		"/revocations/{id}", fmt.Sprintf("/revocations/%d", rev.ID), "/parties/{id}", "/parties/supplier-a", "/officers/{id}", "/officers/aro-a")
	views := append(w.console.Views(), console.View{Path: "/ra/approvals/{id}/bytes", Needs: ra.ActReadQueues})
	table := w.ra.Table()
	for _, view := range views {
		path := ids.Replace(view.Path)
		for _, role := range ra.Roles() {
			rec := w.get(holders[role], path)
			allowed := view.Needs == "" || table.May(role, view.Needs) != ra.No
			if !allowed {
				require.Equal(t, http.StatusForbidden, rec.Code, "%s by %s", path, role)
				require.Contains(t, rec.Body.String(), fmt.Sprintf("row <code>%s</code>", view.Needs))
				continue
			}
			require.Equal(t, http.StatusOK, rec.Code, "%s by %s: %s", path, role, says(rec))
			if !strings.HasSuffix(path, "/bytes") {
				require.Contains(t, rec.Body.String(), fmt.Sprintf("officer %s: <strong>%s</strong>", holders[role], role), path)
				require.Contains(t, rec.Body.String(), "<strong>EXERCISE</strong>", path)
			}
		}
		require.Equal(t, http.StatusUnauthorized, w.get("nobody", path).Code, path)
		// Another party's officer sees nothing of it.
		rec := w.get(aroB, path)
		if view.Needs != "" && strings.Contains(view.Path, "{id}") {
			require.Equal(t, http.StatusForbidden, rec.Code, path)
		}
		require.NotContains(t, rec.Body.String(), "supplier-a", path)
	}
	require.Equal(t, http.StatusForbidden, w.get(aroA, "/ra/parties/supplier-b").Code)
	require.NotContains(t, w.get(aroA, "/ra/officers?party=supplier-b").Body.String(), "aro-b")
	for _, path := range []string{"/ra/approvals/999", "/ra/approvals/x", "/ra/approvals/01", "/ra/requests/999", "/ra/revocations/0", "/ra/parties/none", "/ra/officers/none", "/ra/none", "/other"} {
		require.Equal(t, http.StatusNotFound, w.get(manager1, path).Code, path)
	}
}

// Who is not let in, and what he is told.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.certificate(t, "unknown")
	rec := w.get("unknown", "/ra/")
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Contains(t, rec.Body.String(), "<code>credential</code>")

	r := w.request(manager1, http.MethodGet, "/ra/", nil)
	r.TLS.VerifiedChains = nil
	require.Equal(t, http.StatusForbidden, w.answer(r).Code, "a certificate that nobody verified")

	w.done(t, manager1, ra.WithdrawOfficer{Officer: personnel1, Why: "<left>"}, manager2)
	rec = w.get(personnel1, "/ra/")
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.NotContains(t, rec.Body.String(), "left")

	for says, officer := range map[string]func(*http.Request) (ra.Officer, error){
		"nobody is configured": nil,
		"an outage":            func(*http.Request) (ra.Officer, error) { return ra.Officer{}, errors.New("database on fire") },
	} {
		var log bytes.Buffer
		env, err := policy.LoadEnvironment("production")
		require.NoError(t, err)
		c, err := console.New(console.Config{Registry: w.ra, Environment: env, Officer: officer, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		rec := httptest.NewRecorder()
		c.Handler().ServeHTTP(rec, w.request(manager1, http.MethodGet, "/ra/parties", nil))
		require.NotContains(t, rec.Body.String(), "supplier-a", says)
		require.NotContains(t, rec.Body.String(), "EXERCISE", says)
		require.NotContains(t, rec.Body.String(), "fire", says)
		if officer == nil {
			require.Equal(t, http.StatusForbidden, rec.Code, says)
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, rec.Code, says)
		n := regexp.MustCompile(`the number ([0-9a-f]{12})`).FindStringSubmatch(rec.Body.String())
		require.NotNil(t, n)
		require.Contains(t, log.String(), n[1], "what the officer reports is found in the log")
		require.Contains(t, log.String(), "fire")
	}
	for _, cfg := range []console.Config{{}, {Registry: w.ra}, {Registry: w.ra, Environment: &policy.Environment{}, PageKey: []byte("short")}} {
		_, err := console.New(cfg)
		require.Error(t, err)
	}
}

// A form that no page of ours made for this officer does nothing.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.pending(t, personnel1, ra.WithdrawParty{Party: "supplier-b", Why: "merged"})
	target := fmt.Sprintf("/ra/approvals/%d/vote", a.ID)
	before := w.records(t)
	good := func() url.Values {
		return values("answer", "accept", "sha256", fmt.Sprintf("%x", a.Hash), "once", rand.Text(), "token", w.console.Token(w.known[manager1].Certificate[0], manager1))
	}
	for says, forge := range map[string]func(*http.Request, url.Values){
		"no token": func(_ *http.Request, v url.Values) { v.Del("token") },
		"another officer's token": func(_ *http.Request, v url.Values) {
			v.Set("token", w.console.Token(w.known[manager2].Certificate[0], manager2))
		},
		"a token for another office": func(_ *http.Request, v url.Values) {
			v.Set("token", w.console.Token(w.known[manager1].Certificate[0], manager2))
		},
		"another site":                  func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another host of the same site": func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another origin":                func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.test") },
		"without TLS":                   func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "http://ra.test") },
		"an origin that is hidden":      func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "null") },
		"a browser that does not say":   func(r *http.Request, _ url.Values) { r.Header.Del("Origin"); r.Header.Del("Sec-Fetch-Site") },
	} {
		v := good()
		r := w.request(manager1, http.MethodPost, target, nil)
		forge(r, v)
		header := r.Header
		r = w.request(manager1, http.MethodPost, target, v)
		r.Header = header
		rec := w.answer(r)
		require.Equal(t, http.StatusForbidden, rec.Code, says)
		require.Contains(t, rec.Body.String(), "Nothing was done", says)
	}
	// The token in the address is none, and a form is not sent by GET.
	v := good()
	rec := w.answer(w.request(manager1, http.MethodPost, target+"?"+v.Encode(), nil))
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Equal(t, http.StatusNotFound, w.get(manager1, target+"?"+v.Encode()).Code)
	rec = w.post(manager1, target, values("comment", strings.Repeat("a", 200<<10)))
	require.Equal(t, http.StatusRequestEntityTooLarge, rec.Code)
	require.Equal(t, before, w.records(t), "nothing was done")
	require.Equal(t, http.StatusSeeOther, w.answer(w.request(manager1, http.MethodPost, target, good())).Code, "and the same form is good without the forgery")
}

// What every answer says to the browser, refusals and style sheet included.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, rec := range []*httptest.ResponseRecorder{w.get(manager1, "/ra/"), w.get("nobody", "/ra/"), w.get(systemA, "/ra/approvals"), w.get(manager1, "/ra/none"), w.get("nobody", "/ra/console.css"), w.post(manager1, "/ra/act/enrol-party", nil)} {
		h := rec.Header()
		require.Equal(t, "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", h.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", h.Get("Cache-Control"))
		require.Empty(t, h.Get("Set-Cookie"))
		require.NotRegexp(t, `(?i)<script|<style| style=| on[a-z]+=|https?://`, rec.Body.String())
	}
}

// A vote is on the bytes that were shown.
func TestVoteOnOtherBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.pending(t, personnel1, ra.WithdrawParty{Party: "supplier-b", Why: "merged"})
	page := fmt.Sprintf("/ra/approvals/%d", a.ID)
	rec := w.get(manager1, page)
	require.Contains(t, rec.Body.String(), console.Hexdump(a.Bytes)[:40])
	require.Equal(t, string(a.Bytes), w.get(manager1, page+"/bytes").Body.String())
	for _, hash := range []string{strings.Repeat("00", 32), "", "zz", strings.Repeat("00", 31)} {
		rec := w.post(manager1, page+"/vote", values("answer", "accept", "sha256", hash))
		require.Contains(t, []int{http.StatusForbidden, http.StatusUnprocessableEntity}, rec.Code)
		if len(hash) == 64 {
			require.Contains(t, rec.Body.String(), "<code>hash</code>")
			require.Contains(t, rec.Body.String(), "look again")
		}
	}
	got, err := w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Empty(t, got.Votes)

	// What it rests on changes after the vote: the page says so, and nothing is done.
	_, body := w.sent(t, manager1, page, "vote", values("answer", "accept"))
	require.NotContains(t, body, "Attention")
	w.done(t, personnel1, ra.AssignIdentifiers{Party: "supplier-b", Range: ra.One(entity(5000)), Application: "form"}, personnel2)
	require.NotContains(t, w.get(manager1, page).Body.String(), "Attention", "not what it rests on")
	a2 := w.pending(t, personnel1, ra.WithdrawParty{Party: "supplier-a", Why: "merged"})
	page2 := fmt.Sprintf("/ra/approvals/%d", a2.ID)
	w.sent(t, manager1, page2, "vote", values("answer", "accept"))
	table := w.get(manager1, page2).Body.String()
	require.Contains(t, table, "Carry it out now")
	rec = w.post(manager1, page2+"/execute", values("sha256", strings.Repeat("00", 32)))
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Contains(t, rec.Body.String(), "<code>hash</code>")
	w.done(t, manager1, ra.WithdrawOfficer{Officer: personnel1, Why: "left"}, manager2) // who proposed it
	rec = w.fill(t, manager1, page2, "execute", nil)
	require.Equal(t, http.StatusConflict, rec.Code)
	require.Contains(t, rec.Body.String(), ">void<")
}

// A form that is sent twice is done once, and says so; another vote of the same
// person is refused, by the rule.
func TestTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.pending(t, sroA, appointment("aro-new", "supplier-a", ra.ARO))
	page := fmt.Sprintf("/ra/approvals/%d", a.ID)
	form := values("answer", "accept", "sha256", fmt.Sprintf("%x", a.Hash), "once", "number-of-the-form")
	var wait sync.WaitGroup
	var mu sync.Mutex
	twice := 0
	for range 8 {
		wait.Go(func() {
			v := url.Values{}
			for name, value := range form {
				v[name] = value
			}
			rec := w.post(personnel1, page+"/vote", v)
			mu.Lock()
			defer mu.Unlock()
			if rec.Code == http.StatusSeeOther && strings.Contains(rec.Header().Get("Location"), "twice=yes") {
				twice++
			}
		})
	}
	wait.Wait()
	require.Equal(t, 7, twice)
	got, err := w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Len(t, got.Votes, 1)
	require.Contains(t, w.get(personnel1, page+"?told=agreed&twice=yes").Body.String(), "sent twice and counted once")

	rec := w.post(personnel1, page+"/vote", values("answer", "accept", "sha256", fmt.Sprintf("%x", a.Hash)))
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Contains(t, rec.Body.String(), "<code>twice</code>")
	require.Contains(t, rec.Body.String(), "has voted already")
	for by, rule := range map[ra.OfficerID]string{sroA: "rights", "auditor-1": "rights", personnel2: ""} {
		rec := w.post(by, page+"/vote", values("answer", "accept", "sha256", fmt.Sprintf("%x", a.Hash)))
		if rule == "" {
			require.Equal(t, http.StatusSeeOther, rec.Code, by)
			continue
		}
		require.Equal(t, http.StatusForbidden, rec.Code, by)
		require.Contains(t, rec.Body.String(), "<code>"+rule+"</code>", by)
	}
	rec = w.answer(w.request(personnel2, http.MethodPost, page+"/vote", values("token", w.console.Token(w.known[personnel2].Certificate[0], personnel2))))
	require.Equal(t, http.StatusBadRequest, rec.Code, "a form without a number of its own")

	// A page that the browser kept is sent again with something else in it: that is
	// another form.
	q := w.asked(t, 5, false)
	for n, evidence := range []string{"file 1", "file 2", "file 2"} {
		rec := w.post(personnel1, "/ra/act/record-identity-check", values("request", fmt.Sprint(q.ID), "kind", "officer", "passed", "yes", "evidence", evidence, "once", "kept"))
		require.Equal(t, n == 2, strings.Contains(rec.Header().Get("Location"), "twice=yes"), evidence)
	}
	q, err = w.ra.Request(t.Context(), q.ID)
	require.NoError(t, err)
	require.Len(t, q.Checks, 2)

	// Asking twice with one form is one request.
	v := func() url.Values {
		return values("serials", w.issued(t, 7).String(), "reason", "superseded", "why", "new key", "once", "x")
	}
	first := v()
	one := w.post(aroA, "/ra/act/ask-revocation", first)
	two := w.post(aroA, "/ra/act/ask-revocation", first)
	require.Equal(t, http.StatusSeeOther, one.Code, says(one))
	require.Equal(t, one.Header().Get("Location")+"&twice=yes", two.Header().Get("Location"))
	all, _, err := w.ra.Revocations(t.Context(), ra.Requested, "", ra.Page{})
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// One's own proposal: no vote on the page, and none when it is sent all the same;
// taking it back is the proposer's.
func TestOwnProposal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.pending(t, personnel1, ra.WithdrawParty{Party: "supplier-b", Why: "merged"})
	page := fmt.Sprintf("/ra/approvals/%d", a.ID)
	rec := w.get(personnel1, page)
	require.Contains(t, rec.Body.String(), "You have no vote")
	require.NotContains(t, rec.Body.String(), `data-act="vote"`)
	rec = w.post(personnel1, page+"/vote", values("answer", "accept", "sha256", fmt.Sprintf("%x", a.Hash)))
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Contains(t, rec.Body.String(), "<code>own</code>")
	rec = w.post(manager1, page+"/retract", values("why", "no"))
	require.Equal(t, http.StatusForbidden, rec.Code)
	rec = w.fill(t, manager1, page, "vote", values("answer", "reject"))
	require.Equal(t, http.StatusUnprocessableEntity, rec.Code, "a rejection says why")
	require.Contains(t, rec.Body.String(), `aria-invalid="true"`)
	_, body := w.sent(t, personnel1, page, "retract", values("why", "a slip"))
	require.Contains(t, body, ">retracted<")
	b := w.pending(t, personnel1, ra.WithdrawParty{Party: "supplier-b", Why: "merged"})
	page = fmt.Sprintf("/ra/approvals/%d", b.ID)
	_, body = w.sent(t, manager2, page, "vote", values("answer", "reject", "comment", "not yet"))
	require.Contains(t, body, "rejected by manager-2: not yet")
	require.Contains(t, w.get(manager1, "/ra/history").Body.String(), fmt.Sprintf("Approval %d", b.ID))
	require.NotContains(t, w.get(aroA, "/ra/history").Body.String(), "supplier-b")
}

// What was typed and refused is shown again, beside what is wrong with it.
func TestMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := w.fill(t, personnel1, "/ra/parties/supplier-a", string(ra.ActAssignIdentifiers), values("first", "90-B3", "application", "form 77"))
	require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
	body := rec.Body.String()
	require.Contains(t, body, `value="90-B3"`)
	require.Contains(t, body, `value="form 77"`)
	require.Contains(t, body, `<title>Not done: `)
	require.Contains(t, body, `role="alert"`)
	require.Regexp(t, `name="first" value="90-B3"[^>]*aria-describedby="([^"]* )?assign-identifiers-supplier-a-first-bad"[^>]*aria-invalid="true"`, body)
	require.Regexp(t, `<details class="act" id="assign-identifiers-supplier-a" open>`, body)
	for act, v := range map[ra.Act]url.Values{
		ra.ActAskRevocation: values("serials", "xyz", "reason", "", "why", "x"),
	} {
		rec := w.fill(t, manager1, "/ra/revocations", string(act), v)
		require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
		require.Contains(t, rec.Body.String(), ">xyz</textarea>")
	}
	rec = w.fill(t, aroA, "/ra/requests", string(ra.ActAskCertificate), values("csr", "no request"))
	require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
	rec = w.fill(t, aroA, "/ra/requests", string(ra.ActAskCertificate), values("csr", csrPEM(t, 150)))
	require.Equal(t, http.StatusForbidden, rec.Code, "supplier-b's number")
	require.Contains(t, rec.Body.String(), "<code>identifiers</code>")
	rec = w.post(manager1, "/ra/act/withdraw-officer", values("officer", "personnel-2", "party", "", "why", "x"))
	require.Equal(t, http.StatusUnprocessableEntity, rec.Code, "one act's form does not do another's")
	rec = w.post(personnel1, "/ra/act/withdraw-officer", values("officer", "personnel-2", "party", "supplier-a", "why", "x"))
	require.Contains(t, rec.Body.String(), "<code>scope</code>")
	rec = w.post(sroA, "/ra/act/appoint-aro", values("party", "supplier-b", "officer", "o", "person", "p", "name", "n", "screened", "2026-01-01", "nomination", "f"))
	require.Contains(t, rec.Body.String(), "<code>scope</code>")
	rec = w.post(aroA, "/ra/act/release-batch", values("batch", "none"))
	require.Equal(t, http.StatusNotFound, rec.Code)
}

// Whatever a person can type is shown as text.
func TestHostileText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}&amp;`
	enrol := values("party", "evil", "name", evil, "category", string(ra.LargeSupplier), "roles", "02", "subscriber", "organisation", "application", evil)
	at, _ := w.sent(t, personnel1, "/ra/parties", string(ra.ActEnrolParty), enrol)
	w.sent(t, personnel2, at, "vote", values("answer", "accept", "comment", evil))
	w.sent(t, personnel1, at, "execute", nil)
	at, _ = w.sent(t, personnel1, "/ra/parties/evil", string(ra.ActAppointSRO), values("officer", "evil-sro", "person", "p-evil", "name", evil, "screened", "2026-01-01", "nomination", evil))
	w.sent(t, personnel2, at, "vote", values("answer", "accept"))
	w.sent(t, personnel1, at, "execute", nil)
	rejected, _ := w.sent(t, personnel1, "/ra/parties/evil", string(ra.ActWithdrawParty), values("why", evil))
	w.sent(t, personnel2, rejected, "vote", values("answer", "reject", "comment", evil))
	request, _ := w.sent(t, aroA, "/ra/requests", string(ra.ActAskCertificate), values("csr", csrPEM(t, 1)))
	w.sent(t, personnel1, request, string(ra.ActRecordCheck), values("kind", "officer", "passed", "no", "evidence", evil))
	revocation, _ := w.sent(t, aroA, "/ra/revocations", string(ra.ActAskRevocation), values("serials", w.issued(t, 2).String(), "reason", "superseded", "why", evil))
	w.sent(t, personnel1, revocation, string(ra.ActAuthenticateRevocation), values("evidence", evil))
	deferral, _ := w.sent(t, manager1, revocation, string(ra.ActDeferRevocation), values("until", "2026-12-01 12:00", "why", evil, "decision", evil))
	credential := w.certificate(t, ra.OfficerID(`<img src=x onerror=alert(3)>`))
	w.done(t, personnel1, ra.AddCredential{Officer: "evil-sro", Certificate: credential}, personnel2)
	closed, _ := w.sent(t, aroA, request, string(ra.ActCloseRequest), values("why", evil))
	w.batches.all = []ra.ReleaseBatch{{Batch: evil, Party: "supplier-a", Interface: evil, Digest: strings.Repeat("ab", 32), Requests: 3}}
	batch, _ := w.sent(t, aroA, "/ra/batches", string(ra.ActReleaseBatch), nil)
	w.done(t, personnel1, ra.WithdrawOfficer{Officer: "evil-sro", Party: "evil", Why: evil})

	seen := 0
	check := func(rec *httptest.ResponseRecorder, what string) {
		body := rec.Body.String()
		for _, bad := range []string{"<script", "<img", "'>"} {
			require.NotContains(t, body, bad, what)
		}
		if strings.Contains(body, "&lt;script&gt;") || strings.Contains(body, "&lt;img") {
			seen++
		}
	}
	shown := []string{"/ra/", "/ra/approvals", at, rejected, request, closed, revocation, deferral, batch, "/ra/requests", "/ra/requests?state=closed", "/ra/revocations?state=authenticated",
		"/ra/batches", "/ra/parties", "/ra/parties/evil", "/ra/officers?party=evil", "/ra/officers/evil-sro", "/ra/history"}
	for _, page := range shown {
		rec := w.get(manager1, page)
		require.Equal(t, http.StatusOK, rec.Code, page)
		check(rec, page)
	}
	require.GreaterOrEqual(t, seen, 14, "the text is there, as text")
	for _, page := range []string{"/ra/requests?state=" + url.QueryEscape(evil), "/ra/?told=" + url.QueryEscape(evil), "/ra/officers?party=" + url.QueryEscape(evil), "/ra/parties/" + url.PathEscape(evil), "/ra/approvals/" + url.PathEscape(evil), "/ra/" + url.PathEscape(evil)} {
		check(w.get(manager1, page), page)
	}
	// And what is refused is shown again as text.
	for page, sends := range map[string]struct {
		act ra.Act
		v   url.Values
	}{
		"/ra/parties":      {ra.ActEnrolParty, values("party", evil, "name", evil, "category", evil, "roles", evil, "application", evil)},
		"/ra/parties/evil": {ra.ActAssignIdentifiers, values("first", evil, "last", evil, "application", evil)},
		"/ra/revocations":  {ra.ActAskRevocation, values("serials", evil, "reason", evil, "why", evil)},
	} {
		rec := w.fill(t, personnel1, page, string(sends.act), sends.v)
		require.Equal(t, http.StatusUnprocessableEntity, rec.Code, page)
		check(rec, page)
	}
}

// The field table leaves nothing out, whatever is in the bytes.
func TestFields(t *testing.T) {
	t.Parallel()
	got, err := console.Fields([]byte(`{"form":1,"deed":{"roles":[],"range":{"first":"a","last":"b"},"checks":[{"kind":"x","passed":true},{"kind":"y","passed":false}],"der":"AAEC","why":""},"on":"nothing","none":null,"empty":{},"deed.x":1,"nonex":[]}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"form": "1", "deed.roles": "none", "deed.range.first": "a", "deed.range.last": "b", "deed.checks.1.kind": "x", "deed.checks.1.passed": "yes",
		"deed.checks.2.kind": "y", "deed.checks.2.passed": "no", "deed.der": "3 octets of DER", "deed.why": "", "on": "nothing", "none": "none", "empty": "none", "deed.x": "1", "nonex": "none"}, got)
	for _, bad := range []string{"", "{", `{"a":`, "[1,"} {
		_, err := console.Fields([]byte(bad))
		require.Error(t, err, bad)
	}
	require.Equal(t, "000000  7b 00 ff 41                                      {..A\n", console.Hexdump([]byte("{\x00\xffA")))
}
