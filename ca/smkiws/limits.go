package smkiws

import (
	"fmt"
	"time"
)

// Limits are every bound of this package. A zero field has its default; the mark
// says how sure the default is (S read in AppM or AppN, I ours).
type Limits struct {
	// BatchItems is how many requests a batch may have: 50,000; the figure in Section
	// L8.2 wins if it differs (S AppM, App. C).
	BatchItems int
	// AdHocOctets bounds an ad hoc document: 64 KiB, where a request needs 600 octets (I).
	AdHocOctets int64
	// BatchOctets bounds an uploaded document or archive: 64 MiB, where a full batch
	// has 20 MB (I).
	BatchOctets int64
	// EntryOctets bounds one unpacked file of an archive: 16 KiB, where a request
	// with line ends and PEM lines needs 500 octets (I).
	EntryOctets int64
	// Ratio bounds how many times its packed size an unpacked file may have: 20.
	// Base64 of random octets packs to three quarters (I).
	Ratio int64
	// AdHocTime, BatchTime: how long a client may take to send a document: 10
	// seconds, 5 minutes (I).
	AdHocTime, BatchTime time.Duration
	// Retention is how long results can be fetched: 30 days (S AppM 2.3.1.9, 2.5.1.4).
	Retention time.Duration
	// Attempts is how often a shard is tried while token or database fail, before its
	// requests get CA_ERROR or WORKFLOW_ERROR: 5 (I). Backoff is the first pause
	// between them, doubled each time: 5 seconds (I).
	Attempts int
	Backoff  time.Duration

	// CoreInterval and OtherInterval: one ad hoc request of a Party in any 0.8 s from
	// 07:00 to 20:00, and in any 4 s at other hours (S AppN 3.1.2). They are duties of
	// the Party, so that exceeding them is logged; Enforce answers 429 instead (I).
	CoreInterval, OtherInterval time.Duration
	// PortalDay: a Party that expects more than 50,000 requests through the portal in
	// 24 hours gives 7 days' notice; the excess is queued, behind everybody else's
	// batches (S AppN 3.1.1; the order is I).
	PortalDay int
	// PortalSingles: 150 single requests of a Party in 24 hours through the portal,
	// without notice (S AppN 3.1.1, which calls them ad hoc; that it means the portal's is
	// I).
	PortalSingles int
	Enforce       bool
	// Location is where the hours are hours. Nil: UTC.
	Location *time.Location
}

func (l Limits) withDefaults() (Limits, error) {
	set(&l.BatchItems, 50000)
	set(&l.AdHocOctets, 64<<10)
	set(&l.BatchOctets, 64<<20)
	set(&l.EntryOctets, 16<<10)
	set(&l.Ratio, 20)
	set(&l.AdHocTime, 10*time.Second)
	set(&l.BatchTime, 5*time.Minute)
	set(&l.Retention, 30*24*time.Hour)
	set(&l.Attempts, 5)
	set(&l.Backoff, 5*time.Second)
	set(&l.CoreInterval, 800*time.Millisecond)
	set(&l.OtherInterval, 4*time.Second)
	set(&l.PortalDay, 50000)
	set(&l.PortalSingles, 150)
	if l.Location == nil {
		l.Location = time.UTC
	}
	for name, value := range map[string]int64{
		"BatchItems": int64(l.BatchItems), "AdHocOctets": l.AdHocOctets, "BatchOctets": l.BatchOctets, "EntryOctets": l.EntryOctets, "Ratio": l.Ratio,
		"AdHocTime": int64(l.AdHocTime), "BatchTime": int64(l.BatchTime), "Retention": int64(l.Retention), "Attempts": int64(l.Attempts),
		"Backoff": int64(l.Backoff), "CoreInterval": int64(l.CoreInterval), "OtherInterval": int64(l.OtherInterval), "PortalDay": int64(l.PortalDay), "PortalSingles": int64(l.PortalSingles),
	} {
		if value < 0 {
			return l, fmt.Errorf("Limits.%s: %d: want more than zero, or zero for the default", name, value)
		}
	}
	return l, nil
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// A Window is a part of the day, from Opens to Closes after midnight at Location; it
// may reach over midnight. The zero Window is always open.
type Window struct {
	Opens, Closes time.Duration
	Location      *time.Location // nil: UTC
}

// NightWindow is when the DCC processes batches: 20:00 to 08:00 (AppN 3.1.1).
var NightWindow = Window{Opens: 20 * time.Hour, Closes: 8 * time.Hour}

func (w Window) check() error {
	const day = 24 * time.Hour
	if w.Opens < 0 || w.Closes < 0 || w.Opens >= day || w.Closes >= day || w.Opens == w.Closes && w.Opens != 0 {
		return fmt.Errorf("Window: from %v to %v: want two different times of a day, or zero for always", w.Opens, w.Closes)
	}
	return nil
}

// Open tells whether batches are processed at a time.
func (w Window) Open(at time.Time) bool {
	if w.Opens == w.Closes {
		return true
	}
	return within(clockTime(at, w.Location), w.Opens, w.Closes)
}

// until is how long it is until the window opens, as a clock on the wall counts.
func (w Window) until(at time.Time) time.Duration {
	wait := w.Opens - clockTime(at, w.Location)
	if wait < 0 {
		wait += 24 * time.Hour
	}
	return wait
}

// within tells whether a time of day is in [from, to), which may reach over midnight.
func within(t, from, to time.Duration) bool {
	if from < to {
		return from <= t && t < to
	}
	return t >= from || t < to
}

// clockTime is what a clock on the wall shows, as the time since midnight.
func clockTime(at time.Time, where *time.Location) time.Duration {
	if where == nil {
		where = time.UTC
	}
	h, m, s := at.In(where).Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(at.Nanosecond())
}
