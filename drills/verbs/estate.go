package verbs

import (
	"context"
	"encoding/asn1"
	"fmt"
	"maps"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
	"smki.example/policy"
)

// What the estate is made of beyond the scenario; all of it sample data. A forecast
// of a drill reads them too, so that it cannot drift from what a run does.
const (
	// DevicesPerPremises is how many devices stand at one premises.
	DevicesPerPremises = 1.9
	// LateFrom and LateTo are how much later a late device answers.
	LateFrom, LateTo = 20 * time.Minute, 100 * time.Minute

	defaultPrepayment = 0.30
)

// hardwareType is the hwType of the drill's meters, from the arc for
// documentation (RFC 5612).
var hardwareType = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2, 1}

// firstDevice is the identifier of device 0. Its second bit says that it is
// locally administered, so that it can be no real meter's.
const firstDevice = "02-00-5E-EF-00-00-00-01"

// certifiedUpTo is the largest estate in which the CA certifies both keys of every
// device before the drill begins. Issuing 2 certificates takes the CA's token about
// as long as a whole recovery of the device takes everybody; in a larger estate a
// device gets its two when its messages go into the evidence pack, or when they are
// asked for. Its keys are the same either way, and the record says which it was.
const certifiedUpTo = 5000

// makeEstate makes the devices, fills the trust anchor cells of each, and has the
// CA certify both keys of each.
func (w *World) makeEstate(ctx context.Context) error {
	first, err := policy.ParseEntityID(firstDevice)
	if err != nil {
		return err
	}
	e := w.cfg.Scenario.Estate
	north, south, err := regions(w)
	if err != nil {
		return err
	}
	types, err := deviceShares(e.Types)
	if err != nil {
		return err
	}
	prepayment := e.Prepayment
	if prepayment == 0 {
		prepayment = defaultPrepayment
	}
	anchors, counters := w.anchors()
	w.fleet, err = fleet.New(fleet.Config{
		Devices: w.cfg.Devices, Estate: w.cfg.Estate, First: w.cfg.First, Seed: w.cfg.Seed, Types: types, Anchors: anchors, Counters: counters,
		Suppliers: w.holdings(policy.RoleSupplier), Operators: w.holdings(policy.RoleNetworkOperator),
		Policies:     []asn1.ObjectIdentifier{w.env.Path.OrganisationPolicy},
		HardwareType: hardwareType, FirstID: first,
		Unreachable: e.Unreachable, Late: e.Late, MinDelay: LateFrom, MaxDelay: LateTo,
		NoWAN: e.NoWAN, Sleepy: e.Sleepy, Wrong: e.Wrong, CountersAtOdds: e.AtOdds, Partly: e.Partly, AnswersLost: e.AnswersLost,
		North: north, South: south, Prepayment: prepayment, DevicesPerPremises: DevicesPerPremises,
	})
	if err != nil {
		return err
	}
	if w.fleet.Len() > certifiedUpTo {
		_, err := w.record(journal.KindCertificate, w.clock.now(), CertificatesIssued{
			Issuer: "issuing-dca", Kind: "Device Certificates", Count: 0,
			Note: fmt.Sprintf("none before the drill: in an estate of more than %d devices a device gets its two when its messages go into this pack or when they are asked for; its keys are the same", certifiedUpTo),
		})
		return err
	}
	all := make([]int, w.fleet.Len())
	for i := range all {
		all[i] = i
	}
	return w.certifyDevices(ctx, all, "installed before the drill begins")
}

// deviceShares reads the scenario's types of device.
func deviceShares(parts []scenario.Region) (map[fleet.Type]float64, error) {
	shares := map[fleet.Type]float64{}
	for _, p := range parts {
		t, err := fleet.ParseType(p.Name)
		if err != nil {
			return nil, fmt.Errorf("types of the scenario: %w", err)
		}
		shares[t] += p.Share
	}
	return shares, nil
}

// holdings are the parties of a role among whom the devices are shared out, in
// their order; none if there is only one. Who is not named by the estate shares what
// is left evenly.
func (w *World) holdings(role policy.RemotePartyRole) []fleet.Holding {
	parties := w.partiesOf(role)
	if len(parties) < 2 {
		return nil
	}
	named := map[string]float64{}
	left, unnamed := 1.0, len(parties)
	for _, h := range w.cfg.Scenario.Estate.Held {
		for _, p := range parties {
			if p.id == h.Name {
				named[p.id] = h.Share
				left -= h.Share
				unnamed--
			}
		}
	}
	var out []fleet.Holding
	for _, p := range parties {
		share, is := named[p.id]
		if !is {
			share = max(left, 0) / float64(unnamed)
		}
		out = append(out, fleet.Holding{Share: share, Anchors: cellAnchors(role, p.current()), Counter: p.counter})
	}
	return out
}

// cellAnchors are what a set of credentials puts into the cells of a role.
func cellAnchors(role policy.RemotePartyRole, set map[purpose]*credential) map[gbcs.TrustAnchorCell]fleet.Anchor {
	anchors := map[gbcs.TrustAnchorCell]fleet.Anchor{}
	for _, cell := range fleet.AllCells() {
		if cell.Role != role {
			continue
		}
		if c := credentialFor(set, cell); c != nil {
			anchors[cell] = c.anchor()
		}
	}
	return anchors
}

// regions reads the scenario's regions, which are those of the national network.
func regions(w *World) (north, south float64, err error) {
	for _, r := range w.cfg.Scenario.Estate.Regions {
		switch r.Name {
		case fleet.North.String():
			north = r.Share
		case fleet.South.String():
			south = r.Share
		case fleet.Central.String():
		default:
			return 0, 0, fmt.Errorf("region %q of the scenario: the estate has the regions north, central and south", r.Name)
		}
	}
	return north, south, nil
}

// anchors are what every device holds at the start. The load controller's cells
// hold the broker's certificates: no party of a drill has that role, and all cells of
// a device must be populated (GBCS v0.8.1 p.148).
func (w *World) anchors() (map[gbcs.TrustAnchorCell]fleet.Anchor, map[policy.RemotePartyRole]gbcs.OriginatorCounter) {
	anchors := map[gbcs.TrustAnchorCell]fleet.Anchor{
		fleet.CellRoot:     fleet.AnchorOf(w.authority.made["root-oca"]),
		fleet.CellRecovery: fleet.AnchorOf(w.authority.made[recoveryName]),
	}
	counters := map[policy.RemotePartyRole]gbcs.OriginatorCounter{policy.RoleRecovery: 0}
	for _, role := range []policy.RemotePartyRole{
		policy.RoleSupplier, policy.RoleNetworkOperator, policy.RoleAccessControlBroker, policy.RoleTransitionalCoS, policy.RoleWANProvider,
	} {
		p := w.partyOf(role)
		maps.Copy(anchors, cellAnchors(role, p.current()))
		counters[role] = p.counter
	}
	broker := w.partyOf(policy.RoleAccessControlBroker)
	maps.Copy(anchors, cellAnchors(policy.RoleLoadController, broker.current()))
	return anchors, counters
}

// certifyDevices has the CA issue a Device Certificate for each of the two keys
// of some devices that have none, and installs them.
func (w *World) certifyDevices(ctx context.Context, devices []int, note string) error {
	usages := []policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement}
	requests := make([][]byte, len(devices)*len(usages))
	errs := make([]error, len(devices))
	inParallel(len(devices), func(i int) {
		for n, usage := range usages {
			requests[i*len(usages)+n], errs[i] = w.fleet.Device(devices[i]).Request(usage)
			if errs[i] != nil {
				return
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	certificates, err := w.authority.issueAll(ctx, requests, "device manufacturer (exercise)", func(done int) {
		if len(requests) > 2*certifiedUpTo/5 {
			w.progress("device certificates", done, len(requests))
		}
	})
	if err != nil {
		return err
	}
	for i, c := range certificates {
		if err := w.fleet.Device(devices[i/len(usages)]).Install(c); err != nil {
			return err
		}
	}
	_, err = w.record(journal.KindCertificate, w.clock.now(), CertificatesIssued{
		Issuer: "issuing-dca", Kind: "Device Certificates, two for each device", Count: len(certificates), Note: note,
	})
	return err
}

// certified has the CA certify the keys of those of some devices that have no
// certificates yet.
func (w *World) certified(ctx context.Context, devices []int, note string) error {
	var missing []int
	for _, i := range devices {
		if w.fleet.Device(i).Certificate(policy.UsageDigitalSignature) == nil {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return w.certifyDevices(ctx, missing, note)
}

// certifyKept gives the devices whose messages went into the pack their
// certificates, where the estate is too large for everybody to have them, and puts
// these into the pack.
func (w *World) certifyKept(ctx context.Context) error {
	if len(w.uncertified) == 0 {
		return nil
	}
	if err := w.certified(ctx, w.uncertified, "issued now, because messages of these devices are in this pack"); err != nil {
		return err
	}
	for _, i := range w.uncertified {
		if err := w.keepCertificates(w.fleet.Device(i)); err != nil {
			return err
		}
	}
	w.uncertified = nil
	return nil
}

// keepCertificates puts a device's own certificates into the pack.
func (w *World) keepCertificates(d *fleet.Device) error {
	for usage, short := range map[policy.KeyUsage]string{policy.UsageDigitalSignature: "ds", policy.UsageKeyAgreement: "ka"} {
		if err := w.pack.write("certs/device-"+d.ID.Hex()+"-"+short+".pem", d.Certificate(usage).PEM()); err != nil {
			return err
		}
	}
	return nil
}

// prepaymentOf is the credential for the prepayment cell. The broker has no key of
// its own for it: during Method 2 its agreement key stands in both cells.
func prepaymentOf(set map[purpose]*credential) *credential {
	if c := set[purposePrepayment]; c != nil {
		return c
	}
	return set[purposeAgreement]
}
