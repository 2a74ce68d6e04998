package custody

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
)

// ErrRefused says that the decision does not cover what is asked: another key,
// once too often, too late, or a second time. A retry hears the same.
var ErrRefused = errors.New("not authorised")

// An Authorisation is a decision made into a permission: it lets one key be used
// for one purpose, so many times, between two moments.
type Authorisation struct {
	// ID names the authorisation: 1 to 64 letters, digits, dots, dashes and
	// underscores. It is good once, so it must never be given twice.
	ID string
	// Key is the only key the session may use.
	Key hsm.KeyLabel
	// Use says what for in a word, such as "cs02b-mode-8". The session's signer
	// cannot see what it signs; the ledger carries the word next to each digest,
	// so that whoever audits can.
	Use string
	// Count is how many signatures are allowed, at least one.
	Count int
	// NotBefore and Expires bound the time of use; whole seconds.
	NotBefore, Expires time.Time
	// Decision is the SHA-256, in hex, of the record of the decision.
	Decision string
}

// mostUses bounds Count: one mode 8 command for every meter of the country, so
// that a slip in a number is noticed and a whole recovery is not cut in two.
const mostUses = 60_000_000

const authorisationHead = "smki custody authorisation"

var (
	idPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	usePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)
)

// validate names the first field that no authorisation may have so.
func (a Authorisation) validate() error {
	bad := func(field, format string, v ...any) error {
		return fmt.Errorf("authorisation %q: %s: %s", a.ID, field, fmt.Sprintf(format, v...))
	}
	digest, err := hex.DecodeString(a.Decision)
	switch {
	case !idPattern.MatchString(a.ID):
		return bad("id", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	case a.Key.Check() != nil:
		return bad("key", "%v", a.Key.Check())
	case !usePattern.MatchString(a.Use):
		return bad("use", "%q must be a word of small letters, digits, dots and dashes", a.Use)
	case a.Count < 1 || a.Count > mostUses:
		return bad("count", "%d must be 1 to %d", a.Count, mostUses)
	case a.NotBefore.IsZero() || a.Expires.IsZero() || !a.NotBefore.Before(a.Expires):
		return bad("expires", "must be after not-before")
	case err != nil || len(digest) != 32 || a.Decision != strings.ToLower(a.Decision):
		return bad("decision", "must be a SHA-256 in 64 small hex digits")
	}
	return nil
}

func (a Authorisation) text() string {
	return fmt.Sprintf("%s\nid %s\nkey %s\nuse %s\ncount %d\nnot-before %s\nexpires %s\ndecision %s\n",
		authorisationHead, a.ID, a.Key, a.Use, a.Count,
		a.NotBefore.UTC().Format(time.RFC3339), a.Expires.UTC().Format(time.RFC3339), a.Decision)
}

// Sign returns the authorisation as a note signed by the key under which
// decisions are recorded. Times are cut to whole seconds in UTC.
func (a Authorisation) Sign(decisionKey note.Signer) ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	// Cutting the times may have emptied the interval, so the text is read back.
	if _, err := parseAuthorisation(a.text()); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: a.text()}, decisionKey)
	if err != nil {
		return nil, fmt.Errorf("signing authorisation %q: %w", a.ID, err)
	}
	return signed, nil
}

// ParseAuthorisation reads a signed authorisation. A signature that is missing,
// wrong or made by another key than decisionKey is [ErrRefused].
func ParseAuthorisation(signed []byte, decisionKey note.Verifier) (Authorisation, error) {
	n, err := note.Open(signed, note.VerifierList(decisionKey))
	if err != nil {
		return Authorisation{}, fmt.Errorf("%w: the authorisation bears no good signature of %q: %v", ErrRefused, decisionKey.Name(), err)
	}
	return parseAuthorisation(n.Text)
}

// parseAuthorisation accepts exactly what text writes, so that what was signed
// can be read in one way only.
func parseAuthorisation(text string) (a Authorisation, err error) {
	lines := strings.Split(text, "\n")
	fields := []string{"id", "key", "use", "count", "not-before", "expires", "decision"}
	if len(lines) != len(fields)+2 || lines[0] != authorisationHead {
		return a, fmt.Errorf("reading an authorisation: the text is not one: it must begin %q and have %d fields", authorisationHead, len(fields))
	}
	values := map[string]string{}
	for i, field := range fields {
		value, ok := strings.CutPrefix(lines[i+1], field+" ")
		if !ok {
			return a, fmt.Errorf("reading an authorisation: line %d: want %q and a value", i+2, field)
		}
		values[field] = value
	}
	a = Authorisation{ID: values["id"], Key: hsm.KeyLabel(values["key"]), Use: values["use"], Decision: values["decision"]}
	if a.Count, err = strconv.Atoi(values["count"]); err != nil {
		return a, fmt.Errorf("reading authorisation %q: count: %q is no number", a.ID, values["count"])
	}
	for _, t := range []struct {
		field string
		into  *time.Time
	}{{"not-before", &a.NotBefore}, {"expires", &a.Expires}} {
		if *t.into, err = time.Parse(time.RFC3339, values[t.field]); err != nil {
			return a, fmt.Errorf("reading authorisation %q: %s: %q is no time as in RFC 3339", a.ID, t.field, values[t.field])
		}
	}
	if err := a.validate(); err != nil {
		return a, err
	}
	if a.text() != text {
		return a, fmt.Errorf("reading authorisation %q: the text is not in its one form", a.ID)
	}
	return a, nil
}
