package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"smki.example/ca/store"
)

// Name is the name under which checkpoints are signed.
const Name = "smki-audit"

// Config says where a log is and which key speaks for it.
type Config struct {
	Store *store.Store
	// Key signs checkpoints. It is the log's own, never a CA key. Who has it and
	// the database can write another history; it is kept in a file of its own.
	Key ed25519.PrivateKey
}

// A Log signs the head of the audit log and verifies the whole of it. All
// methods may be called concurrently.
type Log struct {
	store    *store.Store
	signer   signer
	verifier note.Verifier
}

// Open returns the log in cfg.Store.
func Open(cfg Config) (*Log, error) {
	if cfg.Store == nil {
		return nil, errors.New("opening audit log: Store is missing")
	}
	if len(cfg.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("opening audit log: Key is missing or not an Ed25519 private key")
	}
	s := newSigner(cfg.Key)
	v, err := note.NewVerifier(s.verifierKey())
	if err != nil {
		return nil, fmt.Errorf("opening audit log: %w", err)
	}
	return &Log{store: cfg.Store, signer: s, verifier: v}, nil
}

// VerifierKey returns the text that identifies the log's public key, in the form
// that note.NewVerifier reads. It belongs on paper, away from the database.
func (l *Log) VerifierKey() string { return l.signer.verifierKey() }

// A Checkpoint is the signed head of the log at one size.
type Checkpoint struct {
	Size int64
	Hash tlog.Hash
	Note []byte // signed note; its text is "smki-audit", size, base64 of the hash
}

// Checkpoint signs the head of the log as it is now, stores the note and returns
// it. The same size gives the same note again. What is kept of it elsewhere binds
// every record up to Size.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) {
	var n int64
	err := l.store.Read(ctx, func(tx store.Tx) (err error) {
		n, err = size(ctx, tx)
		return err
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("making audit checkpoint: %w", err)
	}
	// A process that only looked has nothing to sign, and should not wait for the
	// write lock to find that out.
	if c, ok, err := l.Newest(ctx); err == nil && ok && c.Size == n {
		return c, nil
	}
	var c Checkpoint
	err = l.store.Write(ctx, func(tx store.Tx) (err error) {
		c, err = l.CheckpointIn(ctx, tx)
		return err
	})
	return c, err
}

// CheckpointIn is [Log.Checkpoint] inside a transaction of the caller's, whose
// own records it then covers.
func (l *Log) CheckpointIn(ctx context.Context, tx store.Tx) (Checkpoint, error) {
	n, err := size(ctx, tx)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("making audit checkpoint: %w", err)
	}
	hash, err := tlog.TreeHash(n, stored{ctx, tx})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("making audit checkpoint: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: checkpointText(n, hash)}, l.signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("making audit checkpoint: %w", err)
	}
	// Ed25519 is deterministic, so that a note for the same size is the same note,
	// unless the log was changed; then the first one must stand and convict it.
	_, err = tx.Exec(ctx, `INSERT INTO audit_checkpoint (size, note) VALUES ($1, $2) ON CONFLICT (size) DO NOTHING`, n, signed)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("making audit checkpoint: %w", err)
	}
	return Checkpoint{Size: n, Hash: hash, Note: signed}, nil
}

// ParseCheckpoint opens a signed note with the log's key.
func (l *Log) ParseCheckpoint(signed []byte) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(l.verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading audit checkpoint: %w", err)
	}
	c := Checkpoint{Note: signed}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != Name {
		return Checkpoint{}, errors.New("reading audit checkpoint: the signed text is not a checkpoint of this log")
	}
	if _, err := fmt.Sscanf(lines[1], "%d", &c.Size); err != nil {
		return Checkpoint{}, fmt.Errorf("reading audit checkpoint: size %q: %w", lines[1], err)
	}
	if c.Hash, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("reading audit checkpoint: %w", err)
	}
	if checkpointText(c.Size, c.Hash) != n.Text {
		return Checkpoint{}, errors.New("reading audit checkpoint: the signed text is not in its one form")
	}
	return c, nil
}

func checkpointText(size int64, hash tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", Name, size, hash)
}

// signer is a note.Signer over an Ed25519 key. The note package would have the
// key as text; keys here stay keys.
type signer struct{ key ed25519.PrivateKey }

// ed25519Algorithm is the note format's number for Ed25519.
const ed25519Algorithm = 1

func newSigner(key ed25519.PrivateKey) signer { return signer{key} }

func (s signer) public() []byte {
	return append([]byte{ed25519Algorithm}, s.key.Public().(ed25519.PublicKey)...)
}

// Name implements note.Signer.
func (s signer) Name() string { return Name }

// KeyHash implements note.Signer: the first four octets of SHA-256 over name,
// newline, algorithm and key.
func (s signer) KeyHash() uint32 {
	h := sha256.Sum256(append([]byte(Name+"\n"), s.public()...))
	return binary.BigEndian.Uint32(h[:])
}

// Sign implements note.Signer.
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func (s signer) verifierKey() string {
	key, err := note.NewEd25519VerifierKey(Name, s.key.Public().(ed25519.PublicKey))
	if err != nil {
		// The name is a constant and the key was measured in Open.
		panic("audit: internal error: " + err.Error())
	}
	return key
}

var _ note.Signer = signer{}

// Newest returns the stored checkpoint of the greatest size, and false if there
// is none yet.
func (l *Log) Newest(ctx context.Context) (Checkpoint, bool, error) {
	var signed [][]byte
	err := l.store.Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				return err
			}
			signed = append(signed, b)
		}
		return rows.Err()
	})
	if err != nil || len(signed) == 0 {
		return Checkpoint{}, false, err
	}
	c, err := l.ParseCheckpoint(signed[0])
	return c, err == nil, err
}

// Head computes the head of the log as tx sees it, from the hashes that are stored,
// and returns it with the size. It signs nothing.
func Head(ctx context.Context, tx store.Tx) (int64, tlog.Hash, error) {
	n, err := size(ctx, tx)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("computing the head of the audit log: %w", err)
	}
	hash, err := HeadAt(ctx, tx, n)
	return n, hash, err
}

// HeadAt computes the head that the log had when it had n records.
func HeadAt(ctx context.Context, tx store.Tx, n int64) (tlog.Hash, error) {
	hash, err := tlog.TreeHash(n, stored{ctx, tx})
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("computing the head of the audit log over %d records: %w", n, err)
	}
	return hash, nil
}
