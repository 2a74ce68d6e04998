package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// KindRedacted is the kind of an entry that was taken out of a copy of a journal.
// No journal has such an entry; only [ReadCopy] gives them out.
const KindRedacted Kind = "redacted"

// redactedLine stands in a copy in place of an entry that was taken out: its
// number and its leaf in the tree under the head, from which nobody can tell what
// it said, and without which the head cannot be worked out.
type redactedLine struct {
	Seq  int64  `json:"seq"`
	Leaf string `json:"redacted"`
}

// Redact returns the line that stands in a copy in place of a line that is taken
// out: `{"seq":7,"redacted":"…"}`, with the RFC 6962 leaf hash of the line.
func Redact(seq int64, line []byte) []byte {
	leaf := tlog.RecordHash(line)
	return fmt.Appendf(nil, `{"seq":%d,"redacted":"%s"}`, seq, hex.EncodeToString(leaf[:]))
}

// ReadCopy is [Read] for a copy in which entries may have been taken out. Such an
// entry is given out with its number, KindRedacted, no body and, as its Hash, its
// leaf in the tree; that the entry after one follows it shows in the head alone,
// which drills/verify works out.
func ReadCopy(path string) iter.Seq2[Entry, error] {
	return readFile(path, true)
}

// parseRedacted reads a line that stands for an entry, and says whether it is one.
func parseRedacted(line []byte) (Entry, bool) {
	var raw redactedLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return Entry{}, false
	}
	leaf, err := hex.DecodeString(raw.Leaf)
	if err != nil || len(leaf) != tlog.HashSize {
		return Entry{}, false
	}
	again := fmt.Appendf(nil, `{"seq":%d,"redacted":"%s"}`, raw.Seq, hex.EncodeToString(leaf))
	if !bytes.Equal(again, line) {
		return Entry{}, false
	}
	return Entry{Seq: raw.Seq, Kind: KindRedacted, Body: json.RawMessage(`{}`), Hash: raw.Leaf, Line: again}, true
}

// Leaf is an entry's leaf in the tree whose root is the head, taken out or not.
func (e Entry) Leaf() tlog.Hash {
	if e.Kind == KindRedacted {
		var h tlog.Hash
		raw, err := hex.DecodeString(e.Hash)
		if err != nil || copy(h[:], raw) != len(h) {
			panic("journal: internal error: an entry that was taken out has no leaf")
		}
		return h
	}
	return tlog.RecordHash(e.Line)
}

// readFrom reads a journal, or with taken a copy of which entries may have been
// taken out.
func readFrom(r io.Reader, taken bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		b := bufio.NewReaderSize(r, 64<<10)
		prev, seq := noPrev, int64(0)
		for {
			line, err := readLine(b)
			switch {
			case err == io.EOF && len(line) == 0:
				return
			case err == io.EOF:
				yield(Entry{}, fmt.Errorf("entry %d: %w", seq+1, ErrTorn))
				return
			case err != nil:
				yield(Entry{}, fmt.Errorf("entry %d: %w", seq+1, err))
				return
			}
			e, gone := Entry{}, false
			if taken {
				e, gone = parseRedacted(line)
			}
			if !gone {
				e, err = parseEntry(line)
			}
			switch {
			case err != nil:
				err = fmt.Errorf("entry %d: %w: %v", seq+1, ErrBroken, err)
			case e.Seq != seq+1:
				err = fmt.Errorf("entry %d: %w: it is numbered %d", seq+1, ErrBroken, e.Seq)
			case !gone && prev != "" && e.Prev != prev:
				err = fmt.Errorf("entry %d: %w: it does not follow the line before", seq+1, ErrBroken)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			seq, prev = e.Seq, lineSum(line)
			if gone {
				prev = ""
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
