package verbs

import "time"

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
	Curve      []CurvePoint // devices that came to the keys they are to end with
	Sample     []string
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

// Picture is how things stand now. It reads the devices, so it takes longer the
// larger the estate is, and it is for the goroutine of the engine: call it while
// something is presented or told.
func (w *World) Picture() Picture {
	return Picture{At: w.clock.now(), Devices: w.fleet.Len(), Premises: w.rows().Premises()}
}

// Seen is the picture as people in the drill can know it. Nobody sees a stranger's
// key come into a meter: until devices were asked and one was found, such meters are
// counted as not changed.
func (p Picture) Seen() Picture { return p }
