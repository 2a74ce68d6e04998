package policy

import (
	"fmt"
	"strings"
)

// A Violation is one rule that one object breaks.
//
// It is an error of one line, made for the log, the operator and the person
// whose request was refused alike: the field, what was wanted, what was found,
// the rule and its clause. Functions of this package return it as *Violation;
// where an object may break several rules at once the error is a [Violations].
type Violation struct {
	Rule    string      // name of the rule, as in Rules and in the zlint lints
	Profile ProfileName // profile that was applied, "" if the object had none yet
	Field   string      // field in ASN.1 terms: "subject.organizationalUnitName"
	Want    string
	Got     string
	Clause  string // where the rule stands
}

// Error returns the violation in one line.
func (v *Violation) Error() string {
	var b strings.Builder
	if v.Profile != "" {
		fmt.Fprintf(&b, "%s: ", v.Profile)
	}
	fmt.Fprintf(&b, "%s: want %s", v.Field, v.Want)
	if v.Got != "" {
		fmt.Fprintf(&b, ", got %s", v.Got)
	}
	fmt.Fprintf(&b, " [rule %s; %s]", v.Rule, v.Clause)
	return b.String()
}

// Violations is every rule that one object breaks, in the order of [Rules].
type Violations []*Violation

// Error joins the violations in one line.
func (vs Violations) Error() string {
	lines := make([]string, len(vs))
	for i, v := range vs {
		lines[i] = v.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap lets errors.As find the first *Violation.
func (vs Violations) Unwrap() []error {
	out := make([]error, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}

// err returns vs as an error, nil if there is none.
func (vs Violations) err() error {
	if len(vs) == 0 {
		return nil
	}
	return vs
}

// Has reports whether the rule of that name is among those broken.
func (vs Violations) Has(rule string) bool {
	for _, v := range vs {
		if v.Rule == rule {
			return true
		}
	}
	return false
}

// clipLength bounds what an error repeats of its input: enough to recognise a
// name, little enough for one line of a log.
const clipLength = 64

// clip shortens s for an error. Errors print it with %q, so that what is not
// printable cannot reach a terminal.
func clip(s string) string {
	if len(s) <= clipLength {
		return s
	}
	return s[:clipLength] + "…"
}
