package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Method is a way of replacing a compromised key on devices, and what it waits
// for.
type Method struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Says string `json:"says"`
	// Basis says what the method's being open to this key rests on.
	Basis string `json:"basis"`

	decides   bool  // the PMA must decide
	certifies bool  // the party's new certificates must be there first
	renews    bool  // new root or issuing keys must be made first
	returns   bool  // a second round of commands gives the devices back to the party
	thief     bool  // the thief holds the key that signs, and can come first
	threshold bool  // a party's anomaly detection threshold holds
	requests  int   // certificate requests a device
	resumes   bool  // what the party did by itself before is not done again
	opens     []int // keys of custodians that must be open: places in [guardedKeys]
}

// The keys that custodians hold, and how packs call them.
const (
	recoveryKey = iota
	contingencyKey
	symmetricKey
	guardedCount
)

var guardedKeys = [guardedCount]string{"recovery", "contingency", "symmetric key"}

// quorums are when enough custodians of each key are together, in hours after they
// were called.
type quorums [guardedCount]float64

var (
	byOwner = Method{
		ID: "method 1", Name: "Method 1, the party's own key", Says: "the party replaces its certificates, with commands signed by the key that was compromised",
		Basis: "contents list of the July 2015 draft", certifies: true, thief: true, threshold: true,
	}
	byBroker = Method{
		ID: "method 2", Name: "Method 2, Recovery key and broker", Says: "the Recovery key puts the Access Control Broker's certificates there; the party's new ones follow",
		Basis: "contents list of the July 2015 draft; the return is our inference", decides: true, opens: []int{recoveryKey}, returns: true,
	}
	byRecovery = Method{
		ID: "method 3", Name: "Method 3, Recovery key", Says: "the Recovery key puts the party's new certificates there",
		Basis: "contents list of the July 2015 draft", decides: true, opens: []int{recoveryKey}, certifies: true, resumes: true,
	}
	byContingency = Method{
		ID: "contingency", Name: "Contingency key", Says: "the Contingency key replaces the root and everything under it",
		Basis: "our reading; for one party's key we know of no step that uses it", decides: true, opens: []int{contingencyKey, symmetricKey}, renews: true,
	}
	byItself = Method{
		ID: "recovery itself", Name: "Recovery key by itself", Says: "the old Recovery key puts the new one there: a race, if somebody else has it",
		Basis: "our inference", decides: true, opens: []int{recoveryKey}, thief: true,
	}
	byRootUpdate = Method{
		ID: "root update", Name: "Ordinary root update", Says: "suppliers and the WAN provider put a new root with a new wrapped contingency key there",
		Basis: "our inference", renews: true, threshold: true,
	}
	byReissue = Method{
		ID: "reissue", Name: "Re-issue, then own keys", Says: "a new Issuing OCA, every certificate anew, then each party by its own key",
		Basis: "our inference", renews: true, certifies: true, threshold: true,
	}
	byDeviceKeys = Method{
		ID: "device certificates", Name: "New device certificates", Says: "each device makes new keys, and the new Issuing DCA certifies both",
		Basis: "our inference", renews: true, requests: 2,
	}
)

// methodsOf is which methods there are for which key (recovery.md 4.3). The first
// is the one that needs nobody's leave, where there is one.
var methodsOf = map[string][]Method{
	"supplier":         {byOwner, byBroker, byRecovery, byContingency},
	"network operator": {byOwner, byBroker, byRecovery, byContingency},
	"acb":              {byOwner, byRecovery, byContingency},
	"transcos":         {byOwner, byRecovery, byContingency},
	"wan provider":     {byOwner, byRecovery, byContingency},
	"recovery":         {byItself, byContingency},
	"contingency":      {byRootUpdate, byRecovery},
	"issuing-oca":      {byReissue, byContingency},
	"root":             {byContingency},
	"issuing-dca":      {byDeviceKeys},
}

// Keys are the compromised keys that a forecast can be asked for.
func Keys() []string {
	keys := make([]string, 0, len(methodsOf))
	for k := range methodsOf {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// methods looks a key up, and what devices hold of it: a root stands for every
// key of which devices hold nothing but the root.
func methods(key string) (list []Method, held string, err error) {
	list, known := methodsOf[key]
	if !known {
		return nil, "", fmt.Errorf("key %q: one of %s", key, strings.Join(Keys(), ", "))
	}
	switch key {
	case "contingency", "issuing-oca", "issuing-dca":
		return list, "root", nil
	}
	return list, key, nil
}

// A draw is one value for each assumption.
type draw [figures]float64

// A course is what a method comes to under one draw.
type course struct {
	prepared  float64 // hours from the report to the first command
	safe      curve   // devices that do not trust the compromised key any more
	recovered curve   // devices that trust the key they are to end with
	missed    float64 // share of devices that never answers, or was lost to the thief
}

// tries is how often a command is tried on one device: as in drills/verbs.
const tries = 3

// course works a method out.
func (m *Method) course(r *Relevant, sleepers float64, d *draw, q quorums) course {
	ready := 0.0
	if m.decides {
		ready = d[decisionTime]
	}
	wait := 0.0
	for _, key := range m.opens {
		wait = max(wait, q[key])
	}
	ready += wait
	if m.renews {
		// Custodians travel while the ceremony is prepared.
		begin := 0.0
		if m.decides {
			begin = d[decisionTime]
		}
		ready = max(ready, begin+d[ceremonyTime])
	}
	if m.certifies {
		ready = max(ready, d[certificateTime])
	}
	c := course{prepared: ready, missed: d[unreachable]}
	done, left := m.before(r, sleepers, d, ready)
	c.safe.pieces = append(m.round(r, sleepers, d, ready, left), done...)
	if m.thief && d[attackRate] > 0 {
		c.safe.takeFrom, c.safe.takeSpan = d[attackFrom], float64(r.Devices)/d[attackRate]
	}
	c.recovered = c.safe
	if m.returns {
		back := Method{threshold: true}
		begin := max(d[readyTime], m.tail(r, sleepers, d, ready))
		c.recovered = curve{pieces: back.round(r, sleepers, d, begin, 1)}
	}
	c.missed = 1 - c.recovered.total()
	return c
}

// before is what the party did by itself until this method was ready, and the part
// of the devices that is left to do. Devices that a thief had by then are left.
func (m *Method) before(r *Relevant, sleepers float64, d *draw, ready float64) (done []piece, left float64) {
	begin, end := d[ownBegin], min(d[ownEnd], ready)
	if !m.resumes || end <= begin {
		return nil, 1
	}
	own := curve{}
	for _, p := range byOwner.round(r, sleepers, d, begin, 1) {
		if sent := end - begin; sent < p.span {
			p.share *= sent / p.span
			p.span = sent
		}
		own.pieces = append(own.pieces, p)
	}
	tried := own.reach()
	if d[attackRate] > 0 {
		own.takeFrom, own.takeSpan = d[attackFrom], float64(r.Devices)/d[attackRate]
	}
	kept := own.total()
	for i := range own.pieces {
		own.pieces[i].share *= kept / tried
	}
	return own.pieces, 1 - kept/(1-d[unreachable])
}

// round is one round of commands to a part of all devices, region by region at
// once.
func (m *Method) round(r *Relevant, sleepers float64, d *draw, begin, part float64) []piece {
	pieces := make([]piece, 0, 3*3*tries)
	reached := 1 - d[unreachable]
	asleep := sleepers * (reached - d[late])
	for i, region := range r.ByRegion {
		if region.Count == 0 {
			continue
		}
		share := float64(region.Count) / float64(r.Devices)
		span := part * float64(region.Count) / m.rate(i, share, d)
		left, again := part, 0.0
		for range tries {
			for _, p := range [...]piece{
				{share: reached - d[late] - asleep},
				{share: asleep, hi: d[sleepyWake]},
				{share: d[late], lo: d[lateFrom], hi: max(d[lateFrom], d[lateTo])},
			} {
				if p.share *= share * left * d[firstTry]; p.share > 1e-12 {
					p.from, p.span, p.lo, p.hi = begin, span, p.lo+again, p.hi+again
					pieces = append(pieces, p)
				}
			}
			left *= 1 - d[firstTry]
			again += d[tryAgain]
		}
	}
	return pieces
}

// rate is how many devices an hour a region gets: the least of what the network
// carries there and the region's part of what everything else lets through.
func (m *Method) rate(region int, share float64, d *draw) float64 {
	rate := min(d[wanNorth+region], share*d[tokenRate]*3600)
	if m.threshold {
		rate = min(rate, share*d[quarantineRate])
	}
	if m.requests > 0 {
		rate = min(rate, share*d[requestRate]/24/float64(m.requests))
	}
	return rate
}

// tail is when a round is over for those who do not answer either.
func (m *Method) tail(r *Relevant, sleepers float64, d *draw, begin float64) float64 {
	longest := 0.0
	for i, region := range r.ByRegion {
		if region.Count > 0 {
			longest = max(longest, float64(region.Count)/m.rate(i, float64(region.Count)/float64(r.Devices), d))
		}
	}
	wait := (tries - 1) * d[tryAgain]
	if d[late] > 0 {
		wait = max(wait, d[lateTo])
	}
	if sleepers > 0 {
		wait = max(wait, d[sleepyWake])
	}
	return begin + longest + wait
}

// quorum is when enough custodians of enough parties are together for each key.
// away tells of each custodian, in the order of travel, whether that one cannot come;
// if too few can, a further wait passes before there are enough.
func (m *model) quorum(d *draw, away []bool) (q quorums) {
	for key, held := range m.held {
		q[key] = held.wait(m.byTravel, d, away)
	}
	return q
}

func (h *Holding) wait(byTravel []Custodian, d *draw, away []bool) float64 {
	parties := make([]string, 0, mostCustodians)
	here, last := 0, 0.0
	for i, c := range byTravel {
		if !slices.Contains(h.Seats, c.Name) {
			continue
		}
		if last = c.Travel * d[custodianTravel]; away[i] {
			continue
		}
		here++
		if !slices.Contains(parties, c.Party) {
			parties = append(parties, c.Party)
		}
		if here >= h.Needed && len(parties) >= h.Parties {
			return last
		}
	}
	return last + d[quorumFails]
}

// mostCustodians is a guess that saves memory; there may be more.
const mostCustodians = 16

// hours rounds to what a person wants to read of a length of time.
func hours(h float64) string {
	switch {
	case math.IsInf(h, 0) || math.IsNaN(h):
		return "never"
	case h < 48:
		m := int(math.Round(h * 60))
		return fmt.Sprintf("%d:%02d", m/60, m%60)
	case h < 24*60:
		return fmt.Sprintf("%.1f days", h/24)
	}
	return fmt.Sprintf("%.1f years", h/24/365.25)
}
