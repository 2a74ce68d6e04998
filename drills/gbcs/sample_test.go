package gbcs_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A world is the parties and keys that sample messages are made with.
type world struct {
	h                                      *policytest.Hierarchy
	device, supplier, network, broker, dcc policy.EntityID
	deviceKey                              *ecdsa.PrivateKey
	deviceDS, deviceKA                     *policy.Certificate
	z                                      []byte // broker and device
	signers                                map[policy.RemotePartyRole]party
	contingency                            *ecdsa.PrivateKey
	symmetricKey                           []byte
	rootWithContingency                    *policy.Certificate
	certificates                           map[gbcs.TrustAnchorCell]*policy.Certificate // new ones
}

type party struct {
	id   policy.EntityID
	cert *policy.Certificate
	key  *ecdsa.PrivateKey
}

// A sample is a finished message with what checks it.
type sample struct {
	name    string
	message *gbcs.Message
	octets  []byte
	signer  *ecdsa.PublicKey // nil: not signed
	mac     bool
}

func entity(last byte) policy.EntityID {
	return policy.EntityID{0x02, 0, 0, 0, 0, 0, 0, last}
}

func secret(t testing.TB, a, b *ecdsa.PrivateKey) []byte {
	t.Helper()
	private, err := a.ECDH()
	require.NoError(t, err)
	public, err := b.PublicKey.ECDH()
	require.NoError(t, err)
	z, err := private.ECDH(public)
	require.NoError(t, err)
	return z
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := policytest.NewHierarchy(t)
	w := &world{h: h, device: entity(0xD0), supplier: entity(2), network: entity(3), broker: entity(4), dcc: entity(1),
		signers: map[policy.RemotePartyRole]party{}, certificates: map[gbcs.TrustAnchorCell]*policy.Certificate{}, symmetricKey: make([]byte, 32)}
	w.deviceDS, w.deviceKey = h.Device(t, w.device, policy.UsageDigitalSignature)
	deviceKA, deviceKAKey := h.Device(t, w.device, policy.UsageKeyAgreement)
	w.deviceKA = deviceKA
	_, brokerKA := h.Organisation(t, broker, w.broker, policy.UsageKeyAgreement)
	w.z = secret(t, brokerKA, deviceKAKey)
	for _, role := range []policy.RemotePartyRole{supplier, network, broker, cos, recovery, policy.RoleWANProvider, policy.RoleLoadController} {
		id := entity(byte(role))
		cert, key := h.Organisation(t, role, id, policy.UsageDigitalSignature)
		w.signers[role] = party{id, cert, key}
		for _, usage := range []policy.KeyUsage{ds, ka} {
			c, _ := h.Organisation(t, role, id, usage)
			w.certificates[cell(role, usage)] = c
		}
	}
	w.certificates[topUp], _ = h.Organisation(t, supplier, w.supplier, ka)
	w.contingency = policytest.NewKey(t)
	_, err := rand.Read(w.symmetricKey)
	require.NoError(t, err)
	apex, err := gbcs.WrapContingency(&w.contingency.PublicKey, w.symmetricKey)
	require.NoError(t, err)
	w.rootWithContingency = h.Issue(t, policy.ProfileRootOCA, nil, policytest.NewKey(t), policy.CertificateTemplate{CN: "XC", WrappedContingency: apex})
	w.certificates[cell(policy.RoleRoot, policy.UsageCertSign)] = policytest.NewHierarchy(t).RootOCA.Certificate
	return w
}

func (w *world) request(t testing.TB) []byte {
	return policytest.DeviceRequest(t, policytest.NewKey(t), w.device, ds)
}

func (w *world) replacements(cells ...gbcs.TrustAnchorCell) (list []gbcs.Replacement) {
	for _, c := range cells {
		list = append(list, gbcs.Replacement{Certificate: w.certificates[c].Raw, Cell: c})
	}
	return list
}

func (w *world) path() [][]byte { return [][]byte{w.h.IssuingOCA.Certificate.Raw} }

// update returns the command of a mode as public messages have it, or as we
// read the text where none is public.
func (w *world) update(mode gbcs.ReplacementMode, counterValue gbcs.OriginatorCounter) *gbcs.UpdateSecurityCredentials {
	u := &gbcs.UpdateSecurityCredentials{Mode: mode, SeqNumber: counterValue, Path: w.path()}
	if at, ok := mode.AuthorisingCell(); ok && mode != gbcs.AccessControlBrokerByACB {
		u.AuthorisingCell = &at
	}
	root := cell(policy.RoleRoot, policy.UsageCertSign)
	four := []gbcs.SeqNumberChange{{Role: supplier, Specialist: prepaymentZero}, {Role: network}, {Role: broker}, {Role: cos}}
	eight := []gbcs.TrustAnchorCell{cell(recovery, ds), cell(supplier, ds), cell(supplier, ka), topUp,
		cell(network, ds), cell(network, ka), cell(broker, ka), cell(cos, ds)}
	switch mode {
	case gbcs.RootBySupplier, gbcs.RootByWANProvider:
		u.Replacements = w.replacements(root)
	case gbcs.SupplierBySupplier:
		u.DisapplyTime, u.NewFloor, u.SpecialistFloors = true, counter(0), prepaymentZero
		u.Replacements = w.replacements(cell(supplier, ds), cell(supplier, ka), topUp)
	case gbcs.NetworkOperatorByNetworkOperator:
		u.NewFloor = counter(7)
		u.Replacements = w.replacements(cell(network, ds), cell(network, ka))
	case gbcs.AccessControlBrokerByACB:
		u.NewFloor = counter(0)
		u.Replacements = w.replacements(cell(broker, ka))
	case gbcs.WANProviderByWANProvider:
		u.NewFloor = counter(0)
		u.Replacements = w.replacements(cell(policy.RoleWANProvider, ds))
	case gbcs.TransCoSByTransCoS:
		u.Replacements = w.replacements(cell(cos, ds))
	case gbcs.SupplierByTransCoS:
		u.OtherChanges = []gbcs.SeqNumberChange{{Role: supplier, Floor: 1 << 40, Specialist: prepaymentZero}}
		u.Replacements = w.replacements(cell(supplier, ds), cell(supplier, ka), topUp)
	case gbcs.AnyExceptAbnormalRootByRecovery:
		u.DisapplyTime, u.NewFloor, u.OtherChanges = true, counter(0), four
		u.Replacements = w.replacements(eight...)
	case gbcs.AnyByContingency:
		u.SymmetricKey, u.NewFloor, u.OtherChanges = w.symmetricKey, counter(0), four
		u.Replacements = w.replacements(append([]gbcs.TrustAnchorCell{root}, eight...)...)
	case gbcs.LoadControllerByLoadController:
		u.NewFloor = counter(0)
		u.Replacements = w.replacements(cell(policy.RoleLoadController, ds), cell(policy.RoleLoadController, ka))
	case gbcs.LoadControllerBySupplier:
		u.OtherChanges = []gbcs.SeqNumberChange{{Role: policy.RoleLoadController}}
		u.Replacements = w.replacements(cell(policy.RoleLoadController, ds), cell(policy.RoleLoadController, ka))
	}
	return u
}

// outcome is what a device answers that did all that a command asks.
func (w *world) outcome(u *gbcs.UpdateSecurityCredentials) *gbcs.UpdateOutcome {
	o := &gbcs.UpdateOutcome{SeqNumber: u.SeqNumber, Mode: u.Mode, Changes: []gbcs.SeqNumberChange{}}
	if at, ok := u.Mode.AuthorisingCell(); ok && u.NewFloor != nil {
		o.Changes = append(o.Changes, gbcs.SeqNumberChange{Role: at.Role, Floor: *u.NewFloor, Specialist: u.SpecialistFloors})
	}
	o.Changes = append(o.Changes, u.OtherChanges...)
	for _, r := range u.Replacements {
		id, _ := w.certificates[r.Cell].EntityID()
		o.Cells = append(o.Cells, gbcs.CellOutcome{Cell: r.Cell, ExistingID: id, ExistingKeyID: policy.KeyID{1}, ReplacingID: id, ReplacingKeyID: w.certificates[r.Cell].SubjectKeyID})
	}
	return o
}

// samples makes a message of every kind.
func (w *world) samples(t testing.TB) (all []sample) {
	t.Helper()
	finish := func(name string, m *gbcs.Message, key *ecdsa.PrivateKey, mac bool) {
		s := sample{name: name, message: m, mac: mac}
		if key != nil {
			require.NoError(t, m.SignWith(key))
			s.signer = &key.PublicKey
		}
		if mac {
			require.NoError(t, m.AddMAC(w.z))
		}
		var err error
		s.octets, err = m.Encode()
		require.NoError(t, err)
		all = append(all, s)
	}
	tolerant := func(m *gbcs.Message) *gbcs.Message {
		m.Form = gbcs.LengthsTwoOctet
		return m
	}
	later := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	cancel := gbcs.CancelTime()
	for mode := gbcs.RootBySupplier; mode.Known(); mode++ {
		u := w.update(mode, 1000+gbcs.OriginatorCounter(mode))
		at, _ := mode.AuthorisingCell()
		originator, key := w.signers[at.Role].id, w.signers[at.Role].key
		mac := true
		switch mode {
		case gbcs.AccessControlBrokerByACB:
			key = nil
		case gbcs.AnyExceptAbnormalRootByRecovery:
			mac = false
		case gbcs.AnyByContingency:
			originator, key, mac = w.dcc, w.contingency, false
		}
		header := gbcs.GroupingHeader{Counter: u.SeqNumber, Originator: originator, Recipient: w.device}
		name := mode.String()
		finish(name+" pre-command", gbcs.NewCommand(header, u), nil, false)
		finish(name+" command", gbcs.NewCommand(header, u), key, mac)
		future := *u
		future.ExecuteAt = &later
		finish(name+" future dated", gbcs.NewCommand(header, &future), key, mac)
		stop := *u
		stop.ExecuteAt = &cancel
		finish(name+" cancellation", gbcs.NewCommand(header, &stop), key, mac)
		answered := gbcs.NewCommand(header, u).Header
		finish(name+" response", gbcs.NewResponse(answered, &gbcs.CommandResponse{Outcome: w.outcome(u)}), w.deviceKey, false)
		finish(name+" response with two-octet lengths", tolerant(gbcs.NewResponse(answered, &gbcs.CommandResponse{Outcome: w.outcome(u)})), w.deviceKey, false)
		finish(name+" accepted", gbcs.NewResponse(answered, &gbcs.CommandResponse{}), w.deviceKey, false)
		failed := w.outcome(u)
		failed.Cells[0].Status = gbcs.StatusNoTrustAnchor
		failed.Cells[0].ReplacingKeyID = failed.Cells[0].ExistingKeyID
		alert := &gbcs.Alert{Code: gbcs.AlertFutureDatedNotActioned, ExecutedAt: later, Outcome: *failed}
		finish(name+" alert", tolerant(gbcs.NewAlert(w.device, originator, 2000, mode.LoadController(), alert)), w.deviceKey, false)
	}

	// A communications hub has a signing cell of the access control broker, so
	// that mode 4 is signed there (our reading).
	hub := w.update(gbcs.AccessControlBrokerByACB, 4000)
	hubCell := cell(broker, ds)
	hub.AuthorisingCell = &hubCell
	hub.Replacements = w.replacements(cell(broker, ds), cell(broker, ka))
	finish("mode 4 on a hub", gbcs.NewCommand(gbcs.GroupingHeader{Counter: 4000, Originator: w.broker, Recipient: w.device}, hub), w.signers[broker].key, true)

	// In a handover the broker signs what the supplier's cell authorises.
	handover := w.update(gbcs.SupplierBySupplier, 4001)
	finish("handover", gbcs.NewCommand(gbcs.GroupingHeader{Counter: 4001, Originator: w.broker, Recipient: w.device}, handover), w.signers[broker].key, true)

	byBroker := gbcs.GroupingHeader{Counter: 5000, Originator: w.broker, Recipient: w.device}
	bySupplier := gbcs.GroupingHeader{Counter: 5001, Originator: w.supplier, Recipient: w.device}
	details := &gbcs.CredentialDetails{Roles: []gbcs.RoleCredentials{
		{Role: supplier, Counter: 9, Credentials: []gbcs.Credential{{Usage: ds, ID: w.supplier, KeyID: policy.KeyID{2}}, {Usage: ka, Cell: gbcs.CellPrePaymentTopUp, ID: w.supplier, KeyID: policy.KeyID{3}}}},
		{Role: network, Counter: 1, Credentials: []gbcs.Credential{{Usage: ds, ID: w.network, KeyID: policy.KeyID{4}}, {Usage: ka, ID: w.network, KeyID: policy.KeyID{5}}}},
		{Role: policy.RoleWANProvider, Status: gbcs.StatusTrustAnchorNotFound},
	}}
	for _, code := range []gbcs.MessageCode{gbcs.CodeReadCredentials, gbcs.CodeReadCredentialsLoadController} {
		name := code.UseCase()
		byBroker.MessageCode, bySupplier.MessageCode = code, code
		read := func(c gbcs.TrustAnchorCell) *gbcs.ReadCredentials {
			return &gbcs.ReadCredentials{AuthorisingCell: c, Roles: []policy.RemotePartyRole{supplier, network, policy.RoleWANProvider}}
		}
		command := gbcs.NewCommand(byBroker, read(cell(broker, ka)))
		finish(name+" command by the broker", command, nil, true)
		finish(name+" response to the broker", tolerant(gbcs.NewResponse(command.Header, details)), nil, true)
		command = gbcs.NewCommand(bySupplier, read(cell(supplier, ds)))
		finish(name+" command by a supplier", command, w.signers[supplier].key, false)
		finish(name+" response to a supplier", gbcs.NewResponse(command.Header, details), w.deviceKey, false)
	}
	bySupplier.MessageCode = 0

	issue := gbcs.NewCommand(bySupplier, &gbcs.IssueCredentials{Usage: ds})
	finish("CS02c command", issue, w.signers[supplier].key, true)
	finish("CS02c response", gbcs.NewResponse(issue.Header, &gbcs.IssueResponse{Request: w.request(t)}), w.deviceKey, false)
	finish("CS02c error", gbcs.NewResponse(issue.Header, &gbcs.IssueResponse{Result: gbcs.IssueKeyPairGenerationFailed}), w.deviceKey, false)
	store := gbcs.NewCommand(bySupplier, &gbcs.UpdateDeviceCertificate{Certificate: w.deviceDS.Raw})
	finish("CS02d command", store, w.signers[supplier].key, true)
	finish("CS02d response", gbcs.NewResponse(store.Header, &gbcs.UpdateDeviceCertificateResponse{}), w.deviceKey, false)
	finish("CS02d error", gbcs.NewResponse(store.Header, &gbcs.UpdateDeviceCertificateResponse{Result: gbcs.DeviceCertificateWrongPublicKey}), w.deviceKey, false)
	fetch := gbcs.NewCommand(bySupplier, &gbcs.ReadDeviceCertificate{Usage: ka})
	finish("CS02e command", fetch, w.signers[supplier].key, true)
	finish("CS02e response", gbcs.NewResponse(fetch.Header, &gbcs.DeviceCertificateResponse{Certificate: w.deviceKA.Raw}), w.deviceKey, false)
	finish("CS02e error", gbcs.NewResponse(fetch.Header, &gbcs.DeviceCertificateResponse{Result: gbcs.ReadNoCertificateHeld}), w.deviceKey, false)

	foreign := gbcs.GroupingHeader{Counter: 6000, Originator: w.supplier, Recipient: w.device, MessageCode: 0x0023,
		Supplementary: append(w.network[:], 0, 0, 0, 0, 0, 0, 0, 9)}
	finish("a use case that is not ours", gbcs.NewCommand(foreign, gbcs.Opaque{Octets: []byte{0xC0, 1, 2}}), w.signers[supplier].key, true)
	return all
}
