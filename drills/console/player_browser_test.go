package console_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A playersView is what one player sees in one state of the exercise.
type playersView struct {
	name string
	view *room.View
}

// sitting puts the person of a view on seats.
func sitting(v *room.View, ids ...room.SeatID) *room.View {
	for n := range v.Seats {
		if slices.Contains(ids, v.Seats[n].ID) {
			s := &v.Seats[n]
			s.Briefing = []string{"You chair the committee. You know that a supplier reported a copied signing key an hour ago.", "Nobody has asked yet for the Recovery key; who opens it answers for it."}
			v.Mine = append(v.Mine, *s)
		}
	}
	for n := range v.Questions {
		q := &v.Questions[n]
		for _, m := range q.Members {
			if slices.Contains(ids, m.Seat) {
				q.MyVotes, q.Involved = append(q.MyVotes, m), true
			}
		}
		q.MayCall = slices.Contains(ids, room.SeatID(q.Body+"/chair"))
	}
	return v
}

func weighed(v *room.View) *room.View {
	for n := range v.Questions {
		q := &v.Questions[n]
		q.Briefing = "Somebody takes meter after meter with the stolen key.\n\nThe Recovery key lies in shares with custodians; only your decision opens it."
		q.Shown = []journal.Shown{{Label: "Devices that trust the stolen key", Value: "1,120 of 2,000"}, {Label: "Taken so far", Value: "840"}, {Label: "Customers off supply", Value: "12"}}
		q.Rule = "a majority of those who are present and vote; the chair has a casting vote"
		q.Factors = []room.FactorState{
			{ID: "scale", Text: "How many devices and customers are affected", Force: "shall", Finding: "840 taken, 14 more each minute", Evidence: "progress file of 02:00", Assessor: "Bram"},
			{ID: "harm", Text: "What harm may come if nothing is done", Force: "shall", Sample: true},
			{ID: "cost", Text: "What the recovery itself may break", Force: "may"},
		}
		q.Unmet = []string{"What harm may come if nothing is done"}
		q.Conflicts = "A member with an interest may speak and does not vote."
	}
	return v
}

func briefing() *room.View {
	v := playing()
	v.Phase, v.Situation, v.Feed, v.Decided = room.Briefing, nil, nil, nil
	v.Exercise.Title, v.Exercise.About = "", []string{"An exercise of two hours about the loss of a supplier's key.", "You decide as you would in earnest; no meter outside this room is touched."}
	v.Exercise.Rules = []string{"Speak as your seat.", "What is said here stays here."}
	v.Exercise.Terms = []procedure.Term{
		{Term: "Recovery key", Says: "a key that can change every trust anchor but the root on every device of the country"},
		{Term: "signing key", Says: "the key with which a supplier signs its commands; its meters obey whoever has it"},
	}
	v.Exercise.Open = []report.Action{{Number: 1, What: "Telephone list of nominated officers, on paper", Owner: "DCC", Drill: "2026-spring"}}
	v.Seats[6].Alternate = "somebody of the same category"
	return v
}

func custodian() *room.View {
	v := sitting(playing(), "custodian/1")
	v.Calls = []room.Call{{Seat: "custodian/1", Key: "recovery", Words: "the Recovery key", Decision: "recovery key: required", Digest: "TALON-SUMMIT-OBTUSE-MARBLE", Needed: 2, Given: 1, Mistyped: true}}
	v.Envelopes = []room.Envelope{{Seat: "custodian/1", Key: "recovery", Code: "amber kettle north violin"}}
	v.Duties = []room.Duty{{Step: "tell-pma", Whom: "the PMA Chair", From: "the service desk", Due: minutesOf(2, 40), Seat: "custodian/1"}}
	return v
}

func playerViews() []playersView {
	setup := playing()
	setup.Phase, setup.Situation, setup.Feed, setup.Decided, setup.Seats = room.Setup, nil, nil, nil, nil
	voted := weighed(sitting(asking(room.Voting), "pma/dcc"))
	for n := range voted.Questions[0].MyVotes {
		m := &voted.Questions[0].MyVotes[n]
		m.Voted, m.Option, m.Reason = true, "required", "Every minute costs fourteen meters."
	}
	barred := weighed(sitting(asking(room.Voting), "pma/large-1"))
	hot := sitting(over(room.HotWash), "pma/dcc")
	hot.After.Answered = false
	if len(hot.After.Survey) == 0 {
		hot.After.Survey = []room.SurveyQuestion{{ID: "clear", Asks: "Was it clear what you had to decide?"}, {ID: "time", Asks: "Was there time enough?"}}
	}
	return []playersView{
		{"setup", setup}, {"briefing without a seat", briefing()}, {"briefing", sitting(briefing(), "pma/chair")}, {"watching", sitting(playing(), "dcc/desk")},
		{"discussing", weighed(sitting(asking(room.Discussing), "pma/chair"))}, {"voting", weighed(sitting(asking(room.Voting), "pma/small"))}, {"voted", voted}, {"barred", barred},
		{"chair closes", weighed(sitting(asking(room.Voting), "pma/chair"))}, {"revealed", weighed(sitting(asking(room.Revealed), "pma/dcc"))}, {"custodian", custodian()},
		{"hot wash", hot}, {"closed", sitting(over(room.Closed), "pma/dcc")},
	}
}

// What a term says stands below it and inside the window, wherever in a line the term
// is.
func TestTermsSayInsideTheWindow(t *testing.T) {
	w := newWorld(t)
	v := newViewer(t)
	v.as(w.joined(t, fakeCodes.Player, "Ewan"))
	for _, s := range playerViews() {
		if s.name != "briefing" {
			continue
		}
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *s.view; return &c } })
		for _, width := range []int64{390, 640, 1280} {
			v.do(chromedp.EmulateViewport(width, 800), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")),
				chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
			wrong := js[string](v, `[...document.querySelectorAll(".term-name")].map(name => {
				name.focus();
				const says = name.nextElementSibling, a = name.getBoundingClientRect(), b = says.getBoundingClientRect();
				const good = getComputedStyle(says).visibility === "visible" && b.left >= 0 && b.right <= innerWidth && b.top >= a.top && b.top <= a.bottom + 8 && b.left <= a.right && b.right >= a.left;
				return good ? "" : name.textContent + " " + JSON.stringify([a, b]);
			}).join("")`)
			require.Empty(t, wrong, "%d wide", width)
			require.Greater(t, js[int](v, `document.querySelectorAll(".term-name").length`), 1)
		}
	}
}

// The players' screens are clean under axe on a phone and on a laptop, light and
// dark, and fit.
func TestPlayerInABrowser(t *testing.T) {
	w := newWorld(t)
	player := w.joined(t, fakeCodes.Player, "Ewan")
	v := newViewer(t)
	v.as(player)
	for _, s := range playerViews() {
		if only := os.Getenv("ROOM_ONLY"); only != "" && only != s.name {
			continue
		}
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *s.view; return &c } })
		for _, scheme := range []string{"light", "dark"} {
			for _, size := range [][2]int64{{390, 844}, {1280, 800}, {640, 400}} { // the last is a laptop at 200 %
				v.Media("prefers-color-scheme", scheme)
				v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
				v.settled()
				name := fmt.Sprintf("player %s %d %s", s.name, size[0], scheme)
				if scheme == "light" || size[0] == 390 {
					v.keep(name)
				}
				v.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
				v.check(name)
			}
		}
	}
}

// The door is clean, too, and somebody joins with the keyboard alone.
func TestDoorInABrowser(t *testing.T) {
	w := newWorld(t)
	v := newViewer(t)
	for _, path := range []string{"/", "/j/" + fakeCodes.Player, "/j/" + fakeCodes.Screen} {
		for _, size := range [][2]int64{{390, 844}, {1280, 800}} {
			v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+path), chromedp.WaitReady(chromedp.CSS("main")))
			v.keep(fmt.Sprintf("door %s %d", strings.ReplaceAll(path, "/", "_"), size[0]))
			v.check(path)
		}
	}
	v.do(chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("#code")), chromedp.Focus(chromedp.CSS("#code")),
		chromedp.KeyEvent("k7m pq2"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("Ewan"), chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(chromedp.CSS("body.player")))
	require.Equal(t, "/", js[string](v, `location.pathname`))
}

// A vote by the keyboard alone: it arrives, what others do meanwhile does not take
// away what is being typed, and a refusal is said.
func TestVoteInABrowser(t *testing.T) {
	w := newWorld(t)
	view := weighed(sitting(asking(room.Voting), "pma/small"))
	show := func(change func(v *room.View)) {
		w.set(func(f *fake) {
			if change != nil {
				change(view)
			}
			f.views = func(room.Person) *room.View {
				c := *view
				c.Questions = slices.Clone(view.Questions)
				c.Questions[0].MyVotes = slices.Clone(view.Questions[0].MyVotes)
				c.Questions[0].Members = slices.Clone(view.Questions[0].Members)
				return &c
			}
		})
	}
	show(nil)
	player := w.joined(t, fakeCodes.Player, "Ewan")
	v := newViewer(t)
	v.as(player)
	v.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	v.until(`performance.getEntriesByType("resource").some(r => r.name.endsWith("/events")) || true`)
	v.tabTo(`input[name=option]`)
	v.do(chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown))
	require.Equal(t, "not required", js[string](v, `document.querySelector("input[name=option]:checked").value`))
	v.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("The supplier can go"))
	// Somebody else votes, and my own form's part changes, while I type.
	show(func(v *room.View) {
		for n := range v.Questions[0].Members {
			v.Questions[0].Members[n].Voted = true
		}
		v.Questions[0].Cast = 6
		v.Questions[0].Asks = "Does the PMA require a key after all?"
	})
	v.until(`document.querySelector("#question h2").textContent.includes("after all")`)
	v.until(`document.querySelector("p.later") !== null`)
	require.Equal(t, "The supplier can go", js[string](v, `document.activeElement.value`))
	v.do(chromedp.KeyEvent(" on."))
	w.set(func(f *fake) {
		f.refuse = func(_ room.Person, a room.Act) error {
			return &room.Refusal{Why: "The chair has closed this vote. Wait for what comes of it."}
		}
	})
	v.do(chromedp.KeyEvent(kb.Enter))
	v.until(`document.querySelector("#said .refused") !== null`)
	require.Contains(t, js[string](v, `document.querySelector("#said").textContent`), "The chair has closed this vote")
	require.Equal(t, "The supplier can go on.", js[string](v, `document.activeElement.value`), "a refused vote need not be typed again")
	v.keep("player refused 390")
	w.set(func(f *fake) {
		f.refuse = func(_ room.Person, a room.Act) error {
			vote := a.(room.Vote)
			m := &view.Questions[0].MyVotes[0]
			m.Voted, m.Option, m.Reason = true, vote.Option, vote.Reason
			return nil
		}
	})
	v.do(chromedp.KeyEvent(kb.Enter))
	v.until(`document.querySelector("#said .good") !== null`)
	v.until(`document.querySelector("#vote").textContent.includes("You voted for Not required")`)
	require.Equal(t, room.Vote{Seat: "pma/small", Decision: "recovery key", Asking: 1, Option: "not required", Reason: "The supplier can go on."}, w.acts()[0].Act)
	require.NotEqual(t, "BODY", js[string](v, `document.activeElement.tagName`), "a keyboard goes on where it was")
	v.check("after the vote")
	v.keep("player after the vote 390")
}

// tabTo presses Tab until the focus is where it is wanted.
func (v *viewer) tabTo(selector string) {
	v.t.Helper()
	for range 200 {
		v.do(chromedp.KeyEvent(kb.Tab))
		if js[bool](v, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return
		}
	}
	v.t.Fatalf("no Tab leads to %s", selector)
}

// until waits for the page to be as it should.
func (v *viewer) until(expression string) {
	v.t.Helper()
	ok := js[bool](v, fmt.Sprintf(`new Promise(done => {
		const end = performance.now() + 15000;
		const look = () => { if (%s) done(true); else if (performance.now() > end) done(false); else setTimeout(look, 20); };
		look();
	})`, expression))
	require.True(v.t, ok, expression)
}

// A lost network is told calmly, takes nothing away, and mends itself: the page has
// then what happened meanwhile.
func TestLostNetworkInABrowser(t *testing.T) {
	w := newWorld(t)
	view := weighed(sitting(asking(room.Voting), "pma/small"))
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *view; return &c } })
	player := w.joined(t, fakeCodes.Player, "Ewan")
	v := newViewer(t)
	v.as(player)
	v.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	v.quiet()
	me := player.id()
	require.Eventually(t, func() bool {
		w.fake.mu.Lock()
		defer w.fake.mu.Unlock()
		return w.fake.here[me] > 0
	}, 15*time.Second, 5*time.Millisecond, "the stream is open")
	v.tabTo(`input[name=reason]`)
	v.do(chromedp.KeyEvent("each minute"))

	w.away.Store(true)
	w.server.CloseClientConnections()
	v.until(`document.querySelector("#line:not([hidden])") !== null`)
	require.Contains(t, js[string](v, `document.querySelector("#line").textContent`), "comes back by itself")
	v.keep("player lost 390")
	v.do(chromedp.KeyEvent(" counts"), chromedp.KeyEvent(kb.Enter)) // no option is chosen: the browser itself says so
	js[bool](v, `(() => { document.querySelector("input[name=option]").checked = true; document.querySelector("#vote form button").click(); return true })()`)
	v.until(`document.querySelector("#said .refused") !== null`)
	require.Contains(t, js[string](v, `document.querySelector("#said").textContent`), "send it again when the connection is back")
	w.set(func(*fake) {
		view.Exercise.Label, view.Clock.Why, view.Clock.Paused = "SAMPLE LABEL", "the network is mended", true
	})

	w.away.Store(false)
	v.until(`document.querySelector("#top").textContent.includes("the network is mended")`)
	v.until(`document.querySelector("#line").textContent.includes("The connection is back")`)
	require.Equal(t, "each minute counts", js[string](v, `document.querySelector("input[name=reason]").value`))
	js[bool](v, `(() => { document.querySelector("#vote form button").click(); return true })()`)
	v.until(`document.querySelector("#said .good") !== null`)
	require.Len(t, w.acts(), 1, "what could not be sent was not sent twice")
}

// Two pages of one person show the same, and pages that are loaded again and again
// leave nothing behind that stops the next one.
func TestManyPagesInABrowser(t *testing.T) {
	w := newWorld(t)
	view := weighed(sitting(asking(room.Voting), "pma/small"))
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *view; return &c } })
	player := w.joined(t, fakeCodes.Player, "Ewan")
	v := newViewer(t)
	v.as(player)
	second := player.listen(t)
	second.until(t, "event: words")
	for range 12 {
		v.do(chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
	}
	w.set(func(*fake) { view.Clock.Why, view.Clock.Paused = "everybody sees it", true })
	v.until(`document.querySelector("#top").textContent.includes("everybody sees it")`)
	second.until(t, "everybody sees it")
	v.quiet()
}
