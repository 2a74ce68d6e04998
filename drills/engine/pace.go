package engine

import (
	"context"
	"time"

	"smki.example/drills/journal"
)

// hold stops here while the run is paused, and when ctx is done.
func (r *run) hold(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		p, recorded := r.Recording.pauseAt(r.Journal.Head().N + 1)
		if !recorded {
			break
		}
		r.paused, r.pauseAt = p.Phase == "pause", p.at
		if _, err := r.tellAt(ctx, p.at, journal.KindPause, p.Pause); err != nil {
			return err
		}
		if r.paused {
			r.pausedFor = p.Why
		}
	}
	r.goLive()
	r.showSheet()
	resumed, why := r.Control.paused()
	switch {
	case !r.live:
		return nil
	case resumed == nil:
		r.paused = false
		return nil
	}
	r.clockStands()
	if !r.paused {
		r.paused, r.pauseAt = true, max(r.now, r.pauseAt, r.at.Truncate(time.Second))
		if _, err := r.tellAt(ctx, r.pauseAt, journal.KindPause, journal.Pause{Phase: "pause", Why: why}); err != nil {
			return err
		}
	}
	for r.paused {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-resumed:
			r.paused = false
		case <-r.woken:
			if err := r.take(); err != nil {
				return err
			}
		}
	}
	_, err := r.tellAt(ctx, max(r.now, r.pauseAt), journal.KindPause, journal.Pause{Phase: "resume", Why: r.Control.resumedBy()})
	return err
}

// goLive hands the run over to people when the recording has brought back what it
// should. A run that was broken off while it was paused stays paused.
func (r *run) goLive() {
	if r.live || r.Journal.Head().N < r.LiveFrom {
		return
	}
	r.live, r.at = true, max(r.at, r.now, r.LiveAt)
	switch {
	case r.LiveFrom > 0 && r.paused:
		r.Control.Pause(r.pausedFor)
	case r.StartPaused && r.LiveFrom > 0:
		r.paused = false
		r.Control.Pause("played again up to here")
	case r.StartPaused:
		r.Control.Pause("ready to begin")
	default:
		r.paused = false
	}
}

// longest is the longest wait; what comes meanwhile ends it.
const longest = time.Hour

// pace waits until the clock stands at next, or returns false when something came
// that must be looked at before.
func (r *run) pace(ctx context.Context, next time.Duration) (there bool, err error) {
	r.at = min(max(r.at, r.now), next)
	if !r.live && r.Recording.past(next) {
		// The run has left the recorded one. What comes now is for people.
		r.LiveFrom = r.Journal.Head().N
		return false, nil
	}
	for r.live && r.at < next {
		speed, jump := r.Control.pace(&r.Speed)
		if jump || speed == 0 && (r.arrived > 0 || !r.deliberating()) {
			break
		}
		if speed == 0 {
			r.clockStands()
			select {
			case <-ctx.Done():
				return false, ctx.Err()
			case <-r.woken:
				return false, nil
			}
		}
		d, last := longest, false
		if left := float64(next-r.at) / speed; left <= float64(longest) {
			d, last = time.Duration(left), true
		}
		r.sayClock(Reading{At: r.at, Speed: speed, Runs: true}, false, next)
		slept, woken, err := r.sleepOrWake(ctx, d)
		if err != nil {
			return false, err
		}
		if last && slept >= d {
			break
		}
		r.at = min(r.at+scaled(slept, speed), next)
		if woken {
			return false, nil
		}
		if resumed, _ := r.Control.paused(); resumed != nil {
			return false, nil
		}
	}
	r.at = next
	r.sayClock(Reading{At: next, Speed: r.Speed, Runs: r.live && r.Speed > 0}, true, next)
	r.Control.jumped()
	return true, nil
}

// clockStands tells that scenario time does not pass now, for the sake of people.
func (r *run) clockStands() {
	at := max(r.at, r.now)
	r.sayClock(Reading{At: at, Speed: r.Speed}, false, at)
}

func (r *run) sayClock(reading Reading, busy bool, limit time.Duration) {
	if w, can := r.Presenter.(ClockWatcher); r.Control.say(reading, busy, limit) && can {
		w.ClockChanged()
	}
}

// sleepOrWake waits for d, or until something is there for take. It returns for how
// long it waited.
func (r *run) sleepOrWake(ctx context.Context, d time.Duration) (slept time.Duration, woken bool, err error) {
	if d <= 0 {
		return d, false, nil
	}
	within, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-r.woken:
			woken = true
			stop()
		case <-within.Done():
		}
	}()
	began := r.Now()
	err = r.Sleep(within, d)
	stop()
	<-gone
	switch {
	case err == nil:
		return d, woken, nil
	case woken && ctx.Err() == nil:
		return min(max(r.Now().Sub(began), 0), d), true, nil
	}
	return 0, woken, err
}

// sleep is the real wait.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
