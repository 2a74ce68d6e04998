package gbcs

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"smki.example/policy"
)

// A Tree is a part of a message as ordered names and values, for people (through
// String of a value where it has one) and for programs (as a JSON object). The
// names are those of the specification. A value is a string, a bool, a number, a
// Tree, a slice of one of these, or a type with String and MarshalJSON or
// MarshalText.
type Tree []Field

// A Field is one name in a Tree.
type Field struct {
	Name  string
	Value any
}

// MarshalJSON writes an object with the fields in their order.
func (t Tree) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range t {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, fmt.Errorf("writing %q as JSON: %w", f.Name, err)
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("writing %q as JSON: %w", f.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Coded is a number of the wire with its name.
type Coded struct {
	Value uint64 `json:"value"`
	Name  string `json:"name"`
}

// String prints "noTrustAnchor (10)".
func (c Coded) String() string { return fmt.Sprintf("%s (%d)", c.Name, c.Value) }

// Describe returns the header.
func (h GroupingHeader) Describe() Tree {
	t := Tree{
		{"cra", h.CRA.String()},
		{"originatorCounter", uint64(h.Counter)},
		{"originator", h.Originator},
		{"recipient", h.Recipient},
	}
	if len(h.DateTime) > 0 {
		t = append(t, Field{"dateTime", hex.EncodeToString(h.DateTime)})
	}
	t = append(t, Field{"messageCode", h.MessageCode.String()})
	if len(h.Supplementary) == 0 {
		return t
	}
	t = append(t, Field{"supplementary", hex.EncodeToString(h.Supplementary)})
	party, hasParty, counter, hasCounter := h.SupplementaryParty()
	if hasParty {
		t = append(t, Field{"supplementaryRemoteParty", party})
	}
	if hasCounter {
		t = append(t, Field{"supplementaryRemotePartyCounter", uint64(counter)})
	}
	originator, hasOriginator, certificate := h.SupplementaryOriginator()
	if hasOriginator {
		t = append(t, Field{"supplementaryOriginatorCounter", uint64(originator)})
	}
	if certificate != nil {
		t = append(t, Field{"keyAgreementCertificate", Summarise(certificate)})
	}
	return t
}

// Describe returns the octets in hex.
func (o Opaque) Describe() Tree {
	t := Tree{{"octets", hex.EncodeToString(o.Octets)}}
	if o.Err != nil {
		t = append(t, Field{"malformed", o.Err.Error()})
	}
	return t
}

// Describe returns the command; of its certificates it tells what they say.
func (u *UpdateSecurityCredentials) Describe() Tree {
	control := Tree{{"credentialsReplacementMode", u.Mode.Coded()}}
	if u.SymmetricKey != nil {
		// The key is in clear in the message that is shown: hiding it would hide
		// only how it is used.
		control = append(control, Field{"plaintextSymmetricKey", hex.EncodeToString(u.SymmetricKey)})
	}
	checks := "apply"
	if u.DisapplyTime {
		checks = "disapply"
	}
	control = append(control, Field{"applyTimeBasedCPVChecks", checks})
	if u.AuthorisingCell != nil {
		control = append(control, Field{"authorisingRemotePartyTACellIdentifier", *u.AuthorisingCell})
	}
	control = append(control, Field{"authorisingRemotePartySeqNumber", uint64(u.SeqNumber)})
	if u.NewFloor != nil {
		control = append(control, Field{"newRemotePartyFloorSeqNumber", uint64(*u.NewFloor)})
	}
	if u.SpecialistFloors != nil {
		control = append(control, Field{"newRemotePartySpecialistFloorSeqNumber", u.SpecialistFloors})
	}
	if u.OtherChanges != nil {
		control = append(control, Field{"otherRemotePartySeqNumberChanges", u.OtherChanges})
	}
	path := []CertificateSummary{}
	for _, c := range u.Path {
		path = append(path, Summarise(c))
	}
	t := Tree{
		{"authorisingRemotePartyControl", control},
		{"replacements", list(u.Replacements)},
		{"certificationPathCertificates", path},
	}
	if u.ExecuteAt != nil {
		t = append(t, Field{"executionDateTime", executionTime(*u.ExecuteAt)})
		if u.Cancels() {
			t = append(t, Field{"cancels", true})
		}
	}
	return t
}

// Describe returns the response.
func (c *CommandResponse) Describe() Tree {
	t := Tree{{"commandAccepted", true}}
	if c.Outcome != nil {
		t = append(t, Field{"executionOutcome", c.Outcome.Describe()})
	}
	return t
}

// Describe returns the alert.
func (a *Alert) Describe() Tree {
	return Tree{
		{"alertCode", a.Code.String()},
		{"alertMeaning", a.Code.Meaning()},
		{"executionDateTime", executionTime(a.ExecutedAt)},
		{"executionOutcome", a.Outcome.Describe()},
	}
}

// Describe returns the outcome.
func (o *UpdateOutcome) Describe() Tree {
	return Tree{
		{"authorisingRemotePartySeqNumber", uint64(o.SeqNumber)},
		{"credentialsReplacementMode", o.Mode.Coded()},
		{"remotePartySeqNumberChanges", list(o.Changes)},
		{"replacementOutcomes", list(o.Cells)},
	}
}

// Describe returns the command.
func (c *ReadCredentials) Describe() Tree {
	roles := []string{}
	for _, r := range c.Roles {
		roles = append(roles, r.String())
	}
	return Tree{
		{"authorisingRemotePartyTACellIdentifier", c.AuthorisingCell},
		{"remotePartyRoles", roles},
	}
}

// Describe returns the details.
func (d *CredentialDetails) Describe() Tree {
	roles := []Tree{}
	for _, r := range d.Roles {
		t := Tree{{"remotePartyRole", r.Role.String()}, {"statusCode", r.Status.Coded()}}
		if r.Status == StatusSuccess {
			t = append(t, Field{"currentSeqNumber", uint64(r.Counter)}, Field{"trustAnchorCells", list(r.Credentials)})
		}
		roles = append(roles, t)
	}
	return Tree{{"remotePartyDetails", roles}}
}

// Describe returns the command.
func (c *IssueCredentials) Describe() Tree { return Tree{{"keyUsage", c.Usage.String()}} }

// Describe returns the request, or why there is none.
func (c *IssueResponse) Describe() Tree {
	if c.Request == nil {
		return Tree{{"result", Coded{uint64(c.Result), c.Result.String()}}}
	}
	t := Tree{{"octets", len(c.Request)}}
	if req, err := policy.ParseRequest(c.Request); err == nil {
		t = append(t,
			Field{"entityID", req.EntityID()},
			Field{"keyUsage", req.Usage.String()},
			Field{"keyIdentifier", policy.KeyIDOf(req.PublicKey).String()},
		)
		if len(req.HardwareType) > 0 {
			t = append(t, Field{"hardwareType", req.HardwareType.String()})
		}
	}
	return Tree{{"certificationRequest", t}}
}

// Describe returns what the certificate says.
func (c *UpdateDeviceCertificate) Describe() Tree {
	return Tree{{"certificate", Summarise(c.Certificate)}}
}

// Describe returns the result.
func (c *UpdateDeviceCertificateResponse) Describe() Tree {
	return Tree{{"result", Coded{uint64(c.Result), c.Result.String()}}}
}

// Describe returns the command.
func (c *ReadDeviceCertificate) Describe() Tree { return Tree{{"keyUsage", c.Usage.String()}} }

// Describe returns what the certificate says, or why there is none.
func (c *DeviceCertificateResponse) Describe() Tree {
	if c.Certificate == nil {
		return Tree{{"result", Coded{uint64(c.Result), c.Result.String()}}}
	}
	return Tree{{"certificate", Summarise(c.Certificate)}}
}

// Coded returns the mode with its number.
func (m ReplacementMode) Coded() Coded { return Coded{uint64(m), m.String()} }

// Coded returns the status with its number.
func (s StatusCode) Coded() Coded { return Coded{uint64(s), s.String()} }

// executionTime prints a time as the wire has it.
func executionTime(t time.Time) string { return t.UTC().Format(generalizedTime) }

// list makes an empty list of a nil one, which JSON would write as null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
