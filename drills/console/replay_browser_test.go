package console_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A reel is a fake room whose exercise is over and can be looked at again: a hundred
// entries from the theft to the outcome.
type reel struct{ *fake }

const reelLast = 100

func (r reel) ViewAt(p room.PersonID, entry int64) (*room.View, error) {
	v, err := r.View(p)
	if err != nil {
		return nil, err
	}
	entry = min(max(entry, 1), reelLast)
	was := playing()
	switch {
	case entry >= 98:
		was = over(room.HotWash)
	case entry >= 71:
		was = opened()
	case entry >= 58:
		was = decided()
	case entry >= 44:
		was = asking(room.Discussing)
	}
	was.Me, was.Version = v.Me, v.Version
	if v.Me.Role == room.Observer {
		was = watching(was)
	}
	kept := was.Feed
	was.Feed = nil
	for _, i := range kept {
		if i.Seq <= entry {
			was.Feed = append(was.Feed, i)
			was.Clock.At = i.At
		}
	}
	was.Clock.Runs, was.Clock.Speed = false, 0
	was.Replay = &room.Moments{Entry: entry, Last: reelLast, At: was.Clock.At, End: minutesOf(12, 10)}
	for _, i := range over(room.HotWash).Feed {
		was.Replay.Marks = append(was.Replay.Marks, room.Mark{Entry: i.Seq, At: i.At, Says: i.Title, Kind: i.Kind})
	}
	return was, nil
}

func (r reel) Compare(_ room.PersonID, a, b int) (*report.Comparison, error) {
	return &report.Comparison{
		A: "run-1", B: "run-2", Differ: []string{"recovery key"},
		Rows: []report.Row{
			{What: "decided: recovery key", A: "adjourn (2:31), required (3:40)", B: "required (2:31)", Differ: true},
			{What: "devices recovered", A: "1,720", B: "1,960", Differ: true}, {What: "customers off supply", A: "0", B: "0"},
		},
		Curves: []report.Pair{{Of: "supplier", Devices: 2000, Hours: 12, A: curveUntil(minutesOf(11, 0), 1720), B: curveUntil(minutesOf(9, 20), 1960)}},
	}, nil
}

// newReel is a world whose exercise is over.
func newReel(t *testing.T) *world {
	w := newWorld(t)
	w.set(func(f *fake) {
		f.views = func(room.Person) *room.View {
			v := over(room.Closed)
			v.Exercise.Run = 2
			return v
		}
	})
	var err error
	w.console, err = console.New(console.Config{Room: reel{w.fake}, URL: w.server.URL, Grace: time.Millisecond})
	require.NoError(t, err)
	return w
}

// The replay is the same screens with a timeline: it is dragged with the keyboard and
// by touch, stops at marks, and nothing can be done in it.
func TestReplayInABrowser(t *testing.T) {
	w := newReel(t)
	observer := w.joined(t, fakeCodes.Observer, "Lowri")
	v := newViewer(t)
	v.as(observer)
	v.Media("prefers-reduced-motion", "reduce")
	for _, see := range []string{"", "screen"} {
		for _, size := range sizes {
			v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+"/replay?entry=75&see="+see), chromedp.WaitReady(chromedp.CSS("#replay-entry")))
			v.settled()
			name := fmt.Sprintf("replay %s %d", see, size[0])
			v.keep(name)
			v.check(name)
		}
	}
	require.True(t, js[bool](v, `[...document.querySelectorAll("main form, main button")].every(e => !e.checkVisibility())`), "nothing can be done in a replay")

	v.do(chromedp.EmulateViewport(1366, 768), chromedp.Navigate(w.server.URL+"/replay?entry=44&see=screen"), chromedp.WaitReady(chromedp.CSS("#replay-entry")))
	require.Contains(t, js[string](v, `document.getElementById("stage").textContent`), "Does the PMA require")
	v.do(chromedp.Focus(chromedp.CSS("#replay-entry")), chromedp.KeyEvent(kb.End),
		chromedp.Poll[chromedp.Void](`document.getElementById("stage").textContent.includes("The system held")`))
	require.Contains(t, js[string](v, `location.search`), "entry=100")
	require.Contains(t, js[string](v, `document.getElementById("replay-entry").getAttribute("aria-valuetext")`), "12:10")
	v.do(chromedp.Click(chromedp.CSS("#replay-before")), chromedp.Poll[chromedp.Void](`location.search.includes("entry=98")`))
	v.do(chromedp.Focus(chromedp.CSS("#replay-entry")), chromedp.KeyEvent(kb.Home),
		chromedp.Poll[chromedp.Void](`location.search.includes("entry=1&") || location.search.endsWith("entry=1")`))
	// By the keyboard from entry to entry, and from mark to mark.
	v.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.Poll[chromedp.Void](`location.search.endsWith("entry=2")`),
		chromedp.KeyEvent(kb.PageUp), chromedp.Poll[chromedp.Void](`location.search.endsWith("entry=4")`))
	// A finger where the PMA's decision is marked.
	mark := js[[]float64](v, `(() => { const b = document.querySelectorAll("#replay .decision")[1].getBoundingClientRect(), s = document.getElementById("replay-entry").getBoundingClientRect(); return [b.x + b.width / 2 + 2, s.y + s.height / 2] })()`)
	v.do(chromedp.TapXY(mark[0], mark[1]), chromedp.Poll[chromedp.Void](`/entry=(57|58|59)$/.test(location.search)`))
	// Without scripts the timeline is a form.
	require.Contains(t, observer.get("/replay?see=screen&place=999.9").body, "12:10")
	require.Contains(t, observer.get("/replay?see=screen&place=0").body, `data-entry="1"`)
	v.quiet()
}

// Two runs stand side by side, with what differs said in words.
func TestComparedRunsInABrowser(t *testing.T) {
	w := newReel(t)
	player := w.joined(t, fakeCodes.Player, "Chen")
	v := newViewer(t)
	v.as(player)
	for _, size := range sizes {
		v.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(w.server.URL+"/replay/compare"), chromedp.WaitReady(chromedp.CSS(".compare table")))
		v.settled()
		name := fmt.Sprintf("compare %d", size[0])
		v.keep(name)
		v.check(name)
	}
	require.Contains(t, js[string](v, `document.querySelector(".compare tbody tr").textContent`), "differs")
	require.True(t, js[bool](v, `document.querySelectorAll(".compare .uplot canvas").length === 1`))
}
