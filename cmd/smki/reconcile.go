package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/cmd/clikit"
)

func reconcileCommand() *cli.Command {
	return &cli.Command{
		Name:  "reconcile",
		Usage: "settle what dead processes left behind",
		Description: `A serial number for which a signature was asked, and whose process died before the certificate was recorded, is written off: it
is never used again, and stands on the next list of an authority that has one. Every command does this when it starts; this one says what
was done. Nothing of a living process is touched. Needs no token.

--json prints {settled [{kind, issuer, serial, number, profile, on_crl}], living}.

Example:
  smki reconcile --home ca`,
		Flags:  []cli.Flag{homeFlag(), clikit.JSONFlag()},
		Action: runReconcile,
	}
}

// runReconcile tells what opening the CA has settled, which is done by then: every
// command settles before it begins.
func runReconcile(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	began := time.Now().Truncate(time.Microsecond)
	return at(c, false, func(d *desk) error {
		report, err := d.issuer.Reconcile(c.Context)
		if err != nil {
			return err
		}
		all := []settled{}
		for in, err := range d.issuer.Intents(c.Context) {
			if err != nil {
				return err
			}
			if in.State != ca.StateWrittenOff || in.SettledAt.Before(began) {
				continue
			}
			one := settled{Kind: in.Kind, Issuer: in.Issuer, Number: in.Number, Profile: in.Profile}
			if in.Kind == ca.CertificateIntent {
				one.Serial, one.OnCRL = in.Serial.String(), d.issuer.PublishesCRL(in.Issuer)
			}
			all = append(all, one)
		}
		return printSettled(c, all, report.Living)
	})
}

// settled is an intent that was written off.
type settled struct {
	Kind    ca.IntentKind `json:"kind"`
	Issuer  string        `json:"issuer"`
	Serial  string        `json:"serial,omitempty"`
	Number  int64         `json:"number,omitempty"`
	Profile string        `json:"profile"`
	OnCRL   bool          `json:"on_crl"`
}

func printSettled(c *cli.Context, all []settled, living int) error {
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, map[string]any{"settled": all, "living": living})
	}
	w, listed := c.App.Writer, 0
	for _, s := range all {
		if s.OnCRL {
			listed++
		}
		fmt.Fprintf(w, "written off: %s %s%s of %s\n", s.Kind, s.Serial, number(s.Number), s.Issuer)
	}
	if listed > 0 {
		fmt.Fprintf(w, "%d of them belong on a list: publish one with smki crl, or let smki serve do it\n", listed)
	}
	_, err := fmt.Fprintf(w, "%d settled, %d left to living processes\n", len(all), living)
	return err
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
