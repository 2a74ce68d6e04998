package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
	"smki.example/pagetest"
)

// A viewer is Chromium, as somebody in the room looks with it.
type viewer struct {
	*pagetest.Browser
	t      *testing.T
	forced bool // colours are the system's, and axe would measure those that are not shown
}

func newViewer(t *testing.T) *viewer {
	t.Helper()
	return &viewer{Browser: pagetest.Open(t, pagetest.Config{Within: 10 * time.Minute, Data: true, Scripts: true}), t: t}
}

// quiet says that the browser had nothing to complain about.
func (v *viewer) quiet() {
	v.t.Helper()
	v.Quiet()
}

func (v *viewer) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	v.Do(steps...)
}

func look[T any](v *viewer, step chromedp.Action[T]) T {
	v.t.Helper()
	return pagetest.Ask(v.Browser, step)
}

// js evaluates an expression.
func js[T any](v *viewer, expression string) T {
	v.t.Helper()
	return look(v, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// as gives the browser the cookies of somebody who joined.
func (v *viewer) as(c *client) {
	v.t.Helper()
	for _, k := range c.cookies {
		_, err := chromedp.Call(v.Context(), network.SetCookie, network.SetCookieParams{Name: k.Name, Value: k.Value, URL: c.world.server.URL})
		require.NoError(v.t, err)
	}
}

// settled waits until what the page draws has been drawn.
func (v *viewer) settled() {
	v.t.Helper()
	js[bool](v, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}

// check looks at a page as axe does, and whether it fits the window.
func (v *viewer) check(name string) {
	v.t.Helper()
	var without []string
	if v.forced {
		without = append(without, "color-contrast")
	}
	require.Empty(v.t, v.Axe(without...), name)
	require.True(v.t, v.Fits(), "%s is wider than its window", name)
	v.quiet()
}

// keep writes a picture of the whole page to the folder that ROOM_PICTURES names, for
// people to look at.
func (v *viewer) keep(name string) {
	v.t.Helper()
	dir := os.Getenv("ROOM_PICTURES")
	if dir == "" {
		return
	}
	v.Picture(filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "").Replace(name)+".png"))
}

// sizes are a projector, a laptop, a tablet on its side and a telephone.
var sizes = [][2]int64{{1920, 1080}, {1366, 768}, {820, 1180}, {390, 844}}

// screenViews are the states that the room's screen goes through.
func screenViews() []struct {
	name string
	view *room.View
} {
	setup := playing()
	setup.Phase, setup.Situation, setup.Feed, setup.Decided = room.Setup, nil, nil, nil
	joining := playing()
	joining.Phase, joining.Situation, joining.Feed, joining.Decided = room.Briefing, nil, nil, nil
	making := playing()
	making.Phase, making.Situation, making.Feed, making.Decided = room.Making, nil, nil, nil
	begun := playing()
	begun.Decided, begun.Feed, begun.Clock.At = nil, begun.Feed[:1], 0
	begun.Situation = situation(0, 1960, 0, 0, 0, 40)
	paused := decided()
	paused.Clock.Paused, paused.Clock.Why, paused.Clock.Runs = true, "coffee until a quarter past", false
	return []struct {
		name string
		view *room.View
	}{
		{"setup", setup}, {"join", joining}, {"making", making}, {"begun", begun}, {"discussing", asking(room.Discussing)}, {"voting", asking(room.Voting)},
		{"revealed", asking(room.Revealed)}, {"decided", decided()}, {"paused", paused}, {"opened", opened()}, {"hot wash", over(room.HotWash)}, {"closed", over(room.Closed)},
	}
}

// The projector's screen is clean under axe in every state and size, asks nothing of
// another host, and fits.
func TestScreenInABrowser(t *testing.T) {
	w := newWorld(t)
	screen := w.joined(t, fakeCodes.Screen, "Room screen")
	v := newViewer(t)
	v.as(screen)
	v.Media("prefers-reduced-motion", "reduce")
	for _, s := range screenViews() {
		if only := os.Getenv("ROOM_ONLY"); only != "" && only != s.name {
			continue
		}
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *s.view; return &c } })
		for _, size := range sizes {
			v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+"/screen"), chromedp.WaitReady(chromedp.CSS("main")))
			v.settled()
			name := fmt.Sprintf("screen %s %d", s.name, size[0])
			v.keep(name)
			v.check(name)
		}
	}
}

// watching is what an observer sees of a view.
func watching(v *room.View) *room.View {
	c := *v
	c.Exercise.Title = "Supplier signing key stolen, and the intruder is racing"
	c.Exercise.About = []string{"A large supplier reports that its signing key was copied. Devices have begun to behave oddly."}
	c.Notes = notes()
	c.Rehearsed = objectives()
	return &c
}

// An observer's screen is clean under axe in every size; a note, a rating and a
// correction become acts, and a note can be about an earlier moment.
func TestObserverInABrowser(t *testing.T) {
	w := newWorld(t)
	observer := w.joined(t, fakeCodes.Observer, "Lowri")
	v := newViewer(t)
	v.as(observer)
	briefing := playing()
	briefing.Phase, briefing.Situation, briefing.Feed, briefing.Decided = room.Briefing, nil, nil, nil
	for _, s := range []struct {
		name string
		view *room.View
	}{{"briefing", briefing}, {"voting", asking(room.Voting)}, {"opened", opened()}, {"hot wash", over(room.HotWash)}, {"closed", over(room.Closed)}} {
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { return watching(s.view) } })
		for _, scheme := range []string{"light", "dark"} {
			v.Media("prefers-color-scheme", scheme)
			for i, size := range sizes {
				if scheme == "dark" && i%3 != 0 {
					continue // colours depend on nothing but the scheme: the largest and the smallest
				}
				v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("main")))
				v.settled()
				name := fmt.Sprintf("observer %s %s %d", s.name, scheme, size[0])
				v.keep(name)
				v.check(name)
			}
		}
	}

	w.set(func(f *fake) { f.views = func(room.Person) *room.View { return watching(opened()) } })
	v.do(chromedp.EmulateViewport(1366, 768), chromedp.Navigate(w.server.URL+"/"), chromedp.WaitReady(chromedp.CSS("#jot")),
		chromedp.Click(chromedp.CSS(`.note-here[data-entry="30"]`)),
		chromedp.SendKeys(chromedp.CSS("#jot-text"), "Who owns the counter?"),
		chromedp.Click(chromedp.CSS(`#jot button[value="question"]`)),
		chromedp.WaitReady(chromedp.CSS("#said .good")))
	require.Equal(t, room.Jot{Text: "Who owns the counter?", Tag: room.Question, Entry: 30}, w.acts()[0].Act)
	require.Empty(t, js[string](v, `document.getElementById("jot-text").value`))
	require.Empty(t, js[string](v, `document.getElementById("jot-entry").value`), "the next note is about the newest moment again")
	v.do(chromedp.Click(chromedp.CSS(`label[for="rate-confirmation-M"]`)),
		chromedp.SendKeys(chromedp.CSS("#evidence-confirmation"), "nobody had the number on file"),
		chromedp.Click(chromedp.CSS("#objective-confirmation button")),
		chromedp.Poll[chromedp.Void](`document.querySelector("#said .good")?.textContent.includes("rating")`))
	require.Equal(t, room.Rate{Objective: "confirmation", Rating: room.MajorChallenges, Evidence: "nobody had the number on file"}, w.acts()[1].Act)
	v.do(chromedp.Click(chromedp.CSS("#correct-36 summary")), chromedp.SendKeys(chromedp.CSS("#correct-text-36"), "It was ten minutes."),
		chromedp.Click(chromedp.CSS("#correct-36 button")), chromedp.Poll[chromedp.Void](`document.querySelector("#said .good")?.textContent.includes("correction")`))
	require.Equal(t, room.Correct{Book: 36, Text: "It was ten minutes."}, w.acts()[2].Act)
	v.quiet()
}

// What everybody should notice is shown large when it happens and not when the page
// is loaded again; a meter that changes turns on the wall where motion is welcome,
// and is there at once where it is not.
func TestMomentsOnTheScreen(t *testing.T) {
	w := newWorld(t)
	screen := w.joined(t, fakeCodes.Screen, "Room screen")
	v := newViewer(t)
	v.as(screen)
	show := func(view *room.View) {
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *view; return &c } })
	}
	show(decided())
	v.Media("prefers-reduced-motion", "no-preference")
	v.do(chromedp.EmulateViewport(1920, 1080), chromedp.Navigate(w.server.URL+"/screen"), chromedp.WaitReady(chromedp.CSS(".wall-canvas")))
	v.settled()
	require.False(t, js[bool](v, `document.querySelector(".moment").classList.contains("shown")`), "what was there before the page is no news")
	// The picture of the wall's canvas, as a number.
	const wall = `(() => { const c = document.querySelector(".wall-canvas"); const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) n = (n * 31 + d[i] + d[i + 1] * 3 + d[i + 2] * 7) % 1000000007; return n })()`
	before := js[float64](v, wall)

	show(opened())
	v.do(chromedp.Poll[chromedp.Void](`document.querySelector(".moment").classList.contains("shown")`))
	require.Contains(t, js[string](v, `document.querySelector(".moment").innerText`), "first command signed with the Recovery key")
	middle := js[float64](v, wall)
	v.keep("moment key 1920")
	v.check("moment")
	v.do(chromedp.KeyEvent(kb.Escape), chromedp.Poll[chromedp.Void](`!document.querySelector(".moment").classList.contains("shown")`))
	require.Contains(t, js[string](v, `document.getElementById("lights").innerText`), "Recovery key is OPEN", "that it is open stays on the screen")
	// Every meter has turned when nothing has changed for ten frames.
	require.True(t, js[bool](v, `new Promise(done => { let last = 0, same = 0; const look = () => { const n = `+wall+`; same = n === last ? same + 1 : 0; last = n; if (same > 10) done(true); else requestAnimationFrame(look) }; look() })`))
	after := js[float64](v, wall)
	require.NotEqual(t, before, after)
	require.NotEqual(t, after, middle, "the meters turn one after the other")

	v.Media("prefers-reduced-motion", "reduce")
	show(decided())
	v.do(chromedp.Poll[chromedp.Void](`document.querySelector(".wall-of").dataset.wall.split("R").length < 10`))
	v.settled()
	require.Equal(t, before, js[float64](v, wall), "without motion the wall is there at once")

	// The words beside the wall are the wall.
	show(opened())
	v.do(chromedp.Poll[chromedp.Void](`document.getElementById("wall").textContent.includes("1,033 new keys")`))
	require.Contains(t, js[string](v, `document.getElementById("wall").textContent`), "640 in a stranger's hands")
	v.quiet()
}

// At 200 % zoom, which a browser makes by halving the window, nothing is cut off; and
// with the colours of the system's own the screens still say everything.
func TestScreensZoomedAndInForcedColours(t *testing.T) {
	w := newWorld(t)
	screen := w.joined(t, fakeCodes.Screen, "Room screen")
	v := newViewer(t)
	v.as(screen)
	v.Media("prefers-reduced-motion", "reduce", "forced-colors", "active")
	v.forced = true
	for _, s := range screenViews() {
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *s.view; return &c } })
		v.do(chromedp.EmulateViewport(960, 540, chromedp.EmulateScale(2)), chromedp.Navigate(w.server.URL+"/screen"), chromedp.WaitReady(chromedp.CSS("main")))
		v.settled()
		name := "zoomed " + s.name
		v.keep(name)
		v.check(name)
		cut := js[string](v, `[...document.querySelectorAll("main p, main li, main dd, main dt, main h2")].filter(e => e.checkVisibility() && !e.closest(".unseen, .latest") && !e.classList.contains("unseen") && (e.scrollWidth > e.clientWidth + 1) && getComputedStyle(e).display !== "inline").map(e => e.textContent.trim().slice(0, 60)).join(" | ")`)
		require.Empty(t, cut, name)
	}
}
