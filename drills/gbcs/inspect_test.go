package gbcs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

var duringDrill = policytest.Began.AddDate(0, 6, 0)

// keyring has all that a pack has: certificates, roots, shared secrets.
func (w *world) keyring(t testing.TB) *gbcs.Keyring {
	t.Helper()
	k := &gbcs.Keyring{}
	add := func(name string, c *policy.Certificate) { require.NoError(t, k.AddCertificate(name, c.Raw)) }
	for role, p := range w.signers {
		add(role.String(), p.cert)
	}
	for _, usage := range []policy.KeyUsage{ds, ka} {
		c, _ := w.h.Organisation(t, broker, w.broker, usage)
		add("another broker certificate", c)
	}
	add("device", w.deviceDS)
	add("device KA", w.deviceKA)
	add("root", w.h.RootOCA.Certificate)
	add("root DCA", w.h.RootDCA.Certificate)
	add("issuing DCA", w.h.IssuingDCA.Certificate)
	add("root with contingency", w.rootWithContingency)
	require.NoError(t, k.AddSecret("secrets", w.broker, w.device, w.z))
	return k
}

// With the keys of a pack every sample verifies, the contingency command by the
// key that its own symmetric key unwraps, and every path leads to an anchor.
func TestInspectSamples(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keyring(t)
	for _, s := range w.samples(t) {
		m, err := gbcs.Decode(s.octets)
		require.NoError(t, err)
		in := gbcs.Inspect(m, k, duringDrill)
		wantSignature, wantMAC := gbcs.ResultNone, gbcs.ResultNone
		if s.signer != nil {
			wantSignature = gbcs.ResultValid
		}
		if s.mac {
			wantMAC = gbcs.ResultValid
		}
		require.Equal(t, wantSignature, in.Signature.Result, "%s: %s", s.name, in.Signature.Reason)
		require.Equal(t, wantMAC, in.MAC.Result, "%s: %s", s.name, in.MAC.Reason)
		for _, f := range in.Findings {
			require.Less(t, f.Level, gbcs.LevelWarning, "%s: %s", s.name, f)
			require.NotEqual(t, gbcs.FindingAnchorNotGiven, f.Code, "%s: %s", s.name, f)
		}

		// Without keys nothing is wrong, and nothing is valid.
		in = gbcs.Inspect(m, &gbcs.Keyring{}, duringDrill)
		for _, v := range []gbcs.Verdict{in.Signature, in.MAC} {
			require.Contains(t, []gbcs.Result{gbcs.ResultNone, gbcs.ResultNotChecked}, v.Result, s.name)
		}
		for _, f := range in.Findings {
			require.Less(t, f.Level, gbcs.LevelWarning, "%s: %s", s.name, f)
		}
		for _, tree := range []gbcs.Tree{m.Header.Describe(), m.Payload.Describe()} {
			b, err := json.Marshal(tree)
			require.NoError(t, err)
			require.NotContains(t, string(b), "null", s.name)
		}
	}
}

func (w *world) supplierCommand(t testing.TB, change func(*gbcs.UpdateSecurityCredentials)) *gbcs.Message {
	t.Helper()
	u := w.update(gbcs.SupplierBySupplier, 1)
	change(u)
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}, u)
	require.NoError(t, m.SignWith(w.signers[supplier].key))
	require.NoError(t, m.AddMAC(w.z))
	octets, err := m.Encode()
	require.NoError(t, err)
	m, err = gbcs.Decode(octets)
	require.NoError(t, err)
	return m
}

// What is wrong with a certificate inside a command is a finding that names it.
func TestInspectCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keyring(t)
	elsewhere := policytest.NewHierarchy(t)
	stranger, _ := elsewhere.Organisation(t, supplier, w.supplier, ka)
	forged := bytes.Clone(w.certificates[cell(supplier, ka)].Raw)
	forged[len(forged)-1] ^= 1
	rows := []struct {
		name   string
		change func(*gbcs.UpdateSecurityCredentials)
		at     time.Time
		want   gbcs.Finding
	}{
		{"issuer not in the path", func(u *gbcs.UpdateSecurityCredentials) { u.Replacements[1].Certificate = stranger.Raw }, duringDrill,
			gbcs.Finding{Level: gbcs.LevelError, Code: gbcs.FindingNoTrustAnchor, Where: "replacement 2"}},
		{"no path at all", func(u *gbcs.UpdateSecurityCredentials) { u.Path = nil }, duringDrill,
			gbcs.Finding{Level: gbcs.LevelError, Code: gbcs.FindingNoTrustAnchor, Where: "replacement 1"}},
		{"path to a root that was not given", func(u *gbcs.UpdateSecurityCredentials) {
			u.Replacements[1].Certificate, u.Path = stranger.Raw, append(u.Path, elsewhere.IssuingOCA.Certificate.Raw)
		}, duringDrill, gbcs.Finding{Level: gbcs.LevelInfo, Code: gbcs.FindingAnchorNotGiven, Where: "replacement 2"}},
		{"signature of a certificate broken", func(u *gbcs.UpdateSecurityCredentials) { u.Replacements[1].Certificate = forged }, duringDrill,
			gbcs.Finding{Level: gbcs.LevelError, Code: gbcs.FindingBadCertificate, Where: "replacement 2"}},
		{"not a certificate", func(u *gbcs.UpdateSecurityCredentials) { u.Replacements[2].Certificate = []byte{0x30, 1, 5} }, duringDrill,
			gbcs.Finding{Level: gbcs.LevelError, Code: gbcs.FindingNotCertificate, Where: "replacement 3"}},
		{"path certificate that is none", func(u *gbcs.UpdateSecurityCredentials) { u.Path = append(u.Path, []byte{0x30, 0}) }, duringDrill,
			gbcs.Finding{Level: gbcs.LevelError, Code: gbcs.FindingNotCertificate, Where: "path certificate 2"}},
		{"signing certificate in a key agreement cell", func(u *gbcs.UpdateSecurityCredentials) {
			u.Replacements[1].Certificate = u.Replacements[0].Certificate
		}, duringDrill, gbcs.Finding{Level: gbcs.LevelWarning, Code: gbcs.FindingCertificateForCell, Where: "replacement 2"}},
		{"broker's certificate in a supplier's cell", func(u *gbcs.UpdateSecurityCredentials) {
			u.Replacements[0].Certificate = w.certificates[cell(broker, ds)].Raw
		}, duringDrill, gbcs.Finding{Level: gbcs.LevelInfo, Code: gbcs.FindingCertificateForCell, Where: "replacement 1"}},
		{"expired", func(*gbcs.UpdateSecurityCredentials) {}, duringDrill.AddDate(15, 0, 0),
			gbcs.Finding{Level: gbcs.LevelInfo, Code: gbcs.FindingExpired, Where: "replacement 1"}},
		{"not valid yet", func(*gbcs.UpdateSecurityCredentials) {}, duringDrill.AddDate(-5, 0, 0),
			gbcs.Finding{Level: gbcs.LevelInfo, Code: gbcs.FindingExpired, Where: "path certificate 1"}},
	}
	for _, row := range rows {
		in := gbcs.Inspect(w.supplierCommand(t, row.change), k, row.at)
		require.Equal(t, gbcs.ResultValid, in.Signature.Result, row.name)
		found := false
		for _, f := range in.Findings {
			require.NotEmpty(t, f.Text)
			f.Text = ""
			f.Where, _, _ = strings.Cut(f.Where, " (")
			found = found || f == row.want
		}
		require.True(t, found, "%s: %v", row.name, in.Findings)
	}
}

// A device's own certificate and request in messages of another device.
func TestInspectDeviceCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.keyring(t)
	other, _ := w.h.Device(t, entity(0xD1), ds)
	header := gbcs.GroupingHeader{Counter: 1, Originator: w.supplier, Recipient: w.device}
	answer := func(p gbcs.Payload, code gbcs.MessageCode) *gbcs.Message {
		h := header
		h.MessageCode = code
		return gbcs.NewResponse(h, p)
	}
	request := w.request(t)
	broken := bytes.Clone(request)
	broken[len(broken)-1] ^= 1
	for name, row := range map[string]struct {
		m    *gbcs.Message
		want string
	}{
		"certificate of another device stored": {gbcs.NewCommand(header, &gbcs.UpdateDeviceCertificate{Certificate: other.Raw}), gbcs.FindingCertificateSubject},
		"certificate of another device read":   {answer(&gbcs.DeviceCertificateResponse{Certificate: other.Raw}, gbcs.CodeReadDeviceCertificate), gbcs.FindingCertificateSubject},
		"request of another device":            {answer(&gbcs.IssueResponse{Request: policytest.DeviceRequest(t, policytest.NewKey(t), entity(0xD1), ds)}, gbcs.CodeIssueCredentials), gbcs.FindingCertificateSubject},
		"request without possession":           {answer(&gbcs.IssueResponse{Request: broken}, gbcs.CodeIssueCredentials), gbcs.FindingBadCertificate},
		"a request that is none":               {answer(&gbcs.IssueResponse{Request: []byte{0x30, 0}}, gbcs.CodeIssueCredentials), gbcs.FindingDeviation},
	} {
		require.True(t, codesOf(gbcs.Inspect(row.m, k, duringDrill).Findings)[row.want], name)
	}
	good := gbcs.Inspect(gbcs.NewCommand(header, &gbcs.UpdateDeviceCertificate{Certificate: w.deviceDS.Raw}), k, duringDrill)
	require.True(t, codesOf(good.Findings)[gbcs.FindingPathHolds], "%v", good.Findings)
}

// Which keys make a verdict "wrong", and which leave it unchecked.
func TestInspectVerdicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.supplierCommand(t, func(*gbcs.UpdateSecurityCredentials) {})
	otherDS, _ := w.h.Organisation(t, supplier, w.supplier, ds)
	otherKA, _ := w.h.Organisation(t, supplier, w.supplier, ka)
	verdict := func(fill func(*gbcs.Keyring)) gbcs.Inspection {
		k := &gbcs.Keyring{}
		fill(k)
		return gbcs.Inspect(m, k, duringDrill)
	}

	in := verdict(func(k *gbcs.Keyring) { require.NoError(t, k.AddCertificate("KA", otherKA.Raw)) })
	require.Equal(t, gbcs.ResultNotChecked, in.Signature.Result, "a key agreement certificate signs nothing")
	require.Contains(t, in.Signature.Reason, w.supplier.String())
	in = verdict(func(k *gbcs.Keyring) { require.NoError(t, k.AddCertificate("DS", otherDS.Raw)) })
	require.Equal(t, gbcs.ResultWrong, in.Signature.Result)
	in = verdict(func(k *gbcs.Keyring) {
		require.NoError(t, k.AddCertificate("old.pem", otherDS.Raw))
		require.NoError(t, k.AddCertificate("new.pem", w.signers[supplier].cert.Raw))
	})
	require.Equal(t, gbcs.ResultValid, in.Signature.Result, "several with the same EUI: each is tried")
	require.Equal(t, "new.pem", in.Signature.Source)
	require.Equal(t, w.signers[supplier].cert.SubjectKeyID, in.Signature.KeyID)

	other := bytes.Repeat([]byte{1}, 32)
	in = verdict(func(k *gbcs.Keyring) { require.NoError(t, k.AddSecret("f", w.broker, w.device, other)) })
	require.Equal(t, gbcs.ResultWrong, in.MAC.Result)
	in = verdict(func(k *gbcs.Keyring) { require.NoError(t, k.AddSecret("f", w.broker, entity(0xD1), w.z)) })
	require.Equal(t, gbcs.ResultNotChecked, in.MAC.Result, "a secret of another device")
	in = verdict(func(k *gbcs.Keyring) {
		require.NoError(t, k.AddSecret("f", w.supplier, w.device, other))
		require.NoError(t, k.AddCertificate("supplier", otherKA.Raw))
	})
	require.Equal(t, gbcs.ResultNotChecked, in.MAC.Result, "the supplier's secret is not the broker's")
	in = verdict(func(k *gbcs.Keyring) {
		require.NoError(t, k.AddSecret("f", w.device, w.supplier, other))
		require.NoError(t, k.AddSecret("f", w.device, w.broker, w.z))
	})
	require.Equal(t, gbcs.ResultValid, in.MAC.Result)
	require.Equal(t, [2]policy.EntityID{w.broker, w.device}, in.MAC.Parties)
}

// A folder as evidence packs have it.
func TestReadDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pack := t.TempDir()
	certs, keys := filepath.Join(pack, "certs"), filepath.Join(pack, "keys")
	require.NoError(t, os.Mkdir(certs, 0o755))
	require.NoError(t, os.Mkdir(keys, 0o755))
	write := func(dir, name string, b []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	spki, err := x509.MarshalPKIXPublicKey(&w.signers[supplier].key.PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	write(certs, w.supplier.Hex()+"-supplier.pub.pem", public)
	write(certs, "root.PEM", w.h.RootOCA.Certificate.PEM())
	write(certs, "notes.txt", []byte("not read"))
	write(certs, "broken.pem", []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	write(certs, "empty.pem", nil)
	secrets, err := json.Marshal(map[string]any{"ecdhSharedSecrets": []map[string]string{{"partyA": w.broker.Hex(), "partyB": w.device.String(), "z": hex.EncodeToString(w.z)}}})
	require.NoError(t, err)
	write(keys, "mac-secrets.json", secrets)

	k := &gbcs.Keyring{}
	require.NoError(t, k.ReadDirectory(certs))
	require.Len(t, k.Notes, 2, "%v", k.Notes)
	in := gbcs.Inspect(w.supplierCommand(t, func(*gbcs.UpdateSecurityCredentials) {}), k, duringDrill)
	require.Equal(t, gbcs.ResultValid, in.Signature.Result, in.Signature.Reason)
	require.Equal(t, gbcs.ResultValid, in.MAC.Result, in.MAC.Reason)
	require.True(t, codesOf(in.Findings)[gbcs.FindingPathHolds])

	require.ErrorIs(t, k.ReadDirectory(filepath.Join(pack, "none")), os.ErrNotExist)
	for name, text := range map[string]string{
		"not JSON":       "{",
		"z is not hex":   `{"ecdhSharedSecrets":[{"partyA":"0200000000000004","partyB":"02000000000000d0","z":"SECRETSECRET"}]}`,
		"z is short":     `{"ecdhSharedSecrets":[{"partyA":"0200000000000004","partyB":"02000000000000d0","z":"5ec2e75ec2e7"}]}`,
		"party is wrong": `{"ecdhSharedSecrets":[{"partyA":"SECRET","partyB":"02000000000000d0","z":"5ec2e75ec2e7"}]}`,
	} {
		write(pack, "bad.json", []byte(text))
		err := k.ReadSecrets(filepath.Join(pack, "bad.json"))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "SECRET", name)
		require.NotContains(t, err.Error(), "5ec2e7", name)
	}
}
