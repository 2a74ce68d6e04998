package policy_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestEntityID(t *testing.T) {
	t.Parallel()
	want := policy.EntityID{0x90, 0xb3, 0xd5, 0x1f, 0x30, 0x01, 0, 0}
	for _, s := range []string{"90-B3-D5-1F-30-01-00-00", "90-b3-d5-1f-30-01-00-00", "90b3d51f30010000", "90B3D51F30010000"} {
		id, err := policy.ParseEntityID(s)
		require.NoError(t, err, s)
		require.Equal(t, want, id)
	}
	require.Equal(t, "90-B3-D5-1F-30-01-00-00", want.String())
	require.Equal(t, "90b3d51f30010000", want.Hex())
	for _, s := range []string{"", "90", "90-B3-D5-1F-30-01-00", "90-B3-D5-1F-30-01-00-0", "90:B3:D5:1F:30:01:00:00", "90b3d51f3001000g", " 90b3d51f30010000", "90B3-D51F-3001-0000-00"} {
		_, err := policy.ParseEntityID(s)
		require.ErrorContains(t, err, "eight hex pairs", s)
	}
}

func TestRole(t *testing.T) {
	t.Parallel()
	for _, r := range policy.Roles() {
		for _, s := range []string{r.String(), r.OU()} {
			got, err := policy.ParseRole(s)
			require.NoError(t, err)
			require.Equal(t, r, got)
		}
		require.True(t, r.Known())
	}
	require.Equal(t, "07", policy.RoleIssuingAuthority.OU())
	require.Equal(t, "89", policy.RoleDSPXMLSign.OU())
	require.Equal(t, "role 0x83", policy.RemotePartyRole(0x83).String())
	require.False(t, policy.RemotePartyRole(0x83).Known())
	require.True(t, policy.RoleRoot.Authority())
	require.False(t, policy.RoleSupplier.Authority())
	for _, s := range []string{"", "2", "83", "suppliers", "002"} {
		_, err := policy.ParseRole(s)
		require.ErrorContains(t, err, "want one of root, recovery", s)
	}
}

func TestKeyUsageDER(t *testing.T) {
	t.Parallel()
	for u, want := range map[policy.KeyUsage][]byte{
		policy.UsageDigitalSignature:                               {3, 2, 7, 0x80},
		policy.UsageKeyAgreement:                                   {3, 2, 3, 0x08},
		policy.UsageCertSign | policy.UsageCRLSign:                 {3, 2, 1, 0x06},
		policy.UsageCertSign:                                       {3, 2, 2, 0x04},
		policy.UsageDigitalSignature | policy.UsageCertSign | 1<<8: {3, 3, 7, 0x84, 0x80},
		0: {3, 1, 0},
	} {
		require.Equal(t, want, u.DER(), u.String())
	}
	got, err := policy.ParseKeyUsage("keyCertSign+cRLSign")
	require.NoError(t, err)
	require.Equal(t, policy.UsageCertSign|policy.UsageCRLSign, got)
	_, err = policy.ParseKeyUsage("everything")
	require.ErrorContains(t, err, "keyAgreement")
}

// A serial is 127 random bits whose DER always has 16 octets.
func TestSerialIsSixteenOctets(t *testing.T) {
	t.Parallel()
	seen := map[policy.Serial]bool{}
	var ones [128]int
	for range 4000 {
		s, err := policy.NewSerial(rand.Reader)
		require.NoError(t, err)
		require.False(t, seen[s])
		seen[s] = true
		require.Less(t, s[0], byte(0x80))
		require.True(t, s[0] != 0 || s[1] >= 0x80, "DER of %s is shorter than 16 octets", s)
		for i := range ones {
			ones[i] += int(s[i/8]>>(7-i%8)) & 1
		}
	}
	require.Zero(t, ones[0])
	for i, n := range ones[1:] {
		require.InDelta(t, 2000, n, 300, "bit %d", i+1)
	}
}

func TestSerialIsDrawnAgainWhenShort(t *testing.T) {
	t.Parallel()
	short, good := make([]byte, 16), bytes.Repeat([]byte{0xab}, 16)
	s, err := policy.NewSerial(bytes.NewReader(append(short, good...)))
	require.NoError(t, err)
	require.Equal(t, "2BABABABABABABABABABABABABABABAB", s.String())

	_, err = policy.NewSerial(bytes.NewReader(make([]byte, 1<<10)))
	require.ErrorContains(t, err, "broken")
	_, err = policy.NewSerial(bytes.NewReader(nil))
	require.ErrorContains(t, err, "drawing a serial number")
}

func TestParseSerial(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1":                                "00000000000000000000000000000001",
		"30398236744d9da0e57f8d74ae041fcd": "30398236744D9DA0E57F8D74AE041FCD",
		"0000000000000000000000000000000A": "0000000000000000000000000000000A",
		"aBc":                              "00000000000000000000000000000ABC",
	} {
		s, err := policy.ParseSerial(in)
		require.NoError(t, err, in)
		require.Equal(t, want, s.String())
	}
	for _, in := range []string{"", "0", "00", "g", "80000000000000000000000000000000", "123456789012345678901234567890123", "0x1", "-1"} {
		_, err := policy.ParseSerial(in)
		require.ErrorContains(t, err, "hex digits", in)
	}
}

// The text forms of all words read back as themselves, as JSON too.
func TestTextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var in, out struct {
			E policy.EntityID
			S policy.Serial
			K policy.KeyID
			U policy.KeyUsage
			R policy.RemotePartyRole
			W policy.Reason
		}
		copy(in.E[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "entity"))
		copy(in.S[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "serial"))
		in.S[0], in.S[15] = in.S[0]&0x7f, in.S[15]|1
		copy(in.K[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "key"))
		in.U = policy.KeyUsage(rapid.IntRange(1, 0x1ff).Draw(t, "usage"))
		in.R = rapid.SampledFrom(policy.Roles()).Draw(t, "role")
		in.W = rapid.SampledFrom([]policy.Reason{0, 1, 2, 3, 4, 5, 9}).Draw(t, "reason")
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if in != out {
			t.Fatalf("%v became %v by way of %s", in, out, b)
		}
	})
}

func TestReason(t *testing.T) {
	t.Parallel()
	r, err := policy.ParseReason("keycompromise")
	require.NoError(t, err)
	require.Equal(t, policy.ReasonKeyCompromise, r)
	for _, s := range []string{"certificateHold", "removeFromCRL", "aACompromise", "", "1"} {
		_, err := policy.ParseReason(s)
		require.ErrorContains(t, err, "keyCompromise", s)
	}
	_, err = policy.Reason(6).MarshalText()
	require.ErrorContains(t, err, "reason 6")
}

func TestKeyIDOf(t *testing.T) {
	t.Parallel()
	require.True(t, policy.KeyIDOf(nil).IsZero())
	id := policy.KeyIDOf(&policytest.NewKey(t).PublicKey)
	require.Equal(t, byte(0x40), id[0]&0xf0)
	again, err := policy.ParseKeyID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, again)
	_, err = policy.ParseKeyID("40")
	require.ErrorContains(t, err, "16 hex digits")
}

func TestParseOID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1.2", "2.999.3", "0.39.1", "1.3.6.1.4.1.32473.1", "2.2147483567.1"} {
		id, err := policy.ParseOID(s)
		require.NoError(t, err, s)
		require.Equal(t, s, id.String())
	}
	for _, s := range []string{"", "1", "3.1", "1.40", "1.2.", "1.02", "1.-2", "1.2147483648", "1.2.x"} {
		_, err := policy.ParseOID(s)
		require.ErrorContains(t, err, "object identifier", s)
	}
}

func TestViolationsAreOneLine(t *testing.T) {
	t.Parallel()
	vs := policy.Violations{{Rule: "a", Field: "f", Want: "w", Got: "g", Clause: "c"}, {Rule: "b", Profile: "device", Field: "f", Want: "w", Clause: "c"}}
	require.Equal(t, "f: want w, got g [rule a; c]; device: f: want w [rule b; c]", vs.Error())
	var v *policy.Violation
	require.True(t, errors.As(error(vs), &v))
	require.Equal(t, "a", v.Rule)
	require.True(t, vs.Has("b"))
	require.False(t, vs.Has("c"))
}
