package ca

import (
	"errors"
	"fmt"

	"smki.example/policy"
)

var (
	// ErrRefused is wrapped by errors that say policy said no: the same request
	// would hear the same again. Nothing was signed.
	ErrRefused = errors.New("refused")

	// ErrUncertain is wrapped by errors that say a CA key may have signed before
	// the failure. The serial is accounted for (see [UncertainError]) and will
	// never be used again; the request may be sent anew, unless a look-up by its
	// key shows that the certificate is there after all.
	ErrUncertain = errors.New("a signature may have been made")

	// ErrConflict is wrapped by errors that say somebody else is issuing for the
	// same key at this moment. Nothing was signed; read the ledger and try again.
	ErrConflict = errors.New("another issuance is in progress")

	// ErrNotFound is wrapped by look-ups that found nothing.
	ErrNotFound = errors.New("not found")
)

// A Refusal is a policy decision against a request. Its text is one line that
// names the rule; it wraps [ErrRefused] and, where package policy found it, the
// violation.
type Refusal struct {
	Rule string // stable name, for tables and counts: "key-reuse"
	Err  error
}

// Error returns the one line.
func (r *Refusal) Error() string { return fmt.Sprintf("refused: %s: %v", r.Rule, r.Err) }

// Unwrap makes errors.Is(err, ErrRefused) true and reaches the violation.
func (r *Refusal) Unwrap() []error { return []error{ErrRefused, r.Err} }

func refuse(rule, format string, args ...any) error {
	return &Refusal{Rule: rule, Err: fmt.Errorf(format, args...)}
}

// An UncertainError says which serial is in doubt and at which step it became so.
// It wraps [ErrUncertain] and the cause.
type UncertainError struct {
	Serial policy.Serial
	Step   string // "signing", "verifying the signature of", "recording"
	// Settled says that the serial has been written off already. If it is false the
	// database could not be reached for that, and the next Reconcile settles it.
	Settled bool
	Err     error
}

// Error names the step and the serial and says what became of it.
func (u *UncertainError) Error() string {
	fate := "the serial is written off"
	if !u.Settled {
		fate = "reconcile when the database answers again"
	}
	return fmt.Sprintf("%s %q: %v: %v; %s", u.Step, u.Serial, ErrUncertain, u.Err, fate)
}

// Unwrap makes errors.Is(err, ErrUncertain) true and reaches the cause.
func (u *UncertainError) Unwrap() []error { return []error{ErrUncertain, u.Err} }
