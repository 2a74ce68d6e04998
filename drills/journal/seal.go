package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"time"

	"smki.example/drills/words"
)

// Names of the files beside the journal that a seal cannot list, because they
// come after it.
const (
	CheckpointName = "checkpoint.txt"
	SumsName       = "SHA256SUMS"
)

// Checkpoint returns the signed note over the present head: the lines
// `drill-record/<run id>`, the number of entries, the tree hash in base64 and
// `words <the words>`, signed by the record key.
func (j *Journal) Checkpoint() ([]byte, error) {
	tree := j.Head()
	text := fmt.Sprintf("%s/%s\n%d\n%s\nwords %s\n", SignerName, j.runID, tree.N,
		base64.StdEncoding.EncodeToString(tree.Hash[:]), words.Of(tree.Hash[:]))
	return j.key.Note(text)
}

// WriteCheckpoint puts the checkpoint at path in one step. It may be called at
// any time, as often as wanted: a drill that dies then leaves a signed head over
// what it had done.
func (j *Journal) WriteCheckpoint(path string) error {
	b, err := j.Checkpoint()
	if err != nil {
		return fmt.Errorf("writing checkpoint %q: %w", path, err)
	}
	if err := writeFile(path, b, 0o644); err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	return nil
}

// Seal closes the pack in the journal's folder: it appends the seal, which lists
// every file under that folder with its SHA-256, writes checkpoint.txt and
// SHA256SUMS, and closes the journal. Call it when the report, the summary and
// every other file are in place; a file that changes afterwards breaks the seal.
// Links and other things that are not plain files are refused by name.
//
// If it fails the journal stays open and unsealed, or is sealed without its
// checkpoint; a pack in either state does not verify.
func (j *Journal) Seal(at time.Duration) error {
	dir := filepath.Dir(j.path)
	if base := filepath.Base(j.path); base != FileName {
		return fmt.Errorf("sealing %q: the journal of a pack is called %q, not %q", dir, FileName, base)
	}
	files, err := listFiles(dir)
	if err != nil {
		return fmt.Errorf("sealing %q: %w", dir, err)
	}
	if _, _, err := j.Append(KindSeal, at, Seal{Files: files}); err != nil {
		return fmt.Errorf("sealing %q: %w", dir, err)
	}
	if err := j.WriteCheckpoint(filepath.Join(dir, CheckpointName)); err != nil {
		return err
	}
	for _, name := range []string{FileName, CheckpointName} {
		sum, err := hashFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("sealing %q: %w", dir, err)
		}
		files = append(files, SealedFile{Name: name, SHA256: sum})
	}
	sort.Slice(files, func(a, b int) bool { return files[a].Name < files[b].Name })
	var sums bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, f.Name)
	}
	if err := writeFile(filepath.Join(dir, SumsName), sums.Bytes(), 0o644); err != nil {
		return fmt.Errorf("sealing %q: %w", dir, err)
	}
	return j.Close()
}

// plainName keeps SHA256SUMS to one reading: sha256sum escapes other names.
var plainName = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)

// listFiles returns every file under dir but the journal and what comes after
// the seal, by name with forward slashes, in order.
func listFiles(dir string) ([]SealedFile, error) {
	files := []SealedFile{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if name == FileName || name == CheckpointName || name == SumsName {
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%q is not a plain file: remove it from the pack", name)
		}
		if !plainName.MatchString(name) {
			return fmt.Errorf("%q: use letters, digits, dots, hyphens and underscores in the names of a pack", name)
		}
		sum, err := hashFile(path)
		if err != nil {
			return err
		}
		files = append(files, SealedFile{Name: name, SHA256: sum})
		return nil
	})
	sort.Slice(files, func(a, b int) bool { return files[a].Name < files[b].Name })
	return files, err
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
