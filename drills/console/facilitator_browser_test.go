package console_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
)

// facilitatorPages are the states of the facilitator's pages.
func facilitatorPages() []struct {
	name, path string
	view       *room.View
} {
	blind := run(asking(room.Voting))
	noQuorum := run(asking(room.Discussing))
	for i := range noQuorum.Questions[0].Members[2:] {
		noQuorum.Questions[0].Members[i+2].Present = false
	}
	noQuorum.Questions[0].Refused = "two votes for each of two answers: a tie"
	again := run(decided())
	again.Exercise.Run = 2
	return []struct {
		name, path string
		view       *room.View
	}{
		{"setup, nothing chosen", "/", arranging(false)}, {"setup, drill", "/?at=drill", arranging(true)}, {"setup, text", "/?at=text", arranging(true)},
		{"setup, settings", "/?at=settings", arranging(true)}, {"setup, doors", "/?at=doors", arranging(true)},
		{"briefing", "/", briefed()}, {"briefing, sheet", "/?at=sheet", briefed()},
		{"play, discussing", "/", run(asking(room.Discussing))}, {"play, blind", "/", blind}, {"play, revealed", "/", run(asking(room.Revealed))}, {"play, no quorum", "/", noQuorum},
		{"play, nothing asked", "/", again}, {"play, custodians", "/", custody()}, {"play, trouble", "/", troubled()}, {"replay", "/replay?entry=30", run(decided())},
		{"after, wash", "/?at=wash", washed(room.HotWash)}, {"after, plan", "/?at=plan", washed(room.HotWash)}, {"after, risks", "/?at=risks", washed(room.HotWash)},
		{"after, minutes", "/?at=minutes", washed(room.HotWash)}, {"after, corrections", "/?at=corrections", washed(room.HotWash)}, {"after, finish", "/?at=finish", washed(room.HotWash)},
		{"sealed", "/", washed(room.Closed)},
	}
}

// The facilitator's pages are clean under axe at every stage, on a laptop and on a
// tablet in the dark, with everything folded in and with everything open; they ask
// nothing of another host, and fit, at 200 % too.
func TestFacilitatorInABrowser(t *testing.T) {
	w := newSpeakingWorld(t)
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	v := newViewer(t)
	v.as(morgan)
	for _, s := range facilitatorPages() {
		if only := os.Getenv("ROOM_ONLY"); only != "" && only != s.name {
			continue
		}
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *s.view; return &c } })
		for scheme, size := range map[string][2]int64{"light": {1440, 900}, "dark": {820, 1180}} {
			v.Media("prefers-reduced-motion", "reduce", "prefers-color-scheme", scheme)
			v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+s.path), chromedp.WaitReady(chromedp.CSS("main")))
			v.settled()
			name := fmt.Sprintf("facilitator %s %d", s.name, size[0])
			v.keep(name)
			if scheme == "light" {
				v.check(name)
			}
			js[bool](v, `document.querySelectorAll("details").forEach(d => d.open = true), true`)
			v.settled()
			v.keep(name + " open")
			v.check(name + ", everything open")
		}
		// A laptop at 200 %.
		v.do(chromedp.EmulateViewport(720, 450))
		v.settled()
		require.True(t, js[bool](v, `document.documentElement.scrollWidth <= window.innerWidth`), "%s does not fit at 200 %%", s.name)
	}
	require.NotContains(t, w.log.String(), "could not be made")
}
