package verify

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// redactedFile says of a copy what was taken out of it. There is one right text,
// and the copy decides it.
const redactedFile = "redacted.json"

// redactedKind stands for the kind of an entry that was taken out.
const redactedKind = "redacted"

// Redacted is what was taken out of a copy of a record. It cannot have been
// changed first: entries are leaves of the tree under the head, texts are committed
// to in the book, files are in the seal.
type Redacted struct {
	Entries []int64  `json:"entries"` // of the journal
	Files   []string `json:"files"`
	Texts   []int64  `json:"texts"` // entries of the book that lack a text
}

// said is how much was taken out, in words.
func (r *Redacted) said() string {
	return "taken out of this copy, and cannot have been changed: " + r.list()
}

// list names what there is of entries, texts and files.
func (r *Redacted) list() string {
	var out []string
	if n := len(r.Entries); n > 0 {
		out = append(out, entriesText(n)+" of the journal")
	}
	if n := len(r.Texts); n > 0 {
		out = append(out, "texts of "+entriesText(n)+" of the book")
	}
	if n := len(r.Files); n == 1 {
		out = append(out, "1 file")
	} else if n > 1 {
		out = append(out, fmt.Sprintf("%d files", n))
	}
	if n := len(out); n > 1 {
		out = append(out[:n-2:n-2], out[n-2]+" and "+out[n-1])
	}
	return strings.Join(out, ", ")
}

func entriesText(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

var redactedText = regexp.MustCompile(`^\{"seq":([1-9][0-9]{0,17}),"redacted":"([0-9a-f]{64})"\}$`)

// takenOut reads a line that stands in a copy for an entry: its number and its leaf
// in the tree.
func takenOut(line []byte) (e entry, leaf tlog.Hash, is bool) {
	m := redactedText.FindSubmatch(line)
	if m == nil {
		return entry{}, leaf, false
	}
	seq, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return entry{}, leaf, false
	}
	raw, err := hex.DecodeString(string(m[2]))
	if err != nil {
		return entry{}, leaf, false
	}
	copy(leaf[:], raw)
	return entry{Seq: seq, Kind: redactedKind, Body: json.RawMessage(`{}`)}, leaf, true
}

// gone says whether an entry was taken out of this copy.
func (a *audit) gone(seq int64) bool {
	return seq >= 1 && seq <= int64(len(a.entries)) && a.entries[seq-1].Kind == redactedKind
}

// documents are the files of a pack that are made from the rest and say again what
// it says: those alone a copy may lack.
var documents = []string{
	"report.html", "minutes.html", "minutes.pdf", "after-action.html", "after-action.pdf", "plan.csv", "risks.csv", "ratings.csv", "survey.csv", "before/*/*", textsFile,
}

func document(name string) bool {
	return slices.ContainsFunc(documents, func(pattern string) bool {
		is, err := path.Match(pattern, name)
		return err == nil && is
	})
}

// redacted says what was taken out, and holds redacted.json against it. A whole
// record has no such file, and lacks nothing.
func (a *audit) redacted() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	found := a.taken
	for _, e := range a.entries {
		if e.Kind == redactedKind {
			found.Entries = append(found.Entries, e.Seq)
		}
	}
	slices.Sort(found.Files)
	none := len(found.Entries) == 0 && len(found.Files) == 0 && len(found.Texts) == 0
	raw, err := a.read(redactedFile)
	switch {
	case err != nil && none:
		return "nothing was taken out", nil
	case err != nil:
		return "", fmt.Errorf("%s, and %s does not say so", lacks(found), redactedFile)
	case none:
		return "", fmt.Errorf("%s lies in the pack, and nothing was taken out of it", redactedFile)
	}
	right, err := json.Marshal(Redacted{listed(found.Entries), listed(found.Files), listed(found.Texts)})
	if err != nil {
		return "", err
	}
	if string(raw) != string(right)+"\n" {
		return "", fmt.Errorf("%s does not say what was taken out: %s", redactedFile, lacks(found))
	}
	if err := a.countedFindings(); err != nil {
		return "", err
	}
	a.result.Redacted = &found
	return found.said(), nil
}

// countedFindings holds what had to hold against how much of it the outcome counts,
// so that nobody takes out the finding that does not suit him.
func (a *audit) countedFindings() error {
	found, missed := 0, 0
	for _, e := range a.entries {
		switch e.Kind {
		case "finding", "closing":
			found++
		case "steady":
			var b struct {
				When string `json:"when"`
			}
			if err := json.Unmarshal(e.Body, &b); err != nil {
				return fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			if b.When == "after" {
				found++
			}
		case "missed":
			missed++
		case "outcome":
			var b struct {
				Held    int `json:"held"`
				NotHeld int `json:"not_held"`
				Missed  int `json:"missed"`
			}
			if err := json.Unmarshal(e.Body, &b); err != nil {
				return fmt.Errorf("entry %d: %v", e.Seq, err)
			}
			if found != b.Held+b.NotHeld || missed != b.Missed {
				return fmt.Errorf("the outcome counts %d things that had to hold and %d missed, this copy has %d and %d: a finding was taken out, and may not be", b.Held+b.NotHeld, b.Missed, found, missed)
			}
		}
	}
	return nil
}

// listed is a list that JSON writes as one, empty or not.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func lacks(r Redacted) string { return "this record lacks " + r.list() }

// copied says whether the folder calls itself a copy of which something was taken
// out; whether it is right is for redacted to say.
func (a *audit) copied() bool {
	_, is := a.files[redactedFile]
	return is
}
