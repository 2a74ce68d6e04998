package roombook

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// ErrTorn says that the last line of a book has no end: the server died while it
// was written.
var ErrTorn = errors.New("the last line is torn: the server died while it was written")

// ErrBroken says that a line is not the one that was written there.
var ErrBroken = errors.New("the book is broken")

// Read yields the entries of the book in dir in order, each checked and with its
// texts. The first thing wrong is yielded as the error and ends the reading; the
// entries before it are good. A text that is not in the file of texts, or a missing
// file of texts, makes a Text that is Redacted and no error.
func Read(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		fail := func(err error) { yield(Entry{}, fmt.Errorf("reading the book in %q: %w", dir, err)) }
		texts, err := readTexts(dir)
		if err != nil && !errors.Is(err, ErrTorn) {
			fail(err)
			return
		}
		f, err := os.Open(filepath.Join(dir, FileName))
		if err != nil {
			fail(err)
			return
		}
		defer f.Close()
		said := map[string]string{}
		for _, l := range texts {
			said[l.SHA256] = l.Text
		}
		for e, err := range readEntries(f) {
			if err != nil {
				fail(err)
				return
			}
			if e.Body != nil {
				e.Body, _ = eachText(e.Body, func(t Text) (Text, error) {
					if t.hash != "" {
						text, there := said[t.hash]
						t.Said, t.gone = text, !there
					}
					return t, nil
				})
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// ReadAll returns the entries of the book in dir, and those before the fault
// together with the error if there is one.
func ReadAll(dir string) ([]Entry, error) {
	var out []Entry
	for e, err := range Read(dir) {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Exists says whether there is a book in dir.
func Exists(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, FileName))
	return err == nil && info.Mode().IsRegular()
}

// readEntries reads lines without their texts.
func readEntries(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var last Entry
		for line, err := range readLines(r) {
			var e Entry
			if err == nil {
				if e, err = parseEntry(line); err != nil {
					err = fmt.Errorf("%w: %v", ErrBroken, err)
				}
			}
			switch {
			case err != nil:
			case e.Seq != last.Seq+1:
				err = fmt.Errorf("%w: it is numbered %d", ErrBroken, e.Seq)
			case e.Prev != last.sum():
				err = fmt.Errorf("%w: it does not follow the line before", ErrBroken)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("%q, line %d: %w", FileName, last.Seq+1, err))
				return
			}
			last = e
			if !yield(e, nil) {
				return
			}
		}
	}
}

// readTexts returns the lines of the file of texts, and those before a torn one
// with ErrTorn.
func readTexts(dir string) ([]saidLine, error) {
	f, err := os.Open(filepath.Join(dir, TextsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []saidLine
	for line, err := range readLines(f) {
		var l saidLine
		if err == nil {
			if l, err = parseSaid(line); err != nil {
				err = fmt.Errorf("%w: %v", ErrBroken, err)
			}
		}
		if err != nil {
			return out, fmt.Errorf("%q, line %d: %w", TextsName, len(out)+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// readLines yields lines without their ends, and ErrTorn for a last one that has
// no end.
func readLines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b := bufio.NewReaderSize(r, 64<<10)
		for {
			var line []byte
			for {
				part, err := b.ReadSlice('\n')
				line = append(line, part...)
				if len(line) > maxLine+1 {
					yield(nil, fmt.Errorf("%w: it is longer than %d octets", ErrBroken, maxLine))
					return
				}
				if errors.Is(err, bufio.ErrBufferFull) {
					continue
				}
				if err == io.EOF {
					if len(line) > 0 {
						yield(nil, ErrTorn)
					}
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
				break
			}
			if !yield(bytes.TrimSuffix(line, []byte("\n")), nil) {
				return
			}
		}
	}
}
