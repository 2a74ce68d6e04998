package softhsm

import (
	"os"
	"path/filepath"
	"strings"
)

// exercise starts the label of every token that a drill may open.
const exercise = "EXERCISE"

// TB is the part of testing.TB that [ForTest] needs. Asking for no more keeps
// package testing out of the binaries that link this package.
type TB interface {
	Helper()
	TempDir() string
	Fatal(args ...any)
	Skip(args ...any)
}

// ForTest returns a new token in a directory that ends with the test. The label is
// given EXERCISE in front if it does not start so, and the Label of the result is
// what the token bears.
//
// Without SoftHSM the test is skipped with a message that says how to install it,
// or fails with the same message when the environment says SMKI_NO_SKIP=1, as
// it does where a skipped test must not pass for a passed one. ForTest may be
// called any number of times in one test, and from parallel tests.
func ForTest(t TB, label string) *Token {
	t.Helper()
	if _, err := Find(); err != nil {
		absent(t, err, os.Getenv("SMKI_NO_SKIP"))
	}
	if !strings.HasPrefix(label, exercise) {
		label = strings.TrimSpace(exercise + " " + label)
	}
	token, err := New(filepath.Join(t.TempDir(), "token"), label)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// absent ends a test that needs SoftHSM where there is none.
func absent(t TB, why error, noSkip string) {
	t.Helper()
	if noSkip == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
