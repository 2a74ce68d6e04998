package console_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
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
	arrivals := make(chan arrival, 4*benchPlayers)
	var players []*client
	for n := range benchPlayers {
		c := w.joined(b, fakeCodes.Player, fmt.Sprintf("Player %d", n))
		players = append(players, c)
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
			for read := bufio.NewScanner(answer.Body); read.Scan(); {
				if i := bytes.Index(read.Bytes(), []byte(`<p class="tally">act `)); i >= 0 {
					var act int
					if _, err := fmt.Sscanf(string(read.Bytes()[i:]), `<p class="tally">act %d.`, &act); err == nil && act > 0 {
						arrivals <- arrival{act, time.Now()}
					}
				}
			}
		})
	}
	token := players[0].token()
	vote := func(act int) (all []time.Duration) {
		begun := time.Now()
		a := players[0].post("/act/vote", "token", token, "seat", "pma/small", "decision", "recovery key", "asking", "1", "option", "required", "reason", "each minute counts")
		require.Equal(b, http.StatusSeeOther, a.status)
		for len(all) < benchPlayers {
			select {
			case got := <-arrivals:
				if got.act == act {
					all = append(all, got.at.Sub(begun))
				}
			case <-time.After(30 * time.Second):
				b.Fatalf("act %d arrived at %d of %d pages", act, len(all), benchPlayers)
			}
		}
		return all
	}
	vote(1) // everybody is there
	var each, last []time.Duration
	act := 1
	for b.Loop() {
		act++
		all := vote(act)
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
