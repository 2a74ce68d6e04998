package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show all that is known of one serial number",
		ArgsUsage: "[SERIAL]",
		Description: `Shows the certificate, its status and revocation, the intent that was committed before it was signed, and the records of the
audit log for these. --log reads the whole log for others that name the serial, as approvals do; in a large CA that takes minutes. A serial
that was written off has an intent and no certificate. --pem prints the certificate alone. Needs no token.

--json prints {certificate, intent {id, state, cause, created_at, settled_at}, revocation, audit [{seq, at, kind, by}], pem}.

Examples:
  smki show --home ca 0F3A…
  smki show --home ca --serial 0F3A… --pem | openssl x509 -noout -text`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "serial", Usage: "serial number (`HEX`)"},
			&cli.BoolFlag{Name: "log", Usage: "read the whole audit log for records that name the serial"},
			&cli.BoolFlag{Name: "pem", Usage: "print the certificate alone, as PEM"},
			clikit.JSONFlag(),
		},
		Action: runShow,
	}
}

// shown is all that is known of a serial number.
type shown struct {
	Certificate *listed        `json:"certificate,omitempty"`
	Intent      *shownIntent   `json:"intent"`
	Revocation  *revokedSerial `json:"revocation,omitempty"`
	Audit       []shownRecord  `json:"audit"`
	PEM         string         `json:"pem,omitempty"`

	der  []byte
	says string
}

type shownIntent struct {
	ID        int64          `json:"id"`
	Issuer    string         `json:"issuer"`
	Profile   string         `json:"profile"`
	State     ca.IntentState `json:"state"`
	Cause     string         `json:"cause,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	SettledAt *time.Time     `json:"settled_at,omitempty"`
}

type shownRecord struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	By   string    `json:"by"`
}

func runShow(c *cli.Context) error {
	args, err := clikit.Arguments(c, "[SERIAL]")
	if err != nil {
		return err
	}
	text := c.String("serial")
	if len(args) == 1 {
		if text != "" {
			return clikit.Usagef("smki show: the serial number is given twice, as %s and with --serial", args[0])
		}
		text = args[0]
	}
	if text == "" {
		return clikit.Usagef("smki show: SERIAL is missing; usage: smki show --home DIR SERIAL")
	}
	serial, err := policy.ParseSerial(text)
	if err != nil {
		return clikit.Usagef("smki show: %v", err)
	}
	return at(c, false, func(d *desk) error {
		s, err := d.show(c.Context, serial, c.Bool("log"))
		if err != nil {
			return err
		}
		switch {
		case c.Bool("pem"):
			if s.PEM == "" {
				return fmt.Errorf("serial %q has no certificate: its intent is %s", serial, s.Intent.State)
			}
			_, err = io.WriteString(c.App.Writer, s.PEM)
		case clikit.WantsJSON(c):
			err = clikit.JSON(c.App.Writer, s)
		default:
			err = s.print(c.App.Writer)
		}
		return err
	})
}

func (d *desk) show(ctx context.Context, serial policy.Serial, wholeLog bool) (*shown, error) {
	in, err := d.issuer.IntentOf(ctx, serial)
	if err != nil {
		if errors.Is(err, ca.ErrNotFound) {
			err = fmt.Errorf("serial %q was never given out by this CA; look with: smki list --home %s", serial, d.home.dir)
		}
		return nil, err
	}
	s := &shown{Intent: &shownIntent{ID: in.ID, Issuer: in.Issuer, Profile: fmt.Sprintf("%s/%d", in.Profile, in.ProfileVersion), State: in.State, Cause: in.Cause, CreatedAt: in.CreatedAt}, Audit: []shownRecord{}}
	moments := []time.Time{in.CreatedAt}
	if !in.SettledAt.IsZero() {
		s.Intent.SettledAt = &in.SettledAt
		moments = append(moments, in.SettledAt)
	}
	if err := d.showCertificate(ctx, serial, s); err != nil {
		return nil, err
	}
	r, err := d.register.Find(ctx, serial)
	if errors.Is(err, ca.ErrNotFound) {
		var client iki.Revocation
		if client, err = iki.RevocationOf(ctx, d.store, serial); err == nil {
			r = revocation.Revocation{Serial: client.Serial, RecordedAt: client.RecordedAt, Issuer: client.Issuer, Reason: client.Reason, At: client.At, By: client.By, OnCRL: true, WrittenOff: client.WrittenOff}
		}
	}
	switch {
	case err == nil:
		s.Revocation, s.says = &revokedSerial{r.Serial, r.Issuer, r.Reason, r.At, false, r.OnCRL}, revocationSays(r)
		moments = append(moments, r.RecordedAt)
	case !errors.Is(err, ca.ErrNotFound):
		return nil, err
	}
	return s, d.showAudit(ctx, serial, s, moments, wholeLog)
}

func revocationSays(r revocation.Revocation) string {
	where := "Repository status only"
	if r.OnCRL {
		where = "on the list of " + r.Issuer
	}
	by := ""
	if r.By != "" {
		by = " by " + r.By
	}
	return fmt.Sprintf("%s, %s%s; %s", r.Reason, r.At.Format(time.RFC3339), by, where)
}

func (d *desk) showCertificate(ctx context.Context, serial policy.Serial, s *shown) error {
	c, err := d.issuer.BySerial(ctx, serial)
	if err == nil {
		l := listedOf(c, d.issuer.Now())
		s.Certificate, s.der, s.PEM = &l, c.DER, string(certificatePEM(c.DER))
		return nil
	}
	if !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	client, err := iki.BySerial(ctx, d.store, serial)
	if err == nil {
		l := listedIKI(client)
		s.Certificate, s.der, s.PEM = &l, client.DER, string(certificatePEM(client.DER))
		return nil
	}
	if errors.Is(err, ca.ErrNotFound) {
		return nil
	}
	return err
}

// showAudit finds the records that name the serial: those of the moments at which
// something became of it, or, with whole, in the whole log, which is read from the
// front. The log has no index by serial, because each certificate would have to pay
// for it.
func (d *desk) showAudit(ctx context.Context, serial policy.Serial, s *shown, moments []time.Time, whole bool) error {
	needle := `"` + serial.String() + `"`
	add := func(r audit.Record) {
		if !slices.ContainsFunc(s.Audit, func(have shownRecord) bool { return have.Seq == r.Seq }) {
			s.Audit = append(s.Audit, shownRecord{r.Seq, r.At, string(r.Kind), r.By})
		}
	}
	for _, at := range moments {
		found, err := d.issuer.Log().At(ctx, at, needle)
		if err != nil {
			return err
		}
		for _, r := range found {
			add(r)
		}
		whole = whole || len(found) == 0 // it is told at another time, as of what a ceremony made
	}
	if whole {
		for r, err := range d.issuer.Log().Records(ctx, 0) {
			if err != nil {
				return err
			}
			if strings.Contains(string(r.Line), needle) {
				add(r)
			}
		}
	}
	slices.SortFunc(s.Audit, func(a, b shownRecord) int { return cmp.Compare(a.Seq, b.Seq) })
	return nil
}

func (s *shown) print(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-14s%s\n", name, fmt.Sprintf(format, a...)) }
	if c := s.Certificate; c != nil {
		line("serial", "%s", c.Serial)
		line("status", "%s", statusWords[c.Status])
		line("profile", "%s, issued by %s", c.Profile, c.Issuer)
		if c.Entity != nil {
			line("entity", "%s", c.Entity)
		}
		if c.Name != "" {
			line("name", "%s", c.Name)
		}
		if c.Role != nil {
			line("role", "%s (%s)", c.Role, c.Role.OU())
		}
		line("usage", "%s", c.Usage)
		line("valid", "%s to %s", c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
		line("key", "%s", c.Key)
		line("asked for by", "%s, recorded %s", c.Requester, c.RecordedAt.Format(time.RFC3339))
		if cert, err := policy.ParseCertificate(s.der); err == nil {
			line("key ids", "subject %s, authority %s", cert.SubjectKeyID, cert.AuthorityKeyID)
			for _, p := range cert.Policies {
				line("policy", "%s", p)
			}
		}
	} else {
		line("certificate", "none: the serial number was given up")
	}
	if s.says != "" {
		line("revoked", "%s", s.says)
	}
	cause := ""
	if s.Intent.Cause != "" {
		cause = " (" + s.Intent.Cause + ")"
	}
	line("intent", "%d, %s, for %s, written %s: %s%s", s.Intent.ID, s.Intent.Profile, s.Intent.Issuer, s.Intent.CreatedAt.Format(time.RFC3339), s.Intent.State, cause)
	for _, r := range s.Audit {
		line("audit", "record %d, %s, %s by %s", r.Seq, r.At.Format(time.RFC3339), r.Kind, r.By)
	}
	b.WriteString(s.PEM)
	_, err := io.WriteString(w, b.String())
	return err
}

var statusWords = map[ca.Status]string{ca.StatusInUse: "in use", ca.StatusNotInUse: "not in use", ca.StatusRevoked: "revoked", ca.StatusExpired: "expired"}
