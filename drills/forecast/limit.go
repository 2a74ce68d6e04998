package forecast

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// limits are what can hold a recovery up, and how each is lifted.
var limits = []struct {
	id, says string
	lift     func(d *draw)
}{
	{"token", "signatures a second of the token", func(d *draw) { d[tokenRate] = unlimited }},
	{"wan north", "commands an hour in the North", func(d *draw) { d[wanNorth] = unlimited }},
	{"wan central", "commands an hour in the Centre", func(d *draw) { d[wanCentral] = unlimited }},
	{"wan south", "commands an hour in the South", func(d *draw) { d[wanSouth] = unlimited }},
	{"wan", "commands an hour in all regions together", func(d *draw) { d[wanNorth], d[wanCentral], d[wanSouth] = unlimited, unlimited, unlimited }},
	{"quarantine", "the party's anomaly detection threshold", func(d *draw) { d[quarantineRate] = unlimited }},
	{"requests", "certificate requests a day", func(d *draw) { d[requestRate] = unlimited }},
	{"decision", "the time to decide", func(d *draw) { d[decisionTime] = 0 }},
	{"custodians", "the custodians' journeys", func(d *draw) { d[custodianTravel], d[quorumFails] = 0, 0 }},
	{"certificates", "the party's new keys and certificates", func(d *draw) { d[certificateTime] = 0 }},
	{"ceremony", "the ceremony of new root or issuing keys", func(d *draw) { d[ceremonyTime] = 0 }},
	{"late devices", "devices that answer late", func(d *draw) { d[lateFrom], d[lateTo] = 0, 0 }},
	{"sleepy meters", "meters that sleep between messages", func(d *draw) { d[sleepyWake] = 0 }},
	{"tries", "tries that fail, and the wait before the next", func(d *draw) { d[firstTry] = 1 }},
}

// binds lists what holds a method up in the likely case: the limits that, lifted
// alone, would bring its 95 % forward by more than a minute, the worst first.
func (m *model) binds(method int, likely draw) []Relief {
	one := func(d draw) float64 {
		c := m.methods[method].course(&m.relevant, m.sleepers, &d, m.likelyQuorum(&d))
		return c.safe.settles(0.95)
	}
	now := one(likely)
	var found []Relief
	for _, l := range limits {
		d := likely
		l.lift(&d)
		if saves := now - one(d); saves > 1.0/60 && !math.IsInf(now, 0) {
			found = append(found, Relief{l.id, l.says, saves})
		}
	}
	slices.SortStableFunc(found, func(a, b Relief) int { return cmp.Compare(b.Saves, a.Saves) })
	return withoutTwin(found)
}

// withoutTwin drops the regions together where one of them alone saves nearly as
// much: that one is the limit.
func withoutTwin(found []Relief) []Relief {
	together := slices.IndexFunc(found, func(r Relief) bool { return r.Limit == "wan" })
	alone := slices.IndexFunc(found, func(r Relief) bool { return strings.HasPrefix(r.Limit, "wan ") })
	if together >= 0 && alone >= 0 && found[alone].Saves > 0.8*found[together].Saves {
		return slices.Delete(found, together, together+1)
	}
	return found
}

// scan is into how many steps an assumption is cut in the search for a flip.
const scan = 48

// flips finds, for each assumption alone, the value at which another method
// becomes the first, the rest being as is likely.
func (m *model) flips(likely draw) []Flip {
	if len(m.methods) == 1 {
		return nil
	}
	var found []Flip
	for i, a := range m.Assumptions.list {
		if a.Low == a.High && i != attackRate {
			continue
		}
		first := func(v float64) string {
			d := likely
			d[i] = v
			return m.methods[rank(m.courses(&d, m.likelyQuorum(&d)))[0]].ID
		}
		step := (a.High - a.Low) / scan
		if i == attackRate && a.High == 0 {
			// Nobody attacks as far as we know: what if somebody did?
			a.High = float64(m.relevant.Devices)
			step = a.High / scan
		}
		before := first(a.Low)
		for k := 1; k <= scan; k++ {
			hi := a.Low + step*float64(k)
			after := first(hi)
			if after == before {
				continue
			}
			lo := hi - step
			for range 30 {
				if mid := (lo + hi) / 2; first(mid) == before {
					lo = mid
				} else {
					hi = mid
				}
			}
			found = append(found, Flip{Assumption: a, At: hi, Below: before, Above: first(hi)})
			before = after
		}
	}
	return found
}
