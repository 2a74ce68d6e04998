package fleet_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// vectorTime is a moment at which the certificates of the public test messages
// were valid, which they no longer are.
var vectorTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// vectors reads the public test messages, which are not part of the project.
type vectors struct {
	t   *testing.T
	dir string
}

func openVectors(t *testing.T) vectors { return vectors{t, policytest.Vectors(t)} }

func (v vectors) message(name string) []byte {
	b, err := os.ReadFile(filepath.Join(v.dir, "rtds", name+"_GBCS.HEX"))
	require.NoError(v.t, err)
	octets, err := hex.DecodeString(strings.TrimSpace(string(b)))
	require.NoError(v.t, err)
	return octets
}

func (v vectors) pem(name string) []byte {
	b, err := os.ReadFile(filepath.Join(v.dir, "certs", name+".pem"))
	require.NoError(v.t, err)
	block, _ := pem.Decode(b)
	require.NotNil(v.t, block, name)
	return block.Bytes
}

func (v vectors) certificate(name string) *policy.Certificate {
	c, err := policy.ParseCertificate(v.pem(name))
	require.NoError(v.t, err, name)
	return c
}

// device returns a device as the public messages find it: its cells hold the
// first set of certificates but for those named, and its root is a bare key.
func (v vectors) device(instead map[gbcs.TrustAnchorCell]string) *fleet.Device {
	names := map[gbcs.TrustAnchorCell]string{
		fleet.CellRecovery:           "90b3d51f30000001-Z1-recovery-ds",
		fleet.CellSupplierSigning:    "90b3d51f30010000-Z1-supplier-ds",
		fleet.CellSupplierAgreement:  "90b3d51f30010000-Z1-supplier-ka",
		fleet.CellSupplierPrepayment: "90b3d51f30010000-Z1-supplierPP-ka",
		fleet.CellOperatorSigning:    "90b3d51f30020000-Z1-networkOperator-ds",
		fleet.CellOperatorAgreement:  "90b3d51f30020000-Z1-networkOperator-ka",
		fleet.CellBrokerAgreement:    "90b3d51f30000002-Z1-accessControlBroker-ka",
		fleet.CellTransitionalCoS:    "90b3d51f30000004-Z1-transitionalCoS-ds",
	}
	for cell, name := range instead {
		names[cell] = name
	}
	root, err := x509.ParsePKIXPublicKey(v.pem("anchor-ZA-root.pub"))
	require.NoError(v.t, err)
	anchors := map[gbcs.TrustAnchorCell]fleet.Anchor{
		fleet.CellRoot: {PublicKey: root.(*ecdsa.PublicKey), KeyID: policy.KeyIDOf(root.(*ecdsa.PublicKey))},
	}
	for cell, name := range names {
		anchors[cell] = fleet.AnchorOf(v.certificate(name))
	}
	ds := v.certificate("device-00db1234567890a0-ds")
	f, err := fleet.New(fleet.Config{
		Devices:      1,
		FirstID:      ds.DeviceID,
		HardwareType: ds.HardwareType,
		Policies:     []asn1.ObjectIdentifier{{1, 2, 826, 0, 1, 8641679, 1, 2, 1, 4}},
		Anchors:      anchors,
		Counters:     map[policy.RemotePartyRole]gbcs.OriginatorCounter{policy.RoleNetworkOperator: 1},
	})
	require.NoError(v.t, err)
	d := f.Device(0)
	if _, replaced := instead[fleet.CellBrokerAgreement]; !replaced {
		d.InjectSecret(anchors[fleet.CellBrokerAgreement].PublicKey, v.brokerSecret())
	}
	return d
}

func (v vectors) brokerSecret() []byte {
	b, err := os.ReadFile(filepath.Join(v.dir, "rtds", "mac-intermediates.json"))
	require.NoError(v.t, err)
	var file struct {
		Secrets []struct {
			Z string `json:"z"`
		} `json:"ecdhSharedSecrets"`
	}
	require.NoError(v.t, json.Unmarshal(b, &file))
	z, err := hex.DecodeString(file.Secrets[0].Z)
	require.NoError(v.t, err)
	return z
}

// sameAnswer requires that an answer says what a published one says. Signatures
// differ, because the private key of the published device is not public, and
// the order of outcomes is not fixed.
func sameAnswer(t *testing.T, published, got []byte) {
	t.Helper()
	want, err := gbcs.Decode(published)
	require.NoError(t, err)
	have, err := gbcs.Decode(got)
	require.NoError(t, err)
	require.Equal(t, want.Header, have.Header)
	require.Equal(t, inOrder(want.Payload), inOrder(have.Payload))
	require.Equal(t, want.MAC, have.MAC)
	require.Len(t, have.Signature, len(want.Signature))
}

func inOrder(p gbcs.Payload) gbcs.Payload {
	sortCells := func(o *gbcs.UpdateOutcome) {
		slices.SortFunc(o.Cells, func(a, b gbcs.CellOutcome) int { return strings.Compare(a.Cell.String(), b.Cell.String()) })
	}
	switch p := p.(type) {
	case *gbcs.CommandResponse:
		if p.Outcome != nil {
			sortCells(p.Outcome)
		}
	case *gbcs.Alert:
		sortCells(&p.Outcome)
	}
	return p
}

func TestPublishedCommandsHaveThePublishedOutcome(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		command  string
		response string
		instead  map[gbcs.TrustAnchorCell]string
		effect   fleet.Effect
	}{
		{name: "supplier replaces its three certificates",
			command:  "CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_COMMAND",
			response: "CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_RESPONSE", effect: fleet.Executed},
		{name: "one certificate has an issuer that is not in the path",
			command:  "CS02bSupplierBySupplier_6.15.1_IMMEDIATE_ERROR_COMMAND",
			response: "CS02bSupplierBySupplier_6.15.1_IMMEDIATE_ERROR_RESPONSE", effect: fleet.PartlyExecuted},
		{name: "future dated is accepted only",
			command:  "CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_SUCCESS_COMMAND",
			response: "CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_SUCCESS_RESPONSE", effect: fleet.Kept},
		{name: "broker replaces its own, by MAC alone",
			command:  "CS02bACBByACB_8.5_SUCCESS_COMMAND",
			response: "CS02bACBByACB_8.5_SUCCESS_RESPONSE", effect: fleet.Executed},
		{name: "transitional change of supplier replaces its own",
			command:  "CS02bTransCoSByTransCoS_NA_SUCCESS_COMMAND",
			response: "CS02bTransCoSByTransCoS_NA_SUCCESS_RESPONSE", effect: fleet.Executed},
		{name: "broker reads supplier and network operator cells",
			command:  "CS02aMAC_6.24.1_SUCCESS_COMMAND",
			response: "CS02aMAC_6.24.1_SUCCESS_RESPONSE", effect: fleet.Executed},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			v := openVectors(t)
			d := v.device(row.instead)
			answer, check, err := d.Receive(vectorTime, v.message(row.command))
			require.NoError(t, err)
			require.Nil(t, check.Refusal, "refused: %v", check.Reason())
			require.Equal(t, row.effect, check.Effect, check.Reason())
			sameAnswer(t, v.message(row.response), answer)
		})
	}
}

func TestPublishedErrorNamesTheCell(t *testing.T) {
	t.Parallel()
	v := openVectors(t)
	_, check, err := v.device(nil).Receive(vectorTime, v.message("CS02bSupplierBySupplier_6.15.1_IMMEDIATE_ERROR_COMMAND"))
	require.NoError(t, err)
	for _, cell := range check.Cells {
		if cell.Cell == fleet.CellSupplierAgreement {
			require.Equal(t, gbcs.StatusNoTrustAnchor, cell.Status)
			require.Equal(t, fleet.StepPath, cell.Refusal.Step)
			require.Equal(t, cell.Before, cell.After, "a failed cell keeps what it has")
			continue
		}
		require.Equal(t, gbcs.StatusSuccess, cell.Status, cell.Cell)
	}
}

func TestPublishedFutureDatedCommandEndsInThePublishedAlert(t *testing.T) {
	t.Parallel()
	v := openVectors(t)
	d := v.device(nil)
	f := d.Fleet()
	_, check, err := d.Receive(vectorTime, v.message("CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_SUCCESS_COMMAND"))
	require.NoError(t, err)
	require.Equal(t, fleet.Kept, check.Effect)
	due, waits := f.Next()
	require.True(t, waits)
	require.Equal(t, time.Date(2030, 1, 15, 0, 0, 0, 0, time.UTC), due)

	// The certificates have expired by then and the command does not disapply
	// the dates, so a device with a clock that tells 2030 refuses every cell. The
	// published alert is of a device that was not asked to wait.
	happened, err := f.Advance(t.Context(), due)
	require.NoError(t, err)
	require.Len(t, happened, 1)
	require.True(t, happened[0].Check.IsAlert)
	require.Equal(t, []gbcs.AlertCode{gbcs.AlertFutureDatedNotActioned}, happened[0].Check.Alerts)
	for _, cell := range happened[0].Check.Cells {
		require.Equal(t, fleet.StepTime, cell.Refusal.Step)
	}
}

func TestPublishedRecoveryCommand(t *testing.T) {
	t.Parallel()
	v := openVectors(t)
	// The command puts the first set of certificates back, so the device starts
	// from the second, but for the recovery cell: its key made the signature.
	d := v.device(map[gbcs.TrustAnchorCell]string{
		fleet.CellSupplierSigning:    "90b3d51f30010000-Z1b-supplier-ds",
		fleet.CellSupplierAgreement:  "90b3d51f30010000-Z1b-supplier-ka",
		fleet.CellSupplierPrepayment: "90b3d51f30010000-Z1b-supplierPP-ka",
		fleet.CellBrokerAgreement:    "90b3d51f30000002-Z1b-accessControlBroker-ka",
		fleet.CellTransitionalCoS:    "90b3d51f30000004-Z1b-transitionalCoS-ds",
	})
	d.SetCounter(policy.RoleSupplier, 999_999)
	answer, check, err := d.Receive(vectorTime, v.message("CS02bAnyExceptAbnormalRootByRecovery_NA_SUCCESS_COMMAND"))
	require.NoError(t, err)
	require.Nil(t, check.Refusal, "refused: %v", check.Reason())
	require.Equal(t, fleet.Executed, check.Effect, check.Reason())
	require.Equal(t, fleet.Recovered, d.State())

	m, err := gbcs.Decode(answer)
	require.NoError(t, err)
	outcome := m.Payload.(*gbcs.CommandResponse).Outcome
	require.Len(t, outcome.Cells, 8)
	require.True(t, outcome.Succeeded())
	var roles []policy.RemotePartyRole
	for _, change := range outcome.Changes {
		roles = append(roles, change.Role)
		if change.Role != policy.RoleRecovery {
			require.Zero(t, change.Floor)
		}
	}
	require.Equal(t, []policy.RemotePartyRole{policy.RoleRecovery, policy.RoleSupplier, policy.RoleNetworkOperator,
		policy.RoleAccessControlBroker, policy.RoleTransitionalCoS}, roles)
	require.Zero(t, d.Counter(policy.RoleSupplier), "the floor takes the supplier's counter back")
	for cell, key := range map[gbcs.TrustAnchorCell]string{
		fleet.CellRecovery: "41facba956f83d87", fleet.CellSupplierSigning: "44899792d196f4b8",
		fleet.CellSupplierAgreement: "405b8c62687d8f70", fleet.CellSupplierPrepayment: "41fb49221588c570",
		fleet.CellOperatorSigning: "48cf97fa9f827fb5", fleet.CellOperatorAgreement: "4bc9d38d1cb49f2a",
		fleet.CellBrokerAgreement: "4a9ce02c39ab910b", fleet.CellTransitionalCoS: "4b38eb47561d93e8",
	} {
		anchor, ok := d.Cell(cell)
		require.True(t, ok)
		require.Equal(t, key, anchor.KeyID.String(), cell)
	}

	// The published command also sets its own role's floor to 0 and keeps its key.
	// Ours does not go back for that, so that the same octets are not new again.
	require.Equal(t, gbcs.OriginatorCounter(7000), d.Counter(policy.RoleRecovery))
	_, check, err = d.Receive(vectorTime, v.message("CS02bAnyExceptAbnormalRootByRecovery_NA_SUCCESS_COMMAND"))
	require.NoError(t, err)
	require.Equal(t, fleet.Refused, check.Effect)
}

func TestPublishedDeviceCertificateCommands(t *testing.T) {
	t.Parallel()
	t.Run("a new key pair ends in a request for it", func(t *testing.T) {
		t.Parallel()
		v := openVectors(t)
		d := v.device(nil)
		answer, check, err := d.Receive(vectorTime, v.message("CS02c_6.17_SUCCESS_COMMAND"))
		require.NoError(t, err)
		require.Equal(t, fleet.Executed, check.Effect, check.Reason())
		published, err := gbcs.Decode(v.message("CS02c_6.17_SUCCESS_RESPONSE"))
		require.NoError(t, err)
		m, err := gbcs.Decode(answer)
		require.NoError(t, err)
		require.Equal(t, published.Header, m.Header)
		want, err := x509.ParseCertificateRequest(published.Payload.(*gbcs.IssueResponse).Request)
		require.NoError(t, err)
		got, err := x509.ParseCertificateRequest(m.Payload.(*gbcs.IssueResponse).Request)
		require.NoError(t, err)
		require.NoError(t, got.CheckSignature())
		require.Equal(t, want.Extensions, got.Extensions)
		require.Equal(t, want.RawSubject, got.RawSubject)
		require.False(t, got.PublicKey.(*ecdsa.PublicKey).Equal(d.Public(policy.UsageDigitalSignature)), "the old pair stays in use")
	})
	t.Run("a certificate for that pair is stored", func(t *testing.T) {
		t.Parallel()
		v := openVectors(t)
		d := v.device(nil)
		certificate := v.certificate("device-00db1234567890a0-ds")
		d.InjectPublicKey(policy.UsageDigitalSignature, certificate.PublicKey)
		answer, check, err := d.Receive(vectorTime, v.message("CS02d_6.15.2_SUCCESS_COMMAND"))
		require.NoError(t, err)
		sameAnswer(t, v.message("CS02d_6.15.2_SUCCESS_RESPONSE"), answer)
		require.Equal(t, []gbcs.AlertCode{gbcs.AlertSigningCertificateReplaced}, check.Alerts)
		require.Equal(t, certificate.Raw, d.Certificate(policy.UsageDigitalSignature).Raw)
	})
	t.Run("a certificate that is not there cannot be read", func(t *testing.T) {
		t.Parallel()
		v := openVectors(t)
		answer, _, err := v.device(nil).Receive(vectorTime, v.message("CS02e_6.24.2_ERROR_COMMAND"))
		require.NoError(t, err)
		m, err := gbcs.Decode(answer)
		require.NoError(t, err)
		// The published device says 3, retrieval failure; one without a
		// certificate says 2.
		require.Equal(t, gbcs.ReadNoCertificateHeld, m.Payload.(*gbcs.DeviceCertificateResponse).Result)
	})
}
