package clikit

import (
	"context"
	"errors"
	"fmt"
)

// Code is an exit code. Scripts rely on the numbers: they never change.
type Code int

// The exit codes of every command.
const (
	Done        Code = 0 // the command did what it says
	Failed      Code = 1 // it did not, or its verdict is negative
	Usage       Code = 2 // the command line is wrong; nothing was begun
	Refused     Code = 3 // policy said no; a retry would hear the same
	Unavailable Code = 4 // the token or the database cannot be reached
)

// String is the word that --json gives as "kind".
func (c Code) String() string {
	switch c {
	case Done:
		return "done"
	case Failed:
		return "failed"
	case Usage:
		return "usage"
	case Refused:
		return "refused"
	case Unavailable:
		return "unavailable"
	}
	return fmt.Sprintf("code %d", int(c))
}

// A Mapping says what an error means at the exit, or false if it does not know
// the error. A command gives one for each package whose errors it lets
// through, most telling first.
type Mapping func(error) (Code, bool)

// When is the Mapping of sentinel errors: code if errors.Is finds one of them.
func When(code Code, sentinels ...error) Mapping {
	return func(err error) (Code, bool) {
		for _, s := range sentinels {
			if errors.Is(err, s) {
				return code, true
			}
		}
		return 0, false
	}
}

// WhenType is the Mapping of an error type: code if errors.As finds a T.
func WhenType[T error](code Code) Mapping {
	return func(err error) (Code, bool) {
		var t T
		return code, errors.As(err, &t)
	}
}

func codeOf(err error, mappings []Mapping) Code {
	if err == nil {
		return Done
	}
	var silent *silentError
	if errors.As(err, &silent) {
		return silent.code
	}
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		return Usage
	}
	for _, m := range mappings {
		if code, ok := m(err); ok {
			return code
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Failed
}

// A UsageError says that the command line itself is wrong.
type UsageError struct{ Text string }

// Error returns the text.
func (e *UsageError) Error() string { return e.Text }

// Usagef makes a UsageError.
func Usagef(format string, a ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, a...)}
}

type silentError struct{ code Code }

func (e *silentError) Error() string { return e.code.String() }

// Silent ends a command with code and prints nothing: for a command that has
// already printed its (negative) result.
func Silent(code Code) error {
	if code == Done {
		return nil
	}
	return &silentError{code}
}

// IsSilent says whether an error is one of Silent's: the command has run to its
// end and has printed what it came to.
func IsSilent(err error) bool {
	var silent *silentError
	return errors.As(err, &silent)
}

type codedError struct {
	code Code
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// With gives err a code of its own, ahead of every Mapping.
func With(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}
