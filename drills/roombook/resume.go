package roombook

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// resume reads both files, puts aside what was never promised, writes them anew
// and opens them to append. Files are written anew where anything was put aside,
// and after a write that failed: an operating system that could not write a page
// may show it and have lost it.
func (b *Book) resume() ([]Entry, error) {
	raw, err := os.ReadFile(filepath.Join(b.dir, FileName))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	good := 0
	for e, err := range readEntries(bytes.NewReader(raw)) {
		if errors.Is(err, ErrTorn) {
			break
		}
		if err != nil {
			return nil, err
		}
		good += len(e.Line) + 1
		entries = append(entries, e)
	}
	said, err := os.ReadFile(filepath.Join(b.dir, TextsName))
	if err != nil {
		return nil, err
	}
	kept, aside, err := promised(said, entries)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name               string
		kept, aside, whole []byte
	}{{TextsName, kept, aside, said}, {FileName, raw[:good], raw[good:], raw}} {
		if err := b.putAside(f.name, f.aside); err != nil {
			return nil, err
		}
		if len(f.aside) > 0 || b.err != nil {
			if err := replaceFile(filepath.Join(b.dir, f.name), f.kept, 0o600); err != nil {
				return nil, err
			}
		}
	}
	found, err := ReadAll(b.dir)
	if err != nil {
		return nil, err
	}
	entriesFile, err := b.open(filepath.Join(b.dir, FileName))
	if err != nil {
		return nil, err
	}
	textsFile, err := b.open(filepath.Join(b.dir, TextsName))
	if err != nil {
		return nil, errors.Join(err, entriesFile.Close())
	}
	if b.entries != nil {
		// What these say no longer matters: nothing of theirs is relied on.
		b.entries.Close()
		b.texts.Close()
	}
	b.entries, b.texts = entriesFile, textsFile
	b.last = Entry{}
	if len(found) > 0 {
		b.last = found[len(found)-1]
	}
	return found, nil
}

// promised parts the file of texts into the lines that entries commit to and what
// nobody was promised: the texts of an entry that did not come, and a torn line.
func promised(said []byte, entries []Entry) (kept, aside []byte, err error) {
	committed := map[string]bool{}
	for _, e := range entries {
		if e.Body == nil {
			continue
		}
		_, err := eachText(e.Body, func(t Text) (Text, error) {
			committed[t.hash] = true
			return t, nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	at := 0
	for line, err := range readLines(bytes.NewReader(said)) {
		if errors.Is(err, ErrTorn) {
			aside = append(aside, said[at:]...)
			break
		}
		var l saidLine
		if err == nil {
			l, err = parseSaid(line)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%q: %w: %v", TextsName, ErrBroken, err)
		}
		if committed[l.SHA256] {
			kept = append(append(kept, line...), '\n')
		} else {
			aside = append(append(aside, line...), '\n')
		}
		at += len(line) + 1
	}
	return kept, aside, nil
}

// putAside keeps octets that are cut off from a file, in a file beside it.
func (b *Book) putAside(name string, octets []byte) error {
	if len(octets) == 0 {
		return nil
	}
	for n := 1; ; n++ {
		path := filepath.Join(b.dir, fmt.Sprintf("%s.torn-%d", name, n))
		_, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) {
			return replaceFile(path, octets, 0o600)
		}
		if err != nil {
			return err
		}
	}
}

// replaceFile puts octets at path in one step: a reader sees the old file or the
// new one, also after a loss of power.
func replaceFile(path string, octets []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(octets); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
