package room_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/library"
	"smki.example/drills/room"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// wanted is an entry of the journal that a shipped drill leads to.
type wanted struct {
	seq  int64
	at   time.Duration
	kind string
	body []byte
}

func want(t testing.TB, id string) []wanted {
	t.Helper()
	text, err := library.Want(id)
	require.NoError(t, err)
	var out []wanted
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		require.Len(t, parts, 4)
		seq, err := strconv.ParseInt(parts[0], 10, 64)
		require.NoError(t, err)
		at, err := journal.ParseAt(parts[1])
		require.NoError(t, err)
		// What is masked has the type of a text; what the room reads as a time is none of
		// its business here.
		body := strings.NewReplacer(`"epoch":"<time>"`, `"epoch":"2026-03-02T09:00:00Z"`, `"this_update":"<time>"`, `"this_update":"2026-03-02T09:00:00Z"`,
			`"next_update":"<time>"`, `"next_update":"2026-03-02T09:00:00Z"`, `"not_before":"<time>"`, `"not_before":"2026-03-02T09:00:00Z"`,
			`"expires":"<time>"`, `"expires":"2026-03-02T09:00:00Z"`).Replace(parts[3])
		out = append(out, wanted{seq, at, parts[2], []byte(body)})
	}
	return out
}

// Nobody sees what is not theirs, at no moment of any shipped drill and from no
// seat: no inject that is for somebody else or still to come, no briefing of another
// seat, no question of another body, no answer of the script or of the author, and
// not the title, which tells what happened.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	pack := sample(t)
	for _, id := range library.IDs() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			s, err := library.Load(id, verbs.Vocabulary(pack))
			require.NoError(t, err)
			entries := want(t, id)
			g := room.NewGlance(pack, s)
			all := g.Seats()
			secret := newSecrets(s, g)
			for i, e := range entries {
				require.NoError(t, g.Take(e.seq, e.at, e.kind, e.body), "entry %d", e.seq)
				secret.take(t, e)
				// Something new for people comes with these; between them nothing changes.
				if !slices.Contains([]string{"inject", "question", "decision", "start"}, e.kind) && i%40 != 0 {
					continue
				}
				for _, seat := range all {
					secret.check(t, g.From(room.Player, seat.ID), seat, fmt.Sprintf("%s entry %d from %s", id, e.seq, seat.ID))
				}
				secret.check(t, g.From(room.Player), room.Seat{}, fmt.Sprintf("%s entry %d from no seat", id, e.seq))
				secret.check(t, g.From(room.Screen), room.Seat{Body: "screen"}, fmt.Sprintf("%s entry %d on the screen", id, e.seq))
			}
		})
	}
}

type secrets struct {
	s       *scenario.Scenario
	brief   map[room.SeatID][]string
	injects map[string][]string // text and whom it was told so far
	asked   map[string]string   // asks of questions that are open or were asked, by body
	over    bool
}

func newSecrets(s *scenario.Scenario, g *room.Glance) *secrets {
	x := &secrets{s: s, brief: map[room.SeatID][]string{}, injects: map[string][]string{}, asked: map[string]string{}}
	for _, seat := range g.Seats() {
		x.brief[seat.ID] = seat.Briefing
	}
	take := func(i *scenario.Inject) {
		if i != nil {
			x.injects[i.Text] = nil
		}
	}
	for _, i := range s.Timeline {
		take(i.Inject)
	}
	for i := range s.Injects {
		take(&s.Injects[i])
	}
	return x
}

func (x *secrets) take(t *testing.T, e wanted) {
	switch e.kind {
	case "inject":
		var b journal.Inject
		require.NoError(t, json.Unmarshal(e.body, &b))
		to := slices.Clone(b.To)
		if b.As == "news" {
			to = append(to, "press")
		}
		x.injects[b.Text] = append(x.injects[b.Text], to...)
	case "question":
		var b journal.Question
		require.NoError(t, json.Unmarshal(e.body, &b))
		x.asked[b.Asks] = b.Body
	case "outcome":
		x.over = true
	}
}

// hears is whom a name means, written down apart from the code that is tested.
func hears(seat room.Seat, to string, s *scenario.Scenario) bool {
	switch to {
	case "dcc service desk", "dcc":
		return seat.Body == "dcc"
	case "pma chair":
		return seat.ID == "pma/chair"
	case "security sub-committee":
		return seat.Body == "ssc"
	case "custodians":
		return seat.Body == "custodian"
	case "affected party":
		return seat.Body == "supplier" || seat.Body == "network" || seat.Body == "wan"
	case "other parties", "press", "rdp", "secas", "authority":
		return seat.Body == "listener"
	}
	if seat.Body == "listener" {
		return seat.Member == to
	}
	return seat.Body == to
}

func (x *secrets) check(t *testing.T, v *room.View, seat room.Seat, where string) {
	t.Helper()
	if x.over {
		return
	}
	require.Empty(t, v.Exercise.Title, where)
	require.Nil(t, v.Sheet, where)
	encoded, err := json.Marshal(v)
	require.NoError(t, err)
	all := plain(string(encoded))
	hides := func(text, what string) {
		t.Helper()
		if strings.Contains(all, plain(text)) {
			require.FailNow(t, what+": "+text, where)
		}
	}
	hides(x.s.Title, "the title")
	for text, to := range x.injects {
		if !slices.ContainsFunc(to, func(to string) bool { return hears(seat, to, x.s) }) {
			hides(text, fmt.Sprintf("an inject for %v", to))
		}
	}
	own := strings.Join(x.brief[seat.ID], "\n")
	for id, brief := range x.brief {
		for _, line := range brief {
			if id != seat.ID && !strings.Contains(own, line) {
				hides(line, "the briefing of "+string(id))
			}
		}
	}
	for _, q := range v.Questions {
		require.Empty(t, q.Leads, where)
		require.Empty(t, q.Script, where)
		if q.Body != seat.Body && seat.Body != "screen" {
			require.Empty(t, q.Asks, where)
			require.Empty(t, q.Options, where)
			require.Empty(t, q.Shown, where)
			require.Empty(t, q.Members, where)
		}
		if seat.Body == "screen" {
			require.Empty(t, q.Briefing, where)
			require.Empty(t, q.Shown, where)
		}
	}
	for _, d := range v.Decided {
		require.Empty(t, d.Expected, where)
		require.Empty(t, d.Basis, where)
		require.False(t, d.AsExpected, where)
	}
	for _, i := range v.Feed {
		require.NotContains(t, strings.ToLower(i.Title), "attack", where)
		require.NotContains(t, i.Title, "in the name of", where)
		require.NotEqual(t, room.ItemMissed, i.Kind, where)
	}
	for _, d := range x.s.Decisions {
		// A question that was not put yet is told to nobody.
		if _, put := x.asked[d.Asks]; !put {
			hides(d.Asks, "a question that is still to come")
		}
	}
}

// plain is a text as it can be looked for in what is encoded.
func plain(s string) string {
	b, _ := json.Marshal(strings.Join(strings.Fields(s), " "))
	return strings.Trim(string(b), `"`)
}

// The facilitator and observers see all of it.
func TestFacilitatorAndObserversSeeAll(t *testing.T) {
	t.Parallel()
	pack := sample(t)
	s, err := library.Load("S02", verbs.Vocabulary(pack))
	require.NoError(t, err)
	g := room.NewGlance(pack, s)
	injects := 0
	for _, e := range want(t, "S02") {
		require.NoError(t, g.Take(e.seq, e.at, e.kind, e.body))
		if e.kind == "inject" {
			injects++
		}
	}
	for _, role := range []room.Role{room.Facilitator, room.Observer} {
		v := g.From(role)
		seen := 0
		for _, i := range v.Feed {
			if i.Kind == room.ItemInject {
				seen++
			}
		}
		require.Equal(t, injects, seen, role)
		require.Equal(t, s.Title, v.Exercise.Title)
	}
	require.Greater(t, len(g.From(room.Player, "dcc/duty").Feed), len(g.From(room.Player, "listener/press").Feed))
}
