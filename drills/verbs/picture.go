package verbs

import (
	"slices"
	"strings"
	"time"

	"smki.example/drills/fleet"
)

// A Picture is how things stand at a moment, in meters, hours and customers. All
// of it was counted on the devices of the drill; Sample says what was not. It is a
// copy and may be kept.
type Picture struct {
	At         time.Duration
	Devices    int
	Premises   int
	Prepayment int           // devices whose customer pays in advance
	States     []StateCount  // every device once, in the order of a table
	Regions    []RegionCount // the same by region
	// Wall has a letter for each device, or, in a large estate, for every WallOf-th:
	// those of States. It has at most 2,000.
	Wall       string
	WallOf     int
	OffSupply  int
	TopUps     int // refused so far
	SiteVisits int // devices that somebody has to go to, as things stand
	Sent       int // commands of the drill's own side
	Refused    int // by devices
	CRLNumber  int64
	Revoked    int // certificates
	Keys       []KeyPicture
	Curve      []CurvePoint // devices that came to the keys they are to end with; drawn where somebody is told of the drill
	Sample     []string

	StrangerSeen bool // a device was asked and had a stranger's key
}

// A StateCount is how many devices are in a state, named for people who have never
// seen a trust anchor. Good says that it is what a recovery wants.
type StateCount struct {
	Letter string
	Name   string
	Says   string
	Count  int
	Good   bool
}

// A RegionCount is one region of the country.
type RegionCount struct {
	Name    string
	Devices int
	States  []StateCount
}

// A KeyPicture is a key that custodians hold, in the generation that devices know.
type KeyPicture struct {
	Key      string // as decisions call it
	Words    string
	Open     bool
	Called   bool          // custodians are on their way
	Expected time.Duration // when enough of them will be there; 0: not as things stand
	Uses     int
}

// A CurvePoint is a count at a time.
type CurvePoint struct {
	At      time.Duration
	Devices int
}

// stateNames are the ends of a device as a picture calls them, in the order of a
// table.
var stateNames = []struct {
	status string
	StateCount
}{
	{statusRecovered, StateCount{Letter: "R", Name: "new keys", Says: "trusts the new keys: it is done", Good: true}},
	{statusPartly, StateCount{Letter: "P", Name: "partly changed", Says: "some of its keys are new and some are not"}},
	{statusBroker, StateCount{Letter: "B", Name: "in safe keeping", Says: "trusts the DCC's broker for the time being; its owner's new keys are still to come"}},
	{statusTaken, StateCount{Letter: letterTaken, Name: "in a stranger's hands", Says: "trusts the keys of somebody who should have none"}},
	{statusOld, StateCount{Letter: letterOld, Name: "not changed", Says: "still trusts the keys that it had at the start"}},
	{statusUnreachable, StateCount{Letter: letterUnreached, Name: "out of reach", Says: "no message reaches it; somebody may have to go there"}},
	{statusExcluded, StateCount{Letter: "E", Name: "left out", Says: "is not to be changed; the list of devices says why"}},
	{statusUntouched, StateCount{Letter: "N", Name: "not concerned", Says: "holds no key that this drill is about"}},
}

const (
	letterTaken, letterOld, letterUnreached = "X", "O", "U"
	// wallMost is how many letters a wall has at most: as many as can be told apart
	// from the back of a room.
	wallMost = 2000
)

// Picture is how things stand now. It reads the devices, so it takes longer the
// larger the estate is, and it is for the goroutine of the engine: call it while
// something is presented or told. As long as nothing is added to the record it is
// worked out once.
func (w *World) Picture() Picture {
	if head := w.cfg.Journal.Head().N; w.pictured == nil || w.pictured.head != head {
		w.pictured = &pictured{head, w.picture()}
	}
	p := w.pictured.Picture
	p.At = w.clock.now()
	return p.clone()
}

// A pictured is the last picture, and how long the record was then.
type pictured struct {
	head int64
	Picture
}

func (w *World) picture() Picture {
	defer w.oneMoment()()
	rows := w.rows()
	p := Picture{
		Devices: len(rows), Premises: rows.Premises(), Prepayment: len(rows.OnPrepayment()), WallOf: max(1, (len(rows)+wallMost-1)/wallMost),
		TopUps: w.harm.topUps(), Revoked: w.revokedCount(), Curve: w.curve, Sample: w.pictureSamples(), StrangerSeen: w.strangerSeen,
	}
	regions := []fleet.Region{fleet.North, fleet.Central, fleet.South}
	for _, region := range regions {
		p.Regions = append(p.Regions, RegionCount{Name: region.String(), States: noStates()})
	}
	p.States = noStates()
	place := map[string]int{}
	for i, s := range stateNames {
		place[s.status] = i
	}
	var wall strings.Builder
	for i := range rows {
		status, _ := w.end(&rows[i])
		state := place[status]
		p.States[state].Count++
		if region := slices.Index(regions, rows[i].Region); region >= 0 {
			p.Regions[region].Devices++
			p.Regions[region].States[state].Count++
		}
		if i%p.WallOf == 0 {
			wall.WriteString(stateNames[state].Letter)
		}
	}
	p.Wall, p.SiteVisits = wall.String(), p.States[place[statusUnreachable]].Count
	for _, c := range w.campaigns {
		if !c.attack {
			p.Sent += c.sent
			p.Refused += c.totals[outcomeRefused]
		}
	}
	if list := w.authority.list(thingIssuingOCA); list != nil {
		p.CRLNumber = list.Number
	}
	for _, key := range keyNames {
		if c := w.guardOf(key); c != nil {
			p.Keys = append(p.Keys, KeyPicture{Key: key, Words: c.words(), Open: c.session != nil, Called: c.summoned != nil, Expected: c.expected(), Uses: w.usesOf(key)})
		}
	}
	return p
}

// noStates are all states with nothing counted.
func noStates() []StateCount {
	out := make([]StateCount, len(stateNames))
	for i, s := range stateNames {
		out[i] = s.StateCount
	}
	return out
}

// expected is when enough custodians who were called will be there; 0 if not.
func (c *custodians) expected() time.Duration {
	if c.summoned == nil {
		return 0
	}
	return c.opens
}

// pictureSamples say what of a picture is invented.
func (w *World) pictureSamples() []string {
	all := w.samples()
	var out []string
	for _, of := range []string{"estate", "prepayment", "rate", "custodians"} {
		out = append(out, of+": "+all[of])
	}
	return out
}

// drawCurve adds a point, if the count is another than before.
func (w *World) drawCurve(at time.Duration) {
	defer w.oneMoment()()
	n := 0
	rows := w.rows()
	for i := range rows {
		if status, _ := w.end(&rows[i]); status == statusRecovered {
			n++
		}
	}
	if last := len(w.curve) - 1; last < 0 || w.curve[last].Devices != n {
		w.curve = append(w.curve, CurvePoint{at, n})
	}
}

// clone lets two have the same picture, and one of them change it.
func (p Picture) clone() Picture {
	p.States, p.Keys, p.Curve, p.Sample = slices.Clone(p.States), slices.Clone(p.Keys), slices.Clone(p.Curve), slices.Clone(p.Sample)
	p.Regions = slices.Clone(p.Regions)
	for i := range p.Regions {
		p.Regions[i].States = slices.Clone(p.Regions[i].States)
	}
	return p
}

// Seen is the picture as people in the drill can know it. Nobody sees a stranger's
// key come into a device, nor that no message would reach it: until devices were
// asked and such a key was found, and until something was sent, those are counted
// as not changed.
func (p Picture) Seen() Picture {
	p = p.clone()
	unknown := map[string]bool{letterTaken: !p.StrangerSeen, letterUnreached: p.Sent == 0}
	hide := func(states []StateCount) {
		old := slices.IndexFunc(states, func(s StateCount) bool { return s.Letter == letterOld })
		for i := range states {
			if unknown[states[i].Letter] {
				states[old].Count += states[i].Count
				states[i].Count = 0
			}
		}
	}
	hide(p.States)
	for i := range p.Regions {
		hide(p.Regions[i].States)
	}
	for letter, is := range unknown {
		if is {
			p.Wall = strings.ReplaceAll(p.Wall, letter, letterOld)
		}
	}
	if p.Sent == 0 {
		p.SiteVisits = 0
	}
	return p
}
