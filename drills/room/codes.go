package room

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// codesName is the file of the codes. Trust: whoever reads it can come in as
// facilitator; it is mode 0600 and in no pack.
const codesName = "codes.json"

// letters are those of a code that is read from a screen and typed into a phone:
// none looks like another.
const letters = "ABCDEFGHJKMNPQRTUVWXY346789"

// codeLength makes guessing hopeless where whoever answers counts wrong codes: 27 to
// the sixth is 387 million.
const codeLength = 6

// kept is how codes stand on disk, so that they survive a restart.
type kept struct {
	Facilitator string `json:"facilitator"`
	Player      string `json:"player"`
	Observer    string `json:"observer"`
	Screen      string `json:"screen"`
}

// loadCodes reads the codes of an exercise, or makes them.
func loadCodes(dir string) (kept, error) {
	path := filepath.Join(dir, codesName)
	var k kept
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &k); err != nil {
			return k, fmt.Errorf("reading the codes in %q: %w", path, err)
		}
		return k, nil
	case !errors.Is(err, fs.ErrNotExist):
		return k, fmt.Errorf("reading the codes: %w", err)
	}
	long := make([]byte, 20)
	if _, err := rand.Read(long); err != nil {
		return k, err
	}
	k.Facilitator = strings.ToLower(base32.StdEncoding.EncodeToString(long))
	for _, c := range []*string{&k.Player, &k.Observer, &k.Screen} {
		for *c == "" || len(k.doubles()) > 0 {
			if *c, err = newCode(); err != nil {
				return k, err
			}
		}
	}
	if text, err = json.Marshal(k); err != nil {
		return k, err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return k, fmt.Errorf("writing the codes: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return k, fmt.Errorf("writing the codes: %w", err)
	}
	return k, nil
}

// doubles are codes that stand for two roles.
func (k kept) doubles() []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range []string{k.Player, k.Observer, k.Screen} {
		if c != "" && seen[c] {
			out = append(out, c)
		}
		seen[c] = true
	}
	return out
}

func newCode() (string, error) {
	var out []byte
	b := make([]byte, 1)
	for len(out) < codeLength {
		if _, err := rand.Read(b); err != nil {
			return "", err
		}
		// What is above the last whole multiple would make some letters likelier.
		if int(b[0]) < 256/len(letters)*len(letters) {
			out = append(out, letters[int(b[0])%len(letters)])
		}
	}
	return string(out), nil
}

// role is whom a code lets in. Case, spaces and hyphens do not matter, nor do the
// digits that people type for the letters of the alphabet that are not used.
func (k kept) role(code string) (Role, bool) {
	code = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\u00a0':
			return -1
		}
		return r
	}, code)
	if len(code) == len(k.Facilitator) && same(strings.ToLower(code), k.Facilitator) {
		return Facilitator, true
	}
	code = strings.ToUpper(code)
	for _, x := range []struct {
		code string
		role Role
	}{{k.Player, Player}, {k.Observer, Observer}, {k.Screen, Screen}} {
		if same(code, x.code) {
			return x.role, true
		}
	}
	return "", false
}

// same compares without telling by its time how much is right.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return x == y
}

// newPass is a secret for a browser, and what the book keeps of it.
func newPass() (pass, hash string, err error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", "", err
	}
	pass = base64.RawURLEncoding.EncodeToString(b)
	return pass, hashOf(pass), nil
}

func hashOf(pass string) string {
	sum := sha256.Sum256([]byte(pass))
	return hex.EncodeToString(sum[:])
}
