package journal

import "time"

// Start is the first entry of a run.
type Start struct {
	Run         string            `json:"run"`
	Scenario    string            `json:"scenario"` // id, such as S01
	Title       string            `json:"title"`
	Label       string            `json:"label"`
	SHA256      string            `json:"scenario_sha256"` // of the scenario file
	Language    int               `json:"language"`
	Rehearses   []string          `json:"rehearses"`
	Seed        int64             `json:"seed"`
	Environment string            `json:"environment"`
	Devices     int               `json:"devices"`
	Epoch       time.Time         `json:"epoch"` // the date that stands for scenario time 0:00
	Answers     string            `json:"answers"`
	From        string            `json:"from,omitempty"` // the run that this one plays again, or branches from, and where
	Versions    map[string]string `json:"versions"`
	RecordKey   string            `json:"record_key"`      // fingerprint
	Verifier    string            `json:"record_verifier"` // public half, as x/mod's note package writes it
	// The scenario and the procedure pack, word for word, so that the run can be
	// played again from its journal alone, whatever pack is shipped by then.
	// ProcedureText is empty in records of before it was kept: those are read with
	// the pack that is shipped.
	ScenarioText  string `json:"scenario_text"`
	ProcedureText string `json:"procedure_text,omitempty"`
}

// Steady is one condition that must hold before anything happens and again at
// the end. When is "before" or "after".
type Steady struct {
	When   string `json:"when"`
	Expect string `json:"expect"`
	Says   string `json:"says"`
	Held   bool   `json:"held"`
	Found  string `json:"found"`
}

// Inject is something the players are told.
type Inject struct {
	Step string   `json:"step"`
	As   string   `json:"as"`
	From string   `json:"from"`
	To   []string `json:"to"`
	Text string   `json:"text"`
}

// Notify is a duty to tell somebody. Told is when it was done, empty if it was
// not; Met says whether that was within the limit.
type Notify struct {
	Step  string `json:"step"`
	Whom  string `json:"whom"`
	From  string `json:"from,omitempty"`
	Due   string `json:"due,omitempty"`
	Told  string `json:"told,omitempty"`
	Met   bool   `json:"met"`
	Phase string `json:"phase"` // "due", then "told"
	// By is the person who told, where people do the telling and say who they are.
	By string `json:"by,omitempty"`
	// Procedure is the step of the procedure pack that this carries out.
	Procedure string `json:"procedure,omitempty"`
}

// Question is put to a body, and in the record before anybody answers.
type Question struct {
	Step     string   `json:"step"`
	Decision string   `json:"decision"`
	Body     string   `json:"body"`
	Asks     string   `json:"asks"`
	Briefing string   `json:"briefing,omitempty"`
	Shown    []Shown  `json:"shown"`
	Options  []Option `json:"options"`
	Quorum   string   `json:"quorum,omitempty"`
	Voting   *Voting  `json:"voting,omitempty"` // absent where the body answers without a count of votes
	Factors  []Factor `json:"factors"`
	Deadline string   `json:"deadline"`
	Asking   int      `json:"asking"`         // 1 the first time, 2 when it comes back after an adjournment
	Last     bool     `json:"last,omitempty"` // whatever is answered, the question does not come back
}

// Voting is the rule by which votes decide a question, complete enough for
// somebody to count them again.
type Voting struct {
	Needed   int      `json:"needed"`            // votes that must be cast
	Voters   []string `json:"voters"`            // members with a vote; empty: the pack names none
	Majority string   `json:"majority"`          // what one answer must have, in the words of the procedure pack
	Casting  string   `json:"casting,omitempty"` // member whose vote counts once more at a tie; absent: nobody's
	// Conflict is what a member with an interest does, in the words of the procedure
	// pack, where that takes the vote away; absent: declares it and votes.
	Conflict string `json:"conflict,omitempty"`
	Says     string `json:"says"` // the whole rule, as the members read it
}

// Shown is a figure laid before those who decide.
type Shown struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Option is one answer that a question allows.
type Option struct {
	Name  string `json:"name"`
	Says  string `json:"says"`
	Opens string `json:"opens,omitempty"`
	Again int    `json:"again,omitempty"` // how often this answer can still bring the question back
}

// Factor is one point of the guidance. Force is "shall" or "may".
type Factor struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Force string `json:"force"`
}

// Assessment is what the body found on a factor before it voted.
type Assessment struct {
	Factor   string `json:"factor"`
	Finding  string `json:"finding"`
	Evidence string `json:"evidence,omitempty"`
	Assessor string `json:"assessor,omitempty"`
}

// Vote is one member's.
type Vote struct {
	Member   string `json:"member"`
	Option   string `json:"option"`
	Reason   string `json:"reason,omitempty"`
	Conflict string `json:"conflict,omitempty"` // interest declared
}

// Abstention is a member with a vote who was there and cast none.
type Abstention struct {
	Member string `json:"member"`
	Reason string `json:"reason,omitempty"`
}

// Conflict is an interest that a member declared, and what the rule of the body
// did with it. Who may not vote has no vote in this decision, but still counts
// among the members; who left the room is neither present nor absent.
type Conflict struct {
	Member   string `json:"member"`
	Interest string `json:"interest"`
	Rule     string `json:"rule,omitempty"` // in the words of the procedure pack; absent: it has none, and an interest takes nothing away
	MayVote  bool   `json:"may_vote"`
	Left     bool   `json:"left,omitempty"` // left the room
}

// Alternate is a seat of which the member's alternate was there. Name is the
// alternate's as the room knows it, Says who may stand in by the procedure pack.
type Alternate struct {
	Member string `json:"member"`
	Name   string `json:"name,omitempty"`
	Says   string `json:"says,omitempty"`
}

// Decision is the answer to a question. This entry, signed, is what opens a
// key: Opens names it, and custody and keyuse entries name this entry's hash.
type Decision struct {
	Step       string       `json:"step"`
	Decision   string       `json:"decision"`
	Body       string       `json:"body"`
	Asks       string       `json:"asks"`
	Question   int64        `json:"question"` // number of the question's entry
	Asking     int          `json:"asking"`
	Options    []Option     `json:"options"`
	Chosen     string       `json:"chosen"`
	Opens      string       `json:"opens,omitempty"`
	Answered   string       `json:"answered"` // members, one person, script, command line or silence
	Note       string       `json:"note"`
	By         string       `json:"by,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	Votes      []Vote       `json:"votes"`
	Quorum     string       `json:"quorum,omitempty"`
	Factors    []Factor     `json:"factors"`
	Assessed   []Assessment `json:"assessed"`
	Refusals   []string     `json:"refusals"` // answers that could not be taken, and why
	Asked      string       `json:"asked"`
	Expected   string       `json:"expected,omitempty"` // the author's expectation, with its basis beside it
	Basis      string       `json:"basis,omitempty"`
	AsExpected bool         `json:"as_expected"`

	// What the minutes say of a meeting. All of it is absent where nobody met.

	Present    []string     `json:"present,omitempty"`   // members who were there, in the order of the body
	Absent     []string     `json:"absent,omitempty"`    // members with a vote who were not
	Abstained  []Abstention `json:"abstained,omitempty"` // were there and cast no vote
	Conflicts  []Conflict   `json:"conflicts,omitempty"`
	Alternates []Alternate  `json:"alternates,omitempty"`
	Ballot     string       `json:"ballot,omitempty"`  // open or blind
	Tally      string       `json:"tally,omitempty"`   // how quorum and majority were reached, and the casting vote, in words
	Dissent    []Vote       `json:"dissent,omitempty"` // votes for another answer than the one that was chosen
}

// Act is one step carried out on the world. Phase "begin" is on disk before the
// step begins, "end" after it; a record that stops between them says that the
// drill died there. Result is done, refused, failed or uncertain.
type Act struct {
	Step   string            `json:"step"`
	Verb   string            `json:"verb"`
	Object string            `json:"object"`
	Params map[string]string `json:"params"`
	Phase  string            `json:"phase"`
	Begin  int64             `json:"begin,omitempty"` // number of the begin entry
	Result string            `json:"result,omitempty"`
	// Procedure is the step of the procedure pack that this carries out.
	Procedure string `json:"procedure,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Skip is a step that did not come up, and why. RuledOut says that it was for
// another course of events, so that nobody left it out.
type Skip struct {
	Step     string `json:"step"`
	What     string `json:"what"`
	Why      string `json:"why"`
	RuledOut bool   `json:"ruled_out"`
}

// Missed is a thing that should have happened by a time and did not.
type Missed struct {
	Step string `json:"step"`
	What string `json:"what"`
	By   string `json:"by"`
	Why  string `json:"why"`
}

// Pause is the exercise held, resumed or broken off. Phase is pause, resume or
// abort.
type Pause struct {
	Phase string `json:"phase"`
	Why   string `json:"why"`
}

// Steer is what a facilitator did with something that players were to be told. Did
// is hold, release, skip or early. Refused says why nothing came of it, such as
// that it had been told meanwhile.
type Steer struct {
	By      string `json:"by"`
	Step    string `json:"step"`
	Did     string `json:"did"`
	Why     string `json:"why,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// Finding is one expectation of the scenario, held or not, with what was found.
type Finding struct {
	Expect string `json:"expect"`
	Says   string `json:"says"`
	Held   bool   `json:"held"`
	Found  string `json:"found"`
}

// Closing is one of the checks that end every drill.
type Closing struct {
	Check string `json:"check"`
	Held  bool   `json:"held"`
	Found string `json:"found"`
}

// Outcome ends a run. Outcome says whether the drill ran to its end: finished,
// stopped (before anything happened), failed or aborted. Finding says whether
// the system held: held, not held, or none where the drill did not get to ask.
// The two are never mixed.
type Outcome struct {
	Outcome string         `json:"outcome"`
	Why     string         `json:"why,omitempty"`
	Finding string         `json:"finding"`
	Held    int            `json:"held"`
	NotHeld int            `json:"not_held"`
	Missed  int            `json:"missed"`
	Skipped int            `json:"skipped"`
	Refused int            `json:"refused"`
	Figures map[string]any `json:"figures"`
}

// Seal lists every other file of the pack. It is the last entry.
type Seal struct {
	Files []SealedFile `json:"files"`
}

// SealedFile is a file of the pack by its path in it.
type SealedFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}
