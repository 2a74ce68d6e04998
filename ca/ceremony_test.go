package ca_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// ceremony is what a ceremony that made the world's authorities, and a Recovery
// certificate, would have to tell.
func (w *world) ceremony(t *testing.T) []ca.CeremonyIntent {
	h := w.hierarchy
	recovery, _ := h.Organisation(t, policy.RoleRecovery, entity(1), policy.UsageDigitalSignature)
	arl := h.CRL(t, h.RootOCA, 1, policytest.Began)
	of := func(c *policy.Certificate, profile policy.ProfileName, label string) ca.CeremonyIntent {
		return ca.CeremonyIntent{TBS: c.RawTBS, Signature: c.Signature, Profile: profile, KeyLabel: label}
	}
	return []ca.CeremonyIntent{
		of(h.RootOCA.Certificate, policy.ProfileRootOCA, "root-oca-1"),
		of(h.IssuingOCA.Certificate, policy.ProfileIssuingOCA, "root-oca-1"),
		of(h.RootDCA.Certificate, policy.ProfileRootDCA, "root-dca-1"),
		of(h.IssuingDCA.Certificate, policy.ProfileIssuingDCA, "root-dca-1"),
		of(recovery, policy.ProfileOrganisation, "issuing-oca-1"),
		{TBS: arl.RawTBS, Signature: arl.Signature, KeyLabel: "root-oca-1"},
	}
}

func TestImportCeremony(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := w.ceremony(t)
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), signed))
	require.Equal(t, states{recorded: 6}, w.accounts(t))

	root, err := w.issuer.BySerial(t.Context(), w.hierarchy.RootOCA.Certificate.Serial)
	require.NoError(t, err)
	require.Equal(t, w.hierarchy.RootOCA.Certificate.Raw, root.DER)
	require.Equal(t, policy.ProfileRootOCA, root.Profile)
	require.Nil(t, root.Entity)
	recovery, err := w.issuer.ByEntity(t.Context(), entity(1))
	require.NoError(t, err)
	require.Len(t, recovery, 1)
	require.Equal(t, policy.RoleRecovery, *recovery[0].Role)

	require.NoError(t, w.issuer.ImportCeremony(t.Context(), signed), "again changes nothing")
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), signed[4:]), "nor does a part, whose issuers are in the ledger")
	require.Equal(t, states{recorded: 6}, w.accounts(t))

	report, err := w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Settled, "what a ceremony signed is settled")

	// A CA key may not be certified for somebody else.
	_, err = w.issuer.Issue(t.Context(), ca.Request{DER: policytest.DeviceRequest(t, w.hierarchy.RootOCA.Key, entity(3), policy.UsageDigitalSignature)})
	require.ErrorContains(t, err, "key-reuse")
}

func TestImportCeremonyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := policytest.NewHierarchy(t)
	drill := policytest.NewHierarchyIn(t, "dcc-test", policytest.Began)
	for name, row := range map[string]struct {
		change func([]ca.CeremonyIntent) []ca.CeremonyIntent
		says   string
	}{
		"a signature that does not verify": {func(s []ca.CeremonyIntent) []ca.CeremonyIntent {
			s[1].Signature = s[0].Signature
			return s
		}, "signature 1 by \"root-oca-1\" is not of the authority it names"},
		"an issuing certificate of another hierarchy": {func(s []ca.CeremonyIntent) []ca.CeremonyIntent {
			c := stranger.IssuingOCA.Certificate
			return append(s, ca.CeremonyIntent{TBS: c.RawTBS, Signature: c.Signature, Profile: policy.ProfileIssuingOCA, KeyLabel: "root-oca-1"})
		}, "is not of the authority"},
		"certificates of another environment": {func([]ca.CeremonyIntent) []ca.CeremonyIntent {
			c := drill.RootOCA.Certificate
			return []ca.CeremonyIntent{{TBS: c.RawTBS, Signature: c.Signature, Profile: policy.ProfileRootOCA, KeyLabel: "root-oca-1"}}
		}, "does not fit environment \"exercise\""},
		"bytes that are no certificate": {func(s []ca.CeremonyIntent) []ca.CeremonyIntent {
			s[2].TBS = []byte("root")
			return s
		}, "signature 2 by \"root-dca-1\""},
		"no signature": {func(s []ca.CeremonyIntent) []ca.CeremonyIntent {
			s[3].Signature = nil
			return s
		}, "signature 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			err := w.issuer.ImportCeremony(t.Context(), row.change(w.ceremony(t)))
			require.ErrorContains(t, err, "importing ceremony: ")
			require.ErrorContains(t, err, row.says)
			require.Empty(t, w.accounts(t), "nothing of it was taken over")
		})
	}

	// Another certificate with a serial number that is there already.
	require.NoError(t, w.issuer.ImportCeremony(t.Context(), w.ceremony(t)))
	h := w.hierarchy
	twin := h.Issue(t, policy.ProfileIssuingOCA, &h.RootOCA, policytest.NewKey(t), policy.CertificateTemplate{CN: "X2", Serial: h.IssuingOCA.Certificate.Serial})
	err := w.issuer.ImportCeremony(t.Context(), []ca.CeremonyIntent{{TBS: twin.RawTBS, Signature: twin.Signature, Profile: policy.ProfileIssuingOCA, KeyLabel: "root-oca-1"}})
	require.ErrorIs(t, err, ca.ErrConflict)
}
