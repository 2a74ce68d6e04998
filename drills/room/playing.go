package room

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/play"
	"smki.example/drills/report"
	"smki.example/drills/roombook"
	"smki.example/drills/verbs"
)

// running is one run of a drill as the room needs it; *play.Run is one.
type running interface {
	Play(ctx context.Context) (*play.Ending, error)
	Picture() verbs.Picture
	Words() string
	Seal(extra ...func(pack string, r *report.Report) error) (words string, err error)
	Close() error
}

// launch makes a run.
type launch func(ctx context.Context, cfg play.Config) (running, error)

func launchPlay(ctx context.Context, cfg play.Config) (running, error) {
	r, err := play.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// live is the run that is being played. It is guarded by the room's mu, but for
// what the engine's goroutine alone uses.
type live struct {
	number  int
	pack    string
	control *engine.Control
	cancel  context.CancelCauseFunc
	drill   *drill // as far as this run has come
	from    int64  // entries that an earlier run brings back
	stop    string // why the facilitator broke it off, in a run that is played again
	caught  bool   // they are back, and the run is people's
	ended   bool   // played to its end, and waiting for the seal
	run     running
	finish  chan struct{} // a finish was asked for
	left    chan struct{} // closed when the run is left for another course of events

	asked     map[roombook.On]*asked
	script    map[roombook.On]bool // questions that the script answers: nobody sat there
	calls     map[shareOf]*call
	envelopes map[shareOf]string
	heard     map[shareOf]bool // custodians who were asked in this process
	done      map[int64]bool   // duties that people did, by the entry at which they fell due; the record says so in a second

	// Of the engine's goroutine.
	tail        *tail
	pictures    *os.File
	lastPicture time.Duration
}

// errLeft is the cause for which a run is left.
var errLeft = errors.New("left for another course of events")

// Run plays what people begin, until ctx is done; then the clock stands and
// everything is in the book.
func (r *Room) Run(ctx context.Context) error {
	var foreseen sync.WaitGroup
	defer foreseen.Wait()
	for {
		r.foresee(ctx, &foreseen)
		next, err := r.next()
		if err != nil {
			return err
		}
		if next != nil {
			if err := r.play(ctx, *next); err != nil {
				return err
			}
			if ctx.Err() == nil {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
	}
}

// poke wakes Run.
func (r *Room) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// planned is a run that is to be played.
type planned struct {
	number  int
	entries []journal.Entry // that it brings back
	at      time.Duration   // where the clock stood
	paused  bool
	stop    string // it was broken off by the facilitator, and is again
	why     string // in words of the record
	before  []int  // runs whose journals are kept in its pack
}

// next is the run that is to be played now, or nil.
func (r *Room) next() (*planned, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resume {
		r.resume = false
		return r.nextAgain()
	}
	if r.st.run <= r.played || len(r.st.runs) == 0 {
		return nil, nil
	}
	b := r.st.runs[len(r.st.runs)-1]
	r.played = b.Number
	p := &planned{number: b.Number, before: r.left(b)}
	switch b.Why {
	case branched:
		return p, r.bringBack(p, b)
	case resumed:
		return p, r.bringBackAll(p, b.From)
	}
	return p, nil
}

// play plays one run. An error means that the room cannot go on; what a run itself
// ends with is no error of the room.
func (r *Room) play(server context.Context, p planned) error {
	ctx, cancel := context.WithCancelCause(server)
	defer cancel(nil)
	r.mu.Lock()
	a, s, speed := r.st.arranged, r.st.scenario(), r.st.speed
	l := &live{
		number: p.number, pack: r.packOf(p.number), control: &engine.Control{}, cancel: cancel, drill: newDrill(r.st.house), from: int64(len(p.entries)), stop: p.stop,
		finish: make(chan struct{}, 1), left: make(chan struct{}), asked: map[roombook.On]*asked{}, script: map[roombook.On]bool{}, calls: map[shareOf]*call{}, envelopes: map[shareOf]string{}, heard: map[shareOf]bool{}, done: map[int64]bool{},
	}
	r.live, r.trouble = l, ""
	r.bump()
	r.mu.Unlock()
	h := hand{r, l}
	cfg := play.Config{
		Scenario: s, Procedure: r.cfg.Procedure, Devices: a.Devices, Seed: a.Seed, Pack: l.pack, RecordKey: r.cfg.RecordKey,
		RunID: fmt.Sprintf("%s-%s-%d", s.ID, runName(r.Name()), p.number), Decider: h, Presenter: h, Told: h.told, Control: l.control,
		Speed: speed, From: p.why, Answers: "exercise room", Envelope: h.envelope, Share: h.share, LiveFrom: l.from, LiveAt: p.at, StartPaused: p.paused, Clock: r.cfg.Clock,
	}
	if len(p.entries) > 0 {
		recording, err := play.ReadRecording(p.entries)
		if err != nil {
			return r.stranded(l, err)
		}
		start := recording.Start()
		cfg.Recording, cfg.Epoch, cfg.Decider = recording, start.Epoch, recording.Decider(h)
	}
	if err := os.MkdirAll(filepath.Dir(l.pack), 0o700); err != nil {
		return r.stranded(l, err)
	}
	run, err := r.cfg.launch(ctx, cfg)
	if err != nil {
		return r.stranded(l, err)
	}
	r.mu.Lock()
	l.run = run
	r.mu.Unlock()
	defer func() {
		if err := run.Close(); err != nil {
			r.cfg.Log.Error("closing a run", "run", p.number, "error", err)
		}
	}()
	if err := r.keepBefore(l, p.before); err != nil {
		return r.stranded(l, err)
	}
	if err := h.begin(); err != nil {
		return r.stranded(l, err)
	}
	defer h.end()
	watched := r.watch(l)
	_, err = run.Play(ctx)
	watched()
	return r.ended(server, ctx, l, h, err)
}

// watch keeps where the clock stands, until the returned function is called.
func (r *Room) watch(l *live) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case <-every.C:
			}
			r.mu.RLock()
			caught := l.caught
			r.mu.RUnlock()
			if caught {
				if err := r.keepClock(l); err != nil {
					r.cfg.Log.Warn("keeping the clock", "error", err)
				}
				r.retell(l)
			}
		}
	}()
	return func() { close(done); <-gone }
}

// retell does again what people told before the server died and the record did not
// have yet.
func (r *Room) retell(l *live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range l.drill.duties {
		for _, t := range r.st.tells {
			if l.done[d.seq] || t.step != d.Step || t.at < d.at {
				continue
			}
			// The run may not have got there yet: then it is tried again in a second.
			if l.control.Told(d.Step, t.by) == nil {
				l.done[d.seq] = true
				r.bump()
			}
		}
	}
}

// ended is what comes after a run was played: the hot wash, or another run.
func (r *Room) ended(server, ctx context.Context, l *live, h hand, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errLeft) {
		r.drop(l)
		return nil
	}
	if cause != nil && !errors.As(cause, new(*stopped)) {
		r.drop(l) // the server ends: the record is broken off, and will be played again
		return nil
	}
	if err != nil {
		return r.stranded(l, err)
	}
	if err := h.catchUp(); err != nil {
		return r.stranded(l, err)
	}
	if err := r.washUp(l); err != nil {
		return r.stranded(l, err)
	}
	return r.await(server, l)
}

// drop takes a run off the screens that is not played any more.
func (r *Room) drop(l *live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stood = r.clock().At
	if r.live == l {
		r.live = nil
	}
	r.bump()
}

// stranded says on the facilitator's screen why a run does not go on. The room
// stays open: what people did is in the book, and the drill can be begun again.
func (r *Room) stranded(l *live, err error) error {
	r.cfg.Log.Error("a drill cannot go on", "run", l.number, "error", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stood = r.clock().At
	if r.live == l {
		r.live = nil
	}
	r.trouble = fmt.Sprintf("The drill cannot go on: %v. What people did is kept. Begin again, or go back to a decision; if it happens again, tell whoever looks after this machine.", err)
	if r.st.phase == Making || r.st.phase == Playing {
		if werr := r.write(roombook.Phase{Phase: string(Briefing)}); werr != nil {
			return errors.Join(err, werr)
		}
	}
	r.bump()
	return nil
}

// stopped is why the facilitator broke a drill off, as the record tells it.
type stopped struct{ why string }

func (s *stopped) Error() string { return s.why }

func (r *Room) packOf(run int) string { return filepath.Join(r.dir, "runs", strconv.Itoa(run)) }

// runName is an exercise's name in the letters that a run may have.
func runName(name string) string {
	out := []rune(name)
	for i, c := range out {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			out[i] = '-'
		}
	}
	return string(out)
}

// custodian is the seat of a custodian as the pack calls it.
func (h *house) custodian(place string) SeatID {
	for id, p := range h.places {
		if p == place {
			return id
		}
	}
	return SeatID(custodianBody + "/" + place)
}
