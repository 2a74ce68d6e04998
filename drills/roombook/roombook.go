// Package roombook keeps the book of the exercise room: what people did in it.
//
// The journal of a drill (drills/journal) has what the drill did and what was
// decided. The book has the rest of a meeting: who came and sat where, who
// declared an interest, each vote as it was cast and changed, what observers
// noted, and what was said afterwards. It is written before anything is done
// about it, so that a server that is killed in the middle of a vote finds the
// vote again.
//
// Entries are lines of canonical JSON chained by hash. What people typed is not
// in them: an entry holds the salted hash of each text ([Text]), and the texts
// stand in a file beside it. A text that must not be passed on can so be taken
// out, and the chain still holds; nobody can put another in its place.
//
// An append promises that the entry and its texts are on disk, or that it is not
// known whether they are: then nothing more is taken until [Book.Recover] has
// looked. The book does not say who wrote it; the seal of the drill's journal
// does, which covers it.
//
// Start with [Open] and [Book.Append]; [Read] reads a book back with its texts.
// docs/record.md has both files as an outsider reads them.
package roombook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names of the two files of a book.
const (
	FileName  = "room.jsonl"
	TextsName = "room-texts.jsonl"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the book is closed")

// ErrUncertain says that an entry may be in the book or not. The book takes
// nothing more until Recover has looked.
var ErrUncertain = errors.New("it is not known whether the entry is in the book")

// A Book is open for writing. One process at a time may have a book open; its
// methods may be called concurrently.
type Book struct {
	dir  string
	open func(path string) (file, error) // opens a file to append to

	mu      sync.Mutex
	entries file
	texts   file
	err     error // the write that failed, or ErrClosed; sticky until Recover
	last    Entry // the newest entry that a caller knows of
}

// file is what a book asks of an open file.
type file interface {
	Write([]byte) (int, error)
	Sync() error
	Close() error
}

// Open opens the book in dir, and begins one if there is none. What a server that
// died left half written is put aside in a file of the same name with .torn and a
// number: an entry without its end was never promised to anybody, and so were
// texts whose entry is not there. A book in which anything else is wrong is
// ErrBroken and is not touched.
//
// Trust: whoever can write the two files can make up a meeting as long as it is
// going on; once the record is sealed, the seal covers them. The file of texts
// holds what people typed: it is for the facilitator's eyes (mode 0600).
func Open(dir string) (*Book, error) {
	return openWith(dir, func(path string) (file, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	})
}

func openWith(dir string, open func(path string) (file, error)) (*Book, error) {
	b := &Book{dir: dir, open: open}
	for _, name := range []string{FileName, TextsName} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return nil, fmt.Errorf("opening the book: %w", err)
		default:
			if err := f.Close(); err != nil {
				return nil, fmt.Errorf("opening the book: %w", err)
			}
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("opening the book: %w", err)
	}
	if _, err := b.resume(); err != nil {
		return nil, fmt.Errorf("opening the book in %q: %w", dir, err)
	}
	return b, nil
}

// Append writes what somebody did at a wall time and a scenario time, and returns
// its number, counted from 1, once it and its texts are on disk. The entry belongs
// to the run that the last [Run] entry began, itself included.
//
// If body cannot be written as an entry, nothing was written and the book stays
// usable. Any other error wraps ErrUncertain: the entry may be there or not, and
// every later call returns the same error until Recover.
func (b *Book) Append(wall time.Time, at time.Duration, body Body) (seq int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, fmt.Errorf("writing %q into the book: %w", body.kind(), b.err)
	}
	body, texts, err := commit(body)
	if err != nil {
		return 0, fmt.Errorf("writing %q into the book: %w", body.kind(), err)
	}
	e := Entry{Seq: b.last.Seq + 1, Prev: b.last.sum(), Wall: wall.UTC().Round(0), At: at, Run: b.last.Run, Kind: body.kind(), Body: body}
	if run, is := body.(Run); is {
		e.Run = run.Number
	}
	// Wall time does not go back in a book, even where somebody sets a clock.
	if e.Wall.Before(b.last.Wall) {
		e.Wall = b.last.Wall
	}
	if err := e.encode(); err != nil {
		return 0, fmt.Errorf("writing %q into the book: %w", e.Kind, err)
	}
	// Texts first: a text without an entry is nothing, an entry without its text
	// would be a gap in the minutes.
	if err := write(b.texts, texts); err == nil {
		err = write(b.entries, append(append([]byte{}, e.Line...), '\n'))
		if err != nil {
			b.err = fmt.Errorf("%w: writing %q: %w", ErrUncertain, FileName, err)
		}
	} else {
		b.err = fmt.Errorf("%w: writing %q: %w", ErrUncertain, TextsName, err)
	}
	if b.err != nil {
		return 0, fmt.Errorf("writing %q into the book: %w", e.Kind, b.err)
	}
	b.last = e
	return e.Seq, nil
}

// write puts octets on disk.
func write(f file, octets []byte) error {
	if len(octets) == 0 {
		return nil
	}
	if _, err := f.Write(octets); err != nil {
		return err
	}
	return f.Sync()
}

// Recover looks at the disk after an Append that returned ErrUncertain, and makes
// the book usable again. It returns the entries that are in the book although
// their Append said that it did not know: at most the one that failed. If it fails
// itself, the book stays as it was and Recover may be called again.
func (b *Book) Recover() ([]Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, ErrClosed) {
		return nil, b.err
	}
	known := b.last.Seq
	found, err := b.resume()
	if err != nil {
		return nil, fmt.Errorf("recovering the book in %q: %w", b.dir, err)
	}
	b.err = nil
	var out []Entry
	for _, e := range found {
		if e.Seq > known {
			out = append(out, e)
		}
	}
	return out, nil
}

// Len is the number of entries in the book.
func (b *Book) Len() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last.Seq
}

// Close closes the files. It does nothing after a Close.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, ErrClosed) {
		return nil
	}
	b.err = ErrClosed
	return errors.Join(b.entries.Close(), b.texts.Close())
}

// Copy writes the book as it stands into the folder of a pack, to be sealed there.
// Files of a book that are there are replaced.
func (b *Book) Copy(dir string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range []string{TextsName, FileName} {
		octets, err := os.ReadFile(filepath.Join(b.dir, name))
		if err == nil {
			err = replaceFile(filepath.Join(dir, name), octets, 0o644)
		}
		if err != nil {
			return fmt.Errorf("copying the book: %w", err)
		}
	}
	return nil
}
