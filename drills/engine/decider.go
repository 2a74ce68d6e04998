package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// Decider answers questions: the people at a terminal or in a room, the command
// line, the script. Decide may wait as long as it likes in wall time. An error
// ends the drill: as aborted if ctx is done, else as failed. To say nothing it
// returns an Answer with Silent set.
type Decider interface {
	Decide(ctx context.Context, q Question) (Answer, error)
}

// Deliberator is implemented by a Decider whose people talk while the scenario
// clock goes on. For a question that it deliberates, Decide is called in a goroutine
// of its own, and what is due meanwhile happens. The answer counts from the next
// whole second of scenario time after it came, whatever its After says; one that
// cannot be taken is asked for again, with Question.Refused set. At the deadline
// ctx is done with the cause [ErrDeadline], and silence holds whatever Decide
// returns then; it must return soon, because the clock waits for that.
//
// Questions of different bodies may be open at once, so Decide must allow that. A
// replay that is given the same answers at the same scenario times has the same
// journal.
type Deliberator interface {
	Decider
	// Deliberates is called from the engine's goroutine, once an asking.
	Deliberates(q Question) bool
}

// ErrDeadline is why a Deliberator's ctx is done when there was no answer in time.
var ErrDeadline = errors.New("the time to answer is over")

// Question is a decision that is due.
type Question struct {
	Decision *scenario.Decision
	Body     scenario.Body
	Scenario *scenario.Scenario
	Seq      int64            // number of the question's journal entry
	Asked    time.Duration    // scenario time
	Deadline time.Duration    // an answer at or after this is silence
	Asking   int              // 1 the first time; more when it comes back
	Last     bool             // it came back and will not do so again, whatever is answered
	Options  []journal.Option // that can be chosen this time
	Voting   *journal.Voting  // how votes decide; nil: the body answers without a count of votes
	Shown    []journal.Shown
	Words    string // head of the record, for the minutes
	Refused  string // why the last answer could not be taken; empty the first time
}

// Option looks up an option that can be chosen this time.
func (q Question) Option(name string) (journal.Option, bool) {
	i := slices.IndexFunc(q.Options, func(o journal.Option) bool { return o.Name == name })
	if i < 0 {
		return journal.Option{}, false
	}
	return q.Options[i], true
}

// OptionNames lists the options that can be chosen this time.
func (q Question) OptionNames() []string {
	out := make([]string, len(q.Options))
	for i, o := range q.Options {
		out[i] = o.Name
	}
	return out
}

// Answer is what a Decider says.
type Answer struct {
	Option   string        // empty where the votes of members decide nothing: the engine puts the question again
	Silent   bool          // nobody answered: the scenario's `on silence` holds
	After    time.Duration // scenario time the answer took
	Answered Answered      // who answered; empty means Members
	By       string        // in whose name, such as the chair
	Reason   string
	Votes    []journal.Vote
	Assessed []journal.Assessment
	// Who was there, for the minutes. Present and what follows are the ids of members;
	// a nil Present says nothing about who was there or absent. Of a Conflict the
	// engine reads Member and Interest: what it does is the rule of the body. They are
	// heard of a silent Answer too.
	Present    []string
	Abstained  []journal.Abstention
	Conflicts  []journal.Conflict
	Alternates []journal.Alternate
	Ballot     string // open or blind; empty: not told
	// Refused are answers that could not be taken in the run that is played again.
	Refused []string
}

// Answered says who gave an answer. The values stand in records.
type Answered string

// Who may have answered.
const (
	ByMembers     Answered = "members"
	ByOne         Answered = "one person" // rehearsed for a whole committee, alone
	ByScript      Answered = "script"
	ByCommandLine Answered = "command line"
	BySilence     Answered = "silence"
)

// silent is an answer of which only remains who was there.
func (a Answer) silent() Answer {
	return Answer{Silent: true, Present: a.Present, Conflicts: a.Conflicts, Alternates: a.Alternates}
}
