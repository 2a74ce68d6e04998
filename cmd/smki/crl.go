package main

import (
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/cmd/clikit"
)

func crlCommand() *cli.Command {
	return &cli.Command{
		Name:  "crl",
		Usage: "issue a CRL or ARL now and print it",
		Description: `The list has a new number and holds every revocation so far. It is published, which is to say recorded and served, when the
command ends well. Which authorities have a list is a matter of the environment: issuing-oca (Organisation CRL), root-oca (ARL),
and issuing-dca where devices can be revoked on a list; iki, the authority of the services' clients, always has one.

It is printed as PEM. --out FILE gets DER if the name ends in .crl or .der, and PEM otherwise.

--json prints {issuer, number, this_update, next_update, entries, pem}.

Examples:
  smki crl --home ca --issuer issuing-oca | openssl crl -noout -text
  smki crl --home ca --issuer root-oca --out arl.crl`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "issuer", Usage: "`NAME` of the authority", Required: true},
			&cli.StringFlag{Name: "out", Usage: "`FILE` for the list"},
			clikit.JSONFlag(),
		},
		Action: runCRL,
	}
}

func runCRL(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	name := c.String("issuer")
	return at(c, true, func(d *desk) error {
		if a := d.ikiOf(name); a != nil {
			record, err := a.PublishCRL(c.Context)
			if err != nil {
				return oneLine(err)
			}
			return printCRL(c, (*revocation.CRLRecord)(record))
		}
		if _, err := d.issuer.Authority(name); err != nil {
			return clikit.Usagef("smki crl: --issuer %q: want one of %s", name, strings.Join(d.authorityNames(), ", "))
		}
		record, err := d.register.PublishCRL(c.Context, name)
		if err != nil {
			return oneLine(err)
		}
		return printCRL(c, record)
	})
}

// authorityNames are the authorities whose keys are here.
func (d *desk) authorityNames() []string {
	var names []string
	for _, a := range d.issuer.Authorities() {
		names = append(names, a.Name)
	}
	if d.iki != nil {
		names = append(names, iki.Name)
	}
	return names
}

func printCRL(c *cli.Context, record *revocation.CRLRecord) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: record.DER})
	if path := c.String("out"); path != "" {
		content := text
		if ext := strings.ToLower(filepath.Ext(path)); ext == ".crl" || ext == ".der" {
			content = record.DER
		}
		if err := writeWhole(path, content, 0o644); err != nil {
			return err
		}
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]any{"issuer": record.Issuer, "number": record.Number, "this_update": record.ThisUpdate,
			"next_update": record.NextUpdate, "entries": record.Entries, "pem": string(text)})
	}
	if path := c.String("out"); path != "" {
		_, err := fmt.Fprintf(c.App.Writer, "list %d of %s, %d entries, until %s, is published and in %s\n", record.Number, record.Issuer, record.Entries, record.NextUpdate.Format(time.RFC3339), path)
		return err
	}
	_, err := c.App.Writer.Write(text)
	return err
}
