package auditor_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/auditor"
	"smki.example/ca/iki"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// The IKI authority has tables of its own, which are compared like the others.
func TestIKI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	key := policytest.NewKey(t)
	authority, err := iki.Found(t.Context(), iki.Config{Issuer: w.issuer, Generation: 1, Signer: func(context.Context) crypto.Signer { return messages{key} }}, "EXERCISE SMKI")
	require.NoError(t, err)
	issue := func(cn string) policy.Serial {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject:            pkix.Name{Organization: []string{"Exercise Supplier A"}, OrganizationalUnit: []string{"02"}, CommonName: cn},
			SignatureAlgorithm: x509.SHA256WithRSA,
			ExtraExtensions:    []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}}},
		}, key)
		require.NoError(t, err)
		c, err := authority.IssueFor(t.Context(), iki.Order{DER: der, Requester: "supplier", Interface: iki.AdHoc})
		require.NoError(t, err)
		return c.Serial
	}
	revoked, inUse := issue("one"), issue("two")
	_, err = iki.Revoke(t.Context(), w.issuer, iki.Withdrawal{Serial: revoked, Reason: policy.ReasonKeyCompromise, By: "operator"})
	require.NoError(t, err)
	_, err = authority.PublishCRL(t.Context())
	require.NoError(t, err)
	w.more = map[string][]byte{"iki-1": authority.Certificate()}
	report, err := auditor.Audit(t.Context(), w.config())
	require.NoError(t, err)
	require.Equal(t, int64(7), report.Certificates)
	require.Equal(t, int64(1), report.Revocations)
	require.Equal(t, int64(1), report.Lists)

	for _, row := range []struct {
		name string
		do   func(tamperer)
		want string
	}{
		{"a certificate opens another interface", func(x tamperer) {
			x.hit(`UPDATE iki_certificate SET interface = 'console' WHERE serial = $1`, inUse[:])
		}, "certificate " + inUse.String() + ": its interface is console in the ledger, ad-hoc in the log"},
		{"a certificate has another name", func(x tamperer) { x.hit(`UPDATE iki_certificate SET cn = 'three' WHERE serial = $1`, inUse[:]) }, "its name in the ledger is not that of its bytes"},
		{"a certificate is another organisation's", func(x tamperer) {
			x.hit(`UPDATE iki_certificate SET organisation = 'B' WHERE serial = $1`, inUse[:])
		}, "its organisation in the ledger"},
		{"a certificate has another role", func(x tamperer) { x.hit(`UPDATE iki_certificate SET role = 3 WHERE serial = $1`, inUse[:]) }, "its role in the ledger"},
		{"a certificate is deleted", func(x tamperer) { x.hit(`DELETE FROM iki_certificate WHERE serial = $1`, inUse[:]) }, "certificate " + inUse.String() + ": it is in the log and not in the ledger"},
		{"a certificate has another's bytes", func(x tamperer) {
			x.hit(`UPDATE iki_certificate SET der = $1 WHERE serial = $2`, x.octets(`SELECT der FROM iki_certificate WHERE serial = $1`, revoked[:]), inUse[:])
		}, "the bytes in the ledger are not those whose SHA-256 is in the log"},
		{"a revoked certificate is put in use again", func(x tamperer) { x.hit(`UPDATE iki_certificate SET status = 'I'`) }, "IKI certificate " + revoked.String() + ": its status is in use in the ledger, a revocation in the log"},
		{"a revocation is deleted", func(x tamperer) { x.hit(`DELETE FROM iki_revocation`) }, "certificate " + revoked.String() + ": its revocation is in the log and not in the ledger"},
		{"a revocation has another reason", func(x tamperer) { x.hit(`UPDATE iki_revocation SET reason = 4`) }, "its reason is superseded in the ledger, keyCompromise in the log"},
		{"a revocation is invented", func(x tamperer) {
			x.copyRow("iki_revocation", "serial = $2", []string{"serial", "issuer", "reason", "revoked_at", "revoked_by", "recorded_at"}, map[string]string{"serial": "$1"}, inUse[:], revoked[:])
		}, "certificate " + inUse.String() + ": it is revoked in the ledger, no revocation in the log"},
		{"a list is deleted", func(x tamperer) { x.hit(`DELETE FROM iki_crl`) }, "list 1 of iki-1: it is in the log and not in the ledger"},
		{"a list has other bytes", func(x tamperer) { x.hit(`UPDATE iki_crl SET der = $1`, []byte{0x30, 0}) }, "list 1 of iki-1: the bytes in the ledger"},
		{"a list is invented", func(x tamperer) {
			x.copyRow("iki_crl", "number = 1", crlColumns, map[string]string{"number": "2"})
		}, "list 2 of iki-1: it is in the ledger and not in the log"},
		{"an intent's bytes are overwritten", func(x tamperer) {
			x.hit(`UPDATE intent SET tbs = $1 WHERE serial = $2`, []byte{0x30, 0}, inUse[:])
		}, "(certificate " + inUse.String() + " of iki-1): the bytes to be signed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := w.tampered(t, row.do)
			require.ErrorIs(t, err, auditor.ErrDiffers)
			require.ErrorContains(t, err, row.want)
		})
	}
	second := policytest.NewKey(t)
	other, err := iki.Found(t.Context(), iki.Config{Issuer: w.issuer, Generation: 2, Signer: func(context.Context) crypto.Signer { return messages{second} }}, "EXERCISE SMKI")
	require.NoError(t, err)
	w.more["iki-1"] = other.Certificate()
	_, err = auditor.Audit(t.Context(), w.config())
	require.ErrorIs(t, err, auditor.ErrDiffers)
	require.ErrorContains(t, err, "its signature is not that of iki-1")
}
