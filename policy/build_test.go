package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// wrapped is an ApexContingencyKey with no meaning: id-aes256-wrap-pad and an
// OCTET STRING.
var wrapped = cons(0x30, cons(0x30, prim(0x06, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x30)), prim(0x04, make([]byte, 104)...)).encode()

var supplierID = policy.EntityID{0x90, 0xb3, 0xd5, 0x1f, 0x30, 0x01, 0x00, 0x00}

// describe writes a to-be-signed certificate as one line a field. Keys, key
// identifiers and the serial number are left out.
func describe(t *testing.T, tbs []byte) string {
	t.Helper()
	n := parseTLV(t, tbs)
	var b strings.Builder
	name := func(label string, n *tlv) {
		fmt.Fprintf(&b, "%s", label)
		for _, r := range n.children {
			require.Len(t, r.children, 1, "one attribute to an RDN")
			a := r.at(0)
			fmt.Fprintf(&b, " 2.5.4.%d:%02X:%X", a.at(0).content[2], a.at(1).tag, a.at(1).content)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "version %X serial %d octets\n", n.at(0, 0).content, len(n.at(1).content))
	fmt.Fprintf(&b, "algorithm %X\n", n.at(2).encode())
	name("issuer", n.at(3))
	fmt.Fprintf(&b, "validity %02X %s %02X %s\n", n.at(4, 0).tag, n.at(4, 0).content, n.at(4, 1).tag, n.at(4, 1).content)
	name("subject", n.at(5))
	fmt.Fprintf(&b, "key %X %d octets\n", n.at(6, 0).encode(), len(n.at(6, 1).content))
	for _, e := range n.at(7, 0).children {
		critical := ""
		if len(e.children) == 3 {
			critical = "!"
		}
		value := fmt.Sprintf("%X", e.value().content)
		switch id := fmt.Sprintf("%X", e.at(0).content); id {
		case "551D0E":
			value = value[:4] + " and 8 octets"
		case "551D23":
			value = value[:8] + " and 8 octets"
		case "2B06010505070114":
			value = fmt.Sprintf("%d octets", len(e.value().content))
			fmt.Fprintf(&b, "extension %s%s %s\n", id, critical, value)
			continue
		}
		fmt.Fprintf(&b, "extension %X%s %s\n", e.at(0).content, critical, value)
	}
	return b.String()
}

// Each profile is compared in full with what the published certificates show:
// string types, order, criticality, times.
func TestProfilesInFull(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchyIn(t, "dcc-test", time.Date(2026, 3, 14, 15, 9, 26, 535, time.UTC))
	party := h.Issue(t, policy.ProfileOrganisation, &h.IssuingOCA, policytest.NewKey(t), policy.CertificateTemplate{CN: "GITTESTSUPPLIER", Role: policy.RoleSupplier, EntityID: supplierID, Usage: policy.UsageDigitalSignature})
	plain, _ := h.Organisation(t, policy.RoleOther, supplierID, policy.UsageKeyAgreement)
	device, _ := h.Device(t, supplierID, policy.UsageKeyAgreement)
	root := h.Issue(t, policy.ProfileRootOCA, nil, policytest.NewKey(t), policy.CertificateTemplate{CN: "ZB", WrappedContingency: wrapped})

	const (
		head   = "version 02 serial 16 octets\nalgorithm 300A06082A8648CE3D040302\n"
		key    = "key 301306072A8648CE3D020106082A8648CE3D030107 66 octets\n"
		ski    = "extension 551D0E 0408 and 8 octets\n"
		aki    = "extension 551D23 300A8008 and 8 octets\n"
		oca    = "extension 551D20! 3011300F060D2A863A0001848FB90F01020104\n"
		dca    = "extension 551D20! 3010300E060C2A863A0001EDEE4001020104\n"
		issuer = "issuer 2.5.4.11:13:3037 2.5.4.3:13:5831\n"
	)
	for _, row := range []struct {
		name string
		c    *policy.Certificate
		want string
	}{
		{"organisation with CN", party, head + issuer +
			"validity 17 260314000000Z 17 360313235959Z\n" +
			"subject 2.5.4.3:0C:47495454455354535550504C494552 2.5.4.11:0C:3032 2.5.4.45:03:0090B3D51F30010000\n" + key +
			"extension 551D0F! 03020780\n" + ski + oca + aki},
		{"organisation without CN", plain, head + issuer +
			"validity 17 260314000000Z 17 360313235959Z\n" +
			"subject 2.5.4.11:0C:3746 2.5.4.45:03:0090B3D51F30010000\n" + key +
			"extension 551D0F! 03020308\n" + ski + oca + aki},
		{"device", device, head + "issuer 2.5.4.3:13:4431\n" +
			"validity 17 260314150926Z 18 99991231235959Z\n" +
			"subject\n" + key +
			"extension 551D0F! 03020308\n" + ski +
			"extension 551D11! 3028A02606082B06010505070804A01A3018060C2B0601040181FD5901020201040890B3D51F30010000\n" + dca + aki},
		{"issuing-oca", h.IssuingOCA.Certificate, head + "issuer 2.5.4.11:13:3030 2.5.4.3:13:5841\n" +
			"validity 17 260314000000Z 18 20510313235959Z\n" +
			"subject 2.5.4.11:13:3037 2.5.4.3:13:5831\n" + key +
			"extension 551D0F! 03020106\nextension 551D13! 30060101FF020100\n" + oca + ski + aki},
		{"root-oca", root, head + "issuer 2.5.4.11:13:3030 2.5.4.3:13:5A42\n" +
			"validity 17 260314000000Z 18 20760313235959Z\n" +
			"subject 2.5.4.11:13:3030 2.5.4.3:13:5A42\n" + key +
			"extension 551D0F! 03020106\nextension 551D13! 30030101FF\n" + oca + ski +
			"extension 2B06010505070114 121 octets\n"},
		{"issuing-dca", h.IssuingDCA.Certificate, head + "issuer 2.5.4.3:13:4441\n" +
			"validity 17 260314000000Z 18 20510313235959Z\n" +
			"subject 2.5.4.3:13:4431\n" + key +
			"extension 551D0F! 03020204\nextension 551D13! 30060101FF020100\n" + dca + ski + aki},
		{"root-dca", h.RootDCA.Certificate, head + "issuer 2.5.4.3:13:4441\n" +
			"validity 17 260314000000Z 18 20760313235959Z\n" +
			"subject 2.5.4.3:13:4441\n" + key +
			"extension 551D0F! 03020204\nextension 551D13! 30030101FF\n" + dca + ski},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, describe(t, row.c.RawTBS))
		})
	}
	require.Equal(t, wrapped, root.WrappedContingency)
	require.Equal(t, policy.UsageCertSign|policy.UsageCRLSign, root.Usage)
	require.Equal(t, -1, root.PathLen)
	require.Equal(t, policytest.HardwareType, device.HardwareType)
	require.Equal(t, supplierID, device.DeviceID)
	role, ok := party.Role()
	require.True(t, ok)
	require.Equal(t, policy.RoleSupplier, role)
}

// UTCTime ends with 2049 (RFC 5280, 4.1.2.5).
func TestTimesOnBothSidesOf2050(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchyIn(t, "exercise", time.Date(2039, 12, 31, 0, 0, 0, 0, time.UTC))
	last, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageKeyAgreement)
	require.Contains(t, describe(t, last.RawTBS), "17 391231000000Z 17 491230235959Z")
	h.NotBefore = time.Date(2040, 1, 2, 0, 0, 0, 0, time.UTC)
	first, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageKeyAgreement)
	require.Contains(t, describe(t, first.RawTBS), "17 400102000000Z 18 20500101235959Z")
	h.NotBefore = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	later, _ := h.Device(t, supplierID, policy.UsageKeyAgreement)
	require.Contains(t, describe(t, later.RawTBS), "18 20500101000000Z 18 99991231235959Z")
}

func TestTBSRefuses(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	key := policytest.NewKey(t)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	good := func(name policy.ProfileName) policy.CertificateTemplate {
		c := policy.CertificateTemplate{Serial: policytest.NewSerial(t), PublicKey: &key.PublicKey, NotBefore: policytest.Began}
		switch name {
		case policy.ProfileDevice:
			c.Issuer, c.EntityID, c.HardwareType, c.Usage = h.IssuingDCA.Certificate, supplierID, policytest.HardwareType, policy.UsageKeyAgreement
		case policy.ProfileOrganisation:
			c.Issuer, c.EntityID, c.Role, c.Usage = h.IssuingOCA.Certificate, supplierID, policy.RoleSupplier, policy.UsageKeyAgreement
		default:
			c.CN = "XX"
		}
		return c
	}
	for _, row := range []struct {
		profile policy.ProfileName
		change  func(*policy.CertificateTemplate)
		want    string
	}{
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.Serial = policy.Serial{} }, "Serial"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.PublicKey = nil }, "PublicKey"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.PublicKey = &other.PublicKey }, "P-256"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.NotBefore = time.Time{} }, "NotBefore"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.NotBefore = time.Date(1066, 10, 14, 0, 0, 0, 0, time.UTC) }, "1950"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "9999"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.Issuer = nil }, "Issuer"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.CN = "meter" }, "CN"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.Role = policy.RoleSupplier }, "Role"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.EntityID = policy.EntityID{} }, "EntityID"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.HardwareType = nil }, "HardwareType"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.HardwareType = asn1.ObjectIdentifier{3, 1} }, "HardwareType"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.Usage = 0 }, "Usage"},
		{policy.ProfileDevice, func(c *policy.CertificateTemplate) { c.WrappedContingency = wrapped }, "WrappedContingency"},
		{policy.ProfileOrganisation, func(c *policy.CertificateTemplate) { c.HardwareType = policytest.HardwareType }, "HardwareType"},
		{policy.ProfileOrganisation, func(c *policy.CertificateTemplate) { c.EntityID = policy.EntityID{} }, "EntityID"},
		{policy.ProfileOrganisation, func(c *policy.CertificateTemplate) { c.CN = "a\x00b" }, "control characters"},
		{policy.ProfileOrganisation, func(c *policy.CertificateTemplate) { c.CN = "a\xffb" }, "UTF-8"},
		{policy.ProfileOrganisation, func(c *policy.CertificateTemplate) { c.CN = strings.Repeat("a", 65) }, "1 to 64 octets"},
		{policy.ProfileRootOCA, func(c *policy.CertificateTemplate) { c.CN = "" }, "CN"},
		{policy.ProfileRootOCA, func(c *policy.CertificateTemplate) { c.CN = "ÄÖ" }, "PrintableString"},
		{policy.ProfileRootOCA, func(c *policy.CertificateTemplate) { c.Issuer = h.RootOCA.Certificate }, "Issuer"},
		{policy.ProfileRootOCA, func(c *policy.CertificateTemplate) { c.EntityID = supplierID }, "EntityID"},
		{policy.ProfileRootOCA, func(c *policy.CertificateTemplate) { c.WrappedContingency = []byte{0x30, 5} }, "WrappedContingency"},
	} {
		p, err := h.Environment.Profile(row.profile)
		require.NoError(t, err)
		template := good(row.profile)
		_, err = p.TBS(template)
		require.NoError(t, err)
		row.change(&template)
		_, err = p.TBS(template)
		require.ErrorContains(t, err, "building a certificate of profile "+string(row.profile))
		require.ErrorContains(t, err, row.want)
	}
}

// Whatever a template says, the bytes built from it pass the lints, parse
// strictly, and are written again as they were.
func TestBuiltCertificatesPass(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	key := policytest.NewKey(t)
	rapid.Check(t, func(rt *rapid.T) {
		template := policy.CertificateTemplate{
			PublicKey: &key.PublicKey,
			NotBefore: time.Unix(rapid.Int64Range(policytest.Began.Unix(), policytest.Began.AddDate(24, 0, 0).Unix()).Draw(rt, "notBefore"), 0),
			Usage:     rapid.SampledFrom([]policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement}).Draw(rt, "usage"),
		}
		copy(template.Serial[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "serial"))
		template.Serial[0] = template.Serial[0]&0x7f | 1
		copy(template.EntityID[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(rt, "entity"))
		template.EntityID[7] |= 1
		name, issuer := policy.ProfileOrganisation, h.IssuingOCA
		if rapid.Bool().Draw(rt, "device") {
			name, issuer = policy.ProfileDevice, h.IssuingDCA
			arcs := rapid.SliceOfN(rapid.IntRange(0, 1<<31-1), 1, 8).Draw(rt, "hwType")
			template.HardwareType = append(asn1.ObjectIdentifier{1, 2}, arcs...)
		} else {
			template.Role = rapid.SampledFrom([]policy.RemotePartyRole{1, 2, 3, 4, 5, 6, 8, 127, 135, 137}).Draw(rt, "role")
			template.CN = rapid.StringMatching(`([A-Za-z0-9]([A-Za-z0-9 .,'()&/_-]{0,62}[A-Za-z0-9.)])?)?`).Draw(rt, "cn")
		}
		template.Issuer = issuer.Certificate
		p, err := h.Environment.Profile(name)
		require.NoError(rt, err)
		tbs, err := p.TBS(template)
		require.NoError(rt, err)
		require.NoError(rt, p.LintTBS(tbs, issuer.Certificate))
		der := policytest.Sign(t, issuer.Key, tbs)
		c, err := policy.ParseCertificate(der)
		require.NoError(rt, err)
		require.Empty(rt, p.Examine(c, issuer.Certificate))
		require.Equal(rt, name, c.Kind())
		require.Equal(rt, template.Serial, c.Serial)
		id, ok := c.EntityID()
		require.True(rt, ok)
		require.Equal(rt, template.EntityID, id)
		require.Equal(rt, template.CN, c.Subject.CN)
		require.True(rt, template.HardwareType.Equal(c.HardwareType))
		require.Equal(rt, template.Usage, c.Usage)
		again, err := c.Reencode()
		require.NoError(rt, err)
		require.Equal(rt, der, again)
	})
}

func TestAssemble(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	c, _ := h.Device(t, supplierID, policy.UsageKeyAgreement)

	again, err := policy.Assemble(c.RawTBS, c.Signature)
	require.NoError(t, err)
	require.Equal(t, c.Raw, again)

	padded := parseTLV(t, c.Signature)
	for _, n := range padded.children {
		n.content = append([]byte{0}, n.content...)
	}
	again, err = policy.Assemble(c.RawTBS, padded.encode())
	require.NoError(t, err)
	require.Equal(t, c.Raw, again, "needless zeros are dropped")
	require.ErrorContains(t, policy.VerifyTBS(h.IssuingDCA.Certificate.PublicKey, c.RawTBS, padded.encode()), "strict DER")

	order := elliptic.P256().Params().N.Bytes()
	for name, sig := range map[string][]byte{
		"nothing":         nil,
		"raw r and s":     make([]byte, 64),
		"zero":            cons(0x30, prim(2, 0), prim(2, 1)).encode(),
		"negative":        cons(0x30, prim(2, 0x80), prim(2, 1)).encode(),
		"the order":       cons(0x30, prim(2, 1), prim(2, append([]byte{0}, order...)...)).encode(),
		"three integers":  cons(0x30, prim(2, 1), prim(2, 1), prim(2, 1)).encode(),
		"octets after it": append(cons(0x30, prim(2, 1), prim(2, 1)).encode(), 0),
		"an empty number": cons(0x30, prim(2), prim(2, 1)).encode(),
	} {
		_, err := policy.Assemble(c.RawTBS, sig)
		require.ErrorContains(t, err, "assembling: reading a signature", name)
		require.Error(t, policy.VerifyTBS(h.IssuingDCA.Certificate.PublicKey, c.RawTBS, sig), name)
	}
	_, err = policy.Assemble(c.RawTBS[:10], c.Signature)
	require.ErrorContains(t, err, "to-be-signed bytes")
	_, err = policy.Assemble([]byte{2, 1, 1}, c.Signature)
	require.ErrorContains(t, err, "SEQUENCE")
	require.ErrorContains(t, policy.VerifyTBS(h.RootDCA.Certificate.PublicKey, c.RawTBS, c.Signature), "not made by this key")
	require.ErrorContains(t, policy.VerifyTBS(nil, c.RawTBS, c.Signature), "P-256")
}
