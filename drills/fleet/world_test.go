package fleet_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"testing"
	"time"

	"filippo.io/keygen"
	"github.com/stretchr/testify/require"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// start is when the tests play, and when their certificates begin.
var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func entity(hex string) policy.EntityID {
	id, err := policy.ParseEntityID(hex)
	if err != nil {
		panic(err)
	}
	return id
}

var (
	recoveryID   = entity("90b3d51f30000001")
	brokerID     = entity("90b3d51f30000002")
	transCoSID   = entity("90b3d51f30000004")
	supplierID   = entity("90b3d51f30010000")
	operatorID   = entity("90b3d51f30020000")
	strangerID   = entity("90b3d51f30099999")
	firstMeterID = entity("00db123400000000")
)

var testHardware = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2, 1}

// A credential is a certificate and its key.
type credential struct {
	*policy.Certificate
	key *ecdsa.PrivateKey
}

// A world is a hierarchy with the parties that a meter knows, all in software
// keys.
type world struct {
	t            testing.TB
	environment  *policy.Environment
	root         credential
	issuing      credential
	contingency  *ecdsa.PrivateKey
	symmetric    []byte
	recovery     credential
	supplier     [3]credential // signing, agreement, prepayment
	operator     [2]credential
	broker       credential // agreement
	brokerSigner credential
	transCoS     credential
	serial       byte
}

// testKey makes the same key for the same label, so that a test that fails
// fails again.
func testKey(t testing.TB, label string) *ecdsa.PrivateKey {
	secret := sha256.Sum256([]byte("test key " + label))
	key, err := keygen.ECDSA(elliptic.P256(), secret[:])
	require.NoError(t, err)
	return key
}

func newWorld(t testing.TB) *world { return newWorldNamed(t, "A") }

// newWorldNamed makes a world whose authorities have names and keys of their own.
func newWorldNamed(t testing.TB, name string) *world {
	environment, err := policy.LoadEnvironment("exercise")
	require.NoError(t, err)
	w := &world{t: t, environment: environment, contingency: testKey(t, name+" contingency")}
	symmetric := sha256.Sum256([]byte(name + " symmetric"))
	w.symmetric = symmetric[:]
	wrapped, err := gbcs.WrapContingency(&w.contingency.PublicKey, w.symmetric)
	require.NoError(t, err)
	rootKey := testKey(t, name+" root")
	w.root = w.certify(policy.ProfileRootOCA, rootKey, rootKey, policy.CertificateTemplate{CN: "R" + name, WrappedContingency: wrapped})
	w.issuing = w.certify(policy.ProfileIssuingOCA, testKey(t, name+" issuing"), rootKey, policy.CertificateTemplate{CN: "I" + name, Issuer: w.root.Certificate})
	w.recovery = w.organisation("recovery", policy.RoleRecovery, recoveryID, policy.UsageDigitalSignature)
	w.supplier = w.supplierSet("supplier")
	w.operator = [2]credential{
		w.organisation("operator", policy.RoleNetworkOperator, operatorID, policy.UsageDigitalSignature),
		w.organisation("operator", policy.RoleNetworkOperator, operatorID, policy.UsageKeyAgreement),
	}
	w.broker = w.organisation("broker", policy.RoleAccessControlBroker, brokerID, policy.UsageKeyAgreement)
	w.brokerSigner = w.organisation("broker", policy.RoleAccessControlBroker, brokerID, policy.UsageDigitalSignature)
	w.transCoS = w.organisation("transitional", policy.RoleTransitionalCoS, transCoSID, policy.UsageDigitalSignature)
	return w
}

func (w *world) certify(profile policy.ProfileName, key, issuerKey *ecdsa.PrivateKey, template policy.CertificateTemplate) credential {
	p, err := w.environment.Profile(profile)
	require.NoError(w.t, err)
	w.serial++
	template.Serial = policy.Serial{1, 15: w.serial}
	template.PublicKey = &key.PublicKey
	if template.NotBefore.IsZero() {
		template.NotBefore = start.AddDate(0, -1, 0)
	}
	tbs, err := p.TBS(template)
	require.NoError(w.t, err)
	digest := sha256.Sum256(tbs)
	signature, err := issuerKey.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(w.t, err)
	der, err := policy.Assemble(tbs, signature)
	require.NoError(w.t, err)
	c, err := policy.ParseCertificate(der)
	require.NoError(w.t, err)
	return credential{c, key}
}

// organisation issues a certificate; the label, role and usage decide the key.
func (w *world) organisation(label string, role policy.RemotePartyRole, id policy.EntityID, usage policy.KeyUsage) credential {
	return w.organisationFrom(start.AddDate(0, -1, 0), label, role, id, usage)
}

func (w *world) organisationFrom(begin time.Time, label string, role policy.RemotePartyRole, id policy.EntityID, usage policy.KeyUsage) credential {
	key := testKey(w.t, label+" "+role.String()+" "+usage.String())
	return w.certify(policy.ProfileOrganisation, key, w.issuing.key, policy.CertificateTemplate{
		Issuer: w.issuing.Certificate, Role: role, EntityID: id, Usage: usage, NotBefore: begin,
	})
}

func (w *world) supplierSet(label string) [3]credential {
	return [3]credential{
		w.organisation(label, policy.RoleSupplier, supplierID, policy.UsageDigitalSignature),
		w.organisation(label, policy.RoleSupplier, supplierID, policy.UsageKeyAgreement),
		w.organisation(label+" prepayment", policy.RoleSupplier, supplierID, policy.UsageKeyAgreement),
	}
}

func (w *world) anchors() map[gbcs.TrustAnchorCell]fleet.Anchor {
	return map[gbcs.TrustAnchorCell]fleet.Anchor{
		fleet.CellRoot:               fleet.AnchorOf(w.root.Certificate),
		fleet.CellRecovery:           fleet.AnchorOf(w.recovery.Certificate),
		fleet.CellSupplierSigning:    fleet.AnchorOf(w.supplier[0].Certificate),
		fleet.CellSupplierAgreement:  fleet.AnchorOf(w.supplier[1].Certificate),
		fleet.CellSupplierPrepayment: fleet.AnchorOf(w.supplier[2].Certificate),
		fleet.CellOperatorSigning:    fleet.AnchorOf(w.operator[0].Certificate),
		fleet.CellOperatorAgreement:  fleet.AnchorOf(w.operator[1].Certificate),
		fleet.CellBrokerAgreement:    fleet.AnchorOf(w.broker.Certificate),
		fleet.CellTransitionalCoS:    fleet.AnchorOf(w.transCoS.Certificate),
	}
}

func (w *world) config(devices int) fleet.Config {
	p, err := w.environment.Profile(policy.ProfileOrganisation)
	require.NoError(w.t, err)
	return fleet.Config{
		Devices: devices, Seed: 7, FirstID: firstMeterID, HardwareType: testHardware,
		Policies: []asn1.ObjectIdentifier{p.Policy},
		Anchors:  w.anchors(),
		Counters: map[policy.RemotePartyRole]gbcs.OriginatorCounter{policy.RoleSupplier: 1000, policy.RoleRecovery: 10},
	}
}

func (w *world) fleet(devices int) *fleet.Fleet {
	f, err := fleet.New(w.config(devices))
	require.NoError(w.t, err)
	return f
}

func (w *world) device() *fleet.Device { return w.fleet(1).Device(0) }

// A draft is a command before it is signed, with what will protect it. Tests
// spoil it before they send it.
type draft struct {
	header  gbcs.GroupingHeader
	payload gbcs.Payload
	update  *gbcs.UpdateSecurityCredentials // payload, if it is one
	signer  *ecdsa.PrivateKey               // nil: no signature
	broker  *ecdsa.PrivateKey               // nil: no MAC
	device  *fleet.Device
}

func (w *world) draft(d *fleet.Device, mode gbcs.ReplacementMode, originator policy.EntityID, counter gbcs.OriginatorCounter, replacements ...gbcs.Replacement) *draft {
	update := &gbcs.UpdateSecurityCredentials{
		Mode: mode, SeqNumber: counter, Replacements: replacements, Path: [][]byte{w.issuing.Raw},
	}
	if mode != gbcs.AccessControlBrokerByACB {
		cell, _ := mode.AuthorisingCell()
		update.AuthorisingCell = &cell
	}
	return &draft{
		header:  gbcs.GroupingHeader{Counter: counter, Originator: originator, Recipient: d.ID},
		payload: update, update: update, device: d,
	}
}

// bySupplier replaces the supplier's three certificates by mode 2.
func (w *world) bySupplier(d *fleet.Device, counter gbcs.OriginatorCounter, set [3]credential) *draft {
	c := w.draft(d, gbcs.SupplierBySupplier, supplierID, counter, supplierCells(set)...)
	c.signer, c.broker = w.supplier[0].key, w.broker.key
	return c
}

// byRecovery replaces whatever it is given by mode 8.
func (w *world) byRecovery(d *fleet.Device, counter gbcs.OriginatorCounter, replacements ...gbcs.Replacement) *draft {
	c := w.draft(d, gbcs.AnyExceptAbnormalRootByRecovery, recoveryID, counter, replacements...)
	c.signer = w.recovery.key
	return c
}

func supplierCells(set [3]credential) []gbcs.Replacement {
	return []gbcs.Replacement{
		{Certificate: set[0].Raw, Cell: fleet.CellSupplierSigning},
		{Certificate: set[1].Raw, Cell: fleet.CellSupplierAgreement},
		{Certificate: set[2].Raw, Cell: fleet.CellSupplierPrepayment},
	}
}

func (c *draft) message(t testing.TB) *gbcs.Message {
	m := gbcs.NewCommand(c.header, c.payload)
	m.Precommand = false
	if c.signer != nil {
		require.NoError(t, m.SignWith(c.signer))
	}
	if c.broker != nil {
		peer, err := c.device.Public(policy.UsageKeyAgreement).ECDH()
		require.NoError(t, err)
		own, err := c.broker.ECDH()
		require.NoError(t, err)
		z, err := own.ECDH(peer)
		require.NoError(t, err)
		require.NoError(t, m.AddMAC(z))
	}
	return m
}

func (c *draft) octets(t testing.TB) []byte {
	octets, err := c.message(t).Encode()
	require.NoError(t, err)
	return octets
}

// send delivers a draft at the start time and returns the decoded answer, nil if
// there is none.
func (c *draft) send(t testing.TB) (*gbcs.Message, fleet.Check) {
	return c.sendAt(t, start)
}

func (c *draft) sendAt(t testing.TB, now time.Time) (*gbcs.Message, fleet.Check) {
	answer, check, err := c.device.Receive(now, c.octets(t))
	require.NoError(t, err)
	if answer == nil {
		return nil, check
	}
	m, err := gbcs.Decode(answer)
	require.NoError(t, err)
	return m, check
}

func counterOf(n gbcs.OriginatorCounter) *gbcs.OriginatorCounter { return &n }

func keyIn(t testing.TB, d *fleet.Device, cell gbcs.TrustAnchorCell) policy.KeyID {
	anchor, ok := d.Cell(cell)
	require.True(t, ok)
	return anchor.KeyID
}
