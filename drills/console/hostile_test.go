package console_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A secret that somebody else has put into a browser is nobody's, before and after
// its owner joins.
func TestNoFixation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := w.joined(t, fakeCodes.Player, "Mallory")
	planted := slices.Clone(known.cookies)
	victim := w.stranger(t)
	victim.cookies = slices.Clone(planted)
	a := victim.post("/join", "code", fakeCodes.Player, "name", "Ewan", "new", "yes")
	require.Equal(t, http.StatusSeeOther, a.status)
	require.NotEqual(t, planted[0].Value, victim.cookies[0].Value, "a new secret at each joining")
	require.Contains(t, victim.get("/").body, "Ewan")
	require.NotContains(t, known.get("/").body, "Ewan")

	victim.cookies = []*http.Cookie{{Name: planted[0].Name, Value: "a-secret-of-my-own-that-I-know"}}
	require.Contains(t, victim.get("/").body, "Join the exercise", "a secret that the room did not give is nobody's")
	victim.post("/join", "code", fakeCodes.Player, "name", "Ewan")
	require.NotEqual(t, "a-secret-of-my-own-that-I-know", victim.cookies[0].Value)
	cookie := w.stranger(t).post("/join", "code", fakeCodes.Player, "name", "Ewan").header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Strict")

	secure, err := console.New(console.Config{Room: w.fake, URL: "https://room.example:8443", Fingerprint: "AA:BB"})
	require.NoError(t, err)
	r := w.stranger(t).request("/join", "code", fakeCodes.Player, "name", "Ewan")
	r.Host = "room.example:8443"
	r.Header.Set("Origin", "https://room.example:8443")
	rec := httptest.NewRecorder()
	secure.Handler().ServeHTTP(rec, r)
	require.Contains(t, rec.Header().Get("Set-Cookie"), "__Host-drill-room-8443=")
	require.Contains(t, rec.Header().Get("Set-Cookie"), "Secure")
	require.Equal(t, "https://room.example:8443/j/K7MPQ2#AABB", secure.JoinLink("K7MPQ2"))
}

// Every act needs a token of the person's own and a page of this server; with
// neither nothing is done.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	player, other := w.joined(t, fakeCodes.Player, "Ewan"), w.joined(t, fakeCodes.Player, "Mallory")
	mine, theirs := player.token(), other.token()
	require.NotEqual(t, mine, theirs)
	require.NotEmpty(t, console.Acts())
	for _, name := range console.Acts() {
		for says, forge := range map[string]func(r *http.Request){
			"no token":             func(r *http.Request) { *r = *player.request("/act/"+name, "option", "x") },
			"somebody else's":      func(r *http.Request) { *r = *player.request("/act/"+name, "option", "x", "token", theirs) },
			"an empty token":       func(r *http.Request) { *r = *player.request("/act/"+name, "option", "x", "token", "") },
			"from another site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"from a sister site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"of another origin":    func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") },
			"of an origin unknown": func(r *http.Request) { r.Header.Set("Origin", "null") },
			"from nowhere":         func(r *http.Request) { r.Header.Del("Origin"); r.Header.Del("Sec-Fetch-Site") },
		} {
			r := player.request("/act/"+name, "option", "x", "token", mine)
			forge(r)
			a := player.send(r)
			require.Equal(t, http.StatusForbidden, a.status, "%s: %s", name, says)
			require.Contains(t, a.body, "Nothing was done", "%s: %s", name, says)
		}
		require.Equal(t, http.StatusForbidden, w.stranger(t).post("/act/"+name, "option", "x", "token", mine).status, "%s: of nobody", name)
		require.Equal(t, http.StatusNotFound, player.get("/act/"+name).status, "%s: by a link", name)
	}
	require.Empty(t, w.acts())
	for _, name := range console.Acts() {
		a := player.act(name, "option", "x")
		require.Equal(t, http.StatusSeeOther, a.status, "%s: %s", name, a.body)
		require.Equal(t, "/?told="+name, a.header.Get("Location"))
		require.NotContains(t, player.get("/?told="+name).body, `class="refused"`)
	}
	require.Len(t, w.acts(), len(console.Acts()))
	r := player.request("/act/begin")
	r.Header.Set("X-Room-Token", mine)
	require.Equal(t, http.StatusSeeOther, player.send(r).status, "scripts send the token as a header")
	r = w.stranger(t).request("/join", "code", fakeCodes.Player, "name", "Ewan")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, w.stranger(t).send(r).status, "nobody is made to join by another site")
	require.Equal(t, http.StatusForbidden, player.post("/leave").status)
	require.Equal(t, http.StatusSeeOther, player.post("/leave", "token", mine).status)
	require.Contains(t, player.get("/").body, "Join the exercise")
}

// Where a form leads back to is this server, whatever it says.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	player := w.joined(t, fakeCodes.Player, "Ewan")
	for _, to := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "/ /evil.example", "javascript:alert(1)", "/\nLocation: x", "%2f%2fevil.example", "/%2f/evil", "http:evil.example"} {
		at := player.act("begin", "back", to).header.Get("Location")
		require.Equal(t, "/?told=begin", at, to)
	}
	require.Equal(t, "/?tab=after&told=begin#plan", player.act("begin", "back", "/?tab=after#plan").header.Get("Location"))
}

// nasty is what somebody types who means ill; it must come out as text.
const nasty = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "`" + `{{.CSRF}}</textarea></title>` + "\u202egnp.exe"

// What people type, and what a scenario says, is text on every screen, in pages and
// in the stream.
func TestNothingTypedIsObeyed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, phase := range []room.Phase{room.Setup, room.Briefing, room.Making, room.Playing, room.HotWash, room.Closed} {
		for _, stage := range []room.BallotStage{room.Discussing, room.Voting, room.Revealed, room.Counting} {
			w.set(func(f *fake) { f.views = func(me room.Person) *room.View { return poisoned(phase, stage) } })
			for _, code := range []string{fakeCodes.Player, fakeCodes.Observer, fakeFacilitator, fakeCodes.Screen} {
				c := w.joined(t, code, nasty[:50])
				path := "/"
				if code == fakeCodes.Screen {
					path = "/screen"
				}
				for _, a := range []answer{c.get(path), c.get("/replay?entry=3&as=" + map[bool]string{true: "screen"}[path == "/screen"]), c.act2("vote", "option", "x", "reason", nasty)} {
					if a.status == http.StatusForbidden {
						continue // a replay before its time
					}
					harmless(t, fmt.Sprintf("%s, %s, %s", phase, stage, code), a.body)
					require.Contains(t, a.body, "alert(1)", "the text is shown: otherwise this test says nothing")
				}
			}
		}
	}
	events := w.joined(t, fakeCodes.Player, "Ewan").listen(t)
	text := events.until(t, "event: words")
	require.Contains(t, text, "&lt;script&gt;")
	harmless(t, "stream", text)
	a := w.stranger(t).post("/join", "code", nasty, "name", nasty)
	require.NotEqual(t, http.StatusSeeOther, a.status)
	harmless(t, "door", a.body)
	harmless(t, "link", w.stranger(t).get("/j/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E").body)
}

// act2 is act for those whose page may have no form, such as the projector.
func (c *client) act2(name string, pairs ...string) answer {
	c.t.Helper()
	if c.cookies == nil || strings.Contains(c.cookies[0].Name, "screen") {
		return answer{status: http.StatusForbidden}
	}
	c.world.set(func(f *fake) { f.refuse = func(room.Person, room.Act) error { return &room.Refusal{Why: nasty} } })
	defer c.world.set(func(f *fake) { f.refuse = nil })
	return c.act(name, pairs...)
}

func harmless(t *testing.T, where, body string) {
	t.Helper()
	require.NotContains(t, body, "<script>alert", where)
	require.NotContains(t, body, "<img src=x", where)
	require.NotContains(t, body, "onerror=alert(2)>'`", where)
	require.NotContains(t, body, `"><`+"script>alert", where)
}

// poisoned is a view in which every text that a person or a scenario can say is
// nasty.
func poisoned(phase room.Phase, stage room.BallotStage) *room.View {
	seat := room.Seat{
		ID: room.SeatID("pma/" + nasty), Kind: room.MemberSeat, Title: nasty, Body: "pma", BodyName: nasty, Member: nasty, Vote: true, Chair: true, Alternate: nasty, Party: nasty, Offered: true,
		Briefing: []string{nasty},
	}
	taken := seat
	taken.ID, taken.Holder = "pma/chair", &room.Person{ID: "p9", Name: nasty, Role: room.Player}
	voted := room.MemberState{Seat: seat.ID, Title: nasty, Name: nasty, Vote: true, Present: true, Interest: nasty, Voted: true, Option: nasty, Reason: nasty}
	barred := voted
	barred.Barred = true
	good := true
	decided := room.Decided{Seq: 3, BodyName: nasty, Answer: nasty, Corrections: []room.Correction{{By: nasty, Text: nasty}}, Words: nasty,
		Decision: journal.Decision{Asks: nasty, Chosen: nasty, Reason: nasty, Quorum: nasty, Note: nasty, Votes: []journal.Vote{{Member: nasty, Option: nasty, Reason: nasty, Conflict: nasty}}}}
	v := &room.View{
		Phase: phase,
		Exercise: room.Exercise{Name: nasty, Scenario: nasty, Title: nasty, Label: nasty, Handling: nasty, About: []string{nasty}, Rules: []string{nasty}, Words: nasty, Trouble: nasty,
			Terms: []procedure.Term{{Term: nasty, Says: nasty}, {Term: "alert", Says: nasty}}, Open: []report.Action{{What: nasty, Owner: nasty, From: nasty, Drill: nasty}}},
		Mine: []room.Seat{taken}, Seats: []room.Seat{seat, taken}, People: []room.Person{{ID: "p1", Name: nasty, Role: room.Player}, {ID: "p2", Name: nasty, Role: room.Observer, Present: true}},
		Clock: room.Clock{Why: nasty, Paused: true},
		Feed:  []room.Item{{Seq: 1, Kind: room.ItemInject, As: nasty, From: nasty, To: []string{nasty}, Title: nasty, Text: nasty, Words: nasty}, {Seq: 2, Kind: room.ItemFinding, Title: nasty, Text: nasty, Good: &good}},
		Questions: []room.Ballot{
			{Decision: nasty, Asking: 2, BodyName: nasty},
			{
				Decision: nasty, Asking: 1, Body: "pma", BodyName: nasty, Asks: nasty, Briefing: nasty, Shown: []journal.Shown{{Label: nasty, Value: nasty}}, Options: []journal.Option{{Name: nasty, Says: nasty, Opens: nasty}},
				Rule: nasty, Factors: []room.FactorState{{ID: nasty, Text: nasty, Force: "shall", Finding: nasty, Evidence: nasty, Assessor: nasty}}, Unmet: []string{nasty}, Silence: nasty, Refused: nasty, Stage: stage,
				Members: []room.MemberState{voted, barred}, MyVotes: []room.MemberState{voted, barred}, Tally: nasty, MayCall: true, WhyNot: nasty, Involved: true, Script: nasty, Conflicts: nasty,
				Leads: []room.Lead{{Option: nasty, Says: nasty, Basis: nasty, Then: []string{nasty}, Again: nasty}},
			},
		},
		Decided: []room.Decided{decided}, Calls: []room.Call{{Seat: seat.ID, Key: nasty, Words: nasty, Decision: nasty, Digest: nasty, Needed: 2}},
		Duties: []room.Duty{{Step: nasty, Whom: nasty, From: nasty, Seat: seat.ID}}, Envelopes: []room.Envelope{{Seat: seat.ID, Key: nasty, Code: nasty}},
		Situation: &room.Situation{Devices: 10, States: []room.Count{{Letter: "<", Name: nasty, Says: nasty, Count: 10}}, Regions: []room.RegionState{{Name: nasty, Devices: 10}}, Wall: `"><script>alert(1)</script>`,
			Keys: []room.KeyState{{Key: nasty, Words: nasty, Open: true}}, Sample: []string{nasty}, Forecast: []room.ForecastCurve{{Method: nasty}}},
		Rehearsed: []room.Objective{{ID: nasty, Says: nasty, Phase: nasty, Ratings: []room.Rated{{By: nasty, Rating: "P", Evidence: nasty}}, Mine: room.Rated{By: nasty, Rating: "P", Evidence: nasty}}},
		Notes:     []room.Note{{By: nasty, Text: nasty, Tag: room.Improve}},
		Sheet: &room.Sheet{Lines: []room.SheetLine{{Step: nasty, When: nasty, Kind: nasty, What: nasty, Text: nasty, To: []string{nasty}, State: room.Waiting, May: []room.Steering{room.Hold}}}, Private: []room.Note{{By: nasty, Text: nasty, Private: true}},
			Fidelity: nasty, Choices: []report.Line{{Label: nasty, Text: nasty}}, Source: nasty, Library: []room.Drill{{ID: nasty, Title: nasty, Label: nasty}}, Errors: []string{nasty}},
	}
	if phase == room.HotWash || phase == room.Closed {
		v.After = &room.After{Outcome: nasty, Finding: nasty, Heading: nasty, Lines: []report.Line{{Label: nasty, Text: nasty}}, Survey: []room.SurveyQuestion{{ID: nasty, Asks: nasty}}, Answered: stage == room.Voting,
			Actions: []report.Action{{What: nasty, Owner: nasty}}, Risks: []report.Risk{{What: nasty, Owner: nasty, Likelihood: nasty}}, Remarks: map[string]string{"summary": nasty, nasty: nasty}, Open: []string{nasty}, Words: nasty, RecordKey: nasty,
			Files: []room.File{{Name: nasty, Says: nasty}}, NotRehearsed: []string{nasty}}
	}
	return v
}

// What a person may not see or do is not at any address, whatever is added to it.
func TestAnothersPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func(f *fake) {
		f.views = func(me room.Person) *room.View {
			v := sitting(playing(), "custodian/1")
			v.Exercise.About = []string{"for " + me.Name + " alone"}
			return v
		}
		f.refuse = func(me room.Person, a room.Act) error { return &room.Refusal{Why: "That seat is not yours."} }
	})
	player := w.joined(t, fakeCodes.Player, "Ewan")
	w.joined(t, fakeCodes.Player, "Bram")
	for _, path := range []string{"/?as=facilitator", "/?role=facilitator", "/?seat=pma/chair", "/?person=p2", "/?p=p2", "/replay?person=p2", "/events2", "/facilitator", "/observer", "/player", "/file/../codes.json", "/file/codes.json",
		"/file/%2e%2e%2fcodes.json", "/qr.svg", "/qr.svg?for=observer", "/qr.svg?for=screen", "/screen", "/static/x/room.js", "/static/" + strings.Repeat("a", 16) + "/../../codes.json"} {
		a := player.get(path)
		require.NotContains(t, a.body, "for Bram alone", path)
		require.NotContains(t, a.body, `<body class="facilitator"`, path)
		for _, secret := range []string{fakeFacilitator, fakeCodes.Observer, fakeCodes.Screen} {
			require.NotContains(t, a.body, secret, path)
		}
		if strings.HasPrefix(path, "/qr.svg") || strings.HasPrefix(path, "/file/") {
			require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound, http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest}, a.status, path)
		}
	}
	require.Equal(t, http.StatusForbidden, player.get("/replay?entry=4").status, "the drill is not over")
	a := player.act("vote", "seat", "pma/chair", "decision", "recovery key", "asking", "1", "option", "required", "reason", "I am the chair")
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "That seat is not yours.")
	require.Contains(t, a.body, `id="said" role="status"`)
	require.Empty(t, w.acts())
	require.Equal(t, http.StatusUnauthorized, w.stranger(t).get("/events").status)
	require.Equal(t, http.StatusForbidden, w.stranger(t).get("/qr.svg").status)
	require.Equal(t, http.StatusForbidden, w.stranger(t).get("/file/report.html").status)
}

// Codes are guessed so many times by an address and no more; those who have joined,
// and other addresses, are not affected, and it passes.
func TestGuessedCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC)
	w.now = func() time.Time { return now }
	inside := w.joined(t, fakeCodes.Player, "Ewan")
	from := func(address string, r *http.Request) *http.Request {
		r.RemoteAddr = address
		return r
	}
	tries := func(address string) (status int, times int) {
		for times = 1; times <= 60; times++ {
			c := w.stranger(t)
			r := from(address, c.request("/join", "code", fmt.Sprintf("AAAA%02d", times), "name", "Mallory"))
			if times%2 == 0 {
				r = from(address, httptest.NewRequest(http.MethodGet, w.server.URL+fmt.Sprintf("/j/AAAA%02d", times), nil))
			}
			if status = c.send(r).status; status == http.StatusTooManyRequests {
				return status, times
			}
		}
		return status, times
	}
	status, times := tries("192.0.2.7:1000")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, 21, times)
	c := w.stranger(t)
	a := c.send(from("192.0.2.7:4000", c.request("/join", "code", fakeCodes.Player, "name", "Mallory")))
	require.Equal(t, http.StatusTooManyRequests, a.status, "the right code is not found out either")
	require.Contains(t, a.body, "ask the facilitator")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, http.StatusSeeOther, c.send(from("192.0.2.8:4000", c.request("/join", "code", fakeCodes.Player, "name", "Bram"))).status, "another address")
	require.Equal(t, http.StatusOK, inside.send(from("192.0.2.7:1", httptest.NewRequest(http.MethodGet, w.server.URL+"/", nil))).status, "who is in stays in")
	_, times = tries("[2001:db8:1:2::1]:9")
	require.Equal(t, 21, times)
	status, times = tries("[2001:db8:1:2:ffff::1]:9")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, 1, times, "a network is one address")
	now = now.Add(11 * time.Minute)
	require.Equal(t, http.StatusSeeOther, c.send(from("192.0.2.7:4000", c.request("/join", "code", fakeCodes.Player, "name", "Chen"))).status, "it passes")
}

// Bodies and texts have a size.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	player := w.joined(t, fakeCodes.Player, "Ewan")
	token := player.token()
	require.Equal(t, http.StatusRequestEntityTooLarge, player.post("/act/jot", "token", token, "text", strings.Repeat("x", 70<<10)).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, player.post("/join", "code", strings.Repeat("x", 70<<10)).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, player.post("/act/arrange", "token", token, "text", strings.Repeat("x", 800<<10)).status)
	a := player.post("/act/vote", "token", token, "option", "required", "reason", strings.Repeat("é", 301))
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, a.body, "Shorten it")
	for name, pairs := range map[string][]string{
		"vote":    {"asking", "-1", "option", "x"},
		"jot":     {"entry", "99999999999999999999"},
		"pace":    {"speed", "NaN"},
		"plan":    {"due", "yesterday"},
		"steer":   {"step", strings.Repeat("x", 300)},
		"declare": {"decision", "a\x00b"},
	} {
		require.Equal(t, http.StatusUnprocessableEntity, player.post("/act/"+name, append(pairs, "token", token)...).status, name)
	}
	a = player.act("vote", "decision", "d", "asking", "1")
	require.Equal(t, http.StatusUnprocessableEntity, a.status, "no choice is no abstention")
	require.Empty(t, w.acts())
	player.act("vote", "decision", "d", "asking", "1", "option", "(abstain)", "reason", "  I do\u202e not\x07 know \n yet ")
	require.Equal(t, room.Vote{Decision: "d", Asking: 1, Reason: "I do not know yet"}, w.acts()[0].Act)
	require.Equal(t, http.StatusNotFound, player.act("nothing").status)
}

// A served room cuts off who is slow or says too much, and serves the others
// meanwhile.
func TestSlowAndLoudClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.console.Serve(ctx, l, nil) }()
	at := l.Addr().String()

	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	require.NoError(t, err)

	loud, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer loud.Close()
	go func() { // it is cut off in the middle of what it says
		_, _ = io.WriteString(loud, "GET / HTTP/1.1\r\nHost: x\r\nX-Flood: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	}()
	line, err := bufio.NewReader(loud).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "431")

	for range 20 {
		answer, err := http.Get("http://" + at + "/")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "who does not say what they want in five seconds is cut off, and not by this test's own limit")
	stop()
	require.NoError(t, <-served)
}

// Another name for this server is refused where it has names.
func TestAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := console.New(console.Config{Room: w.fake, URL: "http://127.0.0.1:8080", Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	require.NoError(t, err)
	for host, want := range map[string]int{"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "LOCALHOST": 200, "rebound.example:8080": 421, "127.0.0.1.evil.example": 421, "": 421} {
		r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		c.Handler().ServeHTTP(rec, r)
		require.Equal(t, want, rec.Code, host)
		require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'")
	}
}

// Every page says to the browser what it may do, and has no script, style or handler
// of its own in it.
func TestPagesKeepTheirPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func(f *fake) {
		f.views = func(room.Person) *room.View { return weighed(sitting(asking(room.Voting), "pma/chair")) }
	})
	for _, code := range []string{fakeCodes.Player, fakeCodes.Observer, fakeFacilitator} {
		a := w.joined(t, code, "Ewan").get("/")
		require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", a.header.Get("Content-Security-Policy"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.NotRegexp(t, `<style|<script>|\sstyle=|\son[a-z]+=|javascript:|https?://`, strings.ReplaceAll(a.body, w.server.URL, ""))
	}
}

// A stream is what somebody's page listens to.
type stream struct {
	lines  chan string
	cancel context.CancelFunc
}

func (c *client) listen(t testing.TB) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.world.server.URL+"/events", nil)
	require.NoError(t, err)
	for _, k := range c.cookies {
		r.AddCookie(k)
	}
	a, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.StatusCode)
	s := &stream{make(chan string, 4096), cancel}
	go func() {
		defer close(s.lines)
		defer a.Body.Close()
		for read := bufio.NewScanner(a.Body); read.Scan(); {
			s.lines <- read.Text()
		}
	}()
	t.Cleanup(cancel)
	return s
}

// until returns what was said up to a line.
func (s *stream) until(t testing.TB, line string) string {
	t.Helper()
	var b strings.Builder
	limit := time.After(20 * time.Second)
	for {
		select {
		case l, ok := <-s.lines:
			require.True(t, ok, "the stream ended before %q", line)
			b.WriteString(l + "\n")
			if strings.Contains(l, line) {
				return b.String()
			}
		case <-limit:
			require.Fail(t, "the stream does not say "+line, b.String())
		}
	}
}

// A stream sends what changed and nothing else, to every page of a person; a person
// is present as long as one of them is open.
func TestStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	player := w.joined(t, fakeCodes.Player, "Ewan")
	one, two := player.listen(t), player.listen(t)
	for _, s := range []*stream{one, two} {
		s.until(t, "event: words")
	}
	w.set(func(f *fake) {
		f.views = func(room.Person) *room.View {
			return &room.View{Phase: room.Making, Exercise: room.Exercise{Name: "monday", Label: "SAMPLE LABEL"}}
		}
	})
	for _, s := range []*stream{one, two} {
		text := s.until(t, "being prepared")
		require.NotContains(t, text, "event: feed")
	}
	present := func() int { w.fake.mu.Lock(); defer w.fake.mu.Unlock(); return w.fake.here["p1"] }
	require.Positive(t, present())
	one.cancel()
	for range one.lines {
	}
	require.Positive(t, present())
	two.cancel()
	require.Eventually(t, func() bool { return present() == 0 }, 10*time.Second, 5*time.Millisecond)
}
