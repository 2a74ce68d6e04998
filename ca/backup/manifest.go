package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"time"

	"smki.example/ca"
)

// Names in a backup. The manifest comes first, the database next.
const (
	manifestFile = "manifest.json"
	// Database is the name of the copied database, in a backup and in the folder that
	// it is extracted to.
	Database = "smki.db"
)

// version is the form of backup that this program writes and reads.
const version = 1

// maxManifest bounds what is read of a manifest: a ceremony's record has some
// dozens of files, with a line each.
const maxManifest = 4 << 20

// A Manifest says what is in a backup and of which moment it is.
type Manifest struct {
	Version     int       `json:"backup"`
	ID          string    `json:"id"` // 16 hex digits, drawn at random
	TakenAt     time.Time `json:"taken_at"`
	Environment string    `json:"environment"`
	Log         LogHead   `json:"log"`
	Lists       []List    `json:"lists"` // the newest published list of each authority
	// Certificates and Revocations are how many rows the ledger has.
	Certificates int64  `json:"certificates"`
	Revocations  int64  `json:"revocations"`
	Files        []File `json:"files"` // in the order in which they follow
}

// A LogHead is the audit log at the moment of the backup.
type LogHead struct {
	Size int64  `json:"size"`
	Head string `json:"head"`
	Note string `json:"note"` // signed checkpoint over it
}

// A List is the number of a published list.
type List struct {
	Issuer string `json:"issuer"` // authority and generation
	Number int64  `json:"number"`
}

// A File is one file of a backup.
type File struct {
	Name   string `json:"name"` // with slashes, below the home
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Mode   uint32 `json:"mode"` // permissions

	from string // where it is copied from
}

func (m *Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// readManifest decodes strictly: what this program does not know it would lose.
func readManifest(r io.Reader) (*Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if len(b) > maxManifest {
		return nil, fmt.Errorf("reading the manifest: it is longer than %d octets", maxManifest)
	}
	var m Manifest
	if err := ca.ReadStrict(b, &m); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if m.Version != version {
		return nil, fmt.Errorf("reading the manifest: the backup is of version %d and this program knows %d", m.Version, version)
	}
	if len(m.Files) == 0 || m.Files[0].Name != Database {
		return nil, errors.New("reading the manifest: the first file is not the database")
	}
	seen := make(map[string]bool)
	for _, f := range m.Files {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("reading the manifest: %w", err)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("reading the manifest: file %q is in it twice", f.Name)
		}
		seen[f.Name] = true
	}
	return &m, nil
}

// check refuses a name that would lead out of the folder, or into a hidden corner
// of it.
func (f File) check() error {
	sum, err := hex.DecodeString(f.SHA256)
	switch {
	case !filepath.IsLocal(f.Name) || path.Clean(f.Name) != f.Name || f.Name == "." || f.Name == manifestFile:
		return fmt.Errorf("%q is no name of a file in a home", f.Name)
	case f.Size < 0 || f.Mode&^0o777 != 0:
		return fmt.Errorf("file %q: size %d, mode %04o", f.Name, f.Size, f.Mode)
	case err != nil || len(sum) != 32:
		return fmt.Errorf("file %q: %q is no SHA-256", f.Name, f.SHA256)
	}
	return nil
}
