package softhsm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Names inside a token's directory. They are part of a home's backup: renaming
// one makes old directories unreadable.
const (
	confName    = "softhsm2.conf"
	tokensName  = "tokens"
	brokenName  = "tokens.broken"
	libraryName = "libsofthsm2.so"
	pinName     = "user.pin"
	soPINName   = "so.pin"
	factsName   = "token.json"
)

// maxLabel is the length of a token label in octets (PKCS#11 2.40, CK_TOKEN_INFO).
const maxLabel = 32

// A Token is a SoftHSM token in a directory of its own.
//
// The fields are facts about the directory and may be read by anyone; changing
// them changes nothing on disk. Break and Restore may be called while package
// hsm has the token open, which is what they are for, but not concurrently with
// each other.
type Token struct {
	// Dir holds everything that belongs to the token. Whoever can read it has
	// the keys, since the PIN is in it; whoever can write to it can run code in
	// the process that opens the token, since the library is in it.
	Dir string
	// Library is this directory's own copy of the SoftHSM library, to be given
	// to package hsm as the module.
	Library string
	// Label is the token's label, and Serial the serial number that SoftHSM gave it.
	Label, Serial string
	// PINFile holds the user's PIN and SOPINFile the security officer's, each
	// readable by the owner alone. With the first, keys can be used; with the
	// second, the token can be wiped and the PIN replaced.
	PINFile, SOPINFile string
}

// facts is what token.json keeps, so that Open can describe a token without
// initialising a library that may be in use. It holds no secret; a wrong label
// in it makes package hsm find no such token.
type facts struct {
	Label  string `json:"label"`
	Serial string `json:"serial"`
}

// New makes dir, with everything a SoftHSM token needs, and initialises one token
// in it under label. The PINs are random and stand only in the token's PIN files.
//
// dir must not exist or be empty. By convention the labels of exercise tokens
// start with EXERCISE; a drill opens no other. When New fails it removes what it
// made, so that it can be called again.
//
// New may be called concurrently for different directories.
func New(dir, label string) (*Token, error) {
	if err := checkLabel(label); err != nil {
		return nil, fmt.Errorf("making a SoftHSM token in %q: %w", dir, err)
	}
	system, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("making a SoftHSM token: %w", err)
	}
	if err := prepare(dir); err != nil {
		return nil, fmt.Errorf("making a SoftHSM token in %q: %w", dir, err)
	}
	t := at(dir, facts{Label: label})
	if err := t.fill(system); err != nil {
		t.clear()
		return nil, fmt.Errorf("making SoftHSM token %q in %q: %w", label, dir, err)
	}
	return t, nil
}

// Open describes the token that New made in dir. It works after the directory
// was moved or copied: the paths in its configuration are put right, and a
// library that is missing is copied again. It reads no PIN and does not
// initialise the library.
func Open(dir string) (*Token, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a SoftHSM token: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, factsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening %q: no SoftHSM token was made here (there is no %s): %w", dir, factsName, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a SoftHSM token: %w", err)
	}
	var f facts
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("reading %q: %w", filepath.Join(dir, factsName), err)
	}
	t := at(dir, f)
	conf, err := configuration(dir)
	if err != nil {
		return nil, fmt.Errorf("opening SoftHSM token %q in %q: %w", t.Label, dir, err)
	}
	if have, err := os.ReadFile(t.Config()); err != nil || !bytes.Equal(have, conf) {
		if err := replace(t.Config(), conf); err != nil {
			return nil, fmt.Errorf("opening SoftHSM token %q: writing its configuration: %w", t.Label, err)
		}
	}
	if _, err := os.Stat(t.Library); errors.Is(err, fs.ErrNotExist) {
		system, err := Find()
		if err != nil {
			return nil, err
		}
		if err := copyFile(t.Library, system); err != nil {
			return nil, fmt.Errorf("opening SoftHSM token %q: %w", t.Label, err)
		}
	}
	return t, nil
}

// Config returns the path of the token's softhsm2.conf, to be given to package
// hsm. It names the directory of the keys: whoever can change it can show us other keys.
func (t *Token) Config() string { return filepath.Join(t.Dir, confName) }

// at returns the description of the token in dir.
func at(dir string, f facts) *Token {
	return &Token{
		Dir: dir, Label: f.Label, Serial: f.Serial,
		Library:   filepath.Join(dir, libraryName),
		PINFile:   filepath.Join(dir, pinName),
		SOPINFile: filepath.Join(dir, soPINName),
	}
}

// prepare makes dir, or accepts an empty one.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("the directory is not empty (it holds %q): name a new one", entries[0].Name())
	}
	return os.Chmod(dir, 0o700)
}

// fill writes the files of a new token and initialises it. The PIN files come
// before the token, so that no token exists whose PIN is nowhere.
func (t *Token) fill(system string) error {
	conf, err := configuration(t.Dir)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(t.Dir, tokensName), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(t.Config(), conf, 0o600); err != nil {
		return err
	}
	if err := copyFile(t.Library, system); err != nil {
		return err
	}
	pin, soPIN := rand.Text(), rand.Text()
	if err := os.WriteFile(t.PINFile, []byte(pin), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(t.SOPINFile, []byte(soPIN), 0o600); err != nil {
		return err
	}
	if t.Serial, err = initialise(t.Library, t.Config(), t.Label, soPIN, pin); err != nil {
		return err
	}
	if err := t.keep(); err != nil {
		return err
	}
	b, err := json.Marshal(facts{Label: t.Label, Serial: t.Serial})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.Dir, factsName), append(b, '\n'), 0o600)
}

// keep puts the new token on disk, and a copy of its file.
func (t *Token) keep() error {
	held, err := Guard(context.Background(), t.Config())
	if err != nil {
		return err
	}
	defer held.Release()
	return errors.Join(held.Settle(), held.Keep())
}

// clear removes what fill may have made, and the directory if that leaves it empty.
func (t *Token) clear() {
	for _, name := range []string{confName, tokensName, keptName, libraryName, pinName, soPINName, factsName} {
		os.RemoveAll(filepath.Join(t.Dir, name))
	}
	os.Remove(t.Dir)
}

// configuration returns the text of softhsm2.conf for dir. SoftHSM ends a line at
// '#' and knows no quoting, so a path that holds one cannot be written down.
func configuration(dir string) ([]byte, error) {
	if strings.ContainsAny(dir, "#\r\n") {
		return nil, fmt.Errorf("the path holds a '#' or a line break, which softhsm2.conf cannot express: choose another directory")
	}
	return fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
		filepath.Join(dir, tokensName)), nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("the label is empty: a token is found by its label")
	case len(label) > maxLabel:
		return fmt.Errorf("label %q has %d octets: PKCS#11 keeps %d", label, len(label), maxLabel)
	case !utf8.ValidString(label):
		return fmt.Errorf("label %q is not UTF-8", label)
	case strings.TrimSpace(label) != label || strings.ContainsFunc(label, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("label %q begins or ends with a space or holds a control character: PKCS#11 pads with spaces", label)
	}
	return nil
}

// copyFile copies the library byte for byte. A link would not do: the loader
// compares device and inode, and would hand out the module it has already.
func copyFile(to, from string) error {
	library, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying the SoftHSM library: %w", err)
	}
	if err := replace(to, library); err != nil {
		return fmt.Errorf("copying the SoftHSM library to %q: %w", to, err)
	}
	return nil
}

// replace writes a file of the owner's, whole or not at all, so that one process may open the token
// while another puts its directory right.
func replace(path string, content []byte) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".next-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(next.Name())
		}
	}()
	_, err = next.Write(content)
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
