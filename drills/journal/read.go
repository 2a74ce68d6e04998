package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// ErrTorn says that the last line of a journal has no end: the drill died while
// the entry was being written, and nothing after the entries read is known.
var ErrTorn = errors.New("the last line is torn: the drill died while it was written")

// ErrBroken says that a line is not the one that was written there.
var ErrBroken = errors.New("the record is broken")

// Read yields the entries of the journal at path in order. Each is checked
// before it is given out: its own hash, its number and its link to the line
// before. The first thing wrong is yielded as the error and ends the reading;
// the entries before it are good. A torn last line gives ErrTorn, a changed or
// missing line ErrBroken.
//
// Read is for reports and tests. It trusts the file as a whole: only
// drills/verify compares it with signature, seal and words.
func Read(path string) iter.Seq2[Entry, error] { return readFile(path, false) }

// readFile is Read, or ReadCopy where entries may have been taken out.
func readFile(path string, copied bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Entry{}, fmt.Errorf("reading journal: %w", err))
			return
		}
		defer f.Close()
		for e, err := range readFrom(f, copied) {
			if err != nil {
				err = fmt.Errorf("reading journal %q: %w", path, err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// ReadFrom is Read for a journal that is open already.
func ReadFrom(r io.Reader) iter.Seq2[Entry, error] { return readFrom(r, false) }

// ReadAll returns the entries of the journal at path, and those before the
// fault together with the error if there is one.
func ReadAll(path string) ([]Entry, error) {
	var out []Entry
	for e, err := range Read(path) {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

// readLine returns a line without its end; io.EOF with what is left means that
// the end is missing.
func readLine(b *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine+1:
			return nil, fmt.Errorf("%w: a line is longer than %d octets", ErrBroken, maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return line, err
		}
		return bytes.TrimSuffix(line, []byte("\n")), nil
	}
}

// lineSum is what the next entry has as prev.
func lineSum(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
