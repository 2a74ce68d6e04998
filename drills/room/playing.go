package room

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// asked is a question that people are at.
type asked struct {
	q    engine.Question
	said chan engine.Answer // one
}

// The causes for which a run is left.
var (
	errLeft   = errors.New("left for another course of events")
	errServer = errors.New("the server ended")
)

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

// A hand is the room as the engine knows it, for one run: who answers, who is
// shown what, who tells, who gives shares.
type hand struct {
	*Room
	l *live
}

var (
	_ engine.Deliberator = hand{}
	_ engine.Presenter   = hand{}
	_ engine.Duties      = hand{}

	_ engine.ClockWatcher = hand{}
)

// begin opens what the run writes beside its record.
func (h hand) begin() error {
	h.l.tail = &tail{path: filepath.Join(h.l.pack, journal.FileName)}
	var err error
	h.l.pictures, err = os.OpenFile(filepath.Join(h.l.pack, picturesName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		err = json.NewEncoder(h.l.pictures).Encode(pictured{From: h.l.from})
	}
	return err
}

func (h hand) end() {
	if err := errors.Join(h.l.tail.close(), h.l.pictures.Close()); err != nil && !errors.Is(err, os.ErrClosed) {
		h.cfg.Log.Error("closing a run's files", "run", h.l.number, "error", err)
	}
}

// Present implements [engine.Presenter].
func (h hand) Present(context.Context, engine.Moment) error { return h.catchUp() }

// ClockChanged implements [engine.ClockWatcher]: pages count by themselves till then.
func (h hand) ClockChanged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bump()
}

// told hears of what the world wrote.
func (h hand) told(time.Duration, any) {
	if h.l.tail == nil {
		return // the world is being made
	}
	if err := h.catchUp(); err != nil {
		h.cfg.Log.Error("reading the record", "run", h.l.number, "error", err)
	}
}

// catchUp folds in what the journal has by now. The journal is the one source of
// what is shown, as it will be of a replay.
func (h hand) catchUp() error {
	l := h.l
	entries, err := l.tail.read()
	if err != nil || len(entries) == 0 {
		return err
	}
	newest := entries[len(entries)-1]
	var p *verbs.Picture
	if h.wantsPicture(entries) {
		x := l.run.Picture()
		p, l.lastPicture = &x, newest.At
	}
	words := ""
	if reads(newest.Kind) {
		words = l.run.Words()
	}
	if p != nil || words != "" {
		if err := json.NewEncoder(l.pictures).Encode(pictured{Entry: newest.Seq, Words: words, Picture: p}); err != nil {
			return fmt.Errorf("keeping a picture: %w", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range entries {
		if err := l.drill.take(e); err != nil {
			return err
		}
	}
	l.drill.see(newest.Seq, words, p)
	if !l.caught && l.drill.entries >= l.from {
		if err := h.caughtUp(); err != nil {
			return err
		}
	}
	if l.caught {
		h.bump()
	}
	return nil
}

// see adds what is not in the journal itself: its head as words, and a picture.
func (d *drill) see(entry int64, words string, p *verbs.Picture) {
	if words != "" {
		d.words[entry], d.newest = words, words
	}
	if p != nil {
		d.picture = p
	}
}

// caughtUp gives the run to the people. mu is held.
func (h hand) caughtUp() error {
	h.l.caught = true
	h.Room.drill = h.l.drill
	if h.l.stop != "" {
		h.l.cancel(&stopped{h.l.stop})
	}
	if h.st.phase == Making {
		return h.write(roombook.Phase{Phase: string(Playing)})
	}
	return nil
}

// reads says whether the head after an entry is read aloud.
func reads(k journal.Kind) bool {
	return k == journal.KindStart || k == journal.KindDecision || k == journal.KindOutcome
}

// between is how much scenario time passes between two pictures at least, where
// nothing happens that wants one.
const between = 2 * time.Minute

// wantsPicture says whether the state of the devices is looked at now: it reads all
// of them, so not at every entry.
func (h hand) wantsPicture(entries []journal.Entry) bool {
	for _, e := range entries {
		switch e.Kind {
		case journal.KindQuestion, journal.KindDecision, journal.KindCustody, journal.KindOutcome, journal.KindStart, verbs.KindReadBack:
			return true
		}
	}
	return entries[len(entries)-1].At >= h.l.lastPicture+between
}

// Waits implements [engine.Duties]: people tell where somebody sits who must.
func (h hand) Waits(n journal.Notify) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var taken []SeatID
	for _, s := range h.st.house.seats {
		if h.st.sitting[s.ID].person != "" {
			taken = append(taken, s.ID)
		}
	}
	return len(dutySeats(h.st, n, taken)) > 0
}

// Deliberates implements [engine.Deliberator]: a body in which nobody sits who has a
// vote follows the script.
func (h hand) Deliberates(q engine.Question) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.st.deliberates(q.Body.ID)
}

// Decide implements [engine.Decider]. What people did is in the book before the
// answer is given; so a vote that was closed before the server died is counted at
// once.
func (h hand) Decide(ctx context.Context, q engine.Question) (engine.Answer, error) {
	on := roombook.On{Decision: q.Decision.Name, Asking: q.Asking}
	a, err := h.put(on, q)
	if err != nil {
		return engine.Answer{}, err
	}
	if a == nil {
		return engine.Script().Decide(ctx, q)
	}
	select {
	case answer := <-a.said:
		return answer, nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	silent := engine.Answer{Silent: true}
	if q := h.l.question(on); q != nil {
		silent = h.attend(q, h.st.ballot(on), silent)
	}
	delete(h.l.asked, on)
	if errors.Is(context.Cause(ctx), engine.ErrDeadline) {
		return silent, nil
	}
	return silent, context.Cause(ctx)
}

// put lays a question before its body, or returns nil where the script answers.
func (h hand) put(on roombook.On, q engine.Question) (*asked, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.st.deliberates(q.Body.ID) && q.Refused == "" {
		h.l.script[on] = true
		return nil, nil
	}
	a := &asked{q: q, said: make(chan engine.Answer, 1)}
	h.l.asked[on] = a
	if q.Refused != "" {
		if err := h.write(roombook.Ballot{On: on, Did: ballotAgain, Why: roombook.Say(q.Refused)}); err != nil {
			return nil, err
		}
	}
	b := h.st.ballot(on)
	if open := h.l.question(on); b.closed && open != nil {
		a.said <- h.answer(open, b)
	}
	h.bump()
	return a, nil
}

// question is one that is open in this run, or nil.
func (l *live) question(on roombook.On) *question {
	for _, q := range l.drill.questions {
		if q.on == on {
			return q
		}
	}
	return nil
}

// answer is what the people of a body say, by their votes. mu is held.
func (h hand) answer(q *question, b *ballot) engine.Answer {
	by := h.st.solo(q)
	if by == engine.ByScript {
		a, _ := engine.Script().Decide(context.Background(), q.asEngine)
		return a
	}
	a := engine.Answer{Answered: by, Reason: b.closeWhy, By: h.closer(q, b), Ballot: ballotOpen}
	if b.blind {
		a.Ballot = ballotBlind
	}
	for _, f := range q.Factors {
		if x, is := b.factors[f.ID]; is && x.Finding != "" {
			a.Assessed = append(a.Assessed, journal.Assessment{Factor: f.ID, Finding: x.Finding, Evidence: x.Evidence, Assessor: x.Assessor})
		}
	}
	votes, abstained := h.st.votes(q.Body, b)
	switch {
	case by == engine.ByOne:
		// One person's answer is not a vote of the committee, and stands in the record as
		// what it is.
		a.Ballot = ""
		if len(votes) > 0 {
			a.Option = votes[0].Option
			if a.Reason == "" {
				a.Reason = votes[0].Reason
			}
		}
		return a
	case q.Voting != nil:
		a.Votes, a.Abstained = votes, abstained
		a.Option = q.asEngine.Count(votes).Option
	default:
		a.Votes, a.Abstained = votes, abstained
		a.Option = most(votes)
	}
	return h.attend(q, b, a)
}

// most is the answer of a body that answers without a count of votes: the one that
// most of its members gave, at a tie the one that was given first in its order.
func most(votes []journal.Vote) string {
	n := map[string]int{}
	best := ""
	for _, v := range votes {
		n[v.Option]++
	}
	for _, v := range votes {
		if n[v.Option] > n[best] {
			best = v.Option
		}
	}
	return best
}

// attend adds to an answer who was there and what interests they declared. Who sits
// on a seat is there: a telephone that has lost its network has not left the room.
func (h hand) attend(q *question, b *ballot, a engine.Answer) engine.Answer {
	if q.Voting == nil && h.st.oneSeat(q.Body) {
		return a
	}
	a.Present = []string{}
	for _, s := range h.st.house.seats {
		if s.Body != q.Body {
			continue
		}
		sits, is := h.st.sitting[s.ID]
		if is {
			a.Present = append(a.Present, s.Member)
			if sits.alternate {
				a.Alternates = append(a.Alternates, journal.Alternate{Member: s.Member, Name: h.st.name(sits.person)})
			}
		}
		if interest, declared := b.interests[s.ID]; declared {
			a.Conflicts = append(a.Conflicts, journal.Conflict{Member: s.Member, Interest: interest})
		}
	}
	return a
}

// closer is in whose name an answer is given: the seat of whoever closed the vote.
func (h hand) closer(q *question, b *ballot) string {
	p := PersonID(b.closedBy)
	for _, id := range h.st.seatsOf(p) {
		if s, _ := h.st.house.seat(id); s.Body == q.Body {
			return s.Title
		}
	}
	if x := h.st.people[p]; x != nil && x.role == Facilitator {
		return "the facilitator"
	}
	return ""
}

// envelope keeps the code of a custodian's envelope, in memory alone: when the drill
// is played again there are new ones.
func (h hand) envelope(seat, key, code string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.l.envelopes[shareOf{h.st.house.custodian(seat), key}] = code
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

// tail reads a journal as it grows.
type tail struct {
	path string
	f    *os.File
	rest []byte
}

// read returns the entries that were written since the last call.
func (t *tail) read() ([]journal.Entry, error) {
	if t.f == nil {
		f, err := os.Open(t.path)
		if err != nil {
			return nil, fmt.Errorf("reading the record: %w", err)
		}
		t.f = f
	}
	fresh, err := io.ReadAll(t.f)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	t.rest = append(t.rest, fresh...)
	var out []journal.Entry
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return out, nil
		}
		e, err := entryOf(line)
		if err != nil {
			return out, fmt.Errorf("reading the record: %w", err)
		}
		out, t.rest = append(out, e), rest
	}
}

func (t *tail) close() error {
	if t == nil || t.f == nil {
		return nil
	}
	return t.f.Close()
}

// entryOf reads a line that this process has just written: journal.Read checks the
// chain of those that somebody else may have had in hand.
func entryOf(line []byte) (journal.Entry, error) {
	var raw struct {
		Seq  int64           `json:"seq"`
		At   string          `json:"at"`
		Wall time.Time       `json:"wall"`
		Kind journal.Kind    `json:"kind"`
		Body json.RawMessage `json:"body"`
		Hash string          `json:"hash"`
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return journal.Entry{}, err
	}
	at, err := journal.ParseAt(raw.At)
	return journal.Entry{Seq: raw.Seq, At: at, Wall: raw.Wall, Kind: raw.Kind, Body: raw.Body, Hash: raw.Hash}, err
}

// picturesName is the file of a pack that keeps what is not in the journal and what
// a replay shows. Trust: it is under the seal; it holds no secret.
const picturesName = "pictures.jsonl"

// pictured is a line of it. The first says from which entry on people played.
type pictured struct {
	From    int64          `json:"from,omitempty"`
	Entry   int64          `json:"entry,omitempty"`
	Words   string         `json:"words,omitempty"`
	Picture *verbs.Picture `json:"picture,omitempty"`
}
