package engine

import (
	"context"
	"errors"
	"time"

	"smki.example/drills/scenario"
)

// World is what a drill is played on: a CA, a token and a fleet of devices
// behind verbs. The engine calls it from one goroutine and never before the
// journal entry that announces the call is on disk. All times are scenario time.
//
// Whatever a World does by itself, it writes into the same journal, in the order
// of scenario time and then of device index, never as goroutines happen to end.
type World interface {
	// Act starts one verb. Work that takes scenario time, such as a campaign over
	// thousands of devices, only begins here and goes on in Advance.
	//
	// An error that wraps ErrRefused means that the rules said no and nothing
	// happened, such as a verb that needs a key no decision has opened: it is
	// recorded, counted and the drill goes on. One that wraps ErrUncertain means
	// that it may have happened. That and any other error end the drill as failed;
	// the closing checks still run.
	Act(ctx context.Context, at time.Duration, a Action) error

	// Authorise opens a key for a decision, or makes it open when the custodians
	// are there. It is called only for a decision that is in the journal and
	// whose option opens the key; silence never gets here. Errors are as for Act.
	Authorise(ctx context.Context, at time.Duration, a Authorisation) error

	// Next is the time of the earliest thing that the World will do by itself, or
	// false if it is at rest.
	Next() (time.Duration, bool)

	// Advance carries out everything that is due up to and including to, in order.
	// Any error ends the drill as failed.
	Advance(ctx context.Context, to time.Duration) error

	// Names gives the values of the vocabulary's variables and, as scenario.Func,
	// its functions. The engine adds now, elapsed and chosen itself. It is called
	// after every event, so the values should work their figures out when asked.
	Names() map[string]any

	// Closing runs the checks that end every drill, each with its name.
	Closing(ctx context.Context) ([]Check, error)

	// Summary gives the closing figures; they stand in the outcome entry and must
	// encode as JSON.
	Summary(ctx context.Context) (map[string]any, error)
}

// ErrRefused and ErrUncertain are for a World to wrap; see World.Act.
var (
	ErrRefused   = errors.New("refused by the rules")
	ErrUncertain = errors.New("it may have happened")
)

// Action is a verb with everything filled in.
type Action struct {
	Step   string // place in the scenario, as the journal calls it
	Pos    scenario.Pos
	Verb   string
	Object string
	Params map[string]string // every parameter of the verb that has a value
	Begin  int64             // number of the journal entry that announced it
}

// Duration, Share, Number and Time read a parameter; the checker has seen that
// it can be read. They return zero for one that is absent.
func (a Action) Duration(name string) time.Duration {
	d, _ := scenario.ParseDuration(a.Params[name])
	return d
}

// Share reads a parameter as a fraction of one.
func (a Action) Share(name string) float64 {
	f, _ := scenario.ParseShare(a.Params[name])
	return f
}

// Number reads a parameter as a whole number.
func (a Action) Number(name string) int {
	n, _ := scenario.ParseNumber(a.Params[name])
	return n
}

// Time reads a parameter as scenario time.
func (a Action) Time(name string) time.Duration {
	t, _ := scenario.ParseTime(a.Params[name])
	return t
}

// Flag reads a parameter as true or false.
func (a Action) Flag(name string) bool { return a.Params[name] == "true" }

// Authorisation asks for a key in the name of a decision. Record is the line of
// the journal that holds the decision and Signed the same line as a note signed
// by the record key: the decision record itself, signed, is what opens the key.
type Authorisation struct {
	Key          string
	For          time.Duration // how long; 0: the World decides
	Decision     string
	Body         string
	Chosen       string
	Answered     string // members, one person, script or command line; never silence
	DecisionSeq  int64
	DecisionHash string // hex SHA-256, the hash member of that entry
	Record       []byte
	Signed       []byte
}

// Check is one of the closing checks.
type Check struct {
	Name  string
	Held  bool
	Found string // what was seen, whether it held or not
}
