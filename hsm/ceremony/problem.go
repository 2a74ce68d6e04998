package ceremony

import (
	"errors"
	"fmt"
)

// Errors a caller branches on.
var (
	// ErrRefused says that the ceremony may not go on: the script is not the one
	// that was rehearsed, the environment forbids it, or the directory holds
	// another ceremony. A retry hears the same.
	ErrRefused = errors.New("refused")
	// ErrUnfinished says that a directory holds a ceremony that stopped on its
	// way. It wraps ErrRefused; the error says what stands and what to do.
	ErrUnfinished = fmt.Errorf("%w: the ceremony in this directory did not finish", ErrRefused)
)

// A Pos is a place in a script, both counted from 1.
type Pos struct{ Line, Column int }

// A ScriptError is one thing that is wrong in a script. [Parse] and
// [Script.Check] join as many as they find.
type ScriptError struct {
	File string
	Pos  Pos
	Text string // what is wrong, and what would have been right
}

// Error is file:line:column: text.
func (e *ScriptError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Column, e.Text)
}
