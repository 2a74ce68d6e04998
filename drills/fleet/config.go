package fleet

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// maxDevices bounds a fleet held in memory, at some 350 octets a device. A larger
// estate is played in shards; see [Config.Estate].
const maxDevices = 1_000_000

// Config says what fleet to make. Devices are alike but for what the seed draws.
type Config struct {
	// Devices is the number of devices, 1 or more.
	Devices int

	// Estate and First make the fleet a shard: the Devices devices from number
	// First on, of an estate of that many. What the seed draws is drawn over the
	// whole estate, so that a device is the same in whatever shard it is held.
	// Estate 0 means that the fleet is the whole estate.
	Estate, First int

	// Seed decides keys, types, regions, reach, delays and premises.
	Seed int64

	// Types are shares of the estate; together 1. Empty: electricity meters only.
	Types map[Type]float64

	// Anchors are what the cells hold at the start. Each cell of each type in
	// Types needs one, because all trust anchors of a device must be populated
	// (GBCS v0.8.1 p.148).
	Anchors map[gbcs.TrustAnchorCell]Anchor

	// Counters are the highest counters already used, by role.
	Counters map[policy.RemotePartyRole]gbcs.OriginatorCounter

	// Suppliers and Operators are the parties among whom the devices are shared
	// out, by premises; shares are of the estate and add up to 1. Empty: one
	// party, whose anchors and counter are in Anchors and Counters.
	Suppliers, Operators []Holding

	// Policies are the certificate policies that the devices accept; empty
	// accepts any.
	Policies []asn1.ObjectIdentifier

	// HardwareType is the hwType in the devices' certificates.
	HardwareType asn1.ObjectIdentifier

	// FirstID is the identifier of device 0 of the estate; the others count up
	// from it.
	FirstID policy.EntityID

	// Unreachable and Late are shares of the estate, 0 to 1 together. The numbers
	// of devices are exact.
	Unreachable, Late float64

	// NoWAN is the share of premises without WAN: all devices there are
	// unreachable, besides the Unreachable.
	NoWAN float64

	// Sleepy is the share of the estate that is sleepy. Only gas meters are, and
	// of them only those that messages reach without delay otherwise.
	Sleepy float64

	// Wrong is the share of the devices with network operator cells whose cells
	// hold the certificates of another of Operators than the one they are
	// registered to. It needs two Operators.
	Wrong float64

	// CountersAtOdds is the share of the estate whose counters of supplier and
	// network operator stand above what these have used.
	CountersAtOdds float64

	// Partly is the share of the estate on which one cell of a command cannot be
	// written: in equal parts a busy store (30, once), a full one (17) and one that
	// refuses a good path (10).
	Partly float64

	// AnswersLost is the share of answers that never arrive.
	AnswersLost float64

	// MinDelay and MaxDelay bound the delay of late devices.
	MinDelay, MaxDelay time.Duration

	// North and South are shares of the estate; Central has the rest. Both zero
	// means 30 % each.
	North, South float64

	// Prepayment is the share of premises whose customer pays in advance.
	Prepayment float64

	// DevicesPerPremises is the mean number of devices at one premises, 1 or
	// more; zero means 1.
	DevicesPerPremises float64

	// Settings are the open rules; nil means [DefaultSettings].
	Settings *Settings
}

// A Holding is a party's part of an estate: which share of it, what its cells
// hold there, and the highest counter the party has used.
type Holding struct {
	Share   float64
	Anchors map[gbcs.TrustAnchorCell]Anchor
	Counter gbcs.OriginatorCounter
}

// oddCounter is by how much a counter at odds stands above what its party used.
const oddCounter = 1 << 32

// estate returns the size of the whole estate.
func (cfg *Config) estate() int {
	if cfg.Estate == 0 {
		return cfg.Devices
	}
	return cfg.Estate
}

// types returns the shares of types, whatever was left out.
func (cfg *Config) types() map[Type]float64 {
	if len(cfg.Types) == 0 {
		return map[Type]float64{TypeESME: 1}
	}
	return cfg.Types
}

func (cfg *Config) check() error {
	share := func(name string, v float64) error {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s: want a share from 0 to 1, got %v", name, v)
		}
		return nil
	}
	errs := []error{
		share("Unreachable", cfg.Unreachable), share("Late", cfg.Late), share("Unreachable and Late together", cfg.Unreachable+cfg.Late),
		share("North", cfg.North), share("South", cfg.South), share("North and South together", cfg.North+cfg.South),
		share("Prepayment", cfg.Prepayment), share("NoWAN", cfg.NoWAN), share("Sleepy", cfg.Sleepy), share("Wrong", cfg.Wrong),
		share("CountersAtOdds", cfg.CountersAtOdds), share("Partly", cfg.Partly), share("AnswersLost", cfg.AnswersLost),
	}
	if cfg.Devices < 1 || cfg.Devices > maxDevices {
		errs = append(errs, fmt.Errorf("Devices: want 1 to %d, got %d", maxDevices, cfg.Devices))
	}
	if cfg.First < 0 || cfg.First+cfg.Devices > cfg.estate() {
		errs = append(errs, fmt.Errorf("First: want devices %d to %d within an estate of %d", cfg.First, cfg.First+cfg.Devices-1, cfg.estate()))
	}
	if cfg.FirstID.IsZero() {
		errs = append(errs, errors.New("FirstID: want the identifier of the first device, got none"))
	}
	if len(cfg.HardwareType) < 2 {
		errs = append(errs, errors.New("HardwareType: want an object identifier, got none"))
	}
	if cfg.MinDelay < 0 || cfg.MaxDelay < cfg.MinDelay {
		errs = append(errs, fmt.Errorf("MinDelay and MaxDelay: want 0 or more and in order, got %v and %v", cfg.MinDelay, cfg.MaxDelay))
	}
	if cfg.Late > 0 && cfg.MaxDelay == 0 {
		errs = append(errs, errors.New("MaxDelay: want a delay for the late devices, got none"))
	}
	if cfg.DevicesPerPremises != 0 && cfg.DevicesPerPremises < 1 {
		errs = append(errs, fmt.Errorf("DevicesPerPremises: want 1 or more, got %v", cfg.DevicesPerPremises))
	}
	return errors.Join(append(errs, cfg.checkTypes(), cfg.checkHoldings())...)
}

func (cfg *Config) checkTypes() error {
	var errs []error
	sum := 0.0
	for t, v := range cfg.types() {
		if !t.known() || !(v >= 0) {
			errs = append(errs, fmt.Errorf("Types: want shares of known types, got %v of %v", v, t))
		}
		sum += v
	}
	if sum < 1-1e-9 || sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("Types: want shares that add up to 1, got %v", sum))
	}
	for _, t := range Types() {
		if cfg.types()[t] <= 0 {
			continue
		}
		for _, cell := range t.Cells() {
			if cfg.held(cell) == nil {
				errs = append(errs, fmt.Errorf("Anchors: want a key for cell %v of %v, got none", cell, t))
			}
		}
	}
	if cfg.Sleepy > cfg.types()[TypeGSME]+1e-9 {
		errs = append(errs, fmt.Errorf("Sleepy: want at most the share of gas meters (%v), got %v", cfg.types()[TypeGSME], cfg.Sleepy))
	}
	return errors.Join(errs...)
}

// held returns what a cell holds on a device of the first holder, or nil.
func (cfg *Config) held(cell gbcs.TrustAnchorCell) *Anchor {
	if holders := cfg.holdings(cell.Role); len(holders) > 0 {
		if a, ok := holders[0].Anchors[cell]; ok && a.PublicKey != nil {
			return &a
		}
		return nil
	}
	if a, ok := cfg.Anchors[cell]; ok && a.PublicKey != nil {
		return &a
	}
	return nil
}

// holdings are the parties of a role among whom devices are shared out.
func (cfg *Config) holdings(role policy.RemotePartyRole) []Holding {
	switch role {
	case policy.RoleSupplier:
		return cfg.Suppliers
	case policy.RoleNetworkOperator:
		return cfg.Operators
	}
	return nil
}

func (cfg *Config) checkHoldings() error {
	var errs []error
	for _, of := range []struct {
		name string
		list []Holding
	}{{"Suppliers", cfg.Suppliers}, {"Operators", cfg.Operators}} {
		if len(of.list) > 255 {
			errs = append(errs, fmt.Errorf("%s: want at most 255, got %d", of.name, len(of.list)))
		}
		sum := 0.0
		for i, h := range of.list {
			sum += h.Share
			for cell := range of.list[0].Anchors {
				if h.Anchors[cell].PublicKey == nil {
					errs = append(errs, fmt.Errorf("%s: want a key of party %d for cell %v, got none", of.name, i, cell))
				}
			}
		}
		if len(of.list) > 0 && (sum < 1-1e-9 || sum > 1+1e-9) {
			errs = append(errs, fmt.Errorf("%s: want shares that add up to 1, got %v", of.name, sum))
		}
	}
	if cfg.Wrong > 0 && len(cfg.Operators) < 2 {
		errs = append(errs, errors.New("Wrong: want two Operators, so that a device can hold the other's certificates"))
	}
	return errors.Join(errs...)
}
