package verbs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/drills/verbs"
	"smki.example/policy"
)

// A leaked envelope: new contingency material, its root certificate spread by the
// suppliers, the WAN provider and the Recovery key, and the old destroyed.
func TestContingencyKeyRenewed(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	for _, custodian := range []string{"custodian 1", "custodian 2", "custodian 3"} {
		require.NoError(t, s.act(0, "share", custodian, "fault", "seen", "of", "symmetric key"))
	}
	s.holds(`shares("symmetric key").compromised`, `!shares("contingency").compromised`)
	require.ErrorContains(t, s.act(0, "replace", "root certificate", "by", "supplier"), "renew the contingency key first")
	require.ErrorContains(t, s.act(0, "destroy", "old symmetric key"), "what is in force is not destroyed")

	// First the symmetric key alone: the pair stays on its token.
	require.NoError(t, s.act(0, "renew", "contingency key", "what", "symmetric key"))
	s.advance(6 * time.Hour)
	s.holds(`root.generation == 1`, `root.certificates == 2`, `key("contingency").generation == 1`, `fleet.new_root.count == 0`, `shares("symmetric key").compromised`)
	require.NoError(t, s.act(s.now, "replace", "root certificate", "by", "supplier"))
	s.rest()
	s.holds(`fleet.reachable.new_root.share == 1.0`, `!shares("symmetric key").compromised`, `shares("symmetric key").safe == 4`)
	require.NoError(t, s.act(s.now, "destroy", "old symmetric key"))

	// Then both, put there by the Recovery key.
	require.NoError(t, s.act(s.now, "renew", "contingency key", "what", "both"))
	s.rest()
	s.holds(`root.certificates == 3`, `key("contingency").generation == 2`, `fleet.new_root.count == 0`)
	require.ErrorContains(t, s.act(s.now, "replace", "root certificate", "by", "recovery key"), "no decision of the PMA has opened it")
	require.NoError(t, s.required(s.now, "recovery"))
	require.NoError(t, s.act(s.now, "replace", "root certificate", "by", "recovery key"))
	s.rest()
	s.holds(`fleet.reachable.new_root.share == 1.0`)
	require.NoError(t, s.act(s.now, "destroy", "old contingency key"))
	s.holds(`key("contingency").destroyed == 1`)
	require.NoDirExists(t, filepath.Join(s.Token("contingency").Dir, "tokens"))

	// The new material does what it is for: the old symmetric key opens nothing more.
	require.NoError(t, s.act(s.now, "renew", "root"))
	s.rest()
	require.NoError(t, s.required(s.now, "contingency"))
	require.NoError(t, s.act(s.now, "replace", "root", "by", "contingency key"))
	s.rest()
	s.holds(`fleet.reachable.new_root.share == 1.0`, `root.generation == 2`, `key("contingency").exposed`)
	s.seal()
	s.verified()
}

// The Issuing OCA is lost and the log has a gap: strange certificates are found, a
// new authority is made, the old one is revoked, everything is issued anew and put
// on devices.
func TestIssuingOCAReplaced(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "rogue certificate", "issuing-oca", "count", "2", "of", "supplier"))
	require.NoError(t, s.act(time.Hour, "log gap", "issuing-oca", "for", "11 days"))
	s.holds(`ca.unknown == 2`, `ca.log_gap == duration("264h")`, `ca.under_old == 0`, `ca.issued == 0`)
	var found verbs.CertificateFound
	require.NoError(t, s.entries(verbs.KindFound)[0].Decode(&found))
	require.True(t, found.Signed, "its signature is that of the authority's key")
	require.False(t, found.InLog)

	require.NoError(t, s.act(time.Hour, "renew", "issuing-oca"))
	s.advance(3 * time.Hour)
	s.holds(`ca.under_old == 10`, `crl("root-oca").entries == 1`, `crl("issuing-oca").number == 1`)
	require.NoError(t, s.act(3*time.Hour, "reissue", "supplier", "notice", "false"))
	s.holds(`ca.unannounced == 1`, `ca.demand == 3.0`, `ca.issued == 0`) // it is worked off in the night
	require.NoError(t, s.act(3*time.Hour, "reissue", "acb", "notice", "true"))
	s.holds(`ca.issued == 2`, `ca.unannounced == 1`)
	require.ErrorContains(t, s.act(3*time.Hour, "reissue", "recovery", "notice", "true"), "renew: recovery key")
	s.advance(16 * time.Hour)
	s.holds(`ca.issued == 5`)
	require.NoError(t, s.act(s.now, "reissue", "everything", "notice", "true"))
	require.NoError(t, s.act(s.now, "renew", "recovery key"))
	s.rest()
	s.holds(`ca.under_old == 0`)
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	for i := range s.Fleet().Len() {
		a, _ := s.Fleet().Device(i).Cell(fleet.CellSupplierSigning)
		if s.Fleet().Device(i).Reach() != fleet.Unreachable {
			require.Equal(t, "EXIB", a.Certificate.Issuer.CN)
		}
	}
	require.Len(t, s.entries(verbs.KindCeremony), 2)
	require.Positive(t, len(s.entries(verbs.KindDemand)))
	s.seal()
	s.verified()
}

// The Issuing DCA is lost: devices make new keys, and take certificates of the new
// one. What they say afterwards is signed by the new keys.
func TestDeviceKeysRenewed(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "renew", "issuing-dca"))
	s.advance(3 * time.Hour)
	s.holds(`fleet.new_device_keys.count == 0`)
	require.ErrorIs(t, s.act(s.now, "renew devices", "network"), engine.ErrRefused, "a device's keys are its supplier's business")
	require.NoError(t, s.act(s.now, "renew devices", "supplier"))
	s.rest()
	s.holds(`fleet.new_device_keys.count >= 20`, `fleet.unreachable.new_device_keys.count == 0`, `alerts("8F4D") >= 20`, `alerts("8F4F") >= 20`, `alerts("8F4C") == 0`)
	renewed, read := 0, 0
	for _, e := range s.entries(verbs.KindDeviceKeys) {
		var body verbs.DeviceKeysRenewed
		require.NoError(t, e.Decode(&body))
		renewed += body.Outcomes["both keys renewed"]
		read += body.ReadBack
	}
	require.Equal(t, 24, read, "two certificates of each of twelve devices")
	require.GreaterOrEqual(t, renewed, 20)
	for i := range s.Fleet().Len() {
		d := s.Fleet().Device(i)
		want := "EXI2"
		if d.Reach() == fleet.Reachable {
			want = "EXDB"
		}
		require.Equal(t, want, d.Certificate(policy.UsageKeyAgreement).Issuer.CN, "%v", d.Reach())
	}
	// Commands reach devices under their new keys as before.
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 1"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	s.seal()
	s.verified()
}

// Whatever is changed or taken away, the record does not pass: an octet, an entry,
// a decision that opened a key.
func TestRecordOfContingencyIsHeldTogether(t *testing.T) {
	t.Parallel()
	s := newStage(t, estate)
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "renew", "root"))
	s.rest()
	require.NoError(t, s.required(s.now, "contingency"))
	require.NoError(t, s.act(s.now, "replace", "root", "by", "contingency key"))
	s.rest()
	s.seal()
	s.verified()
	path := filepath.Join(s.pack, journal.FileName)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	for i, line := range lines {
		for _, kind := range []string{`"kind":"decision"`, `"kind":"custody"`, `"kind":"ceremony"`} {
			if !strings.Contains(line, kind) {
				continue
			}
			require.NoError(t, os.WriteFile(path, []byte(strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")), 0o644))
			require.False(t, s.intact(), "without %s", kind)
		}
	}
	for at := 0; at < len(whole); at += len(whole) / 40 {
		changed := append([]byte{}, whole...)
		changed[at] ^= 1
		require.NoError(t, os.WriteFile(path, changed, 0o644))
		require.False(t, s.intact(), "octet %d", at)
	}
	require.NoError(t, os.WriteFile(path, whole, 0o644))
	s.verified()
}
