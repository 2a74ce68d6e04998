package smkiws

import (
	"context"
	"sync"
	"time"

	"smki.example/ca/store"
)

// A Notice is what a Party told the Service Desk 7 days before it will exceed a
// limit of demand (AppN 3.1). While it holds, no limit of demand applies to it.
type Notice struct {
	Party       string
	From, Until time.Time // from From up to Until
}

// demand watches what Parties send and fetch. It is memory of one process and is lost
// with it: these are duties of the Parties, and a limit that is enforced for a few
// seconds less after a restart harms nobody. On several nodes each watches for
// itself (I).
type demand struct {
	limits  Limits
	notices []Notice

	mu      sync.Mutex
	last    map[string]time.Time // by Party: its latest ad hoc request that counted
	told    map[string]telling   // by Party: what the log heard of its excess
	fetched map[int64]fetch      // by batch
}

type fetch struct {
	at   time.Time
	done bool // the whole result was delivered
}

// noticed tells whether a Party gave notice for a time.
func (d *demand) noticed(party string, now time.Time) bool {
	for _, n := range d.notices {
		if n.Party == party && !now.Before(n.From) && now.Before(n.Until) {
			return true
		}
	}
	return false
}

// adHoc counts an ad hoc request and returns how long its Party should have waited
// (AppN 3.1.2).
func (d *demand) adHoc(party string, now time.Time) time.Duration {
	interval := d.limits.OtherInterval
	if within(clockTime(now, d.limits.Location), 7*time.Hour, 20*time.Hour) {
		interval = d.limits.CoreInterval
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last, before := d.last[party]
	if wait := interval - now.Sub(last); before && wait > 0 && !d.noticed(party, now) {
		if !d.limits.Enforce {
			d.last[party] = now
		}
		return wait
	}
	d.last[party] = now
	return 0
}

// tellEvery is how often the log hears of one Party's excess: each request has a line of
// its own anyway.
const tellEvery = time.Minute

type telling struct {
	at time.Time
	n  int // requests above the rate since
}

// tell counts a request above the rate and returns how many there were since it last
// returned any; zero: it is too early to tell.
func (d *demand) tell(party string, now time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.told[party]
	t.n++
	if !t.at.IsZero() && now.Sub(t.at) < tellEvery {
		d.told[party] = t
		return 0
	}
	d.told[party] = telling{at: now}
	return t.n
}

// maxFetches bounds what is remembered of fetches.
const maxFetches = 10000

// early says why a Party should not fetch a result now, or returns "" (AppN 3.1.3, read
// as "the following night"): not before 08:00 of the next day, or 22:00 if it was
// submitted after 20:00; at most once an hour while it is incomplete; never again
// after success.
func (d *demand) early(b Batch, now time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, before := d.fetched[b.ID]
	if len(d.fetched) >= maxFetches {
		clear(d.fetched)
	}
	d.fetched[b.ID] = fetch{at: now, done: last.done}
	if d.noticed(b.Party, now) {
		return ""
	}
	local := b.SubmittedAt.In(d.limits.Location)
	hour := 8
	if local.Hour() >= 20 {
		hour = 22
	}
	switch {
	case now.Before(time.Date(local.Year(), local.Month(), local.Day()+1, hour, 0, 0, 0, d.limits.Location)):
		return "before the time at which the batch was to be ready"
	case before && last.done:
		return "again after the whole result was delivered"
	case before && now.Sub(last.at) < time.Hour:
		return "twice within an hour"
	}
	return ""
}

// delivered notes that the whole result of a batch has reached its Party.
func (d *demand) delivered(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fetched[id]
	f.done = true
	d.fetched[id] = f
}

// aboveNotice tells in tx whether a portal batch takes its Party above the limit of a
// day (AppN 3.1.1).
func (s *Service) aboveNotice(ctx context.Context, tx store.Tx, b Batch) (bool, error) {
	if b.Channel != PortalChannel || s.demand.noticed(b.Party, b.SubmittedAt) {
		return false, nil
	}
	var sent int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(items), 0) FROM smkiws_batch WHERE party = $1 AND submitted_at > $2 AND channel = 'portal'`,
		b.Party, b.SubmittedAt.Add(-24*time.Hour).UnixMicro()).Scan(&sent)
	return sent+int64(b.Items) > int64(s.limits.PortalDay), err
}
