package verbs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/drills/verbs"
	"smki.example/policy"
)

// countersOnce requires that no counter of an originator was used twice for a
// device, in all messages of the pack.
func (s *stage) countersOnce() {
	s.t.Helper()
	type use struct {
		originator policy.EntityID
		counter    gbcs.OriginatorCounter
	}
	seen := map[use]string{}
	for _, m := range s.messages() {
		if m.Header.CRA != gbcs.CRACommand {
			continue
		}
		u := use{m.Header.Originator, m.Header.Counter}
		require.Empty(s.t, seen[u], "counter %d of %v", u.counter, u.originator)
		seen[u] = m.Header.Recipient.String()
	}
	require.NotEmpty(s.t, seen)
}

// The supplier's token goes and comes back in the middle of its campaign, then
// loses its sessions, is slow, and is destroyed: the work waits each time, is told
// to players, and goes on with new counters.
func TestTokenOfAPartyFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	s.advance(20 * time.Minute)
	s.holds(`fleet.recovered("supplier").count > 3`, `token("supplier").works`)
	require.NoError(t, s.act(20*time.Minute, "token", "supplier", "fault", "gone"))
	require.ErrorIs(t, s.act(20*time.Minute, "token", "supplier", "fault", "slow"), engine.ErrRefused, "it is gone already")
	require.ErrorIs(t, s.act(20*time.Minute, "token", "supplier", "fault", "restored"), engine.ErrRefused, "it is not destroyed")
	s.advance(40 * time.Minute)
	s.holds(`!token("supplier").works`, `work("supplier").running`)
	before := s.ask(`fleet.recovered("supplier").count == 0`)
	require.Equal(t, 1, strings.Count(s.notices(), "does not answer"), "players hear of it once")
	s.advance(60 * time.Minute)
	require.Equal(t, before, s.ask(`fleet.recovered("supplier").count == 0`), "nothing was done meanwhile")
	require.NoError(t, s.act(60*time.Minute, "token", "supplier", "fault", "back"))
	s.rest()
	require.Contains(t, s.notices(), "answers again")
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)

	at := s.now
	require.NoError(t, s.act(at, "replace", "supplier", "by", "method 1", "keys", "new"))
	require.NoError(t, s.act(at+15*time.Minute, "token", "supplier", "fault", "sessions dropped"))
	require.NoError(t, s.act(at+20*time.Minute, "token", "supplier", "fault", "destroyed"))
	s.advance(at + 50*time.Minute)
	s.holds(`token("supplier").fault == "destroyed"`, `work("supplier").running`)
	require.ErrorIs(t, s.act(s.now, "token", "supplier", "fault", "back"), engine.ErrRefused, "only a backup brings it back")
	require.NoError(t, s.act(s.now, "token", "supplier", "fault", "restored"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)

	require.Len(t, s.entries(verbs.KindToken), 5)
	s.seal()
	s.verified()
	s.countersOnce()
}

// The token of the CA goes: what needs the CA waits, whole, and is done when it is
// back. Nothing is issued by half.
func TestTokenOfTheCAFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "token", "issuing-oca", "fault", "pin locked"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	require.NoError(t, s.act(0, "reissue", "network"))
	require.NoError(t, s.act(0, "renew", "issuing-dca"))
	s.advance(3 * time.Hour)
	s.holds(`ca.issued == 0`, `work("supplier").sent == 0`, `token("ca").fault == "pin locked"`)
	require.Empty(t, s.entries(verbs.KindCeremony), "the ceremony waits as well")
	require.Contains(t, s.notices(), "replace supplier waits for the token")
	require.NoError(t, s.act(3*time.Hour, "token", "issuing-oca", "fault", "back"))
	s.rest()
	s.holds(`ca.issued == 5`, `fleet.reachable.recovered("supplier").share == 1.0`)
	require.Len(t, s.entries(verbs.KindCeremony), 1)

	// A party's own token is out when its new keys are to be made: all of it waits.
	require.NoError(t, s.act(s.now, "token", "supplier", "fault", "gone"))
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1", "keys", "new"))
	s.advance(s.now + time.Hour)
	s.holds(`ca.issued == 5`)
	require.Contains(t, s.notices(), `supplier: the token "EXERCISE supplier" does not answer`)
	require.NoError(t, s.act(s.now, "token", "supplier", "fault", "back"))
	s.rest()
	s.holds(`ca.issued == 8`, `fleet.reachable.recovered("supplier").share == 1.0`)

	// Gone for good in the eyes of those who wait a day.
	require.NoError(t, s.act(s.now, "token", "ca", "fault", "gone"))
	require.NoError(t, s.act(s.now, "publish", "issuing-oca"))
	s.rest()
	require.Contains(t, s.notices(), "publish issuing-oca was given up")
	require.NoError(t, s.act(s.now, "token", "ca", "fault", "back"))
	require.NoError(t, s.act(s.now, "publish", "issuing-oca"))
	require.Len(t, s.entries(journal.KindCRL), 3)
	s.seal()
	s.verified()
}

// The custodians' tokens: one that is locked when they come, one that goes while
// they are at work, and one that is destroyed and restored.
func TestTokensOfCustodiansFail(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "token", "recovery", "fault", "pin locked"))
	require.NoError(t, s.required(0, "recovery"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 3"))
	s.advance(4 * time.Hour)
	s.holds(`!key("recovery").open`, `key("recovery").coming`)
	require.Contains(t, s.notices(), "refuses the PIN")
	require.NoError(t, s.act(4*time.Hour, "token", "recovery", "fault", "back"))
	s.advance(4*time.Hour + 30*time.Minute)
	s.holds(`key("recovery").open`, `key("recovery").uses > 2`)
	require.NoError(t, s.act(s.now, "token", "recovery", "fault", "gone"))
	s.advance(5 * time.Hour)
	uses := s.Sum().RecoveryUses
	s.advance(6 * time.Hour)
	require.Equal(t, uses, s.Sum().RecoveryUses, "a token that is known not to answer is not asked, and no use is spent")
	require.NoError(t, s.act(6*time.Hour, "token", "recovery", "fault", "back"))
	s.advance(6*time.Hour + 10*time.Minute)
	require.NoError(t, s.act(s.now, "token", "recovery", "fault", "destroyed"))
	s.advance(6*time.Hour + 30*time.Minute)
	require.NoError(t, s.act(s.now, "token", "recovery", "fault", "restored"))
	s.advance(6*time.Hour + 40*time.Minute)
	require.NoError(t, s.act(s.now, "token", "recovery", "fault", "sessions dropped"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	s.seal()
	s.verified()
	s.countersOnce()
}

// A slow token signs once a minute: the rest of each window waits its turn.
func TestSlowToken(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(estate, "30 an hour", "180 an hour", 1))
	require.NoError(t, s.act(0, "token", "supplier", "fault", "slow"))
	require.NoError(t, s.act(0, "replace", "supplier", "by", "method 1"))
	s.advance(10 * time.Minute)
	s.holds(`work("supplier").sent == 10`, `token("supplier").works`)
	s.advance(20 * time.Minute)
	s.holds(`work("supplier").sent == 20`)
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	require.Empty(t, s.closing())
}
