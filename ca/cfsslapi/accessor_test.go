package cfsslapi_test

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/cloudflare/cfssl/certdb"
	cferr "github.com/cloudflare/cfssl/errors"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/cfsslapi"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func code(t testing.TB, err error) int {
	t.Helper()
	var e *cferr.Error
	require.True(t, errors.As(err, &e), "%v", err)
	return e.ErrorCode
}

func TestAccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	a := w.face(t, nil).Accessor(t.Context(), "operator")
	meter := w.issue(t, "meter maker", deviceDER(t, policytest.NewKey(t), 1))
	supplier := w.issue(t, "supplier", policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(2), policy.UsageDigitalSignature))
	serial, aki := decimal(supplier.Serial), keyID(w.hierarchy.IssuingOCA.Certificate.SubjectKeyID)

	records, err := a.GetCertificate(serial, aki)
	require.NoError(t, err)
	require.Len(t, records, 1)
	r := records[0]
	require.Equal(t, supplier.DER, parse(t, []byte(r.PEM)).Raw)
	require.Equal(t, certdb.CertificateRecord{Serial: serial, AKI: aki, CALabel: "issuing-oca-1", Status: "good", Expiry: supplier.NotAfter,
		PEM: r.PEM, IssuedAt: &supplier.RecordedAt, NotBefore: &supplier.NotBefore, MetadataJSON: r.MetadataJSON, SANsJSON: r.SANsJSON}, r)
	meta, err := r.GetMetadata()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"profile": "organisation", "entity": entity(2).String()}, meta)

	// Another authority's certificate of that number is none.
	other := keyID(w.hierarchy.IssuingDCA.Certificate.SubjectKeyID)
	records, err = a.GetCertificate(serial, other)
	require.NoError(t, err)
	require.Empty(t, records)
	require.Equal(t, 11200, code(t, a.RevokeCertificate(serial, other, 1)))
	require.Equal(t, 11200, code(t, a.RevokeCertificate(serial, "", 1)))
	records, err = a.GetCertificate("12345", aki)
	require.NoError(t, err)
	require.Empty(t, records)

	// The first revocation stands.
	require.NoError(t, a.RevokeCertificate(serial, aki, int(policy.ReasonSuperseded)))
	w.set(noon.Add(time.Hour))
	require.NoError(t, a.RevokeCertificate(serial, aki, int(policy.ReasonKeyCompromise)))
	records, err = a.GetCertificate(serial, aki)
	require.NoError(t, err)
	require.Equal(t, "revoked", records[0].Status)
	require.Equal(t, int(policy.ReasonSuperseded), records[0].Reason)
	require.Equal(t, noon, records[0].RevokedAt)
	v, err := w.register.Find(t.Context(), supplier.Serial)
	require.NoError(t, err)
	require.Equal(t, "operator", v.By)

	// Suspension, what is no reason, and a number that would wrap round to one.
	for _, reason := range []int{6, 7, 8, 10, 11, -1, 256, 257, 1 << 40} {
		require.Equal(t, 5300, code(t, a.RevokeCertificate(decimal(meter.Serial), other, reason)), "%d", reason)
	}
	_, err = w.register.Find(t.Context(), meter.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound)

	// A root cannot be revoked.
	root := w.hierarchy.RootOCA.Certificate
	require.ErrorContains(t, a.RevokeCertificate(decimal(root.Serial), "", 1), "refused: root: ")
}

func TestAccessorLists(t *testing.T) {
	t.Parallel()
	for environment, listed := range map[string]ca.Status{"exercise": ca.StatusRevoked, "drill": ca.StatusNotInUse} {
		t.Run(environment, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, environment)
			a := w.face(t, nil).Accessor(t.Context(), "operator")
			one := w.issue(t, "meter maker", deviceDER(t, policytest.NewKey(t), 1))
			two := w.issue(t, "meter maker", deviceDER(t, policytest.NewKey(t), 2))
			supplier := w.issue(t, "supplier", policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(3), policy.UsageDigitalSignature))
			dca, oca := keyID(w.hierarchy.IssuingDCA.Certificate.SubjectKeyID), keyID(w.hierarchy.IssuingOCA.Certificate.SubjectKeyID)
			require.NoError(t, a.RevokeCertificate(decimal(two.Serial), dca, 1))
			require.NoError(t, a.RevokeCertificate(decimal(supplier.Serial), oca, 5))
			again, err := w.issuer.BySerial(t.Context(), two.Serial)
			require.NoError(t, err)
			require.Equal(t, listed, again.Status)

			all, err := a.GetUnexpiredCertificates()
			require.NoError(t, err)
			require.Len(t, all, 7, "with the four authorities")
			require.Equal(t, []string{decimal(one.Serial), decimal(two.Serial), decimal(supplier.Serial)}, []string{all[4].Serial, all[5].Serial, all[6].Serial})

			some, err := a.GetUnexpiredCertificatesByLabel([]string{"issuing-dca", "issuing-dca-1"})
			require.NoError(t, err)
			require.Equal(t, all[4:6], some, "each once")
			none, err := a.GetUnexpiredCertificatesByLabel(nil)
			require.NoError(t, err)
			require.Empty(t, none)

			revoked, err := a.GetRevokedAndUnexpiredCertificates()
			require.NoError(t, err)
			require.Equal(t, all[5:], revoked)
			require.Equal(t, "revoked", revoked[0].Status)
			require.Equal(t, 1, revoked[0].Reason)
			byLabel, err := a.GetRevokedAndUnexpiredCertificatesByLabel("issuing-dca-1")
			require.NoError(t, err)
			require.Equal(t, all[5:6], byLabel)
			short, err := a.GetRevokedAndUnexpiredCertificatesByLabelSelectColumns("issuing-dca-1")
			require.NoError(t, err)
			require.Equal(t, []certdb.CertificateRecord{{Serial: decimal(two.Serial), RevokedAt: noon}}, short)

			w.set(supplier.NotAfter)
			revoked, err = a.GetRevokedAndUnexpiredCertificates()
			require.NoError(t, err)
			require.Len(t, revoked, 1, "the supplier's has expired")
		})
	}
}

// What cfssl would write into its own database is refused, and says where it is.
func TestAccessorRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	a := w.face(t, nil).Accessor(t.Context(), "operator")
	before, err := a.GetUnexpiredCertificates()
	require.NoError(t, err)
	require.Equal(t, 11100, code(t, a.InsertCertificate(before[0])))
	_, ocsp := a.GetOCSP("1", "")
	_, ocsps := a.GetUnexpiredOCSPs()
	for _, err := range []error{ocsp, ocsps, a.InsertOCSP(certdb.OCSPRecord{}), a.UpdateOCSP("1", "", "", noon), a.UpsertOCSP("1", "", "", noon)} {
		require.Equal(t, 8000, code(t, err))
		require.ErrorContains(t, err, "SMKI has no OCSP")
	}
	require.NoError(t, w.store.Close())
	_, err = a.GetUnexpiredCertificates()
	require.ErrorContains(t, err, "the CA is unavailable")
	require.ErrorContains(t, a.RevokeCertificate("7", "", 1), "the CA is unavailable")
	_, err = a.GetCertificate("7", "")
	require.ErrorContains(t, err, "the CA is unavailable")
}

// A serial number that is written in decimal is read back as it was, and nothing
// else is read.
func TestSerials(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s policy.Serial
		copy(s[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "serial"))
		s[15] |= 1
		back, err := cfsslapi.ParseSerial(decimal(s))
		require.NoError(t, err)
		require.Equal(t, s, back)
		text := rapid.StringMatching(`[0-9a-f+\-_ ]{0,40}`).Draw(t, "text")
		if back, err := cfsslapi.ParseSerial(text); err == nil {
			require.Equal(t, text, decimal(back))
		}
	})
	over := new(big.Int).Lsh(big.NewInt(1), 128).String()
	for _, text := range []string{"", "0", "01", "-1", "+1", "1_0", " 1", "0x1", "AF", over, over + "0"} {
		_, err := cfsslapi.ParseSerial(text)
		require.Error(t, err, text)
	}
}
