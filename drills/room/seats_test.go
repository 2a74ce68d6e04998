package room_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
)

func TestDoorsAndSeats(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	codes, long := s.r.Codes()
	require.Len(t, codes.Player, 6)
	require.GreaterOrEqual(t, len(long), 32)
	_, err := s.r.Join(t.Context(), codes.Player, "Ann")
	require.ErrorContains(t, err, "doors")
	_, err = s.r.Join(t.Context(), "AAAAAA", "Ann")
	require.ErrorIs(t, err, room.ErrUnknown)
	require.Contains(t, s.refused("Fay", room.OpenDoors{}), "Choose a scenario")
	require.Contains(t, s.refused("Fay", room.Arrange{Text: "drill: 1\n"}), "not right yet")
	require.NotEmpty(t, s.view("Fay").Sheet.Errors)
	s.do("Fay", room.Arrange{Scenario: "S02"})
	require.Empty(t, s.view("Fay").Sheet.Errors)
	require.Equal(t, "S02", s.view("Fay").Exercise.Scenario)
	s.do("Fay", room.Arrange{Text: tabletop, Blind: true})
	s.do("Fay", room.OpenDoors{})

	s.seat("Ann", "pma/chair")
	s.seat("Ben")
	v := s.view("Ann")
	require.Equal(t, room.Briefing, v.Phase)
	require.Len(t, v.Mine, 1)
	require.NotEmpty(t, v.Mine[0].Briefing)
	require.Nil(t, v.Sheet)
	require.Nil(t, v.Exercise.Codes)
	for _, seat := range v.Seats {
		if seat.ID != "pma/chair" {
			require.Empty(t, seat.Briefing, "the briefing of %s is not the chair's", seat.ID)
		}
	}
	require.Contains(t, s.refused("Ben", room.TakeSeat{Seat: "pma/chair"}), "taken by Ann")
	require.Contains(t, s.refused("Ben", room.TakeSeat{Seat: "wan/duty"}), "not offered")
	require.Contains(t, s.refused("Ben", room.LeaveSeat{Seat: "pma/chair"}), "do not sit")
	require.Contains(t, s.refused("Ben", room.Begin{}), "facilitator")
	require.Contains(t, s.refused("Ben", room.Move{Seat: "pma/chair", Person: s.people["Ben"]}), "facilitator")
	s.do("Ben", room.TakeSeat{Seat: "pma/network", Alternate: true})
	s.do("Fay", room.Move{Seat: "pma/chair", Person: s.people["Ben"]})
	require.Empty(t, s.view("Ann").Mine)
	require.Len(t, s.view("Ben").Mine, 2)

	gone := s.r.Here(s.people["Ben"])
	present := func() bool {
		for _, p := range s.view("Fay").People {
			if p.Name == "Ben" {
				return p.Present
			}
		}
		return false
	}
	require.True(t, present())
	gone()
	gone()
	require.False(t, present())
}

// A code lets in whoever types it as people do.
func TestCodesAreTypedByPeople(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.do("Fay", room.Arrange{Text: tabletop})
	s.do("Fay", room.OpenDoors{})
	codes, _ := s.r.Codes()
	for _, as := range []string{codes.Player[:3] + " " + codes.Player[3:], codes.Player[:3] + "-" + codes.Player[3:]} {
		_, err := s.r.Join(t.Context(), as, "  Ann\nof \u202eX ")
		require.NoError(t, err)
	}
	v := s.view("Fay")
	require.Equal(t, "Ann of X", v.People[len(v.People)-1].Name)
	_, err := s.r.Join(t.Context(), codes.Player, " \t")
	require.ErrorContains(t, err, "name")
}

// Who sits where, and the codes, survive the end of the server.
func TestReopened(t *testing.T) {
	t.Parallel()
	s := arranged(t, room.Arrange{})
	before := s.view("Ann")
	codes, long := s.r.Codes()
	_, err := room.Open(t.Context(), s.cfg)
	require.ErrorContains(t, err, "open in another process")
	require.NoError(t, s.r.Close())
	s.open()
	again, long2 := s.r.Codes()
	require.Equal(t, codes, again)
	require.Equal(t, long, long2)
	after := s.view("Ann")
	before.Version, after.Version, before.Clock, after.Clock = 0, 0, room.Clock{}, room.Clock{}
	require.Equal(t, before, after)
	info, err := os.Stat(filepath.Join(s.cfg.Home, "evening", "codes.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	// A pass is kept as its hash.
	book, err := os.ReadFile(filepath.Join(s.cfg.Home, "evening", "room.jsonl"))
	require.NoError(t, err)
	require.NotContains(t, string(book), long)
	text, err := json.Marshal(s.view("Ann"))
	require.NoError(t, err)
	require.NotContains(t, string(text), "The caller was no officer", "the title tells what happened")
}
