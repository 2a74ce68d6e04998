package engine

import (
	"context"
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
	// Refused are answers that could not be taken in the run that is played again.
	Refused []string
}

// Answered says who gave an answer. The values stand in records.
type Answered string

// Who may have answered.
const (
	ByMembers     Answered = "members"
	ByScript      Answered = "script"
	ByCommandLine Answered = "command line"
	BySilence     Answered = "silence"
)
