package engine

import (
	"context"
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
	Seq      int64         // number of the question's journal entry
	Asked    time.Duration // scenario time
	Deadline time.Duration // an answer at or after this is silence
	Asking   int           // 1 the first time; more when it comes back
	Shown    []journal.Shown
	Words    string // head of the record, for the minutes
	Refused  string // why the last answer could not be taken; empty the first time
}

// Answer is what a Decider says.
type Answer struct {
	Option   string
	Silent   bool          // nobody answered: the scenario's `on silence` holds
	After    time.Duration // scenario time the answer took
	Answered Answered      // who answered; empty means Members
	By       string        // in whose name, such as the chair
	Reason   string
	Votes    []journal.Vote
	Assessed []journal.Assessment
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
