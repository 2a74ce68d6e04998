package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// A Publication asks for a file.
type Publication struct {
	Kind FileKind
	By   string // who asks
	// Progress, if not nil, hears how many of the certificates are written.
	Progress func(done, of int64)
}

// staleAfter is how old a temporary file must be to belong to nobody any more. A
// full file of ten million certificates takes minutes.
const staleAfter = 24 * time.Hour

// Publish makes a file and returns it once it is on disk and recorded.
//
// What the file covers is committed before it is begun. From then on the content is
// settled: rows of the ledger do not change, and the status of a certificate is taken
// from the revocations up to the file's bound and not from the row. So whoever finds
// an unfinished file, after a crash, makes the same one, and the delta after it begins
// where it ends; and two processes that make it at once make the same. It gets its
// name when it is whole (written beside, synced, renamed), what stands beside it
// first; a reader of the folder never sees half of it. Last it is recorded as
// published, with its digest and an audit record, and [Repository.Handler] gives it.
//
// An unfinished file of the kind is finished before anything new is begun, and is
// then what is returned. If only the removal of old files failed, the new one is
// returned with the error.
func (r *Repository) Publish(ctx context.Context, p Publication) (*File, error) {
	switch {
	case r.Directory == "":
		return nil, fmt.Errorf("publishing a file: Directory is not set: say where files go: %w", ca.ErrRefused)
	case p.Kind != FullFile && p.Kind != DeltaFile:
		return nil, fmt.Errorf("publishing a file: kind %q: want full or delta: %w", p.Kind, ca.ErrRefused)
	case p.By == "":
		return nil, fmt.Errorf("publishing a file: By is missing: %w", ca.ErrRefused)
	}
	if err := os.MkdirAll(r.Directory, 0o755); err != nil {
		return nil, fmt.Errorf("publishing a file: %w", err)
	}
	r.sweep()
	f, err := r.begin(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("beginning a %s file: %w", p.Kind, err)
	}
	if err := r.make(ctx, f, p.Progress); err != nil {
		return nil, fmt.Errorf("writing file %q: %w", f.Name, err)
	}
	if err := r.record(ctx, f, p.By); err != nil {
		return nil, fmt.Errorf("recording file %q: %w", f.Name, err)
	}
	return f, r.prune(ctx, p.Kind)
}

// begin returns the file that is unfinished, or commits what a new one will cover.
func (r *Repository) begin(ctx context.Context, p Publication) (*File, error) {
	var f File
	err := r.Issuer.Store().Write(ctx, func(tx store.Tx) error {
		unfinished, err := filesIn(ctx, tx, `kind = $1 AND state = 'begun'`, string(p.Kind))
		if err != nil {
			return err
		}
		if len(unfinished) > 0 {
			f = unfinished[0]
			return nil
		}
		f = File{Kind: p.Kind, At: r.now(), State: fileBegun, BegunBy: p.By}
		if f.To, err = lastSeq(ctx, tx); err != nil {
			return err
		}
		if p.Kind == DeltaFile {
			before, err := filesIn(ctx, tx, `kind = 'delta' ORDER BY number DESC LIMIT 1`)
			if err != nil {
				return err
			}
			if len(before) > 0 {
				f.After = before[0].To
			}
		}
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM repository_file`).Scan(&f.Number); err != nil {
			return err
		}
		f.Name = fmt.Sprintf("smki-%s-%s-%06d-%s.zip", r.Issuer.Environment().Name, f.Kind, f.Number, f.At.In(r.demand.Location).Format("20060102"))
		_, err = tx.Exec(ctx, `INSERT INTO repository_file (number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state, begun_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			f.Number, string(f.Kind), f.Name, f.After.Certificates, f.To.Certificates, f.After.Revocations, f.To.Revocations, f.At.UnixMicro(), f.State, f.BegunBy)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// make writes the file and what stands beside it, and gives them their names. It
// fills in what is only known then.
func (r *Repository) make(ctx context.Context, f *File, progress func(done, of int64)) error {
	out, err := os.CreateTemp(r.Directory, temporary(f.Name))
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // nothing is there once it is renamed
	defer out.Close()
	digest := sha256.New()
	counted := &counter{w: io.MultiWriter(out, digest)}
	if err := r.write(ctx, counted, f, progress); err != nil {
		return err
	}
	f.Octets, f.SHA256 = counted.n, hex.EncodeToString(digest.Sum(nil))
	statement := Statement(f.Name, [sha256.Size]byte(digest.Sum(nil)))
	if r.Signer != nil {
		signature, err := Sign(r.Signer(ctx), statement)
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		if err := r.beside(f.Name+signatureSuffix, signature); err != nil {
			return err
		}
	}
	if err := r.beside(f.Name+sumSuffix, statement); err != nil {
		return err
	}
	return r.name(out, f.Name)
}

// beside writes a small file whole.
func (r *Repository) beside(name string, content []byte) error {
	out, err := os.CreateTemp(r.Directory, temporary(name))
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	if _, err := out.Write(content); err != nil {
		return err
	}
	return r.name(out, name)
}

// name gives a temporary file, which is whole, its name, and returns when both are
// on disk.
func (r *Repository) name(out *os.File, name string) error {
	err := errors.Join(out.Chmod(0o644), out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), filepath.Join(r.Directory, name))
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(r.Directory)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

const temporaryPrefix = ".making-"

func temporary(name string) string { return temporaryPrefix + name + "-*" }

// sweep removes what a crash has left half-made. What cannot be removed is only in
// the way of disk space.
func (r *Repository) sweep() {
	entries, err := os.ReadDir(r.Directory)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && strings.HasPrefix(e.Name(), temporaryPrefix) && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(r.Directory, e.Name()))
		}
	}
}

// record says that a file is published. Where another process was first, its file
// must be the same.
func (r *Repository) record(ctx context.Context, f *File, by string) error {
	digest, err := hex.DecodeString(f.SHA256)
	if err != nil {
		return err
	}
	return r.Issuer.Store().Write(ctx, func(tx store.Tx) error {
		there, err := filesIn(ctx, tx, `number = $1`, f.Number)
		switch {
		case err != nil:
			return err
		case len(there) != 1:
			return ca.ErrNotFound
		case there[0].State != fileBegun && there[0].SHA256 != f.SHA256:
			return fmt.Errorf("another process has published another file %q: run the same version everywhere: %w", f.Name, ca.ErrConflict)
		case there[0].State != fileBegun:
			*f = there[0]
			return nil
		}
		f.State, f.PublishedAt = filePublished, r.now()
		if _, err := tx.Exec(ctx, `UPDATE repository_file SET state = $1, certificates = $2, changes = $3, octets = $4, digest = $5, published_at = $6 WHERE number = $7`,
			f.State, f.Certificates, f.Changes, f.Octets, digest, f.PublishedAt.UnixMicro(), f.Number); err != nil {
			return err
		}
		return r.audit(ctx, tx, KindFile, by, f)
	})
}

// Remake writes a published file anew into Directory: on a node that did not make
// it, or after it was lost. What it writes is what was published, or an error.
func (r *Repository) Remake(ctx context.Context, number int64) (*File, error) {
	var there []File
	err := r.Issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
		there, err = filesIn(ctx, tx, `number = $1 AND state = 'published'`, number)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("making file %d again: %w", number, err)
	case len(there) == 0:
		return nil, fmt.Errorf("making file %d again: %w", number, ca.ErrNotFound)
	case r.Directory == "":
		return nil, fmt.Errorf("making file %d again: Directory is not set: %w", number, ca.ErrRefused)
	}
	f := there[0]
	digest := sha256.New()
	if err := r.write(ctx, digest, &f, nil); err != nil {
		return nil, fmt.Errorf("making file %q again: %w", f.Name, err)
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != there[0].SHA256 {
		return nil, fmt.Errorf("making file %q again: it comes out as %s and not as %s: another version of the program, or another Acceptance, made it", f.Name, got, there[0].SHA256)
	}
	if err := r.make(ctx, &f, nil); err != nil {
		return nil, fmt.Errorf("making file %q again: %w", f.Name, err)
	}
	return &f, nil
}

// A counter counts what passes through.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
