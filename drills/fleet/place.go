package fleet

import (
	"time"
)

// A plot is what is drawn of one device of the estate.
type plot struct {
	t        Type
	region   Region
	reach    Reach
	phase    uint8
	fault    fault
	odd      bool // its counters are
	wrong    bool // its operator cells are another operator's
	noWAN    bool
	premises int32
}

// place draws type, region, reach, delay, premises and the rest for each device.
// Draws are over the whole estate, so that a shard has the same devices as the
// whole; what is drawn of the others is dropped when place returns.
func (f *Fleet) place(cfg *Config) []plot {
	n := cfg.estate()
	plots := make([]plot, n)
	// Every purpose has its own draw, so that a drill with more late devices still
	// has the same regions.
	ranked := func(purpose string, do func(rank int, p *plot)) {
		for rank, i := range draws(f.seed, purpose).Perm(n) {
			do(rank, &plots[i])
		}
	}
	types := ladder(n, cfg.types())
	ranked("type", func(rank int, p *plot) { p.t = types(rank) })
	north, south := cfg.North, cfg.South
	if north == 0 && south == 0 {
		north, south = 0.3, 0.3
	}
	ranked("region", func(rank int, p *plot) {
		switch {
		case rank < quota(n, north):
			p.region = North
		case rank < quota(n, north)+quota(n, south):
			p.region = South
		default:
			p.region = Central
		}
	})
	unreachable, late := quota(n, cfg.Unreachable), quota(n, cfg.Late)
	ranked("reach", func(rank int, p *plot) {
		switch {
		case rank < unreachable:
			p.reach = Unreachable
		case rank < unreachable+late:
			p.reach = Late
		default:
			p.reach = Reachable
		}
	})
	if odd := quota(n, cfg.CountersAtOdds); odd > 0 {
		ranked("counters", func(rank int, p *plot) { p.odd = rank < odd })
	}
	if partly := quota(n, cfg.Partly); partly > 0 {
		ranked("partly", func(rank int, p *plot) {
			if rank < partly {
				p.fault = faults[rank%len(faults)]
			}
		})
	}
	f.misplace(cfg, plots, ranked)
	homes := f.house(cfg, plots)
	// Whom no message reaches cannot sleep, so this comes after the premises
	// without WAN.
	if asleep := quota(n, cfg.Sleepy); asleep > 0 {
		ranked("sleepy", func(rank int, p *plot) {
			if asleep > 0 && p.t == TypeGSME && p.reach == Reachable {
				asleep--
				p.reach, p.phase = Sleepy, uint8(rank)
			}
		})
	}
	mine := plots[cfg.First : cfg.First+len(f.devices)]
	for i := range mine {
		d, p := &f.devices[i], &mine[i]
		home := &homes[p.premises-1]
		d.Type, d.Region, d.reach, d.phase, d.fault = p.t, p.region, p.reach, p.phase, p.fault
		d.Wrong, d.NoWAN, d.Premises, d.Prepayment = p.wrong, p.noWAN, int(p.premises), home.prepayment
		d.Supplier = home.supplier
		if p.t.Has(CellOperatorSigning) {
			d.Operator = home.operator
		}
	}
	f.delay(cfg)
	return mine
}

// delay draws the delay of each late device.
func (f *Fleet) delay(cfg *Config) {
	delays := draws(f.seed, "delay")
	spread := int64((cfg.MaxDelay-cfg.MinDelay)/time.Second) + 1
	for i := range cfg.First + len(f.devices) {
		// Every device draws, so that one more late device changes no other delay.
		drawn := cfg.MinDelay + time.Duration(delays.Int64N(spread))*time.Second
		if i >= cfg.First && f.devices[i-cfg.First].reach == Late {
			f.devices[i-cfg.First].Delay = max(drawn, time.Second)
		}
	}
}

// A home is what the devices of one premises have in common.
type home struct {
	prepayment         bool
	supplier, operator uint8
}

// house gives devices their premises. Neighbours in the fleet share one with a
// chance that makes the mean come true.
func (f *Fleet) house(cfg *Config, plots []plot) []home {
	mean := max(cfg.DevicesPerPremises, 1)
	r := draws(f.seed, "premises")
	premises := 0
	for i := range plots {
		alone := r.Float64() < 1/mean
		if i == 0 || alone {
			premises++
		} else {
			plots[i].region = plots[i-1].region
		}
		plots[i].premises = int32(premises)
	}
	homes := make([]home, premises)
	for i, prepays := range pick(draws(f.seed, "prepayment"), premises, cfg.Prepayment) {
		homes[i].prepayment = prepays
	}
	if cfg.NoWAN > 0 {
		dark := pick(draws(f.seed, "no wan"), premises, cfg.NoWAN)
		for i := range plots {
			if p := &plots[i]; dark[p.premises-1] {
				p.noWAN, p.reach = true, Unreachable
			}
		}
	}
	f.share(cfg.Suppliers, "supplier", homes, func(h *home, p uint8) { h.supplier = p })
	f.share(cfg.Operators, "operator", homes, func(h *home, p uint8) { h.operator = p })
	return homes
}

// share gives each premises to one of several parties.
func (f *Fleet) share(parties []Holding, purpose string, homes []home, give func(*home, uint8)) {
	if len(parties) < 2 {
		return
	}
	sum, next := 0.0, 0
	perm := draws(f.seed, purpose).Perm(len(homes))
	for p := range parties {
		sum += parties[p].Share
		end := quota(len(homes), sum)
		if p == len(parties)-1 {
			end = len(homes)
		}
		for ; next < end; next++ {
			give(&homes[perm[next]], uint8(p))
		}
	}
}

// misplace chooses the devices that hold another operator's certificates, of those
// that have such cells.
func (f *Fleet) misplace(cfg *Config, plots []plot, ranked func(string, func(int, *plot))) {
	if cfg.Wrong == 0 {
		return
	}
	have := 0
	for i := range plots {
		if plots[i].t.Has(CellOperatorSigning) {
			have++
		}
	}
	left := quota(have, cfg.Wrong)
	ranked("wrong operator", func(_ int, p *plot) {
		if left > 0 && p.t.Has(CellOperatorSigning) {
			left--
			p.wrong = true
		}
	})
}

// ladder returns the type of each rank, so that the numbers of devices of each
// type are exact.
func ladder(n int, shares map[Type]float64) func(rank int) Type {
	type rung struct {
		end int
		t   Type
	}
	var rungs []rung
	sum := 0.0
	for _, t := range Types() {
		if shares[t] > 0 {
			sum += shares[t]
			rungs = append(rungs, rung{quota(n, sum), t})
		}
	}
	return func(rank int) Type {
		for _, r := range rungs {
			if rank < r.end {
				return r.t
			}
		}
		return rungs[len(rungs)-1].t
	}
}
