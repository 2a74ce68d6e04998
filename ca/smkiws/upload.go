package smkiws

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// pieceSize is how much of an upload one row has: few enough rows for 20 MB, short
// enough transactions that nobody waits for them.
const pieceSize = 256 << 10

// A spool is an upload on its way into the store: a file without a name, so that
// nothing is left of it whatever happens. Only documents that were read to their end
// without a fault go on to the database.
type spool struct {
	file   *os.File
	digest hash.Hash
	octets int64
}

func newSpool(folder string) (*spool, error) {
	f, err := os.CreateTemp(folder, "smkiws-*")
	if err != nil {
		return nil, fmt.Errorf("spooling an upload: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("spooling an upload: %w", err)
	}
	return &spool{file: f, digest: sha256.New()}, nil
}

// errSpool marks a failure of the spool's own, which is not the client's.
var errSpool = errors.New("writing the spool")

func (s *spool) Write(b []byte) (int, error) {
	s.digest.Write(b)
	s.octets += int64(len(b))
	n, err := s.file.Write(b)
	if err != nil {
		return n, fmt.Errorf("%w: %v", errSpool, err)
	}
	return n, nil
}

func (s *spool) Close() error { return s.file.Close() }

// keep writes a spooled upload into the store, piece by piece, and then the batch
// with its audit record. What it says is on disk when it returns. On error there is no
// batch, and its pieces are removed, at once or, after a crash, by Purge.
func (s *Service) keep(ctx context.Context, sp *spool, b *Batch) error {
	b.SubmittedAt = s.now().Truncate(time.Microsecond)
	sp.digest.Sum(b.Digest[:0])
	b.Octets = sp.octets
	b.State = Pending
	var random [16]byte
	rand.Read(random[:])
	b.upload = hex.EncodeToString(random[:])
	err := s.keepPieces(ctx, sp, b)
	if err == nil {
		if err := s.at("kept"); err != nil {
			return err
		}
		err = s.insert(ctx, b)
	}
	if err != nil {
		s.dropPieces(ctx, b)
		return fmt.Errorf("keeping an upload: %w", err)
	}
	if b.Excess {
		s.logger.Warn("batch above the portal's day", "batch", b.ID, "party", b.Party, "items", b.Items)
	}
	return nil
}

func (s *Service) keepPieces(ctx context.Context, sp *spool, b *Batch) error {
	if _, err := sp.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	piece := make([]byte, pieceSize)
	for n := int64(1); ; n++ {
		size, err := io.ReadFull(sp.file, piece)
		if size > 0 {
			werr := s.store.Write(ctx, func(tx store.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO smkiws_upload (upload, piece, octets, at) VALUES ($1, $2, $3, $4)`, b.upload, n, piece[:size], b.SubmittedAt.UnixMicro())
				return err
			})
			if werr != nil {
				return werr
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// insert writes the row of a batch. Where the database cannot tell whether it did, the
// row is looked for: a client that was told of a failure would send its requests again,
// and hear that each of them is an anomaly.
func (s *Service) insert(ctx context.Context, b *Batch) error {
	err := s.store.Write(ctx, func(tx store.Tx) (err error) {
		if b.Excess, err = s.aboveNotice(ctx, tx, *b); err != nil {
			return err
		}
		return s.insertIn(ctx, tx, b)
	})
	if !errors.Is(err, store.ErrUncertain) {
		return err
	}
	return s.store.Read(context.WithoutCancel(ctx), func(tx store.Tx) error {
		kept, rerr := scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE upload = $1`, b.upload))
		if rerr == nil {
			b.ID = kept.ID
			return nil
		}
		return errors.Join(err, rerr)
	})
}

// dropPieces removes the pieces of an upload that has become no batch.
func (s *Service) dropPieces(ctx context.Context, b *Batch) {
	ctx = context.WithoutCancel(ctx)
	err := s.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM smkiws_upload WHERE upload = $1 AND upload NOT IN (SELECT upload FROM smkiws_batch)`, b.upload)
		return err
	})
	if err != nil {
		s.logger.Warn("removing an upload that became no batch; it will be tried again in a day", "error", err)
	}
}

func (s *Service) insertIn(ctx context.Context, tx store.Tx, b *Batch) error {
	excess := 0
	if b.Excess {
		excess = 1
	}
	err := tx.QueryRow(ctx, `INSERT INTO smkiws_batch (id, channel, party, requester, name, state, upload, digest, octets, items, excess, submitted_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM smkiws_batch), $1, $2, $3, $4, 'PENDING', $5, $6, $7, $8, $9, $10) RETURNING id`,
		string(b.Channel), b.Party, b.Requester, b.Name, b.upload, b.Digest[:], b.Octets, b.Items, excess, b.SubmittedAt.UnixMicro()).Scan(&b.ID)
	if err != nil {
		return err
	}
	_, err = audit.Append(ctx, tx, audit.Event{Kind: KindBatch, At: b.SubmittedAt, By: b.Requester, Body: map[string]any{
		"batch": b.ID, "party": b.Party, "to": Pending, "channel": b.Channel, "name": b.Name,
		"sha256": hex.EncodeToString(b.Digest[:]), "octets": b.Octets, "items": b.Items,
		"upload": b.upload, "excess": b.Excess}})
	if err != nil || !s.cfg.AutoApprove {
		return err
	}
	approved := *b
	return s.moveIn(ctx, tx, &approved, Parsing, "configuration", "registration is open")
}

// pieces reads an upload out of the store, one piece at a time, each a short read of
// its own. A piece that is missing is passed over: the digest will tell.
type pieces struct {
	ctx   context.Context
	store *store.Store
	id    string
	last  int64
	rest  []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		err := p.store.Read(p.ctx, func(tx store.Tx) error {
			return tx.QueryRow(p.ctx, `SELECT piece, octets FROM smkiws_upload WHERE upload = $1 AND piece > $2 ORDER BY piece LIMIT 1`, p.id, p.last).Scan(&p.last, &p.rest)
		})
		if errors.Is(err, sql.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, &outage{fmt.Errorf("reading an upload: %w", err)}
		}
		if len(p.rest) == 0 {
			return 0, nil
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// An outage is a failure of ours inside something that also fails for what it reads.
type outage struct{ err error }

func (o *outage) Error() string { return o.err.Error() }
func (o *outage) Unwrap() error { return o.err }
