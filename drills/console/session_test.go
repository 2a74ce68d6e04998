package console_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/room"
)

// Everybody who joins sees a screen of their own.
func TestJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.stranger(t).get("/").body, "Join the exercise")
	for role, code := range map[room.Role]string{room.Player: " k7m-pq2 ", room.Observer: fakeCodes.Observer, room.Facilitator: fakeFacilitator} {
		a := w.joined(t, code, "Alex").get("/")
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.body, `<body class="`+string(role)+`"`)
		require.Contains(t, a.body, "SAMPLE LABEL")
		require.Contains(t, a.body, "<strong>EXERCISE</strong>")
	}
	screen := w.stranger(t)
	require.Equal(t, "/screen", screen.post("/join", "code", fakeCodes.Screen).header.Get("Location"))
	require.Contains(t, screen.get("/screen").body, `<body class="screen"`)
}

// A term explains itself where it stands first: its name is there, and its meaning.
func TestTermsExplainThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { return sitting(briefing(), "pma/chair") } })
	body := w.joined(t, fakeCodes.Player, "Amara").get("/").body
	require.Regexp(t, `<span class="term-name" tabindex="0" aria-describedby="(term-[a-z]+-\d+)">Recovery key</span><span class="term-says" role="tooltip" id="term-[a-z]+-\d+">a key that can change every trust anchor`, body)
	ids := make(map[string]bool)
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		require.False(t, ids[m[1]], "the id %q stands twice", m[1])
		ids[m[1]] = true
	}
}
