package auditor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/ca/audit"
	"smki.example/policy"
)

// The kinds of records of the offices, and the words in them: written down a second
// time, as everything here.
const (
	kindRegister  audit.Kind = "ra-register"
	kindRequest   audit.Kind = "ra-request"
	kindProposal  audit.Kind = "ra-proposal"
	kindVote      audit.Kind = "ra-vote"
	kindExecution audit.Kind = "ra-execution"
	kindBatch     audit.Kind = "csr-batch"
	kindKey       audit.Kind = "repository-key"
	kindRestored  audit.Kind = "restored"
	kindLoss      audit.Kind = "accepted-loss"
	kindFile      audit.Kind = "repository-file"
)

// officeRecords play what they say.
var officeRecords = map[audit.Kind]func(*inspection, *record) error{
	kindRegister: (*inspection).registered, kindRequest: (*inspection).requested, kindProposal: (*inspection).proposed,
	kindVote: (*inspection).voted, kindExecution: (*inspection).executed, kindBatch: (*inspection).batchMoved, kindKey: (*inspection).keyChanged,
	kindRestored: (*inspection).released, kindLoss: (*inspection).released,
	kindShard: (*inspection).shardEnded, kindPurged: (*inspection).batchPurged, kindFile: (*inspection).filePublished,
}

// read takes a record's body apart.
func (r *record) read(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return differ(r.Seq, "the log: what it says of %s does not parse: %v", r.Kind, err)
	}
	return nil
}

func digestHex(octetsInHex string) string {
	octets, err := hex.DecodeString(octetsInHex)
	if err != nil {
		return octetsInHex
	}
	sum := sha256.Sum256(octets)
	return hex.EncodeToString(sum[:])
}

// change is a change of the register: whichever fields the act has.
type change struct {
	Party       string                   `json:"party"`
	Name        string                   `json:"name"`
	Category    string                   `json:"category"`
	Roles       []policy.RemotePartyRole `json:"roles"`
	Subscriber  struct{ Device, Organisation bool }
	Why         string `json:"why"`
	Range       struct{ First, Last policy.EntityID }
	Officer     string        `json:"officer"`
	Role        string        `json:"role"`
	Person      string        `json:"person"`
	Screened    string        `json:"screened"`
	Nomination  string        `json:"nomination"`
	NominatedBy string        `json:"nominated_by"`
	Serial      policy.Serial `json:"serial"`
	Fingerprint string        `json:"fingerprint"`
	Holder      string        `json:"holder"`
	NotAfter    string        `json:"not_after"`
}

// registered plays a change of parties, identifiers, officers or credentials.
func (a *inspection) registered(r *record) error {
	var says struct {
		Act     string `json:"act"`
		Subject string `json:"subject"`
		Change  change `json:"change"`
		change         // of the first officers: in the record itself
	}
	if err := r.read(&says); err != nil {
		return err
	}
	at, c := moment(r.At), says.Change
	switch says.Act {
	case "enrol-party":
		return a.tell(r, "ra_party", c.Party, "party "+c.Party, columns{"id": c.Party, "name": c.Name, "category": c.Category, "roles": roleList(c.Roles),
			"device_sub": flag(c.Subscriber.Device), "org_sub": flag(c.Subscriber.Organisation), "state": "active", "cause": "", "revision": "1", "created_at": at, "changed_at": at})
	case "change-party":
		return a.change(r, "ra_party", c.Party, columns{"name": c.Name, "category": c.Category, "roles": roleList(c.Roles),
			"device_sub": flag(c.Subscriber.Device), "org_sub": flag(c.Subscriber.Organisation), "revision": a.next("ra_party", c.Party, "revision"), "changed_at": at})
	case "withdraw-party":
		return a.change(r, "ra_party", c.Party, columns{"state": "withdrawn", "cause": c.Why, "revision": a.next("ra_party", c.Party, "revision"), "changed_at": at})
	case "assign-identifiers":
		first, last := hex.EncodeToString(c.Range.First[:]), hex.EncodeToString(c.Range.Last[:])
		a.assigned[first+"/"+last]++
		return a.tell(r, "ra_identifier", fmt.Sprintf("%s/%s/%d", first, last, a.assigned[first+"/"+last]), "identifiers "+first+" to "+last,
			columns{"first": first, "last": last, "party": c.Party, "assigned_at": at, "released_at": ""})
	case "release-identifiers":
		first, last := hex.EncodeToString(c.Range.First[:]), hex.EncodeToString(c.Range.Last[:])
		return a.change(r, "ra_identifier", fmt.Sprintf("%s/%s/%d", first, last, a.assigned[first+"/"+last]), columns{"released_at": at})
	case "appoint-sro", "appoint-aro", "appoint-system", "appoint-ra-officer":
		return a.appointed(r, c)
	case "withdraw-officer", "withdraw-ra-officer":
		return a.change(r, "ra_officer", c.Officer, columns{"state": "withdrawn", "cause": c.Why, "changed_at": at})
	case "add-credential":
		return a.credited(r, c)
	case "withdraw-credential":
		return a.change(r, "ra_credential", hex.EncodeToString(c.Serial[:]), columns{"state": "withdrawn", "cause": c.Why, "changed_at": at})
	case "found":
		c = says.change
		c.Officer, c.Role = strings.TrimPrefix(says.Subject, "officer/"), "ra-manager"
		if err := a.appointed(r, c); err != nil {
			return err
		}
		return a.credited(r, c)
	}
	return differ(r.Seq, "the log: it tells of the act %q, which this program does not know", says.Act)
}

func roleList(roles []policy.RemotePartyRole) string {
	list := make([]string, 0, len(roles))
	for _, role := range roles {
		list = append(list, role.OU())
	}
	return strings.Join(list, ",")
}

// next is the number after the one that a column has.
func (a *inspection) next(table, key, column string) string {
	var n int64
	_, _ = fmt.Sscan(a.of(table, key, column), &n) // what is missing begins at nothing
	return number(n + 1)
}

func (a *inspection) appointed(r *record, c change) error {
	at := moment(r.At)
	return a.tell(r, "ra_officer", c.Officer, "officer "+c.Officer, columns{"id": c.Officer, "party": c.Party, "role": c.Role, "person": c.Person, "name": c.Name,
		"screened": c.Screened, "nomination": c.Nomination, "nominated_by": c.NominatedBy, "state": "active", "cause": "", "created_at": at, "changed_at": at})
}

func (a *inspection) credited(r *record, c change) error {
	at, serial := moment(r.At), hex.EncodeToString(c.Serial[:])
	told := columns{"serial": serial, "fingerprint": c.Fingerprint, "officer": c.Officer, "state": "active", "cause": "", "added_at": at, "changed_at": at}
	if c.Holder != "" {
		told["subject"] = c.Holder
	}
	if end, err := time.Parse(time.RFC3339, c.NotAfter); err == nil {
		told["not_after"] = moment(end)
	}
	return a.tell(r, "ra_credential", serial, "credential "+c.Serial.String()+" of officer "+c.Officer, told)
}

// requested plays the life of requests for organisation certificates and for
// revocations.
func (a *inspection) requested(r *record) error {
	var says struct {
		Act        string          `json:"act"`
		Request    int64           `json:"request"`
		Revocation int64           `json:"revocation"`
		Party      string          `json:"party"`
		SHA256     string          `json:"sha256"`
		Check      string          `json:"check"`
		Passed     bool            `json:"passed"`
		Evidence   string          `json:"evidence"`
		Why        string          `json:"why"`
		Serials    []policy.Serial `json:"serials"`
		Reason     *policy.Reason  `json:"reason"`
		To         string          `json:"to"`
		Cause      string          `json:"cause"`
		Until      time.Time       `json:"until"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	at, person := moment(r.At), a.of("ra_officer", r.By, "person")
	id := number(says.Request)
	switch says.Act {
	case "ask-organisation-certificate":
		return a.tell(r, "ra_request", id, "request "+id, columns{"id": id, "party": says.Party, "der": says.SHA256, "hash": says.SHA256, "asked_by": r.By, "asker": person,
			"state": "asked", "cause": "", "serial": "", "created_at": at, "changed_at": at})
	case "record-identity-check":
		a.checks[id]++
		err := a.tell(r, "ra_check", fmt.Sprintf("%s/%d", id, a.checks[id]), fmt.Sprintf("identity check %q of request %s", says.Check, id),
			columns{"request": id, "kind": says.Check, "passed": flag(says.Passed), "evidence": says.Evidence, "checked_by": r.By, "person": person, "checked_at": at})
		if err != nil {
			return err
		}
		return a.change(r, "ra_request", id, columns{"changed_at": at})
	case "close-organisation-request":
		return a.change(r, "ra_request", id, columns{"state": "closed", "cause": says.Why, "changed_at": at})
	case "ask-revocation":
		id, list := number(says.Revocation), make([]string, 0, len(says.Serials))
		for _, serial := range says.Serials {
			list = append(list, serial.String())
		}
		told := columns{"id": id, "party": says.Party, "serials": strings.Join(list, ","), "why": says.Why, "asked_by": r.By, "asker": person,
			"state": "requested", "evidence": "", "deferred_until": "", "cause": "", "created_at": at, "changed_at": at}
		if says.Reason != nil {
			told["reason"] = number(int64(*says.Reason))
		}
		return a.tell(r, "ra_revocation", id, "revocation request "+id, told)
	}
	if says.Revocation == 0 || says.To == "" {
		return differ(r.Seq, "the log: it tells of the act %q, which this program does not know", says.Act)
	}
	told := columns{"state": says.To, "evidence": says.Evidence, "cause": says.Cause, "deferred_until": "", "changed_at": at}
	if !says.Until.IsZero() {
		told["deferred_until"] = moment(says.Until)
	}
	return a.change(r, "ra_revocation", number(says.Revocation), told)
}

// finalStates end an approval.
var finalStates = []string{"executed", "failed", "rejected", "expired", "retracted", "void"}

// proposed plays a proposal, whose bytes say what its columns repeat.
func (a *inspection) proposed(r *record) error {
	var says struct {
		Approval int64             `json:"approval"`
		SHA256   string            `json:"sha256"`
		Needed   int64             `json:"needed"`
		State    string            `json:"state"`
		Expires  time.Time         `json:"expires"`
		Bytes    string            `json:"bytes"`
		Barred   map[string]string `json:"barred"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	var bound struct {
		Act            string `json:"act"`
		Subject        string `json:"subject"`
		Party          string `json:"party"`
		PolicyVersion  int64  `json:"policy_version"`
		TableVersion   int64  `json:"table_version"`
		Profile        string `json:"profile"`
		ProfileVersion int64  `json:"profile_version"`
		Deed           struct {
			SHA256 string `json:"sha256"`
		} `json:"deed"`
	}
	sum := sha256.Sum256([]byte(says.Bytes))
	id := number(says.Approval)
	name := "approval " + id
	if err := json.Unmarshal([]byte(says.Bytes), &bound); err != nil || hex.EncodeToString(sum[:]) != says.SHA256 {
		return differ(r.Seq, "%s: the log has bytes that do not have its hash, or do not parse", name)
	}
	told := columns{"id": id, "act": bound.Act, "subject": bound.Subject, "party": bound.Party, "bytes": says.SHA256, "hash": says.SHA256, "handle": "",
		"profile": bound.Profile, "profile_version": number(bound.ProfileVersion), "policy_version": number(bound.PolicyVersion), "table_version": number(bound.TableVersion),
		"needed": number(says.Needed), "state": says.State, "cause": "", "result": "", "proposed_by": r.By, "proposer": a.of("ra_officer", r.By, "person"),
		"created_at": moment(r.At), "expires_at": moment(says.Expires), "settled_at": ""}
	if bound.Act == "issue-organisation-certificate" {
		told["handle"] = bound.Deed.SHA256
	}
	if err := a.tell(r, "ra_approval", id, fmt.Sprintf("%s (%s, %s)", name, bound.Act, bound.Subject), told); err != nil {
		return err
	}
	for person, why := range says.Barred {
		if err := a.tell(r, "ra_barred", id+"/"+person, fmt.Sprintf("that %s has no vote on %s", person, name), columns{"approval": id, "person": person, "why": why}); err != nil {
			return err
		}
	}
	if says.Barred == nil {
		a.unbarred[id] = true
	}
	return nil
}

func (a *inspection) voted(r *record) error {
	var says struct {
		Approval int64  `json:"approval"`
		SHA256   string `json:"sha256"`
		Person   string `json:"person"`
		Accept   bool   `json:"accept"`
		Comment  string `json:"comment"`
		State    string `json:"state"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	id, at := number(says.Approval), moment(r.At)
	err := a.tell(r, "ra_vote", id+"/"+says.Person, fmt.Sprintf("vote of %s on approval %s", says.Person, id), columns{"approval": id, "person": says.Person, "officer": r.By,
		"role": a.of("ra_officer", r.By, "role"), "accept": flag(says.Accept), "hash": says.SHA256, "comment": says.Comment, "voted_at": at})
	if err != nil {
		return err
	}
	now := columns{"state": says.State}
	switch {
	case !says.Accept:
		now["cause"], now["settled_at"] = fmt.Sprintf("rejected by %s: %s", r.By, says.Comment), at
	case says.State != a.of("ra_approval", id, "state"):
		now["cause"], now["result"] = "", ""
	}
	return a.change(r, "ra_approval", id, now)
}

func (a *inspection) executed(r *record) error {
	var says struct {
		Approval int64  `json:"approval"`
		Act      string `json:"act"`
		Subject  string `json:"subject"`
		State    string `json:"state"`
		Cause    string `json:"cause"`
		Result   string `json:"result"`
	}
	if err := r.read(&says); err != nil {
		return err
	}
	now := columns{"state": says.State, "cause": says.Cause, "result": says.Result}
	if slices.Contains(finalStates, says.State) {
		now["settled_at"] = moment(r.At)
	}
	if err := a.change(r, "ra_approval", number(says.Approval), now); err != nil {
		return err
	}
	if request, is := strings.CutPrefix(says.Subject, "request/"); is && says.Act == "issue-organisation-certificate" && says.State == "executed" {
		return a.change(r, "ra_request", request, columns{"state": "issued", "cause": "", "serial": strings.ToLower(says.Result), "changed_at": moment(r.At)})
	}
	return nil
}
