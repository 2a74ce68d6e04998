package gbcs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Each row makes one departure from a good command or answer and expects its
// finding and no other above info level.
func TestCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type update = gbcs.UpdateSecurityCredentials
	command := func(mode gbcs.ReplacementMode, change func(*update, *gbcs.Message), sign, mac bool) *gbcs.Message {
		u := w.update(mode, 9)
		m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 9, Originator: w.supplier, Recipient: w.device}, u)
		change(u, m)
		if sign {
			require.NoError(t, m.SignWith(w.signers[supplier].key))
		}
		if mac {
			require.NoError(t, m.AddMAC(w.z))
		}
		return m
	}
	both := func(mode gbcs.ReplacementMode, change func(*update, *gbcs.Message)) *gbcs.Message {
		return command(mode, change, true, true)
	}
	answer := func(change func(*gbcs.UpdateOutcome, *gbcs.Message)) *gbcs.Message {
		u := w.update(gbcs.SupplierBySupplier, 9)
		o := w.outcome(u)
		m := gbcs.NewResponse(gbcs.NewCommand(gbcs.GroupingHeader{Counter: 9, Originator: w.supplier, Recipient: w.device}, u).Header, &gbcs.CommandResponse{Outcome: o})
		change(o, m)
		require.NoError(t, m.SignWith(w.deviceKey))
		return m
	}
	nothing := func(*update, *gbcs.Message) {}
	rows := []struct {
		name  string
		m     *gbcs.Message
		codes []string
	}{
		{"a good command", both(gbcs.SupplierBySupplier, nothing), nil},
		{"a good answer", answer(func(*gbcs.UpdateOutcome, *gbcs.Message) {}), nil},
		{"mode and code differ", both(gbcs.SupplierBySupplier, func(_ *update, m *gbcs.Message) { m.Header.MessageCode = 0x0103 }), []string{gbcs.FindingMode}},
		{"a mode that is not known", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.Mode = 12 }), []string{gbcs.FindingMode}},
		{"sequence number is not the counter", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.SeqNumber = 8 }), []string{gbcs.FindingCounter}},
		{"floor of 2^63", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.NewFloor = counter(1 << 63) }), []string{gbcs.FindingCounter}},
		{"symmetric key outside contingency", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.SymmetricKey = make([]byte, 32) }), []string{gbcs.FindingSymmetricKey}},
		{"contingency without symmetric key", command(gbcs.AnyByContingency, func(u *update, _ *gbcs.Message) { u.SymmetricKey = nil }, true, false), []string{gbcs.FindingSymmetricKey}},
		{"symmetric key of 24 octets", command(gbcs.AnyByContingency, func(u *update, _ *gbcs.Message) { u.SymmetricKey = make([]byte, 24) }, true, false), []string{gbcs.FindingSymmetricKey}},
		{"no authorising cell", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.AuthorisingCell = nil }), []string{gbcs.FindingAuthorisingCell}},
		{"authorising cell of another role", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.AuthorisingCell.Role = network }), []string{gbcs.FindingAuthorisingCell}},
		{"a cell that the mode may not change", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.Replacements[0].Cell.Role = network }), []string{gbcs.FindingReplacedCell}},
		{"a cell twice", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.Replacements[1] = u.Replacements[0] }), []string{gbcs.FindingReplacedCell}},
		{"nothing to replace", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.Replacements = nil }), []string{gbcs.FindingReplacedCell}},
		{"no path", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) { u.Path = nil }), []string{gbcs.FindingPath}},
		{"a path of four", both(gbcs.SupplierBySupplier, func(u *update, _ *gbcs.Message) {
			u.Path = append(u.Path, u.Path[0], u.Path[0], u.Path[0])
		}), []string{gbcs.FindingPath}},
		{"date-time in a command", both(gbcs.SupplierBySupplier, func(_ *update, m *gbcs.Message) { m.Header.DateTime = gbcs.PlaceholderDateTime() }), []string{gbcs.FindingDateTime}},
		{"other-information in CS02", both(gbcs.SupplierBySupplier, func(_ *update, m *gbcs.Message) { m.Header.Supplementary = make([]byte, 8) }), []string{gbcs.FindingOtherInformation}},
		{"no MAC where one is due", command(gbcs.SupplierBySupplier, nothing, true, false), []string{gbcs.FindingProtection}},
		{"no signature where one is due", command(gbcs.SupplierBySupplier, nothing, false, true), []string{gbcs.FindingProtection}},
		{"a MAC on a recovery command", both(gbcs.AnyExceptAbnormalRootByRecovery, nothing), []string{gbcs.FindingProtection}},
		{"a signature on mode 4 without a cell", both(gbcs.AccessControlBrokerByACB, nothing), []string{gbcs.FindingProtection}},
		{"two-octet lengths in a command", both(gbcs.SupplierBySupplier, func(_ *update, m *gbcs.Message) {
			m.Form = gbcs.LengthsTwoOctet
		}), []string{gbcs.FindingLengthForm}},
		{"an answer without date-time", answer(func(_ *gbcs.UpdateOutcome, m *gbcs.Message) { m.Header.DateTime = nil }), []string{gbcs.FindingDateTime}},
		{"an answer to another counter", answer(func(o *gbcs.UpdateOutcome, _ *gbcs.Message) { o.SeqNumber = 8 }), []string{gbcs.FindingCounter}},
		{"a failed cell that changed", answer(func(o *gbcs.UpdateOutcome, _ *gbcs.Message) { o.Cells[0].Status = gbcs.StatusBadCertificate }), []string{gbcs.FindingStatus}},
		{"an outcome for a foreign cell", answer(func(o *gbcs.UpdateOutcome, _ *gbcs.Message) { o.Cells[0].Cell.Role = network }), []string{gbcs.FindingReplacedCell}},
	}
	for _, row := range rows {
		var codes []string
		for _, f := range row.m.Check() {
			if f.Level > gbcs.LevelInfo {
				codes = append(codes, f.Code)
			}
		}
		require.Equal(t, row.codes, codes, "%s: %v", row.name, row.m.Check())
	}
}

// The table of modes agrees with the codes on the wire.
func TestModes(t *testing.T) {
	t.Parallel()
	codes := map[gbcs.ReplacementMode]gbcs.MessageCode{0: 0x0100, 1: 0x0101, 2: 0x0102, 3: 0x0103, 4: 0x0104, 5: 0x0105, 6: 0x0106, 7: 0x0107, 8: 0x0108, 9: 0x0109, 10: 0x0125, 11: 0x0126}
	for mode := gbcs.ReplacementMode(0); mode.Known(); mode++ {
		require.Equal(t, codes[mode], mode.MessageCode())
		back, ok := mode.MessageCode().Mode()
		require.True(t, ok)
		require.Equal(t, mode, back)
		want := "CS02b"
		if mode.LoadController() {
			want = "CS02g"
		}
		require.Equal(t, want, mode.MessageCode().UseCase())
	}
	require.Len(t, codes, 12)
	require.False(t, gbcs.ReplacementMode(12).Known())
	require.Equal(t, "replacement mode 12", gbcs.ReplacementMode(12).String())
	for _, code := range []gbcs.MessageCode{0, 0x010A, 0x0124, 0x0127, 0x00FF} {
		_, ok := code.Mode()
		require.False(t, ok, code)
	}
	root := cell(policy.RoleRoot, policy.UsageCertSign)
	require.True(t, gbcs.AnyByContingency.MayReplace(root))
	require.True(t, gbcs.RootBySupplier.MayReplace(root))
	require.False(t, gbcs.SupplierBySupplier.MayReplace(root))
	require.True(t, gbcs.SupplierByTransCoS.MayReplace(topUp))
	require.False(t, gbcs.SupplierByTransCoS.MayReplace(cell(cos, ds)))
	require.False(t, gbcs.ReplacementMode(12).MayReplace(topUp))
}
