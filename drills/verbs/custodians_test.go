package verbs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/verbs"
)

// A share is stolen, a custodian has left: the threshold still holds, and the
// Recovery key is replaced by itself while it is safe.
func TestRecoveryKeyReplacedByItself(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	s.holds(`shares("recovery").safe == 5`, `shares("recovery").needed == 3`, `shares("recovery").parties == 2`, `shares("recovery").lost == 0`, `shares("recovery").enough`)
	require.NoError(t, s.act(0, "share", "custodian 2", "fault", "seen", "of", "recovery"))
	require.NoError(t, s.act(time.Hour, "custodian", "custodian 5", "is", "left"))
	s.holds(`shares("recovery").safe == 3`, `shares("recovery").lost == 2`, `shares("recovery").seen == 1`, `!shares("recovery").compromised`, `shares("recovery").enough`)
	require.NoError(t, s.act(time.Hour, "custodian", "custodian 5", "is", "replaced"))
	s.holds(`shares("recovery").safe == 3`) // the new person has no share of the old key

	require.ErrorContains(t, s.act(time.Hour, "replace", "recovery", "by", "recovery key"), "there is no new Recovery key")
	require.NoError(t, s.act(time.Hour, "renew", "recovery key"))
	s.advance(6 * time.Hour)
	s.holds(`key("recovery").generation == 2`, `shares("recovery").safe == 3`, `fleet.recovered("recovery").count == 0`)
	require.ErrorContains(t, s.act(s.now, "replace", "recovery", "by", "recovery key"), "no decision of the PMA has opened it")
	require.NoError(t, s.required(s.now, "recovery"))
	require.NoError(t, s.act(s.now, "replace", "recovery", "by", "recovery key"))
	s.rest()
	s.holds(`fleet.reachable.recovered("recovery").share == 1.0`, `fleet.changed.except("recovery").count == 0`, `!key("recovery").open`)
	s.holds(`shares("recovery").safe == 5`) // of the key that devices know now

	// The new key commands, under a new decision; the old one is destroyed on record.
	require.NoError(t, s.act(s.now, "destroy", "old recovery key"))
	require.ErrorIs(t, s.act(s.now, "destroy", "old recovery key"), engine.ErrRefused)
	require.NoError(t, s.required(s.now, "recovery"))
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 3"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`, `key("recovery").destroyed == 1`)
	var gone verbs.Destroyed
	require.NoError(t, s.entries(verbs.KindDestroyed)[0].Decode(&gone))
	require.Equal(t, "recovery-1", gone.Key)
	require.Equal(t, []string{"custodian 5"}, gone.Missing, "it was left behind")
	require.GreaterOrEqual(t, s.Sum().RecoveryUses, 54)
	s.seal()
	s.verified()
}

// Custodians who cannot come, a share that does not fit, and no quorum at all: no
// key is opened below the threshold, and those who are missed are waited for.
func TestCustodiansUnderStrain(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	for _, away := range []string{"custodian 1", "custodian 4", "custodian 5"} {
		require.NoError(t, s.act(0, "custodian", away, "is", "away"))
	}
	s.holds(`shares("recovery").present == 2`, `!shares("recovery").enough`, `shares("recovery").safe == 5`)
	require.NoError(t, s.required(0, "recovery"), "the decision stands, and those who can come wait for a third")
	require.Contains(t, s.notices(), "2 shares of the Recovery key can be brought, 3 of at least 2 Parties are needed")
	s.holds(`!key("recovery").open`, `key("recovery").coming`)
	require.ErrorIs(t, s.required(0, "recovery"), engine.ErrRefused, "they were called already")
	require.ErrorIs(t, s.act(0, "renew", "recovery key"), engine.ErrRefused, "nor can new shares be given out")

	// One comes back: three can come, and one of the three brings a share that is wrong.
	require.NoError(t, s.act(time.Hour, "custodian", "custodian 4", "is", "back"))
	require.NoError(t, s.act(time.Hour, "share", "custodian 2", "fault", "corrupt", "of", "recovery"))
	require.Contains(t, s.notices(), "enough custodians for the Recovery key are now expected at 3:30")
	require.NoError(t, s.act(time.Hour, "replace", "supplier", "by", "method 3"))
	s.advance(6 * time.Hour)
	s.holds(`!key("recovery").open`, `key("recovery").coming`, `key("recovery").uses == 0`)
	require.Contains(t, s.notices(), "nobody else is coming")
	require.NoError(t, s.act(6*time.Hour, "custodian", "custodian 1", "is", "back"))
	s.advance(8 * time.Hour)
	s.holds(`key("recovery").open`) // two hours of travel
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)

	// A key whose custodians are held up on their way is opened later.
	at := s.now
	require.NoError(t, s.required(at, "contingency"))
	require.NoError(t, s.act(at+time.Hour, "custodian", "custodian 3", "is", "away"))
	s.advance(at + 6*time.Hour)
	s.holds(`!key("contingency").open`, `shares("contingency").enough`, `!shares("symmetric key").enough`) // the DCC's custodian has no share of the symmetric key
	require.NoError(t, s.act(s.now, "custodian", "custodian 5", "is", "back"))
	s.advance(at + 11*time.Hour)
	s.holds(`key("contingency").open`) // custodians 1, 4 and 5 and, with a share of this key that fits, 2
	require.NoError(t, s.act(s.now, "close", "contingency"))
	s.holds(`!key("contingency").open`, `key("contingency").uses == 0`, `!key("contingency").exposed`)
	s.seal()
	s.verified()
}
