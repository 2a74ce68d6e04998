package roombook

// Kind says which body an entry has. The values stand in records and must not
// change.
type Kind string

// The kinds of entries.
const (
	KindOpened   Kind = "opened"   // Opened
	KindArranged Kind = "arranged" // Arranged
	KindJoined   Kind = "joined"   // Joined
	KindSeated   Kind = "seated"   // Seated
	KindPhase    Kind = "phase"    // Phase
	KindRun      Kind = "run"      // Run
	KindInterest Kind = "interest" // Interest
	KindAssessed Kind = "assessed" // Assessed
	KindBallot   Kind = "ballot"   // Ballot
	KindCast     Kind = "cast"     // Cast
	KindShare    Kind = "share"    // Share
	KindTold     Kind = "told"     // Told
	KindSteered  Kind = "steered"  // Steered
	KindNote     Kind = "note"     // Note
	KindRating   Kind = "rating"   // Rating
	KindSurvey   Kind = "survey"   // Survey
	KindCorrect  Kind = "correct"  // Correction
	KindAction   Kind = "action"   // Action
	KindRisk     Kind = "risk"     // Risk
	KindRemark   Kind = "remark"   // Remark
)

// Opened is the first entry of a book.
type Opened struct {
	Exercise string `json:"exercise"`
	Program  string `json:"program"` // version
}

// Arranged says what is to be played and how. A later one replaces an earlier
// one as long as nothing was played.
type Arranged struct {
	Scenario     string   `json:"scenario"` // id
	SHA256       string   `json:"scenario_sha256"`
	Procedure    string   `json:"procedure"`
	Devices      int      `json:"devices"`
	Seed         int64    `json:"seed"`
	Speed        float64  `json:"speed"`
	Solo         bool     `json:"solo,omitempty"`
	SoloDecides  bool     `json:"solo_decides,omitempty"` // empty seats of one's own body leave the decision to one person
	Blind        bool     `json:"blind"`                  // how ballots begin
	Score        bool     `json:"score,omitempty"`
	Seats        []string `json:"seats"` // those that are offered
	ScenarioText string   `json:"scenario_text"`
}

// Joined is somebody who came in. Pass is the SHA-256 of the secret that their
// browser holds.
type Joined struct {
	Person string `json:"person"` // p1, p2, …
	Name   Text   `json:"name"`
	Role   string `json:"role"` // facilitator, player, observer or screen
	Pass   string `json:"pass_sha256"`
}

// Seated is a seat taken or left.
type Seated struct {
	Person    string `json:"person"`
	Seat      string `json:"seat"`
	Left      bool   `json:"left,omitempty"`
	Alternate bool   `json:"alternate,omitempty"` // sits in for the member
	By        string `json:"by,omitempty"`        // facilitator who moved them
}

// Phase is the exercise going on to its next part.
type Phase struct {
	Phase string `json:"phase"`
	By    string `json:"by,omitempty"`
}

// Run is one run of the drill: its first, the one that plays it again after the
// server was killed, or one that leaves the run before at a decision.
type Run struct {
	Number int    `json:"number"` // 1 first; the pack is runs/NUMBER
	Why    string `json:"why"`    // begun, resumed or branched
	From   int    `json:"from,omitempty"`
	At     string `json:"at,omitempty"` // decision before which a branch leaves
	Asking int    `json:"asking,omitempty"`
	By     string `json:"by,omitempty"`
}

// On names the question that an entry is about.
type On struct {
	Decision string `json:"decision"`
	Asking   int    `json:"asking"`
}

// About is the question that an entry is about; the zero value for one that is about
// none.
func About(body Body) On {
	switch b := body.(type) {
	case Cast:
		return b.On
	case Interest:
		return b.On
	case Assessed:
		return b.On
	case Ballot:
		return b.On
	}
	return On{}
}

// Interest is a conflict of interest declared, or withdrawn.
type Interest struct {
	Seat      string `json:"seat"`
	On        On     `json:"on"`
	Interest  Text   `json:"interest"`
	Withdrawn bool   `json:"withdrawn,omitempty"`
}

// Assessed is a finding on a factor of the guidance.
type Assessed struct {
	Seat     string `json:"seat"`
	On       On     `json:"on"`
	Factor   string `json:"factor"`
	Finding  Text   `json:"finding"`
	Evidence Text   `json:"evidence,omitzero"`
}

// Ballot is what the chair or the facilitator did with the vote: called, blind,
// open, revealed, closed or put again.
type Ballot struct {
	On  On     `json:"on"`
	Did string `json:"did"`
	By  string `json:"by"`
	Why Text   `json:"why,omitzero"`
}

// Cast is a vote. A later one of the same seat replaces it until the ballot is
// closed. An empty option is an abstention.
type Cast struct {
	Seat   string `json:"seat"`
	On     On     `json:"on"`
	Option string `json:"option"`
	Reason Text   `json:"reason,omitzero"`
}

// Share is a custodian's share entered, withheld or refused as mistyped. The
// share and its code are in no entry.
type Share struct {
	Seat string `json:"seat"`
	Key  string `json:"key"`
	Did  string `json:"did"` // given, withheld or mistyped
}

// Told is a duty to tell somebody, done by a person.
type Told struct {
	Seat string `json:"seat"`
	Step string `json:"step"`
	Whom string `json:"whom"`
}

// Steered is what the facilitator did to the run: paused, resumed, speed, next,
// held, released, skipped or early.
type Steered struct {
	Did   string  `json:"did"`
	Step  string  `json:"step,omitempty"`
	Speed float64 `json:"speed,omitempty"`
	By    string  `json:"by"`
	Why   Text    `json:"why,omitzero"`
}

// Note is written for later: by an observer on the timeline, or privately by the
// facilitator. Tag is strength, improve, question or empty.
type Note struct {
	Person  string `json:"person"`
	Private bool   `json:"private,omitempty"`
	Entry   int64  `json:"entry,omitempty"` // of the journal that it is tagged to
	Tag     string `json:"tag,omitempty"`
	Text    Text   `json:"text"`
}

// Rating is an observer's of an objective: P performed without challenges, S with
// some challenges, M with major challenges, U unable to be performed. A later one
// of the same person replaces it.
type Rating struct {
	Person    string `json:"person"`
	Objective string `json:"objective"` // step of the procedure pack
	Rating    string `json:"rating"`
	Evidence  Text   `json:"evidence"`
}

// Survey is one person's answers to the short survey of the hot wash, 1 to 5.
type Survey struct {
	Person  string         `json:"person"`
	Answers map[string]int `json:"answers"`
	Well    Text           `json:"well,omitzero"`
	Better  Text           `json:"better,omitzero"`
}

// Correction adds to what is recorded; nothing is erased. Entry is of the journal,
// Book of the book; one of them is set.
type Correction struct {
	Person string `json:"person"`
	Seat   string `json:"seat,omitempty"`
	Entry  int64  `json:"entry,omitempty"`
	Book   int64  `json:"book,omitempty"`
	Text   Text   `json:"text"`
}

// Action is a line of the improvement plan. The same number replaces it; Dropped
// takes it out. Exercise is set where the action is one of an earlier exercise's
// plan, of which this says what became: then Number is the number in that plan.
type Action struct {
	Exercise string `json:"exercise,omitempty"`
	Number   int    `json:"number"`
	What     Text   `json:"what"`
	Owner    Text   `json:"owner"`
	Due      string `json:"due"` // date, 2006-01-02
	From     Text   `json:"from,omitzero"`
	State    string `json:"state"` // open or done
	Dropped  bool   `json:"dropped,omitempty"`
	By       string `json:"by"`
}

// Risk is a line of the risk list: what stays after the recovery.
type Risk struct {
	Number     int    `json:"number"`
	What       Text   `json:"what"`
	Owner      Text   `json:"owner"`
	Likelihood string `json:"likelihood"` // low, medium or high
	Devices    int    `json:"devices"`    // left
	Dropped    bool   `json:"dropped,omitempty"`
	By         string `json:"by"`
}

// Remark is a paragraph for the report or the minutes: strengths, improve,
// summary or minutes. A later one for the same part replaces it.
type Remark struct {
	Part string `json:"part"`
	Text Text   `json:"text"`
	By   string `json:"by"`
}
