package roombook

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A Text is something that a person typed. In the book it is the hash of the
// text with a salt; the text itself is in the file of texts, unless it was taken
// out.
type Text struct {
	Said string // what was typed; empty if there is none, or it was taken out
	hash string
	gone bool
}

// Say makes a Text of what somebody typed.
func Say(s string) Text { return Text{Said: strings.ToValidUTF8(s, "\uFFFD")} }

// IsZero says that nothing was typed.
func (t Text) IsZero() bool { return t.Said == "" && t.hash == "" }

// Redacted says that there was a text and it was taken out.
func (t Text) Redacted() bool { return t.gone }

// String is what was typed, or that it was taken out.
func (t Text) String() string {
	if t.gone {
		return "[taken out]"
	}
	return t.Said
}

// MarshalJSON writes the hash. A text that has none is not in a book yet, and is an
// error: what somebody typed must not get into an entry.
func (t Text) MarshalJSON() ([]byte, error) {
	switch {
	case t.IsZero():
		return []byte(`{}`), nil
	case t.hash == "":
		return nil, errors.New("roombook: internal error: a text is written before it is committed to")
	}
	return []byte(`{"sha256":"` + t.hash + `"}`), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Text) UnmarshalJSON(octets []byte) error {
	var raw struct {
		SHA256 string `json:"sha256"`
	}
	d := json.NewDecoder(bytes.NewReader(octets))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return err
	}
	if raw.SHA256 != "" && !isSum(raw.SHA256) {
		return fmt.Errorf("%q is no SHA-256", raw.SHA256)
	}
	*t = Text{hash: raw.SHA256}
	return nil
}

func isSum(s string) bool {
	octets, err := hex.DecodeString(s)
	return err == nil && len(octets) == sha256.Size && strings.ToLower(s) == s
}

// saltSize hides a text that is one of few ("yes", a name): without the salt,
// nobody can try them.
const saltSize = 32

// saidLine is a line of the file of texts.
type saidLine struct {
	SHA256 string `json:"sha256"`
	Salt   string `json:"salt"` // hex
	Text   string `json:"text"`
}

// hashOf is SHA-256 over the salt and the text. The salt has one length, so that
// no two pairs give the same octets.
func hashOf(salt []byte, text string) string {
	sum := sha256.Sum256(append(salt[:len(salt):len(salt)], text...))
	return hex.EncodeToString(sum[:])
}

// commit gives each text of a body its hash and returns the lines for the file of
// texts. The body given is not changed.
func commit(body Body) (Body, []byte, error) {
	var lines bytes.Buffer
	with, err := eachText(body, func(t Text) (Text, error) {
		if t.Said == "" {
			return t, nil
		}
		if len(t.Said) > maxText {
			return t, fmt.Errorf("a text of %d octets is above the limit of %d", len(t.Said), maxText)
		}
		salt := make([]byte, saltSize)
		if _, err := rand.Read(salt); err != nil {
			return t, err
		}
		t = Say(t.Said)
		t.hash = hashOf(salt, t.Said)
		line, err := encodeSaid(saidLine{SHA256: t.hash, Salt: hex.EncodeToString(salt), Text: t.Said})
		lines.Write(append(line, '\n'))
		return t, err
	})
	return with, lines.Bytes(), err
}

var textType = reflect.TypeFor[Text]()

// eachText returns the body with each of its texts replaced by what change makes
// of it, in the order in which they stand in the line: by the names of members.
// Texts are members of the body itself; a test holds every body to that.
func eachText(body Body, change func(Text) (Text, error)) (Body, error) {
	v := reflect.New(reflect.TypeOf(body)).Elem()
	v.Set(reflect.ValueOf(body))
	for _, i := range textMembers(v.Type()) {
		t, err := change(v.Field(i).Interface().(Text))
		if err != nil {
			return body, fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
		}
		v.Field(i).Set(reflect.ValueOf(t))
	}
	return v.Interface().(Body), nil
}

// textMembers are the texts of a type of body, by the names that they have in a line.
func textMembers(t reflect.Type) []int {
	var out []int
	for i := range t.NumField() {
		if t.Field(i).Type == textType {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return strings.Compare(t.Field(a).Tag.Get("json"), t.Field(b).Tag.Get("json")) })
	return out
}

// Texts are the texts of a body, in the order in which they stand in its line.
func Texts(body Body) []Text {
	var out []Text
	if body == nil {
		return nil
	}
	_, _ = eachText(body, func(t Text) (Text, error) {
		if !t.IsZero() {
			out = append(out, t)
		}
		return t, nil
	})
	return out
}

// Hash is what the book has of a text, in hex; empty for one that is in no book yet.
func (t Text) Hash() string { return t.hash }
