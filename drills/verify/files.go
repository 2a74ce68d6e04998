package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smki.example/policy"
)

// The three files that a seal cannot list, because they come after it.
const (
	journalFile    = "journal.jsonl"
	checkpointFile = "checkpoint.txt"
	sumsFile       = "SHA256SUMS"
)

// recordKeyFile is the public half of the record key, for people with openssl.
const recordKeyFile = "keys/record.pub.pem"

// An audit is one walk through one pack. Each step leaves what the next needs;
// a step whose ground did not hold says so and does not guess.
type audit struct {
	dir     string
	options Options
	result  *Result

	files   map[string]string              // name -> SHA-256 in hex, of what lies in the folder
	certs   map[string]*policy.Certificate // read once, by the first step that asks
	entries []entry
	taken   Redacted // out of this copy, as it is found
	head    [32]byte // tree hash over all entries
	heads   map[string]int64
}

// errGround is the reason of a step that stands on one that did not hold.
var errGround = errors.New("not checked, because the journal could not be read")

// sums compares the folder with SHA256SUMS, both ways: every file listed is
// there with its hash, and every file there is listed. There is one right text
// for a folder, names in order, so that not an octet of the list is free.
func (a *audit) sums() (string, error) {
	found, err := a.hashFolder()
	if err != nil {
		return "", err
	}
	a.files = found
	text, err := os.ReadFile(filepath.Join(a.dir, sumsFile))
	if err != nil {
		return "", fmt.Errorf("%s is missing: this pack was never sealed, or the file was taken away", sumsFile)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		listed[name] = sum
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		switch got, there := found[name]; {
		case !there:
			return "", fmt.Errorf("%q is listed in %s and missing", name, sumsFile)
		case got != listed[name]:
			return "", fmt.Errorf("%q was changed: its SHA-256 is not the one listed", name)
		}
	}
	var right strings.Builder
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, is := listed[name]; !is && name != sumsFile {
			return "", fmt.Errorf("%q lies in the pack and is not listed", name)
		}
		if name != sumsFile {
			fmt.Fprintf(&right, "%s  %s\n", found[name], name)
		}
	}
	if right.String() != string(text) {
		return "", fmt.Errorf("%s is not the list of this folder, name by name in order", sumsFile)
	}
	return fmt.Sprintf("%d files, none missing, none added", len(listed)), nil
}

// hashFolder hashes every plain file; anything else in the folder is an error,
// since a link could show a reader another file than the one that was sealed. So
// is an empty folder, which no sum and no seal could cover.
func (a *audit) hashFolder() (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(a.dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			inside, err := os.ReadDir(path)
			if err == nil && len(inside) == 0 && name != "." {
				return fmt.Errorf("%q is an empty folder, which belongs to no pack", name)
			}
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%q is no plain file", name)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)] = hexSum(content)
		return nil
	})
	return found, err
}

// seal compares the folder with the journal's last entry. The checksums bind
// the files to a list that anyone can write anew; the seal binds them to the
// head.
func (a *audit) seal() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	last := a.entries[len(a.entries)-1]
	if last.Kind != "seal" {
		return "", fmt.Errorf("the last entry is a %q and no seal: the drill broke off, or its end was cut", last.Kind)
	}
	for _, e := range a.entries[:len(a.entries)-1] {
		if e.Kind == "seal" {
			return "", fmt.Errorf("entry %d is a seal with entries after it", e.Seq)
		}
	}
	var body struct {
		Files []struct {
			Name   string `json:"name"`
			SHA256 string `json:"sha256"`
		} `json:"files"`
	}
	if err := json.Unmarshal(last.Body, &body); err != nil {
		return "", fmt.Errorf("entry %d: the seal cannot be read: %v", last.Seq, err)
	}
	sealed := map[string]bool{}
	for _, f := range body.Files {
		switch got, there := a.files[f.Name]; {
		case sealed[f.Name]:
			return "", fmt.Errorf("the seal lists %q twice", f.Name)
		case f.Name == redactedFile:
			return "", fmt.Errorf("%q was sealed, and nothing that was sealed lacks anything", f.Name)
		case f.Name == textsFile && there && got != f.SHA256 && a.copied():
			// What is left of it is held against the book, line by line.
		case !there && document(f.Name) && a.copied():
			a.taken.Files = append(a.taken.Files, f.Name)
		case !there:
			return "", fmt.Errorf("%q was sealed and is missing", f.Name)
		case got != f.SHA256:
			return "", fmt.Errorf("%q is not the file that was sealed", f.Name)
		}
		sealed[f.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		if !sealed[name] && name != redactedFile && name != journalFile && name != checkpointFile && name != sumsFile {
			return "", fmt.Errorf("%q came after the seal", name)
		}
	}
	return fmt.Sprintf("%d files bound to the journal", len(sealed)-len(a.taken.Files)), nil
}

// named returns the files whose names begin with prefix and end with suffix.
func (a *audit) named(prefix, suffix string) []string {
	var names []string
	for name := range a.files {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *audit) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(a.dir, filepath.FromSlash(name)))
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
