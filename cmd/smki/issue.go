package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// maxInput bounds what is read of a request before package policy, which allows
// less, says so.
const maxInput = 64 << 10

func issueCommand() *cli.Command {
	return &cli.Command{
		Name:  "issue",
		Usage: "issue one certificate for a request",
		Description: `Reads one PKCS#10 request (DER, PEM, or base64 in one line or in lines of 64 or 76 characters), and prints the certificate as
PEM, on the standard output or to --out, once it is in the ledger. Nothing else is printed there.

--type auto takes device and organisation requests by their form; an IKI certificate (RSA) has to be asked for by name, and opens the one
interface of smki serve that --interface names: ad-hoc and batched for systems, portal-device, portal-organisation and console for people.
Where registration is open one for no interface opens each. --renews names the certificate that a new one of the same holder follows.

Where registration is not open, this command issues IKI certificates only: a command line proves nobody's identity. Systems ask over the
web services, officers at the console, and an IKI certificate counts for nothing before the registration authority has added it.

A refused request ends with exit 3 and one line that names the rule and its clause. When the token or the database fails, the exit
is 4 and the request may be sent again: what was signed, if anything was, is accounted for.

--json prints {serial, issuer, profile, entity, role, not_before, not_after, pem}.

Examples:
  smki issue --home ca --csr meter.csr --out meter.pem
  openssl req -new … -outform DER | smki issue --home ca --csr - > supplier.pem
  smki issue --home ca --csr system.csr --type iki --interface ad-hoc --out system.pem
  smki issue --home ca --csr supplier.csr --issuer issuing-oca-1`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "csr", Usage: "`FILE` with the request; - is the standard input", Required: true},
			&cli.StringFlag{Name: "type", Value: "auto", Usage: "auto, device, organisation or iki (`TYPE`)"},
			&cli.StringFlag{Name: "issuer", Usage: "generation of the issuing authority (`NAME-N`), as issuing-oca-1; default: the newest"},
			&cli.StringFlag{Name: "interface", Value: "none", Usage: "with --type iki: `NAME` of the interface that it opens"},
			&cli.StringFlag{Name: "renews", Usage: "with --type iki: serial number of the certificate that it follows (`HEX`)"},
			&cli.StringFlag{Name: "out", Usage: "`FILE` for the certificate"},
			byFlag(),
			clikit.JSONFlag(),
		},
		Action: runIssue,
	}
}

// issued is a certificate as commands print it.
type issued struct {
	Serial    policy.Serial           `json:"serial"`
	Issuer    string                  `json:"issuer"`
	Profile   policy.ProfileName      `json:"profile"`
	Entity    *policy.EntityID        `json:"entity,omitempty"`
	Role      *policy.RemotePartyRole `json:"role,omitempty"`
	Interface iki.Interface           `json:"interface,omitempty"`
	NotBefore time.Time               `json:"not_before"`
	NotAfter  time.Time               `json:"not_after"`
	PEM       string                  `json:"pem"`
}

func runIssue(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	kind := c.String("type")
	switch kind {
	case "auto", "device", "organisation", "iki":
	default:
		return clikit.Usagef("smki issue: --type %q: want auto, device, organisation or iki", kind)
	}
	order, err := ikiOrder(c, kind)
	if err != nil {
		return err
	}
	input, err := readRequest(c, c.String("csr"))
	if err != nil {
		return err
	}
	der, err := policy.DecodePEMOrBase64(input, "request")
	if err != nil {
		return oneLine(&ca.Refusal{Rule: "encoding", Err: err})
	}
	return atIssuer(c, c.String("issuer"), func(d *desk) error {
		if err := d.mayIssue(c.String("issuer"), der); err != nil {
			return err
		}
		order.DER, order.Requester = der, who(c)
		got, err := d.issue(c.Context, kind, order)
		if err != nil {
			return oneLine(err)
		}
		return printIssued(c, got)
	})
}

// ikiOrder reads what is asked for of the IKI authority alone.
func ikiOrder(c *cli.Context, kind string) (iki.Order, error) {
	var o iki.Order
	if kind != "iki" && (c.IsSet("interface") || c.IsSet("renews")) {
		return o, clikit.Usagef("smki issue: --interface and --renews belong to --type iki")
	}
	var err error
	if o.Interface, err = iki.ParseInterface(c.String("interface")); err != nil {
		return o, clikit.Usagef("smki issue: --interface: %v", err)
	}
	if c.IsSet("renews") {
		if o.Renews, err = policy.ParseSerial(c.String("renews")); err != nil {
			return o, clikit.Usagef("smki issue: --renews: %v", err)
		}
	}
	return o, nil
}

func (d *desk) issue(ctx context.Context, kind string, o iki.Order) (*issued, error) {
	if kind == "iki" {
		if d.iki == nil {
			return nil, errors.New("this CA has no IKI authority: its key was not on the token when the home was made")
		}
		c, err := d.iki.IssueFor(ctx, o)
		if err != nil {
			return nil, err
		}
		return &issued{Serial: c.Serial, Issuer: c.Issuer, Profile: c.Profile, Role: c.Role, Interface: c.Interface, NotBefore: c.NotBefore, NotAfter: c.NotAfter, PEM: string(certificatePEM(c.DER))}, nil
	}
	if err := d.byHand("a request comes", "from a party's system or officer, over the web services or at the console, with an IKI certificate"); err != nil {
		return nil, err
	}
	r := ca.Request{DER: o.DER, Requester: o.Requester}
	if kind != "auto" {
		r.Type = policy.ProfileName(kind)
	}
	c, err := d.issuer.Issue(ctx, r)
	if err != nil {
		return nil, err
	}
	return &issued{Serial: c.Serial, Issuer: c.Issuer, Profile: c.Profile, Entity: c.Entity, Role: c.Role, NotBefore: c.NotBefore, NotAfter: c.NotAfter, PEM: string(certificatePEM(c.DER))}, nil
}

// readRequest reads a bounded file or the standard input.
func readRequest(c *cli.Context, path string) ([]byte, error) {
	in := c.App.Reader
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, clikit.Usagef("smki issue: --csr: %v", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return nil, fmt.Errorf("reading request %q: %w", path, err)
	}
	return b, nil
}

// printIssued prints the certificate. It is in the ledger already: when it cannot
// be written, the error says how to get it.
func printIssued(c *cli.Context, got *issued) (err error) {
	if path := c.String("out"); path != "" {
		err = writeWhole(path, []byte(got.PEM), 0o644)
	}
	if err == nil && clikit.WantsJSON(c) {
		err = clikit.JSON(c.App.Writer, got)
	} else if err == nil && c.String("out") == "" {
		_, err = io.WriteString(c.App.Writer, got.PEM)
	}
	if err != nil {
		return fmt.Errorf("certificate %q was issued and recorded, but not printed: %w; get it with: smki show --home %s --serial %s --pem", got.Serial, err, c.String("home"), got.Serial)
	}
	return nil
}

// oneLine makes any error one line, whatever it joins: scripts read one.
func oneLine(err error) error {
	if err == nil || !strings.ContainsAny(err.Error(), "\n\r") {
		return err
	}
	return lineError{err}
}

type lineError struct{ err error }

func (e lineError) Error() string {
	return strings.Join(strings.FieldsFunc(e.err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
func (e lineError) Unwrap() error { return e.err }

// hexLine is one DER as the export files have it.
func hexLine(der []byte) string { return hex.EncodeToString(der) + "\n" }
