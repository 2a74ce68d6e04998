package forecast

import (
	"math"
	"slices"
)

// A piece is a share of the devices whose commands are sent evenly over a
// stretch of time and take effect after a delay that is even over another. Most
// of what happens to an estate is a sum of pieces.
type piece struct {
	share      float64
	from, span float64 // sending: hours from the report, and how long it lasts
	lo, hi     float64 // delay
}

// A curve is the share of devices that have changed, over time.
type curve struct {
	pieces []piece
	// An attacker takes devices in an order of his own, evenly over takeSpan hours
	// from takeFrom on. What he took before its command was sent is lost to the
	// sender: it refuses the command. A takeSpan of 0 means nobody does.
	takeFrom, takeSpan float64
}

// at is the share that has changed at time t: for each piece the integral, over
// the time of sending, of the share of delays that are over by t. Delays and
// sending times are even, so the integrand is straight between the times at which
// a delay begins or ends to matter, and its integral a parabola.
func (c *curve) at(t float64) float64 {
	sum := 0.0
	for _, p := range c.pieces {
		x := t - p.from
		if x <= p.lo {
			continue
		}
		switch {
		case c.takeSpan > 0:
			sum += p.share * c.untaken(p, x)
		case p.span == 0:
			sum += p.share * p.arrived(x)
		default:
			sum += p.share * (p.area(x) - p.area(x-p.span)) / p.span
		}
	}
	return sum
}

// arrived is the share of delays that are not longer than x.
func (p *piece) arrived(x float64) float64 {
	switch {
	case x < p.lo:
		return 0
	case x >= p.hi:
		return 1
	}
	return (x - p.lo) / (p.hi - p.lo)
}

// area is the integral of arrived from minus infinity to x.
func (p *piece) area(x float64) float64 {
	switch {
	case x <= p.lo:
		return 0
	case x < p.hi:
		return (x - p.lo) * (x - p.lo) / (2 * (p.hi - p.lo))
	}
	return x - (p.lo+p.hi)/2
}

// untaken is a piece's share of devices that changed by x hours after its
// sending began and that the attacker had not taken when their command arrived.
// The integrand is a product of two straight lines between its corners, so that
// Simpson's rule gives its integral without error.
func (c *curve) untaken(p piece, x float64) float64 {
	begin := c.takeFrom - p.from // of the attack, from the begin of the sending
	still := func(s float64) float64 { return 1 - min(max((s-begin)/c.takeSpan, 0), 1) }
	if p.span == 0 {
		return p.arrived(x) * still(p.lo)
	}
	corners := [...]float64{0, p.span, begin - p.lo, begin + c.takeSpan - p.lo, x - p.lo, x - p.hi}
	for i := range corners {
		corners[i] = min(max(corners[i], 0), p.span)
	}
	slices.Sort(corners[:])
	f := func(s float64) float64 { return p.arrived(x-s) * still(s+p.lo) }
	sum := 0.0
	for i := range len(corners) - 1 {
		a, b := corners[i], corners[i+1]
		if width := b - a; width > 0 {
			// The ends are taken from inside: a delay that is the same for all makes
			// the integrand jump at a corner.
			const inside = 1e-9
			sum += width / 6 * (f(a+width*inside) + 4*f((a+b)/2) + f(b-width*inside))
		}
	}
	return sum / p.span
}

// end is a time after which nothing changes any more.
func (c *curve) end() float64 {
	last := 0.0
	for _, p := range c.pieces {
		last = max(last, p.from+p.span+p.hi)
	}
	return last
}

// total is the share that changes in the end.
func (c *curve) total() float64 { return c.at(c.end()) }

// reach is the share that would change if nobody interfered.
func (c *curve) reach() float64 {
	sum := 0.0
	for _, p := range c.pieces {
		sum += p.share
	}
	return sum
}

// settles is the time at which a share of all that can be reached have changed,
// infinite if a thief keeps too many.
func (c *curve) settles(share float64) float64 {
	want := share * c.reach()
	if c.takeSpan > 0 && c.total() < want || want <= 0 {
		return math.Inf(1)
	}
	lo, hi := 0.0, c.end()
	for range 40 {
		if mid := (lo + hi) / 2; c.at(mid) >= want {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
