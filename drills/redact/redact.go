// Package redact makes a copy of a drill's record without what must not be passed
// on, of which the head can still be worked out.
//
// Three kinds of things are taken out. An entry of the journal gives way to its
// leaf in the tree under the head. A text that somebody typed in the exercise room
// goes from the file of texts, and the book keeps its salted hash. The documents
// that are made from the record, and say all of it again, are left out; new ones
// can be made from the copy (drills/report), and show the gaps. redacted.json says
// what was taken out. docs/record.md has the rules; drills/verify, which shares no
// code with this, holds a copy to them.
//
// What a copy proves: the words that were read into the minutes are still its
// words, so that nothing that is left was changed, and nothing that was taken out
// was changed before. What it does not prove is what was taken out: for that the
// whole record is kept.
//
// Nothing is taken out that the checks of a record stand on: its start and seal,
// what had to hold, questions, custodians and uses of keys. What a drill's scenario
// says cannot be taken out either, because the first entry holds the scenario.
//
// Start with [Pack].
package redact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// FileName says of a copy what was taken out of it.
const FileName = "redacted.json"

// Kinds are the kinds of entries that may be taken out: those that hold what people
// said, and no proof.
func Kinds() []journal.Kind {
	return []journal.Kind{journal.KindInject, journal.KindNotify, journal.KindDecision, journal.KindPause, journal.KindSteer, journal.KindSkip}
}

// documents are the files that say again what the record says. A copy never has
// them.
var documents = []string{
	"report.html", "minutes.html", "minutes.pdf", "after-action.html", "after-action.pdf", "plan.csv", "risks.csv", "ratings.csv", "survey.csv", "before/*/*",
}

// Options say what is taken out.
type Options struct {
	Entries []int64 // of the journal, by number
	Texts   []int64 // entries of the book whose texts are taken out, by number
	// Leave takes these out and nothing else, although the same words stand in other
	// places of the record. Without it that is refused, with the places.
	Leave bool
}

// A Refusal says why nothing was taken out, in words for whoever asked.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Taken is what a copy lacks; FileName holds it.
type Taken struct {
	Entries []int64  `json:"entries"`
	Files   []string `json:"files"`
	Texts   []int64  `json:"texts"`
}

// Pack writes to out, which must not be there, a copy of the sealed pack in dir. A
// copy can be the pack: more is then taken out of it. When it fails nothing is at
// out, and the pack is never touched.
//
// It does not check the pack: do that first, and check the copy after (drills/verify).
func Pack(dir, out string, o Options) (*Taken, error) {
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("%q is there already: name a new folder for the copy", out)
	}
	entries, err := readJournal(dir)
	if err != nil {
		return nil, err
	}
	b, err := readBook(dir)
	if err != nil {
		return nil, err
	}
	if err := check(entries, b, o); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return nil, fmt.Errorf("writing the copy: %w", err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(out), ".redact-*")
	if err != nil {
		return nil, fmt.Errorf("writing the copy: %w", err)
	}
	defer os.RemoveAll(draft)
	taken, err := write(dir, draft, entries, b, o)
	if err != nil {
		return nil, fmt.Errorf("writing the copy: %w", err)
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return nil, fmt.Errorf("writing the copy: %w", err)
	}
	if err := os.Rename(draft, out); err != nil {
		return nil, fmt.Errorf("writing the copy: %w", err)
	}
	return taken, nil
}

func readJournal(dir string) ([]journal.Entry, error) {
	var entries []journal.Entry
	for e, err := range journal.ReadCopy(filepath.Join(dir, journal.FileName)) {
		if err != nil {
			return nil, fmt.Errorf("taking something out of the record in %q: %w", dir, err)
		}
		entries = append(entries, e)
	}
	if n := len(entries); n == 0 || entries[n-1].Kind != journal.KindSeal {
		return nil, refuse("the record in %q is not sealed: a copy is made of a sealed record", dir)
	}
	return entries, nil
}

// A book is what a pack has of the exercise room's book.
type book struct {
	entries []roombook.Entry
	lines   []line // of the file of texts
}

type line struct {
	raw  []byte
	hash string
	text string
}

func readBook(dir string) (*book, error) {
	if !roombook.Exists(dir) {
		return &book{}, nil
	}
	entries, err := roombook.ReadAll(dir)
	if err != nil {
		return nil, fmt.Errorf("taking something out of the record: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, roombook.TextsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("taking something out of the record: %w", err)
	}
	b := &book{entries: entries}
	for text := range bytes.Lines(raw) {
		var l struct{ SHA256, Text string }
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("reading %q: %w", roombook.TextsName, err)
		}
		b.lines = append(b.lines, line{text, l.SHA256, l.Text})
	}
	return b, nil
}

// check refuses what cannot or should not be taken out.
func check(entries []journal.Entry, b *book, o Options) error {
	if len(o.Entries) == 0 && len(o.Texts) == 0 {
		return refuse("nothing is to be taken out: name entries of the journal (--entry N) or texts of the book (--text N)")
	}
	for _, seq := range o.Entries {
		switch {
		case seq < 1 || seq > int64(len(entries)):
			return refuse("the journal has no entry %d; it has %d", seq, len(entries))
		case entries[seq-1].Kind == journal.KindRedacted:
			return refuse("entry %d was taken out of this copy already", seq)
		case !slices.Contains(Kinds(), entries[seq-1].Kind):
			return refuse("entry %d is a %q, on which checks of the record stand: only %s can be taken out", seq, entries[seq-1].Kind, kindsText())
		}
	}
	for _, seq := range o.Texts {
		switch {
		case len(b.entries) == 0:
			return refuse("the record has no book of the exercise room, and so no texts to take out")
		case seq < 1 || seq > int64(len(b.entries)):
			return refuse("the book has no entry %d; it has %d", seq, len(b.entries))
		case len(saidIn(b.entries[seq-1])) == 0:
			return refuse("entry %d of the book (%s) has no text, or it was taken out already", seq, b.entries[seq-1].Kind)
		}
	}
	if o.Leave {
		return nil
	}
	return elsewhere(entries, b, o)
}

func kindsText() string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// saidIn are the texts of an entry that are still there.
func saidIn(e roombook.Entry) []string {
	var out []string
	for _, t := range roombook.Texts(e.Body) {
		if !t.Redacted() {
			out = append(out, t.Said)
		}
	}
	return out
}

// write fills the folder of the copy.
func write(dir, out string, entries []journal.Entry, b *book, o Options) (*Taken, error) {
	taken, err := copyFiles(dir, out)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for _, e := range entries {
		text := e.Line
		if slices.Contains(o.Entries, e.Seq) {
			text = journal.Redact(e.Seq, e.Line)
		}
		if e.Kind == journal.KindRedacted || slices.Contains(o.Entries, e.Seq) {
			taken.Entries = append(taken.Entries, e.Seq)
		}
		lines.Write(append(text[:len(text):len(text)], '\n'))
	}
	if err := os.WriteFile(filepath.Join(out, journal.FileName), lines.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if err := writeTexts(out, b, o, taken); err != nil {
		return nil, err
	}
	said, err := json.Marshal(taken)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(out, FileName), append(said, '\n'), 0o644); err != nil {
		return nil, err
	}
	return taken, sums(out)
}

// writeTexts writes the texts that stay, in their order.
func writeTexts(out string, b *book, o Options, taken *Taken) error {
	if len(b.entries) == 0 {
		return nil
	}
	gone := map[string]bool{}
	for _, e := range b.entries {
		texts := roombook.Texts(e.Body)
		out := slices.Contains(o.Texts, e.Seq)
		for _, t := range texts {
			if out {
				gone[t.Hash()] = true
			}
		}
		if len(texts) > 0 && (out || slices.ContainsFunc(texts, roombook.Text.Redacted)) {
			taken.Texts = append(taken.Texts, e.Seq)
		}
	}
	var kept bytes.Buffer
	for _, l := range b.lines {
		if !gone[l.hash] {
			kept.Write(l.raw)
		}
	}
	return os.WriteFile(filepath.Join(out, roombook.TextsName), kept.Bytes(), 0o644)
}

// copyFiles copies what stays as it is, and lists the documents that are left out:
// those that the seal names, whether the pack still has them or not.
func copyFiles(dir, out string) (*Taken, error) {
	taken := &Taken{Entries: []int64{}, Files: []string{}, Texts: []int64{}}
	// What an earlier copy left out is still left out.
	if raw, err := os.ReadFile(filepath.Join(dir, FileName)); err == nil {
		var before Taken
		if err := json.Unmarshal(raw, &before); err != nil {
			return nil, fmt.Errorf("reading %q: %w", FileName, err)
		}
		taken.Files = append(taken.Files, before.Files...)
	}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case name == journal.FileName || name == journal.SumsName || name == roombook.TextsName || name == FileName:
			return nil // written anew
		case !d.Type().IsRegular():
			return fmt.Errorf("%q is no plain file", name)
		case slices.ContainsFunc(documents, func(pattern string) bool { is, _ := path.Match(pattern, name); return is }):
			taken.Files = append(taken.Files, name)
			return nil
		}
		octets, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		to := filepath.Join(out, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, octets, 0o644)
	})
	slices.Sort(taken.Files)
	return taken, err
}

// sums writes SHA256SUMS over the copy, so that sha256sum -c works on it too.
func sums(out string) error {
	found := map[string]string{}
	err := filepath.WalkDir(out, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(out, file)
		if err != nil {
			return err
		}
		octets, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(octets)
		found[filepath.ToSlash(rel)] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&text, "%s  %s\n", found[name], name)
	}
	return os.WriteFile(filepath.Join(out, journal.SumsName), []byte(text.String()), 0o644)
}
