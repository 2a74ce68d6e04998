package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"smki.example/ca/audit"
	"smki.example/ca/repository"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

// kindExport is the audit record of a signed export. Stored as text: never rename it.
const kindExport audit.Kind = "export"

// An exportSigner signs the digest of a file, in the form of the Repository's files.
type exportSigner struct {
	key    crypto.Signer
	digest hash.Hash
}

// exportSigner reads the key, and refuses the one of the audit log: a head of the
// log and an export must never be mistaken for each other.
func (d *desk) exportSigner(command, path string) (*exportSigner, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, clikit.Usagef("smki %s: --sign-key: %v", command, err)
	}
	log, err := d.home.logKey()
	if err != nil {
		return nil, err
	}
	if pub, is := key.Public().(ed25519.PublicKey); is && pub.Equal(log.Public()) {
		return nil, refused("refused: --sign-key is the key of the audit log, which signs heads of the log and nothing else; make one: openssl genpkey -algorithm ed25519 -out export.pem")
	}
	return &exportSigner{key, sha256.New()}, nil
}

// sign writes FILE.sha256 and FILE.sha256.sig, and has the audit log say what was
// signed, so that an export that the CA never made shows.
func (s *exportSigner) sign(ctx context.Context, d *desk, path string, n int, by string) (sum string, record int64, err error) {
	digest := [sha256.Size]byte(s.digest.Sum(nil))
	sum = hex.EncodeToString(digest[:])
	statement := repository.Statement(filepath.Base(path), digest)
	signature, record, err := s.signStatement(ctx, d, filepath.Base(path), sum, statement, n, by)
	if err != nil {
		return sum, record, err
	}
	if err := writeWhole(path+".sha256", statement, 0o644); err != nil {
		return sum, record, err
	}
	return sum, record, writeWhole(path+".sha256.sig", signature, 0o644)
}

// signStatement signs lines as sha256sum writes them, and has the audit log say so.
func (s *exportSigner) signStatement(ctx context.Context, d *desk, name, sum string, statement []byte, n int, by string) (signature []byte, record int64, err error) {
	if signature, err = repository.Sign(s.key, statement); err != nil {
		return nil, 0, fmt.Errorf("signing the export: %w", err)
	}
	err = d.store.Write(ctx, func(tx store.Tx) error {
		r, err := audit.Append(ctx, tx, audit.Event{Kind: kindExport, At: d.issuer.Now(), By: by,
			Body: map[string]any{"name": name, "sha256": sum, "certificates": n}})
		record = r.Seq
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("recording the export: %w", err)
	}
	return signature, record, nil
}

// signedFile writes a file through f, which returns how many certificates are in it,
// and signs its digest if a key is given. A file that could not be signed is removed:
// it is not what was asked for.
func (d *desk) signedFile(c *cli.Context, command string, f func(io.Writer) (int, error)) (*searched, error) {
	path := c.String("out")
	var signer *exportSigner
	if keyFile := c.String("sign-key"); keyFile != "" {
		var err error
		if signer, err = d.exportSigner(command, keyFile); err != nil {
			return nil, err
		}
	}
	result := &searched{Out: path}
	err := toFile(filepath.Dir(path), filepath.Base(path), func(w io.Writer) (err error) {
		if signer != nil {
			w = io.MultiWriter(w, signer.digest)
		}
		result.Certificates, err = f(w)
		return err
	})
	if err != nil || signer == nil {
		return result, err
	}
	if result.SHA256, result.Record, err = signer.sign(c.Context, d, path, result.Certificates, who(c)); err != nil {
		return nil, cleanUp(err, path)
	}
	return result, nil
}

// signFlags are those of commands whose result can be a signed file.
func signFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "`FILE` for the result; it is replaced"},
		&cli.StringFlag{Name: "sign-key", Usage: "with --out: `FILE` with the key that signs its digest"},
	}
}

// searched is the result of a search that went to a file.
type searched struct {
	Out          string `json:"out"`
	Certificates int    `json:"certificates"`
	SHA256       string `json:"sha256,omitempty"`
	Record       int64  `json:"record,omitempty"` // of the audit log
}

func (s *searched) print(c *cli.Context) error {
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, s)
	}
	signed := ""
	if s.SHA256 != "" {
		signed = fmt.Sprintf(", signed in %s.sha256.sig, record %d of the audit log", s.Out, s.Record)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%d certificates in %s%s\n", s.Certificates, s.Out, signed)
	return err
}
