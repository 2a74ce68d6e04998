package console_test

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
)

// What devices answered in an unbroken series is folded under the newest of them; an
// answer that somebody wrote about is not.
func TestTimelineFoldsWhatDevicesAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	observer := w.joined(t, fakeCodes.Observer, "Lowri")
	w.set(func(f *fake) {
		f.views = func(room.Person) *room.View {
			v := watching(playing())
			v.Feed = nil
			for seq := range int64(8) {
				v.Feed = append(v.Feed, room.Item{Seq: seq + 1, At: minutesOf(1, int(seq)), Kind: room.ItemDevices, Title: "Devices answered"})
			}
			v.Notes = []room.Note{{Book: 1, By: "Lowri", Entry: 3, Tag: room.Improve, Text: "refused, and nobody saw it"}}
			return v
		}
	})
	body := observer.get("/").body
	require.Equal(t, 2, strings.Count(body, `<li class="item devices"`), "the newest, and the one with a note")
	require.Contains(t, body, "4 answers before it")
	require.Contains(t, body, "2 answers before it")
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		require.Contains(t, body, `id="entry-`+id+`"`)
	}
}

// The wall, its counts and its words say the same, whatever is drawn.
func TestWallSaysWhatItShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	screen := w.joined(t, fakeCodes.Screen, "Room screen")
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { return opened() } })
	body := screen.get("/screen").body
	wall := regexp.MustCompile(`data-wall="([A-Z]*)"`).FindStringSubmatch(body)[1]
	require.Len(t, wall, 2000)
	require.Equal(t, 1033, strings.Count(wall, "R"))
	require.Contains(t, body, "1,033 new keys, 166 partly changed, 640 in a stranger&#39;s hands, 121 not changed and 40 out of reach, of 2,000.")
	var marks map[string]string
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(regexp.MustCompile(`data-marks="([^"]*)"`).FindStringSubmatch(body)[1])), &marks))
	shapes := make(map[string]bool)
	for letter, mark := range marks {
		shape, _, _ := strings.Cut(mark, " ")
		require.False(t, shapes[shape], "the state %s is told from another by its colour alone", letter)
		shapes[shape] = true
	}
}

// The curve's points are those that were counted, and a forecast is a line of its own.
func TestCurveHasWhatWasCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	screen := w.joined(t, fakeCodes.Screen, "Room screen")
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { return opened() } })
	var c struct {
		Hours  []float64
		High   int
		Now    float64
		Series []struct {
			Name     string
			Forecast bool
			Values   []*int
		}
	}
	body := screen.get("/screen").body
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(regexp.MustCompile(`data-curve="([^"]*)"`).FindStringSubmatch(body)[1])), &c))
	require.Equal(t, 2000, c.High)
	require.InDelta(t, 7.667, c.Now, 0.001)
	require.Len(t, c.Series, 3)
	require.False(t, c.Series[0].Forecast)
	require.True(t, c.Series[1].Forecast)
	counted := 0
	for i, v := range c.Series[0].Values {
		require.LessOrEqual(t, len(c.Series[0].Values), len(c.Hours))
		if v != nil {
			require.LessOrEqual(t, c.Hours[i], c.Now, "nothing is counted in the future")
			counted = *v
		}
	}
	require.Equal(t, 1033, counted)
	require.Contains(t, body, "The forecast by Method 3, made before anyone decided, has 1,524 by then.")
}

// A question is on the screen with its options; who voted for what is there when the
// votes are revealed, and not before.
func TestScreenShowsVotesWhenRevealed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stage room.BallotStage
		shown bool
	}{{room.Discussing, false}, {room.Voting, false}, {room.Revealed, true}} {
		w := newWorld(t)
		screen := w.joined(t, fakeCodes.Screen, "Room screen")
		w.set(func(f *fake) { f.views = func(room.Person) *room.View { return asking(tt.stage) } })
		body := screen.get("/screen").body
		require.Contains(t, body, "Does the PMA require the use of the Recovery key")
		require.Equal(t, tt.shown, strings.Contains(body, "hold the traffic first, then decide"), tt.stage)
		require.Equal(t, tt.stage == room.Voting, strings.Contains(body, "3 of 5 have voted"), tt.stage)
	}
}
