package repository

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smki.example/ca/store"
)

// A FileKind says what a file is of. Stored as text: never rename one.
type FileKind string

// The kinds.
const (
	FullFile  FileKind = "full"  // the whole ledger
	DeltaFile FileKind = "delta" // what was recorded since the delta before
)

// A Bound is a place in the order of recording: everything up to it, and nothing
// behind it.
type Bound struct {
	Certificates int64 `json:"certificates"` // seq of a certificate
	Revocations  int64 `json:"revocations"`  // seq of a revocation
}

// A File is a file that was begun or made.
type File struct {
	Number int64    `json:"number"` // over both kinds, in the order in which they were begun
	Kind   FileKind `json:"kind"`
	Name   string   `json:"name"`
	// After and To say what is in it: what was recorded behind After, up to and with
	// To. A full file begins at zero; a delta where the one before ended.
	After Bound     `json:"after"`
	To    Bound     `json:"to"`
	At    time.Time `json:"at"` // the moment whose state it shows
	State string    `json:"state"`

	BegunBy      string    `json:"begun_by"`
	Certificates int64     `json:"certificates"`
	Changes      int64     `json:"changes"` // of status
	Octets       int64     `json:"octets"`
	SHA256       string    `json:"sha256,omitempty"`
	PublishedAt  time.Time `json:"published_at,omitzero"`
}

const (
	fileBegun     = "begun"
	filePublished = "published"
	fileRemoved   = "removed"
)

// Files returns the files that are published, oldest first.
func (r *Repository) Files(ctx context.Context) ([]File, error) {
	var files []File
	err := r.Issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
		files, err = filesIn(ctx, tx, `state = 'published' ORDER BY number`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	return files, nil
}

const fileColumns = `number, kind, name, after_certificate, to_certificate, after_revocation, to_revocation, at, state,
	begun_by, certificates, changes, octets, digest, published_at`

func filesIn(ctx context.Context, tx store.Tx, where string, args ...any) ([]File, error) {
	rows, err := tx.Query(ctx, `SELECT `+fileColumns+` FROM repository_file WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []File
	for rows.Next() {
		var f File
		var kind string
		var at int64
		var digest []byte
		var published sql.NullInt64
		if err := rows.Scan(&f.Number, &kind, &f.Name, &f.After.Certificates, &f.To.Certificates, &f.After.Revocations, &f.To.Revocations, &at, &f.State,
			&f.BegunBy, &f.Certificates, &f.Changes, &f.Octets, &digest, &published); err != nil {
			return nil, err
		}
		f.Kind, f.At, f.SHA256 = FileKind(kind), time.UnixMicro(at).UTC(), hex.EncodeToString(digest)
		if published.Valid {
			f.PublishedAt = time.UnixMicro(published.Int64).UTC()
		}
		files = append(files, f)
	}
	return files, rows.Err()
}

// Due says whether a delta and a full file are due: none was published on this day
// yet, days beginning at Demand.Location's midnight.
func (r *Repository) Due(ctx context.Context) (delta, full bool, err error) {
	files, err := r.Files(ctx)
	if err != nil {
		return false, false, err
	}
	day := func(t time.Time) string { return t.In(r.demand.Location).Format(time.DateOnly) }
	today := day(r.Issuer.Now())
	delta, full = true, true
	for _, f := range files {
		if day(f.At) >= today {
			delta = delta && f.Kind != DeltaFile
			full = full && f.Kind != FullFile
		}
	}
	return delta, full, nil
}

// What stands beside a file, and how long it takes to be there.
const (
	sumSuffix       = ".sha256"
	signatureSuffix = ".sha256.sig"
)

// file answers with a published file, what stands beside it, or the list of them. A
// file is read as it lies there, in the ranges that are asked for, because a full one
// has gigabytes.
func (r *Repository) file(w http.ResponseWriter, req *http.Request) {
	refuse := func(status int, text string) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, text, status)
	}
	key, err := r.admit(req.Context(), req)
	if err != nil {
		f := r.fault(w, req, r.reference(), err)
		refuse(f.status, f.text)
		return
	}
	files, err := r.Files(req.Context())
	if err != nil {
		f := r.fault(w, req, r.reference(), err)
		refuse(f.status, f.text)
		return
	}
	name := req.PathValue("name")
	if name == "index.json" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if files == nil {
			files = []File{}
		}
		_ = json.NewEncoder(w).Encode(files) // the reader has gone, which is the reader's affair
		return
	}
	stem, suffix := name, ""
	for _, s := range []string{signatureSuffix, sumSuffix} {
		if cut, found := strings.CutSuffix(name, s); found {
			stem, suffix = cut, s
			break
		}
	}
	for _, f := range files {
		if f.Name == stem && r.Directory != "" {
			r.give(w, req, f, suffix, key)
			return
		}
	}
	refuse(http.StatusNotFound, "no such file: /files/index.json lists them")
}

func (r *Repository) give(w http.ResponseWriter, req *http.Request, f File, suffix string, key Key) {
	in, err := os.Open(filepath.Join(r.Directory, f.Name+suffix))
	if err != nil {
		w.Header().Set("Cache-Control", "no-store")
		if !errors.Is(err, os.ErrNotExist) {
			r.Logger.Error("opening a published file", "path", req.URL.Path, "error", err)
		}
		http.Error(w, "this file is not here", http.StatusNotFound)
		return
	}
	defer in.Close()
	// Another program may have made another file of this name, on another node.
	if info, err := in.Stat(); suffix == "" && (err != nil || info.Size() != f.Octets) {
		r.Logger.Error("a published file is not what was published", "path", req.URL.Path, "error", err)
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "this file is not here", http.StatusNotFound)
		return
	}
	if f.Kind == FullFile && suffix == "" && req.Method == http.MethodGet {
		r.demand.fullFile(key.Party)
	}
	kind := map[string]string{"": "application/zip", sumSuffix: "text/plain; charset=utf-8", signatureSuffix: "application/octet-stream"}[suffix]
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// The answer depends on the key, so that no shared cache may keep it; but it never
	// changes.
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	if suffix == "" {
		w.Header().Set("ETag", strconv.Quote(f.SHA256))
	}
	http.ServeContent(w, req, "", f.PublishedAt, in)
}

// Retain is how many published files of each kind stay.
type Retain struct{ Full, Delta int }

func (k *Retain) complete() error {
	if k.Full == 0 {
		k.Full = 2
	}
	if k.Delta == 0 {
		k.Delta = 35
	}
	if k.Full < 0 || k.Delta < 0 {
		return errors.New("Retain: want at least one file of each kind, or zero for the default")
	}
	return nil
}

// prune removes published files that newer ones of their kind have made old. The
// record goes first: a file that is listed is there.
func (r *Repository) prune(ctx context.Context, kind FileKind) error {
	keep := r.Retain.Delta
	if kind == FullFile {
		keep = r.Retain.Full
	}
	var old []File
	err := r.Issuer.Store().Write(ctx, func(tx store.Tx) error {
		files, err := filesIn(ctx, tx, `kind = $1 AND state = 'published' ORDER BY number DESC`, string(kind))
		if err != nil {
			return err
		}
		old = files[min(keep, len(files)):]
		for _, f := range old {
			if _, err := tx.Exec(ctx, `UPDATE repository_file SET state = 'removed' WHERE number = $1`, f.Number); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retiring old files: %w", err)
	}
	for _, f := range old {
		for _, suffix := range []string{"", sumSuffix, signatureSuffix} {
			if err := os.Remove(filepath.Join(r.Directory, f.Name+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("removing an old file: %w", err)
			}
		}
	}
	return nil
}

// lastSeq returns the end of what is recorded at the moment of tx.
func lastSeq(ctx context.Context, tx store.Tx) (b Bound, err error) {
	err = tx.QueryRow(ctx, `SELECT COALESCE((SELECT MAX(seq) FROM certificate), 0), COALESCE((SELECT MAX(seq) FROM revocation), 0)`).Scan(&b.Certificates, &b.Revocations)
	return b, err
}
