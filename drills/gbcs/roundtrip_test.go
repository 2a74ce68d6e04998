package gbcs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// Every kind of message in every mode is read as it was made, written back octet
// for octet, and verifies with the right key alone.
func TestSamples(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.signers[policy.RoleWANProvider].key.PublicKey
	wrongZ := make([]byte, 32)
	for _, s := range w.samples(t) {
		t.Run(s.name, func(t *testing.T) {
			m, err := gbcs.Decode(s.octets)
			require.NoError(t, err)
			require.NoError(t, m.Malformed())
			if _, opaque := s.message.Payload.(gbcs.Opaque); !opaque {
				require.Equal(t, s.message.Payload, m.Payload)
			}
			require.Equal(t, s.message.Header, m.Header)
			require.Equal(t, s.message.Precommand, m.Precommand)
			again, err := m.Encode()
			require.NoError(t, err)
			require.Equal(t, s.octets, again)

			if s.signer == nil {
				require.ErrorIs(t, m.VerifySignature(&other), gbcs.ErrUnsigned)
			} else {
				require.NoError(t, m.VerifySignature(s.signer))
				require.NoError(t, s.message.VerifySignature(s.signer))
				if !s.signer.Equal(&other) {
					require.ErrorIs(t, m.VerifySignature(&other), gbcs.ErrSignature)
				}
			}
			if s.mac {
				require.NoError(t, m.VerifyMAC(w.z))
				require.NoError(t, s.message.VerifyMAC(w.z))
				require.ErrorIs(t, m.VerifyMAC(wrongZ), gbcs.ErrMAC)
				require.ErrorIs(t, m.VerifyMAC(wrongZ[:31]), gbcs.ErrMAC)
			} else {
				require.ErrorIs(t, m.VerifyMAC(w.z), gbcs.ErrNoMAC)
			}
			for _, f := range m.Check() {
				require.Less(t, f.Level, gbcs.LevelWarning, "%s", f)
			}
		})
	}
}

// A pre-command may end in a zero octet, which is not signed: the command made
// of it is the same.
func TestPrecommandWithTrailingZero(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := party{w.supplier, nil, w.signers[supplier].key}
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 1, Originator: p.id, Recipient: w.device}, w.update(gbcs.SupplierBySupplier, 1))
	plain, err := m.Encode()
	require.NoError(t, err)
	zero, err := gbcs.Decode(append(plain, 0))
	require.NoError(t, err)
	require.True(t, zero.Precommand)
	require.True(t, zero.TrailingZero)
	require.Equal(t, plain[1:], zero.Signed)
	again, err := zero.Encode()
	require.NoError(t, err)
	require.Equal(t, append(plain, 0), again)

	require.NoError(t, zero.SignWith(p.key))
	require.NoError(t, zero.AddMAC(w.z))
	command, err := zero.Encode()
	require.NoError(t, err)
	got, err := gbcs.Decode(command)
	require.NoError(t, err)
	require.False(t, got.Precommand)
	require.Equal(t, plain[1:], got.Signed)
	require.NoError(t, got.VerifySignature(&p.key.PublicKey))
	require.NoError(t, got.VerifyMAC(w.z))
}

// Signing again drops the MAC, which covered the old signature.
func TestSignWithDropsMAC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}, &gbcs.IssueCredentials{Usage: ds})
	require.NoError(t, m.SignWith(w.signers[supplier].key))
	require.NoError(t, m.AddMAC(w.z))
	require.NoError(t, m.SignWith(w.signers[supplier].key))
	require.False(t, m.MAC)
	require.ErrorIs(t, m.VerifyMAC(w.z), gbcs.ErrNoMAC)
}

var (
	roles  = rapid.Map(rapid.Uint8(), func(v uint8) policy.RemotePartyRole { return policy.RemotePartyRole(v) })
	usages = rapid.Map(rapid.Uint16Range(0, 1<<9-1), func(v uint16) policy.KeyUsage { return policy.KeyUsage(v) })
	counts = rapid.Map(rapid.Uint64(), func(v uint64) gbcs.OriginatorCounter { return gbcs.OriginatorCounter(v) })
	cells  = rapid.Custom(func(t *rapid.T) gbcs.TrustAnchorCell {
		return gbcs.TrustAnchorCell{Role: roles.Draw(t, "role"), Usage: usages.Draw(t, "usage"), Cell: gbcs.CellUsage(rapid.Uint8().Draw(t, "cell"))}
	})
	identifiers = rapid.Custom(func(t *rapid.T) policy.EntityID {
		return policy.EntityID(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "id"))
	})
	keyIDs = rapid.Map(identifiers, func(v policy.EntityID) policy.KeyID { return policy.KeyID(v) })
	// A certificate is any SEQUENCE here: its content is not read.
	sequences = rapid.Custom(func(t *rapid.T) []byte {
		content := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "content")
		switch n := len(content); {
		case n < 0x80:
			return append([]byte{0x30, byte(n)}, content...)
		case n <= 0xFF:
			return append([]byte{0x30, 0x81, byte(n)}, content...)
		default:
			return append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, content...)
		}
	})
	times       = rapid.Map(rapid.Int64Range(-62135596800, 253402300799), func(v int64) time.Time { return time.Unix(v, 0).UTC() })
	specialists = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gbcs.SpecialistFloor {
		return gbcs.SpecialistFloor{Usage: rapid.Uint8().Draw(t, "usage"), Floor: counts.Draw(t, "floor")}
	}), 0, 3)
	changes = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gbcs.SeqNumberChange {
		c := gbcs.SeqNumberChange{Role: roles.Draw(t, "role"), Floor: counts.Draw(t, "floor")}
		if rapid.Bool().Draw(t, "has specialist") {
			c.Specialist = specialists.Draw(t, "specialist")
		}
		return c
	}), 0, 5)
	updates = rapid.Custom(func(t *rapid.T) *gbcs.UpdateSecurityCredentials {
		maybe := func(name string) bool { return rapid.Bool().Draw(t, "has "+name) }
		u := &gbcs.UpdateSecurityCredentials{
			Mode:         gbcs.ReplacementMode(rapid.Uint8Range(0, 12).Draw(t, "mode")),
			DisapplyTime: rapid.Bool().Draw(t, "disapply"),
			SeqNumber:    counts.Draw(t, "seq"),
		}
		if maybe("key") {
			u.SymmetricKey = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "key")
		}
		if maybe("cell") {
			c := cells.Draw(t, "cell")
			u.AuthorisingCell = &c
		}
		if maybe("floor") {
			c := counts.Draw(t, "floor")
			u.NewFloor = &c
		}
		if maybe("specialist") {
			u.SpecialistFloors = specialists.Draw(t, "specialist")
		}
		if maybe("changes") {
			u.OtherChanges = changes.Draw(t, "changes")
		}
		for range rapid.IntRange(0, 9).Draw(t, "replacements") {
			u.Replacements = append(u.Replacements, gbcs.Replacement{Certificate: sequences.Draw(t, "certificate"), Cell: cells.Draw(t, "target")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "path") {
			u.Path = append(u.Path, sequences.Draw(t, "path certificate"))
		}
		if maybe("time") {
			at := times.Draw(t, "time")
			u.ExecuteAt = &at
		}
		return u
	})
	results = rapid.Custom(func(t *rapid.T) gbcs.UpdateOutcome {
		o := gbcs.UpdateOutcome{SeqNumber: counts.Draw(t, "seq"), Mode: gbcs.ReplacementMode(rapid.Uint8().Draw(t, "mode")), Changes: changes.Draw(t, "changes")}
		for range rapid.IntRange(0, 9).Draw(t, "cells") {
			o.Cells = append(o.Cells, gbcs.CellOutcome{Cell: cells.Draw(t, "cell"), Status: gbcs.StatusCode(rapid.Uint8().Draw(t, "status")),
				ExistingID: identifiers.Draw(t, "existing"), ExistingKeyID: keyIDs.Draw(t, "existing key"),
				ReplacingID: identifiers.Draw(t, "replacing"), ReplacingKeyID: keyIDs.Draw(t, "replacing key")})
		}
		return o
	})
	detailLists = rapid.Custom(func(t *rapid.T) *gbcs.CredentialDetails {
		d := &gbcs.CredentialDetails{}
		for range rapid.IntRange(0, 4).Draw(t, "roles") {
			r := gbcs.RoleCredentials{Role: roles.Draw(t, "role"), Status: gbcs.StatusCode(rapid.SampledFrom([]uint8{0, 25, 127}).Draw(t, "status"))}
			if r.Status == gbcs.StatusSuccess {
				r.Counter = counts.Draw(t, "counter")
				for range rapid.IntRange(0, 3).Draw(t, "credentials") {
					r.Credentials = append(r.Credentials, gbcs.Credential{Usage: usages.Draw(t, "usage"), Cell: gbcs.CellUsage(rapid.Uint8().Draw(t, "cell")), ID: identifiers.Draw(t, "id"), KeyID: keyIDs.Draw(t, "key")})
				}
			}
			d.Roles = append(d.Roles, r)
		}
		return d
	})
)

// messages draws any message that this package can build, its code and CRA flag
// fitting its payload.
var messages = rapid.Custom(func(t *rapid.T) *gbcs.Message {
	h := gbcs.GroupingHeader{Counter: counts.Draw(t, "counter"), Originator: identifiers.Draw(t, "originator"), Recipient: identifiers.Draw(t, "recipient")}
	updateCode := func() gbcs.MessageCode {
		return gbcs.ReplacementMode(rapid.Uint8Range(0, 11).Draw(t, "code")).MessageCode()
	}
	answer := func(code gbcs.MessageCode, p gbcs.Payload) *gbcs.Message {
		h.MessageCode = code
		return gbcs.NewResponse(h, p)
	}
	ask := func(code gbcs.MessageCode, p gbcs.Payload) *gbcs.Message {
		h.MessageCode = code
		return gbcs.NewCommand(h, p)
	}
	reading := rapid.SampledFrom([]gbcs.MessageCode{gbcs.CodeReadCredentials, gbcs.CodeReadCredentialsLoadController})
	var m *gbcs.Message
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0, 1:
		m = ask(updateCode(), updates.Draw(t, "update"))
	case 2:
		o := results.Draw(t, "outcome")
		m = answer(updateCode(), &gbcs.CommandResponse{Outcome: &o})
	case 3:
		m = answer(updateCode(), &gbcs.CommandResponse{})
	case 4:
		a := &gbcs.Alert{Code: gbcs.AlertCode(rapid.Uint16().Draw(t, "alert")), ExecutedAt: times.Draw(t, "time"), Outcome: results.Draw(t, "outcome")}
		m = gbcs.NewAlert(h.Originator, h.Recipient, h.Counter, rapid.Bool().Draw(t, "load controller"), a)
	case 5:
		r := &gbcs.ReadCredentials{AuthorisingCell: cells.Draw(t, "cell")}
		for range rapid.IntRange(0, 7).Draw(t, "roles") {
			r.Roles = append(r.Roles, roles.Draw(t, "role"))
		}
		m = ask(reading.Draw(t, "code"), r)
	case 6:
		m = answer(reading.Draw(t, "code"), detailLists.Draw(t, "details"))
	case 7:
		m = ask(gbcs.CodeIssueCredentials, &gbcs.IssueCredentials{Usage: usages.Draw(t, "usage")})
	case 8:
		m = answer(gbcs.CodeIssueCredentials, &gbcs.IssueResponse{Request: sequences.Draw(t, "request")})
	case 9:
		m = ask(gbcs.CodeUpdateDeviceCertificate, &gbcs.UpdateDeviceCertificate{Certificate: sequences.Draw(t, "certificate")})
	case 10:
		m = answer(gbcs.CodeReadDeviceCertificate, &gbcs.DeviceCertificateResponse{Result: gbcs.ReadCertificateResult(rapid.Uint8().Draw(t, "result"))})
	default:
		m = answer(gbcs.CodeUpdateDeviceCertificate, &gbcs.UpdateDeviceCertificateResponse{Result: gbcs.DeviceCertificateResult(rapid.Uint8().Draw(t, "result"))})
	}
	if rapid.Bool().Draw(t, "two-octet lengths") {
		m.Form = gbcs.LengthsTwoOctet
	}
	return m
})

// Whatever can be built is read as it was built, in either form of lengths, with
// and without a MAC; and what was read is written back the same.
func TestBuildEncodeDecode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := messages.Draw(t, "message")
		z := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "z")
		withMAC := rapid.Bool().Draw(t, "MAC")
		if withMAC {
			require.NoError(t, m.AddMAC(z))
		}
		octets, err := m.Encode()
		require.NoError(t, err)
		got, err := gbcs.Decode(octets)
		require.NoError(t, err)
		require.NoError(t, got.Malformed())
		require.Equal(t, m.Header, got.Header)
		require.Equal(t, m.Payload, got.Payload)
		again, err := got.Encode()
		require.NoError(t, err)
		require.Equal(t, octets, again)
		if withMAC {
			require.NoError(t, got.VerifyMAC(z))
		}
		unsigned, err := got.ToBeSigned()
		require.NoError(t, err)
		require.Equal(t, got.Signed, unsigned)
		got.Check()
	})
}
