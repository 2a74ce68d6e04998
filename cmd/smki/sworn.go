package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
)

// swornFlags are those of commands for which two managers sign where there is a
// register: a command line proves nobody's identity, and a signature does.
func swornFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "statement", Usage: "where there is a register: `FILE` that two managers sign; written when there is no --signature"},
		&cli.StringSliceFlag{Name: "signature", Usage: "`CERTIFICATE.pem,SIGNATURE` of a manager over the statement; twice"},
	}
}

// sworn returns the officers who have signed a statement. Without signatures it writes
// the statement for them, and refuses.
func (d *desk) sworn(c *cli.Context, act ra.Act, statement []byte) ([]ra.Officer, []ra.Signature, error) {
	file := c.String("statement")
	if !c.IsSet("signature") {
		if err := writeWhole(file, statement, 0o644); err != nil {
			return nil, nil, err
		}
		return nil, nil, refused("refused: two managers must sign for it, each with the key of the IKI certificate: openssl dgst -sha256 -sign manager.key -out manager.sig %s; then run the same command again with --signature manager.pem,manager.sig for each", file)
	}
	signed, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, clikit.Usagef("%s: --statement: %v; without --signature it is written", c.Command.HelpName, err)
	case err != nil:
		return nil, nil, err
	case !bytes.Equal(signed, statement):
		return nil, nil, refused("refused: %s is not what would be done now; write it anew, without --signature, and have it signed again", file)
	}
	var signatures []ra.Signature
	for _, pair := range c.StringSlice("signature") {
		s, err := readSignature(pair)
		if err != nil {
			return nil, nil, clikit.Usagef("%s: --signature: %v", c.Command.HelpName, err)
		}
		signatures = append(signatures, s)
	}
	officers, err := d.registry.Sworn(c.Context, act, statement, signatures)
	if err != nil {
		return nil, nil, oneLine(err)
	}
	return officers, signatures, nil
}

// swornName is how ledger and log name who has signed.
func swornName(o ra.Officer) string { return fmt.Sprintf("ra/%s (person %s)", o.ID, o.Person) }

// readSignature reads CERTIFICATE.pem,SIGNATURE.
func readSignature(pair string) (ra.Signature, error) {
	certificate, signature, ok := strings.Cut(pair, ",")
	if !ok {
		return ra.Signature{}, fmt.Errorf("%q: want CERTIFICATE.pem,SIGNATURE", pair)
	}
	text, err := readBounded(certificate, maxCheckpoint)
	if err != nil {
		return ra.Signature{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return ra.Signature{}, fmt.Errorf("%q holds no PEM certificate", certificate)
	}
	octets, err := readBounded(signature, maxCheckpoint)
	return ra.Signature{Certificate: block.Bytes, Signature: octets}, err
}
