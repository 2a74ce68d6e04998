// Package verbs is the world in which a drill is played: the words of the drill
// language bound to a real certification authority, real tokens and a fleet of
// simulated meters in full cryptography.
//
// A [World] lives in a scratch directory of its own. It makes SoftHSM tokens by
// owner, each labelled EXERCISE; plays the default key ceremony on them; opens a
// CA on the keys and issues every certificate of the drill through it, those of
// the organisations and two for each device; puts nine trust anchors into each
// device; and splits the Recovery token's PIN among custodians, after which no
// file holds it. From then on nothing is pretended: what a verb promises is
// signed by a token, checked by devices and told by their signed answers.
//
// It promises that a key that custodians hold signs only under an authorisation
// that names a decision in the journal, each signature entered there before the
// token is asked; that what happens depends on the seed, the scenario and the
// decisions alone, and is told in the order of scenario time and device index;
// and that every figure of its summary was counted or says that it is sample
// data.
//
// It refuses tokens that are not labelled EXERCISE, ignores the caller's
// SOFTHSM2_CONF, and refuses a verb for which the rules give no way, such as a
// recovery without a decision: the refusal is recorded and the drill goes on.
//
// Start at [New], then vocabulary.go (the words), campaign.go (how commands
// reach an estate) and closing.go (the checks that end every drill).
package verbs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/hsm"
	"smki.example/policy"
	"smki.example/softhsm"
)

// Config says which world to make.
type Config struct {
	// Scenario is the drill; its estate and parties are built.
	Scenario *scenario.Scenario
	// Journal takes what the world does. Its record key signs authorisations.
	Journal *journal.Journal
	// Pack is the evidence pack's folder, which exists. Messages, certificates and
	// lists are written into it as they come.
	Pack string
	// Procedure is the procedure pack, which has the custodians.
	Procedure *procedure.Pack
	// Scratch is a folder for tokens and databases, which exists and is empty. It
	// holds exercise keys in the clear: whoever reads it can play every party of
	// this drill, and nobody outside it.
	Scratch string
	// Devices is the size of the estate; 0 means the scenario's.
	Devices int
	// Estate and First make the world's devices a shard of a larger estate, see
	// [fleet.Config]; 0 means that they are all there are.
	Estate, First int
	// Seed decides everything that is drawn.
	Seed int64
	// Epoch is the date that stands for scenario time 0:00.
	Epoch time.Time
	// Progress hears how far long work has got; nil means nobody does. It is called
	// from one goroutine.
	Progress func(what string, done, total int)
	// Told hears of what devices said and what was done with keys and certificates,
	// after it is in the journal: shards, read-backs, progress files, custody, the first
	// use of an opened key, revocations and lists. The bodies are those of record.go.
	// Nil means nobody does; an intruder's shards are not among them.
	Told func(at time.Duration, body any)
	// Envelope is given the code of each custodian's envelope as it is sealed: seat,
	// label of the key, four words. What is in the envelope opens with nothing else, and
	// the world keeps neither code nor share. Nil: there are no envelopes, and
	// custodians who come give their shares.
	Envelope func(seat, key, code string)
	// Share asks custodians who came for their codes. Nil means that nobody is asked;
	// it is wanted where there is an Envelope.
	Share ShareFunc
}

// A World is one drill's world; it implements [engine.World]. It is used from
// one goroutine, the engine's. Close it.
type World struct {
	cfg   Config
	clock *clock
	env   *policy.Environment
	pack  *pack
	rate  float64 // commands an hour, scaled to the size of the estate

	tokens    tokens
	authority *authority
	custody   *custodians // of the Recovery key, in the generation that signs now
	dcc       dcc
	parties   []*party // in the order in which they were made
	broker    *broker
	fleet     *fleet.Fleet
	attackers []*attacker
	scope     scope
	copied    *credential // an intruder's copy of the Recovery key, in a drill that has one
	subjects  []*party    // whose keys the drill turned out to be about, in order

	campaigns []*campaign
	onTheWay  map[string]*exchange // to late devices, by reference
	kept      map[int][]*exchange  // future dated commands that devices keep, by device
	alerts    map[string]int       // codes that devices reported
	pending   []pendingAct         // what the world will do by itself besides campaigns
	counters  watch                // counters of the devices as last seen
	harm      harm
	curve     []CurvePoint         // for pictures
	wants     map[*party][]filling // see oneMoment; nil: worked out when asked
	pictured  *pictured
	readBacks int
	reports   int
	files     int // exchanged, for the numbers in their names
	deferrals map[*party]*deferral
	refusals  []string      // verbs that the rules refused, for the summary
	revokedAt time.Duration // when a certificate was last revoked
	// strangerSeen says that a device was asked and had an intruder's key.
	strangerSeen bool
	differ       int // cells that are not what a device said when it was asked
	issued       int // organisation certificates since 0:00
	snapshot     fleet.Snapshot

	unaccounted int           // signatures of CA keys without an intent; set by Closing
	before      []pendingNote // for the journal, once it has begun
	begun       bool
	uncertified []int // devices in the pack that have no certificates yet
	broken      error // the journal could not be written when nobody could be told
}

var _ engine.World = (*World)(nil)

// A pendingAct is something the world does by itself at a time: custodians
// arrive, a session ends.
type pendingAct struct {
	at time.Duration
	do func(ctx context.Context, at time.Duration) error
}

// madeBefore is how long before the drill its keys and certificates were made.
const madeBefore = 24 * time.Hour

// listsBefore is how long before the drill the lists in force were published.
const listsBefore = time.Hour

// New makes the world of a drill: tokens, ceremony, CA, parties, devices,
// custodians, and the first CRL. It takes some seconds for thousands of devices.
// On failure what was opened is closed; files in Scratch are the caller's to
// remove.
func New(ctx context.Context, cfg Config) (*World, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("making the world of a drill: %w", err)
	}
	w := &World{cfg: cfg, clock: &clock{epoch: cfg.Epoch.UTC()}, onTheWay: map[string]*exchange{}, kept: map[int][]*exchange{}, alerts: map[string]int{}, deferrals: map[*party]*deferral{}}
	if w.cfg.Devices == 0 {
		w.cfg.Devices = cfg.Scenario.Estate.Devices
	}
	// A small estate behaves as the large one does: the rate is scaled with it, so
	// that the timeline means the same.
	w.rate = float64(cfg.Scenario.Estate.Rate.PerHour) * float64(w.cfg.Devices) / float64(cfg.Scenario.Estate.Devices)
	w.clock.set(-madeBefore)
	if err := w.make(ctx); err != nil {
		switch {
		case ctx.Err() != nil:
			// What the parts say of it is noise: they were told to stop.
			err = fmt.Errorf("broken off before the drill began: %w", context.Cause(ctx))
		case errors.Is(err, softhsm.ErrNotInstalled) || errors.Is(err, hsm.ErrUnavailable):
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, errors.Join(fmt.Errorf("making the world of drill %s: %w", cfg.Scenario.ID, err), w.Close())
	}
	w.clock.set(0)
	return w, nil
}

func (cfg *Config) check() error {
	switch {
	case cfg.Scenario == nil:
		return errors.New("Scenario is missing")
	case cfg.Procedure == nil:
		return errors.New("Procedure is missing")
	case cfg.Journal == nil:
		return errors.New("Journal is missing")
	case cfg.Pack == "" || cfg.Scratch == "":
		return errors.New("Pack and Scratch must name folders")
	case cfg.Devices < 0:
		return fmt.Errorf("Devices is %d: want 1 or more, or 0 for the scenario's", cfg.Devices)
	case cfg.Epoch.IsZero():
		return errors.New("Epoch is missing: say which date stands for 0:00")
	}
	return nil
}

// make builds the world in the order in which a real one came about: keys, the
// authorities, the parties' certificates, devices, and last the custodians, since
// a key that nobody can use could not have been certified.
func (w *World) make(ctx context.Context) error {
	var err error
	if w.env, err = policy.LoadEnvironment("drill"); err != nil {
		return err
	}
	w.pack = newPack(w.cfg.Pack)
	if w.tokens, err = makeTokens(ctx, filepath.Join(w.cfg.Scratch, "tokens"), w.cfg.Scenario.Parties); err != nil {
		return err
	}
	w.progress("key ceremony", 0, 0)
	if w.authority, err = w.openAuthority(ctx); err != nil {
		return err
	}
	w.progress("certificates of the parties", 0, 0)
	if err := w.makeParties(ctx); err != nil {
		return err
	}
	if err := w.makeEstate(ctx); err != nil {
		return err
	}
	w.settle()
	if err := w.copyRecovery(ctx); err != nil {
		return err
	}
	if w.custody, err = w.makeCustodians(); err != nil {
		return err
	}
	w.clock.set(-listsBefore)
	for _, issuer := range listIssuers {
		if err := w.publish(ctx, 0, issuer); err != nil {
			return err
		}
	}
	w.counters = watchCounters(w.fleet)
	w.curve = []CurvePoint{{0, 0}}
	return nil
}

// Close ends what is open: custody sessions, the CA, its database, the tokens.
func (w *World) Close() error {
	var errs []error
	errs = append(errs, w.dcc.close())
	if w.authority != nil {
		errs = append(errs, w.authority.close())
	}
	errs = append(errs, w.tokens.close())
	return errors.Join(errs...)
}

// Start gives what the start entry of the journal tells of this world.
func (w *World) Start() (environment string, devices int, versions map[string]string) {
	return w.env.Name, w.fleet.Len(), map[string]string{
		"environment": fmt.Sprintf("%s/%d", w.env.Name, w.env.Version),
		"ceremony":    w.authority.script,
		"messages":    messageSample,
	}
}

// record appends to the journal.
func (w *World) record(kind journal.Kind, at time.Duration, body any) (int64, error) {
	if !w.begun {
		w.before = append(w.before, pendingNote{kind, body})
		return 0, nil
	}
	seq, _, err := w.cfg.Journal.Append(kind, at, body)
	return seq, err
}

// tell lets people hear of what is in the journal. What came before the drill is
// nobody's news.
func (w *World) tell(at time.Duration, body any) {
	if w.cfg.Told != nil && w.begun {
		w.cfg.Told(at, body)
	}
}

func (w *World) progress(what string, done, total int) {
	if w.cfg.Progress != nil {
		w.cfg.Progress(what, done, total)
	}
}

// rows is the estate as it is, worked out once for each moment at which anybody
// asks.
func (w *World) rows() fleet.Snapshot {
	if w.snapshot == nil {
		w.snapshot = w.fleet.Snapshot()
	}
	return w.snapshot
}

// changed forgets the snapshot: something may have happened to a device.
func (w *World) changed() { w.snapshot = nil }

// refuse makes an error that the engine records as a refusal by the rules.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", engine.ErrRefused, fmt.Sprintf(format, args...))
}

// scratchDir makes a folder that only its owner can enter.
func scratchDir(path string) (string, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("making a scratch folder: %w", err)
	}
	return path, nil
}

// ErrUnavailable is wrapped by errors that say a token or the database cannot be
// reached: SoftHSM is not installed, a library does not load.
var ErrUnavailable = errors.New("token or database unavailable")
