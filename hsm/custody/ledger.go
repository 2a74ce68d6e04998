package custody

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"smki.example/hsm"
)

// A Use is one signature that a session let through, as the ledger has it.
type Use struct {
	Number        int          `json:"number"` // 1, 2, … within the authorisation
	Authorisation string       `json:"authorisation"`
	Key           hsm.KeyLabel `json:"key"`
	For           string       `json:"use"`
	Digest        string       `json:"digest"` // SHA-256 of what was signed, hex
	At            time.Time    `json:"at"`
}

// A Spent is one authorisation that was opened, with what was done under it.
type Spent struct {
	Authorisation Authorisation
	Signed        []byte // the note, as it was given to the vault
	Shares        []int  // numbers of the shares that were given
	Opened        time.Time
	Uses          []Use
	// Torn says that the last line was cut off, as a crash or a full disk leaves it: one use
	// more may have been counted, and none of that use was signed, since the
	// token is asked only after the line is on disk. No use follows it.
	Torn bool
}

type opening struct {
	Note   string    `json:"note"`
	Shares []int     `json:"shares"`
	At     time.Time `json:"at"`
}

// A ledger is the file of one authorisation in the vault's directory. That the
// file exists is what makes the authorisation spent, so it is made with
// O_EXCL: of two processes one wins. Whoever can write to the directory can
// make an authorisation good again by deleting its file; the count, key and
// expiry in the note still bind them.
type ledger struct{ file ledgerFile }

// A ledgerFile is an *os.File, or a test's that writes half a line.
type ledgerFile interface {
	io.WriteCloser
	Sync() error
}

// spend makes the ledger of a, or says that there is one.
func spend(dir string, a Authorisation, signed []byte, shares []Share, at time.Time) (*ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the ledger: %w", err)
	}
	path := ledgerPath(dir, a.ID)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, alreadySpent(a, path)
	}
	if err != nil {
		return nil, fmt.Errorf("making the ledger: %w", err)
	}
	l := &ledger{file}
	o := opening{Note: string(signed), At: at.UTC()}
	for _, s := range shares {
		o.Shares = append(o.Shares, s.Index())
	}
	if err := errors.Join(l.append(o), syncDir(dir)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

func ledgerPath(dir, id string) string { return filepath.Join(dir, id+".jsonl") }

// append returns when the line is on disk. After an error the file may end in half a
// line, and nothing may be appended to it any more: what follows would be part of that line.
func (l *ledger) append(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	return nil
}

// ReadLedger reads what was opened under the vault's directory, in the order of
// the authorisations' names; a directory that does not exist is empty. The
// notes are verified against nothing here: give each Signed to
// [ParseAuthorisation]. An error is about the files that it names; what the others say is
// returned with it.
func ReadLedger(dir string) ([]Spent, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("reading the ledger %q: %w", dir, err)
	}
	var all []Spent
	var errs []error
	for _, name := range names {
		s, err := readSpent(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the ledger %q: %w", name, err))
			continue
		}
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

func readSpent(name string) (s Spent, err error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return s, err
	}
	r := bufio.NewReader(bytes.NewReader(content))
	for number := 0; ; number++ {
		line, err := r.ReadBytes('\n')
		if err != nil {
			s.Torn = len(line) > 0 || number == 0
			break
		}
		if number == 0 {
			var o opening
			if err := strictJSON(line, &o); err != nil {
				return s, fmt.Errorf("line 1: %w", err)
			}
			s.Signed, s.Shares, s.Opened = []byte(o.Note), o.Shares, o.At
			// The text of a note ends where its signatures begin.
			text, _, _ := strings.Cut(o.Note, "\n\n")
			if s.Authorisation, err = parseAuthorisation(text + "\n"); err != nil {
				return s, fmt.Errorf("line 1: %w", err)
			}
			continue
		}
		var u Use
		if err := strictJSON(line, &u); err != nil {
			return s, fmt.Errorf("line %d: %w", number+1, err)
		}
		s.Uses = append(s.Uses, u)
	}
	if s.Signed == nil {
		// Made and torn at once: the name is all that is left, and it is spent.
		s.Authorisation.ID = strings.TrimSuffix(filepath.Base(name), ".jsonl")
	}
	return s, nil
}

func strictJSON(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value in a line")
	}
	return nil
}

// syncDir puts a new or removed name on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %q: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %q: %w", dir, err)
	}
	return nil
}
