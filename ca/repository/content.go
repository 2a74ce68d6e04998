package repository

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// The entries of a file, in their order.
const (
	certificatesCSV = "certificates.csv"
	certificatesPEM = "certificates.pem"
	changesCSV      = "changes.csv"
	manifestJSON    = "manifest.json"
	sumsFile        = "SHA256SUMS"
)

// pageSize is how many rows are held at once. Each page is a short read of its own,
// so that a file of ten million holds up nobody.
const pageSize = 1000

var (
	certificateHeader = []string{"seq", "serial", "type", "entity", "role", "usage", "issuer", "not_before", "not_after", "status", "recorded_at", "sha256"}
	changeHeader      = []string{"seq", "serial", "status", "reason", "revoked_at", "recorded_at"}
)

// A manifest says what a file is, for a program that reads it.
type manifest struct {
	Version      int      `json:"version"`
	Environment  string   `json:"environment"`
	Kind         FileKind `json:"kind"`
	Number       int64    `json:"number"`
	After        Bound    `json:"after"`
	To           Bound    `json:"to"`
	At           string   `json:"at"`
	Certificates int64    `json:"certificates"`
	Changes      int64    `json:"changes"`
	// Acceptance is for how many seconds after recorded_at a certificate is pending.
	// That a certificate is accepted, or expires, comes with time and stands in no
	// delta.
	Acceptance int64  `json:"acceptance_seconds"`
	Statuses   string `json:"statuses"`
}

// write writes the content of a file, in one pass over the rows and in constant
// memory: the list of certificates straight into the archive, the certificates
// themselves beside it, compressed, to follow it there. The same file always comes
// out the same: every time in it is the file's own.
func (r *Repository) write(ctx context.Context, w io.Writer, f *File, progress func(done, of int64)) error {
	spool, err := os.CreateTemp(r.Directory, temporary("spool"))
	if err != nil {
		return err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	bundle, err := newPacked(spool)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(w)
	sums := &sums{archive: archive, at: f.At}

	rows, err := sums.create(certificatesCSV)
	if err != nil {
		return err
	}
	list := csv.NewWriter(rows)
	if err := list.Write(certificateHeader); err != nil {
		return err
	}
	f.Certificates = 0
	for after := f.After.Certificates; ; {
		page, err := r.certificates(ctx, after, f.To)
		if err != nil {
			return fmt.Errorf("reading certificates: %w", err)
		}
		for _, c := range page {
			if err := list.Write(r.certificateRow(c, f.At)); err != nil {
				return err
			}
			if err := pem.Encode(bundle, &pem.Block{Type: "CERTIFICATE", Bytes: c.DER}); err != nil {
				return err
			}
			after = c.Seq
		}
		f.Certificates += int64(len(page))
		if progress != nil {
			progress(after-f.After.Certificates, f.To.Certificates-f.After.Certificates)
		}
		if len(page) < pageSize {
			break
		}
	}
	if list.Flush(); list.Error() != nil {
		return list.Error()
	}
	if err := sums.add(bundle, certificatesPEM); err != nil {
		return err
	}
	if f.Changes, err = r.writeChanges(ctx, sums, f); err != nil {
		return err
	}
	about, err := json.MarshalIndent(manifest{
		Version: 1, Environment: r.Issuer.Environment().Name, Kind: f.Kind, Number: f.Number, After: f.After, To: f.To, At: f.At.Format(time.RFC3339Nano),
		Certificates: f.Certificates, Changes: f.Changes, Acceptance: int64(r.Acceptance / time.Second),
		Statuses: "P pending, I in use, N not in use, R revoked, E expired",
	}, "", "  ")
	if err != nil {
		return err
	}
	out, err := sums.create(manifestJSON)
	if err != nil {
		return err
	}
	if _, err := out.Write(append(about, '\n')); err != nil {
		return err
	}
	return sums.close()
}

// writeChanges writes the revocations between the bounds. In a full file they are
// all there ever were, so that the reason of every R and N stands there too.
func (r *Repository) writeChanges(ctx context.Context, sums *sums, f *File) (int64, error) {
	rows, err := sums.create(changesCSV)
	if err != nil {
		return 0, err
	}
	list := csv.NewWriter(rows)
	if err := list.Write(changeHeader); err != nil {
		return 0, err
	}
	var n int64
	for after := f.After.Revocations; ; {
		page, err := r.changes(ctx, after, f.To.Revocations)
		if err != nil {
			return 0, fmt.Errorf("reading revocations: %w", err)
		}
		for _, c := range page {
			if err := list.Write(c.row); err != nil {
				return 0, err
			}
			after = c.seq
		}
		n += int64(len(page))
		if len(page) < pageSize {
			break
		}
	}
	list.Flush()
	return n, list.Error()
}

// certificates reads a page behind a certificate. The status in each is what the
// revocations up to the bound say, not what the row says by now.
func (r *Repository) certificates(ctx context.Context, after int64, to Bound) ([]*ca.Certificate, error) {
	page := make([]*ca.Certificate, 0, pageSize)
	err := r.Issuer.Store().Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT c.seq, c.serial, c.issuer, c.profile, c.entity, c.role, c.key_usage, c.not_before, c.not_after, c.recorded_at, c.der, r.on_crl
			FROM certificate c LEFT JOIN revocation r ON r.serial = c.serial AND r.seq <= $1
			WHERE c.seq > $2 AND c.seq <= $3 ORDER BY c.seq LIMIT %d`, pageSize), to.Revocations, after, to.Certificates)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c ca.Certificate
			var serial, entity []byte
			var profile string
			var role *int64
			var usage, notBefore, notAfter, recorded int64
			var onCRL *bool
			if err := rows.Scan(&c.Seq, &serial, &c.Issuer, &profile, &entity, &role, &usage, &notBefore, &notAfter, &recorded, &c.DER, &onCRL); err != nil {
				return err
			}
			c.Serial, c.Profile, c.Usage = policy.Serial(serial), policy.ProfileName(profile), policy.KeyUsage(usage)
			c.NotBefore, c.NotAfter, c.RecordedAt = time.UnixMicro(notBefore).UTC(), time.UnixMicro(notAfter).UTC(), time.UnixMicro(recorded).UTC()
			if entity != nil {
				id := policy.EntityID(entity)
				c.Entity = &id
			}
			if role != nil {
				known := policy.RemotePartyRole(*role)
				c.Role = &known
			}
			c.Status = ca.StatusInUse
			if onCRL != nil {
				c.Status = gone(*onCRL)
			}
			page = append(page, &c)
		}
		return rows.Err()
	})
	return page, err
}

// gone is the status of what was revoked, on a side with or without a list.
func gone(onCRL bool) ca.Status {
	if onCRL {
		return ca.StatusRevoked
	}
	return ca.StatusNotInUse
}

func (r *Repository) certificateRow(c *ca.Certificate, at time.Time) []string {
	digest := sha256.Sum256(c.DER)
	row := []string{
		strconv.FormatInt(c.Seq, 10), c.Serial.String(), string(c.Profile), "", "", "", c.Issuer, c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339),
		string(r.Transitions.StatusAt(c, at, r.Acceptance)), c.RecordedAt.Format(time.RFC3339Nano), hex.EncodeToString(digest[:]),
	}
	if c.Entity != nil {
		row[3] = c.Entity.String()
	}
	if c.Profile == policy.ProfileOrganisation && c.Role != nil {
		row[4] = strconv.Itoa(int(*c.Role))
	}
	if !c.Profile.Authority() {
		row[5] = usage(c.Usage)
	}
	return row
}

type change struct {
	seq int64
	row []string
}

func (r *Repository) changes(ctx context.Context, after, to int64) ([]change, error) {
	var page []change
	err := r.Issuer.Store().Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT seq, serial, on_crl, reason, revoked_at, recorded_at FROM revocation
			WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT %d`, pageSize), after, to)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c change
			var serial []byte
			var onCRL bool
			var reason, revoked, recorded int64
			if err := rows.Scan(&c.seq, &serial, &onCRL, &reason, &revoked, &recorded); err != nil {
				return err
			}
			c.row = []string{
				strconv.FormatInt(c.seq, 10), policy.Serial(serial).String(), string(gone(onCRL)), policy.Reason(reason).String(),
				time.UnixMicro(revoked).UTC().Format(time.RFC3339), time.UnixMicro(recorded).UTC().Format(time.RFC3339Nano),
			}
			page = append(page, c)
		}
		return rows.Err()
	})
	return page, err
}

// sums makes the entries of an archive and remembers their digests.
type sums struct {
	archive *zip.Writer
	at      time.Time
	open    hash.Hash
	name    string
	lines   []byte
}

func (s *sums) settle() {
	if s.open != nil {
		s.lines = fmt.Appendf(s.lines, "%x  %s\n", s.open.Sum(nil), s.name)
		s.open = nil
	}
}

func (s *sums) create(name string) (io.Writer, error) {
	s.settle()
	w, err := s.archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: s.at})
	s.open, s.name = sha256.New(), name
	return io.MultiWriter(w, s.open), err
}

// add copies an entry that was packed beside the archive.
func (s *sums) add(p *packed, name string) error {
	s.settle()
	header, err := p.finish()
	if err != nil {
		return err
	}
	header.Name, header.Modified = name, s.at
	w, err := s.archive.CreateRaw(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, p.file); err != nil {
		return err
	}
	s.lines = fmt.Appendf(s.lines, "%x  %s\n", p.digest.Sum(nil), name)
	return nil
}

func (s *sums) close() error {
	s.settle()
	w, err := s.archive.CreateHeader(&zip.FileHeader{Name: sumsFile, Method: zip.Deflate, Modified: s.at})
	if err != nil {
		return err
	}
	if _, err := w.Write(s.lines); err != nil {
		return err
	}
	return s.archive.Close()
}

// A packed is an entry that is compressed into a file of its own, because an archive
// takes one entry at a time.
type packed struct {
	file   *os.File
	buffer *bufio.Writer
	deflat *flate.Writer
	check  hash.Hash32
	digest hash.Hash
	plain  int64
}

func newPacked(file *os.File) (*packed, error) {
	p := &packed{file: file, buffer: bufio.NewWriterSize(file, 256<<10), check: crc32.NewIEEE(), digest: sha256.New()}
	var err error
	p.deflat, err = flate.NewWriter(p.buffer, flate.BestSpeed)
	return p, err
}

func (p *packed) Write(b []byte) (int, error) {
	p.check.Write(b)
	p.digest.Write(b)
	n, err := p.deflat.Write(b)
	p.plain += int64(n)
	return n, err
}

// finish goes back to the beginning of the file and says what is in it.
func (p *packed) finish() (*zip.FileHeader, error) {
	if err := p.deflat.Close(); err != nil {
		return nil, err
	}
	if err := p.buffer.Flush(); err != nil {
		return nil, err
	}
	size, err := p.file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &zip.FileHeader{Method: zip.Deflate, CRC32: p.check.Sum32(), CompressedSize64: uint64(size), UncompressedSize64: uint64(p.plain)}, nil
}
