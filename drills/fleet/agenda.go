package fleet

import (
	"slices"
	"sync"
	"time"
)

// An agenda knows which devices something waits on, so that a fleet of a million
// of which none waits is not looked through.
type agenda struct {
	mu    sync.Mutex
	waits map[int]time.Time // by device: the earliest of its events
	count int               // events altogether
}

// set says when the earliest event of a device is due, and by how much the number
// of events changed. The zero time means that none is left.
func (a *agenda) set(device int, earliest time.Time, change int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count += change
	if earliest.IsZero() {
		delete(a.waits, device)
		return
	}
	if a.waits == nil {
		a.waits = map[int]time.Time{}
	}
	a.waits[device] = earliest
}

func (a *agenda) next() (earliest time.Time, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, at := range a.waits {
		if !found || at.Before(earliest) {
			earliest, found = at, true
		}
	}
	return earliest, found
}

// due returns the devices on which something is due, in their order.
func (a *agenda) due(to time.Time) []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	var devices []int
	for device, at := range a.waits {
		if !at.After(to) {
			devices = append(devices, device)
		}
	}
	slices.Sort(devices)
	return devices
}

func (a *agenda) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}
