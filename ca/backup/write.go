package backup

import (
	"archive/tar"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// Config says what a backup is made of.
type Config struct {
	Store       *store.Store
	LogKey      ed25519.PrivateKey // of the audit log, which is signed as it stands in the copy
	Environment string
	// Recipients can read the backup; at least one.
	Recipients []age.Recipient
	// Files are copied as they are: the name that each has in the backup, with
	// slashes, and the path where it is. They must not change meanwhile.
	Files map[string]string
	// Scratch is an empty folder on a disk that may hold the ledger unencrypted, with
	// room for the database. What Write puts there is gone when it returns.
	Scratch string
	Clock   func() time.Time // nil: time.Now
}

// Write writes a backup to w and returns its manifest. The database may be written
// meanwhile, by any number of processes; the copy is of one moment. After an error
// what was written is no backup, and [Extract] finds that out by itself.
func Write(ctx context.Context, w io.Writer, cfg Config) (*Manifest, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("backing up: Store is missing")
	case len(cfg.Recipients) == 0:
		return nil, errors.New("backing up: there is no recipient")
	case cfg.Scratch == "":
		return nil, errors.New("backing up: Scratch is missing")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	m, err := write(ctx, w, cfg)
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	return m, nil
}

func write(ctx context.Context, w io.Writer, cfg Config) (*Manifest, error) {
	m := &Manifest{Version: version, TakenAt: cfg.Clock().UTC(), Environment: cfg.Environment, Lists: []List{}}
	var id [8]byte
	rand.Read(id[:])
	m.ID = hex.EncodeToString(id[:])

	// 1. The database, at one moment, and what it says of itself.
	dir := filepath.Join(cfg.Scratch, "snapshot")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, Database)
	if err := cfg.Store.Snapshot(ctx, copied); err != nil {
		return nil, err
	}
	if err := m.describe(ctx, copied, cfg.LogKey); err != nil {
		return nil, fmt.Errorf("looking at the copy: %w", err)
	}

	// 2. Sums, before the first octet goes out, because the manifest goes first.
	m.Files = append(m.Files, File{Name: Database, from: copied})
	for _, name := range slices.Sorted(maps.Keys(cfg.Files)) {
		m.Files = append(m.Files, File{Name: name, from: cfg.Files[name]})
	}
	for n := range m.Files {
		if err := m.Files[n].measure(ctx); err != nil {
			return nil, err
		}
	}

	// 3. Out.
	return m, m.send(ctx, w, cfg.Recipients)
}

// describe signs the head of the copied log and reads the numbers of the lists.
func (m *Manifest) describe(ctx context.Context, path string, key ed25519.PrivateKey) (err error) {
	s, err := store.Open(ctx, store.Config{URL: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	log, err := audit.Open(audit.Config{Store: s, Key: key})
	if err != nil {
		return err
	}
	c, err := log.Checkpoint(ctx)
	if err != nil {
		return err
	}
	m.Log = LogHead{Size: c.Size, Head: c.Hash.String(), Note: string(c.Note)}
	return s.Read(ctx, func(tx store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM certificate), (SELECT COUNT(*) FROM revocation)`).Scan(&m.Certificates, &m.Revocations)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT issuer, MAX(number) FROM crl GROUP BY issuer UNION ALL SELECT issuer, MAX(number) FROM iki_crl GROUP BY issuer ORDER BY issuer`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l List
			if err := rows.Scan(&l.Issuer, &l.Number); err != nil {
				return err
			}
			m.Lists = append(m.Lists, l)
		}
		return rows.Err()
	})
}

func (f *File) measure(ctx context.Context) error {
	info, err := os.Lstat(f.from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is no regular file", f.from)
	}
	file, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer file.Close()
	h := sha256.New()
	if f.Size, err = io.Copy(h, reader{ctx, file}); err != nil {
		return err
	}
	f.SHA256, f.Mode = hex.EncodeToString(h.Sum(nil)), uint32(info.Mode().Perm())
	return f.check()
}

// reader ends a long copy with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

func (m *Manifest) send(ctx context.Context, w io.Writer, recipients []age.Recipient) error {
	sealed, err := age.Encrypt(w, recipients...)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	t := tar.NewWriter(sealed)
	text, err := m.encode()
	if err != nil {
		return err
	}
	if err := sendFile(t, File{Name: manifestFile, Size: int64(len(text)), Mode: 0o600}, m.TakenAt, strings.NewReader(string(text))); err != nil {
		return err
	}
	for _, f := range m.Files {
		file, err := os.Open(f.from)
		if err != nil {
			return err
		}
		h := sha256.New()
		err = sendFile(t, f, m.TakenAt, io.TeeReader(reader{ctx, file}, h))
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		if hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			return fmt.Errorf("file %q changed while it was copied", f.Name)
		}
	}
	return errors.Join(t.Close(), sealed.Close())
}

func sendFile(t *tar.Writer, f File, at time.Time, content io.Reader) error {
	err := t.WriteHeader(&tar.Header{Name: f.Name, Size: f.Size, Mode: int64(f.Mode), ModTime: at.Truncate(time.Second), Format: tar.FormatPAX})
	if err == nil {
		// One octet more than the manifest says is an error of the archive.
		_, err = io.Copy(t, content)
	}
	if err != nil {
		return fmt.Errorf("copying %q: %w", f.Name, err)
	}
	return nil
}
