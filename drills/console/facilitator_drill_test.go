package console_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/room"
)

// reaches waits for a page to be as it should, over the loading of another one.
func (v *viewer) reaches(expression string) {
	v.t.Helper()
	require.Eventually(v.t, func() bool {
		ok, err := chromedp.Run(v.Context(), chromedp.Evaluate[bool](expression))
		return err == nil && ok
	}, time.Minute, 20*time.Millisecond, expression)
}

// A part that changes under a keyboard leaves it where it was, also on what has no id.
func TestAChangeLeavesTheFocus(t *testing.T) {
	w := newSpeakingWorld(t)
	view := run(asking(room.Voting))
	showing(w, view)
	v := newViewer(t)
	v.as(w.joined(t, fakeFacilitator, "Morgan"))
	v.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	v.tabTo("#close-recovery-key-1 > summary")
	for i, step := range []string{"SUMMARY", "BUTTON"} {
		if step == "BUTTON" {
			v.do(chromedp.KeyEvent(kb.Enter), chromedp.Evaluate[chromedp.Void](`document.querySelector("#close-recovery-key-1 button").focus()`))
		}
		require.Equal(t, step, js[string](v, `document.activeElement.tagName`))
		v.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.dataset.old = "yes"`))
		w.set(func(f *fake) {
			changed := *view
			changed.Questions = slices.Clone(view.Questions)
			changed.Questions[0].Asks = fmt.Sprintf("Asked anew, %d", i)
			f.views = func(room.Person) *room.View { c := changed; return &c }
		})
		v.until(fmt.Sprintf(`document.querySelector("#questions").innerText.includes("Asked anew, %d")`, i))
		require.Equal(t, step+" close-recovery-key-1", js[string](v, `document.activeElement.tagName + " " + document.activeElement.closest("[id^=close-]")?.id`))
		require.True(t, js[bool](v, `document.activeElement.dataset.old === undefined`), "it is the new one")
	}
}

// Everything that cannot be taken back takes two steps, and all of it can be done by
// the keyboard alone.
func TestFacilitatorByKeyboard(t *testing.T) {
	w := newSpeakingWorld(t)
	showing(w, run(asking(room.Voting)))
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	v := newViewer(t)
	v.as(morgan)
	v.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	acts := func(n int) room.Act {
		t.Helper()
		require.Eventually(t, func() bool { return len(w.acts()) == n }, 10*time.Second, 5*time.Millisecond)
		return w.acts()[n-1].Act
	}
	enter := chromedp.KeyEvent(kb.Enter)

	v.tabTo("#why")
	v.do(chromedp.KeyEvent("a question from the chair"), enter)
	require.Equal(t, room.Pause{Why: "a question from the chair"}, acts(1))
	v.until(`document.querySelector("#said .good") !== null`)

	v.tabTo("#jump > summary")
	v.do(enter)
	v.until(`document.querySelector("#jump").open`)
	require.Contains(t, js[string](v, `document.querySelector("#jump form").innerText`), "silence then holds")
	require.Len(t, w.acts(), 1, "a question is open: going on takes a second step")
	v.do(chromedp.KeyEvent(kb.Tab), enter)
	require.Equal(t, room.Jump{}, acts(2))

	v.tabTo("#close-recovery-key-1 > summary")
	v.do(enter, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("agreed at the table"), chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "Close it and count", js[string](v, `document.activeElement.textContent`))
	require.Len(t, w.acts(), 2)
	v.do(enter)
	require.Equal(t, room.CloseVote{Decision: "recovery key", Asking: 1, Reason: "agreed at the table"}, acts(3))

	v.tabTo("#line-6 > summary")
	v.do(enter)
	v.tabTo("#hold-6")
	v.do(enter)
	require.Equal(t, room.Steer{Step: "6", Did: room.Hold}, acts(4))
	v.tabTo("#skip-6 > summary")
	v.do(enter)
	v.tabTo("#skip-why-6")
	v.do(chromedp.KeyEvent("it was said at the table"), chromedp.KeyEvent(kb.Tab))
	require.Len(t, w.acts(), 4)
	v.do(enter)
	require.Equal(t, room.Steer{Step: "6", Did: room.Skip, Why: "it was said at the table"}, acts(5))

	v.tabTo("#note-text")
	v.do(chromedp.KeyEvent("Chen has gone quiet"))
	v.tabTo("button.tiny")
	v.do(enter)
	require.Equal(t, room.Jot{Text: "Chen has gone quiet", Private: true}, acts(6))

	v.tabTo("#stop > summary")
	v.do(enter)
	v.tabTo("#stop-why")
	v.do(chromedp.KeyEvent("the fire alarm"), chromedp.KeyEvent(kb.Tab))
	require.Len(t, w.acts(), 6)
	v.do(enter)
	require.Equal(t, room.Stop{Why: "the fire alarm"}, acts(7))

	// When the exercise goes on, so does the page.
	showing(w, washed(room.HotWash))
	v.reaches(`document.querySelector("h1").textContent === "After the drill"`)
	v.quiet()
}

// A scenario that is typed is checked while it is typed, and a mistake leads to its
// line.
func TestTypingAScenario(t *testing.T) {
	w := newSpeakingWorld(t)
	showing(w, arranging(true))
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	v := newViewer(t)
	v.as(morgan)
	v.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(w.server.URL+"/?at=text"), chromedp.WaitReady(chromedp.CSS("#text")))
	v.until(`document.querySelector("#problems .good") !== null`)
	v.tabTo("#text")
	js[bool](v, `(() => { const t = document.getElementById("text"), at = t.value.indexOf("label: AMBER"); t.setSelectionRange(at + 7, at + 12); return true; })()`)
	v.do(chromedp.KeyEvent("AMBR"))
	v.until(`document.querySelector("#problems .problems") !== null`)
	require.Contains(t, js[string](v, `document.querySelector("#problems").innerText`), `did you mean "AMBER"?`)
	require.Equal(t, "TEXTAREA", js[string](v, `document.activeElement.tagName`), "typing goes on")
	v.keep("facilitator typing 1440")
	v.check("with a mistake")
	v.tabTo(".goto")
	v.do(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "AMBR", js[string](v, `(() => { const t = document.getElementById("text"); return t.value.slice(t.selectionStart, t.selectionEnd); })()`))
	v.do(chromedp.KeyEvent("GREEN"))
	v.until(`document.querySelector("#problems .good") !== null`)
	v.quiet()
}

// A facilitator runs a whole exercise in the real room: sets it up, lets people in,
// has a question voted on, takes the drill back to it, ends it, and seals the record.
func TestFacilitatorRunsADrill(t *testing.T) {
	pack, err := procedure.Sample()
	require.NoError(t, err)
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(&locked{to: new(bytes.Buffer)}, nil))
	home := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	real, err := room.Open(ctx, room.Config{Home: home, Name: "monday", Procedure: pack, RecordKey: key, Clock: time.Now, Log: log})
	require.NoError(t, err)
	w := &world{log: new(bytes.Buffer)}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.console.Handler().ServeHTTP(rw, r) }))
	w.console, err = console.New(console.Config{Room: real, URL: "http://" + w.server.Listener.Addr().String(), Log: slog.New(slog.NewTextHandler(&locked{to: w.log}, nil)), Grace: time.Second})
	require.NoError(t, err)
	w.server.Start()
	ended := make(chan error, 1)
	go func() { ended <- real.Run(ctx) }()
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
		stop()
		<-ended
	})
	codes, facilitator := real.Codes()
	morgan := w.joined(t, facilitator, "Morgan")
	v := newViewer(t)
	v.as(morgan)
	press := func(selector string) {
		t.Helper()
		v.reaches(fmt.Sprintf("document.querySelector(%q) !== null", selector))
		v.do(chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(kb.Enter))
	}
	stage := func(name string) {
		t.Helper()
		v.settled()
		v.keep("real " + name + " 1440")
		v.check(name)
	}

	v.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	stage("1 choosing")
	v.do(chromedp.Focus(chromedp.CSS("#drill-s01")), chromedp.KeyEvent(" "))
	press("main form .actions button")
	v.reaches(`location.search.includes("at=settings")`)
	stage("2 settings")
	v.do(chromedp.SetValue(chromedp.CSS("#devices"), "40"), chromedp.SetValue(chromedp.CSS("#speed"), "1"))
	press("main form > .actions button")
	v.reaches(`location.search.includes("at=doors")`)
	stage("3 doors")
	press("form[action='/act/open-doors'] button")
	v.reaches(`document.querySelector("h1").textContent === "Briefing"`)

	names := map[string]string{"pma/chair": "Amara", "pma/large-supplier": "Bram", "pma/small-supplier": "Chen", "pma/network": "Dilys"}
	players := map[string]*client{}
	for seat, name := range names {
		players[seat] = w.joined(t, codes.Player, name)
		a := players[seat].act("take-seat", "seat", seat)
		require.Equal(t, http.StatusSeeOther, a.status, plain(a.body))
	}
	v.until(`document.querySelector("#benches").innerText.includes("Dilys")`)
	stage("4 briefing")
	press("#begin-sure > summary")
	press("#begin-sure button")
	v.reaches(`document.querySelector("#clock") !== null`)
	stage("5 making")
	v.reaches(`document.querySelector("#control button") !== null`)
	stage("6 begun")

	// Everything before the PMA's question is the script's: go from one thing to the next.
	asked := `document.querySelector("#questions .question [id^=call-]") !== null`
	for range 40 {
		if js[bool](v, asked) {
			break
		}
		js[bool](v, `(() => { const s = document.querySelector("#jump > summary, #jump-now"); if (!s) return false; s.click(); const b = document.querySelector("#jump[open] button"); if (b) b.click(); return true; })()`)
		js[bool](v, `new Promise(done => setTimeout(() => done(true), 250))`)
	}
	v.until(asked)
	stage("7 asked")
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("#questions details:not(.second)").forEach(d => d.open = true)`))
	stage("7 asked, everything open")
	decision := js[string](v, `document.querySelector("#questions input[name=decision]").value`)
	for _, factor := range unmet(t, real, morgan, w) {
		a := players["pma/chair"].act("assess", "seat", "pma/chair", "decision", decision, "asking", "1", "factor", factor, "finding", "looked at", "evidence", "said at the table")
		require.Equal(t, http.StatusSeeOther, a.status, plain(a.body))
	}
	press("#questions [id^=call-]")
	v.until(`document.querySelector("#questions [id^=close-]") !== null`)
	for seat := range names {
		a := players[seat].act("vote", "seat", seat, "decision", decision, "asking", "1", "option", "not required", "reason", "the supplier has its key")
		require.Equal(t, http.StatusSeeOther, a.status, plain(a.body))
	}
	v.until(`document.querySelectorAll("#questions .vote.voted").length === 4`)
	stage("8 voted")
	press("#questions [id^=close-] > summary")
	press("#questions [id^=close-] button")
	v.until(`document.querySelector("#decided").innerText.includes("not required")`)
	stage("9 decided")

	press("#decided [id^=back-] > summary")
	press("#decided [id^=back-][open] button")
	v.reaches(`document.querySelector("#clock").innerText.includes("run 2")`)
	v.reaches(`document.querySelector("#questions [id^=call-]") !== null`)
	stage("10 gone back")

	press("#stop > summary")
	v.do(chromedp.Focus(chromedp.CSS("#stop-why")), chromedp.KeyEvent("time is over"))
	press("#stop button")
	v.reaches(`document.querySelector("h1").textContent === "After the drill"`)
	for _, at := range []string{"wash", "plan", "risks", "minutes", "corrections", "finish"} {
		v.do(chromedp.Navigate(w.server.URL+"/?at="+at), chromedp.WaitReady(chromedp.CSS("main")))
		stage("11 " + at)
	}
	press("#finish > summary")
	press("#finish button")
	v.reaches(`document.querySelector("h1").textContent === "The record is sealed"`)
	v.reaches(`document.querySelector(".files a") !== null`)
	stage("12 sealed")
	for _, m := range js[[]string](v, `[...document.querySelectorAll(".files a")].map(a => a.getAttribute("href"))`) {
		require.Equal(t, http.StatusOK, morgan.get(m).status, m)
	}
	require.NotContains(t, w.log.String(), "could not be")
	require.False(t, strings.Contains(w.log.String(), "level=ERROR"), w.log.String())
}

// unmet are the factors that are to be assessed before the vote can be closed.
func unmet(t *testing.T, real *room.Room, morgan *client, w *world) []string {
	t.Helper()
	var ids []string
	for _, k := range morgan.cookies {
		id, role, is := real.Who(k.Value)
		if !is || role != room.Facilitator {
			continue
		}
		v, err := real.View(id)
		require.NoError(t, err)
		for _, q := range v.Questions {
			for _, f := range q.Factors {
				if f.Force == "shall" && f.Finding == "" {
					ids = append(ids, f.ID)
				}
			}
		}
	}
	return ids
}
