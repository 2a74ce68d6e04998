package policy

import (
	"fmt"
	"strings"
)

// Reason says why a certificate was revoked, by the numbers of RFC 5280, 5.3.1,
// which are on the wire: never renumber them.
//
// Only the reasons that make sense in SMKI are known here: there is no
// suspension and no delta list, so no certificateHold and no removeFromCRL, and
// there are no attribute authorities. The zero value is unspecified, which a
// list expresses by carrying no reason code (RFC 5280, 5.3.1).
type Reason uint8

// The reasons that SMKI allows.
const (
	ReasonUnspecified          Reason = 0
	ReasonKeyCompromise        Reason = 1
	ReasonCACompromise         Reason = 2
	ReasonAffiliationChanged   Reason = 3
	ReasonSuperseded           Reason = 4
	ReasonCessationOfOperation Reason = 5
	ReasonPrivilegeWithdrawn   Reason = 9
)

var reasonNames = []struct {
	reason Reason
	name   string
}{
	{ReasonUnspecified, "unspecified"},
	{ReasonKeyCompromise, "keyCompromise"},
	{ReasonCACompromise, "cACompromise"},
	{ReasonAffiliationChanged, "affiliationChanged"},
	{ReasonSuperseded, "superseded"},
	{ReasonCessationOfOperation, "cessationOfOperation"},
	{ReasonPrivilegeWithdrawn, "privilegeWithdrawn"},
}

// ParseReason reads a reason by its name in RFC 5280; case does not matter.
func ParseReason(s string) (Reason, error) {
	names := make([]string, len(reasonNames))
	for i, row := range reasonNames {
		if strings.EqualFold(s, row.name) {
			return row.reason, nil
		}
		names[i] = row.name
	}
	return 0, fmt.Errorf("reading revocation reason %q: want one of %s", clip(s), strings.Join(names, ", "))
}

// Known reports whether SMKI allows r.
func (r Reason) Known() bool {
	for _, row := range reasonNames {
		if row.reason == r {
			return true
		}
	}
	return false
}

// String returns the name, or "reason 6" for a number that SMKI does not allow.
func (r Reason) String() string {
	for _, row := range reasonNames {
		if row.reason == r {
			return row.name
		}
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// MarshalText writes the name; it fails for a reason that SMKI does not allow.
func (r Reason) MarshalText() ([]byte, error) {
	if !r.Known() {
		return nil, fmt.Errorf("writing revocation %s: SMKI does not allow it", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what [ParseReason] reads, and leaves r alone on error.
func (r *Reason) UnmarshalText(b []byte) error {
	v, err := ParseReason(string(b))
	if err == nil {
		*r = v
	}
	return err
}
