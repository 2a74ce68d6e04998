package fleet

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Fleet is a set of devices that share a path cache and settings.
//
// All methods may be called concurrently, but two calls of Deliver or Advance
// at a time give up the promise that the same seed has the same outcomes.
type Fleet struct {
	devices      []Device
	firstID      policy.EntityID // of device 0 of the fleet
	settings     Settings
	seed         [32]byte
	paths        *pathCache
	sets         cellSets
	hardwareType asn1.ObjectIdentifier
	answersLost  float64
	agenda       agenda

	mu       sync.Mutex
	baseline []*cellSet // guarded by mu; see Mark
}

// New makes a fleet. It derives two key pairs for each device, on all cores.
// The error names the field of Config that it is about.
func New(cfg Config) (*Fleet, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("making a fleet: %w", err)
	}
	f := &Fleet{
		devices:      make([]Device, cfg.Devices),
		firstID:      count(cfg.FirstID, cfg.First),
		settings:     DefaultSettings(),
		seed:         seedOf(cfg.Seed),
		paths:        newPathCache(cfg.Policies),
		hardwareType: cfg.HardwareType,
		answersLost:  cfg.AnswersLost,
	}
	if cfg.Settings != nil {
		f.settings = *cfg.Settings
	}
	f.settings = f.settings.forEstate(&cfg)
	for i := range f.devices {
		d := &f.devices[i]
		d.Index, d.ID, d.fleet, d.state = i, count(f.firstID, i), f, Commissioned
	}
	f.provision(&cfg, f.place(&cfg))
	if err := f.makeKeys(); err != nil {
		return nil, fmt.Errorf("making a fleet: %w", err)
	}
	f.Mark()
	return f, nil
}

// count returns the identifier that follows first by n.
func count(first policy.EntityID, n int) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], binary.BigEndian.Uint64(first[:])+uint64(n))
	return id
}

// provision fills the cells and counters of each device with what its type,
// supplier and operator make of the configuration.
func (f *Fleet) provision(cfg *Config, plots []plot) {
	initial := newCounters(cfg.Counters)
	put := func(key *cellKey, anchors map[gbcs.TrustAnchorCell]Anchor) {
		for cell, a := range anchors {
			if i, ok := cellIndex(cell); ok && key.has.has(i) {
				key.anchors[i] = a
			}
		}
	}
	type kind struct {
		t                  Type
		supplier, operator uint8
	}
	sets := map[kind]*cellSet{}
	for i := range f.devices {
		d := &f.devices[i]
		held := d.Operator
		if d.Wrong {
			held = uint8((int(held) + 1) % len(cfg.Operators))
		}
		k := kind{d.Type, d.Supplier, held}
		if sets[k] == nil {
			key := cellKey{has: typeMasks[d.Type]}
			put(&key, cfg.Anchors)
			if len(cfg.Suppliers) > 0 {
				put(&key, cfg.Suppliers[k.supplier].Anchors)
			}
			if len(cfg.Operators) > 0 {
				put(&key, cfg.Operators[k.operator].Anchors)
			}
			sets[k] = f.sets.intern(key)
		}
		d.cells, d.counters = sets[k], initial
		if len(cfg.Suppliers) > 0 {
			d.counters.set(policy.RoleSupplier, cfg.Suppliers[k.supplier].Counter)
		}
		if len(cfg.Operators) > 0 {
			d.counters.set(policy.RoleNetworkOperator, cfg.Operators[k.operator].Counter)
		}
		if plots[i].odd {
			for _, role := range []policy.RemotePartyRole{policy.RoleSupplier, policy.RoleNetworkOperator} {
				d.counters.set(role, d.counters.of(role)+oddCounter)
			}
		}
	}
}

func (f *Fleet) makeKeys() error {
	errs := make([]error, len(f.devices))
	inParallel(len(f.devices), func(i int) {
		d := &f.devices[i]
		for n, usage := range pairUsages {
			d.pairs[n] = pairState{present: 1, made: 1}
			key, err := deviceKey(f.seed, d.ID, usage, 1)
			if err == nil {
				d.public[n], err = pointOf(&key.PublicKey)
			}
			if err != nil {
				errs[i] = err
				return
			}
		}
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
func (f *Fleet) Device(index int) *Device { return &f.devices[index] }

// ByID returns the device with an identifier, and whether there is one.
func (f *Fleet) ByID(id policy.EntityID) (*Device, bool) {
	i := binary.BigEndian.Uint64(id[:]) - binary.BigEndian.Uint64(f.firstID[:])
	if i >= uint64(len(f.devices)) {
		return nil, false
	}
	return &f.devices[i], true
}

// ForEach calls do for each device in the order of their indexes, and stops at
// the first error, which it returns.
func (f *Fleet) ForEach(do func(*Device) error) error {
	for i := range f.devices {
		if err := do(&f.devices[i]); err != nil {
			return fmt.Errorf("device %v: %w", f.devices[i].ID, err)
		}
	}
	return nil
}

// Settings returns the rules that the fleet's devices follow.
func (f *Fleet) Settings() Settings { return f.settings }
