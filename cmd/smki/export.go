package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/cmd/clikit"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write everything that was ever signed, for an auditor who has none of our software",
		Description: `Writes to the folder --out, one object a line, DER in hex:

  certs.hex       device and organisation certificates issued on request
  certs-own.hex   organisation certificates for keys of the CA's own parties, made in a ceremony
  certs-iki.hex   IKI client certificates
  crls.hex        every CRL and ARL, oldest first
  intents.hex     the to-be-signed bytes of everything a CA key was ever to sign, ceremonies' included
  ca/NAME.pem     certificates of the authorities
  SHA256SUMS      digests of all these; sha256sum -c checks them

Each certificate and CRL begins with (after its outer SEQUENCE) one of the lines of intents.hex. The files are of one moment only if
nothing is issued meanwhile. Needs no token. Files that are there already are replaced.

--sign-key FILE (PEM, Ed25519 or ECDSA, made for this purpose: openssl genpkey -algorithm ed25519) also signs SHA256SUMS, in SHA256SUMS.sig,
and records its digest in the audit log.

--json prints {out, certificates, own, iki, crls, intents, authorities}, and {sha256, record} of SHA256SUMS if it is signed.

Examples:
  smki export --home ca --out audit-2026-11
  smki export --home ca --out audit-2026-11 --sign-key export.pem
  openssl pkeyutl -verify -rawin -pubin -inkey export.pub.pem -sigfile audit-2026-11/SHA256SUMS.sig -in audit-2026-11/SHA256SUMS`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "out", Usage: "folder to write to (`DIR`)", Required: true},
			&cli.StringFlag{Name: "sign-key", Usage: "`FILE` with the key that signs the digests"},
			byFlag(),
			clikit.JSONFlag(),
		},
		Action: runExport,
	}
}

// exported counts what was written.
type exported struct {
	Out          string `json:"out"`
	Certificates int    `json:"certificates"`
	Own          int    `json:"own"`
	IKI          int    `json:"iki"`
	CRLs         int    `json:"crls"`
	Intents      int    `json:"intents"`
	Authorities  int    `json:"authorities"`

	SHA256 string `json:"sha256,omitempty"` // of SHA256SUMS, if it is signed
	Record int64  `json:"record,omitempty"` // of the audit log

	seen map[string]int    // certificates of each authority so far
	sums map[string]string // SHA-256 of each file, in hex
}

func runExport(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	return at(c, false, func(d *desk) error {
		var signer *exportSigner
		if key := c.String("sign-key"); key != "" {
			var err error
			if signer, err = d.exportSigner("export", key); err != nil {
				return err
			}
		}
		done, err := d.export(c.Context, c.String("out"))
		if err == nil {
			err = d.exportSums(c.Context, &done, signer, who(c))
		}
		if err != nil {
			return err
		}
		if clikit.WantsJSON(c) {
			return clikit.JSON(c.App.Writer, done)
		}
		signed := ""
		if done.SHA256 != "" {
			signed = fmt.Sprintf(", signed in SHA256SUMS.sig, record %d of the audit log", done.Record)
		}
		_, err = fmt.Fprintf(c.App.Writer, "%d certificates, %d of the CA's own parties, %d IKI, %d lists, %d intents, %d authorities in %s%s\n",
			done.Certificates, done.Own, done.IKI, done.CRLs, done.Intents, done.Authorities, done.Out, signed)
		return err
	})
}

// export writes certificates and lists before the intents, so that whatever is
// issued meanwhile can add an intent without its certificate, never a certificate
// without its intent.
func (d *desk) export(ctx context.Context, out string) (exported, error) {
	done := exported{Out: out, sums: map[string]string{}}
	if err := os.MkdirAll(filepath.Join(out, "ca"), 0o755); err != nil {
		return done, fmt.Errorf("exporting: %w", err)
	}
	for _, step := range []func(context.Context, *exported) error{d.exportCertificates, d.exportIKI, d.exportLists, d.exportIntents} {
		if err := step(ctx, &done); err != nil {
			return done, fmt.Errorf("exporting to %q: %w", out, err)
		}
	}
	return done, nil
}

func (d *desk) exportCertificates(ctx context.Context, done *exported) error {
	return done.file("certs-own.hex", func(own io.Writer) error {
		return done.file("certs.hex", func(asked io.Writer) error {
			for c, err := range d.issuer.List(ctx, ca.Filter{}) {
				if err != nil {
					return err
				}
				w, count := asked, &done.Certificates
				if c.Profile.Authority() {
					if err := writeAuthority(done, string(c.Profile), c.DER); err != nil {
						return err
					}
					continue
				}
				in, err := d.ceremonial(ctx, c)
				if err != nil {
					return err
				}
				if in {
					w, count = own, &done.Own
				}
				*count++
				if _, err := io.WriteString(w, hexLine(c.DER)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// ceremonial tells whether a certificate came from a ceremony. The requester's
// name alone does not: anybody may be called so.
func (d *desk) ceremonial(ctx context.Context, c *ca.Certificate) (bool, error) {
	if c.Requester != "ceremony" {
		return false, nil
	}
	in, err := d.issuer.IntentOf(ctx, c.Serial)
	if err != nil {
		return false, err
	}
	return in.Owner == "ceremony", nil
}

// writeAuthority writes ca/NAME.pem, and ca/NAME-2.pem for the second certificate
// of an authority.
func writeAuthority(done *exported, name string, der []byte) error {
	if done.seen == nil {
		done.seen = make(map[string]int)
	}
	done.Authorities++
	done.seen[name]++
	if n := done.seen[name]; n > 1 {
		name = fmt.Sprintf("%s-%d", name, n)
	}
	text := certificatePEM(der)
	digest := sha256.Sum256(text)
	done.sums["ca/"+name+".pem"] = hex.EncodeToString(digest[:])
	return os.WriteFile(filepath.Join(done.Out, "ca", name+".pem"), text, 0o644)
}

func (d *desk) exportIKI(ctx context.Context, done *exported) error {
	return done.file("certs-iki.hex", func(w io.Writer) error {
		for c, err := range iki.List(ctx, d.store) {
			if err != nil {
				return err
			}
			if c.Profile == iki.ProfileAuthority {
				name := iki.Name
				if c.Issuer != iki.Name+"-1" {
					name = c.Issuer
				}
				if err := writeAuthority(done, name, c.DER); err != nil {
					return err
				}
				continue
			}
			done.IKI++
			if _, err := io.WriteString(w, hexLine(c.DER)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *desk) exportLists(ctx context.Context, done *exported) error {
	return done.file("crls.hex", func(w io.Writer) error {
		var record *revocation.CRLRecord
		var err error
		for record, err = range d.register.CRLs(ctx) {
			if err != nil {
				return err
			}
			done.CRLs++
			if _, err := io.WriteString(w, hexLine(record.DER)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *desk) exportIntents(ctx context.Context, done *exported) error {
	return done.file("intents.hex", func(w io.Writer) error {
		for in, err := range d.issuer.Intents(ctx) {
			if err != nil {
				return err
			}
			done.Intents++
			if _, err := io.WriteString(w, hexLine(in.TBS)); err != nil {
				return err
			}
		}
		return nil
	})
}

// file writes one of the files, and notes its digest.
func (e *exported) file(name string, f func(io.Writer) error) error {
	digest := sha256.New()
	err := toFile(e.Out, name, func(w io.Writer) error { return f(io.MultiWriter(w, digest)) })
	e.sums[name] = hex.EncodeToString(digest.Sum(nil))
	return err
}

// exportSums writes the digests of all files, last of all, and signs them if a key is
// given. A signature of an export before does not stay beside them.
func (d *desk) exportSums(ctx context.Context, done *exported, signer *exportSigner, by string) error {
	const name = "SHA256SUMS"
	var statement []byte
	for _, file := range slices.Sorted(maps.Keys(done.sums)) {
		statement = fmt.Appendf(statement, "%s  %s\n", done.sums[file], file)
	}
	path := filepath.Join(done.Out, name)
	if err := os.Remove(path + ".sig"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("exporting: %w", err)
	}
	if err := writeWhole(path, statement, 0o644); err != nil || signer == nil {
		return err
	}
	digest := sha256.Sum256(statement)
	sum := hex.EncodeToString(digest[:])
	signature, record, err := signer.signStatement(ctx, d, filepath.Base(done.Out)+"/"+name, sum, statement, done.Certificates+done.Own, by)
	if err != nil {
		return err
	}
	done.SHA256, done.Record = sum, record
	return writeWhole(path+".sig", signature, 0o644)
}

// toFile writes a file through f, so that it is there whole or not at all.
func toFile(dir, name string, f func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	w := bufio.NewWriterSize(file, 1<<16)
	if err = f(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, name))
}
