package scope_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/scope"
	"smki.example/policy"
)

func TestCells(t *testing.T) {
	t.Parallel()
	cells := scope.DefaultCells()
	require.False(t, cells.Verified, "nobody has held the table against the text that binds")
	for _, row := range []struct {
		says  string
		role  policy.RemotePartyRole
		usage policy.KeyUsage
		want  []string
	}{
		{"a supplier signs", policy.RoleSupplier, policy.UsageDigitalSignature, []string{"electricity meter: supplier digitalSignature management", "gas proxy: supplier digitalSignature management"}},
		{"a supplier's agreement key is in two cells of a meter", policy.RoleSupplier, policy.UsageKeyAgreement,
			[]string{"electricity meter: supplier keyAgreement management", "electricity meter: supplier keyAgreement prePaymentTopUp", "gas proxy: supplier keyAgreement management"}},
		{"the recovery key has one cell", policy.RoleRecovery, policy.UsageDigitalSignature, []string{"electricity meter: recovery digitalSignature management"}},
		{"the root signs lists too, and stands in its cell all the same", policy.RoleRoot, policy.UsageCertSign | policy.UsageCRLSign, []string{"electricity meter: root keyCertSign management"}},
		{"an issuing authority is in no cell", policy.RoleIssuingAuthority, policy.UsageCertSign | policy.UsageCRLSign, nil},
		{"others are in no cell", policy.RoleOther, policy.UsageDigitalSignature, nil},
	} {
		var got []string
		for _, cell := range cells.For(row.role, row.usage) {
			got = append(got, cell.String())
		}
		require.Equal(t, row.want, got, row.says)
	}
	// Before handover an Access Control Broker's certificates stand in for others'.
	require.Greater(t, len(cells.For(policy.RoleAccessControlBroker, policy.UsageDigitalSignature)), 1)
}

func TestCellsAreReadStrictly(t *testing.T) {
	t.Parallel()
	const good = `{"version":1,"source":"s","verified":true,"cells":[{"device":"d","role":"supplier","usage":"keyAgreement","cell":"management","holds":["supplier"],"authorises":"a"}]}`
	_, err := scope.ParseCells("c.json", []byte(good))
	require.NoError(t, err)
	for _, row := range []struct{ old, new, want string }{
		{`"version":1`, `"version":0`, "version, source and cells are needed"},
		{`"source":"s",`, ``, "version, source and cells are needed"},
		{`"verified"`, `"verifed"`, "unknown field"},
		{`"supplier","usage"`, `"suplier","usage"`, "suplier"},
		{`"management"`, `"manager"`, "cell 1"},
		{`["supplier"]`, `[]`, "cell 1"},
	} {
		_, err := scope.ParseCells("c.json", []byte(strings.Replace(good, row.old, row.new, 1)))
		require.ErrorContains(t, err, row.want)
	}
}
