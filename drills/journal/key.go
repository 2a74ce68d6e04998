package journal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SignerName is the name under which a record key signs.
const SignerName = "drill-record"

// A Key is the record key of an installation: an Ed25519 key that signs the
// heads of journals and nothing that a CA signs. Its fingerprint belongs outside
// every pack, because a pack cannot vouch for its own signer (docs/record.md).
// Methods may be called concurrently.
type Key struct {
	signer      note.Signer
	verifier    string
	public      ed25519.PublicKey
	fingerprint string
}

// LoadKey reads the record key at path, or makes it there if there is none:
// mode 0600, on disk before LoadKey returns, and one key even if two processes
// come at once. A key file that others may read is refused, with what to do.
//
// Trust: whoever reads this file can sign a forged record of this installation;
// only words in minutes made before stand against that.
func LoadKey(path string) (*Key, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	secret, _, err := note.GenerateKey(rand.Reader, SignerName)
	if err != nil {
		return nil, fmt.Errorf("making record key %q: %w", path, err)
	}
	tmp, err := tempFile(filepath.Dir(path), []byte(secret+"\n"), 0o600)
	if err != nil {
		return nil, fmt.Errorf("making record key %q: %w", path, err)
	}
	defer os.Remove(tmp)
	// A link fails if the name is taken, where a rename would replace the key
	// that another process has just begun to sign with.
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making record key %q: %w", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("making record key %q: %w", path, err)
	}
	return readKey(path)
}

func readKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading record key: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading record key: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading record key %q: others may read it (mode %04o): run chmod 600 on it", path, st.Mode().Perm())
	}
	b := make([]byte, 4096)
	n, _ := f.Read(b)
	k, err := parseKey(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return nil, fmt.Errorf("reading record key %q: %w", path, err)
	}
	return k, nil
}

// parseKey reads "PRIVATE+KEY+drill-record+hash+base64". Its errors never show
// the text, which is the secret.
func parseKey(secret string) (*Key, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, errors.New("it is not a record key")
	}
	fields := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize || signer.Name() != SignerName {
		return nil, errors.New("it is not a record key")
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(SignerName, public)
	if err != nil {
		return nil, errors.New("it is not a record key")
	}
	return &Key{signer: signer, verifier: verifier, public: public, fingerprint: Fingerprint(public)}, nil
}

// Fingerprint is the SHA-256 of an Ed25519 public key in hex: what `drill verify
// --key` takes and what belongs on paper.
func Fingerprint(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:])
}

// Fingerprint is the fingerprint of this key.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Public is the public half.
func (k *Key) Public() ed25519.PublicKey { return append(ed25519.PublicKey(nil), k.public...) }

// Verifier is the public half as x/mod's note package writes it,
// "drill-record+hash+base64"; it stands in the start entry of a journal.
func (k *Key) Verifier() string { return k.verifier }

// Signer signs notes, for whoever must sign in the name of this installation.
func (k *Key) Signer() note.Signer { return k.signer }

// Note signs text, adding a line end if there is none, as an x/mod note.
func (k *Key) Note(text string) ([]byte, error) {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	b, err := note.Sign(&note.Note{Text: text}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("signing a note: %w", err)
	}
	return b, nil
}
