package room_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/library"
	"smki.example/drills/room"
	"smki.example/drills/verbs"
)

// BenchmarkView is what a change in the room costs for a hundred people: each looks
// at the drill of S02 as it stands at its end, when there is most to see.
func BenchmarkView(b *testing.B) {
	pack := sample(b)
	s, err := library.Load("S02", verbs.Vocabulary(pack))
	require.NoError(b, err)
	g := room.NewGlance(pack, s)
	for _, e := range want(b, "S02") {
		if e.kind == "outcome" {
			break
		}
		require.NoError(b, g.Take(e.seq, e.at, e.kind, e.body))
	}
	seats := g.Seats()
	b.ResetTimer()
	for b.Loop() {
		for i := range 100 {
			g.From(room.Player, seats[i%len(seats)].ID)
		}
	}
}

// A hundred people look at a room at the same time as things are done in it.
func TestHundredPeople(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.do("Fay", room.Arrange{Text: tabletop})
	s.do("Fay", room.OpenDoors{})
	codes, _ := s.r.Codes()
	var people []room.PersonID
	for i := range 100 {
		people = append(people, s.join(codes.Player, fmt.Sprintf("Member %d", i)))
	}
	done := make(chan error, len(people))
	for _, p := range people {
		go func() {
			gone := s.r.Here(p)
			defer gone()
			for range 5 {
				v, err := s.r.View(p)
				if err != nil {
					done <- err
					return
				}
				<-s.r.Changed(v.Version - 1)
			}
			done <- nil
		}()
	}
	s.do("Fay", room.Move{Seat: "pma/chair", Person: people[7]})
	for range people {
		require.NoError(t, <-done)
	}
	require.Len(t, s.view("Fay").People, 101)
}
