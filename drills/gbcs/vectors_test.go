package gbcs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
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

// reading is what a public message says in our words. Certificates are named by
// their files, so that no octet of the vectors is written here.
type reading struct {
	code      gbcs.MessageCode
	cra       gbcs.CRA
	counter   gbcs.OriginatorCounter
	mac       bool
	signed    bool
	pre       bool
	form      gbcs.LengthForm
	dateTime  bool
	check     func(*testing.T, vectorFiles, gbcs.Payload)
	codes     []string // of findings above info level
	signature string   // file of the certificate
}

type vectorFiles struct {
	dir  string
	held map[string]*policy.Certificate
}

func (v vectorFiles) certificate(t *testing.T, name string) *policy.Certificate {
	t.Helper()
	require.Contains(t, v.held, name)
	return v.held[name]
}

const (
	supplier = policy.RoleSupplier
	network  = policy.RoleNetworkOperator
	broker   = policy.RoleAccessControlBroker
	cos      = policy.RoleTransitionalCoS
	recovery = policy.RoleRecovery
	ds       = policy.UsageDigitalSignature
	ka       = policy.UsageKeyAgreement
)

func cell(role policy.RemotePartyRole, usage policy.KeyUsage) gbcs.TrustAnchorCell {
	return gbcs.TrustAnchorCell{Role: role, Usage: usage}
}

var topUp = gbcs.TrustAnchorCell{Role: supplier, Usage: ka, Cell: gbcs.CellPrePaymentTopUp}

func counter(v gbcs.OriginatorCounter) *gbcs.OriginatorCounter { return &v }

var prepaymentZero = []gbcs.SpecialistFloor{{Usage: 0, Floor: 0}}

// command checks all of a command but its certificates, and the certificates by
// cell and file; a file "" is a certificate that is in no file.
func command(want gbcs.UpdateSecurityCredentials, cells ...any) func(*testing.T, vectorFiles, gbcs.Payload) {
	return func(t *testing.T, v vectorFiles, p gbcs.Payload) {
		require.IsType(t, &gbcs.UpdateSecurityCredentials{}, p)
		got := *p.(*gbcs.UpdateSecurityCredentials)
		require.Len(t, got.Replacements, len(cells)/2)
		for i, r := range got.Replacements {
			require.Equal(t, cells[2*i], r.Cell)
			if file := cells[2*i+1].(string); file != "" {
				require.Equal(t, v.certificate(t, file).Raw, r.Certificate, "certificate for %s", r.Cell)
			}
		}
		require.Equal(t, [][]byte{v.certificate(t, "issuing-Z1.pem").Raw}, got.Path)
		got.Replacements, got.Path = nil, nil
		require.Equal(t, want, got)
	}
}

// outcomes compares an outcome with cells and files: cell, file before, file
// after, the same file twice for a cell that failed.
func outcomes(t *testing.T, v vectorFiles, got gbcs.UpdateOutcome, seq gbcs.OriginatorCounter, mode gbcs.ReplacementMode, changes []gbcs.SeqNumberChange, cells ...any) {
	require.Equal(t, seq, got.SeqNumber)
	require.Equal(t, mode, got.Mode)
	require.Equal(t, changes, got.Changes)
	require.Len(t, got.Cells, len(cells)/4)
	for i := range got.Cells {
		at, status, before, after := cells[4*i].(gbcs.TrustAnchorCell), cells[4*i+1].(gbcs.StatusCode), cells[4*i+2].(string), cells[4*i+3].(string)
		c, ok := got.Cell(at)
		require.True(t, ok, "no outcome for %s", at)
		require.Equal(t, status, c.Status)
		was, is := v.certificate(t, before), v.certificate(t, after)
		wasID, _ := was.EntityID()
		isID, _ := is.EntityID()
		require.Equal(t, gbcs.CellOutcome{
			Cell: at, Status: status,
			ExistingID: wasID, ExistingKeyID: was.SubjectKeyID,
			ReplacingID: isID, ReplacingKeyID: is.SubjectKeyID,
		}, c)
	}
}

func response(seq gbcs.OriginatorCounter, mode gbcs.ReplacementMode, changes []gbcs.SeqNumberChange, cells ...any) func(*testing.T, vectorFiles, gbcs.Payload) {
	return func(t *testing.T, v vectorFiles, p gbcs.Payload) {
		require.IsType(t, &gbcs.CommandResponse{}, p)
		got := p.(*gbcs.CommandResponse)
		require.NotNil(t, got.Outcome)
		outcomes(t, v, *got.Outcome, seq, mode, changes, cells...)
	}
}

func same(want gbcs.Payload) func(*testing.T, vectorFiles, gbcs.Payload) {
	return func(t *testing.T, _ vectorFiles, p gbcs.Payload) { require.Equal(t, want, p) }
}

const (
	oldDS, newDS         = "90b3d51f30010000-Z1-supplier-ds.pem", "90b3d51f30010000-Z1b-supplier-ds.pem"
	oldKA, newKA         = "90b3d51f30010000-Z1-supplier-ka.pem", "90b3d51f30010000-Z1b-supplier-ka.pem"
	oldTopUp, newTopUp   = "90b3d51f30010000-Z1-supplierPP-ka.pem", "90b3d51f30010000-Z1b-supplierPP-ka.pem"
	oldACB, newACB       = "90b3d51f30000002-Z1-accessControlBroker-ka.pem", "90b3d51f30000002-Z1b-accessControlBroker-ka.pem"
	oldCoS, newCoS       = "90b3d51f30000004-Z1-transitionalCoS-ds.pem", "90b3d51f30000004-Z1b-transitionalCoS-ds.pem"
	recoveryDS           = "90b3d51f30000001-Z1-recovery-ds.pem"
	networkDS, networkKA = "90b3d51f30020000-Z1-networkOperator-ds.pem", "90b3d51f30020000-Z1-networkOperator-ka.pem"
	deviceDS             = "device-00db1234567890a0-ds.pem"
)

// readings is our reading of the public messages, by file name without ending.
func readings() map[string]reading {
	supplierFloors := []gbcs.SeqNumberChange{{Role: supplier, Specialist: prepaymentZero}}
	fourRoles := []gbcs.SeqNumberChange{{Role: supplier, Specialist: prepaymentZero}, {Role: network}, {Role: broker}, {Role: cos}}
	supplierDS := cell(supplier, ds)
	recoveryCell, cosCell := cell(recovery, ds), cell(cos, ds)
	control := gbcs.UpdateSecurityCredentials{Mode: gbcs.SupplierBySupplier, DisapplyTime: true, AuthorisingCell: &supplierDS,
		SeqNumber: 1000, NewFloor: counter(0), SpecialistFloors: prepaymentZero}
	late := control
	at := time.Date(2030, 1, 15, 0, 0, 0, 0, time.UTC)
	late.SeqNumber, late.DisapplyTime, late.ExecuteAt = 1001, false, &at
	failing := control
	failing.SeqNumber, failing.DisapplyTime = 1003, false
	threeCells := []any{supplierDS, newDS, cell(supplier, ka), newKA, topUp, newTopUp}
	threeDone := []any{supplierDS, gbcs.StatusSuccess, oldDS, newDS, cell(supplier, ka), gbcs.StatusSuccess, oldKA, newKA, topUp, gbcs.StatusSuccess, oldTopUp, newTopUp}

	return map[string]reading{
		"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_PRECOMMAND": {code: 0x0102, cra: gbcs.CRACommand, counter: 1000, pre: true, check: command(control, threeCells...)},
		"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_COMMAND":    {code: 0x0102, cra: gbcs.CRACommand, counter: 1000, mac: true, signed: true, signature: oldDS, check: command(control, threeCells...)},
		"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_RESPONSE": {code: 0x0102, cra: gbcs.CRAResponse, counter: 1000, signed: true, dateTime: true, form: gbcs.LengthsTwoOctet, signature: deviceDS,
			check: response(1000, gbcs.SupplierBySupplier, supplierFloors, threeDone...)},
		// The key agreement certificate is issued by an authority outside the path.
		"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_ERROR_COMMAND": {code: 0x0102, cra: gbcs.CRACommand, counter: 1003, mac: true, signed: true, signature: oldDS, codes: []string{gbcs.FindingNoTrustAnchor},
			check: command(failing, supplierDS, newDS, cell(supplier, ka), "", topUp, newTopUp)},
		"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_ERROR_RESPONSE": {code: 0x0102, cra: gbcs.CRAResponse, counter: 1003, signed: true, dateTime: true, form: gbcs.LengthsTwoOctet, signature: deviceDS,
			check: response(1003, gbcs.SupplierBySupplier, supplierFloors,
				supplierDS, gbcs.StatusSuccess, oldDS, newDS, cell(supplier, ka), gbcs.StatusNoTrustAnchor, oldKA, oldKA, topUp, gbcs.StatusSuccess, oldTopUp, newTopUp)},
		"CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_SUCCESS_COMMAND":  {code: 0x0102, cra: gbcs.CRACommand, counter: 1001, mac: true, signed: true, signature: oldDS, check: command(late, threeCells...)},
		"CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_SUCCESS_RESPONSE": {code: 0x0102, cra: gbcs.CRAResponse, counter: 1001, signed: true, dateTime: true, signature: deviceDS, check: same(&gbcs.CommandResponse{})},
		"CS02bSupplierBySupplier_6.15.1_8F66_FUTURE_DATED_SUCCESS_ALERT": {code: 0x00CB, cra: gbcs.CRAAlert, counter: 2000, signed: true, form: gbcs.LengthsTwoOctet, signature: deviceDS,
			check: func(t *testing.T, v vectorFiles, p gbcs.Payload) {
				a := p.(*gbcs.Alert)
				require.Equal(t, gbcs.AlertFutureDatedActioned, a.Code)
				require.Equal(t, at, a.ExecutedAt)
				outcomes(t, v, a.Outcome, 1001, gbcs.SupplierBySupplier, supplierFloors, threeDone...)
			}},
		"CS02bACBByACB_8.5_SUCCESS_COMMAND": {code: 0x0104, cra: gbcs.CRACommand, counter: 1300, mac: true,
			check: command(gbcs.UpdateSecurityCredentials{Mode: gbcs.AccessControlBrokerByACB, SeqNumber: 1300, NewFloor: counter(0)}, cell(broker, ka), newACB)},
		"CS02bACBByACB_8.5_SUCCESS_RESPONSE": {code: 0x0104, cra: gbcs.CRAResponse, counter: 1300, signed: true, dateTime: true, signature: deviceDS,
			check: response(1300, gbcs.AccessControlBrokerByACB, []gbcs.SeqNumberChange{{Role: broker}}, cell(broker, ka), gbcs.StatusSuccess, oldACB, newACB)},
		"CS02bTransCoSByTransCoS_NA_SUCCESS_COMMAND": {code: 0x0106, cra: gbcs.CRACommand, counter: 6000, mac: true, signed: true, signature: oldCoS,
			check: command(gbcs.UpdateSecurityCredentials{Mode: gbcs.TransCoSByTransCoS, DisapplyTime: true, AuthorisingCell: &cosCell, SeqNumber: 6000}, cosCell, newCoS)},
		"CS02bTransCoSByTransCoS_NA_SUCCESS_RESPONSE": {code: 0x0106, cra: gbcs.CRAResponse, counter: 6000, signed: true, dateTime: true, signature: deviceDS,
			check: response(6000, gbcs.TransCoSByTransCoS, []gbcs.SeqNumberChange{}, cosCell, gbcs.StatusSuccess, oldCoS, newCoS)},
		"CS02bAnyExceptAbnormalRootByRecovery_NA_SUCCESS_COMMAND": {code: 0x0108, cra: gbcs.CRACommand, counter: 7000, signed: true, signature: recoveryDS,
			check: command(gbcs.UpdateSecurityCredentials{Mode: gbcs.AnyExceptAbnormalRootByRecovery, DisapplyTime: true, AuthorisingCell: &recoveryCell, SeqNumber: 7000, NewFloor: counter(0), OtherChanges: fourRoles},
				recoveryCell, recoveryDS, supplierDS, oldDS, cell(supplier, ka), oldKA, topUp, oldTopUp,
				cell(network, ds), networkDS, cell(network, ka), networkKA, cell(broker, ka), oldACB, cosCell, oldCoS)},
		"CS02bAnyByContingency_NA_SUCCESS_RESPONSE": {code: 0x0109, cra: gbcs.CRAResponse, counter: 5000, signed: true, dateTime: true, signature: deviceDS, check: contingencyOutcome(fourRoles)},
		"CS02aMAC_6.24.1_SUCCESS_COMMAND": {code: 0x0008, cra: gbcs.CRACommand, counter: 1302, mac: true,
			check: same(&gbcs.ReadCredentials{AuthorisingCell: cell(broker, ka), Roles: []policy.RemotePartyRole{supplier, network}})},
		"CS02aMAC_6.24.1_SUCCESS_RESPONSE": {code: 0x0008, cra: gbcs.CRAResponse, counter: 1302, mac: true, form: gbcs.LengthsTwoOctet, check: credentialDetails},
		"CS02c_6.17_SUCCESS_PRECOMMAND":    {code: 0x000A, cra: gbcs.CRACommand, counter: 1000, pre: true, check: same(&gbcs.IssueCredentials{Usage: ds})},
		"CS02c_6.17_SUCCESS_COMMAND":       {code: 0x000A, cra: gbcs.CRACommand, counter: 1000, mac: true, signed: true, signature: oldDS, check: same(&gbcs.IssueCredentials{Usage: ds})},
		"CS02c_6.17_SUCCESS_RESPONSE": {code: 0x000A, cra: gbcs.CRAResponse, counter: 1000, signed: true, signature: deviceDS,
			check: func(t *testing.T, _ vectorFiles, p gbcs.Payload) {
				req, err := policy.ParseRequest(p.(*gbcs.IssueResponse).Request)
				require.NoError(t, err)
				require.NoError(t, req.CheckSignature())
				require.Equal(t, ds, req.Usage)
			}},
		"CS02d_6.15.2_SUCCESS_COMMAND": {code: 0x000B, cra: gbcs.CRACommand, counter: 1000, mac: true, signed: true, signature: oldDS,
			check: func(t *testing.T, v vectorFiles, p gbcs.Payload) {
				require.Equal(t, v.certificate(t, deviceDS).Raw, p.(*gbcs.UpdateDeviceCertificate).Certificate)
			}},
		"CS02d_6.15.2_SUCCESS_RESPONSE": {code: 0x000B, cra: gbcs.CRAResponse, counter: 1000, signed: true, signature: deviceDS, check: same(&gbcs.UpdateDeviceCertificateResponse{})},
		"CS02e_6.24.2_ERROR_COMMAND":    {code: 0x000C, cra: gbcs.CRACommand, counter: 1002, mac: true, signed: true, signature: oldDS, check: same(&gbcs.ReadDeviceCertificate{Usage: ka})},
		"CS02e_6.24.2_ERROR_RESPONSE": {code: 0x000C, cra: gbcs.CRAResponse, counter: 1002, signed: true, signature: deviceDS,
			check: same(&gbcs.DeviceCertificateResponse{Result: gbcs.ReadRetrievalFailure})},
	}
}

// contingencyOutcome: nine cells, the root first, all done, each with another
// key than before; no certificate of the new hierarchy is public.
func contingencyOutcome(fourRoles []gbcs.SeqNumberChange) func(*testing.T, vectorFiles, gbcs.Payload) {
	return func(t *testing.T, v vectorFiles, p gbcs.Payload) {
		o := p.(*gbcs.CommandResponse).Outcome
		require.Equal(t, gbcs.OriginatorCounter(5000), o.SeqNumber)
		require.Equal(t, gbcs.AnyByContingency, o.Mode)
		require.Equal(t, append([]gbcs.SeqNumberChange{{Role: policy.RoleRoot}}, fourRoles...), o.Changes)
		require.True(t, o.Succeeded())
		before := map[gbcs.TrustAnchorCell]string{
			cell(recovery, ds): recoveryDS, cell(supplier, ds): oldDS, cell(supplier, ka): oldKA, topUp: oldTopUp,
			cell(network, ds): networkDS, cell(network, ka): networkKA, cell(broker, ka): oldACB, cell(cos, ds): oldCoS,
		}
		require.Len(t, o.Cells, 1+len(before))
		root := o.Cells[0]
		require.Equal(t, cell(policy.RoleRoot, policy.UsageCertSign), root.Cell)
		require.True(t, root.ExistingID.IsZero() && root.ReplacingID.IsZero())
		require.Equal(t, v.certificate(t, "issuing-Z1.pem").AuthorityKeyID, root.ExistingKeyID)
		for _, c := range o.Cells[1:] {
			require.Contains(t, before, c.Cell)
			was := v.certificate(t, before[c.Cell])
			id, _ := was.EntityID()
			require.Equal(t, id, c.ExistingID)
			require.Equal(t, id, c.ReplacingID)
			require.Equal(t, was.SubjectKeyID, c.ExistingKeyID)
			require.NotEqual(t, c.ExistingKeyID, c.ReplacingKeyID)
		}
	}
}

func credentialDetails(t *testing.T, v vectorFiles, p gbcs.Payload) {
	held := func(file string, usage gbcs.CellUsage) gbcs.Credential {
		c := v.certificate(t, file)
		id, _ := c.EntityID()
		return gbcs.Credential{Usage: c.Usage, Cell: usage, ID: id, KeyID: c.SubjectKeyID}
	}
	require.Equal(t, &gbcs.CredentialDetails{Roles: []gbcs.RoleCredentials{
		{Role: supplier, Counter: 0, Credentials: []gbcs.Credential{held(oldDS, 0), held(oldKA, 0), held(oldTopUp, gbcs.CellPrePaymentTopUp)}},
		{Role: network, Counter: 1, Credentials: []gbcs.Credential{held(networkDS, 0), held(networkKA, 0)}},
	}}, p)
}

func readHex(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return b
}

func openVectors(t *testing.T) (vectorFiles, *gbcs.Keyring) {
	t.Helper()
	dir := policytest.Vectors(t)
	k := &gbcs.Keyring{}
	require.NoError(t, k.ReadDirectory(filepath.Join(dir, "certs")))
	require.Empty(t, k.Notes)
	v := vectorFiles{dir: dir, held: map[string]*policy.Certificate{}}
	files, err := filepath.Glob(filepath.Join(dir, "certs", "*.pem"))
	require.NoError(t, err)
	for _, f := range files {
		if strings.HasSuffix(f, ".pub.pem") {
			continue
		}
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		block, _ := pem.Decode(b)
		require.NotNil(t, block)
		c, _, err := policy.ReadCertificate(block.Bytes)
		require.NoError(t, err)
		v.held[filepath.Base(f)] = c
	}
	return v, k
}

// Every public message: it is read, written back octet for octet, its signature
// and MAC hold, and it says what we think it says. A file that has no row in
// readings must hold in all but the last.
func TestVectors(t *testing.T) {
	t.Parallel()
	v, keyring := openVectors(t)
	files, err := filepath.Glob(filepath.Join(v.dir, "rtds", "*.HEX"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	table := readings()
	seen := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "_GBCS.HEX")
		want, ours := table[name]
		if ours {
			seen++
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			octets := readHex(t, file)
			m, err := gbcs.Decode(octets)
			require.NoError(t, err)
			again, err := m.Encode()
			require.NoError(t, err)
			require.Equal(t, octets, again)

			in := gbcs.Inspect(m, keyring, time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))
			require.NotEqual(t, gbcs.ResultWrong, in.Signature.Result, in.Signature.Reason)
			require.NotEqual(t, gbcs.ResultWrong, in.MAC.Result, in.MAC.Reason)
			if !ours {
				return
			}
			require.NoError(t, m.Malformed())
			require.Equal(t, want.code, m.Header.MessageCode)
			require.Equal(t, want.cra, m.Header.CRA)
			require.Equal(t, want.counter, m.Header.Counter)
			require.Equal(t, want.mac, m.MAC)
			require.Equal(t, want.signed, m.Signature != nil)
			require.Equal(t, want.pre, m.Precommand)
			require.Equal(t, want.form, m.Form)
			require.Empty(t, m.Header.Supplementary)
			if want.dateTime {
				require.Equal(t, gbcs.PlaceholderDateTime(), m.Header.DateTime)
			} else {
				require.Empty(t, m.Header.DateTime)
			}
			want.check(t, v, m.Payload)

			if want.signed {
				require.Equal(t, gbcs.ResultValid, in.Signature.Result)
				require.Equal(t, want.signature, in.Signature.Source)
				require.Equal(t, v.certificate(t, want.signature).SubjectKeyID, in.Signature.KeyID)
			} else {
				require.Equal(t, gbcs.ResultNone, in.Signature.Result)
			}
			if want.mac {
				require.Equal(t, gbcs.ResultValid, in.MAC.Result)
			} else {
				require.Equal(t, gbcs.ResultNone, in.MAC.Result)
			}
			var codes []string
			for _, f := range in.Findings {
				if f.Level > gbcs.LevelInfo {
					codes = append(codes, f.Code)
				}
			}
			require.Equal(t, want.codes, codes, "%v", in.Findings)
		})
	}
	require.Equal(t, len(table), seen, "messages that we know are missing from %s", v.dir)
}

// A pre-command lies octet for octet inside its command.
func TestVectorsPrecommandInCommand(t *testing.T) {
	t.Parallel()
	v, _ := openVectors(t)
	for _, name := range []string{"CS02bSupplierBySupplier_6.15.1_IMMEDIATE_SUCCESS_", "CS02c_6.17_SUCCESS_"} {
		pre, err := gbcs.Decode(readHex(t, filepath.Join(v.dir, "rtds", name+"PRECOMMAND_GBCS.HEX")))
		require.NoError(t, err)
		full, err := gbcs.Decode(readHex(t, filepath.Join(v.dir, "rtds", name+"COMMAND_GBCS.HEX")))
		require.NoError(t, err)
		require.Equal(t, full.Signed, pre.Signed)
		unsigned, err := pre.ToBeSigned()
		require.NoError(t, err)
		require.Equal(t, full.Signed, unsigned)
		require.ErrorIs(t, pre.VerifySignature(v.certificate(t, oldDS).PublicKey), gbcs.ErrUnsigned)
	}
}

// The intermediates that come with the vectors: key and MAC of each message.
func TestVectorsMACIntermediates(t *testing.T) {
	t.Parallel()
	v, _ := openVectors(t)
	b, err := os.ReadFile(filepath.Join(v.dir, "rtds", "mac-intermediates.json"))
	require.NoError(t, err)
	var f struct {
		Secrets []struct {
			Z string `json:"z"`
		} `json:"ecdhSharedSecrets"`
		Messages []struct {
			File, MACKey, MAC string
		} `json:"messages"`
	}
	require.NoError(t, json.Unmarshal(b, &f))
	require.NotEmpty(t, f.Messages)
	z, err := hex.DecodeString(f.Secrets[0].Z)
	require.NoError(t, err)
	for _, row := range f.Messages {
		m, err := gbcs.Decode(readHex(t, filepath.Join(v.dir, "rtds", row.File)))
		require.NoError(t, err)
		key := gbcs.SharedKey(z, m.Header)
		require.Equal(t, row.MACKey, hex.EncodeToString(key[:]), row.File)
		require.Equal(t, row.MAC, hex.EncodeToString(m.MACOctets), row.File)
		require.NoError(t, m.VerifyMAC(z), row.File)

		// Taken off and made anew it is the same.
		octets, err := m.Encode()
		require.NoError(t, err)
		m.MAC, m.MACOctets = false, nil
		require.NoError(t, m.AddMAC(z))
		again, err := m.Encode()
		require.NoError(t, err)
		require.Equal(t, octets, again, row.File)
	}

	// A key that a published parser derives from the same secret, for a supplier's
	// command with counter 2^32, by the hash of the key.
	h := gbcs.GroupingHeader{CRA: gbcs.CRACommand, Counter: 1 << 32}
	id, _ := v.certificate(t, oldDS).EntityID()
	h.Originator, h.Recipient = id, v.certificate(t, deviceDS).DeviceID
	key := gbcs.SharedKey(z, h)
	require.Equal(t, "4a91d6e4dfe6830d955904f4736b44c233508a27a5d2ba4e9b81badea94854cc", fmt.Sprintf("%x", sha256.Sum256(key[:])))
}
