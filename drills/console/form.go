package console

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

const (
	smallForm = 64 << 10  // octets of a form: the longest texts, with room for their encoding
	largeForm = 768 << 10 // of one with a scenario
	lineMost  = 300       // characters of what stands in one line
	textMost  = 8000      // of what people write: two pages of paper
	scriptMax = 200_000   // of a scenario
	idMost    = 200       // of what the pages name themselves
)

// fields reads a form. The first thing that is wrong with it is kept, in words for
// who typed it.
type fields struct {
	url.Values
	err error
}

func (f *fields) wrong(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// text is what somebody wrote, of several lines perhaps.
func (f *fields) text(name string, most int) string {
	s := clean(f.Get(name))
	if n := utf8.RuneCountInString(s); n > most {
		f.wrong("A text here may have %s characters, and yours has %s. Shorten it and send it again.", report.Thousands(most), report.Thousands(n))
	}
	return s
}

// line is what stands in one line.
func (f *fields) line(name string, most int) string {
	s := cleanLine(f.Get(name))
	if n := utf8.RuneCountInString(s); n > most {
		f.wrong("A line here may have %s characters, and yours has %s. Shorten it and send it again.", report.Thousands(most), report.Thousands(n))
	}
	return s
}

// id is a name that the page filled in.
func (f *fields) id(name string) string {
	s := f.Get(name)
	if len(s) > idMost || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		f.wrong("The form cannot be read. Load the page again and repeat what you did.")
		return ""
	}
	return s
}

func (f *fields) seat(name string) room.SeatID { return room.SeatID(f.id(name)) }

// whole is a whole number; empty is 0.
func (f *fields) whole(name string) int64 {
	s := strings.ReplaceAll(strings.TrimSpace(f.Get(name)), ",", "")
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		f.wrong("%q is no number here. Type a whole number such as 200.", short(s))
		return 0
	}
	return n
}

// ratio is a number with a fraction perhaps; empty is 0.
func (f *fields) ratio(name string) float64 {
	s := strings.TrimSpace(f.Get(name))
	if s == "" {
		return 0
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		f.wrong("%q is no number here. Type one such as 1 or 0.5.", short(s))
		return 0
	}
	return x
}

func (f *fields) flag(name string) bool { return f.Get(name) != "" }

// day is a date; empty is none.
func (f *fields) day(name string) time.Time {
	s := strings.TrimSpace(f.Get(name))
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		f.wrong("%q is no date here. Type it as year-month-day, such as 2027-03-31.", short(s))
		return time.Time{}
	}
	return t
}

func short(s string) string {
	if r := []rune(clean(s)); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return clean(s)
}

// clean takes out of a text what nobody types and what would let it look like
// something else on a page: control characters, and those that turn the direction of
// writing. Lines end with \n.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r),
			r == '\u061C', r == '\u200E', r == '\u200F', r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069',
			r == '\u2028', r == '\u2029', r == '\uFEFF':
			return -1
		}
		return r
	}, s))
}

// cleanLine is clean for what stands in one line.
func cleanLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// read reads a form of at most so many octets, or answers that it could not.
func (c *Console) read(w http.ResponseWriter, r *http.Request, most int64) bool {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		c.say(w, r, http.StatusRequestEntityTooLarge, "Too much text", "This form may not say so much. Go back, shorten it and send it again.")
	case err != nil:
		c.say(w, r, http.StatusBadRequest, "The form cannot be read", "Go back, load the page again and repeat what you did.")
	}
	return err == nil
}

// asRefusal is the room's refusal, if an error is one.
func asRefusal(err error) *room.Refusal {
	var refusal *room.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}
