package console_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Without scripts the timeline is a form: what it sends for a moment leads to that
// moment, and the marks on it stand in order and apart.
func TestTimelineIsAForm(t *testing.T) {
	t.Parallel()
	w := newReel(t)
	observer := w.joined(t, fakeCodes.Observer, "Lowri")
	place := regexp.MustCompile(`name="place"[^>]* value="([0-9.]+)"`)
	before := -1.0
	for entry := 1; entry <= reelLast; entry++ {
		sent := place.FindStringSubmatch(observer.get(fmt.Sprintf("/replay?entry=%d", entry)).body)[1]
		at, err := strconv.ParseFloat(sent, 64)
		require.NoError(t, err)
		require.Greater(t, at, before, "entry %d stands after the one before it", entry)
		before = at
		require.Contains(t, observer.get("/replay?place="+sent).body, fmt.Sprintf(`data-entry="%d"`, entry))
	}
	require.Contains(t, observer.get("/replay?place=-5").body, `data-entry="1"`)
	require.Contains(t, observer.get("/replay?place=NaN").body, `data-entry=`)
	require.Contains(t, observer.get("/replay?place=1e300").body, fmt.Sprintf(`data-entry="%d"`, reelLast))
	marks := regexp.MustCompile(`<svg x="([0-9.]+)%"`).FindAllStringSubmatch(observer.get("/replay").body, -1)
	require.Len(t, marks, len(over("hot wash").Feed))
	last := -1.0
	for _, m := range marks {
		x, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		require.Greater(t, x, last+1, "two marks can be told apart")
		last = x
	}
}

// Who may look back sees their own screen or the room's, and is told why where they
// may not.
func TestReplayIsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newReel(t)
	player := w.joined(t, fakeCodes.Player, "Chen")
	require.NotContains(t, player.get("/replay?entry=75").body, `class="screen"`)
	require.Contains(t, player.get("/replay?entry=75&see=screen").body, `class="screen"`)
	require.Equal(t, 400, player.get("/replay?entry=x").status)
	require.Equal(t, 403, w.stranger(t).get("/replay").status)
	require.Equal(t, 403, w.stranger(t).get("/replay/compare").status)

	playing := newWorld(t)
	early := playing.joined(t, fakeCodes.Player, "Chen")
	answer := early.get("/replay")
	require.Equal(t, 403, answer.status)
	require.True(t, strings.Contains(answer.body, "The replay opens when the drill is over"))
	answer = early.get("/replay/compare")
	require.Equal(t, 403, answer.status)
	require.Contains(t, answer.body, "cannot compare runs")
}
