package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"smki.example/drills/journal"
)

// Thousands writes a number as people read it: 2,000.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is a number with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", Thousands(n), noun)
}

// Capital begins a text with a capital, for where it stands alone.
func Capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// counted is Plural with the verb that goes with the number.
func counted(n int, noun, one, many string) string {
	return Plural(n, noun) + " " + choose(n == 1, one, many)
}

func choose(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

// Clock writes scenario time as hours and minutes.
func Clock(at time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(at.Hours()), int(at.Minutes())%60)
}

// clockText is Clock for a time that is text already: the seconds go, because
// nobody in the room counts them.
func clockText(at string) string {
	d, err := journal.ParseAt(at)
	if err != nil {
		return at
	}
	return Clock(d)
}

// short is a body as a label has it.
func short(body string) string {
	if len(body) <= 4 {
		return strings.ToUpper(body)
	}
	return strings.ToUpper(body[:1]) + body[1:]
}
