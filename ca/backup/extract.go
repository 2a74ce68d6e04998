package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// Extract reads a backup and puts its files into dir, which must be there and
// should be empty: a file that is there already is an error. Each file is on disk
// when Extract returns. What keep returns true for is held back and returned
// instead of written: the file that makes the folder a home must come last.
//
// A backup that is cut off, was changed, or has a file more or less than its
// manifest is an error, and what was extracted by then is of no use.
func Extract(ctx context.Context, r io.Reader, identities []age.Identity, dir string, keep func(name string) bool) (*Manifest, map[string][]byte, error) {
	m, kept, err := extract(ctx, r, identities, dir, keep)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the backup: %w", err)
	}
	return m, kept, nil
}

// maxKept bounds a file that is held back in memory.
const maxKept = 1 << 20

func extract(ctx context.Context, r io.Reader, identities []age.Identity, dir string, keep func(string) bool) (*Manifest, map[string][]byte, error) {
	opened, err := age.Decrypt(reader{ctx, r}, identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, nil, errors.New("none of the identities opens it: it was made for other recipients")
	}
	if err != nil {
		return nil, nil, err
	}
	t := tar.NewReader(opened)
	head, err := next(t, manifestFile)
	if err != nil {
		return nil, nil, err
	}
	if head.Size > maxManifest {
		return nil, nil, fmt.Errorf("its manifest has %d octets", head.Size)
	}
	m, err := readManifest(t)
	if err != nil {
		return nil, nil, err
	}
	kept := make(map[string][]byte)
	for _, f := range m.Files {
		head, err := next(t, f.Name)
		if err != nil {
			return nil, nil, err
		}
		if head.Size != f.Size {
			return nil, nil, fmt.Errorf("file %q has %d octets, and its manifest says %d", f.Name, head.Size, f.Size)
		}
		if keep != nil && keep(f.Name) {
			if kept[f.Name], err = f.read(t); err != nil {
				return nil, nil, err
			}
			continue
		}
		if err := f.put(t, dir); err != nil {
			return nil, nil, err
		}
	}
	if _, err := t.Next(); err != io.EOF {
		return nil, nil, errors.Join(errors.New("something follows the last file of its manifest"), err)
	}
	// To the end of the encryption, which only there shows that nothing was cut off.
	if _, err := io.Copy(io.Discard, opened); err != nil {
		return nil, nil, err
	}
	return m, kept, nil
}

// next is the entry that must come now.
func next(t *tar.Reader, name string) (*tar.Header, error) {
	head, err := t.Next()
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("it ends where %q should come", name)
	case err != nil:
		return nil, err
	case head.Name != name || head.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("%q comes where %q should", head.Name, name)
	}
	return head, nil
}

func (f File) read(r io.Reader) ([]byte, error) {
	if f.Size > maxKept {
		return nil, fmt.Errorf("file %q has %d octets; at most %d are expected", f.Name, f.Size, maxKept)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return b, f.compare(sum[:])
}

func (f File) put(r io.Reader, dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, h), r)
	if err == nil {
		err = file.Chmod(os.FileMode(f.Mode))
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return f.compare(h.Sum(nil))
}

func (f File) compare(sum []byte) error {
	if got := hex.EncodeToString(sum); got != f.SHA256 {
		return fmt.Errorf("file %q was changed: its SHA-256 is %s, and the manifest says %s", f.Name, got, f.SHA256)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
