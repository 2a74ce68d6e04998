package verbs

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// KindDeviceKeys is the kind of an entry that tells of devices whose own keys were
// renewed; its body is [DeviceKeysRenewed].
const KindDeviceKeys journal.Kind = "devicekeys"

// DeviceKeysRenewed is what became of the devices of one window.
type DeviceKeysRenewed struct {
	Work     string         `json:"work"`
	Number   int            `json:"number"`
	Devices  int            `json:"devices"`
	Outcomes map[string]int `json:"outcomes"`  // each device once
	Requests int            `json:"requests"`  // that devices made (CS02c)
	Issued   int            `json:"issued"`    // certificates
	Stored   int            `json:"stored"`    // certificates that devices took (CS02d)
	ReadBack int            `json:"read_back"` // certificates that devices showed afterwards (CS02e), all of them the new ones
	Messages int            `json:"messages"`
	Root     string         `json:"root"` // RFC 6962 tree hash over them
}

// What became of a device whose keys were to be renewed. The words stand in
// records.
const (
	keysRenewed   = "both keys renewed"
	keysPartly    = "one key renewed"
	keysRefused   = "refused by device"
	keysUnreached = "not reached"
)

// deviceUsages are the two keys of a device.
var deviceUsages = []policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement}

// A keyWork renews the own keys of a supplier's devices, at the estate's rate.
// Each device gets two commands to make a key (CS02c), its requests go to the CA,
// and its certificates come back in two more (CS02d). A device that is not there
// now is tried again like any other.
type keyWork struct {
	name   string
	party  *party
	queue  []attempt
	shards int
	totals map[string]int
	read   int          // devices read back so far
	kept   map[int]bool // devices whose messages are in the pack
}

// readBackOf is how many devices of a work are asked for their certificates.
const readBackOf = 12

// renewDevices begins the renewal of the own keys of a supplier's devices.
func (w *World) renewDevices(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	if p.role != policy.RoleSupplier {
		return refuse("%s is a %s: a device's own keys are its supplier's business", p.name, p.role)
	}
	k := &keyWork{name: fmt.Sprintf("device keys of %s, %d", p.id, len(w.dcc.keyWork)+1), party: p, totals: map[string]int{}, kept: map[int]bool{}}
	step := float64(time.Hour) / w.rate
	for _, r := range w.rows() {
		if w.homeOf(p, &r) && r.Excluded == "" {
			k.queue = append(k.queue, attempt{at: at + time.Duration(float64(len(k.queue)+1)*step), device: r.Index, try: 1})
		}
	}
	if len(k.queue) == 0 {
		return refuse("%s has no devices", p.name)
	}
	w.dcc.keyWork = append(w.dcc.keyWork, k)
	w.pend(k)
	return nil
}

// pend arranges for the next window of the work.
func (w *World) pend(k *keyWork) {
	if len(k.queue) == 0 {
		return
	}
	w.pending = append(w.pending, pendingAct{windowEnd(k.queue[0].at), func(ctx context.Context, at time.Duration) error {
		return w.whenTokenWorks(ctx, at, ownerCA, k.name, func(ctx context.Context, at time.Duration) error { return w.renewWindow(ctx, at, k) })
	}})
}

// A renewal is one device on its way to new keys.
type renewal struct {
	attempt
	word     string
	requests map[policy.KeyUsage][]byte
	fresh    map[policy.KeyUsage]*policy.Certificate
	stored   int
}

// renewWindow renews the keys of the devices that are due.
func (w *World) renewWindow(ctx context.Context, at time.Duration, k *keyWork) error {
	w.clock.set(max(at, w.clock.now()))
	owner := k.party.owner
	if w.tokenOut(owner) {
		for i := range k.queue {
			k.queue[i].at = max(k.queue[i].at, at+outagePause)
		}
		w.pend(k)
		return nil
	}
	var due []*renewal
	for len(k.queue) > 0 && k.queue[0].at <= at {
		due = append(due, &renewal{attempt: k.queue[0], requests: map[policy.KeyUsage][]byte{}, fresh: map[policy.KeyUsage]*policy.Certificate{}})
		k.queue = k.queue[1:]
	}
	devices := make([]int, len(due))
	for i, r := range due {
		devices[i] = r.device
	}
	if err := w.certified(ctx, devices, "the present ones, of devices whose keys are about to be renewed"); err != nil {
		return err
	}
	for _, r := range due {
		if len(k.kept) < sampleDevices && !k.kept[r.device] {
			// What it has now goes into the pack before it is replaced.
			k.kept[r.device] = true
			if err := w.keepDevice(r.device); err != nil {
				return err
			}
		}
	}
	body := DeviceKeysRenewed{Work: k.name, Devices: len(due), Outcomes: map[string]int{}}
	k.shards++
	body.Number = k.shards
	var octets [][]byte
	if err := w.askForRequests(ctx, at, k, due, &octets); err != nil {
		return err
	}
	if err := w.certifyDeviceKeys(ctx, due, &body); err != nil {
		return err
	}
	if err := w.storeCertificates(ctx, at, k, due, &octets, &body); err != nil {
		return err
	}
	if err := w.readCertificates(ctx, at, k, due, &octets, &body); err != nil {
		return err
	}
	for _, r := range due {
		switch {
		case r.stored == len(deviceUsages):
			r.word = keysRenewed
			w.dcc.keysOf[r.device]++
		case r.stored > 0:
			r.word = keysPartly
		case r.word == "":
			r.word = keysRefused
		}
		body.Outcomes[r.word]++
		if r.word != keysRenewed && r.try < attempts {
			k.again(attempt{at: r.at + AgainAfter, device: r.device, try: r.try + 1})
			continue
		}
		k.totals[r.word]++
	}
	w.changed()
	body.Messages, body.Root = len(octets), merkleRoot(octets)
	if _, err := w.record(KindDeviceKeys, at, body); err != nil {
		return err
	}
	w.tell(at, body)
	w.pend(k)
	return nil
}

// again puts a device back, in order of time, then device.
func (k *keyWork) again(next attempt) {
	i, _ := slices.BinarySearchFunc(k.queue, next, func(have, want attempt) int {
		if have.at < want.at || have.at == want.at && have.device < want.device {
			return -1
		}
		return 1
	})
	k.queue = slices.Insert(k.queue, i, next)
}

// askForRequests has devices make new key pairs and send requests for them.
func (w *World) askForRequests(ctx context.Context, at time.Duration, k *keyWork, due []*renewal, octets *[][]byte) error {
	for _, usage := range deviceUsages {
		err := w.toDevices(ctx, at, k, due, octets,
			func(*renewal) gbcs.Payload { return &gbcs.IssueCredentials{Usage: usage} },
			func(r *renewal, answer gbcs.Payload) {
				if made, is := answer.(*gbcs.IssueResponse); is && made.Request != nil {
					r.requests[usage] = made.Request
				}
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// certifyDeviceKeys has the CA certify all requests of a window, in one batch.
func (w *World) certifyDeviceKeys(ctx context.Context, due []*renewal, body *DeviceKeysRenewed) error {
	type wanted struct {
		r     *renewal
		usage policy.KeyUsage
	}
	var who []wanted
	var requests [][]byte
	for _, r := range due {
		for _, usage := range deviceUsages {
			if der := r.requests[usage]; der != nil {
				who, requests = append(who, wanted{r, usage}), append(requests, der)
			}
		}
	}
	body.Requests = len(requests)
	if len(requests) == 0 {
		return nil
	}
	certificates, err := w.authority.issueAll(ctx, requests, "device (exercise)", func(int) {})
	if err != nil {
		return err
	}
	for i, c := range certificates {
		who[i].r.fresh[who[i].usage] = c
	}
	body.Issued = len(certificates)
	return nil
}

// storeCertificates sends devices their new certificates. The key for agreement
// comes second: the MAC of the first command still needs the old one.
func (w *World) storeCertificates(ctx context.Context, at time.Duration, k *keyWork, due []*renewal, octets *[][]byte, body *DeviceKeysRenewed) error {
	for _, usage := range deviceUsages {
		err := w.toDevices(ctx, at, k, due, octets,
			func(r *renewal) gbcs.Payload {
				if c := r.fresh[usage]; c != nil {
					return &gbcs.UpdateDeviceCertificate{Certificate: c.Raw}
				}
				return nil
			},
			func(r *renewal, answer gbcs.Payload) {
				if done, is := answer.(*gbcs.UpdateDeviceCertificateResponse); is && done.Result == gbcs.DeviceCertificateStored {
					r.stored++
					body.Stored++
					if usage == policy.UsageKeyAgreement {
						w.broker.forget(r.device)
					}
				}
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// readCertificates asks a sample of devices to show their certificates, and
// compares them with those that were issued.
func (w *World) readCertificates(ctx context.Context, at time.Duration, k *keyWork, due []*renewal, octets *[][]byte, body *DeviceKeysRenewed) error {
	var some []*renewal
	for _, r := range due {
		if r.stored == len(deviceUsages) && k.read < readBackOf {
			k.read++
			some = append(some, r)
		}
	}
	for _, usage := range deviceUsages {
		err := w.toDevices(ctx, at, k, some, octets,
			func(*renewal) gbcs.Payload { return &gbcs.ReadDeviceCertificate{Usage: usage} },
			func(r *renewal, answer gbcs.Payload) {
				shown, is := answer.(*gbcs.DeviceCertificateResponse)
				if is && shown.Certificate != nil && string(shown.Certificate) == string(r.fresh[usage].Raw) {
					body.ReadBack++
					return
				}
				w.differ++ // it says that it holds another than it took
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// toDevices sends each device one command of a kind, signed by its supplier and
// sealed by the broker, and hands over what it answered. Nothing counts that the
// device's signature does not prove. A nil payload sends nothing.
func (w *World) toDevices(ctx context.Context, at time.Duration, k *keyWork, due []*renewal, octets *[][]byte,
	payload func(*renewal) gbcs.Payload, heard func(*renewal, gbcs.Payload)) error {
	var commands []fleet.Command
	var who []*renewal
	for _, r := range due {
		p := payload(r)
		switch {
		case p == nil || r.word != "":
			continue
		case w.fleet.Device(r.device).Reach() != fleet.Reachable:
			// Four commands and answers follow on each other: a device that is late is
			// taken when it can be spoken with, or not at all.
			r.word = keysUnreached
			continue
		}
		if why := w.broker.refuses(w.authority, k.party, w.ownKey(k.party, r.device).certificate); why != "" {
			r.word = outcomeBroker
			continue
		}
		command, err := w.deviceCommand(ctx, k.party, r.device, p)
		if err != nil {
			return err
		}
		commands, who = append(commands, fleet.Command{Device: r.device, Octets: command}), append(who, r)
	}
	// Before the answers come: a device that changes its signing key answers with the
	// old one or the new, and both certificates belong into the pack.
	deliveries, err := w.fleet.Deliver(ctx, w.clock.date(at), commands)
	if err != nil {
		return err
	}
	byDevice := map[int]*renewal{}
	for _, r := range who {
		byDevice[r.device] = r
	}
	for i := range deliveries {
		d := &deliveries[i]
		if d.Err != nil {
			return d.Err
		}
		r := byDevice[d.Command.Device]
		*octets = append(*octets, d.Command.Octets)
		for _, alert := range d.Check.Alerts {
			w.alerts[alert.String()]++
		}
		if d.Answer == nil {
			if d.Fate == fleet.Lost {
				r.word = keysUnreached
			}
			continue
		}
		*octets = append(*octets, d.Answer)
		answer, err := w.deviceAnswer(d)
		if err != nil {
			return err
		}
		if answer != nil {
			heard(r, answer)
		}
		if err := w.keepExchange(at, k, d); err != nil {
			return err
		}
	}
	return nil
}

// deviceCommand is a supplier's command to one device about the device's own keys.
func (w *World) deviceCommand(ctx context.Context, p *party, device int, payload gbcs.Payload) ([]byte, error) {
	m := gbcs.NewCommand(gbcs.GroupingHeader{Counter: p.next(), Originator: p.entity, Recipient: w.fleet.Device(device).ID}, payload)
	if err := m.SignWith(w.ownKey(p, device).signer(ctx)); err != nil {
		return nil, err
	}
	z, err := w.broker.secret(w, device)
	if err != nil {
		return nil, err
	}
	if err := m.AddMAC(z); err != nil {
		return nil, err
	}
	return m.Encode()
}

// deviceAnswer reads an answer that the device signed with a key the CA knows as
// its own; nil if nothing proves it.
func (w *World) deviceAnswer(d *fleet.Delivery) (gbcs.Payload, error) {
	m, err := gbcs.Decode(d.Answer)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of device %v: %w", d.Device.ID, err)
	}
	if len(m.Signature) > 0 {
		if err := m.VerifySignature(d.Device.Certificate(policy.UsageDigitalSignature).PublicKey); err != nil {
			w.differ++
			return nil, nil
		}
	}
	return m.Payload, nil
}

// keepExchange puts a command and its answer into the pack, if the device is one of
// the work's sample.
func (w *World) keepExchange(at time.Duration, k *keyWork, d *fleet.Delivery) error {
	if !k.kept[d.Device.Index] {
		return nil
	}
	for _, octets := range [][]byte{d.Command.Octets, d.Answer} {
		entry, err := w.pack.message(octets, d.Device.ID)
		if err != nil {
			return err
		}
		entry.Campaign, entry.Outcome, entry.Reason = k.name, d.Check.Effect.String(), d.Check.Result
		if _, err := w.record(journal.KindMessage, at, entry); err != nil {
			return err
		}
	}
	return w.keepDeviceKeys(d.Device.Index)
}

// keepDeviceKeys puts into the pack what an outsider needs for messages of a device
// whose keys are new.
func (w *World) keepDeviceKeys(index int) error {
	d := w.fleet.Device(index)
	id := d.ID.Hex()
	for usage, short := range map[policy.KeyUsage]string{policy.UsageDigitalSignature: "ds", policy.UsageKeyAgreement: "ka"} {
		c := d.Certificate(usage)
		file := fmt.Sprintf("certs/device-%s-%s-%s.pem", id, short, c.SubjectKeyID)
		if w.pack.devices[file] {
			continue
		}
		w.pack.devices[file] = true
		if err := w.pack.write(file, c.PEM()); err != nil {
			return err
		}
	}
	key := w.broker.keyFor(w, index)
	z, err := w.broker.secretWith(w, key, index)
	if err != nil {
		return err
	}
	party := w.broker.party.entity.Hex()
	w.pack.secrets[fmt.Sprintf("%s %s %d %s", party, id, key.generation, d.Certificate(policy.UsageKeyAgreement).SubjectKeyID)] = secret{PartyA: party, PartyB: id, Z: hex.EncodeToString(z)}
	return nil
}

// forget drops what was worked out with a device's old agreement key.
func (b *broker) forget(device int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for of := range b.secrets {
		if of.device == device {
			delete(b.secrets, of)
		}
	}
}
