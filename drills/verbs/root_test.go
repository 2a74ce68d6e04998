package verbs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// mixed is an estate of all types, with several suppliers and network operators and
// sleepy meters; the cells that a type holds differ.
var mixed = strings.Replace(market, "prepayment: 50%", "prepayment: 50%, types: {esme: 40%, gsme: 20%, gpf: 10%, chf: 20%, ppmid: 5%, hcalcs: 5%}", 1)

// A contingency command has the cells that a device holds: nine on an electricity
// meter, others on a hub, and every cell of each is new afterwards. Parties' own
// certificates go to their own devices.
func TestContingencyOnEveryType(t *testing.T) {
	t.Parallel()
	s := newStage(t, mixed)
	s.text = mixed
	s.begin()
	s.advance(0)
	before := s.Fleet().Devices()
	require.NoError(t, s.act(0, "renew", "root"))
	s.rest()
	require.NoError(t, s.required(s.now, "contingency"))
	require.NoError(t, s.act(s.now, "replace", "root", "by", "contingency key"))
	s.rest()
	s.holds(`fleet.reachable.new_root.share == 1.0`, `fleet.of("second").reachable.recovered("second").share == 1.0`, `fleet.of("supplier").reachable.recovered("supplier").share == 1.0`,
		`fleet.of("neighbour").reachable.recovered("neighbour").share == 1.0`)
	perType := map[fleet.Type]int{}
	for _, r := range s.Fleet().Devices() {
		if r.Reach == fleet.Unreachable {
			continue
		}
		cells := 0
		for _, cell := range r.Cells {
			if cell.KeyID == (policy.KeyID{}) {
				continue
			}
			cells++
			require.NotEqual(t, before[r.Index].KeyID(cell.Cell), cell.KeyID, "%v of a %v", cell.Cell, r.Type)
		}
		perType[r.Type] = cells
	}
	require.Equal(t, 9, perType[fleet.TypeESME])
	require.Greater(t, len(perType), 3)
	s.seal()
	s.verified()
	for _, m := range s.messages() {
		if mode, is := m.Header.MessageCode.Mode(); is && mode == gbcs.AnyByContingency && m.Header.CRA == gbcs.CRACommand {
			u := m.Payload.(*gbcs.UpdateSecurityCredentials)
			require.Len(t, u.SymmetricKey, 32)
			require.False(t, m.MAC)
			require.True(t, slices.ContainsFunc(u.Replacements, func(r gbcs.Replacement) bool { return r.Cell == fleet.CellRoot }))
			require.Empty(t, errorsOf(m.Check()))
		}
	}
}

// errorsOf are the findings that a device would refuse a message for.
func errorsOf(all []gbcs.Finding) []gbcs.Finding {
	return slices.DeleteFunc(all, func(f gbcs.Finding) bool { return f.Level != gbcs.LevelError })
}

// New contingency material reaches hubs by the WAN provider (mode 1) and meters by
// their suppliers (mode 0).
func TestRootCertificateByItsTwoWays(t *testing.T) {
	t.Parallel()
	s := newStage(t, mixed)
	s.text = mixed
	s.begin()
	s.advance(0)
	require.NoError(t, s.act(0, "renew", "contingency key", "what", "both"))
	s.rest()
	require.NoError(t, s.act(s.now, "replace", "root certificate", "by", "wan provider"))
	s.rest()
	s.holds(`fleet.kind("chf").reachable.new_root.share == 1.0`, `fleet.kind("esme").new_root.count == 0`)
	require.NoError(t, s.act(s.now, "replace", "root certificate", "by", "supplier"))
	s.rest()
	s.holds(`fleet.kind("esme").reachable.new_root.share == 1.0`, `fleet.kind("gsme").reachable.new_root.share == 1.0`)
	for _, r := range s.Fleet().Devices() {
		s.Fleet().Device(r.Index).SetReach(fleet.Reachable)
	}
	for _, by := range []string{"wan provider", "supplier"} {
		if err := s.act(s.now, "replace", "root certificate", "by", by); err == nil {
			s.rest() // those that no message reached before
		}
		err := s.act(s.now, "replace", "root certificate", "by", by)
		require.ErrorIs(t, err, engine.ErrRefused, "nobody lacks it any more")
	}
	s.seal()
	s.verified()
	modes := map[gbcs.ReplacementMode]int{}
	for _, m := range s.messages() {
		if mode, is := m.Header.MessageCode.Mode(); is && m.Header.CRA == gbcs.CRACommand {
			modes[mode]++
			require.True(t, m.MAC, "signed and sealed by the broker")
		}
	}
	require.Positive(t, modes[gbcs.RootBySupplier])
	require.Positive(t, modes[gbcs.RootByWANProvider])
}
