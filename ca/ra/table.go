package ra

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/policy"
)

// An Act is something that an officer does, as the table of rights names it. Acts
// stand in approvals and audit records: never rename one.
type Act string

// The acts. Each has a row in table.json.
const (
	ActEnrolParty         Act = "enrol-party"
	ActChangeParty        Act = "change-party"
	ActWithdrawParty      Act = "withdraw-party"
	ActAssignIdentifiers  Act = "assign-identifiers"
	ActReleaseIdentifiers Act = "release-identifiers"

	ActAppointSRO         Act = "appoint-sro"
	ActAppointARO         Act = "appoint-aro"
	ActAppointSystem      Act = "appoint-system"
	ActAppointRAOfficer   Act = "appoint-ra-officer"
	ActWithdrawOfficer    Act = "withdraw-officer"
	ActWithdrawRAOfficer  Act = "withdraw-ra-officer"
	ActAddCredential      Act = "add-credential"
	ActWithdrawCredential Act = "withdraw-credential"

	ActAskCertificate   Act = "ask-organisation-certificate"
	ActRecordCheck      Act = "record-identity-check"
	ActCloseRequest     Act = "close-organisation-request"
	ActIssueCertificate Act = "issue-organisation-certificate"

	ActAskRevocation          Act = "ask-revocation"
	ActAuthenticateRevocation Act = "authenticate-revocation"
	ActDeferRevocation        Act = "defer-revocation"
	ActResumeRevocation       Act = "resume-revocation"
	ActWithdrawRevocation     Act = "withdraw-revocation"
	ActExecuteRevocation      Act = "execute-revocation"
	ActExecuteEmergency       Act = "execute-unauthenticated-revocation"

	ActReleaseBatch Act = "release-batch"

	// The rest is asked by other rooms, through [Registry.May].
	ActSubmitDeviceRequests Act = "submit-device-requests"
	ActReadRegister         Act = "read-register"
	ActReadQueues           Act = "read-queues"
	ActReadAuditLog         Act = "read-audit-log"
	ActPublishCRL           Act = "publish-crl"
	ActBlockKey             Act = "block-key"
	ActGiveShare            Act = "give-share"
	ActAcceptLoss           Act = "accept-loss"        // signed by two: [Registry.Sworn]
	ActRevokeByDecision     Act = "revoke-by-decision" // the same
)

// direct are the acts that one person does at once, so that their cells cannot ask
// for a second. All other acts are deeds, for which the table decides.
var direct = []Act{
	ActAskCertificate, ActRecordCheck, ActCloseRequest, ActAskRevocation, ActAuthenticateRevocation,
	ActSubmitDeviceRequests, ActReadRegister, ActReadQueues, ActReadAuditLog, ActPublishCRL, ActBlockKey, ActGiveShare, ActAcceptLoss, ActRevokeByDecision,
}

// Acts returns every act, in the order of its name.
func Acts() []Act {
	all := slices.Collect(maps.Keys(deeds))
	all = append(all, direct...)
	slices.Sort(all)
	return all
}

// A Cell says whether a role may do an act.
type Cell string

// The three answers. Two means: propose it, and others must agree.
const (
	No  Cell = "no"
	Yes Cell = "yes"
	Two Cell = "two"
)

// A Side says whom a role belongs to.
type Side string

// A party's officers act for their own party only, the registration authority's
// for all.
const (
	SideParty Side = "party"
	SideRA    Side = "ra"
)

// A Table is who may do what, with the rules that depend on it. It is read from JSON
// and not changed afterwards.
type Table struct {
	Version int                `json:"version"`
	Mark    string             `json:"mark"`
	Source  string             `json:"source"`
	Roles   map[Role]RoleRule  `json:"roles"`
	Apart   []Incompatible     `json:"incompatible"`
	Checks  []CheckRule        `json:"checks"`
	Setting map[string]Setting `json:"settings"`
	Acts    map[Act]Rule       `json:"acts"`
	L316    ProvisioningTable  `json:"eligibility"`
}

// A Setting is a value with its mark.
type Setting struct {
	Value  string `json:"value"`
	Mark   string `json:"mark"`
	Source string `json:"source"`
}

// A RoleRule is what it takes to hold a role.
type RoleRule struct {
	Says      string `json:"says"`
	Side      Side   `json:"side"`
	Human     bool   `json:"human"`     // false: a system, which has no vote
	Screened  bool   `json:"screened"`  // a date of screening is required
	Nominated bool   `json:"nominated"` // a nomination form is required
	Mark      string `json:"mark"`
	Source    string `json:"source"`
}

// Incompatible says which roles one person may not hold together.
type Incompatible struct {
	Role Role   `json:"role"`
	With []Role `json:"with"`
	Why  string `json:"why"`
	Mark string `json:"mark"`
}

// A CheckRule is an identity check that must have passed before an Organisation
// Certificate is issued.
type CheckRule struct {
	Kind   string `json:"kind"`
	Says   string `json:"says"`
	Mark   string `json:"mark"`
	Source string `json:"source"`
}

// A Rule is a row of the table: one act.
type Rule struct {
	Says   string        `json:"says"`
	Mark   string        `json:"mark"`
	Source string        `json:"source"`
	May    map[Role]Cell `json:"may"`
	Votes  *Votes        `json:"votes"` // nil where no cell says two
}

// Votes says who must agree to a deed.
type Votes struct {
	By []Role `json:"by"`
	// Needed is how many must agree, by the side of who proposes.
	Needed map[Side]int `json:"needed"`
	// Valid is how long the decision may take, its execution included.
	Valid Duration `json:"valid"`
}

// Duration is a time.Duration in text: "72h".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes the form of time.Duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// May returns the cell of a role and an act; what the table does not have is No.
func (t *Table) May(role Role, act Act) Cell {
	if c, ok := t.Acts[act].May[role]; ok {
		return c
	}
	return No
}

// MayVote tells whether a role votes on an act.
func (t *Table) MayVote(role Role, act Act) bool {
	v := t.Acts[act].Votes
	return v != nil && slices.Contains(v.By, role)
}

// Needed returns how many others must agree before a role's proposal of an act is
// carried out, and false if the role may not propose it.
func (t *Table) Needed(role Role, act Act) (int, bool) {
	switch t.May(role, act) {
	case Yes:
		return 0, true
	case Two:
		return t.Acts[act].Votes.Needed[t.Roles[role].Side], true
	}
	return 0, false
}

// valid is how long an approval of the act lives. What one person does alone lives
// as long as it takes to do it.
func (t *Table) valid(act Act) time.Duration {
	if v := t.Acts[act].Votes; v != nil {
		return time.Duration(v.Valid)
	}
	return time.Hour
}

//go:embed table.json
var embedded []byte

// DefaultTable returns the table that is part of the program.
func DefaultTable() *Table {
	t, err := ParseTable("table.json", embedded)
	if err != nil {
		panic("ra: internal error: " + err.Error())
	}
	return t
}

// ParseTable reads a table strictly: an unknown key, a cell that is missing, and a
// cell that asks for a second person where nobody could be one is an error that says
// where. Whether an act needs two persons at all is the table's to say.
func ParseTable(file string, b []byte) (*Table, error) {
	var t Table
	if err := ca.ReadStrict(b, &t); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return &t, nil
}

func (t *Table) check() error {
	var bad []error
	complain := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if t.Version < 1 {
		complain("version: want 1 or more")
	}
	marked := func(what, mark string) {
		if !slices.Contains([]string{"S", "T", "I", "K"}, mark) {
			complain("%s: mark: want S, T, I or K", what)
		}
	}
	marked("table", t.Mark)
	marked("eligibility", t.L316.Mark)
	for _, role := range Roles() {
		rule, ok := t.Roles[role]
		marked("roles: "+string(role), rule.Mark)
		if !ok || (rule.Side != SideParty && rule.Side != SideRA) {
			complain("roles: %q: want a row with side party or ra", role)
		}
	}
	if len(t.Roles) != len(Roles()) {
		complain("roles: a role that this program does not know")
	}
	for _, act := range Acts() {
		rule, ok := t.Acts[act]
		if !ok {
			complain("acts: no row for %q", act)
			continue
		}
		marked("acts: "+string(act), rule.Mark)
		t.checkRule(act, rule, complain)
	}
	if len(t.Acts) != len(Acts()) {
		complain("acts: an act that this program does not know")
	}
	switch t.Setting["deviceIdentifiers"].Value {
	case "advisory", "owned":
	default:
		complain("settings: deviceIdentifiers: want advisory or owned")
	}
	t.L316.check(complain)
	return errors.Join(bad...)
}

func (t *Table) checkRule(act Act, rule Rule, complain func(string, ...any)) {
	for _, role := range Roles() {
		switch cell, ok := rule.May[role]; {
		case !ok:
			complain("acts: %s: no cell for %q", act, role)
		case cell == Two && slices.Contains(direct, act):
			complain("acts: %s: %s: this act is done at once by one person; want yes or no", act, role)
		case cell == Two && (rule.Votes == nil || rule.Votes.Needed[t.Roles[role].Side] < 1):
			complain("acts: %s: %s: two persons, and votes does not say how many must agree", act, role)
		case cell != No && cell != Yes && cell != Two:
			complain("acts: %s: %s: %q is none of no, yes, two", act, role, cell)
		}
	}
	if len(rule.May) != len(Roles()) {
		complain("acts: %s: a cell for a role that does not exist", act)
	}
	if rule.Votes == nil {
		return
	}
	if len(rule.Votes.By) == 0 || rule.Votes.Valid <= 0 {
		complain("acts: %s: votes: want by and valid", act)
	}
	for _, role := range rule.Votes.By {
		// A party's vote would decide on another party's business.
		if r := t.Roles[role]; r.Side != SideRA || !r.Human {
			complain("acts: %s: votes: %q does not vote; want persons of the registration authority", act, role)
		}
	}
}

// A Provisioning is where a device is in its life, as far as eligibility depends on
// it. The zero value is no state.
type Provisioning string

// The states. Stored in table.json: never rename one.
const (
	NotInstalled Provisioning = "notInstalled"
	Installed    Provisioning = "installed"
	Unknown      Provisioning = "unknown"
)

// ProvisioningTable is the table of Section L3.16: Remote Party Role and
// provisioning state decide who may have a Device Certificate.
type ProvisioningTable struct {
	Mark   string                  `json:"mark"`
	Source string                  `json:"source"`
	States map[Provisioning]string `json:"states"`
	// Roles has a row for each role in two hex digits; its cells are any,
	// responsible (the party must be the one responsible for the device) and no.
	Roles map[string]map[Provisioning]string `json:"roles"`
}

func (e ProvisioningTable) check(complain func(string, ...any)) {
	for ou, row := range e.Roles {
		if r, err := policy.ParseRole(ou); err != nil || !r.Known() {
			complain("eligibility: %q is no Remote Party Role in two hex digits", ou)
		}
		for _, state := range []Provisioning{NotInstalled, Installed, Unknown} {
			switch row[state] {
			case "any", "responsible", "no":
			default:
				complain("eligibility: %s: %s: want any, responsible or no", ou, state)
			}
		}
		if len(row) != 3 {
			complain("eligibility: %s: a state that does not exist", ou)
		}
	}
}

// Allows tells what the table says of a role and a state: any, responsible or no.
func (e ProvisioningTable) Allows(role policy.RemotePartyRole, state Provisioning) string {
	if cell, ok := e.Roles[role.OU()][state]; ok {
		return cell
	}
	return "no"
}
