package policy_test

import (
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// resign changes a certificate and signs it again, so that only the change is
// wrong with it.
func resign(t *testing.T, c *policy.Certificate, by policytest.Authority, change func(*tlv)) *policy.Certificate {
	t.Helper()
	tbs := parseTLV(t, c.RawTBS)
	change(tbs)
	out, _, err := policy.ReadCertificate(policytest.Sign(t, by.Key, tbs.encode()))
	require.NoError(t, err)
	return out
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	h, foreign := policytest.NewHierarchy(t), policytest.NewHierarchy(t)
	leaf, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	device, _ := h.Device(t, supplierID, policy.UsageDigitalSignature)
	stranger, _ := foreign.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	issuing := h.IssuingOCA.Certificate
	now := policytest.Began.AddDate(1, 0, 0)
	policies := leaf.Policies

	// An issuer of the right name and key that is not an authority.
	demoted := resign(t, issuing, h.RootOCA, func(n *tlv) { n.at(7, 0).remove(indexOf(t, n.at(7, 0), 19)) })
	noSign := resign(t, issuing, h.RootOCA, func(n *tlv) { extensionOf(t, n.at(7, 0), 15).value().content = policy.UsageCRLSign.DER() })
	short := resign(t, issuing, h.RootOCA, func(n *tlv) { n.at(4).children[1] = prim(0x17, []byte("260601000000Z")...) })
	otherPolicy := resign(t, issuing, h.RootOCA, func(n *tlv) { v := extensionOf(t, n.at(7, 0), 32).value(); v.content[len(v.content)-1]++ })
	forged := resign(t, issuing, foreign.RootOCA, func(*tlv) {})
	critical := resign(t, leaf, h.IssuingOCA, func(n *tlv) {
		n.at(7, 0).insert(0, extensionTLV(54, true, 2, 1, 0))
	})
	harmless := resign(t, leaf, h.IssuingOCA, func(n *tlv) { n.at(7, 0).insert(0, extensionTLV(54, false, 2, 1, 0)) })
	noAuthority := resign(t, leaf, h.IssuingOCA, func(n *tlv) { n.at(7, 0).remove(indexOf(t, n.at(7, 0), 35)) })
	tampered, _, err := policy.ReadCertificate(append(append([]byte{}, leaf.Raw[:len(leaf.Raw)-1]...), leaf.Raw[len(leaf.Raw)-1]^1))
	require.NoError(t, err)
	null := parseTLV(t, leaf.Raw)
	null.at(1).insert(1, prim(5))
	parameters, _, err := policy.ReadCertificate(null.encode())
	require.NoError(t, err)
	// A second level of issuing authorities, which pathLen 0 forbids.
	deepKey := policytest.Authority{Key: policytest.NewKey(t)}
	deepKey.Certificate = resign(t, issuing, h.IssuingOCA, func(n *tlv) {
		id := policy.KeyIDOf(&deepKey.Key.PublicKey)
		point, err := deepKey.Key.PublicKey.Bytes()
		require.NoError(t, err)
		n.at(3).children, n.at(5).children = n.at(5).children, parseTLV(t, issuing.RawSubject).children
		n.at(5, 1, 0, 1).content = []byte("X2")
		n.at(6, 1).content = append([]byte{0}, point...)
		copy(extensionOf(t, n.at(7, 0), 14).value().content[2:], id[:])
		copy(extensionOf(t, n.at(7, 0), 35).value().content[4:], issuing.SubjectKeyID[:])
	})
	deepLeaf := resign(t, leaf, deepKey, func(n *tlv) {
		n.at(3, 1, 0, 1).content = []byte("X2")
		id := policy.KeyIDOf(&deepKey.Key.PublicKey)
		copy(extensionOf(t, n.at(7, 0), 35).value().content[4:], id[:])
	})

	for _, row := range []struct {
		name   string
		leaf   *policy.Certificate
		path   []*policy.Certificate
		anchor policy.TrustAnchor
		o      policy.PathOptions
		want   error
		says   string
	}{
		{"an organisation to the root", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now, Policies: policies}, nil, ""},
		{"a device to its root", device, []*policy.Certificate{h.IssuingDCA.Certificate}, h.DeviceAnchor(), policy.PathOptions{Now: now}, nil, ""},
		{"the issuing authority as anchor", leaf, nil, policy.AnchorOf(issuing), policy.PathOptions{Now: now}, nil, ""},
		{"an anchor without a name", leaf, []*policy.Certificate{issuing}, policy.TrustAnchor{PublicKey: h.RootOCA.Certificate.PublicKey, KeyID: h.RootOCA.Certificate.SubjectKeyID}, policy.PathOptions{Now: now}, nil, ""},
		{"the root itself", h.RootOCA.Certificate, nil, h.Anchor(), policy.PathOptions{Now: now}, nil, ""},
		{"certificates that are not needed", leaf, []*policy.Certificate{nil, stranger, issuing, device}, h.Anchor(), policy.PathOptions{Now: now}, nil, ""},
		{"one policy of several acceptable", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now, Policies: []asn1.ObjectIdentifier{{1, 2, 3}, policies[0]}}, nil, ""},
		{"anyPolicy acceptable", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now, Policies: []asn1.ObjectIdentifier{{2, 5, 29, 32, 0}}}, nil, ""},
		{"an unknown extension that is not critical", harmless, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, nil, ""},
		{"an expired certificate, time disapplied", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now.AddDate(30, 0, 0), IgnoreTime: true}, nil, ""},

		{"nothing on the path", leaf, nil, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "neither on the path nor the anchor"},
		{"another hierarchy of the same names", stranger, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "neither on the path nor the anchor"},
		{"another root", leaf, []*policy.Certificate{issuing}, foreign.Anchor(), policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "neither on the path nor the anchor"},
		{"a foreign root itself", foreign.RootOCA.Certificate, nil, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "it is a root"},
		{"an anchor without a key", leaf, []*policy.Certificate{issuing}, policy.TrustAnchor{}, policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "anchor has no key"},
		{"an anchor with another identifier", leaf, []*policy.Certificate{issuing}, policy.TrustAnchor{PublicKey: issuing.PublicKey, KeyID: h.RootOCA.Certificate.SubjectKeyID}, policy.PathOptions{Now: now}, policy.ErrNoTrustAnchor, "anchor has no key"},
		{"no certificate", nil, nil, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "want a certificate"},
		{"a signature of another key", leaf, []*policy.Certificate{forged}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "not made by this key"},
		{"a changed certificate", tampered, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "signature"},
		{"algorithm parameters", parameters, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "without parameters"},
		{"before its time", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: policytest.Began.Add(-time.Second)}, policy.ErrBadCertificate, "it is valid from"},
		{"after its time", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: leaf.NotAfter.Add(time.Second)}, policy.ErrBadCertificate, "it is valid from"},
		{"an expired issuer", leaf, []*policy.Certificate{short}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "it is valid from"},
		{"a policy that is not acceptable", leaf, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now, Policies: []asn1.ObjectIdentifier{{1, 2, 3}}}, policy.ErrBadCertificate, "not acceptable"},
		{"an issuer under another policy", leaf, []*policy.Certificate{otherPolicy}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "not acceptable"},
		{"an issuer that is no authority", leaf, []*policy.Certificate{demoted}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "not an authority"},
		{"an issuer without keyCertSign", leaf, []*policy.Certificate{noSign}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "not an authority"},
		{"an authority below pathLen 0", deepLeaf, []*policy.Certificate{deepKey.Certificate, issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "pathLen"},
		{"an unknown critical extension", critical, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "critical extension"},
		{"no authorityKeyIdentifier", noAuthority, []*policy.Certificate{issuing}, h.Anchor(), policy.PathOptions{Now: now}, policy.ErrBadCertificate, "not a root"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := policy.CheckPath(row.leaf, row.path, row.anchor, row.o)
			if row.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, row.want)
			require.ErrorContains(t, err, row.says)
			other := policy.ErrBadCertificate
			if row.want == other {
				other = policy.ErrNoTrustAnchor
			}
			require.NotErrorIs(t, err, other)
		})
	}
}

// Two authorities that certified each other must not keep the check busy.
func TestCheckPathInACircle(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	a, b := h.IssuingOCA, h.RootOCA
	turned := func(c, issuer policytest.Authority) *policy.Certificate {
		return resign(t, a.Certificate, issuer, func(n *tlv) {
			point, err := c.Key.PublicKey.Bytes()
			require.NoError(t, err)
			n.children[3], n.children[5] = parseTLV(t, issuer.Certificate.RawSubject), parseTLV(t, c.Certificate.RawSubject)
			n.at(6, 1).content = append([]byte{0}, point...)
			copy(extensionOf(t, n.at(7, 0), 14).value().content[2:], c.Certificate.SubjectKeyID[:])
			copy(extensionOf(t, n.at(7, 0), 35).value().content[4:], issuer.Certificate.SubjectKeyID[:])
			e := extensionOf(t, n.at(7, 0), 19).value()
			e.content = []byte{0x30, 3, 1, 1, 0xff}
		})
	}
	other := policytest.NewHierarchy(t)
	path := []*policy.Certificate{turned(a, b), turned(b, a)}
	leaf, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	err := policy.CheckPath(leaf, path, other.Anchor(), policy.PathOptions{IgnoreTime: true})
	require.ErrorIs(t, err, policy.ErrNoTrustAnchor)
	require.ErrorContains(t, err, "circle")
}

// An authority that was renewed in place is there twice, with one name and one
// key. Whichever comes first, the one that may be used is found.
func TestCheckPathThroughARenewedAuthority(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	leaf, _ := h.Organisation(t, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature)
	current := h.IssuingOCA.Certificate
	expired := resign(t, current, h.RootOCA, func(n *tlv) { n.at(4).children[1] = prim(0x17, []byte("260601000000Z")...) })
	anchor, o := policy.AnchorOf(h.RootOCA.Certificate), policy.PathOptions{Now: policytest.Began.AddDate(1, 0, 0)}
	require.NoError(t, policy.CheckPath(leaf, []*policy.Certificate{current, expired}, anchor, o))
	require.NoError(t, policy.CheckPath(leaf, []*policy.Certificate{expired, current}, anchor, o))
	require.ErrorIs(t, policy.CheckPath(leaf, []*policy.Certificate{expired, expired}, anchor, o), policy.ErrBadCertificate)

	// Many that look alike and none that may be used: the search ends.
	many := make([]*policy.Certificate, 500)
	for i := range many {
		copied := *expired
		many[i] = &copied
	}
	require.ErrorIs(t, policy.CheckPath(leaf, many, anchor, o), policy.ErrBadCertificate)
}
