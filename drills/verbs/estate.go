package verbs

import (
	"context"
	"encoding/asn1"
	"fmt"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// What the estate is made of beyond the scenario; all of it sample data.
const (
	devicesPerPremises = 1.9
	defaultPrepayment  = 0.30
	lateFrom, lateTo   = 20 * time.Minute, 100 * time.Minute
)

// hardwareType is the hwType of the drill's meters, from the arc for
// documentation (RFC 5612).
var hardwareType = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 2, 1}

// firstDevice is the identifier of device 0. Its second bit says that it is
// locally administered, so that it can be no real meter's.
const firstDevice = "02-00-5E-EF-00-00-00-01"

// makeEstate makes the devices, installs nine trust anchors in each, and has the
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
	prepayment := e.Prepayment
	if prepayment == 0 {
		prepayment = defaultPrepayment
	}
	anchors, counters := w.anchors()
	w.fleet, err = fleet.New(fleet.Config{
		Devices: w.cfg.Devices, Seed: w.cfg.Seed, Anchors: anchors, Counters: counters,
		Policies:     []asn1.ObjectIdentifier{w.env.Path.OrganisationPolicy},
		HardwareType: hardwareType, FirstID: first,
		Unreachable: e.Unreachable, Late: e.Late, MinDelay: lateFrom, MaxDelay: lateTo,
		North: north, South: south, Prepayment: prepayment, DevicesPerPremises: devicesPerPremises,
	})
	if err != nil {
		return err
	}
	return w.certifyDevices(ctx)
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

// anchors are what every device holds at the start.
func (w *World) anchors() (map[gbcs.TrustAnchorCell]fleet.Anchor, map[policy.RemotePartyRole]gbcs.OriginatorCounter) {
	anchors := map[gbcs.TrustAnchorCell]fleet.Anchor{
		fleet.CellRoot:     fleet.AnchorOf(w.authority.made["root-oca"]),
		fleet.CellRecovery: fleet.AnchorOf(w.authority.made[recoveryName]),
	}
	counters := map[policy.RemotePartyRole]gbcs.OriginatorCounter{policy.RoleRecovery: 0}
	for cell, held := range map[gbcs.TrustAnchorCell]struct {
		role policy.RemotePartyRole
		use  purpose
	}{
		fleet.CellSupplierSigning:    {policy.RoleSupplier, purposeSigning},
		fleet.CellSupplierAgreement:  {policy.RoleSupplier, purposeAgreement},
		fleet.CellSupplierPrepayment: {policy.RoleSupplier, purposePrepayment},
		fleet.CellOperatorSigning:    {policy.RoleNetworkOperator, purposeSigning},
		fleet.CellOperatorAgreement:  {policy.RoleNetworkOperator, purposeAgreement},
		fleet.CellBrokerAgreement:    {policy.RoleAccessControlBroker, purposeAgreement},
		fleet.CellTransitionalCoS:    {policy.RoleTransitionalCoS, purposeSigning},
	} {
		p := w.partyOf(held.role)
		anchors[cell] = p.current()[held.use].anchor()
		counters[held.role] = p.counter
	}
	return anchors, counters
}

// certifyDevices has the CA issue a Device Certificate for each of the two keys
// of each device.
func (w *World) certifyDevices(ctx context.Context) error {
	usages := []policy.KeyUsage{policy.UsageDigitalSignature, policy.UsageKeyAgreement}
	requests := make([][]byte, w.fleet.Len()*len(usages))
	errs := make([]error, w.fleet.Len())
	inParallel(w.fleet.Len(), func(i int) {
		for n, usage := range usages {
			requests[i*len(usages)+n], errs[i] = w.fleet.Device(i).Request(usage)
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
		w.progress("device certificates", done, len(requests))
	})
	if err != nil {
		return err
	}
	for i, c := range certificates {
		if err := w.fleet.Device(i / len(usages)).Install(c); err != nil {
			return err
		}
	}
	_, err = w.record(journal.KindCertificate, w.clock.now(), CertificatesIssued{
		Issuer: "issuing-dca", Kind: "Device Certificates, two for each device", Count: len(certificates), Note: "installed before the drill begins",
	})
	return err
}

// target is what a recovery is to leave in the supplier's cells: the newest keys
// of whoever is to hold them.
func target(set map[purpose]*credential) fleet.Target {
	return fleet.Target{
		fleet.CellSupplierSigning:    set[purposeSigning].keyID(),
		fleet.CellSupplierAgreement:  set[purposeAgreement].keyID(),
		fleet.CellSupplierPrepayment: prepaymentOf(set).keyID(),
	}
}

// prepaymentOf is the credential for the prepayment cell. The broker has no key of
// its own for it: during Method 2 its agreement key stands in both cells.
func prepaymentOf(set map[purpose]*credential) *credential {
	if c := set[purposePrepayment]; c != nil {
		return c
	}
	return set[purposeAgreement]
}
