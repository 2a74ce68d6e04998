package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/ca/iki"
	"smki.example/ca/revocation"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func revokeCommand() *cli.Command {
	return &cli.Command{
		Name:  "revoke",
		Usage: "take certificates out of use",
		Description: `Chooses certificates by one of --serial, --spki (SHA-256 of the public key info, as list and show print it), --list (a CSV file:
serial numbers alone, or with a heading that has a column "serial", as results.csv), --entity (all of a device or organisation) or
--issuer (all that an authority has issued). --not-before T leaves out what was recorded before T, for a key that was lost at a
known time.

When the command ends well, the revocations are in the ledger, and a new CRL with them is published; --no-publish leaves that to
the next "smki crl" or to "smki serve". Where an authority has no list in this environment, the Repository status alone is set, and
the command says so. Revoking again is no error and changes nothing: the first revocation stands.

An IKI certificate is revoked by --serial or --list in the same way; a client that holds one is cut off from every smki serve on this home
within 60 seconds. Where registration is not open, this command revokes nothing else by itself: officers ask at the console, and two persons
agree. What the console cannot do, as all that an authority has issued, is done here with --decision, the
reference of who decided it: --statement FILE writes which certificates, why and by which decision, two managers sign it with the keys of
their IKI certificates, and the same command with --signature for each goes on.

Reasons: keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn, unspecified.

--json prints {revoked, already, revocations [{serial, issuer, reason, at, new, on_crl}], lists [{issuer, number}], says}.

Examples:
  smki revoke --home ca --serial 0F3A… --reason keyCompromise
  smki revoke --home ca --entity 90-B3-D5-1F-30-01-00-02 --reason cessationOfOperation
  smki revoke --home ca --issuer issuing-dca --not-before 2026-11-20T08:00:00Z --reason cACompromise`,
		Flags: append(swornFlags(),
			homeFlag(),
			&cli.StringFlag{Name: "serial", Usage: "serial number (`HEX`)"},
			&cli.StringFlag{Name: "spki", Usage: "key, by the SHA-256 of its public key info (`HEX`)"},
			&cli.StringFlag{Name: "list", Usage: "file with serial numbers (`CSV`)"},
			&cli.StringFlag{Name: "entity", Usage: "device or organisation (`EUI`)"},
			&cli.StringFlag{Name: "issuer", Usage: "authority (`NAME`)"},
			&cli.StringFlag{Name: "reason", Usage: "`NAME` of the reason", Required: true},
			&cli.TimestampFlag{Name: "not-before", Layout: time.RFC3339, Usage: "only what was recorded at `TIME` or later"},
			&cli.BoolFlag{Name: "no-publish", Usage: "do not publish a CRL now"},
			&cli.StringFlag{Name: "decision", Usage: "reference of the decision behind it (`WORDS`), for the ledger; needed where registration is not open"},
			byFlag(),
			clikit.JSONFlag(),
		),
		Action: runRevoke,
	}
}

// suspensions are the reasons of RFC 5280 that SMKI forbids: asking for one is a
// matter of policy, not of spelling.
var suspensions = []string{"certificateHold", "removeFromCRL", "aACompromise"}

func runRevoke(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	reason, err := policy.ParseReason(c.String("reason"))
	if err != nil {
		if slices.ContainsFunc(suspensions, func(s string) bool { return strings.EqualFold(s, c.String("reason")) }) {
			return refused("refused: reason %s: SMKI knows no suspension and no attribute authorities: %w", c.String("reason"), err)
		}
		return clikit.Usagef("smki revoke: --reason: %v", err)
	}
	choose, err := choice(c)
	if err != nil {
		return err
	}
	publish, by := !c.Bool("no-publish"), who(c)
	if c.IsSet("decision") {
		by += ", decision " + c.String("decision")
	}
	return at(c, publish, func(d *desk) error {
		if err := d.goesOn(c.Context); err != nil {
			return err
		}
		serials, err := choose(c.Context, d)
		if err != nil {
			return oneLine(err)
		}
		clients, serials, err := d.partClients(c.Context, serials)
		if err != nil {
			return err
		}
		if len(serials) > 0 && !c.IsSet("decision") {
			if err := d.byHand("revocations are asked for", "by officers at the console; what the SMKI PMA has decided and the console cannot do is done with --decision"); err != nil {
				return err
			}
		}
		if len(serials) > 0 && d.home.env.Registration != policy.RegistrationOpen {
			if by, err = d.decided(c, serials, reason); err != nil {
				return err
			}
		}
		done, err := d.revoke(c.Context, serials, reason, by)
		if err == nil {
			err = d.revokeClients(c.Context, done, clients, reason, by)
		}
		if err != nil {
			return oneLine(err)
		}
		if publish {
			if err := d.publish(c.Context, done); err != nil {
				done.print(c)
				return fmt.Errorf("the revocations are recorded, but no list shows them yet: %w; publish one with: smki crl --home %s --issuer NAME", err, c.String("home"))
			}
		}
		return done.print(c)
	})
}

// revoked is what a revoke command did.
type revoked struct {
	Revoked     int             `json:"revoked"`
	Already     int             `json:"already"`
	Revocations []revokedSerial `json:"revocations"`
	Lists       []publishedList `json:"lists"`
	Says        []string        `json:"says"`

	all []revocation.Revocation
}

type revokedSerial struct {
	Serial policy.Serial `json:"serial"`
	Issuer string        `json:"issuer"`
	Reason policy.Reason `json:"reason"`
	At     time.Time     `json:"at"`
	New    bool          `json:"new"`
	OnCRL  bool          `json:"on_crl"`
}

type publishedList struct {
	Issuer string `json:"issuer"`
	Number int64  `json:"number"`
}

func (d *desk) revoke(ctx context.Context, serials []policy.Serial, reason policy.Reason, by string) (*revoked, error) {
	done := &revoked{Revocations: []revokedSerial{}, Lists: []publishedList{}, Says: []string{}}
	for part := range slices.Chunk(serials, revocation.MaxRevocations) {
		var qs []revocation.Revoke
		for _, s := range part {
			qs = append(qs, revocation.Revoke{Serial: s, Reason: reason, By: by})
		}
		rs, err := d.register.RevokeAll(ctx, qs)
		if err != nil {
			if len(part) == 1 {
				err = d.unknown(ctx, part[0], err)
			}
			if n := done.Revoked; n > 0 {
				err = fmt.Errorf("%w; %d certificates were revoked before", err, n)
			}
			return nil, err
		}
		for _, r := range rs {
			done.all = append(done.all, r)
			done.Revocations = append(done.Revocations, revokedSerial{r.Serial, r.Issuer, r.Reason, r.At, r.New, r.OnCRL})
			if r.New {
				done.Revoked++
			} else {
				done.Already++
			}
		}
	}
	return done, nil
}

// unknown says of a serial that the ledger does not have where to look: it may be an
// IKI certificate, which stands in a ledger of its own.
func (d *desk) unknown(ctx context.Context, s policy.Serial, err error) error {
	if !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	if _, found := iki.BySerial(ctx, d.store, s); found == nil {
		return fmt.Errorf("certificate %q is an IKI certificate, of a client of the services: see smki show --home %s %s", s, d.home.dir, s)
	}
	return fmt.Errorf("%w; look with: smki list --home %s", err, d.home.dir)
}

// publish makes a new list of every authority whose revocations its current list
// may lack. A repeated revocation publishes too: the first may have died before
// its list.
func (d *desk) publish(ctx context.Context, done *revoked) error {
	var issuers []string
	for _, r := range done.all {
		if r.OnCRL && !slices.Contains(issuers, r.Issuer) {
			issuers = append(issuers, r.Issuer)
		}
	}
	standings, err := d.standings(ctx, d.issuer.Now())
	if err != nil {
		return err
	}
	for _, issuer := range issuers {
		n := slices.IndexFunc(standings, func(s revocation.Standing) bool { return s.Issuer == issuer })
		if n >= 0 && standings[n].Number > 0 && standings[n].Pending == 0 {
			continue
		}
		number, err := d.publishList(ctx, issuer)
		if err != nil {
			return err
		}
		done.Lists = append(done.Lists, publishedList{issuer, number})
	}
	return nil
}

// print says what was done, issuer by issuer.
func (done *revoked) print(c *cli.Context) error {
	done.Says = append(done.Says, fmt.Sprintf("%d revoked, %d were revoked before and stand as they were", done.Revoked, done.Already))
	status := 0
	listed := false
	for _, r := range done.all {
		if !r.OnCRL {
			status++
		}
		listed = listed || r.OnCRL
	}
	for _, l := range done.Lists {
		done.Says = append(done.Says, fmt.Sprintf("list %d of %s is published", l.Number, l.Issuer))
	}
	if listed && len(done.Lists) == 0 {
		if c.Bool("no-publish") {
			done.Says = append(done.Says, fmt.Sprintf("no list was published: do it with smki crl --home %s --issuer NAME", c.String("home")))
		} else {
			done.Says = append(done.Says, "the current list has them all")
		}
	}
	if status > 0 {
		done.Says = append(done.Says, fmt.Sprintf("%d of them on no list: their issuer publishes none in this environment, so that the Repository status alone was set", status))
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, done)
	}
	_, err := fmt.Fprintln(c.App.Writer, strings.Join(done.Says, "\n"))
	return err
}
