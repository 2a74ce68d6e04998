package console_test

import (
	"net/http"
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
