package policy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

func serial(t *testing.T, s string) policy.Serial {
	t.Helper()
	out, err := policy.ParseSerial(s)
	require.NoError(t, err)
	return out
}

func TestCRLInFull(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	at := time.Date(2026, 6, 1, 12, 0, 0, 999, time.UTC)
	c := h.CRL(t, h.IssuingOCA, 7, at,
		policy.CRLEntry{Serial: serial(t, "7FFF0000000000000000000000000001"), At: at.Add(-time.Hour), Reason: policy.ReasonKeyCompromise},
		policy.CRLEntry{Serial: serial(t, "10000000000000000000000000000001"), At: at, Reason: policy.ReasonUnspecified},
	)
	n := parseTLV(t, c.RawTBS)
	require.Equal(t, []byte{1}, n.at(0).content, "version 2")
	require.Equal(t, "260601120000Z", string(n.at(3).content))
	require.Equal(t, "260603120000Z", string(n.at(4).content))
	require.Equal(t, []byte{0x17, 13}, n.at(3).encode()[:2])
	entries := n.at(5)
	require.Len(t, entries.children, 2)
	require.Len(t, entries.at(0).children, 2, "unspecified is left out")
	require.Equal(t, []byte{0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01, 0x01}, entries.at(1, 2).encode())
	require.Len(t, n.at(6, 0).children, 2)
	require.Equal(t, []byte{0x2, 1, 7}, extensionOf(t, n.at(6, 0), 20).value().content)

	require.Equal(t, int64(7), c.Number)
	require.Equal(t, h.IssuingOCA.Certificate.SubjectKeyID, c.AuthorityKeyID)
	require.Equal(t, at.Truncate(time.Second), c.ThisUpdate)
	e, ok := c.Find(serial(t, "7FFF0000000000000000000000000001"))
	require.True(t, ok)
	require.Equal(t, policy.ReasonKeyCompromise, e.Reason)
	require.Equal(t, at.Add(-time.Hour).Truncate(time.Second), e.At)
	_, ok = c.Find(serial(t, "5"))
	require.False(t, ok)

	empty := h.CRL(t, h.RootOCA, 1, at)
	require.Empty(t, empty.Entries)
	require.Len(t, parseTLV(t, empty.RawTBS).children, 6, "no revokedCertificates at all")

	require.ErrorContains(t, c.CheckSignature(h.RootOCA.Certificate), "not of")
	require.ErrorContains(t, c.CheckSignature(nil), "certificate of its issuer")
	foreign := policytest.Sign(t, policytest.NewKey(t), c.RawTBS)
	forged, err := policy.ParseCRL(foreign)
	require.NoError(t, err)
	require.ErrorContains(t, forged.CheckSignature(h.IssuingOCA.Certificate), "not made by this key")
	tbs, err := policy.TBSCRL(policy.CRLTemplate{Issuer: h.RootDCA.Certificate, Number: 1, ThisUpdate: at, NextUpdate: at.Add(time.Hour)})
	require.NoError(t, err)
	require.True(t, asViolations(t, policy.LintTBSCRL(tbs, h.RootDCA.Certificate)).Has("crl-issuer"), "the Root DCA has no cRLSign")
}

func TestTBSCRLRefuses(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	at := policytest.Began
	one := policy.CRLEntry{Serial: serial(t, "1234"), At: at, Reason: policy.ReasonSuperseded}
	for want, change := range map[string]func(*policy.CRLTemplate){
		"Issuer: want":                       func(c *policy.CRLTemplate) { c.Issuer = nil },
		"Number: want 1 or more, got 0":      func(c *policy.CRLTemplate) { c.Number = 0 },
		"ThisUpdate, NextUpdate: want times": func(c *policy.CRLTemplate) { c.NextUpdate = time.Time{} },
		"ThisUpdate, NextUpdate: want dates": func(c *policy.CRLTemplate) { c.NextUpdate = at.AddDate(9000, 0, 0) },
		"want each serial once, got 0000":    func(c *policy.CRLTemplate) { c.Entries = append(c.Entries, one) },
		"Entries: want a serial in each":     func(c *policy.CRLTemplate) { c.Entries[0].Serial = policy.Serial{} },
		"want a reason that SMKI allows":     func(c *policy.CRLTemplate) { c.Entries[0].Reason = 6 },
		"want a revocation date from 1950":   func(c *policy.CRLTemplate) { c.Entries[0].At = time.Time{} },
	} {
		template := policy.CRLTemplate{Issuer: h.IssuingOCA.Certificate, Number: 1, ThisUpdate: at, NextUpdate: at.Add(time.Hour), Entries: []policy.CRLEntry{one}}
		_, err := policy.TBSCRL(template)
		require.NoError(t, err)
		change(&template)
		_, err = policy.TBSCRL(template)
		require.ErrorContains(t, err, want)
	}
}

// Indexes in a TBSCertList with entries.
const crlThis, crlNext, crlEntries, crlExtensions = 3, 4, 5, 6

func TestLintTBSCRLFailsForEveryMutation(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	good := h.CRL(t, h.IssuingOCA, 3, at,
		policy.CRLEntry{Serial: serial(t, "10000000000000000000000000000001"), At: at, Reason: policy.ReasonSuperseded},
		policy.CRLEntry{Serial: serial(t, "20000000000000000000000000000001"), At: at, Reason: policy.ReasonKeyCompromise}).RawTBS
	reason := func(n *tlv, i int) *tlv { return n.at(crlEntries, i, 2, 0).value() }
	rows := []struct {
		rule, says string
		change     func(n *tlv)
	}{
		{"crl-version", "version 3", func(n *tlv) { n.at(0).content = []byte{2} }},
		{"crl-version", "no version", func(n *tlv) { n.remove(0) }},
		{"crl-signature-algorithm", "ecdsa-with-SHA384", func(n *tlv) { c := n.at(1, 0).content; c[len(c)-1] = 3 }},
		{"crl-signature-algorithm", "a NULL parameter", func(n *tlv) { n.at(1).insert(1, prim(5)) }},
		{"crl-issuer", "another issuer", func(n *tlv) { n.at(2, 1, 0, 1).content = []byte("X9") }},
		{"crl-issuer", "an organisation as issuer", func(n *tlv) { n.at(2).insert(2, rdn(45, prim(3, 0, 1, 2, 3, 4, 5, 6, 7, 8))) }},
		{"crl-issuer", "a list after the issuer's end", func(n *tlv) {
			n.children[crlThis], n.children[crlNext] = text(0x18, "20600101000000Z"), text(0x18, "20600102000000Z")
		}},
		{"crl-time-form", "GeneralizedTime for thisUpdate", func(n *tlv) { n.children[crlThis] = text(0x18, "20260601120000Z") }},
		{"crl-time-form", "GeneralizedTime for nextUpdate", func(n *tlv) { n.children[crlNext] = text(0x18, "20260603120000Z") }},
		{"crl-time-form", "GeneralizedTime for a revocation", func(n *tlv) { n.at(crlEntries, 1).children[1] = text(0x18, "20260601120000Z") }},
		{"crl-next-update", "no nextUpdate", func(n *tlv) { n.remove(crlNext) }},
		{"crl-next-update", "nextUpdate before thisUpdate", func(n *tlv) { n.children[crlNext] = text(0x17, "260501120000Z") }},
		{"crl-extensions", "a third extension", func(n *tlv) { n.at(crlExtensions, 0).insert(2, extensionTLV(28, false, 0x30, 0)) }},
		{"crl-extensions", "the other order", func(n *tlv) { l := n.at(crlExtensions, 0).children; l[0], l[1] = l[1], l[0] }},
		{"crl-extensions", "a critical number", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 20).insert(1, prim(1, 0xff)) }},
		{"crl-extensions", "no extensions", func(n *tlv) { n.remove(crlExtensions) }},
		{"crl-authority-key-identifier", "another key", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 35).value().content[11] ^= 1 }},
		{"crl-authority-key-identifier", "20 octets", func(n *tlv) {
			extensionOf(t, n.at(crlExtensions, 0), 35).value().content = append([]byte{0x30, 22, 0x80, 20}, make([]byte, 20)...)
		}},
		{"crl-number", "zero", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 20).value().content = []byte{2, 1, 0} }},
		{"crl-number", "negative", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 20).value().content = []byte{2, 1, 0xff} }},
		{"crl-entry-order", "the other order", func(n *tlv) { l := n.at(crlEntries).children; l[0], l[1] = l[1], l[0] }},
		{"crl-entry-order", "a serial twice", func(n *tlv) { n.at(crlEntries).insert(0, n.at(crlEntries, 0)) }},
		{"crl-entry-extensions", "a critical reason", func(n *tlv) { n.at(crlEntries, 0, 2, 0).insert(1, prim(1, 0xff)) }},
		{"crl-entry-extensions", "a second extension", func(n *tlv) { n.at(crlEntries, 0, 2).insert(1, extensionTLV(24, false, 0x18, 0)) }},
		{"crl-reason", "certificateHold", func(n *tlv) { reason(n, 0).content = []byte{0xa, 1, 6} }},
		{"crl-reason", "removeFromCRL", func(n *tlv) { reason(n, 0).content = []byte{0xa, 1, 8} }},
		{"crl-reason", "unspecified written", func(n *tlv) { reason(n, 0).content = []byte{0xa, 1, 0} }},
		{"crl-entry-date", "a revocation after thisUpdate", func(n *tlv) { n.at(crlEntries, 0).children[1] = text(0x17, "260601120001Z") }},
		{"serial-number", "17 octets", func(n *tlv) { n.at(crlEntries, 0, 0).content = make([]byte, 17); n.at(crlEntries, 0, 0).content[0] = 1 }},
		{"structure", "an empty list of entries", func(n *tlv) { n.at(crlEntries).children = nil }},
		{"structure", "a field after the extensions", func(n *tlv) { n.insert(7, prim(5)) }},
		{"structure", "a reason of another type", func(n *tlv) { reason(n, 0).content = []byte{2, 1, 1} }},
		{"der", "a default written", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 20).insert(1, prim(1, 0)) }},
		{"der", "a padded number", func(n *tlv) { extensionOf(t, n.at(crlExtensions, 0), 20).value().content = []byte{2, 2, 0, 1} }},
	}
	covered := map[string]bool{"crl-signature-value": true}
	for _, row := range rows {
		covered[row.rule] = true
		t.Run(row.rule+"/"+row.says, func(t *testing.T) {
			t.Parallel()
			n := parseTLV(t, good)
			row.change(n)
			bad := n.encode()
			require.NotEqual(t, good, bad)
			err := policy.LintTBSCRL(bad, h.IssuingOCA.Certificate)
			require.Error(t, err)
			require.True(t, asViolations(t, err).Has(row.rule), "got %v", err)
			// The reader refuses too whatever does not need the issuer.
			if _, err := policy.ParseCRL(policytest.Sign(t, h.IssuingOCA.Key, bad)); err == nil {
				require.Contains(t, []string{"crl-issuer", "crl-authority-key-identifier"}, row.rule)
			}
		})
	}
	for _, r := range policy.Rules() {
		require.True(t, r.Scope != policy.ScopeList || covered[r.Name], "rule %q has no row", r.Name)
	}
	require.True(t, asViolations(t, policy.LintTBSCRL(good, nil)).Has("crl-issuer"))
	require.True(t, asViolations(t, policy.LintTBSCRL(append(append([]byte{}, good...), 0), h.IssuingOCA.Certificate)).Has("der"))

	whole := parseTLV(t, policytest.Sign(t, h.IssuingOCA.Key, good))
	whole.at(2).content = []byte{0, 0x30, 7, 2, 2, 0, 1, 2, 1, 1}
	_, err := policy.ParseCRL(whole.encode())
	require.True(t, asViolations(t, err).Has("crl-signature-value"))
}

// A list built from any entries reads back as the same entries, sorted.
func TestBuiltListsPass(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		want := map[policy.Serial]policy.CRLEntry{}
		var entries []policy.CRLEntry
		for range rapid.IntRange(0, 20).Draw(rt, "entries") {
			var e policy.CRLEntry
			copy(e.Serial[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "serial"))
			e.Serial[0], e.Serial[15] = e.Serial[0]&0x7f, e.Serial[15]|1
			e.At = at.Add(-time.Duration(rapid.IntRange(0, 1<<30).Draw(rt, "ago")) * time.Second)
			e.Reason = rapid.SampledFrom([]policy.Reason{0, 1, 2, 3, 4, 5, 9}).Draw(rt, "reason")
			if _, ok := want[e.Serial]; !ok {
				want[e.Serial] = e
				entries = append(entries, e)
			}
		}
		number := rapid.Int64Range(1, 1<<62).Draw(rt, "number")
		tbs, err := policy.TBSCRL(policy.CRLTemplate{Issuer: h.IssuingOCA.Certificate, Number: number, ThisUpdate: at, NextUpdate: at.Add(time.Hour), Entries: entries})
		require.NoError(rt, err)
		require.NoError(rt, policy.LintTBSCRL(tbs, h.IssuingOCA.Certificate))
		c, err := policy.ParseCRL(policytest.Sign(t, h.IssuingOCA.Key, tbs))
		require.NoError(rt, err)
		require.Equal(rt, number, c.Number)
		require.Len(rt, c.Entries, len(want))
		for _, e := range c.Entries {
			require.Equal(rt, want[e.Serial], e)
		}
	})
}

func TestParseCRLErrorsAreViolations(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{nil, {0x30}, {0x30, 0}, {0x30, 2, 5, 0}, make([]byte, 100)} {
		_, err := policy.ParseCRL(b)
		var v *policy.Violation
		require.True(t, errors.As(err, &v))
		require.NotContains(t, err.Error(), "\n")
	}
}
