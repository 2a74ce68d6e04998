package ra

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds a name, reference or reason: what an approver can read in one look.
// maxWords bounds an explanation.
const (
	maxText  = 120
	maxWords = 2000
)

// checkText refuses a text that could show an approver something other than it is:
// control characters, direction marks, zero-width and unassigned ones, blanks at an
// end or two in a row.
func checkText(field, s string, most int, required bool) error {
	switch {
	case s == "" && !required:
		return nil
	case s == "":
		return refuse("text", "%s is missing", field)
	case len(s) > most:
		return refuse("text", "%s has %d octets; at most %d", field, len(s), most)
	case !utf8.ValidString(s):
		return refuse("text", "%s is not UTF-8", field)
	case strings.TrimSpace(s) != s || strings.Contains(s, "  "):
		return refuse("text", "%s has a blank at an end, or two in a row", field)
	}
	for _, c := range s {
		// IsGraphic without other blanks than U+0020; it excludes Cc, Cf and Cn.
		if c != ' ' && !unicode.IsPrint(c) {
			return refuse("text", "%s contains the character %U, which cannot be seen", field, c)
		}
	}
	return nil
}

// checkID refuses an identifier that is not [a-z0-9][a-z0-9.-]{0,62}.
func checkID(field, s string) error {
	ok := len(s) >= 1 && len(s) <= 63 && s[0] != '.' && s[0] != '-'
	for _, c := range []byte(s) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-')
	}
	if !ok {
		return refuse("identifier", "%s %.70q: want 1 to 63 of a-z, 0-9, dot and hyphen, a letter or digit first", field, s)
	}
	return nil
}
