package fleet

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A Step is one check of the fixed order in which a device checks a message.
// The order is our model (GBCS 13.3.4 is not public); values are in that order.
type Step uint8

// The steps for the whole message, then those for each replacement.
const (
	StepFormat      Step = iota + 1 // wrapper, header and payload can be read and agree with each other
	StepTarget                      // the recipient is this device
	StepAuthority                   // the authorising cell exists, fits the mode and holds the originator
	StepCounter                     // the counter is greater than the stored one
	StepContingency                 // the contingency key can be unwrapped from the root
	StepSignature                   // the signature verifies with the cell's key
	StepMAC                         // the MAC verifies with the broker's key

	StepTouch // the mode may change this cell, and the device has it
	StepRead  // the certificate can be read
	StepFit   // its key usage, and its role where the setting asks, fit the cell
	StepPath  // it leads over the path list to the root
	StepTime  // it and its path are within their dates, unless that is disapplied
	StepWrite // the cell can be written
)

// String returns the step in the words of a report.
func (s Step) String() string {
	switch s {
	case StepFormat:
		return "header and format"
	case StepTarget:
		return "target"
	case StepAuthority:
		return "authorising cell"
	case StepCounter:
		return "counter"
	case StepContingency:
		return "contingency key"
	case StepSignature:
		return "signature"
	case StepMAC:
		return "MAC"
	case StepTouch:
		return "cell within the mode"
	case StepRead:
		return "certificate"
	case StepFit:
		return "use of the cell"
	case StepPath:
		return "path to the root"
	case StepTime:
		return "dates"
	case StepWrite:
		return "storage"
	}
	return fmt.Sprintf("step %d", uint8(s))
}

// MarshalText returns the step in words.
func (s Step) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Refusal says which check refused, what it wanted and what it got. It is an
// error of the sender's, not of the device's.
type Refusal struct {
	Step Step   `json:"step"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Error returns the refusal as one line.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%v: want %s, got %s", r.Step, r.Want, r.Got)
}

func refuse(step Step, want, format string, args ...any) *Refusal {
	return &Refusal{Step: step, Want: want, Got: fmt.Sprintf(format, args...)}
}

// An Effect is what a message came to.
type Effect uint8

// The effects. Kept: the command is future dated and waits. Cancelled: a
// waiting command was dropped.
const (
	Refused Effect = iota + 1
	Executed
	PartlyExecuted
	Kept
	Cancelled
)

// String returns the effect in the words of a report.
func (e Effect) String() string {
	switch e {
	case Refused:
		return "refused"
	case Executed:
		return "executed"
	case PartlyExecuted:
		return "partly executed"
	case Kept:
		return "kept"
	case Cancelled:
		return "cancelled"
	}
	return fmt.Sprintf("effect %d", uint8(e))
}

// MarshalText returns the effect in words.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// A Check is the trace of one message through a device: which checks it passed,
// which one refused it, and what became of each cell. It is what a journal
// records; the sender sees the answer only.
type Check struct {
	At         time.Time
	Code       gbcs.MessageCode // zero if the header could not be read; so are the next two
	Originator policy.EntityID
	Counter    gbcs.OriginatorCounter
	Role       policy.RemotePartyRole // whose cell authorises; of meaning once StepTarget is passed
	Passed     []Step                 // in the order of checking
	Refusal    *Refusal               // why the whole message was refused
	Cells      []CellCheck            // one for each replacement, in the order of the command
	Result     string                 // why a CS02c, d or e command that was understood came to nothing
	Effect     Effect
	Alerts     []gbcs.AlertCode // codes the device reports
	IsAlert    bool             // the answer is an alert: a kept command was carried out
}

// Mode returns the replacement mode of an Update Security Credentials command,
// and whether the message was one.
func (c *Check) Mode() (gbcs.ReplacementMode, bool) { return c.Code.Mode() }

// A CellCheck is what became of one replacement. Refusal is nil if the cell was
// written.
type CellCheck struct {
	Cell    gbcs.TrustAnchorCell
	Status  gbcs.StatusCode
	Refusal *Refusal
	Before  policy.KeyID
	After   policy.KeyID
}

func (c *Check) pass(s Step) { c.Passed = append(c.Passed, s) }

// Reason returns in one line why a message was refused, wholly or in part, and
// "" if it was not.
func (c *Check) Reason() string {
	if c.Refusal != nil {
		return c.Refusal.Error()
	}
	var reasons []string
	for _, cell := range c.Cells {
		if cell.Refusal != nil {
			reasons = append(reasons, fmt.Sprintf("%v: %v", cellWords(cell.Cell), cell.Refusal))
		}
	}
	if c.Result != "" {
		reasons = append(reasons, c.Result)
	}
	return strings.Join(reasons, "; ")
}

// Is reports whether target is a Refusal of the same step, so that errors.Is
// can ask for a step.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Step == r.Step && t.Want == "" && t.Got == ""
}
