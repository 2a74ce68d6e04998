package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

// A mistake is something that was typed and cannot be meant.
type mistake struct {
	field string
	err   error
}

func (m *mistake) Error() string { return m.err.Error() }

func mistaken(field, format string, args ...any) error {
	return &mistake{field, fmt.Errorf(format, args...)}
}

// An input reads a form, and keeps the first mistake.
type input struct {
	url.Values
	err error
}

func (in *input) wrong(field string, err error) {
	if in.err == nil {
		in.err = &mistake{field, err}
	}
}

// text reads what was typed. Line ends become blanks, because the register takes one
// line, and a person who presses Enter in a box means nothing by it.
func (in *input) text(name string) string { return strings.Join(strings.Fields(in.Get(name)), " ") }

func (in *input) number(name string) int64 {
	id, err := parseID(in.Get(name))
	if err != nil {
		in.wrong(name, err)
	}
	return id
}

func (in *input) entity(name string) policy.EntityID {
	id, err := policy.ParseEntityID(in.text(name))
	if err != nil {
		in.wrong(name, err)
	}
	return id
}

func (in *input) serials(name string) []policy.Serial {
	var serials []policy.Serial
	for _, word := range strings.FieldsFunc(in.Get(name), func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) }) {
		serial, err := policy.ParseSerial(word)
		if err != nil {
			in.wrong(name, err)
			return nil
		}
		serials = append(serials, serial)
	}
	if len(serials) == 0 {
		in.wrong(name, errors.New("a serial number is missing"))
	}
	return serials
}

func (in *input) roles(name string) []policy.RemotePartyRole {
	var roles []policy.RemotePartyRole
	for _, ou := range in.Values[name] {
		role, err := policy.ParseRole(ou)
		if err != nil {
			in.wrong(name, err)
		}
		roles = append(roles, role)
	}
	slices.Sort(roles)
	return roles
}

func (in *input) subscriber(name string) ra.Subscriber {
	return ra.Subscriber{Device: slices.Contains(in.Values[name], "device"), Organisation: slices.Contains(in.Values[name], "organisation")}
}

// until reads a day and a time of day, UTC, as two fields of a browser or typed.
func (in *input) until(name string) string {
	typed := strings.TrimSuffix(strings.Replace(in.text(name), " ", "T", 1), "Z")
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, typed); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	in.wrong(name, fmt.Errorf("the date %.40q: want the form 2026-12-31 12:00, in UTC", in.text(name)))
	return ""
}

func parseID(s string) (int64, error) {
	var id int64
	if _, err := fmt.Sscanf(s, "%d", &id); err != nil || id < 1 || s != fmt.Sprint(id) {
		return 0, fmt.Errorf("%.20q is no number of something here: %w", s, ca.ErrNotFound)
	}
	return id, nil
}
