package console_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
)

// benchPlayers is how many pages are open.
const benchPlayers = 100

// BenchmarkHundredPlayers measures from an act of one player (a vote, sent as a form)
// until its update has arrived at each of a hundred pages over loopback: p50 and p95
// of all pages of all acts, and of the last page of each act. The pages are those of
// a committee in the middle of a vote. Clients share the processors with the server.
func BenchmarkHundredPlayers(b *testing.B) {
	w := newWorld(b)
	base := weighed(sitting(asking(room.Voting), "pma/small"))
	for n := range 60 {
		base.Feed = append(base.Feed, room.Item{Seq: int64(100 + n), Kind: room.ItemDevices, Title: fmt.Sprintf("%d meters trust the new keys", 40*n), Text: "A sample of them was asked which keys they trust."})
	}
	acts := 0
	w.set(func(f *fake) {
		f.refuse = func(room.Person, room.Act) error { acts++; return nil } // under the fake's lock
		f.views = func(room.Person) *room.View {
			c := *base
			c.Questions = slices.Clone(base.Questions)
			c.Questions[0].Tally = fmt.Sprintf("act %d.", acts)
			return &c
		}
	})
	var players []*client
	for n := range benchPlayers {
		players = append(players, w.joined(b, fakeCodes.Player, fmt.Sprintf("Player %d", n)))
	}
	token := players[0].token()
	measure(b, w, players, `<p class="tally">act %d.`, func(int) {
		a := players[0].post("/act/vote", "token", token, "seat", "pma/small", "decision", "recovery key", "asking", "1", "option", "required", "reason", "each minute counts")
		require.Equal(b, http.StatusSeeOther, a.status)
	}, nil)
}

// BenchmarkHundredPlayersRealRoom is the same with the real room in the middle of a
// real drill: the act is the facilitator's pause, which everybody sees; it is written
// into the book, goes through the engine and its journal, and a hundred views are
// made of both.
func BenchmarkHundredPlayersRealRoom(b *testing.B) {
	h := newHall(b)
	codes, facilitator := h.room.Codes()
	morgan := h.joined(b, facilitator, "Morgan")
	token := morgan.token()
	do := func(name string, pairs ...string) {
		a := morgan.post("/act/"+name, append([]string{"token", token}, pairs...)...)
		require.Equal(b, http.StatusSeeOther, a.status, a.body)
	}
	do("arrange", "scenario", "S02", "devices", "60", "speed", "1")
	do("open-doors")
	var players []*client
	for n := range benchPlayers {
		players = append(players, h.joined(b, codes.Player, fmt.Sprintf("Player %d", n)))
	}
	for n, seat := range []string{"pma/chair", "pma/large-supplier", "pma/small-supplier", "pma/network"} {
		require.Equal(b, http.StatusSeeOther, players[n].act("take-seat", "seat", seat).status)
	}
	do("begin")
	require.Eventually(b, func() bool {
		page := players[0].get("/").body
		if strings.Contains(page, "SMKI PMA decides") {
			return true
		}
		if strings.Contains(page, "the drill runs") {
			morgan.post("/act/jump", "token", token)
		}
		return false
	}, 2*time.Minute, 100*time.Millisecond)
	measure(b, h.world, players, "the clock stands: act %d.", func(act int) { do("pause", "why", fmt.Sprintf("act %d.", act)) }, func() { do("resume") })
}

// measure opens a page for each of the players, and has act done again and again
// until it has arrived at all of them, as a line that says so.
func measure(b *testing.B, w *world, players []*client, says string, act func(n int), between func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var served sync.WaitGroup
	served.Go(func() { _ = w.console.Serve(ctx, l, nil) })

	type arrival struct {
		act int
		at  time.Time
	}
	before, _, _ := strings.Cut(says, "%d")
	arrivals := make(chan arrival, 4*len(players))
	for _, c := range players {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+"/events", nil)
		require.NoError(b, err)
		for _, k := range c.cookies {
			r.AddCookie(k)
		}
		answer, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
		require.NoError(b, err)
		require.Equal(b, http.StatusOK, answer.StatusCode)
		served.Go(func() {
			defer answer.Body.Close()
			read := bufio.NewScanner(answer.Body)
			read.Buffer(nil, 1<<20)
			for read.Scan() {
				if i := bytes.Index(read.Bytes(), []byte(before)); i >= 0 {
					var n int
					if _, err := fmt.Sscanf(string(read.Bytes()[i:]), says, &n); err == nil && n > 0 {
						arrivals <- arrival{n, time.Now()}
					}
				}
			}
		})
	}
	once := func(n int) (all []time.Duration) {
		begun := time.Now()
		act(n)
		for len(all) < len(players) {
			select {
			case got := <-arrivals:
				if got.act == n {
					all = append(all, got.at.Sub(begun))
				}
			case <-time.After(30 * time.Second):
				b.Fatalf("act %d arrived at %d of %d pages", n, len(all), len(players))
			}
		}
		if between != nil {
			b.StopTimer()
			between()
			b.StartTimer()
		}
		return all
	}
	once(1) // everybody is there
	var each, last []time.Duration
	n := 1
	for b.Loop() {
		n++
		all := once(n)
		each, last = append(each, all...), append(last, slices.Max(all))
	}
	ms := func(d []time.Duration, percent int) float64 {
		slices.Sort(d)
		return float64(d[(len(d)-1)*percent/100].Microseconds()) / 1000
	}
	b.ReportMetric(ms(each, 50), "p50-ms")
	b.ReportMetric(ms(each, 95), "p95-ms")
	b.ReportMetric(ms(last, 95), "last-p95-ms")
	stop()
	served.Wait()
}
