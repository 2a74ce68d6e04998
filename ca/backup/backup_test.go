package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/backup"
	"smki.example/ca/store"
)

// world is a small ledger, with a log of some records, and somebody to back it up for.
type world struct {
	store    *store.Store
	key      ed25519.PrivateKey
	log      *audit.Log
	identity *age.X25519Identity
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var w world
	var err error
	w.store, err = store.Open(t.Context(), store.Config{URL: filepath.Join(t.TempDir(), "smki.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	_, w.key, err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	w.log, err = audit.Open(audit.Config{Store: w.store, Key: w.key})
	require.NoError(t, err)
	w.identity, err = age.GenerateX25519Identity()
	require.NoError(t, err)
	w.append(t, w.store, 3)
	return &w
}

func (w *world) append(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for range n {
		require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
			_, err := audit.Append(t.Context(), tx, audit.Event{Kind: "test", At: time.Now(), By: "test", Body: "x"})
			return err
		}))
	}
}

// write makes a backup with one file beside the database.
func (w *world) write(t *testing.T) ([]byte, *backup.Manifest) {
	t.Helper()
	extra := filepath.Join(t.TempDir(), "extra")
	require.NoError(t, os.WriteFile(extra, []byte("extra"), 0o640))
	var out bytes.Buffer
	m, err := backup.Write(t.Context(), &out, backup.Config{Store: w.store, LogKey: w.key, Environment: "exercise",
		Recipients: []age.Recipient{w.identity.Recipient()}, Files: map[string]string{"ca/extra": extra}, Scratch: t.TempDir()})
	require.NoError(t, err)
	return out.Bytes(), m
}

func (w *world) extract(t *testing.T, b []byte) (string, *backup.Manifest, error) {
	t.Helper()
	dir := t.TempDir()
	m, _, err := backup.Extract(t.Context(), bytes.NewReader(b), []age.Identity{w.identity}, dir, nil)
	return dir, m, err
}

// restored opens what was extracted, held.
func (w *world) restored(t *testing.T, b []byte) (*store.Store, *backup.Hold, backup.Book) {
	t.Helper()
	dir, m, err := w.extract(t, b)
	require.NoError(t, err)
	s, err := store.Open(t.Context(), store.Config{URL: filepath.Join(dir, backup.Database)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, backup.Check(t.Context(), s), "nothing is held before Place")
	require.NoError(t, backup.Place(t.Context(), s, m, time.Now()))
	h, err := backup.Held(t.Context(), s)
	require.NoError(t, err)
	require.NotNil(t, h)
	log, err := audit.Open(audit.Config{Store: s, Key: w.key})
	require.NoError(t, err)
	return s, h, backup.Book{Store: s, Log: log}
}

func TestWriteAndExtract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, m := w.write(t)
	require.EqualValues(t, 3, m.Log.Size)
	require.NotContains(t, string(b), "SQLite format 3", "it is encrypted")
	dir, got, err := w.extract(t, b)
	require.NoError(t, err)
	require.Equal(t, m.ID, got.ID)
	extra, err := os.ReadFile(filepath.Join(dir, "ca", "extra"))
	require.NoError(t, err)
	require.Equal(t, "extra", string(extra))
	info, err := os.Stat(filepath.Join(dir, "ca", "extra"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())

	kept := ""
	_, held, err := backup.Extract(t.Context(), bytes.NewReader(b), []age.Identity{w.identity}, t.TempDir(), func(name string) bool { kept = name; return name == "ca/extra" })
	require.NoError(t, err)
	require.Equal(t, "ca/extra", kept)
	require.Equal(t, "extra", string(held["ca/extra"]))
}

// Cut off anywhere, or with an octet changed anywhere, a backup is none.
func TestDamagedBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.write(t)
	for _, share := range []int{0, 1, 2, 10, 50, 90, 99} {
		_, _, err := w.extract(t, b[:len(b)*share/100])
		require.Error(t, err, "cut at %d %%", share)
		changed := bytes.Clone(b)
		changed[len(b)*share/100] ^= 1
		_, _, err = w.extract(t, changed)
		require.Error(t, err, "changed at %d %%", share)
	}
	_, _, err := w.extract(t, b[:len(b)-1])
	require.Error(t, err)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	_, _, err = backup.Extract(t.Context(), bytes.NewReader(b), []age.Identity{other}, t.TempDir(), nil)
	require.ErrorContains(t, err, "none of the identities opens it")
}

type entry struct {
	name, content string
	link          bool
}

// pack makes an archive as somebody may who has a recipient, which is public.
func (w *world) pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	sealed, err := age.Encrypt(&out, w.identity.Recipient())
	require.NoError(t, err)
	tw := tar.NewWriter(sealed)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.content))}
		if e.link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0
		}
		require.NoError(t, tw.WriteHeader(h))
		if !e.link {
			_, err = io.WriteString(tw, e.content)
			require.NoError(t, err)
		}
	}
	require.NoError(t, tw.Close())
	require.NoError(t, sealed.Close())
	return out.Bytes()
}

func manifest(t *testing.T, names ...string) string {
	t.Helper()
	m := backup.Manifest{Version: 1, ID: "1"}
	for _, name := range names {
		sum := sha256.Sum256([]byte("x"))
		m.Files = append(m.Files, backup.File{Name: name, Size: 1, SHA256: hex.EncodeToString(sum[:]), Mode: 0o600})
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return string(b)
}

func TestForgedArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"no manifest", []entry{{name: "smki.db", content: "x"}}, `"smki.db" comes where "manifest.json" should`},
		{"nothing", nil, `it ends where "manifest.json" should come`},
		{"a name that leads out", []entry{{name: "manifest.json", content: manifest(t, "smki.db", "../x")}}, `"../x" is no name of a file in a home`},
		{"an absolute name", []entry{{name: "manifest.json", content: manifest(t, "smki.db", "/x")}}, "no name of a file"},
		{"a name twice", []entry{{name: "manifest.json", content: manifest(t, "smki.db", "smki.db")}}, "in it twice"},
		{"no database", []entry{{name: "manifest.json", content: manifest(t, "x")}}, "the first file is not the database"},
		{"another content", []entry{{name: "manifest.json", content: manifest(t, "smki.db")}, {name: "smki.db", content: "y"}}, "was changed"},
		{"another size", []entry{{name: "manifest.json", content: manifest(t, "smki.db")}, {name: "smki.db", content: "xy"}}, "has 2 octets, and its manifest says 1"},
		{"a link", []entry{{name: "manifest.json", content: manifest(t, "smki.db")}, {name: "smki.db", link: true}}, `comes where "smki.db" should`},
		{"a file too few", []entry{{name: "manifest.json", content: manifest(t, "smki.db")}}, `it ends where "smki.db" should come`},
		{"a file too many", []entry{{name: "manifest.json", content: manifest(t, "smki.db")}, {name: "smki.db", content: "x"}, {name: "z", content: "x"}}, "something follows the last file"},
		{"an unknown word", []entry{{name: "manifest.json", content: `{"backup":1,"more":2}`}}, "unknown field"},
		{"another version", []entry{{name: "manifest.json", content: `{"backup":2}`}}, "version 2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := w.extract(t, w.pack(t, row.entries...))
			require.ErrorContains(t, err, row.want)
		})
	}
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scratch := t.TempDir()
	cfg := backup.Config{Store: w.store, LogKey: w.key, Recipients: []age.Recipient{w.identity.Recipient()}, Scratch: scratch}
	full := errors.New("no space left")
	_, err := backup.Write(t.Context(), failing{full}, cfg)
	require.ErrorIs(t, err, full)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = backup.Write(ended, io.Discard, cfg)
	require.Error(t, err)
	missing := cfg
	missing.Files = map[string]string{"gone": filepath.Join(scratch, "gone")}
	_, err = backup.Write(t.Context(), io.Discard, missing)
	require.ErrorIs(t, err, os.ErrNotExist)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("/etc/passwd", link))
	missing.Files = map[string]string{"link": link}
	_, err = backup.Write(t.Context(), io.Discard, missing)
	require.ErrorContains(t, err, "no regular file")
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left, "no copy of the database stays behind")
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A checkpoint that was kept outside decides whether a restored log is the last one.
func TestHoldAgainstCheckpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early, err := w.log.Checkpoint(t.Context())
	require.NoError(t, err)
	b, _ := w.write(t)
	w.append(t, w.store, 2)
	late, err := w.log.Checkpoint(t.Context())
	require.NoError(t, err)

	s, h, book := w.restored(t, b)
	require.ErrorIs(t, backup.Check(t.Context(), s), ca.ErrRefused)
	found, err := backup.Compare(t.Context(), book, h, backup.Evidence{Checkpoints: [][]byte{late.Note}})
	require.NoError(t, err)
	require.True(t, found.Behind())
	require.Contains(t, found.Says(), "missing are records 3 to 4")
	require.ErrorIs(t, backup.Release(t.Context(), s, h, found, "test", time.Now()), ca.ErrRefused)

	// What the restored CA appends itself is no evidence: five records are not the five.
	w.append(t, s, 2)
	found, err = backup.Compare(t.Context(), book, h, backup.Evidence{Checkpoints: [][]byte{late.Note}})
	require.NoError(t, err)
	require.True(t, found.Behind())

	found, err = backup.Compare(t.Context(), book, h, backup.Evidence{Checkpoints: [][]byte{early.Note}})
	require.NoError(t, err)
	require.True(t, found.Settled())
	require.NoError(t, backup.Release(t.Context(), s, h, found, "test", time.Now()))
	require.NoError(t, backup.Check(t.Context(), s))
	require.ErrorIs(t, backup.Release(t.Context(), s, h, found, "test", time.Now()), ca.ErrConflict)

	// Restored a second time from a backup of its own, it is held again.
	require.NoError(t, backup.Place(t.Context(), s, &backup.Manifest{ID: "2"}, time.Now()))
	require.ErrorIs(t, backup.Check(t.Context(), s), ca.ErrRefused)
}

// A checkpoint that the log should contain and contradicts is another history.
func TestHoldAgainstAnotherHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.write(t)
	other := newWorld(t)
	log, err := audit.Open(audit.Config{Store: other.store, Key: w.key})
	require.NoError(t, err)
	forged, err := log.Checkpoint(t.Context())
	require.NoError(t, err)
	_, h, book := w.restored(t, b)
	_, err = backup.Compare(t.Context(), book, h, backup.Evidence{Checkpoints: [][]byte{forged.Note}})
	require.ErrorIs(t, err, audit.ErrTampered)
	strange, err := other.log.Checkpoint(t.Context())
	require.NoError(t, err)
	_, err = backup.Compare(t.Context(), book, h, backup.Evidence{Checkpoints: [][]byte{strange.Note}})
	require.ErrorContains(t, err, "reading audit checkpoint")
}

func FuzzExtract(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(f, err)
	f.Add([]byte("manifest.json"), []byte("{}"))
	f.Add([]byte("smki.db"), []byte(`{"backup":1,"files":[{"name":"smki.db"}]}`))
	f.Fuzz(func(t *testing.T, name, content []byte) {
		var out bytes.Buffer
		sealed, err := age.Encrypt(&out, identity.Recipient())
		require.NoError(t, err)
		tw := tar.NewWriter(sealed)
		if tw.WriteHeader(&tar.Header{Name: string(name), Size: int64(len(content)), Mode: 0o600}) != nil {
			return
		}
		tw.Write(content)
		tw.Close()
		sealed.Close()
		dir := t.TempDir()
		_, _, err = backup.Extract(t.Context(), &out, []age.Identity{identity}, dir, nil)
		require.Error(t, err, "one entry is no backup")
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
