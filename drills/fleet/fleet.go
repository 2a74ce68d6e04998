package fleet

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// maxDevices bounds a fleet held in memory, at some tens of kilobytes a device.
const maxDevices = 1_000_000

// Config says what fleet to make. Devices are alike but for what the seed draws.
type Config struct {
	// Devices is the number of electricity meters, 1 or more.
	Devices int

	// Seed decides keys, regions, reach, delays and premises.
	Seed int64

	// Anchors are what the cells hold at the start. Each of [MeterCells] needs
	// one, because all trust anchors of a device must be populated (GBCS v0.8.1
	// p.148).
	Anchors map[gbcs.TrustAnchorCell]Anchor

	// Counters are the highest counters already used, by role.
	Counters map[policy.RemotePartyRole]gbcs.OriginatorCounter

	// Policies are the certificate policies that the devices accept; empty
	// accepts any.
	Policies []asn1.ObjectIdentifier

	// HardwareType is the hwType in the devices' certificates.
	HardwareType asn1.ObjectIdentifier

	// FirstID is the identifier of device 0; the others count up from it.
	FirstID policy.EntityID

	// Unreachable and Late are shares of the fleet, 0 to 1 together. The numbers
	// of devices are exact.
	Unreachable, Late float64

	// MinDelay and MaxDelay bound the delay of late devices.
	MinDelay, MaxDelay time.Duration

	// North and South are shares of the fleet; Central has the rest. Both zero
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

// A Fleet is a set of devices that share a path cache and settings.
//
// All methods may be called concurrently, but two calls of Deliver or Advance
// at a time give up the promise that the same seed has the same outcomes.
type Fleet struct {
	devices  []*Device
	byID     map[policy.EntityID]*Device
	settings Settings
	seed     [32]byte
	paths    *pathCache
	waiting  atomic.Int64 // events that wait on devices, so that Next can answer at once when there are none

	mu       sync.Mutex
	baseline []baselineCells // guarded by mu; see Mark
}

// New makes a fleet. It derives two key pairs for each device, on all cores.
// The error names the field of Config that it is about.
func New(cfg Config) (*Fleet, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("making a fleet: %w", err)
	}
	f := &Fleet{
		byID:     make(map[policy.EntityID]*Device, cfg.Devices),
		settings: DefaultSettings(),
		seed:     seedOf(cfg.Seed),
		paths:    newPathCache(cfg.Policies),
	}
	if cfg.Settings != nil {
		f.settings = *cfg.Settings
	}
	f.devices = make([]*Device, cfg.Devices)
	for i := range f.devices {
		d := &Device{
			Index:        i,
			ID:           count(cfg.FirstID, i),
			Type:         TypeESME,
			HardwareType: cfg.HardwareType,
			fleet:        f,
			state:        Commissioned,
			cells:        make(map[gbcs.TrustAnchorCell]Anchor, len(cfg.Anchors)),
			counters:     newCounters(cfg.Counters),
		}
		for cell, a := range cfg.Anchors {
			d.cells[cell] = a
		}
		f.devices[i], f.byID[d.ID] = d, d
	}
	f.place(cfg)
	if err := f.makeKeys(); err != nil {
		return nil, fmt.Errorf("making a fleet: %w", err)
	}
	f.Mark()
	return f, nil
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
		share("Prepayment", cfg.Prepayment),
	}
	if cfg.Devices < 1 || cfg.Devices > maxDevices {
		errs = append(errs, fmt.Errorf("Devices: want 1 to %d, got %d", maxDevices, cfg.Devices))
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
	for _, cell := range MeterCells() {
		if cfg.Anchors[cell].PublicKey == nil {
			errs = append(errs, fmt.Errorf("Anchors: want a key for cell %v, got none", cell))
		}
	}
	return errors.Join(errs...)
}

// count returns the identifier that follows first by n.
func count(first policy.EntityID, n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], binary.BigEndian.Uint64(first[:])+uint64(n))
	return id
}

// place draws region, reach, delay, premises and prepayment for each device.
func (f *Fleet) place(cfg Config) {
	n := len(f.devices)
	north, south := cfg.North, cfg.South
	if north == 0 && south == 0 {
		north, south = 0.3, 0.3
	}
	for rank, i := range draws(f.seed, "region").Perm(n) {
		switch {
		case rank < quota(n, north):
			f.devices[i].Region = North
		case rank < quota(n, north)+quota(n, south):
			f.devices[i].Region = South
		default:
			f.devices[i].Region = Central
		}
	}
	unreachable, late := quota(n, cfg.Unreachable), quota(n, cfg.Late)
	reach := draws(f.seed, "reach")
	for rank, i := range reach.Perm(n) {
		switch {
		case rank < unreachable:
			f.devices[i].reach = Unreachable
		case rank < unreachable+late:
			f.devices[i].reach = Late
		default:
			f.devices[i].reach = Reachable
		}
	}
	delays := draws(f.seed, "delay")
	for _, d := range f.devices {
		// Every device draws, so that one more late device changes no other delay.
		spread := int64((cfg.MaxDelay-cfg.MinDelay)/time.Second) + 1
		drawn := cfg.MinDelay + time.Duration(delays.Int64N(spread))*time.Second
		if d.reach == Late {
			d.Delay = max(drawn, time.Second)
		}
	}
	f.house(cfg)
}

// house gives devices their premises. Neighbours in the fleet share one with a
// chance that makes the mean come true.
func (f *Fleet) house(cfg Config) {
	mean := max(cfg.DevicesPerPremises, 1)
	r := draws(f.seed, "premises")
	premises := 0
	for i, d := range f.devices {
		alone := r.Float64() < 1/mean
		if i == 0 || alone {
			premises++
		} else {
			d.Region = f.devices[i-1].Region
		}
		d.Premises = premises
	}
	prepay := pick(draws(f.seed, "prepayment"), premises, cfg.Prepayment)
	for _, d := range f.devices {
		d.Prepayment = prepay[d.Premises-1]
	}
}

func (f *Fleet) makeKeys() error {
	errs := make([]error, len(f.devices))
	inParallel(len(f.devices), func(i int) {
		d := f.devices[i]
		var err error
		if d.signing, err = newKeyPair(f.seed, d.ID, policy.UsageDigitalSignature); err != nil {
			errs[i] = err
			return
		}
		d.agree, errs[i] = newKeyPair(f.seed, d.ID, policy.UsageKeyAgreement)
	})
	return errors.Join(errs...)
}

// inParallel calls do for 0 to n-1 on all cores and returns when all calls have
// returned. Workers take the next number, so one slow call holds up nobody.
func inParallel(n int, do func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	workers.Wait()
}

// Len returns the number of devices.
func (f *Fleet) Len() int { return len(f.devices) }

// Device returns the device with an index from 0 to Len-1.
func (f *Fleet) Device(index int) *Device { return f.devices[index] }

// ByID returns the device with an identifier, and whether there is one.
func (f *Fleet) ByID(id policy.EntityID) (*Device, bool) {
	d, ok := f.byID[id]
	return d, ok
}

// ForEach calls do for each device in the order of their indexes, and stops at
// the first error, which it returns.
func (f *Fleet) ForEach(do func(*Device) error) error {
	for _, d := range f.devices {
		if err := do(d); err != nil {
			return fmt.Errorf("device %v: %w", d.ID, err)
		}
	}
	return nil
}

// Settings returns the rules that the fleet's devices follow.
func (f *Fleet) Settings() Settings { return f.settings }

// Fleet returns the fleet that the device belongs to.
func (d *Device) Fleet() *Fleet { return d.fleet }
