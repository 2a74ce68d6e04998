// Package journal keeps the record of a drill.
//
// A journal is evidence, so it is written as the drill happens and not when it
// ends: [Journal.Append] returns when the entry is on disk, and whoever runs a
// drill appends before each step begins. A journal that stops in the middle of
// a step therefore says that the drill died there. Once a write has failed the
// journal refuses everything after it: a record with a hole is no record.
//
// Entries are lines of canonical JSON chained by hash; the lines are also the
// leaves of a tree (golang.org/x/mod/sumdb/tlog), whose head is signed with the
// record key of the installation and shown as words (package drills/words).
// Chain and tree make an edit, a gap or a lost tail visible. They do not make
// them impossible: whoever holds the file and the key can rewrite all of it,
// which is why the words belong into the minutes and the fingerprint of the key
// outside the pack.
//
// Two verdicts stand in a journal and are never mixed. Outcome says whether the
// drill ran to its end, finding says whether the system held.
//
// Start with [Create] and [Journal.Append]; [Journal.Seal] closes a pack;
// [Read] reads a journal back, [Masked] makes two runs comparable, [LoadKey]
// finds or makes the record key. The bodies of the entries that the engine
// writes are the types in body.go. The independent checker, drills/verify,
// shares no code with this package on purpose.
package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"smki.example/drills/words"
)

// FileName is the name of the journal in an evidence pack.
const FileName = "journal.jsonl"

// Config is what a journal needs to be made.
type Config struct {
	// Key signs checkpoints; see [LoadKey]. Required.
	Key *Key
	// RunID names the run in the checkpoint's first line. Letters, digits,
	// dots and hyphens; required.
	RunID string
	// Clock gives the wall time of entries. Required.
	Clock func() time.Time
}

// A Journal is an open record. All methods may be called concurrently.
type Journal struct {
	key   *Key
	runID string
	clock func() time.Time
	path  string

	mu     sync.Mutex
	file   *os.File
	err    error       // the write that failed, or ErrClosed; sticky
	seq    int64       // entries on disk
	prev   string      // hex SHA-256 of the last line
	hashes []tlog.Hash // stored hashes of the tree, as tlog numbers them
}

// ErrClosed is returned by Append after Close or Seal.
var ErrClosed = errors.New("the journal is closed")

// Create makes the journal file at path, which must not exist, and puts its
// name on disk before it returns.
//
// Trust: whoever can write this file can cut off its end or rewrite it; the
// words read into the minutes are what shows it. It holds no secret.
func Create(path string, c Config) (*Journal, error) {
	switch {
	case c.Key == nil:
		return nil, fmt.Errorf("creating journal %q: Config.Key is missing", path)
	case c.Clock == nil:
		return nil, fmt.Errorf("creating journal %q: Config.Clock is missing", path)
	case !validRunID(c.RunID):
		return nil, fmt.Errorf("creating journal %q: Config.RunID %q: use letters, digits, dots and hyphens", path, c.RunID)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating journal: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		f.Close()
		return nil, fmt.Errorf("creating journal %q: %w", path, err)
	}
	return &Journal{key: c.Key, runID: c.RunID, clock: c.Clock, path: path, file: f, prev: noPrev}, nil
}

// Append writes one entry and returns its number, counted from 1, and its hash
// once it is on disk. at is scenario time; v becomes the body and must encode as
// a JSON object.
//
// If v cannot be encoded nothing is written and the journal stays usable. Any
// other error is final: part of a line may be on disk, so every later call
// returns the same error.
func (j *Journal) Append(kind Kind, at time.Duration, v any) (seq int64, hash string, err error) {
	seq, hash, _, err = j.append(kind, at, v)
	return seq, hash, err
}

func (j *Journal) append(kind Kind, at time.Duration, v any) (seq int64, hash string, line []byte, err error) {
	body, err := Canonical(v)
	if err != nil {
		return 0, "", nil, fmt.Errorf("appending %q: %w", kind, err)
	}
	if body[0] != '{' {
		return 0, "", nil, fmt.Errorf("appending %q: journal: internal error: the body is not an object", kind)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, "", nil, fmt.Errorf("appending %q: %w", kind, j.err)
	}
	e := Entry{Seq: j.seq + 1, Prev: j.prev, At: at, Wall: j.clock().UTC(), Kind: kind, Body: body}
	line, hash, err = e.encode()
	if err != nil {
		return 0, "", nil, fmt.Errorf("appending %q: %w", kind, err)
	}
	if len(line) > maxLine {
		return 0, "", nil, fmt.Errorf("appending %q: an entry of %d octets is above the limit of %d", kind, len(line), maxLine)
	}
	stored, err := tlog.StoredHashes(j.seq, line, tlog.HashReaderFunc(j.readHashesLocked))
	if err != nil {
		return 0, "", nil, fmt.Errorf("appending %q: %w", kind, err)
	}
	if _, err := j.file.Write(append(bytes.Clone(line), '\n')); err != nil {
		j.err = fmt.Errorf("writing journal %q: %w", j.path, err)
		return 0, "", nil, j.err
	}
	if err := j.file.Sync(); err != nil {
		j.err = fmt.Errorf("syncing journal %q: %w", j.path, err)
		return 0, "", nil, j.err
	}
	sum := sha256.Sum256(line)
	j.prev = hex.EncodeToString(sum[:])
	j.hashes = append(j.hashes, stored...)
	j.seq++
	return j.seq, hash, line, nil
}

// Signed is an entry together with its line as a note signed by the record key.
type Signed struct {
	Seq  int64
	Hash string
	Line []byte // as on disk, without the line end
	Note []byte
}

// AppendSigned is Append for an entry that must speak for itself elsewhere, as a
// decision does where it opens a key. The entry is on disk before it is signed.
func (j *Journal) AppendSigned(kind Kind, at time.Duration, v any) (Signed, error) {
	seq, hash, line, err := j.append(kind, at, v)
	if err != nil {
		return Signed{}, err
	}
	signed, err := j.key.Note(string(line))
	if err != nil {
		return Signed{}, fmt.Errorf("signing entry %d: %w", seq, err)
	}
	return Signed{Seq: seq, Hash: hash, Line: line, Note: signed}, nil
}

// Head returns the number of entries and the hash over all of them.
func (j *Journal) Head() tlog.Tree {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.headLocked()
}

// Words returns the head as words, for the minutes.
func (j *Journal) Words() string {
	h := j.Head().Hash
	return words.Of(h[:])
}

// Key returns the record key that signs this journal's checkpoints.
func (j *Journal) Key() *Key { return j.key }

// RunID returns the name of the run.
func (j *Journal) RunID() string { return j.runID }

// Close closes the file without a seal: what a drill that died leaves behind.
// It does nothing after a Close or a Seal.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.err, ErrClosed) {
		return nil
	}
	j.err = ErrClosed
	return j.file.Close()
}

// headLocked needs mu. Reading hashes that are in memory cannot fail.
func (j *Journal) headLocked() tlog.Tree {
	h, err := tlog.TreeHash(j.seq, tlog.HashReaderFunc(j.readHashesLocked))
	if err != nil {
		panic("journal: internal error: " + err.Error())
	}
	return tlog.Tree{N: j.seq, Hash: h}
}

// readHashesLocked needs mu.
func (j *Journal) readHashesLocked(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(j.hashes)) {
			return nil, fmt.Errorf("hash %d of %d is not stored", x, len(j.hashes))
		}
		out[i] = j.hashes[x]
	}
	return out, nil
}

func validRunID(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-') {
			return false
		}
	}
	return true
}

// writeFile puts b at path in one step: a reader sees the old file or the new
// one, also after a loss of power.
func writeFile(path string, b []byte, mode os.FileMode) error {
	tmp, err := tempFile(filepath.Dir(path), b, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// tempFile writes b to a new, synced file in dir and returns its name.
func tempFile(dir string, b []byte, mode os.FileMode) (name string, err error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := f.Write(b); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// trimLine cuts the line end.
func trimLine(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\n")) }
