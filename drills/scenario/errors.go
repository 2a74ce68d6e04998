package scenario

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Error is one thing wrong with a scenario: where, what, and what would have
// been right.
type Error struct {
	Pos  Pos
	What string // what is wrong and what would have been right, one line
}

// Error is `file:line:col: what`.
func (e *Error) Error() string { return e.Pos.String() + ": " + e.What }

// Errors is everything wrong with a scenario, in the order of the file. It is
// what Parse returns; errors.As finds it and each Error in it.
type Errors []*Error

// Error has one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, x := range e {
		out[i] = x
	}
	return out
}

// maxErrors bounds what is shown: after twenty the reader mends and tries again.
const maxErrors = 20

// errorList collects errors.
type errorList struct{ list Errors }

func (l *errorList) add(p Pos, format string, args ...any) {
	l.list = append(l.list, &Error{Pos: p, What: fmt.Sprintf(format, args...)})
}

// err returns what was collected in the order of the file, each thing once.
func (l *errorList) err() error {
	if len(l.list) == 0 {
		return nil
	}
	sort.SliceStable(l.list, func(a, b int) bool {
		x, y := l.list[a].Pos, l.list[b].Pos
		if x.Line != y.Line {
			return x.Line < y.Line
		}
		return x.Col < y.Col
	})
	out := l.list[:1]
	for _, e := range l.list[1:] {
		if *e != *out[len(out)-1] {
			out = append(out, e)
		}
	}
	if len(out) > maxErrors {
		out = out[:maxErrors]
	}
	return out
}

// Nearest returns the name of names that is most like word, and whether it is
// near enough to be what was meant.
func Nearest(word string, names []string) (string, bool) {
	best, fewest := "", 1<<30
	for _, n := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(n)); d < fewest {
			best, fewest = n, d
		}
	}
	return best, best != "" && fewest <= max(2, len(best)/3)
}

// instead says what would have been right in place of word.
func instead(word string, names []string) string {
	if n, near := Nearest(word, names); near {
		return fmt.Sprintf("did you mean %q?", n)
	}
	switch {
	case len(names) == 0:
		return "there are none"
	case len(names) > 12:
		return fmt.Sprintf("one of %s, …", quoted(names[:12]))
	case len(names) == 1:
		return "write " + quoted(names)
	}
	return "one of " + quoted(names)
}

// quoted lists names.
func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}

// distance is the number of letters to add, drop or change to get from a to b.
// Long texts are cut: nobody means a word of a hundred letters.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 100 {
		x = x[:100]
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := diagonal
			if x[i-1] != y[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(y)]
}

// errNotYAML is for what the YAML reader says without a place.
var errNotYAML = errors.New("it cannot be read as YAML")
