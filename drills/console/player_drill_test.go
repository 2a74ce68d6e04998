package console_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/room"
	"smki.example/softhsm"
)

// A hall is a console over the real room, which can be killed and opened again.
type hall struct {
	*world
	t      testing.TB
	config room.Config
	room   *room.Room
	kill   func()
}

func newHall(t testing.TB) *hall {
	t.Helper()
	if testing.Short() {
		t.Skip("a whole drill is played; run without -short")
	}
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	pack, err := procedure.Sample()
	require.NoError(t, err)
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	h := &hall{world: &world{log: new(bytes.Buffer)}, t: t}
	h.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h.console.Handler().ServeHTTP(rw, r) }))
	h.config = room.Config{Home: t.TempDir(), Name: "monday", Procedure: pack, RecordKey: key, Clock: time.Now, Log: slog.New(slog.NewTextHandler(&locked{to: new(bytes.Buffer)}, nil))}
	h.open()
	t.Cleanup(func() {
		h.server.CloseClientConnections()
		h.server.Close()
		h.kill()
	})
	return h
}

func (h *hall) open() {
	ctx, stop := context.WithCancel(context.Background())
	var err error
	h.room, err = room.Open(ctx, h.config)
	require.NoError(h.t, err)
	ended := make(chan error, 1)
	r := h.room
	go func() { ended <- r.Run(ctx) }()
	h.kill = func() {
		h.kill = func() {}
		stop()
		require.NoError(h.t, <-ended)
		require.NoError(h.t, r.Close())
	}
	h.console, err = console.New(console.Config{Room: h.room, URL: h.server.URL, Log: slog.New(slog.NewTextHandler(&locked{to: h.log}, nil)), Grace: time.Millisecond})
	require.NoError(h.t, err)
}

// A paper is a form as it stands on a page: whoever has no scripts fills it in and
// sends it.
type paper struct {
	act    string
	hidden []string
	body   string
}

var (
	paperOf  = regexp.MustCompile(`(?s)<form [^>]*action="/act/([a-z-]+)"[^>]*>(.*?)</form>`)
	hiddenOf = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	optionOf = regexp.MustCompile(`name="option" id="[^"]*" value="([^"]*)"`)
	linkOf   = regexp.MustCompile(`<a href="#(env-[a-z0-9-]+)">`)
)

func papers(page string) map[string][]paper {
	found := make(map[string][]paper)
	for _, m := range paperOf.FindAllStringSubmatch(page, -1) {
		p := paper{act: m[1], body: m[2]}
		for _, f := range hiddenOf.FindAllStringSubmatch(m[2], -1) {
			p.hidden = append(p.hidden, html.UnescapeString(f[1]), html.UnescapeString(f[2]))
		}
		found[p.act] = append(found[p.act], p)
	}
	return found
}

// fill sends a form of a page with what is typed in it.
func (c *client) fill(p paper, typed ...string) answer {
	c.t.Helper()
	return c.post("/act/"+p.act, append(slices.Clone(p.hidden), typed...)...)
}

// turn does the first thing that a player's page asks for, and says what it was.
func (c *client) turn(want ...string) string {
	c.t.Helper()
	page := c.get("/").body
	forms := papers(page)
	obeyed := func(a answer) bool { return a.status == http.StatusSeeOther }
	for _, p := range forms["give-share"] {
		link := linkOf.FindStringSubmatch(page)
		require.NotNil(c.t, link, "the page says which envelope it is")
		code := regexp.MustCompile(`(?s)id="` + link[1] + `">.*?<p class="words">([^<]+)</p>`).FindStringSubmatch(page)
		require.NotNil(c.t, code, "a custodian has the envelope on the page")
		a := c.fill(p, "code", html.UnescapeString(code[1]))
		require.True(c.t, obeyed(a), a.body)
		return "give-share"
	}
	for _, p := range forms["tell-whom"] {
		if obeyed(c.fill(p)) {
			return "tell-whom"
		}
	}
	for _, p := range forms["vote"] {
		if strings.Contains(page, "You voted for") || strings.Contains(page, "You abstained") {
			break
		}
		option := html.UnescapeString(optionOf.FindStringSubmatch(p.body)[1])
		for _, w := range want {
			if strings.Contains(p.body, fmt.Sprintf(`value="%s"`, w)) {
				option = w
			}
		}
		if obeyed(c.fill(p, "option", option, "reason", "each minute costs meters")) {
			return "vote"
		}
	}
	if strings.Contains(page, "Not weighed yet") {
		for _, p := range forms["assess"] {
			c.fill(p, "finding", "looked at", "evidence", "said at the table")
		}
	}
	for _, p := range forms["call-vote"] {
		if obeyed(c.fill(p, "blind", "yes")) {
			return "call-vote"
		}
	}
	return ""
}

// Players without scripts take the real drill to its end: they sit down, tell, weigh
// and vote; the server dies in the middle of the vote, and their pages, their forms
// and what they had voted are as they were; custodians open the key; afterwards they
// answer the survey, correct the record, see the drill again and read the papers.
func TestPlayersInTheRealRoom(t *testing.T) {
	h := newHall(t)
	codes, facilitator := h.room.Codes()
	morgan := h.joined(t, facilitator, "Morgan")
	do := func(c *client, name string, pairs ...string) answer {
		t.Helper()
		a := c.act(name, pairs...)
		require.Equal(t, http.StatusSeeOther, a.status, "%s: %s", name, a.body)
		return a
	}
	do(morgan, "arrange", "scenario", "S02", "devices", "60", "speed", "20")
	require.Contains(t, h.stranger(t).post("/join", "code", codes.Player, "name", "Early").body, "The doors are not open yet")
	do(morgan, "open-doors")
	early := h.joined(t, codes.Player, "Early")
	require.Contains(t, early.get("/").body, "Choose a seat")

	seats := regexp.MustCompile(`name="seat" value="([^"]+)"`).FindAllStringSubmatch(early.get("/").body, -1)
	players := make(map[string]*client)
	for _, m := range seats {
		seat := html.UnescapeString(m[1])
		if !strings.HasPrefix(seat, "pma/") && !strings.HasPrefix(seat, "custodian/") || players[seat] != nil {
			continue
		}
		c := h.joined(t, codes.Player, "Holder of "+seat)
		for _, p := range papers(c.get("/").body)["take-seat"] {
			if slices.Contains(p.hidden, seat) {
				require.Equal(t, http.StatusSeeOther, c.fill(p).status)
			}
		}
		require.Contains(t, c.get("/").body, "you sit here", seat)
		players[seat] = c
	}
	require.NotNil(t, players["pma/chair"])
	require.GreaterOrEqual(t, len(players), 8)
	taken := early.act("take-seat", "seat", "pma/chair")
	require.Equal(t, http.StatusConflict, taken.status)
	require.Contains(t, taken.body, `class="refused"`)
	require.Contains(t, players["pma/chair"].get("/").body, "Your briefing")
	do(morgan, "begin")

	chair := players["pma/chair"]
	order := slices.Sorted(func(yield func(string) bool) {
		for seat := range players {
			if !yield(seat) {
				return
			}
		}
	})
	did := make(map[string]int)
	killed := false
	over := func() bool { return strings.Contains(chair.get("/").body, "The drill is over") }
	end := time.Now().Add(3 * time.Minute)
	for !over() {
		require.True(t, time.Now().Before(end), "did so far: %v\n%s\n%s", did, chair.get("/").body, players["custodian/1"].get("/").body)
		busy := false
		for _, seat := range order {
			if act := players[seat].turn("required", "method 3"); act != "" {
				did[act]++
				busy = true
			}
			if did["vote"] == 2 && !killed {
				killed = true
				token := chair.token()
				h.kill()
				h.open()
				require.Equal(t, token, chair.token(), "the forms of pages that were open still count")
				voted := 0
				require.Eventually(t, func() bool {
					voted = 0
					for _, c := range players {
						if strings.Contains(c.get("/").body, "You voted for") {
							voted++
						}
					}
					return voted == 2
				}, 2*time.Minute, 50*time.Millisecond, "the two votes are there again")
				require.Eventually(t, func() bool { return strings.Contains(chair.get("/").body, "the clock stands") }, 2*time.Minute, 50*time.Millisecond)
				do(morgan, "resume")
			}
		}
		if !busy {
			page := chair.get("/").body
			for _, p := range papers(page)["reveal"] {
				chair.fill(p)
			}
			for _, p := range papers(page)["close-vote"] {
				if chair.fill(p, "reason", "the committee heard everybody").status == http.StatusSeeOther {
					did["close-vote"]++
					busy = true
				}
			}
		}
		if !busy && !strings.Contains(chair.get("/").body, "are being made") {
			morgan.act("jump")
		}
		if !busy {
			<-time.After(200 * time.Millisecond) // a page without scripts is loaded again now and then
		}
	}
	require.True(t, killed)
	require.GreaterOrEqual(t, did["vote"], 4, did)
	require.Positive(t, did["close-vote"], did)
	require.Positive(t, did["give-share"], did)

	page := chair.get("/").body
	for _, p := range papers(page)["answer"] {
		var typed []string
		for _, m := range regexp.MustCompile(`name="(answer-[^"]+)" value="4"`).FindAllStringSubmatch(p.body, -1) {
			typed = append(typed, html.UnescapeString(m[1]), "4")
		}
		require.NotEmpty(t, typed)
		require.Equal(t, http.StatusSeeOther, chair.fill(p, append(typed, "well", "We were told in time.", "better", "<b>Say</b> what a counter is.")...).status)
	}
	require.Contains(t, chair.get("/").body, "How it went, as people say")
	correct := papers(page)["correct"]
	require.Len(t, correct, 1)
	entry := regexp.MustCompile(`<option value="(\d+)"`).FindStringSubmatch(correct[0].body)
	require.NotNil(t, entry)
	require.Equal(t, http.StatusSeeOther, chair.fill(correct[0], "entry", entry[1], "text", "It was the deputy <i>who spoke</i>.").status)
	require.Contains(t, chair.get("/").body, "It was the deputy &lt;i&gt;who spoke&lt;/i&gt;.")
	replay := chair.get("/replay?entry=" + entry[1])
	require.Equal(t, http.StatusOK, replay.status)
	do(morgan, "finish")
	require.Eventually(t, func() bool { return strings.Contains(chair.get("/").body, "The sealed record") }, time.Minute, 50*time.Millisecond)
	files := regexp.MustCompile(`href="(/file/[^"]+)"`).FindAllStringSubmatch(chair.get("/").body, -1)
	require.NotEmpty(t, files)
	for _, m := range files {
		a := chair.get(m[1])
		require.Equal(t, http.StatusOK, a.status, m[1])
		require.Contains(t, a.header.Get("Content-Security-Policy"), "sandbox", m[1])
		require.Equal(t, http.StatusForbidden, h.stranger(t).get(m[1]).status, m[1])
	}
	require.NotContains(t, h.log.String(), "level=ERROR")
}
