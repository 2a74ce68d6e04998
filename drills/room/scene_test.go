package room_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/play"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/room"
	"smki.example/drills/verbs"
)

// tabletop is a drill in which nothing depends on devices, so that it can be played
// on paper.
const tabletop = `drill: 1
id: T01
title: The caller was no officer
label: AMBER
about: A supplier reports that a tape left its building.
rehearses: [notification, confirmation, pma-decision, custodians]
minutes: 10
ends: 6:00
estate:
  devices: 40
  rate: 700 an hour (sample)
parties:
  supplier: {name: Exercise Supplier A, category: large supplier, role: supplier}
injects:
  officer confirms:
    as: call
    from: nominated officer of the supplier
    to: [dcc service desk]
    text: The tape is gone, and the key was on it.
  custodians called:
    as: mail
    from: key manager of the DCC
    to: [pma, custodians]
    text: The custodians have been called.
steady:
  - expect: elapsed >= duration("0h")
    says: time passes
timeline:
  - at: 0:00
    inject: {as: mail, from: security desk of the supplier, to: [dcc service desk]}
    text: A backup tape with our signing key left the building on Friday.
  - {at: 0:10, decide: confirm}
  - {at: 0:20, notify: pma chair, from: dcc, within: 40 minutes, takes: 2 minutes, step: notification}
  - at: 0:30
    inject: {as: report, from: forensic team of the supplier, to: [dcc service desk, pma]}
    text: The key file was copied three days ago.
  - {at: 0:40, decide: recovery key}
  - at: 2:00
    inject: {as: news, from: a regional newspaper, to: [pma chair]}
    text: Is it true that the keys were stolen?
decisions:
  confirm:
    asks: Is this report confirmed?
    of: dcc
    options:
      call back:
        expected: true
        basis: permitted mechanisms; draft, unreviewed
        says: a nominated officer is called on the number on file
        then: {inject: officer confirms}
      accept: {says: the caller is taken at his word}
    scripted: call back
    on silence: accept
    within: 10 minutes
    takes: 5 minutes
  recovery key:
    asks: Does the PMA require the use of the Recovery key?
    of: pma
    briefing: The supplier still holds its key.
    shows:
      How the DCC dealt with the report: chosen.confirm
    quorum: procedure
    weighs: guidance
    assessed: {evidence: a, attacker: b, devices: c, harm: d, own key: e, race: f, exposure: g, unreached: h, custodians: i}
    options:
      not required:
        expected: true
        basis: the supplier controls its key; draft, unreviewed
        says: the Recovery key stays closed
      required:
        opens: {key: recovery, for: 12 hours}
        says: the custodians of the key are called
        then: {inject: custodians called}
      adjourn:
        again: {in: 1 hour, times: 2}
        says: more facts first
    scripted: not required
    on silence: adjourn
    within: 30 minutes
    takes: 20 minutes
findings:
  - expect: chosen.recovery_key != ""
    says: the PMA has decided
`

// paper is a world of paper: custodians come an hour after they are called and give
// their shares as the room lets them.
type paper struct {
	cfg     play.Config
	journal *journal.Journal
	now     time.Duration
	codes   map[string]string
	due     time.Duration // custodians come; 0: they were not called
	auth    engine.Authorisation
}

var paperSeats = []string{"custodian 1", "custodian 2", "custodian 3"}

func (p *paper) Act(context.Context, time.Duration, engine.Action) error { return nil }

func (p *paper) custody(at time.Duration, c verbs.Custody) error {
	c.Key, c.Needed, c.Of, c.Decision, c.DecisionHash = "recovery-1", 3, 5, p.auth.DecisionSeq, p.auth.DecisionHash
	if _, _, err := p.journal.Append(journal.KindCustody, at, c); err != nil {
		return err
	}
	p.cfg.Told(at, c)
	return nil
}

func (p *paper) Authorise(_ context.Context, at time.Duration, a engine.Authorisation) error {
	p.auth, p.due = a, at+time.Hour
	return p.custody(at, verbs.Custody{Expected: journal.FormatAt(p.due)})
}

func (p *paper) Next() (time.Duration, bool) { return p.due, p.due > 0 }

func (p *paper) Advance(ctx context.Context, to time.Duration) error {
	p.now = to
	if p.due == 0 || p.due > to {
		return nil
	}
	at := p.due
	p.due = 0
	var wg sync.WaitGroup
	shares := make([]verbs.ShareGiven, len(paperSeats))
	for i, seat := range paperSeats {
		wg.Go(func() {
			call := verbs.ShareCall{At: at, Key: "recovery-1", Words: "Recovery key", Seat: seat, Decision: p.auth.DecisionSeq, Hash: p.auth.DecisionHash, Needed: 3, Of: 5, Call: 1}
			code, given, err := p.cfg.Share(ctx, call)
			shares[i] = verbs.ShareGiven{Custodian: seat, Share: i + 1, Given: err == nil && given && code == p.codes[seat]}
		})
	}
	wg.Wait()
	c := verbs.Custody{Shares: shares, Opened: true}
	for _, s := range shares {
		if !s.Given {
			c.Opened, c.Refused = false, "a share was kept back"
		}
	}
	return p.custody(at, c)
}

func (p *paper) Names() map[string]any                           { return map[string]any{} }
func (p *paper) Closing(context.Context) ([]engine.Check, error) { return nil, nil }
func (p *paper) Summary(context.Context) (map[string]any, error) { return map[string]any{}, nil }
func (p *paper) Words() string                                   { return p.journal.Words() }
func (p *paper) Close() error                                    { return p.journal.Close() }
func (p *paper) Picture() verbs.Picture {
	return verbs.Picture{At: p.now, Devices: 40, States: []verbs.StateCount{{Letter: "a", Name: "old key", Count: 40}}, Wall: "aaaa", WallOf: 10}
}

func (p *paper) Play(ctx context.Context) (*play.Ending, error) {
	var recording *engine.Recording
	if p.cfg.Recording != nil {
		recording = p.cfg.Recording.Recording
	}
	epoch := p.cfg.Epoch
	if epoch.IsZero() {
		epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	}
	speed := p.cfg.Speed
	if speed == atOnce {
		speed = 0
	}
	result, err := engine.Run(ctx, engine.Config{
		Scenario: p.cfg.Scenario, World: p, Journal: p.journal, Decider: p.cfg.Decider, Presenter: p.cfg.Presenter, Epoch: epoch, Seed: p.cfg.Seed, Environment: "paper",
		Devices: p.cfg.Devices, Answers: p.cfg.Answers, From: p.cfg.From, ProcedureText: string(p.cfg.Procedure.Text), Versions: map[string]string{}, Speed: speed,
		Control: p.cfg.Control, Recording: recording, LiveFrom: p.cfg.LiveFrom, LiveAt: p.cfg.LiveAt, StartPaused: p.cfg.StartPaused,
	})
	if err != nil {
		return nil, err
	}
	return &play.Ending{Result: result}, nil
}

func (p *paper) Seal(extra ...func(string, *report.Report) error) (string, error) {
	for _, f := range extra {
		if err := f(p.cfg.Pack, nil); err != nil {
			return "", err
		}
	}
	err := p.journal.Seal(p.now)
	return p.journal.Words(), err
}

// onPaper launches drills on paper.
func onPaper(_ context.Context, cfg play.Config) (room.Running, error) {
	if err := os.Mkdir(cfg.Pack, 0o755); err != nil {
		return nil, err
	}
	j, err := journal.Create(filepath.Join(cfg.Pack, journal.FileName), journal.Config{Key: cfg.RecordKey, RunID: cfg.RunID, Clock: time.Now})
	if err != nil {
		return nil, err
	}
	p := &paper{cfg: cfg, journal: j, codes: map[string]string{}}
	for _, seat := range paperSeats {
		p.codes[seat] = "four words of-" + seat
		cfg.Envelope(seat, "recovery-1", p.codes[seat])
	}
	return p, nil
}

// atOnce is a speed at which drills on paper wait for people and for nothing else.
const atOnce = 100_000

// scene is an exercise in a test.
type scene struct {
	t       *testing.T
	cfg     room.Config
	r       *room.Room
	people  map[string]room.PersonID
	stop    context.CancelFunc
	stopped chan error
}

func sample(t testing.TB) *procedure.Pack {
	t.Helper()
	p, err := procedure.Sample()
	require.NoError(t, err)
	return p
}

// newScene opens an exercise on paper, in which the facilitator has come in.
func newScene(t *testing.T) *scene {
	t.Helper()
	key, err := journal.LoadKey(filepath.Join(t.TempDir(), "record.key"))
	require.NoError(t, err)
	s := &scene{t: t, people: map[string]room.PersonID{}}
	s.cfg = room.WithLaunch(room.Config{Home: t.TempDir(), Name: "evening", Procedure: sample(t), RecordKey: key}, onPaper)
	s.open()
	_, code := s.r.Codes()
	s.join(code, "Fay")
	return s
}

func (s *scene) open() {
	s.t.Helper()
	var err error
	s.r, err = room.Open(s.t.Context(), s.cfg)
	require.NoError(s.t, err)
	r := s.r
	s.t.Cleanup(func() { require.NoError(s.t, r.Close()) })
}

// play runs the room in the background until the test ends or stops it.
func (s *scene) play() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop, s.stopped = cancel, make(chan error, 1)
	r, stopped := s.r, s.stopped
	go func() { stopped <- r.Run(ctx) }()
	s.t.Cleanup(func() { s.halt() })
}

func (s *scene) halt() {
	if s.stop == nil {
		return
	}
	s.stop()
	require.NoError(s.t, <-s.stopped)
	s.stop = nil
}

func (s *scene) join(code, name string) room.PersonID {
	s.t.Helper()
	pass, err := s.r.Join(s.t.Context(), code, name)
	require.NoError(s.t, err)
	p, _, known := s.r.Who(pass)
	require.True(s.t, known)
	s.people[name] = p
	return p
}

func (s *scene) do(name string, a room.Act) {
	s.t.Helper()
	require.NoError(s.t, s.r.Do(s.t.Context(), s.people[name], a), "%s: %T", name, a)
}

// refused does what the room must not do, and returns why.
func (s *scene) refused(name string, a room.Act) string {
	s.t.Helper()
	err := s.r.Do(s.t.Context(), s.people[name], a)
	var no *room.Refusal
	require.ErrorAs(s.t, err, &no, "%s: %T", name, a)
	return no.Why
}

func (s *scene) view(name string) *room.View {
	s.t.Helper()
	v, err := s.r.View(s.people[name])
	require.NoError(s.t, err)
	return v
}

// until waits until what a person sees is as wanted.
func (s *scene) until(name, what string, ok func(v *room.View) bool) *room.View {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	for {
		v := s.view(name)
		if ok(v) {
			return v
		}
		select {
		case <-s.r.Changed(v.Version):
		case <-ctx.Done():
			text, _ := json.MarshalIndent(v, "", " ")
			require.FailNow(s.t, "it did not come to pass: "+what, "trouble: %s\n%.6000s", s.r.Trouble(), text)
		}
	}
}

// seat lets somebody come in and sit down.
func (s *scene) seat(name string, seats ...room.SeatID) {
	s.t.Helper()
	codes, _ := s.r.Codes()
	s.join(codes.Player, name)
	for _, id := range seats {
		s.do(name, room.TakeSeat{Seat: id})
	}
}

var pma = map[string]room.SeatID{"Ann": "pma/chair", "Ben": "pma/large-supplier", "Cy": "pma/large-supplier-2", "Dee": "pma/small-supplier", "Eve": "pma/network"}

// arranged is a scene in which everybody sits: a service desk, a committee,
// custodians.
func arranged(t *testing.T, a room.Arrange) *scene {
	t.Helper()
	s := newScene(t)
	if a.Text == "" {
		a.Text = tabletop
	}
	if a.Speed == 0 {
		a.Speed = atOnce
	}
	s.do("Fay", a)
	s.do("Fay", room.OpenDoors{})
	s.seat("Des", "dcc/duty")
	for name, seat := range pma {
		s.seat(name, seat)
	}
	s.seat("Kit", "custodian/1")
	codes, _ := s.r.Codes()
	s.join(codes.Observer, "Ola")
	s.join(codes.Screen, "Room screen")
	return s
}

// question waits until a question is before somebody.
func (s *scene) question(name, decision string, asking int) room.Ballot {
	s.t.Helper()
	var b room.Ballot
	s.until(name, "question "+decision, func(v *room.View) bool {
		for _, q := range v.Questions {
			if q.Decision == decision && q.Asking == asking && q.Involved {
				b = q
				return true
			}
		}
		return false
	})
	return b
}

// assess writes a finding on every factor that must have one.
func (s *scene) assess(name string, seat room.SeatID, b room.Ballot) {
	s.t.Helper()
	for _, f := range b.Factors {
		if f.Force == "shall" {
			s.do(name, room.Assess{Seat: seat, Decision: b.Decision, Asking: b.Asking, Factor: f.ID, Finding: "found: " + f.ID})
		}
	}
}

// failsOnce cannot make a drill the first time.
func failsOnce(failed *bool) func(context.Context, play.Config) (room.Running, error) {
	return func(ctx context.Context, cfg play.Config) (room.Running, error) {
		if !*failed {
			*failed = true
			return nil, errors.New("no token")
		}
		return onPaper(ctx, cfg)
	}
}
